//! Taking in much at once: files that the operator has ([`files`]), and `$import`: files at addresses
//! that a system names, by the SMART "Bulk Data Import" proposal (manifest approach).
//!
//! What is asked for and how far it is are sealed: each part of a file in one commit with how many of its
//! lines are read, so that a kill loses nothing and doubles nothing.

mod files;
mod lines;
mod part;
mod places;
mod run;
mod settings;
mod told;
mod wanted;

pub use files::{Imported, Importer, Refusal};
pub use places::imports;
pub(crate) use run::said_as;
pub use settings::Imports;
pub(crate) use told::progress;

use axum::http::header::{CONTENT_LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode, request::Parts};
use bytes::Bytes;
use event::{Act, Body, Event, ImportEnd, ImportStep, Role, Subject};
use flow::Import;
use guard::{Identity, Standing, admit};
use wire::fhir::Code;

use super::answer::Answer;
use super::door::{Door, Question};
use super::export::must_be_async;
use super::fault::Fault;
use super::format;
use super::ids;
use wanted::Wanted;

/// What is asked about imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `POST $import`.
    Begin,
    /// `DELETE` of its status.
    Drop(String),
    /// What was refused of one of its files.
    Refusals(String, u32),
    /// What became of it.
    Status(String),
}

/// Answers a question about imports.
///
/// # Errors
/// 403 for whoever is no system, 404 for an import that is not theirs, and each step's own.
pub(super) async fn answer(
    door: &Door,
    who: &Identity,
    (asked, parts, bytes): (Asked, &Parts, Bytes),
) -> Result<Answer, Fault> {
    if who.role() != Role::Client || who.through.is_some() {
        let words = "imports are for systems with scopes of their own (`system/*.cu`)".to_owned();
        return Err(Fault::forbidden(&[words]));
    }
    match asked {
        Asked::Begin => begin(door, who, (parts, bytes)).await,
        Asked::Drop(id) => {
            let import = find(door, who, &id).await?;
            if import.ended.is_none() {
                let step = ImportStep::Ended {
                    how: ImportEnd::Cancelled,
                    why: String::new(),
                };
                seal(door, (who, &id), step).await?;
            }
            Ok(Answer {
                status: StatusCode::ACCEPTED,
                ..Answer::default()
            })
        }
        Asked::Refusals(id, place) => {
            told::refusals(door, &find(door, who, &id).await?, place).await
        }
        Asked::Status(id) => told::status(door, &find(door, who, &id).await?).await,
    }
}

async fn begin(
    door: &Door,
    who: &Identity,
    (parts, bytes): (&Parts, Bytes),
) -> Result<Answer, Fault> {
    must_be_async(parts)?;
    format::body_is_json(&parts.headers)?;
    let (length, limits) = (bytes.len(), door.limits());
    let read = move || wire::fhir::parse(&bytes, &limits);
    let body = door.work(length, read).await??;
    let wanted = Wanted::read(&body, &door.app.settings.imports)?;
    for kind in wanted.kinds() {
        let question = Question {
            act: Act::Update,
            subject: Subject::Kind(kind.to_owned()),
            kinds: vec![kind.to_owned()],
            detail: "$import".to_owned(),
        };
        if !door.decide(who, question.clone()).await?.allowed() {
            // The refusal is sealed.
            door.permit(who, question, None).await?;
        }
    }
    // INVARIANT: one at a time is counted and sealed.
    let _turn = door.kept.importing.lock().await;
    has_room(door, who).await?;
    let id = ids::random()?;
    let step = ImportStep::Begun {
        source: wanted.source,
        scopes: who.scopes.clone(),
        inputs: wanted.inputs,
    };
    seal(door, (who, &id), step).await?;
    let place = format!("{}/$import-status/{id}", door.app.settings.fhir_base);
    Ok(Answer {
        status: StatusCode::ACCEPTED,
        headers: vec![(CONTENT_LOCATION, place)],
        ..Answer::default()
    })
}

async fn has_room(door: &Door, who: &Identity) -> Result<(), Fault> {
    caught_up(door).await?;
    let going = door.app.flow.imports(flow::Imports::Going).await;
    let going = going.map_err(|why| Fault::ours(&why))?;
    let max = door.app.settings.imports.per_client_max;
    let own = going.iter().filter(|one| one.client == who.actor.id);
    if own.count() < max {
        return Ok(());
    }
    let words = format!(
        "this client has {max} imports that go on (`per_client_max`); wait, or `DELETE` the status of one"
    );
    let mut fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, Code::Throttled, words);
    fault.header = Some((RETRY_AFTER, HeaderValue::from_static("60")));
    Err(fault)
}

/// The import of this id, if it is the asker's.
async fn find(door: &Door, who: &Identity, id: &str) -> Result<Import, Fault> {
    caught_up(door).await?;
    let found = door.app.flow.import(id).await;
    let found = found.map_err(|why| Fault::ours(&why))?;
    found
        .filter(|one| one.client == who.actor.id)
        .ok_or_else(|| told::absent(id))
}

/// Waits until the view of imports shows what is sealed.
async fn caught_up(door: &Door) -> Result<(), Fault> {
    let wait = std::time::Duration::from_millis(door.app.settings.chart_wait_ms);
    match door.app.flow.caught_up(door.app.record.size(), wait).await {
        true => Ok(()),
        false => Err(Fault::later(
            "it is not known yet how far imports are; ask again in a second",
        )),
    }
}

/// Seals a step of an import.
async fn seal(door: &Door, (who, id): (&Identity, &str), step: ImportStep) -> Result<(), Fault> {
    let admitted = admitted(&who.actor, id, (step, Vec::new()))?;
    door.app.record.admit(vec![admitted]).await?;
    Ok(())
}

/// A step of an import, to be sealed, with its raw bytes.
fn admitted(
    actor: &event::Actor,
    id: &str,
    (step, raw): (ImportStep, Vec<u8>),
) -> Result<guard::Admitted, Fault> {
    let body = Body::Import(event::Import {
        import: id.to_owned(),
        step,
    });
    let subject = Subject::Account(actor.id.clone());
    let event = Event::new(actor.clone(), Act::Send, subject, body).with_raw(raw);
    let admitted = admit(event.into(), Standing::Salus, "");
    admitted.map_err(|refused| Fault::broken(refused.words))
}
