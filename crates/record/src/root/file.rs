//! The root key in a file of mode 0600: 64 hex digits.
//!
//! While it is being rotated there are two: `root.key` and `root.key.next`. Which of them counts
//! is for the keyring to say: the one that opens it.

use std::fs;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use seal::{Key, derive, unwrap, wrap};

use super::{RootKey, Sample, broken};
use crate::config::Config;
use crate::keyfile;
use crate::sealed::Outcome;

pub(crate) struct FileRoot {
    /// The first wraps; all of them are tried when something is unwrapped.
    keys: Vec<Key>,
    place: String,
}

impl FileRoot {
    pub(crate) fn open(config: &Config) -> Outcome<FileRoot> {
        let mut keys = vec![keyfile::read_root(&config.root_key())?];
        if config.next_root_key().exists() {
            // One that was torn while it was written has wrapped nothing yet.
            keys.extend(keyfile::read_root(&config.next_root_key()).ok());
        }
        Ok(FileRoot::of(keys, config))
    }

    /// A new root, durable in `root.key.next`.
    pub(super) fn make_next(config: &Config) -> Outcome<FileRoot> {
        discard_next(config)?;
        let key = keyfile::new_key()?;
        keyfile::write_root(&config.next_root_key(), &key)?;
        Ok(FileRoot::of(vec![key], config))
    }

    /// A root put together from shares, not yet in any file.
    pub(crate) fn recovered(key: Key, config: &Config) -> FileRoot {
        FileRoot::of(vec![key], config)
    }

    fn of(keys: Vec<Key>, config: &Config) -> FileRoot {
        FileRoot {
            keys,
            place: config.root_key().display().to_string(),
        }
    }
}

impl RootKey for FileRoot {
    fn wrap(&self, key: &Key, context: &[u8]) -> Outcome<Vec<u8>> {
        let outer = self.keys.first().ok_or_else(|| broken("there is none"))?;
        let mut nonce = [0; 12];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| broken("the system has no randomness"))?;
        wrap(outer, key, context, nonce).map_err(broken)
    }

    fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Outcome<Key> {
        let mut opened = self
            .keys
            .iter()
            .filter_map(|outer| unwrap(outer, wrapped, context).ok());
        opened.next().ok_or_else(|| {
            broken(
                "the root key is not the one this keyring was made with; put the right \
                 `keys/root.key` back, or put it together with `salus keys recover`",
            )
        })
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn derived(&self, label: &str) -> Option<Key> {
        self.keys.first().map(|key| derive(key, label))
    }
}

/// Makes the file that opens `sample` the root and removes the other one.
pub(super) fn settle(config: &Config, sample: &Sample) -> Outcome<()> {
    let next = config.next_root_key();
    if !next.exists() {
        return Ok(());
    }
    let opens = keyfile::read_root(&next)
        .is_ok_and(|key| unwrap(&key, &sample.wrapped, sample.context.as_bytes()).is_ok());
    if opens {
        fs::rename(&next, config.root_key()).map_err(broken)?;
        keyfile::sync_folder(&config.keys())
    } else {
        discard_next(config)
    }
}

pub(super) fn discard_next(config: &Config) -> Outcome<()> {
    let next = config.next_root_key();
    if next.exists() {
        fs::remove_file(next).map_err(broken)?;
        keyfile::sync_folder(&config.keys())?;
    }
    Ok(())
}
