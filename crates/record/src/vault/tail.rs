//! The end of the log that fills no bundle yet, as one object: what a bucket lacks to give back
//! everything under a checkpoint. Its name is the size, so that none ever replaces another.

use seal::TILE_WIDTH;

/// The folder of tails.
pub(super) const FOLDER: &str = "tail";
const MARK: &[u8] = b"salus/tail/v1\n";

/// The end of the log under one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    /// The signed note.
    pub(super) note: Vec<u8>,
    /// The unfinished entry bundle; empty if the last one is full.
    pub(super) bundle: Vec<u8>,
    /// The unfinished pack.
    pub(super) pack: Vec<u8>,
}

impl Tail {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = MARK.to_vec();
        for part in [&self.note, &self.bundle, &self.pack] {
            out.extend((part.len() as u64).to_be_bytes());
            out.extend(part);
        }
        out
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Tail> {
        let mut rest = bytes.strip_prefix(MARK)?;
        let mut part = || -> Option<Vec<u8>> {
            let (length, behind) = rest.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
            let (part, behind) = behind.split_at_checked(length)?;
            rest = behind;
            Some(part.to_vec())
        };
        let (note, bundle, pack) = (part()?, part()?, part()?);
        rest.is_empty().then_some(Tail { note, bundle, pack })
    }
}

/// The object of the tail at a size.
pub(super) fn path(size: u64) -> String {
    format!("{FOLDER}/{size:020}")
}

/// The size in the path of a tail.
pub(super) fn size(path: &str) -> Option<u64> {
    path.strip_prefix(FOLDER)?.strip_prefix('/')?.parse().ok()
}

/// The size that a checkpoint claims in its second line; nothing is verified.
pub(super) fn claimed(note: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(note).ok()?;
    text.lines().nth(1)?.parse().ok()
}

/// Bundle number and width of what is unfinished at a size.
pub(super) fn unfinished(size: u64) -> Option<(u64, usize)> {
    let width = usize::try_from(size % TILE_WIDTH as u64).ok()?;
    (width > 0).then_some((size / TILE_WIDTH as u64, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let tail = Tail {
            note: b"origin\n7\nroot\n".to_vec(),
            bundle: vec![1, 2],
            pack: Vec::new(),
        };
        let bytes = tail.to_bytes();
        assert_eq!(Tail::from_bytes(&bytes).unwrap(), tail);
        assert_eq!(claimed(&tail.note), Some(7));
        for cut in 0..bytes.len() {
            assert_eq!(Tail::from_bytes(&bytes[..cut]), None);
        }
        assert_eq!(size(&path(4_711)), Some(4_711));
        assert_eq!(unfinished(512), None);
        assert_eq!(unfinished(515), Some((2, 3)));
    }
}
