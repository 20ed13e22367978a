//! JSON as text: where large strings of base64 stand, and putting other ones in their place. Every byte
//! beside them stays.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::{Content, Form};
use memchr::{memchr2, memmem};

use super::Part;

/// The element that holds what is attached (`Binary.data`, `Attachment.data`, `Signature.data`).
const ELEMENT: &[u8] = b"data";
/// What is said beside it, such as why it is not there.
const BESIDE: &[u8] = b"\"_data\"";
/// Bytes of a mark, at most.
const MARK_BYTES_MAX: usize = 160;
/// What text that only looks like a mark begins with on its way out.
const UNMARKED: &[u8] = b"urn:salus:no-content:";

/// Where the contents of strings of at least `min` bytes stand, without their quotes, that are the
/// value of `data` and may be base64. None, where something is said beside a `data` already: in the place of a content
/// that is left out stands just that member, and of two with one name a reader takes either.
pub(super) fn large(json: &[u8], min: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if memmem::find(json, BESIDE).is_some() {
        return found;
    }
    let (mut at, mut of_data) = (0, false);
    while let Some(open) = memchr::memchr(b'"', json.get(at..).unwrap_or_default()) {
        let begin = at + open + 1;
        let Some(end) = end_of_string(json, begin) else {
            break;
        };
        let text = json.get(begin..end).unwrap_or_default();
        at = end + 1;
        if is_key(json, at) {
            of_data = text == ELEMENT;
        } else if of_data && text.len() >= min && may_be_base64(text) {
            found.push(begin..end);
        }
    }
    found
}

/// Where the quote is that ends the string that begins there.
fn end_of_string(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at + memchr2(b'"', b'\\', json.get(at..)?)?;
        match json.get(found)? {
            b'"' => return Some(found),
            _ => at = found + 2,
        }
    }
}

/// Whether what stands before is the name of a member.
fn is_key(json: &[u8], at: usize) -> bool {
    let mut rest = json.get(at..).unwrap_or_default().iter();
    rest.find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// Numbers of a curve (`SampledData.data`) are none: they have points, signs or blanks. Base64 with
/// line breaks (`\r\n`, which JSON escapes) is.
fn may_be_base64(text: &[u8]) -> bool {
    let of_it = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\\".contains(byte);
    text.iter().all(of_it)
}

/// What a string of base64 stands for, if writing it again gives the same string.
pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    // Padding and spare bits are checked by the decoder: no other text has the same bytes.
    (bytes.len().div_ceil(3) * 4 == text.len()).then_some(bytes)
}

/// The content as it stands between the quotes.
pub(super) fn written(form: Form, bytes: Vec<u8>) -> Vec<u8> {
    match form {
        Form::Base64 => STANDARD.encode(bytes).into_bytes(),
        Form::Text => bytes,
    }
}

/// The text with other parts in the place of some, which are in order and do not overlap.
pub(super) fn replaced(json: &[u8], parts: &[Part]) -> Vec<u8> {
    let more: usize = parts.iter().map(|(_, part)| part.len()).sum();
    let less: usize = parts.iter().map(|(place, _)| place.len()).sum();
    let mut out = Vec::with_capacity((json.len() + more).saturating_sub(less));
    let mut at = 0;
    for (place, part) in parts {
        out.extend_from_slice(json.get(at..place.start).unwrap_or_default());
        out.extend_from_slice(part);
        at = place.end;
    }
    out.extend_from_slice(json.get(at..).unwrap_or_default());
    out
}

/// Where text stands that begins like a mark.
pub(super) fn begins(json: &[u8]) -> Vec<usize> {
    memmem::find_iter(json, Content::MARK.as_bytes()).collect()
}

/// The text of the whole JSON string that begins there, and where it stands without its quotes; `None`: none
/// does, or it is longer than a mark.
pub(super) fn string_at(json: &[u8], begin: usize) -> Option<(Range<usize>, &str)> {
    if json.get(begin.checked_sub(1)?) != Some(&b'"') {
        return None;
    }
    let rest = json.get(begin..)?;
    let rest = rest.get(..MARK_BYTES_MAX).unwrap_or(rest);
    let text = rest.get(..memchr::memchr(b'"', rest)?)?;
    let text = std::str::from_utf8(text).ok()?;
    Some((begin..begin + text.len(), text))
}

/// The value of a top-level member `data`, if that is a string; where it stands does not matter.
pub(super) fn data(json: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Outline {
        data: Option<String>,
    }
    serde_json::from_slice::<Outline>(json).ok()?.data
}

/// What stands for a member whose content is not there: its name with an underscore, and why it has no
/// value (FHIR R4, data-absent-reason). The place is that of the member; `None`: the string is no such member.
pub(super) fn absent(json: &[u8], value: &Range<usize>, code: &str) -> Option<Part> {
    let before = json.get(..value.start.checked_sub(1)?)?;
    let key = before.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let start = key.strip_suffix(b"\"data\"")?.len();
    let instead = format!(
        "\"_data\":{{\"extension\":[{{\"url\":\
         \"http://hl7.org/fhir/StructureDefinition/data-absent-reason\",\"valueCode\":\"{code}\"}}]}}"
    );
    Some((start..value.end + 1, instead.into_bytes()))
}

/// What stands for the beginning of text that looks like a mark and is none.
pub(super) fn unmarked(begin: usize) -> Part {
    (begin..begin + Content::MARK.len(), UNMARKED.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(json: &str, min: usize) -> Vec<&str> {
        let found = large(json.as_bytes(), min);
        found.into_iter().map(|place| &json[place]).collect()
    }

    fn place_of(json: &[u8], mark: &str) -> Option<Range<usize>> {
        let begin = memmem::find(json, format!("\"{mark}\"").as_bytes())? + 1;
        Some(begin..begin + mark.len())
    }

    #[test]
    fn only_large_values_of_data_are_found() {
        let json = r#"{"id":"datadata","data" : "QUJDRA==","x":{"data":["QUJDRUZH","a"]},"div":"QUJDRUZHSEk=",
            "note":"\"data\":\"QUJDRUZHSEk=\"","data":"1.5 2.5 3.5 4"}"#;
        assert_eq!(texts(json, 8), ["QUJDRA==", "QUJDRUZH"]);
        assert_eq!(texts(json, 9), Vec::<&str>::new());
        assert_eq!(texts(r#"{"data":"QUJD\r\nREVG"}"#, 8), [r"QUJD\r\nREVG"]);
        assert_eq!(texts(r#"{"data":"QUJDREVG"#, 1), Vec::<&str>::new());
        assert_eq!(texts("\"data\":\"\\", 0), Vec::<&str>::new());
    }

    #[test]
    fn what_has_a_member_beside_it_stays() {
        let json = r#"{"data":"QUJDREVG","_data":{"id":"x"}}"#;
        assert_eq!(texts(json, 8), Vec::<&str>::new());
    }

    #[test]
    fn base64_that_would_be_written_otherwise_stays_text() {
        assert_eq!(decoded(b"QUJD"), Some(b"ABC".to_vec()));
        assert_eq!(decoded(br"QUJD\r\nREVG"), None);
        assert_eq!(decoded(b"QUI"), None);
        assert_eq!(decoded(b"QUJ="), None, "spare bits");
    }

    #[test]
    fn what_is_lost_is_said_in_its_place() {
        let json = br#"{"contentType":"x","data" : "MARK","id":"1"}"#;
        let place = place_of(json, "MARK").unwrap();
        let (place, instead) = absent(json, &place, "error").unwrap();
        let told: serde_json::Value =
            serde_json::from_slice(&replaced(json, &[(place, instead)])).unwrap();
        assert_eq!(told["_data"]["extension"][0]["valueCode"], "error");
        assert_eq!((told["id"].as_str(), told.get("data")), (Some("1"), None));
        assert_eq!(absent(b"[\"MARK\"]", &(2..6), "error"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(json in proptest::collection::vec(any::<u8>(), 0..300), min in 0_usize..4) {
            for place in large(&json, min) {
                prop_assert!(json.get(place).is_some());
            }
            let text = [b"\"urn:salus:content:", json.as_slice(), b"\""].concat();
            for begin in begins(&text) {
                let found = string_at(&text, begin);
                prop_assert!(found.is_none_or(|(place, _)| text.get(place).is_some()));
            }
        }

        #[test]
        fn what_is_decoded_is_written_as_it_was(text in "[A-Za-z0-9+/]{0,40}={0,2}") {
            if let Some(bytes) = decoded(text.as_bytes()) {
                prop_assert_eq!(written(Form::Base64, bytes), text.into_bytes());
            }
        }

        #[test]
        fn what_is_taken_out_comes_back(parts in proptest::collection::vec("[A-Za-z0-9+/]{8,40}", 0..5)) {
            let members = parts.iter().map(|part| format!("{{ \"data\" : \"{part}\" }}"));
            let json = format!("[{}]", members.collect::<Vec<_>>().join(","));
            let places = large(json.as_bytes(), 8);
            prop_assert_eq!(places.len(), parts.len());
            let mark = |at: usize| format!("urn:salus:content:8:{at}");
            let marks = (0..parts.len()).map(|at| mark(at).into_bytes());
            let marked = replaced(json.as_bytes(), &places.into_iter().zip(marks).collect::<Vec<_>>());
            let back = parts.iter().enumerate().map(|(at, part)| {
                (place_of(&marked, &mark(at)).unwrap(), part.clone().into_bytes())
            });
            prop_assert_eq!(replaced(&marked, &back.collect::<Vec<_>>()), json.into_bytes());
        }
    }
}
