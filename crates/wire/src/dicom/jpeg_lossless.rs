//! Scans of lossless JPEG (ITU-T T.81 annex H, process 14).

use super::huffman::{Bits, Table};

/// What the lines of a scan are unpacked by.
pub(super) struct Coding<'t> {
    /// Bits of a sample: 2 to 16.
    pub(super) precision: u8,
    /// Codes of each component.
    pub(super) tables: Vec<&'t Table>,
    /// Table H.1: 1 to 7.
    pub(super) predictor: u8,
    /// Bits that were left out of each sample: fewer than it has.
    pub(super) shift: u8,
    /// Lines between two restarts; 0: there are none.
    pub(super) restart: usize,
}

/// Unpacks so many columns and rows; `put` gets each line with its row: the samples of a pixel beside each
/// other. `None`: it is cut or damaged.
pub(super) fn unpacked(
    (bits, coding): (&mut Bits<'_>, &Coding<'_>),
    (columns, rows): (usize, usize),
    mut put: impl FnMut(usize, &[u16]),
) -> Option<()> {
    let samples = columns * coding.tables.len();
    let mut lines = Lines {
        first: 1 << (coding.precision - coding.shift - 1),
        before: vec![0; samples],
        now: vec![0; samples],
        predictor: coding.predictor,
        components: coding.tables.len(),
    };
    for row in 0..rows {
        let anew = row
            .checked_rem(coding.restart)
            .map_or(row == 0, |rest| rest == 0);
        if anew && row > 0 {
            let restarts = row / coding.restart - 1;
            bits.restart(u8::try_from(restarts % 8).ok()?)?;
        }
        lines.next((bits, &coding.tables), anew)?;
        put(row, &lines.now);
    }
    Some(())
}

/// The line that is unpacked and the one before it: the samples of a pixel beside each other.
struct Lines {
    /// What is foretold of the very first sample.
    first: i32,
    before: Vec<u16>,
    now: Vec<u16>,
    predictor: u8,
    components: usize,
}

impl Lines {
    /// The next line. The first one, also after a restart, is foretold by itself alone (section H.1.2.1).
    fn next(&mut self, (bits, tables): (&mut Bits<'_>, &[&Table]), first: bool) -> Option<()> {
        std::mem::swap(&mut self.before, &mut self.now);
        for place in 0..self.now.len() {
            let component = place % self.components;
            let size = bits.value(tables.get(component)?)?;
            let difference = match size {
                0..=15 => bits.number(size)?,
                16 => 1 << 15,
                _ => return None,
            };
            let sample = (self.foretold(place, first)? + difference) & 0xffff;
            // More than its bits hold was not packed by anybody.
            let sample = (sample < 2 * self.first).then_some(sample)?;
            *self.now.get_mut(place)? = u16::try_from(sample).ok()?;
        }
        Some(())
    }

    /// Table H.1.
    fn foretold(&self, place: usize, first: bool) -> Option<i32> {
        let there = |line: &[u16], place: usize| line.get(place).copied().map(i32::from);
        let Some(left) = place.checked_sub(self.components) else {
            return if first {
                Some(self.first)
            } else {
                there(&self.before, place)
            };
        };
        let a = there(&self.now, left)?;
        if first {
            return Some(a);
        }
        let (b, c) = (there(&self.before, place)?, there(&self.before, left)?);
        Some(match self.predictor {
            1 => a,
            2 => b,
            3 => c,
            4 => a + b - c,
            5 => a + ((b - c) >> 1),
            6 => b + ((a - c) >> 1),
            _ => (a + b) >> 1,
        })
    }
}
