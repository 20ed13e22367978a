//! What is wanted before anything else: files of another program's or of the wards' own (packs that
//! open with a code in any browser). They go along with a backup and come back in seconds, without
//! any key and before the record.

use std::fs;
use std::path::{Path, PathBuf};

use seal::LogVerifier;

use super::broken;
use super::manifest::{self, Object};
use super::place::{Place, Shelf};
use super::restore::all;
use crate::keyfile;
use crate::sealed::Outcome;

/// The folder of these files at a place.
const FOLDER: &str = "first/";
/// Digits of a file's hash that stand before its name, so that none ever replaces another.
const DIGITS: usize = 16;
/// The largest file that goes along.
const BYTES_MAX: u64 = 256 << 20;

/// The files of some folders, and files that are named themselves, by name.
pub(super) fn files(paths: &[PathBuf]) -> Outcome<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_file() {
            files.extend(file(path)?);
            continue;
        }
        let entries = fs::read_dir(path);
        let entries = entries.map_err(|why| broken(format!("`{}`: {why}", path.display())))?;
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            files.extend(file(&path)?);
        }
    }
    files.sort();
    Ok(files)
}

fn file(path: &Path) -> Outcome<Option<(String, Vec<u8>)>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A file that is being written has a name that begins with a dot.
    let plain = plain(&name) && path.is_file();
    if !plain || path.metadata().is_ok_and(|found| found.len() > BYTES_MAX) {
        tracing::warn!(file = %path.display(), "it does not go along with the backup");
        return Ok(None);
    }
    let bytes = fs::read(path);
    let bytes = bytes.map_err(|why| broken(format!("`{}`: {why}", path.display())))?;
    Ok(Some((name.into_owned(), bytes)))
}

/// Where such a file lies.
pub(super) fn path(name: &str, sha256: &str) -> String {
    format!("{FOLDER}{}-{name}", sha256.get(..DIGITS).unwrap_or(sha256))
}

/// Whether a pinned object is such a file.
pub(super) fn is(object: &Object) -> bool {
    object.path.starts_with(FOLDER)
}

/// Fetches the files that went along with the furthest backup that has them, into `to`. Needs the
/// log's public key and nothing else. The files say themselves how old they are.
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if the place cannot be read or the folder not written.
pub async fn first(place: &Place, public_key: &str, to: &Path) -> Outcome<Vec<PathBuf>> {
    let shelf = place.open().map_err(broken)?;
    let log = LogVerifier::new(public_key.trim()).map_err(broken)?;
    let (found, _) = all(shelf.as_ref(), &log).await?;
    for (_, manifest) in found {
        let wanted: Vec<&Object> = manifest.objects.iter().filter(|one| is(one)).collect();
        if wanted.is_empty() {
            continue;
        }
        match fetched(shelf.as_ref(), &wanted, to).await {
            Ok(paths) => return Ok(paths),
            Err(why) => tracing::warn!(%why, "a backup is passed over"),
        }
    }
    Ok(Vec::new())
}

async fn fetched(shelf: &dyn Shelf, wanted: &[&Object], to: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for object in wanted {
        let bytes = shelf.get(&object.path, object.version.as_deref()).await;
        let bytes = bytes.map_err(broken)?;
        let bytes = bytes.filter(|bytes| manifest::sha256(bytes) == object.sha256);
        let name = object.path.get(FOLDER.len() + DIGITS + 1..);
        match (bytes, name.filter(|name| plain(name))) {
            (Some(bytes), Some(name)) => files.push((to.join(name), bytes)),
            _ => return Err(broken(format!("`{}` is gone or damaged", object.path))),
        }
    }
    keyfile::make_folder(to)?;
    for (path, bytes) in &files {
        let written = fs::write(path, bytes);
        written.map_err(|why| broken(format!("`{}`: {why}", path.display())))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// A name that is one file in its folder, wherever it is written.
fn plain(name: &str) -> bool {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        for name in ["ward-ICU.html", "a_b.pdf"] {
            assert!(plain(name), "{name}");
        }
        for name in ["", "..", ".x.new", "../x", "a/b", "a b"] {
            assert!(!plain(name), "{name}");
        }
    }
}
