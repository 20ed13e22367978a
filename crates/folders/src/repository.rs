use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use record::Pins;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::bring::{Brought, Wanted, bring};
use crate::error::Error;
use crate::format::{Snapshot, Unread};
use crate::keep::keep;
use crate::made;
use crate::store::{Password, Shelf, Store};

/// What goes under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Folders and files, with everything in them.
    Paths(Vec<PathBuf>),
    /// A program: what it writes to its standard output becomes one file with the name. If it does
    /// not end well, nothing of it is kept.
    Dump {
        /// The program with its arguments.
        command: Vec<String>,
        /// How long it may take; then it is ended, with everything that it started.
        most: Duration,
    },
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
    /// Files that could not be read when it was made and are not in it.
    pub unread: Unread,
}

/// A repository that restic opens too: encrypted under a password, each piece of a file once.
/// Nothing in it is removed or replaced, and nothing is seen that is not pinned.
pub struct Repository {
    pins: Arc<Pins>,
    password: Arc<Password>,
}

impl Repository {
    /// The repository of some pins.
    pub fn new(pins: Arc<Pins>, password: &str) -> Repository {
        Repository {
            pins,
            password: Arc::new(Password::of(password.trim())),
        }
    }

    /// Makes the repository, if none is pinned yet. What it is made of is noted in the file `begun`
    /// first, from which the next try goes on; the file may go when a manifest pins the repository.
    ///
    /// # Errors
    /// [`Error`] if the file or the place cannot be written, or if somebody else's repository is
    /// there.
    pub async fn make(&self, begun: &Path) -> Result<(), Error> {
        let begun = begun.to_owned();
        self.apart(move |shelf, password| match shelf.is_made() {
            true => Ok(()),
            false => made::make(&shelf, &password.text, &begun),
        })
        .await
    }

    /// Takes a snapshot. The manifest that pins it is the caller's. Works on threads of its own,
    /// and ends with the next object when nobody waits for it any more.
    ///
    /// # Errors
    /// [`Error`] if no repository was made, a path is not there, the dump's program fails, or the
    /// place cannot be written; then no snapshot of this name was added. A file that cannot be read
    /// is none of these: it stands in [`Kept::unread`].
    pub async fn keep(&self, name: &str, from: Source, told: Progress) -> Result<Kept, Error> {
        there(&from)?;
        let name = name.to_owned();
        let kept = self.opened(move |store| {
            let before = last(&store, &name)?;
            keep(&store, (name.as_str(), &from), before.as_ref(), &told)
        });
        let kept = kept.await?;
        Ok(kept_of((kept.id, kept.snapshot)))
    }

    /// Every pinned snapshot, in the order in which they were pinned.
    ///
    /// # Errors
    /// [`Error`] if the repository does not open with this password, or is damaged.
    pub async fn kept(&self) -> Result<Vec<Kept>, Error> {
        let all = self.opened(|store| snapshots(&store)).await?;
        Ok(all.into_iter().map(kept_of).collect())
    }

    /// Brings back the snapshots of some names (none: of all) that were pinned last, each into a
    /// folder of its name under `to`, under the paths that the files had. What is there already and
    /// right is left; nothing is removed. Nothing is put there before all of it was read and found
    /// right; durable on return.
    ///
    /// # Errors
    /// [`Error`] if there is none, if an object of it is gone or not what was pinned, or if `to`
    /// cannot be written.
    pub async fn bring(
        &self,
        names: &[String],
        to: &Path,
        told: Progress,
    ) -> Result<Vec<Brought>, Error> {
        let (names, to) = (names.to_vec(), to.to_owned());
        let brought = self.opened(move |store| {
            let mut last: Vec<(String, (String, Snapshot))> = Vec::new();
            for (id, one) in snapshots(&store)? {
                let name = one.tags.first().cloned().unwrap_or_default();
                last.retain(|(known, _)| *known != name);
                last.push((name, (id, one)));
            }
            if let Some(name) = names
                .iter()
                .find(|name| !last.iter().any(|(known, _)| known == *name))
            {
                return Err(Error(format!("no snapshot of `{name}` is pinned")));
            }
            last.retain(|(name, _)| names.is_empty() || names.contains(name));
            last.sort_by(|(one, _), (other, _)| one.cmp(other));
            let wanted: Vec<Wanted<'_>> = last
                .iter()
                .map(|(name, (_, snapshot))| Wanted {
                    tree: &snapshot.tree,
                    to: to.join(name),
                })
                .collect();
            let written = bring(&store, &to, &wanted, &told)?;
            let brought = last.into_iter().zip(written);
            let brought = brought.map(|((name, one), written)| Brought {
                from: kept_of(one),
                to: to.join(name),
                written,
            });
            Ok(brought.collect())
        });
        brought.await
    }

    /// Does what needs the opened repository.
    async fn opened<T: Send + 'static>(
        &self,
        work: impl FnOnce(Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.apart(|shelf, password| work(Store::open(shelf, password)?))
            .await
    }

    /// Does what blocks on a thread of its own, until nobody waits for it any more.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(Shelf, &Password) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (_waiting, waits) = watch::channel(());
        let shelf = Shelf {
            pins: Arc::clone(&self.pins),
            handle: Handle::current(),
            waits,
        };
        let password = Arc::clone(&self.password);
        let done = tokio::task::spawn_blocking(move || work(shelf, &password));
        done.await.unwrap_or_else(|why| Err(Error::of(why)))
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

/// The snapshot of a name that was pinned last.
fn last(store: &Store, name: &str) -> Result<Option<(String, Snapshot)>, Error> {
    for id in store.shelf.names("snapshots").into_iter().rev() {
        let one: Snapshot = store.document("snapshots", &id)?;
        if one.tags.first().is_some_and(|tag| tag == name) {
            return Ok(Some((id, one)));
        }
    }
    Ok(None)
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
        unread: snapshot.unread,
    }
}

/// A path that is not there is a mistake, not an empty folder.
fn there(from: &Source) -> Result<(), Error> {
    let missing = match from {
        Source::Paths(paths) => paths.iter().find(|path| path.symlink_metadata().is_err()),
        Source::Dump { .. } => None,
    };
    match missing {
        None => Ok(()),
        Some(path) => Err(Error(format!("`{}` is not there", path.display()))),
    }
}
