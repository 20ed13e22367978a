//! The journal in one SQLite file: runtime queries, multi-row inserts.

mod block;
mod carry;
mod erase;
mod insert;
mod mend;

use crate::steady::steady;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use seal::Frontier;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row as _};

use insert::{ROWS_PER_STATEMENT, placeholders};

use super::{Batch, Block, Delivery, Journal, JournalFault, Published, Row, RowRef, Version, sql};
use super::{fault, malformed, whole};

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const MIGRATION: &str = include_str!("../../../migrations/sqlite.sql");

/// The journal in one SQLite file, write-ahead log, `synchronous=FULL`.
pub struct SqliteJournal {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteJournal {
    /// Opens the file, making it if it is not there.
    ///
    /// # Errors
    /// [`JournalFault`] if the file cannot be opened or is no database.
    pub async fn open(path: &Path) -> Result<SqliteJournal, JournalFault> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = steady(SqlitePoolOptions::new())
            .test_before_acquire(false)
            .max_connections(1)
            .connect_with(options.clone());
        let writer = writer.await.map_err(fault("open the database"))?;
        sqlx::raw_sql(MIGRATION)
            .execute(&writer)
            .await
            .map_err(fault("make its tables"))?;
        let readers = SqlitePoolOptions::new()
            .test_before_acquire(false)
            .max_connections(READERS)
            .connect_with(options);
        let readers = readers.await.map_err(fault("open the database"))?;
        Ok(SqliteJournal { writer, readers })
    }

    /// Opens the file for reading only, for verification beside a running server.
    ///
    /// # Errors
    /// [`JournalFault`] if the file is missing or is no database.
    pub async fn open_read_only(path: &Path) -> Result<SqliteJournal, JournalFault> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let options = options.busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .test_before_acquire(false)
            .max_connections(READERS)
            .connect_with(options);
        let pool = pool.await.map_err(fault("open the database for reading"))?;
        Ok(SqliteJournal {
            writer: pool.clone(),
            readers: pool,
        })
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn frontier(&self) -> Result<Frontier, JournalFault> {
        const DOING: &str = "read the tree";
        let row = sqlx::query(sql::FRONTIER);
        let row = row
            .fetch_optional(&self.readers)
            .await
            .map_err(fault(DOING))?;
        let Some(row) = row else {
            return Ok(Frontier::default());
        };
        let bytes: Vec<u8> = row.try_get(0).map_err(fault(DOING))?;
        Frontier::from_bytes(&bytes).ok_or_else(|| malformed(DOING))
    }

    async fn append(&self, batch: &Batch) -> Result<(), JournalFault> {
        const DOING: &str = "commit";
        let mut tx = self
            .writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(fault(DOING))?;
        insert::rows(&mut tx, &batch.rows)
            .await
            .map_err(fault("insert rows"))?;
        insert::deliveries(&mut tx, &batch.deliveries)
            .await
            .map_err(fault("insert message ids"))?;
        insert::versions(&mut tx, &batch.versions)
            .await
            .map_err(fault("insert versions"))?;
        let size = whole(batch.frontier.size());
        let before = size - whole(batch.rows.len() as u64);
        // INVARIANT: a batch goes only onto the tree it was made for.
        let grown = sqlx::query(
            "INSERT INTO tree (one, size, frontier) VALUES (1, $1, $2) \
             ON CONFLICT (one) DO UPDATE SET size = $1, frontier = $2 WHERE tree.size = $3",
        );
        let grown = grown
            .bind(size)
            .bind(batch.frontier.to_bytes())
            .bind(before);
        let done = grown.execute(&mut *tx).await.map_err(fault(DOING))?;
        if done.rows_affected() != 1 {
            return Err(JournalFault {
                doing: DOING,
                why: "the tree has grown meanwhile".into(),
            });
        }
        tx.commit().await.map_err(fault(DOING))
    }

    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, JournalFault> {
        if limit > block::FEW_ROWS
            && let Some(block) = block::block(&self.readers, from, limit).await
        {
            return Ok(block.iter().map(RowRef::to_row).collect());
        }
        self.one_by_one(from, limit).await
    }

    async fn block(&self, from: u64, limit: usize) -> Result<Block, JournalFault> {
        match block::block(&self.readers, from, limit).await {
            Some(block) => Ok(block),
            None => Ok(self.one_by_one(from, limit).await?.into_iter().collect()),
        }
    }

    async fn deliveries(&self, messages: &[[u8; 16]]) -> Result<Vec<Delivery>, JournalFault> {
        let sql = "SELECT message, content, seq, at FROM delivery WHERE message IN ";
        let rows = self.among(sql, messages).await?;
        let read = rows.iter().map(read_delivery);
        read.collect::<Option<_>>()
            .ok_or_else(|| malformed("read message ids"))
    }

    async fn versions(&self, resources: &[[u8; 16]]) -> Result<Vec<Version>, JournalFault> {
        let sql = "SELECT resource, replaces, seq FROM version WHERE resource IN ";
        let rows = self.among(sql, resources).await?;
        let read = rows.iter().map(read_version);
        read.collect::<Option<_>>()
            .ok_or_else(|| malformed("read versions"))
    }

    async fn of_streams(&self, streams: &[[u8; 16]], from: u64) -> Result<Vec<u64>, JournalFault> {
        let found = erase::of_streams(&self.readers, streams, whole(from)).await;
        found.map_err(fault("look for what is to be erased"))
    }

    async fn forget(&self, seqs: &[u64]) -> Result<(), JournalFault> {
        let done = erase::forget((&self.readers, &self.writer), seqs).await;
        done.map_err(fault("forget what was erased"))
    }

    async fn mend(&self, rows: &[Row]) -> Result<(), JournalFault> {
        let done = mend::mend(&self.writer, rows).await;
        done.map_err(fault("put rows back"))
    }

    async fn take_forged(&self) -> Result<Vec<Row>, JournalFault> {
        const DOING: &str = "take forged rows away";
        let rows = mend::take_forged(&self.writer)
            .await
            .map_err(fault(DOING))?;
        let read = rows.iter().map(read_row);
        read.collect::<Option<_>>().ok_or_else(|| malformed(DOING))
    }

    async fn published(&self) -> Result<Option<Published>, JournalFault> {
        const DOING: &str = "read the checkpoint";
        let row = sqlx::query(sql::PUBLISHED);
        let row = row
            .fetch_optional(&self.readers)
            .await
            .map_err(fault(DOING))?;
        let Some(row) = row else { return Ok(None) };
        let read = || {
            Some(Published {
                size: index(&row, 0)?,
                note: row.try_get(1).ok()?,
                edge: row.try_get(2).ok()?,
                at: row.try_get(3).ok()?,
            })
        };
        read().map(Some).ok_or_else(|| malformed(DOING))
    }

    async fn publish(&self, expected: Option<u64>, next: &Published) -> Result<bool, JournalFault> {
        let sql = match expected {
            Some(_) => sql::PUBLISH_NEXT,
            None => sql::PUBLISH_FIRST,
        };
        let mut query = sqlx::query(sql)
            .bind(whole(next.size))
            .bind(next.note.clone());
        query = query.bind(next.edge.clone()).bind(next.at);
        if let Some(expected) = expected {
            query = query.bind(whole(expected));
        }
        let done = query
            .execute(&self.writer)
            .await
            .map_err(fault("swap the checkpoint"))?;
        Ok(done.rows_affected() == 1)
    }

    async fn moved(&self) -> Result<Option<String>, JournalFault> {
        let place = sqlx::query_scalar(sql::MOVED).fetch_optional(&self.readers);
        place.await.map_err(fault("read whether it was moved"))
    }
}

impl SqliteJournal {
    async fn one_by_one(&self, from: u64, limit: usize) -> Result<Vec<Row>, JournalFault> {
        const DOING: &str = "read rows";
        let rows = sqlx::query(sql::ROWS)
            .bind(whole(from))
            .bind(whole(limit as u64))
            .fetch_all(&self.readers);
        let rows = rows.await.map_err(fault(DOING))?;
        rows.iter()
            .map(|row| read_row(row).ok_or_else(|| malformed(DOING)))
            .collect()
    }

    async fn among(&self, sql: &str, tags: &[[u8; 16]]) -> Result<Vec<SqliteRow>, JournalFault> {
        let mut found = Vec::new();
        for some in tags.chunks(ROWS_PER_STATEMENT) {
            let text = format!("{sql}{}", placeholders(1, some.len()));
            let mut query = sqlx::query(AssertSqlSafe(text));
            for tag in some {
                query = query.bind(tag.to_vec());
            }
            let rows = query
                .fetch_all(&self.readers)
                .await
                .map_err(fault("look up tags"))?;
            found.extend(rows);
        }
        Ok(found)
    }
}

fn read_row(row: &SqliteRow) -> Option<Row> {
    Some(Row {
        seq: index(row, 0)?,
        stream: bytes16(row, 1)?,
        at: row.try_get(2).ok()?,
        entry: row.try_get(3).ok()?,
        ciphertext: row.try_get(4).ok()?,
    })
}

fn read_delivery(row: &SqliteRow) -> Option<Delivery> {
    Some(Delivery {
        message: bytes16(row, 0)?,
        content: bytes16(row, 1)?,
        seq: index(row, 2)?,
        at: row.try_get(3).ok()?,
    })
}

fn read_version(row: &SqliteRow) -> Option<Version> {
    Some(Version {
        resource: bytes16(row, 0)?,
        replaces: index(row, 1)?,
        seq: index(row, 2)?,
    })
}

fn bytes16(row: &SqliteRow, column: usize) -> Option<[u8; 16]> {
    row.try_get::<&[u8], _>(column).ok()?.try_into().ok()
}

fn index(row: &SqliteRow, column: usize) -> Option<u64> {
    row.try_get::<i64, _>(column).ok()?.try_into().ok()
}
