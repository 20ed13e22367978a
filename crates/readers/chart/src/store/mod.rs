//! The view's tables.
//!
//! `version` only grows: a row says which version came before (`prev`) and which after (`next`,
//! 0: it is the current one), so that history, old versions and pages that do not shift while
//! data arrives come from the same rows. All that one event wrote lies together in one `page`.

mod digest;
mod insert;
mod lent;
mod lookup;
mod pack;
mod row;
mod schema;

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, SqlitePool};

pub(crate) use digest::digest;
pub(crate) use insert::{Table, forget, insert, repoint, supersede};
pub(crate) use lent::{Lender, Lent};
pub(crate) use lookup::{
    Asked, all_of_event, beside, by_head, by_heads, by_keys, count, fetch, fillers, limit, list,
    of_event, pages, pages_within, pids,
};
pub(crate) use pack::{pack, unpack};
pub(crate) use row::{DELETED, FROM_FHIR, FROM_SALUS, LABELS, LATE, Row, SELECT};
pub(crate) use schema::TABLES;

use crate::error::Outcome;
use crate::{ChartError, Config};

/// The database: one connection that writes, a few that read.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    /// Those that read what is asked for all the time.
    pub(crate) lender: Lender,
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
        let writer = record::steady(SqlitePoolOptions::new())
            .test_before_acquire(false)
            .max_connections(1)
            .connect_with(writing)
            .await
            .map_err(ChartError::broken("open its database"))?;
        let reading = options.pragma("cache_size", "-4000");
        let store = Store {
            lender: Lender::new(reading.clone(), config.readers_max),
            readers: SqlitePoolOptions::new()
                .test_before_acquire(false)
                .max_connections(config.readers_max.max(1))
                .connect_lazy_with(reading),
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

    /// Rewrites the file if something was erased from it.
    pub(crate) async fn rewrite_if_due(&self) -> Outcome<()> {
        let done = record::rewrite_if_due(&self.writer).await;
        done.map_err(|why| ChartError::Broken {
            doing: "rewrite its file after an erasure",
            why,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tables_of_this_layout_stay_when_they_are_opened_again_and_others_go() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::at(folder.path().join("chart.db"));
        let words = async |store: &Store| {
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM word")
                .fetch_one(&store.writer)
                .await
                .unwrap()
        };
        let store = Store::open(&config).await.unwrap();
        let before = words(&store).await;
        sqlx::raw_sql("INSERT INTO word (wid, text) VALUES (1000, 'kept')")
            .execute(&store.writer)
            .await
            .unwrap();
        store.writer.close().await;
        let store = Store::open(&config).await.unwrap();
        assert_eq!(words(&store).await, before + 1);
        sqlx::raw_sql("UPDATE layout SET version = version - 1")
            .execute(&store.writer)
            .await
            .unwrap();
        store.writer.close().await;
        let store = Store::open(&config).await.unwrap();
        assert_eq!(words(&store).await, before);
    }
}
