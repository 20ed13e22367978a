//! Frames of JPEG 2000 (ISO/IEC 15444-1), unpacked by a library once their headers have been held against
//! what the object says.

use std::panic::catch_unwind;

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::codestream::{Head, head};
use super::packing::{Claim, Pixels};

/// Bytes of memory that each pixel takes while it is unpacked: three planes and two that are worked on, of
/// four bytes a sample, with the smaller one beside them, and the pixels themselves.
const PIXEL_BYTES: usize = 24;
/// Bytes for each pixel that what a codestream is divided into (tiles, precincts, code-blocks) may take, and so
/// many besides, however small it is.
const PARTS_PIXEL_BYTES: usize = 6;
const PARTS_FREE_BYTES: usize = 9 << 20;

/// Steps for each pixel that are taken for what a codestream is divided into, and so many besides: a second or so in all.
const PARTS_PIXEL_STEPS: u64 = 8;
const PARTS_FREE_STEPS: u64 = 1 << 24;

/// Bytes of memory, at most, that it takes to unpack so many pixels.
pub(super) const fn memory(pixels: usize) -> usize {
    pixels
        .saturating_mul(PIXEL_BYTES)
        .saturating_add(parts_max(pixels))
}

const fn parts_max(pixels: usize) -> usize {
    pixels
        .saturating_mul(PARTS_PIXEL_BYTES)
        .saturating_add(PARTS_FREE_BYTES)
}

/// The pixels of a frame, with as many bits as it says itself.
pub(super) fn unpacked(frame: &[u8], claim: Claim) -> Result<Pixels<'static>, &'static str> {
    // INVARIANT: no memory is taken for what a codestream says before it has been held against the object.
    let head = head(frame, claim)?;
    let steps = (claim.count() as u64).saturating_mul(PARTS_PIXEL_STEPS) + PARTS_FREE_STEPS;
    if head.parts_bytes > parts_max(claim.count()) || head.parts_steps > steps {
        return Err("its JPEG 2000 is divided into more parts than are unpacked");
    }
    // What is wrong within the packed bits is found by the library, by some of it with a panic.
    let bytes = catch_unwind(|| samples(&head, claim)).ok().flatten();
    Ok(Pixels {
        bytes: bytes.ok_or("its JPEG 2000 is damaged")?.into(),
        samples: Some(head.samples),
        planar: false,
    })
}

/// Samples pixel by pixel in little endian, each as wide as the object says.
fn samples(head: &Head<'_>, claim: Claim) -> Option<Vec<u8>> {
    let settings = DecodeSettings {
        resolve_palette_indices: false,
        // What is cut or does not fit is an error, and not grey.
        strict: head.complete,
        target_resolution: None,
    };
    let image = Image::new(head.stream, &settings).ok()?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).ok()?;
    let planes = decoded.components();
    let fits = |plane: &hayro_jpeg2000::ComponentData| {
        plane.samples().len() == claim.count() && plane.bit_depth() == head.samples.bits
    };
    if planes.len() != claim.samples || !planes.iter().all(fits) {
        return None;
    }
    let width = claim.bits / 8;
    let mut out = vec![0; claim.count().checked_mul(claim.samples * width)?];
    for (number, plane) in planes.iter().enumerate() {
        let places = out.chunks_exact_mut(width).skip(number);
        for (place, sample) in places.step_by(claim.samples).zip(plane.samples()) {
            let [low, high] = head.stored(*sample).to_le_bytes();
            for (byte, value) in place.iter_mut().zip([low, high]) {
                *byte = value;
            }
        }
    }
    Some(out)
}

impl Head<'_> {
    /// A sample in as many bits as it has; one with a sign as its complement. The library gives each with half
    /// of the range added, which is right for those without a sign alone (section G.1.2).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is held within its bits, 16 at most"
    )]
    fn stored(&self, sample: f32) -> u16 {
        let largest = ((1_u32 << self.samples.bits) - 1) as f32;
        let value = sample.round().clamp(0.0, largest) as u32;
        let half = if self.samples.signed {
            1 << (self.samples.bits - 1)
        } else {
            0
        };
        // Half of the range taken away is its highest bit turned over.
        (value ^ half) as u16
    }
}

#[cfg(test)]
#[path = "jpeg2000_tests.rs"]
mod tests;
