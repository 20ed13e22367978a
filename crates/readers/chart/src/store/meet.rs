//! What the fold looks up before it applies events, with the connection that writes. A statement costs no
//! change of threads there, so each value is asked for by itself, by a statement that is prepared once.

use std::collections::HashMap;

use rusqlite::{Connection, Params};

use super::lookup::{OF_SLOT, PAGES, PATIENTS, item};
use super::pack::{Items, open};
use super::{Asked, Row, SELECT};
use crate::ChartError;
use crate::error::Outcome;

/// The rows of a statement that is run once for each of some values, one after the other.
pub(crate) fn rows<P: Params, T>(
    from: &Connection,
    sql: &str,
    asked: impl IntoIterator<Item = P>,
    read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut asked = asked.into_iter().peekable();
    let mut found = Vec::new();
    if asked.peek().is_none() {
        return Ok(found);
    }
    let mut statement = from.prepare_cached(sql)?;
    for one in asked {
        for row in statement.query_map(one, &read)? {
            found.push(row?);
        }
    }
    Ok(found)
}

/// The current versions (deleted ones too) of resources by name.
pub(crate) fn by_heads(from: &Connection, asked: &[Asked]) -> Outcome<Vec<Row>> {
    let broken = ChartError::broken("read its rows");
    let sql = format!("{SELECT}{OF_SLOT}= ?1");
    let mut found = Vec::with_capacity(asked.len());
    for one in asked {
        let rows = rows(from, &sql, [[one.slot]], Row::of).map_err(&broken)?;
        // Two names may share a slot.
        let same = |row: &Row| one.kind == row.kind && one.id == row.id;
        found.extend(rows.into_iter().filter(same));
    }
    Ok(found)
}

/// The current versions that are indexed under one of these numbers, each with that number, and how many rows of
/// the index were read for it: those of earlier versions, too.
pub(crate) fn by_keys(from: &Connection, keys: &[i64]) -> Outcome<(usize, Vec<(i64, Row)>)> {
    let keys = keys.iter().map(|key| [*key]);
    let sql = "SELECT key, rid FROM term WHERE key = ?1";
    let pairs: Vec<(i64, i64)> = rows(from, sql, keys, |row| row.try_into())
        .map_err(ChartError::broken("read its index"))?;
    let mut rids: Vec<i64> = pairs.iter().map(|pair| pair.1).collect();
    rids.sort_unstable();
    rids.dedup();
    let sql = format!("{SELECT}WHERE v.next = 0 AND v.rid = ?1");
    let current = rows(from, &sql, rids.iter().map(|rid| [*rid]), Row::of);
    let current = current.map_err(ChartError::broken("read its rows"))?;
    let current: HashMap<i64, Row> = current.into_iter().map(|row| (row.rid, row)).collect();
    let found = pairs
        .iter()
        .filter_map(|(key, rid)| Some((*key, current.get(rid)?.clone())));
    Ok((pairs.len(), found.collect()))
}

/// A filler's number of a patient: the id that it makes by itself, the patient, the first and the last of the
/// orders that go by it.
pub(crate) type Filler = (String, String, String, String);

/// Each of the two is one step in the index, which is ordered by number, patient and order.
const FILLERS: &str = "SELECT ?1, ?2,
 (SELECT f.known_as FROM filler f WHERE f.id = ?1 AND f.patient = p.pid
   ORDER BY f.known_as LIMIT 1) AS first,
 (SELECT f.known_as FROM filler f WHERE f.id = ?1 AND f.patient = p.pid
   ORDER BY f.known_as DESC LIMIT 1) AS last
 FROM patient p WHERE p.id = ?2 AND first IS NOT NULL";

/// Of each of these ids that a filler's number alone makes, with whose it is: the first and the last of the
/// orders that go by it, which are the same if there is one. How many there are costs nothing.
pub(crate) fn fillers(from: &Connection, asked: &[(String, String)]) -> Outcome<Vec<Filler>> {
    let asked = asked.iter().map(|(id, patient)| [id, patient]);
    let found = rows(from, FILLERS, asked, |row| row.try_into());
    found.map_err(ChartError::broken("read the numbers of its orders"))
}

/// The contents of `rows`, in their order; empty for deleted ones.
pub(crate) fn contents(from: &Connection, of: &[Row]) -> Outcome<Vec<Vec<u8>>> {
    let mut seqs: Vec<i64> = of.iter().map(|row| row.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    let sql = format!("{PAGES}= ?1");
    let read = |row: &rusqlite::Row<'_>| {
        let body = row.get_ref(1)?.as_blob()?;
        Ok((row.get(0)?, open(body)))
    };
    let pages = rows(from, &sql, seqs.iter().map(|seq| [*seq]), read);
    let mut items: HashMap<i64, Items> = HashMap::with_capacity(seqs.len());
    for (seq, page) in pages.map_err(ChartError::broken("read its pages"))? {
        items.insert(seq, page?);
    }
    let content = |row: &Row| items.get(&row.seq).map(|items| item(items, row));
    Ok(of
        .iter()
        .map(|row| content(row).unwrap_or_default())
        .collect())
}

/// What is kept beside these versions for the messages that come after them.
pub(crate) fn beside(from: &Connection, rids: &[i64]) -> Outcome<HashMap<i64, Vec<u8>>> {
    let sql = "SELECT rid, beside FROM version WHERE beside IS NOT NULL AND rid = ?1";
    let rids = rids.iter().map(|rid| [*rid]);
    let found = rows(from, sql, rids, |row| row.try_into());
    let found = found.map_err(ChartError::broken("read its rows"))?;
    Ok(found.into_iter().collect())
}

/// The numbers of those patients that have one.
pub(crate) fn numbers(from: &Connection, ids: &[String]) -> Outcome<Vec<(String, i64)>> {
    let sql = format!("{PATIENTS}= ?1");
    let found = rows(from, &sql, ids.iter().map(|id| [id]), |row| row.try_into());
    found.map_err(ChartError::broken("read its patients"))
}
