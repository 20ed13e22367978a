//! Taking the traces of erased patients out of the view.

use event::{Erased, Leaves};
use record::{Blind, WriterFault, note_rewriting};
use rusqlite::{Connection, Params};

use crate::save::Done;
use crate::trace::TraceId;

type Found<T> = Result<T, WriterFault>;

/// Takes out what the order names: what the erased events left, and whatever other traces say of
/// the patients. What was sealed after the order (at `index`) stays, wherever batches are cut.
pub(crate) fn purge(to: &Connection, (index, order): (u64, &Erased), blind: &Blind) -> Done {
    let mut gone = 0;
    let key = |index| TraceId { index, part: 0 }.key();
    let until = key(index);
    for (first, last) in &order.events {
        for sql in [
            "DELETE FROM trace WHERE key >= ?1 AND key < ?2",
            "DELETE FROM heard WHERE key >= ?1 AND key < ?2",
        ] {
            gone += run(to, sql, [key(*first), key(last.saturating_add(1))])?;
        }
    }
    gone += unname(to, (index, order), blind)?;
    for patient in patients(to, order, blind)? {
        gone += forget(to, (&patient, until))?;
        let heard = "DELETE FROM heard WHERE patient = ?1 AND key < ?2";
        gone += run(to, heard, (&patient, until))?;
    }
    if gone > 0 {
        note_rewriting(to)?;
    }
    Ok(())
}

/// Runs a statement, which stays prepared; how many rows it changed.
fn run(to: &Connection, sql: &str, with: impl Params) -> Found<usize> {
    Ok(to.prepare_cached(sql)?.execute(with)?)
}

/// Takes the patients out of what requests for exports name; how many requests named one.
fn unname(to: &Connection, (index, order): (u64, &Erased), blind: &Blind) -> Found<usize> {
    let mut changed = 0;
    for (request, json) in named(to, index)? {
        let Ok(Leaves::Patients { mut patients }) = serde_json::from_str(&json) else {
            continue;
        };
        let named = patients.len();
        patients.retain(|id| !order.patients.contains(&blind.mark(id)));
        if patients.len() == named {
            continue;
        }
        let left = serde_json::to_string(&Leaves::Patients { patients }).ok();
        let update = "UPDATE export SET leaves = ?1 WHERE idx = ?2";
        changed += run(to, update, (left, request))?;
    }
    Ok(changed)
}

/// What requests before an index name.
fn named(from: &Connection, index: u64) -> Found<Vec<(i64, String)>> {
    let sql = "SELECT idx, leaves FROM export WHERE leaves IS NOT NULL AND idx < ?1";
    let mut all = from.prepare(sql)?;
    let rows = all.query_map([index.cast_signed()], |row| row.try_into())?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Those of the patients in the view whose marks the order has.
fn patients(from: &Connection, order: &Erased, blind: &Blind) -> Found<Vec<String>> {
    let sql = "SELECT patient FROM trace WHERE patient IS NOT NULL
         UNION SELECT patient FROM heard WHERE patient IS NOT NULL";
    let mut all = from.prepare(sql)?;
    let rows = all.query_map([], |row| row.get(0))?;
    let all: Vec<String> = rows.collect::<Result<_, _>>()?;
    let erased = |id: &String| order.patients.contains(&blind.mark(id));
    Ok(all.into_iter().filter(erased).collect())
}

/// Takes out one patient, and what was asked when a search showed them: it may be their name.
fn forget(to: &Connection, (patient, until): (&str, i64)) -> Found<usize> {
    let asked = "UPDATE trace SET detail = substr(detail, 1, instr(detail, '?') - 1)
         WHERE instr(detail, '?') > 0 AND key < ?2 AND detail IN
             (SELECT detail FROM trace
              WHERE patient = ?1 AND key < ?2 AND what IN ('shown', 'listed'))";
    run(to, asked, (patient, until))?;
    let gone = "DELETE FROM trace WHERE patient = ?1 AND key < ?2";
    run(to, gone, (patient, until))
}
