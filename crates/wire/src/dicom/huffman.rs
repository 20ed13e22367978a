//! Huffman codes of JPEG (ITU-T T.81 annexes C and F.2.2) and the bits that they stand in.

/// Bits of a code at most.
const CODE_BITS: u32 = 16;

/// What each of the values of sixteen bits begins with: the length of a code, in bits, and its value.
pub(super) struct Table(Vec<(u8, u8)>);

impl Table {
    /// Of how many codes there are of each length, and of their values (section C.2); `None`: there are more than
    /// there can be.
    pub(super) fn new(counts: [u8; 16], values: &[u8]) -> Option<Table> {
        let mut all = Vec::with_capacity(1 << CODE_BITS);
        let mut values = values.iter();
        for (length, count) in (1_u8..).zip(counts) {
            for _ in 0..count {
                let with = 1_usize << (CODE_BITS - u32::from(length));
                if all.len() + with > 1 << CODE_BITS {
                    return None;
                }
                all.resize(all.len() + with, (length, *values.next()?));
            }
        }
        all.resize(1 << CODE_BITS, (0, 0));
        values.next().is_none().then_some(Table(all))
    }
}

/// Bits of a scan, up to the next marker. What a byte of all ones is followed by is left out (section F.1.2.3).
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    /// Those that were read, the next one highest.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Bits<'a> {
        Bits {
            rest,
            held: 0,
            count: 0,
        }
    }

    /// The next value; `None`: it ends, or there is no such code.
    pub(super) fn value(&mut self, table: &Table) -> Option<u8> {
        self.fill();
        let place = usize::try_from(self.held >> (u64::BITS - CODE_BITS)).ok()?;
        let (length, value) = *table.0.get(place)?;
        if length == 0 {
            return None;
        }
        self.skip(u32::from(length))?;
        Some(value)
    }

    /// A number of so many bits, 16 at most, by its sign and size (section F.2.2.1, `EXTEND`).
    pub(super) fn number(&mut self, bits: u8) -> Option<i32> {
        if bits == 0 {
            return Some(0);
        }
        self.fill();
        let value = i32::try_from(self.held >> (u64::BITS - u32::from(bits))).ok()?;
        self.skip(u32::from(bits))?;
        let negative = value < 1 << (bits - 1);
        Some(if negative {
            value - (1 << bits) + 1
        } else {
            value
        })
    }

    /// Goes on behind the marker of a restart, which must be the one with that number (section F.2.1.3.1).
    pub(super) fn restart(&mut self, number: u8) -> Option<()> {
        (self.held, self.count) = (0, 0);
        let rest = self.behind();
        let (marker, rest) = rest.split_first_chunk()?;
        let [0xff, code] = *marker else { return None };
        self.rest = rest;
        (code == 0xd0 + number % 8).then_some(())
    }

    /// What follows: a marker.
    pub(super) fn behind(&self) -> &'a [u8] {
        // Any number of bytes of ones may stand before it (section B.1.1.2).
        let mut rest = self.rest;
        while let [0xff, 0xff, ..] = rest {
            rest = rest.get(1..).unwrap_or_default();
        }
        rest
    }

    fn skip(&mut self, bits: u32) -> Option<()> {
        self.count = self.count.checked_sub(bits)?;
        self.held <<= bits;
        Some(())
    }

    fn fill(&mut self) {
        while self.count <= u64::BITS - 8 {
            let (byte, rest) = match self.rest {
                [0xff, 0x00, rest @ ..] => (0xff, rest),
                [0xff, ..] | [] => return,
                [byte, rest @ ..] => (*byte, rest),
            };
            self.held |= u64::from(byte) << (u64::BITS - 8 - self.count);
            self.count += 8;
            self.rest = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart_and_numbers_have_their_sign() {
        // 0 is 7, 10 is 9; 11 is nothing.
        let mut counts = [0; 16];
        (counts[0], counts[1]) = (1, 1);
        let table = Table::new(counts, &[7, 9]).unwrap();
        // 0, 10, then 011 and 100 as numbers of three bits, 11.
        let mut bits = Bits::new(&[0b0100_1110, 0b0110_0000]);
        assert_eq!(bits.value(&table), Some(7));
        assert_eq!(bits.value(&table), Some(9));
        assert_eq!(bits.number(3), Some(-4));
        assert_eq!(bits.number(3), Some(4));
        assert_eq!(bits.value(&table), None);
    }

    #[test]
    fn what_is_stuffed_is_left_out_and_a_marker_ends_it() {
        let mut bits = Bits::new(&[0xff, 0x00, 0x80, 0xff, 0xff, 0xd1, 0x80]);
        assert_eq!(bits.number(8), Some(255));
        assert_eq!(bits.number(8), Some(128));
        assert_eq!(bits.number(1), None, "it ends");
        assert_eq!(bits.restart(9), Some(()));
        assert_eq!(bits.number(1), Some(1));
        assert_eq!(bits.restart(0), None);
    }

    #[test]
    fn more_codes_than_there_can_be_are_no_table() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::new(counts, &[1, 2, 3]).is_none());
        counts[0] = 2;
        assert!(Table::new(counts, &[1, 2]).is_some());
        assert!(Table::new(counts, &[1]).is_none());
        assert!(Table::new(counts, &[1, 2, 3]).is_none());
    }
}
