//! Bulk imports: how far each is, which events say what was refused.

use event::{Body, Event, ImportEnd, ImportStep, Time};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use crate::flow::Imports;

/// Imports that are over and still shown, at most; the oldest are forgotten first.
const OVER_KEPT_MAX: i64 = 1_000;

/// One bulk import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its id.
    pub id: String,
    /// The index of the event that asked for it: what is to be read stands there.
    pub begun: u64,
    /// When that was.
    pub at: Time,
    /// The client that asked for it.
    pub client: String,
    /// When something happened with it last.
    pub last: Time,
    /// How it ended; `None`: it goes on.
    pub ended: Option<ImportEnd>,
    /// Why it ended; empty: everything was read.
    pub why: String,
    /// The files, in their order.
    pub inputs: Vec<ImportFile>,
}

/// How far one file of an import is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportFile {
    /// Lines that were read.
    pub lines: u64,
    /// SHA-256 of its bytes up to there, in hex; empty: nothing was read.
    pub digest: String,
    /// Resources that are kept.
    pub accepted: u64,
    /// Lines that were refused.
    pub refused: u64,
    /// Whether all of it was read.
    pub done: bool,
}

impl Import {
    /// Resources that are kept, and lines that were refused.
    pub fn counts(&self) -> (u64, u64) {
        let add = |(accepted, refused): (u64, u64), file: &ImportFile| {
            (accepted + file.accepted, refused + file.refused)
        };
        self.inputs.iter().fold((0, 0), add)
    }
}

/// Whether an event is about an import.
pub(crate) const fn concerns(event: &Event) -> bool {
    matches!(event.body, Body::Import(_))
}

/// Folds one event.
pub(crate) async fn fold(
    connection: &mut SqliteConnection,
    (index, at, event): (u64, Time, &Event),
) -> Result<(), sqlx::Error> {
    let Body::Import(import) = &event.body else {
        return Ok(());
    };
    let (id, index, at) = (import.import.as_str(), index.cast_signed(), at.millis());
    match &import.step {
        ImportStep::Begun { inputs, .. } => {
            let from = (index, at, event.actor.id.as_str());
            begun(connection, id, (from, inputs.len())).await
        }
        ImportStep::Took { input, refused, .. } => {
            took(connection, id, &import.step).await?;
            if *refused > 0 {
                refusal(connection, id, (*input, index)).await?;
            }
            touch(connection, id, at).await
        }
        ImportStep::Ended { how, why } => {
            sqlx::query("UPDATE import SET ended = $2, why = $3 WHERE id = $1 AND ended = ''")
                .bind(id)
                .bind(word(*how))
                .bind(why)
                .execute(&mut *connection)
                .await?;
            touch(connection, id, at).await?;
            forget(connection).await
        }
    }
}

async fn begun(
    connection: &mut SqliteConnection,
    id: &str,
    ((index, at, client), files): ((i64, i64, &str), usize),
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO import (id, begun, at, client, last, ended, why) \
         VALUES ($1, $2, $3, $4, $3, '', '') ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(index)
    .bind(at)
    .bind(client)
    .execute(&mut *connection)
    .await?;
    for place in 0..files {
        sqlx::query(
            "INSERT INTO import_file (import, place, lines, digest, accepted, refused, done) \
             VALUES ($1, $2, 0, '', 0, 0, 0) ON CONFLICT (import, place) DO NOTHING",
        )
        .bind(id)
        .bind(place as i64)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn took(
    connection: &mut SqliteConnection,
    id: &str,
    step: &ImportStep,
) -> Result<(), sqlx::Error> {
    let ImportStep::Took {
        input,
        lines,
        digest,
        accepted,
        refused,
        ends,
        ..
    } = step
    else {
        return Ok(());
    };
    sqlx::query(
        "UPDATE import_file SET lines = $3, digest = $4, accepted = accepted + $5, \
         refused = refused + $6, done = $7 WHERE import = $1 AND place = $2",
    )
    .bind(id)
    .bind(i64::from(*input))
    .bind(lines.cast_signed())
    .bind(digest)
    .bind(accepted.cast_signed())
    .bind(refused.cast_signed())
    .bind(*ends)
    .execute(connection)
    .await
    .map(drop)
}

async fn refusal(
    connection: &mut SqliteConnection,
    id: &str,
    (input, index): (u32, i64),
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO import_refusal (import, place, idx) VALUES ($1, $2, $3) \
         ON CONFLICT (import, place, idx) DO NOTHING",
    )
    .bind(id)
    .bind(i64::from(input))
    .bind(index)
    .execute(connection)
    .await
    .map(drop)
}

async fn touch(connection: &mut SqliteConnection, id: &str, at: i64) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE import SET last = $2 WHERE id = $1");
    query.bind(id).bind(at).execute(connection).await.map(drop)
}

/// Takes out what was over long ago.
async fn forget(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM import_refusal WHERE import IN (SELECT id FROM import WHERE ended <> '' \
         ORDER BY begun DESC LIMIT -1 OFFSET $1)",
        "DELETE FROM import_file WHERE import IN (SELECT id FROM import WHERE ended <> '' \
         ORDER BY begun DESC LIMIT -1 OFFSET $1)",
        "DELETE FROM import WHERE id IN (SELECT id FROM import WHERE ended <> '' \
         ORDER BY begun DESC LIMIT -1 OFFSET $1)",
    ] {
        let query = sqlx::query(sql).bind(OVER_KEPT_MAX);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Some imports: those that go on, the oldest first, or the newest.
pub(crate) async fn some(pool: &SqlitePool, which: Imports) -> Result<Vec<Import>, sqlx::Error> {
    let (sql, most) = match which {
        Imports::Going => (
            "SELECT id, begun, at, client, last, ended, why FROM import \
             WHERE ended = '' ORDER BY begun LIMIT $1",
            i64::MAX,
        ),
        Imports::Newest(most) => (
            "SELECT id, begun, at, client, last, ended, why FROM import \
             ORDER BY begun DESC LIMIT $1",
            i64::from(most),
        ),
    };
    let rows = sqlx::query(sql).bind(most).fetch_all(pool).await?;
    let mut imports = Vec::with_capacity(rows.len());
    for row in &rows {
        imports.push(with_files(pool, row).await?);
    }
    Ok(imports)
}

/// One import.
pub(crate) async fn one(pool: &SqlitePool, id: &str) -> Result<Option<Import>, sqlx::Error> {
    let sql = "SELECT id, begun, at, client, last, ended, why FROM import WHERE id = $1";
    match sqlx::query(sql).bind(id).fetch_optional(pool).await? {
        Some(row) => with_files(pool, &row).await.map(Some),
        None => Ok(None),
    }
}

/// The indices of the events that say what was refused of a file.
pub(crate) async fn refusals(
    pool: &SqlitePool,
    (id, place): (&str, u32),
) -> Result<Vec<u64>, sqlx::Error> {
    let sql = "SELECT idx FROM import_refusal WHERE import = $1 AND place = $2 ORDER BY idx";
    let query = sqlx::query_scalar::<_, i64>(sql).bind(id);
    let all = query.bind(i64::from(place)).fetch_all(pool).await?;
    Ok(all.into_iter().map(i64::cast_unsigned).collect())
}

async fn with_files(pool: &SqlitePool, row: &SqliteRow) -> Result<Import, sqlx::Error> {
    let id: String = row.try_get(0)?;
    let sql = "SELECT lines, digest, accepted, refused, done FROM import_file \
               WHERE import = $1 ORDER BY place";
    let files = sqlx::query(sql).bind(&id).fetch_all(pool).await?;
    let inputs: Result<Vec<ImportFile>, sqlx::Error> = files.iter().map(file).collect();
    Ok(Import {
        id,
        begun: row.try_get::<i64, _>(1)?.cast_unsigned(),
        at: Time::from_millis(row.try_get(2)?),
        client: row.try_get(3)?,
        last: Time::from_millis(row.try_get(4)?),
        ended: ended(row.try_get(5)?),
        why: row.try_get(6)?,
        inputs: inputs?,
    })
}

fn file(row: &SqliteRow) -> Result<ImportFile, sqlx::Error> {
    let count = |place: usize| row.try_get::<i64, _>(place).map(i64::cast_unsigned);
    Ok(ImportFile {
        lines: count(0)?,
        digest: row.try_get(1)?,
        accepted: count(2)?,
        refused: count(3)?,
        done: row.try_get(4)?,
    })
}

const fn word(how: ImportEnd) -> &'static str {
    match how {
        ImportEnd::Cancelled => "cancelled",
        ImportEnd::Done => "done",
        ImportEnd::Failed => "failed",
    }
}

fn ended(word: &str) -> Option<ImportEnd> {
    match word {
        "cancelled" => Some(ImportEnd::Cancelled),
        "done" => Some(ImportEnd::Done),
        "failed" => Some(ImportEnd::Failed),
        _ => None,
    }
}
