//! What stands in folders: read one by one, each as the node that it becomes.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::format::{Node, go_mode};
use crate::name::quoted;

/// A folder that is being put together: by name, so that nodes are in the order the format wants.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    pub(crate) node: Node,
    pub(crate) inside: BTreeMap<Vec<u8>, Inside>,
}

/// What stands in a folder.
#[derive(Debug)]
pub(crate) enum Inside {
    Folder(Folder),
    Other(Node, Content),
}

/// The blobs of a file.
#[derive(Debug)]
pub(crate) enum Content {
    /// None: it is no file.
    None,
    /// As they were before: the file is unchanged.
    Known(Vec<String>),
    /// The pieces of this number, once all are taken.
    Taken(usize),
}

/// A node without content, from what the file system says.
pub(crate) fn node(name: &[u8], path: &Path, found: &Metadata) -> Option<Node> {
    let kind = match found.file_type() {
        kind if kind.is_dir() => "dir",
        kind if kind.is_file() => "file",
        kind if kind.is_symlink() => "symlink",
        _ => return None,
    };
    let target = match kind {
        "symlink" => fs::read_link(path).ok()?.into_os_string().into_vec(),
        _ => Vec::new(),
    };
    let time = |seconds: i64, nanos: i64| {
        let nanos = i32::try_from(nanos).unwrap_or_default();
        let at = jiff::Timestamp::new(seconds, nanos);
        at.map(|at| at.to_string()).unwrap_or_default()
    };
    Some(Node {
        name: quoted(name),
        kind: kind.to_owned(),
        mode: go_mode(found.mode()),
        mtime: time(found.mtime(), found.mtime_nsec()),
        atime: time(found.mtime(), found.mtime_nsec()),
        ctime: time(found.ctime(), found.ctime_nsec()),
        uid: found.uid(),
        gid: found.gid(),
        inode: found.ino(),
        device_id: found.dev(),
        size: if kind == "file" { found.len() } else { 0 },
        links: found.nlink(),
        linktarget: String::from_utf8_lossy(&target).into_owned(),
        content: None,
        subtree: None,
    })
}

/// The folder of a path under the root, made on the way with what the file system says of each.
pub(crate) fn above<'r>(root: &'r mut Folder, path: &Path) -> Result<&'r mut Folder, Error> {
    let (mut at, mut walked) = (root, PathBuf::from("/"));
    for part in path.components() {
        let Component::Normal(name) = part else {
            continue;
        };
        walked.push(name);
        // Whatever it is called by, it is a folder: links on the way are followed.
        let found = fs::metadata(&walked).map_err(Error::at(&walked))?;
        let made = node(name.as_bytes(), &walked, &found);
        let entry = at.inside.entry(name.as_bytes().to_vec());
        let inside = entry.or_insert_with(|| {
            Inside::Folder(Folder {
                node: made.unwrap_or_default(),
                inside: BTreeMap::new(),
            })
        });
        at = match inside {
            Inside::Folder(folder) => folder,
            Inside::Other(..) => {
                let why = format!("`{}` is named twice, once as a folder", walked.display());
                return Err(Error(why));
            }
        };
    }
    Ok(at)
}

/// Bytes under some paths, for how far it is; what cannot be read counts nothing. Ends early when
/// nobody wants to know any more.
pub(crate) fn size(paths: &[PathBuf], sum: &AtomicU64, left: &impl Fn() -> bool) {
    for path in paths {
        let Ok(found) = fs::symlink_metadata(path) else {
            continue;
        };
        if left() {
            return;
        }
        if found.is_dir() {
            let inside = fs::read_dir(path).into_iter().flatten().flatten();
            let inside: Vec<PathBuf> = inside.map(|one| one.path()).collect();
            size(&inside, sum, left);
        } else {
            sum.fetch_add(found.len(), Ordering::Relaxed);
        }
    }
}
