//! Where a file is cut: at places that its content decides, so that a byte that was put in front
//! changes one piece and not all (FastCDC, normalised, by a gear hash). Readers of the format take
//! any cut; the table comes from the repository's key, so that sizes tell nothing about content.

use std::io::Read;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;

/// Sizes of pieces, as restic cuts them.
const MIN: usize = 512 << 10;
const MIDDLE: usize = 1 << 20;
const MAX: usize = 8 << 20;
/// Bytes that are read at once.
const READ: usize = 8 << 20;
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

    /// Where the first piece of some bytes ends; `None`: it goes on behind them.
    fn cut(&self, bytes: &[u8]) -> Option<usize> {
        let bytes = bytes.get(..MAX).unwrap_or(bytes);
        let before = bytes.get(..MIDDLE).unwrap_or(bytes).get(MIN..)?;
        let behind = bytes.get(MIDDLE..).unwrap_or_default();
        let mut hash = 0;
        if let Some(at) = self.first(before, &mut hash, BEFORE) {
            return Some(MIN + at);
        }
        if let Some(at) = self.first(behind, &mut hash, BEHIND) {
            return Some(MIDDLE + at);
        }
        (bytes.len() == MAX).then_some(MAX)
    }

    /// Behind which byte the hash is zero under a mask. Two bytes at a time: what the second adds does
    /// not wait for the first.
    fn first(&self, bytes: &[u8], hash: &mut u64, mask: u64) -> Option<usize> {
        let value = |byte: u8| self.0.get(usize::from(byte)).copied().unwrap_or_default();
        let (pairs, last) = bytes.as_chunks::<2>();
        let mut own = *hash;
        for (pair, [one, two]) in pairs.iter().enumerate() {
            let first = value(*one);
            let middle = (own << 1).wrapping_add(first);
            own = (own << 2).wrapping_add((first << 1).wrapping_add(value(*two)));
            if middle & mask == 0 {
                return Some(2 * pair + 1);
            }
            if own & mask == 0 {
                return Some(2 * pair + 2);
            }
        }
        for byte in last {
            own = (own << 1).wrapping_add(value(*byte));
            if own & mask == 0 {
                return Some(bytes.len());
            }
        }
        *hash = own;
        None
    }
}

/// The pieces of what is read: parts of the buffers that it was read into.
pub(crate) struct Chunks<'g, R> {
    gear: &'g Gear,
    from: R,
    /// Bytes that are still expected.
    expected: u64,
    rest: Bytes,
    ended: bool,
}

impl<'g, R: Read> Chunks<'g, R> {
    /// The pieces of `from`, which has about so many bytes.
    pub(crate) fn of(gear: &'g Gear, from: R, expected: u64) -> Chunks<'g, R> {
        Chunks {
            gear,
            from,
            expected,
            rest: Bytes::new(),
            ended: false,
        }
    }

    /// Reads on, behind what is left.
    fn fill(&mut self) -> std::io::Result<()> {
        let most = READ as u64;
        // One more, so that the end is seen without another buffer.
        let likely = usize::try_from(self.expected.min(most - 1)).unwrap_or(READ) + 1;
        let mut next = Vec::with_capacity(self.rest.len() + likely);
        next.extend_from_slice(&self.rest);
        let read = self.from.by_ref().take(most).read_to_end(&mut next)? as u64;
        self.expected = self.expected.saturating_sub(read);
        self.ended = read < most;
        self.rest = next.into();
        Ok(())
    }
}

impl<R: Read> Iterator for Chunks<'_, R> {
    type Item = std::io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.gear.cut(&self.rest) {
                Some(at) => return Some(Ok(self.rest.split_to(at))),
                None if self.ended => break,
                None => {}
            }
            if let Err(why) = self.fill() {
                self.ended = true;
                self.rest = Bytes::new();
                return Some(Err(why));
            }
        }
        let last = std::mem::take(&mut self.rest);
        (!last.is_empty()).then_some(Ok(last))
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
        let pieces = Chunks::of(gear, bytes, bytes.len() as u64);
        pieces.map(|piece| piece.unwrap().to_vec()).collect()
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

    /// As the format's makers describe it: byte for byte.
    fn slowly(gear: &Gear, bytes: &[u8]) -> usize {
        let mut hash = 0_u64;
        for (at, byte) in bytes.iter().enumerate().take(MAX).skip(MIN) {
            hash = (hash << 1).wrapping_add(gear.0[usize::from(*byte)]);
            let mask = if at < MIDDLE { BEFORE } else { BEHIND };
            if hash & mask == 0 {
                return at + 1;
            }
        }
        bytes.len().min(MAX)
    }

    #[test]
    fn two_bytes_at_a_time_and_any_way_of_reading_cut_where_one_does() {
        /// Gives a little at a time, and never the same.
        struct Dripping<'b>(&'b [u8], usize);
        impl Read for Dripping<'_> {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                self.1 = (self.1 * 7 + 13) % 100_003;
                let few = into.len().min(self.1 + 1);
                self.0.read(&mut into[..few])
            }
        }
        let gear = Gear::of(b"key");
        for length in [
            0,
            1,
            MIN,
            MIN + 1,
            MIDDLE + 1,
            READ,
            READ + 1,
            (12 << 20) + 7,
        ] {
            let bytes = noise(length);
            let (mut rest, mut expected) = (bytes.as_slice(), Vec::new());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(slowly(&gear, rest));
                expected.push(piece.len());
                rest = behind;
            }
            let lengths = |pieces: Vec<Vec<u8>>| pieces.iter().map(Vec::len).collect::<Vec<_>>();
            assert_eq!(lengths(pieces(&gear, &bytes)), expected, "{length}");
            let dripping = Chunks::of(&gear, Dripping(&bytes, 1), 5);
            let dripping = dripping.map(|piece| piece.unwrap().to_vec()).collect();
            assert_eq!(lengths(dripping), expected, "{length}");
        }
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
