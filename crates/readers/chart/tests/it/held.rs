//! What another system has is held against the current version here.

use chart::{Differing, Held};
use serde_json::{Value, json};

use crate::house::{House, admission};

fn observation(value: f64) -> Value {
    json!({
        "resourceType": "Observation", "id": "o", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
        "subject": {"reference": "Patient/p1"}, "valueQuantity": {"value": value, "unit": "mg/dL"}
    })
}

async fn held(house: &House, found: &Value) -> Held {
    house.fold(&house.chart).await;
    let name = |name: &str| found[name].as_str().unwrap().to_owned();
    let (kind, id) = (name("resourceType"), name("id"));
    house.chart.hold((&kind, &id), found).await.unwrap()
}

async fn differs(house: &House, found: &Value) -> Differing {
    match held(house, found).await {
        Held::Differs(differing) => differing,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_changed_value_is_named_with_the_event_that_sealed_the_other() {
    let house = House::new().await;
    house
        .put(&json!({"resourceType": "Patient", "id": "p1"}))
        .await;
    let first = house.put(&observation(5.0)).await;
    let second = house.put(&observation(5.5)).await;
    let mut there = observation(5.50);
    there["meta"] = json!({"versionId": "88", "lastUpdated": "2026-11-26T00:00:00Z"});
    assert_eq!(held(&house, &there).await, Held::Same);
    there["valueQuantity"]["value"] = json!(9.9);
    let found = differs(&house, &there).await;
    assert_eq!((found.version, found.older), (second, None));
    assert_eq!(found.patient.as_deref(), Some("p1"));
    let part = &found.parts[0];
    assert_eq!(part.part, "Observation.valueQuantity.value");
    assert_eq!((part.sealed.as_str(), part.found.as_str()), ("5.5", "9.9"));
    let back = differs(&house, &observation(5.0)).await;
    assert_eq!(back.older, Some(first), "an older version was put back");
}

#[tokio::test]
async fn what_was_never_sealed_or_was_deleted_is_said_to_be() {
    let house = House::new().await;
    assert_eq!(held(&house, &observation(1.0)).await, Held::Unknown);
    house.put(&observation(1.0)).await;
    let gone = house.delete("Observation", "o").await;
    assert_eq!(held(&house, &observation(1.0)).await, Held::Deleted(gone));
}

#[tokio::test]
async fn a_message_about_the_same_number_explains_what_it_says_and_nothing_else() {
    let house = House::new().await;
    let mut patient = json!({
        "resourceType": "Patient", "id": "ehr-7", "birthDate": "1950-04-12",
        "identifier": [{"value": "7"}]
    });
    house.put(&patient).await;
    let told = house
        .message(&admission("1", "7", "Doe^Jane", "3W^301^A"))
        .await;
    house.fold(&house.chart).await;
    // Whatever the message says the birth date is, that is explained; another date is not.
    let id = house.patient("7");
    let permit = house
        .open(event::Act::Read, event::Subject::Patient(id.clone()))
        .await;
    let read = permit.read("Patient", &id).await.unwrap().unwrap();
    let said: Value = serde_json::from_slice(&read.json).unwrap();
    let name = said["name"].clone();
    assert!(name.is_array(), "{said}");
    patient["name"] = name;
    assert_eq!(held(&house, &patient).await, Held::Explained(told));
    patient["name"] = json!([{"family": "Mallory"}]);
    differs(&house, &patient).await;
}

#[tokio::test]
async fn names_come_page_by_page_and_without_what_messages_wrote() {
    let house = House::new().await;
    house
        .message(&admission("1", "7", "Doe^Jane", "3W^301^A"))
        .await;
    house
        .put(&json!({"resourceType": "Patient", "id": "p1"}))
        .await;
    house.put(&observation(5.0)).await;
    house.put(&observation(6.0)).await;
    house
        .put(&json!({"resourceType": "Observation", "id": "gone", "status": "final"}))
        .await;
    house.delete("Observation", "gone").await;
    house.fold(&house.chart).await;
    let mut names = Vec::new();
    let mut after = 0;
    loop {
        let page = house.chart.named(after, 1).await.unwrap();
        let Some(one) = page.first() else { break };
        after = one.place;
        names.push(format!("{}/{}", one.kind, one.id));
    }
    assert_eq!(names, ["Patient/p1", "Observation/o"]);
}
