//! Subscriptions: who made them, which events they have, which of those their subscriber has.

use event::{Event, Happening, Notified, NotifyStep, Resource, Role, Time};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use crate::Config;
use crate::fold::Entry;

/// The type of the resources.
pub(crate) const KIND: &str = "Subscription";

/// A subscription as the record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The logical id of the `Subscription`.
    pub id: String,
    /// The client that wrote it last; what Salus writes of its status does not count.
    pub maker: String,
    /// The index of the event with its current version.
    pub version: u64,
    /// When that was sealed.
    pub changed: Time,
    /// Its `status`: `requested`, `active`, `error` or `off`.
    pub status: String,
    /// The resource, as it was written.
    pub resource: Vec<u8>,
    /// Everything before this index was looked through.
    pub through: u64,
    /// The number of its last event; 0: it had none.
    pub number: u64,
    /// The number of the last event that its subscriber took.
    pub taken: u64,
    /// When that was.
    pub last: Option<Time>,
    /// Since when its receiver takes nothing of what waits; `None`: it does, or it failed a moment ago.
    pub failing: Option<Time>,
}

/// An event of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Its number, from 1.
    pub number: u64,
    /// What it is about.
    pub what: Happening,
    /// When it was found.
    pub at: Time,
}

/// A `Subscription` was written or deleted.
pub(crate) async fn written(
    connection: &mut SqliteConnection,
    (resource, entry): (&Resource, Entry<'_>),
) -> Result<(), sqlx::Error> {
    let raw = &entry.event.raw;
    if raw.is_empty() {
        return forget(connection, &resource.id).await;
    }
    let value: Value = serde_json::from_slice(raw).unwrap_or_default();
    let status = value.get("status").and_then(Value::as_str);
    let by_salus = entry.event.actor.role == Role::Salus;
    let status = status.unwrap_or_default();
    let begins = entry.index.saturating_add(1).cast_signed();
    // What happens while it is off is no event of it. Once on again it is told what comes from then on;
    // what was not told before is there for `$events`.
    sqlx::query(
        "INSERT INTO subscriber (id, maker, version, changed, status, resource, through, number, \
         taken) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0) \
         ON CONFLICT (id) DO UPDATE SET version = $3, changed = $4, resource = $6, \
         maker = CASE $8 WHEN 1 THEN maker ELSE $2 END, \
         through = CASE WHEN status = 'off' THEN $7 ELSE through END, \
         failing = CASE WHEN $5 = 'off' THEN NULL ELSE failing END, \
         taken = CASE WHEN status = 'off' AND $5 <> 'off' THEN number ELSE taken END, status = $5",
    )
    .bind(&resource.id)
    .bind(&entry.event.actor.id)
    .bind(entry.index.cast_signed())
    .bind(entry.at.millis())
    .bind(status)
    .bind(raw.to_vec())
    .bind(begins)
    .bind(i64::from(by_salus))
    .execute(connection)
    .await
    .map(drop)
}

async fn forget(connection: &mut SqliteConnection, id: &str) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM subscriber WHERE id = $1",
        "DELETE FROM happened WHERE subscription = $1",
    ] {
        sqlx::query(sql).bind(id).execute(&mut *connection).await?;
    }
    Ok(())
}

/// It has events, or its subscriber has them.
pub(crate) async fn stepped(
    connection: &mut SqliteConnection,
    (notified, entry): (&Notified, Entry<'_>),
    limits: &Config,
) -> Result<(), sqlx::Error> {
    let id = &notified.subscription;
    match &notified.step {
        NotifyStep::Found {
            through,
            first,
            events,
        } => {
            let last = first.saturating_add(events.len() as u64).saturating_sub(1);
            // Sealed twice, after a crash or by two machines, it counts once.
            let done = sqlx::query(
                "UPDATE subscriber SET through = $1, number = $2 \
                 WHERE id = $3 AND number = $4 AND through <= $1",
            )
            .bind(through.cast_signed())
            .bind(last.cast_signed())
            .bind(id)
            .bind(first.saturating_sub(1).cast_signed())
            .execute(&mut *connection)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(());
            }
            for (number, one) in (*first..).zip(events) {
                sqlx::query(
                    "INSERT OR REPLACE INTO happened (subscription, number, event, place, at) \
                     VALUES ($1, $2, $3, $4, $5)",
                )
                .bind(id)
                .bind(number.cast_signed())
                .bind(one.index.cast_signed())
                .bind(i64::from(one.place))
                .bind(entry.at.millis())
                .execute(&mut *connection)
                .await?;
            }
            let kept = last.saturating_sub(limits.events_kept_max);
            sqlx::query("DELETE FROM happened WHERE subscription = $1 AND number <= $2")
                .bind(id)
                .bind(kept.cast_signed())
                .execute(connection)
                .await
                .map(drop)
        }
        NotifyStep::Taken { number, .. } => {
            sqlx::query("UPDATE subscriber SET taken = $1, last = $2, failing = NULL WHERE id = $3 AND taken < $1")
                .bind(number.cast_signed())
                .bind(entry.at.millis())
                .bind(id)
                .execute(connection)
                .await
                .map(drop)
        }
        NotifyStep::Failing { since } => {
            sqlx::query("UPDATE subscriber SET failing = $1 WHERE id = $2 AND status <> 'off'")
                .bind(since.map(Time::millis))
                .bind(id)
                .execute(connection)
                .await
                .map(drop)
        }
    }
}

/// Whether an event is about a subscription.
pub(crate) fn is_one(event: &Event) -> bool {
    matches!(&event.body, event::Body::Resource(resource) if resource.kind == KIND)
}

/// Those with this id, or all.
pub(crate) async fn all(
    pool: &SqlitePool,
    id: Option<&str>,
) -> Result<Vec<Subscriber>, sqlx::Error> {
    let rows = match id {
        Some(id) => {
            sqlx::query("SELECT * FROM subscriber WHERE id = $1")
                .bind(id)
                .fetch_all(pool)
                .await?
        }
        None => {
            sqlx::query("SELECT * FROM subscriber ORDER BY id")
                .fetch_all(pool)
                .await?
        }
    };
    rows.iter().map(subscriber).collect()
}

fn subscriber(row: &SqliteRow) -> Result<Subscriber, sqlx::Error> {
    let number = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
    let last: Option<i64> = row.try_get("last")?;
    let failing: Option<i64> = row.try_get("failing")?;
    Ok(Subscriber {
        id: row.try_get("id")?,
        maker: row.try_get("maker")?,
        version: number("version")?,
        changed: Time::from_millis(row.try_get("changed")?),
        status: row.try_get("status")?,
        resource: row.try_get("resource")?,
        through: number("through")?,
        number: number("number")?,
        taken: number("taken")?,
        last: last.map(Time::from_millis),
        failing: failing.map(Time::from_millis),
    })
}

/// The events from one number on, until another.
pub(crate) async fn happened(
    pool: &SqlitePool,
    (id, first, last): (&str, u64, u64),
    rows: usize,
) -> Result<Vec<Happened>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT number, event, place, at FROM happened \
         WHERE subscription = $1 AND number BETWEEN $2 AND $3 ORDER BY number LIMIT 0 + $4",
    )
    .bind(id)
    .bind(i64::try_from(first).unwrap_or(i64::MAX))
    .bind(i64::try_from(last).unwrap_or(i64::MAX))
    .bind(i64::try_from(rows).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let number = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
            Ok(Happened {
                number: number("number")?,
                what: Happening {
                    index: number("event")?,
                    place: u32::try_from(number("place")?).unwrap_or(u32::MAX),
                },
                at: Time::from_millis(row.try_get("at")?),
            })
        })
        .collect()
}
