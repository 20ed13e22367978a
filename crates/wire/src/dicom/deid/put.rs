//! Elements as they are written: explicit little endian, in the order of their tags.

use std::borrow::Cow;

use dicom_core::{Tag, VR};

use super::object::Elements;
use crate::dicom::Refusal;
use crate::dicom::recode::put_tag;
use crate::dicom::scan::long;

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
                head((*tag, *vr), value.len(), out)?;
                out.extend_from_slice(value);
            }
            Written::Items(items) => {
                head((*tag, VR::SQ), items.len(), out)?;
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

fn head((tag, vr): (Tag, VR), bytes: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
    put_tag(tag, out);
    match u16::try_from(bytes) {
        Ok(short) if !long(vr) => {
            out.extend_from_slice(&vr.to_bytes());
            out.extend_from_slice(&short.to_le_bytes());
        }
        // PS3.5 section 6.2.2: what is longer than its representation can say is unknown.
        _ => {
            let vr = if long(vr) { vr } else { VR::UN };
            out.extend_from_slice(&vr.to_bytes());
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&length(tag, bytes)?.to_le_bytes());
        }
    }
    Ok(())
}

fn length(tag: Tag, bytes: usize) -> Result<u32, Refusal> {
    let fits = u32::try_from(bytes).ok();
    let fits = fits.filter(|length| *length < u32::MAX);
    fits.ok_or(Refusal::Length {
        tag,
        at: 0,
        length: u32::MAX,
        left: bytes,
    })
}
