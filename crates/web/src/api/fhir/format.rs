//! What the asker wants the answer to look like: `Accept`, `_format`, `_pretty`, `Prefer`.

use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, StatusCode};
use wire::fhir::Code;

use super::fault::Fault;
use super::query::{self, Pairs};

/// What a write answers with (`Prefer: return=...`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefer {
    /// Nothing but headers.
    Minimal,
    /// An `OperationOutcome`.
    Outcome,
    /// The resource as it is now.
    Representation,
}

/// How the JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As it is kept.
    AsKept,
    /// Not JSON: the content of a Binary.
    Content,
    /// Indented.
    Pretty,
}

/// The layout that is wanted, which must be JSON.
///
/// # Errors
/// 406 if only something that is not JSON would do, 400 for a `_pretty` that is neither true nor false.
pub(crate) fn layout(headers: &HeaderMap, pairs: &Pairs) -> Result<Layout, Fault> {
    match query::value(pairs, "_format") {
        Some(format) if is_json(format) => {}
        Some(format) if !format.is_empty() => return Err(not_acceptable(format)),
        Some(_) | None => accepts(headers)?,
    }
    match query::value(pairs, "_pretty") {
        Some("true") => Ok(Layout::Pretty),
        Some("false" | "") | None => Ok(Layout::AsKept),
        Some(other) => {
            let words = format!("`_pretty` is `true` or `false`, not `{other}`");
            Err(Fault::bad(Code::Value, words))
        }
    }
}

/// `pairs` without those that only say what the answer looks like.
pub(crate) fn strip(pairs: Pairs) -> Pairs {
    pairs
        .into_iter()
        .filter(|(name, _)| name != "_format" && name != "_pretty")
        .collect()
}

/// What a write answers with; `usual` if nothing is said.
pub(crate) fn prefer(headers: &HeaderMap, usual: Prefer) -> Prefer {
    let said = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']));
    for part in said {
        match part.trim() {
            "return=minimal" => return Prefer::Minimal,
            "return=OperationOutcome" => return Prefer::Outcome,
            "return=representation" => return Prefer::Representation,
            _ => {}
        }
    }
    usual
}

/// Checks that the body is FHIR JSON.
///
/// # Errors
/// 415 if it says that it is something else, or nothing.
pub(crate) fn body_is_json(headers: &HeaderMap) -> Result<(), Fault> {
    let said = header(headers, &CONTENT_TYPE);
    match said {
        Some(said) if is_json(said) => Ok(()),
        _ => Err(wrong_type(said, "application/fhir+json")),
    }
}

/// Checks that the body is a JSON Patch or FHIR JSON.
///
/// # Errors
/// 415 if it says that it is something else, or nothing.
pub(crate) fn body_is_patch(headers: &HeaderMap) -> Result<(), Fault> {
    const PATCH: &str = "application/json-patch+json";
    let said = header(headers, &CONTENT_TYPE);
    match said {
        Some(said) if essence(said).eq_ignore_ascii_case(PATCH) || is_json(said) => Ok(()),
        _ => Err(wrong_type(said, PATCH)),
    }
}

/// Checks that the body is a form.
///
/// # Errors
/// 415 if it is something else.
pub(crate) fn body_is_form(headers: &HeaderMap) -> Result<(), Fault> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let said = header(headers, &CONTENT_TYPE);
    match said {
        Some(said) if essence(said).eq_ignore_ascii_case(FORM) => Ok(()),
        _ => Err(wrong_type(said, FORM)),
    }
}

fn wrong_type(said: Option<&str>, want: &str) -> Fault {
    let words = match said {
        Some(said) => format!("a body of `{said}` is not read here; send `{want}`"),
        None => format!("the body's `Content-Type` is missing; send `{want}`"),
    };
    Fault::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::NotSupported,
        words,
    )
}

fn accepts(headers: &HeaderMap) -> Result<(), Fault> {
    let mut said = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .peekable();
    if said.peek().is_none() {
        return Ok(());
    }
    let wanted: Vec<&str> = said.collect();
    let any = wanted
        .iter()
        .any(|one| is_json(one) || ["*/*", "application/*"].contains(&essence(one)));
    if any {
        return Ok(());
    }
    Err(not_acceptable(wanted.join(",").trim()))
}

fn not_acceptable(wanted: &str) -> Fault {
    let words = format!("`{wanted}` cannot be made; ask for `application/fhir+json`");
    Fault::new(StatusCode::NOT_ACCEPTABLE, Code::NotSupported, words)
}

/// Whether a media type is JSON in UTF-8 and, if it says which, of FHIR R4.
fn is_json(media: &str) -> bool {
    const NAMES: [&str; 4] = [
        "application/fhir+json",
        "application/json",
        "json",
        "text/json",
    ];
    // A `+` in `_format=application/fhir+json` that was not escaped has become a space.
    let name = essence(media).to_ascii_lowercase().replace(' ', "+");
    NAMES.contains(&name.as_str()) && media.split(';').skip(1).all(parameter_is_good)
}

fn parameter_is_good(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return true;
    };
    let value = value.trim().trim_matches('"');
    match name.trim().to_ascii_lowercase().as_str() {
        "charset" => value.eq_ignore_ascii_case("utf-8"),
        "fhirversion" => value == "4.0" || value == "4.0.1",
        "q" => value.parse() != Ok(0.0),
        _ => true,
    }
}

fn essence(media: &str) -> &str {
    media.split(';').next().unwrap_or_default().trim()
}

/// The first value of a header, if it is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accept(value: &'static str) -> Result<Layout, Fault> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))]);
        layout(&headers, &Vec::new())
    }

    #[test]
    fn json_by_any_of_its_names() {
        for value in [
            "*/*",
            "application/fhir+json",
            "application/json; charset=utf-8",
            "application/fhir+xml, application/fhir+json;q=0.5",
            "application/fhir+json; fhirVersion=4.0",
        ] {
            assert!(accept(value).is_ok(), "{value}");
        }
    }

    #[test]
    fn xml_alone_is_not_acceptable() {
        for value in [
            "application/fhir+xml",
            "text/turtle",
            "application/fhir+json; fhirVersion=5.0",
            "application/json;q=0",
        ] {
            assert_eq!(accept(value).unwrap_err().status.as_u16(), 406, "{value}");
        }
    }

    #[test]
    fn the_parameter_wins_over_the_header() {
        let headers =
            HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/fhir+xml"))]);
        let json = vec![("_format".to_owned(), "json".to_owned())];
        assert!(layout(&headers, &json).is_ok());
        let none = vec![("_format".to_owned(), String::new())];
        assert!(layout(&HeaderMap::new(), &none).is_ok());
        let perhaps = vec![("_pretty".to_owned(), "1".to_owned())];
        let fault = layout(&HeaderMap::new(), &perhaps).unwrap_err();
        assert_eq!(fault.status.as_u16(), 400);
        let xml = vec![("_format".to_owned(), "xml".to_owned())];
        assert!(layout(&HeaderMap::new(), &xml).is_err());
    }

    #[test]
    fn prefer_is_read_anywhere_in_the_header() {
        let header = HeaderValue::from_static("respond-async, return=minimal");
        let headers = HeaderMap::from_iter([(HeaderName::from_static("prefer"), header)]);
        assert_eq!(prefer(&headers, Prefer::Representation), Prefer::Minimal);
        assert_eq!(prefer(&HeaderMap::new(), Prefer::Outcome), Prefer::Outcome);
    }
}
