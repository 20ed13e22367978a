//! Values that are documents: ED and RP. R4 has no `valueAttachment`, so they are extensions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use serde_json::Value;

use super::json::{Object, extension};
use super::value::{Read, words};
use super::work::{Spot, Work};
use crate::hl7::Part;

const ATTACHMENT: &str =
    "https://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.valueAttachment";

/// The MIME type of data that nothing is known of.
const BYTES: &str = "application/octet-stream";

/// ED as the value of an observation.
pub(super) fn encapsulated(at: Spot<'_>, part: Part<'_>, work: &mut Work<'_>) -> Option<Read> {
    of_data(at, part, work).map(as_value)
}

fn as_value(attachment: Value) -> Read {
    Read::Extension(extension(ATTACHMENT, "valueAttachment", attachment))
}

/// ED as an Attachment: source, type, subtype, encoding, data.
pub(super) fn of_data(at: Spot<'_>, part: Part<'_>, work: &mut Work<'_>) -> Option<Value> {
    let encoding = work
        .text(part.comp(4))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let raw = part.comp(5);
    if raw.is_absent() {
        return None;
    }
    let data = match encoding.as_str() {
        "base64" => base64_as_sent(raw.bytes()),
        "hex" => unhex(raw.bytes()).map(|bytes| STANDARD.encode(bytes)),
        "a" | "" => work.free(raw).map(|text| STANDARD.encode(&*text)),
        _ => None,
    };
    let Some(data) = data else {
        work.complain_at(at, &format!("the data is not `{encoding}`; left out"));
        return None;
    };
    let kind = work.text(part.comp(2)).unwrap_or_default();
    let subtype = work.text(part.comp(3)).unwrap_or_default();
    // Data must have a type (att-1), and is not shown as what it is not.
    let said = content_type(&kind, &subtype).unwrap_or_else(|| BYTES.to_owned());
    let told = match crate::fhir::misnamed(&said, &data) {
        None => said,
        Some(why) => {
            work.complain_at(at, &format!("{why}; kept as bytes"));
            BYTES.to_owned()
        }
    };
    let attachment = Object::with_room(3)
        .set("contentType", told)
        .set("data", data)
        .put("title", work.text(part.comp(1)));
    Some(attachment.done())
}

/// RP as the value of an observation; its words, if it points nowhere.
pub(super) fn pointer(part: Part<'_>, work: &mut Work<'_>) -> Option<Read> {
    match of_pointer(part, work) {
        Some(attachment) => Some(as_value(attachment)),
        None => words(part, work).map(|text| Read::Element("valueString", text.into())),
    }
}

/// RP as an Attachment: pointer, application, type, subtype.
pub(super) fn of_pointer(part: Part<'_>, work: &mut Work<'_>) -> Option<Value> {
    let url = work
        .text(part.comp(1))
        .filter(|url| !url.contains(char::is_whitespace))?;
    let kind = work.text(part.comp(3)).unwrap_or_default();
    let subtype = work.text(part.comp(4)).unwrap_or_default();
    let attachment = Object::with_room(2)
        .put("contentType", content_type(&kind, &subtype))
        .set("url", url);
    Some(attachment.done())
}

/// Lines of text as an Attachment.
pub(super) fn of_text(text: &str) -> Value {
    Object::with_room(2)
        .set("contentType", "text/plain; charset=utf-8")
        .set("data", STANDARD.encode(text))
        .done()
}

/// Base64 without blanks; `None` if it is none. It is checked, not decoded: it may be long.
fn base64_as_sent(bytes: &[u8]) -> Option<String> {
    let kept: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let padding = kept.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = kept.get(..kept.len() - padding)?;
    let fits = body
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    let whole = kept.len().is_multiple_of(4) && padding <= 2 && !body.is_empty();
    (fits && whole).then(|| String::from_utf8(kept).ok())?
}

fn unhex(bytes: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
    };
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

/// A MIME type from ED.2 and ED.3 (tables 0191 and 0291), which senders fill in many ways.
fn content_type(kind: &str, subtype: &str) -> Option<String> {
    let kind = kind.to_ascii_lowercase();
    let subtype = subtype.to_ascii_lowercase();
    if [&kind, &subtype]
        .iter()
        .any(|text| text.contains(char::is_whitespace))
    {
        return None;
    }
    let known = match subtype.as_str() {
        "pdf" => "application/pdf",
        "rtf" => "application/rtf",
        "jpeg" | "jpg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "tiff" | "tif" => "image/tiff",
        "html" => "text/html",
        "plain" | "txt" => "text/plain",
        "xml" => "text/xml",
        "" if kind == "pdf" => "application/pdf",
        "" if kind == "text" || kind == "tx" || kind == "ft" => "text/plain",
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.to_owned());
    }
    if subtype.contains('/') {
        return Some(subtype);
    }
    let is_type = matches!(
        kind.as_str(),
        "application" | "image" | "audio" | "video" | "text"
    );
    (is_type && !subtype.is_empty()).then(|| format!("{kind}/{subtype}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_checked() {
        assert_eq!(base64_as_sent(b"SGFs bG8=").as_deref(), Some("SGFsbG8="));
        assert_eq!(base64_as_sent(b"SGFsbG8"), None);
        assert_eq!(base64_as_sent(b"===="), None);
        assert_eq!(unhex(b"48a9"), Some(vec![0x48, 0xa9]));
        assert_eq!(unhex(b"4"), None);
    }
}
