//! Bulk Data Access 2.0.0: `$export` of everything, of all patients, of a group.
//!
//! An export keeps no data: its files say between which rows of the chart they lie, at one moment.
//! Each file is looked up, decided, counted and sealed when it is fetched, like a page of a search.

mod begin;
mod file;
mod job;
mod prepare;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_LOCATION, EXPIRES, HeaderName, RETRY_AFTER};
use axum::http::request::Parts;
use event::Role;
use guard::Identity;
use serde_json::{Value, json};
use wire::fhir::Code;

use super::answer::{Answer, http_date};
use super::door::Door;
use super::fault::Fault;
use super::query::Pairs;
use super::route::Target;
pub(crate) use begin::must_be_async;
pub(crate) use job::Jobs;
use job::{Job, Part, State};

/// What is asked about exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Export {
    /// `$export`.
    Begin(Level),
    /// `DELETE` of its status.
    Drop(String),
    /// One of its files.
    File(String, usize),
    /// What became of it.
    Status(String),
}

/// What is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Level {
    /// `Group/[id]/$export`: what belongs to its members.
    Group(Target),
    /// `Patient/$export`: what belongs to patients.
    Patients,
    /// `$export`: everything.
    System,
}

/// Answers a question about exports.
///
/// # Errors
/// 403 for whoever is no system, 404 for an export that is not theirs, and each step's own.
pub(crate) async fn answer(
    door: &Door,
    who: &Identity,
    (export, pairs, parts): (Export, Pairs, &Parts),
) -> Result<Answer, Fault> {
    if who.role() != Role::Client || who.through.is_some() {
        let words = "exports are for systems with scopes of their own (`system/*.rs`)".to_owned();
        return Err(Fault::forbidden(&[words]));
    }
    match export {
        Export::Begin(level) => begin::begin(door, who, (level, pairs, parts)).await,
        Export::Drop(id) => {
            find(door, who, &id)?;
            door.kept.exports.remove(&id);
            Ok(Answer {
                status: StatusCode::ACCEPTED,
                ..Answer::default()
            })
        }
        Export::File(id, at) => file::file(door, who, (&*find(door, who, &id)?, at)).await,
        Export::Status(id) => status(door, &*find(door, who, &id)?),
    }
}

/// The export of this id, if it is the asker's.
fn find(door: &Door, who: &Identity, id: &str) -> Result<std::sync::Arc<Job>, Fault> {
    door.kept.exports.expire(door.app.clock.now());
    let job = door.kept.exports.get(id);
    job.filter(|job| job.who.actor.id == who.actor.id)
        .ok_or_else(|| {
            let words =
                format!("there is no export `{id}` of yours; it may have ended or been deleted");
            Fault::new(StatusCode::NOT_FOUND, Code::NotFound, words)
        })
}

fn status(door: &Door, job: &Job) -> Result<Answer, Fault> {
    match job.state() {
        State::Running(words) => Ok(Answer {
            status: StatusCode::ACCEPTED,
            headers: vec![
                (HeaderName::from_static("x-progress"), words),
                (RETRY_AFTER, "1".to_owned()),
            ],
            ..Answer::default()
        }),
        State::Failed(fault) => Err(fault),
        State::Done(parts) => Ok(Answer {
            body: Some(manifest(door, job, &parts).to_string().into()),
            headers: vec![(EXPIRES, http_date(job.ends))],
            media: Some("application/json"),
            ..Answer::default()
        }),
    }
}

fn manifest(door: &Door, job: &Job, parts: &[Part]) -> Value {
    let base = &door.app.settings.fhir_base;
    let listed = |deleted: bool| -> Vec<Value> {
        let all = parts.iter().enumerate();
        all.filter(|(_, part)| part.deleted == deleted)
            .map(|(at, part)| {
                json!({
                    "type": if deleted { "Bundle" } else { part.kind },
                    "url": format!("{base}/$export-file/{}/{at}", job.id),
                    "count": if deleted { 1 } else { part.count },
                })
            })
            .collect()
    };
    json!({
        "transactionTime": job.at.to_string(),
        "request": job.request,
        "requiresAccessToken": true,
        "output": listed(false),
        "deleted": listed(true),
        "error": [],
    })
}

/// 202, with where to ask what became of it.
fn begun(door: &Door, job: &Job) -> Answer {
    let place = format!("{}/$export-status/{}", door.app.settings.fhir_base, job.id);
    Answer {
        status: StatusCode::ACCEPTED,
        headers: vec![(CONTENT_LOCATION, place)],
        ..Answer::default()
    }
}
