//! Procedure, from PR1.

use serde_json::{Value, json};

use super::clinical::key_of;
use super::json::{coding, concept_of};
use super::patient::table;
use super::work::{Work, spot};
use super::{Draft, Mode, data, time};
use crate::hl7::Segment;

const SNOMED: &str = "http://snomed.info/sct";

/// Who did it: field of PR1, SNOMED CT code of the role, its display.
const PERFORMERS: [(usize, &str, &str); 2] = [
    (8, "88189002", "Anesthesiologist"),
    (11, "304292004", "Surgeon"),
];

/// PR1: a Procedure that was done, as it is sent with a visit.
pub(super) fn pr1(pr1: Segment<'_>, work: &mut Work<'_>) {
    let mut concept = work.concept(pr1.field(3), "");
    let words = work.free(pr1.field(4)).map(|words| words.into_owned());
    match (&mut concept, words) {
        (Some(Value::Object(map)), Some(words)) => {
            map.entry("text").or_insert_with(|| words.into());
        }
        (None, Some(words)) => concept = Some(json!({"text": words})),
        (None, None) => return work.complain_at(spot(pr1, 3), "names no procedure; left out"),
        _ => {}
    }
    let id = id(pr1, work);
    let mut draft = work.of_patient("Procedure", id, Mode::Replace);
    let named = data::entity(pr1.field(19), work.sender.authority);
    draft.list(
        "identifier",
        named
            .map(|named| data::identifier(&named, None))
            .into_iter()
            .collect(),
    );
    let deleted = work.text(pr1.field(20)).as_deref() == Some("D");
    let status = if deleted {
        "entered-in-error"
    } else {
        "unknown"
    };
    draft.put("status", Value::from(status));
    draft.put("category", work.concept(pr1.field(6), &table("0230")));
    draft.put("code", concept);
    draft.put("subject", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    performed(pr1, &mut draft, work);
    performers(pr1, &mut draft, work);
    let reason = work.concept(pr1.field(15), "");
    draft.list("reasonCode", reason.into_iter().collect());
    let place = work.location(pr1.field(23), None);
    draft.put(
        "location",
        place.and_then(|entry| entry.get("location").cloned()),
    );
    work.add(draft);
}

fn id(pr1: Segment<'_>, work: &mut Work<'_>) -> String {
    if let Some(named) = data::entity(pr1.field(19), work.sender.authority) {
        return work.id("Procedure", &named.system, &named.value);
    }
    let mut key = key_of(pr1.field(3), work);
    if key.is_empty() {
        key = work.free(pr1.field(4)).unwrap_or_default().to_lowercase();
    }
    let time = work.text(pr1.field(5)).unwrap_or_default();
    let patient = work.patient.clone();
    work.part_id("Procedure", &[&patient, &key, &time])
}

/// PR1-5, and with its minutes (PR1-7) until when.
fn performed(pr1: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let Some(stamp) = work.time(spot(pr1, 5)) else {
        return;
    };
    let minutes = work
        .text(pr1.field(7))
        .and_then(|text| text.parse::<u32>().ok());
    let start = stamp.moment.text.clone();
    match minutes.and_then(|minutes| time::later(&start, i64::from(minutes))) {
        Some(end) => {
            let mut period = serde_json::Map::new();
            stamp.put(&mut period, "start");
            period.insert("end".into(), end.into());
            draft.put("performedPeriod", Value::Object(period));
        }
        None => stamp.put(&mut draft.json, "performedDateTime"),
    }
}

fn performers(pr1: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let mut found = Vec::new();
    for (number, code, display) in PERFORMERS {
        for part in work.reps(spot(pr1, number)) {
            let role = concept_of(coding(SNOMED, code, Some(display)));
            let actor = work.practitioner(part);
            found.extend(actor.map(|actor| json!({"function": role, "actor": actor})));
        }
    }
    for part in work.reps(spot(pr1, 12)) {
        found.extend(work.practitioner(part).map(|actor| json!({"actor": actor})));
    }
    draft.list("performer", found);
}
