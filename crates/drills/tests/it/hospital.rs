//! The hospital as its systems' neighbours see it: bytes, counts, rhythm.

use std::collections::{BTreeMap, BTreeSet};

use drills::hospital::{Hospital, Item, PATIENTS, Via, WARDS};
use event::{Role, Time};
use serde_json::Value;

/// 2026-03-02T00:00:00Z, a Monday.
const START: Time = Time::from_millis(1_772_409_600_000);
const DAY: i64 = 86_400_000;

fn opening(seed: u64) -> Vec<Item> {
    Hospital::new(seed, START).opening()
}

fn days(seed: u64, count: i64) -> Vec<Item> {
    let mut hospital = Hospital::new(seed, START);
    hospital.opening();
    hospital
        .live()
        .take_while(|item| item.at.since(START) < count * DAY)
        .collect()
}

fn kind(item: &Item) -> String {
    match &item.via {
        Via::Fhir { client, .. } => format!("fhir {client}"),
        Via::Hl7 { message, .. } => {
            let text = String::from_utf8_lossy(message);
            let kind = text.split('|').nth(8).unwrap_or_default().to_owned();
            if text.starts_with("MSH") {
                kind
            } else {
                "broken".to_owned()
            }
        }
    }
}

fn tally(items: &[Item]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for item in items {
        *tally.entry(kind(item)).or_default() += 1;
    }
    tally
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(opening(7), opening(7));
    assert_eq!(days(7, 1), days(7, 1));
    assert_ne!(opening(7), opening(8));
}

#[test]
fn everybody_is_in_the_opening_census() {
    let items = opening(1);
    let tally = tally(&items);
    let adt: usize = tally
        .iter()
        .filter(|(kind, _)| kind.starts_with("ADT"))
        .map(|(_, n)| n)
        .sum();
    assert_eq!(adt, PATIENTS, "{tally:?}");
    assert!(tally["ADT^A01^ADT_A01"] >= 150, "{tally:?}");
    assert!(
        tally["ADT^A04^ADT_A01"] >= 10 && tally["ADT^A05^ADT_A05"] == 10,
        "{tally:?}"
    );
    let first_fhir = items
        .iter()
        .position(|item| matches!(item.via, Via::Fhir { .. }))
        .unwrap();
    assert!(
        items[first_fhir..]
            .iter()
            .all(|item| matches!(item.via, Via::Fhir { .. }))
    );
    let text: String = items.iter().map(text).collect();
    for ward in WARDS {
        assert!(
            text.contains(&format!("|{}^101^A^STSALUS", ward.code)),
            "{}",
            ward.code
        );
    }
    for segment in ["NK1|", "AL1|", "DG1|", "IN1|", "PV1|", "PV2|"] {
        assert!(text.contains(segment), "{segment}");
    }
    assert!(!text.is_ascii());
}

fn text(item: &Item) -> String {
    match &item.via {
        Via::Hl7 { message, .. } => String::from_utf8_lossy(message).into_owned(),
        Via::Fhir { bundle, .. } => String::from_utf8_lossy(bundle).into_owned(),
    }
}

#[test]
fn in_some_days_everything_happens() {
    let items = days(3, 10);
    let tally = tally(&items);
    for trigger in [
        "A01", "A02", "A03", "A04", "A05", "A08", "A11", "A12", "A13", "A28", "A31", "A40",
    ] {
        let some = tally
            .iter()
            .any(|(kind, _)| kind.starts_with(&format!("ADT^{trigger}^")));
        assert!(some, "no {trigger} in {tally:?}");
    }
    for other in [
        "ORU^R01^ORU_R01",
        "MDM^T02^MDM_T02",
        "broken",
        "fhir vitals",
        "fhir pharmacy",
    ] {
        assert!(tally.contains_key(other), "no {other} in {tally:?}");
    }
    let all: Vec<String> = items.iter().map(text).collect();
    assert!(
        all.iter().any(|text| text.contains("|||C|||")),
        "no corrected result"
    );
    assert!(
        all.iter().any(|text| text.contains("|HH|")),
        "no critical result"
    );
    assert!(
        all.iter().any(|text| text.contains("8859/1"))
            && all.iter().any(|text| text.contains("UNICODE UTF-8"))
    );
    assert!(all.iter().any(|text| text.contains("OBX|1|CWE|600-7")));
    for wanted in [
        "AllergyIntolerance",
        "Condition",
        "MedicationAdministration",
        "\"method\":\"PUT\"",
        "100822-6",
    ] {
        assert!(all.iter().any(|text| text.contains(wanted)), "{wanted}");
    }
}

#[test]
fn time_never_runs_backwards_and_message_ids_never_repeat() {
    let mut hospital = Hospital::new(5, START);
    let mut items = hospital.opening();
    items.extend(hospital.live().take(8_000));
    assert!(items.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let ids: Vec<String> = items
        .iter()
        .filter(|item| kind(item) != "broken")
        .map(|item| match &item.via {
            Via::Hl7 { message, .. } => String::from_utf8_lossy(message)
                .split('|')
                .nth(9)
                .unwrap()
                .to_owned(),
            Via::Fhir { bundle, .. } => {
                let bundle: Value = serde_json::from_slice(bundle).unwrap();
                bundle["identifier"]["value"].as_str().unwrap().to_owned()
            }
        })
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[test]
fn nights_are_quiet_and_the_laboratory_is_busy_at_dawn() {
    let items = days(11, 3);
    let mut by_hour = [0_usize; 24];
    let mut results = [0_usize; 24];
    for item in &items {
        let hour = usize::try_from(item.at.since(START) / 3_600_000 % 24).unwrap();
        by_hour[hour] += 1;
        if kind(item).starts_with("ORU") {
            results[hour] += 1;
        }
    }
    let night: usize = by_hour[0..4].iter().sum();
    let day: usize = by_hour[9..13].iter().sum();
    assert!(night * 3 < day, "{by_hour:?}");
    let dawn: usize = results[5..8].iter().sum();
    let noon: usize = results[12..15].iter().sum();
    assert!(dawn > noon * 2, "{results:?}");
}

#[test]
fn the_house_neither_empties_nor_overflows() {
    let mut inside = BTreeMap::new();
    let items = [opening(2), days(2, 5)].concat();
    let mut most = 0;
    for item in &items {
        let text = text(item);
        let field = |name: &str, place: usize| -> String {
            let line = text
                .split('\r')
                .find(|line| line.starts_with(name))
                .unwrap_or_default();
            line.split('|').nth(place).unwrap_or_default().to_owned()
        };
        match kind(item).get(..7) {
            Some("ADT^A01" | "ADT^A13" | "ADT^A02" | "ADT^A12") => {
                let bed = field("PV1", 3);
                inside.insert(field("PID", 3), bed);
            }
            Some("ADT^A03" | "ADT^A11") => {
                inside.remove(&field("PID", 3));
            }
            _ => {}
        }
        most = most.max(inside.len());
        let beds: BTreeSet<&String> = inside.values().collect();
        assert_eq!(beds.len(), inside.len(), "two patients in one bed");
    }
    assert!((80..=178).contains(&inside.len()), "{}", inside.len());
    assert!(most <= 178);
}

#[test]
fn there_is_somebody_for_every_role() {
    let hospital = Hospital::new(1, START);
    for role in Role::PEOPLE {
        assert!(hospital.staff().iter().any(|one| one.role == role));
    }
}
