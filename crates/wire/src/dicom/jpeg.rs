//! Frames of lossless JPEG (ITU-T T.81 annex H, process 14 with Huffman codes), unpacked by hand. What they unpack
//! to is known before: a frame that says more or less than the object is none.

use super::huffman::{Bits, Table};
use super::packing::{Claim, Pixels};

const CUT: &str = "its JPEG ends before its end";
const KIND: &str = "its JPEG is of a kind that is not unpacked";
const SIZE: &str = "its JPEG is of another size than the object says";
const WRONG: &str = "its JPEG is damaged";

/// Tables of Huffman codes that there may be at a time, for each of two classes (section B.2.4.2).
const TABLES: usize = 4;

/// What is known of a frame so far.
#[derive(Default)]
struct Jpeg {
    frame: Option<Frame>,
    tables: [Option<Table>; TABLES],
    /// Pixels between two restarts; 0: there are none.
    restart: usize,
    /// Samples of a pixel that were unpacked, by their place.
    done: Vec<usize>,
}

/// What its header says (section B.2.2).
#[derive(Debug, Clone)]
struct Frame {
    precision: u8,
    /// The identifiers of its components.
    components: Vec<u8>,
}

/// What the header of a scan says (section B.2.3).
#[derive(Debug, Clone)]
struct Scan {
    /// Of each of its components the place in a pixel, and the table.
    components: Vec<(usize, usize)>,
    predictor: u8,
    /// Bits that were left out of each sample.
    shift: u8,
}

/// The pixels of a frame, with as many bits as it says itself.
pub(super) fn unpacked(frame: &[u8], claim: Claim) -> Result<Pixels<'static>, &'static str> {
    let [0xff, 0xd8, rest @ ..] = frame else {
        return Err("there is no JPEG in it");
    };
    // INVARIANT: a sample takes a bit at least, so memory is taken for eight times the frame at most.
    let samples = claim.count().checked_mul(claim.samples).ok_or(SIZE)?;
    if frame.len().saturating_mul(8) < samples {
        return Err(CUT);
    }
    let mut out = Vec::new();
    let (mut jpeg, mut rest) = (Jpeg::default(), rest);
    while jpeg.done.len() < claim.samples {
        let (code, behind) = marker(rest)?;
        let (segment, behind) = segment(behind)?;
        rest = behind;
        match code {
            0xc3 if jpeg.frame.is_none() => jpeg.frame = Some(Frame::read(segment, claim)?),
            0xc4 => jpeg.huffman(segment)?,
            0xdd => jpeg.restart = restart(segment, claim)?,
            0xda => {
                out.resize(samples * (claim.bits / 8), 0);
                rest = jpeg.scan((segment, rest), (claim, &mut out))?;
            }
            // Comments, and what is for applications.
            0xe0..=0xef | 0xfe => (),
            _ => return Err(KIND),
        }
    }
    let precision = jpeg.frame.map(|frame| frame.precision);
    Ok(Pixels {
        bytes: out.into(),
        used: precision,
        planar: false,
    })
}

/// The next marker (section B.1.1.2), and what is behind it.
fn marker(mut rest: &[u8]) -> Result<(u8, &[u8]), &'static str> {
    loop {
        match rest {
            [0xff, 0xff, ..] => rest = rest.get(1..).unwrap_or_default(),
            [0xff, code, behind @ ..] => return Ok((*code, behind)),
            [] | [_] => return Err(CUT),
            _ => return Err(WRONG),
        }
    }
}

/// What a marker is followed by, as long as it says (section B.1.1.4), and what is behind that.
fn segment(rest: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let (length, rest) = rest.split_first_chunk().ok_or(CUT)?;
    let length = usize::from(u16::from_be_bytes(*length)).checked_sub(2);
    rest.split_at_checked(length.ok_or(WRONG)?).ok_or(CUT)
}

/// DRI (section B.2.4.4): in lossless JPEG whole rows (section H.1.1).
fn restart(segment: &[u8], claim: Claim) -> Result<usize, &'static str> {
    let &[high, low] = segment else {
        return Err(WRONG);
    };
    let pixels = usize::from(u16::from_be_bytes([high, low]));
    match pixels % claim.columns {
        0 => Ok(pixels),
        _ => Err(KIND),
    }
}

impl Frame {
    fn read(segment: &[u8], claim: Claim) -> Result<Frame, &'static str> {
        let (&[precision, h, eight, w, idth, count], components) =
            segment.split_first_chunk().ok_or(WRONG)?;
        let rows = usize::from(u16::from_be_bytes([h, eight]));
        let columns = usize::from(u16::from_be_bytes([w, idth]));
        let fits = (rows, columns) == (claim.rows, claim.columns)
            && usize::from(count) == claim.samples
            && usize::from(precision) <= claim.bits;
        if !fits {
            return Err(SIZE);
        }
        let (all, left) = components.as_chunks::<3>();
        if !left.is_empty() || all.len() != claim.samples || precision < 2 {
            return Err(WRONG);
        }
        // All of several components are as fine as the first.
        let fine = all.iter().all(|[_, factors, _]| *factors == 0x11);
        match fine || all.len() == 1 {
            true => Ok(Frame {
                precision,
                components: all.iter().map(|[name, ..]| *name).collect(),
            }),
            false => Err(KIND),
        }
    }
}

impl Jpeg {
    /// DHT (section B.2.4.2): tables, one behind the other.
    fn huffman(&mut self, mut segment: &[u8]) -> Result<(), &'static str> {
        while let Some((&kind, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(WRONG)?;
            let count = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, rest) = rest.split_at_checked(count).ok_or(WRONG)?;
            segment = rest;
            // Those of the other class are of no use here.
            if kind & 0xf0 == 0 {
                let place = self.tables.get_mut(usize::from(kind)).ok_or(WRONG)?;
                *place = Some(Table::new(*counts, values).ok_or(WRONG)?);
            }
        }
        Ok(())
    }

    /// One scan; what is behind it.
    fn scan<'a>(
        &mut self,
        (segment, packed): (&[u8], &'a [u8]),
        (claim, out): (Claim, &mut [u8]),
    ) -> Result<&'a [u8], &'static str> {
        let frame = self.frame.as_ref().ok_or(KIND)?;
        let scan = Scan::read(segment, frame)?;
        let mut tables = Vec::new();
        for (place, table) in &scan.components {
            if self.done.contains(place) {
                return Err(WRONG);
            }
            self.done.push(*place);
            tables.push(
                self.tables
                    .get(*table)
                    .and_then(Option::as_ref)
                    .ok_or(WRONG)?,
            );
        }
        let mut bits = Bits::new(packed);
        let mut lines = Lines {
            first: 1 << (frame.precision - scan.shift - 1),
            before: vec![0; claim.columns * tables.len()],
            now: vec![0; claim.columns * tables.len()],
            predictor: scan.predictor,
            components: tables.len(),
        };
        let width = claim.bits / 8;
        let mut restarts = 0_u8;
        let lines_of_one = self.restart / claim.columns;
        let rows = out.chunks_exact_mut(claim.columns * claim.samples * width);
        for (number, row) in rows.enumerate() {
            let anew = lines_of_one > 0 && number > 0 && number % lines_of_one == 0;
            if anew {
                bits.restart(restarts).ok_or(WRONG)?;
                restarts = restarts.wrapping_add(1);
            }
            lines
                .next((&mut bits, &tables), anew || number == 0)
                .ok_or(CUT)?;
            for (column, pixel) in row.chunks_exact_mut(claim.samples * width).enumerate() {
                let samples = lines.now.iter().skip(column * tables.len());
                for ((place, _), sample) in scan.components.iter().zip(samples) {
                    put(pixel, (*place, width), sample << scan.shift);
                }
            }
        }
        Ok(bits.behind())
    }
}

/// Puts a sample of so many bytes in its place within a pixel.
fn put(pixel: &mut [u8], (place, width): (usize, usize), sample: u16) {
    let there = pixel.iter_mut().skip(place * width).take(width);
    for (byte, value) in there.zip(sample.to_le_bytes()) {
        *byte = value;
    }
}

impl Scan {
    fn read(segment: &[u8], frame: &Frame) -> Result<Scan, &'static str> {
        let (&count, rest) = segment.split_first().ok_or(WRONG)?;
        let (named, rest) = rest.split_at_checked(usize::from(count) * 2).ok_or(WRONG)?;
        let &[predictor, _, bits] = rest else {
            return Err(WRONG);
        };
        let (named, _) = named.as_chunks::<2>();
        let place = |name: u8| frame.components.iter().position(|one| *one == name);
        let components = named
            .iter()
            .map(|[name, tables]| Some((place(*name)?, usize::from(tables >> 4))));
        let components: Option<Vec<_>> = components.collect();
        let components = components.filter(|all| !all.is_empty()).ok_or(WRONG)?;
        let shift = bits & 0x0f;
        match (1..=7).contains(&predictor) && shift < frame.precision {
            true => Ok(Scan {
                components,
                predictor,
                shift,
            }),
            false => Err(WRONG),
        }
    }
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

#[cfg(test)]
#[path = "jpeg_tests.rs"]
mod tests;
