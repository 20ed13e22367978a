//! The two keys that are files: the root of all patients' keys, and the log's signing key.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use seal::{Key, LogKey, LogVerifier};

use crate::Error;
use crate::config::Config;
use crate::root::RootConfig;
use crate::sealed::Outcome;

const LOG: &str = "log.key";
const PUBLIC: &str = "log.pub";

/// Makes the folders of a record.
pub(crate) fn folders(config: &Config) -> Outcome<()> {
    make_folder(&config.data)?;
    make_folder(&config.keys())?;
    make_folder(&config.vault())
}

/// The name under which this data folder holds a database that several servers could write.
pub(crate) fn node(config: &Config) -> Outcome<String> {
    let path = config.node();
    if !path.exists() {
        let mut bytes = [0; 32];
        fill(&mut bytes)?;
        write_text(&path, hex(&bytes).get(..16).unwrap_or_default())?;
    }
    let id = read(&path)?;
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    Ok(format!("{host}/{}", id.trim()))
}

/// Reads the log's key; makes it and the root key's file if there is neither a key nor an event.
///
/// INVARIANT: keys are never made beside a record that exists, or its data would seem lost.
pub(crate) fn open(config: &Config, events: u64) -> Outcome<LogKey> {
    let (root, log) = (config.root_key(), config.keys().join(LOG));
    if !root.exists() && !log.exists() && events == 0 {
        if config.root == RootConfig::File {
            write_root(&root, &new_key()?)?;
        }
        let mut bytes = [0; 32];
        fill(&mut bytes)?;
        let key = LogKey::new(&config.origin, &bytes).map_err(broken)?;
        write_text(&log, key.secret())?;
        write_text(&config.keys().join(PUBLIC), key.public())?;
    }
    let key = LogKey::from_secret(read(&log)?.trim()).map_err(broken)?;
    // A rotation that was broken off between its two files.
    if read(&config.keys().join(PUBLIC)).is_ok_and(|public| public.trim() != key.public().trim()) {
        put_text(&config.keys().join(PUBLIC), key.public())?;
    }
    Ok(key)
}

/// Puts another key of the same log in the place of the one that is there, durably: first the one that
/// signs, then the one that verifies, which is made anew from the first if this is broken off.
pub(crate) fn replace_log(config: &Config, key: &LogKey) -> Outcome<()> {
    put_text(&config.keys().join(LOG), key.secret())?;
    put_text(&config.keys().join(PUBLIC), key.public())
}

/// A text in the place of what is there, as a whole or not at all; durable on return.
fn put_text(path: &Path, text: &str) -> Outcome<()> {
    let next = path.with_extension("next");
    let _ = fs::remove_file(&next);
    write_text(&next, text)?;
    let renamed = fs::rename(&next, path);
    renamed.map_err(|error| broken(format!("`{}`: {error}", path.display())))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Puts the key of a log into a standby's folder, which must not be another log's. A key that follows
/// the one that is there takes its place.
pub(crate) fn install_log(config: &Config, log: &LogKey) -> Outcome<()> {
    let path = config.keys().join(LOG);
    if path.exists() {
        let own = LogKey::from_secret(read(&path)?.trim()).map_err(broken)?;
        if own.secret() == log.secret() {
            return Ok(());
        }
        let theirs = LogVerifier::new(log.public()).map_err(broken)?;
        if theirs.leads_from(own.vkey()) {
            return replace_log(config, log);
        }
        return Err(broken(format!(
            "`{}` is the key of another log: a standby needs a data folder of its own",
            path.display()
        )));
    }
    write_text(&path, log.secret())?;
    write_text(&config.keys().join(PUBLIC), log.public())?;
    sync_folder(&config.keys())
}

/// The log's public key, from the data folder.
pub(crate) fn public(config: &Config) -> Outcome<String> {
    read(&config.keys().join(PUBLIC)).map(|text| text.trim().to_owned())
}

/// A new random key.
pub(crate) fn new_key() -> Outcome<Key> {
    let mut bytes = [0; 32];
    fill(&mut bytes)?;
    Ok(Key::new(bytes))
}

/// A root key from a file.
pub(crate) fn read_root(path: &Path) -> Outcome<Key> {
    let text = read(path)?;
    let bytes = unhex(text.trim())
        .ok_or_else(|| broken(format!("`{}` is not 64 hex digits", path.display())))?;
    Ok(Key::new(bytes))
}

/// A root key into a file that is not there yet; durable on return.
pub(crate) fn write_root(path: &Path, key: &Key) -> Outcome<()> {
    write_text(path, &hex(key.bytes()))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes what was made, renamed or removed in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Outcome<()> {
    let synced = fs::File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| broken(format!("`{}`: {error}", path.display())))
}

pub(crate) fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).map_err(|error| {
        broken(format!(
            "`{}`: {error}; put the key back from where you keep it",
            path.display()
        ))
    })
}

pub(crate) fn make_folder(path: &Path) -> Outcome<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| broken(format!("`{}`: {error}", path.display())))
}

pub(crate) fn write_text(path: &Path, text: &str) -> Outcome<()> {
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(|error| broken(format!("`{}`: {error}", path.display())))
}

fn fill(bytes: &mut [u8]) -> Outcome<()> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| broken("the system has no randomness"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (place, number) in out.iter_mut().zip(0..) {
        *place = u8::from_str_radix(text.get(number * 2..number * 2 + 2)?, 16).ok()?;
    }
    Some(out)
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "use its keys",
        why: why.to_string(),
    }
}
