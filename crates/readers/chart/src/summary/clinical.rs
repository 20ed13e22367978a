//! Code status, allergies, medications, problems.

use serde_json::Value;

use super::results::value_of;
use super::{Chartful, Item, is_error, moment};
use crate::view::{Allergy, CodeStatus, Medication, Problem};
use crate::words_of::{code_at, concept, concept_at, has_code, list, text, when};

/// LOINC and SNOMED CT codes under which a resuscitation status is recorded.
const STATUS_CODES: [&str; 6] = [
    "81638-0",
    "100822-6",
    "75320-2",
    "304251008",
    "304253006",
    "89666000",
];
/// Consent categories that are advance directives.
const DIRECTIVES: [&str; 6] = ["acd", "dnr", "emrgonly", "hcd", "polst", "rd"];

/// Resuscitation status and advance directives, the latest first.
pub(super) fn code_status(chartful: &Chartful) -> Vec<CodeStatus> {
    let observed = chartful
        .observations
        .iter()
        .filter(|item| is_code_status(&item.value));
    let observed = observed.filter_map(|item| line(item, value_of(&item.value).0));
    let flags = chartful.of("Flag").iter().filter(|item| {
        is_code_status(&item.value) && text(&item.value, "/status").as_deref() == Some("active")
    });
    let flags = flags.filter_map(|item| line(item, concept_at(&item.value, "/code")));
    let consents = chartful.of("Consent").iter().filter_map(directive);
    let mut all: Vec<CodeStatus> = observed.chain(flags).chain(consents).collect();
    all.sort_by_key(|one| std::cmp::Reverse(moment(one.since.as_deref(), &one.mark)));
    if let Some(first) = all.first_mut() {
        first.current = true;
    }
    all
}

fn line(item: &Item, text: Option<String>) -> Option<CodeStatus> {
    (!is_error(&item.value)).then_some(())?;
    Some(CodeStatus {
        mark: item.mark.clone(),
        text: text?,
        since: when(&item.value, &["effective", "period", "dateTime", "issued"])
            .or_else(|| text_at_start(&item.value)),
        current: false,
    })
}

fn text_at_start(resource: &Value) -> Option<String> {
    text(resource, "/period/start")
}

/// Whether an Observation or Flag says how to resuscitate.
pub(super) fn is_code_status(resource: &Value) -> bool {
    let Some(code) = resource.get("code") else {
        return false;
    };
    let words = concept(code).unwrap_or_default().to_lowercase();
    has_code(code, &STATUS_CODES)
        || words.contains("code status")
        || words.contains("resuscitat")
        || words == "dnr"
}

fn directive(item: &Item) -> Option<CodeStatus> {
    let consent = &item.value;
    let categories = list(consent, "/category");
    let is_one = categories.iter().any(|one| has_code(one, &DIRECTIVES))
        || consent
            .get("scope")
            .is_some_and(|scope| has_code(scope, &["adr"]));
    let active = text(consent, "/status").as_deref() == Some("active");
    let code = concept_at(consent, "/provision/code/0");
    let words = code.or_else(|| categories.iter().find_map(concept));
    line(item, words).filter(|_| is_one && active)
}

/// Allergies and intolerances that nobody refuted.
pub(super) fn allergies(chartful: &Chartful) -> Vec<Allergy> {
    let all = chartful.of("AllergyIntolerance").iter();
    let mut all: Vec<Allergy> = all
        .filter(|item| {
            let status = item.value.get("verificationStatus");
            !is_error(&item.value) && !status.is_some_and(|one| has_code(one, &["refuted"]))
        })
        .map(allergy)
        .collect();
    let rank = |one: &Allergy| {
        let gone = matches!(one.status.as_deref(), Some("inactive" | "resolved"));
        (gone, one.severity.as_deref() != Some("high"))
    };
    all.sort_by(|a, b| {
        rank(a)
            .cmp(&rank(b))
            .then_with(|| a.substance.cmp(&b.substance))
    });
    all
}

fn allergy(item: &Item) -> Allergy {
    let value = &item.value;
    let reactions = list(value, "/reaction").iter();
    let reactions = reactions.flat_map(|one| list(one, "/manifestation"));
    Allergy {
        mark: item.mark.clone(),
        substance: concept_at(value, "/code")
            .or_else(|| concept_at(value, "/reaction/0/substance"))
            .unwrap_or_else(|| "substance not named".to_owned()),
        reactions: reactions.filter_map(concept).collect(),
        severity: text(value, "/criticality").or_else(|| text(value, "/reaction/0/severity")),
        status: code_at(value, "/clinicalStatus"),
        verification: code_at(value, "/verificationStatus"),
        since: when(value, &["onset", "recordedDate"]),
    }
}

/// What is taken or was ordered, the active ones first.
pub(super) fn medications(chartful: &Chartful) -> Vec<Medication> {
    // A single dose of an order (its intent says so) is no second medicine.
    let ordered = chartful.of("MedicationRequest").iter();
    let ordered =
        ordered.filter(|item| text(&item.value, "/intent").as_deref() != Some("instance-order"));
    let taken = chartful.of("MedicationStatement").iter();
    let all = ordered.chain(taken).filter(|item| !is_error(&item.value));
    let mut all: Vec<Medication> = all.map(|item| medication(chartful, item)).collect();
    all.sort_by_cached_key(|one| {
        let newest = std::cmp::Reverse(moment(one.since.as_deref(), &one.mark));
        (!one.active, newest, one.name.clone())
    });
    all
}

fn medication(chartful: &Chartful, item: &Item) -> Medication {
    let value = &item.value;
    let status = text(value, "/status").unwrap_or_default();
    let name = concept_at(value, "/medicationCodeableConcept")
        .or_else(|| chartful.named(value, "/medicationReference"))
        .or_else(|| contained(value));
    let dosages = list(value, "/dosageInstruction").iter();
    let dosages = dosages.chain(list(value, "/dosage"));
    let dosages: Vec<String> = dosages.filter_map(dosage).collect();
    Medication {
        mark: item.mark.clone(),
        name: name.unwrap_or_else(|| "medication not named".to_owned()),
        dosage: (!dosages.is_empty()).then(|| dosages.join("; ")),
        active: matches!(status.as_str(), "active" | "on-hold"),
        status,
        since: when(value, &["effective", "authoredOn", "dateAsserted"]),
    }
}

fn contained(resource: &Value) -> Option<String> {
    let reference = text(resource, "/medicationReference/reference")?;
    let id = reference.strip_prefix('#')?;
    let all = list(resource, "/contained").iter();
    let one = all
        .into_iter()
        .find(|one| text(one, "/id").as_deref() == Some(id))?;
    concept_at(one, "/code")
}

fn dosage(one: &Value) -> Option<String> {
    let dose = text(one, "/doseAndRate/0/doseQuantity/value").map(|value| {
        let unit = text(one, "/doseAndRate/0/doseQuantity/unit").unwrap_or_default();
        format!("{value} {unit}").trim_end().to_owned()
    });
    let parts = [
        dose,
        concept_at(one, "/route"),
        concept_at(one, "/timing/code").or_else(|| often(one)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    text(one, "/text").or_else(|| (!parts.is_empty()).then(|| parts.join(", ")))
}

/// `2 times in 1 d`.
fn often(dosage: &Value) -> Option<String> {
    let of = |name: &str| text(dosage, &format!("/timing/repeat/{name}"));
    let (frequency, period, unit) = (of("frequency")?, of("period")?, of("periodUnit")?);
    Some(format!("{frequency} times in {period} {unit}"))
}

/// Problems and diagnoses, the active ones first.
pub(super) fn problems(chartful: &Chartful) -> Vec<Problem> {
    let all = chartful.of("Condition").iter().filter(|item| {
        let status = item.value.get("verificationStatus");
        !is_error(&item.value) && !status.is_some_and(|one| has_code(one, &["refuted"]))
    });
    let mut all: Vec<Problem> = all.map(problem).collect();
    all.sort_by_cached_key(|one| {
        let newest = std::cmp::Reverse(moment(one.onset.as_deref(), &one.mark));
        (!one.active, newest, one.text.clone())
    });
    all
}

fn problem(item: &Item) -> Problem {
    let value = &item.value;
    let status = code_at(value, "/clinicalStatus");
    let gone = matches!(
        status.as_deref(),
        Some("inactive" | "remission" | "resolved")
    );
    let ended = when(value, &["abatement"]).is_some();
    Problem {
        mark: item.mark.clone(),
        text: concept_at(value, "/code").unwrap_or_else(|| "problem not named".to_owned()),
        code: code_at(value, "/code"),
        active: !gone && (status.is_some() || !ended),
        status,
        onset: when(value, &["onset", "recordedDate"]),
    }
}
