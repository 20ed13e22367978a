//! FHIR's data types in plain words.

use serde_json::Value;

use crate::view::{Address, Identifier, Telecom};

/// The text at a JSON pointer.
pub(crate) fn text(value: &Value, path: &str) -> Option<String> {
    let found = value.pointer(path)?;
    match found {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The list at a JSON pointer; empty if there is none.
pub(crate) fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    let found = value.pointer(path).and_then(Value::as_array);
    found.map(Vec::as_slice).unwrap_or_default()
}

/// A resource's name in use: the official one, else the usual one, else the first not old.
pub(crate) fn name(resource: &Value) -> Option<String> {
    match resource.get("name")? {
        Value::String(name) => Some(name.clone()),
        Value::Array(names) => {
            let rank = |name: &&Value| match name.get("use").and_then(Value::as_str) {
                Some("official") => 0,
                Some("usual") => 1,
                None => 2,
                Some("old" | "maiden") => 4,
                Some(_) => 3,
            };
            human(names.iter().min_by_key(rank)?)
        }
        one => human(one),
    }
}

/// A HumanName: `Müller, Anna Maria`.
pub(crate) fn human(name: &Value) -> Option<String> {
    let given: Vec<&str> = list(name, "/given")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let given = given.join(" ");
    match (text(name, "/family"), given.is_empty()) {
        (Some(family), true) => Some(family),
        (Some(family), false) => Some(format!("{family}, {given}")),
        (None, false) => Some(given),
        (None, true) => text(name, "/text"),
    }
}

/// A CodeableConcept: its text, else the first display, else the first code.
pub(crate) fn concept(concept: &Value) -> Option<String> {
    let codings = || list(concept, "/coding").iter();
    text(concept, "/text")
        .or_else(|| codings().find_map(|coding| text(coding, "/display")))
        .or_else(|| codings().find_map(|coding| text(coding, "/code")))
}

/// A CodeableConcept at a JSON pointer.
pub(crate) fn concept_at(value: &Value, path: &str) -> Option<String> {
    concept(value.pointer(path)?)
}

/// The first code of a CodeableConcept at a JSON pointer; of LOINC, if there is one.
pub(crate) fn code_at(value: &Value, path: &str) -> Option<String> {
    let codings = list(value.pointer(path)?, "/coding");
    let loinc =
        |coding: &&Value| coding.get("system").and_then(Value::as_str) == Some("http://loinc.org");
    let coding = codings.iter().find(loinc).or_else(|| codings.first())?;
    text(coding, "/code")
}

/// Whether one of the codings of a CodeableConcept has one of these codes.
pub(crate) fn has_code(concept: &Value, codes: &[&str]) -> bool {
    let codings = list(concept, "/coding").iter();
    codings
        .filter_map(|coding| coding.get("code")?.as_str())
        .any(|code| codes.contains(&code))
}

/// Record numbers.
pub(crate) fn identifiers(resource: &Value) -> Vec<Identifier> {
    let all = list(resource, "/identifier").iter();
    all.filter(|one| one.get("use").and_then(Value::as_str) != Some("old"))
        .filter_map(|one| {
            let label = code_at(one, "/type")
                .or_else(|| concept_at(one, "/type"))
                .or_else(|| text(one, "/system"))
                .unwrap_or_default();
            let value = text(one, "/value")?;
            Some(Identifier { label, value })
        })
        .collect()
}

/// Ways to reach somebody.
pub(crate) fn telecom(resource: &Value) -> Vec<Telecom> {
    let all = list(resource, "/telecom").iter();
    all.filter_map(|one| {
        let parts = [text(one, "/system"), text(one, "/use")];
        let label: Vec<String> = parts.into_iter().flatten().collect();
        Some(Telecom {
            label: label.join(" "),
            value: text(one, "/value")?,
        })
    })
    .collect()
}

/// An Address in one line.
pub(crate) fn address(one: &Value) -> Option<Address> {
    let mut parts: Vec<String> = list(one, "/line")
        .iter()
        .filter_map(|line| line.as_str().map(str::to_owned))
        .collect();
    let town = [text(one, "/postalCode"), text(one, "/city")];
    let town: Vec<String> = town.into_iter().flatten().collect();
    parts.push(town.join(" "));
    parts.extend(text(one, "/state"));
    parts.extend(text(one, "/country"));
    parts.retain(|part| !part.is_empty());
    let line = if parts.is_empty() {
        text(one, "/text")?
    } else {
        parts.join(", ")
    };
    Some(Address {
        label: text(one, "/use"),
        text: line,
    })
}

/// When something was so: the first of some elements that has a time (`effective`, `onset` ...).
pub(crate) fn when(resource: &Value, stems: &[&str]) -> Option<String> {
    let of = |stem: &&str| {
        text(resource, &format!("/{stem}"))
            .or_else(|| text(resource, &format!("/{stem}DateTime")))
            .or_else(|| text(resource, &format!("/{stem}Instant")))
            .or_else(|| text(resource, &format!("/{stem}Period/start")))
            .or_else(|| text(resource, &format!("/{stem}String")))
    };
    stems.iter().find_map(of)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_official_name_is_the_one_in_use() {
        let patient = json!({"name": [
            {"use": "old", "family": "Alt"},
            {"use": "official", "family": "Müller", "given": ["Anna", "Maria"]},
        ]});
        assert_eq!(name(&patient).unwrap(), "Müller, Anna Maria");
        assert_eq!(name(&json!({"name": "Ward 3"})).unwrap(), "Ward 3");
        assert_eq!(name(&json!({"name": []})), None);
    }

    #[test]
    fn concepts_prefer_words_to_codes() {
        let code = json!({"coding": [{"code": "1"}, {"code": "2", "display": "two"}]});
        assert_eq!(concept(&code).unwrap(), "two");
        assert!(has_code(&code, &["2"]));
        assert_eq!(concept(&json!({})), None);
    }

    #[test]
    fn addresses_are_one_line() {
        let one = json!({"use": "home", "line": ["Weg 1"], "postalCode": "80331", "city": "Ulm"});
        assert_eq!(address(&one).unwrap().text, "Weg 1, 80331 Ulm");
        assert_eq!(address(&json!({"use": "home"})), None);
    }
}
