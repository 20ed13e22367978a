//! A data set that was looked through: its elements, lying where they came.

use std::collections::BTreeMap;
use std::ops::Range;

use dicom_core::{Tag, VR};

/// The elements of a data set, by tag.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataSet<'a> {
    pub(super) elements: BTreeMap<Tag, Element<'a>>,
    pub(super) complaints: Vec<String>,
    pub(super) big_endian: bool,
}

/// One element.
#[derive(Debug, Clone, PartialEq)]
pub struct Element<'a> {
    /// Its value representation: as written, or else as PS3.6 has it (`UN`: neither).
    pub vr: VR,
    /// Its value.
    pub value: Value<'a>,
    /// Where it lies in the data set, tag and all, in bytes.
    pub place: Range<usize>,
}

/// What an element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Bytes, padding and all.
    Bytes(&'a [u8]),
    /// The items of a sequence, as they are written.
    Items(&'a [u8]),
    /// Fragments of encapsulated pixel data, each as an item.
    Fragments(&'a [u8]),
}

impl<'a> DataSet<'a> {
    /// The elements, by ascending tag.
    pub fn elements(&self) -> impl Iterator<Item = (&Tag, &Element<'a>)> {
        self.elements.iter()
    }

    /// The element of that tag.
    pub fn get(&self, tag: Tag) -> Option<&Element<'a>> {
        self.elements.get(&tag)
    }

    /// The bytes of a value without the padding at its end; empty: there is none, or it is a
    /// sequence.
    pub fn bytes(&self, tag: Tag) -> &'a [u8] {
        match self.get(tag).map(|element| element.value) {
            Some(Value::Bytes(bytes)) => unpadded(bytes),
            _ => &[],
        }
    }

    /// A value in the default repertoire (UI, CS, DA, TM, IS ...), without padding; empty: there is
    /// none, or it is not ASCII.
    pub fn ascii(&self, tag: Tag) -> &'a str {
        let bytes = self.bytes(tag);
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        if text.is_ascii() { text.trim() } else { "" }
    }

    /// A binary number of two or four bytes (US, UL), or a number as text (IS).
    pub fn number(&self, tag: Tag) -> Option<u32> {
        let Value::Bytes(bytes) = self.get(tag)?.value else {
            return None;
        };
        match (self.get(tag)?.vr, bytes, self.big_endian) {
            (VR::US | VR::UN, &[low, high], false) | (VR::US, &[high, low], true) => {
                Some(u32::from(u16::from_le_bytes([low, high])))
            }
            (VR::UL | VR::UN, &[a, b, c, d], false) | (VR::UL, &[d, c, b, a], true) => {
                Some(u32::from_le_bytes([a, b, c, d]))
            }
            _ => self.ascii(tag).parse().ok(),
        }
    }

    /// What was odd about it, in words.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

fn unpadded(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | 0))
        .map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}
