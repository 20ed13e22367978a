//! The view's database file: `<data>/views/flow.db`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::Error;

/// Raised when the tables change: an older file is removed and folded again.
const LAYOUT: i64 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cursor (id BIGINT PRIMARY KEY, next BIGINT NOT NULL);
INSERT INTO cursor (id, next) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

CREATE TABLE IF NOT EXISTS feed (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    last BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    kept BIGINT NOT NULL,
    reused BIGINT NOT NULL,
    odd BIGINT NOT NULL,
    unread BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS bucket (
    width BIGINT NOT NULL,
    start BIGINT NOT NULL,
    feed BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    unread BIGINT NOT NULL,
    PRIMARY KEY (width, start, feed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kind (
    feed BIGINT NOT NULL,
    kind TEXT NOT NULL,
    messages BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (feed, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    idx INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    feed BIGINT NOT NULL,
    kind TEXT NOT NULL,
    control TEXT NOT NULL,
    mapped BIGINT NOT NULL,
    reused BIGINT NOT NULL,
    size BIGINT NOT NULL,
    complaints BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS message_feed ON message (feed, idx);
CREATE INDEX IF NOT EXISTS message_kept ON message (idx) WHERE mapped = 0;
CREATE INDEX IF NOT EXISTS message_odd ON message (idx) WHERE complaints > 0;
CREATE INDEX IF NOT EXISTS message_reused ON message (idx) WHERE reused = 1;
CREATE TABLE IF NOT EXISTS unread (
    idx INTEGER PRIMARY KEY,
    at BIGINT NOT NULL,
    feed BIGINT NOT NULL,
    reason TEXT NOT NULL,
    size BIGINT NOT NULL
);
-- Ids mostly count up, so this order puts a batch's new ids on few pages.
CREATE TABLE IF NOT EXISTS control (
    feed BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    control TEXT NOT NULL,
    PRIMARY KEY (feed, generation, control)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generation (
    feed BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    PRIMARY KEY (feed, generation)
) WITHOUT ROWID;";

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
