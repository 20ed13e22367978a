use std::path::PathBuf;
use std::sync::Arc;

use event::{Clock, Time};
use guard::{Admitted, Decision};
use tokio::sync::watch;

use crate::sealed::Outcome;
use crate::{Blind, Receipt, Sealed, Witnessed};

/// Where the record lives and what it may use.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// The log's origin line.
    pub origin: String,
}

/// The one sealed record. Cheap to clone: every clone is the same record.
#[derive(Clone)]
pub struct Record {}

#[expect(clippy::unused_async, clippy::todo, reason = "skeleton")]
impl Record {
    /// Opens (or makes) the record in the data folder.
    ///
    /// # Errors
    /// [`crate::Error::Broken`] if it cannot be read, or is behind what was published.
    pub async fn open(_config: Config, _clock: Arc<dyn Clock>) -> Outcome<Record> {
        todo!()
    }
    /// Seals events, all or none, and returns after the commit.
    pub async fn admit(&self, _events: Vec<Admitted>) -> Outcome<Vec<Receipt>> {
        todo!()
    }
    /// Seals a decision; the only source of permits.
    pub async fn witness(&self, _decision: Decision) -> Outcome<Witnessed> {
        todo!()
    }
    /// Number of committed events.
    pub fn size(&self) -> u64 {
        todo!()
    }
    /// Changes whenever something was committed: the number of committed events.
    pub fn growth(&self) -> watch::Receiver<u64> {
        todo!()
    }
    /// Up to `limit` events from `from` on; those that were erased are left out.
    pub async fn read(&self, _from: u64, _limit: usize) -> Outcome<Vec<Sealed>> {
        todo!()
    }
    /// One event.
    pub async fn get(&self, _index: u64) -> Outcome<Sealed> {
        todo!()
    }
    /// The last published checkpoint: (size, signed note text, when).
    pub fn checkpoint(&self) -> (u64, String, Time) {
        todo!()
    }
    /// A C2SP tlog-proof of one event against the last published checkpoint.
    pub async fn proof(&self, _index: u64) -> Outcome<String> {
        todo!()
    }
    /// Re-reads this one event from disk and checks row, entry, tiles and signature.
    /// `Ok(None)`: all agree; `Ok(Some(what))`: what is wrong, in words.
    pub async fn check(&self, _index: u64) -> Outcome<Option<String>> {
        todo!()
    }
    /// Makes stable ids from identifiers.
    pub fn blind(&self) -> Blind {
        todo!()
    }
    /// Stops taking events, seals what was accepted, publishes and returns.
    pub async fn stop(&self) {
        todo!()
    }
}
