//! The thread that reads: walks the paths against the last snapshot, and cuts what changed.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::chunks::{Chunks, Gear};
use crate::dump::Dump;
use crate::error::Error;
use crate::format::{Node, Snapshot, Unread};
use crate::name::quoted;
use crate::packer::Packer;
use crate::repository::{Progress, Source};
use crate::store::{Id, Store, id, now};
use crate::walk::{Content, Folder, Inside, above, node};

/// A piece of a file: of which, which, and its bytes.
pub(crate) type Piece = (usize, usize, Bytes);

/// What the thread that reads works with.
pub(crate) struct With<'r> {
    pub(crate) store: &'r Store,
    pub(crate) packer: &'r Packer<'r>,
    pub(crate) gear: &'r Gear,
    pub(crate) told: &'r Progress,
    /// Bytes under the paths, as far as they were counted.
    pub(crate) all: &'r AtomicU64,
    /// Whether there is no use in going on.
    pub(crate) useless: &'r dyn Fn() -> bool,
}

/// What was seen on the way.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) unread: Unread,
}

/// The thread that reads.
pub(crate) struct Reading<'r> {
    with: With<'r>,
    to: SyncSender<Piece>,
    seen: Seen,
    /// Files whose pieces were handed over.
    taken: usize,
}

impl<'r> Reading<'r> {
    /// One that hands pieces over to `to`.
    pub(crate) fn of(with: With<'r>, to: SyncSender<Piece>) -> Reading<'r> {
        Reading {
            with,
            to,
            seen: Seen::default(),
            taken: 0,
        }
    }

    /// Nothing more comes from it.
    pub(crate) fn end(self) -> Seen {
        self.seen
    }

    /// Everything under a name, as a tree of folders.
    pub(crate) fn all(
        &mut self,
        (name, from): (&str, &Source),
        before: Option<&Snapshot>,
    ) -> Result<Folder, Error> {
        let mut root = Folder::default();
        match from {
            Source::Dump { command, most } => self.dump(name, (command, *most), &mut root)?,
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
            self.doubt(
                path,
                &inside,
                known.and_then(|known| known.get(&quoted(name.as_bytes()))),
            );
            folder.inside.insert(name.as_bytes().to_vec(), inside);
        }
        Ok(())
    }

    /// What was asked for by name and holds nothing is lacking, as far as anybody can tell: a link,
    /// and a folder that is empty now and was not before.
    fn doubt(&mut self, path: &Path, now: &Inside, before: Option<&Node>) {
        let why = match now {
            Inside::Other(node, _) if node.kind == "symlink" => {
                "is a link: name what it leads to".to_owned()
            }
            Inside::Folder(folder) if folder.inside.is_empty() => {
                let tree = before.and_then(|node| id(node.subtree.as_ref()?).ok());
                let held = tree.is_some_and(|tree| !self.tree(&tree).is_empty());
                if !held {
                    return;
                }
                "is empty now and was not before: is it mounted?".to_owned()
            }
            Inside::Folder(_) | Inside::Other(..) => return,
        };
        tracing::warn!(path = %path.display(), why, "nothing of a path was kept");
        let path = path.display();
        self.seen.unread.note(format!("`{path}` {why}"));
    }

    /// # Errors
    /// If there is no use in going on.
    fn useful(&self) -> Result<(), Error> {
        match (self.with.useless)() {
            true => Err(Error::of("nobody takes what is read")),
            false => Ok(()),
        }
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
            let entry = match entry {
                Ok(entry) => entry,
                Err(why) => {
                    self.pass(path, &why);
                    continue;
                }
            };
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
        self.useful()?;
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
                let read = match opened(path) {
                    Ok(file) => self.read(file, node.size)?,
                    Err(why) => Err(why),
                };
                match read {
                    Ok((number, size)) => {
                        node.size = size;
                        Ok(Some(Inside::Other(node, Content::Taken(number))))
                    }
                    // The rest is kept all the same.
                    Err(why) => {
                        self.pass(path, &why);
                        Ok(None)
                    }
                }
            }
            _ => Ok(Some(Inside::Other(node, Content::None))),
        }
    }

    /// Hands over the pieces of a file: its number, and how long it was. The inner error is the
    /// file's own.
    fn read(&mut self, from: impl Read, expected: u64) -> Result<io::Result<(usize, u64)>, Error> {
        let (number, mut size) = (self.taken, 0);
        self.taken += 1;
        for (piece, bytes) in Chunks::of(self.with.gear, from, expected).enumerate() {
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(why) => return Ok(Err(why)),
            };
            size += bytes.len() as u64;
            self.seen.bytes += bytes.len() as u64;
            self.tell();
            self.useful()?;
            let sent = self.to.send((number, piece, bytes));
            sent.map_err(|_| Error::of("nobody takes what is read"))?;
        }
        self.seen.files += 1;
        Ok(Ok((number, size)))
    }

    /// What a program writes: kept only if it says in time that it went well.
    fn dump(
        &mut self,
        name: &str,
        (command, most): (&[String], Duration),
        root: &mut Folder,
    ) -> Result<(), Error> {
        let mut dump = Dump::begin(command, most, &self.with.store.shelf)?;
        let (number, size) = match self.read(&mut dump, u64::MAX)? {
            Ok(read) => read,
            Err(why) => return Err(dump.wrong(&why)),
        };
        dump.end()?;
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
        self.seen.files += 1;
        self.seen.bytes += size;
        self.tell();
    }

    fn tell(&self) {
        let (all, done) = (self.with.all.load(Ordering::Relaxed), self.seen.bytes);
        (self.with.told)(done, all.max(done));
    }

    /// A file that is gone by now is no fault; one that cannot be read is noted.
    fn pass(&mut self, path: &Path, why: &io::Error) {
        if why.kind() != io::ErrorKind::NotFound {
            tracing::warn!(path = %path.display(), %why, "a file could not be read");
            self.seen
                .unread
                .note(format!("`{}`: {why}", path.display()));
        }
    }

    fn tree(&self, tree: &Id) -> Known {
        let nodes = self.with.store.tree(tree).unwrap_or_default().nodes;
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
        let there = |blob: &String| id(blob).is_ok_and(|id| self.with.packer.has(&id));
        blobs.iter().all(there).then_some(blobs)
    }
}

/// Opens a file. What was put in its place meanwhile is not followed, and holds nobody up: a pipe
/// would wait for a writer.
fn opened(path: &Path) -> io::Result<File> {
    let open = |flags: OFlags| {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | flags;
        rustix::fs::open(path, flags, Mode::empty())
    };
    let file = match open(OFlags::NONBLOCK) {
        // Only a file that somebody has leased says so, and lets go of it.
        Err(Errno::AGAIN) => open(OFlags::empty()),
        other => other,
    };
    let file = File::from(file?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no file any more")),
    }
}

/// The nodes of a folder in the last snapshot, by quoted name.
type Known = HashMap<String, Node>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_a_files_place_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "potassium 4.1").unwrap();
        let mut text = String::new();
        opened(&at("file"))
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "potassium 4.1");
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        assert!(opened(&at("link")).is_err());
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let why = opened(&at("pipe")).unwrap_err().to_string();
        assert_eq!(why, "it is no file any more");
    }
}
