//! The record: its head, its growth, one event checked, the proofs to take away.

pub(crate) mod cosigning;
pub(crate) mod disclose;
mod sheet;
pub(crate) mod told;
pub(crate) mod view;

pub use sheet::disclosure_sheet;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Body, Event, Subject};
use serde::Deserialize;

use crate::error::{Problem, broken};
use crate::pages::altered::Altered;
use crate::pages::shell::{Check, Here, Tone};
use crate::pages::visit::{Visit, page};
use crate::pages::words;
use crate::pages::{flow, outside, patients};
use told::{about, because, what, who};
use view::{EventPage, EventRow, Published, RecordPage};

/// How often the page fetches itself again, in seconds.
const LIVE_SECONDS: u32 = 5;
/// Events that the page lists.
const EVENTS_SHOWN: u64 = 12;
/// Alterations that the page lists.
const ALTERED_SHOWN: u32 = 20;
/// An alteration that was put right is told on the first line for a week.
const ALTERED_NEWS_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// A checkpoint older than this while events wait for one needs somebody to look.
const CHECKPOINT_LATE_MS: i64 = 10_000;

/// `GET /record`
pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    may_read(&visit).await?;
    let view = record_page(&visit, None).await?;
    page(StatusCode::OK, &view)
}

/// The record itself shows no patient data; the guard says who may look at it.
async fn may_read(visit: &Visit) -> Result<(), Problem> {
    visit
        .leave("the record", visit.ask(Act::Read, Subject::Record))
        .await
        .map(|_| ())
}

async fn record_page(visit: &Visit, wrong: Option<String>) -> Result<RecordPage, Problem> {
    let size = visit.app.record.size();
    let published = published(visit, size);
    let altered = visit.app.oversight.altered(ALTERED_SHOWN).await;
    let altered = altered.map_err(|why| broken(&why))?;
    let witnesses = cosigning::told(visit);
    let elsewhere = outside::news(visit).await?.map(|words| (Tone::Bad, words));
    let (mut tone, mut answer) = match elsewhere.or_else(|| news(visit, &altered)) {
        Some(news) => news,
        None => answer(visit, size),
    };
    if let Some((Tone::Bad, words, _)) = &witnesses {
        (tone, answer) = (Tone::Bad, words.clone());
    }
    let mut shell = visit.shell("Record", Here::Record);
    shell.live = Some(LIVE_SECONDS);
    Ok(RecordPage {
        shell,
        answer,
        tone,
        size: words::thousands(size),
        newest: size.checked_sub(1),
        published,
        witnesses,
        events: newest(visit, size).await?,
        scrubbed: scrubbed(visit),
        altered: altered
            .iter()
            .map(|one| Altered::told(one, &visit.eye))
            .collect(),
        wrong,
    })
}

/// What was altered lately, in one sentence.
pub(crate) fn news(visit: &Visit, altered: &[oversight::Alteration]) -> Option<(Tone, String)> {
    let late = |one: &&oversight::Alteration| {
        // Of two objects with one UID the first stayed: nothing of the record was touched.
        let touched = one.altered.healed_from.as_deref() != Some("first");
        touched && one.altered.outside.is_none() && visit.eye.now.since(one.at) < ALTERED_NEWS_MS
    };
    let lately: Vec<_> = altered.iter().filter(late).collect();
    let left = lately
        .iter()
        .filter(|one| one.altered.healed_from.is_none())
        .count() as u64;
    let healed = lately.len() as u64 - left;
    let things = |count| words::count(count, "thing was", "things were");
    match (left, healed) {
        (0, 0) => None,
        (0, healed) => {
            let words = format!(
                "{} altered outside Salus in the last week, and put right.",
                things(healed)
            );
            Some((Tone::Warn, words::sentence(&words)))
        }
        (left, _) => {
            let words = format!(
                "{} altered outside Salus and could not be put right.",
                things(left)
            );
            Some((Tone::Bad, words::sentence(&words)))
        }
    }
}

/// How the last look over the whole record went.
fn scrubbed(visit: &Visit) -> Option<String> {
    let last = visit.app.record.scrubbed().borrow().clone();
    // A look over an empty record is no evidence.
    let at = last.at.filter(|_| last.events > 0)?;
    let ago = words::span(visit.eye.now.since(at));
    let events = words::thousands(last.events);
    let objects = match last.objects {
        0 => String::new(),
        objects => format!(
            " and {} beside them",
            words::count(objects, "object", "objects")
        ),
    };
    let removed = match last.removed {
        0 => String::new(),
        removed => format!(
            " {} that no event names, and was removed.",
            words::count(removed, "object lay there", "objects lay there")
        ),
    };
    let what = format!("All {events} published events{objects} were looked over {ago} ago");
    Some(match last.altered {
        0 => format!("{what}; nothing was altered.{removed}"),
        altered => format!(
            "{what}; {}, {} put right.{removed}",
            words::count(altered, "thing was altered", "things were altered"),
            words::thousands(last.healed)
        ),
    })
}

/// How the record stands, in one sentence.
pub(crate) fn answer(visit: &Visit, size: u64) -> (Tone, String) {
    let (covered, _, at) = visit.app.record.checkpoint();
    if covered == 0 {
        return (
            Tone::Unknown,
            "There is no evidence yet: no checkpoint is published.".to_owned(),
        );
    }
    let age = visit.eye.now.since(at);
    let events = words::thousands(size);
    let waiting = size.saturating_sub(covered);
    if waiting > 0 && age > CHECKPOINT_LATE_MS {
        let waiting = words::count(waiting, "event waits", "events wait");
        return (
            Tone::Warn,
            format!(
                "The last checkpoint is {} old, and {waiting} for the next.",
                words::span(age)
            ),
        );
    }
    (
        Tone::Good,
        format!(
            "{events} events are sealed; the last checkpoint is {} old.",
            words::span(age)
        ),
    )
}

fn published(visit: &Visit, size: u64) -> Option<Published> {
    let (covered, note, at) = visit.app.record.checkpoint();
    if covered == 0 {
        return None;
    }
    let mut lines = note.lines();
    let origin = lines.next().unwrap_or_default().to_owned();
    let head = lines.nth(1).unwrap_or_default().to_owned();
    let signers = note
        .lines()
        .filter_map(|line| line.strip_prefix("\u{2014} ")?.split(' ').next());
    Some(Published {
        size: words::thousands(covered),
        at: visit.stamp(at),
        origin,
        head,
        signers: signers.map(str::to_owned).collect(),
        since: size.saturating_sub(covered),
    })
}

async fn newest(visit: &Visit, size: u64) -> Result<Vec<EventRow>, Problem> {
    let from = size.saturating_sub(EVENTS_SHOWN);
    let count = usize::try_from(EVENTS_SHOWN).unwrap_or_default();
    let names = visit.oversees().await;
    let mut rows: Vec<EventRow> = visit
        .app
        .record
        .read(from, count)
        .await?
        .iter()
        .map(|sealed| EventRow {
            index: sealed.index(),
            at: visit.stamp(sealed.at()),
            what: what(sealed.event()),
            who: who(&sealed.event().actor, names),
        })
        .collect();
    rows.reverse();
    Ok(rows)
}

/// What the check is asked with.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    index: String,
}

/// `GET /record/check?index=`
pub(crate) async fn check(visit: Visit, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    may_read(&visit).await?;
    let typed = wanted.index.trim().replace(',', "");
    let size = visit.app.record.size();
    if let Some(index) = typed.parse::<u64>().ok().filter(|index| *index < size) {
        return Ok(Redirect::to(&format!("/record/{index}")).into_response());
    }
    let shown: String = typed.chars().take(20).collect();
    let newest = size.saturating_sub(1);
    let wrong =
        format!("There is no event \u{201c}{shown}\u{201d} in the record. The newest is {newest}.");
    page(
        StatusCode::NOT_FOUND,
        &record_page(&visit, Some(wrong)).await?,
    )
}

fn index_of(typed: &str) -> Result<u64, Problem> {
    typed
        .parse()
        .map_err(|_| Problem::Missing("page at this address".to_owned()))
}

/// `GET /record/{index}`
pub(crate) async fn event(visit: Visit, Path(index): Path<String>) -> Result<Response, Problem> {
    may_read(&visit).await?;
    let index = index_of(&index)?;
    let app = &visit.app;
    let size = app.record.size();
    if index >= size {
        return Err(Problem::Missing(format!("event `{index}` in the record")));
    }
    let check = patients::check(&app.record, index).await;
    let (covered, _, _) = app.record.checkpoint();
    let provable = index < covered;
    let (tone, answer) = judged(index, &check, provable);
    let sealed = app.record.get(index).await.ok();
    let names = visit.oversees().await;
    let facts = sealed
        .as_ref()
        .map_or_else(Vec::new, |sealed| facts(sealed, names));
    let message = sealed
        .as_ref()
        .is_some_and(|sealed| flow::opens(&sealed.event().body));
    let view = EventPage {
        shell: visit.shell(&format!("Event {index}"), Here::Record),
        index,
        answer,
        check,
        tone,
        facts,
        at: sealed.map(|sealed| visit.stamp(sealed.at())),
        provable,
        message: message && names,
        size,
        head: head_line(&visit),
    };
    page(StatusCode::OK, &view)
}

/// The head of the log as people write it down: `SIZE ROOT`.
pub(crate) fn head_line(visit: &Visit) -> String {
    let (covered, note, _) = visit.app.record.checkpoint();
    let root = note.lines().nth(2).unwrap_or_default();
    match covered {
        0 => String::new(),
        size => format!("{size} {root}"),
    }
}

fn judged(index: u64, check: &Check, provable: bool) -> (Tone, String) {
    match check {
        Check::Verified => (Tone::Good, format!("Event {index} is unaltered.")),
        Check::Altered(_) => (Tone::Bad, format!("Event {index} was altered.")),
        Check::Unchecked if provable => (
            Tone::Unknown,
            format!("Event {index} cannot be checked now."),
        ),
        Check::Unchecked | Check::Carried => (
            Tone::Unknown,
            format!("Event {index} waits for its checkpoint."),
        ),
    }
}

fn facts(sealed: &::record::Sealed, names: bool) -> Vec<(&'static str, String)> {
    let event = sealed.event();
    vec![
        ("What", what(event)),
        ("By", who(&event.actor, names)),
        ("About", about(&event.subject, names)),
        ("Let in because", because(&event.because)),
        ("Bytes received", words::thousands(received(event))),
    ]
}

/// Bytes of the event with those that went into the vault, whose marks are about as long as what else says
/// where they are.
fn received(event: &Event) -> u64 {
    let raw = event.raw.len() as u64;
    let Body::Resource(written) = &event.body else {
        return raw;
    };
    let taken = written.contents.iter();
    let taken = taken.map(|one| one.written().saturating_sub(one.mark().len() as u64));
    raw.saturating_add(taken.fold(0, u64::saturating_add))
}

/// `GET /record/{index}/proof`
pub(crate) async fn proof(visit: Visit, Path(index): Path<String>) -> Result<Response, Problem> {
    may_read(&visit).await?;
    let index = index_of(&index)?;
    let proof = visit.app.record.proof(index).await?;
    Ok(attached(&format!("salus-{index}.tlog-proof"), proof))
}

/// `GET /record/checkpoint`
pub(crate) async fn checkpoint(visit: Visit) -> Result<Response, Problem> {
    may_read(&visit).await?;
    let (size, note, _) = visit.app.record.checkpoint();
    if size == 0 {
        return Err(Problem::Missing("published checkpoint yet".to_owned()));
    }
    Ok(attached(&format!("salus-{size}.checkpoint"), note))
}

fn attached(name: &str, text: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, text).into_response()
}
