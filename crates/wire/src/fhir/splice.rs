//! Changing a few strings in JSON and leaving every other byte as it was.
//!
//! The bytes received are what is sealed; what is read back must differ from them only where the
//! server has a say. So nothing here reads a document and writes it anew.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

/// Whether a member of that name is an address that an entry of a bundle may have: a reference, or a uri, url,
/// oid or uuid (R4 section 3.1.0.11.2).
#[must_use]
pub fn is_address(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "fullUrl",
        "reference",
        "uri",
        "url",
        "valueOid",
        "valueUri",
        "valueUrl",
        "valueUuid",
    ];
    NAMES.contains(&name)
}

/// Replaces each address ([`is_address`]) that equals, as a whole, the first of a pair by the second. Other
/// strings, and those that only contain it, stay. What is not JSON comes back unchanged as far as it is not.
#[must_use]
pub fn resolve(raw: &[u8], pairs: &[(String, String)]) -> Vec<u8> {
    let wanted: HashMap<&[u8], &str> = pairs
        .iter()
        .map(|(from, to)| (from.as_bytes(), to.as_str()))
        .collect();
    // Most strings of a resource are shorter or longer than anything that is replaced.
    let lengths = || wanted.keys().map(|from| from.len());
    let lengths = lengths().min().unwrap_or(1)..=lengths().max().unwrap_or(0);
    let mut out = Vec::with_capacity(raw.len());
    let mut kept = 0;
    let mut at = 0;
    let mut before = 0..0;
    while let Some(start) = memchr::memchr(b'"', raw.get(at..).unwrap_or_default()) {
        let token = string_at(raw, at + start);
        at = token.end;
        let name = std::mem::replace(&mut before, token.clone());
        let Some(to) = replacement(raw, &token, (&wanted, &lengths)) else {
            continue;
        };
        if !is_named(raw, (&name, &token)) {
            continue;
        }
        out.extend_from_slice(raw.get(kept..token.start).unwrap_or_default());
        out.extend_from_slice(quoted(to).as_bytes());
        kept = token.end;
    }
    out.extend_from_slice(raw.get(kept..).unwrap_or_default());
    out
}

/// Whether the string is the value of a member that is an address; `name`: the string before it.
fn is_named(raw: &[u8], (name, token): (&Range<usize>, &Range<usize>)) -> bool {
    let colon = space(raw, name.end);
    if raw.get(colon) != Some(&b':') || space(raw, colon + 1) != token.start {
        return false;
    }
    let name = raw.get(name.clone()).unwrap_or_default();
    serde_json::from_slice::<String>(name).is_ok_and(|name| is_address(&name))
}

fn replacement<'a>(
    raw: &[u8],
    token: &Range<usize>,
    (wanted, lengths): (&HashMap<&[u8], &'a str>, &RangeInclusive<usize>),
) -> Option<&'a str> {
    let text = raw.get(token.start + 1..token.end.checked_sub(1)?)?;
    let found = if memchr::memchr(b'\\', text).is_some() {
        let unescaped: String = serde_json::from_slice(raw.get(token.clone())?).ok()?;
        wanted.get(unescaped.as_bytes())
    } else if lengths.contains(&text.len()) {
        wanted.get(text)
    } else {
        None
    };
    let after = space(raw, token.end);
    found.copied().filter(|_| raw.get(after) != Some(&b':'))
}

/// Sets `id`, `meta.versionId` and `meta.lastUpdated` of a resource; every other byte stays, in
/// its place. What is not a JSON object comes back unchanged.
#[must_use]
pub fn stamp(raw: &[u8], id: &str, version: u64, last_updated: &str) -> Vec<u8> {
    let version = format!("\"{version}\"");
    let (id, last_updated) = (quoted(id), quoted(last_updated));
    let meta = [
        ("versionId", version.as_str()),
        ("lastUpdated", last_updated.as_str()),
    ];
    edits(raw, &id, &meta).map_or_else(|| raw.to_vec(), |edits| apply(raw, edits))
}

/// A range of the input and what stands there instead.
type Edit = (Range<usize>, String);

fn edits(raw: &[u8], id: &str, meta: &[(&str, &str)]) -> Option<Vec<Edit>> {
    let object = Object::at(raw, space(raw, bom(raw)))?;
    let mut out = Vec::new();
    let mut missing = Vec::new();
    match object.member("id") {
        Some(value) => out.push((value, id.to_owned())),
        None => missing.push(format!("\"id\":{id}")),
    }
    match object.member("meta") {
        Some(value) => match Object::at(raw, value.start) {
            Some(inner) => out.extend(meta_edits(&inner, meta)),
            None => out.push((value, format!("{{{}}}", members(meta)))),
        },
        None => missing.push(format!("\"meta\":{{{}}}", members(meta))),
    }
    out.extend(object.insert(&missing));
    Some(out)
}

fn meta_edits(object: &Object, meta: &[(&str, &str)]) -> Vec<Edit> {
    let mut out = Vec::new();
    let mut missing = Vec::new();
    for (key, value) in meta {
        match object.member(key) {
            Some(range) => out.push((range, (*value).to_owned())),
            None => missing.push(format!("\"{key}\":{value}")),
        }
    }
    out.extend(object.insert(&missing));
    out
}

fn members(pairs: &[(&str, &str)]) -> String {
    let list: Vec<String> = pairs.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
    list.join(",")
}

fn apply(raw: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = Vec::with_capacity(raw.len() + 128);
    let mut kept = 0;
    for (range, text) in edits {
        out.extend_from_slice(raw.get(kept..range.start).unwrap_or_default());
        out.extend_from_slice(text.as_bytes());
        kept = range.end;
    }
    out.extend_from_slice(raw.get(kept..).unwrap_or_default());
    out
}

/// Where the members of one object stand.
struct Object {
    /// Just after the brace.
    open: usize,
    members: Vec<(String, Range<usize>)>,
}

impl Object {
    /// Reads the object whose brace stands at `start`.
    fn at(raw: &[u8], start: usize) -> Option<Self> {
        if raw.get(start) != Some(&b'{') {
            return None;
        }
        let mut out = Self {
            open: start + 1,
            members: Vec::new(),
        };
        let mut at = space(raw, start + 1);
        while raw.get(at) == Some(&b'"') {
            let key = string_at(raw, at);
            let name: String = serde_json::from_slice(raw.get(key.clone())?).ok()?;
            at = space(raw, key.end);
            if raw.get(at) != Some(&b':') {
                return None;
            }
            let from = space(raw, at + 1);
            let to = value_end(raw, from);
            out.members.push((name, from..to));
            at = space(raw, to);
            if raw.get(at) == Some(&b',') {
                at = space(raw, at + 1);
            }
        }
        (raw.get(at) == Some(&b'}')).then_some(out)
    }

    fn member(&self, name: &str) -> Option<Range<usize>> {
        self.members
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, range)| range.clone())
    }

    /// Puts members in: after `resourceType` where that stands, else first.
    fn insert(&self, missing: &[String]) -> Option<Edit> {
        if missing.is_empty() {
            return None;
        }
        let text = missing.join(",");
        Some(match self.member("resourceType") {
            Some(kind) => (kind.end..kind.end, format!(",{text}")),
            None if self.members.is_empty() => (self.open..self.open, text),
            None => (self.open..self.open, format!("{text},")),
        })
    }
}

fn bom(raw: &[u8]) -> usize {
    if raw.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    }
}

/// The first place from `at` on that is no white space.
fn space(raw: &[u8], at: usize) -> usize {
    let rest = raw.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
        .count()
}

/// The string token that starts at `start`, quotes included.
fn string_at(raw: &[u8], start: usize) -> Range<usize> {
    let mut at = start + 1;
    while let Some(step) = memchr::memchr2(b'"', b'\\', raw.get(at..).unwrap_or_default()) {
        at += step;
        if raw.get(at) == Some(&b'"') {
            return start..at + 1;
        }
        at += 2;
    }
    start..raw.len()
}

/// Where the value that starts at `from` ends.
fn value_end(raw: &[u8], from: usize) -> usize {
    let mut depth = 0usize;
    let mut at = from;
    while let Some(byte) = raw.get(at) {
        match byte {
            b'"' => at = string_at(raw, at).end,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            b' ' | b'\t' | b'\r' | b'\n' | b':' if depth == 0 => return at,
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
    raw.len()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(raw: &str) -> String {
        String::from_utf8(stamp(raw.as_bytes(), "a1", 7, "2026-01-01T00:00:00Z")).unwrap()
    }

    #[test]
    fn a_stamp_touches_id_and_meta_only() {
        let meta = r#""meta":{"versionId":"7","lastUpdated":"2026-01-01T00:00:00Z"}"#;
        assert_eq!(
            stamped("{ \"resourceType\" : \"Patient\",\n \"active\":true , \"x\":1.50 }"),
            format!(
                "{{ \"resourceType\" : \"Patient\",\"id\":\"a1\",{meta},\n \"active\":true , \"x\":1.50 }}"
            )
        );
        assert_eq!(
            stamped(r#"{"id":"old","meta":{"tag":[{"code":"}"}],"versionId":"3"},"a":"\"id\":"}"#),
            r#"{"id":"a1","meta":{"lastUpdated":"2026-01-01T00:00:00Z","tag":[{"code":"}"}],"versionId":"7"},"a":"\"id\":"}"#
        );
        assert_eq!(stamped("{}"), format!("{{\"id\":\"a1\",{meta}}}"));
        assert_eq!(
            stamped(r#"{"meta":{}}"#),
            format!("{{\"id\":\"a1\",{meta}}}")
        );
        assert_eq!(stamped("[1]"), "[1]");
        assert_eq!(stamped(r#"{"a"#), r#"{"a"#);
        assert_eq!(
            stamped(r#"{"\u0069d":"x","meta":null}"#),
            format!(r#"{{"\u0069d":"a1",{meta}}}"#)
        );
    }

    #[test]
    fn addresses_are_replaced_as_whole_strings_only() {
        let pairs = vec![("urn:uuid:1".to_owned(), "Patient/9".to_owned())];
        let raw = r#"{"reference" : "urn:uuid:1", "url":"see urn:uuid:1", "u\u0072i":"urn:\u0075uid:1", "l":["reference","urn:uuid:1"],"value":"urn:uuid:1","reference":{"urn:uuid:1":"urn:uuid:1"},"q":"\\"}"#;
        let want = r#"{"reference" : "Patient/9", "url":"see urn:uuid:1", "u\u0072i":"Patient/9", "l":["reference","urn:uuid:1"],"value":"urn:uuid:1","reference":{"urn:uuid:1":"urn:uuid:1"},"q":"\\"}"#;
        assert_eq!(
            String::from_utf8(resolve(raw.as_bytes(), &pairs)).unwrap(),
            want
        );
        assert_eq!(resolve(b"\"abc", &pairs), b"\"abc");
        assert_eq!(resolve(b"\"abc\\", &pairs), b"\"abc\\");
    }
}
