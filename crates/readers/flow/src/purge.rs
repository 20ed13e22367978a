//! Taking the messages of erased patients off the list. What was counted stays counted.

use event::Erased;
use record::rewrite_later;
use sqlx::{Row as _, SqliteConnection};

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
        rewrite_later(connection).await?;
    }
    Ok(gone)
}
