//! What the record stands on: the files that were opened are still those at their paths. A file that was removed, or
//! whose folder was, goes on taking what is written, and all of it is gone with the process.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use crate::Error;
use crate::config::Config;
use crate::door::{Inner, Record};
use crate::engines::{Objects, Storage};
use crate::sealed::Outcome;

/// Device and inode.
type Identity = (u64, u64);

pub(crate) struct Ground {
    stands_on: Vec<(PathBuf, Identity)>,
    /// What was found to be gone; it does not come back, whatever lies there later.
    gone: watch::Sender<Option<PathBuf>>,
}

impl Ground {
    /// What is there now. Called when everything is open.
    pub(crate) fn of(config: &Config) -> Ground {
        let mut paths = vec![config.data.clone(), config.keyring()];
        if matches!(config.storage, Storage::File) {
            paths.push(config.journal());
        }
        if matches!(config.objects, Objects::File) {
            paths.push(config.vault());
        }
        let there = |path: PathBuf| Some((identity(&path).ok()?, path));
        let there = paths.into_iter().filter_map(there);
        Ground {
            stands_on: there.map(|(identity, path)| (path, identity)).collect(),
            gone: watch::Sender::new(None),
        }
    }

    /// Without a look at the files, of which there is one after each commit.
    ///
    /// # Errors
    /// [`Error::Uprooted`] if something was found to be gone.
    pub(crate) fn is_known_to_hold(&self) -> Outcome<()> {
        match &*self.gone.borrow() {
            Some(path) => Err(uprooted(path)),
            None => Ok(()),
        }
    }

    /// # Errors
    /// [`Error::Uprooted`] if something is no longer what was opened, from then on for good;
    /// [`Error::Broken`] if that cannot be told.
    pub(crate) fn holds(&self) -> Outcome<()> {
        self.is_known_to_hold()?;
        for (path, opened) in &self.stands_on {
            match identity(path) {
                Ok(there) if there == *opened => {}
                Err(why) if why.kind() != ErrorKind::NotFound => {
                    return Err(Error::Broken {
                        doing: "look whether its files are there",
                        why: format!("`{}`: {why}", path.display()),
                    });
                }
                Ok(_) | Err(_) => {
                    self.gone.send_replace(Some(path.clone()));
                    tracing::error!(
                        path = %path.display(),
                        "the data folder was removed or replaced under the running server: nothing is taken any more"
                    );
                    return Err(uprooted(path));
                }
            }
        }
        Ok(())
    }
}

impl Record {
    /// Whether it still stands on the files that were opened.
    ///
    /// # Errors
    /// [`Error::Uprooted`] if it does not, [`Error::Broken`] if that cannot be told.
    pub fn grounded(&self) -> Outcome<()> {
        self.inner.grounded()
    }

    /// What was removed or replaced under the record, once something was: nothing is sealed any more then.
    pub fn uprooted(&self) -> watch::Receiver<Option<PathBuf>> {
        self.inner.ground.gone.subscribe()
    }
}

impl Inner {
    /// # Errors
    /// As [`Ground::holds`].
    pub(crate) fn grounded(&self) -> Outcome<()> {
        self.ground.holds()
    }
}

fn identity(path: &Path) -> std::io::Result<Identity> {
    fs::metadata(path).map(|there| (there.dev(), there.ino()))
}

fn uprooted(path: &Path) -> Error {
    Error::Uprooted {
        path: path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_removed_or_replaced_is_gone_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let make = || {
            fs::create_dir_all(data.join("vault")).unwrap();
            fs::write(data.join("keyring.db"), "").unwrap();
        };
        make();
        let config = Config::new(data.clone());
        let ground = Ground::of(&config);
        // What is not there at the beginning is nothing to stand on.
        fs::write(data.join("journal.db"), "").unwrap();
        assert!(ground.holds().is_ok());
        let ground = Ground::of(&config);
        fs::write(data.join("journal.db"), "more").unwrap();
        assert!(ground.holds().is_ok(), "written to is the same file");
        fs::rename(data.join("journal.db"), data.join("aside")).unwrap();
        fs::write(data.join("journal.db"), "more").unwrap();
        assert!(matches!(ground.holds(), Err(Error::Uprooted { .. })));
        fs::rename(data.join("aside"), data.join("journal.db")).unwrap();
        assert!(matches!(ground.holds(), Err(Error::Uprooted { .. })));
        let ground = Ground::of(&config);
        assert!(ground.holds().is_ok());
        fs::remove_dir_all(&data).unwrap();
        make();
        assert!(matches!(ground.holds(), Err(Error::Uprooted { .. })));
    }
}
