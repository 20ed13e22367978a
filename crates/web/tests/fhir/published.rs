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
