//! Drafts that are older than what they meet.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::draft::key_of;
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
/// is changed. Results, specimens, orders and patients that are not named yet are. What several systems tell of is
/// not settled here, but element by element ([`super::Stated`]).
pub fn merged_late(existing: &Map<String, Value>, draft: &Draft) -> Map<String, Value> {
    let mut result = existing.clone();
    for element in ["result", "specimen", "basedOn", "link"] {
        if let Some(Value::Array(new)) = draft.json.get(element) {
            add_missing(&mut result, element, new);
        }
    }
    settle::settle(draft.kind, &mut result);
    result
}

fn add_missing(result: &mut Map<String, Value>, element: &str, new: &[Value]) {
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
    fn a_person_and_a_visit_are_told_whole_so_nothing_old_comes_back() {
        let after = late(
            "Patient",
            json!({"gender": "male"}),
            json!({"telecom": [1], "gender": "female"}),
        );
        assert_eq!(after, json!({"gender": "male"}));
    }
}
