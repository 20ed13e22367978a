//! Writes a batch, with the connection that writes.

use event::{Body, Event, Time};
use record::WriterFault;
use rusqlite::{Connection, Params};

use crate::meter::Day;
use crate::trace::Trace;

const TRACES: &str = "INSERT INTO trace
     (key, at, actor, what, patient, allowed, reasons, purpose, reason, source, detail)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (key) DO NOTHING";
const DAYS: &str = "INSERT INTO day (account, day, patients, hour_peak) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT (account, day) DO UPDATE SET
     patients = excluded.patients, hour_peak = excluded.hour_peak";
const ASKED: &str = "INSERT INTO export
     (idx, at, asker, asker_name, what, recipient, reason, leaves)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (idx) DO NOTHING";
const ANSWERED: &str = "UPDATE export SET answer = ?1, answered_at = ?2, answerer = ?3,
     answerer_name = ?4, approved = ?5, answer_reason = ?6
     WHERE idx = ?7 AND answer IS NULL AND asker <> ?3";

pub(crate) type Done = Result<(), WriterFault>;

/// A trace, and the numbers of who did it and of the reasons.
#[derive(Debug)]
pub(crate) struct Numbered {
    pub(crate) trace: Trace,
    pub(crate) actor: i64,
    pub(crate) reasons: i64,
}

/// Runs a statement, which stays prepared, once for each row. A statement costs no change of threads on the thread
/// that writes.
pub(crate) fn each<P: Params>(
    to: &Connection,
    sql: &str,
    rows: impl IntoIterator<Item = P>,
) -> Done {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut statement = to.prepare_cached(sql)?;
    for row in rows {
        statement.execute(row)?;
    }
    Ok(())
}

pub(crate) fn traces(to: &Connection, rows: &[Numbered]) -> Done {
    let rows = rows.iter().map(|row| {
        let trace = &row.trace;
        (
            trace.id.key(),
            trace.at.millis(),
            row.actor,
            trace.what.word(),
            &trace.patient,
            trace.allowed,
            row.reasons,
            &trace.purpose,
            &trace.reason,
            &trace.from,
            &trace.detail,
        )
    });
    each(to, TRACES, rows)
}

/// How much accounts took on their days, as it is now.
pub(crate) fn days(to: &Connection, days: &[(String, Day)]) -> Done {
    let rows = days.iter();
    let rows = rows.map(|(account, day)| (account, day.day, day.patients, day.hour_peak));
    each(to, DAYS, rows)
}

/// Requests for exports and what was answered. The first answer counts.
pub(crate) fn export(to: &Connection, (index, at): (u64, Time), event: &Event) -> Done {
    let (idx, at) = (index.cast_signed(), at.millis());
    let (id, name) = (&event.actor.id, &event.actor.name);
    match &event.body {
        Body::ExportAsked(asked) => {
            let leaves = asked.leaves.as_ref();
            let leaves = leaves.and_then(|leaves| serde_json::to_string(leaves).ok());
            let (what, recipient, reason) = (&asked.what, &asked.recipient, &asked.reason);
            let row = (idx, at, id, name, what, recipient, reason, leaves);
            each(to, ASKED, [row])
        }
        Body::ExportAnswered(answered) => {
            let request = answered.request.cast_signed();
            let (approved, reason) = (answered.approved, &answered.reason);
            let row = (idx, at, id, name, approved, reason, request);
            each(to, ANSWERED, [row])
        }
        _ => Ok(()),
    }
}

/// The index of the next event.
pub(crate) fn cursor(to: &Connection, next: u64) -> Done {
    let sql = "UPDATE cursor SET next = ?1 WHERE id = 1";
    each(to, sql, [[next.cast_signed()]])
}
