//! Places in a resource: what a path points at, so that it can be changed there.

use serde_json::{Map, Value};

use super::super::path::structure_of;
use super::super::tables::{Element, Primitive, Type, tables};
use super::path::{Equal, Literal, Step};

/// One step through JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hop {
    /// Into an object.
    Key(String),
    /// Into an array.
    At(usize),
}

/// One element: where it stands, and its type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// The way to it from the resource.
    pub(super) hops: Vec<Hop>,
    /// Its type.
    pub(super) kind: Type,
}

/// Every element that the path points at.
///
/// # Errors
/// A name that is no element there.
pub(super) fn find(resource: &Value, steps: &[Step]) -> Result<Vec<Place>, String> {
    let root = Place {
        hops: Vec::new(),
        kind: Type::Resource,
    };
    let mut places = vec![root];
    for (at, step) in steps.iter().enumerate() {
        let is_type = match step {
            Step::Member(name) => {
                at == 0 && resource.get("resourceType") == Some(&(&**name).into())
            }
            _ => false,
        };
        if !is_type {
            places = next(resource, places, step)?;
        }
    }
    Ok(places)
}

fn next(resource: &Value, places: Vec<Place>, step: &Step) -> Result<Vec<Place>, String> {
    Ok(match step {
        Step::Member(name) => {
            let mut out = Vec::new();
            for place in &places {
                members(resource, place, name, &mut out)?;
            }
            out
        }
        Step::Index(at) => places.into_iter().nth(*at).into_iter().collect(),
        Step::First => places.into_iter().take(1).collect(),
        Step::Last => places.into_iter().next_back().into_iter().collect(),
        Step::OfType(kind) => {
            let fits = |place: &Place| is_kind(resource, place, kind);
            places.into_iter().filter(fits).collect()
        }
        Step::Where(equals) => {
            let fits = |place: &Place| equals.iter().all(|equal| holds(resource, place, equal));
            places.into_iter().filter(fits).collect()
        }
    })
}

fn members(
    resource: &Value,
    place: &Place,
    name: &str,
    out: &mut Vec<Place>,
) -> Result<(), String> {
    let Some(Value::Object(map)) = get(resource, &place.hops) else {
        return Err(format!(
            "`{name}` is looked for in something that has no elements"
        ));
    };
    let Some((key, kind)) = key_of(map, place.kind, name)? else {
        return Ok(());
    };
    let mut hops = place.hops.clone();
    hops.push(Hop::Key(key.clone()));
    match map.get(&key) {
        Some(Value::Array(items)) => {
            let there = items.iter().enumerate().filter(|(_, item)| !item.is_null());
            out.extend(there.map(|(at, _)| {
                let mut hops = hops.clone();
                hops.push(Hop::At(at));
                Place { hops, kind }
            }));
        }
        Some(_) => out.push(Place { hops, kind }),
        None => {}
    }
    Ok(())
}

/// The key under which an element stands in an object, with its type; `None`: it is not there.
fn key_of(
    map: &Map<String, Value>,
    kind: Type,
    name: &str,
) -> Result<Option<(String, Type)>, String> {
    let (at, element) = element_of(map, kind, name)?;
    let structure = structure_of(map, kind, tables());
    let found = map.keys().find_map(|key| {
        let slot = structure?.slot(key)?;
        (slot.element == at).then(|| (key.clone(), slot.kind))
    });
    let plain = element.types.first().filter(|_| !element.choice);
    Ok(found.or_else(|| {
        let (key, kind) = plain?;
        map.contains_key(&**key).then(|| (key.to_string(), *kind))
    }))
}

/// The definition of an element within an object.
///
/// # Errors
/// There is none of that name.
pub(super) fn element_of(
    map: &Map<String, Value>,
    kind: Type,
    name: &str,
) -> Result<(usize, &'static Element), String> {
    let structure = structure_of(map, kind, tables());
    let structure =
        structure.ok_or_else(|| format!("nothing is known about elements like `{name}` here"))?;
    let bare = name.strip_suffix("[x]").unwrap_or(name);
    structure
        .element(bare)
        .ok_or_else(|| format!("`{}` has no element `{name}`", structure.path))
}

fn is_kind(resource: &Value, place: &Place, kind: &str) -> bool {
    match place.kind {
        Type::Structure(at) | Type::Reference(at) => {
            tables().structure(at).is_some_and(|one| one.path == kind)
        }
        Type::Primitive(primitive) => Primitive::name(primitive) == kind,
        Type::Resource => {
            let named = get(resource, &place.hops).and_then(|value| value.get("resourceType"));
            named.and_then(Value::as_str) == Some(kind)
        }
    }
}

/// Whether one of the values at the end of the path equals the literal.
fn holds(resource: &Value, place: &Place, equal: &Equal) -> bool {
    let mut places = vec![place.clone()];
    for name in &equal.path {
        let step = Step::Member(name.clone());
        places = next(resource, places, &step).unwrap_or_default();
    }
    let mut values = places.iter().filter_map(|place| get(resource, &place.hops));
    values.any(|value| match (&equal.value, value) {
        (Literal::Text(text), Value::String(there)) => text == there,
        (Literal::Bool(said), Value::Bool(there)) => said == there,
        (Literal::Number(said), Value::Number(there)) => said.parse::<f64>().ok() == there.as_f64(),
        _ => false,
    })
}

/// What stands at the end of the way.
pub(super) fn get<'v>(resource: &'v Value, hops: &[Hop]) -> Option<&'v Value> {
    hops.iter().try_fold(resource, |value, hop| match hop {
        Hop::Key(key) => value.get(key),
        Hop::At(at) => value.get(at),
    })
}

/// What stands at the end of the way, to be changed.
pub(super) fn get_mut<'v>(resource: &'v mut Value, hops: &[Hop]) -> Option<&'v mut Value> {
    hops.iter().try_fold(resource, |value, hop| match hop {
        Hop::Key(key) => value.get_mut(key),
        Hop::At(at) => value.get_mut(at),
    })
}
