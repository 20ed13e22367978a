//! Where files are written before they are put where they belong: a folder beside them, on the same
//! disk.

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions, Permissions};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock, syncfs};

use crate::bring::Plan;
use crate::error::Error;
use crate::format::{Node, permissions};

/// What the folder is called.
const NAME: &str = ".salus-restore";

/// The folder; gone when this is.
pub(crate) struct Stage {
    path: PathBuf,
    /// Locked (flock) until it is closed.
    held: File,
}

impl Stage {
    /// The stage under a folder. What one that was broken off left there goes.
    pub(crate) fn under(to: &Path) -> Result<Stage, Error> {
        fs::create_dir_all(to).map_err(Error::at(to))?;
        let path = to.join(NAME);
        free(&path)?;
        made(&path)?;
        let held = File::open(&path).map_err(Error::at(&path))?;
        flock(&held, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            let to = to.display();
            Error(format!("another restore is writing into `{to}`"))
        })?;
        for left in fs::read_dir(&path).map_err(Error::at(&path))?.flatten() {
            fs::remove_file(left.path()).map_err(Error::at(&left.path()))?;
        }
        Ok(Stage { path, held })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file with a number, to be written. Nobody else reads it before it has its own rights.
    pub(crate) fn file(&self, number: usize) -> Result<File, Error> {
        let path = self.at(number);
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).mode(0o600).open(&path);
        opened.map_err(Error::at(&path))
    }

    /// Puts everything where it belongs, durably: first the bytes, then the names.
    pub(crate) fn settle(&self, plan: &Plan) -> Result<(), Error> {
        for (number, (_, node)) in plan.files.iter().enumerate() {
            if node.content.iter().flatten().next().is_none() {
                self.file(number)?;
            }
            finish(&self.at(number), node);
        }
        for (number, (path, node)) in (plan.files.len()..).zip(&plan.links) {
            let at = self.at(number);
            std::os::unix::fs::symlink(&node.linktarget, &at).map_err(Error::at(path))?;
            owned(&at, node);
        }
        self.sync()?;
        for (path, _) in &plan.folders {
            free(path)?;
            made(path)?;
        }
        for (number, (path, _)) in plan.files.iter().chain(&plan.links).enumerate() {
            // A link that somebody put there is replaced, not followed.
            fs::rename(self.at(number), path).map_err(Error::at(path))?;
        }
        // The inner ones first: who may not write into a folder may not reach what is in it.
        for (path, node) in plan.folders.iter().rev() {
            if let Some(node) = node {
                finish(path, node);
            }
        }
        self.sync()
    }

    fn at(&self, number: usize) -> PathBuf {
        self.path.join(number.to_string())
    }

    /// Makes all that was written to this disk durable, files and folders: one call for a million
    /// of them.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        syncfs(&self.held).map_err(|why| Error::at(&self.path)(why.into()))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// What is at a path must be a folder, if anything is.
pub(crate) fn free(path: &Path) -> Result<(), Error> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_dir() => Err(Error(format!(
            "`{}` is there and no folder",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// What is at a path must be no folder.
pub(crate) fn no_folder(path: &Path) -> Result<(), Error> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => {
            Err(Error(format!("`{}` is there as a folder", path.display())))
        }
        _ => Ok(()),
    }
}

/// Makes a folder, if it is not there; nobody else looks in before it has its own rights.
fn made(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(Error::at(path))
}

/// Whether a file is there already, of the same size and time.
pub(crate) fn there(path: &Path, node: &Node) -> bool {
    let Ok(found) = path.symlink_metadata() else {
        return false;
    };
    let same_time = time(&node.mtime).is_some_and(|at| found.modified().is_ok_and(|own| own == at));
    found.is_file() && found.len() == node.size && same_time
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
