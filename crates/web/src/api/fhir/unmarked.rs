//! Text that Salus alone writes: what stands in an event in the place of a large content. It is refused at
//! every door, so that whatever looks like it is ours.

use axum::http::StatusCode;
use event::Content;
use serde_json::Value;
use wire::fhir::{Code, Issue};

use super::fault::Fault;

/// Refuses a resource that has such text, with its place.
///
/// # Errors
/// 422.
pub(crate) fn unmarked((raw, resource): (&[u8], &Value)) -> Result<(), Fault> {
    // Most have no such word, and nothing that is written in another way.
    let text = std::str::from_utf8(raw).unwrap_or_default();
    if !text.contains(Content::MARK) && !text.contains("\\u") {
        return Ok(());
    }
    let kind = resource.get("resourceType").and_then(Value::as_str);
    let Some(path) = marked(resource, kind.unwrap_or_default()) else {
        return Ok(());
    };
    let issue = Issue::error(Code::BusinessRule, path, words());
    Err(Fault::of(StatusCode::UNPROCESSABLE_ENTITY, vec![issue]))
}

/// Why it is refused.
pub(crate) fn words() -> String {
    format!(
        "a text has `{}` in it, which stands for contents that Salus keeps elsewhere; send the content itself, \
         or another text",
        Content::MARK
    )
}

/// Where such text stands, the first of it.
pub(crate) fn marked(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::String(text) => text.contains(Content::MARK).then(|| path.to_owned()),
        Value::Array(items) => {
            let mut places = items.iter().enumerate();
            places.find_map(|(at, item)| marked(item, &format!("{path}[{at}]")))
        }
        Value::Object(map) => map.iter().find_map(|(name, item)| {
            let path = format!("{path}.{name}");
            match name.contains(Content::MARK) {
                true => Some(path),
                false => marked(item, &path),
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_refused_however_it_is_written() {
        for (json, place) in [
            (
                r#"{"resourceType":"List","title":"urn:salus:content:8:ab"}"#,
                "List.title",
            ),
            (
                r#"{"resourceType":"List","note":[{"text":"see \u0075rn:salus:content:"}]}"#,
                "List.note[0].text",
            ),
            (
                r#"{"resourceType":"List","urn:salus:content:":1}"#,
                "List.urn:salus:content:",
            ),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            let fault = unmarked((json.as_bytes(), &value)).unwrap_err();
            assert_eq!(
                (fault.status.as_u16(), fault.issues[0].path.as_str()),
                (422, place)
            );
        }
        let json = r#"{"resourceType":"List","title":"urn:salus:contents, \u00e4"}"#;
        let value: Value = serde_json::from_str(json).unwrap();
        assert!(unmarked((json.as_bytes(), &value)).is_ok());
    }
}
