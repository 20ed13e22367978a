//! Sessions in a file, so that a restart ends none: encrypted, one line a change, the newest wins.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Session;

/// What every line is bound to.
const BOUND_TO: &[u8] = b"salus/session/v1";
/// Lines above twice the sessions that are open; then the file is written anew.
const LINES_SPARE: usize = 1_000;

/// SHA-256 of a session's id.
pub(super) type Key = [u8; 32];

/// The file, open for appending.
pub(super) struct Store {
    path: PathBuf,
    file: File,
    key: RandomizedNonceKey,
    lines: usize,
    /// The last line may be cut off, and would take the next one with it.
    torn: bool,
}

/// One change.
#[derive(Serialize, Deserialize)]
struct Line {
    key: Key,
    /// How it is from now on; `None`: it ended.
    session: Option<Session>,
}

impl Store {
    /// Opens the file, or makes one that only its owner can read; returns what it holds. A line
    /// that was not written whole, or under another key, counts for nothing.
    pub(super) fn open(path: &Path, key: [u8; 32]) -> io::Result<(Store, HashMap<Key, Session>)> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(io::Error::other)?;
        let open = match File::open(path) {
            Ok(file) => read(file, &key)?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(why) => return Err(why),
        };
        let mut store = Store {
            path: path.to_owned(),
            file: made(path, OpenOptions::new().append(true))?,
            key,
            lines: 0,
            torn: false,
        };
        store.anew(&open)?;
        Ok((store, open))
    }

    /// Writes how some sessions are from now on. That one ended is on the disk when this returns.
    pub(super) fn note(&mut self, keys: &[Key], open: &HashMap<Key, Session>) {
        if !self.torn {
            let done = self.append(keys, open);
            self.torn = done.is_err();
            self.told(done, "a session was not kept in its file");
        }
        if self.torn || self.lines > 2 * open.len() + LINES_SPARE {
            let done = self.anew(open);
            self.told(done, "the file of sessions was not written anew");
        }
    }

    fn told(&self, done: io::Result<()>, what: &'static str) {
        if let Err(why) = done {
            tracing::error!(%why, path = %self.path.display(), what);
        }
    }

    fn append(&mut self, keys: &[Key], open: &HashMap<Key, Session>) -> io::Result<()> {
        let (mut text, mut ended) = (String::new(), false);
        for key in keys {
            let session = open.get(key).cloned();
            ended |= session.is_none();
            text.push_str(&locked(&self.key, &Line { key: *key, session })?);
        }
        self.lines += keys.len();
        self.file.write_all(text.as_bytes())?;
        match ended {
            true => self.file.sync_data(),
            false => Ok(()),
        }
    }

    /// Writes the file anew, whole or not at all.
    fn anew(&mut self, open: &HashMap<Key, Session>) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut file = made(&beside, OpenOptions::new().write(true).truncate(true))?;
        for (key, session) in open {
            let session = Some(session.clone());
            let line = Line { key: *key, session };
            file.write_all(locked(&self.key, &line)?.as_bytes())?;
        }
        file.sync_data()?;
        std::fs::rename(&beside, &self.path)?;
        self.file = made(&self.path, OpenOptions::new().append(true))?;
        self.lines = open.len();
        self.torn = false;
        Ok(())
    }
}

fn made(path: &Path, how: &mut OpenOptions) -> io::Result<File> {
    how.create(true).mode(0o600).open(path)
}

fn read(file: File, key: &RandomizedNonceKey) -> io::Result<HashMap<Key, Session>> {
    let mut open = HashMap::new();
    for line in BufReader::new(file).split(b'\n') {
        let Some(line) = unlocked(key, &line?) else {
            continue;
        };
        match line.session {
            Some(session) => open.insert(line.key, session),
            None => open.remove(&line.key),
        };
    }
    Ok(open)
}

fn locked(key: &RandomizedNonceKey, line: &Line) -> io::Result<String> {
    let mut bytes = serde_json::to_vec(line).map_err(io::Error::other)?;
    let nonce = key.seal_in_place_append_tag(Aad::from(BOUND_TO), &mut bytes);
    let mut out = nonce.map_err(io::Error::other)?.as_ref().to_vec();
    out.append(&mut bytes);
    let mut text = URL_SAFE_NO_PAD.encode(out);
    text.push('\n');
    Ok(text)
}

fn unlocked(key: &RandomizedNonceKey, line: &[u8]) -> Option<Line> {
    let bytes = URL_SAFE_NO_PAD.decode(line).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut sealed = sealed.to_vec();
    let plain = key
        .open_in_place(nonce, Aad::from(BOUND_TO), &mut sealed)
        .ok()?;
    serde_json::from_slice(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that was cut off must not take the next one with it: that one may say "ended".
    #[test]
    fn after_a_line_that_was_cut_off_the_file_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        let (mut store, _) = Store::open(&path, [7; 32]).unwrap();
        store.file.write_all(b"cut off").unwrap();
        store.torn = true;
        store.note(&[[1; 32]], &HashMap::new());
        assert!(!store.torn);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        store.note(&[[1; 32], [2; 32]], &HashMap::new());
        let lines = std::fs::read_to_string(&path).unwrap();
        assert_eq!(lines.lines().count(), 2);
    }
}
