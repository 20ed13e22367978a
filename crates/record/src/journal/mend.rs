//! Putting rows right that were altered outside the path.

use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, SqlitePool};

use super::Row;

/// Forged rows taken away at a time.
const ROWS: i64 = 1_000;

/// Puts rows back, in one transaction.
pub(super) async fn mend(writer: &SqlitePool, rows: &[Row]) -> sqlx::Result<()> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    for row in rows {
        let query = sqlx::query::<Sqlite>(
            "INSERT INTO row (seq, stream, at, entry, ciphertext) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (seq) DO UPDATE SET stream = excluded.stream, at = excluded.at, \
             entry = excluded.entry, ciphertext = excluded.ciphertext",
        );
        let query = query
            .bind(row.seq.cast_signed())
            .bind(row.stream.to_vec())
            .bind(row.at);
        let query = query.bind(row.entry.clone()).bind(row.ciphertext.clone());
        query.execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// Takes rows away at and beyond the tree's size: the tree grows with its rows or not at all.
pub(super) async fn take_forged(writer: &SqlitePool) -> sqlx::Result<Vec<SqliteRow>> {
    const BEYOND: &str = "seq >= COALESCE((SELECT size FROM tree WHERE one = 1), 0)";
    let found = format!(
        "SELECT seq, stream, at, entry, ciphertext FROM row WHERE {BEYOND} ORDER BY seq LIMIT $1"
    );
    let looked = sqlx::query(sqlx::AssertSqlSafe(found.clone()));
    if looked.bind(1).fetch_all(writer).await?.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let rows = sqlx::query(sqlx::AssertSqlSafe(found)).bind(ROWS);
    let rows = rows.fetch_all(&mut *tx).await?;
    let gone = format!("DELETE FROM row WHERE {BEYOND} AND seq < $1 + $2");
    if let Some(first) = rows.first() {
        let first: i64 = sqlx::Row::try_get(first, 0)?;
        let gone = sqlx::query(sqlx::AssertSqlSafe(gone))
            .bind(first)
            .bind(ROWS);
        gone.execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(rows)
}
