//! Brings snapshots back: pack by pack, each read once and held against its pin, every blob against
//! its id. All of it is written beside where it goes, and put there only when nothing is missing, so
//! that what is found is never half of one backup and half of another.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::error::Error;
use crate::format::Node;
use crate::name::unquoted;
use crate::packer::Kind;
use crate::repository::{Kept, Progress};
use crate::stage::{self, Stage};
use crate::store::{Id, Store, hex, id};

/// Packs that are read at the same time, at most; each has about 16 MiB.
const THREADS_MAX: usize = 8;
/// Bytes after which the disk is told to begin.
const MUCH: u64 = 128 << 20;

/// What was brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// The snapshot.
    pub from: Kept,
    /// Where its files are.
    pub to: PathBuf,
    /// Files that were written; the others were there already, of the same size and time.
    pub written: u64,
}

/// A tree, and where it goes.
pub(crate) struct Wanted<'w> {
    pub(crate) tree: &'w str,
    pub(crate) to: PathBuf,
}

/// Where the bytes of a blob go: which file, from which byte.
type Goes = (usize, u64);

/// What is to be done.
#[derive(Default)]
pub(crate) struct Plan {
    /// Folders, the outer ones first; those of the names have no node.
    pub(crate) folders: Vec<(PathBuf, Option<Node>)>,
    pub(crate) files: Vec<(PathBuf, Node)>,
    pub(crate) links: Vec<(PathBuf, Node)>,
    /// Blobs by pack, each with where it goes.
    packs: HashMap<Arc<str>, HashMap<Id, Vec<Goes>>>,
    bytes: u64,
}

/// Writes trees under `to`; returns how many files of each were written.
pub(crate) fn bring(
    store: &Store,
    to: &Path,
    wanted: &[Wanted<'_>],
    told: &Progress,
) -> Result<Vec<u64>, Error> {
    let (mut plan, mut written) = (Plan::default(), Vec::new());
    for one in wanted {
        let before = plan.files.len();
        stage::free(&one.to)?;
        plan.folders.push((one.to.clone(), None));
        plan.folder(store, &id(one.tree)?, &one.to)?;
        written.push((plan.files.len() - before) as u64);
    }
    let stage = Stage::under(to)?;
    told(0, plan.bytes);
    filled(store, (&plan, &stage), told)?;
    stage.settle(&plan)?;
    Ok(written)
}

impl Plan {
    fn folder(&mut self, store: &Store, tree: &Id, at: &Path) -> Result<(), Error> {
        for node in store.tree(tree)?.nodes {
            let wrong = || Error(format!("`{}` is no name of a file", node.name));
            let name = unquoted(&node.name).ok_or_else(wrong)?;
            let path = at.join(OsString::from_vec(name));
            match node.kind.as_str() {
                "dir" => {
                    let subtree = id(&node.subtree.clone().unwrap_or_default())?;
                    stage::free(&path)?;
                    self.folders.push((path.clone(), Some(node)));
                    self.folder(store, &subtree, &path)?;
                }
                "file" => self.file(store, path, node)?,
                "symlink" => {
                    stage::no_folder(&path)?;
                    self.links.push((path, node));
                }
                other => tracing::warn!(kind = other, "something that is no file is not restored"),
            }
        }
        Ok(())
    }

    fn file(&mut self, store: &Store, path: PathBuf, node: Node) -> Result<(), Error> {
        if stage::there(&path, &node) {
            return Ok(());
        }
        stage::no_folder(&path)?;
        let (number, mut from) = (self.files.len(), 0);
        for blob in node.content.iter().flatten() {
            let id = id(blob)?;
            let missing = || Error(format!("blob {blob} is in no index"));
            let at = store.index.get(&(Kind::Data, id)).ok_or_else(missing)?;
            let pack = self.packs.entry(Arc::clone(&at.pack)).or_default();
            pack.entry(id).or_default().push((number, from));
            from += match at.plain {
                0 => u64::from(at.length).saturating_sub(crate::crypt::OVERHEAD as u64),
                plain => u64::from(plain),
            };
        }
        self.bytes += from;
        self.files.push((path, node));
        Ok(())
    }
}

/// What each thread that writes works with.
#[derive(Clone)]
struct Filling<'f> {
    store: &'f Store,
    plan: &'f Plan,
    stage: &'f Stage,
    told: &'f Progress,
    done: &'f AtomicU64,
    /// Told when much was written.
    much: SyncSender<()>,
}

/// Writes the bytes of every file.
fn filled(store: &Store, (plan, stage): (&Plan, &Stage), told: &Progress) -> Result<(), Error> {
    let packs: Vec<_> = plan.packs.iter().collect();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let wrong = Mutex::new(None);
    let failed = |why| {
        // The others end after the pack that they are at.
        next.store(packs.len(), Ordering::Relaxed);
        let mut wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.get_or_insert(why);
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (much, written) = sync_channel(1);
    let filling = Filling {
        store,
        plan,
        stage,
        told,
        done: &done,
        much,
    };
    thread::scope(|scope| {
        // The disk begins while there is still something to compute, and has little left at the end.
        scope.spawn(|| {
            let mut written = written.into_iter();
            if let Err(why) = written.try_for_each(|()| stage.sync()) {
                failed(why);
            }
        });
        for _ in 0..threads.min(THREADS_MAX) {
            let filling = filling.clone();
            let (packs, next, failed) = (&packs, &next, &failed);
            scope.spawn(move || {
                while let Some(&(pack, blobs)) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = filling.pack(pack, blobs) {
                        failed(why);
                    }
                }
            });
        }
        drop(filling);
    });
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    wrong.map_or(Ok(()), Err)
}

impl Filling<'_> {
    fn pack(&self, name: &Arc<str>, blobs: &HashMap<Id, Vec<Goes>>) -> Result<(), Error> {
        let pack = self.store.shelf.pack(name)?;
        let mut open: Option<(usize, File)> = None;
        let mut sorted: Vec<_> = blobs.iter().collect();
        // In the order of the files, so that each is opened once.
        sorted.sort_by_key(|(_, goes)| goes.first().copied());
        for (id, goes) in sorted {
            let missing = || Error(format!("blob {} is in no index", hex(id)));
            let at = self
                .store
                .index
                .get(&(Kind::Data, *id))
                .ok_or_else(missing)?;
            let plain = self.store.blob(id, at, &pack)?;
            for (number, from) in goes {
                let file = match open.take() {
                    Some((known, file)) if known == *number => file,
                    _ => self.stage.file(*number)?,
                };
                let written = file.write_all_at(&plain, *from);
                written.map_err(Error::at(self.stage.path()))?;
                open = Some((*number, file));
                self.wrote(plain.len() as u64);
            }
        }
        Ok(())
    }

    fn wrote(&self, bytes: u64) {
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        let now = before + bytes;
        if before / MUCH < now / MUCH {
            // If it is still at what was there before, it hears of this with the next.
            let _ = self.much.try_send(());
        }
        (self.told)(now, self.plan.bytes);
    }
}
