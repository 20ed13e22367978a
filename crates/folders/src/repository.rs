use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use record::Pins;
use tokio::runtime::Handle;

use crate::bring::{Brought, bring};
use crate::error::Error;
use crate::format::Snapshot;
use crate::keep::keep;
use crate::store::{Shelf, Store};

/// What goes under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Folders and files, with everything in them.
    Paths(Vec<PathBuf>),
    /// A program with its arguments: what it writes to its standard output becomes one file with
    /// the name. If it does not end well, nothing of it is kept.
    Dump(Vec<String>),
}

/// Told how far something is: (bytes done, bytes in all).
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// A snapshot of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The name.
    pub name: String,
    /// The snapshot's id, as restic lists it.
    pub snapshot: String,
    /// When it was made, as the machine's clock said it.
    pub at: String,
    /// Files in it.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Bytes that it added to the repository.
    pub added: u64,
    /// Files that could not be read and are not in it, each with the reason.
    pub unread: Vec<String>,
}

/// A repository that restic opens too: encrypted under a password, each piece of a file once.
/// Nothing in it is removed or replaced, and nothing is seen that is not pinned.
pub struct Repository {
    pins: Arc<Pins>,
    password: String,
}

impl Repository {
    /// The repository of some pins; made with the first snapshot if nothing is pinned yet.
    pub fn new(pins: Arc<Pins>, password: &str) -> Repository {
        Repository {
            pins,
            password: password.trim().to_owned(),
        }
    }

    /// Takes a snapshot. The manifest that pins it is the caller's. Works on threads of its own,
    /// and ends with the next object when nobody waits for it any more.
    ///
    /// # Errors
    /// [`Error`] if a path is not there, the dump's program fails, or the place cannot be written;
    /// then no snapshot of this name was added.
    pub async fn keep(&self, name: &str, from: Source, told: Progress) -> Result<Kept, Error> {
        there(&from)?;
        let (name, own) = (name.to_owned(), name.to_owned());
        let kept = self.apart(move |store| {
            let before = named(&store, &name)?.pop();
            keep(&store, (name.as_str(), &from), before.as_ref(), &told)
        });
        let kept = kept.await?;
        let mut one = kept_of((kept.id, kept.snapshot));
        one.name = own;
        one.unread = kept.unread;
        Ok(one)
    }

    /// Every pinned snapshot, in the order in which they were pinned.
    ///
    /// # Errors
    /// [`Error`] if the repository does not open with this password, or is damaged.
    pub async fn kept(&self) -> Result<Vec<Kept>, Error> {
        let all = self.apart(|store| snapshots(&store)).await?;
        Ok(all.into_iter().map(kept_of).collect())
    }

    /// Brings back the snapshot of a name that was pinned last, into `to`, under the paths that the
    /// files had. What is there already and right is left; nothing is removed.
    ///
    /// # Errors
    /// [`Error`] if there is none, if an object of it is gone or not what was pinned, or if `to`
    /// cannot be written.
    pub async fn bring(&self, name: &str, to: &Path, told: Progress) -> Result<Brought, Error> {
        let (name, to) = (name.to_owned(), to.to_owned());
        let brought = self.apart(move |store| {
            let found = named(&store, &name)?.pop();
            let none = || Error(format!("no snapshot of `{name}` is pinned"));
            let (id, snapshot) = found.ok_or_else(none)?;
            let written = bring(&store, &snapshot, &to, &told)?;
            Ok(Brought {
                from: kept_of((id, snapshot)),
                to,
                written,
            })
        });
        brought.await
    }

    /// Does what blocks on a thread of its own, until nobody waits for it any more.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let waits = Arc::new(());
        let shelf = self.shelf(Arc::downgrade(&waits));
        let password = self.password.clone();
        let done = tokio::task::spawn_blocking(move || work(Store::open(shelf, &password)?));
        done.await.unwrap_or_else(|why| Err(Error::of(why)))
    }

    fn shelf(&self, waits: Weak<()>) -> Shelf {
        Shelf {
            pins: Arc::clone(&self.pins),
            handle: Handle::current(),
            waits,
        }
    }
}

/// The pinned snapshots, in the order in which they were pinned: their own times are the word of
/// whoever made them.
fn snapshots(store: &Store) -> Result<Vec<(String, Snapshot)>, Error> {
    let names = store.shelf.names("snapshots").into_iter();
    let all = names.map(|name| {
        let snapshot = store.document("snapshots", &name)?;
        Ok((name, snapshot))
    });
    all.collect()
}

fn named(store: &Store, name: &str) -> Result<Vec<(String, Snapshot)>, Error> {
    let mut all = snapshots(store)?;
    all.retain(|(_, one)| one.tags.first().is_some_and(|tag| tag == name));
    Ok(all)
}

fn kept_of((id, snapshot): (String, Snapshot)) -> Kept {
    let sum = snapshot.summary.unwrap_or_default();
    Kept {
        name: snapshot.tags.into_iter().next().unwrap_or_default(),
        snapshot: id,
        at: snapshot.time,
        files: sum.total_files_processed,
        bytes: sum.total_bytes_processed,
        added: sum.data_added_packed,
        unread: Vec::new(),
    }
}

/// A path that is not there is a mistake, not an empty folder.
fn there(from: &Source) -> Result<(), Error> {
    let missing = match from {
        Source::Paths(paths) => paths.iter().find(|path| path.symlink_metadata().is_err()),
        Source::Dump(_) => None,
    };
    match missing {
        None => Ok(()),
        Some(path) => Err(Error(format!("`{}` is not there", path.display()))),
    }
}
