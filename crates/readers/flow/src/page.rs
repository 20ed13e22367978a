//! The page's questions to the tables.

use std::collections::HashMap;

use event::Time;
use sqlx::query_builder::QueryBuilder;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqlitePool};

use crate::ask::{Count, Filter, KeptKind, Listing, MessageRow, Page, Quarantined, Which};
use crate::batch::bucket;

/// Kinds on the list of what is kept but not mapped.
const KINDS_MAX: i64 = 500;

/// Counts by feed id and start of the bucket.
pub(crate) type Counts = HashMap<(i64, i64), (u64, u64)>;

pub(crate) async fn counts(
    pool: &SqlitePool,
    width: i64,
    from: i64,
) -> Result<Counts, sqlx::Error> {
    let sql = "SELECT feed, start, messages, unread FROM bucket WHERE width = $1 AND start >= $2";
    let rows = sqlx::query(sql)
        .bind(width)
        .bind(from)
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|row| {
            let counts = (number(row, "messages")?, number(row, "unread")?);
            Ok(((row.try_get("feed")?, row.try_get("start")?), counts))
        })
        .collect()
}

/// `many` buckets that end with the one `now` falls into, empty ones too.
pub(crate) fn series(
    counts: &Counts,
    feed: i64,
    (width, many, now): (i64, i64, Time),
) -> Vec<Count> {
    let last = bucket(now, width);
    (0..many)
        .rev()
        .map(|back| {
            let start = last - back * width;
            let (messages, unread) = counts.get(&(feed, start)).copied().unwrap_or_default();
            Count {
                start: Time::from_millis(start),
                messages,
                unread,
            }
        })
        .collect()
}

pub(crate) async fn messages(
    pool: &SqlitePool,
    filter: &Filter,
    page: Page,
) -> Result<Listing<MessageRow>, sqlx::Error> {
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new("SELECT m.*, f.name FROM message m JOIN feed f ON f.id = m.feed WHERE ");
    push_before(&mut query, "m.idx", page);
    push_feed(&mut query, "m.feed", filter.feed.as_deref());
    if let Some(kind) = &filter.kind {
        query.push(" AND m.kind = ").push_bind(kind);
    }
    query.push(match filter.which {
        Which::All => "",
        Which::Kept => " AND m.mapped = 0",
        Which::Odd => " AND m.complaints > 0",
        Which::Reused => " AND m.reused = 1",
    });
    query
        .push(" ORDER BY m.idx DESC LIMIT ")
        .push_bind(page.rows as i64);
    let rows = query.build().fetch_all(pool).await?;
    let rows: Result<Vec<_>, _> = rows.iter().map(message).collect();
    Ok(listing(rows?, page, |row| row.index))
}

pub(crate) async fn one_message(
    pool: &SqlitePool,
    index: u64,
) -> Result<Option<MessageRow>, sqlx::Error> {
    let sql = "SELECT m.*, f.name FROM message m JOIN feed f ON f.id = m.feed WHERE m.idx = $1";
    let query = sqlx::query(sql).bind(index.cast_signed());
    query
        .fetch_optional(pool)
        .await?
        .as_ref()
        .map(message)
        .transpose()
}

pub(crate) async fn quarantined(
    pool: &SqlitePool,
    feed: Option<&str>,
    page: Page,
) -> Result<Listing<Quarantined>, sqlx::Error> {
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new("SELECT u.*, f.name FROM unread u JOIN feed f ON f.id = u.feed WHERE ");
    push_before(&mut query, "u.idx", page);
    push_feed(&mut query, "u.feed", feed);
    query
        .push(" ORDER BY u.idx DESC LIMIT ")
        .push_bind(page.rows as i64);
    let rows = query.build().fetch_all(pool).await?;
    let rows: Result<Vec<_>, _> = rows.iter().map(unread).collect();
    Ok(listing(rows?, page, |row| row.index))
}

/// By feed and hour: the longest silence, of these hours.
pub(crate) async fn silences(
    pool: &SqlitePool,
    hours: &[i64],
) -> Result<HashMap<(i64, i64), i64>, sqlx::Error> {
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new("SELECT feed, hour, longest FROM silence WHERE hour IN (");
    let mut list = query.separated(", ");
    for hour in hours {
        list.push_bind(*hour);
    }
    query.push(")");
    let rows = query.build().fetch_all(pool).await?;
    rows.iter()
        .map(|row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?)))
        .collect()
}

/// Kinds of lines that are told of each feed.
const FEED_KINDS_MAX: usize = 12;

/// By feed: the kinds of its lines, the most frequent first.
pub(crate) async fn kinds(
    pool: &SqlitePool,
) -> Result<HashMap<i64, Vec<(String, u64)>>, sqlx::Error> {
    let sql = "SELECT feed, kind, lines FROM lines ORDER BY lines DESC, kind";
    let rows = sqlx::query(sql).fetch_all(pool).await?;
    let mut kinds: HashMap<i64, Vec<(String, u64)>> = HashMap::new();
    for row in &rows {
        let of = kinds.entry(row.try_get("feed")?).or_default();
        if of.len() < FEED_KINDS_MAX {
            of.push((row.try_get("kind")?, number(row, "lines")?));
        }
    }
    Ok(kinds)
}

pub(crate) async fn kept(pool: &SqlitePool) -> Result<Vec<KeptKind>, sqlx::Error> {
    let sql = "SELECT f.name, k.kind, k.messages, k.last FROM kind k JOIN feed f ON f.id = k.feed
               ORDER BY k.messages DESC, f.name, k.kind LIMIT $1";
    let rows = sqlx::query(sql).bind(KINDS_MAX).fetch_all(pool).await?;
    rows.iter()
        .map(|row| {
            Ok(KeptKind {
                feed: row.try_get("name")?,
                kind: row.try_get("kind")?,
                messages: number(row, "messages")?,
                last: number(row, "last")?,
            })
        })
        .collect()
}

fn push_before(query: &mut QueryBuilder<Sqlite>, column: &str, page: Page) {
    let before = page.before.and_then(|before| i64::try_from(before).ok());
    query
        .push(column)
        .push(" < ")
        .push_bind(before.unwrap_or(i64::MAX));
}

fn push_feed(query: &mut QueryBuilder<Sqlite>, column: &str, feed: Option<&str>) {
    if let Some(feed) = feed {
        query.push(" AND ").push(column);
        query
            .push(" = (SELECT id FROM feed WHERE name = ")
            .push_bind(feed.to_owned())
            .push(")");
    }
}

fn listing<T>(rows: Vec<T>, page: Page, index: impl Fn(&T) -> u64) -> Listing<T> {
    let full = rows.len() >= page.rows;
    let next = rows.last().filter(|_| full).map(index);
    Listing { rows, next }
}

fn message(row: &SqliteRow) -> Result<MessageRow, sqlx::Error> {
    Ok(MessageRow {
        index: number(row, "idx")?,
        at: Time::from_millis(row.try_get("at")?),
        feed: row.try_get("name")?,
        kind: row.try_get("kind")?,
        control: row.try_get("control")?,
        mapped: number(row, "mapped")? == 1,
        reused: number(row, "reused")? == 1,
        size: number(row, "size")?,
        complaints: number(row, "complaints")?,
    })
}

fn unread(row: &SqliteRow) -> Result<Quarantined, sqlx::Error> {
    Ok(Quarantined {
        index: number(row, "idx")?,
        at: Time::from_millis(row.try_get("at")?),
        feed: row.try_get("name")?,
        reason: row.try_get("reason")?,
        size: number(row, "size")?,
    })
}

fn number(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(column).map(i64::unsigned_abs)
}
