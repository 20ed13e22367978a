//! A disk that says "written" before it is, and then loses power: what came after a moment is gone,
//! of some files or of all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What of a data folder really reached the disk: a copy of one moment.
#[derive(Debug)]
pub struct Platter {
    copy: PathBuf,
}

impl Platter {
    /// Remembers `data` as it is now, at `copy`. Nothing may write to it meanwhile.
    ///
    /// # Errors
    /// If it cannot be read or copied.
    pub fn of(data: &Path, copy: PathBuf) -> io::Result<Platter> {
        put(data, &copy)?;
        Ok(Platter { copy })
    }

    /// The power fails: these files and folders of `data` are again as they were remembered, or
    /// gone if they were not there. A database loses its write-ahead log with it.
    ///
    /// # Errors
    /// If they cannot be replaced.
    pub fn lose(&self, data: &Path, parts: &[&str]) -> io::Result<()> {
        for part in parts {
            for end in ["", "-wal", "-shm"] {
                let name = format!("{part}{end}");
                let (from, to) = (self.copy.join(&name), data.join(&name));
                take(&to)?;
                if from.exists() {
                    put(&from, &to)?;
                }
            }
        }
        Ok(())
    }
}

fn take(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return fs::remove_dir_all(path);
    }
    match path.exists() {
        true => fs::remove_file(path),
        false => Ok(()),
    }
}

fn put(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return match fs::symlink_metadata(from)?.is_file() {
            true => fs::copy(from, to).map(drop),
            // A socket is not on the disk.
            false => Ok(()),
        };
    }
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        put(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_the_moment_is_gone_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("vault")).unwrap();
        fs::write(data.join("journal.db"), "old").unwrap();
        let platter = Platter::of(&data, folder.path().join("platter")).unwrap();
        fs::write(data.join("journal.db"), "new").unwrap();
        fs::write(data.join("journal.db-wal"), "newer").unwrap();
        fs::write(data.join("vault/checkpoint"), "kept").unwrap();
        platter.lose(&data, &["journal.db"]).unwrap();
        assert_eq!(fs::read(data.join("journal.db")).unwrap(), b"old");
        assert!(!data.join("journal.db-wal").exists());
        assert!(data.join("vault/checkpoint").exists());
        platter.lose(&data, &["vault"]).unwrap();
        assert!(!data.join("vault/checkpoint").exists());
    }
}
