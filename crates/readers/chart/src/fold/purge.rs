//! Taking everything out of the tables that was written for patients who were erased.
//!
//! What their messages said of staff and places is no patient's data and stays. The rows are
//! overwritten as they go (`secure_delete`), and the file is rewritten afterwards.

use std::collections::{BTreeMap, HashMap, HashSet};

use event::Erased;
use futures_util::TryStreamExt as _;
use record::Blind;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use crate::ChartError;
use crate::error::Outcome;
use crate::store::{list, pack, unpack};

/// Values of one IN list.
const IN_MAX: usize = 64;

const LOOKING: &str = "look for what is to be erased";

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
pub(super) async fn purge(
    from: &mut SqliteConnection,
    order: &Erased,
    blind: &Blind,
) -> Outcome<bool> {
    let pids = numbers(from, order, blind).await?;
    let gone = versions(from, &pids, order).await?;
    if pids.is_empty() && gone.is_empty() {
        return Ok(false);
    }
    relink(from, &gone).await?;
    blank(from, &gone).await?;
    delete(from, &pids, &gone).await?;
    images(from, order).await?;
    let noted = record::rewrite_later(from).await;
    noted.map_err(ChartError::broken("erase from its tables"))?;
    Ok(true)
}

/// The numbers of the patients whose marks the order has. The marks cannot be turned back, so
/// every patient is held against them.
async fn numbers(from: &mut SqliteConnection, order: &Erased, blind: &Blind) -> Outcome<Vec<i64>> {
    let broken = ChartError::broken("look for who was erased");
    let marks: HashSet<&str> = order.patients.iter().map(String::as_str).collect();
    let mut pids = Vec::new();
    let mut rows = sqlx::query("SELECT pid, id FROM patient").fetch(from);
    while let Some(row) = rows.try_next().await.map_err(&broken)? {
        let id: &str = row.try_get(1).map_err(&broken)?;
        if marks.contains(blind.mark(id).as_str()) {
            pids.push(row.try_get(0).map_err(&broken)?);
        }
    }
    Ok(pids)
}

/// What was written for these patients, and what the erased events wrote for others while they
/// were one person with them.
async fn versions(from: &mut SqliteConnection, pids: &[i64], order: &Erased) -> Outcome<Vec<Gone>> {
    let mut rows: Vec<Found> = Vec::new();
    for some in pids.chunks(IN_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT rid, seq, item, prev, next FROM version WHERE patient > 0 AND patient IN (",
        );
        list(&mut query, some.iter().copied());
        let found = query.build_query_as().fetch_all(&mut *from).await;
        rows.extend::<Vec<Found>>(found.map_err(ChartError::broken(LOOKING))?);
    }
    for (first, last) in &order.events {
        let found = sqlx::query_as(
            "SELECT v.rid, v.seq, v.item, v.prev, v.next FROM page g JOIN version v
             ON v.rid >= g.first AND v.rid < g.first + g.items AND v.seq = g.seq
             WHERE g.seq BETWEEN $1 AND $2 AND v.patient > 0",
        )
        .bind(i64::try_from(*first).unwrap_or(i64::MAX))
        .bind(i64::try_from(*last).unwrap_or(i64::MAX))
        .fetch_all(&mut *from)
        .await;
        rows.extend::<Vec<Found>>(found.map_err(ChartError::broken(LOOKING))?);
    }
    rows.sort_unstable();
    rows.dedup();
    let gone = rows.into_iter().map(|(rid, seq, item, prev, next)| Gone {
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
async fn relink(from: &mut SqliteConnection, gone: &[Gone]) -> Outcome<()> {
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
            let query = sqlx::query("UPDATE version SET next = $1 WHERE rid = $2");
            run(from, query.bind(next).bind(prev)).await?;
        }
        if one.next > 0 && next == one.next {
            let query = sqlx::query("UPDATE version SET prev = $1 WHERE rid = $2");
            run(from, query.bind(prev).bind(next)).await?;
        }
        if one.next == 0 && prev > 0 {
            let query = sqlx::query("UPDATE head SET rid = $1 WHERE rid = $2");
            run(from, query.bind(prev).bind(one.rid)).await?;
        }
    }
    Ok(())
}

/// Empties the items of these versions in their pages; a page with nothing left goes.
async fn blank(from: &mut SqliteConnection, gone: &[Gone]) -> Outcome<()> {
    let mut pages: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for one in gone {
        pages.entry(one.seq).or_default().push(one.item);
    }
    for (seq, blanked) in pages {
        let body = sqlx::query_scalar("SELECT body FROM page WHERE seq = $1").bind(seq);
        let body: Option<Vec<u8>> = body
            .fetch_optional(&mut *from)
            .await
            .map_err(ChartError::broken("read a page"))?;
        let Some(body) = body else { continue };
        let mut items = unpack(&body)?;
        for place in blanked {
            if let Some(item) = items.get_mut(place) {
                item.clear();
            }
        }
        if items.iter().all(Vec::is_empty) {
            run(
                from,
                sqlx::query("DELETE FROM page WHERE seq = $1").bind(seq),
            )
            .await?;
        } else {
            let body = pack(&items)?;
            let query = sqlx::query("UPDATE page SET body = $1 WHERE seq = $2");
            run(from, query.bind(body).bind(seq)).await?;
        }
    }
    Ok(())
}

/// `term` and `name` are ordered by value: they are looked through once.
async fn delete(from: &mut SqliteConnection, pids: &[i64], gone: &[Gone]) -> Outcome<()> {
    run(
        from,
        sqlx::query("CREATE TEMP TABLE IF NOT EXISTS gone (rid INTEGER PRIMARY KEY)"),
    )
    .await?;
    run(from, sqlx::query("DELETE FROM gone")).await?;
    for some in gone.chunks(IN_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO gone (rid) ");
        query.push_values(some, |mut row, one| {
            row.push_bind(one.rid);
        });
        run(from, query.build()).await?;
    }
    for sql in [
        "DELETE FROM version WHERE rid IN (SELECT rid FROM gone)",
        "DELETE FROM head WHERE rid IN (SELECT rid FROM gone)",
        "DELETE FROM term WHERE rid IN (SELECT rid FROM gone)",
        "DELETE FROM name WHERE rid IN (SELECT rid FROM gone)",
    ] {
        run(from, sqlx::query(sql)).await?;
    }
    run(from, sqlx::query("DELETE FROM gone")).await?;
    for pid in pids {
        for sql in [
            "DELETE FROM alias WHERE retired = $1 OR survivor = $1",
            "DELETE FROM stay WHERE patient = $1",
            "DELETE FROM tie WHERE patient = $1",
            "DELETE FROM consent WHERE patient = $1",
            "DELETE FROM image WHERE patient = $1",
            "DELETE FROM filler WHERE patient = $1",
            "DELETE FROM patient WHERE pid = $1",
        ] {
            run(from, sqlx::query(sql).bind(pid)).await?;
        }
    }
    Ok(())
}

/// The objects that the erased events brought, and the numbers of orders that they told, whoever's
/// they were taken for.
async fn images(from: &mut SqliteConnection, order: &Erased) -> Outcome<()> {
    for (first, last) in &order.events {
        for sql in [
            "DELETE FROM image WHERE seq BETWEEN $1 AND $2",
            "DELETE FROM filler WHERE seq BETWEEN $1 AND $2",
        ] {
            let query = sqlx::query(sql)
                .bind(i64::try_from(*first).unwrap_or(i64::MAX))
                .bind(i64::try_from(*last).unwrap_or(i64::MAX));
            run(from, query).await?;
        }
    }
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

async fn run(to: &mut SqliteConnection, query: Query<'_>) -> Outcome<()> {
    query
        .execute(to)
        .await
        .map(drop)
        .map_err(ChartError::broken("erase from its tables"))
}
