//! A search over several types at once.

use axum::http::Method;
use event::Body;
use serde_json::json;

use crate::house::{House, observation, patient};

#[tokio::test]
async fn what_was_written_of_any_of_the_types_is_found_or_waited_for() {
    let house = House::impatient(1_000).await;
    house.halt().await;
    let pulse = observation("Patient/x", "1");
    let written = house.post("/Observation", &pulse).await.id();
    let found = house.get("/?_type=Patient,Observation").await;
    match found.code() {
        503 => {}
        200 => assert_eq!(found.names(), [format!("Observation/{written}")]),
        code => panic!("{code}: {}", found.json()),
    }
}

#[tokio::test]
async fn several_types_are_one_answer_of_one_moment() {
    let house = House::open().await;
    let mut all = Vec::new();
    for n in 0..3 {
        let id = house
            .post("/Patient", &patient(&format!("T{n}")))
            .await
            .id();
        let pulse = observation(&format!("Patient/{id}"), "70");
        let pulse = house.post("/Observation", &pulse).await.id();
        all.push(format!("Patient/{id}"));
        all.push(format!("Observation/{pulse}"));
    }
    let first = house.get("/?_type=Patient,Observation&_count=2").await;
    assert_eq!(first.code(), 200, "{}", first.json());
    let (mut names, mut next) = (first.names(), first.link("next"));
    house.post("/Patient", &patient("Late")).await;
    house
        .post("/Observation", &observation("Patient/x", "1"))
        .await;
    let mut pages = 1;
    while let Some(path) = next {
        let page = house.get(&path).await;
        assert_eq!(page.code(), 200, "{path}: {}", page.json());
        assert!(page.names().len() <= 2);
        names.extend(page.names());
        next = page.link("next");
        pages += 1;
    }
    names.sort();
    all.sort();
    assert_eq!(names, all);
    assert!((3..=4).contains(&pages), "{pages}");
    for (path, total) in [
        ("/?_type=Patient,Observation&_count=0", 8),
        ("/?_type=Patient,Observation&_summary=count", 8),
        ("/?_type=Patient,Observation&_total=accurate&_count=1", 8),
        ("/?_type=Patient,Observation", 8),
        ("/?_type=Patient,Encounter&_id=nobody", 0),
    ] {
        let found = house.get(path).await;
        assert_eq!(found.json()["total"], total, "{path}: {}", found.json());
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let path = (Method::POST, "/_search");
    let body = b"_type=Patient,Observation".to_vec();
    let found = house.ask(&house.token, path, (&form, body)).await;
    assert_eq!(found.names().len(), 8, "{}", found.json());
}

#[tokio::test]
async fn what_came_along_and_was_found_stands_once() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Twice")).await.id();
    let pulse = observation(&format!("Patient/{id}"), "70");
    house.post("/Observation", &pulse).await;
    let path = "/?_type=Observation,Patient&_include=Observation:subject";
    let found = house.get(path).await;
    assert_eq!(found.names().len(), 2, "{}", found.json());
    let entries = found.json()["entry"].clone();
    for entry in entries.as_array().unwrap() {
        assert_eq!(entry["search"]["mode"], "match");
    }
}

#[tokio::test]
async fn one_type_that_may_not_be_asked_for_refuses_the_whole() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Whole")).await.id();
    let pulse = observation(&format!("Patient/{id}"), "70");
    house.post("/Observation", &pulse).await;
    let token = house.client("narrow", &["system/Observation.rs"]).await;
    let refused = house.get_as(&token, "/?_type=Observation,Patient").await;
    assert_eq!(refused.code(), 403, "{}", refused.json());
    let Body::Decision(decided) = house.last().await.body else {
        panic!("not a decision");
    };
    assert!(!decided.allowed, "the refusal is sealed");
    let found = house.get_as(&token, "/?_type=Observation").await;
    assert_eq!(found.names().len(), 1);
    let Body::Shown(shown) = house.last().await.body else {
        panic!("whom it showed is sealed");
    };
    assert_eq!(shown.patients, [id]);
}

#[tokio::test]
async fn iterated_includes_bring_what_may_be_asked_for_alone() {
    let house = House::open().await;
    let clinic = json!({"resourceType": "Organization", "name": "Clinic"});
    let clinic = house.post("/Organization", &clinic).await.id();
    let mut person = patient("Iter");
    person["managingOrganization"] = json!({"reference": format!("Organization/{clinic}")});
    let id = house.post("/Patient", &person).await.id();
    let pulse = observation(&format!("Patient/{id}"), "70");
    house.post("/Observation", &pulse).await;
    let path = "/Observation?_include=Observation:patient&_include:iterate=Patient:organization";
    assert_eq!(house.get(path).await.names().len(), 3);
    let token = house
        .client("narrow", &["system/Observation.rs", "system/Patient.rs"])
        .await;
    // What names its target is refused, what names none brings what it may.
    let named = format!("{path}:Organization");
    assert_eq!(house.get_as(&token, &named).await.code(), 403);
    assert_eq!(house.get_as(&token, path).await.names().len(), 2);
    let all = "/Observation?_include=*&_include:iterate=Patient:*";
    let found = house.get_as(&token, all).await;
    assert_eq!(found.names().len(), 2, "{}", found.json());
    assert_eq!(house.get(all).await.names().len(), 3);
}
