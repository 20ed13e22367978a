//! Putting rows right that were altered outside the path.

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use crate::journal::{Row, sql, whole};

/// Puts rows back.
pub(super) async fn mend(tx: &mut PgConnection, rows: &[Row]) -> sqlx::Result<()> {
    for row in rows {
        let query = sqlx::query(sql::MEND)
            .bind(whole(row.seq))
            .bind(row.stream.as_slice())
            .bind(row.at);
        let query = query
            .bind(row.entry.as_slice())
            .bind(row.ciphertext.as_slice());
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

/// Takes rows away at and beyond the tree's size: the tree grows with its rows or not at all.
pub(super) async fn take_forged(tx: &mut PgConnection) -> sqlx::Result<Vec<PgRow>> {
    let rows = sqlx::query(sql::FORGED).bind(sql::FORGED_MAX);
    let rows = rows.fetch_all(&mut *tx).await?;
    for row in &rows {
        let seq: i64 = sqlx::Row::try_get(row, 0)?;
        let gone = sqlx::query(sql::FORGED_GONE).bind(seq);
        gone.execute(&mut *tx).await?;
    }
    Ok(rows)
}
