//! Putting rows right that were altered outside the path.

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;

use crate::journal::{Row, sql, whole};

/// Puts rows back, in one transaction.
pub(super) async fn mend(writer: &SqlitePool, rows: &[Row]) -> sqlx::Result<()> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    for row in rows {
        let query = sqlx::query(sql::MEND)
            .bind(whole(row.seq))
            .bind(row.stream.to_vec())
            .bind(row.at);
        let query = query.bind(row.entry.clone()).bind(row.ciphertext.clone());
        query.execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// Takes rows away at and beyond the tree's size: the tree grows with its rows or not at all.
pub(super) async fn take_forged(writer: &SqlitePool) -> sqlx::Result<Vec<SqliteRow>> {
    let looked = sqlx::query(sql::FORGED).bind(1);
    if looked.fetch_all(writer).await?.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let rows = sqlx::query(sql::FORGED).bind(sql::FORGED_MAX);
    let rows = rows.fetch_all(&mut *tx).await?;
    for row in &rows {
        let seq: i64 = sqlx::Row::try_get(row, 0)?;
        let gone = sqlx::query(sql::FORGED_GONE).bind(seq);
        gone.execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(rows)
}
