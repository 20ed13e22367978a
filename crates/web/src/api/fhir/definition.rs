//! Definitions that were written here (`StructureDefinition`, `ValueSet`, `CodeSystem`), by their address.

use std::cmp::Ordering;

use chart::PageOf;
use guard::Identity;
use serde_json::Value;

use super::door::Door;
use super::fault::Fault;
use super::query::{self, Pairs};
use super::search::{Asked, ask, page_of};

/// Definitions of one address that are looked at.
const OF_ONE_ADDRESS_MAX: usize = 50;

/// The question for the definitions of an address, which may name a version after `|`.
///
/// # Errors
/// As for any search.
pub(crate) async fn asked(
    door: &Door,
    who: &Identity,
    (kind, url): (&str, &str),
) -> Result<Asked, Fault> {
    let (address, version) = url.split_once('|').unwrap_or((url, ""));
    let mut pairs: Pairs = vec![("url".to_owned(), address.to_owned())];
    if !version.is_empty() {
        pairs.push(("version".to_owned(), version.to_owned()));
    }
    let query = door.query_of(kind, &pairs)?;
    let detail = format!("{kind}?{}", query::text(&pairs));
    ask(door, who, (query, detail)).await
}

/// The definition that is meant, with its size in bytes: an active one before others, then the newest.
///
/// # Errors
/// As for any search.
pub(crate) async fn definition(
    door: &Door,
    who: &Identity,
    asked: Asked,
) -> Result<Option<(Value, usize)>, Fault> {
    let page = PageOf {
        count: OF_ONE_ADDRESS_MAX,
        token: None,
    };
    let found = page_of(door, who, (asked, &page)).await?;
    let bytes = found.matches.iter().map(|stored| stored.json.len()).sum();
    let chosen = move || {
        let all = found.matches.iter().filter_map(|stored| {
            let value: Value = serde_json::from_slice(&stored.json).ok()?;
            Some((value, stored.json.len()))
        });
        all.max_by(|(one, _), (other, _)| rank(one, other))
    };
    door.work(bytes, chosen).await
}

/// The greater one is meant when its address is named.
fn rank(one: &Value, other: &Value) -> Ordering {
    let text = |value: &Value, path: &str| -> String {
        let text = value.pointer(path).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let state = |value: &Value| match text(value, "/status").as_str() {
        "active" => 2,
        "draft" => 1,
        _ => 0,
    };
    let by = |path: &str| text(one, path).cmp(&text(other, path));
    state(one)
        .cmp(&state(other))
        .then_with(|| versions(&text(one, "/version"), &text(other, "/version")))
        .then_with(|| by("/date"))
        .then_with(|| by("/meta/lastUpdated"))
}

/// `1.10.0` is later than `1.9`, and `2.0.0` than `2.0.0-ballot`.
fn versions(one: &str, other: &str) -> Ordering {
    fn parts(version: &str) -> (Vec<u64>, bool, &str) {
        let (numbers, rest) = version.split_once('-').unwrap_or((version, ""));
        let numbers = numbers.split('.').map(|part| part.parse().unwrap_or(0));
        let mut numbers: Vec<u64> = numbers.collect();
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        (numbers, rest.is_empty(), rest)
    }
    parts(one).cmp(&parts(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_active_definition_is_meant_before_others_and_then_the_newest() {
        let of = |status: &str, version: &str, date: &str| json!({"status": status, "version": version, "date": date});
        let before = |one: Value, other: Value| rank(&one, &other) == Ordering::Less;
        assert!(before(
            of("retired", "9", "2026"),
            of("active", "1", "2020")
        ));
        assert!(before(of("draft", "9", "2026"), of("active", "1", "2020")));
        assert!(before(of("active", "1.9", ""), of("active", "1.10.0", "")));
        assert!(before(
            of("active", "2.0.0-ballot", ""),
            of("active", "2.0.0", "")
        ));
        assert!(before(
            of("active", "1", "2025"),
            of("active", "1.0", "2026")
        ));
        assert!(before(of("active", "", "2026"), of("active", "1", "2020")));
    }
}
