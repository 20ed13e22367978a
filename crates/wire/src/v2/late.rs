//! Drafts that are older than what they meet.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::draft::{filled, key_of};
use super::{Draft, settle};

/// A moment as precise as it was written, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Its first millisecond.
    pub from_ms: i64,
    /// The millisecond after its last.
    pub until_ms: i64,
}

impl Told {
    /// The same, but not after the moment it was heard: a clock that is wrong once must not make
    /// everything that is right look old for ever.
    #[must_use]
    pub const fn at_most(self, millis: i64) -> Told {
        if self.from_ms <= millis {
            return self;
        }
        Told {
            from_ms: millis,
            until_ms: millis.saturating_add(1),
        }
    }

    /// Whether all of it is before that millisecond: of two times that may be the same, neither
    /// is older.
    pub const fn is_before(self, millis: i64) -> bool {
        self.until_ms <= millis
    }
}

/// What comes of laying a draft upon a resource that something newer wrote: nothing that is there
/// is changed. Results, specimens, orders and patients that are not named yet are; and what several
/// systems tell of (orders, reports, documents, appointments) gets what nobody had told yet.
pub fn merged_late(existing: &Map<String, Value>, draft: &Draft) -> Map<String, Value> {
    let told_by_several = matches!(
        draft.kind,
        "Appointment"
            | "DiagnosticReport"
            | "DocumentReference"
            | "MedicationRequest"
            | "ServiceRequest"
            | "Task"
    );
    let mut result = match told_by_several {
        true => filled(existing.clone(), &draft.json),
        false => existing.clone(),
    };
    let mut grow = vec!["result", "specimen", "basedOn", "link"];
    // The number that one system gave is no news about the number of another.
    if matches!(
        draft.kind,
        "DiagnosticReport" | "MedicationRequest" | "ServiceRequest"
    ) {
        grow.push("identifier");
    }
    for element in grow {
        if let Some(Value::Array(new)) = draft.json.get(element) {
            add_missing(&mut result, element, new);
        }
    }
    settle::settle(draft.kind, &mut result);
    result
}

/// Whether a draft says how an order stands: of that the newest word counts, whoever said what else
/// when.
pub fn says_standing(draft: &Draft) -> bool {
    matches!(draft.kind, "MedicationRequest" | "ServiceRequest")
        && draft.json.contains_key("status")
}

pub(super) fn add_missing(result: &mut Map<String, Value>, element: &str, new: &[Value]) {
    let there = result
        .entry(element)
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(there) = there {
        let known: HashSet<String> = there.iter().map(|one| key_of(element, one)).collect();
        let missing = new
            .iter()
            .filter(|one| !known.contains(&key_of(element, one)));
        there.extend(missing.cloned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::v2::Mode;

    fn late(kind: &'static str, before: Value, said: Value) -> Value {
        let mut draft = Draft::new(kind, "a".into(), Mode::Merge);
        draft.json.extend(said.as_object().unwrap().clone());
        Value::Object(merged_late(before.as_object().unwrap(), &draft))
    }

    #[test]
    fn what_is_there_stays_and_lists_grow() {
        let before = json!({"status": "final", "result": [{"reference": "Observation/1"}]});
        let said = json!({"status": "preliminary", "issued": "2025",
            "result": [{"reference": "Observation/1"}, {"reference": "Observation/2"}]});
        let after = late("DiagnosticReport", before, said);
        assert_eq!(after["status"], "final");
        assert_eq!(after["issued"], "2025");
        assert_eq!(after["result"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_person_and_a_visit_are_told_whole_so_nothing_old_comes_back() {
        let after = late(
            "Patient",
            json!({"gender": "male"}),
            json!({"telecom": [1], "gender": "female"}),
        );
        assert_eq!(after, json!({"gender": "male"}));
    }
}
