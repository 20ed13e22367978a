//! Blocks of JPEG by cosine transform (ITU-T T.81 sections A.3 and F.2), one behind the other, of one component.

use super::huffman::{Bits, Table};

/// Rows and columns of a block.
const SIDE: usize = 8;
/// Coefficients of a block.
const COUNT: usize = SIDE * SIDE;

/// The places of coefficients in a block, in the order in which they come (figure A.6).
const ORDER: [u8; COUNT] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// What coefficients were divided by, in the order in which they come.
pub(super) type Steps = [u16; COUNT];

/// What blocks are unpacked by.
pub(super) struct Coding<'t> {
    /// Bits of a sample: 8 or 12.
    pub(super) precision: u8,
    /// Codes of the first coefficient of a block, and of the others.
    pub(super) tables: [&'t Table; 2],
    pub(super) steps: &'t Steps,
    /// Blocks between two restarts; 0: there are none.
    pub(super) restart: usize,
}

/// Unpacks so many columns and rows of samples; `put` gets each with its column and row. `None`: it is cut or
/// damaged.
pub(super) fn unpacked(
    (bits, coding): (&mut Bits<'_>, &Coding<'_>),
    (columns, rows): (usize, usize),
    mut put: impl FnMut((usize, usize), u16),
) -> Option<()> {
    let cosines = cosines();
    let across = columns.div_ceil(SIDE);
    let mut mean = 0;
    for number in 0..across * rows.div_ceil(SIDE) {
        if coding.restart > 0 && number > 0 && number % coding.restart == 0 {
            let restarts = number / coding.restart - 1;
            bits.restart(u8::try_from(restarts % SIDE).ok()?)?;
            mean = 0;
        }
        let block = block(bits, coding, &mut mean)?;
        let samples = samples(&block, &cosines);
        let (left, top) = (number % across * SIDE, number / across * SIDE);
        for (place, sample) in samples.iter().enumerate() {
            let (column, row) = (left + place % SIDE, top + place / SIDE);
            if column < columns && row < rows {
                put((column, row), whole(*sample, coding.precision));
            }
        }
    }
    Some(())
}

/// The coefficients of the next block (section F.2.2).
fn block(bits: &mut Bits<'_>, coding: &Coding<'_>, mean: &mut i32) -> Option<[f32; COUNT]> {
    let mut out = [0.0; COUNT];
    let [first, others] = coding.tables;
    let size = bits.value(first)?;
    let difference = (size < 16).then(|| bits.number(size)).flatten()?;
    *mean = mean.wrapping_add(difference);
    let mut set = |place: usize, value: i32| {
        let to = out.get_mut(usize::from(*ORDER.get(place)?))?;
        *to = value as f32 * f32::from(*coding.steps.get(place)?);
        Some(())
    };
    set(0, *mean)?;
    let mut place = 1;
    while place < COUNT {
        let code = bits.value(others)?;
        let (zeros, size) = (usize::from(code >> 4), code & 0x0f);
        match (zeros, size) {
            (15, 0) => place += 16,
            (_, 0) => break,
            _ => {
                place += zeros;
                set(place, bits.number(size)?)?;
                place += 1;
            }
        }
    }
    Some(out)
}

/// Of each column the part that each frequency has in it (section A.3.3).
fn cosines() -> [[f32; SIDE]; SIDE] {
    std::array::from_fn(|column| {
        std::array::from_fn(|frequency| {
            let scale = if frequency == 0 {
                std::f32::consts::FRAC_1_SQRT_2
            } else {
                1.0
            };
            let angle = (2 * column + 1) as f32 * frequency as f32 * std::f32::consts::PI / 16.0;
            scale / 2.0 * angle.cos()
        })
    })
}

/// The inverse transform: of each row, and then of each column.
fn samples(block: &[f32; COUNT], cosines: &[[f32; SIDE]; SIDE]) -> [f32; COUNT] {
    let (mut half, mut out) = ([0.0; COUNT], [0.0; COUNT]);
    let part = |line: &[f32; SIDE], place: usize| {
        let parts = cosines.get(place).unwrap_or(&[0.0; SIDE]);
        line.iter()
            .zip(parts)
            .map(|(one, part)| one * part)
            .sum::<f32>()
    };
    // What comes of a row lies in a column: the second time it stands as it was.
    turned(block, &mut half, part);
    turned(&half, &mut out, part);
    out
}

fn turned(from: &[f32; COUNT], to: &mut [f32; COUNT], of: impl Fn(&[f32; SIDE], usize) -> f32) {
    for (number, line) in from.as_chunks::<SIDE>().0.iter().enumerate() {
        for (place, value) in to.iter_mut().skip(number).step_by(SIDE).enumerate() {
            *value = of(line, place);
        }
    }
}

/// A sample with half of the range added, within its bits (sections A.3.1 and A.3.3).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is held within its bits, 12 at most"
)]
fn whole(sample: f32, precision: u8) -> u16 {
    let half = f32::from(1_u16 << (precision - 1));
    (sample + half).round().clamp(0.0, 2.0 * half - 1.0) as u16
}
