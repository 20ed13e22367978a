//! Transactions and batches.

use axum::http::Method;
use event::{Body, Subject};
use serde_json::{Value, json};

use crate::house::{House, observation, patient};

fn entry(url: &str, method: &str, full_url: &str, resource: Value) -> Value {
    json!({
        "fullUrl": full_url,
        "resource": resource,
        "request": { "method": method, "url": url }
    })
}

fn bundle(kind: &str, entries: Vec<Value>) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

const ONE: &str = "urn:uuid:11111111-1111-4111-8111-111111111111";
const TWO: &str = "urn:uuid:22222222-2222-4222-8222-222222222222";

#[tokio::test]
async fn a_transaction_links_what_it_brings() {
    let house = House::open().await;
    let answer = house
        .post(
            "/",
            &bundle(
                "transaction",
                vec![
                    entry("Observation", "POST", TWO, observation(ONE, "1.10")),
                    entry("Patient", "POST", ONE, patient("Linked")),
                ],
            ),
        )
        .await;
    assert_eq!(answer.code(), 200, "{}", answer.json());
    let reply = answer.json();
    assert_eq!(reply["type"], "transaction-response");
    assert_eq!(reply["entry"][0]["response"]["status"], "201 Created");
    let place = reply["entry"][0]["response"]["location"].as_str().unwrap();
    assert!(
        place.contains("/Observation/"),
        "answers are in the order of the entries"
    );

    let found = house.get("/Patient?identifier=urn:mrn%7CLinked").await;
    let id = found.json()["entry"][0]["resource"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let found = house
        .get(&format!("/Observation?subject=Patient/{id}"))
        .await;
    let text = String::from_utf8(found.bytes.clone()).unwrap();
    assert_eq!(found.names().len(), 1, "{text}");
    assert!(
        text.contains(&format!("\"reference\":\"Patient/{id}\"")),
        "{text}"
    );
    assert!(text.contains("1.10"), "decimals keep their digits: {text}");

    let version = found.json()["entry"][0]["resource"]["meta"]["versionId"].clone();
    let version: u64 = version.as_str().unwrap().parse().unwrap();
    let sealed = house.app.record.get(version).await.unwrap().event().clone();
    assert_eq!(sealed.subject, Subject::Patient(id.clone()));
    let raw = String::from_utf8(sealed.raw).unwrap();
    assert!(
        raw.contains(ONE),
        "the bytes received are sealed, not the resolved ones"
    );
    let Body::Resource(written) = sealed.body else {
        panic!("not a resource");
    };
    assert_eq!(
        written.resolved,
        [(ONE.to_owned(), format!("Patient/{id}"))]
    );
}

#[tokio::test]
async fn a_transaction_is_done_whole_or_not_at_all() {
    let house = House::open().await;
    let mut wrong = observation(ONE, "2");
    wrong["status"] = "banana".into();
    let before = house.app.record.size();
    let answer = house
        .post(
            "/",
            &bundle(
                "transaction",
                vec![
                    entry("Patient", "POST", ONE, patient("Half")),
                    entry("Observation", "POST", TWO, wrong),
                ],
            ),
        )
        .await;
    assert_eq!(answer.code(), 422);
    let words = answer.words();
    assert!(words.contains("Bundle.entry[1].resource.status"), "{words}");
    assert_eq!(house.app.record.size(), before, "nothing was sealed");
    assert_eq!(
        house
            .get("/Patient?identifier=urn:mrn%7CHalf")
            .await
            .names()
            .len(),
        0
    );
}

#[tokio::test]
async fn a_cycle_of_references_is_no_trouble() {
    let house = House::open().await;
    let mut first = patient("Cycle1");
    first["link"] = json!([{ "other": { "reference": TWO }, "type": "seealso" }]);
    let mut second = patient("Cycle2");
    second["link"] = json!([{ "other": { "reference": ONE }, "type": "seealso" }]);
    let answer = house
        .post(
            "/",
            &bundle(
                "transaction",
                vec![
                    entry("Patient", "POST", ONE, first),
                    entry("Patient", "POST", TWO, second),
                ],
            ),
        )
        .await;
    assert_eq!(answer.code(), 200, "{}", answer.json());
    let found = house
        .get("/Patient?identifier=urn:mrn%7CCycle1")
        .await
        .json();
    let other = &found["entry"][0]["resource"]["link"][0]["other"]["reference"];
    let other = house
        .get(&format!("/{}", other.as_str().unwrap()))
        .await
        .json();
    assert_eq!(other["name"][0]["family"], "Cycle2");
}

#[tokio::test]
async fn a_reference_to_an_entry_that_is_not_there_is_refused() {
    let house = House::open().await;
    let entries = vec![entry("Observation", "POST", TWO, observation(ONE, "1"))];
    let answer = house.post("/", &bundle("transaction", entries)).await;
    assert_eq!(answer.code(), 422);
    assert!(answer.words().contains("Bundle.entry[0].resource.subject"));
}

#[tokio::test]
async fn conditional_references_mean_exactly_one() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Cited")).await.id();
    let cite = |who: &str| {
        let reference = format!("Patient?identifier=urn:mrn|{who}");
        let entries = vec![entry(
            "Observation",
            "POST",
            TWO,
            observation(&reference, "1"),
        )];
        bundle("transaction", entries)
    };
    let answer = house.post("/", &cite("Cited")).await;
    assert_eq!(answer.code(), 200, "{}", answer.json());
    let found = house.get(&format!("/Observation?patient={id}")).await;
    assert_eq!(found.names().len(), 1);
    let answer = house.post("/", &cite("Nobody")).await;
    assert_eq!(answer.code(), 412);
    assert!(answer.words().contains("exactly one"));
}

#[tokio::test]
async fn a_conditional_create_in_a_transaction_is_linked_either_way() {
    let house = House::open().await;
    let mut create = entry("Patient", "POST", ONE, patient("Maybe"));
    create["request"]["ifNoneExist"] = "identifier=urn:mrn|Maybe".into();
    let entries = vec![
        create,
        entry("Observation", "POST", TWO, observation(ONE, "1")),
    ];
    let bundle = bundle("transaction", entries);
    for status in ["201 Created", "200 OK"] {
        let answer = house.post("/", &bundle).await;
        assert_eq!(answer.json()["entry"][0]["response"]["status"], status);
    }
    let found = house.get("/Patient?identifier=urn:mrn%7CMaybe").await;
    assert_eq!(found.names().len(), 1);
    let id = found.json()["entry"][0]["resource"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let found = house.get(&format!("/Observation?patient={id}")).await;
    assert_eq!(found.names().len(), 2);
}

#[tokio::test]
async fn a_transaction_writes_each_resource_once() {
    let house = House::open().await;
    let mut one = patient("Twice");
    one["id"] = "twice".into();
    let entries = vec![
        json!({ "resource": one, "request": { "method": "PUT", "url": "Patient/twice" } }),
        json!({ "request": { "method": "DELETE", "url": "Patient/twice" } }),
    ];
    house.put("/Patient/twice", &one).await;
    let answer = house.post("/", &bundle("transaction", entries)).await;
    assert_eq!(answer.code(), 400);
    assert!(answer.words().contains("twice"));
}

#[tokio::test]
async fn a_batch_does_what_it_can() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("There")).await.id();
    let mut wrong = patient("Wrong");
    wrong["gender"] = "banana".into();
    let mut same = patient("Same");
    same["id"] = "same".into();
    let entries = vec![
        json!({ "request": { "method": "GET", "url": format!("Patient/{id}") } }),
        json!({ "request": { "method": "GET", "url": "Patient?identifier=urn:mrn|Batch" } }),
        entry("Patient", "POST", ONE, patient("Batch")),
        entry("Patient", "POST", TWO, wrong),
        json!({ "request": { "method": "GET", "url": "Patient/nobody" } }),
        json!({ "request": { "method": "PATCH", "url": format!("Patient/{id}") } }),
        json!({ "resource": same, "request": { "method": "PUT", "url": "Patient/same" } }),
        json!({ "resource": same, "request": { "method": "PUT", "url": "Patient/same" } }),
        json!({ "request": { "method": "DELETE", "url": "Patient/never" } }),
    ];
    let answer = house.post("/", &bundle("batch", entries)).await;
    assert_eq!(answer.code(), 200, "{}", answer.json());
    let reply = answer.json();
    assert_eq!(reply["type"], "batch-response");
    let entries = reply["entry"].as_array().unwrap();
    let statuses: Vec<&str> = entries
        .iter()
        .map(|entry| &entry["response"]["status"].as_str().unwrap()[..3])
        .collect();
    assert_eq!(
        statuses,
        [
            "200", "200", "201", "422", "404", "400", "201", "200", "204"
        ]
    );
    assert_eq!(
        entries[1]["resource"]["entry"][0]["resource"]["name"][0]["family"],
        "Batch"
    );
    assert!(entries[3]["response"]["outcome"]["issue"].is_array());
}

#[tokio::test]
async fn only_transactions_and_batches_are_done() {
    let house = House::open().await;
    let answer = house.post("/", &bundle("collection", Vec::new())).await;
    assert_eq!(answer.code(), 400);
    let entry = json!({ "resource": patient("X") });
    let answer = house.post("/", &bundle("transaction", vec![entry])).await;
    assert_eq!(answer.code(), 400, "{}", answer.json());
    let answer = house.post("/", &patient("No bundle")).await;
    assert_eq!(answer.code(), 400);
}

#[tokio::test]
async fn a_refused_transaction_is_sealed_as_refused() {
    let house = House::open().await;
    let token = house
        .client("observer", &["system/Observation.cruds"])
        .await;
    let entries = vec![
        entry("Patient", "POST", ONE, patient("Refused")),
        entry("Observation", "POST", TWO, observation(ONE, "1")),
    ];
    let body = bundle("transaction", entries).to_string().into_bytes();
    let headers = [("content-type", "application/fhir+json")];
    let answer = house
        .ask(&token, (Method::POST, "/"), (&headers, body))
        .await;
    assert_eq!(answer.code(), 403, "{}", answer.json());
    let Body::Decision(decided) = house.last().await.body else {
        panic!("not a decision");
    };
    assert!(!decided.allowed);
}
