//! What one wrote is read and written again before the chart shows it, and what is waited for.

use axum::http::Method;
use event::Body;
use serde_json::{Value, json};

use crate::house::{House, nurse};
use crate::ihe::sealed;

/// A house with a patient, an observation of theirs, and another patient in it, that does not wait long for its chart.
async fn filled() -> House {
    let house = House::impatient(200).await;
    for id in ["p", "q"] {
        let patient = json!({"resourceType": "Patient", "id": id, "name": [{"family": "One"}]});
        assert_eq!(
            house.put(&format!("/Patient/{id}"), &patient).await.code(),
            201
        );
    }
    assert_eq!(
        house.put("/Observation/o", &pulse("p", 70)).await.code(),
        201
    );
    house
}

fn pulse(patient: &str, value: u64) -> Value {
    json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "pulse"},
        "subject": {"reference": format!("Patient/{patient}")}, "valueQuantity": {"value": value}})
}

/// The observation has another value.
async fn update(house: &House, value: u64) {
    let put = house.put("/Observation/o", &pulse("p", value)).await;
    assert_eq!(put.code(), 200, "{}", put.json());
}

/// Whether the chart lacks what was sealed last.
fn is_behind(house: &House) -> bool {
    *house.app.chart.folded().borrow() < house.app.record.size()
}

#[tokio::test]
async fn what_one_wrote_is_read_and_written_again_before_the_chart_shows_it() {
    let house = filled().await;
    house.halt().await;
    for value in [71, 72, 73] {
        let put = house.put("/Observation/o", &pulse("p", value)).await;
        assert_eq!(put.code(), 200, "{}", put.json());
        assert!(is_behind(&house));
        let got = house.get("/Observation/o").await;
        assert_eq!(got.code(), 200, "{}", got.json());
        assert_eq!(got.json()["valueQuantity"]["value"], value);
        assert_eq!(got.version(), put.version());
        assert_eq!(got.json()["meta"]["versionId"], put.version().to_string());
        let Body::Decision(shown) = house.last().await.body else {
            panic!("a look was not sealed");
        };
        assert!(shown.allowed);
        let tag = format!("W/\"{}\"", put.version());
        let same = house
            .get_with("/Observation/o", &[("if-none-match", &tag)])
            .await;
        assert_eq!(same.code(), 304);
        let older = format!("W/\"{}\"", put.version() - 1);
        let lost = pulse("p", 1).to_string().into_bytes();
        let lost = house
            .write(
                (Method::PUT, "/Observation/o"),
                (&[("if-match", &older)], lost),
            )
            .await;
        assert_eq!(lost.code(), 412);
    }
    // What is made of more than one resource waits for the chart.
    assert_eq!(house.get("/Observation/o/_history").await.code(), 503);
    assert_eq!(house.get("/Observation?code=pulse").await.code(), 503);
    assert_eq!(house.delete("/Observation/o").await.code(), 204);
    assert_eq!(house.get("/Observation/o").await.code(), 503);
}

#[tokio::test]
async fn what_is_new_is_read_at_once_and_written_again_when_the_chart_shows_it() {
    let house = filled().await;
    house.halt().await;
    let new = json!({"resourceType": "Patient", "id": "new", "name": [{"family": "New"}]});
    assert_eq!(house.put("/Patient/new", &new).await.code(), 201);
    assert!(is_behind(&house));
    assert_eq!(house.get("/Patient/new").await.json()["name"], new["name"]);
    assert_eq!(house.put("/Patient/new", &new).await.code(), 503);
}

#[tokio::test]
async fn what_goes_to_another_patient_waits_for_the_chart() {
    let house = filled().await;
    house.halt().await;
    update(&house, 71).await;
    assert!(is_behind(&house));
    let moved = house.put("/Observation/o", &pulse("q", 72)).await;
    assert_eq!(moved.code(), 503, "{}", moved.json());
}

#[tokio::test]
async fn a_scope_for_a_part_of_a_type_is_held_against_what_the_chart_shows() {
    let house = filled().await;
    let some = house
        .client(
            "some",
            &[
                "system/Patient.cruds",
                "system/Observation.cruds?status=final",
            ],
        )
        .await;
    house.halt().await;
    let write = |value: u64| {
        (
            vec![("content-type", "application/fhir+json")],
            pulse("p", value).to_string().into_bytes(),
        )
    };
    let (headers, body) = write(71);
    let put = house
        .ask(&some, (Method::PUT, "/Observation/o"), (&headers, body))
        .await;
    assert_eq!(put.code(), 200, "{}", put.json());
    let (headers, body) = write(72);
    let put = house
        .ask(&some, (Method::PUT, "/Observation/o"), (&headers, body))
        .await;
    assert_eq!(put.code(), 503, "{}", put.json());
}

#[tokio::test]
async fn a_message_of_the_patient_is_not_overlooked_because_the_chart_was_not_waited_for() {
    let house = filled().await;
    house.halt().await;
    update(&house, 71).await;
    sealed(&house, ("ADT^A08", "q".into()), "MSH|").await;
    update(&house, 72).await;
    sealed(&house, ("ADT^A08", "p".into()), "MSH|").await;
    let overtaken = house.put("/Observation/o", &pulse("p", 73)).await;
    assert_eq!(overtaken.code(), 503, "{}", overtaken.json());
    assert!(is_behind(&house));
}

#[tokio::test]
async fn a_patch_waits_for_the_version_that_it_changes() {
    let house = filled().await;
    house.halt().await;
    update(&house, 71).await;
    let patch = br#"[{"op":"replace","path":"/valueQuantity/value","value":72}]"#.to_vec();
    let kind = [("content-type", "application/json-patch+json")];
    let patched = house
        .ask(
            &house.token,
            (Method::PATCH, "/Observation/o"),
            (&kind, patch),
        )
        .await;
    assert_eq!(patched.code(), 503, "{}", patched.json());
}

#[tokio::test]
async fn who_is_ruled_by_what_charts_say_waits_until_they_say_it() {
    let house = filled().await;
    house.halt().await;
    update(&house, 71).await;
    assert_eq!(house.get("/Observation/o").await.code(), 200);
    let mut request = axum::http::Request::get("/Observation/o")
        .body(axum::body::Body::empty())
        .unwrap();
    request.extensions_mut().insert(nurse(&["3W"]));
    assert_eq!(house.send(request).await.code(), 503);
    // Nor is a program told, once its policies heed labels.
    house.ruled_by(
        r#"@id("team") @words("for the team")
           forbid (principal in Role::"client", action == Action::"read", resource is Patient)
           when { resource.labels.contains("R") };"#,
    );
    assert_eq!(house.get("/Observation/o").await.code(), 503);
}

#[tokio::test]
async fn a_consent_that_is_not_in_force_yet_is_waited_for() {
    let house = filled().await;
    house.halt().await;
    let consent = json!({"resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p"}, "policyRule": {"text": "x"}, "provision": {"type": "deny"}});
    assert_eq!(house.post("/Consent", &consent).await.code(), 201);
    assert_eq!(
        house
            .put("/Patient/q", &json!({"resourceType": "Patient", "id": "q"}))
            .await
            .code(),
        200
    );
    assert_eq!(house.get("/Patient/q").await.code(), 503);
}

#[tokio::test]
async fn a_chart_that_stands_still_is_waited_for() {
    let house = filled().await;
    house.halt().await;
    update(&house, 71).await;
    assert_eq!(house.get("/Observation/o").await.code(), 200);
    house.pass(1_001);
    assert_eq!(house.get("/Observation/o").await.code(), 503);
    assert_eq!(
        house.put("/Observation/o", &pulse("p", 72)).await.code(),
        503
    );
}
