//! By what a file is known again under another name: what was read of it. If several fit, by which file
//! of the disk it is; and by when it was last written to, what was written after it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use aws_lc_rs::digest;
use event::Position;

/// Bytes at the begin, and before the place up to where it was read.
const EDGE_BYTES: u64 = 1_024;
const NANOSECONDS: i64 = 1_000_000_000;

/// The position after `offset` bytes of a file. Its mark: a hash of what was read, device and inode, and
/// when it was last written to, in nanoseconds since 1970.
pub(crate) fn position(file: &File, offset: u64) -> io::Result<Position> {
    let told = file.metadata()?;
    let (hash, same, written) = (hash(file, offset)?, identity(&told), written(&told));
    let mark = format!("{hash} {same} {written}");
    Ok(Position { offset, mark })
}

/// Whether a file begins with what was read up to a position.
pub(crate) fn is(file: &File, known: &Position) -> io::Result<bool> {
    if file.metadata()?.len() < known.offset {
        return Ok(false);
    }
    match hash(file, known.offset) {
        Ok(found) => Ok(known.mark.split(' ').next() == Some(&found)),
        // It was cut in this moment.
        Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(why) => Err(why),
    }
}

/// Whether it is the file of the disk that was read: not after a copy or a restore.
pub(crate) fn is_same(file: &File, known: &Position) -> io::Result<bool> {
    let same = known.mark.split(' ').nth(1);
    Ok(same == Some(&identity(&file.metadata()?)))
}

/// Whether a file was written to after the one that was read, as it was then.
pub(crate) fn is_newer(file: &File, known: &Position) -> io::Result<bool> {
    let then: Option<i64> = known
        .mark
        .split(' ')
        .nth(2)
        .and_then(|told| told.parse().ok());
    let now = written(&file.metadata()?);
    Ok(then.is_some_and(|then| now > then))
}

fn hash(file: &File, offset: u64) -> io::Result<String> {
    let edge = usize::try_from(offset.min(EDGE_BYTES)).unwrap_or_default();
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut bytes = vec![0; edge];
    file.read_exact_at(&mut bytes, 0)?;
    hash.update(&bytes);
    file.read_exact_at(&mut bytes, offset - edge as u64)?;
    hash.update(&bytes);
    let hash = hash.finish();
    let hash = hash.as_ref().iter().map(|byte| format!("{byte:02x}"));
    Ok(hash.collect())
}

fn identity(told: &Metadata) -> String {
    format!("{:x}:{:x}", told.dev(), told.ino())
}

fn written(told: &Metadata) -> i64 {
    let seconds = told.mtime().saturating_mul(NANOSECONDS);
    seconds.saturating_add(told.mtime_nsec())
}
