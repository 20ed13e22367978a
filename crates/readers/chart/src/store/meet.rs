//! What the fold looks up before it applies events, with the connection that writes. A statement costs no
//! change of threads there, so each value is asked for by itself, by a statement that is prepared once.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension as _, Params};

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

/// Who goes by a filler's number: the id of the patient, the first and the last of the orders.
pub(crate) type Filler = (String, String, String);

/// Each is one step in the index, which is ordered by number, patient and order.
const NEXT_FILLER: &str = "SELECT patient, known_as FROM filler WHERE id = ?1 AND patient >= ?2
     ORDER BY patient, known_as LIMIT 1";
const LAST_FILLER: &str = "SELECT patient, known_as FROM filler WHERE id = ?1 AND patient = ?2
     ORDER BY known_as DESC LIMIT 1";

/// Of the id that a filler's number alone makes and some patients by their numbers: the first and the last of each
/// one's orders that go by it, which are the same if there is one; and how often that was looked up. How many orders
/// there are costs nothing, and who of many patients has none is stepped over.
pub(crate) fn fillers(
    from: &Connection,
    id: &str,
    of: &BTreeMap<i64, String>,
) -> Outcome<(usize, Vec<Filler>)> {
    let step = |sql: &str, pid: i64| -> rusqlite::Result<Option<(i64, String)>> {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let mut step = from.prepare_cached(sql)?;
        step.query_row((id, pid), read).optional()
    };
    let broken = ChartError::broken("read the numbers of its orders");
    let (mut looked_up, mut found) = (0, Vec::new());
    let mut next = of.keys().next().copied();
    while let Some(pid) = next {
        looked_up += 1;
        let Some((there, first)) = step(NEXT_FILLER, pid).map_err(&broken)? else {
            break;
        };
        let mut behind = there;
        if let Some(patient) = of.get(&there) {
            looked_up += 1;
            let last = step(LAST_FILLER, there).map_err(&broken)?;
            let last = last.map_or_else(|| first.clone(), |(_, last)| last);
            found.push((patient.clone(), first, last));
            behind = there.saturating_add(1);
        }
        next = of.range(behind..).next().map(|(pid, _)| *pid);
    }
    Ok((looked_up, found))
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
