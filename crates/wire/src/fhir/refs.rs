//! Where a resource points, and whose chart it belongs to.

use serde_json::{Map, Value};

use super::path::{Item, Scope, evaluate, structure_of};
use super::tables::{Param, Tables, Type, params, tables};

/// What the text of a reference says it points to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target<'a> {
    /// `Patient/1`, `http://host/fhir/Patient/1/_history/2`, or `Patient?identifier=...`.
    Typed {
        /// The resource type.
        kind: &'a str,
        /// The id; empty for a conditional reference.
        id: &'a str,
        /// True when an address stands before the type.
        absolute: bool,
    },
    /// `#x`: a resource within the same one.
    Contained(&'a Value),
    /// A `urn:`, some other address, or only an identifier.
    Unknown,
}

/// Reads the text of a reference; `None` when it is neither of the forms of R4 section 2.3.0.
pub(super) fn read(text: &str) -> Option<Target<'_>> {
    if text.starts_with("urn:") {
        return Some(Target::Unknown);
    }
    let absolute = text.contains("://");
    if let (false, Some((kind, _))) = (absolute, text.split_once('?')) {
        let known = tables().is_kind(kind);
        return known.then_some(Target::Typed {
            kind,
            id: "",
            absolute: false,
        });
    }
    let stem = text.split_once("/_history/").map_or(text, |(stem, _)| stem);
    let (before, id) = stem.rsplit_once('/')?;
    let kind = before.rsplit_once('/').map_or(before, |(_, kind)| kind);
    let typed = tables().is_kind(kind) && is_id(id);
    match (typed, absolute) {
        (true, _) => Some(Target::Typed {
            kind,
            id,
            absolute: absolute || before != kind,
        }),
        (false, true) => Some(Target::Unknown),
        (false, false) => None,
    }
}

/// What a `Reference` points to: by its text, within `root` for `#x`, else by its `type`.
pub(super) fn target<'a>(reference: &'a Value, root: &'a Value) -> Option<Target<'a>> {
    let text = reference.get("reference").and_then(Value::as_str);
    let found = match text.and_then(|t| Some((t, t.strip_prefix('#')?))) {
        Some((_, "")) => Some(Target::Contained(root)),
        Some((_, id)) => contained(root, id).map(Target::Contained),
        None => text.and_then(read),
    };
    match found {
        Some(Target::Unknown) | None => {
            let kind = reference.get("type").and_then(Value::as_str)?;
            Some(Target::Typed {
                kind,
                id: "",
                absolute: true,
            })
        }
        found => found,
    }
}

/// Contained resources of one resource, at most: every `#x` looks through them.
pub(super) const CONTAINED_MAX: usize = 1000;

/// The contained resource of this id.
pub(super) fn contained<'a>(root: &'a Value, id: &str) -> Option<&'a Value> {
    let list = root.get("contained")?.as_array()?;
    list.iter()
        .take(CONTAINED_MAX)
        .find(|r| r.get("id").and_then(Value::as_str) == Some(id))
}

/// True for a resource id (R4: 1 to 64 of letters, digits, `-` and `.`).
pub(super) fn is_id(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// Every reference in a resource as path and text: `Observation.subject`, `Patient/1`. References
/// to contained resources (`#x`) are left out; those within contained resources are there.
#[must_use]
pub fn references(resource: &Value) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let kind = resource
        .get("resourceType")
        .and_then(Value::as_str)
        .unwrap_or("");
    if let Value::Object(map) = resource {
        collect(map, Type::Resource, kind, &mut out);
    }
    out
}

fn collect(map: &Map<String, Value>, kind: Type, path: &str, out: &mut Vec<(String, String)>) {
    if let (Type::Reference(_), Some(Value::String(text))) = (kind, map.get("reference"))
        && !text.starts_with('#')
    {
        out.push((path.to_owned(), text.clone()));
    }
    let Some(structure) = structure_of(map, kind, tables()) else {
        return;
    };
    for (key, value) in map {
        let Some(slot) = structure.slot(key) else {
            continue;
        };
        if matches!(slot.kind, Type::Primitive(_)) {
            continue;
        }
        match value {
            Value::Object(inner) => collect(inner, slot.kind, &format!("{path}.{key}"), out),
            Value::Array(list) => {
                for (at, item) in list.iter().enumerate() {
                    if let Value::Object(inner) = item {
                        collect(inner, slot.kind, &format!("{path}.{key}[{at}]"), out);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Parameters that name the patient the resource is about come before those that name a patient
/// who only did something.
const ABOUT: &[&str] = &["patient", "subject", "beneficiary", "individual"];

/// The id of the patient whose chart the resource belongs to, by the patient compartment of R4; for
/// a Patient its own id. Only references on this server count (`Patient/1`). A Binary, which is in no
/// compartment, is the patient's whom its security context names.
#[must_use]
pub fn patient_of(resource: &Value) -> Option<String> {
    let kind = resource.get("resourceType")?.as_str()?;
    if kind == "Patient" {
        return Some(resource.get("id")?.as_str()?.to_owned());
    }
    if kind == "Binary" {
        let context = resource.get("securityContext")?;
        return patient_named(context, resource);
    }
    let rank = |p: &&Param| {
        ABOUT
            .iter()
            .position(|a| *a == p.code)
            .unwrap_or(ABOUT.len())
    };
    let mut by: Vec<&Param> = params(kind).iter().filter(|p| p.compartment).collect();
    by.sort_by_key(rank);
    by.into_iter()
        .find_map(|param| patient_by(resource, param, tables()))
}

fn patient_by(resource: &Value, param: &Param, tables: &'static Tables) -> Option<String> {
    let scope = Scope {
        tables,
        resource,
        root: resource,
    };
    let this = Item::Node(resource, Type::Resource);
    evaluate(param.expr.as_ref()?, scope, &this)
        .iter()
        .find_map(|item| match item {
            Item::Node(reference, Type::Reference(_)) => patient_named(reference, resource),
            _ => None,
        })
}

/// The patient on this server that a reference names.
fn patient_named(reference: &Value, within: &Value) -> Option<String> {
    match target(reference, within)? {
        Target::Typed {
            kind: "Patient",
            id,
            absolute: false,
        } if !id.is_empty() => Some(id.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_patient_is_found_by_the_compartment() {
        let observation = json!({"resourceType": "Observation",
            "performer": [{"reference": "Patient/2"}], "subject": {"reference": "Patient/1"}});
        assert_eq!(patient_of(&observation).as_deref(), Some("1"));
        let coverage = json!({"resourceType": "Coverage", "beneficiary": {"reference": "Patient/3/_history/1"}});
        assert_eq!(patient_of(&coverage).as_deref(), Some("3"));
        let elsewhere = json!({"resourceType": "Condition", "subject": {"reference": "http://x.org/Patient/3"}});
        assert_eq!(patient_of(&elsewhere), None);
        assert_eq!(
            patient_of(&json!({"resourceType": "Patient", "id": "p"})).as_deref(),
            Some("p")
        );
        assert_eq!(
            patient_of(&json!({"resourceType": "Location", "id": "p"})),
            None
        );
        assert_eq!(patient_of(&json!([])), None);
    }

    #[test]
    fn references_come_with_their_path() {
        let it = json!({"resourceType": "Encounter", "subject": {"reference": "urn:uuid:1"},
            "participant": [{"individual": {"reference": "Practitioner/2"}}],
            "serviceProvider": {"reference": "#x"}});
        let got = references(&it);
        assert_eq!(
            got,
            vec![
                ("Encounter.subject".to_owned(), "urn:uuid:1".to_owned()),
                (
                    "Encounter.participant[0].individual".to_owned(),
                    "Practitioner/2".to_owned()
                ),
            ]
        );
    }
}
