//! One element that is left out of resources that stay: `Patient.telecom`, `Condition.code@PSY`,
//! `*.note`. Written in policies: `@obligation("hide Patient.telecom *.note@R")`.

use std::fmt;

use serde_json::{Map, Value};

/// What a resource is known by, or how much of it is left: no policy hides that.
const KEPT: [&str; 4] = ["id", "implicitRules", "meta", "resourceType"];

/// An element of one FHIR type, or of all, wherever it stands in a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    kind: String,
    path: Vec<String>,
    label: Option<String>,
}

/// Under which key what is put in the place of an element, by type and path; `None`: nothing.
pub(crate) type StandIn = dyn Fn(&str, &[String]) -> Option<(String, Value)>;

impl Element {
    /// Reads `TYPE.element`, deeper `TYPE.element.element`; `*` for every type, `value[x]` for a
    /// choice, `@LABEL` behind it for only those entries that carry this security label. `None`: it is
    /// none, or something that is never hidden (`id`, `meta`).
    pub fn parse(text: &str) -> Option<Element> {
        let (place, label) = match text.split_once('@') {
            Some((place, label)) => (place, Some(label)),
            None => (text, None),
        };
        let mut steps = place.split('.');
        let kind = steps.next().filter(|kind| *kind == "*" || is_kind(kind))?;
        let path: Vec<String> = steps.map(str::to_owned).collect();
        let first = path.first()?;
        let fits = path.iter().all(|step| is_step(step)) && !KEPT.contains(&first.as_str());
        (fits && label.is_none_or(is_label)).then(|| Element {
            kind: kind.to_owned(),
            path,
            label: label.map(str::to_owned),
        })
    }

    /// The label without which it does not apply.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Where it stands, without its label: `Patient.telecom`.
    pub fn place(&self) -> String {
        format!("{}.{}", self.kind, self.path.join("."))
    }

    /// Whether it is, or stands within, an element that a FHIR type has under this JSON key.
    pub fn is_within(&self, kind: &str, key: &str) -> bool {
        self.is_of(kind) && self.path.first().is_some_and(|first| is_key(key, first))
    }

    fn is_of(&self, kind: &str) -> bool {
        self.kind == "*" || self.kind == kind
    }

    /// Takes it out of a resource and of every resource within; the narrative goes too, since it says
    /// the same in words. `stand_in`: under which key what is put where R4 wants something, by type and path.
    /// Answers whether anything was there.
    pub fn strike(&self, resource: &mut Value, stand_in: &StandIn) -> bool {
        let mut struck = false;
        if let Value::Object(map) = resource {
            let kind = map.get("resourceType").and_then(Value::as_str);
            if let Some(kind) = kind.filter(|kind| self.is_of(kind)).map(str::to_owned) {
                let instead = stand_in(&kind, &self.path);
                struck = strike(map, &self.path, instead.as_ref());
                if struck {
                    map.shift_remove("text");
                }
            }
            for inner in map.values_mut().filter(|inner| !is_scalar(inner)) {
                struck |= self.strike(inner, stand_in);
            }
        } else if let Value::Array(items) = resource {
            for item in items.iter_mut().filter(|item| !is_scalar(item)) {
                struck |= self.strike(item, stand_in);
            }
        }
        struck
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())?;
        match &self.label {
            Some(label) => write!(f, "@{label}"),
            None => Ok(()),
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

fn is_kind(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_step(text: &str) -> bool {
    let text = text.strip_suffix("[x]").unwrap_or(text);
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.bytes().all(plain)
}

/// Whether a key holds the element of a step: itself, what belongs to it (`_birthDate`), and of a
/// choice each way to write it (`valueQuantity`).
fn is_key(key: &str, step: &str) -> bool {
    let key = key.strip_prefix('_').unwrap_or(key);
    match step.strip_suffix("[x]") {
        Some(begin) => key
            .strip_prefix(begin)
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase())),
        None => key == step,
    }
}

/// A key and what stands under it.
type Instead<'i> = Option<&'i (String, Value)>;

fn strike(map: &mut Map<String, Value>, path: &[String], instead: Instead<'_>) -> bool {
    let Some((step, rest)) = path.split_first() else {
        return false;
    };
    let keys: Vec<String> = map
        .keys()
        .filter(|key| is_key(key, step))
        .cloned()
        .collect();
    let mut struck = false;
    for key in keys {
        if rest.is_empty() {
            map.shift_remove(&key);
            struck = true;
        } else if let Some(inner) = map.get_mut(&key) {
            struck |= within(inner, rest, instead);
            if is_empty(inner) {
                map.shift_remove(&key);
            }
        }
    }
    if let Some((key, value)) = instead.filter(|_| struck && rest.is_empty()) {
        map.insert(key.clone(), value.clone());
    }
    struck
}

fn within(value: &mut Value, path: &[String], instead: Instead<'_>) -> bool {
    match value {
        Value::Object(map) => strike(map, path, instead),
        Value::Array(items) => {
            let mut struck = false;
            for item in items.iter_mut() {
                struck |= within(item, path, instead);
            }
            items.retain(|item| !is_empty(item));
            struck
        }
        _ => false,
    }
}

/// R4 knows no empty objects and no empty lists (section 2.6.2).
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn without(element: &str, mut resource: Value) -> Value {
        let element = Element::parse(element).unwrap();
        element.strike(&mut resource, &|_, _| None);
        resource
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "Patient.telecom",
            "*.note@R",
            "Observation.value[x]",
            "Patient.contact.telecom",
        ] {
            assert_eq!(Element::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "Patient",
            "Patient.",
            "patient.name",
            "Patient.id",
            "*.meta.security",
            "Patient.name@",
            "Patient.Name",
            "*.a b",
            "Patient.name@a b",
        ] {
            assert_eq!(Element::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_element_goes_with_what_belongs_to_it_and_with_the_narrative() {
        let patient = json!({"resourceType": "Patient", "id": "p", "text": {"div": "1950"},
            "birthDate": "1950-01-02", "_birthDate": {"id": "x"}, "gender": "female"});
        let left = json!({"resourceType": "Patient", "id": "p", "gender": "female"});
        assert_eq!(without("Patient.birthDate", patient.clone()), left);
        assert_eq!(without("Observation.birthDate", patient.clone()), patient);
        assert_eq!(without("Patient.photo", patient.clone()), patient);
    }

    #[test]
    fn a_choice_goes_however_it_is_written() {
        let observation =
            json!({"resourceType": "Observation", "valueQuantity": {"value": 1}, "valued": 1});
        let left = json!({"resourceType": "Observation", "valued": 1});
        assert_eq!(without("Observation.value[x]", observation), left);
    }

    #[test]
    fn deep_elements_and_resources_within_leave_nothing_empty() {
        let bundle = json!({"resourceType": "Bundle", "entry": [{"resource":
            {"resourceType": "Patient", "contact": [{"telecom": [{"value": "1"}]},
                {"name": {"family": "x"}, "telecom": [{"value": "2"}]}]}}]});
        let left = json!({"resourceType": "Bundle", "entry": [{"resource":
            {"resourceType": "Patient", "contact": [{"name": {"family": "x"}}]}}]});
        assert_eq!(without("Patient.contact.telecom", bundle.clone()), left);
        assert_eq!(without("*.contact.telecom", bundle), left);
    }

    #[test]
    fn what_the_standard_wants_is_stood_in_for() {
        let mut condition = json!({"resourceType": "Condition", "code": {"text": "x"}});
        let element = Element::parse("Condition.code").unwrap();
        assert!(element.strike(&mut condition, &|kind, path| {
            (kind == "Condition" && path == ["code"])
                .then(|| ("code".to_owned(), json!({"masked": true})))
        }));
        assert_eq!(condition["code"], json!({"masked": true}));
        let mut without = json!({"resourceType": "Condition"});
        assert!(!element.strike(&mut without, &|_, _| Some(("code".to_owned(), json!({})))));
        assert_eq!(without.get("code"), None);
    }
}
