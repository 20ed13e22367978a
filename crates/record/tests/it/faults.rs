//! Journals and vaults that fail, tear and fill up: after each, the record verifies and holds
//! everything that was acknowledged, once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use event::Body;
use record::journal::{
    Batch, Delivery, Journal, JournalFault, Published, Row, SqliteJournal, Version,
};
use record::vault::{LocalVault, Vault, VaultFault};
use record::{Parts, Record};
use seal::Frontier;

use crate::house::{NOON, StillClock, config, data, message, open, verified};

/// A source of bad luck: seeded (splitmix64), or one that strikes a single time.
struct Luck(AtomicU64, Option<u64>);

impl Luck {
    fn draw(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The one step that fails, and nothing else.
    fn at(step: u64) -> Arc<Luck> {
        Arc::new(Luck(AtomicU64::new(0), Some(step)))
    }

    fn strikes(&self, one_in: u64) -> bool {
        match self.1 {
            Some(step) => self.0.fetch_add(1, Ordering::SeqCst) == step,
            None => self.draw().is_multiple_of(one_in),
        }
    }
}

/// Fails before the commit, or after it ("the connection broke": the outcome is unknown).
struct FaultyJournal(SqliteJournal, Arc<Luck>);

fn disk_full(doing: &'static str) -> JournalFault {
    JournalFault {
        doing,
        why: "database or disk is full".into(),
    }
}

#[async_trait]
impl Journal for FaultyJournal {
    async fn frontier(&self) -> Result<Frontier, JournalFault> {
        self.0.frontier().await
    }

    async fn append(&self, batch: Batch) -> Result<(), JournalFault> {
        if self.1.strikes(4) {
            return Err(disk_full("commit"));
        }
        self.0.append(batch).await?;
        if self.1.strikes(5) {
            Err(disk_full("hear of the commit"))
        } else {
            Ok(())
        }
    }

    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, JournalFault> {
        self.0.rows(from, limit).await
    }

    async fn deliveries(&self, messages: &[[u8; 16]]) -> Result<Vec<Delivery>, JournalFault> {
        if self.1.strikes(20) {
            Err(disk_full("read"))
        } else {
            self.0.deliveries(messages).await
        }
    }

    async fn replaced(&self, versions: &[([u8; 16], u64)]) -> Result<Vec<Version>, JournalFault> {
        self.0.replaced(versions).await
    }

    async fn written(&self, resource: [u8; 16]) -> Result<Vec<Version>, JournalFault> {
        self.0.written(resource).await
    }

    async fn of_streams(&self, streams: &[[u8; 16]], from: u64) -> Result<Vec<u64>, JournalFault> {
        self.0.of_streams(streams, from).await
    }

    async fn forget(&self, seqs: &[u64]) -> Result<(), JournalFault> {
        if self.1.strikes(4) {
            return Err(disk_full("forget"));
        }
        self.0.forget(seqs).await
    }

    async fn mend(&self, rows: &[Row]) -> Result<(), JournalFault> {
        if self.1.strikes(4) {
            return Err(disk_full("put rows back"));
        }
        self.0.mend(rows).await
    }

    async fn take_forged(&self) -> Result<Vec<Row>, JournalFault> {
        self.0.take_forged().await
    }

    async fn published(&self) -> Result<Option<Published>, JournalFault> {
        self.0.published().await
    }

    async fn publish(&self, expected: Option<u64>, next: &Published) -> Result<bool, JournalFault> {
        if self.1.strikes(4) {
            return Err(disk_full("swap"));
        }
        let swapped = self.0.publish(expected, next).await?;
        if self.1.strikes(6) {
            Err(disk_full("hear of the swap"))
        } else {
            Ok(swapped)
        }
    }
}

/// Fails, or stores only the first half of an object and fails (a torn write).
struct FaultyVault(LocalVault, Arc<Luck>);

#[async_trait]
impl Vault for FaultyVault {
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), VaultFault> {
        let fault = || VaultFault {
            doing: "store",
            path: path.into(),
            why: "no space".into(),
        };
        if self.1.strikes(12) {
            return Err(fault());
        }
        if path != "checkpoint" && self.1.strikes(12) {
            self.0.put(path, bytes.slice(..bytes.len() / 2)).await?;
            return Err(fault());
        }
        self.0.put(path, bytes).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, VaultFault> {
        self.0.get(path).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, VaultFault> {
        self.0.list(prefix).await
    }

    async fn discard(&self, path: &str) -> Result<(), VaultFault> {
        self.0.discard(path).await
    }
}

async fn open_faulty(folder: &Path, luck: &Arc<Luck>) -> Option<Record> {
    let data = data(folder);
    std::fs::create_dir_all(data.join("vault")).unwrap();
    let journal = SqliteJournal::open(&data.join("journal.db")).await.unwrap();
    let vault = LocalVault::open(&data.join("vault")).unwrap();
    let parts = Parts {
        journal: Arc::new(FaultyJournal(journal, Arc::clone(luck))),
        vault: Arc::new(FaultyVault(vault, Arc::clone(luck))),
    };
    Record::open_with(config(folder), parts, StillClock::at(NOON))
        .await
        .ok()
}

/// One round: sends like a sender that repeats until it is acknowledged; then everything is
/// checked with honest parts.
async fn round(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let luck = Arc::new(Luck(AtomicU64::new(seed), None));
    play(folder.path(), &luck, (3, 60, &format!("seed {seed}"))).await;
}

/// Sends in several parts with a killed process between them; then everything is checked.
async fn play(folder: &Path, luck: &Arc<Luck>, (parts, messages, what): (u32, u32, &str)) {
    // Keys are made beside a record that does not exist yet, before anything may fail.
    open(folder).await.stop().await;
    let mut acknowledged: HashMap<String, u64> = HashMap::new();
    for part in 0..parts {
        let Some(record) = open_faulty(folder, luck).await else {
            continue;
        };
        for number in 0..messages {
            let control = format!("{part}-{number}");
            for _ in 0..30 {
                let sent = record.admit(vec![message(&control, "p", &control)]).await;
                if let Ok(receipts) = sent {
                    acknowledged.insert(control.clone(), receipts[0].index);
                    break;
                }
            }
            if number % 7 == 0 {
                let _ = record.publish().await;
            }
        }
        // No farewell: the record is dropped as a killed process would drop it.
        drop(record);
    }
    let record = open(folder).await;
    record.publish().await.unwrap();
    let sealed = record.read(0, 10_000).await.unwrap();
    let mut times: HashMap<String, u64> = HashMap::new();
    for one in &sealed {
        let Body::Message(message) = &one.event().body else {
            continue;
        };
        assert!(
            times.insert(message.control.clone(), one.index()).is_none(),
            "twice: {what}"
        );
    }
    for (control, index) in &acknowledged {
        assert_eq!(
            times.get(control),
            Some(index),
            "{what}: {control} was acknowledged"
        );
    }
    record.stop().await;
    assert_eq!(verified(folder).await.alterations, [], "{what}");
}

/// 20 rounds; `SALUS_FAULT_ROUNDS` asks for more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_is_there_twice() {
    let rounds = std::env::var("SALUS_FAULT_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok());
    for seed in 0..rounds.unwrap_or(20) {
        round(seed).await;
    }
}

/// The disk is full at each step there is, one after the other: of a look-up, of a commit before and
/// after it is durable, of a checkpoint before and after, of a file that is stored whole, by half or
/// not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_at_any_one_step_loses_nothing() {
    for step in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let luck = Luck::at(step);
        play(folder.path(), &luck, (2, 8, &format!("step {step}"))).await;
        if luck.0.load(Ordering::SeqCst) <= step {
            assert!(step > 40, "only {step} steps were tried");
            break;
        }
    }
}
