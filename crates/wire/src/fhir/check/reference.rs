//! References: their form, the types they may point to, and what is contained (ref-1, dom-2 to dom-5).

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::issue::Code;
use super::super::refs::{self, Target};
use super::super::tables::Element;
use super::place::{Place, Walk, shown};

/// Checks one `Reference` against the types its element allows.
pub(super) fn check(
    walk: &mut Walk<'_>,
    element: &Element,
    map: &Map<String, Value>,
    place: &Place<'_>,
) {
    let text = map.get("reference").and_then(Value::as_str).unwrap_or("");
    let here = Place::Key(place, "reference");
    let kind = match text.strip_prefix('#') {
        Some("") => None,
        Some(id) => match refs::contained(walk.root, id) {
            Some(resource) => resource.get("resourceType").and_then(Value::as_str),
            None => {
                let words = format!("nothing contained has the id {} (ref-1)", shown(id));
                return walk.error(Code::NotFound, &here, words);
            }
        },
        None if text.is_empty() => None,
        None => match refs::read(text) {
            Some(Target::Typed { kind, .. }) => Some(kind),
            Some(_) => walk.full_urls.get(text).copied(),
            None => {
                let words = format!(
                    "{} is no reference; write Type/id, an address, or urn:uuid:",
                    shown(text)
                );
                return walk.error(Code::Value, &here, words);
            }
        },
    };
    let said = map
        .get("type")
        .and_then(Value::as_str)
        .filter(|t| walk.tables.is_kind(t));
    allowed(walk, element, kind.or(said), &here);
}

fn allowed(walk: &mut Walk<'_>, element: &Element, kind: Option<&str>, here: &Place<'_>) {
    let Some(kind) = kind else { return };
    if element.targets.is_empty() || element.targets.contains(&kind) {
        return;
    }
    let words = format!(
        "points to {}; it may point to {}",
        shown(kind),
        element.targets.join(", ")
    );
    walk.error(Code::Structure, here, words);
}

/// Checks what a resource contains: an id that something refers to, no version, no label, nothing
/// contained again.
pub(super) fn contained(walk: &mut Walk<'_>, resource: &Value, place: &Place<'_>) {
    let Some(Value::Array(list)) = resource.get("contained") else {
        return;
    };
    let place = Place::Key(place, "contained");
    if list.len() > refs::CONTAINED_MAX {
        let words = format!(
            "{} contained resources; at most {} are taken",
            list.len(),
            refs::CONTAINED_MAX
        );
        return walk.error(Code::TooCostly, &place, words);
    }
    let mut used = HashSet::new();
    fragments(resource, &mut used);
    for (at, inner) in list.iter().enumerate() {
        let place = Place::Index(&place, at);
        let id = inner.get("id").and_then(Value::as_str);
        if id.is_none_or(|id| !used.contains(id)) && !refers_to_container(inner) {
            let id = shown(id.unwrap_or(""));
            let words = format!("nothing refers to the contained resource {id} (dom-3)");
            walk.error(Code::Invariant, &place, words);
        }
        if inner.get("contained").is_some() {
            walk.error(
                Code::Invariant,
                &place,
                "what is contained may not contain (dom-2)",
            );
        }
        let meta = inner.get("meta");
        let has = |key| meta.and_then(|m| m.get(key)).is_some();
        if has("versionId") || has("lastUpdated") {
            walk.error(
                Code::Invariant,
                &place,
                "what is contained has no version of its own (dom-4)",
            );
        }
        if has("security") {
            walk.error(
                Code::Invariant,
                &place,
                "what is contained has no security label of its own (dom-5)",
            );
        }
    }
}

/// Every `#id` in the resource: in references, canonicals and addresses alike.
fn fragments<'a>(value: &'a Value, used: &mut HashSet<&'a str>) {
    match value {
        Value::String(text) => used.extend(text.strip_prefix('#')),
        Value::Array(list) => list.iter().for_each(|v| fragments(v, used)),
        Value::Object(map) => map.values().for_each(|v| fragments(v, used)),
        _ => {}
    }
}

fn refers_to_container(inner: &Value) -> bool {
    let mut used = HashSet::new();
    fragments(inner, &mut used);
    used.contains("")
}
