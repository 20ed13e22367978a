//! What an Encounter says about where a patient is now.

use serde_json::Value;

/// One current or expected encounter, as the table `stay` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stay {
    pub(super) expected: bool,
    /// Id of the Location.
    pub(super) place: Option<String>,
    /// From when, as it was sent.
    pub(super) since: Option<String>,
    /// JSON: [[role, reference, name], ...].
    pub(super) people: String,
}

impl Stay {
    /// `None`: nobody is there, or coming.
    pub(super) fn of(encounter: &Value) -> Option<Stay> {
        let expected = match encounter.get("status").and_then(Value::as_str)? {
            "arrived" | "triaged" | "in-progress" | "onleave" => false,
            "planned" => true,
            _ => return None,
        };
        Some(Stay {
            expected,
            place: place(encounter),
            since: text(encounter, "/period/start"),
            people: people(encounter).to_string(),
        })
    }
}

/// The Location that holds now: an active one, else one that says nothing, else a planned one.
fn place(encounter: &Value) -> Option<String> {
    let rank = |entry: &&Value| match entry.get("status").and_then(Value::as_str) {
        Some("active") => 0,
        None if entry.pointer("/period/end").is_none() => 1,
        Some("planned" | "reserved") => 2,
        _ => 3,
    };
    let entries = encounter.get("location").and_then(Value::as_array)?;
    let lasting = entries.iter().filter(|entry| !is_temporary(entry));
    let reference = lasting.min_by_key(rank)?.pointer("/location/reference")?;
    let id = reference.as_str()?.strip_prefix("Location/")?;
    Some(id.to_owned())
}

/// A temporary location (PV1-11), such as the X-ray room: the bed stays theirs.
fn is_temporary(entry: &Value) -> bool {
    let code = entry.pointer("/extension/0/valueCodeableConcept/coding/0/code");
    code.and_then(Value::as_str) == Some("temporary")
}

fn people(encounter: &Value) -> Value {
    let list = encounter.get("participant").and_then(Value::as_array);
    let people = list.into_iter().flatten().filter_map(|participant| {
        let role = text(participant, "/type/0/coding/0/code")
            .or_else(|| text(participant, "/type/0/text"))
            .unwrap_or_default();
        let reference = text(participant, "/individual/reference")
            .or_else(|| text(participant, "/individual/identifier/value"))?;
        let name = text(participant, "/individual/display");
        Some(serde_json::json!([role, reference, name]))
    });
    Value::Array(people.collect())
}

fn text(value: &Value, path: &str) -> Option<String> {
    value.pointer(path)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stay_is_where_the_active_location_says() {
        let encounter = json!({
            "status": "in-progress",
            "period": {"start": "2024-05-01T10:00:00Z"},
            "location": [
                {"status": "completed", "location": {"reference": "Location/old"}},
                {"status": "active", "location": {"reference": "Location/bed"}},
            ],
            "participant": [{
                "type": [{"coding": [{"code": "ATND"}]}],
                "individual": {"reference": "Practitioner/p", "display": "Dr. House"},
            }],
        });
        let stay = Stay::of(&encounter).unwrap();
        assert_eq!(stay.place.as_deref(), Some("bed"));
        assert_eq!(stay.people, r#"[["ATND","Practitioner/p","Dr. House"]]"#);
        assert!(!stay.expected);
    }

    #[test]
    fn who_has_left_has_no_stay() {
        assert_eq!(Stay::of(&json!({"status": "finished"})), None);
        assert!(Stay::of(&json!({"status": "planned"})).unwrap().expected);
    }
}
