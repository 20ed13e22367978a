//! HL7 v2 read as FHIR: one sample for each trigger against its golden reading, the corpus in the
//! shared data folder, and arbitrary bytes.
//!
//! To write the golden files anew: `SALUS_GOLDEN=write cargo test -p wire --test v2`, and then read
//! what `git diff` says.

#![expect(
    clippy::unwrap_used,
    reason = "what helps a test may fail as the test does"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use wire::v2::{self, Draft, Mode, Reading, Sender};
use wire::{fhir, hl7};

/// A readable stand-in for the keyed hash that makes ids in the house (FNV-1a).
fn id(kind: &str, system: &str, value: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in format!("{kind}\u{1f}{system}\u{1f}{value}").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{}-{hash:016x}", kind.to_lowercase())
}

fn read(raw: &[u8]) -> Reading {
    let sender = Sender {
        zone: "Europe/Berlin",
        charset: "UNICODE UTF-8",
        authority: "STELLA",
        id: &id,
    };
    v2::read(raw, &sender)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(root().join("demo/hl7").join(name)).unwrap()
}

/// The HL7 messages of the shared data folder; none if it is not there.
fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let data = std::env::var_os("SALUS_SHARED_DATA")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let mut found = Vec::new();
    let mut folders = vec![data.join("hl7")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "hl7") {
                let bytes = fs::read(&path).unwrap();
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    found
}

fn apply(chart: &mut BTreeMap<String, Map<String, Value>>, reading: &Reading) {
    for draft in &reading.drafts {
        let key = format!("{}/{}", draft.kind, draft.id);
        let merged = v2::merged(chart.get(&key), draft);
        chart.insert(key, merged);
    }
}

fn one<'r>(reading: &'r Reading, kind: &str) -> &'r Draft {
    reading
        .drafts
        .iter()
        .find(|draft| draft.kind == kind)
        .unwrap()
}

/// What is wrong with a draft laid upon nothing.
fn faults(draft: &Draft) -> Vec<String> {
    let resource = Value::Object(v2::merged(None, draft));
    let mut faults: Vec<String> = fhir::check(&resource)
        .into_iter()
        .filter(|issue| issue.severity == fhir::Severity::Error)
        .map(|issue| format!("{}: {}", issue.path, issue.words))
        .collect();
    if resource.to_string().contains('\u{fffd}') {
        faults.push("holds U+FFFD".into());
    }
    faults
}

fn golden(reading: &Reading) -> Value {
    let draft = |draft: &Draft| {
        json!({
            "mode": format!("{:?}", draft.mode),
            "patient": draft.patient,
            "clears": draft.clears,
            "otherwise": draft.otherwise,
            "json": draft.json,
        })
    };
    json!({
        "kind": reading.kind,
        "patient": reading.patient,
        "merge": reading.merge.as_ref().map(|merge| [&merge.survivor, &merge.retired]),
        "drafts": reading.drafts.iter().map(draft).collect::<Vec<_>>(),
        "complaints": reading.complaints,
    })
}

/// Every kind has a sample; of events that are read as one the first.
const KINDS: &[&str] = &[
    "ADT^A01", "ADT^A02", "ADT^A03", "ADT^A04", "ADT^A05", "ADT^A06", "ADT^A07", "ADT^A08",
    "ADT^A09", "ADT^A10", "ADT^A11", "ADT^A12", "ADT^A13", "ADT^A15", "ADT^A17", "ADT^A18",
    "ADT^A20", "ADT^A21", "ADT^A22", "ADT^A23", "ADT^A24", "ADT^A26", "ADT^A27", "ADT^A28",
    "ADT^A29", "ADT^A31", "ADT^A34", "ADT^A35", "ADT^A36", "ADT^A37", "ADT^A38", "ADT^A40",
    "ADT^A44", "ADT^A45", "ADT^A47", "ADT^A50", "ADT^A60", "ADT^A61", "BAR^P01", "BAR^P06",
    "DFT^P03", "MDM^T01", "MDM^T02", "MDM^T05", "MDM^T06", "MDM^T09", "MDM^T11", "MFN^M02",
    "MFN^M05", "OML^O21", "OMP^O09", "ORM^O01", "ORR^O02", "ORU^R01", "PPR^PC1", "PPR^PC3",
    "RAS^O17", "RDE^O11", "RDS^O13", "RGV^O15", "SIU^S12", "SIU^S13", "SIU^S14", "SIU^S15",
    "SIU^S16", "SIU^S17", "SIU^S26", "VXU^V04",
];

#[test]
fn samples_read_as_they_did() {
    let mut names: Vec<String> = fs::read_dir(root().join("demo/hl7"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".hl7"))
        .collect();
    names.sort();
    let mut kinds: Vec<String> = Vec::new();
    for name in &names {
        let reading = read(&sample(name));
        for draft in &reading.drafts {
            assert_eq!(
                faults(draft),
                Vec::<String>::new(),
                "{name}: {:#?}",
                draft.json
            );
        }
        let found = golden(&reading);
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(name.replace(".hl7", ".json"));
        if std::env::var_os("SALUS_GOLDEN").is_some() {
            fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        }
        let expected: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(found, expected, "{name}");
        kinds.push(reading.kind);
    }
    for kind in KINDS {
        assert!(kinds.iter().any(|one| one == kind), "a sample for {kind}");
    }
}

#[test]
fn the_corpus_maps_to_valid_resources() {
    let (mut mapped, mut nobody, mut bad) = (0, Vec::new(), Vec::new());
    for (path, bytes) in corpus() {
        let reading = read(&bytes);
        if !v2::maps(&reading.kind) {
            assert!(reading.drafts.is_empty());
            continue;
        }
        mapped += 1;
        for draft in &reading.drafts {
            for fault in faults(draft) {
                bad.push(format!("{path:?}: {}: {fault}", draft.id));
            }
        }
        if reading.drafts.is_empty() {
            nobody.push((path, reading.complaints));
        }
        assert_eq!(read(&bytes), read(&bytes));
    }
    assert!(bad.is_empty(), "{bad:#?}");
    // Those that name no patient, or two: nothing may be put in a chart, and it is said why.
    for (path, complaints) in &nobody {
        let said = complaints.iter().any(|words| {
            [
                "nobody",
                "second patient",
                "no PID",
                "two patients",
                "names no",
                "there is no",
            ]
            .iter()
            .any(|why| words.contains(why))
        });
        assert!(said, "{path:?}: {complaints:?}");
    }
    assert!(mapped == 0 || mapped > 150, "{mapped}");
    // Those are fragments without a patient; every other message of a kind that is mapped is.
    assert!(
        mapped == 0 || mapped - nobody.len() > 130,
        "{} of {mapped}",
        nobody.len()
    );
}

#[test]
fn sent_again_nothing_changes() {
    for (path, bytes) in corpus() {
        let reading = read(&bytes);
        let mut chart = BTreeMap::new();
        apply(&mut chart, &reading);
        let before = chart.clone();
        apply(&mut chart, &reading);
        assert_eq!(chart, before, "{path:?}");
    }
}

#[test]
fn a_stay_from_bed_to_bed_and_home() {
    let mut chart = BTreeMap::new();
    let mut status = Vec::new();
    let mut beds = Vec::new();
    for name in [
        "adt-a01-admit",
        "adt-a02-transfer",
        "adt-a12-cancel-transfer",
        "adt-a08-update",
        "adt-a03-discharge",
        "adt-a13-cancel-discharge",
        "adt-a11-cancel-admit",
    ] {
        let reading = read(&sample(&format!("{name}.hl7")));
        apply(&mut chart, &reading);
        let encounter = chart
            .values()
            .find(|map| map["resourceType"] == "Encounter")
            .unwrap();
        status.push(encounter["status"].as_str().unwrap().to_owned());
        let place = v2::place(encounter).unwrap();
        beds.push(format!("{} {}", place.ward.unwrap(), place.bed.unwrap()));
        let has_end = encounter["period"].get("end").is_some();
        assert_eq!(has_end, name == "adt-a03-discharge", "{name}");
    }
    let expected = [
        "in-progress",
        "in-progress",
        "in-progress",
        "in-progress",
        "finished",
        "in-progress",
        "cancelled",
    ];
    assert_eq!(status, expected);
    assert_eq!(
        beds,
        ["3W 2", "ICU 1", "3W 2", "3W 2", "3W 2", "3W 2", "3W 2"]
    );
    let encounters = chart
        .keys()
        .filter(|key| key.starts_with("Encounter/"))
        .count();
    assert_eq!(encounters, 1);
}

#[test]
fn quotes_clear_and_nothing_leaves_alone() {
    let mut chart = BTreeMap::new();
    apply(&mut chart, &read(&sample("adt-a01-admit.hl7")));
    apply(&mut chart, &read(&sample("adt-a08-update.hl7")));
    let patient = chart
        .values()
        .find(|map| map["resourceType"] == "Patient")
        .unwrap();
    assert_eq!(patient["name"][0]["family"], "Quist-Lund");
    assert_eq!(patient["address"][0]["city"], "Rosenau");
    assert_eq!(patient["gender"], "female");
    // PID-13 was cleared, PID-14 was not spoken of.
    let telecom = patient["telecom"].as_array().unwrap();
    assert_eq!(telecom.len(), 1);
    assert_eq!(telecom[0]["use"], "work");
    assert_eq!(
        patient["communication"][0]["language"]["coding"][0]["code"],
        "de"
    );
    let encounter = chart
        .values()
        .find(|map| map["resourceType"] == "Encounter")
        .unwrap();
    let roles: Vec<&str> = encounter["participant"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["type"][0]["coding"][0]["code"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["ATND", "REF", "ADM"]);
    assert_eq!(encounter["period"]["start"], "2025-03-06T08:15:00+01:00");
}

#[test]
fn a_merge_is_idempotent_and_can_be_taken_back() {
    let before = read(&sample("adt-a01-admit.hl7"));
    let reading = read(&sample("adt-a40-merge.hl7"));
    let merge = reading.merge.clone().unwrap();
    assert_eq!(before.patient.as_deref(), Some(merge.survivor.as_str()));
    let mut chart = BTreeMap::new();
    apply(&mut chart, &before);
    let alone = chart[&format!("Patient/{}", merge.survivor)].clone();
    apply(&mut chart, &reading);
    let once = chart.clone();
    apply(&mut chart, &reading);
    assert_eq!(chart, once);
    let retired = &chart[&format!("Patient/{}", merge.retired)];
    assert_eq!(retired["active"], false);
    assert_eq!(retired["link"][0]["type"], "replaced-by");
    let back = v2::unmerged(retired, &merge.survivor);
    assert_eq!((&back["active"], back.get("link")), (&json!(true), None));
    let survivor = &chart[&format!("Patient/{}", merge.survivor)];
    assert_eq!(
        v2::unmerged(survivor, &merge.retired).keys().count(),
        alone.keys().count()
    );
}

#[test]
fn the_id_rule_is_the_same_for_everyone() {
    let bytes = sample("oru-r01-latin1.hl7");
    let parsed = hl7::parse(&bytes, "");
    let (system, value) = v2::patient_identifier(&parsed.message, "STELLA").unwrap();
    assert_eq!(
        (system.as_str(), value.as_str()),
        ("urn:oid:1.2.276.0.76.4.999", "400555")
    );
    assert_eq!(read(&bytes).patient, Some(id("Patient", &system, &value)));
    for (pid3, expected) in [
        ("1^^^USA^SS~2^^^HOSP^MR", ("urn:salus:authority:HOSP", "2")),
        ("7", ("urn:salus:authority:STELLA", "7")),
        ("7^^^A B&x.example&DNS", ("urn:salus:authority:A%20B", "7")),
        ("^^^HOSP^MR~9^^^HOSP^PI", ("urn:salus:authority:HOSP", "9")),
    ] {
        let raw = format!("MSH|^~\\&|A|B|||20250101||ADT^A08|1|P|2.5\rPID|||{pid3}\r");
        let parsed = hl7::parse(raw.as_bytes(), "");
        let found = v2::patient_identifier(&parsed.message, "STELLA").unwrap();
        assert_eq!((found.0.as_str(), found.1.as_str()), expected, "{pid3}");
    }
}

#[test]
fn letters_survive_and_what_has_no_meaning_is_left_out() {
    let reading = read(&sample("oru-r01-latin1.hl7"));
    assert_eq!(one(&reading, "Patient").json["name"][0]["family"], "MÜLLER");
    let raw =
        b"MSH|^~\\&|A|B|||20250101||ADT^A08|1|P|2.5||||||UNICODE UTF-8\rPID|||7||M\xDCLLER^Jan";
    let reading = read(raw);
    let name = &one(&reading, "Patient").json["name"][0];
    assert_eq!(name, &json!({"given": ["Jan"]}));
    assert!(
        reading
            .complaints
            .iter()
            .any(|words| words.starts_with("PID-5"))
    );
}

#[test]
fn a_correction_supersedes_and_a_deletion_keeps_the_value() {
    let message = |status: &str, value: &str| {
        format!(
            "MSH|^~\\&|L|B|||20250101||ORU^R01|1|P|2.5\rPID|||7\r\
             OBR|1||F1^L|GLU^Glucose^99L|||20250101080000||||||||||||||||||F\r\
             OBX|1|NM|GLU^Glucose^99L||{value}|mmol/L|||||{status}\r"
        )
    };
    let mut chart = BTreeMap::new();
    let state = |chart: &mut BTreeMap<_, _>, status, value| {
        apply(chart, &read(message(status, value).as_bytes()));
        let found: Vec<&Map<String, Value>> = chart
            .values()
            .filter(|map: &&Map<_, _>| map["resourceType"] == "Observation")
            .collect();
        assert_eq!(found.len(), 1);
        let value = found[0]
            .get("valueQuantity")
            .map(|value| value["value"].to_string());
        (found[0]["status"].as_str().unwrap().to_owned(), value)
    };
    assert_eq!(
        state(&mut chart, "P", "5.10"),
        ("preliminary".into(), Some("5.10".into()))
    );
    assert_eq!(
        state(&mut chart, "U", ""),
        ("final".into(), Some("5.10".into()))
    );
    assert_eq!(
        state(&mut chart, "C", "6.2"),
        ("corrected".into(), Some("6.2".into()))
    );
    assert_eq!(
        state(&mut chart, "W", ""),
        ("entered-in-error".into(), Some("6.2".into()))
    );
    assert_eq!(state(&mut chart, "X", ""), ("cancelled".into(), None));
    assert_eq!(
        state(&mut chart, "Q", "1"),
        ("unknown".into(), Some("1".into()))
    );
}

#[test]
fn lines_that_nothing_tells_apart_are_not_lost() {
    let raw = b"MSH|^~\\&|L|B|||20250101||ORU^R01|1|P|2.3\rPID|||7\rOBR|1||F1|RAD^Chest^L\r\
        OBX|1|TX|RAD^Chest^L||line one\rOBX|2|TX|RAD^Chest^L||line two\rOBX|3|TX|RAD^Chest^L||line one";
    let reading = read(raw);
    let count = reading
        .drafts
        .iter()
        .filter(|draft| draft.kind == "Observation")
        .count();
    assert_eq!(count, 3);
    let result = &one(&reading, "DiagnosticReport").json["result"];
    assert_eq!(result.as_array().unwrap().len(), 3);
}

#[test]
fn results_do_not_change_who_somebody_is() {
    let mut chart = BTreeMap::new();
    apply(&mut chart, &read(&sample("adt-a08-update.hl7")));
    apply(&mut chart, &read(&sample("oru-r01-chemistry.hl7")));
    let patient = chart
        .values()
        .find(|map| map["resourceType"] == "Patient")
        .unwrap();
    assert_eq!(patient["name"][0]["family"], "Quist-Lund");
    let reading = read(&sample("oru-r01-chemistry.hl7"));
    assert_eq!(one(&reading, "Patient").mode, Mode::Fill);
    // The sodium has no time of its own, so it has the order's.
    let sodium = reading
        .drafts
        .iter()
        .find(|draft| {
            draft.json["resourceType"] == "Observation"
                && draft.json["code"]["coding"][0]["code"] == "2951-2"
        })
        .unwrap();
    assert_eq!(
        sodium.json["effectiveDateTime"],
        "2025-03-06T09:05:00+01:00"
    );
    assert_eq!(
        sodium.json["referenceRange"][0]["low"]["value"].to_string(),
        "135"
    );
}

#[test]
fn two_messages_run_into_one_are_not_mapped() {
    let mut raw = sample("oru-r01-latin1.hl7");
    raw.extend(sample("oru-r01-chemistry.hl7"));
    let reading = read(&raw);
    assert!(reading.drafts.is_empty() && reading.patient.is_none());
    assert!(
        reading
            .complaints
            .iter()
            .any(|words| words.contains("second patient"))
    );
}

#[test]
fn kinds_that_are_not_mapped_are_read_all_the_same() {
    let reading = read(b"MSH|^~\\&|A|B|||20250101||CRM^C01|1|P|2.5\rPID|||1\r");
    assert_eq!(reading.kind, "CRM^C01");
    assert!(reading.drafts.is_empty() && reading.complaints.is_empty());
    for kind in ["ADT^A40", "SIU^S12", "MDM^T11", "ADT^A62"] {
        assert!(v2::maps(kind), "{kind}");
    }
    for kind in [
        "ADT^A19", "ADT^A57", "ADT^A63", "ADT", "SIU^S99", "CRM^C01", "ADT^Aü",
    ] {
        assert!(!v2::maps(kind), "{kind}");
    }
    assert!(read(b"").drafts.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes);
    }

    #[test]
    fn spoiled_samples_give_valid_resources(
        which in 0usize..1_000,
        spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..12),
    ) {
        let mut names: Vec<_> = fs::read_dir(root().join("demo/hl7")).unwrap()
            .map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let mut bytes = fs::read(&names[which % names.len()]).unwrap();
        for (at, byte, how) in spoils {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"|^~\\&\"\r"[usize::from(byte) % 7]),
                _ => { bytes.remove(at); }
            }
        }
        let reading = read(&bytes);
        prop_assert_eq!(&reading, &read(&bytes));
        for draft in &reading.drafts {
            prop_assert_eq!(faults(draft), Vec::<String>::new(), "{:#?}", draft.json);
            let once = v2::merged(None, draft);
            prop_assert_eq!(v2::merged_late(&once, draft).keys().count(), once.keys().count());
        }
    }
}

/// An executable that is sent as a PDF is kept, and not called one.
#[test]
fn a_document_is_not_shown_as_what_it_is_not() {
    let message = |data: &str| {
        format!(
            "MSH|^~\\&|LAB|HOSP|SALUS|HOSP|20240501120000||ORU^R01|1|P|2.5|||||||UNICODE UTF-8\r\
             PID|1||4711^^^MRN^MR||Doe^Jane\r\
             OBR|1||77^LAB|11502-2^Report^LN|||20240501110000|||||||||||||||20240501115500||LAB|F\r\
             OBX|1|ED|11502-2^Report^LN||LAB^application^pdf^Base64^{data}||||||F\r"
        )
    };
    let told = |data: &str| {
        let reading = read(message(data).as_bytes());
        let drafts: String = reading
            .drafts
            .iter()
            .map(|one| format!("{one:?}"))
            .collect();
        let complaints = format!("{:?}", reading.complaints);
        (drafts, complaints)
    };
    let (drafts, complaints) = told("JVBERi0xLjQK");
    assert!(drafts.contains("application/pdf") && !complaints.contains("contentType"));
    let (drafts, complaints) = told("TVqQAAMAAAAEAAAA");
    assert!(!drafts.contains("application/pdf"), "{drafts}");
    assert!(drafts.contains("application/octet-stream") && drafts.contains("TVqQAAMAAAAEAAAA"));
    assert!(
        complaints.contains("application/x-msdownload"),
        "{complaints}"
    );
}

fn full(name: &str) -> Reading {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/full");
    let raw = fs::read_to_string(path.join(name)).unwrap();
    read(raw.replace('\n', "\r").as_bytes())
}

/// The names that references hold.
fn names(list: &Value) -> Vec<&str> {
    let all = list.as_array().into_iter().flatten();
    all.map(|one| one["display"].as_str().unwrap()).collect()
}

#[test]
fn who_takes_part_stands_where_the_segment_stood() {
    let reading = full("roles.hl7");
    let faults: Vec<String> = reading.drafts.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{faults:?}");
    let patient = &one(&reading, "Patient").json;
    assert_eq!(names(&patient["generalPractitioner"]), ["Ilse Brandt"]);
    let team = &one(&reading, "CareTeam").json;
    assert_eq!(team["subject"], patient_of(&reading));
    let members = team["participant"].as_array().unwrap();
    let named: Vec<&str> = members
        .iter()
        .map(|one| one["member"]["display"].as_str().unwrap())
        .collect();
    assert_eq!(named, ["Jon Holm", "Praxis West", "Vera Brink"]);
    assert_eq!(members[0]["onBehalfOf"]["display"], "Praxis Nord");
    assert_eq!(members[0]["period"]["end"], "2025-12-31");
    assert_eq!(members[1].get("onBehalfOf"), None);
    assert_eq!(members[2]["role"][0]["text"], "case manager");
    let visit = &one(&reading, "Encounter").json;
    let seen: Vec<(&str, &str)> = visit["participant"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let code = one["type"][0]["coding"][0]["code"].as_str().unwrap();
            (code, one["individual"]["display"].as_str().unwrap())
        })
        .collect();
    assert_eq!(seen, [("ATND", "Ruth Falk"), ("CON", "Per Lund")]);
}

fn patient_of(reading: &Reading) -> Value {
    json!({"reference": format!("Patient/{}", reading.patient.as_deref().unwrap())})
}

#[test]
fn who_takes_part_in_a_result_is_said_of_order_report_and_observation() {
    let reading = full("roles-result.hl7");
    let faults: Vec<String> = reading.drafts.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{faults:?}");
    let order = v2::merged(None, one(&reading, "ServiceRequest"));
    assert_eq!(order["requester"]["display"], "Nils Berg");
    let report = &one(&reading, "DiagnosticReport").json;
    assert_eq!(names(&report["resultsInterpreter"]), ["Inge Dahl"]);
    assert_eq!(names(&report["performer"]), ["Olga Vik"]);
    let seen: Vec<&Draft> = reading
        .drafts
        .iter()
        .filter(|draft| draft.kind == "Observation")
        .collect();
    // Who is taken back is not said; the note behind them is still the observation's.
    assert_eq!(names(&seen[0].json["performer"]), ["Kai Aas"]);
    assert_eq!(seen[0].json["note"][0]["text"], "seen twice");
    assert_eq!(seen[0].json["device"]["identifier"]["value"], "D77");
    let place = &seen[0].json["extension"][0];
    assert!(place["url"].as_str().unwrap().ends_with("event-location"));
    assert!(place["valueReference"]["reference"].is_string(), "{place}");
    assert_eq!(names(&seen[1].json["performer"]), ["Lab South"]);
    assert_eq!(report.get("note"), None);
}

#[test]
fn who_is_taken_back_leaves_the_visit() {
    let mut chart = BTreeMap::new();
    apply(&mut chart, &full("roles.hl7"));
    let raw = "MSH|^~\\&|ADT1|STELLA|||20250307||ADT^A08|R3|P|2.7\rEVN||20250307\r\
        PID|||400123^^^STELLA^MR\rPV1||I|3W^301^2||||||||||||||||V1^^^S\r\
        ROL|4|DE|AT^Attending^HL70443|8103^Falk^Ruth^^^^^^STELLA\r";
    apply(&mut chart, &read(raw.as_bytes()));
    let visit = chart
        .values()
        .find(|map| map["resourceType"] == "Encounter");
    let people = visit.unwrap()["participant"].as_array().unwrap();
    assert_eq!(people.len(), 1);
    assert_eq!(people[0]["individual"]["display"], "Per Lund");
}

#[test]
fn an_order_says_by_which_number_of_its_filler_it_goes() {
    let message = |orders: &str| {
        let raw = format!("MSH|^~\\&|A|B|||2025||ORU^R01|1|P|2.5\rPID|||7^^^S^MR\r{orders}");
        read(raw.as_bytes())
    };
    let orders = |reading: &Reading| -> Vec<(String, Vec<String>)> {
        let drafts = reading.drafts.iter();
        let orders = drafts.filter(|draft| draft.kind == "ServiceRequest");
        orders
            .map(|draft| (draft.id.clone(), draft.fillers.clone()))
            .collect()
    };
    let alone = message("OBR|1||F1^L|C|||||||||||||||||||||F\r");
    let [(stand_in, fillers)] = orders(&alone).try_into().unwrap();
    assert_eq!(fillers, std::slice::from_ref(&stand_in));
    let both = message("OBR|1|P1^H|F1^L|C|||||||||||||||||||||F\r");
    let [(order, fillers)] = orders(&both).try_into().unwrap();
    assert_eq!(fillers, [stand_in]);
    assert_ne!(order, fillers[0]);
    // Within a message the one with both numbers says which order the other means.
    let two =
        message("OBR|1|P1^H|F1^L|C|||||||||||||||||||||F\rOBR|2||F1^L|D|||||||||||||||||||||F\r");
    assert_eq!(orders(&two), orders(&both));
    let reports = two
        .drafts
        .iter()
        .filter(|draft| draft.kind == "DiagnosticReport");
    for report in reports {
        let based = &report.json["basedOn"][0]["reference"];
        assert_eq!(*based, format!("ServiceRequest/{order}"));
    }
}
