//! What was done and noted at the bedside: doses that were given, notes.

use super::{Chartful, Item, is_error, moment};
use crate::view::Doing;
use crate::words_of::{concept_at, list, text, when};

/// Doings of one kind that a chart shows, at most; the newest.
const SHOWN: usize = 100;
/// Parts of the body that are named of a study, at most.
const BODIES_SHOWN: usize = 3;

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

/// Imaging studies, the newest first.
pub(super) fn imaging(chartful: &Chartful) -> Vec<Doing> {
    let all = chartful.of("ImagingStudy").iter();
    let all = all.filter(|item| !is_error(&item.value));
    newest(all.map(study).collect())
}

fn study(item: &Item) -> Doing {
    let value = &item.value;
    let modalities = list(value, "/modality").iter();
    let modalities: Vec<String> = modalities.filter_map(|one| text(one, "/code")).collect();
    let series = list(value, "/series");
    let described = text(value, "/description")
        .or_else(|| series.iter().find_map(|one| text(one, "/description")));
    let name = [modalities.join(", "), described.unwrap_or_default()];
    let name: Vec<&str> = name
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    let counted = |name: &str, one: &str, many: &str| {
        let count = value.get(name).and_then(serde_json::Value::as_u64)?;
        Some(format!("{count} {}", if count == 1 { one } else { many }))
    };
    let counts = [
        counted("numberOfSeries", "series", "series"),
        counted("numberOfInstances", "object", "objects"),
    ];
    let counts = bodies(series)
        .into_iter()
        .chain(counts.into_iter().flatten());
    let counts: Vec<String> = counts.collect();
    Doing {
        mark: item.mark.clone(),
        text: match name.is_empty() {
            true => "study not described".to_owned(),
            false => name.join(" "),
        },
        detail: Some(counts.join(", ")).filter(|counts| !counts.is_empty()),
        when: text(value, "/started"),
    }
}

/// The parts of the body that series show, each once.
fn bodies(series: &[serde_json::Value]) -> Vec<String> {
    let mut bodies: Vec<String> = Vec::new();
    for one in series {
        let body = text(one, "/bodySite/display").or_else(|| text(one, "/bodySite/code"));
        if let Some(body) = body.filter(|body| !bodies.contains(body))
            && bodies.len() < BODIES_SHOWN
        {
            bodies.push(body);
        }
    }
    bodies
}

fn newest(mut all: Vec<Doing>) -> Vec<Doing> {
    all.sort_by_cached_key(|one| std::cmp::Reverse(moment(one.when.as_deref(), &one.mark)));
    all.truncate(SHOWN);
    all
}
