//! A list of passwords that were stolen elsewhere, in a file of the operator's.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// The fewest hex digits of a line: fewer would refuse too many good passwords.
const DIGITS_MIN: usize = 10;
/// What one look reads: a line has 40 digits and a count.
const LOOK_BYTES: usize = 128;

/// Whether the list holds a password. Its lines are hex SHA-1 in ascending order, whole or cut, with
/// a count after a colon or without: what Have I Been Pwned offers for download. The file is not
/// read as a whole: it may have tens of gigabytes.
///
/// # Errors
/// The file cannot be read, or is no such list.
pub(crate) fn holds(path: &Path, password: &str) -> io::Result<bool> {
    let wanted = sha1(password);
    let mut file = BufReader::with_capacity(LOOK_BYTES, File::open(path)?);
    let (mut low, mut high) = (0, file.seek(SeekFrom::End(0))?);
    if high == 0 {
        return Err(strange("is empty"));
    }
    // INVARIANT: a line that begins before `low` is too small, one that begins at `high` or after it
    // is too large.
    while low < high {
        let middle = low + (high - low) / 2;
        let (start, line) = line_from(&mut file, middle)?;
        let digits = digits(&line);
        if start >= high || digits.is_empty() {
            high = middle;
            continue;
        }
        if digits.len() < DIGITS_MIN || !digits.bytes().all(|one| one.is_ascii_hexdigit()) {
            return Err(strange("has a line that is no SHA-1"));
        }
        let digits = digits.to_ascii_uppercase();
        let same = wanted.get(..digits.len()).unwrap_or(&wanted);
        match digits.as_str().cmp(same) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => low = start + line.len() as u64,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(false)
}

/// The first line that begins at `place` or after it, and where it begins.
fn line_from(file: &mut BufReader<File>, place: u64) -> io::Result<(u64, String)> {
    let mut start = place;
    file.seek(SeekFrom::Start(place.saturating_sub(1)))?;
    let mut line = Vec::new();
    if place > 0 {
        let rest = file.read_until(b'\n', &mut line)?;
        start = place - 1 + rest as u64;
        line.clear();
    }
    file.read_until(b'\n', &mut line)?;
    Ok((start, String::from_utf8_lossy(&line).into_owned()))
}

fn digits(line: &str) -> &str {
    line.split(':').next().unwrap_or_default().trim()
}

fn sha1(password: &str) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    hash.as_ref().iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02X}");
        out
    })
}

fn strange(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the list {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lines: &[String]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        file
    }

    #[test]
    fn each_of_a_list_is_found_and_nothing_else() {
        for many in [1, 2, 3, 7, 100, 1_000] {
            let names: Vec<String> = (0..many).map(|one| format!("password {one}")).collect();
            let mut lines: Vec<String> = names
                .iter()
                .enumerate()
                .map(|(count, one)| format!("{}:{count}", sha1(one)))
                .collect();
            lines.sort();
            let file = list(&lines);
            for name in &names {
                assert!(holds(file.path(), name).unwrap(), "{name} of {many}");
            }
            for other in ["", "password", "password 1000", "four words of night"] {
                assert!(!holds(file.path(), other).unwrap(), "{other} of {many}");
            }
        }
    }

    #[test]
    fn lines_may_be_cut_small_or_without_a_count() {
        // SHA-1 of `abc`, FIPS 180-4.
        let file = list(&["a9993e3647".to_owned()]);
        assert!(holds(file.path(), "abc").unwrap());
        assert!(!holds(file.path(), "abd").unwrap());
    }

    #[test]
    fn what_is_no_list_is_an_error_and_not_a_yes() {
        for text in ["", "password\nqwertz\n", "A9993"] {
            assert!(
                holds(list(&[text.to_owned()]).path(), "abc").is_err(),
                "{text}"
            );
        }
        assert!(holds(Path::new("/nowhere"), "abc").is_err());
    }
}
