//! Where a file is cut: at places that its content decides, so that a byte that was put in front
//! changes one piece and not all (FastCDC, normalised, by a gear hash). Readers of the format take
//! any cut; the table comes from the repository's key, so that sizes tell nothing about content.

use std::io::Read;

use aws_lc_rs::digest::{SHA256, digest};

/// Sizes of pieces, as restic cuts them.
const MIN: usize = 512 << 10;
const MIDDLE: usize = 1 << 20;
const MAX: usize = 8 << 20;
/// Bits that have to be zero for a cut: more before the middle, fewer behind it.
const BEFORE: u64 = u64::MAX << (64 - 22);
const BEHIND: u64 = u64::MAX << (64 - 18);

/// What cuts the files of one repository.
pub(crate) struct Gear([u64; 256]);

impl Gear {
    /// The table of a key.
    pub(crate) fn of(key: &[u8]) -> Gear {
        let mut table = [0; 256];
        for (value, entry) in (0_u8..=255).zip(&mut table) {
            let text = [b"salus/chunks/v1".as_slice(), key, &[value]].concat();
            let hash = digest(&SHA256, &text);
            let first = hash.as_ref().first_chunk::<8>();
            *entry = first.map_or(0, |bytes| u64::from_be_bytes(*bytes));
        }
        Gear(table)
    }

    /// Where the first piece of some bytes ends.
    fn cut(&self, bytes: &[u8]) -> usize {
        if bytes.len() <= MIN {
            return bytes.len();
        }
        let mut hash = 0_u64;
        let most = bytes.iter().take(MAX).enumerate().skip(MIN);
        for (at, byte) in most {
            let value = self.0.get(usize::from(*byte)).copied().unwrap_or_default();
            hash = (hash << 1).wrapping_add(value);
            let mask = if at < MIDDLE { BEFORE } else { BEHIND };
            if hash & mask == 0 {
                return at + 1;
            }
        }
        bytes.len().min(MAX)
    }
}

/// The pieces of what is read.
pub(crate) struct Chunks<'g, R> {
    gear: &'g Gear,
    from: R,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
}

impl<'g, R: Read> Chunks<'g, R> {
    /// The pieces of `from`.
    pub(crate) fn of(gear: &'g Gear, from: R) -> Chunks<'g, R> {
        Chunks {
            gear,
            from,
            buffer: Vec::new(),
            start: 0,
            ended: false,
        }
    }

    fn fill(&mut self) -> std::io::Result<()> {
        let waiting = self.buffer.len() - self.start;
        if self.ended || waiting >= MAX {
            return Ok(());
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let wanted = (2 * MAX - waiting) as u64;
        let read = self
            .from
            .by_ref()
            .take(wanted)
            .read_to_end(&mut self.buffer)?;
        self.ended = (read as u64) < wanted;
        Ok(())
    }
}

impl<R: Read> Iterator for Chunks<'_, R> {
    type Item = std::io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(why) = self.fill() {
            self.ended = true;
            self.start = self.buffer.len();
            return Some(Err(why));
        }
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        if rest.is_empty() {
            return None;
        }
        let piece = rest.get(..self.gear.cut(rest)).unwrap_or(rest).to_vec();
        self.start += piece.len();
        Some(Ok(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 7_u64;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    fn pieces(gear: &Gear, bytes: &[u8]) -> Vec<Vec<u8>> {
        Chunks::of(gear, bytes).map(Result::unwrap).collect()
    }

    #[test]
    fn pieces_are_the_whole_within_their_sizes_and_stay_when_something_is_put_in_front() {
        let gear = Gear::of(b"key");
        let bytes = noise(12 << 20);
        let cut = pieces(&gear, &bytes);
        assert_eq!(cut.concat(), bytes);
        let (last, others) = cut.split_last().unwrap();
        assert!(others.iter().all(|one| (MIN..=MAX).contains(&one.len())));
        assert!(last.len() <= MAX && others.len() >= 3, "{}", cut.len());
        let shifted = [b"in front".as_slice(), &bytes].concat();
        let again = pieces(&gear, &shifted);
        let same = again.iter().filter(|one| cut.contains(one)).count();
        assert!(same + 2 >= cut.len(), "{same} of {}", cut.len());
    }

    #[test]
    fn nothing_has_no_piece_and_another_key_cuts_elsewhere() {
        assert_eq!(pieces(&Gear::of(b"key"), b""), Vec::<Vec<u8>>::new());
        let bytes = noise(12 << 20);
        assert_ne!(
            pieces(&Gear::of(b"a"), &bytes),
            pieces(&Gear::of(b"b"), &bytes)
        );
    }

    #[test]
    fn no_piece_is_larger_than_the_format_likes() {
        let sizes: Vec<usize> = pieces(&Gear::of(b"key"), &vec![0; MAX + 1])
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(sizes.iter().sum::<usize>(), MAX + 1);
        assert!(sizes.iter().all(|size| *size <= MAX));
    }
}
