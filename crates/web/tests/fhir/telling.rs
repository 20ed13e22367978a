//! AuditEvents that other systems create (IHE RESTful ATNA, ITI-20): taken as what they tell, not as resources.

use axum::http::Method;
use event::Body;
use serde_json::{Value, json};
use web::Settings;

use crate::house::{BASE, House, patient};

/// An AuditEvent with these entities, if there are any.
fn told(entities: Value) -> Value {
    let mut event = json!({
        "resourceType": "AuditEvent",
        "meta": {"profile": ["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"]},
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "action": "R",
        "outcome": "0",
        "recorded": "2023-11-14T22:00:00Z",
        "agent": [{"who": {"identifier": {"value": "dr.ott"}}, "requestor": true,
            "network": {"address": "192.0.2.9", "type": "2"}}],
        "source": {"observer": {"identifier": {"value": "portal.north"}}},
    });
    if entities != json!([]) {
        event["entity"] = entities;
    }
    event
}

fn of(what: Value) -> Value {
    let person =
        json!({"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1"});
    let role = json!({"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"});
    json!({"what": what, "type": person, "role": role})
}

fn here(id: &str) -> Value {
    of(json!({"reference": format!("Patient/{id}")}))
}

fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let id = |entry: &Value| entry["resource"]["id"].as_str().unwrap().to_owned();
    entries.iter().map(id).collect()
}

#[tokio::test]
async fn it_is_found_among_what_others_tell_and_nobody_changes_it() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Seen")).await.id();
    let portal = house.client("portal", &["system/AuditEvent.c"]).await;
    let event = told(json!([here(&id)]));
    let headers: &[(&str, &str)] = &[("content-type", "application/fhir+json")];
    let call = (Method::POST, "/AuditEvent");
    let made = house
        .ask(&portal, call, (headers, event.to_string().into()))
        .await;
    assert_eq!(made.code(), 201, "{}", made.json());
    let place = made
        .header("location")
        .strip_prefix(BASE)
        .unwrap()
        .to_owned();
    let sealed = house.last().await;
    assert!(
        matches!(&sealed.body, Body::Signals(batch) if batch.feed == "portal" && batch.format == "audit")
    );
    assert_eq!(
        sealed.subject.patient(),
        Some(id.as_str()),
        "it is under the patient's key"
    );
    assert_eq!(sealed.actor.id, "portal");
    let read = house.get(&place).await;
    assert_eq!(read.code(), 200, "{}", read.json());
    let wanted = read.json();
    let own = place.trim_start_matches("/AuditEvent/");
    let said = |path: &str| wanted.pointer(path).cloned().unwrap_or_default();
    for (path, value) in [
        ("/id", own),
        ("/meta/source", "urn:salus:feed:portal"),
        ("/type/code", "rest"),
        ("/subtype/0/code", "read"),
        ("/recorded", "2023-11-14T22:00:00Z"),
        ("/agent/0/who/identifier/value", "dr.ott"),
        ("/source/observer/identifier/value", "portal.north"),
        ("/entity/0/what/reference", &format!("Patient/{id}")),
    ] {
        assert_eq!(said(path), value, "{path}: {wanted}");
    }
    assert_eq!(made.json(), wanted, "so it is answered");
    for query in [
        format!("patient={id}&source.identifier=portal.north"),
        "agent.identifier=dr.ott&action=R".to_owned(),
        "type=rest&subtype=read&source.identifier=portal.north&address=192.0.2".to_owned(),
    ] {
        let found = house.get(&format!("/AuditEvent?{query}")).await;
        assert_eq!(
            ids(&found.json()),
            [wanted["id"].as_str().unwrap()],
            "{query}: {}",
            found.json()
        );
    }
    house.delete(&place).await;
    assert_eq!(house.get(&place).await.json(), wanted, "it stays");
    let nobody = house
        .ask(&portal, (Method::GET, &place), (&[], Vec::new()))
        .await;
    assert_eq!(nobody.code(), 403, "who tells may not look");
}

#[tokio::test]
async fn of_a_batch_each_is_taken_or_refused_by_itself() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Seen")).await.id();
    let entry = |resource: Value| json!({"resource": resource, "request": {"method": "POST", "url": "AuditEvent"}});
    let mut bad = told(json!([here(&id)]));
    bad["action"] = "X".into();
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        entry(told(json!([here(&id)]))),
        entry(bad),
        json!({"request": {"method": "GET", "url": format!("Patient/{id}")}}),
        entry(told(json!([]))),
    ]});
    let answer = house.post("/", &batch).await;
    assert_eq!(answer.code(), 200, "{}", answer.json());
    let statuses: Vec<String> = answer.json()["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["response"]["status"].as_str().unwrap()[..3].to_owned())
        .collect();
    assert_eq!(statuses, ["201", "400", "200", "201"]);
    let fault = answer.json()["entry"][1]["response"]["outcome"].to_string();
    assert!(fault.contains("Bundle.entry[1].resource.action"), "{fault}");
    let found = house
        .get("/AuditEvent?source.identifier=portal.north")
        .await;
    assert_eq!(found.names().len(), 2);
}

#[tokio::test]
async fn about_several_patients_each_has_one_without_the_others() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Seen")).await.id();
    let number = of(json!({"identifier": {"system": "urn:mrn", "value": "Other"}}));
    let query = json!({"name": "ward list", "role": {"code": "4"}});
    let made = house
        .post("/AuditEvent", &told(json!([here(&id), number, query])))
        .await;
    assert_eq!(made.code(), 201, "{}", made.json());
    assert_eq!(house.last().await.subject.patient(), None);
    let found = house
        .get("/AuditEvent?source.identifier=portal.north")
        .await
        .json();
    let events: Vec<&Value> = found["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["resource"])
        .collect();
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(event["entity"].as_array().unwrap().len(), 1, "{event}");
        let text = event.to_string();
        assert_ne!(text.contains(&id), text.contains("\"Other\""), "{text}");
    }
    let own = house
        .get(&format!(
            "/AuditEvent?patient={id}&source.identifier=portal.north"
        ))
        .await;
    assert_eq!(own.names().len(), 1);
}

#[tokio::test]
async fn who_may_not_tell_and_what_is_no_audit_event_is_refused() {
    let settings = Settings {
        audit_event_bytes_max: 2_000,
        ..Settings::default()
    };
    let house = House::with(settings).await;
    let other = house.client("lab", &["system/Observation.c"]).await;
    let headers: &[(&str, &str)] = &[("content-type", "application/fhir+json")];
    let body = told(json!([])).to_string();
    let call = (Method::POST, "/AuditEvent");
    let refused = house.ask(&other, call, (headers, body.into())).await;
    assert_eq!(refused.code(), 403);
    let mut large = told(json!([]));
    large["outcomeDesc"] = "x".repeat(2_000).into();
    assert_eq!(house.post("/AuditEvent", &large).await.code(), 413);
    let person = house.post("/AuditEvent", &patient("None")).await;
    assert_eq!(person.code(), 400, "{}", person.json());
    let found = house
        .get("/AuditEvent?source.identifier=portal.north")
        .await;
    assert_eq!(found.names().len(), 0);
}

#[tokio::test]
async fn what_is_written_in_another_way_stays_a_resource() {
    let house = House::open().await;
    let mut own = told(json!([]));
    own["id"] = "own".into();
    let put = house.put("/AuditEvent/own", &own).await;
    assert_eq!(put.code(), 201, "{}", put.json());
    assert!(matches!(house.last().await.body, Body::Resource(_)));
    let entry =
        json!({"resource": told(json!([])), "request": {"method": "POST", "url": "AuditEvent"}});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
    let done = house.post("/", &bundle).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    assert!(matches!(house.last().await.body, Body::Resource(_)));
}

#[tokio::test]
async fn nothing_of_another_patient_is_shown_with_one_wherever_it_stands() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Seen")).await.id();
    let mut event = told(json!([
        here(&id),
        of(json!({"reference": "https://elsewhere.invalid/fhir/Patient/hidden-1"})),
        of(json!({"reference": "#hidden"})),
        {"what": {"reference": "Patient/hidden-2"}, "role": {"code": "4"}},
        {"what": {"reference": "Observation/hidden-3", "display": "hidden-4"}, "name": "hidden-5"},
    ]));
    event["contained"] =
        json!([{"resourceType": "Patient", "id": "hidden", "name": [{"family": "hidden-6"}]}]);
    event["text"] = json!({"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">hidden-7</div>"});
    event["outcomeDesc"] = "hidden-8".into();
    event["extension"] = json!([{"url": "urn:x", "valueString": "hidden-9"}]);
    event["meta"]["tag"] = json!([{"display": "hidden-10"}]);
    let made = house.post("/AuditEvent", &event).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    let found = house
        .get(&format!(
            "/AuditEvent?patient={id}&source.identifier=portal.north"
        ))
        .await;
    assert_eq!(found.names().len(), 1, "{}", found.json());
    let text = found.json().to_string();
    assert!(text.contains(&format!("Patient/{id}")), "{text}");
    assert!(!text.contains("hidden"), "{text}");
    // Of one patient alone what is understood is told, and nothing else.
    event["entity"] = json!([here(&id)]);
    event.as_object_mut().unwrap().remove("contained");
    event["outcomeDesc"] = "told".into();
    let made = house.post("/AuditEvent", &event).await;
    let text = made.json().to_string();
    assert!(text.contains("told") && !text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn a_patient_is_ours_by_our_own_absolute_address_too() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Seen")).await.id();
    let event = told(json!([of(
        json!({"reference": format!("{BASE}/Patient/{id}")})
    )]));
    let made = house.post("/AuditEvent", &event).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    assert_eq!(house.last().await.subject.patient(), Some(id.as_str()));
    let found = house
        .get(&format!(
            "/AuditEvent?patient={id}&source.identifier=portal.north"
        ))
        .await;
    assert_eq!(found.names().len(), 1);
    let other = told(json!([of(
        json!({"reference": format!("https://elsewhere.invalid/fhir/Patient/{id}")})
    )]));
    house.post("/AuditEvent", &other).await;
    assert_eq!(house.last().await.subject.patient(), None);
    let observation = crate::house::observation(&format!("{BASE}/Patient/{id}"), "1");
    let made = house.post("/Observation", &observation).await;
    assert_eq!(made.json()["subject"]["reference"], format!("Patient/{id}"));
    assert_eq!(house.last().await.subject.patient(), Some(id.as_str()));
    let found = house.get(&format!("/Observation?patient={id}")).await;
    assert_eq!(found.names().len(), 1);
}
