//! Is this a resource that R4 allows? Structure, cardinality, forms, codes, references, rules.
//!
//! One walk over the JSON with the table of definitions beside it. Every complaint carries its path.

mod coded;
mod place;
mod primitive;
mod reference;
mod xhtml;

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::attached::misnamed;
use super::issue::{Code, Issue};
use super::path::{Item, Scope, holds};
use super::tables::{Element, Primitive, Slot, Structure, Type, tables};
use place::{Place, Walk, shown};
use primitive::kind_of;

/// Everything that is wrong with a resource, at most 100 issues. The write is refused when one of
/// them [refuses](Issue::refuses); warnings may stand beside them.
///
/// The value must come from [`super::parse`], which caps its depth.
#[must_use]
pub fn check(resource: &Value) -> Vec<Issue> {
    let full_urls = full_urls(resource);
    let mut walk = Walk {
        tables: tables(),
        resource,
        root: resource,
        full_urls,
        issues: Vec::new(),
    };
    let name = resource
        .get("resourceType")
        .and_then(Value::as_str)
        .unwrap_or("resource");
    check_resource(&mut walk, resource, &Place::Root(name));
    walk.issues
}

/// In a Bundle, which type each `fullUrl` is of, so that `urn:uuid:` references have a type too.
fn full_urls(resource: &Value) -> HashMap<&str, &str> {
    let entries = resource.get("entry").and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(full_url).collect()
}

fn full_url(entry: &Value) -> Option<(&str, &str)> {
    let kind = entry.get("resource")?.get("resourceType")?.as_str()?;
    Some((entry.get("fullUrl")?.as_str()?, kind))
}

fn check_resource<'a>(walk: &mut Walk<'a>, value: &'a Value, place: &Place<'_>) {
    let Value::Object(map) = value else {
        let words = format!("{} stands where a resource belongs", kind_of(value));
        return walk.error(Code::Structure, place, words);
    };
    let tables = walk.tables;
    let named = match map.get("resourceType") {
        Some(Value::String(kind)) => tables.named(kind).filter(|_| tables.is_kind(kind)),
        Some(_) => None,
        None => {
            let words = "a resource needs a `resourceType`";
            return walk.error(Code::Structure, place, words);
        }
    };
    let Some((_, structure)) = named else {
        let kind = map
            .get("resourceType")
            .and_then(Value::as_str)
            .unwrap_or("");
        let words = format!("{} is no resource type of FHIR R4", shown(kind));
        return walk.error(Code::Structure, place, words);
    };
    let around = walk.resource;
    walk.resource = value;
    reference::contained(walk, value, place);
    check_object(
        walk,
        At {
            structure,
            kind: Type::Resource,
        },
        (value, map),
        place,
    );
    walk.resource = around;
}

/// The type at a place.
#[derive(Clone, Copy)]
struct At<'t> {
    structure: &'t Structure,
    kind: Type,
}

fn check_object<'a>(
    walk: &mut Walk<'a>,
    at: At<'_>,
    (value, map): (&'a Value, &'a Map<String, Value>),
    place: &Place<'_>,
) {
    let structure = at.structure;
    if map.is_empty() {
        return walk.error(
            Code::Structure,
            place,
            "an empty object; leave the element out",
        );
    }
    let mut seen: Vec<Option<&str>> = vec![None; structure.elements.len()];
    for (key, inner) in map {
        if key == "resourceType" && at.kind == Type::Resource {
            continue;
        }
        let (name, sibling) = match key.strip_prefix('_') {
            Some(name) => (name, true),
            None => (key.as_str(), false),
        };
        let here = Place::Key(place, key);
        let known = structure
            .slot(name)
            .and_then(|s| Some((s, structure.elements.get(s.element)?)));
        let Some((slot, element)) = known.filter(|(s, _)| !sibling || is_primitive(s.kind)) else {
            let words = format!("`{}` has no element {}", structure.path, shown(key));
            walk.error(Code::Structure, &here, words);
            continue;
        };
        once(walk, &mut seen, (slot, name), &here);
        if sibling {
            check_sibling(walk, element, (inner, map.get(name)), &here);
        } else {
            check_element(
                walk,
                Field {
                    element,
                    slot,
                    sibling: sibling_of(map, key, slot),
                },
                inner,
                &here,
            );
        }
    }
    required(walk, structure, &seen, place);
    if matches!(structure.path, "Attachment" | "Binary") {
        attached(walk, map, place);
    }
    check_rules(walk, at, value, place);
}

/// Bytes are what their content type says, so that nobody opens one thing as another.
fn attached(walk: &mut Walk<'_>, map: &Map<String, Value>, place: &Place<'_>) {
    let text = |name: &str| map.get(name).and_then(Value::as_str);
    if let (Some(kind), Some(data)) = (text("contentType"), text("data"))
        && let Some(why) = misnamed(kind, data)
    {
        walk.error(Code::Value, &Place::Key(place, "data"), why);
    }
}

fn is_primitive(kind: Type) -> bool {
    matches!(kind, Type::Primitive(_))
}

/// The `_key` beside a primitive: rare, so it is looked for only when nulls need it.
fn sibling_of<'a>(map: &'a Map<String, Value>, key: &str, slot: Slot) -> Option<&'a Value> {
    let list = is_primitive(slot.kind) && map.get(key).is_some_and(Value::is_array);
    if list {
        map.get(&format!("_{key}"))
    } else {
        None
    }
}

/// An element of a choice may stand in one of its types only.
fn once<'k>(
    walk: &mut Walk<'_>,
    seen: &mut [Option<&'k str>],
    (slot, name): (Slot, &'k str),
    here: &Place<'_>,
) {
    let Some(before) = seen.get_mut(slot.element) else {
        return;
    };
    match before {
        Some(other) if *other != name => {
            let words = format!("`{other}` and `{name}` are one choice; keep one of them");
            walk.error(Code::Structure, here, words);
        }
        _ => *before = Some(name),
    }
}

fn required(walk: &mut Walk<'_>, structure: &Structure, seen: &[Option<&str>], place: &Place<'_>) {
    for (element, seen) in structure.elements.iter().zip(seen) {
        if element.min > 0 && seen.is_none() {
            let choice = if element.choice { "[x]" } else { "" };
            let words = format!(
                "`{}{choice}` is required in `{}`",
                element.name, structure.path
            );
            walk.error(Code::Required, &Place::Key(place, element.name), words);
        }
    }
}

fn check_rules<'a>(walk: &mut Walk<'a>, at: At<'_>, value: &'a Value, place: &Place<'_>) {
    let scope = Scope {
        tables: walk.tables,
        resource: walk.resource,
        root: walk.root,
    };
    let this = Item::Node(value, at.kind);
    for rule in &at.structure.rules {
        if holds(&rule.expr, scope, &this) {
            continue;
        }
        let words = format!("{} ({})", rule.words, rule.key);
        if rule.refuses {
            walk.error(Code::Invariant, place, words);
        } else {
            walk.warning(Code::Invariant, place, words);
        }
    }
}

/// An element with its type and, for a list of primitives, the extensions beside it.
#[derive(Clone, Copy)]
struct Field<'t, 'a> {
    element: &'t Element,
    slot: Slot,
    sibling: Option<&'a Value>,
}

fn check_element<'a>(
    walk: &mut Walk<'a>,
    field: Field<'_, 'a>,
    value: &'a Value,
    here: &Place<'_>,
) {
    match (field.element.many, value) {
        (true, Value::Array(list)) if list.is_empty() => {
            walk.error(
                Code::Structure,
                here,
                "an empty array; leave the element out",
            );
        }
        (true, Value::Array(list)) => {
            for (at, item) in list.iter().enumerate() {
                let here = Place::Index(here, at);
                if item.is_null() && has_extension_at(field.sibling, at) {
                    continue;
                }
                check_value(walk, field, item, &here);
            }
        }
        (true, other) => {
            let words = format!(
                "{} stands where an array belongs; put it in brackets",
                kind_of(other)
            );
            walk.error(Code::Structure, here, words);
        }
        (false, Value::Array(_)) => {
            walk.error(
                Code::Structure,
                here,
                "an array stands where a single value belongs",
            );
        }
        (false, value) => check_value(walk, field, value, here),
    }
}

fn has_extension_at(sibling: Option<&Value>, at: usize) -> bool {
    sibling
        .and_then(|s| s.get(at))
        .is_some_and(Value::is_object)
}

fn check_value<'a>(walk: &mut Walk<'a>, field: Field<'_, 'a>, value: &'a Value, here: &Place<'_>) {
    if value.is_null() {
        return walk.error(Code::Structure, here, "null; leave the element out");
    }
    let tables = walk.tables;
    match field.slot.kind {
        Type::Primitive(kind) => check_primitive(walk, kind, value, here),
        Type::Resource if field.element.name == "contained" => check_resource(walk, value, here),
        Type::Resource => {
            let around = std::mem::replace(&mut walk.root, value);
            check_resource(walk, value, here);
            walk.root = around;
        }
        kind @ (Type::Structure(at) | Type::Reference(at)) => {
            let (Value::Object(map), Some(structure)) = (value, tables.structure(at)) else {
                let words = format!("{} stands where an object belongs", kind_of(value));
                return walk.error(Code::Structure, here, words);
            };
            check_object(walk, At { structure, kind }, (value, map), here);
            if let Type::Reference(_) = kind {
                reference::check(walk, field.element, map, here);
            }
        }
    }
    if let Some(list) = field.element.codes.and_then(|at| tables.list(at)) {
        coded::check(walk, list, (field.slot.kind, value), here);
    }
}

fn check_primitive(walk: &mut Walk<'_>, kind: Primitive, value: &Value, here: &Place<'_>) {
    if let Some(words) = primitive::fault(kind, value) {
        let wrong_json = !matches!(value, Value::String(_) | Value::Number(_));
        let code = if wrong_json {
            Code::Structure
        } else {
            Code::Value
        };
        walk.error(code, here, words);
    }
}

/// `_birthDate`: an id and extensions beside a primitive, or in its place.
fn check_sibling<'a>(
    walk: &mut Walk<'a>,
    element: &Element,
    (value, primitive): (&'a Value, Option<&'a Value>),
    here: &Place<'_>,
) {
    match (element.many, value) {
        (true, Value::Array(list)) => {
            let longer = primitive
                .and_then(Value::as_array)
                .is_some_and(|p| p.len() < list.len());
            if longer {
                walk.error(
                    Code::Structure,
                    here,
                    "it is longer than the array it goes with",
                );
            }
            for (at, item) in list.iter().enumerate().filter(|(_, item)| !item.is_null()) {
                check_extensions(walk, item, &Place::Index(here, at));
            }
            if list.iter().all(Value::is_null) {
                walk.error(Code::Structure, here, "nothing in it; leave it out");
            }
        }
        (false, Value::Object(_)) => check_extensions(walk, value, here),
        (_, other) => {
            let wanted = if element.many {
                "an array"
            } else {
                "an object"
            };
            let words = format!("{} stands where {wanted} belongs", kind_of(other));
            walk.error(Code::Structure, here, words);
        }
    }
}

fn check_extensions<'a>(walk: &mut Walk<'a>, value: &'a Value, here: &Place<'_>) {
    let tables = walk.tables;
    let (Value::Object(map), Some((at, structure))) = (value, tables.named("Element")) else {
        let words = format!("{} stands where an object belongs", kind_of(value));
        return walk.error(Code::Structure, here, words);
    };
    check_object(
        walk,
        At {
            structure,
            kind: Type::Structure(at),
        },
        (value, map),
        here,
    );
}
