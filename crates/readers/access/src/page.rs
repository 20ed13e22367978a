//! The pages' questions to the tables.

use event::Time;
use sqlx::query_builder::QueryBuilder;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqlitePool};

use crate::ask::{Filter, Listing, Looked, Looker, Order, Page, Sum};
use crate::known::{actor, apart};
use crate::trace::{Trace, TraceId, What};

const TRACES: &str = "SELECT t.key, t.at, t.what, t.patient, t.allowed, t.purpose, t.reason, \
    t.source, t.detail, r.policies, a.account, a.kind, a.role, a.name FROM trace t \
    JOIN actor a ON a.id = t.actor JOIN reasons r ON r.id = t.reasons WHERE ";

/// What a time is as a part of keys: those of events sealed in between.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: i64,
    to: i64,
}

pub(crate) async fn traces(
    pool: &SqlitePool,
    filter: &Filter,
    page: Page,
) -> Result<Listing<Trace>, sqlx::Error> {
    let span = span(pool, filter).await?;
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(TRACES);
    push(&mut query, filter, after(span, page));
    query.push(match page.order {
        Order::Newest => " ORDER BY t.key DESC LIMIT 0 + ",
        Order::Oldest => " ORDER BY t.key LIMIT 0 + ",
    });
    query.push_bind(i64::try_from(page.rows).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(pool).await?;
    let rows: Vec<Trace> = rows.iter().map(trace).collect::<Result<_, _>>()?;
    let full = rows.len() >= page.rows;
    Ok(Listing {
        next: rows.last().filter(|_| full).map(|row| row.id),
        rows,
    })
}

pub(crate) async fn one(pool: &SqlitePool, id: TraceId) -> Result<Option<Trace>, sqlx::Error> {
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(TRACES);
    query.push("t.key = ").push_bind(id.key());
    let row = query.build().fetch_optional(pool).await?;
    row.as_ref().map(trace).transpose()
}

pub(crate) async fn count(pool: &SqlitePool, filter: &Filter) -> Result<u64, sqlx::Error> {
    let span = span(pool, filter).await?;
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT COUNT(*) FROM trace t WHERE ");
    push(&mut query, filter, span);
    let count: i64 = query.build_query_scalar().fetch_one(pool).await?;
    Ok(count.unsigned_abs())
}

/// Who did what the filter says, each person once, the last first.
pub(crate) async fn lookers(
    pool: &SqlitePool,
    filter: &Filter,
    rows: usize,
) -> Result<Vec<Looker>, sqlx::Error> {
    let sums = sums(pool, filter, ("a.account", rows)).await?;
    let looker = |(_, trace, sum): (String, Trace, Sum)| Looker {
        actor: trace.actor,
        sum,
    };
    Ok(sums.into_iter().map(looker).collect())
}

/// To whom it was done, each patient once, the last first.
pub(crate) async fn looked(
    pool: &SqlitePool,
    filter: &Filter,
    rows: usize,
) -> Result<Vec<Looked>, sqlx::Error> {
    let sums = sums(pool, filter, ("t.patient", rows)).await?;
    let looked = |(patient, _, sum): (String, Trace, Sum)| Looked { patient, sum };
    Ok(sums.into_iter().map(looked).collect())
}

/// The traces in groups: by what, their last one, their sum.
async fn sums(
    pool: &SqlitePool,
    filter: &Filter,
    (by, rows): (&'static str, usize),
) -> Result<Vec<(String, Trace, Sum)>, sqlx::Error> {
    let span = span(pool, filter).await?;
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT ");
    query.push(by).push(
        " AS one, SUM(t.allowed) AS allowed, COUNT(*) AS many, MIN(t.at) AS first,
         MAX(t.at) AS last, MAX(t.key) AS key FROM trace t JOIN actor a ON a.id = t.actor WHERE ",
    );
    push(&mut query, filter, span);
    query.push(" AND ").push(by).push(" IS NOT NULL");
    query.push(" GROUP BY one ORDER BY key DESC LIMIT 0 + ");
    query.push_bind(i64::try_from(rows).unwrap_or(i64::MAX));
    let mut out = Vec::new();
    for row in query.build().fetch_all(pool).await? {
        let id = TraceId::of_key(row.try_get("key")?);
        let Some(trace) = one(pool, id).await? else {
            continue;
        };
        let (many, allowed) = (number(&row, "many")?, number(&row, "allowed")?);
        let sum = Sum {
            allowed,
            refused: many.saturating_sub(allowed),
            first: Time::from_millis(row.try_get("first")?),
            last: Time::from_millis(row.try_get("last")?),
            id,
            because: trace.because.clone(),
            purpose: trace.purpose.clone(),
        };
        out.push((row.try_get("one")?, trace, sum));
    }
    Ok(out)
}

/// Sealing times never go back, so a span of time is a span of keys; it is found by halving, and
/// needs no index of its own.
async fn span(pool: &SqlitePool, filter: &Filter) -> Result<Span, sqlx::Error> {
    let mut span = Span {
        from: i64::MIN,
        to: i64::MAX,
    };
    if let Some(from) = filter.from {
        span.from = first_at(pool, from).await?;
    }
    if let Some(to) = filter.to {
        span.to = first_at(pool, to).await?;
    }
    Ok(span)
}

/// The smallest key that was sealed at `time` or later.
async fn first_at(pool: &SqlitePool, time: Time) -> Result<i64, sqlx::Error> {
    let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(key) FROM trace")
        .fetch_one(pool)
        .await?;
    let (mut low, mut high) = (0, newest.map_or(0, |newest| newest.saturating_add(1)));
    while low < high {
        let middle = low + (high - low) / 2;
        let sql = "SELECT key, at FROM trace WHERE key >= $1 ORDER BY key LIMIT 1";
        let row: Option<(i64, i64)> = sqlx::query_as(sql)
            .bind(middle)
            .fetch_optional(pool)
            .await?;
        match row {
            Some((key, at)) if at < time.millis() => low = key + 1,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

fn after(mut span: Span, page: Page) -> Span {
    match (page.after, page.order) {
        (Some(id), Order::Newest) => span.to = span.to.min(id.key()),
        (Some(id), Order::Oldest) => span.from = span.from.max(id.key().saturating_add(1)),
        (None, _) => {}
    }
    span
}

fn push(query: &mut QueryBuilder<Sqlite>, filter: &Filter, span: Span) {
    query.push("t.key >= ").push_bind(span.from);
    query.push(" AND t.key < ").push_bind(span.to);
    match filter.patients.as_slice() {
        [] => {}
        [only] => {
            query.push(" AND t.patient = ").push_bind(only.clone());
        }
        several => {
            query.push(" AND t.patient IN (");
            let mut list = query.separated(", ");
            for patient in several {
                list.push_bind(patient.clone());
            }
            query.push(")");
        }
    }
    if let Some(only) = filter.only {
        query.push(" AND t.key = ").push_bind(only.key());
    }
    if let Some(account) = &filter.account {
        query.push(" AND t.actor IN (SELECT id FROM actor WHERE account = ");
        query.push_bind(account.clone()).push(")");
    }
    if let Some(name) = &filter.name {
        query.push(" AND t.actor IN (SELECT id FROM actor WHERE instr(lower(name), lower(");
        query.push_bind(name.clone()).push(")) > 0)");
    }
    if !filter.what.is_empty() {
        query.push(" AND t.what IN (");
        let mut list = query.separated(", ");
        for what in &filter.what {
            list.push_bind(what.word());
        }
        query.push(")");
    }
    if let Some(allowed) = filter.allowed {
        query
            .push(" AND t.allowed = ")
            .push_bind(i64::from(allowed));
    }
    if let Some(detail) = &filter.detail {
        query.push(" AND t.detail = ").push_bind(detail.clone());
    }
    if let Some(address) = &filter.address {
        query.push(" AND substr(t.source, 1, length(");
        query.push_bind(address.clone()).push(")) = ");
        query.push_bind(address.clone());
    }
    if filter.of_somebody {
        query.push(" AND t.patient IS NOT NULL");
    }
    for purpose in &filter.purposes_not {
        query.push(" AND t.purpose <> ").push_bind(*purpose);
    }
}

fn trace(row: &SqliteRow) -> Result<Trace, sqlx::Error> {
    let what: String = row.try_get("what")?;
    let policies: String = row.try_get("policies")?;
    Ok(Trace {
        id: TraceId::of_key(row.try_get("key")?),
        at: Time::from_millis(row.try_get("at")?),
        actor: actor(row)?,
        what: What::of(&what).unwrap_or(What::Read),
        patient: row.try_get("patient")?,
        allowed: number(row, "allowed")? == 1,
        because: apart(&policies),
        purpose: row.try_get("purpose")?,
        reason: row.try_get("reason")?,
        from: row.try_get("source")?,
        detail: row.try_get("detail")?,
    })
}

fn number(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(column).map(i64::unsigned_abs)
}
