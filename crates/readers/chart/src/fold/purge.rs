//! Taking everything out of the tables that was written for patients who were erased.
//!
//! What their messages said of staff and places is no patient's data and stays. The rows are
//! overwritten as they go (`secure_delete`), and the file is rewritten afterwards.

use std::collections::{BTreeMap, HashMap, HashSet};

use event::Erased;
use record::Blind;
use rusqlite::{Connection, OptionalExtension as _, Params};

use crate::ChartError;
use crate::error::Outcome;
use crate::store::meet::rows;
use crate::store::{each, pack, unpack};

/// A row of `version`: rid, seq, item, prev, next.
type Found = (i64, i64, i64, i64, i64);

/// One version that goes.
struct Gone {
    rid: i64,
    seq: i64,
    item: usize,
    prev: i64,
    next: i64,
}

/// Takes out the patients that an order names; whether there was anything of them.
pub(super) fn purge(from: &Connection, order: &Erased, blind: &Blind) -> Outcome<bool> {
    let pids = numbers(from, order, blind)?;
    let gone = versions(from, &pids, order)?;
    if pids.is_empty() && gone.is_empty() {
        return Ok(false);
    }
    let broken = ChartError::broken("erase from its tables");
    let overwriting = |yes: bool| from.pragma_update(None, "secure_delete", yes);
    overwriting(true).map_err(&broken)?;
    relink(from, &gone)?;
    blank(from, &gone)?;
    delete(from, &pids, &gone)?;
    images(from, order)?;
    record::note_rewriting(from).map_err(&broken)?;
    overwriting(false).map_err(&broken)?;
    Ok(true)
}

/// The numbers of the patients whose marks the order has. The marks cannot be turned back, so
/// every patient is held against them.
fn numbers(from: &Connection, order: &Erased, blind: &Blind) -> Outcome<Vec<i64>> {
    let marks: HashSet<&str> = order.patients.iter().map(String::as_str).collect();
    let marked = rows(from, "SELECT pid, id FROM patient", [()], |row| {
        let id = row.get_ref(1)?.as_str()?;
        let pid: i64 = row.get(0)?;
        Ok(marks.contains(blind.mark(id).as_str()).then_some(pid))
    });
    let marked = marked.map_err(ChartError::broken("look for who was erased"))?;
    Ok(marked.into_iter().flatten().collect())
}

/// What was written for these patients, and what the erased events wrote for others while they
/// were one person with them.
fn versions(from: &Connection, pids: &[i64], order: &Erased) -> Outcome<Vec<Gone>> {
    let theirs =
        "SELECT rid, seq, item, prev, next FROM version WHERE patient > 0 AND patient = ?1";
    let events = "SELECT v.rid, v.seq, v.item, v.prev, v.next FROM page g JOIN version v
         ON v.rid >= g.first AND v.rid < g.first + g.items AND v.seq = g.seq
         WHERE g.seq BETWEEN ?1 AND ?2 AND v.patient > 0";
    let broken = ChartError::broken("look for what is to be erased");
    let pids = pids.iter().map(|pid| [*pid]);
    let mut found: Vec<Found> = rows(from, theirs, pids, |row| row.try_into()).map_err(&broken)?;
    let of_events = rows(from, events, spans(order), |row| row.try_into());
    found.extend::<Vec<Found>>(of_events.map_err(&broken)?);
    found.sort_unstable();
    found.dedup();
    let gone = found.into_iter().map(|(rid, seq, item, prev, next)| Gone {
        rid,
        seq,
        item: usize::try_from(item).unwrap_or(usize::MAX),
        prev,
        next,
    });
    Ok(gone.collect())
}

/// Closes the chains of versions over what goes: a resource that belonged to somebody else before
/// or after keeps its other versions.
fn relink(from: &Connection, gone: &[Gone]) -> Outcome<()> {
    let by_rid: HashMap<i64, &Gone> = gone.iter().map(|one| (one.rid, one)).collect();
    let beyond = |mut rid: i64, step: fn(&Gone) -> i64| {
        while let Some(one) = by_rid.get(&rid) {
            rid = step(one);
        }
        rid
    };
    for one in gone {
        let (prev, next) = (
            beyond(one.prev, |gone| gone.prev),
            beyond(one.next, |gone| gone.next),
        );
        if one.prev > 0 && prev == one.prev {
            let sql = "UPDATE version SET next = ?1 WHERE rid = ?2";
            run(from, sql, [next, prev])?;
        }
        if one.next > 0 && next == one.next {
            let sql = "UPDATE version SET prev = ?1 WHERE rid = ?2";
            run(from, sql, [prev, next])?;
        }
        if one.next == 0 && prev > 0 {
            run(
                from,
                "UPDATE head SET rid = ?1 WHERE rid = ?2",
                [prev, one.rid],
            )?;
        }
    }
    Ok(())
}

/// Empties the items of these versions in their pages; a page with nothing left goes.
fn blank(from: &Connection, gone: &[Gone]) -> Outcome<()> {
    let mut pages: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for one in gone {
        pages.entry(one.seq).or_default().push(one.item);
    }
    let body_of = "SELECT body FROM page WHERE seq = ?1";
    for (seq, blanked) in pages {
        let body = from.query_row(body_of, [seq], |row| row.get(0)).optional();
        let body: Option<Vec<u8>> = body.map_err(ChartError::broken("read a page"))?;
        let Some(body) = body else { continue };
        let mut items = unpack(&body)?;
        for place in blanked {
            if let Some(item) = items.get_mut(place) {
                item.clear();
            }
        }
        if items.iter().all(Vec::is_empty) {
            run(from, "DELETE FROM page WHERE seq = ?1", [seq])?;
        } else {
            let sql = "UPDATE page SET body = ?1 WHERE seq = ?2";
            run(from, sql, (pack(&items)?, seq))?;
        }
    }
    Ok(())
}

/// `term` and `name` are ordered by value: they are looked through once.
fn delete(from: &Connection, pids: &[i64], gone: &[Gone]) -> Outcome<()> {
    let sql = "CREATE TEMP TABLE IF NOT EXISTS gone (rid INTEGER PRIMARY KEY)";
    run(from, sql, ())?;
    run(from, "DELETE FROM gone", ())?;
    let rids = gone.iter().map(|one| [one.rid]);
    each(from, "INSERT INTO gone (rid) VALUES (?1)", rids)?;
    for sql in [
        "DELETE FROM version WHERE rid IN (SELECT rid FROM gone)",
        "DELETE FROM head WHERE rid IN (SELECT rid FROM gone)",
        "DELETE FROM term WHERE rid IN (SELECT rid FROM gone)",
        "DELETE FROM name WHERE rid IN (SELECT rid FROM gone)",
        "DELETE FROM gone",
    ] {
        run(from, sql, ())?;
    }
    for pid in pids {
        for sql in [
            "DELETE FROM alias WHERE retired = ?1 OR survivor = ?1",
            "DELETE FROM stay WHERE patient = ?1",
            "DELETE FROM tie WHERE patient = ?1",
            "DELETE FROM consent WHERE patient = ?1",
            "DELETE FROM image WHERE patient = ?1",
            "DELETE FROM filler WHERE patient = ?1",
            "DELETE FROM patient WHERE pid = ?1",
        ] {
            run(from, sql, [*pid])?;
        }
    }
    Ok(())
}

/// The objects that the erased events brought, and the numbers of orders that they told, whoever's
/// they were taken for.
fn images(from: &Connection, order: &Erased) -> Outcome<()> {
    for sql in [
        "DELETE FROM image WHERE seq BETWEEN ?1 AND ?2",
        "DELETE FROM filler WHERE seq BETWEEN ?1 AND ?2",
    ] {
        each(from, sql, spans(order))?;
    }
    Ok(())
}

/// The first and the last of the events of each span that goes.
fn spans(order: &Erased) -> impl Iterator<Item = [i64; 2]> {
    let number = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
    let spans = order.events.iter();
    spans.map(move |(first, last)| [number(*first), number(*last)])
}

fn run(to: &Connection, sql: &str, with: impl Params) -> Outcome<()> {
    let done = to.prepare_cached(sql).and_then(|mut one| one.execute(with));
    done.map(drop)
        .map_err(ChartError::broken("erase from its tables"))
}
