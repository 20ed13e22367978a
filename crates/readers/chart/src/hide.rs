//! Elements that a permit shows of nothing, while the resources that have them stay.

use std::collections::HashSet;

use guard::Element;
use serde_json::{Value, json};

use crate::store::{LABELS, Row};
use crate::words::Words;

/// What the permit's obligations take out of resources.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hides {
    all: Vec<Hidden>,
    /// The last word that was looked at: what is labelled by a later one counts as labelled so.
    last: i64,
}

/// One element, and for which labels.
#[derive(Debug, Clone)]
struct Hidden {
    element: Element,
    /// Numbers of the words that hold its label; `None`: it goes out of every entry.
    numbers: Option<HashSet<i64>>,
}

impl Hides {
    pub(crate) fn of(elements: &[Element], words: &Words) -> Hides {
        let hidden = |element: &Element| Hidden {
            numbers: element.label().map(|label| numbers(label, words)),
            element: element.clone(),
        };
        Hides {
            all: elements.iter().map(hidden).collect(),
            last: words.count(),
        }
    }

    /// Whether it takes anything out of anything.
    pub(crate) fn any(&self) -> bool {
        !self.all.is_empty()
    }

    /// Whether some of what an element of a type holds is not to be shown, whatever its labels: for
    /// what pages know from elsewhere than from the resource.
    pub(crate) fn conceals(&self, kind: &str, name: &str) -> bool {
        let mut all = self.all.iter();
        all.any(|one| one.element.is_within(kind, name))
    }

    /// Whether anything may go out of a row: for what is handed out whole or not at all.
    pub(crate) fn touches(&self, kind: &str, row: &Row) -> bool {
        let is_of = |element: &Element| {
            let place = element.place();
            let of = place.split('.').next().unwrap_or_default();
            of == "*" || of == kind
        };
        self.of_row(row).any(is_of)
    }

    /// The elements that go out of a row, for its labels.
    fn of_row(&self, row: &Row) -> impl Iterator<Item = &Element> {
        let labels = row.labels;
        let applies = move |one: &&Hidden| match &one.numbers {
            None => true,
            Some(numbers) => labels > 0 && (labels > self.last || numbers.contains(&labels)),
        };
        self.all.iter().filter(applies).map(|one| &one.element)
    }

    /// Takes out of a resource what is not shown of this row, and says so in its labels; the places
    /// that were taken out.
    pub(crate) fn strip(&self, row: &Row, value: &mut Value) -> Vec<String> {
        let mut struck = Vec::new();
        for element in self.of_row(row) {
            if element.strike(value, &wire::fhir::masked) {
                struck.push(element.place());
            }
        }
        if !struck.is_empty() {
            tag(value);
        }
        struck
    }

    /// As [`Hides::strip`] for bytes; what it does not touch comes back as it was. Bytes that are no
    /// JSON cannot be looked through: nothing of them is left.
    pub(crate) fn clean(&self, row: &Row, json: Vec<u8>) -> Vec<u8> {
        if row.deleted() || self.of_row(row).next().is_none() {
            return json;
        }
        let Ok(mut value) = serde_json::from_slice(&json) else {
            return Vec::new();
        };
        match self.strip(row, &mut value).is_empty() {
            true => json,
            false => value.to_string().into_bytes(),
        }
    }
}

fn numbers(label: &str, words: &Words) -> HashSet<i64> {
    let labelled = |text: &str| {
        let held = text.strip_prefix(LABELS);
        held.is_some_and(|held| held.split(' ').any(|one| one == label))
    };
    let with = words.all().filter(|(_, text)| labelled(text));
    with.map(|(number, _)| number).collect()
}

/// What says that something was left out (HL7 v3 `ObservationValue`).
pub(crate) fn redacted() -> Value {
    json!({
        "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
        "code": "REDACTED",
    })
}

fn tag(resource: &mut Value) {
    let Some(map) = resource.as_object_mut() else {
        return;
    };
    let meta = map.entry("meta").or_insert_with(|| json!({}));
    let Some(meta) = meta.as_object_mut() else {
        return;
    };
    match meta.entry("security").or_insert_with(|| json!([])) {
        Value::Array(security) => security.push(redacted()),
        other => *other = json!([redacted()]),
    }
}
