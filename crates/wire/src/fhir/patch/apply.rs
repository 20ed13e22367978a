//! FHIRPath Patch: `Parameters` with one `operation` for each change (R4, `fhirpatch.html`).

use serde_json::{Map, Value, json};

use super::json::fits;
use super::path::{self, Step};
use super::place::{Hop, Place, element_of, find, get, get_mut};
use super::{PatchLimits, Unpatched, malformed, nests_within, too_deep, unfit, within};
use crate::fhir::tables::{Element, Type, tables};

/// The resource with all operations applied.
pub(super) fn patch(
    resource: &Value,
    parameters: &Value,
    limits: &PatchLimits,
) -> Result<Value, Unpatched> {
    let operations = parameters.get("parameter").and_then(Value::as_array);
    let operations = operations
        .filter(|all| !all.is_empty())
        .ok_or_else(|| malformed("Parameters", "there is no `operation` among the parameters"))?;
    within(operations.len(), limits)?;
    let mut out = resource.clone();
    for (at, operation) in operations.iter().enumerate() {
        let place = format!("Parameters.parameter[{at}]");
        let operation = Operation::read(operation).map_err(|words| malformed(&place, words))?;
        operation
            .apply(&mut out)
            .map_err(|words| unfit(&place, words))?;
        if !nests_within(&out, limits.depth_max) {
            return Err(too_deep(&place, limits));
        }
        if !fits(&out, limits.bytes_max) {
            let words = format!(
                "the resource would have more than {} bytes",
                limits.bytes_max
            );
            return Err(unfit(&place, words));
        }
    }
    Ok(out)
}

/// One change.
struct Operation<'a> {
    what: &'a str,
    steps: Vec<Step>,
    parts: Vec<&'a Value>,
}

impl<'a> Operation<'a> {
    fn read(parameter: &'a Value) -> Result<Operation<'a>, String> {
        if parameter.get("name").and_then(Value::as_str) != Some("operation") {
            return Err("the parameters of a patch are called `operation`".to_owned());
        }
        let parts = parameter.get("part").and_then(Value::as_array);
        let mut operation = Operation {
            what: "",
            steps: Vec::new(),
            parts: parts.into_iter().flatten().collect(),
        };
        let what = operation
            .part("type")
            .and_then(|part| part.get("valueCode"));
        operation.what = what
            .and_then(Value::as_str)
            .ok_or("the operation has no `type` (a valueCode)")?;
        let path = operation
            .part("path")
            .and_then(|part| part.get("valueString"));
        let path = path
            .and_then(Value::as_str)
            .ok_or("the operation has no `path` (a valueString)")?;
        operation.steps = path::parse(path)?;
        Ok(operation)
    }

    fn part(&self, name: &str) -> Option<&'a Value> {
        let named = |part: &&&Value| part.get("name").and_then(Value::as_str) == Some(name);
        self.parts.iter().find(named).copied()
    }

    fn number(&self, name: &str) -> Result<usize, String> {
        let number = self.part(name).and_then(|part| part.get("valueInteger"));
        let number = number.and_then(Value::as_u64);
        number
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| format!("the operation has no `{name}` (a valueInteger from 0 on)"))
    }

    fn apply(&self, resource: &mut Value) -> Result<(), String> {
        match self.what {
            "add" => self.add(resource),
            "insert" => self.insert(resource),
            "delete" => self.delete(resource),
            "replace" => self.replace(resource),
            "move" => self.shift(resource),
            other => Err(format!(
                "`{other}` is none of add, insert, delete, replace, move"
            )),
        }
    }

    fn add(&self, resource: &mut Value) -> Result<(), String> {
        let parent = only(find(resource, &self.steps)?)?;
        let name = self.part("name").and_then(|part| part.get("valueString"));
        let name = name
            .and_then(Value::as_str)
            .ok_or("`add` has no `name` (a valueString)")?;
        let map = object(resource, &parent)?;
        let (_, element) = element_of(map, parent.kind, name)?;
        let (key, value) = self.value(element)?;
        let map = object_mut(resource, &parent)?;
        if element.many {
            push(map, &key, value)
        } else if holds(map, &parent, element) {
            Err(format!("`{name}` is there already; `replace` it"))
        } else {
            map.insert(key, value);
            Ok(())
        }
    }

    fn insert(&self, resource: &mut Value) -> Result<(), String> {
        let (parent, element) = self.list(resource)?;
        let (key, value) = self.value(element)?;
        let at = self.number("index")?;
        let map = object_mut(resource, &parent)?;
        let list = map.entry(&key).or_insert_with(|| json!([]));
        let list = list.as_array_mut().ok_or("that is no list")?;
        if at > list.len() {
            return Err(format!(
                "the list has {} items, none can stand at {at}",
                list.len()
            ));
        }
        list.insert(at, value);
        beside(map, &key, |nulls| {
            nulls.insert(at.min(nulls.len()), Value::Null)
        });
        Ok(())
    }

    fn delete(&self, resource: &mut Value) -> Result<(), String> {
        let places = find(resource, &self.steps)?;
        match places.as_slice() {
            [] => Ok(()),
            [one] if one.hops.is_empty() => Err("a patch does not delete the resource".to_owned()),
            [one] => remove(resource, one),
            more => Err(format!(
                "the path means {} elements; `delete` takes one",
                more.len()
            )),
        }
    }

    fn replace(&self, resource: &mut Value) -> Result<(), String> {
        let place = only(find(resource, &self.steps)?)?;
        let (parent, key, at) = split(&place)?;
        let owner = owner(resource, &self.steps, &parent)?;
        let map = object(resource, &owner)?;
        let (_, element) = element_of(map, owner.kind, &name_of(map, &owner, &key)?)?;
        let (new_key, value) = self.value(element)?;
        let map = object_mut(resource, &owner)?;
        match at {
            Some(at) => {
                let slot = map.get_mut(&key).and_then(|list| list.get_mut(at));
                *slot.ok_or("that is not there")? = value;
                beside(map, &key, |nulls| {
                    if let Some(slot) = nulls.get_mut(at) {
                        *slot = Value::Null;
                    }
                });
            }
            None => {
                map.shift_remove(&format!("_{key}"));
                if new_key != key {
                    map.shift_remove(&key);
                }
                map.insert(new_key, value);
            }
        }
        Ok(())
    }

    fn shift(&self, resource: &mut Value) -> Result<(), String> {
        let (from, to) = (self.number("source")?, self.number("destination")?);
        let (parent, element) = self.list(resource)?;
        let key = key(element)?;
        let map = object_mut(resource, &parent)?;
        let list = map.get_mut(&key).and_then(Value::as_array_mut);
        let list = list.ok_or("the list is not there")?;
        let count = list.len();
        if from >= count || to >= count {
            return Err(format!("the list has {count} items, counted from 0"));
        }
        let item = list.remove(from);
        list.insert(to, item);
        beside(map, &key, |nulls| {
            nulls.resize(count, Value::Null);
            let item = nulls.remove(from);
            nulls.insert(to, item);
        });
        Ok(())
    }

    /// The object in which the list stands that the path means, and the list's element.
    fn list(&self, resource: &Value) -> Result<(Place, &'static Element), String> {
        let Some((Step::Member(name), before)) = self.steps.split_last() else {
            return Err("the path does not end with the name of a list".to_owned());
        };
        if before.is_empty() {
            return Err("the path does not say in what the list stands".to_owned());
        }
        let parent = only(find(resource, before)?)?;
        let (_, element) = element_of(object(resource, &parent)?, parent.kind, name)?;
        match element.many {
            true => Ok((parent, element)),
            false => Err(format!("`{name}` is no list")),
        }
    }

    /// The new value and the key under which it stands.
    fn value(&self, element: &Element) -> Result<(String, Value), String> {
        let part = self.part("value").ok_or("the operation has no `value`")?;
        value_of(part, element)
    }
}

/// The value of a part, and the key under which it stands: either one value, or parts that make up an
/// object.
fn value_of(part: &Value, element: &Element) -> Result<(String, Value), String> {
    let map = part.as_object().ok_or("a part is an object")?;
    if let Some(resource) = map.get("resource") {
        return Ok((key(element)?, resource.clone()));
    }
    let given = map
        .iter()
        .find_map(|(key, value)| Some((key.strip_prefix("value")?, value)));
    if let Some((kind, value)) = given {
        let key = match element.choice {
            true => format!("{}{kind}", element.name),
            false => key(element)?,
        };
        return Ok((key, value.clone()));
    }
    let parts = map.get("part").and_then(Value::as_array);
    let parts = parts.ok_or("the value is missing")?;
    let Some((key, Type::Structure(at) | Type::Reference(at))) = element.types.first() else {
        return Err(format!("`{}` is not made of parts", element.name));
    };
    let structure = tables()
        .structure(*at)
        .ok_or("nothing is known about that type")?;
    let mut object = Map::new();
    for part in parts {
        let name = part.get("name").and_then(Value::as_str).unwrap_or_default();
        let bare = name.strip_suffix("[x]").unwrap_or(name);
        let (_, element) = structure
            .element(bare)
            .ok_or_else(|| format!("`{}` has no element `{name}`", structure.path))?;
        let (key, value) = value_of(part, element)?;
        if element.many {
            push(&mut object, &key, value)?;
        } else if object.insert(key, value).is_some() {
            return Err(format!("`{name}` stands twice"));
        }
    }
    Ok((key.to_string(), Value::Object(object)))
}

/// The key of an element that has one.
fn key(element: &Element) -> Result<String, String> {
    let first = element.types.first().filter(|_| !element.choice);
    first
        .map(|(key, _)| key.to_string())
        .ok_or_else(|| format!("the type of `{}` is not said", element.name))
}

fn push(map: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), String> {
    let list = map.entry(key).or_insert_with(|| json!([]));
    let list = list.as_array_mut().ok_or("that is no list")?;
    list.push(value);
    Ok(())
}

/// Whether the element is there, under whatever key.
fn holds(map: &Map<String, Value>, parent: &Place, element: &Element) -> bool {
    let place = |key: &str| name_of(map, parent, key.strip_prefix('_').unwrap_or(key));
    map.keys()
        .any(|key| place(key).is_ok_and(|name| name == element.name))
}

/// Takes an element away, and the list that it leaves empty.
fn remove(resource: &mut Value, place: &Place) -> Result<(), String> {
    let (parent, key, at) = split(place)?;
    let map = get_mut(resource, &parent).and_then(Value::as_object_mut);
    let map = map.ok_or("that stands in no object")?;
    let Some(at) = at else {
        map.shift_remove(&key);
        map.shift_remove(&format!("_{key}"));
        return Ok(());
    };
    let list = map.get_mut(&key).and_then(Value::as_array_mut);
    let list = list.ok_or("that is no list")?;
    if at < list.len() {
        list.remove(at);
    }
    let empty = list.iter().all(Value::is_null);
    beside(map, &key, |nulls| {
        if at < nulls.len() {
            nulls.remove(at);
        }
    });
    if empty && map.get(&format!("_{key}")).is_none_or(nothing) {
        map.shift_remove(&key);
        map.shift_remove(&format!("_{key}"));
    }
    Ok(())
}

fn nothing(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|list| list.iter().all(Value::is_null))
}

/// Changes the list of extensions beside a list of primitive values, which runs along with it.
fn beside(map: &mut Map<String, Value>, key: &str, change: impl FnOnce(&mut Vec<Value>)) {
    let list = map.get_mut(&format!("_{key}"));
    if let Some(list) = list.and_then(Value::as_array_mut) {
        change(list);
    }
}

fn only(places: Vec<Place>) -> Result<Place, String> {
    let count = places.len();
    match (places.into_iter().next(), count) {
        (Some(one), 1) => Ok(one),
        (None, _) => Err("the path means nothing that is there".to_owned()),
        (Some(_), _) => Err(format!(
            "the path means {count} elements where one is meant"
        )),
    }
}

/// The way to the object an element stands in, its key there, and its number in a list.
fn split(place: &Place) -> Result<(Vec<Hop>, String, Option<usize>), String> {
    let whole = || "the path means the whole resource".to_owned();
    let (last, before) = place.hops.split_last().ok_or_else(whole)?;
    match last {
        Hop::Key(key) => Ok((before.to_vec(), key.clone(), None)),
        Hop::At(at) => match before.split_last() {
            Some((Hop::Key(key), before)) => Ok((before.to_vec(), key.clone(), Some(*at))),
            _ => Err(whole()),
        },
    }
}

/// The object at the end of a way, with its type: one of those that the path goes through.
fn owner(resource: &Value, steps: &[Step], hops: &[Hop]) -> Result<Place, String> {
    for length in 0..steps.len() {
        let before = steps.get(..length).unwrap_or_default();
        let places = find(resource, before)?;
        if let Some(place) = places.into_iter().find(|place| place.hops == hops) {
            return Ok(place);
        }
    }
    Err("that stands in no object".to_owned())
}

/// The name of the element that stands under a key.
fn name_of(map: &Map<String, Value>, place: &Place, key: &str) -> Result<String, String> {
    let structure = crate::fhir::path::structure_of(map, place.kind, tables());
    let slot = structure.and_then(|one| Some((one, one.slot(key)?)));
    let element = slot.and_then(|(one, slot)| one.elements.get(slot.element));
    element
        .map(|element| element.name.to_owned())
        .ok_or_else(|| format!("`{key}` is no element here"))
}

fn object<'v>(resource: &'v Value, place: &Place) -> Result<&'v Map<String, Value>, String> {
    let value = get(resource, &place.hops).and_then(Value::as_object);
    value.ok_or_else(|| "the path means a value that has no elements".to_owned())
}

fn object_mut<'v>(
    resource: &'v mut Value,
    place: &Place,
) -> Result<&'v mut Map<String, Value>, String> {
    let value = get_mut(resource, &place.hops).and_then(Value::as_object_mut);
    value.ok_or_else(|| "the path means a value that has no elements".to_owned())
}
