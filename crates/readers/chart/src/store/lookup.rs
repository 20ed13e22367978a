//! Reading rows and their contents.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sqlx::{FromRow as _, QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::pack::{Items, open};
use super::{Row, SELECT};
use crate::ChartError;
use crate::error::Outcome;

/// Values of one IN list.
const IN_MAX: usize = 64;

/// A [`Row`] and, as its last column, the page its content is on.
pub(super) const HEAD_AND_PAGE: &str =
    "SELECT v.rid, v.kind, v.id, v.patient, p.id AS patient_id, v.seq,
 v.item, v.at, v.flags, v.source, v.prev, v.next, v.labels, v.told, g.body
 FROM head h JOIN version v ON v.rid = h.rid JOIN page g ON g.seq = v.seq
 LEFT JOIN patient p ON p.pid = v.patient WHERE h.slot = $1";

/// Behind [`SELECT`]: current versions by the numbers of their names. Ends, as those below, before what is asked
/// for: what is asked with the connection that writes ([`super::meet`]) has the same text.
pub(super) const OF_SLOT: &str = "JOIN head h ON h.rid = v.rid WHERE h.slot ";
/// Pages by the events that wrote them.
pub(super) const PAGES: &str = "SELECT seq, body FROM page WHERE seq ";
/// Numbers of patients by their ids.
pub(super) const PATIENTS: &str = "SELECT id, pid FROM patient WHERE id ";

/// A resource that is looked for by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    /// The number of its type.
    pub(crate) kind: i64,
    /// Its logical id.
    pub(crate) id: String,
    /// The number of its name.
    pub(crate) slot: i64,
}

/// The current versions (deleted ones too) of resources by name.
pub(crate) async fn by_heads(from: &mut SqliteConnection, asked: &[Asked]) -> Outcome<Vec<Row>> {
    let mut found = Vec::new();
    for chunk in asked.chunks(IN_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(OF_SLOT).push("IN (");
        list(&mut query, chunk.iter().map(|one| one.slot));
        for row in fetch(from, query).await? {
            // Two names may share a slot.
            if chunk
                .iter()
                .any(|one| one.kind == row.kind && one.id == row.id)
            {
                found.push(row);
            }
        }
    }
    Ok(found)
}

/// The current version of a resource by name, with its content: what most reads ask for, in one
/// statement.
pub(crate) async fn by_head(
    from: &mut SqliteConnection,
    asked: &Asked,
) -> Outcome<Option<(Row, Vec<u8>)>> {
    let broken = ChartError::broken("read a resource");
    let found = sqlx::query(HEAD_AND_PAGE)
        .bind(asked.slot)
        .fetch_all(from)
        .await
        .map_err(&broken)?;
    for found in found {
        let row = Row::from_row(&found).map_err(&broken)?;
        if row.kind == asked.kind && row.id == asked.id {
            let body: Vec<u8> = found.try_get(14).map_err(&broken)?;
            let content = content_of(&body, &row)?;
            return Ok(Some((row, content)));
        }
    }
    Ok(None)
}

/// What of a page, still packed, is a row's.
pub(super) fn content_of(body: &[u8], row: &Row) -> Outcome<Vec<u8>> {
    Ok(item(&open(body)?, row))
}

/// The contents of `rows`, in their order; empty for deleted ones.
pub(crate) async fn pages(from: &mut SqliteConnection, rows: &[Row]) -> Outcome<Vec<Vec<u8>>> {
    let mut seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    let mut items: HashMap<i64, Items> = HashMap::with_capacity(seqs.len());
    for chunk in seqs.chunks(IN_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new(PAGES);
        query.push("IN (");
        list(&mut query, chunk.iter().copied());
        let found = query
            .build()
            .fetch_all(&mut *from)
            .await
            .map_err(ChartError::broken("read its pages"))?;
        for page in found {
            let (seq, body) = seq_and_body(&page).map_err(ChartError::broken("read a page"))?;
            items.insert(seq, open(&body)?);
        }
    }
    Ok(rows.iter().map(|row| of_row(&items, row)).collect())
}

/// Pages of up to so many bytes, packed, are read together with others, and on the thread that asks; larger ones one
/// by one, and elsewhere.
pub(super) const SMALL_PAGE_BYTES: i64 = 64 * 1024;

/// The contents of the first of `rows`, in their order: of as many as take up to `bytes_max` once
/// they are unpacked, and of one at least.
pub(crate) async fn pages_within(
    from: &mut SqliteConnection,
    rows: &[Row],
    bytes_max: usize,
) -> Outcome<Vec<Vec<u8>>> {
    let mut items: HashMap<i64, Items> = HashMap::new();
    let (mut contents, mut read) = (Vec::with_capacity(rows.len()), 0_usize);
    for rows in rows.chunks(IN_MAX) {
        let mut packed = small_pages(from, rows, &items).await?;
        for row in rows {
            if !contents.is_empty() && read >= bytes_max {
                return Ok(contents);
            }
            if let Entry::Vacant(place) = items.entry(row.seq) {
                let body = match packed.remove(&row.seq) {
                    Some(body) => Some(body),
                    None => page(from, row.seq).await?,
                };
                let page = body.map(|body| open(&body)).transpose()?;
                let page = page.unwrap_or_default();
                read = read.saturating_add(page.len());
                place.insert(page);
            }
            contents.push(of_row(&items, row));
        }
    }
    Ok(contents)
}

/// The pages of rows that are small and were not unpacked yet, still packed.
async fn small_pages(
    from: &mut SqliteConnection,
    rows: &[Row],
    items: &HashMap<i64, Items>,
) -> Outcome<HashMap<i64, Vec<u8>>> {
    let mut seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    seqs.retain(|seq| !items.contains_key(seq));
    if seqs.is_empty() {
        return Ok(HashMap::new());
    }
    let mut query = QueryBuilder::<Sqlite>::new(PAGES);
    query.push("IN (");
    list(&mut query, seqs.into_iter());
    query
        .push(" AND length(body) <= ")
        .push_bind(SMALL_PAGE_BYTES);
    let found = query
        .build()
        .fetch_all(&mut *from)
        .await
        .map_err(ChartError::broken("read its pages"))?;
    let found = found.iter().map(seq_and_body);
    found
        .collect::<Result<_, _>>()
        .map_err(ChartError::broken("read a page"))
}

/// One page, packed.
async fn page(from: &mut SqliteConnection, seq: i64) -> Outcome<Option<Vec<u8>>> {
    sqlx::query_scalar("SELECT body FROM page WHERE seq = $1")
        .bind(seq)
        .fetch_optional(from)
        .await
        .map_err(ChartError::broken("read a page"))
}

fn seq_and_body(page: &sqlx::sqlite::SqliteRow) -> Result<(i64, Vec<u8>), sqlx::Error> {
    Ok((page.try_get(0)?, page.try_get(1)?))
}

fn of_row(items: &HashMap<i64, Items>, row: &Row) -> Vec<u8> {
    let items = items.get(&row.seq);
    items.map(|items| item(items, row)).unwrap_or_default()
}

/// What of a page is a row's.
pub(super) fn item(items: &Items, row: &Row) -> Vec<u8> {
    let at = usize::try_from(row.item).ok();
    let bytes = at.and_then(|at| items.get(at));
    bytes.unwrap_or_default().to_vec()
}

/// The version of a resource that one event wrote.
pub(crate) async fn of_event(
    from: &mut SqliteConnection,
    asked: &Asked,
    seq: i64,
) -> Outcome<Option<Row>> {
    let rows = all_of_event(from, seq).await?;
    Ok(rows
        .into_iter()
        .find(|row| row.kind == asked.kind && row.id == asked.id))
}

/// All versions that one event wrote.
pub(crate) async fn all_of_event(from: &mut SqliteConnection, seq: i64) -> Outcome<Vec<Row>> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query
        .push("JOIN page g ON v.rid >= g.first AND v.rid < g.first + g.items AND v.seq = g.seq ")
        .push("WHERE g.seq = ")
        .push_bind(seq);
    fetch(from, query).await
}

/// The numbers of those patients that have one.
pub(crate) async fn pids(
    from: &mut SqliteConnection,
    ids: &[String],
) -> Outcome<HashMap<String, i64>> {
    let mut found = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(IN_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new(PATIENTS);
        query.push("IN (");
        list(&mut query, chunk.iter().map(String::as_str));
        let rows: Vec<(String, i64)> = query
            .build_query_as()
            .fetch_all(&mut *from)
            .await
            .map_err(ChartError::broken("read its patients"))?;
        found.extend(rows);
    }
    Ok(found)
}

/// Pushes `a, b, c)`.
pub(crate) fn list<'v, T>(query: &mut QueryBuilder<Sqlite>, values: impl Iterator<Item = T>)
where
    T: sqlx::Encode<'v, Sqlite> + sqlx::Type<Sqlite> + Send + 'v,
{
    let mut separated = query.separated(", ");
    for value in values {
        separated.push_bind(value);
    }
    query.push(")");
}

/// Pushes a bound for the rows: not as a bare parameter, for which SQLite prepares the statement
/// anew each time it is bound.
pub(crate) fn limit(query: &mut QueryBuilder<Sqlite>, rows: i64) {
    query.push(" LIMIT 0 + ").push_bind(rows);
}

/// The rows of a query that begins with [`SELECT`].
pub(crate) async fn fetch(
    from: &mut SqliteConnection,
    mut query: QueryBuilder<Sqlite>,
) -> Outcome<Vec<Row>> {
    query
        .build_query_as()
        .fetch_all(from)
        .await
        .map_err(ChartError::broken("read its rows"))
}

/// The one number of a query.
pub(crate) async fn count(
    from: &mut SqliteConnection,
    mut query: QueryBuilder<Sqlite>,
) -> Outcome<i64> {
    query
        .build_query_scalar()
        .fetch_one(from)
        .await
        .map_err(ChartError::broken("count its rows"))
}
