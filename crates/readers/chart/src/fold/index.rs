//! Under which values a version can be found without reading it. Only what selects few.

use serde_json::Value;
use wire::fhir::TermValue;

use crate::hash;

/// Parameters whose values are indexed for every type that has them.
pub(crate) const INDEXED: [&str; 4] = ["identifier", "code", "encounter", "birthdate"];
/// Parameters that name a patient. What they name is found by the patient the resource was
/// recorded for; the index has only what differs from that.
pub(crate) const OF_PATIENT: [&str; 3] = ["patient", "subject", "beneficiary"];
/// Parameters that name who holds a role: what somebody belongs to is found by it.
const OF_ROLE: [(&str, &str); 1] = [("PractitionerRole", "practitioner")];
/// Parameters that name an order: what was written for an order that is known by another number from
/// now on is found by it.
pub(crate) const OF_ORDER: [(&str, &str); 8] = [
    ("DiagnosticReport", "based-on"),
    ("MedicationAdministration", "request"),
    ("MedicationDispense", "prescription"),
    ("MedicationRequest", "based-on"),
    ("Observation", "based-on"),
    ("Procedure", "based-on"),
    ("ServiceRequest", "based-on"),
    ("Task", "focus"),
];
/// Types whose names are indexed by word.
pub(crate) const NAMED: [&str; 2] = ["Patient", "Practitioner"];
/// Parameters that search a name.
pub(crate) const NAMES: [&str; 4] = ["name", "family", "given", "mothersMaidenName"];
/// Under which the systems of patients' identifiers are indexed; no search parameter.
pub(crate) const DOMAIN: &str = "identifier system";
/// The parameter whose day stands in the version's row: it selects too many to be looked for by, and leaves out
/// what need not be read.
pub(crate) const DATE: &str = "date";
/// Under which a code is indexed together with that day, since many have the code and few of them that day; no
/// search parameter.
const CODE_OF_DAY: &str = "code and day";
/// The parameter of such codes.
const CODE: &str = "code";
/// One day in milliseconds.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// The numbers and words of one version.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) keys: Vec<i64>,
    pub(super) words: Vec<String>,
    /// The day, counted from 1970 in UTC, within which all lies that the search parameter `date` finds; 0: there
    /// is no such day.
    pub(super) day: i64,
}

/// Whether a resource names the patient it was recorded for, and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// It does: a message made it of one piece.
    Own,
    /// It may name somebody else.
    Anybody,
}

/// The parameters by which a resource of this type is indexed.
pub(super) fn wanted(kind: &str, names: Names) -> Vec<&'static str> {
    let mut wanted: Vec<&str> = Vec::with_capacity(10);
    wanted.extend(INDEXED);
    wanted.push(DATE);
    if names == Names::Anybody {
        wanted.extend(OF_PATIENT);
    }
    let of_some = OF_ROLE.iter().chain(&OF_ORDER);
    wanted.extend(
        of_some
            .filter(|(of, _)| *of == kind)
            .map(|(_, param)| param),
    );
    if NAMED.contains(&kind) {
        wanted.extend(NAMES);
    }
    wanted
}

/// What to index of a resource that was recorded for `patient`.
pub(super) fn of(kind: &str, resource: &Value, (patient, names): (Option<&str>, Names)) -> Found {
    let wanted = wanted(kind, names);
    let mut found = Found::default();
    found.keys.extend(doses_of(kind, resource));
    let (mut days, mut codes) = (Vec::new(), Vec::new());
    for term in wire::fhir::search::terms_of(resource, &wanted) {
        match term.value {
            TermValue::Token { system, code } if !code.is_empty() => {
                found.keys.push(hash::key(kind, term.param, &code));
                if term.param == CODE {
                    codes.push(code.clone());
                }
                // Which systems there are is asked for patients alone.
                let system = system.filter(|_| kind == "Patient" && term.param == "identifier");
                let key = |system: String| hash::key(kind, DOMAIN, &system);
                found.keys.extend(system.map(key));
            }
            TermValue::Reference(to) => {
                found.keys.extend(reference(kind, term.param, &to, patient));
            }
            TermValue::Span { lo_ms, hi_ms } if term.param == DATE => {
                days.push(days_of(lo_ms, hi_ms));
            }
            TermValue::Span { lo_ms, hi_ms } if hi_ms.checked_sub(lo_ms) == Some(DAY_MS) => {
                found
                    .keys
                    .push(hash::key(kind, term.param, &lo_ms.to_string()));
            }
            TermValue::Text(text) if NAMES.contains(&term.param) => {
                found.words.extend(words(&text));
            }
            _ => {}
        }
    }
    found.day = match days.as_slice() {
        [(first, last)] if first == last => *first,
        _ => 0,
    };
    let codes = codes
        .iter()
        .map(|code| of_day(kind, (code.as_str(), found.day)));
    found.keys.extend(codes);
    found.keys.sort_unstable();
    found.keys.dedup();
    found.words.sort_unstable();
    found.words.dedup();
    found
}

/// The number of a code and a day; with day 0, of a code where there is no such day.
pub(crate) fn of_day(kind: &str, (code, day): (&str, i64)) -> i64 {
    hash::key(kind, CODE_OF_DAY, &format!("{day} {code}"))
}

/// Of a dose to give, the order that it is for: R4 has no search parameter for that.
fn doses_of(kind: &str, resource: &Value) -> Vec<i64> {
    let of = (kind == "MedicationRequest").then(|| resource.get("basedOn")?.as_array());
    let orders = of.flatten().into_iter().flatten();
    let to = orders.filter_map(|one| one.get("reference")?.as_str());
    to.map(|to| hash::key(kind, "based-on", last(to))).collect()
}

/// The first and the last day of a time, counted from 1970 in UTC.
pub(crate) const fn days_of(lo_ms: i64, hi_ms: i64) -> (i64, i64) {
    let last_ms = hi_ms.saturating_sub(1);
    (lo_ms.div_euclid(DAY_MS), last_ms.div_euclid(DAY_MS))
}

fn reference(kind: &str, param: &str, to: &str, patient: Option<&str>) -> Option<i64> {
    let id = last(to);
    if OF_PATIENT.contains(&param) && patient == Some(id) {
        return None;
    }
    Some(hash::key(kind, param, id))
}

/// The id at the end of a reference.
pub(crate) fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// The words of a folded name: as blanks divide it, and as everything that is no letter does, so
/// that `muller-ludenscheidt` is found by each of its halves and as a whole.
pub(crate) fn words(folded: &str) -> impl Iterator<Item = String> {
    let whole = folded.split(' ');
    let parts = folded.split(|c: char| !c.is_alphanumeric());
    whole
        .chain(parts)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
}
