use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::Place;
use crate::engines::{Objects, Storage};
use crate::root::RootConfig;

/// Where the record lives and what it may use.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data folder: `journal.db`, `keyring.db`, `keys/`, `vault/`.
    pub data: PathBuf,
    /// Where rows are durable.
    pub storage: Storage,
    /// Where tiles and packs are durable.
    pub objects: Objects,
    /// The log's origin line (C2SP tlog-checkpoint); counts only when the log key is made.
    pub origin: String,
    /// Events in one commit, at most.
    pub batch_events_max: usize,
    /// Events waiting for a commit, at most; more wait at the door.
    pub queue_events_max: usize,
    /// Plaintext bytes of one event, at most.
    pub event_bytes_max: usize,
    /// Bytes of base64 in a resource from which on it lies in the vault, and not in the row of its event;
    /// 1024 at least.
    pub content_bytes_min: usize,
    /// Resources and patients whose last write is remembered to detect lost updates.
    pub recent_writes_max: usize,
    /// Bytes of the newest events kept in memory for the readers that keep up.
    pub newest_bytes_max: usize,
    /// Patients' keys kept unwrapped in memory.
    pub keys_cached_max: NonZeroUsize,
    /// Time between checkpoints, in milliseconds.
    pub checkpoint_interval_ms: u64,
    /// Bytes a second that looking the record over may read; 0: it is not looked over.
    pub scrub_bytes_per_second: u64,
    /// Seconds between the end of one look over the whole record and the next.
    pub scrub_rest_seconds: u64,
    /// Where objects may also lie, such as a place of backups: what is missing in the vault is put
    /// right from there.
    pub objects_second: Option<Place>,
    /// Days after which an object is removed that no event names; two at least.
    pub objects_unnamed_days: u32,
    /// Names of objects that are held in memory at a time, while they are looked for in events.
    pub objects_names_max: usize,
    /// Where the root of all keys is kept.
    pub root: RootConfig,
}

impl Config {
    /// The defaults, for a data folder.
    pub fn new(data: PathBuf) -> Config {
        Config {
            data,
            storage: Storage::File,
            objects: Objects::File,
            origin: "salus.invalid/record".into(),
            batch_events_max: 1_000,
            queue_events_max: 4_096,
            event_bytes_max: 64 << 20,
            content_bytes_min: 64 << 10,
            recent_writes_max: 200_000,
            newest_bytes_max: 16 << 20,
            keys_cached_max: NonZeroUsize::new(20_000).unwrap_or(NonZeroUsize::MIN),
            checkpoint_interval_ms: 1_000,
            scrub_bytes_per_second: 4 << 20,
            scrub_rest_seconds: 60,
            objects_second: None,
            objects_unnamed_days: 7,
            objects_names_max: 500_000,
            root: RootConfig::File,
        }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.data.join("journal.db")
    }

    pub(crate) fn keyring(&self) -> PathBuf {
        self.data.join("keyring.db")
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.data.join("vault")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.data.join("keys")
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.data.join("node")
    }

    pub(crate) fn root_key(&self) -> PathBuf {
        self.keys().join("root.key")
    }

    pub(crate) fn next_root_key(&self) -> PathBuf {
        self.keys().join("root.key.next")
    }
}
