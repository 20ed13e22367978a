//! The view's database file: `<data>/views/access.db`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::access::Error;

/// Raised when the tables change: an older file is removed and folded again.
const LAYOUT: i64 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursor (id BIGINT PRIMARY KEY, next BIGINT NOT NULL);
INSERT INTO cursor (id, next) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

CREATE TABLE IF NOT EXISTS actor (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    role TEXT NOT NULL,
    name TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS actor_account ON actor (account);
-- The policies that decided, each combination once.
CREATE TABLE IF NOT EXISTS reasons (id INTEGER PRIMARY KEY, policies TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trace (
    key INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    actor BIGINT NOT NULL,
    what TEXT NOT NULL,
    patient TEXT,
    allowed BIGINT NOT NULL,
    reasons BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS trace_patient ON trace (patient, key) WHERE patient IS NOT NULL;
CREATE INDEX IF NOT EXISTS trace_actor ON trace (actor, key);
-- Different patients an account opened on a day (UTC), and in the fullest hour of it.
CREATE TABLE IF NOT EXISTS day (
    account TEXT NOT NULL,
    day BIGINT NOT NULL,
    patients BIGINT NOT NULL,
    hour_peak BIGINT NOT NULL,
    PRIMARY KEY (account, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS export (
    idx INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    asker TEXT NOT NULL,
    asker_name TEXT NOT NULL,
    what TEXT NOT NULL,
    recipient TEXT NOT NULL,
    reason TEXT NOT NULL,
    answer BIGINT,
    answered_at BIGINT,
    answerer TEXT,
    answerer_name TEXT,
    approved BIGINT,
    answer_reason TEXT
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

async fn connect(path: &Path) -> Result<SqlitePool, Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", "8000")
        .pragma("secure_delete", "ON")
        .busy_timeout(Duration::from_secs(5));
    SqlitePoolOptions::new()
        .test_before_acquire(false)
        .max_connections(4)
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
