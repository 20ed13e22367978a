//! Taking out who looked at erased patients: those decisions were sealed under the patients' keys.

use event::Erased;
use sqlx::{SqliteConnection, SqlitePool};

use crate::trace::{PARTS_MAX, TraceId};

/// Takes out the traces that an order names, and every other one of the patients they are about.
/// What an answer showed of several patients is sealed under the house's key of the day: a refold
/// brings that back, with ids that lead nowhere.
pub(crate) async fn purge(from: &mut SqliteConnection, order: &Erased) -> Result<(), sqlx::Error> {
    for (first, last) in &order.events {
        let part = u32::try_from(PARTS_MAX).unwrap_or(u32::MAX);
        let first = TraceId {
            index: *first,
            part: 0,
        }
        .key();
        let last = TraceId { index: *last, part }.key();
        sqlx::query(
            "DELETE FROM trace WHERE patient IN
             (SELECT patient FROM trace WHERE key BETWEEN $1 AND $2 AND patient IS NOT NULL)",
        )
        .bind(first)
        .bind(last)
        .execute(&mut *from)
        .await?;
        sqlx::query("DELETE FROM trace WHERE key BETWEEN $1 AND $2")
            .bind(first)
            .bind(last)
            .execute(&mut *from)
            .await?;
    }
    Ok(())
}

/// Empties the write-ahead log, where what was deleted would still stand; false if somebody reads.
pub(crate) async fn empty_log(pool: &SqlitePool) -> Result<bool, sqlx::Error> {
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(pool)
        .await?;
    Ok(busy == 0)
}
