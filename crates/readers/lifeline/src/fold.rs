//! What one event leaves in the view.

use event::{Act, BackedUp, Body, Captured, Copy, Erased, Event, Outcome, Time};
use record::{Blind, Sealed, WriterFault};
use rusqlite::{Connection, Params};

use crate::deed;
use crate::lifeline::State;
use crate::proof::Away;

pub(crate) type Done = Result<(), WriterFault>;

/// Folds new events and the cursor, within a transaction.
pub(crate) fn take(to: &Connection, (new, next): (&[Sealed], u64), blind: &Blind) -> Done {
    for sealed in new {
        let at = (sealed.index(), sealed.at());
        match &sealed.event().body {
            Body::Erased(order) => forget(to, order, blind)?,
            _ => one(to, at, sealed.event())?,
        }
    }
    deed::take(to, new)?;
    let sql = "UPDATE cursor SET next = ?1 WHERE id = 1";
    run(to, sql, [next.cast_signed()])
}

/// Runs a statement, which stays prepared.
pub(crate) fn run(to: &Connection, sql: &str, with: impl Params) -> Done {
    to.prepare_cached(sql)?.execute(with)?;
    Ok(())
}

/// Whether an event leaves anything here: looks, which are most events of a day, do not.
pub(crate) fn concerns(event: &Event) -> bool {
    match event.body {
        Body::Decision(_) => false,
        Body::Shown(_) => event.act == Act::Carry || deed::changes(event),
        _ => true,
    }
}

/// What has to be known without asking the database.
pub(crate) fn by_heart(state: &mut State, (index, at): (u64, Time), event: &Event) {
    match &event.body {
        Body::PackCode(code) => {
            state.generations.insert(code.ward.clone(), code.generation);
        }
        Body::Downtime(downtime) => {
            state.away = downtime.away.then(|| Away {
                index,
                at,
                name: event.actor.name.clone(),
                reason: downtime.reason.clone(),
            });
        }
        _ => {}
    }
}

fn one(to: &Connection, (index, at): (u64, Time), event: &Event) -> Done {
    let (idx, millis) = (index.cast_signed(), at.millis());
    match &event.body {
        Body::Shown(shown) if event.act == Act::Carry => {
            let event::Subject::Ward(ward) = &event.subject else {
                return Ok(());
            };
            let sql =
                "INSERT OR REPLACE INTO listing (idx, at, ward, patients) VALUES (?1, ?2, ?3, ?4)";
            run(to, sql, (idx, millis, ward, text(&shown.patients)))
        }
        Body::PackCode(code) => {
            let sql = "INSERT OR REPLACE INTO code (ward, generation) VALUES (?1, ?2)";
            run(to, sql, (&code.ward, code.generation))
        }
        Body::Captured(captured) => typed(to, (index, at), event, captured),
        Body::Verdict(verdict) => {
            let outcome = match verdict.outcome {
                Outcome::Refused => "refused",
                Outcome::Accepted { .. } | Outcome::Changed { .. } => "accepted",
            };
            // Of several verdicts the first counts.
            let sql = "UPDATE entry SET verdict = ?2, decided_at = ?3, decider = ?4, word = ?5,
                 outcome = ?6, reason = ?7 WHERE idx = ?1 AND verdict IS NULL";
            let row = (
                verdict.captured.cast_signed(),
                idx,
                millis,
                &event.actor.name,
                outcome,
                text(&verdict.outcome),
                &verdict.reason,
            );
            run(to, sql, row)
        }
        Body::SentOn(sent) => {
            let sql = "UPDATE entry SET sent_at = ?2, sent_to = ?3, answer = ?4, taken = ?5
                 WHERE idx = ?1";
            let entry = sent.captured.cast_signed();
            let row = (entry, millis, &sent.to, &sent.answer, i64::from(sent.taken));
            run(to, sql, row)
        }
        _ => paper(to, (idx, millis), event),
    }
}

fn typed(to: &Connection, (index, at): (u64, Time), event: &Event, captured: &Captured) -> Done {
    let sql = "INSERT OR REPLACE INTO entry (idx, at, ward, patient, temporary, line, sheet, row,
         typist, typist_name) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let row = (
        index.cast_signed(),
        at.millis(),
        &captured.ward,
        event.subject.patient(),
        &captured.temporary,
        text(&captured.line),
        &captured.sheet,
        i64::from(captured.row),
        &event.actor.id,
        &event.actor.name,
    );
    run(to, sql, row)
}

/// Sheets, copies, drills.
fn paper(to: &Connection, (idx, millis): (i64, i64), event: &Event) -> Done {
    match &event.body {
        Body::Printed(printed) => {
            let sql = "INSERT INTO sheet (id, ward, printed) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET printed = COALESCE(printed, excluded.printed)";
            let mut sheets = printed.sheets.iter();
            sheets.try_for_each(|sheet| run(to, sql, (sheet, &printed.ward, millis)))
        }
        Body::SheetBack(back) => {
            let sql = "INSERT INTO sheet (id, ward, back, typed, blank) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO UPDATE SET back = excluded.back, typed = excluded.typed,
                 blank = excluded.blank";
            let typed = i64::try_from(back.typed.len()).unwrap_or_default();
            let row = (
                &back.sheet,
                &back.ward,
                millis,
                typed,
                i64::from(back.blank),
            );
            run(to, sql, row)
        }
        Body::Downtime(_) => {
            let sql = "INSERT OR REPLACE INTO away (idx, at, body) VALUES (?1, ?2, ?3)";
            run(to, sql, (idx, millis, text(event)))
        }
        Body::Copy(copy) => copied(to, (idx, millis), copy),
        // That it can be restored is another question: a drill answers it.
        Body::BackedUp(made) => {
            pinned(to, (idx, millis), made)?;
            if made.in_part {
                // How the others stand, and when all of them were last taken, is as it was.
                return Ok(());
            }
            let copy = Copy {
                kind: kind(made).into(),
                name: made.place.clone(),
                events: made.size,
                behind_ms: 0,
                verified: false,
                wrong: String::new(),
            };
            copied(to, (idx, millis), &copy)
        }
        Body::Drill(drill) => {
            let sql = "INSERT OR REPLACE INTO drill (idx, at, body) VALUES (?1, ?2, ?3)";
            run(to, sql, (idx, millis, text(drill)))
        }
        _ => Ok(()),
    }
}

/// Of what a backup is, as the ladder of copies calls it.
fn kind(made: &BackedUp) -> &'static str {
    match made.files {
        Some(_) => "files",
        None => "backup",
    }
}

/// Which manifest counts: what was sealed here, and not what lies at the place.
fn pinned(to: &Connection, (idx, millis): (i64, i64), made: &BackedUp) -> Done {
    let sql = "INSERT OR REPLACE INTO pinned (idx, at, kind, place, manifest)
         VALUES (?1, ?2, ?3, ?4, ?5)";
    let row = (idx, millis, kind(made), &made.place, &made.manifest);
    run(to, sql, row)
}

/// How a copy stands; when it was last found right stays.
fn copied(to: &Connection, (idx, millis): (i64, i64), copy: &Copy) -> Done {
    let sql =
        "INSERT INTO copy (kind, name, idx, at, body, verified) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (kind, name) DO UPDATE SET idx = excluded.idx, at = excluded.at,
         body = excluded.body, verified = COALESCE(excluded.verified, verified)";
    let verified = (copy.verified && copy.wrong.is_empty()).then_some(millis);
    let row = (&copy.kind, &copy.name, idx, millis, text(copy), verified);
    run(to, sql, row)
}

/// What is erased stays erased: entries of the patient go, and their place in a list is left empty
/// so that the other numbers stay right.
fn forget(to: &Connection, order: &Erased, blind: &Blind) -> Done {
    let mut gone = 0;
    for (first, last) in &order.events {
        let sql = "DELETE FROM entry WHERE idx BETWEEN ?1 AND ?2";
        gone += to.execute(sql, [first.cast_signed(), last.cast_signed()])?;
    }
    for (idx, patients) in listings(to)? {
        let mut patients: Vec<String> = serde_json::from_str(&patients).unwrap_or_default();
        let before = patients.clone();
        for patient in patients.iter_mut().filter(|patient| !patient.is_empty()) {
            if order.patients.contains(&blind.mark(patient)) {
                patient.clear();
            }
        }
        if patients != before {
            let sql = "UPDATE listing SET patients = ?2 WHERE idx = ?1";
            gone += to.execute(sql, (idx, text(&patients)))?;
        }
    }
    if gone > 0 {
        record::note_rewriting(to)?;
    }
    Ok(())
}

fn listings(from: &Connection) -> Result<Vec<(i64, String)>, WriterFault> {
    let mut all = from.prepare("SELECT idx, patients FROM listing")?;
    let rows = all.query_map([], |row| row.try_into())?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// As JSON; what cannot be written is not there.
fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
