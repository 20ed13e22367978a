//! The view's database file: `<data>/views/tokens.db`.

use std::path::Path;
use std::sync::Arc;

use event::{App, Time};
use record::{Alike, ViewFile, open_view};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{SqliteConnection, SqlitePool};

use crate::Error;
use crate::book::Book;
use crate::secret::{hex, unhex};

/// Raised when the tables change: an older file is removed and folded again.
const LAYOUT: u16 = 3;
const CONNECTIONS_MAX: u32 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursor (id BIGINT PRIMARY KEY, next BIGINT NOT NULL, latest BIGINT NOT NULL);
INSERT INTO cursor (id, next, latest) VALUES (1, 0, 0) ON CONFLICT (id) DO NOTHING;
CREATE TABLE IF NOT EXISTS app (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS family (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mark (id TEXT PRIMARY KEY, body TEXT NOT NULL);";

/// What must be the same in every fold.
pub(crate) const ALIKE: [Alike; 3] = [
    Alike {
        table: "app",
        sql: "SELECT id, body FROM {}.app",
        keys: 1,
        told: &["id"],
        after_erasing: true,
    },
    Alike {
        table: "family",
        sql: "SELECT id, body FROM {}.family",
        keys: 1,
        told: &[],
        after_erasing: true,
    },
    Alike {
        table: "mark",
        sql: "SELECT id, body FROM {}.mark",
        keys: 1,
        told: &[],
        after_erasing: true,
    },
];

/// Opens the file, or makes it; one with other tables is made anew.
pub(crate) async fn open(path: &Path) -> Result<SqlitePool, Error> {
    let file = ViewFile {
        tables: TABLES,
        layout: LAYOUT,
        connections_max: CONNECTIONS_MAX,
    };
    let opened = open_view(path, &file).await;
    opened.map_err(Error::new("be opened"))
}

/// The number of events folded, and what they said.
pub(crate) async fn read(pool: &SqlitePool) -> Result<(u64, Book), Error> {
    let (next, latest): (i64, i64) = sqlx::query_as("SELECT next, latest FROM cursor WHERE id = 1")
        .fetch_one(pool)
        .await
        .map_err(Error::new("read its cursor"))?;
    let apps: Vec<(String, App)> = table(pool, "SELECT id, body FROM app").await?;
    let marks = table(pool, "SELECT id, body FROM mark").await?;
    let book = Book {
        apps: apps
            .into_iter()
            .map(|(id, app)| (id, Arc::new(app)))
            .collect(),
        families: table(pool, "SELECT id, body FROM family")
            .await?
            .into_iter()
            .collect(),
        marks: marks
            .into_iter()
            .filter_map(|(id, mark): (String, _)| Some((unhex(&id)?, mark)))
            .collect(),
        latest: Time::from_millis(latest),
        ..Book::default()
    };
    Ok((next.unsigned_abs(), book))
}

/// Saves what was touched and the cursor, both or neither.
pub(crate) async fn save(pool: &SqlitePool, book: &Saved, next: u64) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for row in &book.rows {
        put(&mut transaction, row).await?;
    }
    sqlx::query("UPDATE cursor SET next = $1, latest = $2 WHERE id = 1")
        .bind(next.cast_signed())
        .bind(book.latest.millis())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Rows to be written, or (without a body) removed.
#[derive(Debug)]
pub(crate) struct Saved {
    rows: Vec<(&'static str, String, Option<String>)>,
    latest: Time,
}

impl Saved {
    pub(crate) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What was touched, as the book has it now.
    pub(crate) fn of(book: &Book) -> Result<Saved, sqlx::Error> {
        let (mut rows, touched) = (Vec::new(), &book.touched);
        for id in &touched.apps {
            rows.push(("app", id.clone(), text(book.apps.get(id))?));
        }
        for id in &touched.families {
            rows.push(("family", id.clone(), text(book.families.get(id))?));
        }
        for hash in &touched.marks {
            rows.push(("mark", hex(hash), text(book.marks.get(hash))?));
        }
        let latest = book.latest;
        Ok(Saved { rows, latest })
    }
}

fn text<T: Serialize>(body: Option<&T>) -> Result<Option<String>, sqlx::Error> {
    body.map(serde_json::to_string).transpose().map_err(strange)
}

async fn put(
    connection: &mut SqliteConnection,
    (table, id, body): &(&'static str, String, Option<String>),
) -> Result<(), sqlx::Error> {
    let (put, cut) = match *table {
        "app" => (
            "INSERT INTO app (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            "DELETE FROM app WHERE id = $1",
        ),
        "family" => (
            "INSERT INTO family (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            "DELETE FROM family WHERE id = $1",
        ),
        _ => (
            "INSERT INTO mark (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            "DELETE FROM mark WHERE id = $1",
        ),
    };
    let query = match body {
        Some(body) => sqlx::query(put).bind(id).bind(body),
        None => sqlx::query(cut).bind(id),
    };
    query.execute(connection).await?;
    Ok(())
}

async fn table<T: DeserializeOwned>(
    pool: &SqlitePool,
    select: &'static str,
) -> Result<Vec<(String, T)>, Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(select)
        .fetch_all(pool)
        .await
        .map_err(Error::new("read its rows"))?;
    let read = |(id, body): (String, String)| {
        let body = serde_json::from_str(&body).map_err(strange)?;
        Ok((id, body))
    };
    let rows: Result<Vec<(String, T)>, sqlx::Error> = rows.into_iter().map(read).collect();
    rows.map_err(Error::new("understand its rows"))
}

fn strange(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
