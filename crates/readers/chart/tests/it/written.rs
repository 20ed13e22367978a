//! What somebody wrote is read before it is folded, exactly as it is read afterwards.

use std::collections::HashMap;
use std::path::PathBuf;

use chart::{Open, Stored};
use event::{Act, Body, Event, Resource, Role, Subject};
use record::Sealed;
use serde_json::{Value, json};

use crate::house::{House, admission, client, merge, person, text};
use crate::summary::{bundle, shared};

/// What was sealed last.
fn last(house: &House) -> Sealed {
    house.record.at_hand(house.record.size() - 1).unwrap()
}

async fn before(house: &House, open: &Open, (kind, id): (&str, &str)) -> Option<Stored> {
    let found = house.chart.find_written(kind, id, &last(house))?;
    Some(open.shown(found).await.unwrap().unwrap())
}

async fn after(house: &House, open: &Open, (kind, id): (&str, &str)) -> Stored {
    house.fold(&house.chart).await;
    let found = house.chart.find(kind, id).await.unwrap().unwrap();
    open.shown(found).await.unwrap().unwrap()
}

/// What generated patients have, some of each type.
fn examples() -> Vec<Value> {
    let files = shared().map(|shared| std::fs::read_dir(shared.join("fhir/synthea-r4")));
    let Some(files) = files else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = files.unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut some: HashMap<String, usize> = HashMap::new();
    let mut all = Vec::new();
    for bundle in files.iter().take(3).map(|path| bundle(path)) {
        for entry in bundle["entry"].as_array().unwrap() {
            let kind = text(&entry["resource"], "resourceType");
            let count = some.entry(kind).or_default();
            *count += 1;
            if *count <= 4 {
                all.push(entry["resource"].clone());
            }
        }
    }
    all
}

#[tokio::test]
async fn it_is_what_the_fold_makes_of_it() {
    let house = House::new().await;
    let of = json!({"reference": "Patient/p"});
    let coded = |code: &str| json!({"coding": [{"system": "http://loinc.org", "code": code}]});
    let all = [
        json!({"resourceType": "Patient", "id": "p", "name": [{"family": "One"}], "birthDate": "1950-01-02"}),
        json!({"resourceType": "Observation", "id": "na", "status": "final", "code": coded("2951-2"), "subject": of}),
        json!({"resourceType": "Observation", "id": "hiv", "status": "final", "code": coded("20447-9"), "subject": of}),
        json!({"resourceType": "Observation", "id": "note", "status": "final", "code": {"text": "x"}, "subject": of,
            "meta": {"security": [{"code": "V"}], "versionId": "7", "lastUpdated": "2020-01-01T00:00:00Z"}}),
        json!({"resourceType": "Organization", "id": "o", "name": "House"}),
    ];
    let mut compared = 0;
    for resource in all.iter().chain(&examples()) {
        let (kind, id) = (text(resource, "resourceType"), text(resource, "id"));
        if id.is_empty() {
            continue;
        }
        house.put(resource).await;
        house.fold(&house.chart).await;
        let found = house.chart.find(&kind, &id).await.unwrap().unwrap();
        let subject = || match found.patient() {
            Some(patient) => Subject::Patient(patient.to_owned()),
            None => Subject::Kind(kind.clone()),
        };
        let early = house.open_for(client(), Act::Read, (subject(), &[])).await;
        house.put(resource).await;
        let told = before(&house, &early, (&kind, &id)).await;
        let late = house
            .chart
            .open_with(house.permit(client(), Act::Read, (subject(), &[])).await);
        let shown = after(&house, &late, (&kind, &id)).await;
        match told {
            Some(told) => {
                assert_eq!(told, shown);
                compared += 1;
            }
            // These say who may see what, or where somebody lies.
            None => assert!(follows(&kind), "{kind}/{id}"),
        }
    }
    assert!(compared >= all.len());
    assert!(examples().is_empty() || compared > 30, "{compared}");
}

fn follows(kind: &str) -> bool {
    let all = [
        "Appointment",
        "Consent",
        "DiagnosticReport",
        "Encounter",
        "Location",
        "MedicationRequest",
        "ServiceRequest",
    ];
    all.contains(&kind)
}

#[tokio::test]
async fn labels_hide_it_as_they_will() {
    let house = House::new().await;
    let note = |words: &str| {
        json!({"resourceType": "Observation", "id": "hiv", "status": "final", "valueString": words,
            "code": {"coding": [{"system": "http://loinc.org", "code": "20447-9"}]},
            "subject": {"reference": "Patient/p"}})
    };
    house
        .put(&json!({"resourceType": "Patient", "id": "p"}))
        .await;
    house.put(&note("first")).await;
    house
        .put(&json!({"resourceType": "Practitioner", "id": "dr", "identifier": [{"value": "D1"}]}))
        .await;
    house
        .put(&json!({"resourceType": "Appointment", "id": "a", "status": "booked", "start": "2026-11-26T11:00:00Z",
            "participant": [{"actor": {"reference": "Patient/p"}, "status": "accepted"},
                {"actor": {"reference": "Practitioner/dr"}, "status": "accepted"}]}))
        .await;
    let subject = || Subject::Patient("p".into());
    let who = || person(Role::Physician, None, Some("D1"));
    let early = house.open_for(who(), Act::Read, (subject(), &[])).await;
    house.put(&note("second")).await;
    let told = before(&house, &early, ("Observation", "hiv"))
        .await
        .unwrap();
    assert!(
        !String::from_utf8_lossy(&told.json).contains("second"),
        "{told:?}"
    );
    let late = house
        .chart
        .open_with(house.permit(who(), Act::Read, (subject(), &[])).await);
    assert_eq!(told, after(&house, &late, ("Observation", "hiv")).await);
}

/// Whether the event that was sealed last tells of this resource.
fn tells(house: &House, kind: &str, id: &str) -> bool {
    house.chart.find_written(kind, id, &last(house)).is_some()
}

#[tokio::test]
async fn what_takes_more_than_the_event_is_not_told() {
    let house = House::new().await;
    let patient = json!({"resourceType": "Patient", "id": "p"});
    // Nothing of that type is in the chart yet.
    house.put(&patient).await;
    assert!(!tells(&house, "Patient", "p"));
    house.put(&patient).await;
    assert!(tells(&house, "Patient", "p"));
    assert!(!tells(&house, "Patient", "q") && !tells(&house, "Person", "p"));
    // A label that nothing had yet.
    let restricted =
        json!({"resourceType": "Patient", "id": "p", "meta": {"security": [{"code": "R"}]}});
    house.put(&restricted).await;
    assert!(!tells(&house, "Patient", "p"));
    house.put(&restricted).await;
    assert!(tells(&house, "Patient", "p"));
    let large =
        json!({"resourceType": "Patient", "id": "p", "name": [{"text": "x".repeat(65_536)}]});
    house.put(&large).await;
    assert!(!tells(&house, "Patient", "p"));
    let encounter = json!({"resourceType": "Encounter", "id": "e", "status": "in-progress",
        "class": {"code": "IMP"}, "subject": {"reference": "Patient/p"}});
    house.put(&encounter).await;
    house.put(&encounter).await;
    assert!(!tells(&house, "Encounter", "e"));
    house.delete("Patient", "p").await;
    assert!(!tells(&house, "Patient", "p"));
    house
        .message(&admission("1", "9", "Doe^Jane", "A^1^1"))
        .await;
    assert!(!tells(&house, "Patient", &house.patient("9")));
}

#[tokio::test]
async fn where_it_stands_is_known_of_what_replaced_a_version() {
    let house = House::new().await;
    let patient = json!({"resourceType": "Patient", "id": "p"});
    house.put(&patient).await;
    house
        .put(&json!({"resourceType": "Patient", "id": "other"}))
        .await;
    // Of a new one the record did not look whether a message spoke of it just before.
    house
        .put(&json!({"resourceType": "Patient", "id": "new"}))
        .await;
    assert_eq!(
        house.chart.locate_written("Patient", "new", &last(&house)),
        None
    );
    let index = house.put(&patient).await;
    let told = house
        .chart
        .locate_written("Patient", "p", &last(&house))
        .unwrap();
    assert_eq!(
        (told.version, told.as_of, told.deleted),
        (index, index + 1, false)
    );
    house.fold(&house.chart).await;
    assert_eq!(
        house.chart.locate("Patient", "p").await.unwrap().unwrap(),
        told
    );
}

/// What a client writes of a Patient, whatever the chart has folded.
async fn wrote(house: &House, id: &str) {
    let body = Body::Resource(Resource {
        kind: "Patient".into(),
        id: id.into(),
        replaces: house.record.size() - 1,
        as_of: house.record.size(),
        resolved: Vec::new(),
        contents: Vec::new(),
    });
    let event = Event::new(
        client().actor,
        Act::Update,
        Subject::Patient(id.into()),
        body,
    );
    let raw = json!({"resourceType": "Patient", "id": id}).to_string();
    house.admit(event.with_raw(raw.into_bytes())).await;
}

/// Folds what comes before the event that was sealed last.
async fn fold_but_one(house: &House) {
    let reader = house.chart.reader();
    let from = reader.cursor().await.unwrap();
    let until = house.record.size() - 1;
    let (events, _) = house
        .record
        .read_until(from, usize::try_from(until - from).unwrap())
        .await
        .unwrap();
    reader.fold(&events, until).await.unwrap();
}

#[tokio::test]
async fn whose_it_is_after_a_merge_that_was_folded_meanwhile_is_looked_at_again() {
    let house = House::new().await;
    for (control, number) in [("1", "100"), ("2", "200"), ("3", "300"), ("4", "400")] {
        house
            .message(&admission(control, number, "Doe^Jane", "A^1^1"))
            .await;
    }
    let (one, two) = (house.patient("100"), house.patient("200"));
    let open = async || {
        let subject = Subject::Patient(one.clone());
        house.open_for(client(), Act::Read, (subject, &[])).await
    };
    // Two others become one: what was found stays theirs.
    let (first, second) = (open().await, open().await);
    house.message(&merge("5", "400", "300")).await;
    wrote(&house, &one).await;
    let find = || {
        house
            .chart
            .find_written("Patient", &one, &last(&house))
            .unwrap()
    };
    let found = find();
    fold_but_one(&house).await;
    assert!(
        house
            .chart
            .find("Patient", &one)
            .await
            .unwrap()
            .unwrap()
            .patient()
            == Some(&one)
    );
    assert!(first.shown(found).await.unwrap().is_some());
    house.fold(&house.chart).await;
    // They become somebody else.
    house.message(&merge("6", "200", "100")).await;
    wrote(&house, &one).await;
    let found = find();
    assert_eq!(found.patient(), Some(one.as_str()));
    fold_but_one(&house).await;
    assert!(second.shown(found).await.is_err());
    assert_eq!(find().patient(), Some(two.as_str()));
    // What is folded by now is shown as the tables have it.
    let open = house
        .open_for(client(), Act::Read, (Subject::Patient(two.clone()), &[]))
        .await;
    wrote(&house, &one).await;
    let found = find();
    house.message(&merge("7", "400", "200")).await;
    house.fold(&house.chart).await;
    assert!(open.shown(found).await.unwrap().is_some());
}
