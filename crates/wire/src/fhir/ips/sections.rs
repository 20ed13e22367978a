//! Which resources stand in which section of a summary.

use std::cmp::Reverse;
use std::collections::HashSet;

use serde_json::Value;

use super::Material;
use crate::fhir::search::span_of;

/// Entries of one section, at most; the newest.
const ENTRIES_MAX: usize = 100;
/// The same of a section that every summary has.
const REQUIRED_ENTRIES_MAX: usize = 1_000;

/// One section.
pub(super) struct Section {
    /// The LOINC code.
    pub(super) code: &'static str,
    /// Its name in LOINC.
    pub(super) display: &'static str,
    /// Its heading.
    pub(super) title: &'static str,
    /// It stands there even if it is empty.
    pub(super) required: bool,
    /// What it says then.
    pub(super) nothing: &'static str,
    /// The types in it.
    kinds: &'static [&'static str],
    /// Which of them.
    takes: fn(&Value) -> bool,
    /// Of several with one code the newest alone.
    pub(super) newest: bool,
}

impl Section {
    /// What stands in it, the newest first; and whether that is all of what there is at hand.
    pub(super) fn entries<'a>(&self, material: &Material<'a>) -> (Vec<&'a Value>, bool) {
        let mine = material.resources.iter();
        let mut mine: Vec<&Value> = mine.filter(|resource| self.holds(resource)).collect();
        mine.sort_by_cached_key(|resource| Reverse(moment(resource)));
        if self.newest {
            let mut seen = HashSet::new();
            mine.retain(|resource| seen.insert(key(resource)));
        }
        let max = match self.required {
            true => REQUIRED_ENTRIES_MAX,
            false => ENTRIES_MAX,
        };
        let whole = mine.len() <= max;
        mine.truncate(max);
        (mine, whole)
    }

    /// Whether a resource belongs in it.
    pub(super) fn holds(&self, resource: &Value) -> bool {
        self.kinds.contains(&text(resource, "/resourceType"))
            && !is_error(resource)
            && (self.takes)(resource)
    }

    /// Whether it is made of one of these types.
    pub(super) fn is_of(&self, kinds: &[String]) -> bool {
        kinds.iter().any(|kind| self.kinds.contains(&kind.as_str()))
    }
}

const NOTHING: &str = "There is no information.";

/// All sections, in the order of the guide.
pub(super) const SECTIONS: [Section; 14] = [
    Section {
        code: "11450-4",
        display: "Problem list - Reported",
        title: "Problems",
        required: true,
        nothing: "There is no information about problems.",
        kinds: &["Condition"],
        takes: |one| !is_past(one),
        newest: false,
    },
    Section {
        code: "48765-2",
        display: "Allergies and adverse reactions Document",
        title: "Allergies and intolerances",
        required: true,
        nothing: "There is no information about allergies and intolerances.",
        kinds: &["AllergyIntolerance"],
        takes: |one| !is_past(one),
        newest: false,
    },
    Section {
        code: "10160-0",
        display: "History of Medication use Narrative",
        title: "Medication",
        required: true,
        nothing: "There is no information about medication.",
        kinds: &["MedicationRequest", "MedicationStatement"],
        takes: |one| {
            const NOW: [&str; 5] = ["active", "intended", "on-hold", "unknown", "draft"];
            NOW.contains(&text(one, "/status")) && text(one, "/intent") != "proposal"
        },
        newest: false,
    },
    Section {
        code: "11369-6",
        display: "History of Immunization note",
        title: "Immunizations",
        required: false,
        nothing: NOTHING,
        kinds: &["Immunization"],
        takes: |one| text(one, "/status") == "completed",
        newest: false,
    },
    Section {
        code: "30954-2",
        display: "Relevant diagnostic tests/laboratory data note",
        title: "Results",
        required: false,
        nothing: NOTHING,
        kinds: &["DiagnosticReport", "Observation"],
        takes: |one| {
            const KINDS: [&str; 6] = ["laboratory", "imaging", "LAB", "RAD", "PATH", "exam"];
            is_settled(one) && KINDS.iter().any(|kind| has_category(one, kind))
        },
        newest: true,
    },
    Section {
        code: "47519-4",
        display: "History of Procedures Document",
        title: "Procedures",
        required: false,
        nothing: NOTHING,
        kinds: &["Procedure"],
        takes: |one| {
            matches!(
                text(one, "/status"),
                "completed" | "in-progress" | "unknown"
            )
        },
        newest: false,
    },
    Section {
        code: "46264-8",
        display: "History of medical device use",
        title: "Medical devices",
        required: false,
        nothing: NOTHING,
        kinds: &["DeviceUseStatement"],
        takes: |one| matches!(text(one, "/status"), "active" | "completed" | "on-hold"),
        newest: false,
    },
    Section {
        code: "42348-3",
        display: "Advance healthcare directives",
        title: "Advance directives",
        required: false,
        nothing: NOTHING,
        kinds: &["Consent"],
        takes: |one| {
            text(one, "/status") == "active"
                && has_code(one, "/category", &["acd", "42348-3", "dnr"])
        },
        newest: false,
    },
    Section {
        code: "104605-1",
        display: "Alert",
        title: "Alerts",
        required: false,
        nothing: NOTHING,
        kinds: &["Flag"],
        takes: |one| text(one, "/status") == "active",
        newest: false,
    },
    Section {
        code: "47420-5",
        display: "Functional status assessment note",
        title: "Functional status",
        required: false,
        nothing: NOTHING,
        kinds: &["ClinicalImpression"],
        takes: |one| text(one, "/status") == "completed",
        newest: true,
    },
    Section {
        code: "11348-0",
        display: "History of Past illness note",
        title: "Past problems",
        required: false,
        nothing: NOTHING,
        kinds: &["Condition"],
        takes: is_past,
        newest: false,
    },
    Section {
        code: "18776-5",
        display: "Plan of care note",
        title: "Plan of care",
        required: false,
        nothing: NOTHING,
        kinds: &["CarePlan"],
        takes: |one| matches!(text(one, "/status"), "active" | "on-hold"),
        newest: false,
    },
    Section {
        code: "29762-2",
        display: "Social history note",
        title: "Social history",
        required: false,
        nothing: NOTHING,
        kinds: &["Observation"],
        takes: |one| is_settled(one) && has_category(one, "social-history"),
        newest: true,
    },
    Section {
        code: "8716-3",
        display: "Vital signs note",
        title: "Vital signs",
        required: false,
        nothing: NOTHING,
        kinds: &["Observation"],
        takes: |one| is_settled(one) && has_category(one, "vital-signs"),
        newest: true,
    },
];

/// The text at a JSON pointer, or nothing.
pub(super) fn text<'v>(resource: &'v Value, path: &str) -> &'v str {
    resource
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Entered by mistake, or known not to be so.
fn is_error(resource: &Value) -> bool {
    let verified = resource.get("verificationStatus");
    let verified = verified.map_or("", first_code);
    text(resource, "/status") == "entered-in-error"
        || matches!(verified, "entered-in-error" | "refuted")
}

/// A problem or allergy that is over.
fn is_past(resource: &Value) -> bool {
    let status = resource.get("clinicalStatus").map_or("", first_code);
    matches!(status, "inactive" | "remission" | "resolved")
}

/// A result that stands.
fn is_settled(resource: &Value) -> bool {
    matches!(text(resource, "/status"), "final" | "amended" | "corrected")
}

fn first_code(concept: &Value) -> &str {
    text(concept, "/coding/0/code")
}

fn has_category(resource: &Value, code: &str) -> bool {
    has_code(resource, "/category", &[code])
}

/// Whether the concepts at a pointer have one of these codes, of whatever system.
fn has_code(resource: &Value, path: &str, codes: &[&str]) -> bool {
    let concepts = match resource.pointer(path) {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let codings = concepts
        .iter()
        .filter_map(|concept| concept.get("coding")?.as_array());
    codings
        .flatten()
        .any(|coding| codes.contains(&text(coding, "/code")))
}

/// What makes two results results of the same.
pub(super) fn key(resource: &Value) -> String {
    let coding = resource.pointer("/code/coding/0");
    let coding =
        coding.map(|coding| format!("{}|{}", text(coding, "/system"), text(coding, "/code")));
    let kind = text(resource, "/resourceType");
    format!(
        "{kind} {}",
        coding.unwrap_or_else(|| text(resource, "/code/text").to_owned())
    )
}

/// Where it says when it was so, the best first.
pub(super) const MOMENTS: [&str; 16] = [
    "/effectiveDateTime",
    "/effectivePeriod/start",
    "/effectiveInstant",
    "/onsetDateTime",
    "/onsetPeriod/start",
    "/performedDateTime",
    "/performedPeriod/start",
    "/occurrenceDateTime",
    "/authoredOn",
    "/timingDateTime",
    "/period/start",
    "/recordedDate",
    "/recordedOn",
    "/issued",
    "/dateTime",
    "/date",
];

/// When it was so, in milliseconds since 1970; what says nothing comes last.
pub(super) fn moment(resource: &Value) -> i64 {
    let said = MOMENTS.iter().map(|path| text(resource, path));
    said.filter_map(span_of)
        .next()
        .map_or(i64::MIN, |span| span.lo_ms)
}
