//! Holds a resource against a profile (a StructureDefinition with a snapshot), as far as that can be
//! said without a full validator: counts, types of a choice, `fixed[x]`, `pattern[x]`, required
//! bindings to the value sets of R4. What is not looked at is said.

use serde_json::{Map, Value};

use super::issue::{Code, Issue, Severity};
use super::tables::tables;

/// Issues of one profile, at most.
const ISSUES_MAX: usize = 100;
/// Names in one list of names, at most.
const NAMES_MAX: usize = 40;
/// Values of the resource that are held against elements of the profile, at most: both are somebody's.
const STEPS_MAX: usize = 500_000;
/// Characters of a profile's value that are shown, at most.
const SHOWN_MAX: usize = 200;

/// What of the resource does not agree with the profile, and what was not looked at.
#[must_use]
pub fn conforms(resource: &Value, profile: &Value) -> Vec<Issue> {
    let kind = text(resource, "resourceType");
    let url = text(profile, "url");
    if text(profile, "type") != kind {
        let words = format!("the profile `{url}` is for `{}`", text(profile, "type"));
        return vec![Issue::error(Code::Structure, kind, words)];
    }
    let elements = profile
        .pointer("/snapshot/element")
        .and_then(Value::as_array);
    let Some(elements) = elements else {
        let words = format!("the profile `{url}` has no snapshot, so only R4 itself was checked");
        return vec![Issue::error(Code::NotSupported, kind, words)];
    };
    let mut held = Held::default();
    for (looked, element) in elements.iter().enumerate() {
        if held.steps >= STEPS_MAX {
            let left = elements.len() - looked;
            let words = format!(
                "`{url}`: the resource is too large for it; {left} elements were not looked at"
            );
            // Said however many others there are.
            let issue = Issue::error(Code::TooCostly, kind, words);
            held.issues.push(issue);
            break;
        }
        held.element(resource, element);
    }
    held.told(kind, url)
}

#[derive(Default)]
struct Held {
    issues: Vec<Issue>,
    absent: Vec<String>,
    slices: Vec<String>,
    bindings: Vec<String>,
    constraints: usize,
    steps: usize,
}

impl Held {
    fn element(&mut self, resource: &Value, element: &Value) {
        let (id, path) = (text(element, "id"), text(element, "path"));
        if id.contains(':') {
            if element.get("sliceName").is_some() {
                self.slices.push(id.to_owned());
            }
            return;
        }
        let own = element.get("constraint").and_then(Value::as_array);
        let own = own.into_iter().flatten();
        // Those of R4 itself are looked at by the check that came before.
        self.constraints += own
            .filter(|one| {
                !text(one, "source").starts_with("http://hl7.org/fhir/StructureDefinition/")
            })
            .count();
        let Some((_, rest)) = path.split_once('.') else {
            return;
        };
        let (before, name) = rest.rsplit_once('.').unwrap_or(("", rest));
        let mut counted = 0;
        self.steps += 1;
        for parent in parents(resource, before) {
            let found = children(parent, name);
            counted += found.len();
            self.steps += 1 + found.len();
            self.counts(element, path, found.len());
            for (key, value) in found {
                self.value(element, path, (&key, value));
            }
        }
        if counted == 0 && element.get("mustSupport") == Some(&true.into()) {
            self.absent.push(path.to_owned());
        }
    }

    fn counts(&mut self, element: &Value, path: &str, count: usize) {
        let min = element.get("min").and_then(Value::as_u64).unwrap_or(0);
        let max = text(element, "max");
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if count < min {
            self.error(
                Code::Required,
                path,
                format!("at least {min} needed by the profile, there are {count}"),
            );
        }
        if max.parse::<u64>().is_ok_and(|max| count > max) {
            self.error(
                Code::Structure,
                path,
                format!("at most {max} allowed by the profile, there are {count}"),
            );
        }
    }

    fn value(&mut self, element: &Value, path: &str, (key, value): (&str, &Value)) {
        for (name, wanted) in element.as_object().into_iter().flatten() {
            if self.issues.len() >= ISSUES_MAX {
                break;
            }
            if name.starts_with("fixed") && wanted != value {
                self.error(
                    Code::Value,
                    path,
                    format!("the profile fixes this to `{}`", shown(wanted)),
                );
            }
            if name.starts_with("pattern") && !fits(value, wanted) {
                self.error(
                    Code::Value,
                    path,
                    format!("the profile wants `{}` in this", shown(wanted)),
                );
            }
        }
        if let Some(base) = path.strip_suffix("[x]") {
            self.choice(
                element,
                path,
                (base.rsplit('.').next().unwrap_or_default(), key),
            );
        }
        if strength(element) == "required" {
            self.binding(element, path, value);
        }
    }

    fn choice(&mut self, element: &Value, path: &str, (base, key): (&str, &str)) {
        let kinds = element.get("type").and_then(Value::as_array);
        let kinds: Vec<&str> = kinds
            .into_iter()
            .flatten()
            .map(|kind| text(kind, "code"))
            .collect();
        let given = key.strip_prefix(base).unwrap_or_default();
        if !kinds.iter().any(|kind| capital(kind) == given) {
            let words = format!(
                "the profile allows {} here, not `{given}`",
                kinds.join(", ")
            );
            self.error(Code::Structure, path, words);
        }
    }

    fn binding(&mut self, element: &Value, path: &str, value: &Value) {
        let set = element.pointer("/binding/valueSet").and_then(Value::as_str);
        let set = set
            .unwrap_or_default()
            .split('|')
            .next()
            .unwrap_or_default();
        let name = set
            .strip_prefix("http://hl7.org/fhir/ValueSet/")
            .unwrap_or_default();
        match tables().list_named(name) {
            Some(list)
                if !codes(value).any(|(system, code)| match system {
                    Some(system) => list.has_coding(system, code),
                    None => list.has(code),
                }) =>
            {
                self.error(
                    Code::CodeInvalid,
                    path,
                    format!("no code of this is in `{set}`"),
                );
            }
            Some(_) => {}
            None => self.bindings.push(path.to_owned()),
        }
    }

    fn error(&mut self, code: Code, path: &str, words: String) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::error(code, path, words));
        }
    }

    /// The issues, and what was not looked at.
    fn told(mut self, kind: &str, url: &str) -> Vec<Issue> {
        let mut lines = Vec::new();
        for (names, words) in [
            (
                &self.absent,
                "elements that the profile wants supported are not there",
            ),
            (&self.slices, "slices are not checked"),
            (
                &self.bindings,
                "value sets that are not at hand are not checked",
            ),
        ] {
            if !names.is_empty() {
                let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
                lines.push(format!("`{url}`: {words}: {}", shown.join(", ")));
            }
        }
        if self.constraints > 0 {
            lines.push(format!(
                "`{url}`: {} rules of its own are not checked",
                self.constraints
            ));
        }
        self.issues.extend(lines.into_iter().map(|words| Issue {
            severity: Severity::Information,
            code: Code::Informational,
            path: kind.to_owned(),
            words,
        }));
        self.issues
    }
}

/// A value as it is shown: cut if it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn strength(element: &Value) -> &str {
    let strength = element.pointer("/binding/strength");
    strength.and_then(Value::as_str).unwrap_or_default()
}

/// Every object at the end of a dotted path.
fn parents<'v>(resource: &'v Value, path: &str) -> Vec<&'v Value> {
    let names = path.split('.').filter(|name| !name.is_empty());
    names.fold(vec![resource], |found, name| {
        let inner = found.into_iter().flat_map(|one| children(one, name));
        inner.map(|(_, value)| value).collect()
    })
}

/// The values of an element, with the key each stands under; of `x[x]` whatever type it has.
fn children<'v>(parent: &'v Value, name: &str) -> Vec<(String, &'v Value)> {
    let Some(map) = parent.as_object() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    match name.strip_suffix("[x]") {
        None => spread(map, name, &mut out),
        Some(base) => {
            let typed = |key: &&String| {
                let rest = key.strip_prefix(base);
                rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
            };
            let keys: Vec<&String> = map.keys().filter(typed).collect();
            keys.into_iter().for_each(|key| spread(map, key, &mut out));
        }
    }
    out
}

fn spread<'v>(map: &'v Map<String, Value>, key: &str, out: &mut Vec<(String, &'v Value)>) {
    match map.get(key) {
        Some(Value::Array(list)) => out.extend(list.iter().map(|one| (key.to_owned(), one))),
        Some(value) => out.push((key.to_owned(), value)),
        // Only extensions stand there: the element is there all the same.
        None => out.extend(map.get(&format!("_{key}")).map(|one| (key.to_owned(), one))),
    }
}

/// Whether all that the pattern has is in the value (R4, ElementDefinition.pattern[x]).
fn fits(value: &Value, pattern: &Value) -> bool {
    match (value, pattern) {
        (Value::Object(value), Value::Object(pattern)) => pattern
            .iter()
            .all(|(key, wanted)| value.get(key).is_some_and(|value| fits(value, wanted))),
        (Value::Array(values), Value::Array(patterns)) => patterns
            .iter()
            .all(|wanted| values.iter().any(|value| fits(value, wanted))),
        (value, pattern) => value == pattern,
    }
}

/// The codes in a code, a Coding, a Quantity or a CodeableConcept.
fn codes(value: &Value) -> impl Iterator<Item = (Option<&str>, &str)> {
    let bare = value.as_str().map(|code| (None, code));
    let list = value.get("coding").and_then(Value::as_array);
    let inner = list.into_iter().flatten().filter_map(coding);
    bare.into_iter().chain(coding(value)).chain(inner)
}

fn coding(value: &Value) -> Option<(Option<&str>, &str)> {
    let code = value.get("code")?.as_str()?;
    Some((value.get("system").and_then(Value::as_str), code))
}

fn capital(kind: &str) -> String {
    let mut letters = kind.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_large_resource_under_a_large_profile_has_an_end_and_says_so() {
        let names: Vec<Value> = (0..2_000).map(|_| json!({"family": "A"})).collect();
        let resource = json!({"resourceType": "Patient", "name": names});
        let element = json!({"id": "Patient.name", "path": "Patient.name", "min": 0, "max": "*",
            "patternHumanName": {"family": "B".repeat(10_000)}});
        let elements: Vec<&Value> = (0..1_000).map(|_| &element).collect();
        let profile = json!({"url": "p", "type": "Patient", "snapshot": {"element": elements}});
        let issues = conforms(&resource, &profile);
        assert!(issues.iter().all(|issue| issue.words.len() < 1_000));
        let small = conforms(
            &json!({"resourceType": "Patient", "name": [{"family": "A"}]}),
            &profile,
        );
        assert!(!small.iter().any(|issue| issue.code == Code::TooCostly));
        assert!(
            issues.iter().any(|issue| issue.code == Code::TooCostly),
            "{issues:?}"
        );
    }
}
