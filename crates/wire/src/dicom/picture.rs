//! Pictures to look at: pixels as grey or colour of eight bits (PS3.3 section
//! C.7.6.3 and C.11), written as PNG. A picture is for recognizing a study, not for reporting on it.

use std::io::Write as _;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use flate2::Compression;
use flate2::Crc;
use flate2::write::ZlibEncoder;
use thiserror::Error;

use super::packing::{Claim, Packing, Pixels, Samples};
use super::{DataSet, NoFrame, Value, frame};

/// Pixels of a picture that is made, at most.
pub const PIXELS_MAX: usize = 32 << 20;

/// Rows of pixels of eight bits: one byte each, or three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Bytes of a pixel: 1 or 3.
    channels: usize,
    bytes: Vec<u8>,
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoPicture {
    /// There is no such frame.
    #[error(transparent)]
    Frame(#[from] NoFrame),
    /// It is compressed, or of a kind of which none is made.
    #[error("no picture is made of it: {0}")]
    Kind(&'static str),
}

/// A picture of one frame, counted from 1, of a data set in little endian whose pixels are packed like that, of
/// `pixels_max` pixels ([`PIXELS_MAX`]) at most.
///
/// # Errors
/// [`NoPicture`].
pub fn picture(
    set: &DataSet<'_>,
    number: usize,
    (packing, pixels_max): (Packing, usize),
) -> Result<Picture, NoPicture> {
    let (columns, rows) = size(set, pixels_max)?;
    // INVARIANT: what is not made a picture is not unpacked: fifteen samples take fifteen times as much.
    let kind = Kind::of(set, packing)?;
    let compressed = set.get(tags::PIXEL_DATA).map(|element| element.value);
    if packing == Packing::Plain && matches!(compressed, Some(Value::Fragments(_))) {
        return Err(NoPicture::Kind("its pixels are compressed"));
    }
    let claim = Claim {
        columns,
        rows,
        samples: kind.samples(),
        bits: kind.bits,
        planar: set.number(tags::PLANAR_CONFIGURATION) == Some(1),
    };
    let pixels = packing.unpacked(frame(set, number)?, claim);
    made(set, &pixels.map_err(NoPicture::Kind)?, (kind, claim))
}

/// Of what a picture is made: grey of 8 or 16 bits, colour of 8.
#[derive(Debug, Clone, Copy)]
struct Kind {
    shade: Shade,
    /// Bits that a sample takes.
    bits: usize,
}

/// PS3.3 section C.7.6.3.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shade {
    Grey,
    Inverted,
    Rgb,
    /// Turned back by who unpacks it (PS3.5 section 8.2.4).
    Turned,
    Ybr,
}

impl Kind {
    fn of(set: &DataSet<'_>, packing: Packing) -> Result<Kind, NoPicture> {
        let samples = whole(set, tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        let kind = set.ascii(tags::PHOTOMETRIC_INTERPRETATION);
        let bits = whole(set, tags::BITS_ALLOCATED).unwrap_or_default();
        let shade = match (kind, samples, bits) {
            ("MONOCHROME2" | "", 1, 8 | 16) => Shade::Grey,
            ("MONOCHROME1", 1, 8 | 16) => Shade::Inverted,
            ("RGB", 3, 8) => Shade::Rgb,
            ("YBR_RCT" | "YBR_ICT", 3, 8) if packing == Packing::Jpeg2000 => Shade::Turned,
            ("YBR_FULL", 3, 8) => Shade::Ybr,
            _ => return Err(NoPicture::Kind("its pixels are of another kind")),
        };
        Ok(Kind { shade, bits })
    }

    /// Samples of a pixel.
    const fn samples(self) -> usize {
        match self.shade {
            Shade::Grey | Shade::Inverted => 1,
            Shade::Rgb | Shade::Turned | Shade::Ybr => 3,
        }
    }
}

fn whole(set: &DataSet<'_>, tag: Tag) -> Option<usize> {
    set.number(tag)
        .and_then(|number| usize::try_from(number).ok())
}

/// Columns and rows, if a picture of so many may be made.
fn size(set: &DataSet<'_>, pixels_max: usize) -> Result<(usize, usize), NoPicture> {
    let max = pixels_max.min(PIXELS_MAX);
    let (Some(height), Some(width)) = (whole(set, tags::ROWS), whole(set, tags::COLUMNS)) else {
        return Err(NoPicture::Kind("it has no size"));
    };
    let count = width
        .checked_mul(height)
        .filter(|count| (1..=max).contains(count));
    count.ok_or(NoPicture::Kind("it is too large"))?;
    Ok((width, height))
}

fn made(
    set: &DataSet<'_>,
    pixels: &Pixels<'_>,
    (kind, claim): (Kind, Claim),
) -> Result<Picture, NoPicture> {
    let turned = pixels.samples.is_some_and(|samples| samples.turned);
    let odd = |samples: Samples| samples.signed || samples.bits != 8;
    let bytes = match kind.shade {
        Shade::Grey | Shade::Inverted => grey(set, pixels, kind),
        _ if pixels.samples.is_some_and(odd) => {
            return Err(NoPicture::Kind("its colours are not of eight bits"));
        }
        Shade::Turned if !turned => {
            return Err(NoPicture::Kind("its colours are not packed as it says"));
        }
        Shade::Ybr if !turned => rgb(colour(pixels, claim.count())),
        Shade::Rgb | Shade::Turned | Shade::Ybr => colour(pixels, claim.count()),
    };
    let channels = kind.samples();
    match bytes.len() == claim.count() * channels {
        true => Ok(Picture {
            width: claim.columns,
            height: claim.rows,
            channels,
            bytes,
        }),
        false => Err(NoPicture::Kind("it has fewer pixels than it says")),
    }
}

/// Grey values through rescale and window; without a window from the darkest to the brightest.
fn grey(set: &DataSet<'_>, pixels: &Pixels<'_>, kind: Kind) -> Vec<u8> {
    let (slope, intercept) = (
        first(set, tags::RESCALE_SLOPE)
            .filter(|slope| *slope != 0.0)
            .unwrap_or(1.0),
        first(set, tags::RESCALE_INTERCEPT).unwrap_or(0.0),
    );
    // Gone through twice rather than kept: eight bytes a pixel would be much.
    let values = || stored(set, pixels, kind.bits).map(|value| value * slope + intercept);
    let window = first(set, tags::WINDOW_CENTER).zip(first(set, tags::WINDOW_WIDTH));
    let (from, width) = match window.filter(|(_, width)| *width >= 1.0) {
        Some((center, width)) => (center - 0.5 - (width - 1.0) / 2.0, (width - 1.0).max(1.0)),
        None => {
            let darkest = values().fold(f64::INFINITY, f64::min);
            let brightest = values().fold(f64::NEG_INFINITY, f64::max);
            (darkest, (brightest - darkest).max(1.0))
        }
    };
    let shade = |value: f64| {
        let part = ((value - from) / width).clamp(0.0, 1.0);
        let part = match kind.shade {
            Shade::Inverted => 1.0 - part,
            _ => part,
        };
        byte(part * 255.0)
    };
    values().map(shade).collect()
}

/// Pixel values as they are stored: the bits that count, signed or not.
fn stored(set: &DataSet<'_>, pixels: &Pixels<'_>, bits: usize) -> impl Iterator<Item = f64> {
    let used = set
        .number(tags::BITS_STORED)
        .filter(|used| (1..=16).contains(used));
    let used = used.unwrap_or(if bits == 8 { 8 } else { 16 });
    let signed = set.number(tags::PIXEL_REPRESENTATION) == Some(1);
    let own = pixels.samples;
    let packed = own.map_or(used, |samples| u32::from(samples.bits));
    // What was packed with loss may be beyond the bits that count, and is then the last of what they can say.
    let beyond = own.is_some_and(|samples| samples.lossy && samples.signed == signed);
    // What was packed with fewer bits has its sign in the highest of those.
    let read = if beyond { packed } else { used.min(packed) };
    let (lowest, highest) = range(used.min(packed), signed);
    let width = bits / 8;
    pixels.bytes.chunks_exact(width).map(move |one| {
        let raw = match *one {
            [low, high] => u16::from_le_bytes([low, high]),
            [one] => u16::from(one),
            _ => 0,
        };
        let value = i32::from(raw) & ((1 << read) - 1);
        let negative = signed && value >= 1 << (read - 1);
        let value = if negative { value - (1 << read) } else { value };
        f64::from(value.clamp(lowest, highest))
    })
}

/// What so many bits can say.
const fn range(bits: u32, signed: bool) -> (i32, i32) {
    match signed {
        true => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        false => (0, (1 << bits) - 1),
    }
}

fn colour(pixels: &Pixels<'_>, count: usize) -> Vec<u8> {
    let (pixels, planar) = (&pixels.bytes, pixels.planar);
    if !planar {
        return pixels.get(..count * 3).unwrap_or_default().to_vec();
    }
    let plane = |number: usize| pixels.get(number * count..(number + 1) * count);
    let (Some(red), Some(green), Some(blue)) = (plane(0), plane(1), plane(2)) else {
        return Vec::new();
    };
    let all = red.iter().zip(green).zip(blue);
    all.flat_map(|((red, green), blue)| [*red, *green, *blue])
        .collect()
}

/// Red, green and blue of brightness and two colour differences (PS3.3 section C.7.6.3.1.2).
fn rgb(mut pixels: Vec<u8>) -> Vec<u8> {
    for pixel in pixels.as_chunks_mut::<3>().0 {
        let [light, blue, red] = pixel.map(f64::from);
        let (blue, red) = (blue - 128.0, red - 128.0);
        let all = [
            light + 1.402 * red,
            light - 0.344_136 * blue - 0.714_136 * red,
            light + 1.772 * blue,
        ];
        *pixel = all.map(|value| byte(value.clamp(0.0, 255.0)));
    }
    pixels
}

/// The first of the numbers of an element of text.
fn first(set: &DataSet<'_>, tag: Tag) -> Option<f64> {
    let text = set.ascii(tag).split('\\').next()?;
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it lies between 0 and 255"
)]
fn byte(value: f64) -> u8 {
    value.round() as u8
}

impl Picture {
    /// The same, no wider nor higher than `max`: each pixel the mean of those in its place.
    #[must_use]
    pub fn shrunk(self, max: usize) -> Picture {
        let longest = self.width.max(self.height);
        if longest <= max || max == 0 {
            return self;
        }
        let width = (self.width * max / longest).max(1);
        let height = (self.height * max / longest).max(1);
        let mut bytes = Vec::with_capacity(width * height * self.channels);
        for row in 0..height {
            let rows = row * self.height / height..((row + 1) * self.height / height);
            for column in 0..width {
                let columns = column * self.width / width..((column + 1) * self.width / width);
                for channel in 0..self.channels {
                    bytes.push(self.mean((rows.clone(), columns.clone()), channel));
                }
            }
        }
        Picture {
            width,
            height,
            bytes,
            ..self
        }
    }

    fn mean(
        &self,
        (rows, columns): (std::ops::Range<usize>, std::ops::Range<usize>),
        channel: usize,
    ) -> u8 {
        let places = rows.flat_map(|row| columns.clone().map(move |column| (row, column)));
        let (mut sum, mut count) = (0_usize, 0_usize);
        for (row, column) in places {
            let at = (row * self.width + column) * self.channels + channel;
            sum += self.bytes.get(at).copied().map_or(0, usize::from);
            count += 1;
        }
        u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)
    }

    /// As PNG (ISO/IEC 15948).
    pub fn png(&self) -> Vec<u8> {
        const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
        let number = |size: usize| u32::try_from(size).unwrap_or_default().to_be_bytes();
        let mut head = Vec::with_capacity(13);
        head.extend_from_slice(&number(self.width));
        head.extend_from_slice(&number(self.height));
        // Eight bits, grey or colour, and the one way to compress, filter and not interlace.
        head.extend_from_slice(&[8, if self.channels == 3 { 2 } else { 0 }, 0, 0, 0]);
        let mut rows = ZlibEncoder::new(Vec::new(), Compression::fast());
        for row in self.bytes.chunks(self.width * self.channels) {
            // Each row says that it is not filtered. Writing into memory does not fail.
            let _ = rows.write_all(&[0]);
            let _ = rows.write_all(row);
        }
        let rows = rows.finish().unwrap_or_default();
        let mut out = SIGNATURE.to_vec();
        for (name, data) in [(b"IHDR", &head[..]), (b"IDAT", &rows), (b"IEND", &[])] {
            out.extend_from_slice(&number(data.len()));
            out.extend_from_slice(name);
            out.extend_from_slice(data);
            let mut crc = Crc::new();
            crc.update(name);
            crc.update(data);
            out.extend_from_slice(&crc.sum().to_be_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use dicom_core::VR;

    use super::*;
    use crate::dicom::{Limits, Syntax, Writer, scan};

    fn of(kind: &str, bits: u16, pixels: &[u8]) -> Vec<u8> {
        let samples = if matches!(kind, "RGB" | "YBR_FULL") {
            3
        } else {
            1
        };
        Writer::new(Syntax::EXPLICIT)
            .us(tags::SAMPLES_PER_PIXEL, samples)
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, kind)
            .us(tags::ROWS, 1)
            .us(tags::COLUMNS, 2)
            .us(tags::BITS_ALLOCATED, bits)
            .us(tags::BITS_STORED, bits.min(12))
            .us(tags::PIXEL_REPRESENTATION, u16::from(bits == 16))
            .text(tags::WINDOW_CENTER, VR::DS, "0")
            .text(tags::WINDOW_WIDTH, VR::DS, "200")
            .bytes(tags::PIXEL_DATA, VR::OW, pixels)
            .finish()
    }

    fn made_of(kind: &str, bits: u16, pixels: &[u8]) -> Result<Picture, NoPicture> {
        made(&of(kind, bits, pixels))
    }

    fn made(bytes: &[u8]) -> Result<Picture, NoPicture> {
        let set = scan(bytes, Syntax::EXPLICIT, &Limits::default()).unwrap();
        picture(&set, 1, (Packing::Plain, PIXELS_MAX))
    }

    #[test]
    fn what_no_picture_is_made_of_is_not_unpacked() {
        let of = |samples: u16, bits: u16, (rows, columns): (u16, u16)| {
            let bytes = Writer::new(Syntax::EXPLICIT)
                .us(tags::SAMPLES_PER_PIXEL, samples)
                .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")
                .us(tags::ROWS, rows)
                .us(tags::COLUMNS, columns)
                .us(tags::BITS_ALLOCATED, bits)
                .finish();
            let set = scan(&bytes, Syntax::EXPLICIT, &Limits::default()).unwrap();
            [
                Packing::Plain,
                Packing::Runs,
                Packing::Jpeg2000,
                Packing::Jpeg,
            ]
            .map(|packing| picture(&set, 1, (packing, PIXELS_MAX)))
        };
        let kind = || Err(NoPicture::Kind("its pixels are of another kind"));
        // It is refused before anybody looks for pixels: there are none.
        for (samples, bits) in [(15, 8), (3, 16), (1, 8), (4, 8), (0, 8), (3, 1)] {
            let size = (4_096, 4_096);
            assert_eq!(of(samples, bits, size), [kind(), kind(), kind(), kind()]);
        }
        let large = || Err(NoPicture::Kind("it is too large"));
        assert_eq!(
            of(3, 8, (8_192, 8_192)),
            [large(), large(), large(), large()]
        );
        let none = || Err(NoPicture::Frame(NoFrame::NoPixels));
        assert_eq!(of(3, 8, (2, 2)), [none(), none(), none(), none()]);
    }

    #[test]
    fn grey_goes_through_its_window() {
        // Twelve bits with a sign: -100 and 100.
        let pixels = [0x9c, 0x0f, 0x64, 0x00];
        let light = made(&of("MONOCHROME2", 16, &pixels)).unwrap();
        assert_eq!(light.bytes, [0, 255]);
        let dark = made(&of("MONOCHROME1", 16, &pixels)).unwrap();
        assert_eq!(dark.bytes, [255, 0]);
    }

    #[test]
    fn what_was_packed_with_loss_is_held_within_its_bits() {
        let values = |samples: Option<Samples>, raw: [u16; 2]| {
            let bytes = of("MONOCHROME2", 16, &[0; 4]);
            let set = scan(&bytes, Syntax::EXPLICIT, &Limits::default()).unwrap();
            let pixels = Pixels {
                bytes: raw.iter().flat_map(|one| one.to_le_bytes()).collect(),
                samples,
                planar: false,
            };
            stored(&set, &pixels, 16).collect::<Vec<_>>()
        };
        // Sixteen bits, of which the object has twelve with a sign: a little beyond both ends.
        let samples = |lossy| Samples {
            bits: 16,
            signed: true,
            lossy,
            turned: false,
        };
        let raw = [2_049, 2_049_u16.wrapping_neg()];
        assert_eq!(values(Some(samples(true)), raw), [2_047.0, -2_048.0]);
        // Without loss, and without a word of their own, the bits that do not count say something else.
        assert_eq!(values(Some(samples(false)), raw), [-2_047.0, 2_047.0]);
        assert_eq!(values(None, raw), [-2_047.0, 2_047.0]);
        // Where the codestream has no sign, it is where the object says.
        let unsigned = Samples {
            signed: false,
            ..samples(true)
        };
        assert_eq!(values(Some(unsigned), [0x0fff, 1]), [-1.0, 1.0]);
    }

    #[test]
    fn colours_that_are_not_what_the_object_says_are_refused() {
        let made = |kind: &str, samples: Samples| {
            let bytes = of(kind, 8, &[0; 6]);
            let set = scan(&bytes, Syntax::EXPLICIT, &Limits::default()).unwrap();
            let claim = Claim {
                columns: 2,
                rows: 1,
                samples: 3,
                bits: 8,
                planar: false,
            };
            let pixels = Pixels {
                bytes: vec![10, 128, 128, 20, 128, 128].into(),
                samples: Some(samples),
                planar: false,
            };
            let kind = Kind {
                shade: match kind {
                    "YBR_RCT" => Shade::Turned,
                    _ => Shade::Ybr,
                },
                bits: 8,
            };
            super::made(&set, &pixels, (kind, claim)).map(|made| made.bytes)
        };
        let samples = Samples {
            bits: 8,
            signed: false,
            lossy: false,
            turned: true,
        };
        let as_is = vec![10, 128, 128, 20, 128, 128];
        assert_eq!(made("YBR_RCT", samples), Ok(as_is.clone()));
        assert_eq!(made("YBR_FULL", samples), Ok(as_is));
        let plain = Samples {
            turned: false,
            ..samples
        };
        assert_eq!(made("YBR_FULL", plain), Ok(vec![10, 10, 10, 20, 20, 20]));
        assert!(made("YBR_RCT", plain).is_err());
        for odd in [
            Samples { bits: 7, ..samples },
            Samples {
                signed: true,
                ..samples
            },
        ] {
            assert!(made("YBR_FULL", odd).is_err());
        }
    }

    #[test]
    fn colour_stays_and_what_is_another_kind_is_said() {
        let colours = made(&of("RGB", 8, &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(
            (colours.channels, &colours.bytes[..]),
            (3, &[1, 2, 3, 4, 5, 6][..])
        );
        let other = made(&of("PALETTE COLOR", 8, &[1, 2]));
        assert!(matches!(other, Err(NoPicture::Kind(_))));
        let short = made(&of("RGB", 8, &[1, 2]));
        assert!(matches!(short, Err(NoPicture::Frame(NoFrame::Untold(_)))));
    }

    #[test]
    fn brightness_and_differences_become_colours() {
        let made = made_of("YBR_FULL", 8, &[128, 128, 128, 76, 85, 255]).unwrap();
        assert_eq!(made.bytes, [128, 128, 128, 254, 0, 0]);
    }

    #[test]
    fn a_picture_is_shrunk_and_written_as_png() {
        let picture = Picture {
            width: 4,
            height: 2,
            channels: 1,
            bytes: vec![0, 10, 20, 30, 2, 12, 22, 32],
        };
        let small = picture.shrunk(2);
        assert_eq!(
            (small.width, small.height, &small.bytes[..]),
            (2, 1, &[6, 26][..])
        );
        let png = small.png();
        assert_eq!(&png[..16], b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
        let length = u32::from_be_bytes(png[33..37].try_into().unwrap()) as usize;
        let mut rows = Vec::new();
        let packed = &png[41..41 + length];
        flate2::read::ZlibDecoder::new(packed)
            .read_to_end(&mut rows)
            .unwrap();
        assert_eq!(rows, [0, 6, 26]);
    }
}
