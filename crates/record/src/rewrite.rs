//! What views that keep clear text in SQLite do after an erasure: rewrite their file, because
//! deleting alone leaves copies in pages that SQLite has moved, and in the write-ahead log.

use sqlx::{SqliteConnection, SqlitePool};

/// A file up to this size is rewritten through memory, a larger one through a temporary file.
const IN_MEMORY_BYTES_MAX: i64 = 256 << 20;

/// Notes, in the transaction that takes something out, that the file has to be rewritten.
///
/// # Errors
/// What the database said.
pub async fn rewrite_later(transaction: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("CREATE TABLE IF NOT EXISTS rewrite (one INTEGER PRIMARY KEY)")
        .execute(transaction)
        .await
        .map(drop)
}

/// Rewrites the file if that was noted; for [`Reader::tidy`](crate::Reader::tidy). A rewriting
/// that was broken off is done again.
///
/// # Errors
/// In words: what the database said, or that somebody still reads the file as it was.
pub async fn rewrite_if_due(pool: &SqlitePool) -> Result<(), String> {
    let words = |error: sqlx::Error| error.to_string();
    let mut one = pool.acquire().await.map_err(words)?;
    let due: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'rewrite'",
    )
    .fetch_one(&mut *one)
    .await
    .map_err(words)?;
    if due == 0 {
        return Ok(());
    }
    let bytes: i64 = sqlx::query_scalar(
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    )
    .fetch_one(&mut *one)
    .await
    .map_err(words)?;
    let through = if bytes > IN_MEMORY_BYTES_MAX {
        "PRAGMA temp_store = FILE"
    } else {
        "PRAGMA temp_store = MEMORY"
    };
    for sql in [through, "VACUUM"] {
        sqlx::query(sql).execute(&mut *one).await.map_err(words)?;
    }
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut *one)
        .await
        .map_err(words)?;
    if busy != 0 {
        return Err("somebody still reads the file as it was before an erasure".into());
    }
    // The note goes last.
    let done = sqlx::query("DROP TABLE rewrite").execute(&mut *one).await;
    done.map(drop).map_err(words)
}
