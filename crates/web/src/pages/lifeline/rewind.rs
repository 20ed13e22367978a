//! `/lifeline/rewind`: what did an account or a machine change, and what becomes of it?

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Role, Subject, Time};
use jiff::civil::DateTime;
use serde::Deserialize;

use crate::errands::{Errand, Run};
use crate::error::{Problem, broken};
use crate::pages::shell::{Here, Shell, Tone};
use crate::pages::visit::{Posted, Visit, page, reason};
use crate::pages::words::{self, Stamp};
use crate::rewind::{Changed, Order, Suspect, Undo, Way};

/// Resources that the page names; `salus rewind --format json` has all.
const NAMED: usize = 500;
/// Evidence that the page names.
const EVIDENCE: u32 = 20;

/// What did they change?
#[derive(Template)]
#[template(path = "rewind.html")]
pub(crate) struct RewindPage {
    pub shell: Shell,
    pub answer: String,
    pub tone: Tone,
    pub actor: String,
    /// As a field of a form has it, in the house's zone.
    pub since: String,
    /// Accounts, clients and feeds, for the field.
    pub known: Vec<String>,
    pub evidence: Vec<EvidenceRow>,
    pub found: Option<Found>,
    /// How an order stands.
    pub state: Option<(Tone, String)>,
    pub runs: bool,
    pub reason: String,
    pub wrong: Option<String>,
}

/// Something that speaks of an intrusion.
pub(crate) struct EvidenceRow {
    pub index: u64,
    pub at: Stamp,
    pub what: String,
    /// The moment, as the field has it.
    pub since: String,
    /// The last index before it.
    pub clean: u64,
}

/// What they changed.
pub(crate) struct Found {
    pub events: String,
    pub clean: Option<u64>,
    pub back: String,
    pub delete: String,
    pub leave: String,
    pub rows: Vec<Row>,
    pub more: u64,
    pub by_hand: Vec<(u64, String)>,
}

/// One resource.
pub(crate) struct Row {
    pub resource: String,
    pub versions: Vec<u64>,
    pub current: u64,
    pub tone: Tone,
    pub what: String,
}

/// What the page is asked with.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Asked {
    actor: String,
    since: String,
}

/// `GET /lifeline/rewind`
pub(crate) async fn show(visit: Visit, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let (view, status) = view(&visit, &asked, None).await?;
    page(status, &view)
}

/// `POST /lifeline/rewind`: the verdict.
pub(crate) async fn undo(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let asked = Asked {
        actor: fields.get("actor").to_owned(),
        since: fields.get("since").to_owned(),
    };
    let suspect = suspect(&visit, &asked);
    let (why, suspect) = match (reason(&fields), suspect) {
        (Ok(why), Ok(Some(suspect))) => (why, suspect),
        (Err(wrong), _) | (_, Err(wrong)) => return refused(&visit, &asked, wrong).await,
        (_, Ok(None)) => {
            let wrong = "Say whose doing, and since when.".to_owned();
            return refused(&visit, &asked, wrong).await;
        }
    };
    visit.needs_step_up(&address(&asked))?;
    let mut ask = visit.ask(Act::Manage, Subject::Record);
    ask.purpose = "HOPERAT".to_owned();
    ask.reason = Some(why.clone());
    ask.detail = format!("rewind {} since {}", suspect.actor, suspect.since);
    let verdict = visit.permit("this rewind", ask).await?;
    let run = Run {
        what: format!("what `{}` changed since {}", suspect.actor, asked.since),
        by: visit.identity.actor.name.clone(),
        since: visit.eye.now,
        ..Run::default()
    };
    if !visit.app.errands.rewind.begin(run) {
        let wrong = "Another rewind goes on: wait until it has ended.".to_owned();
        return refused(&visit, &asked, wrong).await;
    }
    let order = Order {
        suspect,
        // Each new version names whose verdict it follows.
        reason: format!(
            "{why} (verdict of {}, event {})",
            visit.identity.actor.id,
            verdict.index()
        ),
    };
    tokio::spawn(carry(visit, order));
    Ok(Redirect::to(&address(&asked)).into_response())
}

async fn carry(visit: Visit, order: Order) {
    let board = &visit.app.errands.rewind;
    let told = |done, all| board.step((done, all));
    let undone = visit.app.rewind(&order, &visit.identity, told).await;
    let outcome = undone.map(|undone| {
        let left = undone.left.len() as u64;
        format!(
            "{} went back, {} marked as deleted, {} left alone; sealed as event {}",
            words::count(undone.restored, "resource", "resources"),
            words::thousands(undone.deleted),
            words::thousands(left),
            undone.index
        )
    });
    board.end(visit.app.clock.now(), outcome);
}

async fn refused(visit: &Visit, asked: &Asked, wrong: String) -> Result<Response, Problem> {
    let (view, _) = view(visit, asked, Some(wrong)).await?;
    page(StatusCode::BAD_REQUEST, &view)
}

fn address(asked: &Asked) -> String {
    let actor = words::in_path(&asked.actor);
    format!(
        "/lifeline/rewind?actor={actor}&since={}",
        words::in_path(&asked.since)
    )
}

/// Whose doing, and since when; `None`: nobody was named yet.
fn suspect(visit: &Visit, asked: &Asked) -> Result<Option<Suspect>, String> {
    let (actor, since) = (asked.actor.trim(), asked.since.trim());
    if actor.is_empty() || since.is_empty() {
        return Ok(None);
    }
    let zoned = since
        .parse::<DateTime>()
        .and_then(|local| local.to_zoned(visit.app.zone()));
    let zoned = zoned.map(|zoned| zoned.timestamp());
    let at = zoned.or_else(|_| since.parse::<jiff::Timestamp>());
    let at = at.map_err(|_| format!("`{since}` is no moment: write 2026-11-26T10:00"))?;
    Ok(Some(Suspect {
        actor: actor.to_owned(),
        since: Time::from_millis(at.as_millisecond()),
    }))
}

async fn view(
    visit: &Visit,
    asked: &Asked,
    wrong: Option<String>,
) -> Result<(RewindPage, StatusCode), Problem> {
    let ask = |subject| {
        let mut ask = visit.ask(Act::Audit, subject);
        ask.purpose = "HOPERAT".to_owned();
        ask
    };
    let suspect = suspect(visit, asked);
    // Whoever may not look sees nothing of the page, whatever they typed.
    if !matches!(suspect, Ok(Some(_))) {
        let asked = ask(Subject::Record);
        visit.leave("what accounts changed", asked).await?;
    }
    let (found, wrong) = match suspect {
        Ok(None) => (None, wrong),
        Err(words) => (None, Some(wrong.unwrap_or(words))),
        Ok(Some(suspect)) => {
            let of = ask(Subject::Account(suspect.actor.clone()));
            visit.permit("what this account changed", of).await?;
            match visit.app.changed_by(&suspect).await {
                Ok(changed) => (Some(found(&changed)), wrong),
                Err(why) => (None, Some(wrong.unwrap_or_else(|| words::sentence(&why)))),
            }
        }
    };
    let evidence = evidence(visit).await?;
    let since = match (asked.since.is_empty(), evidence.first()) {
        // The first thing that speaks of an intrusion is where one looks first.
        (true, Some(first)) => first.since.clone(),
        _ => asked.since.clone(),
    };
    let status = match wrong {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    };
    let (tone, answer) = answer(&asked.actor, found.as_ref());
    let errand = visit.app.errands.rewind.now();
    let view = RewindPage {
        shell: visit.shell("Rewind", Here::Lifeline),
        answer,
        tone,
        actor: asked.actor.clone(),
        since,
        known: known(visit),
        evidence,
        found,
        runs: matches!(errand, Errand::Runs(_)),
        state: super::errand::words(visit, &errand),
        reason: String::new(),
        wrong,
    };
    Ok((view, status))
}

fn answer(actor: &str, found: Option<&Found>) -> (Tone, String) {
    let Some(found) = found else {
        return (
            Tone::Unknown,
            "Choose whose doing, and since when.".to_owned(),
        );
    };
    if found.rows.is_empty() && found.by_hand.is_empty() {
        let answer = format!("No evidence: `{actor}` changed nothing that is sealed since then.");
        return (Tone::Unknown, answer);
    }
    let resources = found.rows.len() as u64 + found.more;
    let count = words::count(resources, "resource", "resources");
    let by_hand = match found.by_hand.len() as u64 {
        0 => String::new(),
        many => format!(" and {}", words::count(many, "other thing", "other things")),
    };
    (
        Tone::Warn,
        format!("`{actor}` changed {count}{by_hand} since then."),
    )
}

async fn evidence(visit: &Visit) -> Result<Vec<EvidenceRow>, Problem> {
    let days = i64::from(visit.app.lifeline.limits().evidence_days);
    let since = Time::from_millis(visit.eye.now.millis() - days * 86_400_000);
    let all = visit.app.lifeline.evidence(since, EVIDENCE).await;
    let all = all.map_err(|why| broken(&why))?.into_iter();
    Ok(all
        .map(|one| EvidenceRow {
            index: one.index,
            clean: one.index.saturating_sub(1),
            since: field(visit, one.at),
            at: visit.stamp(one.at),
            what: words::sentence(&one.what),
        })
        .collect())
}

/// A moment as a field of a form has it.
fn field(visit: &Visit, at: Time) -> String {
    let zoned = at.timestamp().to_zoned(visit.app.zone());
    zoned.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn known(visit: &Visit) -> Vec<String> {
    let staff = &visit.app.staff;
    let mut known: Vec<String> = staff.people().into_iter().map(|one| one.id).collect();
    known.extend(staff.clients().into_iter().map(|one| one.id));
    known.sort();
    known
}

fn found(changed: &Changed) -> Found {
    let count = |way: fn(&Way) -> bool| {
        let these = changed.resources.iter().filter(|one| way(&one.what));
        words::thousands(these.count() as u64)
    };
    Found {
        events: words::thousands(changed.events),
        clean: changed.clean,
        back: count(|way| matches!(way, Way::Restore(_))),
        delete: count(|way| *way == Way::Delete),
        leave: count(|way| *way == Way::Leave),
        rows: changed.resources.iter().take(NAMED).map(row).collect(),
        more: changed.resources.len().saturating_sub(NAMED) as u64,
        by_hand: changed.by_hand.clone(),
    }
}

fn row(one: &Undo) -> Row {
    let (tone, what) = match one.what {
        Way::Restore(version) => (
            Tone::Good,
            format!("goes back to what version {version} says"),
        ),
        Way::Delete => (
            Tone::Good,
            "was not there before: marked as deleted".to_owned(),
        ),
        Way::Leave => (
            Tone::Warn,
            "somebody else changed it since: left alone, look".to_owned(),
        ),
    };
    Row {
        resource: one.resource.clone(),
        versions: one.versions.clone(),
        current: one.current,
        tone,
        what,
    }
}

impl RewindPage {
    /// Only an administrator gives the verdict.
    fn decides(&self) -> bool {
        let undoes = |found: &Found| found.back != "0" || found.delete != "0";
        !self.runs && self.shell.administers() && self.found.as_ref().is_some_and(undoes)
    }
}

/// Whether this person may order what takes long.
pub(super) fn may_order(visit: &Visit) -> bool {
    visit.identity.role() == Role::Administrator
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::pages::Samples;
    use crate::pages::shell::samples::{administrator, ago, shell};

    const HOSTILE: &str = "<script>alert(1)</script>\"'&";

    impl Samples for RewindPage {
        fn samples() -> Vec<RewindPage> {
            let found = Found {
                events: "7".into(),
                clean: Some(48_000),
                back: "1".into(),
                delete: "1".into(),
                leave: "1".into(),
                rows: vec![row(&Undo {
                    resource: HOSTILE.into(),
                    patient: None,
                    versions: vec![48_001, 48_003],
                    current: 48_003,
                    what: Way::Restore(12),
                })],
                more: 3,
                by_hand: vec![(48_002, HOSTILE.into())],
            };
            let page = |shell, found, evidence| RewindPage {
                shell,
                answer: HOSTILE.into(),
                tone: Tone::Warn,
                actor: HOSTILE.into(),
                since: "2026-11-21T14:03:00".into(),
                known: vec![HOSTILE.into()],
                evidence,
                found,
                state: Some((Tone::Warn, HOSTILE.into())),
                runs: false,
                reason: HOSTILE.into(),
                wrong: Some(HOSTILE.into()),
            };
            let evidence = vec![EvidenceRow {
                index: 47_001,
                at: ago(30),
                what: HOSTILE.into(),
                since: "2026-11-21T14:03:00".into(),
                clean: 47_000,
            }];
            vec![
                page(
                    administrator("Rewind", Here::Lifeline),
                    Some(found),
                    evidence,
                ),
                page(shell("Rewind", Here::Lifeline), None, Vec::new()),
            ]
        }
    }
}
