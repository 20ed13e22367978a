//! Brings a snapshot back: pack by pack, each read once and held against its pin, every blob against
//! its id, before a byte of it is written.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions, Permissions};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;

use crate::error::Error;
use crate::format::{Node, Snapshot, permissions};
use crate::name::unquoted;
use crate::repository::{Kept, Progress};
use crate::store::{Id, Store, hex, id};

/// Packs that are read at the same time, at most; each has about 16 MiB.
const THREADS_MAX: usize = 8;

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

/// Where the bytes of a blob go: which file, from which byte.
type Goes = (usize, u64);

/// What is to be done.
#[derive(Default)]
struct Plan {
    /// Everything that gets its times and rights at the end, the outer ones first.
    made: Vec<(PathBuf, Node)>,
    files: Vec<PathBuf>,
    links: Vec<(PathBuf, Node)>,
    /// Blobs by pack, each with where it goes.
    packs: HashMap<Arc<str>, HashMap<Id, Vec<Goes>>>,
    bytes: u64,
}

/// Writes a snapshot into a folder; returns how many files were written.
pub(crate) fn bring(
    store: &Store,
    snapshot: &Snapshot,
    to: &Path,
    told: &Progress,
) -> Result<u64, Error> {
    let mut plan = Plan::default();
    fs::create_dir_all(to).map_err(Error::at(to))?;
    plan.folder(store, &id(&snapshot.tree)?, to)?;
    told(0, plan.bytes);
    filled(store, &plan, told)?;
    for (path, node) in &plan.links {
        link(path, node)?;
    }
    // The inner ones first: writing into a folder changes its time.
    for (path, node) in plan.made.iter().rev() {
        finish(path, node);
    }
    Ok(plan.files.len() as u64)
}

impl Plan {
    fn folder(&mut self, store: &Store, tree: &Id, at: &Path) -> Result<(), Error> {
        for node in store.tree(tree)?.nodes {
            let wrong = || Error(format!("`{}` is no name of a file", node.name));
            let name = unquoted(&node.name).ok_or_else(wrong)?;
            let path = at.join(OsString::from_vec(name));
            match node.kind.as_str() {
                "dir" => {
                    let subtree = node.subtree.clone().unwrap_or_default();
                    folder(&path)?;
                    self.made.push((path.clone(), node));
                    self.folder(store, &id(&subtree)?, &path)?;
                }
                "file" => self.file(store, path, node)?,
                "symlink" => self.links.push((path, node)),
                other => tracing::warn!(kind = other, "something that is no file is not restored"),
            }
        }
        Ok(())
    }

    fn file(&mut self, store: &Store, path: PathBuf, node: Node) -> Result<(), Error> {
        if there(&path, &node) {
            return Ok(());
        }
        // Never through a link that somebody put there.
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).map_err(Error::at(&path))?;
        }
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        made.map_err(Error::at(&path))?;
        let (number, mut from) = (self.files.len(), 0);
        for blob in node.content.iter().flatten() {
            let id = id(blob)?;
            let missing = || Error(format!("blob {blob} is in no index"));
            let at = store.index.get(&id).ok_or_else(missing)?;
            let pack = self.packs.entry(Arc::clone(&at.pack)).or_default();
            pack.entry(id).or_default().push((number, from));
            from += match at.plain {
                0 => u64::from(at.length).saturating_sub(crate::crypt::OVERHEAD as u64),
                plain => u64::from(plain),
            };
        }
        self.bytes += from;
        self.files.push(path.clone());
        self.made.push((path, node));
        Ok(())
    }
}

/// Whether a file is there already, of the same size and time.
fn there(path: &Path, node: &Node) -> bool {
    let Ok(found) = path.symlink_metadata() else {
        return false;
    };
    let same_time = time(&node.mtime).is_some_and(|at| found.modified().is_ok_and(|own| own == at));
    found.is_file() && found.len() == node.size && same_time
}

fn folder(path: &Path) -> Result<(), Error> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Error(format!(
            "`{}` is there and no folder",
            path.display()
        ))),
        // Nobody else looks in before it has its own rights.
        Err(_) => DirBuilder::new()
            .mode(0o700)
            .create(path)
            .map_err(Error::at(path)),
    }
}

/// Writes the bytes of every file.
fn filled(store: &Store, plan: &Plan, told: &Progress) -> Result<(), Error> {
    let packs: Vec<_> = plan.packs.iter().collect();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let wrong = Mutex::new(None);
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS_MAX);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&(pack, blobs)) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let written = one_pack(store, (pack, blobs), plan, (told, &done));
                    if let Err(why) = written {
                        // The others end after the pack that they are at.
                        next.store(packs.len(), Ordering::Relaxed);
                        wrong
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .get_or_insert(why);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    wrong.map_or(Ok(()), Err)
}

fn one_pack(
    store: &Store,
    (name, blobs): (&Arc<str>, &HashMap<Id, Vec<Goes>>),
    plan: &Plan,
    (told, done): (&Progress, &AtomicU64),
) -> Result<(), Error> {
    let pack = store.shelf.pack(name)?;
    let mut open: Option<(usize, File)> = None;
    let mut sorted: Vec<_> = blobs.iter().collect();
    // In the order of the files, so that each is opened once.
    sorted.sort_by_key(|(_, goes)| goes.first().copied());
    for (id, goes) in sorted {
        let missing = || Error(format!("blob {} is in no index", hex(id)));
        let at = store.index.get(id).ok_or_else(missing)?;
        let plain = store.blob(id, at, &pack)?;
        for (number, from) in goes {
            let path = plan.files.get(*number).ok_or_else(missing)?;
            let file = match open.take() {
                Some((known, file)) if known == *number => file,
                _ => OpenOptions::new()
                    .write(true)
                    .open(path)
                    .map_err(Error::at(path))?,
            };
            file.write_all_at(&plain, *from).map_err(Error::at(path))?;
            open = Some((*number, file));
            let bytes = plain.len() as u64;
            told(done.fetch_add(bytes, Ordering::Relaxed) + bytes, plan.bytes);
        }
    }
    Ok(())
}

fn link(path: &Path, node: &Node) -> Result<(), Error> {
    if path
        .symlink_metadata()
        .is_ok_and(|found| found.is_symlink())
    {
        fs::remove_file(path).map_err(Error::at(path))?;
    }
    std::os::unix::fs::symlink(&node.linktarget, path).map_err(Error::at(path))?;
    owned(path, node);
    Ok(())
}

/// Owner, rights and times. Who may not give a file away keeps it; that is no fault.
fn finish(path: &Path, node: &Node) {
    owned(path, node);
    let times = time(&node.mtime).map(|at| FileTimes::new().set_modified(at).set_accessed(at));
    if let (Some(times), Ok(file)) = (times, File::open(path))
        && let Err(why) = file.set_times(times)
    {
        tracing::warn!(%why, "the time of a file was not restored");
    }
    let rights = Permissions::from_mode(permissions(node.mode));
    if let Err(why) = fs::set_permissions(path, rights) {
        tracing::warn!(%why, "the rights of a file were not restored");
    }
}

fn owned(path: &Path, node: &Node) {
    let own = path.symlink_metadata();
    if own.is_ok_and(|found| (found.uid(), found.gid()) != (node.uid, node.gid)) {
        let _ = std::os::unix::fs::lchown(path, Some(node.uid), Some(node.gid));
    }
}

fn time(text: &str) -> Option<SystemTime> {
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}
