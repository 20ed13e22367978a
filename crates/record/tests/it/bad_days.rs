//! Bad days of storage and clocks that are no attack: a page that was written by half, a vault that
//! gives back what it had long ago, a clock that is a year off.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use record::journal::{Journal as _, SqliteJournal};
use record::vault::{LocalVault, Vault, VaultFault};
use record::{Parts, Record};

use crate::house::{NOON, StillClock, config, data, fill, open, verified};

const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1_000;
/// Bytes of a page of the journal.
const PAGE: usize = 4_096;

/// A record with a bundle and more, closed, with everything in the journal's own file.
async fn closed(folder: &Path, events: u64) {
    let record = open(folder).await;
    fill(&record, 0, events).await;
    record.publish().await.unwrap();
    record.stop().await;
}

/// Where in the journal's file the content of an event lies.
async fn place_of(folder: &Path, event: u64) -> usize {
    let path = data(folder).join("journal.db");
    let journal = SqliteJournal::open(&path).await.unwrap();
    let row = journal.rows(event, 1).await.unwrap().remove(0);
    journal.close().await;
    let file = fs::read(&path).unwrap();
    let middle = &row.ciphertext[8..40];
    let found = file.windows(middle.len()).position(|bytes| bytes == middle);
    found.unwrap()
}

fn tear(folder: &Path, (from, to): (usize, usize)) {
    let path = data(folder).join("journal.db");
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&vec![0; to - from], from as u64).unwrap();
}

#[tokio::test]
async fn a_page_of_which_the_second_half_was_not_written_is_named_and_put_right() {
    let folder = tempfile::tempdir().unwrap();
    closed(folder.path(), 300).await;
    let place = place_of(folder.path(), 200).await;
    let end = place.next_multiple_of(PAGE);
    tear(folder.path(), (place, end));
    let torn = verified(folder.path()).await.alterations;
    assert!(!torn.is_empty(), "it is named");
    let record = open(folder.path()).await;
    let looked = record.scrub().await.unwrap();
    assert!(looked.altered > 0, "{looked:?}");
    assert_eq!(looked.altered, looked.healed, "{looked:?}");
    for index in 1..300 {
        record.get(index).await.unwrap();
    }
    record.stop().await;
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_any_more_is_said_and_comes_back_from_the_vault() {
    let folder = tempfile::tempdir().unwrap();
    closed(folder.path(), 300).await;
    tear(folder.path(), (0, PAGE));
    let refused = Record::open(config(folder.path()), StillClock::at(NOON)).await;
    let why = refused
        .err()
        .expect("nothing is taken on a torn journal")
        .to_string();
    assert!(
        why.contains("not a database") || why.contains("malformed"),
        "{why}"
    );
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(data(folder.path()).join(name));
    }
    let record = open(folder.path()).await;
    assert_eq!(record.size(), 301);
    fill(&record, 300, 1).await;
    record.stop().await;
    assert_eq!(verified(folder.path()).await.alterations, []);
}

/// A vault that gives back what some objects were at an earlier moment, whatever is stored.
struct Stale(LocalVault, HashMap<String, Bytes>);

#[async_trait]
impl Vault for Stale {
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), VaultFault> {
        self.0.put(path, bytes).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
        match self.1.get(path) {
            Some(old) => Ok(Some(old.clone())),
            None => self.0.get(path).await,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, VaultFault> {
        self.0.list(prefix).await
    }

    async fn discard(&self, path: &str) -> Result<(), VaultFault> {
        self.0.discard(path).await
    }
}

#[tokio::test]
async fn a_vault_that_returns_old_bytes_takes_nothing_back_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    closed(folder.path(), 300).await;
    let vault = data(folder.path()).join("vault");
    let old = fs::read(vault.join("checkpoint")).unwrap();
    let record = open(folder.path()).await;
    fill(&record, 300, 300).await;
    record.publish().await.unwrap();
    let head = record.checkpoint().1;
    record.stop().await;
    drop(record);
    let journal = data(folder.path()).join("journal.db");
    let stale = HashMap::from([("checkpoint".to_owned(), Bytes::from(old))]);
    let parts = Parts {
        journal: Arc::new(SqliteJournal::open(&journal).await.unwrap()),
        vault: Arc::new(Stale(LocalVault::open(&vault).unwrap(), stale)),
    };
    let record = Record::open_with(config(folder.path()), parts, StillClock::at(NOON));
    let record = record.await.unwrap();
    assert_eq!(record.size(), 601, "nothing is taken back");
    assert_eq!(record.checkpoint().1, head, "nor is the head");
    let looked = record.scrub().await.unwrap();
    assert!(
        looked.altered > 0,
        "the old checkpoint is named: {looked:?}"
    );
    record.stop().await;
    drop(record);
    assert_eq!(verified(folder.path()).await.alterations, []);
}

#[tokio::test]
async fn a_clock_that_is_a_year_off_and_put_right_orders_everything_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let clock = StillClock::at(NOON);
    let record = Record::open(config(folder.path()), clock.clone())
        .await
        .unwrap();
    for (number, at) in [NOON, NOON + YEAR_MS, NOON - YEAR_MS, NOON + 1_000]
        .into_iter()
        .enumerate()
    {
        clock.put(at);
        fill(&record, number as u64 * 10, 10).await;
        record.publish().await.unwrap();
    }
    let sealed = record.read(0, 100).await.unwrap();
    assert_eq!(sealed.len(), 41, "nothing is refused for its time");
    assert!(sealed.iter().map(record::Sealed::at).is_sorted());
    record.stop().await;
    drop(record);
    let record = Record::open(config(folder.path()), StillClock::at(NOON - YEAR_MS)).await;
    let record = record.expect("it starts, whatever the clock says");
    fill(&record, 40, 1).await;
    record.stop().await;
    assert_eq!(verified(folder.path()).await.alterations, []);
}
