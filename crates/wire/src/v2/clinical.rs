//! AllergyIntolerance (AL1, IAM) and Condition (DG1).

use serde_json::{Map, Value, json};

use super::code;
use super::data;
use super::json::{coding, concept_of};
use super::patient::table;
use super::system;
use super::work::{Work, spot};
use super::{Draft, Mode};
use crate::hl7::{Part, Segment};

const ALLERGY_STATUS: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
const ALLERGY_CERTAINTY: &str =
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";
const CONDITION_CERTAINTY: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const CONDITION_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const DIAGNOSIS_ROLE: &str = "http://terminology.hl7.org/CodeSystem/diagnosis-role";

/// AL1: set, type, code, severity, reactions, date.
pub(super) fn al1(al1: Segment<'_>, work: &mut Work<'_>) {
    let Some(mut draft) = allergy(al1, work) else {
        return;
    };
    if let Some(stamp) = work.time(spot(al1, 6)) {
        stamp.put(&mut draft.json, "onsetDateTime");
    }
    stands(&mut draft);
    work.add(draft);
}

/// IAM: like AL1 in its first five fields, then an action, an id and times.
pub(super) fn iam(iam: Segment<'_>, work: &mut Work<'_>) {
    let Some(mut draft) = allergy(iam, work) else {
        return;
    };
    if let Some(named) = data::entity(iam.field(7), work.sender.authority) {
        draft.list("identifier", vec![data::identifier(&named, None)]);
    }
    if let Some(stamp) = work.time(spot(iam, 11)) {
        stamp.put(&mut draft.json, "onsetDateTime");
    } else if let Some(words) = work.free(iam.field(12)) {
        draft.put("onsetString", Value::from(words));
    }
    if let Some(stamp) = work.time(spot(iam, 13)) {
        stamp.put(&mut draft.json, "recordedDate");
    }
    let recorder = work.practitioner(iam.field(14).rep(0));
    draft.put("recorder", recorder);
    if work.text(iam.field(6)).as_deref() == Some("D") {
        let wrong = coding(
            ALLERGY_CERTAINTY,
            "entered-in-error",
            Some("Entered in Error"),
        );
        draft.put("verificationStatus", concept_of(wrong));
        draft.clear("clinicalStatus");
    } else if let Some(status) = clinical_status(iam.field(17), work) {
        draft.put("clinicalStatus", status);
        draft.clear("verificationStatus");
    } else {
        stands(&mut draft);
    }
    work.add(draft);
}

/// An allergy that is listed is active, as the guide has it, and was not entered in error.
fn stands(draft: &mut Draft) {
    draft.put(
        "clinicalStatus",
        concept_of(coding(ALLERGY_STATUS, "active", Some("Active"))),
    );
    draft.clear("verificationStatus");
}

/// IAM-17, table 0438: only its codes that FHIR has (active, inactive, resolved).
fn clinical_status(part: Part<'_>, work: &mut Work<'_>) -> Option<Value> {
    let said = work.text(part.comp(1))?.to_ascii_lowercase();
    let known = match said.as_str() {
        "a" | "active" | "c" => "active",
        "i" | "inactive" => "inactive",
        "resolved" => "resolved",
        _ => return None,
    };
    Some(concept_of(coding(ALLERGY_STATUS, known, None)))
}

fn allergy(segment: Segment<'_>, work: &mut Work<'_>) -> Option<Draft> {
    let part = segment.field(3);
    let Some(concept) = work.concept(part, "") else {
        work.complain_at(spot(segment, 3), "names no allergen; left out");
        return None;
    };
    let key = key_of(part, work);
    let id = work.part_id("AllergyIntolerance", &[&work.patient, &key]);
    let mut draft = work.of_patient("AllergyIntolerance", id, Mode::Merge);
    category(segment, &mut draft, work);
    criticality(segment, &mut draft, work);
    draft.put("code", concept);
    draft.put("patient", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    reactions(segment, &mut draft, work);
    Some(draft)
}

/// What tells one coded thing from another: the code and its system, or the words.
pub(super) fn key_of(part: Part<'_>, work: &mut Work<'_>) -> String {
    for (code, system) in [(1, 3), (4, 6)] {
        if let Some(code) = work.text(part.comp(code)) {
            let system = work.text(part.comp(system)).unwrap_or_default();
            return format!("{code}|{}", system::uri(&system));
        }
    }
    let words = work.free(part.comp(2)).or_else(|| work.free(part.comp(9)));
    words.unwrap_or_default().to_lowercase()
}

fn category(segment: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let part = segment.field(2);
    let Some(said) = work.text(part) else {
        return;
    };
    // A contraindication (MC) is no allergy, so nothing is said of its type.
    if !said.eq_ignore_ascii_case("MC") {
        draft.put("type", Value::from("allergy"));
    }
    let original = work.original(part, &table("0127"));
    match code::look(code::ALLERGY_CATEGORY, &said) {
        Some(known) => {
            draft.list("category", vec![Value::from(known)]);
            draft.list("_category", original.into_iter().collect());
        }
        None => {
            let kept = original
                .as_ref()
                .and_then(|original| original.get("extension"))
                .cloned();
            draft.put("extension", kept);
        }
    }
}

fn criticality(segment: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let part = segment.field(4);
    let Some(said) = work.text(part) else {
        return;
    };
    let found = code::look(code::CRITICALITY, &said);
    if found.is_none() && code::look(code::SEVERITY, &said).is_none() {
        let words = format!("`{said}` is not in table 0128; kept as it was written");
        work.complain_at(spot(segment, 4), &words);
    }
    draft.put("criticality", found.map(Value::from));
    draft.put("_criticality", work.original(part, &table("0128")));
}

/// AL1-5 and IAM-5 are free text that may repeat; each becomes a manifestation of one reaction.
fn reactions(segment: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let at = spot(segment, 5);
    let manifestations: Vec<Value> = work
        .reps(at)
        .filter_map(|part| match part.comp(2).is_absent() {
            true => work.free(part).map(|text| json!({"text": text})),
            false => work.concept(part, ""),
        })
        .collect();
    if manifestations.is_empty() {
        return;
    }
    let mut reaction = Map::new();
    reaction.insert("manifestation".into(), Value::Array(manifestations));
    let said = work.text(segment.field(4)).unwrap_or_default();
    if let Some(severity) = code::look(code::SEVERITY, &said) {
        reaction.insert("severity".into(), severity.into());
    }
    draft.list("reaction", vec![Value::Object(reaction)]);
}

/// DG1: a Condition, and the entry of `Encounter.diagnosis` that names it.
pub(super) fn dg1(dg1: Segment<'_>, work: &mut Work<'_>) -> Option<Value> {
    let part = dg1.field(3);
    let method = work
        .text(dg1.field(2))
        .map(|name| system::uri(&name).into_owned());
    let mut concept = work.concept(part, method.as_deref().unwrap_or_default());
    let words = work.free(dg1.field(4));
    let key = match (&concept, &words) {
        (Some(_), _) => key_of(part, work),
        (None, Some(words)) => words.to_lowercase(),
        (None, None) => {
            work.complain_at(spot(dg1, 3), "names no diagnosis; left out");
            return None;
        }
    };
    if let (Some(Value::Object(map)), Some(words)) = (&mut concept, &words) {
        map.insert("text".into(), Value::from(&**words));
    }
    let concept = concept.or_else(|| words.map(|words| json!({"text": words})));
    let visit = work.encounter.clone().unwrap_or_default();
    let id = work.part_id("Condition", &[&work.patient, &visit, &key]);
    let entry = diagnosis(dg1, &id, work);
    let mut draft = work.of_patient("Condition", id, Mode::Merge);
    if let Some(named) = data::entity(dg1.field(20), work.sender.authority) {
        draft.list("identifier", vec![data::identifier(&named, None)]);
    }
    if work.text(dg1.field(21)).as_deref() == Some("D") {
        let wrong = coding(
            CONDITION_CERTAINTY,
            "entered-in-error",
            Some("Entered in Error"),
        );
        draft.put("verificationStatus", concept_of(wrong));
    } else {
        draft.clear("verificationStatus");
    }
    let category = coding(
        CONDITION_CATEGORY,
        "encounter-diagnosis",
        Some("Encounter Diagnosis"),
    );
    draft.list("category", vec![concept_of(category)]);
    draft.put("code", concept);
    draft.put("subject", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    if let Some(stamp) = work.time(spot(dg1, 5)) {
        stamp.put(&mut draft.json, "onsetDateTime");
    }
    if let Some(stamp) = work.time(spot(dg1, 19)) {
        stamp.put(&mut draft.json, "recordedDate");
    }
    let asserter = work.practitioner(dg1.field(16).rep(0));
    draft.put("asserter", asserter);
    work.add(draft);
    Some(entry)
}

fn diagnosis(dg1: Segment<'_>, condition: &str, work: &mut Work<'_>) -> Value {
    let mut entry = Map::new();
    let reference = json!({"reference": format!("Condition/{condition}")});
    entry.insert("condition".into(), reference);
    let role = match work.text(dg1.field(6)).as_deref() {
        Some("A") => Some(concept_of(coding(
            DIAGNOSIS_ROLE,
            "AD",
            Some("Admission diagnosis"),
        ))),
        _ => work.concept(dg1.field(6), &table("0052")),
    };
    if let Some(role) = role {
        entry.insert("use".into(), role);
    }
    let rank = work
        .text(dg1.field(15))
        .and_then(|text| text.parse::<u16>().ok());
    if let Some(rank) = rank.filter(|rank| *rank > 0) {
        entry.insert("rank".into(), rank.into());
    }
    Value::Object(entry)
}
