//! The keys' own copy: small, encrypted under the root key, kept apart from the record's backups.
//!
//! The root key is not in it: it comes back from its shares, or from where it is kept. So a copy
//! that is stolen opens nothing, and a patient who was erased is gone for good once the last copy
//! that still had the key has made room.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use seal::{Key, Share, combine};

use super::broken;
use super::manifest::{hex, unhex};
use crate::config::Config;
use crate::keyring;
use crate::root::{self, FileRoot, RootKey, Sample};
use crate::sealed::Outcome;
use crate::{engines, keyfile};

const MARK: &str = "salus keys v1";
const CONTEXT: &str = "salus/keys-copy/v1";
/// Copies that stay, at least: the newest may be the damaged one.
const KEEP_MIN: usize = 2;
const KEYRING: &str = "keyring.db";

/// A copy of the keys that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysCopied {
    /// The file.
    pub path: PathBuf,
    /// Older copies that made room.
    pub removed: usize,
}

/// Copies the keyring and the log's keys into a folder, encrypted under the root key; keeps the
/// newest `keep` copies, by the length of the log and not by any clock.
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if keys or folder cannot be used.
pub async fn copy_keys(config: &Config, to: &Path, keep: usize) -> Outcome<KeysCopied> {
    let journal = engines::journal_read_only(config).await?;
    let size = journal.frontier().await.map_err(broken)?.size();
    journal.close().await;
    let pool = keyring::pool(&config.keyring()).await?;
    let sample = keyring::sample(&pool).await?;
    let root = root::open(config, sample.as_ref())?;
    let whole = config.keys().join("keyring.copy");
    let _ = fs::remove_file(&whole);
    let copied = sqlx::query("VACUUM INTO $1").bind(whole.display().to_string());
    let copied = copied.execute(&pool).await;
    pool.close().await;
    copied.map_err(broken)?;
    let mut parts = vec![(KEYRING.to_owned(), read(&whole)?)];
    fs::remove_file(&whole).map_err(broken)?;
    for entry in fs::read_dir(config.keys()).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if copied_too(&name) && path.is_file() {
            parts.push((name.into_owned(), read(&path)?));
        }
    }
    let text = sealed(root.as_ref(), &parts)?;
    keyfile::make_folder(to)?;
    let path = to.join(format!("keys-{size:020}.salus"));
    write_over(&path, text.as_bytes())?;
    let removed = make_room(to, keep.max(KEEP_MIN))?;
    Ok(KeysCopied { path, removed })
}

/// Puts the keys back into a data folder that has none, from a copy and from shares of the root key.
/// Without shares the root key must be there (`keys/root.key`), or in its token.
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if the shares or the root key do not open the copy, or if
/// keys are there already.
pub fn restore_keys(config: &Config, copy: &Path, shares: &[Share]) -> Outcome<()> {
    if config.keyring().exists() {
        return Err(broken(format!(
            "there are keys in `{}` already: give an empty folder",
            config.data.display()
        )));
    }
    keyfile::folders(config)?;
    let text = fs::read_to_string(copy);
    let text = text.map_err(|why| broken(format!("`{}`: {why}", copy.display())))?;
    let shared = match shares {
        [] => None,
        _ => Some(combine(shares).map_err(broken)?),
    };
    let root: Box<dyn RootKey> = match &shared {
        Some(key) => Box::new(FileRoot::recovered(key.clone(), config)),
        None => root::open(config, Some(&sample(&text)?))?,
    };
    let parts = opened(root.as_ref(), &text)?;
    if let Some(key) = shared
        && !config.root_key().exists()
    {
        keyfile::write_root(&config.root_key(), &key)?;
    }
    for (name, bytes) in parts.iter().filter(|(name, _)| name != KEYRING) {
        if copied_too(name) {
            write_over(&config.keys().join(name), bytes)?;
        }
    }
    // The keyring goes last: it says that the keys are whole.
    let keyring = parts.iter().find(|(name, _)| name == KEYRING);
    let (_, bytes) = keyring.ok_or_else(|| broken("the copy has no keyring"))?;
    write_over(&config.keyring(), bytes)
}

/// The log's keys and whatever else was made in `keys/`, but never the root key.
fn copied_too(name: &str) -> bool {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    let other = !name.starts_with("root.") && !name.starts_with("keyring.");
    other && !name.starts_with('.') && name.chars().all(safe)
}

/// Lines of head, then everything under a key of its own, which the root wraps.
fn sealed(root: &dyn RootKey, parts: &[(String, Vec<u8>)]) -> Outcome<String> {
    let key = keyfile::new_key()?;
    let mut bytes = Vec::new();
    for (name, part) in parts {
        bytes.extend((name.len() as u64).to_be_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part);
    }
    // The key is used once, so that the nonce may be fixed.
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let aad = Aad::from(MARK.as_bytes());
    let done = aead(&key)?.seal_in_place_append_tag(nonce, aad, &mut bytes);
    done.map_err(|_| broken("the keys cannot be encrypted"))?;
    let wrapped = root.wrap(&key, CONTEXT.as_bytes())?;
    Ok(format!(
        "{MARK}\nwrapped {}\n{}\n",
        hex(&wrapped),
        hex(&bytes)
    ))
}

/// The key in the head of a copy, as the root wrapped it.
fn sample(text: &str) -> Outcome<Sample> {
    let mut lines = text.lines();
    let head = lines.next() == Some(MARK);
    let wrapped = lines
        .next()
        .and_then(|line| unhex(line.strip_prefix("wrapped ")?));
    let wrapped = wrapped.filter(|_| head).ok_or_else(damaged)?;
    Ok(Sample {
        context: CONTEXT.into(),
        wrapped,
    })
}

fn opened(root: &dyn RootKey, text: &str) -> Outcome<Vec<(String, Vec<u8>)>> {
    let Sample { wrapped, .. } = sample(text)?;
    let bytes = text.lines().nth(2).and_then(unhex);
    let mut bytes = bytes.ok_or_else(damaged)?;
    let key = root.unwrap(&wrapped, CONTEXT.as_bytes())?;
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let aad = Aad::from(MARK.as_bytes());
    let plain = aead(&key)?.open_in_place(nonce, aad, &mut bytes);
    let plain: &[u8] = plain.map_err(|_| damaged())?;
    let mut rest = plain;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let name = part(&mut rest).ok_or_else(damaged)?;
        let bytes = part(&mut rest).ok_or_else(damaged)?;
        parts.push((String::from_utf8_lossy(name).into_owned(), bytes.to_vec()));
    }
    Ok(parts)
}

fn damaged() -> crate::Error {
    broken("the copy of the keys is damaged: take another one")
}

fn part<'p>(rest: &mut &'p [u8]) -> Option<&'p [u8]> {
    let (length, behind) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (part, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(part)
}

fn aead(key: &Key) -> Outcome<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, key.bytes());
    key.map(LessSafeKey::new)
        .map_err(|_| broken("the keys cannot be encrypted"))
}

/// Removes all but the newest copies.
fn make_room(folder: &Path, keep: usize) -> Outcome<usize> {
    let entries = fs::read_dir(folder).map_err(broken)?;
    let mut copies: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("keys-") && name.ends_with(".salus")
        })
        .collect();
    copies.sort();
    let old = copies.len().saturating_sub(keep);
    for path in copies.iter().take(old) {
        fs::remove_file(path).map_err(broken)?;
    }
    keyfile::sync_folder(folder)?;
    Ok(old)
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|why| broken(format!("`{}`: {why}", path.display())))
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_over(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let next = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&next)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&next, path)
    };
    write().map_err(|why| broken(format!("`{}`: {why}", path.display())))?;
    path.parent().map_or(Ok(()), keyfile::sync_folder)
}
