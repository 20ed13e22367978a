//! The SQL half of the record: rows, deliveries, versions, the tree's frontier, the checkpoint.

mod block;
mod carry;
mod postgres;
mod sql;
mod sqlite;

use async_trait::async_trait;
use seal::Frontier;
use thiserror::Error;

pub use block::{Block, RowRef};
pub use carry::Carry;
pub use postgres::PostgresJournal;
pub use sqlite::SqliteJournal;

/// One event as it lies in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its index.
    pub seq: u64,
    /// The random name of its key.
    pub stream: [u8; 16],
    /// When it was sealed, milliseconds since the epoch.
    pub at: i64,
    /// The encoded [`seal::Entry`].
    pub entry: Vec<u8>,
    /// What only the key opens.
    pub ciphertext: Vec<u8>,
}

/// A message id that was seen: blind tags, so that the clear columns say nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Tag of sender and message id.
    pub message: [u8; 16],
    /// Tag of the content.
    pub content: [u8; 16],
    /// The index it got.
    pub seq: u64,
    /// When.
    pub at: i64,
}

/// A version of a resource that was replaced, and by what. (resource, replaces) is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Blind tag of type and id.
    pub resource: [u8; 16],
    /// The version that was replaced; 0: none.
    pub replaces: u64,
    /// The version that replaced it.
    pub seq: u64,
}

/// What one commit adds.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Rows, with consecutive `seq` from the current size on.
    pub rows: Vec<Row>,
    /// Message ids.
    pub deliveries: Vec<Delivery>,
    /// Versions.
    pub versions: Vec<Version>,
    /// The frontier after the batch.
    pub frontier: Frontier,
}

/// The last published checkpoint, as SQL keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Size of the tree.
    pub size: u64,
    /// The signed note.
    pub note: String,
    /// The tiles' right edge at that size ([`seal::Edge`]).
    pub edge: Vec<u8>,
    /// When it was signed, milliseconds since the epoch.
    pub at: i64,
}

/// Why the journal did not do what it was asked.
#[derive(Debug, Clone, Error)]
#[error("the journal cannot {doing}: {why}")]
pub struct JournalFault {
    /// What was being done.
    pub doing: &'static str,
    /// What the database said.
    pub why: String,
}

/// Where rows are durable. Implementations: SQLite and PostgreSQL. [`Journal::append`] and what is asked just before it
/// ([`Journal::deliveries`], [`Journal::replaced`]) are the sequencer's, which has a thread of its own: they may block it.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Closes what is open; nothing else is asked of it afterwards.
    async fn close(&self) {}
    /// The frontier after the last commit.
    async fn frontier(&self) -> Result<Frontier, JournalFault>;
    /// Adds a batch in one transaction; durable on return. Refuses rows that do not follow.
    async fn append(&self, batch: Batch) -> Result<(), JournalFault>;
    /// Up to `limit` rows from `from` on, in order.
    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, JournalFault>;
    /// The same rows for who looks at each once and keeps none.
    async fn block(&self, from: u64, limit: usize) -> Result<Block, JournalFault> {
        Ok(self.rows(from, limit).await?.into_iter().collect())
    }
    /// What is known of these message tags.
    async fn deliveries(&self, messages: &[[u8; 16]]) -> Result<Vec<Delivery>, JournalFault>;
    /// Those of these versions (tag of the resource, index; 0: none) that were replaced, and by what.
    async fn replaced(&self, versions: &[([u8; 16], u64)]) -> Result<Vec<Version>, JournalFault>;
    /// Everything that was written of a resource, by its tag.
    async fn written(&self, resource: [u8; 16]) -> Result<Vec<Version>, JournalFault>;
    /// The indexes, from `from` on, of the events of these streams, in order.
    async fn of_streams(&self, streams: &[[u8; 16]], from: u64) -> Result<Vec<u64>, JournalFault>;
    /// Puts rows back as they were sealed, whatever lies in their places; durable on return.
    async fn mend(&self, rows: &[Row]) -> Result<(), JournalFault>;
    /// Takes rows away that no commit accounts for, at and beyond the tree's size, and gives them.
    async fn take_forged(&self) -> Result<Vec<Row>, JournalFault>;
    /// Forgets which versions of resources these events wrote.
    async fn forget(&self, seqs: &[u64]) -> Result<(), JournalFault>;
    /// The last published checkpoint.
    async fn published(&self) -> Result<Option<Published>, JournalFault>;
    /// Replaces the checkpoint if it still has the size `expected` (`None`: there is none yet).
    async fn publish(&self, expected: Option<u64>, next: &Published) -> Result<bool, JournalFault>;
    /// Where the record went, if it was carried elsewhere: nothing is added here any more.
    async fn moved(&self) -> Result<Option<String>, JournalFault> {
        Ok(None)
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn fault(doing: &'static str) -> impl Fn(sqlx::Error) -> JournalFault {
    move |error| JournalFault {
        doing,
        why: error.to_string(),
    }
}

fn malformed(doing: &'static str) -> JournalFault {
    JournalFault {
        doing,
        why: "a column does not hold what it should".into(),
    }
}
