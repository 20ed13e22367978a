//! Frames that are compressed by run lengths (PS3.5 annex G). What they unpack to is known before: a frame
//! that says more or less than its size is none, and no more is unpacked than it takes.

/// Bytes of the header: how many segments, and where each begins (PS3.5 section G.5).
const HEAD_BYTES: usize = 64;
/// Segments at most.
const SEGMENTS_MAX: usize = 15;

/// What a frame unpacks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Pixels.
    pub(super) count: usize,
    /// Samples of a pixel.
    pub(super) samples: usize,
    /// Bytes of a sample.
    pub(super) width: usize,
    /// All of one sample and then all of the next, not pixel by pixel.
    pub(super) planar: bool,
}

/// The pixels of a frame in little endian; `None`: it is not what its size says.
pub(super) fn unpacked(frame: &[u8], shape: Shape) -> Option<Vec<u8>> {
    let (head, _) = frame.split_at_checked(HEAD_BYTES)?;
    let (numbers, _) = head.as_chunks::<4>();
    let mut numbers = numbers
        .iter()
        .map(|bytes| usize::try_from(u32::from_le_bytes(*bytes)).unwrap_or(usize::MAX));
    let segments = shape.samples.checked_mul(shape.width)?;
    if numbers.next() != Some(segments) || !(1..=SEGMENTS_MAX).contains(&segments) {
        return None;
    }
    let offsets: Vec<usize> = numbers.take(segments).collect();
    let ends = offsets.iter().skip(1).copied().chain([frame.len()]);
    let packed = offsets.iter().zip(ends);
    let packed: Vec<&[u8]> = packed
        .map(|(from, to)| frame.get(*from..to))
        .collect::<Option<_>>()?;
    // Memory is taken once every segment has been seen to be long enough; one of them lies beside it.
    if !packed.iter().all(|packed| holds(packed, shape.count)) {
        return None;
    }
    let mut out = vec![0; shape.count.checked_mul(segments)?];
    for (number, packed) in packed.into_iter().enumerate() {
        let plane = segment(packed, shape.count)?;
        // The most significant byte of a sample comes first.
        let (sample, byte) = (number / shape.width, shape.width - 1 - number % shape.width);
        for (pixel, value) in plane.iter().enumerate() {
            let place = match shape.planar {
                true => sample * shape.count + pixel,
                false => pixel * shape.samples + sample,
            };
            if let Some(there) = out.get_mut(place * shape.width + byte) {
                *there = *value;
            }
        }
    }
    Some(out)
}

/// Whether a segment unpacks to so many bytes or more.
fn holds(mut packed: &[u8], count: usize) -> bool {
    let mut sum = 0_usize;
    while sum < count {
        let Some((&head, rest)) = packed.split_first() else {
            return false;
        };
        let (bytes, skipped) = match head {
            0..=127 => (usize::from(head) + 1, usize::from(head) + 1),
            128 => (0, 0),
            129..=255 => (257 - usize::from(head), 1),
        };
        let Some((_, rest)) = rest.split_at_checked(skipped) else {
            return false;
        };
        (sum, packed) = (sum + bytes, rest);
    }
    true
}

/// One segment (PS3.5 section G.3.2): bytes as they are, and bytes that are repeated.
fn segment(mut packed: &[u8], count: usize) -> Option<Vec<u8>> {
    // The last run may go beyond it.
    let mut out = Vec::with_capacity(count.saturating_add(128));
    while out.len() < count {
        let (&head, rest) = packed.split_first()?;
        packed = match head {
            0..=127 => {
                let (some, rest) = rest.split_at_checked(usize::from(head) + 1)?;
                out.extend_from_slice(some);
                rest
            }
            128 => rest,
            129..=255 => {
                let (&byte, rest) = rest.split_first()?;
                out.resize(out.len() + 257 - usize::from(head), byte);
                rest
            }
        };
    }
    out.truncate(count);
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut numbers = vec![u32::try_from(segments.len()).unwrap()];
        let mut at = HEAD_BYTES;
        for segment in segments {
            numbers.push(u32::try_from(at).unwrap());
            at += segment.len();
        }
        numbers.resize(16, 0);
        let head = numbers.iter().flat_map(|number| number.to_le_bytes());
        head.chain(segments.concat()).collect()
    }

    #[test]
    fn runs_and_bytes_become_pixels() {
        let one = Shape {
            count: 5,
            samples: 1,
            width: 1,
            planar: false,
        };
        // Three times 7, nothing, and two bytes as they are; what is beyond the size is padding.
        let packed = frame(&[&[254, 7, 128, 1, 8, 9, 0]]);
        assert_eq!(unpacked(&packed, one).unwrap(), [7, 7, 7, 8, 9]);
        let wide = Shape {
            count: 2,
            width: 2,
            ..one
        };
        let packed = frame(&[&[1, 1, 2], &[255, 3]]);
        assert_eq!(unpacked(&packed, wide).unwrap(), [3, 1, 3, 2]);
        let colour = Shape {
            count: 2,
            samples: 3,
            ..one
        };
        let packed = frame(&[&[1, 1, 2], &[1, 3, 4], &[1, 5, 6]]);
        assert_eq!(unpacked(&packed, colour).unwrap(), [1, 3, 5, 2, 4, 6]);
        let planes = Shape {
            planar: true,
            ..colour
        };
        assert_eq!(unpacked(&packed, planes).unwrap(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn what_is_cut_or_says_too_little_is_no_frame() {
        let shape = Shape {
            count: 1 << 40,
            samples: 1,
            width: 1,
            planar: false,
        };
        assert_eq!(
            unpacked(&frame(&[&[129, 7]]), shape),
            None,
            "no memory is taken"
        );
        let small = Shape { count: 4, ..shape };
        for packed in [
            frame(&[&[254, 7]]),
            frame(&[&[3, 1]]),
            frame(&[&[1, 1], &[1, 1]]),
        ] {
            assert_eq!(unpacked(&packed, small), None);
        }
        assert_eq!(unpacked(b"short", small), None);
    }

    /// A small packer: runs as runs, the rest as it is.
    fn packed(mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(&first) = bytes.first() {
            let run = bytes.iter().take_while(|byte| **byte == first);
            let run = run.take(128).count();
            if run > 1 {
                out.extend([u8::try_from(257 - run).unwrap(), first]);
            } else {
                out.extend([0, first]);
            }
            bytes = &bytes[run..];
        }
        out
    }

    /// The segments that a frame's pixels are packed into.
    fn planes(pixels: &[u8], shape: Shape) -> Vec<Vec<u8>> {
        let place = |sample: usize, pixel: usize| match shape.planar {
            true => sample * shape.count + pixel,
            false => pixel * shape.samples + sample,
        };
        let plane = |number: usize| {
            let (sample, byte) = (number / shape.width, shape.width - 1 - number % shape.width);
            let pixels =
                (0..shape.count).map(|pixel| pixels[place(sample, pixel) * shape.width + byte]);
            packed(&pixels.collect::<Vec<_>>())
        };
        (0..shape.samples * shape.width).map(plane).collect()
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        let kinds = prop_oneof![Just((1, 1)), Just((1, 2)), Just((3, 1)), Just((2, 2))];
        (kinds, 1_usize..80, any::<bool>()).prop_map(|((samples, width), count, planar)| Shape {
            count,
            samples,
            width,
            planar,
        })
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(
            (shape, pixels) in shapes().prop_flat_map(|shape| {
                let bytes = shape.count * shape.samples * shape.width;
                let few = prop_oneof![Just(0_u8), Just(9), any::<u8>()];
                (Just(shape), proptest::collection::vec(few, bytes))
            }),
        ) {
            let planes = planes(&pixels, shape);
            let planes: Vec<&[u8]> = planes.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(unpacked(&frame(&planes), shape), Some(pixels));
        }

        #[test]
        fn segments_of_any_bytes_give_so_many_pixels_or_none(
            shape in shapes(),
            bytes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 4),
        ) {
            let segments = shape.samples * shape.width;
            let parts: Vec<&[u8]> = bytes.iter().take(segments).map(Vec::as_slice).collect();
            let enough = parts.iter().all(|part| segment(part, shape.count).is_some());
            for part in &parts {
                prop_assert_eq!(
                    segment(part, shape.count).map(|plane| plane.len()),
                    holds(part, shape.count).then_some(shape.count)
                );
            }
            let out = unpacked(&frame(&parts), shape).map(|out| out.len());
            prop_assert_eq!(out, enough.then_some(shape.count * segments));
        }

        #[test]
        fn whatever_comes_is_read_or_refused(
            packed in proptest::collection::vec(any::<u8>(), 0..400),
            count in 0_usize..200, samples in 0_usize..5, width in 0_usize..4, planar: bool,
        ) {
            let shape = Shape { count, samples, width, planar };
            if let Some(out) = unpacked(&packed, shape) {
                prop_assert_eq!(out.len(), count * samples * width);
            }
        }
    }
}
