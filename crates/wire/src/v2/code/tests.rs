//! Our code tables against the concept maps of the guide, row by row. Each row that is not the
//! guide's has an explanation, and each explanation has a row.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::v2::labels::LABELS;

/// The guide's map, and our table.
const MAPS: &[(&str, Rows)] = &[
    ("AdministrativeSex", Rows::Codes(SEX)),
    ("NameType", Rows::Codes(NAME_USE)),
    ("AddressType[Use]", Rows::Codes(ADDRESS_USE)),
    (
        "ObservationResultStatusCodesInterpretation",
        Rows::Codes(OBSERVATION_STATUS),
    ),
    ("ResultStatus[Non-Queries]", Rows::Codes(REPORT_STATUS)),
    (
        "AllergenType[AllergyIntoleranceCategory]",
        Rows::Codes(ALLERGY_CATEGORY),
    ),
    (
        "AllergySeverity[AllergyIntolerance.criticality]",
        Rows::Codes(CRITICALITY),
    ),
    (
        "AllergySeverity[AllergyIntolerance.reaction.severity]",
        Rows::Codes(SEVERITY),
    ),
    ("PatientClass[EncounterStatus]", Rows::Codes(CLASS_STATUS)),
    ("PatientClass[EncounterClass]", Rows::Codings(CLASS)),
    ("MaritalStatus", Rows::Codings(MARITAL_STATUS)),
    ("Relationship", Rows::Codings(RELATIONSHIP)),
    ("OrderStatus", Rows::Codes(ORDER_STATUS)),
    (
        "OrderControlCode[ServiceRequest.status]",
        Rows::Codes(ORDER_CONTROL),
    ),
    (
        "FillerStatusCodes[Appointment]",
        Rows::Codes(APPOINTMENT_STATUS),
    ),
    ("CompletionStatus", Rows::Codes(IMMUNIZED)),
    ("ExtendedPriorityCodes", Rows::Codes(PRIORITY)),
    ("ConfidentialityCode", Rows::Codings(LABELS)),
];

#[derive(Clone, Copy)]
enum Rows {
    Codes(Table),
    Codings(Codings),
}

impl Rows {
    fn all(self) -> BTreeMap<String, String> {
        match self {
            Rows::Codes(table) => table
                .iter()
                .map(|(from, to)| ((*from).into(), (*to).into()))
                .collect(),
            Rows::Codings(table) => table
                .iter()
                .map(|row| (row.0.into(), row.1.into()))
                .collect(),
        }
    }
}

/// The guide's rows that lead somewhere; none if the shared data folder is not there.
fn guide(name: &str) -> BTreeMap<String, String> {
    let data = std::env::var_os("SALUS_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        std::path::PathBuf::from,
    );
    let file =
        format!("hl7/v2-to-fhir-ig/mappings/codesystems/HL7 Concept Map_ {name} - Sheet1.csv");
    let Ok(text) = fs::read_to_string(data.join(file)) else {
        return BTreeMap::new();
    };
    let mut rows = BTreeMap::new();
    for line in text.lines().skip(2) {
        let cells = cells(line);
        let cell = |at: usize| cells.get(at).map(|cell| cell.trim()).unwrap_or_default();
        // The code stands in the seventh column, in some maps behind an empty eighth.
        let (from, to) = (cell(0), cell(6));
        if !from.is_empty() && !to.is_empty() {
            rows.insert(from.to_owned(), to.to_owned());
        }
    }
    rows
}

fn cells(line: &str) -> Vec<String> {
    let (mut found, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match (letter, quoted) {
            ('"', _) => quoted = !quoted,
            (',', false) => found.push(std::mem::take(&mut cell)),
            (letter, _) => cell.push(letter),
        }
    }
    found.push(cell);
    found
}

/// `MAP CODE: why`.
fn explained() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/code-differences.txt");
    let text = fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (row, why) = line.split_once(": ").unwrap();
            assert!(why.len() > 8, "{line}");
            row.to_owned()
        })
        .collect()
}

#[test]
fn each_row_that_is_not_the_guides_is_explained() {
    let mut differences = Vec::new();
    let mut is_there = false;
    for (name, rows) in MAPS.iter().copied() {
        let (guide, ours) = (guide(name), rows.all());
        is_there |= !guide.is_empty();
        for (from, to) in &guide {
            if ours.get(from) != Some(to) {
                differences.push(format!("{name} {from}"));
            }
        }
        let more = ours.keys().filter(|from| !guide.contains_key(*from));
        differences.extend(more.map(|from| format!("{name} {from}")));
    }
    if !is_there {
        return;
    }
    let explained = explained();
    let open: Vec<&String> = differences
        .iter()
        .filter(|row| !explained.contains(row))
        .collect();
    let stale: Vec<&String> = explained
        .iter()
        .filter(|row| !differences.contains(row))
        .collect();
    assert!(
        open.is_empty() && stale.is_empty(),
        "open: {open:#?}\nstale: {stale:#?}"
    );
}

#[test]
fn case_does_not_matter() {
    assert_eq!(look(SEX, "f"), Some("female"));
    assert_eq!(look(SEX, "Q"), None);
}
