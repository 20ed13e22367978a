//! Takes a snapshot: one thread reads and cuts, the others hash, pack and encrypt.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::chunks::{Chunks, Gear};
use crate::error::Error;
use crate::format::{Node, Snapshot, Summary, Tree};
use crate::name::quoted;
use crate::packer::{Kind, Packer};
use crate::repository::{Progress, Source};
use crate::store::{Id, Store, hex, host, id, now};
use crate::walk::{Content, Folder, Inside, above, node};

/// Threads that hash, pack and encrypt, at most.
const THREADS_MAX: usize = 8;
/// Pieces of files that wait for them, each up to 8 MiB.
const PIECES_WAITING: usize = 4;

/// A piece of a file: of which, which, and its bytes.
type Piece = (usize, usize, Vec<u8>);

/// What a snapshot came to.
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) snapshot: Snapshot,
    /// Files that could not be read, and why.
    pub(crate) unread: Vec<String>,
}

fn snapshot(
    (name, from): (&str, &Source),
    parent: Option<String>,
    (tree, summary): (String, Summary),
) -> Snapshot {
    Snapshot {
        time: now(),
        parent,
        tree,
        paths: paths(name, from),
        hostname: host(),
        username: "salus".to_owned(),
        tags: vec![name.to_owned()],
        summary: Some(summary),
    }
}

/// Takes a snapshot under a name, against the last one of that name.
pub(crate) fn keep(
    store: &Store,
    (name, from): (&str, &Source),
    before: Option<&(String, Snapshot)>,
    told: &Progress,
) -> Result<Kept, Error> {
    let packer = Packer::of(store);
    let gear = Gear::of(store.key.bytes());
    let taken = Mutex::new(HashMap::new());
    let (all, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let (to, waiting) = sync_channel::<Piece>(PIECES_WAITING);
    let waiting = Mutex::new(waiting);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let read = thread::scope(|scope| {
        let (waiting, packer, taken) = (&waiting, &packer, &taken);
        let (all, failed) = (&all, &failed);
        if let Source::Paths(paths) = from {
            scope.spawn(move || size(paths, all));
        }
        let workers: Vec<_> = (0..threads.min(THREADS_MAX))
            .map(|_| {
                scope.spawn(move || {
                    let worked = work(waiting, packer, taken);
                    if worked.is_err() {
                        failed.store(true, Ordering::Relaxed);
                        // The reader must not wait for somebody who is gone.
                        while next(waiting).is_some() {}
                    }
                    worked
                })
            })
            .collect();
        let mut reading = Reading {
            store,
            packer,
            gear: &gear,
            to,
            told,
            all,
            failed,
            files: 0,
            bytes: 0,
            taken: 0,
            unread: Vec::new(),
        };
        let root = reading.all((name, from), before.map(|(_, snapshot)| snapshot));
        let (files, bytes, unread) = (reading.files, reading.bytes, reading.unread.split_off(0));
        // The workers end when nothing can come any more.
        drop(reading);
        let worked = workers.into_iter().try_for_each(|worker| {
            let ended = worker.join();
            ended.unwrap_or_else(|_| Err(Error::of("a thread gave up")))
        });
        // A worker that failed is why the reader could not go on.
        worked.and(root).map(|root| (root, files, bytes, unread))
    });
    let (root, files, bytes, unread) = read?;
    let taken = taken.into_inner().unwrap_or_else(PoisonError::into_inner);
    let tree = written(root, &packer, &taken)?;
    let added = packer.end()?;
    let summary = Summary {
        total_files_processed: files,
        total_bytes_processed: bytes,
        data_added_packed: added,
    };
    let parent = before.map(|(id, _)| id.clone());
    let snapshot = snapshot((name, from), parent, (hex(&tree), summary));
    let id = store.add("snapshots", &snapshot)?;
    Ok(Kept {
        id,
        snapshot,
        unread,
    })
}

fn paths(name: &str, from: &Source) -> Vec<String> {
    match from {
        Source::Paths(paths) => paths.iter().map(|one| one.display().to_string()).collect(),
        Source::Dump(_) => vec![format!("/{name}")],
    }
}

fn next(waiting: &Mutex<Receiver<Piece>>) -> Option<Piece> {
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.recv().ok()
}

/// One worker: takes pieces until no more can come.
fn work(
    waiting: &Mutex<Receiver<Piece>>,
    packer: &Packer<'_>,
    taken: &Mutex<HashMap<(usize, usize), Id>>,
) -> Result<(), Error> {
    while let Some((file, piece, bytes)) = next(waiting) {
        let id = packer.take(Kind::Data, &bytes)?;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert((file, piece), id);
    }
    Ok(())
}

/// Writes the trees, the innermost first, and says how the root is called.
fn written(
    folder: Folder,
    packer: &Packer<'_>,
    taken: &HashMap<(usize, usize), Id>,
) -> Result<Id, Error> {
    let mut tree = Tree::default();
    for inside in folder.inside.into_values() {
        let node = match inside {
            Inside::Folder(mut folder) => {
                let mut node = std::mem::take(&mut folder.node);
                node.subtree = Some(hex(&written(folder, packer, taken)?));
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
    packer.take(Kind::Tree, &serde_json::to_vec(&tree).map_err(Error::of)?)
}

fn pieces(file: usize, taken: &HashMap<(usize, usize), Id>) -> Vec<String> {
    let all = (0..).map_while(|piece| taken.get(&(file, piece)));
    all.map(|id| hex(id)).collect()
}

/// The thread that reads.
struct Reading<'r> {
    store: &'r Store,
    packer: &'r Packer<'r>,
    gear: &'r Gear,
    to: SyncSender<Piece>,
    told: &'r Progress,
    /// Bytes under the paths, as far as they were counted.
    all: &'r AtomicU64,
    /// A worker gave up: there is no use in going on.
    failed: &'r AtomicBool,
    files: u64,
    bytes: u64,
    /// Files whose pieces were handed over.
    taken: usize,
    unread: Vec<String>,
}

impl Reading<'_> {
    fn all(
        &mut self,
        (name, from): (&str, &Source),
        before: Option<&Snapshot>,
    ) -> Result<Folder, Error> {
        let mut root = Folder::default();
        match from {
            Source::Dump(command) => self.dump(name, command, &mut root)?,
            Source::Paths(paths) => {
                let known = before.and_then(|one| id(&one.tree).ok());
                for path in paths {
                    let path = std::path::absolute(path).map_err(Error::at(path))?;
                    self.path(&path, known, &mut root)?;
                }
            }
        }
        Ok(root)
    }

    fn path(&mut self, path: &Path, known: Option<Id>, root: &mut Folder) -> Result<(), Error> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            // The root itself: everything in it.
            let known = known.map(|tree| self.tree(&tree));
            return self.inside(path, known, root);
        };
        let parts = parent.components().filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(name.as_bytes()),
            _ => None,
        });
        let mut tree = known.map(|tree| self.tree(&tree));
        for part in parts {
            tree = tree.and_then(|tree| self.under(&tree, part));
        }
        let folder = above(root, parent)?;
        let known = tree.as_ref();
        if let Some(inside) = self.one(name.as_bytes(), path, known)? {
            folder.inside.insert(name.as_bytes().to_vec(), inside);
        }
        Ok(())
    }

    fn inside(&mut self, path: &Path, known: Option<Known>, to: &mut Folder) -> Result<(), Error> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(why) => {
                self.pass(path, &why);
                return Ok(());
            }
        };
        for entry in entries {
            let entry = entry.map_err(Error::at(path))?;
            let name = entry.file_name();
            if let Some(one) = self.one(name.as_bytes(), &entry.path(), known.as_ref())? {
                to.inside.insert(name.as_bytes().to_vec(), one);
            }
        }
        Ok(())
    }

    /// One file or folder; `None`: it is gone, cannot be read, or is neither.
    fn one(
        &mut self,
        name: &[u8],
        path: &Path,
        known: Option<&Known>,
    ) -> Result<Option<Inside>, Error> {
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(why) => {
                self.pass(path, &why);
                return Ok(None);
            }
        };
        let Some(mut node) = node(name, path, &found) else {
            return Ok(None);
        };
        match node.kind.as_str() {
            "dir" => {
                let known = known.and_then(|known| self.under(known, name));
                let mut folder = Folder {
                    node,
                    inside: BTreeMap::new(),
                };
                self.inside(path, known, &mut folder)?;
                Ok(Some(Inside::Folder(folder)))
            }
            "file" => {
                if let Some(blobs) = known.and_then(|known| self.unchanged(known, name, &node)) {
                    self.count(node.size);
                    return Ok(Some(Inside::Other(node, Content::Known(blobs))));
                }
                match File::open(path) {
                    Ok(file) => {
                        let (number, size) = self.read(file, path)?;
                        node.size = size;
                        Ok(Some(Inside::Other(node, Content::Taken(number))))
                    }
                    Err(why) => {
                        self.pass(path, &why);
                        Ok(None)
                    }
                }
            }
            _ => Ok(Some(Inside::Other(node, Content::None))),
        }
    }

    /// Hands over the pieces of a file: its number, and how long it was.
    fn read(&mut self, from: impl Read, path: &Path) -> Result<(usize, u64), Error> {
        let (number, mut size) = (self.taken, 0);
        self.taken += 1;
        for (piece, bytes) in Chunks::of(self.gear, from).enumerate() {
            let bytes = bytes.map_err(Error::at(path))?;
            size += bytes.len() as u64;
            self.bytes += bytes.len() as u64;
            self.tell();
            if self.failed.load(Ordering::Relaxed) {
                return Err(Error::of("nobody takes what is read"));
            }
            let sent = self.to.send((number, piece, bytes));
            sent.map_err(|_| Error::of("nobody takes what is read"))?;
        }
        self.files += 1;
        Ok((number, size))
    }

    /// What a program writes: kept only if it says that it went well.
    fn dump(&mut self, name: &str, command: &[String], root: &mut Folder) -> Result<(), Error> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| Error::of("no program"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::at(Path::new(program)))?;
        let read = match child.stdout.take() {
            Some(out) => self.read(out, Path::new(program)),
            None => Err(Error::of("the program has no output")),
        };
        let ended = ended(&mut child, read.is_ok());
        let (number, size) = read?;
        ended.map_err(|why| Error(format!("`{program}`: {why}")))?;
        let made = now();
        let node = Node {
            name: quoted(name.as_bytes()),
            kind: "file".to_owned(),
            mode: 0o600,
            mtime: made.clone(),
            atime: made.clone(),
            ctime: made,
            size,
            links: 1,
            ..Node::default()
        };
        let inside = Inside::Other(node, Content::Taken(number));
        root.inside.insert(name.as_bytes().to_vec(), inside);
        Ok(())
    }

    fn count(&mut self, size: u64) {
        self.files += 1;
        self.bytes += size;
        self.tell();
    }

    fn tell(&self) {
        let all = self.all.load(Ordering::Relaxed);
        (self.told)(self.bytes, all.max(self.bytes));
    }

    /// A file that is gone by now is no fault; one that cannot be read is named.
    fn pass(&mut self, path: &Path, why: &std::io::Error) {
        if why.kind() != std::io::ErrorKind::NotFound {
            self.unread.push(format!("`{}`: {why}", path.display()));
        }
    }

    fn tree(&self, tree: &Id) -> Known {
        let nodes = self.store.tree(tree).unwrap_or_default().nodes;
        nodes
            .into_iter()
            .map(|node| (node.name.clone(), node))
            .collect()
    }

    fn under(&self, known: &Known, name: &[u8]) -> Option<Known> {
        let node = known.get(&quoted(name))?;
        Some(self.tree(&id(node.subtree.as_ref()?).ok()?))
    }

    /// The blobs of a file that the last snapshot had, if nothing says that it changed. A time that
    /// was set back does not hide a change: when the node itself changed stands in `ctime`.
    fn unchanged(&self, known: &Known, name: &[u8], now: &Node) -> Option<Vec<String>> {
        let was = known.get(&quoted(name))?;
        let same = (was.size, &was.mtime, &was.ctime, was.inode)
            == (now.size, &now.mtime, &now.ctime, now.inode);
        let blobs = was.content.clone().filter(|_| same)?;
        let there = |blob: &String| id(blob).is_ok_and(|id| self.packer.has(&id));
        blobs.iter().all(there).then_some(blobs)
    }
}

/// The nodes of a folder in the last snapshot, by quoted name.
type Known = HashMap<String, Node>;

/// How a program ended; one whose output nobody wants any more is ended.
fn ended(child: &mut Child, wanted: bool) -> Result<(), String> {
    if !wanted {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|why| why.to_string())?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("it ended with {status}; nothing of it is kept")),
    }
}

/// Bytes under some paths, for how far it is; what cannot be read counts nothing.
pub(crate) fn size(paths: &[PathBuf], sum: &AtomicU64) {
    for path in paths {
        let Ok(found) = fs::symlink_metadata(path) else {
            continue;
        };
        if found.is_dir() {
            let inside = fs::read_dir(path).into_iter().flatten().flatten();
            size(&inside.map(|one| one.path()).collect::<Vec<_>>(), sum);
        } else {
            sum.fetch_add(found.len(), Ordering::Relaxed);
        }
    }
}
