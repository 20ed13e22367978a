//! Taking the messages of erased patients off the list. What was counted stays counted.

use event::Erased;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

/// `cursor.id` of the note that the file has to be rewritten.
const REWRITE: i64 = 2;
/// A file up to this size is rewritten through memory, a larger one through a temporary file.
const IN_MEMORY_BYTES_MAX: i64 = 256 << 20;

/// Takes out the messages that an order names, with the ids their senders gave them; returns how
/// many there were.
pub(crate) async fn purge(
    connection: &mut SqliteConnection,
    order: &Erased,
) -> Result<u64, sqlx::Error> {
    let mut gone = 0;
    for (first, last) in &order.events {
        let (first, last) = (first.cast_signed(), last.cast_signed());
        let query = sqlx::query("SELECT feed, control FROM message WHERE idx BETWEEN $1 AND $2");
        let query = query.bind(first).bind(last);
        for row in query.fetch_all(&mut *connection).await? {
            let (feed, control): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
            sqlx::query(
                "DELETE FROM control WHERE feed = $1 AND control = $2 AND generation IN \
                 (SELECT generation FROM generation WHERE feed = $1)",
            )
            .bind(feed)
            .bind(control)
            .execute(&mut *connection)
            .await?;
        }
        let query = sqlx::query("DELETE FROM message WHERE idx BETWEEN $1 AND $2");
        let query = query.bind(first).bind(last);
        gone += query.execute(&mut *connection).await?.rows_affected();
    }
    if gone > 0 {
        sqlx::query("INSERT INTO cursor (id, next) VALUES ($1, 0) ON CONFLICT (id) DO NOTHING")
            .bind(REWRITE)
            .execute(connection)
            .await?;
    }
    Ok(gone)
}

/// Rewrites the file if something was taken out of it; false if somebody still reads it.
pub(crate) async fn rewrite_if_due(pool: &SqlitePool) -> Result<bool, sqlx::Error> {
    let mut one = pool.acquire().await?;
    let due: Option<i64> = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 2")
        .fetch_optional(&mut *one)
        .await?;
    if due.is_none() {
        return Ok(true);
    }
    let bytes: i64 = sqlx::query_scalar(
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    )
    .fetch_one(&mut *one)
    .await?;
    let through = if bytes > IN_MEMORY_BYTES_MAX {
        "PRAGMA temp_store = FILE"
    } else {
        "PRAGMA temp_store = MEMORY"
    };
    for sql in [through, "VACUUM"] {
        sqlx::query(sql).execute(&mut *one).await?;
    }
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut *one)
        .await?;
    if busy == 0 {
        // The note goes last: a rewriting that was broken off is done again.
        sqlx::query("DELETE FROM cursor WHERE id = 2")
            .execute(&mut *one)
            .await?;
    }
    Ok(busy == 0)
}
