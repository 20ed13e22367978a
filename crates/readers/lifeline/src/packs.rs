//! The packs that were made: their locks, their files, and how old they are.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use event::Time;

use crate::code::{Code, PackKey, Which};
use crate::lock::Lock;
use crate::pack::{self, Content, Head, Stamp};
use crate::{Error, Limits, push};

/// Locks that are kept: one a ward, and a few of the period before.
const LOCKS_MAX: usize = 1_000;

/// How a ward's pack stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackStatus {
    /// The ward's code.
    pub ward: String,
    /// When the newest pack was made or found up to date; `None`: there is none since the start.
    pub made: Option<Time>,
    /// The record's size it was made at.
    pub events: u64,
    /// Patients in it.
    pub patients: usize,
    /// Bytes of the file.
    pub bytes: usize,
    /// Where it was put.
    pub puts: Vec<Put>,
    /// Why the last try to make it failed; empty: it did not.
    pub wrong: String,
}

/// How it stands in one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The folder.
    pub folder: PathBuf,
    /// When a pack was last put there, read again and opened; `None`: never since the start.
    pub proved: Option<Time>,
    /// What keeps the newest one from being there; empty: nothing.
    pub wrong: String,
}

impl PackStatus {
    fn new(ward: &str) -> PackStatus {
        PackStatus {
            ward: ward.to_owned(),
            made: None,
            events: 0,
            patients: 0,
            bytes: 0,
            puts: Vec::new(),
            wrong: String::new(),
        }
    }

    /// The age of the oldest copy that counts, in milliseconds; `None`: one is missing.
    pub fn age(&self, now: Time) -> Option<i64> {
        let puts = self.puts.iter().map(|put| put.proved);
        let all: Option<Vec<Time>> = puts.chain([self.made]).collect();
        all?.into_iter()
            .min()
            .map(|oldest| now.since(oldest).max(0))
    }

    /// Whether somebody has to look: a copy is missing, old, or could not be made.
    pub fn is_old(&self, now: Time, limits: &Limits) -> bool {
        self.age(now).is_none_or(|age| age > limits.pack_old_ms)
    }
}

/// What is kept of the packs. Nothing of it is in the record: it is made again at the start.
#[derive(Default)]
pub(crate) struct Packs {
    locks: Mutex<HashMap<Which, Arc<Lock>>>,
    made: Mutex<BTreeMap<String, Kept>>,
}

/// A ward's pack: how it stands, and its newest file.
type Kept = (PackStatus, Arc<Vec<u8>>);

/// One pack to be made.
pub(crate) struct Order<'a> {
    pub(crate) which: Which,
    pub(crate) content: &'a Content,
    pub(crate) patients: usize,
    pub(crate) stamp: &'a Stamp,
}

impl Packs {
    fn lock(&self, key: &PackKey, which: &Which) -> Result<Arc<Lock>, Error> {
        if let Some(lock) = guard(&self.locks).get(which) {
            return Ok(Arc::clone(lock));
        }
        let lock = Arc::new(Lock::of(&key.code(which), key.salt(which))?);
        let mut locks = guard(&self.locks);
        if locks.len() >= LOCKS_MAX {
            locks.clear();
        }
        locks.insert(which.clone(), Arc::clone(&lock));
        Ok(lock)
    }

    /// Makes the file, opens it again, and puts it into each folder.
    pub(crate) fn make(
        &self,
        key: &PackKey,
        order: &Order<'_>,
        folders: &[PathBuf],
    ) -> Result<Arc<Vec<u8>>, Error> {
        let ward = &order.stamp.ward;
        let lock = self.lock(key, &order.which)?;
        let file = pack::make(order.content, order.stamp, &lock)?;
        let put = |folder: &PathBuf| put(folder, ward, (&file, &lock));
        let results: Vec<(PathBuf, Result<(), Error>)> = folders
            .iter()
            .map(|folder| (folder.clone(), put(folder)))
            .collect();
        let file = Arc::new(file);
        let mut made = guard(&self.made);
        let (status, kept) = made
            .entry(ward.clone())
            .or_insert_with(|| (PackStatus::new(ward), Arc::default()));
        *kept = Arc::clone(&file);
        status.made = Some(order.stamp.made);
        status.events = order.stamp.head.size;
        status.patients = order.patients;
        status.bytes = file.len();
        status.wrong.clear();
        note(status, results, order.stamp.made);
        Ok(file)
    }

    /// Notes that a ward's pack could not be made.
    pub(crate) fn failed(&self, ward: &str, why: &str, folders: &[PathBuf]) {
        let mut made = guard(&self.made);
        let (status, _) = made
            .entry(ward.to_owned())
            .or_insert_with(|| (PackStatus::new(ward), Arc::default()));
        why.clone_into(&mut status.wrong);
        for folder in folders {
            if !status.puts.iter().any(|put| put.folder == *folder) {
                status.puts.push(Put {
                    folder: folder.clone(),
                    proved: None,
                    wrong: why.to_owned(),
                });
            }
        }
    }

    pub(crate) fn statuses(&self) -> Vec<PackStatus> {
        let made = guard(&self.made);
        made.values().map(|(status, _)| status.clone()).collect()
    }

    /// The newest file of a ward.
    pub(crate) fn file(&self, ward: &str) -> Option<(Time, Arc<Vec<u8>>)> {
        let made = guard(&self.made);
        let (status, file) = made.get(ward)?;
        Some((status.made?, Arc::clone(file)))
    }

    /// Whether this code is the one that opens this file: for whoever wants to know beforehand.
    pub(crate) fn opens(file: &[u8], code: &Code) -> bool {
        pack::open(file, code).is_ok()
    }
}

/// Puts it, and opens what is there.
fn put(folder: &Path, ward: &str, (file, lock): (&[u8], &Lock)) -> Result<(), Error> {
    let path = push::put(folder, ward, file)?;
    let there = std::fs::read(&path).map_err(|why| Error::NotPut {
        folder: folder.to_owned(),
        why: why.to_string(),
    })?;
    pack::open_with(&there, lock).map(drop)
}

fn note(status: &mut PackStatus, results: Vec<(PathBuf, Result<(), Error>)>, made: Time) {
    let before = std::mem::take(&mut status.puts);
    status.puts = results
        .into_iter()
        .map(|(folder, result)| {
            let old = before.iter().find(|put| put.folder == folder);
            let (proved, wrong) = match result {
                Ok(()) => (Some(made), String::new()),
                Err(why) => (old.and_then(|put| put.proved), why.to_string()),
            };
            Put {
                folder,
                proved,
                wrong,
            }
        })
        .collect();
}

/// What a panicking thread left is still what was made.
fn guard<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A head as the stamp wants it.
pub(crate) fn head(checkpoint: &str) -> Head {
    Head::of(checkpoint)
}
