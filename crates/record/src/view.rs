//! The file of a view that is kept in SQLite. It can always be removed and folded again.

use crate::steady::steady;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, SqlitePool};

use crate::{Writer, WriterFault, WriterFile};

pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of the write-ahead log before it is copied back: a fold writes many.
const LOG_PAGES: &str = "8000";
/// KiB of pages that the connection that folds keeps (negative, as SQLite has it): what one batch touches all over the
/// indexes is written once, at its commit.
const FOLD_CACHE: &str = "-16000";

/// What a view's file is like.
#[derive(Debug, Clone, Copy)]
pub struct ViewFile {
    /// What makes the tables, if they are not there.
    pub tables: &'static str,
    /// Raised when the tables change: an older file is removed and folded again. Never 0.
    pub layout: u16,
    /// Connections at the same time, at most.
    pub connections_max: u32,
}

/// Opens a view's file, or makes it with its folder; one of another layout is made anew.
///
/// # Errors
/// What the database or the file system said.
pub async fn open_view(path: &Path, file: &ViewFile) -> Result<SqlitePool, sqlx::Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut pool = connect(path, file).await?;
    let layout: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&pool)
        .await?;
    if layout != 0 && layout != i64::from(file.layout) {
        pool.close().await;
        remove_view(path)?;
        pool = connect(path, file).await?;
    }
    sqlx::raw_sql(file.tables).execute(&pool).await?;
    let note = format!("PRAGMA user_version = {}", file.layout);
    sqlx::raw_sql(AssertSqlSafe(note)).execute(&pool).await?;
    Ok(pool)
}

async fn connect(path: &Path, file: &ViewFile) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", LOG_PAGES)
        // What a statement that fails takes back is kept in memory, not in a file of its own.
        .pragma("temp_store", "memory")
        // Views hold clear text: what is deleted is overwritten.
        .pragma("secure_delete", "ON")
        .busy_timeout(BUSY_TIMEOUT);
    steady(SqlitePoolOptions::new())
        .test_before_acquire(false)
        .max_connections(file.connections_max)
        .connect_with(options)
        .await
}

/// The connection that folds into a view's file, for a reader that writes a batch as one piece of work. The file
/// has its tables: it was opened with [`open_view`].
///
/// # Errors
/// What the database or the system said.
pub async fn view_writer(path: &Path) -> Result<Writer, WriterFault> {
    let file = WriterFile {
        path: path.to_path_buf(),
        synchronous: "NORMAL",
        busy_timeout: BUSY_TIMEOUT,
        gives_way: true,
        pragmas: &[
            ("wal_autocheckpoint", LOG_PAGES),
            ("temp_store", "memory"),
            ("secure_delete", "ON"),
            ("cache_size", FOLD_CACHE),
        ],
    };
    Writer::open(file).await
}

/// Removes a view's file with its log, if they are there.
///
/// # Errors
/// What the file system said.
pub fn remove_view(path: &Path) -> io::Result<()> {
    for end in ["", "-wal", "-shm"] {
        let mut file = OsString::from(path);
        file.push(end);
        match fs::remove_file(file) {
            // A connection that closes takes the log with it.
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}
