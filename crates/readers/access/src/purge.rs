//! Taking the traces of erased patients out of the view.

use event::Erased;
use record::{Blind, rewrite_later};
use sqlx::{SqliteConnection, sqlite::SqliteQueryResult};

use crate::trace::TraceId;

type Found<T> = Result<T, sqlx::Error>;

/// Takes out what the order names: what the erased events left, and whatever other traces say of
/// the patients. What was sealed after the order (at `index`) stays, wherever batches are cut.
pub(crate) async fn purge(
    connection: &mut SqliteConnection,
    (index, order): (u64, &Erased),
    blind: &Blind,
) -> Found<()> {
    let mut gone = 0;
    let key = |index| TraceId { index, part: 0 }.key();
    let until = key(index);
    for (first, last) in &order.events {
        for sql in [
            "DELETE FROM trace WHERE key >= $1 AND key < $2",
            "DELETE FROM heard WHERE key >= $1 AND key < $2",
        ] {
            let query = sqlx::query(sql)
                .bind(key(*first))
                .bind(key(last.saturating_add(1)));
            gone += query.execute(&mut *connection).await?.rows_affected();
        }
    }
    for patient in patients(connection, order, blind).await? {
        let forgotten = forget(connection, (&patient, until)).await?;
        gone += forgotten.rows_affected();
        let heard = sqlx::query("DELETE FROM heard WHERE patient = $1 AND key < $2")
            .bind(&patient)
            .bind(until);
        gone += heard.execute(&mut *connection).await?.rows_affected();
    }
    if gone > 0 {
        rewrite_later(connection).await?;
    }
    Ok(())
}

/// Those of the patients in the view whose marks the order has.
async fn patients(
    connection: &mut SqliteConnection,
    order: &Erased,
    blind: &Blind,
) -> Found<Vec<String>> {
    let all: Vec<String> =
        sqlx::query_scalar("SELECT patient FROM trace WHERE patient IS NOT NULL UNION SELECT patient FROM heard WHERE patient IS NOT NULL")
            .fetch_all(connection)
            .await?;
    let erased = |id: &String| order.patients.contains(&blind.mark(id));
    Ok(all.into_iter().filter(erased).collect())
}

/// Takes out one patient, and what was asked when a search showed them: it may be their name.
async fn forget(
    connection: &mut SqliteConnection,
    (patient, until): (&str, i64),
) -> Found<SqliteQueryResult> {
    let asked = "UPDATE trace SET detail = substr(detail, 1, instr(detail, '?') - 1)
         WHERE instr(detail, '?') > 0 AND key < $2 AND detail IN
             (SELECT detail FROM trace
              WHERE patient = $1 AND key < $2 AND what IN ('shown', 'listed'))";
    sqlx::query(asked)
        .bind(patient)
        .bind(until)
        .execute(&mut *connection)
        .await?;
    let gone = sqlx::query("DELETE FROM trace WHERE patient = $1 AND key < $2")
        .bind(patient)
        .bind(until);
    gone.execute(connection).await
}
