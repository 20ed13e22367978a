//! What some events leave in the view: found out before it is handed to the thread that writes.

use event::{Act, Actor, Arrival, Body, Event, Resend, Subject, Time};
use record::{Blind, Sealed, WriterFault};
use rusqlite::Connection;

use crate::fold::traces;
use crate::heard::{self, told};
use crate::known::{Fresh, Known};
use crate::meter::{Day, Meter, Seen};
use crate::save::{self, Done, Numbered};
use crate::trace::{Trace, What};
use crate::{heard_view, purge};

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// What is to be written of some events.
#[derive(Default)]
pub(crate) struct Batch {
    rows: Vec<Numbered>,
    fresh: Fresh,
    days: Vec<(String, Day)>,
    /// Those that leave something else than traces.
    others: Vec<Sealed>,
}

impl Batch {
    /// Finds out what new events leave, and numbers whom they name.
    pub(crate) fn of<'s>(new: impl Iterator<Item = &'s Sealed>, known: &Known) -> Batch {
        let mut batch = Batch::default();
        for sealed in new {
            for trace in traces(sealed.index(), sealed.at(), sealed.event()) {
                batch.push(known, trace);
            }
            if leaves_more(sealed.at(), sealed.event()) {
                batch.others.push(sealed.clone());
            }
        }
        batch
    }

    /// Most traces have what the one before had: an answer about many patients leaves one with each.
    fn push(&mut self, known: &Known, trace: Trace) {
        let (before, fresh) = (self.rows.last(), &mut self.fresh);
        let same = before.filter(|before| before.trace.actor == trace.actor);
        let actor = same.map(|before| before.actor);
        let same = before.filter(|before| before.trace.because == trace.because);
        let reasons = same.map(|before| before.reasons);
        self.rows.push(Numbered {
            actor: actor.unwrap_or_else(|| known.actor(fresh, &trace.actor)),
            reasons: reasons.unwrap_or_else(|| known.reasons(fresh, &trace.because)),
            trace,
        });
    }

    /// Whether the events leave nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.others.is_empty()
    }

    /// Counts the patients of the traces; the days that changed are written with them.
    pub(crate) fn count(&mut self, meter: &mut Meter) {
        let mut touched: Vec<&str> = Vec::new();
        for row in &self.rows {
            if let Some((patient, seen)) = seen(&row.trace) {
                let account = row.trace.actor.id.as_str();
                meter.note((account, patient), row.trace.at, seen);
                touched.push(account);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        let days = touched.into_iter();
        let days = days.filter_map(|account| Some((account.to_owned(), meter.today(account)?)));
        self.days = days.collect();
    }

    /// Who came to a ceiling.
    pub(crate) fn ceilings(&self) -> Vec<Arrival> {
        let rows = self.rows.iter();
        rows.filter_map(|row| ceiling(&row.trace)).collect()
    }

    /// Writes everything but the cursor, within a transaction; gives what has a number when that is committed.
    pub(crate) fn save(self, to: &Connection, blind: &Blind) -> Result<Fresh, WriterFault> {
        self.fresh.save(to)?;
        save::traces(to, &self.rows)?;
        save::days(to, &self.days)?;
        for sealed in &self.others {
            other(to, sealed, blind)?;
        }
        Ok(self.fresh)
    }
}

fn leaves_more(at: Time, event: &Event) -> bool {
    match event.body {
        Body::ExportAsked(_) | Body::ExportAnswered(_) | Body::Erased(_) => true,
        _ => told(at, event).is_some(),
    }
}

/// What an event leaves beside traces. What others tell is read here, message by message: the rows of a whole batch
/// could be many times as large as its events.
fn other(to: &Connection, sealed: &Sealed, blind: &Blind) -> Done {
    let (index, at, event) = (sealed.index(), sealed.at(), sealed.event());
    save::export(to, (index, at), event)?;
    if let Some((at, event)) = told(at, event) {
        for rows in heard::rows((index, at), &event, blind) {
            heard_view::save(to, &rows)?;
        }
    }
    match &event.body {
        Body::Erased(order) => purge::purge(to, (index, order), blind),
        _ => Ok(()),
    }
}

/// Whom a trace shows, and how.
pub(crate) fn seen(trace: &Trace) -> Option<(&str, Seen)> {
    let patient = trace.patient.as_deref().filter(|_| trace.allowed)?;
    match trace.what {
        What::Read | What::Vread | What::History | What::Search | What::Shown => {
            Some((patient, Seen::Opened))
        }
        What::Listed => Some((patient, Seen::Listed)),
        _ => None,
    }
}

/// A refusal by a ceiling is told once an hour for each account and policy.
fn ceiling(trace: &Trace) -> Option<Arrival> {
    let refused = !trace.allowed && trace.what != What::Ceiling;
    let mut policies = trace.because.iter().filter(|_| refused);
    let policy = policies.find(|id| id.starts_with("ceiling-"))?;
    let account = trace.actor.id.clone();
    let hour = trace.at.millis().div_euclid(DAY_MS / 24);
    let body = Body::Ceiling(event::Ceiling {
        account: account.clone(),
        policy: policy.clone(),
        decision: trace.id.index,
    });
    let subject = Subject::Account(account.clone());
    let claim = Event::new(Actor::salus(), Act::Audit, subject, body);
    Some(Arrival {
        claim,
        resend: Some(Resend {
            sender: "access".into(),
            message: format!("ceiling {hour} {policy} {account}"),
        }),
    })
}
