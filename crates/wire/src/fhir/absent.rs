//! What stands for an element that R4 requires and that is not told.

use serde_json::{Value, json};

use super::tables::{Type, tables};

const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// The JSON key and value that stand for a required element which was masked (data-absent-reason
/// `masked`), by the type and the names on the way (`["component", "code"]`); `None`: R4 does not ask
/// for it, or does not know it.
#[must_use]
pub fn masked(kind: &str, path: &[String]) -> Option<(String, Value)> {
    let (name, parents) = path.split_last()?;
    let place = parents
        .iter()
        .fold(kind.to_owned(), |place, step| format!("{place}.{step}"));
    let (_, structure) = tables().named(&place)?;
    let (_, element) = structure.element(name.strip_suffix("[x]").unwrap_or(name))?;
    let (key, of) = element.types.first().filter(|_| element.min > 0)?;
    let absent = json!({"extension": [{"url": ABSENT, "valueCode": "masked"}]});
    let value = match element.many {
        true => json!([absent]),
        false => absent,
    };
    Some(match of {
        Type::Primitive(_) => (format!("_{key}"), value),
        Type::Structure(_) | Type::Reference(_) | Type::Resource => (key.to_string(), value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, path: &[&str]) -> Option<String> {
        let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        masked(kind, &path).map(|(key, _)| key)
    }

    #[test]
    fn only_what_is_required_is_stood_in_for() {
        assert_eq!(key("Observation", &["code"]).as_deref(), Some("code"));
        assert_eq!(key("Observation", &["status"]).as_deref(), Some("_status"));
        assert_eq!(
            key("Observation", &["component", "code"]).as_deref(),
            Some("code")
        );
        assert_eq!(
            key("MedicationRequest", &["medication[x]"]).as_deref(),
            Some("medicationCodeableConcept")
        );
        assert_eq!(key("Condition", &["code"]), None);
        assert_eq!(key("Patient", &["telecom"]), None);
        assert_eq!(key("Nothing", &["code"]), None);
    }

    #[test]
    fn a_resource_with_what_stands_in_is_no_fault() {
        let (code, value) = masked("Observation", &["code".to_owned()]).unwrap();
        let (status, none) = masked("Observation", &["status".to_owned()]).unwrap();
        let mut observation = json!({"resourceType": "Observation"});
        observation[code] = value;
        observation[status] = none;
        let refused: Vec<_> = super::super::check(&observation)
            .into_iter()
            .filter(|issue| issue.refuses())
            .collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
}
