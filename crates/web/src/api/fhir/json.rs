//! Bundles written by hand, so that the resources in them are copied and not parsed.

/// `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The beginning of a Bundle.
pub(crate) struct Head<'a> {
    /// `type`.
    pub(crate) kind: &'a str,
    /// `total`, where it is known.
    pub(crate) total: Option<u64>,
    /// `link`s as (relation, url).
    pub(crate) links: Vec<(&'a str, String)>,
}

/// A Bundle of `entries`, each of which writes itself.
pub(crate) fn bundle<T>(
    head: &Head<'_>,
    entries: &[T],
    mut write: impl FnMut(&T, &mut Vec<u8>),
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + 1_024 * entries.len());
    out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"type\":");
    out.extend_from_slice(quoted(head.kind).as_bytes());
    if let Some(total) = head.total {
        out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
    }
    let links = |(relation, url): &(&str, String), out: &mut Vec<u8>| {
        let link = format!(
            "{{\"relation\":{},\"url\":{}}}",
            quoted(relation),
            quoted(url)
        );
        out.extend_from_slice(link.as_bytes());
    };
    list("link", &head.links, links, &mut out);
    list("entry", entries, |entry, out| write(entry, out), &mut out);
    out.push(b'}');
    out
}

/// `,"name":[...]`, or nothing: FHIR has no empty arrays.
fn list<T>(name: &str, items: &[T], mut write: impl FnMut(&T, &mut Vec<u8>), out: &mut Vec<u8>) {
    for (at, item) in items.iter().enumerate() {
        match at {
            0 => out.extend_from_slice(format!(",\"{name}\":[").as_bytes()),
            _ => out.push(b','),
        }
        write(item, out);
    }
    if !items.is_empty() {
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_bundle_has_no_empty_arrays() {
        let head = Head {
            kind: "searchset",
            total: Some(0),
            links: Vec::new(),
        };
        let bytes = bundle(&head, &[(); 0], |(), _| {});
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":0}"
        );
    }

    #[test]
    fn entries_are_copied_as_they_are() {
        let head = Head {
            kind: "searchset",
            total: None,
            links: vec![("self", "https://x/\"".into())],
        };
        let bytes = bundle(&head, &["{\"a\":1.0}", "{}"], |entry, out| {
            out.extend_from_slice(entry.as_bytes());
        });
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\
             \"link\":[{\"relation\":\"self\",\"url\":\"https://x/\\\"\"}],\
             \"entry\":[{\"a\":1.0},{}]}"
        );
    }
}
