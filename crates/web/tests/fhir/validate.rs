//! `$validate`: what a write would say, without writing.

use serde_json::{Value, json};

use crate::house::{House, observation, patient};

fn parameters(parts: &[Value]) -> Value {
    json!({"resourceType": "Parameters", "parameter": parts})
}

fn errors(outcome: &Value) -> Vec<String> {
    let issues = outcome["issue"].as_array().unwrap().iter();
    let errors = issues.filter(|issue| issue["severity"] == "error");
    errors
        .map(|issue| format!("{} {}", issue["code"], issue["diagnostics"]))
        .collect()
}

#[tokio::test]
async fn a_resource_is_checked_and_not_written() {
    let house = House::open().await;
    let size = house.app.record.size();
    let good = house.post("/Patient/$validate", &patient("Good")).await;
    assert_eq!(good.code(), 200, "{}", good.json());
    assert_eq!(errors(&good.json()), Vec::<String>::new());
    let mut wrong = patient("Wrong");
    wrong["gender"] = "banana".into();
    wrong["shoe"] = 42.into();
    let body = parameters(&[json!({"name": "resource", "resource": wrong})]);
    for body in [&wrong, &body] {
        let bad = house.post("/Patient/$validate", body).await;
        assert_eq!(bad.code(), 200);
        let told = errors(&bad.json());
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("code-invalid") && told[1].contains("structure"),
            "{told:?}"
        );
    }
    let other = house
        .post("/Patient/$validate", &observation("Patient/x", "1"))
        .await;
    assert!(errors(&other.json())[0].contains("the URL is that of"));
    assert_eq!(
        house.app.record.size(),
        size,
        "nothing was sealed, for nothing was shown"
    );
    assert_eq!(house.get("/Patient").await.names().len(), 0);
}

#[tokio::test]
async fn a_mode_asks_whether_it_may_be_written() {
    let house = House::open().await;
    let made = house.post("/Patient", &patient("Mode")).await;
    let path = format!("/Patient/{}/$validate", made.id());
    let with = |resource: &Value, mode: &str| {
        parameters(&[
            json!({"name": "resource", "resource": resource}),
            json!({"name": "mode", "valueCode": mode}),
        ])
    };
    let kept = made.json();
    let update = house.post(&path, &with(&kept, "update")).await;
    assert_eq!(errors(&update.json()), Vec::<String>::new());
    let update = house.post(&path, &with(&patient("Other"), "update")).await;
    assert!(
        errors(&update.json())[0].contains("needs this id"),
        "{}",
        update.json()
    );
    let create = house
        .post("/Patient/$validate", &with(&kept, "create"))
        .await;
    assert_eq!(errors(&create.json()), Vec::<String>::new());
    let stored = house.get(&path).await;
    assert_eq!(errors(&stored.json()), Vec::<String>::new());
    let delete = house.get(&format!("{path}?mode=delete")).await;
    assert_eq!(errors(&delete.json()), Vec::<String>::new());
    let reader = house.client("reader", &["system/Patient.rs"]).await;
    let refused = house.get_as(&reader, &format!("{path}?mode=delete")).await;
    assert!(
        errors(&refused.json())[0].contains("forbidden"),
        "{}",
        refused.json()
    );
    let stranger = house.client("stranger", &["system/Observation.rs"]).await;
    assert_eq!(house.get_as(&stranger, &path).await.code(), 403);
    for (path, code) in [
        ("/Patient/$validate?mode=delete", 400),
        ("/Patient/$validate?mode=banana", 400),
        ("/Patient/$validate?name=x", 400),
        ("/Patient/$validate", 400),
        ("/Patient/nobody/$validate", 404),
    ] {
        assert_eq!(house.get(path).await.code(), code, "{path}");
    }
}

const STRICT: &str = "http://example.org/StructureDefinition/strict";

/// A profile of Patient with a rule of each sort.
fn strict() -> Value {
    let url = STRICT;
    let element = |id: &str, more: Value| {
        let mut one = more;
        one["id"] = id.into();
        let path = id.split(':').next().unwrap();
        one["path"] = path.into();
        one["definition"] = "What it is.".into();
        one["base"] = json!({"path": path, "min": 0, "max": "*"});
        one
    };
    json!({
        "resourceType": "StructureDefinition", "url": url, "name": "Strict", "status": "active",
        "kind": "resource", "abstract": false, "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "snapshot": {"element": [
            element("Patient", json!({"min": 0, "max": "*"})),
            element("Patient.active", json!({"min": 1, "max": "1", "fixedBoolean": true})),
            element("Patient.name", json!({"min": 1, "max": "1", "mustSupport": true})),
            element("Patient.name.family", json!({"min": 1, "max": "1"})),
            element("Patient.name:official", json!({"min": 0, "max": "1", "sliceName": "official"})),
            element("Patient.deceased[x]", json!({"min": 0, "max": "1", "type": [{"code": "dateTime"}]})),
            element("Patient.photo", json!({"min": 0, "max": "0"})),
            element("Patient.contact", json!({"min": 0, "max": "*", "mustSupport": true})),
            element("Patient.maritalStatus", json!({"min": 0, "max": "1",
                "patternCodeableConcept": {"coding": [{"code": "M"}]}})),
            element("Patient.gender", json!({"min": 0, "max": "1", "binding": {"strength": "required",
                "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"}})),
        ]},
    })
}

#[tokio::test]
async fn a_profile_is_held_against_it_as_far_as_that_goes() {
    let house = House::open().await;
    let url = STRICT;
    let path = format!("/Patient/$validate?profile={url}");
    let missing = house.post(&path, &patient("P")).await;
    assert!(
        errors(&missing.json())[0].contains("not at hand"),
        "{}",
        missing.json()
    );
    let written = house.post("/StructureDefinition", &strict()).await;
    assert_eq!(written.code(), 201, "{}", written.json());
    let mut good = patient("P");
    good["active"] = true.into();
    let fine = house.post(&path, &good).await;
    assert_eq!(errors(&fine.json()), Vec::<String>::new());
    let said = fine.words();
    assert!(said.contains("slices are not checked"), "{said}");
    assert!(said.contains("Patient.contact"), "{said}");
    let mut bad = patient("P");
    bad["name"] = json!([{"text": "a"}, {"family": "b"}]);
    bad["deceasedBoolean"] = true.into();
    bad["photo"] = json!([{"title": "x"}]);
    bad["maritalStatus"] = json!({"coding": [{"code": "S"}]});
    let told = errors(&house.post(&path, &bad).await.json()).join("\n");
    for words in [
        "at least 1 needed by the profile, there are 0",
        "at most 1 allowed by the profile, there are 2",
        "allows dateTime here, not `Boolean`",
        "at most 0 allowed",
        "wants `",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // One that the resource itself names is looked at too, and one that is unknown is said.
    bad["meta"]["profile"] = json!([url, "http://example.org/other"]);
    let reply = house.post("/Patient/$validate", &bad).await;
    assert!(!errors(&reply.json()).is_empty());
    assert!(
        reply.words().contains("which the resource names"),
        "{}",
        reply.words()
    );
    let wrong = format!("/Observation/$validate?profile={url}");
    let reply = house.post(&wrong, &observation("Patient/x", "1")).await;
    assert!(
        errors(&reply.json())[0].contains("is for `Patient`"),
        "{}",
        reply.json()
    );
}

#[tokio::test]
async fn an_update_beyond_narrowed_scopes_is_told_as_one() {
    let house = House::open().await;
    let token = house
        .client("finals", &["system/Observation.cruds?status=final"])
        .await;
    let mut kept = observation("Patient/a", "1");
    for (id, status) in [("one", "final"), ("two", "amended")] {
        (kept["id"], kept["status"]) = (id.into(), status.into());
        let made = house.put(&format!("/Observation/{id}"), &kept).await;
        assert_eq!(made.code(), 201, "{}", made.json());
    }
    let says = async |status: &str| {
        let mut would = kept.clone();
        (would["id"], would["status"]) = ("one".into(), status.into());
        let headers = [("content-type", "application/fhir+json")];
        let path = "/Observation/one/$validate?mode=update";
        let body = (&headers[..], would.to_string().into_bytes());
        let asked = (axum::http::Method::POST, path);
        house.ask(&token, asked, body).await.json()["issue"].to_string()
    };
    assert!(!says("final").await.contains("forbidden"));
    assert!(says("amended").await.contains("forbidden"));
    let create = |status: &str| {
        let mut would = kept.clone();
        would["status"] = status.into();
        would.to_string().into_bytes()
    };
    for (status, refused) in [("final", false), ("amended", true)] {
        let headers = [("content-type", "application/fhir+json")];
        let path = "/Observation/$validate?mode=create";
        let asked = (axum::http::Method::POST, path);
        let told = house
            .ask(&token, asked, (&headers[..], create(status)))
            .await;
        let told = told.json()["issue"].to_string();
        assert_eq!(told.contains("forbidden"), refused, "{told}");
    }
}

#[tokio::test]
async fn json_that_is_no_object_is_no_question() {
    let house = House::open().await;
    for path in ["/Patient/$validate", "/ValueSet/$expand"] {
        for body in ["[null, null]", "-1", "\"x\""] {
            let headers = [("content-type", "application/fhir+json")];
            let body = (&headers[..], body.as_bytes().to_vec());
            let asked = (axum::http::Method::POST, path);
            let reply = house.ask(&house.token, asked, body).await;
            assert_eq!(reply.code(), 400, "{path}: {}", reply.json());
        }
    }
}
