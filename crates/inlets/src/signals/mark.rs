//! By what a file is known again under another name: what was read of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use aws_lc_rs::digest;
use event::Position;

/// Bytes at the begin, and before the place up to where it was read.
const EDGE_BYTES: u64 = 1_024;

/// The position after `offset` bytes of a file.
pub(crate) fn position(file: &File, offset: u64) -> io::Result<Position> {
    let edge = usize::try_from(offset.min(EDGE_BYTES)).unwrap_or_default();
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut bytes = vec![0; edge];
    file.read_exact_at(&mut bytes, 0)?;
    hash.update(&bytes);
    file.read_exact_at(&mut bytes, offset - edge as u64)?;
    hash.update(&bytes);
    let mark = hash.finish();
    let mark = mark.as_ref().iter().map(|byte| format!("{byte:02x}"));
    Ok(Position {
        offset,
        mark: mark.collect(),
    })
}

/// Whether a file begins with what was read up to a position.
pub(crate) fn is(file: &File, known: &Position) -> io::Result<bool> {
    if file.metadata()?.len() < known.offset {
        return Ok(false);
    }
    match position(file, known.offset) {
        Ok(found) => Ok(found == *known),
        // It was cut in this moment.
        Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(why) => Err(why),
    }
}
