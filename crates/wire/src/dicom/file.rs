//! DICOM files (PS3.10 section 7): preamble, file meta information, data set.

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::preamble::{PREAMBLE_BYTES, Preamble, preamble};
use super::scan::scan_to;
use super::{DataSet, Limits, Refusal, Syntax, Writer};

/// Bytes up to the file meta information.
pub const HEAD_BYTES: usize = PREAMBLE_BYTES + MAGIC.len();
/// The implementation class UID of files that Salus writes the head of (PS3.7 annex D.3.3.2), made
/// from a UUID (PS3.5 annex B.2).
pub const SALUS_CLASS_UID: &str = "2.25.187327583018246203571949163874220918357";

const MAGIC: &[u8] = b"DICM";
const META_GROUP: u16 = 2;
const META_ELEMENTS_MAX: usize = 100;
/// Tag, VR, length and value of (0002,0000).
const GROUP_LENGTH_BYTES: usize = 12;

/// A file whose head was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Part10<'a> {
    /// What its preamble is.
    pub preamble: Preamble,
    /// Its file meta information.
    pub meta: DataSet<'a>,
    /// UID of its transfer syntax.
    pub syntax_uid: &'a str,
    /// Its transfer syntax.
    pub syntax: Syntax,
    /// Where its data set begins.
    pub data_at: usize,
}

/// Whether that begins like a DICOM file.
pub fn is_part10(bytes: &[u8]) -> bool {
    bytes.get(PREAMBLE_BYTES..HEAD_BYTES) == Some(MAGIC)
}

/// Reads the head of a file.
///
/// # Errors
/// [`Refusal`] if it is none, or its syntax is none that is read.
pub fn part10(bytes: &[u8]) -> Result<Part10<'_>, Refusal> {
    if !is_part10(bytes) {
        return Err(Refusal::NotPart10);
    }
    let rest = bytes.get(HEAD_BYTES..).unwrap_or_default();
    let limits = Limits {
        depth_max: 0,
        elements_max: META_ELEMENTS_MAX,
        ..Limits::default()
    };
    let (meta, end) = scan_to(meta(rest), (Syntax::EXPLICIT, META_GROUP), &limits)?;
    let syntax_uid = meta.ascii(tags::TRANSFER_SYNTAX_UID);
    if syntax_uid.is_empty() {
        return Err(Refusal::NoSyntax);
    }
    let syntax = Syntax::named(syntax_uid).ok_or_else(|| Refusal::Syntax(syntax_uid.to_owned()))?;
    Ok(Part10 {
        preamble: preamble(bytes),
        syntax_uid,
        meta,
        syntax,
        data_at: HEAD_BYTES + end,
    })
}

/// The head of a file for a data set that came without one: what is behind it is as it came.
pub fn file(class: &str, instance: &str, syntax: &str, sender: &str) -> Vec<u8> {
    let meta = Writer::new(Syntax::EXPLICIT)
        .bytes(tags::FILE_META_INFORMATION_VERSION, VR::OB, &[0, 1])
        .text(tags::MEDIA_STORAGE_SOP_CLASS_UID, VR::UI, class)
        .text(tags::MEDIA_STORAGE_SOP_INSTANCE_UID, VR::UI, instance)
        .text(tags::TRANSFER_SYNTAX_UID, VR::UI, syntax)
        .text(tags::IMPLEMENTATION_CLASS_UID, VR::UI, SALUS_CLASS_UID)
        .text(tags::SOURCE_APPLICATION_ENTITY_TITLE, VR::AE, sender)
        .finish();
    let length = u32::try_from(meta.len()).unwrap_or_default();
    let group = Writer::new(Syntax::EXPLICIT).ul(tags::FILE_META_INFORMATION_GROUP_LENGTH, length);
    let mut out = vec![0; PREAMBLE_BYTES];
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&group.finish());
    out.extend_from_slice(&meta);
    out
}

/// As much as the group length says, if it says something: a deflated data set behind it may begin
/// with any bytes.
fn meta(rest: &[u8]) -> &[u8] {
    let Some((head, value)) = rest
        .get(..GROUP_LENGTH_BYTES)
        .and_then(|first| first.split_at_checked(8))
    else {
        return rest;
    };
    let length = <[u8; 4]>::try_from(value)
        .map(u32::from_le_bytes)
        .unwrap_or_default();
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let end = GROUP_LENGTH_BYTES.saturating_add(length);
    match head {
        b"\x02\0\0\0UL\x04\0" => rest.get(..end).unwrap_or(rest),
        _ => rest,
    }
}
