//! Elements written, little endian, for what Salus itself says: file meta information, commands,
//! answers.

use dicom_core::{Tag, VR};

use super::Syntax;

/// Writes elements in the order they are given, which must be ascending by tag.
#[derive(Debug, Clone)]
pub struct Writer {
    syntax: Syntax,
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer of implicit or explicit VR little endian.
    pub fn new(syntax: Syntax) -> Writer {
        Writer {
            syntax,
            bytes: Vec::new(),
        }
    }

    /// A text, padded to an even length: with a NUL if it is a UID, else with a space.
    #[must_use]
    pub fn text(self, tag: Tag, vr: VR, text: &str) -> Writer {
        let pad = if vr == VR::UI { 0 } else { b' ' };
        self.padded(tag, vr, (text.as_bytes(), pad))
    }

    /// Bytes, padded to an even length with a NUL.
    #[must_use]
    pub fn bytes(self, tag: Tag, vr: VR, bytes: &[u8]) -> Writer {
        self.padded(tag, vr, (bytes, 0))
    }

    /// A number of two bytes (US).
    #[must_use]
    pub fn us(self, tag: Tag, number: u16) -> Writer {
        self.bytes(tag, VR::US, &number.to_le_bytes())
    }

    /// A number of four bytes (UL).
    #[must_use]
    pub fn ul(self, tag: Tag, number: u32) -> Writer {
        self.bytes(tag, VR::UL, &number.to_le_bytes())
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes that were written.
    pub const fn written(&self) -> usize {
        self.bytes.len()
    }

    fn padded(mut self, tag: Tag, vr: VR, (value, pad): (&[u8], u8)) -> Writer {
        // A value that its length cannot say is not written by halves: it is left out.
        let odd = value.len() % 2;
        let length = value.len() + odd;
        let short =
            self.syntax.explicit && !matches!(vr, VR::OB | VR::OW | VR::SQ | VR::UN | VR::UT);
        let max = if short {
            usize::from(u16::MAX)
        } else {
            u32::MAX as usize - 1
        };
        let (value, length) = if length > max {
            (&[][..], 0)
        } else {
            (value, length)
        };
        self.bytes.extend_from_slice(&tag.group().to_le_bytes());
        self.bytes.extend_from_slice(&tag.element().to_le_bytes());
        let length = u32::try_from(length).unwrap_or_default();
        let [a, b, c, d] = length.to_le_bytes();
        if self.syntax.explicit {
            self.bytes.extend_from_slice(&vr.to_bytes());
        }
        if short {
            self.bytes.extend_from_slice(&[a, b]);
        } else {
            if self.syntax.explicit {
                self.bytes.extend_from_slice(&[0, 0]);
            }
            self.bytes.extend_from_slice(&[a, b, c, d]);
        }
        self.bytes.extend_from_slice(value);
        if value.len() % 2 == 1 {
            self.bytes.push(pad);
        }
        self
    }
}
