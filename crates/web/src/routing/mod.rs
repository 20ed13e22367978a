//! Passes messages on: each route is a task that takes what waits, in its order, and sends it. What
//! waits and what became of it is known from the record alone (`routes`): a restart forgets nothing.
//!
//! A receiver's answer is sealed before anything counts as delivered. If the machine dies between the
//! answer and the seal, that message goes a second time, with the same id (MSH-10).

mod dicom;
mod fhir;
mod file;
mod line;
mod mllp;
mod order;
mod seal;
mod sender;

pub(crate) use order::manage;
pub use order::{RouteOrdered, RouteWanted, Step, Which};

use std::sync::Arc;
use std::time::Duration;

use event::{Act, Actor, Body, Event, RouteChange, Subject};
use guard::{Standing, admit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::App;
use sender::Sender;

/// How long one wait for the view takes before it is looked whether to stop.
const FOLD_WAIT: Duration = Duration::from_secs(1);
/// How long a failure to seal the rules waits.
const AGAIN: Duration = Duration::from_secs(1);

/// Passes messages on until `stop`: seals the rules of each route if they are new, then sends.
pub async fn pass_on(app: Arc<App>, stop: CancellationToken) {
    while let Err(why) = settle(&app, &stop).await {
        tracing::error!(why, "the rules of routes were not sealed; trying again");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
    let tasks = TaskTracker::new();
    for route in &app.routes.config().routes {
        match Sender::open(&app, route, &tasks) {
            Ok(sender) => drop(tasks.spawn(sender.run(stop.clone()))),
            Err(why) => tracing::error!(route = route.name, why, "a route cannot send"),
        }
    }
    tasks.close();
    tasks.wait().await;
}

/// Seals what changed in the configuration: rules that are new or others than before, and routes that
/// are gone.
async fn settle(app: &App, stop: &CancellationToken) -> Result<(), String> {
    let size = app.record.size();
    while !app.routes.caught_up(size, FOLD_WAIT).await {
        if stop.is_cancelled() {
            return Ok(());
        }
    }
    let before = app.routes.in_force().await;
    let mut changes = Vec::new();
    for route in &app.routes.config().routes {
        let rules = serde_json::to_string(route).map_err(|why| why.to_string())?;
        let known = before
            .iter()
            .any(|(name, written, open)| *name == route.name && *written == rules && *open);
        if !known {
            changes.push((route.name.clone(), Some(rules)));
        }
    }
    for (name, _, _) in before.iter().filter(|(_, _, open)| *open) {
        if !app
            .routes
            .config()
            .routes
            .iter()
            .any(|route| route.name == *name)
        {
            changes.push((name.clone(), None));
        }
    }
    let admitted: Result<Vec<_>, String> = changes
        .into_iter()
        .map(|(route, rules)| {
            let subject = Subject::Feed(route.clone());
            let body = Body::Route(RouteChange { route, rules });
            let event = Event::new(Actor::salus(), Act::Manage, subject, body);
            admit(event.into(), Standing::Salus, "").map_err(|refused| refused.words)
        })
        .collect();
    let sealed = app.record.admit(admitted?).await;
    sealed.map_err(|why| why.to_string())?;
    let size = app.record.size();
    while !app.routes.caught_up(size, FOLD_WAIT).await && !stop.is_cancelled() {}
    Ok(())
}
