//! What an erasure asks of the SQL: rare, and slow on purpose rather than an index that every
//! event would pay for.

use std::collections::HashSet;

use futures_util::TryStreamExt as _;
use rusqlite::Connection;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqlitePool};

use crate::journal::sql;

/// Streams that one statement looks for.
const STREAMS_AT_ONCE: usize = 100;

/// The indexes, from `from` on, of the events of these streams: one look at every row.
pub(super) async fn of_streams(
    readers: &SqlitePool,
    streams: &[[u8; 16]],
    from: i64,
) -> sqlx::Result<Vec<u64>> {
    let mut found = Vec::new();
    for some in streams.chunks(STREAMS_AT_ONCE) {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT seq FROM row WHERE seq >= ");
        query.push_bind(from).push(" AND stream IN (");
        let mut list = query.separated(", ");
        for stream in some {
            list.push_bind(stream.to_vec());
        }
        query.push(")");
        let seqs: Vec<i64> = query.build_query_scalar().fetch_all(readers).await?;
        found.extend(seqs.into_iter().map(i64::unsigned_abs));
    }
    found.sort_unstable();
    Ok(found)
}

/// The versions that these events wrote, each as what was replaced and by which index. They are found by a reader, so
/// that the writer is kept from sealing only for as long as it takes to delete them.
pub(super) async fn written_by(
    readers: &SqlitePool,
    seqs: &[u64],
) -> sqlx::Result<Vec<(Vec<u8>, i64)>> {
    let (Some(first), Some(last)) = (seqs.iter().min(), seqs.iter().max()) else {
        return Ok(Vec::new());
    };
    let wanted: HashSet<u64> = seqs.iter().copied().collect();
    let mut found: Vec<(Vec<u8>, i64)> = Vec::new();
    let mut rows = sqlx::query(sql::VERSIONS_BETWEEN)
        .bind(first.cast_signed())
        .bind(last.cast_signed())
        .fetch(readers);
    while let Some(row) = rows.try_next().await? {
        if wanted.contains(&row.try_get::<i64, _>(2)?.unsigned_abs()) {
            found.push((row.try_get(0)?, row.try_get(1)?));
        }
    }
    Ok(found)
}

/// Forgets versions.
pub(super) fn forget(to: &Connection, gone: &[(Vec<u8>, i64)]) -> rusqlite::Result<()> {
    let mut forget = to.prepare_cached(sql::FORGET_VERSION)?;
    for (resource, replaces) in gone {
        forget.execute((resource, replaces))?;
    }
    Ok(())
}
