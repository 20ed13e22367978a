//! Taking the traces of erased patients out of the view.

use event::Erased;
use record::{Blind, rewrite_later};
use sqlx::{SqliteConnection, sqlite::SqliteQueryResult};

use crate::trace::TraceId;

type Found<T> = Result<T, sqlx::Error>;

/// Takes out what the order names: what the erased events left, and whatever other traces say of
/// the patients.
pub(crate) async fn purge(
    connection: &mut SqliteConnection,
    order: &Erased,
    blind: &Blind,
) -> Found<()> {
    let mut gone = 0;
    for (first, last) in &order.events {
        let key = |index| TraceId { index, part: 0 }.key();
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
        gone += forget(connection, &patient).await?.rows_affected();
        let heard = sqlx::query("DELETE FROM heard WHERE patient = $1").bind(&patient);
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
async fn forget(connection: &mut SqliteConnection, patient: &str) -> Found<SqliteQueryResult> {
    let asked = "UPDATE trace SET detail = substr(detail, 1, instr(detail, '?') - 1)
         WHERE instr(detail, '?') > 0 AND detail IN
             (SELECT detail FROM trace WHERE patient = $1 AND what IN ('shown', 'listed'))";
    sqlx::query(asked)
        .bind(patient)
        .execute(&mut *connection)
        .await?;
    let gone = sqlx::query("DELETE FROM trace WHERE patient = $1").bind(patient);
    gone.execute(connection).await
}
