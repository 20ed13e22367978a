//! The head of a tree as people write it down: on a printed sheet, in a QR code, on a telephone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tree::Hash;
use crate::witness::decimal;

/// Size and root of a tree, and whose it is if that was written too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintedHead {
    /// The log's name, if it stands there.
    pub origin: Option<String>,
    /// Number of entries.
    pub size: u64,
    /// The root hash.
    pub root: Hash,
}

impl PrintedHead {
    /// From `SIZE ROOT` with the root in base64, or from the text of a checkpoint (a QR code).
    pub fn read(text: &str) -> Option<PrintedHead> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (origin, size, root) = match words.as_slice() {
            [size, root] => (None, size, root),
            // A checkpoint's first three lines; signatures may follow. Names have no blanks.
            [origin, size, root, ..] => (Some((*origin).to_owned()), size, root),
            _ => return None,
        };
        Some(PrintedHead {
            origin,
            size: decimal(size)?,
            root: STANDARD.decode(root).ok()?.try_into().ok()?,
        })
    }

    /// `SIZE ROOT`.
    pub fn short(size: u64, root: &Hash) -> String {
        format!("{size} {}", STANDARD.encode(root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::LogKey;

    #[test]
    fn a_line_and_a_checkpoint_are_the_same_head() {
        let line = PrintedHead::short(7, &[5; 32]);
        let read = PrintedHead::read(&line).unwrap();
        assert_eq!((read.size, read.root, read.origin), (7, [5; 32], None));
        let note = LogKey::new("log.example", &[2; 32]).unwrap();
        let read = PrintedHead::read(&note.sign(7, &[5; 32]).unwrap()).unwrap();
        assert_eq!((read.size, read.root), (7, [5; 32]));
        assert_eq!(read.origin.as_deref(), Some("log.example"));
    }

    #[test]
    fn what_is_no_head_is_none() {
        for bad in [
            "",
            "7",
            "7 AAAA",
            "x AAAA",
            "-7 AAAA",
            "07 AAAA",
            "seven words of no meaning",
        ] {
            assert_eq!(PrintedHead::read(bad), None, "{bad}");
        }
    }
}
