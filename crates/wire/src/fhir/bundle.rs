//! Taking a Bundle apart without touching a byte of what is in it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::issue::{Code, Issue};

/// One `Bundle.entry`, as it stands in the bytes of the bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// `fullUrl`, such as `urn:uuid:...`.
    pub full_url: Option<String>,
    /// `request.method`, such as `POST`.
    pub method: Option<String>,
    /// `request.url`, such as `Patient` or `Patient?identifier=x|1`.
    pub url: Option<String>,
    /// `request.ifMatch`, such as `W/"7"`.
    pub if_match: Option<String>,
    /// `request.ifNoneMatch`.
    pub if_none_match: Option<String>,
    /// `request.ifModifiedSince`.
    pub if_modified_since: Option<String>,
    /// `request.ifNoneExist`, the query without its question mark.
    pub if_none_exist: Option<String>,
    /// `resource`: exactly the bytes between its braces, braces included.
    pub resource: Option<&'a [u8]>,
}

/// A Bundle in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle<'a> {
    /// `type`, such as `transaction`.
    pub kind: String,
    /// The entries in order.
    pub entries: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct RawBundle<'a> {
    #[serde(rename = "resourceType")]
    resource_type: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow, default)]
    entry: Vec<RawEntry<'a>>,
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(rename = "fullUrl")]
    full_url: Option<String>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    request: Option<RawRequest>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawRequest {
    method: Option<String>,
    url: Option<String>,
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_modified_since: Option<String>,
    if_none_exist: Option<String>,
}

/// Splits the bytes of a Bundle. Call [`super::parse`] and [`super::check`] first: this reads the
/// shape only and does not look for duplicate keys.
///
/// # Errors
/// An [`Issue`] when the bytes are not a Bundle.
pub fn split(bytes: &[u8]) -> Result<Bundle<'_>, Issue> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let raw: RawBundle<'_> = serde_json::from_slice(text)
        .map_err(|e| Issue::error(Code::Structure, "Bundle", format!("not a Bundle: {e}")))?;
    if raw.resource_type.as_deref() != Some("Bundle") {
        let found = raw.resource_type.unwrap_or_default();
        let words = format!("`{found}` is not a Bundle; send a Bundle");
        return Err(Issue::error(Code::Structure, "Bundle", words));
    }
    let entries = raw.entry.into_iter().map(entry).collect();
    Ok(Bundle {
        kind: raw.kind.unwrap_or_default(),
        entries,
    })
}

fn entry(raw: RawEntry<'_>) -> Entry<'_> {
    let request = raw.request.unwrap_or_default();
    Entry {
        full_url: raw.full_url,
        method: request.method,
        url: request.url,
        if_match: request.if_match,
        if_none_match: request.if_none_match,
        if_modified_since: request.if_modified_since,
        if_none_exist: request.if_none_exist,
        resource: raw.resource.map(|r| r.get().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_resource_stay() {
        let text = r#"{"resourceType":"Bundle","type":"transaction","entry":[
            {"fullUrl":"urn:uuid:1","resource":{ "resourceType" : "Patient","x":1.50 },
             "request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=a|1"}},
            {"request":{"method":"DELETE","url":"Patient/2","ifMatch":"W/\"3\""}}]}"#;
        let bundle = split(text.as_bytes()).unwrap();
        assert_eq!(bundle.kind, "transaction");
        let [first, second] = bundle.entries.as_slice() else {
            panic!("two entries")
        };
        assert_eq!(
            first.resource,
            Some(r#"{ "resourceType" : "Patient","x":1.50 }"#.as_bytes())
        );
        assert_eq!(first.if_none_exist.as_deref(), Some("identifier=a|1"));
        assert_eq!(
            (second.resource, second.if_match.as_deref()),
            (None, Some("W/\"3\""))
        );
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"resourceType":"Patient"}"#,
            r#"{"resourceType":"Bundle","entry":1}"#,
        ] {
            assert!(split(text.as_bytes()).is_err(), "{text}");
        }
    }
}
