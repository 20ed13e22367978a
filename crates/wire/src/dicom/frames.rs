//! Frames of pixel data, as they are kept (PS3.5 section 8, annex A.4).

use std::borrow::Cow;

use dicom_dictionary_std::tags;
use thiserror::Error;

use super::{DataSet, Value};

/// Why there is no such frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoFrame {
    /// It is no image.
    #[error("it has no pixel data")]
    NoPixels,
    /// It has fewer.
    #[error("it has {0} frames")]
    Beyond(usize),
    /// Where one ends cannot be told.
    #[error("its frames cannot be told apart: {0}")]
    Untold(&'static str),
}

/// How many frames a data set has.
pub fn frame_count(set: &DataSet<'_>) -> usize {
    let said = set.number(tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1);
    usize::try_from(said).unwrap_or(usize::MAX)
}

/// One frame, counted from 1, as it is kept: compressed, or rows of pixels.
///
/// # Errors
/// [`NoFrame`].
pub fn frame<'a>(set: &DataSet<'a>, number: usize) -> Result<Cow<'a, [u8]>, NoFrame> {
    let count = frame_count(set);
    let place = number.checked_sub(1).filter(|place| *place < count);
    let place = place.ok_or(NoFrame::Beyond(count))?;
    match set.get(tags::PIXEL_DATA).map(|element| element.value) {
        Some(Value::Bytes(pixels)) => {
            let length = native_bytes(set).ok_or(NoFrame::Untold("a size is missing"))?;
            let from = place.checked_mul(length);
            let range = from.and_then(|from| Some(from..from.checked_add(length)?));
            let found = range.and_then(|range| pixels.get(range));
            let short = NoFrame::Untold("there are fewer pixels than it says");
            found.map(Cow::Borrowed).ok_or(short)
        }
        Some(Value::Fragments(fragments)) => encapsulated(fragments, (place, count)),
        _ => Err(NoFrame::NoPixels),
    }
}

/// Bytes of one frame that is not compressed.
fn native_bytes(set: &DataSet<'_>) -> Option<usize> {
    let number = |tag| {
        set.number(tag)
            .and_then(|number| usize::try_from(number).ok())
    };
    let samples = number(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let bits = number(tags::BITS_ALLOCATED).filter(|bits| bits % 8 == 0 && *bits > 0)?;
    let pixels = number(tags::ROWS)?.checked_mul(number(tags::COLUMNS)?)?;
    pixels.checked_mul(samples)?.checked_mul(bits / 8)
}

fn encapsulated<'a>(
    fragments: &'a [u8],
    (place, count): (usize, usize),
) -> Result<Cow<'a, [u8]>, NoFrame> {
    let mut all = parts(fragments);
    let (_, offsets) = all.next().ok_or(NoFrame::NoPixels)?;
    let all: Vec<(usize, &[u8])> = all.collect();
    if count == 1 {
        return Ok(joined(all.iter().map(|(_, part)| *part)));
    }
    if all.len() == count {
        let one = all.get(place).map(|(_, part)| Cow::Borrowed(*part));
        return one.ok_or(NoFrame::Beyond(count));
    }
    let (offsets, _) = offsets.as_chunks::<4>();
    let offsets = offsets.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let offsets: Vec<usize> = offsets
        .filter_map(|one| usize::try_from(one).ok())
        .collect();
    if offsets.len() != count {
        return Err(NoFrame::Untold("its offset table is missing"));
    }
    // Offsets are counted from the first fragment on.
    let base = all.first().map_or(0, |(at, _)| *at);
    let from = offsets.get(place).copied().unwrap_or(usize::MAX);
    let to = offsets.get(place + 1).copied().unwrap_or(usize::MAX);
    let within = all
        .iter()
        .filter(|(at, _)| (from..to).contains(&(at - base)));
    Ok(joined(within.map(|(_, part)| *part)))
}

/// Fragments, each with where its item begins; the first is the offset table.
fn parts(fragments: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    const HEAD_BYTES: usize = 8;
    let mut at = 0;
    std::iter::from_fn(move || {
        let head = fragments.get(at..at + HEAD_BYTES)?;
        let &[0xfe, 0xff, 0x00, 0xe0, a, b, c, d] = head else {
            return None;
        };
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let (from, begins) = (at + HEAD_BYTES, at);
        let part = fragments.get(from..from.checked_add(length)?)?;
        at = from + length;
        Some((begins, part))
    })
}

fn joined<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Cow<'a, [u8]> {
    let parts: Vec<&[u8]> = parts.collect();
    match parts.as_slice() {
        [one] => Cow::Borrowed(one),
        all => Cow::Owned(all.concat()),
    }
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;

    use super::*;
    use crate::dicom::{Limits, Syntax, Writer, scan};

    fn native(frames: &str) -> Vec<u8> {
        Writer::new(Syntax::EXPLICIT)
            .text(tags::NUMBER_OF_FRAMES, VR::IS, frames)
            .us(tags::ROWS, 1)
            .us(tags::COLUMNS, 2)
            .us(tags::BITS_ALLOCATED, 16)
            .bytes(tags::PIXEL_DATA, VR::OW, &[1, 0, 2, 0, 3, 0, 4, 0])
            .finish()
    }

    #[test]
    fn native_frames_are_cut_by_their_size() {
        let bytes = native("2");
        let set = scan(&bytes, Syntax::EXPLICIT, &Limits::default()).unwrap();
        assert_eq!(frame(&set, 2).unwrap().as_ref(), [3, 0, 4, 0]);
        assert_eq!(frame(&set, 3), Err(NoFrame::Beyond(2)));
        assert_eq!(frame(&set, 0), Err(NoFrame::Beyond(2)));
        let liar = native("3");
        let set = scan(&liar, Syntax::EXPLICIT, &Limits::default()).unwrap();
        assert!(matches!(frame(&set, 3), Err(NoFrame::Untold(_))));
    }

    #[test]
    fn fragments_are_told_apart_by_their_offsets() {
        let item = |bytes: &[u8]| {
            let mut out = vec![0xfe, 0xff, 0, 0xe0];
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
            out.extend_from_slice(bytes);
            out
        };
        // The first frame has two fragments of two bytes, the second one: it begins at 20.
        let offsets = [0_u32, 20].map(u32::to_le_bytes).concat();
        let all = [item(&offsets), item(b"ab"), item(b"cd"), item(b"ef")].concat();
        assert_eq!(encapsulated(&all, (0, 2)).unwrap().as_ref(), b"abcd");
        assert_eq!(encapsulated(&all, (1, 2)).unwrap().as_ref(), b"ef");
        assert_eq!(encapsulated(&all, (0, 1)).unwrap().as_ref(), b"abcdef");
        assert_eq!(encapsulated(&all, (2, 3)).unwrap().as_ref(), b"ef");
        let none = [item(b""), item(b"ab"), item(b"cd"), item(b"ef")].concat();
        assert!(matches!(
            encapsulated(&none, (0, 2)),
            Err(NoFrame::Untold(_))
        ));
    }
}
