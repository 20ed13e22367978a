//! What Salus writes of a subscription: its status, and the steps that are sealed.

use event::{Act, Actor, Body, Event, Notified, NotifyStep, Resource, Subject};
use guard::{Standing, admit};
use record::Error;
use routes::Subscriber;
use serde_json::Value;

use crate::App;

/// Writes the status, with what is wrong if anything is; a version of its own.
///
/// # Errors
/// What keeps the record from sealing. Somebody else wrote it meanwhile: nothing is done, and it is fine.
pub(super) async fn write(
    app: &App,
    (one, as_of): (&Subscriber, u64),
    (status, error): (&str, Option<&str>),
) -> Result<(), Error> {
    let mut value: Value = serde_json::from_slice(&one.resource).unwrap_or_default();
    let Some(map) = value.as_object_mut() else {
        return Ok(());
    };
    map.insert("status".to_owned(), status.into());
    match error {
        Some(error) => drop(map.insert("error".to_owned(), error.into())),
        None => drop(map.remove("error")),
    }
    let body = Body::Resource(Resource {
        kind: "Subscription".to_owned(),
        id: one.id.clone(),
        replaces: one.version,
        as_of,
        resolved: Vec::new(),
        contents: Vec::new(),
    });
    let event = Event::new(Actor::salus(), Act::Update, subject(), body);
    match seal(app, event.with_raw(value.to_string().into_bytes())).await {
        Err(Error::Conflict { .. }) => Ok(()),
        done => done,
    }
}

/// Seals a step.
///
/// # Errors
/// What keeps the record from sealing.
pub(super) async fn step(app: &App, id: &str, step: NotifyStep) -> Result<(), Error> {
    let body = Body::Notified(Notified {
        subscription: id.to_owned(),
        step,
    });
    seal(app, Event::new(Actor::salus(), Act::Send, subject(), body)).await
}

fn subject() -> Subject {
    Subject::Kind("Subscription".to_owned())
}

async fn seal(app: &App, event: Event) -> Result<(), Error> {
    let admitted = admit(event.into(), Standing::Salus, "").map_err(|refused| Error::Broken {
        doing: "seal what became of a subscription",
        why: refused.words,
    })?;
    app.record.admit(vec![admitted]).await.map(drop)
}
