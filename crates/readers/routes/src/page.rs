//! The questions to the tables.

use event::{RouteOutcome, Time};
use sqlx::query_builder::QueryBuilder;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqlitePool};

use crate::RouteConfig;
use crate::ask::{Aside, Lane, RouteState, Waiting};
use crate::fold::HOUR_MS;

/// Rows on one list.
const ROWS_MAX: i64 = 200;

pub(crate) async fn routes(pool: &SqlitePool, now: Time) -> Result<Vec<RouteState>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM route ORDER BY name")
        .fetch_all(pool)
        .await?;
    let mut states = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut state = state(row)?;
        add_queue(pool, &mut state).await?;
        add_day(pool, &mut state, now).await?;
        states.push(state);
    }
    Ok(states)
}

fn state(row: &SqliteRow) -> Result<RouteState, sqlx::Error> {
    let rules: String = row.try_get("rules")?;
    let rules: Option<RouteConfig> = serde_json::from_str(&rules).ok();
    let last: Option<i64> = row.try_get("last")?;
    Ok(RouteState {
        name: row.try_get("name")?,
        to: rules.map(|rules| rules.to).unwrap_or_default(),
        rules: number(row, "sealed")?,
        open: number(row, "open")? == 1,
        paused: row.try_get("paused")?,
        taken: number(row, "taken")?,
        aside: number(row, "aside")?,
        last: last.map(Time::from_millis),
        ..RouteState::default()
    })
}

async fn add_queue(pool: &SqlitePool, state: &mut RouteState) -> Result<(), sqlx::Error> {
    let (depth, oldest): (i64, Option<i64>) =
        sqlx::query_as("SELECT COUNT(*), MIN(at) FROM queue WHERE route = $1")
            .bind(&state.name)
            .fetch_one(pool)
            .await?;
    state.depth = depth.unsigned_abs();
    state.oldest = oldest.map(Time::from_millis);
    let next: Option<i64> = sqlx::query_scalar(
        "SELECT message FROM queue WHERE route = $1 ORDER BY turn, message LIMIT 1",
    )
    .bind(&state.name)
    .fetch_optional(pool)
    .await?;
    state.next = next.map(i64::unsigned_abs);
    Ok(())
}

async fn add_day(pool: &SqlitePool, state: &mut RouteState, now: Time) -> Result<(), sqlx::Error> {
    let from = now.millis() - 24 * HOUR_MS;
    let (taken, aside): (i64, i64) = sqlx::query_as(
        "SELECT COALESCE(SUM(taken), 0), COALESCE(SUM(aside), 0) FROM hour \
         WHERE route = $1 AND start > $2",
    )
    .bind(&state.name)
    .bind(from)
    .fetch_one(pool)
    .await?;
    (state.taken_day, state.aside_day) = (taken.unsigned_abs(), aside.unsigned_abs());
    Ok(())
}

pub(crate) async fn waiting(
    pool: &SqlitePool,
    (route, rows): (&str, usize),
    but: &[Lane],
) -> Result<Vec<Waiting>, sqlx::Error> {
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new("SELECT turn, message, lane FROM queue WHERE route = ");
    query.push_bind(route.to_owned());
    if !but.is_empty() {
        query.push(" AND (lane IS NULL OR lane NOT IN (");
        let mut lanes = query.separated(", ");
        for lane in but {
            lanes.push_bind(lane.to_vec());
        }
        query.push("))");
    }
    query
        // A bare parameter as LIMIT would have SQLite prepare the statement anew each time.
        .push(" ORDER BY turn, message LIMIT 0 + ")
        .push_bind(rows as i64);
    let rows = query.build().fetch_all(pool).await?;
    rows.iter().map(one_waiting).collect()
}

fn one_waiting(row: &SqliteRow) -> Result<Waiting, sqlx::Error> {
    let lane: Option<Vec<u8>> = row.try_get("lane")?;
    Ok(Waiting {
        turn: number(row, "turn")?,
        message: number(row, "message")?,
        lane: lane.and_then(|lane| lane.try_into().ok()),
    })
}

pub(crate) async fn aside(pool: &SqlitePool, route: &str) -> Result<Vec<Aside>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT turn, message, at, outcome, answer FROM aside WHERE route = $1 \
         ORDER BY at DESC, turn DESC, message DESC LIMIT $2",
    )
    .bind(route)
    .bind(ROWS_MAX)
    .fetch_all(pool)
    .await?;
    let aside = |row: &SqliteRow| {
        let (turn, message) = (number(row, "turn")?, number(row, "message")?);
        let outcome: String = row.try_get("outcome")?;
        Ok(Aside {
            message,
            decision: if turn == message { 0 } else { turn },
            outcome: match outcome == RouteOutcome::Looped.word() {
                true => RouteOutcome::Looped,
                false => RouteOutcome::Refused,
            },
            at: Time::from_millis(row.try_get("at")?),
            answer: row.try_get("answer")?,
        })
    };
    rows.iter().map(aside).collect()
}

/// The message as which a mark went out on a route, if it was another than this one.
pub(crate) async fn sent_as(
    pool: &SqlitePool,
    (route, mark): (&str, &str),
    message: u64,
) -> Result<Option<u64>, sqlx::Error> {
    let sql = "SELECT message FROM sent WHERE route = $1 AND mark = $2 AND message < $3 \
               ORDER BY message LIMIT 1";
    let found: Option<i64> = sqlx::query_scalar(sql)
        .bind(route)
        .bind(mark)
        .bind(message.cast_signed())
        .fetch_optional(pool)
        .await?;
    Ok(found.map(i64::unsigned_abs))
}

fn number(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(column).map(i64::unsigned_abs)
}
