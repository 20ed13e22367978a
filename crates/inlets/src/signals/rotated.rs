//! A file and what rotations made of it, the oldest first.

use std::cmp::Reverse;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Names a folder may have that are looked at.
const NAMES_MAX: usize = 100_000;
/// The digits of the number of a rotation, at most.
const NUMBER_DIGITS_MAX: usize = 4;
/// The digits of a date; seconds since 1970 have more.
const DATE_DIGITS: usize = 8;

/// The files that were written before `path`, the oldest first, and then `path` itself.
pub(crate) fn generations(path: &Path) -> io::Result<Vec<PathBuf>> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut found: Vec<(SystemTime, Reverse<u16>, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)?.take(NAMES_MAX) {
        let entry = entry?;
        let other = entry.file_name().to_string_lossy().into_owned();
        if is_rotated(&name, &other) {
            // It may be gone in this moment: then it was renamed, and stands under its next name.
            let told = entry.metadata().ok().filter(fs::Metadata::is_file);
            let changed = told.and_then(|told| told.modified().ok());
            found.extend(changed.map(|changed| (changed, Reverse(turn(&other)), entry.path())));
        }
    }
    found.sort();
    let mut files: Vec<PathBuf> = found.into_iter().map(|(_, _, path)| path).collect();
    if path.exists() {
        files.push(path.to_owned());
    }
    Ok(files)
}

/// How often it was rotated, if its name says: of two that were written in one moment the one with
/// the higher number is the older.
fn turn(name: &str) -> u16 {
    let last = name.rsplit(['.', '-', '_']).next();
    last.and_then(|last| last.parse().ok()).unwrap_or_default()
}

/// Whether `other` is what a rotation makes of `name`: a number behind the whole name (`eve.json.1`), or
/// a date or a moment behind it or before its ending (`eve.json-20261127`, `eve.json.2026-11-27`,
/// `eve-20261127.json`). A number before the ending is none: `worker-1.log` is another worker's.
fn is_rotated(name: &str, other: &str) -> bool {
    if let Some(rest) = other.strip_prefix(name) {
        return is_number(rest) || is_moment(rest);
    }
    let Some((stem, ending)) = name.rsplit_once('.') else {
        return false;
    };
    let middle = other.strip_prefix(stem);
    let middle = middle.and_then(|rest| rest.strip_suffix(ending)?.strip_suffix('.'));
    middle.is_some_and(is_moment)
}

fn is_number(rest: &str) -> bool {
    let number = rest.strip_prefix('.').unwrap_or_default();
    (1..=NUMBER_DIGITS_MAX).contains(&number.len()) && digits(number) == number.len()
}

/// A year, month and day, with or without dashes and a time behind them, or seconds since 1970.
fn is_moment(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix(['.', '-', '_']) else {
        return false;
    };
    let dashed = rest.split('-').map(str::len).take(2).eq([4, 2]);
    let long = digits(rest) >= DATE_DIGITS;
    let fits = |letter: char| letter.is_ascii_digit() || "-_.T:".contains(letter);
    (dashed || long) && rest.len() >= DATE_DIGITS && rest.chars().all(fits)
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rotations_make_of_a_name() {
        for rotated in [
            "eve.json.1",
            "eve.json.12",
            "eve.json-20261127",
            "eve.json-2026-11-27T10:00:00",
            "eve-20261127.json",
            "eve-1764219600.json",
            "eve.2026-11-27.json",
            "eve.json.2026-11-27",
            "eve.json.2026-11-27_10-00",
            "eve.json-2026112710",
        ] {
            assert!(is_rotated("eve.json", rotated), "{rotated}");
        }
        for other in [
            "eve.json",
            "eve.json.1.gz",
            "eve.json.bak",
            "eve.json.",
            "eve2.json",
            "eve-old.json",
            "other.json.1",
            "eve.json.1~",
            "eve-1.json",
            "eve.1.json",
            "eve-2026.json",
            "eve.json-1",
            "eve.json.",
            "eve.json.1.2",
            "eve-10-0-0-7-1.json",
        ] {
            assert!(!is_rotated("eve.json", other), "{other}");
        }
        assert!(
            !is_rotated("worker.log", "worker-1.log"),
            "another worker's"
        );
        assert!(is_rotated("messages", "messages.1") && !is_rotated("messages", "messages1"));
    }
}
