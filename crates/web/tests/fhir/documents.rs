//! Documents by IHE MHD: a bundle is provided (ITI-65), found (ITI-66, ITI-67) and its document fetched (ITI-68).

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use web::Settings;

use crate::house::{House, patient};

const MHD: &str = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/";
const LIST: &str = "urn:uuid:3c5a9d0e-0000-4000-8000-000000000001";
const DOCUMENT: &str = "urn:uuid:3c5a9d0e-0000-4000-8000-000000000002";
const BINARY: &str = "urn:uuid:3c5a9d0e-0000-4000-8000-000000000003";
const CONTENT: &[u8] = b"%PDF-1.4\nwhat stands in the letter";
/// The SHA-1 of `CONTENT`, in hex.
const SHA1: &str = "8542637428834b52e025f027b1a181ab6a317dff";

fn entry(full_url: &str, resource: Value) -> Value {
    let kind = resource["resourceType"].clone();
    json!({"fullUrl": full_url, "resource": resource, "request": {"method": "POST", "url": kind}})
}

fn submission(patient: &str) -> Value {
    json!({
        "resourceType": "List",
        "meta": {"profile": [format!("{MHD}IHE.MHD.Minimal.SubmissionSet")]},
        "extension": [{"url": format!("{MHD}ihe-sourceId"), "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3.4"}}],
        "identifier": [
            {"use": "usual", "system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.129.6.58.92.88336"},
            {"use": "official", "system": "urn:ietf:rfc:3986", "value": "urn:uuid:3c5a9d0e-0000-4000-8000-000000000009"},
        ],
        "status": "current",
        "mode": "working",
        "code": {"coding": [{"system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "submissionset"}]},
        "subject": {"reference": format!("Patient/{patient}")},
        "date": "2026-11-26T10:00:00Z",
        "entry": [{"item": {"reference": DOCUMENT}}],
    })
}

fn reference(patient: &str) -> Value {
    json!({
        "resourceType": "DocumentReference",
        "meta": {"profile": [format!("{MHD}IHE.MHD.Minimal.DocumentReference")]},
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.129.6.58.92.88337"},
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]},
        "subject": {"reference": format!("Patient/{patient}")},
        "content": [{"attachment": {"contentType": "application/pdf", "url": BINARY, "size": CONTENT.len()}}],
    })
}

fn bundle(metadata: &str, patient: &str) -> Value {
    let binary = json!({"resourceType": "Binary", "contentType": "application/pdf", "data": STANDARD.encode(CONTENT)});
    json!({
        "resourceType": "Bundle",
        "meta": {"profile": [format!("{MHD}IHE.MHD.{metadata}.ProvideBundle")]},
        "type": "transaction",
        "entry": [entry(LIST, submission(patient)), entry(DOCUMENT, reference(patient)), entry(BINARY, binary)],
    })
}

/// Where the entries of a response are, without their versions.
fn places(answer: &Value) -> Vec<String> {
    let entries = answer["entry"].as_array().cloned().unwrap_or_default();
    let place = |entry: &Value| {
        let place = entry["response"]["location"].as_str().unwrap();
        let place = place.strip_prefix(crate::house::BASE).unwrap();
        place.split("/_history/").next().unwrap().to_owned()
    };
    entries.iter().map(place).collect()
}

#[tokio::test]
async fn a_document_is_provided_found_and_fetched_and_is_the_patient_s() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let provided = house.post("/", &bundle("Minimal", &id)).await;
    assert_eq!(provided.code(), 200, "{}", provided.json());
    let places = places(&provided.json());
    let [list, document, binary] = places.as_slice() else {
        panic!("{places:?}")
    };
    for query in [
        format!("/List?patient={id}&code=submissionset&status=current&date=ge2026-11-26"),
        "/List?identifier=urn:oid:1.2.129.6.58.92.88336".to_owned(),
    ] {
        let found = house.get(&query).await;
        assert_eq!(found.names(), [list.trim_start_matches('/')], "{query}");
    }
    let found = house
        .get(&format!(
            "/DocumentReference?patient={id}&status=current&type=18842-5"
        ))
        .await;
    assert_eq!(found.names(), [document.trim_start_matches('/')]);
    let url = found.json()["entry"][0]["resource"]["content"][0]["attachment"]["url"].clone();
    assert_eq!(
        url,
        binary.trim_start_matches('/'),
        "the address is that of the Binary"
    );
    let kept = house.get(binary).await;
    assert_eq!(
        kept.json()["securityContext"]["reference"],
        format!("Patient/{id}")
    );
    let raw = house
        .get_with(binary, &[("accept", "application/pdf")])
        .await;
    assert_eq!((raw.code(), raw.bytes.as_slice()), (200, CONTENT));
    assert_eq!(raw.header("content-type"), "application/pdf");
    assert_eq!(raw.header("content-disposition"), "attachment");
    assert_eq!(raw.header("x-content-type-options"), "nosniff");
    let other = house.get_with(binary, &[("accept", "text/plain")]).await;
    assert_eq!(other.status, StatusCode::NOT_ACCEPTABLE, "{}", other.json());
    let none = house
        .get_with(document, &[("accept", "application/pdf")])
        .await;
    assert_eq!(
        none.status,
        StatusCode::NOT_ACCEPTABLE,
        "a document's reference has no content of its own"
    );
    let sealed = house.app.record.get(kept.version()).await.unwrap();
    assert_eq!(
        sealed.event().subject.patient(),
        Some(id.as_str()),
        "it is under the patient's key"
    );
    let everything = house.get(&format!("/Patient/{id}/$everything")).await;
    assert!(
        everything
            .names()
            .contains(&binary.trim_start_matches('/').to_owned())
    );
}

/// A change to a bundle that is sound: where, and what stands there instead.
fn with(mut bundle: Value, path: &str, value: Value) -> Value {
    *bundle.pointer_mut(path).unwrap() = value;
    bundle
}

/// Bundles with one fault each, and what is said of it.
fn unsound(id: &str, other: &str) -> Vec<(Value, &'static str)> {
    let sound = || bundle("Minimal", id);
    let (attachment, list) = (
        "/entry/1/resource/content/0/attachment",
        "/entry/0/resource",
    );
    let mut hashed = sound();
    hashed["entry"][1]["resource"]["content"][0]["attachment"]["hash"] =
        STANDARD.encode("another").into();
    vec![
        (
            with(sound(), &format!("{attachment}/size"), json!(7)),
            "34 bytes",
        ),
        (hashed, "SHA-1"),
        (
            with(
                sound(),
                &format!("{attachment}/contentType"),
                json!("text/plain"),
            ),
            "type of the Binary",
        ),
        (
            with(
                sound(),
                &format!("{list}/code/coding/0/code"),
                json!("folder"),
            ),
            "exactly one",
        ),
        (
            with(sound(), &format!("{list}/mode"), json!("snapshot")),
            "working",
        ),
        (
            with(
                sound(),
                &format!("{list}/entry/0/item/reference"),
                json!(LIST),
            ),
            "SubmissionSet",
        ),
        (
            with(sound(), &format!("{list}/extension/0/url"), json!("urn:x")),
            "ihe-sourceId",
        ),
        (
            with(
                sound(),
                &format!("{list}/subject/reference"),
                json!(format!("Patient/{other}")),
            ),
            "one patient",
        ),
        (
            with(
                sound(),
                "/entry/1/resource/masterIdentifier",
                json!({"system": "urn:x"}),
            ),
            "uniqueId",
        ),
        (bundle("Comprehensive", id), "classCode"),
    ]
}

#[tokio::test]
async fn what_is_not_as_mhd_has_it_is_refused_as_a_whole() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let other = house.post("/Patient", &patient("Other")).await.id();
    for (bad, words) in unsound(&id, &other) {
        let refused = house.post("/", &bad).await;
        assert_eq!(refused.code(), 422, "{words}: {}", refused.json());
        assert!(
            refused.words().contains(words),
            "{words}: {}",
            refused.words()
        );
    }
    let size = house.app.record.size();
    let left = house
        .get("/DocumentReference?_count=0&_total=accurate")
        .await;
    assert_eq!(left.json()["total"], 0, "nothing of them is kept, {size}");
}

#[tokio::test]
async fn a_hash_in_base64_or_in_hex_is_held_against_the_content() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let bytes: Vec<u8> = (0..SHA1.len() / 2)
        .map(|at| u8::from_str_radix(&SHA1[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    for hash in [STANDARD.encode(bytes), SHA1.to_owned(), SHA1.to_uppercase()] {
        let mut hashed = bundle("Minimal", &id);
        hashed["entry"][1]["resource"]["content"][0]["attachment"]["hash"] = hash.clone().into();
        let provided = house.post("/", &hashed).await;
        assert_eq!(provided.code(), 200, "{hash}: {}", provided.json());
    }
}

#[tokio::test]
async fn comprehensive_metadata_is_taken_when_all_of_it_is_there() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let mut whole = bundle("Comprehensive", &id);
    let concept = |code: &str| json!({"coding": [{"system": "urn:oid:1.2.3", "code": code}]});
    let list = &mut whole["entry"][0]["resource"];
    let designation = json!({"url": format!("{MHD}ihe-designationType"), "valueCodeableConcept": concept("letters")});
    list["extension"].as_array_mut().unwrap().push(designation);
    let document = &mut whole["entry"][1]["resource"];
    document["category"] = json!([concept("letters")]);
    document["securityLabel"] = json!([{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}]);
    document["contained"] = json!([{"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:mrn", "value": "1"}]}]);
    document["context"] = json!({
        "facilityType": concept("hospital"),
        "practiceSetting": concept("surgery"),
        "sourcePatientInfo": {"reference": "#p"},
    });
    document["content"][0]["format"] = json!({"system": "urn:oid:1.3.6.1.4.1.19376.1.2.3", "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient"});
    document["content"][0]["attachment"]["language"] = "de-CH".into();
    document["content"][0]["attachment"]["creation"] = "2026-11-26T09:00:00Z".into();
    let provided = house.post("/", &whole).await;
    assert_eq!(provided.code(), 200, "{}", provided.json());
}

#[tokio::test]
async fn whoever_may_not_see_the_patient_does_not_get_the_document() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let provided = house.post("/", &bundle("Minimal", &id)).await;
    let places = places(&provided.json());
    let token = house.client("lab", &["system/DocumentReference.rs"]).await;
    let headers: &[(&str, &str)] = &[("accept", "application/pdf")];
    let call = (axum::http::Method::GET, places[2].as_str());
    let refused = house.ask(&token, call, (headers, Vec::new())).await;
    assert_eq!(refused.code(), 403);
    assert_eq!(refused.json()["resourceType"], "OperationOutcome");
}

/// A bundle whose document replaces another.
fn replacing(patient: &str, target: Value) -> Value {
    let mut bundle = bundle("Minimal", patient);
    bundle["entry"][1]["resource"]["relatesTo"] = json!([{"code": "replaces", "target": target}]);
    bundle
}

#[tokio::test]
async fn a_document_that_is_replaced_is_superseded_in_the_same_transaction() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let first = places(&house.post("/", &bundle("Minimal", &id)).await.json());
    let status = async |place: &str| house.get(place).await.json()["status"].clone();
    let by_reference = json!({"reference": first[1].trim_start_matches('/')});
    let second = house.post("/", &replacing(&id, by_reference.clone())).await;
    assert_eq!(second.code(), 200, "{}", second.json());
    let second = places(&second.json());
    assert_eq!(second.len(), 3, "the answer has the entries that were sent");
    assert_eq!(status(&first[1]).await, "superseded");
    assert_eq!(status(&second[1]).await, "current");
    let versions = [
        house.get(&first[1]).await.version(),
        house.get(&second[1]).await.version(),
    ];
    let at = |version: u64| house.app.record.get(version);
    let [one, other] = [
        at(versions[0]).await.unwrap(),
        at(versions[1]).await.unwrap(),
    ];
    assert_eq!(one.at(), other.at(), "it is one commit");
    // What is not current any more cannot be replaced again, and nothing of the bundle is kept.
    let size = house
        .get("/DocumentReference?_count=0&_total=accurate")
        .await
        .json()["total"]
        .clone();
    let again = house.post("/", &replacing(&id, by_reference)).await;
    assert!(again.status.is_client_error(), "{}", again.json());
    assert!(
        again.words().contains("Bundle.entry[1].resource.relatesTo"),
        "{}",
        again.words()
    );
    let left = house
        .get("/DocumentReference?_count=0&_total=accurate")
        .await
        .json()["total"]
        .clone();
    assert_eq!(left, size);
}

#[tokio::test]
async fn a_document_is_replaced_by_its_identifier_or_as_the_bundle_itself_says() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let first = places(&house.post("/", &bundle("Minimal", &id)).await.json());
    let master = json!({"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.129.6.58.92.88337"}});
    let mut other = replacing(&id, master);
    other["entry"][1]["resource"]["masterIdentifier"]["value"] = "urn:oid:1.2.3.4.5".into();
    let second = house.post("/", &other).await;
    assert_eq!(second.code(), 200, "{}", second.json());
    assert_eq!(house.get(&first[1]).await.json()["status"], "superseded");
    let second = places(&second.json());
    let mut own = replacing(&id, json!({"reference": second[1].trim_start_matches('/')}));
    let mut older = house.get(&second[1]).await.json();
    older["status"] = "entered-in-error".into();
    let entry = json!({"fullUrl": format!("{}{}", crate::house::BASE, second[1]), "resource": older,
        "request": {"method": "PUT", "url": second[1].trim_start_matches('/')}});
    own["entry"].as_array_mut().unwrap().push(entry);
    let third = house.post("/", &own).await;
    assert_eq!(third.code(), 200, "{}", third.json());
    assert_eq!(
        house.get(&second[1]).await.json()["status"],
        "entered-in-error"
    );
}

#[tokio::test]
async fn nobody_replaces_what_is_not_here_is_of_another_patient_or_may_not_be_changed() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let other = house.post("/Patient", &patient("Other")).await.id();
    let theirs = places(&house.post("/", &bundle("Minimal", &other)).await.json());
    for target in [
        json!({"reference": "DocumentReference/nobody"}),
        json!({"reference": "https://elsewhere.invalid/fhir/DocumentReference/1"}),
        json!({"reference": theirs[1].trim_start_matches('/')}),
    ] {
        let refused = house.post("/", &replacing(&id, target.clone())).await;
        assert!(
            refused.status.is_client_error(),
            "{target}: {}",
            refused.json()
        );
        assert!(
            refused.words().contains("Bundle.entry[1]"),
            "{target}: {}",
            refused.words()
        );
    }
    assert_eq!(house.get(&theirs[1]).await.json()["status"], "current");
    let token = house.client("source", &["system/*.crs"]).await;
    let headers: &[(&str, &str)] = &[("content-type", "application/fhir+json")];
    let call = (axum::http::Method::POST, "/");
    let target = json!({"reference": theirs[1].trim_start_matches('/')});
    let body = replacing(&other, target).to_string().into_bytes();
    let refused = house.ask(&token, call, (headers, body)).await;
    assert_eq!(refused.code(), 403, "{}", refused.json());
    assert_eq!(house.get(&theirs[1]).await.json()["status"], "current");
}

/// A submission whose document and SubmissionSet name the patient so.
fn about(mut bundle: Value, subject: Value) -> Value {
    for entry in 0..2 {
        bundle["entry"][entry]["resource"]["subject"] = subject.clone();
    }
    bundle
}

#[tokio::test]
async fn a_patient_is_compared_however_both_documents_name_it() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    house.post("/Patient", &patient("Other")).await.id();
    let base = crate::house::BASE;
    let ways = |family: &str, id: &str| {
        [
            json!({"reference": format!("Patient?identifier=urn:mrn|{family}")}),
            json!({"identifier": {"system": "urn:mrn", "value": family}}),
            json!({"reference": format!("{base}/Patient/{id}")}),
        ]
    };
    let other = house.get("/Patient?identifier=urn:mrn|Other").await.json();
    let other = other["entry"][0]["resource"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (subject, theirs) in ways("Letter", &id).into_iter().zip(ways("Other", &other)) {
        let first = places(&house.post("/", &bundle("Minimal", &id)).await.json());
        let target = json!({"reference": first[1].trim_start_matches('/')});
        let across = about(replacing(&id, target.clone()), theirs.clone());
        let refused = house.post("/", &across).await;
        assert_eq!(refused.code(), 422, "{theirs}: {}", refused.json());
        assert!(
            refused
                .words()
                .contains("Bundle.entry[1].resource.relatesTo"),
            "{}",
            refused.words()
        );
        let status = house.get(&first[1]).await.json()["status"].clone();
        assert_eq!(status, "current", "{theirs}");
        let same = house
            .post("/", &about(replacing(&id, target), subject.clone()))
            .await;
        assert_eq!(same.code(), 200, "{subject}: {}", same.json());
        let status = house.get(&first[1]).await.json()["status"].clone();
        assert_eq!(status, "superseded", "{subject}");
    }
}

#[tokio::test]
async fn a_patient_of_the_bundle_itself_replaces_nobody_else_s_document() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let first = places(&house.post("/", &bundle("Minimal", &id)).await.json());
    let target = json!({"reference": first[1].trim_start_matches('/')});
    let full_url = "urn:uuid:3c5a9d0e-0000-4000-8000-00000000000a";
    let mut new = about(
        replacing(&id, target.clone()),
        json!({"reference": full_url}),
    );
    let entries = new["entry"].as_array_mut().unwrap();
    entries.push(entry(full_url, patient("Third")));
    let refused = house.post("/", &new).await;
    assert_eq!(refused.code(), 422, "{}", refused.json());
    // Nor if an entry says itself what becomes of it.
    let mut own = house.get(&first[1]).await.json();
    own["status"] = "superseded".into();
    let put = json!({"resource": own, "request": {"method": "PUT", "url": target["reference"]}});
    new["entry"].as_array_mut().unwrap().push(put);
    let refused = house.post("/", &new).await;
    assert_eq!(refused.code(), 422, "{}", refused.json());
    assert_eq!(house.get(&first[1]).await.json()["status"], "current");
}

#[tokio::test]
async fn what_is_named_twice_or_was_told_by_hand_is_replaced_all_the_same() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let mut told = bundle("Minimal", &id);
    told["entry"][1]["resource"]["text"] = json!({"status": "additional",
        "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">a letter, as it was dictated</div>"});
    let first = places(&house.post("/", &told).await.json());
    let mut second = bundle("Minimal", &id);
    second["entry"][1]["resource"]["masterIdentifier"]["value"] = "urn:oid:1.2.3.4.5".into();
    let second = places(&house.post("/", &second).await.json());
    let by = |target: Value| json!({"code": "replaces", "target": target});
    let reference = |place: &str| by(json!({"reference": place.trim_start_matches('/')}));
    let absolute = by(json!({"reference": format!("{}{}", crate::house::BASE, first[1])}));
    let number = by(
        json!({"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.129.6.58.92.88337"}}),
    );
    let mut new = bundle("Minimal", &id);
    new["entry"][1]["resource"]["masterIdentifier"]["value"] = "urn:oid:1.2.3.4.6".into();
    new["entry"][1]["resource"]["relatesTo"] = json!([
        reference(&first[1]),
        reference(&second[1]),
        reference(&first[1]),
        absolute,
        number,
    ]);
    let done = house.post("/", &new).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    assert_eq!(places(&done.json()).len(), 3);
    for older in [&first[1], &second[1]] {
        assert_eq!(house.get(older).await.json()["status"], "superseded");
    }
    let told = house.get(&first[1]).await.json();
    assert_eq!(told["text"]["status"], "additional", "it stays");
}

#[tokio::test]
async fn a_document_is_replaced_by_a_condition_though_the_bundle_reads_it_too() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let first = places(&house.post("/", &bundle("Minimal", &id)).await.json());
    let condition = "DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.129.6.58.92.88337";
    let mut other = replacing(&id, json!({"reference": condition}));
    other["entry"][1]["resource"]["masterIdentifier"]["value"] = "urn:oid:1.2.3.4.5".into();
    let second = house.post("/", &other).await;
    assert_eq!(second.code(), 200, "{}", second.json());
    assert_eq!(house.get(&first[1]).await.json()["status"], "superseded");
    let second = places(&second.json());
    let older = second[1].trim_start_matches('/');
    let mut looking = replacing(&id, json!({"reference": older}));
    let look = json!({"request": {"method": "GET", "url": older}});
    looking["entry"].as_array_mut().unwrap().push(look);
    let third = house.post("/", &looking).await;
    assert_eq!(third.code(), 200, "{}", third.json());
    assert_eq!(house.get(&second[1]).await.json()["status"], "superseded");
}

#[tokio::test]
async fn a_document_that_was_there_already_is_told_again_and_replaces_nothing_more() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let first = places(&house.post("/", &bundle("Minimal", &id)).await.json());
    let mut once = replacing(&id, json!({"reference": first[1].trim_start_matches('/')}));
    once["entry"][1]["resource"]["masterIdentifier"]["value"] = "urn:oid:1.2.3.4.5".into();
    once["entry"][1]["request"]["ifNoneExist"] =
        "identifier=urn:ietf:rfc:3986|urn:oid:1.2.3.4.5".into();
    let made = house.post("/", &once).await;
    assert_eq!(made.code(), 200, "{}", made.json());
    let older = house.get(&first[1]).await;
    assert_eq!(older.json()["status"], "superseded");
    let again = house.post("/", &once).await;
    assert_eq!(again.code(), 200, "{}", again.json());
    assert_eq!(places(&again.json())[1], places(&made.json())[1]);
    assert_eq!(house.get(&first[1]).await.version(), older.version());
}

#[tokio::test]
async fn what_is_replaced_counts_among_the_entries_and_once_however_often_it_is_named() {
    let settings = Settings {
        bundle_entries_max: 4,
        ..Settings::default()
    };
    let house = House::with(settings).await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let provide = async || places(&house.post("/", &bundle("Minimal", &id)).await.json());
    let (first, second) = (provide().await, provide().await);
    let target = |place: &str| json!({"code": "replaces", "target": {"reference": &place[1..]}});
    let of = |targets: Vec<Value>| {
        let mut bundle = bundle("Minimal", &id);
        bundle["entry"][1]["resource"]["relatesTo"] = targets.into();
        bundle
    };
    let both = of(vec![target(&first[1]), target(&second[1])]);
    assert_eq!(house.post("/", &both).await.code(), 413);
    let often = of(vec![target(&first[1]); 500]);
    let taken = house.post("/", &often).await;
    assert_eq!(taken.code(), 200, "{}", taken.json());
    assert_eq!(house.get(&first[1]).await.json()["status"], "superseded");
}
