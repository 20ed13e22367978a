//! AuditEvents: what is found, by whom, and what never leaks; the ceiling on clients.

use std::net::SocketAddr;

use access::{Ceiling, Ceilings};
use axum::extract::ConnectInfo;
use axum::http::Request;
use event::{Body, Subject};
use serde_json::Value;
use web::Settings;

use crate::house::{House, nurse, observation, patient};

/// A house with two patients who were read.
async fn read_two(house: &House) -> (String, String) {
    let one = house.post("/Patient", &patient("Audita")).await.id();
    let two = house.post("/Patient", &patient("Auditus")).await.id();
    for id in [&one, &two] {
        let about = observation(&format!("Patient/{id}"), "1");
        house.post("/Observation", &about).await;
        house.get(&format!("/Patient/{id}")).await;
    }
    (one, two)
}

fn resources(bundle: &Value) -> Vec<Value> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .map(|entry| entry["resource"].clone())
        .collect()
}

#[tokio::test]
async fn each_access_to_a_patient_is_an_audit_event_in_balps_form() {
    let house = House::open().await;
    let (one, _) = read_two(&house).await;
    let found = house
        .get(&format!("/AuditEvent?patient={one}&_sort=date"))
        .await;
    assert_eq!(found.code(), 200, "{}", found.json());
    let events = resources(&found.json());
    let told: Vec<(&str, &str)> = events
        .iter()
        .map(|event| {
            let subtype = event.pointer("/subtype/0/code").and_then(Value::as_str);
            (
                event["action"].as_str().unwrap(),
                subtype.unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("C", "create"), ("C", "create"), ("R", "read"), ("R", "")]
    );
    for event in &events {
        assert!(wire::fhir::check(event).is_empty(), "{event}");
        let patient = event["entity"].as_array().unwrap().iter().any(|entity| {
            entity.pointer("/what/reference") == Some(&format!("Patient/{one}").into())
        });
        assert!(patient, "{event}");
    }
    let profile = events[2].pointer("/meta/profile/0").and_then(Value::as_str);
    assert!(profile.unwrap().ends_with("IHE.BasicAudit.PatientRead"));
    let id = events[2]["id"].as_str().unwrap();
    let again = house.get(&format!("/AuditEvent/{id}")).await;
    assert_eq!(again.json(), events[2], "an id is stable");
}

/// The address of the connection, whatever headers say; of a read, a write and a search.
#[tokio::test]
async fn where_it_was_asked_from_is_sealed_and_told() {
    let house = House::open().await;
    let (one, _) = read_two(&house).await;
    let peer: SocketAddr = "[::ffff:192.0.2.7]:5000".parse().unwrap();
    let body = observation(&format!("Patient/{one}"), "2").to_string();
    let before = house.app.record.size();
    for (method, path, body) in [
        ("GET", format!("/Patient/{one}"), String::new()),
        ("POST", "/Observation".to_owned(), body),
        ("GET", "/Patient?name=Audit".to_owned(), String::new()),
    ] {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header("authorization", format!("Bearer {}", house.token))
            .header("content-type", "application/fhir+json")
            .header("x-forwarded-for", "198.51.100.9");
        let mut request = request.body(axum::body::Body::from(body)).unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        assert!(house.send(request).await.status.is_success());
    }
    let sealed = house.app.record.read(before, 100).await.unwrap();
    let from = |event: &event::Event| event.from.clone();
    let from: Vec<_> = sealed.iter().map(|one| from(one.event())).collect();
    assert!(from.len() >= 4, "a read, a write, a search, whom it showed");
    assert!(
        from.iter().all(|from| from.as_deref() == Some("192.0.2.7")),
        "{from:?}"
    );
    let found = house.get(&format!("/AuditEvent?patient={one}")).await;
    let told = resources(&found.json()).into_iter().filter(|event| {
        let agents = event["agent"].as_array().unwrap().iter();
        let mut addresses = agents.map(|one| &one["network"]["address"]);
        addresses.any(|one| one == "192.0.2.7")
    });
    assert_eq!(told.count(), 3, "{}", found.json());
}

#[tokio::test]
async fn a_search_is_an_event_for_each_patient_it_showed() {
    let house = House::open().await;
    let (one, two) = read_two(&house).await;
    for value in 0..20 {
        let body = observation(&format!("Patient/{one}"), &value.to_string());
        house.post("/Observation", &body).await;
    }
    let before = house.app.record.size();
    let found = house.get("/Observation?code=8867-4&_count=200").await;
    assert!(resources(&found.json()).len() > 20);
    // One decision for the page and one event for whom it showed, however many rows it has.
    assert_eq!(house.app.record.size(), before + 2);
    let Body::Shown(shown) = house.last().await.body else {
        panic!("whom the search showed is not sealed");
    };
    let mut patients = shown.patients.clone();
    patients.sort();
    let mut wanted = vec![one.clone(), two.clone()];
    wanted.sort();
    assert_eq!(patients, wanted);
    assert!(!shown.identity_only);
    for id in [&one, &two] {
        let path = format!("/AuditEvent?patient={id}&subtype=search");
        let events = resources(&house.get(&path).await.json());
        assert_eq!(events.len(), 1, "{path}");
        let profile = events[0].pointer("/meta/profile/0").and_then(Value::as_str);
        assert!(profile.unwrap().ends_with("IHE.BasicAudit.PatientQuery"));
    }
    house.get("/Observation?code=nothing").await;
    assert!(
        matches!(house.last().await.body, Body::Decision(_)),
        "nobody was shown"
    );
    house.get(&format!("/Observation?patient={one}")).await;
    assert!(
        matches!(house.last().await.body, Body::Decision(_)),
        "the decision names the patient"
    );
    house.get("/Patient?family=auditus").await;
    let Body::Shown(shown) = house.last().await.body else {
        panic!("whom the search showed is not sealed");
    };
    assert!(shown.identity_only);
}

#[tokio::test]
async fn parameters_narrow_and_unknown_ones_are_refused() {
    let house = House::open().await;
    let (one, two) = read_two(&house).await;
    let count = async |query: &str| {
        let found = house.get(&format!("/AuditEvent?{query}&_count=100")).await;
        assert_eq!(found.code(), 200, "{query}: {}", found.json());
        resources(&found.json()).len()
    };
    assert_eq!(count(&format!("patient={one}&action=C")).await, 2);
    assert_eq!(
        count(&format!("patient=Patient/{one}&action=C,R&type=rest")).await,
        3
    );
    assert_eq!(
        count(&format!("entity=Patient/{two}&subtype=read")).await,
        1
    );
    assert_eq!(count(&format!("patient={one}&patient={two}")).await, 0);
    assert_eq!(
        count(&format!(
            "patient={one}&agent:identifier=urn:salus:account|everything&action=C"
        ))
        .await,
        2
    );
    assert_eq!(
        count(&format!("patient={one}&agent:identifier=somebody")).await,
        0
    );
    assert_eq!(
        count(&format!("patient={one}&agent-name=EVERY&action=C")).await,
        2
    );
    assert_eq!(count(&format!("patient={one}&outcome=8")).await, 0);
    assert_eq!(count(&format!("patient={one}&date=gt2100")).await, 0);
    assert_eq!(
        count(&format!("patient={one}&date=ge2020&date=lt2100&action=C")).await,
        2
    );
    assert_eq!(count("_id=nothing-of-ours").await, 0);
    let total = house
        .get(&format!(
            "/AuditEvent?patient={two}&action=C&_total=accurate"
        ))
        .await;
    assert_eq!(total.json()["total"], 2);
    for bad in [
        "altid=1",
        "nonsense=1",
        "_include=AuditEvent:agent",
        "_sort=agent",
        "_page=x",
        "entity=1",
    ] {
        assert_eq!(
            house.get(&format!("/AuditEvent?{bad}")).await.code(),
            400,
            "{bad}"
        );
    }
    assert_eq!(house.get("/AuditEvent/999999").await.code(), 404);
    assert_eq!(house.get("/AuditEvent/0-0").await.code(), 404);
}

#[tokio::test]
async fn pages_of_audit_events_neither_repeat_nor_leave_out() {
    let house = House::open().await;
    let (one, _) = read_two(&house).await;
    for _ in 0..5 {
        house.get(&format!("/Patient/{one}")).await;
    }
    let path = format!("/AuditEvent?patient={one}&subtype=read&_count=2");
    let mut next = Some(path);
    let mut ids = Vec::new();
    while let Some(path) = next {
        let page = house.get(&path).await;
        ids.extend(page.names());
        house.get(&format!("/Patient/{one}")).await;
        next = page.link("next");
    }
    assert_eq!(ids.len(), 6);
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[tokio::test]
async fn who_may_not_see_who_looked_learns_nothing() {
    let house = House::open().await;
    let (one, _) = read_two(&house).await;
    let found = house
        .get(&format!("/AuditEvent?patient={one}&action=R"))
        .await;
    let id = resources(&found.json())[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let narrow = house
        .client("narrow", &["system/Observation.rs", "system/Patient.cruds"])
        .await;
    for path in [
        format!("/AuditEvent?patient={one}"),
        "/AuditEvent".to_owned(),
        format!("/AuditEvent/{id}"),
        "/AuditEvent/999999".to_owned(),
        "/AuditEvent?patient=nobody".to_owned(),
    ] {
        let refused = house.get_as(&narrow, &path).await;
        assert_eq!(refused.code(), 403, "{path}: {}", refused.json());
        assert!(!refused.words().contains(&one), "{path}");
        let mut asked = Request::builder()
            .uri(&path)
            .body(axum::body::Body::empty())
            .unwrap();
        asked.extensions_mut().insert(nurse(&["W3"]));
        assert_eq!(house.send(asked).await.code(), 403, "{path}");
    }
    assert_eq!(house.get_as("", "/AuditEvent").await.code(), 401);
    let reader = house.client("siem", &["system/AuditEvent.rs"]).await;
    let seen = house
        .get_as(&reader, &format!("/AuditEvent?patient={one}"))
        .await;
    assert_eq!(seen.code(), 200);
    assert_eq!(
        house
            .get_as(&reader, &format!("/Patient/{one}"))
            .await
            .code(),
        403
    );
    let Body::Decision(decided) = house.last().await.body else {
        panic!("not a decision");
    };
    assert!(!decided.allowed);
}

#[tokio::test]
async fn nobody_can_put_an_audit_event_in_the_place_of_a_sealed_one() {
    let house = House::open().await;
    let (one, _) = read_two(&house).await;
    let found = house
        .get(&format!("/AuditEvent?patient={one}&action=R"))
        .await;
    let mut forged = resources(&found.json())[0].clone();
    let id = forged["id"].as_str().unwrap().to_owned();
    let before = house.get(&format!("/AuditEvent/{id}")).await.json();
    forged["agent"][0]["who"]["display"] = "somebody else".into();
    house.put(&format!("/AuditEvent/{id}"), &forged).await;
    assert_eq!(house.get(&format!("/AuditEvent/{id}")).await.json(), before);
    house.delete(&format!("/AuditEvent/{id}")).await;
    assert_eq!(house.get(&format!("/AuditEvent/{id}")).await.json(), before);
}

#[tokio::test]
async fn a_client_that_takes_too_many_patients_is_stopped() {
    let client = Ceiling {
        patients_hour: 5,
        patients_day: 100,
    };
    let ceilings = Ceilings {
        client,
        ..Ceilings::default()
    };
    let house = House::of(Settings::default(), ceilings).await;
    let mut ids = Vec::new();
    for number in 0..8 {
        let made = house
            .post("/Patient", &patient(&format!("Many{number}")))
            .await;
        ids.push(made.id());
    }
    let thief = house.client("thief", &["system/*.rs"]).await;
    let mut statuses = Vec::new();
    for id in &ids {
        statuses.push(house.get_as(&thief, &format!("/Patient/{id}")).await.code());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 403, 403, 403]);
    let known = house.get_as(&thief, &format!("/Patient/{}", ids[0])).await;
    assert_eq!(known.code(), 200, "who was seen never counts again");
    let refused = house.get_as(&thief, "/Observation").await;
    assert!(
        refused.words().contains("5 different patients in an hour"),
        "{}",
        refused.words()
    );
    let other = house.client("other", &["system/*.rs"]).await;
    assert_eq!(
        house
            .get_as(&other, &format!("/Patient/{}", ids[7]))
            .await
            .code(),
        200
    );
}

#[tokio::test]
async fn a_burst_cannot_run_ahead_of_the_count() {
    let ceilings = Ceilings {
        client: Ceiling {
            patients_hour: 3,
            patients_day: 100,
        },
        ..Ceilings::default()
    };
    let house = House::of(Settings::default(), ceilings).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        let made = house
            .post("/Patient", &patient(&format!("Burst{number}")))
            .await;
        ids.push(made.id());
    }
    let thief = house.client("thief", &["system/*.rs"]).await;
    let mut allowed = 0;
    for id in &ids {
        let reply = house.get_as(&thief, &format!("/Patient/{id}")).await;
        allowed += usize::from(reply.code() == 200);
    }
    assert_eq!(allowed, 3);
    let last = house.last().await;
    assert!(matches!(
        last.subject,
        Subject::Patient(_) | Subject::Account(_)
    ));
}
