//! Large contents of resources: they lie in the vault, and whoever reads a resource reads it whole, as far as there is
//! room.

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::{Body, Content};
use serde_json::{Value, json};
use web::Settings;

use crate::export::{begin, fetched, manifest, place};
use crate::house::{House, Reply, observation, patient};

/// A scan: more than fits into a row.
const SCAN_BYTES: usize = 150_000;

pub(crate) fn scan(seed: u8) -> Vec<u8> {
    let mut state = u64::from(seed);
    let mut next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    let mut bytes = b"%PDF-1.4\n".to_vec();
    bytes.extend((0..SCAN_BYTES).map(&mut next));
    bytes
}

pub(crate) fn binary(patient: &str, bytes: &[u8]) -> Value {
    json!({
        "resourceType": "Binary",
        "contentType": "application/pdf",
        "securityContext": {"reference": format!("Patient/{patient}")},
        "data": STANDARD.encode(bytes),
    })
}

fn letter(patient: &str, bytes: &[u8]) -> Value {
    json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": format!("Patient/{patient}")},
        "content": [{"attachment": {"contentType": "application/pdf", "data": STANDARD.encode(bytes)}}],
    })
}

pub(crate) fn data(resource: &Value) -> Vec<u8> {
    let data = match resource["resourceType"].as_str() {
        Some("Binary") => &resource["data"],
        _ => &resource["content"][0]["attachment"]["data"],
    };
    STANDARD.decode(data.as_str().unwrap_or_default()).unwrap()
}

pub(crate) async fn contents(house: &House, version: u64) -> (usize, Vec<Content>) {
    let sealed = house.app.record.get(version).await.unwrap();
    match &sealed.event().body {
        Body::Resource(written) => (sealed.event().raw.len(), written.contents.clone()),
        other => panic!("{other:?}"),
    }
}

fn resources(bundle: &Reply, kind: &str) -> Vec<Value> {
    let json = bundle.json();
    let entries = json["entry"].as_array().unwrap_or_else(|| panic!("{json}"));
    let all = entries.iter().map(|entry| entry["resource"].clone());
    all.filter(|one| one["resourceType"] == kind).collect()
}

#[tokio::test]
async fn whoever_reads_a_resource_reads_it_whole() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let (first, second) = (scan(1), scan(2));
    let made = house.post("/DocumentReference", &letter(&id, &first)).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    assert_eq!(
        data(&made.json()),
        first,
        "the answer to the write is whole"
    );
    let (row, kept) = contents(&house, made.version()).await;
    assert!(row < 1_000 && kept.len() == 1, "{row}");
    let name = made.id();
    let mut changed = letter(&id, &second);
    changed["id"] = name.clone().into();
    let changed = house
        .put(&format!("/DocumentReference/{name}"), &changed)
        .await;
    assert_eq!(changed.code(), 200, "{}", changed.json());
    let read = house.get(&format!("/DocumentReference/{name}")).await;
    assert_eq!(data(&read.json()), second);
    let version = made.version();
    let older = house
        .get(&format!("/DocumentReference/{name}/_history/{version}"))
        .await;
    assert_eq!(data(&older.json()), first);
    let history = house
        .get(&format!("/DocumentReference/{name}/_history"))
        .await;
    let all: Vec<Vec<u8>> = resources(&history, "DocumentReference")
        .iter()
        .map(data)
        .collect();
    assert_eq!(all, [second.clone(), first.clone()]);
    for query in [
        format!("/DocumentReference?patient={id}"),
        format!("/DocumentReference?patient={id}&_sort=-_lastUpdated&_total=accurate"),
        format!("/Patient/{id}/$everything"),
        format!("/Patient?_id={id}&_revinclude=DocumentReference:subject"),
    ] {
        let found = resources(&house.get(&query).await, "DocumentReference");
        assert_eq!(
            found.iter().map(data).collect::<Vec<_>>(),
            std::slice::from_ref(&second),
            "{query}"
        );
    }
    let summary = house
        .get(&format!("/DocumentReference/{name}?_elements=status"))
        .await;
    assert_eq!(summary.code(), 200);
    assert!(!summary.json().to_string().contains("urn:salus:content"));
}

#[tokio::test]
async fn a_patch_changes_the_rest_and_keeps_the_content() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let bytes = scan(3);
    let name = house
        .post("/DocumentReference", &letter(&id, &bytes))
        .await
        .id();
    let patch = br#"[{"op":"replace","path":"/status","value":"superseded"}]"#.to_vec();
    let headers = [("content-type", "application/json-patch+json")];
    let call = (Method::PATCH, format!("/DocumentReference/{name}"));
    let patched = house
        .ask(&house.token, (call.0, &call.1), (&headers, patch))
        .await;
    assert_eq!(patched.code(), 200, "{}", patched.json());
    assert_eq!(patched.json()["status"], "superseded");
    assert_eq!(contents(&house, patched.version()).await.1.len(), 1);
    assert_eq!(data(&house.get(&call.1).await.json()), bytes);
}

#[tokio::test]
async fn an_export_brings_contents_while_it_is_sent() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    for seed in 1..=3 {
        house
            .post("/DocumentReference", &letter(&id, &scan(seed)))
            .await;
    }
    let token = house.token.clone();
    let begun = begin(&house, &token, "/$export?_type=DocumentReference").await;
    let manifest = manifest(&house, &token, &place(&begun)).await;
    let found = fetched(&house, &token, &manifest["output"]).await;
    let all: Vec<Vec<u8>> = found.iter().map(data).collect();
    assert_eq!(all, [scan(1), scan(2), scan(3)]);
}

#[tokio::test]
async fn a_page_ends_with_the_resource_that_brings_too_much() {
    let house = House::with_chart(|chart| chart.contents_bytes_max = 250_000).await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    for seed in 1..=5 {
        house
            .post("/DocumentReference", &letter(&id, &scan(seed)))
            .await;
    }
    for query in [
        format!("/DocumentReference?patient={id}"),
        "/DocumentReference".to_owned(),
        format!("/DocumentReference?patient={id}&_sort=_id"),
        format!("/Patient/{id}/$everything?_type=DocumentReference"),
        "/DocumentReference/_history".to_owned(),
    ] {
        let (mut next, mut sizes, mut all) = (Some(query.clone()), Vec::new(), Vec::new());
        while let Some(path) = next {
            let page = house.get(&path).await;
            assert_eq!(page.code(), 200, "{path}: {}", page.json());
            let found = resources(&page, "DocumentReference");
            sizes.push(found.len());
            all.extend(found.iter().map(data));
            next = page.link("next");
        }
        all.sort();
        let mut wanted: Vec<Vec<u8>> = (1..=5).map(scan).collect();
        wanted.sort();
        assert_eq!(sizes, [2, 2, 1], "{query}");
        assert!(all == wanted, "{query}: each is there once, and whole");
    }
}

#[tokio::test]
async fn what_is_altered_is_not_shown_and_keeps_nobody_from_the_rest() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let made = house.post("/Binary", &binary(&id, &scan(1))).await;
    let (name, version) = (made.id(), made.version());
    let kept = contents(&house, version).await.1.remove(0);
    house.spoil(&kept.whole.path);
    for accept in ["application/fhir+json", "application/pdf"] {
        let read = house
            .get_with(&format!("/Binary/{name}"), &[("accept", accept)])
            .await;
        assert_eq!(read.code(), 500, "{accept}");
        assert!(!read.words().contains("vault"), "{}", read.words());
    }
    let all = house.get(&format!("/Patient/{id}/$everything")).await;
    let found = resources(&all, "Binary");
    assert_eq!(found[0].get("data"), None);
    assert_eq!(found[0]["_data"]["extension"][0]["valueCode"], "error");
    assert_eq!(resources(&all, "Patient").len(), 1);
}

#[tokio::test]
async fn a_mark_is_refused_at_every_door() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let made = house
        .post("/DocumentReference", &letter(&id, &scan(1)))
        .await;
    let kept = contents(&house, made.version()).await.1.remove(0);
    let size = house.app.record.size();
    let mark = format!("{}:{}", kept.mark(), made.version());
    let forged = json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "description": mark,
        "content": [{"attachment": {"contentType": "text/plain"}}],
    });
    let mut own = forged.clone();
    own["id"] = "own".into();
    let entry = |url: &str, method: &str, resource: &Value| json!({"resource": resource, "request": {"method": method, "url": url}});
    let bundle = |kind: &str| json!({"resourceType": "Bundle", "type": kind, "entry": [entry("DocumentReference", "POST", &forged)]});
    let patch = json!([{"op": "add", "path": "/description", "value": mark}]).to_string();
    let patch_headers: &[(&str, &str)] = &[("content-type", "application/json-patch+json")];
    let place = format!("/DocumentReference/{}", made.id());
    let escaped = forged.to_string().replace("urn:salus", "\\u0075rn:salus");
    let json_headers: &[(&str, &str)] = &[("content-type", "application/fhir+json")];
    let pdf: &[(&str, &str)] = &[
        ("content-type", "application/pdf"),
        ("x-security-context", &mark),
    ];
    let ask = async |method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>| {
        house
            .ask(&house.token, (method, path), (headers, body))
            .await
    };
    for refused in [
        house.post("/DocumentReference", &forged).await,
        house.put("/DocumentReference/own", &own).await,
        house.post("/", &bundle("transaction")).await,
        ask(Method::PATCH, &place, patch_headers, patch.into()).await,
        ask(
            Method::POST,
            "/DocumentReference",
            json_headers,
            escaped.into(),
        )
        .await,
        ask(Method::POST, "/Binary", pdf, scan(1)).await,
    ] {
        assert_eq!(refused.code(), 422, "{}", refused.json());
        assert!(
            refused.words().contains("urn:salus:content:"),
            "{}",
            refused.words()
        );
    }
    let batch = house.post("/", &bundle("batch")).await.json();
    assert_eq!(
        batch["entry"][0]["response"]["status"],
        "422 Unprocessable Entity"
    );
    let written = house.app.record.read(size, 100).await.unwrap();
    let mut written = written.iter().map(|one| &one.event().body);
    assert!(!written.any(|body| matches!(body, Body::Resource(_))));
}

#[tokio::test]
async fn no_answer_holds_a_mark_whatever_is_asked() {
    let house = House::with_chart(|chart| chart.content_inline_bytes_max = 100_000).await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let mut seen = patient("Letter");
    seen["id"] = id.clone().into();
    seen["photo"] = json!([{"contentType": "image/x-none", "data": STANDARD.encode(scan(9))}]);
    house.put(&format!("/Patient/{id}"), &seen).await;
    let document = house
        .post("/DocumentReference", &letter(&id, &scan(1)))
        .await;
    let binary = house.post("/Binary", &binary(&id, &scan(2))).await;
    let (document, name) = (document.id(), binary.id());
    let kept = contents(&house, binary.version()).await.1.remove(0);
    house.spoil(&kept.whole.path);
    let subject = format!("Patient/{id}");
    let seen = house
        .post("/Observation", &observation(&subject, "1"))
        .await;
    assert_eq!(seen.code(), 201, "{}", seen.json());
    for path in [
        format!("/Patient/{id}"),
        format!("/Patient/{id}/$summary"),
        format!("/Patient/{id}/$everything"),
        format!("/Patient/{id}/_history"),
        format!("/Patient?_id={id}&_revinclude=DocumentReference:subject"),
        format!("/Patient?_id={id}&_elements=photo"),
        format!("/DocumentReference/{document}"),
        format!("/DocumentReference/{document}?_summary=true"),
        format!("/DocumentReference/{document}/_history"),
        format!("/DocumentReference?patient={id}&_sort=date"),
        format!("/Binary/{name}"),
        "/Binary".to_owned(),
        "/_history".to_owned(),
        "/?_type=DocumentReference,Binary".to_owned(),
    ] {
        for accept in ["application/fhir+json", "application/pdf"] {
            let answer = house.get_with(&path, &[("accept", accept)]).await;
            let text = String::from_utf8_lossy(&answer.bytes);
            assert!(!text.contains("urn:salus:content:"), "{path}: {text}");
        }
    }
    let summary = house.get(&format!("/Patient/{id}/$summary")).await;
    assert_eq!(summary.code(), 200, "{}", summary.json());
    let seen = resources(&summary, "Patient");
    let absent = &seen[0]["photo"][0]["_data"]["extension"][0]["valueCode"];
    assert_eq!(absent, "temp-unknown");
}

#[tokio::test]
async fn what_is_too_large_for_a_page_is_said_and_read_by_itself_and_never_written_back_without() {
    let house = House::with_chart(|chart| chart.content_inline_bytes_max = 100_000).await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let name = house
        .post("/DocumentReference", &letter(&id, &scan(1)))
        .await
        .id();
    let place = format!("/DocumentReference/{name}");
    for query in [
        format!("/DocumentReference?patient={id}"),
        format!("{place}/_history"),
        format!("/Patient/{id}/$everything"),
    ] {
        let found = resources(&house.get(&query).await, "DocumentReference");
        let attachment = &found[0]["content"][0]["attachment"];
        assert_eq!(attachment.get("data"), None, "{query}");
        let code = &attachment["_data"]["extension"][0]["valueCode"];
        assert_eq!(code, "temp-unknown", "{query}");
        let refused = house.put(&place, &found[0]).await;
        assert_eq!(refused.code(), 422, "{}", refused.json());
    }
    let read = house.get(&place).await.json();
    assert!(data(&read) == scan(1));
    assert_eq!(house.put(&place, &read).await.code(), 200);
}

#[tokio::test]
async fn answers_with_contents_take_room_until_they_are_read() {
    let settings = Settings {
        binaries_bytes_max: 1 << 20,
        binary_wait_ms: 1,
        ..Settings::default()
    };
    let house = House::with(settings).await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let large: Vec<u8> = [scan(1), scan(2)].concat();
    let document = house.post("/DocumentReference", &letter(&id, &large)).await;
    let headers = [("content-type", "application/pdf")];
    let binary = raw(&house, (Method::POST, "/Binary"), &headers, large.clone()).await;
    let binary = binary
        .header("location")
        .strip_prefix(crate::house::BASE)
        .unwrap();
    let binary = binary.split("/_history/").next().unwrap().to_owned();
    let document = format!("/DocumentReference/{}", document.id());
    let (everything, pdf) = (
        format!("/Patient/{id}/$everything"),
        [("accept", "application/pdf")],
    );
    // What one request holds does not keep it from the rest.
    let types = house.get("/?_type=Binary,DocumentReference").await;
    assert_eq!(types.code(), 200, "{}", types.json());
    assert_eq!(types.json()["entry"].as_array().unwrap().len(), 2);
    for path in [&document, &binary, &everything] {
        let unread = house.unread(path).await;
        assert_eq!(unread.status(), StatusCode::OK, "{path}");
        for other in [&document, &binary, &everything] {
            let refused = house.get(other).await;
            assert_eq!(
                refused.status,
                StatusCode::SERVICE_UNAVAILABLE,
                "{path} {other}"
            );
            assert_eq!(refused.header("retry-after"), "10");
            assert!(!refused.words().is_empty());
        }
        let refused = house.get_with(&binary, &pdf).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(house.get(&format!("/Patient/{id}")).await.code(), 200);
        drop(unread);
    }
    // Each that is read lets its room go.
    for _ in 0..3 {
        assert!(house.get_with(&binary, &pdf).await.bytes == large);
        assert_eq!(data(&house.get(&document).await.json()), large);
    }
}

pub(crate) async fn raw(
    house: &House,
    call: (Method, &str),
    headers: &[(&str, &str)],
    bytes: Vec<u8>,
) -> Reply {
    house.ask(&house.token, call, (headers, bytes)).await
}

#[tokio::test]
async fn what_came_without_a_content_is_written_back_without() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Letter")).await.id();
    let mut document = letter(&id, b"short");
    let attachment = &mut document["content"][0]["attachment"];
    attachment.as_object_mut().unwrap().remove("data");
    let absent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    attachment["_data"] = json!({"extension": [{"url": absent, "valueCode": "temp-unknown"}]});
    let name = house.post("/DocumentReference", &document).await.id();
    let place = format!("/DocumentReference/{name}");
    let read = house.get(&place).await.json();
    let put = house.put(&place, &read).await;
    assert_eq!(put.code(), 200, "{}", put.json());
}
