//! A Binary as what it is: its content comes and goes by itself, with its security context.

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::Body;
use serde_json::{Value, json};
use web::Settings;

use crate::contents::{binary, contents, data, raw, scan};
use crate::house::{House, patient};

#[tokio::test]
async fn a_binary_gives_its_own_content_and_no_other_attachment() {
    let house = House::open().await;
    let own = b"%PDF-1.4\nshort".to_vec();
    let mut binary = binary("nobody", &own);
    binary.as_object_mut().unwrap().remove("securityContext");
    let other = json!({"contentType": "application/pdf", "data": STANDARD.encode(scan(1))});
    binary["meta"] = json!({"extension": [{"url": "urn:x", "valueAttachment": other}]});
    let made = house.post("/Binary", &binary).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    assert_eq!(contents(&house, made.version()).await.1.len(), 1);
    let place = format!("/Binary/{}", made.id());
    let read = house
        .get_with(&place, &[("accept", "application/pdf")])
        .await;
    assert_eq!((read.code(), read.bytes), (200, own));
}

#[tokio::test]
async fn what_is_larger_than_a_body_is_patched_by_nobody_and_put_as_what_it_is() {
    let settings = Settings {
        body_bytes_max: 100_000,
        ..Settings::default()
    };
    let house = House::with(settings).await;
    let headers = [("content-type", "application/pdf")];
    let made = raw(&house, (Method::POST, "/Binary"), &headers, scan(1)).await;
    let place = made
        .header("location")
        .strip_prefix(crate::house::BASE)
        .unwrap();
    let place = place.split("/_history/").next().unwrap().to_owned();
    let patch = br#"[{"op":"add","path":"/language","value":"de"}]"#.to_vec();
    let patch_headers = [("content-type", "application/json-patch+json")];
    let refused = raw(&house, (Method::PATCH, &place), &patch_headers, patch).await;
    assert_eq!(refused.code(), 413, "{}", refused.json());
    for word in ["body_bytes_max", "PUT"] {
        assert!(refused.words().contains(word), "{}", refused.words());
    }
    let put = raw(&house, (Method::PUT, &place), &headers, scan(2)).await;
    assert_eq!(put.code(), 200, "{}", put.json());
}

#[tokio::test]
async fn a_content_that_is_put_keeps_the_security_context_unless_it_says_another() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let other = house.post("/Patient", &patient("Other")).await.id();
    let (context, another) = (format!("Patient/{id}"), format!("Patient/{other}"));
    let first = [
        ("content-type", "application/pdf"),
        ("x-security-context", context.as_str()),
    ];
    let made = raw(&house, (Method::POST, "/Binary"), &first, scan(1)).await;
    let place = made
        .header("location")
        .strip_prefix(crate::house::BASE)
        .unwrap();
    let place = place.split("/_history/").next().unwrap().to_owned();
    let silent = [("content-type", "application/pdf")];
    let of = async || {
        let read = house.get(&place).await;
        let sealed = house.app.record.get(read.version()).await.unwrap();
        let patient = sealed.event().subject.patient().map(str::to_owned);
        (read.json()["securityContext"]["reference"].clone(), patient)
    };
    for bytes in [scan(2), b"%PDF-1.4\nshort".to_vec()] {
        let put = raw(&house, (Method::PUT, &place), &silent, bytes.clone()).await;
        assert_eq!(put.code(), 200, "{}", put.json());
        assert_eq!(of().await, (context.clone().into(), Some(id.clone())));
        let read = house
            .get_with(&place, &[("accept", "application/pdf")])
            .await;
        assert!(read.bytes == bytes);
    }
    let said = [silent[0], ("x-security-context", another.as_str())];
    raw(&house, (Method::PUT, &place), &said, scan(3)).await;
    assert_eq!(of().await, (another.into(), Some(other)));
    let none = [silent[0], ("x-security-context", "")];
    raw(&house, (Method::PUT, &place), &none, scan(4)).await;
    assert_eq!(of().await, (Value::Null, None));
}

#[tokio::test]
async fn a_binary_comes_and_goes_as_what_it_is() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let context = format!("Patient/{id}");
    let headers = [
        ("content-type", "application/pdf"),
        ("x-security-context", context.as_str()),
    ];
    let bytes = scan(4);
    let made = raw(&house, (Method::POST, "/Binary"), &headers, bytes.clone()).await;
    assert_eq!((made.code(), made.bytes.len()), (201, 0), "{}", made.json());
    let place = made
        .header("location")
        .strip_prefix(crate::house::BASE)
        .unwrap();
    let place = place.split("/_history/").next().unwrap().to_owned();
    let (row, kept) = contents(&house, made.version()).await;
    assert!(row < 1_000 && kept[0].whole.bytes == bytes.len() as u64);
    let sealed = house.app.record.get(made.version()).await.unwrap();
    assert_eq!(
        sealed.event().subject.patient(),
        Some(id.as_str()),
        "it is under the patient's key"
    );
    let read = house
        .get_with(&place, &[("accept", "application/pdf")])
        .await;
    assert_eq!(
        (read.code(), read.header("content-type")),
        (200, "application/pdf")
    );
    assert_eq!(read.header("x-security-context"), context);
    assert_eq!(read.header("content-disposition"), "attachment");
    assert!(read.bytes == bytes);
    let as_fhir = house.get(&place).await.json();
    assert_eq!(
        (as_fhir["contentType"].as_str(), data(&as_fhir) == bytes),
        (Some("application/pdf"), true)
    );
    // Again, shorter than is worth an object.
    let small = b"%PDF-1.4\nshort".to_vec();
    let tag = format!("W/\"{}\"", made.version());
    let again = [headers.as_slice(), &[("if-match", tag.as_str())]].concat();
    let put = raw(&house, (Method::PUT, &place), &again, small.clone()).await;
    assert_eq!(put.code(), 200, "{}", put.json());
    assert_eq!(contents(&house, put.version()).await.1, []);
    let read = house
        .get_with(&place, &[("accept", "application/pdf")])
        .await;
    assert_eq!(read.bytes, small);
    let older = format!("{place}/_history/{}", made.version());
    let read = house
        .get_with(&older, &[("accept", "application/*, application/pdf")])
        .await;
    assert!(read.bytes == bytes || read.json()["resourceType"] == "Binary");
    let stale = raw(&house, (Method::PUT, &place), &again, bytes).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn what_is_no_content_of_its_type_or_too_large_is_refused() {
    let settings = Settings {
        binary_bytes_max: 100_000,
        ..Settings::default()
    };
    let house = House::with(settings).await;
    let size = house.app.record.size();
    let pdf = [("content-type", "application/pdf")];
    let large = raw(&house, (Method::POST, "/Binary"), &pdf, scan(1)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        large.words().contains("binary_bytes_max"),
        "{}",
        large.words()
    );
    let other = raw(
        &house,
        (Method::POST, "/Binary"),
        &pdf,
        b"MZ\x90\0 a program".to_vec(),
    )
    .await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST, "{}", other.json());
    let xml = [("content-type", "application/fhir+xml")];
    for (path, headers) in [("/Patient", &pdf), ("/Binary", &xml)] {
        let refused = raw(&house, (Method::POST, path), headers, b"%PDF-1.4".to_vec()).await;
        assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}");
    }
    let strange = [
        ("content-type", "text/plain"),
        ("x-security-context", "no reference at all"),
    ];
    let refused = raw(
        &house,
        (Method::POST, "/Binary"),
        &strange,
        b"a text".to_vec(),
    )
    .await;
    assert!(matches!(refused.code(), 400 | 422), "{}", refused.json());
    let token = house.client("lab", &["system/Observation.c"]).await;
    let refused = house
        .ask(
            &token,
            (Method::POST, "/Binary"),
            (&pdf, b"%PDF-1.4".to_vec()),
        )
        .await;
    assert_eq!(refused.code(), 403);
    let written = house.app.record.read(size, 100).await.unwrap();
    let written = written
        .iter()
        .filter(|one| matches!(one.event().body, Body::Resource(_)));
    assert_eq!(written.count(), 0);
}
