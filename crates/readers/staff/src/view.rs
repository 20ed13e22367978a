//! The view's database file: `<data>/views/staff.db`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use event::{Account, Role, Time};
use sqlx::sqlite::SqliteSynchronous;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow};
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::Error;
use crate::book::{Book, Entry};

/// Raised when the tables change: an older file is removed and folded again.
const LAYOUT: i64 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursor (id BIGINT PRIMARY KEY, next BIGINT NOT NULL);
INSERT INTO cursor (id, next) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;
CREATE TABLE IF NOT EXISTS account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    wards TEXT NOT NULL,
    practitioner TEXT,
    secret TEXT NOT NULL,
    scopes TEXT NOT NULL,
    disabled BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    signed_in BIGINT
);";

/// Opens the file, or makes it; one with other tables is made anew.
pub(crate) async fn open(path: &Path) -> Result<SqlitePool, Error> {
    if let Some(folder) = path.parent() {
        let made = std::fs::create_dir_all(folder).map_err(sqlx::Error::Io);
        made.map_err(Error::new("make its folder"))?;
    }
    let pool = connect(path).await?;
    let layout: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&pool)
        .await
        .map_err(Error::new("read its layout"))?;
    let pool = match layout {
        0 | LAYOUT => pool,
        _ => {
            pool.close().await;
            remove(path)?;
            connect(path).await?
        }
    };
    sqlx::raw_sql(TABLES)
        .execute(&pool)
        .await
        .map_err(Error::new("make its tables"))?;
    sqlx::raw_sql("PRAGMA user_version = 1")
        .execute(&pool)
        .await
        .map_err(Error::new("note its layout"))?;
    Ok(pool)
}

/// The number of events folded.
pub(crate) async fn next(pool: &SqlitePool) -> Result<u64, Error> {
    let next: i64 = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 1")
        .fetch_one(pool)
        .await
        .map_err(Error::new("read its cursor"))?;
    Ok(next.unsigned_abs())
}

pub(crate) async fn book(pool: &SqlitePool) -> Result<Book, Error> {
    let rows = sqlx::query("SELECT * FROM account ORDER BY id")
        .fetch_all(pool)
        .await
        .map_err(Error::new("read its accounts"))?;
    let entries: Result<Vec<Entry>, sqlx::Error> = rows.iter().map(entry).collect();
    Ok(Book::of(entries.map_err(Error::new("read an account"))?))
}

/// Saves changed accounts and the cursor, both or neither.
pub(crate) async fn save(
    pool: &SqlitePool,
    entries: &[&Entry],
    next: u64,
) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for entry in entries {
        put(&mut transaction, entry).await?;
    }
    sqlx::query("UPDATE cursor SET next = $1 WHERE id = 1")
        .bind(next.cast_signed())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

async fn put(connection: &mut SqliteConnection, entry: &Entry) -> Result<(), sqlx::Error> {
    let account = &entry.account;
    sqlx::query(
        "INSERT INTO account (id, name, role, wards, practitioner, secret, scopes, disabled,
             changed, signed_in)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role,
             wards = excluded.wards, practitioner = excluded.practitioner,
             secret = excluded.secret, scopes = excluded.scopes,
             disabled = excluded.disabled, changed = excluded.changed,
             signed_in = excluded.signed_in",
    )
    .bind(&entry.id)
    .bind(&account.name)
    .bind(account.role.word())
    .bind(list_text(&account.wards)?)
    .bind(&account.practitioner)
    .bind(&account.secret)
    .bind(list_text(&account.scopes)?)
    .bind(i64::from(entry.disabled))
    .bind(entry.changed.millis())
    .bind(entry.signed_in.map(Time::millis))
    .execute(connection)
    .await?;
    Ok(())
}

fn entry(row: &SqliteRow) -> Result<Entry, sqlx::Error> {
    let account = Account {
        name: row.try_get("name")?,
        role: role(row.try_get("role")?)?,
        wards: list(row.try_get("wards")?)?,
        practitioner: row.try_get("practitioner")?,
        secret: row.try_get("secret")?,
        scopes: list(row.try_get("scopes")?)?,
    };
    let signed_in: Option<i64> = row.try_get("signed_in")?;
    Ok(Entry {
        id: row.try_get("id")?,
        account,
        disabled: row.try_get::<i64, _>("disabled")? != 0,
        changed: Time::from_millis(row.try_get("changed")?),
        signed_in: signed_in.map(Time::from_millis),
    })
}

fn role(word: &str) -> Result<Role, sqlx::Error> {
    serde_json::from_value(word.into()).map_err(strange)
}

fn list(text: &str) -> Result<Vec<String>, sqlx::Error> {
    serde_json::from_str(text).map_err(strange)
}

fn list_text(list: &[String]) -> Result<String, sqlx::Error> {
    serde_json::to_string(list).map_err(strange)
}

fn strange(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

async fn connect(path: &Path) -> Result<SqlitePool, Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5));
    SqlitePoolOptions::new()
        .test_before_acquire(false)
        .max_connections(2)
        .connect_with(options)
        .await
        .map_err(Error::new("be opened"))
}

fn remove(path: &Path) -> Result<(), Error> {
    for end in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        let file = PathBuf::from(file);
        if file.exists() {
            let removed = std::fs::remove_file(file).map_err(sqlx::Error::Io);
            removed.map_err(Error::new("remove its old file"))?;
        }
    }
    Ok(())
}
