//! One look at a file and its rotations: what is to be read next.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use event::Position;
use wire::signals::{Cut, Line, Tally};

use super::mark;
use super::rotated::generations;

/// What is said when the file that was read is not there any more.
const GONE: &str = "what was read before is in no file any more: it was cut short or replaced, and \
                    lines that were written before that may be missing";

/// What is looked for.
pub(crate) struct Look {
    pub(crate) path: PathBuf,
    /// Up to where it was read; `None`: never.
    pub(crate) position: Option<Position>,
    /// Nothing changed for so long that a file that was rotated away counts as finished, and one that
    /// was not found as gone.
    pub(crate) settled: bool,
    pub(crate) line_bytes_max: usize,
    pub(crate) batch_lines_max: u64,
    pub(crate) batch_bytes_max: usize,
    pub(crate) now: i64,
}

/// What a look saw of the file that was read: whether something changed since another look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Looked {
    /// It is there, under a name and so long.
    There(PathBuf, u64, Position),
    /// It is none of these.
    Gone(Vec<PathBuf>, Position),
    /// None was read yet.
    Never,
}

/// What a look found.
pub(crate) struct Found {
    pub(crate) looked: Looked,
    pub(crate) tally: Tally,
    /// Up to where it was read then; `None`: there is nothing to read yet.
    pub(crate) next: Option<Position>,
    pub(crate) note: Option<&'static str>,
}

/// Looks, and reads what can be read.
///
/// # Errors
/// What the system says; `NotFound` while files are renamed.
pub(crate) fn look(wanted: &Look, tally: Tally) -> io::Result<Found> {
    let paths = generations(&wanted.path)?;
    let mut files = Vec::with_capacity(paths.len());
    for path in &paths {
        files.push(File::open(path)?);
    }
    let mut found = Found {
        looked: Looked::Never,
        tally,
        next: None,
        note: None,
    };
    let last = files.len().checked_sub(1);
    // What was rotated away before it was ever read is not read: only the file itself is configured.
    let Some(known) = &wanted.position else {
        let file = last.and_then(|last| files.get(last)).zip(paths.last());
        if let Some((file, _)) = file.filter(|(_, path)| **path == wanted.path) {
            read(wanted, (file, 0), End::Open, &mut found)?;
        }
        return Ok(found);
    };
    let mut place = None;
    for (at, file) in files.iter().enumerate().rev() {
        if mark::is(file, known)? {
            place = Some(at);
            break;
        }
    }
    found.looked = match place.and_then(|at| paths.get(at).zip(files.get(at))) {
        Some((path, file)) => Looked::There(path.clone(), file.metadata()?.len(), known.clone()),
        None => Looked::Gone(paths.clone(), known.clone()),
    };
    match place {
        Some(at) => go_on(wanted, (&files, at), known, &mut found)?,
        None if wanted.settled => {
            found.note = Some(GONE);
            // One that was rotated away was read before.
            let file = last.and_then(|last| files.get(last)).zip(paths.last());
            if let Some((file, _)) = file.filter(|(_, path)| **path == wanted.path) {
                read(wanted, (file, 0), End::Open, &mut found)?;
            }
        }
        None => {}
    }
    Ok(found)
}

/// Whether more may be written to a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Final,
}

/// Reads on where it was left, and then the next file.
fn go_on(
    wanted: &Look,
    (files, at): (&[File], usize),
    known: &Position,
    found: &mut Found,
) -> io::Result<()> {
    let Some(file) = files.get(at) else {
        return Ok(());
    };
    let mut behind = files.iter().skip(at + 1).peekable();
    let mut end = match behind.peek() {
        Some(_) if wanted.settled => End::Final,
        _ => End::Open,
    };
    read(wanted, (file, known.offset), end, found)?;
    // It was cut and written anew while it was read: the next look sees what it came to.
    if !mark::is(file, known)? {
        return Err(io::ErrorKind::NotFound.into());
    }
    // One that holds nothing is passed over: the next may hold something.
    while end == End::Final
        && found.next.is_none()
        && let Some(next) = behind.next()
    {
        end = match behind.peek() {
            Some(_) => End::Final,
            None => End::Open,
        };
        read(wanted, (next, 0), end, found)?;
    }
    Ok(())
}

/// Reads lines from a place on, as many as a batch has; nothing if none is complete.
fn read(
    wanted: &Look,
    (file, offset): (&File, u64),
    end: End,
    found: &mut Found,
) -> io::Result<()> {
    let most = wanted.batch_bytes_max.saturating_add(wanted.line_bytes_max) + 1;
    let bytes = read_at(file, offset, most)?;
    // Only what stands before the end of the file can be its last line.
    let end = if bytes.len() < most { end } else { End::Open };
    let mut within = offset > 0 && read_at(file, offset - 1, 1)? != b"\n";
    let mut rest = bytes.as_slice();
    while found.tally.lines < wanted.batch_lines_max
        && found.tally.batch.len() < wanted.batch_bytes_max.max(1)
    {
        let Some((line, after, cut)) = next(rest, wanted.line_bytes_max, end) else {
            break;
        };
        let cut = cut == Cut::Piece;
        if !line.is_empty() {
            let whole = !(cut || within);
            let line = Line {
                at: wanted.now,
                source: &wanted.path.to_string_lossy(),
                bytes: line,
            };
            found
                .tally
                .add(line, if whole { Cut::Whole } else { Cut::Piece });
        }
        within = cut;
        rest = after;
    }
    let taken = (bytes.len() - rest.len()) as u64;
    if taken > 0 {
        found.next = Some(mark::position(file, offset + taken)?);
    }
    Ok(())
}

/// A line, what follows it, and whether it is a piece; `None`: it is not complete.
fn next(rest: &[u8], line_bytes_max: usize, end: End) -> Option<(&[u8], &[u8], Cut)> {
    let looked = rest.get(..=line_bytes_max).unwrap_or(rest);
    if let Some(at) = looked.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at_checked(at)?;
        return Some((line, after.get(1..)?, Cut::Whole));
    }
    if rest.len() > line_bytes_max {
        let (line, after) = rest.split_at_checked(line_bytes_max)?;
        return Some((line, after, Cut::Piece));
    }
    (end == End::Final && !rest.is_empty()).then_some((rest, &[], Cut::Whole))
}

fn read_at(file: &File, offset: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    let mut length = 0;
    while let Some(left) = bytes.get_mut(length..).filter(|left| !left.is_empty()) {
        match file.read_at(left, offset + length as u64) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use wire::signals::Format;

    use super::*;

    #[test]
    fn what_was_read_is_not_read_again_because_another_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eve.json");
        let mut wanted = Look {
            path: path.clone(),
            position: None,
            settled: true,
            line_bytes_max: 100,
            batch_lines_max: 100,
            batch_bytes_max: 1_000,
            now: 0,
        };
        let zone = jiff::tz::TimeZone::UTC;
        let seen = || look(&wanted, Tally::new(Format::Json, zone.clone())).unwrap();
        std::fs::write(&path, "{\"n\":1}\n").unwrap();
        let first = seen();
        assert_eq!(first.tally.lines, 1);
        std::fs::rename(&path, folder.path().join("eve.json.1")).unwrap();
        std::fs::write(&path, "{\"n\":2}\n").unwrap();
        wanted.position = first.next;
        let seen = || look(&wanted, Tally::new(Format::Json, zone.clone())).unwrap();
        let second = seen();
        assert_eq!(second.tally.lines, 1);
        std::fs::remove_file(&path).unwrap();
        wanted.position = second.next;
        let gone = look(&wanted, Tally::new(Format::Json, zone.clone())).unwrap();
        assert_eq!(
            gone.tally.lines, 0,
            "the file that was rotated away was read"
        );
        assert!(gone.next.is_none());
    }
}
