//! What one event means for the routes.

use event::{Body, Erased, Event, RouteChange, RouteOrder, RouteOutcome, RouteStep, Routed, Time};
use record::rewrite_later;
use sqlx::query_builder::QueryBuilder;
use sqlx::{Sqlite, SqliteConnection};

use crate::Config;
use crate::ask::Lane;
use crate::known::{InForce, Known};
use crate::subscribers;

pub(crate) const HOUR_MS: i64 = 3_600_000;
/// How long the hours are kept.
const HOURS_KEPT_MS: i64 = 14 * 24 * HOUR_MS;
/// Rows of one statement.
const ROWS: usize = 100;

/// An event with its place.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'e> {
    pub(crate) index: u64,
    pub(crate) at: Time,
    pub(crate) lane: Lane,
    pub(crate) event: &'e Event,
}

/// A row of the queue.
pub(crate) struct Row {
    route: String,
    turn: u64,
    message: u64,
    at: Time,
    lane: Option<Lane>,
}

/// Whether an event is any business of a route.
pub(crate) fn concerns(known: &Known, event: &Event) -> bool {
    match &event.body {
        Body::Notified(_) | Body::Route(_) | Body::RouteOrder(_) | Body::Routed(_) => true,
        Body::Erased(_) => true,
        Body::Resource(_) if subscribers::is_one(event) => true,
        Body::Image(_) | Body::Message(_) | Body::Resource(_) => known.any_open(),
        _ => false,
    }
}

/// Whether an event may change what is sent next, beside adding to it.
pub(crate) const fn orders(event: &Event) -> bool {
    matches!(
        event.body,
        Body::Route(_) | Body::RouteOrder(_) | Body::Erased(_)
    )
}

/// Folds a run of events.
pub(crate) async fn all(
    connection: &mut SqliteConnection,
    known: &mut Known,
    (entries, limits): (&[Entry<'_>], &Config),
) -> Result<(), sqlx::Error> {
    let mut rows = Vec::new();
    for entry in entries {
        if matches!(
            entry.event.body,
            Body::Image(_) | Body::Message(_) | Body::Resource(_)
        ) {
            arrived(known, *entry, &mut rows);
            if let Body::Resource(resource) = &entry.event.body
                && subscribers::is_one(entry.event)
            {
                subscribers::written(connection, (resource, *entry)).await?;
            }
            continue;
        }
        // What arrived before an order or an outcome is in the queue before it.
        insert(connection, &mut rows).await?;
        match &entry.event.body {
            Body::Route(change) => changed(connection, known, (change, entry.index)).await?,
            Body::RouteOrder(order) => ordered(connection, (order, *entry)).await?,
            Body::Routed(routed) => passed_on(connection, (routed, *entry)).await?,
            Body::Notified(notified) => {
                subscribers::stepped(connection, (notified, *entry), limits).await?;
            }
            Body::Erased(order) => purge(connection, order).await?,
            _ => {}
        }
    }
    insert(connection, &mut rows).await?;
    match entries.last() {
        Some(last) => sweep(connection, known, (last.at, limits)).await,
        None => Ok(()),
    }
}

fn arrived(known: &Known, entry: Entry<'_>, rows: &mut Vec<Row>) {
    for (name, in_force) in &known.routes {
        let takes = in_force
            .rules
            .as_ref()
            .is_some_and(|rules| rules.takes(entry.event));
        if takes {
            rows.push(Row {
                route: name.clone(),
                turn: entry.index,
                message: entry.index,
                at: entry.at,
                lane: Some(entry.lane),
            });
        }
    }
}

async fn insert(connection: &mut SqliteConnection, rows: &mut Vec<Row>) -> Result<(), sqlx::Error> {
    for some in rows.chunks(ROWS) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT OR IGNORE INTO queue (route, turn, message, at, lane) ");
        query.push_values(some, |mut values, row| {
            values
                .push_bind(row.route.clone())
                .push_bind(row.turn.cast_signed())
                .push_bind(row.message.cast_signed())
                .push_bind(row.at.millis())
                .push_bind(row.lane.map(|lane| lane.to_vec()));
        });
        query.build().execute(&mut *connection).await?;
    }
    rows.clear();
    Ok(())
}

async fn changed(
    connection: &mut SqliteConnection,
    known: &mut Known,
    (change, index): (&RouteChange, u64),
) -> Result<(), sqlx::Error> {
    let before = known.routes.get(&change.route);
    let written = match (&change.rules, before) {
        (Some(rules), _) => rules.clone(),
        (None, Some(before)) => before.written.clone(),
        (None, None) => return Ok(()),
    };
    let open = change.rules.is_some();
    sqlx::query(
        "INSERT INTO route (name, rules, sealed, open, taken, aside) VALUES ($1, $2, $3, $4, 0, 0) \
         ON CONFLICT (name) DO UPDATE SET rules = $2, sealed = $3, open = $4",
    )
    .bind(&change.route)
    .bind(&written)
    .bind(index.cast_signed())
    .bind(i64::from(open))
    .execute(connection)
    .await?;
    let in_force = InForce::of(&written, open);
    known.routes.insert(change.route.clone(), in_force);
    Ok(())
}

async fn ordered(
    connection: &mut SqliteConnection,
    (order, entry): (&RouteOrder, Entry<'_>),
) -> Result<(), sqlx::Error> {
    let paused = match &order.step {
        RouteStep::Pause => Some(order.reason.as_str()),
        RouteStep::Resume => None,
        RouteStep::Skip { message, decision } => {
            let turn = turn(*message, *decision);
            return gone(connection, (&order.route, turn, *message))
                .await
                .map(drop);
        }
        RouteStep::Replay { messages } => {
            let mut rows = Vec::new();
            for message in messages.iter().flat_map(|(first, last)| *first..=*last) {
                rows.push(Row {
                    route: order.route.clone(),
                    turn: entry.index,
                    message,
                    at: entry.at,
                    lane: None,
                });
                if rows.len() >= ROWS {
                    insert(connection, &mut rows).await?;
                }
            }
            return insert(connection, &mut rows).await;
        }
    };
    sqlx::query("UPDATE route SET paused = $1 WHERE name = $2")
        .bind(paused)
        .bind(&order.route)
        .execute(connection)
        .await
        .map(drop)
}

const fn turn(message: u64, decision: u64) -> u64 {
    if decision == 0 { message } else { decision }
}

/// Takes a row out of the queue; whether there was one.
async fn gone(
    connection: &mut SqliteConnection,
    (route, turn, message): (&str, u64, u64),
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("DELETE FROM queue WHERE route = $1 AND turn = $2 AND message = $3")
        .bind(route)
        .bind(turn.cast_signed())
        .bind(message.cast_signed())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

async fn passed_on(
    connection: &mut SqliteConnection,
    (routed, entry): (&Routed, Entry<'_>),
) -> Result<(), sqlx::Error> {
    let turn = turn(routed.message, routed.decision);
    // Sealed twice, after a crash, it counts once.
    if !gone(connection, (&routed.route, turn, routed.message)).await? {
        return Ok(());
    }
    let taken = i64::from(routed.outcome == RouteOutcome::Taken);
    let at = entry.at.millis();
    sqlx::query(
        "UPDATE route SET taken = taken + $1, aside = aside + $2, \
         last = CASE $1 WHEN 1 THEN $3 ELSE last END WHERE name = $4",
    )
    .bind(taken)
    .bind(1 - taken)
    .bind(at)
    .bind(&routed.route)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO hour (route, start, taken, aside) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (route, start) DO UPDATE SET taken = taken + $3, aside = aside + $4",
    )
    .bind(&routed.route)
    .bind(at - at.rem_euclid(HOUR_MS))
    .bind(taken)
    .bind(1 - taken)
    .execute(&mut *connection)
    .await?;
    if taken == 1 {
        return went_out(connection, (routed, at)).await;
    }
    sqlx::query(
        "INSERT OR REPLACE INTO aside (route, turn, message, at, outcome, answer) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&routed.route)
    .bind(turn.cast_signed())
    .bind(routed.message.cast_signed())
    .bind(at)
    .bind(routed.outcome.word())
    .bind(&routed.answer)
    .execute(connection)
    .await
    .map(drop)
}

/// Notes the mark of what a receiver took; what it refused did not go out.
async fn went_out(
    connection: &mut SqliteConnection,
    (routed, at): (&Routed, i64),
) -> Result<(), sqlx::Error> {
    if routed.mark.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT OR IGNORE INTO sent (route, mark, message, at) VALUES ($1, $2, $3, $4)")
        .bind(&routed.route)
        .bind(&routed.mark)
        .bind(routed.message.cast_signed())
        .bind(at)
        .execute(connection)
        .await
        .map(drop)
}

/// Takes out whatever is about the messages that an order to erase names.
async fn purge(connection: &mut SqliteConnection, order: &Erased) -> Result<(), sqlx::Error> {
    let mut count = 0;
    for (first, last) in &order.events {
        for sql in [
            "DELETE FROM queue WHERE message BETWEEN $1 AND $2",
            "DELETE FROM aside WHERE message BETWEEN $1 AND $2",
            "DELETE FROM sent WHERE message BETWEEN $1 AND $2",
            "DELETE FROM happened WHERE event BETWEEN $1 AND $2",
        ] {
            let done = sqlx::query(sql)
                .bind(first.cast_signed())
                .bind(last.cast_signed())
                .execute(&mut *connection)
                .await?;
            count += done.rows_affected();
        }
    }
    match count {
        0 => Ok(()),
        _ => rewrite_later(connection).await,
    }
}

/// Forgets what is older than is kept, once an hour of sealed time.
async fn sweep(
    connection: &mut SqliteConnection,
    known: &mut Known,
    (now, limits): (Time, &Config),
) -> Result<(), sqlx::Error> {
    let hour = now.millis().div_euclid(HOUR_MS);
    if hour == known.swept {
        return Ok(());
    }
    known.swept = hour;
    sqlx::query("DELETE FROM hour WHERE start < $1")
        .bind(now.millis() - HOURS_KEPT_MS)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM sent WHERE at < $1")
        .bind(now.millis() - limits.loop_memory_ms)
        .execute(&mut *connection)
        .await?;
    for name in known.routes.keys() {
        sqlx::query(
            "DELETE FROM aside WHERE route = $1 AND at < (SELECT at FROM aside WHERE route = $1 \
             ORDER BY at DESC LIMIT 1 OFFSET $2)",
        )
        .bind(name)
        .bind(limits.aside_kept_max.cast_signed())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
