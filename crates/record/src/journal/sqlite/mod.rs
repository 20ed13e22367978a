//! The journal in one SQLite file: one connection that writes on a thread of its own, a few that read.

mod block;
mod carry;
mod erase;
mod insert;
mod mend;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Transaction;
use seal::Frontier;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};

use super::{Batch, Block, Delivery, Journal, JournalFault, Published, Row, RowRef, Version, sql};
use super::{fault, malformed, whole};
use crate::{Writer, WriterFault, WriterFile};

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const MIGRATION: &str = include_str!("../../../migrations/sqlite.sql");

/// A batch goes only onto the tree that it was made for.
const GROW: &str = "INSERT INTO tree (one, size, frontier) VALUES (1, $1, $2) \
     ON CONFLICT (one) DO UPDATE SET size = $1, frontier = $2 WHERE tree.size = $3";

const DELIVERIES: &str = "SELECT message, content, seq, at FROM delivery WHERE message = $1";
const REPLACED: &str =
    "SELECT resource, replaces, seq FROM version WHERE resource = $1 AND replaces = $2";
const WRITTEN: &str = "SELECT resource, replaces, seq FROM version WHERE resource = $1";
/// Pages of the write-ahead log before it is copied back: those of the indexes, which each batch touches, are copied once.
const LOG_PAGES: &str = "16000";

/// The journal in one SQLite file, write-ahead log, `synchronous=FULL`.
pub struct SqliteJournal {
    /// `None`: it is only read.
    writer: Option<Writer>,
    readers: SqlitePool,
}

impl SqliteJournal {
    /// Opens the file, making it if it is not there.
    ///
    /// # Errors
    /// [`JournalFault`] if the file cannot be opened or is no database.
    pub async fn open(path: &Path) -> Result<SqliteJournal, JournalFault> {
        const DOING: &str = "open the database";
        let file = WriterFile {
            path: path.to_owned(),
            synchronous: "FULL",
            busy_timeout: BUSY_TIMEOUT,
            gives_way: false,
            pragmas: &[("wal_autocheckpoint", LOG_PAGES), ("cache_size", "-16000")],
        };
        let writer = Writer::open(file).await.map_err(unwritten(DOING))?;
        let made = writer.run(|to| Ok::<_, WriterFault>(to.execute_batch(MIGRATION)?));
        made.await.map_err(unwritten("make its tables"))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY_TIMEOUT);
        // All at once, and for good: one that is opened by a thread that folds gives way to others for ever.
        let readers = SqlitePoolOptions::new()
            .test_before_acquire(false)
            .min_connections(READERS)
            .max_connections(READERS)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options);
        Ok(SqliteJournal {
            writer: Some(writer),
            readers: readers.await.map_err(fault(DOING))?,
        })
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
        Ok(SqliteJournal {
            writer: None,
            readers: pool.await.map_err(fault("open the database for reading"))?,
        })
    }

    /// Does `work` in one transaction; durable on return.
    async fn write<T, F>(&self, doing: &'static str, work: F) -> Result<T, JournalFault>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Why> + Send + 'static,
    {
        let done = self.writer(doing)?.transact(work).await;
        done.map_err(|Why(why)| JournalFault { doing, why })
    }

    fn writer(&self, doing: &'static str) -> Result<&Writer, JournalFault> {
        self.writer.as_ref().ok_or_else(|| JournalFault {
            doing,
            why: "it was opened for reading".into(),
        })
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn close(&self) {
        self.readers.close().await;
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
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

    async fn append(&self, batch: Batch) -> Result<(), JournalFault> {
        const DOING: &str = "commit";
        let size = whole(batch.frontier.size());
        let before = size - whole(batch.rows.len() as u64);
        let grown = self.writer(DOING)?.transact_here(|to| {
            insert::rows(to, &batch.rows)?;
            insert::deliveries(to, &batch.deliveries)?;
            insert::versions(to, &batch.versions)?;
            let frontier = batch.frontier.to_bytes();
            let mut grow = to.prepare_cached(GROW)?;
            match grow.execute((size, frontier, before))? {
                1 => Ok(()),
                _ => Err(Why("the tree has grown meanwhile".into())),
            }
        });
        grown.map_err(|Why(why)| JournalFault { doing: DOING, why })
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
        let doing = "read message ids";
        let known = self.writer(doing)?.run_here(|from| {
            all_of(
                from,
                (DELIVERIES, messages.iter().map(|tag| (tag,))),
                read_sent,
            )
        });
        known.map_err(unwritten(doing))
    }

    async fn replaced(&self, versions: &[([u8; 16], u64)]) -> Result<Vec<Version>, JournalFault> {
        let doing = "read versions";
        let versions = versions.iter().map(|(tag, index)| (tag, whole(*index)));
        let known = self
            .writer(doing)?
            .run_here(|from| all_of(from, (REPLACED, versions), read_written));
        known.map_err(unwritten(doing))
    }

    async fn written(&self, resource: [u8; 16]) -> Result<Vec<Version>, JournalFault> {
        let doing = "read versions";
        let known = self
            .writer(doing)?
            .run(move |from| all_of(from, (WRITTEN, [(resource,)]), read_written));
        known.await.map_err(unwritten(doing))
    }

    async fn of_streams(&self, streams: &[[u8; 16]], from: u64) -> Result<Vec<u64>, JournalFault> {
        let found = erase::of_streams(&self.readers, streams, whole(from)).await;
        found.map_err(fault("look for what is to be erased"))
    }

    async fn forget(&self, seqs: &[u64]) -> Result<(), JournalFault> {
        const DOING: &str = "forget what was erased";
        let gone = erase::written_by(&self.readers, seqs).await;
        let gone = gone.map_err(fault(DOING))?;
        self.write(DOING, move |to| Ok(erase::forget(to, &gone)?))
            .await
    }

    async fn mend(&self, rows: &[Row]) -> Result<(), JournalFault> {
        let rows = rows.to_vec();
        self.write("put rows back", move |to| Ok(mend::mend(to, &rows)?))
            .await
    }

    async fn take_forged(&self) -> Result<Vec<Row>, JournalFault> {
        self.write("take forged rows away", |to| Ok(mend::take_forged(to)?))
            .await
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
        let next = next.clone();
        let swapped = self.write("swap the checkpoint", move |to| {
            let Published {
                size,
                note,
                edge,
                at,
            } = next;
            let size = whole(size);
            let changed = match expected {
                Some(expected) => {
                    let with = (size, note, edge, at, whole(expected));
                    to.execute(sql::PUBLISH_NEXT, with)?
                }
                None => to.execute(sql::PUBLISH_FIRST, (size, note, edge, at))?,
            };
            Ok(changed == 1)
        });
        swapped.await
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
}

/// What is known of each of these tags.
fn all_of<T, P: rusqlite::Params>(
    from: &rusqlite::Connection,
    (sql, asked): (&str, impl IntoIterator<Item = P>),
    read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, WriterFault> {
    let mut found = Vec::new();
    let mut asked = asked.into_iter().peekable();
    if asked.peek().is_none() {
        return Ok(found);
    }
    let mut known = from.prepare_cached(sql)?;
    for one in asked {
        for row in known.query_map(one, read)? {
            found.push(row?);
        }
    }
    Ok(found)
}

fn read_sent(row: &rusqlite::Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        message: row.get(0)?,
        content: row.get(1)?,
        seq: row.get::<_, i64>(2)?.unsigned_abs(),
        at: row.get(3)?,
    })
}

fn read_written(row: &rusqlite::Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version {
        resource: row.get(0)?,
        replaces: row.get::<_, i64>(1)?.unsigned_abs(),
        seq: row.get::<_, i64>(2)?.unsigned_abs(),
    })
}

/// What SQLite, or the work itself, said.
struct Why(String);

impl From<WriterFault> for Why {
    fn from(why: WriterFault) -> Why {
        Why(why.to_string())
    }
}

impl From<rusqlite::Error> for Why {
    fn from(why: rusqlite::Error) -> Why {
        Why(why.to_string())
    }
}

fn unwritten(doing: &'static str) -> impl Fn(WriterFault) -> JournalFault {
    move |error| JournalFault {
        doing,
        why: error.to_string(),
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
