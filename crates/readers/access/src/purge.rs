//! Taking the traces of erased patients out of the view.

use event::{Erased, Leaves};
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
    gone += unname(connection, (index, order), blind).await?;
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

/// Takes the patients out of what requests for exports name; how many requests named one.
async fn unname(
    connection: &mut SqliteConnection,
    (index, order): (u64, &Erased),
    blind: &Blind,
) -> Found<u64> {
    let sql = "SELECT idx, leaves FROM export WHERE leaves IS NOT NULL AND idx < $1";
    let all: Vec<(i64, String)> = sqlx::query_as(sql)
        .bind(index.cast_signed())
        .fetch_all(&mut *connection)
        .await?;
    let mut changed = 0;
    for (request, json) in all {
        let Ok(Leaves::Patients { mut patients }) = serde_json::from_str(&json) else {
            continue;
        };
        let named = patients.len();
        patients.retain(|id| !order.patients.contains(&blind.mark(id)));
        if patients.len() == named {
            continue;
        }
        let left = serde_json::to_string(&Leaves::Patients { patients }).ok();
        let update = sqlx::query("UPDATE export SET leaves = $1 WHERE idx = $2");
        let update = update.bind(left).bind(request);
        changed += update.execute(&mut *connection).await?.rows_affected();
    }
    Ok(changed)
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
