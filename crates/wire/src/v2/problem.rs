//! Problems and goals: PPR and PGL (PRB as Condition, GOL as Goal). The guide leaves both open.

use serde_json::{Value, json};

use super::clinical::key_of;
use super::group::{self, Group};
use super::json::{coding, concept_of};
use super::work::{Work, spot};
use super::{Draft, Mode, data};
use crate::hl7::{Message, Segment};

const CERTAINTY: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";

/// The problems and goals of a message, with what was observed about them, and its orders.
pub(super) fn problems(message: &Message<'_>, work: &mut Work<'_>) {
    for group in &group::groups(message, &["PRB", "GOL"]) {
        let told = work.told;
        let id = match (group.first("PRB"), group.first("GOL")) {
            (Some(prb), _) => problem(group, prb, work),
            (None, Some(gol)) => goal(group, gol, work),
            (None, None) => None,
        };
        if let Some(id) = id {
            group::observations(group, &id, work);
        }
        work.told = told;
    }
    super::service::orders(message, work);
}

fn problem(group: &Group<'_>, prb: Segment<'_>, work: &mut Work<'_>) -> Option<String> {
    let Some(concept) = work.concept(prb.field(3), "") else {
        work.complain_at(spot(prb, 3), "names no problem; left out");
        return None;
    };
    work.told = work.told_at(&[prb.field(2)]).or(work.told);
    let (id, identifiers) = named("Condition", prb, work);
    let mut draft = work.of_patient("Condition", id.clone(), Mode::Merge);
    draft.list("identifier", identifiers);
    let category = coding(CATEGORY, "problem-list-item", Some("Problem List Item"));
    draft.list("category", vec![concept_of(category)]);
    draft.put("code", concept);
    draft.put("subject", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    standing(prb, &mut draft, work);
    dates(prb, &mut draft, work);
    draft.put("severity", work.concept(prb.field(26), ""));
    draft.list("note", group.note(&["OBX", "OBR", "ORC", "GOL"], work));
    work.add(draft);
    Some(id)
}

/// By the instance (PRB-4, GOL-4), else the patient and what it is.
fn named(kind: &str, segment: Segment<'_>, work: &mut Work<'_>) -> (String, Vec<Value>) {
    match data::entity(segment.field(4), work.sender.authority) {
        Some(named) => {
            let id = work.id(kind, &named.system, &named.value);
            (id, vec![data::identifier(&named, None)])
        }
        None => {
            let key = key_of(segment.field(3), work);
            let patient = work.patient.clone();
            (work.part_id(kind, &[&patient, "problem", &key]), Vec::new())
        }
    }
}

/// PRB-1, PRB-9, PRB-13 and PRB-14: whether it is so, and whether it still is.
fn standing(prb: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    if is_deleted(prb, work) {
        let wrong = coding(CERTAINTY, "entered-in-error", Some("Entered in Error"));
        draft.put("verificationStatus", concept_of(wrong));
        // What was entered in error has no clinical status (con-5).
        draft.clear("clinicalStatus");
        return;
    }
    let said = work
        .text(prb.field(14).comp(1))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let resolved = !prb.field(9).is_absent() && !prb.field(9).is_null();
    let status = match said.as_str() {
        "resolved" | "r" => "resolved",
        "inactive" | "i" => "inactive",
        "remission" => "remission",
        "relapse" => "relapse",
        "recurrence" => "recurrence",
        _ if resolved => "resolved",
        _ => "active",
    };
    draft.put("clinicalStatus", concept_of(coding(CLINICAL, status, None)));
    let certainty = work
        .text(prb.field(13).comp(1))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let certainty = match certainty.as_str() {
        "confirmed" | "c" => Some("confirmed"),
        "provisional" | "p" => Some("provisional"),
        "differential" | "d" => Some("differential"),
        "unconfirmed" | "u" => Some("unconfirmed"),
        "refuted" => Some("refuted"),
        _ => None,
    };
    match certainty {
        Some(code) => draft.put(
            "verificationStatus",
            concept_of(coding(CERTAINTY, code, None)),
        ),
        None => draft.clear("verificationStatus"),
    }
}

fn is_deleted(segment: Segment<'_>, work: &mut Work<'_>) -> bool {
    work.text(segment.field(1)).as_deref() == Some("DE")
}

/// PRB-16 or PRB-17 as onset, PRB-9 as its end, PRB-7 as when it was put on the list.
fn dates(prb: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    if let Some(stamp) = work.time(spot(prb, 16)) {
        stamp.put(&mut draft.json, "onsetDateTime");
    } else if let Some(words) = work.free(prb.field(17)) {
        draft.put("onsetString", Value::from(words));
    }
    for (number, element) in [(9, "abatementDateTime"), (7, "recordedDate")] {
        if let Some(stamp) = work.time(spot(prb, number)) {
            stamp.put(&mut draft.json, element);
        }
    }
}

fn goal(group: &Group<'_>, gol: Segment<'_>, work: &mut Work<'_>) -> Option<String> {
    let Some(concept) = work.concept(gol.field(3), "") else {
        work.complain_at(spot(gol, 3), "names no goal; left out");
        return None;
    };
    work.told = work.told_at(&[gol.field(2)]).or(work.told);
    let (id, identifiers) = named("Goal", gol, work);
    let mut draft = work.of_patient("Goal", id.clone(), Mode::Merge);
    draft.list("identifier", identifiers);
    let said = work
        .text(gol.field(18).comp(1))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let status = match said.as_str() {
        _ if is_deleted(gol, work) => "entered-in-error",
        "proposed" | "planned" | "accepted" | "cancelled" | "completed" | "rejected" => &said,
        "on-hold" | "hold" => "on-hold",
        _ => "active",
    };
    draft.put("lifecycleStatus", Value::from(status));
    draft.put("achievementStatus", work.concept(gol.field(16), ""));
    draft.put("description", concept);
    draft.put("subject", work.patient_reference());
    if let Some(stamp) = work.time(spot(gol, 7)) {
        draft.put("startDate", Value::from(stamp.moment.day()));
    }
    if let Some(stamp) = work.time(spot(gol, 8)) {
        draft.list("target", vec![json!({"dueDate": stamp.moment.day()})]);
    }
    draft.list("note", group.note(&["OBX", "OBR", "ORC", "PRB"], work));
    work.add(draft);
    Some(id)
}
