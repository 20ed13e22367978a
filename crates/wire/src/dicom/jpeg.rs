//! Frames of JPEG that a browser does not show (ITU-T T.81), unpacked by hand: lossless (process 14) and, of grey, extended
//! with 8 or 12 bits (processes 2 and 4), with Huffman codes. What they unpack to is known before: a frame that
//! says more or less than the object is none.

use super::huffman::{Bits, Table};
use super::jpeg_dct::{self, Steps};
use super::jpeg_lossless;
use super::packing::{Claim, Pixels, Samples};

const CUT: &str = "its JPEG ends before its end, or is damaged";
const KIND: &str = "its JPEG is of a kind that is not unpacked";
const SIZE: &str = "its JPEG is of another size than the object says";
const WRONG: &str = "a header of its JPEG is not as it should be";

/// Tables of a kind that there may be at a time (sections B.2.4.1 and B.2.4.2).
const TABLES: usize = 4;
/// Bytes of memory that all tables take: eight of Huffman codes of 128 KiB, and one that is being read.
pub(super) const TABLES_BYTES: usize = 1200 << 10;
/// Tables of Huffman codes that are read in all: some bytes of each would keep a thread busy.
const TABLES_READ_MAX: usize = 64;

/// What is known of a frame so far.
#[derive(Default)]
struct Jpeg {
    frame: Option<Frame>,
    /// Codes of each of two classes: of differences, and of the other coefficients.
    tables: [[Option<Table>; TABLES]; 2],
    tables_read: usize,
    steps: [Option<Steps>; TABLES],
    /// What is coded between two restarts: pixels, or blocks; 0: there are none.
    restart: usize,
    /// Samples of a pixel that were unpacked, by their place.
    done: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Extended,
    Lossless,
}

/// What its header says (section B.2.2).
#[derive(Debug, Clone)]
struct Frame {
    process: Process,
    precision: u8,
    /// Of each of its components the identifier, and its table of steps.
    components: Vec<(u8, u8)>,
}

/// What the header of a scan says (section B.2.3).
#[derive(Debug, Clone)]
struct Scan {
    /// Of each of its components the place in a pixel, and the tables of both classes.
    components: Vec<(usize, [u8; 2])>,
    predictor: u8,
    /// Bits that were left out of each sample.
    shift: u8,
}

/// The pixels of a frame, with as many bits as it says itself.
pub(super) fn unpacked(frame: &[u8], claim: Claim) -> Result<Pixels<'static>, &'static str> {
    let [0xff, 0xd8, rest @ ..] = frame else {
        return Err("there is no JPEG in it");
    };
    let mut out = Vec::new();
    let (mut jpeg, mut rest) = (Jpeg::default(), rest);
    while jpeg.done.len() < claim.samples {
        let (code, behind) = marker(rest)?;
        let (segment, behind) = segment(behind)?;
        rest = behind;
        match code {
            0xc1 | 0xc3 if jpeg.frame.is_none() => {
                let lossless = code == 0xc3;
                let process = if lossless {
                    Process::Lossless
                } else {
                    Process::Extended
                };
                jpeg.frame = Some(Frame::read(process, segment, claim)?);
            }
            0xc4 => jpeg.huffman(segment)?,
            0xdb => jpeg.quantization(segment)?,
            0xdd => match *segment {
                [high, low] => jpeg.restart = usize::from(u16::from_be_bytes([high, low])),
                _ => return Err(WRONG),
            },
            0xda => rest = jpeg.scan((segment, rest), (claim, &mut out))?,
            // Comments, and what is for applications.
            0xe0..=0xef | 0xfe => (),
            _ => return Err(KIND),
        }
    }
    let samples = jpeg.frame.map(|frame| Samples {
        bits: frame.precision,
        signed: false,
        lossy: frame.process == Process::Extended,
        turned: false,
    });
    Ok(Pixels {
        bytes: out.into(),
        samples,
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

impl Frame {
    fn read(process: Process, segment: &[u8], claim: Claim) -> Result<Frame, &'static str> {
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
        // All of several components are as fine as the first; of one that says nothing.
        let known = match process {
            Process::Lossless => {
                all.len() == 1 || all.iter().all(|[_, factors, _]| *factors == 0x11)
            }
            Process::Extended => all.len() == 1 && matches!(precision, 8 | 12),
        };
        match known {
            true => Ok(Frame {
                process,
                precision,
                components: all.iter().map(|[name, _, steps]| (*name, *steps)).collect(),
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
            self.tables_read += 1;
            if self.tables_read > TABLES_READ_MAX {
                return Err(KIND);
            }
            let class = self.tables.get_mut(usize::from(kind >> 4)).ok_or(WRONG)?;
            let place = class.get_mut(usize::from(kind & 0x0f)).ok_or(WRONG)?;
            *place = Some(Table::new(*counts, values).ok_or(WRONG)?);
        }
        Ok(())
    }

    /// DQT (section B.2.4.1): tables, one behind the other.
    fn quantization(&mut self, mut segment: &[u8]) -> Result<(), &'static str> {
        while let Some((&kind, rest)) = segment.split_first() {
            let mut steps = [0; 64];
            let width = if kind >> 4 == 0 { 1 } else { 2 };
            let (values, rest) = rest.split_at_checked(steps.len() * width).ok_or(WRONG)?;
            segment = rest;
            for (step, value) in steps.iter_mut().zip(values.chunks_exact(width)) {
                *step = value
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | u16::from(*byte));
            }
            *self.steps.get_mut(usize::from(kind & 0x0f)).ok_or(WRONG)? = Some(steps);
        }
        Ok(())
    }

    /// One scan; what is behind it.
    fn scan<'a>(
        &mut self,
        (segment, packed): (&[u8], &'a [u8]),
        (claim, out): (Claim, &mut Vec<u8>),
    ) -> Result<&'a [u8], &'static str> {
        let frame = self.frame.as_ref().ok_or(KIND)?;
        let scan = Scan::read(segment, frame)?;
        for (place, _) in &scan.components {
            if self.done.contains(place) {
                return Err(WRONG);
            }
            self.done.push(*place);
        }
        // INVARIANT: a sample takes a bit at least, a block of 64 of them two: what is cut takes no memory.
        let least = match frame.process {
            Process::Lossless => claim.count() * scan.components.len(),
            Process::Extended => claim.count().div_ceil(64) * 2,
        };
        if packed.len().saturating_mul(8) < least {
            return Err(CUT);
        }
        out.resize(claim.count() * claim.samples * (claim.bits / 8), 0);
        let mut bits = Bits::new(packed);
        match frame.process {
            Process::Lossless => self.lines((&mut bits, &scan), (claim, out))?,
            Process::Extended => self.blocks((&mut bits, &scan), (claim, out))?,
        }
        Ok(bits.behind())
    }

    fn lines(
        &self,
        (bits, scan): (&mut Bits<'_>, &Scan),
        (claim, out): (Claim, &mut [u8]),
    ) -> Result<(), &'static str> {
        // Restarts are between rows (section H.1.1).
        if !self.restart.is_multiple_of(claim.columns) {
            return Err(KIND);
        }
        let tables = scan
            .components
            .iter()
            .map(|(_, tables)| self.table(0, tables[0]));
        let coding = jpeg_lossless::Coding {
            precision: self.frame.as_ref().ok_or(KIND)?.precision,
            tables: tables.collect::<Result<_, _>>()?,
            predictor: scan.predictor,
            shift: scan.shift,
            restart: self.restart / claim.columns,
        };
        let count = coding.tables.len();
        if !(1..=7).contains(&coding.predictor) || coding.shift >= coding.precision {
            return Err(WRONG);
        }
        let width = claim.bits / 8;
        let size = (claim.columns, claim.rows);
        let put = |row: usize, line: &[u16]| {
            let pixels = out.chunks_exact_mut(claim.samples * width);
            let pixels = pixels.skip(row * claim.columns);
            for (pixel, samples) in pixels.zip(line.chunks_exact(count)) {
                for ((place, _), sample) in scan.components.iter().zip(samples) {
                    put(pixel, (*place, width), sample << scan.shift);
                }
            }
        };
        jpeg_lossless::unpacked((bits, &coding), size, put).ok_or(CUT)
    }

    /// Ss and Se are not looked at: all coefficients are there, and some that write it say otherwise.
    fn blocks(
        &self,
        (bits, scan): (&mut Bits<'_>, &Scan),
        (claim, out): (Claim, &mut [u8]),
    ) -> Result<(), &'static str> {
        let frame = self.frame.as_ref().ok_or(KIND)?;
        let (_, [first, others]) = *scan.components.first().ok_or(WRONG)?;
        let (_, steps) = *frame.components.first().ok_or(WRONG)?;
        let steps = self.steps.get(usize::from(steps)).and_then(Option::as_ref);
        let coding = jpeg_dct::Coding {
            precision: frame.precision,
            tables: [self.table(0, first)?, self.table(1, others)?],
            steps: steps.ok_or(WRONG)?,
            restart: self.restart,
        };
        let width = claim.bits / 8;
        let size = (claim.columns, claim.rows);
        let put = |(column, row): (usize, usize), sample: u16| {
            put(out, (row * claim.columns + column, width), sample);
        };
        jpeg_dct::unpacked((bits, &coding), size, put).ok_or(CUT)
    }

    fn table(&self, class: usize, number: u8) -> Result<&Table, &'static str> {
        let class = self.tables.get(class);
        let table = class.and_then(|class| class.get(usize::from(number)));
        table.and_then(Option::as_ref).ok_or(WRONG)
    }
}

/// Puts a sample of so many bytes in its place.
fn put(there: &mut [u8], (place, width): (usize, usize), sample: u16) {
    let there = there.get_mut(place * width..(place + 1) * width);
    for (byte, value) in there.into_iter().flatten().zip(sample.to_le_bytes()) {
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
        let place = |name: u8| frame.components.iter().position(|(one, _)| *one == name);
        let components = named
            .iter()
            .map(|[name, tables]| Some((place(*name)?, [tables >> 4, tables & 0x0f])));
        let components: Option<Vec<_>> = components.collect();
        let components = components.filter(|all| !all.is_empty()).ok_or(WRONG)?;
        Ok(Scan {
            components,
            predictor,
            shift: bits & 0x0f,
        })
    }
}

#[cfg(test)]
#[path = "jpeg_tests.rs"]
mod tests;
