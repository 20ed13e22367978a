//! Elements as they are written: explicit little endian, in the order of their tags.

use std::borrow::Cow;

use dicom_core::{Tag, VR};

use super::object::Elements;
use crate::dicom::Refusal;
use crate::dicom::recode::{explicit_head, length, put_tag};

/// One element as it is written.
pub(super) enum Written<'a> {
    /// A value.
    Bytes(VR, Cow<'a, [u8]>),
    /// The items of a sequence.
    Items(Vec<u8>),
    /// Pixel data in fragments, the delimiter at its end included.
    Fragments(&'a [u8]),
}

/// Appends elements.
pub(super) fn write(written: &Elements<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    for (tag, one) in written {
        match one {
            Written::Bytes(vr, value) => {
                explicit_head((*tag, *vr), value.len(), out)?;
                out.extend_from_slice(value);
            }
            Written::Items(items) => {
                explicit_head((*tag, VR::SQ), items.len(), out)?;
                out.extend_from_slice(items);
            }
            Written::Fragments(fragments) => {
                put_tag(*tag, out);
                out.extend_from_slice(b"OB\0\0\xff\xff\xff\xff");
                out.extend_from_slice(fragments);
            }
        }
    }
    Ok(())
}

/// Appends an item of a sequence.
pub(super) fn item(tag: Tag, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    put_tag(tag, out);
    out.extend_from_slice(&length(tag, bytes.len())?.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// A UID as it is to be written; empty: there is none.
pub(super) fn uid(written: &Elements<'_>, tag: Tag) -> String {
    match written.get(&tag) {
        Some(Written::Bytes(_, value)) => String::from_utf8_lossy(value)
            .trim_end_matches(['\0', ' '])
            .to_owned(),
        _ => String::new(),
    }
}
