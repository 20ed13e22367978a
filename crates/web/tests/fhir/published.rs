//! A document that is published by itself (IHE MHD, ITI-105): its profile is held against it if it claims it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::contents::{contents, data, scan};
use crate::house::{House, patient};

const PROFILE: &str = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.SimplifiedPublish.DocumentReference";

fn published(patient: &str, bytes: &[u8]) -> Value {
    json!({
        "resourceType": "DocumentReference",
        "meta": {"profile": [PROFILE]},
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.129.6.58.92.88337"},
        "status": "current",
        "subject": {"reference": format!("Patient/{patient}")},
        "content": [{"attachment": {
            "contentType": "application/pdf", "data": STANDARD.encode(bytes), "size": bytes.len()
        }}],
    })
}

#[tokio::test]
async fn a_document_is_published_with_its_content_which_lies_in_the_vault() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let bytes = scan(1);
    let made = house
        .post("/DocumentReference", &published(&id, &bytes))
        .await;
    assert_eq!(made.code(), 201, "{}", made.json());
    let (row, kept) = contents(&house, made.version()).await;
    assert!(row < 1_500 && kept.len() == 1, "{row}");
    let found = house
        .get(&format!("/DocumentReference?patient={id}&status=current"))
        .await;
    let found = &found.json()["entry"][0]["resource"];
    assert_eq!(data(found), bytes);
    // What becomes of it later is not how it was published.
    let mut changed = made.json();
    changed["status"] = "superseded".into();
    let place = format!("/DocumentReference/{}", made.id());
    let changed = house.put(&place, &changed).await;
    assert_eq!(changed.code(), 200, "{}", changed.json());
}

#[tokio::test]
async fn what_the_profile_does_not_have_is_refused_with_its_place() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let group = json!({"resourceType": "Group", "type": "person", "actual": true});
    let group = house.post("/Group", &group).await.id();
    let good = published(&id, b"%PDF-1.4");
    let changed = |pointer: &str, value: Value| {
        let mut one = good.clone();
        let (of, name) = pointer.rsplit_once('/').unwrap();
        let of = one.pointer_mut(of).unwrap().as_object_mut().unwrap();
        match value {
            Value::Null => drop(of.shift_remove(name)),
            value => drop(of.insert(name.to_owned(), value)),
        }
        one
    };
    let attachment = "content.attachment";
    for (pointer, value, place) in [
        ("/masterIdentifier", Value::Null, "masterIdentifier.value"),
        ("/subject", Value::Null, "subject"),
        (
            "/subject/reference",
            format!("Group/{group}").into(),
            "subject",
        ),
        ("/status", "superseded".into(), "status"),
        ("/docStatus", "final".into(), "docStatus"),
        ("/identifier", json!([{"value": "1"}]), "identifier"),
        (
            "/content/0/attachment/data",
            Value::Null,
            &format!("{attachment}.data"),
        ),
        (
            "/content/0/attachment/url",
            "Binary/1".into(),
            &format!("{attachment}.url"),
        ),
        (
            "/content/0/attachment/size",
            7.into(),
            &format!("{attachment}.size"),
        ),
        (
            "/content/0/attachment/hash",
            "AAAA".into(),
            &format!("{attachment}.hash"),
        ),
    ] {
        let one = changed(pointer, value);
        let refused = house.post("/DocumentReference", &one).await;
        assert_eq!(refused.code(), 422, "{pointer}: {}", refused.json());
        let outcome = refused.json().to_string();
        let named = format!("\"DocumentReference.{place}\"");
        assert!(outcome.contains(&named), "{pointer}: {outcome}");
        // Who claims nothing is taken as before.
        let mut plain = one;
        plain.as_object_mut().unwrap().shift_remove("meta");
        let taken = house.post("/DocumentReference", &plain).await;
        assert_eq!(taken.code(), 201, "{pointer}: {}", taken.json());
    }
}

/// Nothing of a transaction is done if one of its documents is not as it claims.
#[tokio::test]
async fn a_document_in_a_transaction_is_held_against_what_it_claims() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let mut resource = published(&id, b"%PDF-1.4");
    resource.as_object_mut().unwrap().shift_remove("subject");
    let entry = json!({
        "resource": resource,
        "request": {"method": "POST", "url": "DocumentReference"}
    });
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
    let refused = house.post("/", &bundle).await;
    assert_eq!(refused.code(), 422);
    let outcome = refused.json().to_string();
    assert!(
        outcome.contains("\"Bundle.entry[0].resource.subject\""),
        "{outcome}"
    );
}

/// One that replaces another, with a number of its own.
fn replacing(patient: &str, target: Value) -> Value {
    let mut one = published(patient, b"%PDF-1.5");
    let number = json!({"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3.4.5"});
    let replaces = json!([{"code": "replaces", "target": target}]);
    if let Some(said) = one.as_object_mut() {
        said.extend([
            ("masterIdentifier".to_owned(), number),
            ("relatesTo".to_owned(), replaces),
        ]);
    }
    one
}

#[tokio::test]
async fn what_a_published_document_replaces_is_superseded_in_the_same_commit() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let first = published(&id, b"%PDF-1.4");
    let master = first["masterIdentifier"].clone();
    let condition = "DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.129.6.58.92.88337";
    for (at, by) in ["reference", "identifier", "condition"].iter().enumerate() {
        let older = house.post("/DocumentReference", &first).await.id();
        let place = format!("/DocumentReference/{older}");
        let target = match *by {
            "reference" => json!({"reference": &place[1..]}),
            "identifier" => json!({"identifier": master}),
            _ => json!({"reference": condition}),
        };
        let mut newer = replacing(&id, target);
        newer["masterIdentifier"]["value"] = format!("urn:oid:1.2.3.{at}").into();
        let made = house.post("/DocumentReference", &newer).await;
        assert_eq!(made.code(), 201, "{by}: {}", made.json());
        assert_eq!(made.json()["status"], "current", "{by}");
        let was = house.get(&place).await;
        assert_eq!(was.json()["status"], "superseded", "{by}");
        let record = &house.app.record;
        let one = record.get(made.version()).await.unwrap();
        let other = record.get(was.version()).await.unwrap();
        assert_eq!(one.at(), other.at(), "{by}: it is one commit");
        // What is not current cannot be replaced once more, and what would is not kept.
        let size = record.size();
        newer["relatesTo"][0]["target"] = json!({"reference": &place[1..]});
        let again = house.post("/DocumentReference", &newer).await;
        assert!(again.status.is_client_error(), "{by}: {}", again.json());
        let outcome = again.json().to_string();
        assert!(outcome.contains("DocumentReference.relatesTo"), "{outcome}");
        let kept = (size..record.size()).map(|index| record.get(index));
        for kept in futures_util::future::join_all(kept).await {
            let kept = kept.unwrap();
            let body = &kept.event().body;
            assert!(!matches!(body, event::Body::Resource(_)), "{body:?}");
        }
        // Gone, so that its identifier names one alone next time.
        house.delete(&place).await;
    }
}

#[tokio::test]
async fn a_published_document_replaces_nothing_of_another_patient_nor_from_elsewhere() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let other = house.post("/Patient", &patient("Other")).await.id();
    let older = house
        .post("/DocumentReference", &published(&id, b"%PDF-1.4"))
        .await
        .id();
    let place = format!("/DocumentReference/{older}");
    let target = json!({"reference": &place[1..]});
    let across = replacing(&other, target.clone());
    let away = replacing(
        &id,
        json!({"reference": "https://elsewhere.example/DocumentReference/1"}),
    );
    let nowhere = replacing(&id, json!({"reference": "DocumentReference/none"}));
    for one in [across, away, nowhere] {
        let refused = house.post("/DocumentReference", &one).await;
        assert!(refused.status.is_client_error(), "{}", refused.json());
        let outcome = refused.json().to_string();
        assert!(
            outcome.contains("\"DocumentReference.relatesTo"),
            "{outcome}"
        );
    }
    assert_eq!(house.get(&place).await.json()["status"], "current");
    // Nor does what appends to it, or claims nothing.
    let mut appends = replacing(&id, target.clone());
    appends["relatesTo"][0]["code"] = "appends".into();
    let mut plain = replacing(&id, target);
    plain.as_object_mut().unwrap().shift_remove("meta");
    for one in [appends, plain] {
        let taken = house.post("/DocumentReference", &one).await;
        assert_eq!(taken.code(), 201, "{}", taken.json());
        assert_eq!(house.get(&place).await.json()["status"], "current");
    }
}

#[tokio::test]
async fn a_published_document_that_was_there_already_replaces_nothing_more() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let older = house
        .post("/DocumentReference", &published(&id, b"%PDF-1.4"))
        .await
        .id();
    let place = format!("/DocumentReference/{older}");
    let newer = replacing(&id, json!({"reference": &place[1..]}));
    let once = (
        "if-none-exist",
        "identifier=urn:ietf:rfc:3986|urn:oid:1.2.3.4.5",
    );
    let call = (axum::http::Method::POST, "/DocumentReference");
    let body = newer.to_string().into_bytes();
    let made = house.write(call.clone(), (&[once], body.clone())).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    let was = house.get(&place).await.version();
    let again = house.write(call, (&[once], body)).await;
    assert_eq!(again.code(), 200, "{}", again.json());
    assert_eq!(house.get(&place).await.version(), was);
}

#[tokio::test]
async fn what_is_replaced_counts_with_what_replaces_it() {
    let settings = web::Settings {
        bundle_entries_max: 2,
        ..web::Settings::default()
    };
    let house = House::with(settings).await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let mut targets = Vec::new();
    for _ in 0..2 {
        let made = house
            .post("/DocumentReference", &published(&id, b"%PDF-1.4"))
            .await;
        let target = json!({"reference": format!("DocumentReference/{}", made.id())});
        targets.push(json!({"code": "replaces", "target": target}));
    }
    let mut newer = replacing(&id, Value::Null);
    newer["relatesTo"] = targets.clone().into();
    let refused = house.post("/DocumentReference", &newer).await;
    assert_eq!(refused.code(), 413, "{}", refused.json());
    newer["relatesTo"] = vec![targets[0].clone(); 3].into();
    let taken = house.post("/DocumentReference", &newer).await;
    assert_eq!(taken.code(), 201, "{}", taken.json());
}

#[tokio::test]
async fn a_patient_who_is_nowhere_beside_the_document_is_refused_by_the_element() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let urn = "urn:uuid:3c5a9d0e-0000-4000-8000-00000000000a";
    let mut within = published(&id, b"%PDF-1.4");
    within["contained"] = json!([{"resourceType": "Patient", "id": "p"}]);
    within["subject"]["reference"] = "#p".into();
    let mut lone = published(&id, b"%PDF-1.4");
    lone["subject"]["reference"] = urn.into();
    for one in [&within, &lone] {
        let refused = house.post("/DocumentReference", one).await;
        assert_eq!(refused.code(), 422, "{}", refused.json());
        let outcome = refused.json().to_string();
        let named = "\"DocumentReference.subject.reference\"";
        assert!(outcome.contains(named), "{outcome}");
    }
    // In a transaction that brings the patient, the same name is somebody.
    let entries = json!([
        {"fullUrl": urn, "resource": patient("New"), "request": {"method": "POST", "url": "Patient"}},
        {"resource": lone, "request": {"method": "POST", "url": "DocumentReference"}},
    ]);
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let taken = house.post("/", &bundle).await;
    assert_eq!(taken.code(), 200, "{}", taken.json());
}
