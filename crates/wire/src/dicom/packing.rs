//! How the pixels of an object are packed, as far as pictures are made of them.

use std::borrow::Cow;

use super::{Syntax, can_recode, jpeg, jpeg2000, rle};

/// Bytes of a pixel before it is made a picture, at most: three samples of eight bits.
pub(super) const PIXEL_BYTES_MAX: usize = 3;

/// How pixels are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all; the data set is in little endian by now.
    Plain,
    /// By run lengths (PS3.5 annex G).
    Runs,
    /// By JPEG 2000 (ISO/IEC 15444-1; PS3.5 section A.4.4).
    Jpeg2000,
    /// By JPEG that is not baseline: lossless, and of grey extended (ITU-T T.81; PS3.5 sections A.4.1 and A.4.2).
    Jpeg,
}

/// Pixel by pixel or plane by plane, each sample in little endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pixels<'p> {
    pub(super) bytes: Cow<'p, [u8]>,
    /// What they say of themselves; `None`: nothing, the data set says all.
    pub(super) samples: Option<Samples>,
    /// All of one sample and then all of the next, not pixel by pixel.
    pub(super) planar: bool,
}

/// What packed samples say of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Samples {
    /// Bits that count.
    pub(super) bits: u8,
    /// The highest of them is a sign.
    pub(super) signed: bool,
    /// They were packed with loss: one may be a little more than what was there.
    pub(super) lossy: bool,
    /// Brightness and differences of colour were turned back into red, green and blue.
    pub(super) turned: bool,
}

/// What a data set says of each of its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// Samples of a pixel: 1 or 3.
    pub(super) samples: usize,
    /// Bits that a sample takes: 8 or 16.
    pub(super) bits: usize,
    /// All of one sample and then all of the next, not pixel by pixel.
    pub(super) planar: bool,
}

impl Claim {
    /// Pixels.
    pub(super) const fn count(&self) -> usize {
        self.columns.saturating_mul(self.rows)
    }
}

impl Packing {
    /// What the transfer syntax with that UID packs pixels by; `None`: no picture is made of it.
    pub fn named(syntax: &str) -> Option<Packing> {
        match syntax {
            "1.2.840.10008.1.2.5" => Some(Packing::Runs),
            "1.2.840.10008.1.2.4.90" | "1.2.840.10008.1.2.4.91" => Some(Packing::Jpeg2000),
            "1.2.840.10008.1.2.4.51" | "1.2.840.10008.1.2.4.57" | "1.2.840.10008.1.2.4.70" => {
                Some(Packing::Jpeg)
            }
            other => can_recode(other, Syntax::EXPLICIT_UID).then_some(Packing::Plain),
        }
    }

    /// Bytes of memory, beside the object, of which three times as many suffice to make a picture of so many
    /// pixels.
    pub const fn room(self, pixels: usize) -> u64 {
        let bytes = match self {
            Packing::Plain | Packing::Runs => pixels.saturating_mul(PIXEL_BYTES_MAX),
            Packing::Jpeg => pixels
                .saturating_mul(PIXEL_BYTES_MAX)
                .saturating_add(jpeg::TABLES_BYTES.div_ceil(3)),
            Packing::Jpeg2000 => jpeg2000::memory(pixels).div_ceil(3),
        };
        bytes as u64
    }

    /// The pixels of a frame; an error says why there are none, in words.
    pub(super) fn unpacked(
        self,
        frame: Cow<'_, [u8]>,
        claim: Claim,
    ) -> Result<Pixels<'_>, &'static str> {
        match self {
            Packing::Plain => Ok(Pixels::plain(frame, claim.planar)),
            Packing::Runs => {
                let shape = rle::Shape {
                    count: claim.count(),
                    samples: claim.samples,
                    width: claim.bits / 8,
                    planar: claim.planar,
                };
                let bytes = rle::unpacked(&frame, shape);
                let bytes = bytes.ok_or("its run lengths are not what its size says")?;
                Ok(Pixels::plain(bytes.into(), claim.planar))
            }
            Packing::Jpeg2000 => jpeg2000::unpacked(&frame, claim),
            Packing::Jpeg => jpeg::unpacked(&frame, claim),
        }
    }
}

impl<'p> Pixels<'p> {
    const fn plain(bytes: Cow<'p, [u8]>, planar: bool) -> Pixels<'p> {
        Pixels {
            bytes,
            samples: None,
            planar,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfer_syntaxes_are_told_apart() {
        for (uid, packing) in [
            ("1.2.840.10008.1.2", Some(Packing::Plain)),
            ("1.2.840.10008.1.2.1.99", Some(Packing::Plain)),
            ("1.2.840.10008.1.2.2", Some(Packing::Plain)),
            ("1.2.840.10008.1.2.5", Some(Packing::Runs)),
            ("1.2.840.10008.1.2.4.50", None),
            ("1.2.840.10008.1.2.4.51", Some(Packing::Jpeg)),
            ("1.2.840.10008.1.2.4.57", Some(Packing::Jpeg)),
            ("1.2.840.10008.1.2.4.70", Some(Packing::Jpeg)),
            ("1.2.840.10008.1.2.4.90", Some(Packing::Jpeg2000)),
            ("1.2.840.10008.1.2.4.91", Some(Packing::Jpeg2000)),
            ("1.2.840.10008.1.2.4.80", None),
            ("1.2.840.10008.1.2.4.201", None),
        ] {
            assert_eq!(Packing::named(uid), packing, "{uid}");
        }
    }

    #[test]
    fn jpeg_2000_takes_more_room_than_what_is_only_unpacked() {
        assert_eq!(Packing::Runs.room(100), 300);
        assert_eq!(Packing::Jpeg.room(100), 300 + (400 << 10));
        assert_eq!(Packing::Jpeg2000.room(3 << 20), (30 << 20) + (3 << 20));
    }
}
