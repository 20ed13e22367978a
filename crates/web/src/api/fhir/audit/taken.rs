//! AuditEvents of other systems (IHE RESTful ATNA, ITI-20): they are sealed as what those systems tell, beside
//! what comes by syslog, and are no resources that somebody could change.

use access::{TraceId, heard_as_resource};
use axum::http::StatusCode;
use bytes::Bytes;
use event::{Act, Arrival, Body, Event, Signals, Subject};
use guard::{Admitted, Identity, Standing};
use jiff::tz::TimeZone;
use record::{Receipt, Witnessed};
use serde_json::Value;
use wire::audit::{AuditMessage, heard};
use wire::fhir::{Code, Issue, Limits};
use wire::signals::{Cut, Format, Line, Tally};

use super::super::answer::Answer;
use super::super::door::{Door, Question};
use super::super::fault::{Fault, done};
use super::super::format::Prefer;
use super::super::intent::{Intent, Order};
use super::super::route::Write;
use super::super::unmarked::unmarked;
use super::super::write::Answers;
use super::KIND;

/// Whether a write is an audit message of another system.
pub(crate) fn is_told(intent: &Intent) -> bool {
    intent.write == Write::Create(KIND) && intent.conditions.if_none_exist.is_none()
}

/// Seals what they tell, in one commit; each gets its own answer.
///
/// # Errors
/// What keeps the record from sealing.
pub(crate) async fn take(
    door: &Door,
    order: &Order,
    intents: Vec<Intent>,
) -> Result<Answers, Fault> {
    let who = &order.who;
    let mut ready = Vec::with_capacity(intents.len());
    for intent in intents {
        let (path, raw) = (intent.path, intent.raw);
        ready.push(match read(door, raw).await {
            Ok(told) => {
                let event = admitted(door, who, told).await;
                event.map_err(|fault| fault.under(&path))
            }
            Err(fault) => Err(fault.under(&resource_of(&path))),
        });
    }
    let (events, places) = parted(ready);
    let receipts = door.app.record.admit(events).await?;
    let mut receipts = receipts.into_iter();
    let answer = |place: Result<Event, Fault>| {
        let event = place?;
        let receipt = receipts.next();
        let receipt = receipt.ok_or_else(|| Fault::broken("the answer to a write was lost"))?;
        Ok(answered(door, order, (receipt, &event)))
    };
    Ok(places.into_iter().map(answer).collect())
}

/// As it is read from now on.
fn answered(door: &Door, order: &Order, (receipt, event): (Receipt, &Event)) -> Answer {
    let id = TraceId::of_message(receipt.index);
    let shown = || heard_as_resource(id, event, &door.app.record.blind());
    let body = match order.prefer {
        Prefer::Minimal => None,
        Prefer::Outcome => Some(done(format!("`{KIND}/{id}` is created"))),
        Prefer::Representation => shown().map(|event| event.to_string().into_bytes()),
    };
    Answer {
        status: StatusCode::CREATED,
        body: body.map(Into::into),
        location: Some(format!("{KIND}/{id}")),
        at: Some(receipt.at),
        ..Answer::default()
    }
}

fn resource_of(path: &str) -> String {
    match path {
        "" => String::new(),
        path => format!("{path}.resource"),
    }
}

type Ready = Result<(Admitted, Event), Fault>;

/// What is sealed, and of each in its place what it is.
fn parted(ready: Vec<Ready>) -> (Vec<Admitted>, Vec<Result<Event, Fault>>) {
    let mut events = Vec::with_capacity(ready.len());
    let keep = |one: Ready| {
        let (admitted, event) = one?;
        events.push(admitted);
        Ok(event)
    };
    let places = ready.into_iter().map(keep).collect();
    (events, places)
}

/// An AuditEvent that was read and checked.
struct Told {
    raw: Bytes,
    event: Value,
    message: AuditMessage,
}

async fn read(door: &Door, raw: Bytes) -> Result<Told, Fault> {
    let max = door.app.settings.audit_event_bytes_max;
    if raw.len() > max {
        let words = format!("an AuditEvent has at most `audit_event_bytes_max` = {max} bytes");
        return Err(Fault::too_large(words));
    }
    let limits = door.limits();
    door.work(raw.len(), move || checked(raw, &limits)).await?
}

fn checked(raw: Bytes, limits: &Limits) -> Result<Told, Fault> {
    let event = wire::fhir::parse(&raw, limits)?;
    let mut issues = wire::fhir::check(&event);
    issues.retain(Issue::refuses);
    let said = event.get("resourceType").and_then(Value::as_str);
    if said != Some(KIND) {
        let words = format!("the resource is no `{KIND}`");
        issues = vec![Issue::error(Code::Value, "resourceType", words)];
    }
    if !issues.is_empty() {
        return Err(Fault::of(StatusCode::BAD_REQUEST, issues));
    }
    unmarked((&raw, &event))?;
    let text: &[u8] = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&raw);
    let read = heard(text, (0, &TimeZone::UTC));
    let message = read.map_err(|why| {
        let issue = Issue::error(Code::Value, format!("{KIND}.type"), why);
        Fault::of(StatusCode::UNPROCESSABLE_ENTITY, vec![issue])
    })?;
    Ok(Told {
        raw: raw.slice_ref(text),
        message: message.message,
        event,
    })
}

/// The one patient that it is about goes with it: under that key it is sealed, and by that it is decided.
async fn admitted(door: &Door, who: &Identity, told: Told) -> Result<(Admitted, Event), Fault> {
    let patient = patient(door, &told.message);
    let asked = patient.clone().map(Subject::Patient);
    let question = Question {
        act: Act::Create,
        subject: asked.unwrap_or_else(|| Subject::Kind(KIND.to_owned())),
        kinds: vec![KIND.to_owned()],
        detail: KIND.to_owned(),
    };
    let decision = door.decide(who, question).await?;
    if !decision.allowed() {
        return Err(match door.app.record.witness(decision).await? {
            Witnessed::Refused(_, decision) if who.through.is_none() => {
                Fault::forbidden(decision.words())
            }
            Witnessed::Refused(..) => Fault::beyond_scopes(),
            Witnessed::Allowed(_) => Fault::broken("a refusal was sealed as its opposite"),
        });
    }
    if !door.app.chart.covers(decision.ask(), KIND, &told.event) {
        return Err(Fault::beyond_scopes());
    }
    let feed = who.actor.id.clone();
    let subject = patient.map_or_else(|| Subject::Feed(feed.clone()), Subject::Patient);
    let (body, batch) = batch(door, feed, &told.raw);
    let event = Event::new(who.actor.clone(), Act::Send, subject, body).with_raw(batch);
    let claim = Arrival::from(event.clone());
    let admitted = guard::admit(claim, Standing::Decided(&decision), "")
        .map_err(|refused| Fault::forbidden(&[refused.words]))?;
    Ok((admitted, event))
}

fn patient(door: &Door, message: &AuditMessage) -> Option<String> {
    let blind = door.app.record.blind();
    let id = |system: &str, value: &str| blind.id("Patient", system, value);
    let named = message.patients(&door.app.settings.fhir_base).into_iter();
    let mut ids = named.map(|(_, whose)| whose.id(id));
    let first = ids.next()?;
    ids.all(|id| id == first).then_some(first)
}

/// A batch of one line, as an audit feed seals it.
fn batch(door: &Door, feed: String, raw: &[u8]) -> (Body, Vec<u8>) {
    let now = door.app.clock.now();
    let mut tally = Tally::new(Format::Audit, TimeZone::UTC);
    let line = Line {
        at: now.millis(),
        source: &feed,
        bytes: raw,
    };
    tally.add(line, Cut::Whole);
    let body = Body::Signals(Signals {
        format: Format::Audit.word().to_owned(),
        lines: tally.lines,
        first: now,
        last: now,
        unread: tally.unread,
        kinds: tally.kinds(),
        zone: "UTC".to_owned(),
        authority: door.app.settings.fhir_base.clone(),
        feed,
        ..Signals::default()
    });
    (body, tally.batch)
}
