//! Writes a batch of traces.

use event::{Body, Event, Time};
use sqlx::query_builder::QueryBuilder;
use sqlx::{Sqlite, SqliteConnection};

use crate::known::Known;
use crate::meter::Day;
use crate::trace::Trace;

/// Rows in one statement.
const ROWS: usize = 60;

type Done = Result<(), sqlx::Error>;

pub(crate) async fn traces(
    connection: &mut SqliteConnection,
    known: &mut Known,
    traces: &[Trace],
) -> Done {
    let mut numbers = Vec::with_capacity(traces.len());
    for trace in traces {
        let actor = known.actor(connection, &trace.actor).await?;
        let reasons = known.reasons(connection, &trace.because).await?;
        numbers.push((trace, actor, reasons));
    }
    for some in numbers.chunks(ROWS) {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO trace
             (key, at, actor, what, patient, allowed, reasons, purpose, reason, source, detail) ",
        );
        query.push_values(some, |mut row, (trace, actor, reasons)| {
            row.push_bind(trace.id.key())
                .push_bind(trace.at.millis())
                .push_bind(*actor)
                .push_bind(trace.what.word())
                .push_bind(trace.patient.as_deref())
                .push_bind(i64::from(trace.allowed))
                .push_bind(*reasons)
                .push_bind(trace.purpose.as_str())
                .push_bind(trace.reason.as_str())
                .push_bind(trace.from.as_str())
                .push_bind(trace.detail.as_str());
        });
        query.push(" ON CONFLICT (key) DO NOTHING");
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// How much accounts took on their days, as it is now.
pub(crate) async fn days(connection: &mut SqliteConnection, days: &[(String, Day)]) -> Done {
    for some in days.chunks(ROWS) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO day (account, day, patients, hour_peak) ");
        query.push_values(some, |mut row, (account, day)| {
            row.push_bind(account.as_str())
                .push_bind(day.day)
                .push_bind(i64::from(day.patients))
                .push_bind(i64::from(day.hour_peak));
        });
        query.push(
            " ON CONFLICT (account, day) DO UPDATE SET
             patients = excluded.patients, hour_peak = excluded.hour_peak",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Requests for exports and what was answered. The first answer counts.
pub(crate) async fn export(
    connection: &mut SqliteConnection,
    (index, at, event): (u64, Time, &Event),
) -> Done {
    let (id, name) = (&event.actor.id, &event.actor.name);
    match &event.body {
        Body::ExportAsked(asked) => {
            let sql =
                "INSERT INTO export (idx, at, asker, asker_name, what, recipient, reason, leaves)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (idx) DO NOTHING";
            let leaves = asked.leaves.as_ref();
            let leaves = leaves.and_then(|leaves| serde_json::to_string(leaves).ok());
            sqlx::query(sql)
                .bind(index.cast_signed())
                .bind(at.millis())
                .bind(id)
                .bind(name)
                .bind(&asked.what)
                .bind(&asked.recipient)
                .bind(&asked.reason)
                .bind(leaves)
                .execute(connection)
                .await?;
        }
        Body::ExportAnswered(answered) => {
            let sql = "UPDATE export SET answer = $1, answered_at = $2, answerer = $3,
                       answerer_name = $4, approved = $5, answer_reason = $6
                       WHERE idx = $7 AND answer IS NULL AND asker <> $3";
            sqlx::query(sql)
                .bind(index.cast_signed())
                .bind(at.millis())
                .bind(id)
                .bind(name)
                .bind(i64::from(answered.approved))
                .bind(&answered.reason)
                .bind(answered.request.cast_signed())
                .execute(connection)
                .await?;
        }
        _ => {}
    }
    Ok(())
}
