//! The view's tables.
//!
//! `version` only grows: a row says which version came before (`prev`) and which after (`next`,
//! 0: it is the current one), so that history, old versions and pages that do not shift while
//! data arrives come from the same rows. All that one event wrote lies together in one `page`.

mod digest;
mod insert;
mod lent;
mod lookup;
pub(crate) mod meet;
mod pack;
mod points;
mod row;
mod schema;

use std::time::Duration;

use record::{Writer, WriterFault, WriterFile};
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub(crate) use digest::digest;
pub(crate) use insert::each;
pub(crate) use lent::{Lender, Lent};
pub(crate) use lookup::{
    Asked, all_of_event, by_head, by_heads, count, fetch, limit, list, of_event, pages,
    pages_within, pids,
};
pub(crate) use pack::{pack, unpack};
pub(crate) use points::Points;
pub(crate) use row::{DELETED, FROM_FHIR, FROM_SALUS, LABELS, LATE, Row, SELECT};
pub(crate) use schema::TABLES;

use crate::error::Outcome;
use crate::{ChartError, Config};

/// How long a connection waits for another one that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Pages of the write-ahead log before it is copied back.
const LOG_PAGES: &str = "16000";

/// The database: one connection that writes, a few that read.
#[derive(Clone)]
pub(crate) struct Store {
    /// What is to be written goes to its thread whole.
    pub(crate) writer: Writer,
    pub(crate) readers: SqlitePool,
    /// Those that read what is asked for all the time.
    pub(crate) lender: Lender,
    /// Those that look single resources up.
    pub(crate) points: Points,
}

impl Store {
    pub(crate) async fn open(config: &Config) -> Outcome<Store> {
        make_folder(config)?;
        let file = WriterFile {
            path: config.path.clone(),
            synchronous: "NORMAL",
            busy_timeout: BUSY_TIMEOUT,
            gives_way: true,
            pragmas: &[
                ("wal_autocheckpoint", LOG_PAGES),
                ("temp_store", "memory"),
                ("cache_size", "-16000"),
            ],
        };
        let broken = ChartError::broken("open its database");
        let writer = Writer::open(file).await.map_err(broken)?;
        writer.run(make_tables).await?;
        let reading = SqliteConnectOptions::new()
            .filename(&config.path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("wal_autocheckpoint", LOG_PAGES)
            .pragma("temp_store", "memory")
            .pragma("cache_size", "-4000");
        Ok(Store {
            lender: Lender::new(reading.clone(), config.readers_max),
            points: Points::new(config.path.clone(), config.readers_max),
            readers: SqlitePoolOptions::new()
                .test_before_acquire(false)
                .max_connections(config.readers_max.max(1))
                .connect_lazy_with(reading),
            writer,
        })
    }

    /// Rewrites the file if something was erased from it.
    pub(crate) async fn rewrite_if_due(&self) -> Outcome<()> {
        let done = self.writer.rewrite_if_due().await;
        self.points.forget();
        self.lender.forget();
        done.map_err(ChartError::broken("rewrite its file after an erasure"))
    }

    /// Empties every table.
    pub(crate) async fn clear(&self) -> Outcome<()> {
        let broken = ChartError::broken("empty its tables");
        let cleared = self.writer.transact(|to| batch(to, schema::CLEAR));
        cleared.await.map_err(broken)
    }
}

fn make_tables(to: &mut Connection) -> Outcome<()> {
    let broken = ChartError::broken("make its tables");
    let change = to.transaction().map_err(&broken)?;
    drop_other_layout(&change).map_err(&broken)?;
    batch(&change, schema::DDL).map_err(ChartError::broken("make its tables"))?;
    change.commit().map_err(&broken)
}

/// Tables of another layout go: they are folded again from the record.
fn drop_other_layout(from: &Transaction<'_>) -> rusqlite::Result<()> {
    let tables = meet::rows(from, schema::NAMES, [()], |row| row.get(0))?;
    let tables: Vec<String> = tables;
    if !tables.iter().any(|table| table == "layout") {
        return Ok(());
    }
    let layout = "SELECT version FROM layout WHERE id = 1";
    let layout: Option<i64> = from.query_row(layout, [], |row| row.get(0)).optional()?;
    if layout == Some(schema::LAYOUT) {
        return Ok(());
    }
    tracing::info!("the chart's tables have another layout; folding them again");
    for table in tables {
        from.execute_batch(&format!("DROP TABLE \"{table}\""))?;
    }
    Ok(())
}

fn batch<const N: usize>(to: &Connection, statements: [&str; N]) -> Result<(), WriterFault> {
    for statement in statements {
        to.execute_batch(statement)?;
    }
    Ok(())
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

    async fn done(store: &Store, sql: &'static str) {
        let done = store.writer.transact(move |to| batch(to, [sql]));
        done.await.unwrap();
    }

    async fn words(store: &Store) -> i64 {
        let count = store.writer.run(|from| {
            let sql = "SELECT COUNT(*) FROM word";
            Ok::<_, WriterFault>(from.query_row(sql, [], |row| row.get(0))?)
        });
        count.await.unwrap()
    }

    #[tokio::test]
    async fn tables_of_this_layout_stay_when_they_are_opened_again_and_others_go() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::at(folder.path().join("chart.db"));
        let store = Store::open(&config).await.unwrap();
        let before = words(&store).await;
        done(&store, "INSERT INTO word (wid, text) VALUES (1000, 'kept')").await;
        store.writer.close().await;
        let store = Store::open(&config).await.unwrap();
        assert_eq!(words(&store).await, before + 1);
        done(&store, "UPDATE layout SET version = version - 1").await;
        store.writer.close().await;
        let store = Store::open(&config).await.unwrap();
        assert_eq!(words(&store).await, before);
    }
}
