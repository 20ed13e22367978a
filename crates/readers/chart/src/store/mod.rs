//! The view's tables.
//!
//! `version` only grows: a row says which version came before (`prev`) and which after (`next`,
//! 0: it is the current one), so that history, old versions and pages that do not shift while
//! data arrives come from the same rows. All that one event wrote lies together in one `page`.

mod digest;
mod insert;
mod lookup;
mod pack;
mod row;
mod schema;

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, SqlitePool};

pub(crate) use digest::digest;
pub(crate) use insert::{Table, forget, insert, repoint, supersede};
pub(crate) use lookup::{Asked, by_head, by_heads, count, fetch, list, of_event, pages, pids};
pub(crate) use pack::{Packer, unpack};
pub(crate) use row::{DELETED, FROM_FHIR, FROM_SALUS, LABELS, LATE, Row, SELECT};
pub(crate) use schema::TABLES;

use crate::error::Outcome;
use crate::{ChartError, Config};

/// A file up to this size is rewritten through memory, a larger one through a temporary file.
const REWRITE_IN_MEMORY_BYTES_MAX: i64 = 256 << 20;

/// The database: one connection that writes, a few that read.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl Store {
    pub(crate) async fn open(config: &Config) -> Outcome<Store> {
        make_folder(config)?;
        let options = SqliteConnectOptions::new()
            .filename(&config.path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(30))
            .pragma("wal_autocheckpoint", "4000")
            .pragma("temp_store", "memory");
        let writing = options.clone().pragma("cache_size", "-16000");
        let writer = SqlitePoolOptions::new()
            .test_before_acquire(false)
            .max_connections(1)
            .connect_with(writing)
            .await
            .map_err(ChartError::broken("open its database"))?;
        let store = Store {
            readers: SqlitePoolOptions::new()
                .test_before_acquire(false)
                .max_connections(config.readers_max.max(1))
                .connect_lazy_with(options.pragma("cache_size", "-4000")),
            writer,
        };
        store.make_tables().await?;
        Ok(store)
    }

    async fn make_tables(&self) -> Outcome<()> {
        let broken = ChartError::broken("make its tables");
        self.drop_other_layout().await.map_err(&broken)?;
        for statement in schema::DDL {
            sqlx::query(statement)
                .execute(&self.writer)
                .await
                .map_err(&broken)?;
        }
        Ok(())
    }

    /// Rewrites the file if something was erased from it, so that nothing of it is left in it or
    /// beside it.
    pub(crate) async fn rewrite_if_due(&self) -> Outcome<()> {
        let broken = ChartError::broken("rewrite its file after an erasure");
        let mut writer = self.writer.acquire().await.map_err(&broken)?;
        let due: Option<i64> = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 2")
            .fetch_optional(&mut *writer)
            .await
            .map_err(&broken)?;
        if due.is_none() {
            return Ok(());
        }
        let bytes: i64 = sqlx::query_scalar(
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        )
        .fetch_one(&mut *writer)
        .await
        .map_err(&broken)?;
        let through = if bytes > REWRITE_IN_MEMORY_BYTES_MAX {
            "PRAGMA temp_store = FILE"
        } else {
            "PRAGMA temp_store = MEMORY"
        };
        for sql in [through, "VACUUM"] {
            sqlx::query(sql)
                .execute(&mut *writer)
                .await
                .map_err(&broken)?;
        }
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut *writer)
            .await
            .map_err(&broken)?;
        if busy != 0 {
            return Err(ChartError::Broken {
                doing: "rewrite its file after an erasure",
                why: "somebody still reads the old one; trying again".into(),
            });
        }
        // The note goes last: a rewriting that was broken off is done again.
        let done = sqlx::query("DELETE FROM cursor WHERE id = 2");
        done.execute(&mut *writer).await.map(drop).map_err(&broken)
    }

    /// Tables of another layout go: they are folded again from the record.
    async fn drop_other_layout(&self) -> Result<(), sqlx::Error> {
        let tables: Vec<String> = sqlx::query_scalar(schema::NAMES)
            .fetch_all(&self.writer)
            .await?;
        if !tables.iter().any(|table| table == "layout") {
            return Ok(());
        }
        let layout: Option<i64> = sqlx::query_scalar("SELECT version FROM layout WHERE id = 1")
            .fetch_optional(&self.writer)
            .await?;
        if layout == Some(schema::LAYOUT) {
            return Ok(());
        }
        tracing::info!("the chart's tables have another layout; folding them again");
        let mut change = self.writer.begin().await?;
        for table in tables {
            let statement = format!("DROP TABLE \"{table}\"");
            sqlx::query(AssertSqlSafe(statement))
                .execute(&mut *change)
                .await?;
        }
        change.commit().await
    }

    /// Empties every table.
    pub(crate) async fn clear(&self) -> Outcome<()> {
        let broken = ChartError::broken("empty its tables");
        let mut change = self.writer.begin().await.map_err(&broken)?;
        for statement in schema::CLEAR {
            sqlx::query(statement)
                .execute(&mut *change)
                .await
                .map_err(&broken)?;
        }
        change.commit().await.map_err(&broken)
    }
}

fn make_folder(config: &Config) -> Outcome<()> {
    let Some(folder) = config.path.parent() else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|error| ChartError::Broken {
        doing: "make its folder",
        why: error.to_string(),
    })
}
