//! Objects of somebody else's format at a place, pinned one by one: whatever is added, replaced or
//! hidden there by others is not seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use seal::Edge;

use super::chain::{chain, fetched};
use super::manifest::{self, Manifest, Object};
use super::place::{Lock, Place, Shelf};
use super::turn::Turn;
use super::{DEPTH_MAX, broken};
use crate::config::Config;
use crate::engines;
use crate::sealed::Outcome;

/// What is pinned at a place, and what is being added to it.
pub struct Pins {
    shelf: Arc<dyn Shelf>,
    place: String,
    /// SHA-256 of the manifest that this goes on from, and how many it goes on from itself.
    before: Option<(String, u32)>,
    seen: Mutex<Seen>,
}

/// Every object that may be seen.
#[derive(Default)]
struct Seen {
    objects: HashMap<String, Object>,
    /// Their paths as they were pinned: the order that no clock can change.
    order: Vec<String>,
    /// How many of them were pinned before.
    before: usize,
}

impl Seen {
    fn take(&mut self, object: Object) {
        let path = object.path.clone();
        if self.objects.insert(path.clone(), object).is_none() {
            self.order.push(path);
        }
    }

    fn from(&self, first: usize) -> impl Iterator<Item = &Object> {
        let paths = self.order.iter().skip(first);
        paths.filter_map(|path| self.objects.get(path))
    }
}

/// A manifest that pins what was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinsMade {
    /// Events that the log had.
    pub size: u64,
    /// SHA-256 of the manifest, in hex.
    pub manifest: String,
    /// Objects that were added.
    pub objects: u64,
    /// Bytes that were added.
    pub bytes: u64,
    /// What keeps it at its place.
    pub lock: Lock,
}

impl Pins {
    /// What a manifest pins, by its SHA-256 in hex; `None`: nothing yet.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if the place cannot be read or has no such manifest.
    pub async fn open(place: &Place, manifest: Option<&str>) -> Outcome<Pins> {
        let shelf = place.open().map_err(broken)?;
        let (mut seen, mut before) = (Seen::default(), None);
        if let Some(sha256) = manifest {
            let gone = || broken(format!("`{}` has no manifest {sha256}", place.words()));
            let last = fetched(shelf.as_ref(), (manifest::PINS, sha256))
                .await?
                .ok_or_else(gone)?;
            before = Some((sha256.to_owned(), last.depth));
            for one in chain(shelf.as_ref(), (manifest::PINS, last)).await? {
                one.objects.into_iter().for_each(|object| seen.take(object));
            }
        }
        seen.before = seen.order.len();
        Ok(Pins {
            shelf,
            place: place.words(),
            before,
            seen: Mutex::new(seen),
        })
    }

    /// Where it is, for people.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Paths and sizes in bytes of what is pinned under a prefix, in the order it was pinned.
    pub fn list(&self, prefix: &str) -> Vec<(String, u64)> {
        let seen = self.seen();
        let under = seen.from(0).filter(|one| one.path.starts_with(prefix));
        under.map(|one| (one.path.clone(), one.bytes)).collect()
    }

    /// Adds an object, durable on return.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if the place cannot be written, or has other content
    /// of that name and no versions.
    pub async fn add(&self, path: &str, bytes: Bytes) -> Outcome<()> {
        let sha256 = manifest::sha256(&bytes);
        self.put(path.to_owned(), sha256, bytes).await
    }

    /// The same for one that is named by its SHA-256, which `path` is told in hex and which is
    /// returned.
    ///
    /// # Errors
    /// As [`Pins::add`].
    pub async fn add_named(&self, path: impl Fn(&str) -> String, bytes: Bytes) -> Outcome<String> {
        let sha256 = manifest::sha256(&bytes);
        self.put(path(&sha256), sha256.clone(), bytes).await?;
        Ok(sha256)
    }

    async fn put(&self, path: String, sha256: String, bytes: Bytes) -> Outcome<()> {
        let length = bytes.len() as u64;
        let version = self.shelf.add(&path, bytes).await.map_err(broken)?;
        self.seen().take(Object {
            path,
            bytes: length,
            sha256,
            version,
        });
        Ok(())
    }

    /// An object, held against its pin.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if it is not pinned, gone, or not what was pinned.
    pub async fn read(&self, path: &str) -> Outcome<Bytes> {
        let pinned = self.pinned(path)?;
        let found = self.shelf.get(path, pinned.version.as_deref()).await;
        let found = found.map_err(broken)?;
        let bytes = found.ok_or_else(|| broken(format!("`{path}` is gone")))?;
        match manifest::sha256(&bytes) == pinned.sha256 {
            true => Ok(bytes),
            false => Err(broken(format!("`{path}` is not what was pinned"))),
        }
    }

    /// Writes the manifest of what was added: from here on it counts.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if record or place cannot be used, or the turn is
    /// that at another place.
    pub async fn pin(&self, config: &Config, turn: &Turn) -> Outcome<PinsMade> {
        if turn.place() != self.place {
            return Err(broken("the turn that was taken is at another place"));
        }
        let size = log_size(config).await?;
        let manifest = self.manifest();
        let (objects, bytes) = {
            let seen = self.seen();
            let added = seen.from(seen.before);
            added.fold((0, 0), |(count, sum), one| (count + 1, sum + one.bytes))
        };
        let text = manifest.to_text();
        let sha256 = manifest::sha256(text.as_bytes());
        let path = manifest::path(manifest::PINS, size, &sha256);
        let put = self.shelf.add(&path, text.into()).await;
        put.map_err(broken)?;
        turn.remember(&sha256)?;
        Ok(PinsMade {
            size,
            manifest: sha256,
            objects,
            bytes,
            lock: self.shelf.lock().await,
        })
    }

    fn manifest(&self) -> Manifest {
        let seen = self.seen();
        let going_on = self.before.clone();
        let going_on = going_on.filter(|(_, depth)| depth + 1 < DEPTH_MAX);
        let first = going_on.as_ref().map_or(0, |_| seen.before);
        Manifest {
            depth: going_on.as_ref().map_or(0, |(_, depth)| depth + 1),
            previous: going_on.map(|(sha256, _)| sha256),
            edge: Edge::default(),
            objects: seen.from(first).cloned().collect(),
            // The log pins this manifest by its hash; it proves nothing of the log.
            note: String::new(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pinned(&self, path: &str) -> Outcome<Object> {
        let found = self.seen().objects.get(path).cloned();
        found.ok_or_else(|| broken(format!("`{path}` is not pinned")))
    }
}

async fn log_size(config: &Config) -> Outcome<u64> {
    let journal = engines::journal_read_only(config).await?;
    let frontier = journal.frontier().await;
    journal.close().await;
    Ok(frontier.map_err(broken)?.size())
}
