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
    /// What has been seen for so long that a file that was rotated away counts as finished, and one
    /// that was not found as gone, if it is what this look sees, too.
    pub(crate) still: Option<Looked>,
    pub(crate) line_bytes_max: usize,
    pub(crate) batch_lines_max: u64,
    pub(crate) batch_bytes_max: usize,
    pub(crate) now: i64,
}

/// What a look saw: whether something changed since another look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Looked {
    /// None was read yet.
    Never,
    /// Up to a position one was read.
    Known {
        position: Position,
        /// Under which name it is there; `None`: it is none of these.
        place: Option<PathBuf>,
        /// How long it is, if it was rotated away. The file itself grows, and so may others that look as if
        /// they had been rotated away.
        length: Option<u64>,
    },
}

/// What a look found.
pub(crate) struct Found {
    pub(crate) looked: Looked,
    pub(crate) tally: Tally,
    /// Up to where it was read then; `None`: there is nothing to read yet.
    pub(crate) next: Option<Position>,
    pub(crate) note: Option<&'static str>,
}

/// A file, opened, with the name it had then.
struct Opened {
    file: File,
    path: PathBuf,
}

/// Looks, and reads what can be read.
///
/// # Errors
/// What the system says; `NotFound` while files are renamed.
pub(crate) fn look(wanted: &Look, tally: Tally) -> io::Result<Found> {
    let opened = |path: PathBuf| File::open(&path).map(|file| Opened { file, path });
    let files: io::Result<Vec<Opened>> =
        generations(&wanted.path)?.into_iter().map(opened).collect();
    let files = files?;
    let mut found = Found {
        looked: Looked::Never,
        tally,
        next: None,
        note: None,
    };
    let own = |one: &Opened| one.path == wanted.path;
    // What was rotated away before it was ever read is not read: only the file itself is configured.
    let Some(known) = &wanted.position else {
        if let Some(one) = files.last().filter(|one| own(one)) {
            read(wanted, (&one.file, 0), End::Open, &mut found)?;
        }
        return Ok(found);
    };
    let place = place(&files, known)?;
    found.looked = looked(wanted, (&files, place), known)?;
    // INVARIANT: it is decided after the look: what was still under another name, or before it was
    // rotated away, may still be written to.
    let settled = wanted.still.as_ref() == Some(&found.looked);
    match place {
        Some(at) => go_on(wanted, (&files, at, settled), known, &mut found)?,
        None if settled => {
            found.note = Some(GONE);
            // What was written after what is gone was not read yet; what was written before it was.
            let mut newer = files.len();
            for (at, one) in files.iter().enumerate().rev() {
                if own(one) || mark::is_newer(&one.file, known)? {
                    newer = at;
                }
            }
            read_next(wanted, files.get(newer..).unwrap_or_default(), &mut found)?;
        }
        None => {}
    }
    Ok(found)
}

/// Where the file is that was read: the same file, or else the newest that begins with what was read.
fn place(files: &[Opened], known: &Position) -> io::Result<Option<usize>> {
    let mut place = None;
    for (at, one) in files.iter().enumerate().rev() {
        if !mark::is(&one.file, known)? {
            continue;
        }
        if mark::is_same(&one.file, known)? {
            return Ok(Some(at));
        }
        place = place.or(Some(at));
    }
    Ok(place)
}

fn looked(
    wanted: &Look,
    (files, place): (&[Opened], Option<usize>),
    known: &Position,
) -> io::Result<Looked> {
    let place = place.and_then(|at| files.get(at));
    let rotated = place.filter(|one| one.path != wanted.path);
    let length = rotated.map(|one| one.file.metadata()).transpose()?;
    Ok(Looked::Known {
        position: known.clone(),
        place: place.map(|one| one.path.clone()),
        length: length.map(|about| about.len()),
    })
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
    (files, at, settled): (&[Opened], usize, bool),
    known: &Position,
    found: &mut Found,
) -> io::Result<()> {
    let Some((one, behind)) = files.get(at..).and_then(<[Opened]>::split_first) else {
        return Ok(());
    };
    let end = match behind {
        [_, ..] if settled => End::Final,
        _ => End::Open,
    };
    read(wanted, (&one.file, known.offset), end, found)?;
    // It was cut and written anew while it was read: the next look sees what it came to.
    if !mark::is(&one.file, known)? {
        return Err(io::ErrorKind::NotFound.into());
    }
    match end == End::Final && found.next.is_none() {
        true => read_next(wanted, behind, found),
        false => Ok(()),
    }
}

/// Reads the first of these files that holds something; all but the last are finished.
fn read_next(wanted: &Look, files: &[Opened], found: &mut Found) -> io::Result<()> {
    for (at, one) in files.iter().enumerate() {
        let end = match at + 1 == files.len() {
            true => End::Open,
            false => End::Final,
        };
        read(wanted, (&one.file, 0), end, found)?;
        if found.next.is_some() {
            break;
        }
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
#[path = "look/tests.rs"]
mod tests;
