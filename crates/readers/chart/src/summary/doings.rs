//! What was done and noted at the bedside: doses that were given, notes.

use super::{Chartful, Item, is_error, moment};
use crate::view::Doing;
use crate::words_of::{concept_at, list, text, when};

/// Doings of one kind that a chart shows, at most; the newest.
const SHOWN: usize = 100;

/// Doses that were given, the newest first.
pub(super) fn given(chartful: &Chartful) -> Vec<Doing> {
    let all = chartful.of("MedicationAdministration").iter();
    let all = all.filter(|item| {
        let status = text(&item.value, "/status");
        !is_error(&item.value) && status.as_deref() != Some("not-done")
    });
    newest(all.map(|item| dose(chartful, item)).collect())
}

fn dose(chartful: &Chartful, item: &Item) -> Doing {
    let value = &item.value;
    let name = concept_at(value, "/medicationCodeableConcept")
        .or_else(|| chartful.named(value, "/medicationReference"));
    let amount = text(value, "/dosage/dose/value").map(|amount| {
        let unit = text(value, "/dosage/dose/unit").unwrap_or_default();
        format!("{amount} {unit}").trim_end().to_owned()
    });
    Doing {
        mark: item.mark.clone(),
        text: name.unwrap_or_else(|| "medication not named".to_owned()),
        detail: text(value, "/dosage/text").or(amount),
        when: when(value, &["effective"]),
    }
}

/// Notes, the newest first.
pub(super) fn notes(chartful: &Chartful) -> Vec<Doing> {
    let all = chartful.of("Communication").iter();
    let all = all
        .filter(|item| !is_error(&item.value))
        .filter_map(|item| {
            let parts = list(&item.value, "/payload").iter();
            let parts: Vec<String> = parts
                .filter_map(|one| text(one, "/contentString"))
                .collect();
            (!parts.is_empty()).then(|| Doing {
                mark: item.mark.clone(),
                text: parts.join("\n"),
                detail: None,
                when: text(&item.value, "/sent"),
            })
        });
    newest(all.collect())
}

fn newest(mut all: Vec<Doing>) -> Vec<Doing> {
    all.sort_by_cached_key(|one| std::cmp::Reverse(moment(one.when.as_deref(), &one.mark)));
    all.truncate(SHOWN);
    all
}
