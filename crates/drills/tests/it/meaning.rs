//! What the hospital sends is what Salus is made to understand: its messages are read without a
//! complaint, its bundles are valid FHIR R4, and both mean the same patients.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use drills::hospital::{AUTHORITY, AUTHORITY_SYSTEM, Hospital, Item, Via};
use event::Time;
use wire::fhir;
use wire::hl7;
use wire::v2::{Reading, Sender, maps, read};

const START: Time = Time::from_millis(1_772_409_600_000);

fn items() -> Vec<Item> {
    let mut hospital = Hospital::new(21, START);
    let mut items = hospital.opening();
    items.extend(hospital.live().take(3_000));
    items
}

fn reading(message: &[u8]) -> Reading {
    let id = |kind: &str, system: &str, value: &str| identify(&format!("{kind} {system} {value}"));
    read(
        message,
        &Sender {
            zone: "UTC",
            charset: "",
            authority: AUTHORITY,
            id: &id,
        },
    )
}

/// An id as FHIR wants it.
fn identify(name: &str) -> String {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn messages(items: &[Item]) -> impl Iterator<Item = (&'static str, &[u8])> {
    items.iter().filter_map(|item| match &item.via {
        Via::Hl7 { feed, message } => Some((*feed, message.as_slice())),
        Via::Fhir { .. } => None,
    })
}

fn bundles(items: &[Item]) -> impl Iterator<Item = &[u8]> {
    items.iter().filter_map(|item| match &item.via {
        Via::Fhir { bundle, .. } => Some(bundle.as_slice()),
        Via::Hl7 { .. } => None,
    })
}

#[test]
fn only_the_broken_messages_are_complained_about() {
    let items = items();
    let (mut mapped, mut broken) = (0, 0);
    for (_, message) in messages(&items) {
        let text = String::from_utf8_lossy(message);
        let parsed = hl7::parse(message, "");
        if !message.starts_with(b"MSH") {
            broken += 1;
            assert!(parsed.message.fault().is_some(), "{text}");
            continue;
        }
        assert!(parsed.message.fault().is_none(), "{text}");
        let reading = reading(message);
        assert_eq!(reading.complaints, Vec::<String>::new(), "{text}");
        assert!(maps(&reading.kind), "{text}");
        mapped += 1;
        assert!(reading.patient.is_some(), "{text}");
        assert!(
            reading.merge.is_some() || !reading.drafts.is_empty(),
            "{text}"
        );
    }
    assert!(mapped > 1_000 && broken > 0, "{mapped} {broken}");
}

#[test]
fn what_is_mapped_is_valid() {
    let items = items();
    for (_, message) in messages(&items).take(800) {
        for draft in reading(message).drafts {
            let resource = serde_json::Value::Object(wire::v2::merged(None, &draft));
            let wrong = fhir::check(&resource);
            assert!(
                wrong.is_empty(),
                "{wrong:?} in {}",
                String::from_utf8_lossy(message)
            );
        }
    }
}

#[test]
fn bundles_are_valid() {
    let items = items();
    let limits = fhir::Limits::default();
    let mut kinds = BTreeSet::new();
    for bytes in bundles(&items) {
        let bundle = fhir::parse(bytes, &limits).unwrap();
        let wrong = fhir::check(&bundle);
        assert!(
            wrong.is_empty(),
            "{wrong:?} in {}",
            String::from_utf8_lossy(bytes)
        );
        for entry in bundle["entry"].as_array().unwrap() {
            kinds.insert(
                entry["resource"]["resourceType"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
    let wanted = [
        "AllergyIntolerance",
        "Condition",
        "MedicationAdministration",
        "MedicationRequest",
        "Observation",
    ];
    assert_eq!(kinds, wanted.map(str::to_owned).into());
}

#[test]
fn bundles_name_patients_as_messages_do() {
    let items = items();
    let mut known = BTreeSet::new();
    for item in &items {
        match &item.via {
            Via::Hl7 { message, .. } => known.extend(reading(message).patient),
            Via::Fhir { bundle, .. } => {
                let text = std::str::from_utf8(bundle).unwrap();
                let mark = format!("Patient?identifier={AUTHORITY_SYSTEM}|");
                for named in text.split(&mark).skip(1) {
                    let mrn = named.split('"').next().unwrap();
                    let id = identify(&format!("Patient {AUTHORITY_SYSTEM} {mrn}"));
                    assert!(known.contains(&id), "{mrn} was never announced");
                }
            }
        }
    }
}
