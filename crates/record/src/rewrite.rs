//! What views that keep clear text in SQLite do after an erasure: rewrite their file, because
//! deleting alone leaves copies in pages that SQLite has moved, and in the write-ahead log.

use rusqlite::Connection;
use sqlx::{SqliteConnection, SqlitePool};

use crate::{Writer, WriterFault};

/// A file up to this size is rewritten through memory, a larger one through a temporary file.
const IN_MEMORY_BYTES_MAX: i64 = 256 << 20;

const NOTE: &str = "CREATE TABLE IF NOT EXISTS rewrite (one INTEGER PRIMARY KEY)";
const NOTED: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'rewrite'";
const BYTES: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
/// The first cell of its answer says whether somebody still reads what is in the log.
const COPY_BACK: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
const DONE: &str = "DROP TABLE rewrite";

const STILL_READ: &str = "somebody still reads the file as it was before an erasure";

/// Through what a file of that size is rewritten.
const fn through(bytes: i64) -> &'static str {
    if bytes > IN_MEMORY_BYTES_MAX {
        "PRAGMA temp_store = FILE"
    } else {
        "PRAGMA temp_store = MEMORY"
    }
}

/// Notes, in the transaction that takes something out, that the file has to be rewritten.
///
/// # Errors
/// What the database said.
pub async fn rewrite_later(transaction: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query(NOTE).execute(transaction).await.map(drop)
}

/// The same with the connection of a [`Writer`].
///
/// # Errors
/// What the database said.
pub fn note_rewriting(transaction: &Connection) -> Result<(), rusqlite::Error> {
    transaction.execute_batch(NOTE)
}

/// Rewrites the file if that was noted; for [`Reader::tidy`](crate::Reader::tidy). A rewriting
/// that was broken off is done again.
///
/// # Errors
/// In words: what the database said, or that somebody still reads the file as it was.
pub async fn rewrite_if_due(pool: &SqlitePool) -> Result<(), String> {
    let words = |error: sqlx::Error| error.to_string();
    let mut one = pool.acquire().await.map_err(words)?;
    let due: i64 = sqlx::query_scalar(NOTED)
        .fetch_one(&mut *one)
        .await
        .map_err(words)?;
    if due == 0 {
        return Ok(());
    }
    let bytes: i64 = sqlx::query_scalar(BYTES)
        .fetch_one(&mut *one)
        .await
        .map_err(words)?;
    for sql in [through(bytes), "VACUUM"] {
        sqlx::query(sql).execute(&mut *one).await.map_err(words)?;
    }
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as(COPY_BACK)
        .fetch_one(&mut *one)
        .await
        .map_err(words)?;
    if busy != 0 {
        return Err(STILL_READ.into());
    }
    // The note goes last.
    let done = sqlx::query(DONE).execute(&mut *one).await;
    done.map(drop).map_err(words)
}

impl Writer {
    /// As [`rewrite_if_due`].
    ///
    /// # Errors
    /// In words: what the database said, or that somebody still reads the file as it was.
    pub async fn rewrite_if_due(&self) -> Result<(), String> {
        let busy = self.run(rewritten).await;
        match busy.map_err(|why| why.to_string())? {
            true => Err(STILL_READ.into()),
            false => Ok(()),
        }
    }
}

/// Whether somebody still reads the file as it was.
fn rewritten(connection: &mut Connection) -> Result<bool, WriterFault> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    if number(NOTED)? == 0 {
        return Ok(false);
    }
    connection.execute_batch(through(number(BYTES)?))?;
    let busy = rewrite(connection)?;
    if !busy {
        // The note goes last.
        connection.execute_batch(DONE)?;
    }
    Ok(busy)
}

/// Rewrites the file, so that nothing of what was deleted is left in it or beside it, unless somebody still reads it
/// as it was: whether that is so.
pub(crate) fn rewrite(connection: &Connection) -> Result<bool, WriterFault> {
    connection.execute_batch("VACUUM")?;
    let busy: i64 = connection.query_row(COPY_BACK, [], |row| row.get(0))?;
    Ok(busy != 0)
}
