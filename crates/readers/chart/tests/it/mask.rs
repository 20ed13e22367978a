//! What a permit masks is neither shown, found nor counted.

use chart::{HistoryOf, Open, PageOf};
use event::{Act, Role, Subject};
use serde_json::{Value, json};

use crate::house::{House, NOW, ids, person, query};

/// A patient with an ordinary and a sensitive observation, an appointment with one doctor, an order
/// by another, and a note that only those whom an encounter names may read.
async fn house() -> House {
    let house = House::new().await;
    for (id, number) in [("dr", "D1"), ("lab", "D2")] {
        let person = json!({"resourceType": "Practitioner", "id": id,
            "identifier": [{"value": number}], "name": [{"family": id}]});
        house.put(&person).await;
    }
    house
        .put(&json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Case"}]}))
        .await;
    let of = json!({"reference": "Patient/p"});
    for (id, code) in [("na", "2951-2"), ("hiv", "20447-9")] {
        let coding = json!({"coding": [{"system": "http://loinc.org", "code": code}]});
        house
            .put(
                &json!({"resourceType": "Observation", "id": id, "status": "final",
                "code": coding, "subject": of, "valueString": id}),
            )
            .await;
    }
    house
        .put(
            &json!({"resourceType": "Observation", "id": "note", "status": "final",
            "meta": {"security": [{"code": "V"}]}, "code": {"text": "note"}, "subject": of}),
        )
        .await;
    house
        .put(
            &json!({"resourceType": "Appointment", "id": "a", "status": "booked",
            "start": "2026-11-26T11:00:00Z", "participant": [
                {"actor": of, "status": "accepted"},
                {"actor": {"reference": "Practitioner/dr"}, "status": "accepted"}]}),
        )
        .await;
    house
        .put(
            &json!({"resourceType": "ServiceRequest", "id": "s", "status": "active",
            "intent": "order", "subject": of, "code": {"text": "x"},
            "requester": {"identifier": {"value": "D2"}}}),
        )
        .await;
    house
}

async fn opened(house: &House, number: &str, act: Act) -> Open {
    let who = person(Role::Physician, None, Some(number));
    house
        .open_for(who, act, (Subject::Patient("p".into()), &[]))
        .await
}

fn all() -> PageOf {
    PageOf {
        count: 20,
        token: None,
    }
}

#[tokio::test]
async fn a_search_neither_finds_nor_counts_what_is_masked() {
    let house = house().await;
    let open = opened(&house, "D1", Act::Search).await;
    let page = open.search(&query("Observation"), &all()).await.unwrap();
    assert_eq!((ids(&page), page.total), (vec!["na".to_owned()], Some(1)));
    let by_code = query("Observation?code=20447-9&_total=accurate");
    let page = open.search(&by_code, &all()).await.unwrap();
    assert_eq!((ids(&page), page.total), (Vec::new(), Some(0)));
    let by_id = query("Observation?_id=hiv,note,na");
    assert_eq!(ids(&open.search(&by_id, &all()).await.unwrap()), ["na"]);
    let back = query("Patient?_revinclude=Observation:subject");
    let page = open.search(&back, &all()).await.unwrap();
    let included: Vec<&str> = page.included.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(included, ["na"]);
    let again = query("Patient?_revinclude:iterate=Observation:subject");
    let page = open.search(&again, &all()).await.unwrap();
    let included: Vec<&str> = page.included.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(included, ["na"]);
}

#[tokio::test]
async fn a_read_says_that_it_is_there_and_no_more() {
    let house = house().await;
    let open = opened(&house, "D1", Act::Read).await;
    let stored = open.read("Observation", "hiv").await.unwrap().unwrap();
    let shown: Value = serde_json::from_slice(&stored.json).unwrap();
    assert_eq!(shown["meta"]["security"][0]["code"], "REDACTED");
    assert_eq!(shown.get("code"), None);
    assert_eq!(shown.get("valueString"), None);
    let open = opened(&house, "D1", Act::Read).await;
    let version = open.version("Observation", "hiv", stored.version).await;
    let shown: Value = serde_json::from_slice(&version.unwrap().unwrap().json).unwrap();
    assert_eq!(shown.get("code"), None);
    let open = opened(&house, "D1", Act::History).await;
    let what = HistoryOf::Instance {
        kind: "Observation".into(),
        id: "hiv".into(),
    };
    assert_eq!(open.history(&what, &all()).await.unwrap().matches, []);
}

#[tokio::test]
async fn the_chart_page_says_how_much_it_leaves_out() {
    let house = house().await;
    let open = opened(&house, "D1", Act::Read).await;
    let view = open.summary().await.unwrap().unwrap();
    assert_eq!(view.masked, 2);
    assert_eq!(view.identity.name.as_deref(), Some("Case"));
    let open = opened(&house, "D2", Act::Read).await;
    assert_eq!(open.summary().await.unwrap().unwrap().masked, 1);
}

#[tokio::test]
async fn what_is_labelled_after_the_permit_is_masked_too() {
    let house = house().await;
    let open = opened(&house, "D1", Act::Search).await;
    house
        .put(
            &json!({"resourceType": "Observation", "id": "new", "status": "final",
            "meta": {"security": [{"code": "HIV"}, {"code": "X"}]}, "code": {"text": "new"},
            "subject": {"reference": "Patient/p"}}),
        )
        .await;
    house.fold(&house.chart).await;
    let page = open.search(&query("Observation"), &all()).await.unwrap();
    assert_eq!(ids(&page), ["na"]);
}

#[tokio::test]
async fn labels_and_relations_are_facts_and_end_with_what_made_them() {
    let house = house().await;
    house.fold(&house.chart).await;
    let doctor = person(Role::Physician, None, Some("D1"));
    let facts = house.chart.facts(&doctor, "p", NOW).await.unwrap();
    assert_eq!(facts.labels, ["HIV", "V"]);
    assert_eq!(facts.relations.len(), 1);
    let week = NOW.plus_millis(7 * 24 * 60 * 60 * 1_000);
    let later = house.chart.facts(&doctor, "p", week).await.unwrap();
    assert_eq!(later.relations, []);
    house
        .put(
            &json!({"resourceType": "Appointment", "id": "a", "status": "cancelled",
            "participant": [{"actor": {"reference": "Patient/p"}, "status": "accepted"}]}),
        )
        .await;
    house.fold(&house.chart).await;
    let cancelled = house.chart.facts(&doctor, "p", NOW).await.unwrap();
    assert_eq!(cancelled.relations, []);
}
