//! A person decides about an entry: only then is it in a chart, as a resource with its Provenance.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Body, Event, Line, Outcome, Resource, Subject, Verdict};
use guard::{Admitted, Decision, Standing, admit};
use lifeline::{Entry, Made, Whose};

use super::queue::{self, Held};
use super::typed::Typed;
use crate::api::fhir::unmarked;
use crate::error::{Problem, broken};
use crate::pages::lifeline::settled;
use crate::pages::visit::{Fields, Posted, Visit, page};
use crate::pages::words;

/// `POST /downtime/entries/{index}`
pub(crate) async fn decide(Path(index): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let missing = || Problem::Missing("entry at this address".to_owned());
    let index: u64 = index.parse().map_err(|_| missing())?;
    let entry = visit.app.lifeline.entry(index).await;
    let entry = entry.map_err(|why| broken(&why))?.ok_or_else(missing)?;
    match seal(&visit, &fields, &entry).await? {
        Ok(()) => {
            settled(&visit).await;
            let patient = entry.patient.as_deref().unwrap_or_default();
            let back = queue::href(&entry.ward, patient, &entry.temporary);
            Ok(Redirect::to(&back).into_response())
        }
        Err(wrong) => {
            let patient = entry.patient.clone().unwrap_or_default();
            let of = (
                entry.ward.as_str(),
                patient.as_str(),
                entry.temporary.as_str(),
            );
            let wrong = words::sentence(&words::quoted(&wrong));
            let view = queue::view(&visit, of, Some(wrong)).await?;
            page(StatusCode::BAD_REQUEST, &view)
        }
    }
}

/// Seals the verdict and what it writes, all or none; or says what is wrong with the form.
async fn seal(
    visit: &Visit,
    fields: &Fields,
    entry: &Entry,
) -> Result<Result<(), String>, Problem> {
    if entry.decided.is_some() {
        return Ok(Err("somebody decided about this entry already".to_owned()));
    }
    let reason = fields.get("reason").to_owned();
    let events = match fields.get("outcome") {
        "refuse" => refused(visit, entry, reason).await?,
        "accept" => accepted(visit, fields, entry).await?,
        _ => return Err(Problem::Malformed("the form decides nothing".to_owned())),
    };
    let events = match events {
        Ok(events) => events,
        Err(wrong) => return Ok(Err(wrong)),
    };
    match visit.app.record.admit(events).await {
        Ok(_) => Ok(Ok(())),
        Err(record::Error::Conflict { .. }) => Ok(Err(
            "somebody else decided about this entry just now".to_owned(),
        )),
        Err(why) => Err(why.into()),
    }
}

async fn refused(
    visit: &Visit,
    entry: &Entry,
    reason: String,
) -> Result<Result<Vec<Admitted>, String>, Problem> {
    if reason.chars().count() < 8 {
        return Ok(Err(
            "type why it goes into no chart: at least 8 characters".to_owned()
        ));
    }
    let subject = match &entry.patient {
        Some(patient) => Subject::Patient(patient.clone()),
        None => Subject::Ward(entry.ward.clone()),
    };
    let mut ask = visit.ask(Act::Reconcile, subject.clone());
    ask.reason = Some(reason.clone());
    let decision = visit.leave("deciding about this entry", ask).await?;
    let verdict = Verdict {
        captured: entry.index,
        outcome: Outcome::Refused,
        reason,
    };
    Ok(Ok(vec![verdict_of(visit, &decision, (subject, verdict))?]))
}

async fn accepted(
    visit: &Visit,
    fields: &Fields,
    entry: &Entry,
) -> Result<Result<Vec<Admitted>, String>, Problem> {
    let line = match Typed::of(fields, 0).line(&visit.eye.zone) {
        Ok(line) => line,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let patient = match whose(visit, fields, entry).await? {
        Ok(patient) => patient,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let reason = fields.get("reason").to_owned();
    let (against, number) = against(visit, entry, (&patient, &line)).await?;
    if !against.is_empty() && reason.chars().count() < 8 {
        let all = against.join("; ");
        return Ok(Err(format!(
            "something speaks against it ({all}): type why it is right all the same"
        )));
    }
    let subject = Subject::Patient(patient.clone());
    let mut ask = visit.ask(Act::Reconcile, subject.clone());
    ask.reason = Some(reason.clone()).filter(|reason| !reason.is_empty());
    let decision = visit.leave("deciding about this entry", ask).await?;
    let whose = Whose {
        id: &patient,
        number: number.as_deref(),
    };
    let made = lifeline::resource(entry, &line, &whose);
    let actor = &visit.identity.actor;
    let provenance = lifeline::provenance(entry, &made, (actor, visit.eye.now));
    let resource = format!("{}/{}", made.kind, made.id);
    let outcome = match line == entry.line {
        true => Outcome::Accepted { resource },
        false => Outcome::Changed { resource, line },
    };
    let verdict = Verdict {
        captured: entry.index,
        outcome,
        reason,
    };
    Ok(Ok(vec![
        written(visit, &decision, (&subject, &made))?,
        written(visit, &decision, (&subject, &provenance))?,
        verdict_of(visit, &decision, (subject, verdict))?,
    ]))
}

/// The patient whose chart it goes into: whoever had no chart by now has a record number.
async fn whose(
    visit: &Visit,
    fields: &Fields,
    entry: &Entry,
) -> Result<Result<String, String>, Problem> {
    if let Some(patient) = &entry.patient {
        let survivor = visit.app.chart.survivor(patient).await?;
        return Ok(Ok(survivor.unwrap_or_else(|| patient.clone())));
    }
    let number = fields.get("number");
    if number.is_empty() {
        return Ok(Err(
            "type the record number that the patient has by now".to_owned()
        ));
    }
    let found = visit.app.chart.numbered(number).await?;
    Ok(match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(format!(
            "there is no patient with the record number `{number}`"
        )),
        _ => Err(format!(
            "several patients have the number `{number}`: use another one"
        )),
    })
}

/// What speaks against the entry now, in words; and the patient's record number.
async fn against(
    visit: &Visit,
    entry: &Entry,
    (patient, line): (&str, &Line),
) -> Result<(Vec<String>, Option<String>), Problem> {
    let open = queue::opened(visit, patient).await?;
    let Some(held) = Held::of(&open).await? else {
        return Ok((Vec::new(), None));
    };
    let lifeline = &visit.app.lifeline;
    let waiting = lifeline
        .waiting(&entry.ward)
        .await
        .map_err(|why| broken(&why))?;
    let decided = lifeline
        .decided(&entry.ward)
        .await
        .map_err(|why| broken(&why))?;
    let own = waiting.into_iter().chain(decided);
    let own: Vec<Entry> = own
        .filter(|one| one.patient == entry.patient && one.temporary == entry.temporary)
        .collect();
    let said = Entry {
        line: line.clone(),
        ..entry.clone()
    };
    let found = held.known(&own).against(&said, &visit.eye);
    let numbers = &held.chart.identity.identifiers;
    let number = numbers.iter().find(|one| one.label.starts_with("MR"));
    let number = number.or(numbers.first()).map(|one| one.value.clone());
    Ok((found.into_iter().map(|one| one.words).collect(), number))
}

fn written(
    visit: &Visit,
    decision: &Decision,
    (subject, made): (&Subject, &Made),
) -> Result<Admitted, Problem> {
    let issues = wire::fhir::check(&made.json);
    if let Some(issue) = issues.iter().find(|issue| issue.refuses()) {
        return Err(Problem::Broken(format!(
            "the entry makes no lawful resource: {issue:?}"
        )));
    }
    if unmarked::marked(&made.json, made.kind).is_some() {
        return Err(Problem::Malformed(unmarked::words()));
    }
    let body = Body::Resource(Resource {
        kind: made.kind.to_owned(),
        id: made.id.clone(),
        replaces: 0,
        as_of: visit.folded(),
        resolved: Vec::new(),
        contents: Vec::new(),
    });
    let event = Event::new(
        visit.identity.actor.clone(),
        Act::Create,
        subject.clone(),
        body,
    );
    let event = event.with_raw(made.json.to_string().into_bytes());
    Ok(admit(event.into(), Standing::Decided(decision), "")?)
}

fn verdict_of(
    visit: &Visit,
    decision: &Decision,
    (subject, verdict): (Subject, Verdict),
) -> Result<Admitted, Problem> {
    let actor = visit.identity.actor.clone();
    let event = Event::new(actor, Act::Reconcile, subject, Body::Verdict(verdict));
    Ok(admit(event.into(), Standing::Decided(decision), "")?)
}
