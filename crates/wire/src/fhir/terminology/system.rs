//! Code systems: their concepts, what a filter leaves of them, what is known of a code.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{Terminology, Unanswered, text};
use crate::fhir::tables::tables;

/// One concept of a code system, with its parents.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) code: &'a str,
    pub(super) display: Option<&'a str>,
    parents: Vec<&'a str>,
    value: &'a Value,
}

/// What is known of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The code system's name.
    pub name: String,
    /// Its version, if it says.
    pub version: Option<String>,
    /// What people read; the built-in systems have none.
    pub display: Option<String>,
    /// What it means.
    pub definition: Option<String>,
    /// Codes right above it.
    pub parents: Vec<String>,
    /// Codes right below it.
    pub children: Vec<String>,
}

/// What is known of a code of a system; `None`: the system has no such code.
///
/// # Errors
/// [`Unanswered::NoCodeSystem`].
pub fn look_up(
    from: &Terminology<'_>,
    system: &str,
    code: &str,
) -> Result<Option<Looked>, Unanswered> {
    let (address, _) = system.split_once('|').unwrap_or((system, ""));
    let Some(known) = from.code_system(system) else {
        return built_in(address, code).ok_or_else(|| Unanswered::NoCodeSystem(system.to_owned()));
    };
    let all = concepts_of(known);
    let Some(found) = all.iter().find(|entry| entry.code == code) else {
        return match text(known, "content") {
            "complete" => Ok(None),
            // What a fragment does not hold may be there all the same.
            _ => Err(Unanswered::NoCodeSystem(system.to_owned())),
        };
    };
    let said = |key: &str, of: &Value| {
        let words = text(of, key);
        (!words.is_empty()).then(|| words.to_owned())
    };
    let below = all.iter().filter(|entry| entry.parents.contains(&code));
    Ok(Some(Looked {
        name: said("name", known).unwrap_or_else(|| address.to_owned()),
        version: said("version", known),
        display: found.display.map(str::to_owned),
        definition: said("definition", found.value),
        parents: found.parents.iter().map(|&code| code.to_owned()).collect(),
        children: below.map(|entry| entry.code.to_owned()).collect(),
    }))
}

/// What the built-in sets say of a code of a system; `None`: they do not have the system.
fn built_in(system: &str, code: &str) -> Option<Option<Looked>> {
    let mut known = false;
    for list in tables().lists() {
        if list.has_coding(system, code) {
            return Some(Some(Looked {
                name: system.rsplit('/').next().unwrap_or(system).to_owned(),
                version: None,
                display: None,
                definition: None,
                parents: Vec::new(),
                children: Vec::new(),
            }));
        }
        // Of a system that is built in whole a code that is not there does not exist.
        let named = system.rsplit('/').next() == Some(list.name);
        known |= named && list.all().all(|(of, _)| of == system);
    }
    known.then_some(None)
}

/// Every concept of a code system, each before those below it.
pub(super) fn concepts_of(system: &Value) -> Vec<Entry<'_>> {
    let mut all = Vec::new();
    if let Some(list) = system.get("concept") {
        collect(list, None, &mut all);
    }
    all
}

fn collect<'a>(list: &'a Value, parent: Option<&'a str>, all: &mut Vec<Entry<'a>>) {
    for value in list.as_array().into_iter().flatten() {
        let code = text(value, "code");
        let properties = value.get("property").and_then(Value::as_array);
        let properties = properties.into_iter().flatten();
        let said = properties
            .filter(|one| matches!(text(one, "code"), "parent" | "subsumedBy"))
            .filter_map(|one| one.get("valueCode")?.as_str());
        all.push(Entry {
            code,
            display: value.get("display").and_then(Value::as_str),
            parents: parent.into_iter().chain(said).collect(),
            value,
        });
        if let Some(inner) = value.get("concept") {
            collect(inner, Some(code), all);
        }
    }
}

/// Those of `kept` that one filter of a ValueSet lets through.
pub(super) fn passes<'e, 'a>(
    all: &'e [Entry<'a>],
    kept: Vec<&'e Entry<'a>>,
    filter: &Value,
) -> Result<Vec<&'e Entry<'a>>, Unanswered> {
    let (property, op, value) = (
        text(filter, "property"),
        text(filter, "op"),
        text(filter, "value"),
    );
    let hierarchy = matches!(property, "concept" | "code" | "");
    let fits: Box<dyn Fn(&Entry<'_>) -> bool> = match (op, hierarchy) {
        ("is-a", true) => {
            let below = below(all, value);
            Box::new(move |one| one.code == value || below.contains(one.code))
        }
        ("descendent-of", true) => {
            let below = below(all, value);
            Box::new(move |one| below.contains(one.code))
        }
        ("is-not-a", true) => {
            let below = below(all, value);
            Box::new(move |one| one.code != value && !below.contains(one.code))
        }
        ("=", true) => Box::new(move |one| one.code == value),
        ("in", true) => Box::new(move |one| value.split(',').any(|code| code.trim() == one.code)),
        ("not-in", true) => {
            Box::new(move |one| value.split(',').all(|code| code.trim() != one.code))
        }
        ("=", false) => Box::new(move |one| has(one, property, Some(value))),
        ("exists", false) => Box::new(move |one| has(one, property, None) == (value != "false")),
        _ => {
            let words = format!("the filter `{property} {op}` of a ValueSet is not offered");
            return Err(Unanswered::NotOffered(words));
        }
    };
    Ok(kept.into_iter().filter(|one| fits(one)).collect())
}

/// Every code below one, however deep.
fn below<'a>(all: &[Entry<'a>], code: &str) -> HashSet<&'a str> {
    let mut under: HashMap<&str, Vec<&'a str>> = HashMap::new();
    for one in all {
        for parent in &one.parents {
            under.entry(parent).or_default().push(one.code);
        }
    }
    let mut found: HashSet<&'a str> = HashSet::new();
    let mut open: Vec<&str> = vec![code];
    while let Some(parent) = open.pop() {
        for child in under.get(parent).into_iter().flatten() {
            if found.insert(child) {
                open.push(child);
            }
        }
    }
    found
}

fn has(entry: &Entry<'_>, property: &str, value: Option<&str>) -> bool {
    let all = entry.value.get("property").and_then(Value::as_array);
    let mut all = all
        .into_iter()
        .flatten()
        .filter(|one| text(one, "code") == property);
    all.any(|one| {
        let mut members = one.as_object().into_iter().flatten();
        let said = members
            .find(|(key, _)| key.starts_with("value"))
            .map(|(_, said)| said);
        match (value, said) {
            (None, _) => true,
            (Some(value), Some(Value::String(said))) => said == value,
            (Some(value), Some(Value::Bool(said))) => value == if *said { "true" } else { "false" },
            (Some(value), Some(Value::Number(said))) => value == said.as_str(),
            (Some(value), Some(Value::Object(coding))) => {
                coding.get("code").and_then(Value::as_str) == Some(value)
            }
            _ => false,
        }
    })
}
