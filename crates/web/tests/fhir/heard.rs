//! Audit messages of other systems (IHE ATNA) as AuditEvents: found by the parameters of ITI-81, and kept
//! apart from what Salus saw.

use std::fs;
use std::path::Path;

use event::{Act, Actor, Body, Event, Signals, Subject};
use guard::{Grant, Standing, admit};
use serde_json::{Value, json};
use wire::signals::{Line, push};

use crate::house::House;

const CAME: i64 = 1_795_694_400_000;
const OID: &str = "urn:oid:2.16.756.5.30.1.123";

fn sample(name: &str) -> Vec<u8> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/audit");
    fs::read(demo.join(name)).unwrap()
}

/// Seals lines as the syslog door seals a batch.
async fn hear(house: &House, subject: Subject, lines: &[Vec<u8>]) -> u64 {
    let mut raw = Vec::new();
    for bytes in lines {
        let line = Line {
            at: CAME,
            source: "10.0.0.7",
            bytes,
        };
        push(&mut raw, line);
    }
    let body = Body::Signals(Signals {
        feed: "pacs".into(),
        format: "audit".into(),
        lines: lines.len() as u64,
        zone: "UTC".into(),
        authority: "MAIN".into(),
        ..Signals::default()
    });
    let claim = Event::new(Actor::feed("pacs"), Act::Send, subject, body).with_raw(raw);
    let grant = Grant {
        feed: "pacs".into(),
        messages: Vec::new(),
        facilities: Vec::new(),
    };
    let admitted = admit(claim.into(), Standing::Feed(&grant), "").unwrap();
    let receipts = house.app.record.admit(vec![admitted]).await.unwrap();
    receipts[0].index
}

/// A patient whose data were looked at in the image archive, and who was exported with another.
async fn told(house: &House) -> (String, u64, u64) {
    let blind = house.app.record.blind();
    let id = blind.id("Patient", OID, "100723");
    let person = json!({"resourceType": "Patient", "id": id, "identifier": [{"system": OID, "value": "100723"}]});
    let made = house.put(&format!("/Patient/{id}"), &person).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    let accessed = vec![sample("instances-accessed.txt")];
    let one = hear(house, Subject::Patient(id.clone()), &accessed).await;
    let others = vec![
        b"<85>1 - - - - - - no audit message".to_vec(),
        sample("export-two-patients.txt"),
        sample("login.txt"),
    ];
    let two = hear(house, Subject::Feed("pacs".into()), &others).await;
    (id, one, two)
}

fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let id = |entry: &Value| entry["resource"]["id"].as_str().unwrap().to_owned();
    entries.iter().map(id).collect()
}

#[tokio::test]
async fn what_another_system_tells_is_an_audit_event_of_its_patient() {
    let house = House::open().await;
    let (patient, one, two) = told(&house).await;
    let found = house
        .get(&format!("/AuditEvent?patient={patient}&type=110103"))
        .await;
    assert_eq!(found.code(), 200, "{}", found.json());
    let wanted = format!("{one}-256");
    assert_eq!(ids(&found.json()), [wanted.as_str()]);
    let event = &found.json()["entry"][0]["resource"];
    assert_eq!(wire::fhir::check(event), []);
    assert_eq!(event["meta"]["source"], "urn:salus:feed:pacs");
    assert_eq!(
        event["entity"][1]["what"]["reference"],
        format!("Patient/{patient}")
    );
    let read = house.get(&format!("/AuditEvent/{wanted}")).await;
    assert_eq!(read.json(), *event, "an id is stable");
    // Two patients of one message: each has an event, and it does not name the other.
    let exported = house.get("/AuditEvent?type=110106&_sort=date").await;
    assert_eq!(
        ids(&exported.json()),
        [format!("{two}-512"), format!("{two}-513")]
    );
    for entry in exported.json()["entry"].as_array().unwrap() {
        assert_eq!(entry["resource"]["entity"].as_array().unwrap().len(), 1);
    }
    for absent in [
        format!("{two}-256"),
        format!("{two}-514"),
        format!("{two}-1024"),
        format!("{one}-257"),
    ] {
        let read = house.get(&format!("/AuditEvent/{absent}")).await;
        assert_eq!(read.code(), 404, "{absent}");
    }
}

#[tokio::test]
async fn the_parameters_of_iti_81_find_what_others_tell() {
    let house = House::open().await;
    let (patient, one, two) = told(&house).await;
    let (accessed, login) = (format!("{one}-256"), format!("{two}-768"));
    let exported = [format!("{two}-513"), format!("{two}-512")];
    for (query, wanted) in [
        (
            format!("patient.identifier={OID}|100723&type=110103"),
            vec![accessed.clone()],
        ),
        (
            format!("patient:identifier={OID}|100723&type=110103"),
            vec![accessed.clone()],
        ),
        (
            format!("patient={patient}&agent.identifier=mkeller"),
            vec![accessed.clone()],
        ),
        (
            "agent.identifier=mkeller".into(),
            vec![login.clone(), accessed.clone()],
        ),
        (
            "agent-name=keller, m".replace(", ", "%5C%2C%20"),
            vec![accessed.clone()],
        ),
        (
            "entity.identifier=1.2.826.0.1.3680043.8.498.1".into(),
            vec![accessed.clone()],
        ),
        (
            "source.identifier=pacs.hospital.example".into(),
            vec![accessed.clone()],
        ),
        ("address=10.20.4.17".into(), vec![accessed.clone()]),
        ("subtype=LOGIN-2".into(), vec![login.clone()]),
        ("outcome=4".into(), exported.to_vec()),
        ("entity-role=3".into(), vec![accessed.clone()]),
        (
            "type=110106&entity-type=1&date=ge2026-11-26&date=lt2026-11-27".into(),
            exported.to_vec(),
        ),
        ("type=110106&date=lt2026-11-26".into(), vec![]),
        ("type=110106&action=C".into(), vec![]),
        (format!("_id={accessed}"), vec![accessed.clone()]),
    ] {
        let found = house
            .get(&format!("/AuditEvent?{query}&_total=accurate"))
            .await;
        assert_eq!(found.code(), 200, "{query}: {}", found.json());
        assert_eq!(ids(&found.json()), wanted, "{query}");
        assert_eq!(found.json()["total"], wanted.len(), "{query}");
    }
    let refused = house.get("/AuditEvent?policy=x").await;
    assert_eq!(refused.code(), 400);
}

#[tokio::test]
async fn pages_hold_both_kinds_in_one_order_and_nothing_twice() {
    let house = House::open().await;
    told(&house).await;
    let all = house
        .get("/AuditEvent?_count=50&_sort=date&date=lt2100")
        .await;
    let whole = ids(&all.json());
    assert!(whole.len() > 5, "{whole:?}");
    let mut paged = Vec::new();
    let mut next = Some("/AuditEvent?_count=2&_sort=date&date=lt2100".to_owned());
    // Each look is sealed and found too: only as many as there were then are compared.
    while let Some(path) = next.filter(|_| paged.len() < whole.len()) {
        let page = house.get(&path).await;
        paged.extend(ids(&page.json()));
        next = page.link("next");
    }
    paged.truncate(whole.len());
    assert_eq!(paged, whole);
}

#[tokio::test]
async fn whoever_may_not_see_the_trail_sees_nothing_of_it() {
    let house = House::open().await;
    let (patient, one, _) = told(&house).await;
    let token = house.client("lab", &["system/Patient.rs"]).await;
    for path in [
        format!("/AuditEvent/{one}-256"),
        format!("/AuditEvent?patient={patient}"),
    ] {
        let refused = house.get_as(&token, &path).await;
        assert_eq!(refused.code(), 403, "{path}: {}", refused.json());
    }
    let auditor = house.client("auditor", &["system/AuditEvent.rs"]).await;
    let read = house
        .get_as(&auditor, &format!("/AuditEvent/{one}-256"))
        .await;
    assert_eq!(read.code(), 200, "{}", read.json());
    // To find a patient by identifier is a question about patients, and needs leave like one.
    let path = format!("/AuditEvent?patient.identifier={OID}|100723");
    assert_eq!(house.get_as(&auditor, &path).await.code(), 403);
}
