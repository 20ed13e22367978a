//! Reading of a sealed resource what the chart looks at, and no more.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;
use wire::fhir::Lens;

use super::content::Follows;
use super::index::{self, Names};
use crate::label::{CONCEPTS, SAID};

/// By type: what is looked at. A type that is not here is read whole.
static LENSES: LazyLock<HashMap<&'static str, Lens>> = LazyLock::new(|| {
    let also: Vec<&'static str> = CONCEPTS.into_iter().chain(SAID).collect();
    let kinds = wire::fhir::kinds().iter().copied();
    let lenses = kinds
        .filter(|kind| !Follows::some(kind))
        .filter_map(|kind| {
            let lens = Lens::of(kind, &index::wanted(kind, Names::Anybody), &also)?;
            Some((kind, lens))
        });
    lenses.collect()
});

/// A resource as far as its content is made of it; `None`: it is no JSON.
pub(super) fn look(kind: &str, json: &[u8]) -> Option<Value> {
    let shown = LENSES.get(kind).and_then(|lens| lens.read(json).ok());
    // What calls itself another type is found by the parameters of that type.
    let is_that = |value: &Value| value.get("resourceType").and_then(Value::as_str) == Some(kind);
    match shown.filter(is_that) {
        Some(shown) => Some(shown),
        None => serde_json::from_slice(json).ok(),
    }
}

#[cfg(test)]
mod tests {
    use event::Time;
    use serde_json::json;

    use super::super::content::{About, Content};
    use super::*;
    use crate::label::{Labels, SENSITIVITY};

    fn content(kind: &str, value: &Value) -> String {
        let labels = Labels::parse(SENSITIVITY).unwrap();
        let patient = wire::fhir::patient_of(value);
        let about = About {
            kind,
            id: "a",
            patient: patient.as_deref(),
            at: Time::from_millis(1),
        };
        let content = Content::with(about, Names::Anybody, (value, Vec::new()), &labels);
        format!("{patient:?} {content:?}")
    }

    #[test]
    fn what_is_looked_at_gives_the_content_of_the_whole() {
        for whole in [
            json!({"resourceType": "Observation", "id": "a", "status": "final", "text": {"div": "<div/>"},
                "meta": {"security": [{"code": "R"}]}, "identifier": [{"system": "s", "value": "1"}],
                "code": {"coding": [{"system": "http://loinc.org", "code": "20447-9"}]},
                "subject": {"reference": "Patient/p"}, "encounter": {"reference": "Encounter/e"},
                "component": [{"code": {"coding": [{"code": "x"}]}}]}),
            json!({"resourceType": "Patient", "id": "a", "name": [{"family": "Weiss", "given": ["Rosa"]}],
                "birthDate": "1950-02-03", "contact": [{"name": {"family": "Other"}}]}),
            json!({"resourceType": "Procedure", "id": "a", "subject": {"reference": "#c"},
                "contained": [{"resourceType": "Patient", "id": "c"}],
                "reasonCode": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "F10.2"}]}]}),
            json!({"resourceType": "Encounter", "id": "a", "status": "in-progress",
                "subject": {"reference": "Patient/p"}, "location": [{"location": {"reference": "Location/w"}}]}),
            json!({"resourceType": "PractitionerRole", "id": "a", "practitioner": {"reference": "Practitioner/p"}}),
        ] {
            let kind = whole["resourceType"].as_str().unwrap();
            let looked = look(kind, whole.to_string().as_bytes()).unwrap();
            assert_eq!(content(kind, &looked), content(kind, &whole));
        }
    }

    #[test]
    fn what_calls_itself_otherwise_is_read_whole() {
        let whole =
            json!({"resourceType": "Basic", "item": [1], "subject": {"reference": "Patient/p"}});
        assert_eq!(look("Claim", whole.to_string().as_bytes()), Some(whole));
        assert_eq!(look("Claim", b"[1]"), Some(json!([1])));
        assert_eq!(look("Claim", b"{"), None);
    }
}
