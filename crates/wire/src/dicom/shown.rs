//! Elements as lines to read.

use dicom_core::VR;

use super::{DataSet, Limits, Repertoire, Syntax, Value, scan, tags};

/// Bytes of a value that are shown.
const SHOWN_BYTES_MAX: usize = 200;

/// The elements of a sealed header, a line each: tag, value representation, value.
pub fn lines(header: &[u8], syntax: &str, charset: &str) -> Vec<String> {
    let found = sealed(header, syntax);
    let Some(set) = found else {
        return vec!["it cannot be read".to_owned()];
    };
    let otherwise = Repertoire::named(charset, &Repertoire::ascii());
    let named = set.ascii(tags::SPECIFIC_CHARACTER_SET);
    let repertoire = Repertoire::named(named, &otherwise);
    let line = |(tag, element): (&dicom_core::Tag, &super::Element<'_>)| {
        let vr = element.vr.to_string();
        format!("{tag} {vr} {}", value(element, &repertoire))
    };
    set.elements().map(line).collect()
}

/// A header as it was sealed: it was looked through before, so that only its own size limits it.
pub fn sealed<'a>(header: &'a [u8], syntax: &str) -> Option<DataSet<'a>> {
    let syntax = Syntax {
        deflated: false,
        ..Syntax::named(syntax)?
    };
    scan(header, syntax, &Limits::sealed()).ok()
}

fn value(element: &super::Element<'_>, repertoire: &Repertoire) -> String {
    match element.value {
        Value::Items(items) => format!("a sequence of {} bytes", items.len()),
        Value::Fragments(parts) => format!("fragments of {} bytes", parts.len()),
        Value::Bytes(bytes) if is_text(element.vr) => {
            let part = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
            match repertoire.decode(part) {
                Some(text) => text.trim_end_matches([' ', '\0']).to_owned(),
                None => format!("{} bytes of text that cannot be read", bytes.len()),
            }
        }
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}

const fn is_text(vr: VR) -> bool {
    matches!(
        vr,
        VR::AE
            | VR::AS
            | VR::CS
            | VR::DA
            | VR::DS
            | VR::DT
            | VR::IS
            | VR::LO
            | VR::LT
            | VR::PN
            | VR::SH
            | VR::ST
            | VR::TM
            | VR::UC
            | VR::UI
            | VR::UR
            | VR::UT
    )
}
