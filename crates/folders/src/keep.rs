//! Takes a snapshot: one thread reads and cuts, others hash, pack and encrypt, others again put away
//! what is full.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};

use crate::chunks::Gear;
use crate::error::Error;
use crate::format::{Snapshot, Summary, Tree};
use crate::packer::{Kind, Packer, Press, Shipping, Sizes, packing};
use crate::reading::{Piece, Reading, Seen, With};
use crate::repository::{Progress, Source};
use crate::store::{Id, Store, hex, host, now};
use crate::walk::{Content, Folder, Inside, size};

/// Threads that hash, pack and encrypt, at most.
const THREADS_MAX: usize = 8;
/// Pieces of files that wait for them, each up to 8 MiB.
const PIECES_WAITING: usize = 4;

/// Threads that put packs away: as many as restic has connections to a bucket.
const SHIPS: usize = 5;

/// The ids of the pieces of files.
type Taken = Mutex<HashMap<(usize, usize), Id>>;

/// What a snapshot came to.
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) snapshot: Snapshot,
}

/// Takes a snapshot under a name, against the last one of that name.
pub(crate) fn keep(
    store: &Store,
    (name, from): (&str, &Source),
    before: Option<&(String, Snapshot)>,
    told: &Progress,
) -> Result<Kept, Error> {
    let (packer, shipping) = packing(store, Sizes::default());
    let known = before.map(|(_, snapshot)| snapshot);
    let read = thread::scope(|scope| {
        let ships: Vec<_> = (0..SHIPS).map(|_| scope.spawn(|| shipping.run())).collect();
        let taking = Taking {
            packer,
            shipping: &shipping,
            told,
        };
        let read = taking.all((name, from), known);
        // One that could not put a pack away is why the others could not go on.
        joined(ships).and(read)
    });
    let (tree, seen) = read?;
    let added = shipping.end()?;
    let summary = Summary {
        total_files_processed: seen.files,
        total_bytes_processed: seen.bytes,
        data_added_packed: added,
    };
    let snapshot = Snapshot {
        time: now(),
        parent: before.map(|(id, _)| id.clone()),
        tree: hex(&tree),
        paths: paths(name, from),
        hostname: host(),
        username: "salus".to_owned(),
        tags: vec![name.to_owned()],
        summary: Some(summary),
        unread: seen.unread,
    };
    let id = store.add("snapshots", &snapshot)?;
    Ok(Kept { id, snapshot })
}

/// Everything from reading to full packs.
struct Taking<'t, 's> {
    packer: Packer<'s>,
    shipping: &'t Shipping<'s>,
    told: &'t Progress,
}

impl Taking<'_, '_> {
    /// Reads, packs and writes the trees; how the root is called, and what was seen.
    fn all(self, what: (&str, &Source), before: Option<&Snapshot>) -> Result<(Id, Seen), Error> {
        let taken = Mutex::new(HashMap::new());
        let (root, seen) = self.read(what, before, &taken)?;
        let taken = taken.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut press = Press::new()?;
        let tree = written(root, &taken, (&self.packer, &mut press))?;
        self.packer.end()?;
        Ok((tree, seen))
    }

    /// Whether there is no use in going on: a thread failed, or nobody waits for it any more.
    fn useless(&self, failed: &AtomicBool) -> bool {
        let shelf = &self.shipping.store().shelf;
        failed.load(Ordering::Relaxed) || self.shipping.failed() || shelf.is_left()
    }

    fn read(
        &self,
        (name, from): (&str, &Source),
        before: Option<&Snapshot>,
        taken: &Taken,
    ) -> Result<(Folder, Seen), Error> {
        let gear = Gear::of(self.shipping.store().key.bytes());
        let (all, failed) = (AtomicU64::new(0), AtomicBool::new(false));
        let (to, waiting) = sync_channel::<Piece>(PIECES_WAITING);
        let waiting = Mutex::new(waiting);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            if let Source::Paths(paths) = from {
                scope.spawn(|| size(paths, &all, &|| self.useless(&failed)));
            }
            let work = || {
                let worked = caught(|| work(&waiting, &self.packer, taken));
                if worked.is_err() {
                    failed.store(true, Ordering::Relaxed);
                    // The reader must not wait for somebody who is gone.
                    while next(&waiting).is_some() {}
                }
                worked
            };
            let workers: Vec<_> = (0..threads.min(THREADS_MAX))
                .map(|_| scope.spawn(work))
                .collect();
            let with = With {
                store: self.shipping.store(),
                packer: &self.packer,
                gear: &gear,
                told: self.told,
                all: &all,
                useless: &|| self.useless(&failed),
            };
            let mut reading = Reading::of(with, to);
            let root = reading.all((name, from), before);
            // The workers end when nothing can come any more.
            let seen = reading.end();
            // A worker that failed is why the reader could not go on.
            joined(workers).and(root).map(|root| (root, seen))
        })
    }
}

/// What a thread came to: one that panics gave up like any other, so that nobody waits for it.
pub(crate) fn caught(work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    // What it left half done is thrown away: a snapshot is whole or none.
    let ended = std::panic::catch_unwind(AssertUnwindSafe(work));
    ended.unwrap_or_else(|_| Err(Error::of("a thread gave up")))
}

fn joined(threads: Vec<ScopedJoinHandle<'_, Result<(), Error>>>) -> Result<(), Error> {
    threads.into_iter().try_for_each(|thread| {
        let ended = thread.join();
        ended.unwrap_or_else(|_| Err(Error::of("a thread gave up")))
    })
}

fn paths(name: &str, from: &Source) -> Vec<String> {
    match from {
        Source::Paths(paths) => paths.iter().map(|one| one.display().to_string()).collect(),
        Source::Dump { .. } => vec![format!("/{name}")],
    }
}

fn next(waiting: &Mutex<Receiver<Piece>>) -> Option<Piece> {
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.recv().ok()
}

/// One worker: takes pieces until no more can come.
fn work(waiting: &Mutex<Receiver<Piece>>, packer: &Packer<'_>, taken: &Taken) -> Result<(), Error> {
    let mut press = Press::new()?;
    while let Some((file, piece, bytes)) = next(waiting) {
        let id = packer.take(Kind::Data, &bytes, &mut press)?;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert((file, piece), id);
    }
    Ok(())
}

/// Writes the trees, the innermost first, and says how the root is called.
fn written(
    folder: Folder,
    taken: &HashMap<(usize, usize), Id>,
    (packer, press): (&Packer<'_>, &mut Press),
) -> Result<Id, Error> {
    let mut tree = Tree::default();
    for inside in folder.inside.into_values() {
        let node = match inside {
            Inside::Folder(mut folder) => {
                let mut node = std::mem::take(&mut folder.node);
                node.subtree = Some(hex(&written(folder, taken, (packer, press))?));
                node
            }
            Inside::Other(mut node, content) => {
                node.content = match content {
                    Content::None => None,
                    Content::Known(blobs) => Some(blobs),
                    Content::Taken(file) => Some(pieces(file, taken)),
                };
                node
            }
        };
        tree.nodes.push(node);
    }
    let tree = serde_json::to_vec(&tree).map_err(Error::of)?;
    packer.take(Kind::Tree, &tree, press)
}

fn pieces(file: usize, taken: &HashMap<(usize, usize), Id>) -> Vec<String> {
    let all = (0..).map_while(|piece| taken.get(&(file, piece)));
    all.map(|id| hex(id)).collect()
}
