//! `PATCH`: JSON Patch and FHIRPath Patch, with conditions, in bundles, and who may.

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use event::Body;
use serde_json::{Value, json};

use crate::house::{House, Reply, observation, patient};

const JSON_PATCH: (&str, &str) = ("content-type", "application/json-patch+json");
const FHIR: (&str, &str) = ("content-type", "application/fhir+json");

async fn patch(house: &House, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
    let body = body.to_string().into_bytes();
    house
        .ask(&house.token, (Method::PATCH, path), (headers, body))
        .await
}

fn gender(code: &str) -> Value {
    json!([{"op": "replace", "path": "/gender", "value": code}])
}

fn replace(path: &str, key: &str, value: &Value) -> Value {
    let mut last = json!({"name": "value"});
    last[key] = value.clone();
    json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": path}, last]}]})
}

#[tokio::test]
async fn a_patch_makes_a_version_of_its_own() {
    let house = House::open().await;
    let made = house.post("/Patient", &patient("Patch")).await;
    let path = format!("/Patient/{}", made.id());
    let done = patch(&house, &path, &[JSON_PATCH], &gender("male")).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    assert!(done.version() > made.version());
    assert_eq!(done.json()["gender"], "male");
    assert_eq!(done.json()["name"][0]["family"], "Patch");
    let change = replace("Patient.name.first().family", "valueString", &json!("Two"));
    let done = patch(&house, &path, &[FHIR], &change).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    let now = house.get(&path).await;
    assert_eq!(now.json(), done.json());
    assert_eq!(now.json()["name"][0]["family"], "Two");
    let history = house.get(&format!("{path}/_history")).await;
    assert_eq!(history.names().len(), 3);
    let found = house.get("/Patient?family=two&gender=male").await;
    assert_eq!(found.names().len(), 1);
    // What is sealed is the whole resource, and no word of the version before.
    let sealed = house.app.record.get(done.version()).await.unwrap();
    let raw: Value = serde_json::from_slice(&sealed.event().raw).unwrap();
    assert_eq!(raw["gender"], "male");
    assert!(raw.get("meta").is_none(), "{raw}");
}

#[tokio::test]
async fn decimals_keep_their_digits_through_a_patch() {
    let house = House::open().await;
    let pulse = observation("Patient/x", "70.10");
    let path = format!(
        "/Observation/{}",
        house.post("/Observation", &pulse).await.id()
    );
    let change = json!([{"op": "add", "path": "/note", "value": [{"text": "seen"}]}]);
    let done = patch(&house, &path, &[JSON_PATCH], &change).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    let text = String::from_utf8(house.get(&path).await.bytes).unwrap();
    assert!(text.contains("70.10"), "{text}");
}

#[tokio::test]
async fn a_patch_is_checked_like_an_update() {
    let house = House::open().await;
    let made = house.post("/Patient", &patient("Check")).await;
    let path = format!("/Patient/{}", made.id());
    for (change, code) in [
        (gender("banana"), 422),
        (json!([{"op": "remove", "path": "/resourceType"}]), 400),
        (
            json!([{"op": "replace", "path": "/id", "value": "other"}]),
            400,
        ),
        (
            json!([{"op": "replace", "path": "", "value": observation("Patient/x", "1")}]),
            400,
        ),
        (
            json!([{"op": "test", "path": "/gender", "value": "male"}]),
            422,
        ),
        (json!([{"op": "remove", "path": "/photo"}]), 422),
        (json!([{"op": "frobnicate"}]), 400),
        (json!({"resourceType": "Patient"}), 400),
        (replace("Patient.photo", "valueString", &json!("x")), 422),
        (
            replace("Patient.name.where(", "valueString", &json!("x")),
            400,
        ),
    ] {
        let refused = patch(&house, &path, &[JSON_PATCH], &change).await;
        let told = (refused.code(), refused.words());
        assert!((400..=422).contains(&told.0), "{change}: {told:?}");
        assert_eq!(told.0, code, "{change}: {}", told.1);
    }
    assert_eq!(house.get(&path).await.version(), made.version());
    let change = gender("male");
    let nowhere = patch(&house, "/Patient/nobody", &[JSON_PATCH], &change).await;
    assert_eq!(nowhere.code(), 404);
    let xml = ("content-type", "application/xml-patch+xml");
    assert_eq!(patch(&house, &path, &[xml], &change).await.code(), 415);
    house.delete(&path).await;
    assert_eq!(
        patch(&house, &path, &[JSON_PATCH], &change).await.code(),
        410
    );
}

#[tokio::test]
async fn conditions_hold_for_patches() {
    let house = House::open().await;
    let made = house.post("/Patient", &patient("Cond")).await;
    house.post("/Patient", &patient("Other")).await;
    let path = format!("/Patient/{}", made.id());
    let tag = format!("W/\"{}\"", made.version());
    let headers = [JSON_PATCH, ("if-match", tag.as_str())];
    let done = patch(&house, &path, &headers, &gender("male")).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    let late = patch(&house, &path, &headers, &gender("other")).await;
    assert_eq!(late.code(), 412, "{}", late.json());
    for (query, code) in [
        ("identifier=urn:mrn|Cond", 200),
        ("identifier=urn:mrn|Nobody", 404),
        ("birthdate=1970-01-02", 412),
        ("", 412),
    ] {
        let path = format!("/Patient?{query}");
        let reply = patch(&house, &path, &[JSON_PATCH], &gender("unknown")).await;
        assert_eq!(reply.code(), code, "{query}: {}", reply.json());
    }
    assert_eq!(house.get(&path).await.json()["gender"], "unknown");
}

#[tokio::test]
async fn bundles_carry_patches() {
    let house = House::open().await;
    let one = house.post("/Patient", &patient("One")).await.id();
    let two = house.post("/Patient", &patient("Two")).await.id();
    let data = STANDARD.encode(gender("male").to_string());
    let binary = json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data});
    let parameters = replace("Patient.gender", "valueCode", &json!("other"));
    let entry = |url: String, resource: Value| json!({"resource": resource, "request": {"method": "PATCH", "url": url}});
    let bundle = |entries: Vec<Value>| json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let good = bundle(vec![
        entry(format!("Patient/{one}"), binary.clone()),
        entry("Patient?identifier=urn:mrn|Two".into(), parameters),
    ]);
    let done = house.post("/", &good).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    assert_eq!(done.json()["entry"][0]["response"]["status"], "200 OK");
    let house = &house;
    let read = |id: String| async move { house.get(&format!("/Patient/{id}")).await };
    assert_eq!(read(one.clone()).await.json()["gender"], "male");
    assert_eq!(read(two.clone()).await.json()["gender"], "other");
    let (before, broken) = (
        read(one.clone()).await.version(),
        replace("Patient.photo", "valueString", &json!("x")),
    );
    let bad = bundle(vec![
        entry(format!("Patient/{one}"), binary.clone()),
        entry(format!("Patient/{two}"), broken),
    ]);
    let refused = house.post("/", &bad).await;
    assert_eq!(refused.code(), 422, "{}", refused.json());
    assert!(
        refused.words().contains("Bundle.entry[1]"),
        "{}",
        refused.words()
    );
    assert_eq!(read(one.clone()).await.version(), before);
    let twice = bundle(vec![
        entry(format!("Patient/{one}"), binary.clone()),
        entry(format!("Patient/{one}"), binary),
    ]);
    assert!(house.post("/", &twice).await.words().contains("twice"));
}

#[tokio::test]
async fn who_patches_must_read_and_write() {
    let house = House::open().await;
    let made = house.post("/Patient", &patient("Leave")).await;
    let path = format!("/Patient/{}", made.id());
    let change = gender("male").to_string().into_bytes();
    for scopes in [
        "system/Patient.u",
        "system/Patient.r",
        "system/Observation.ru",
    ] {
        let token = house.client(&scopes.replace('/', "-"), &[scopes]).await;
        let call = (Method::PATCH, path.as_str());
        let refused = house
            .ask(&token, call, (&[JSON_PATCH], change.clone()))
            .await;
        assert_eq!(refused.code(), 403, "{scopes}: {}", refused.json());
        let Body::Decision(decided) = house.last().await.body else {
            panic!("not a decision");
        };
        assert!(!decided.allowed, "the refusal is sealed");
    }
    let token = house.client("both", &["system/Patient.ru"]).await;
    let call = (Method::PATCH, path.as_str());
    let done = house.ask(&token, call, (&[JSON_PATCH], change)).await;
    assert_eq!(done.code(), 200, "{}", done.json());
}

/// Neither can what is hidden be found out by a test, nor is it lost by a patch of the rest.
#[tokio::test]
async fn what_is_hidden_can_neither_be_tested_nor_lost() {
    let house = House::open().await;
    let made = house.post("/Patient", &patient("Hidden")).await;
    let path = format!("/Patient/{}", made.id());
    house.ruled_by(
        r#"@id("born") @words("born") @obligation("hide Patient.birthDate")
        permit (principal, action, resource) when { principal in Role::"client" };"#,
    );
    assert!(house.get(&path).await.json().get("birthDate").is_none());
    for change in [
        json!([{"op": "test", "path": "/birthDate", "value": "1970-01-02"}]),
        json!([{"op": "test", "path": "/birthDate", "value": "1970-01-03"}]),
        json!([{"op": "copy", "from": "/birthDate", "path": "/name/0/text"}]),
        json!([{"op": "remove", "path": "/meta/security"}]),
    ] {
        let refused = patch(&house, &path, &[JSON_PATCH], &change).await;
        assert_eq!(refused.code(), 403, "{change}: {}", refused.json());
        assert!(refused.words().contains("left out"), "{}", refused.words());
    }
    assert_eq!(house.get(&path).await.version(), made.version());
}

/// Whether a masked result is there is no answer of a condition either.
#[tokio::test]
async fn a_condition_tells_nothing_of_what_is_masked() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Mask")).await.id();
    let mut secret = observation(&format!("Patient/{id}"), "1");
    let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    secret["meta"]["security"] = json!([{"system": system, "code": "R"}]);
    house.post("/Observation", &secret).await;
    house.ruled_by(
        r#"@id("less") @words("less") @obligation("mask R")
        permit (principal, action, resource) when { principal in Role::"client" };"#,
    );
    let ask = |code: &str| format!("/Observation?patient={id}&code={code}");
    let there = patch(&house, &ask("8867-4"), &[JSON_PATCH], &json!([])).await;
    let absent = patch(&house, &ask("nothing"), &[JSON_PATCH], &json!([])).await;
    assert_eq!((there.code(), absent.code()), (404, 404));
    assert_eq!(there.words(), absent.words());
}

/// What lies outside narrowed scopes looks as if it was not there, whatever the conditions.
#[tokio::test]
async fn a_patch_outside_narrowed_scopes_finds_nothing() {
    let house = House::open().await;
    let pulse = house
        .post("/Observation", &observation("Patient/x", "1"))
        .await;
    let path = format!("/Observation/{}", pulse.id());
    let token = house
        .client("narrow", &["system/Observation.rus?code=other"])
        .await;
    let body = json!([]).to_string().into_bytes();
    let stale = [JSON_PATCH, ("if-match", "W/\"1\"")];
    for headers in [&[JSON_PATCH][..], &stale[..]] {
        let call = (Method::PATCH, path.as_str());
        let there = house.ask(&token, call, (headers, body.clone())).await;
        assert_eq!(there.code(), 404, "{}", there.json());
    }
    house.delete(&path).await;
    let call = (Method::PATCH, path.as_str());
    let gone = house.ask(&token, call, (&[JSON_PATCH], body)).await;
    assert_eq!(gone.code(), 404, "{}", gone.json());
}

/// A patch is not applied for whoever may only read.
#[tokio::test]
async fn whoever_may_not_write_learns_nothing_from_a_test() {
    let house = House::open().await;
    let path = format!(
        "/Patient/{}",
        house.post("/Patient", &patient("Early")).await.id()
    );
    let token = house.client("reader", &["system/Patient.r"]).await;
    for value in ["female", "male"] {
        let change = json!([{"op": "test", "path": "/gender", "value": value}]);
        let body = change.to_string().into_bytes();
        let call = (Method::PATCH, path.as_str());
        let refused = house.ask(&token, call, (&[JSON_PATCH], body)).await;
        assert_eq!(refused.code(), 403, "{value}: {}", refused.json());
    }
}

/// What a narrative says must still be so after a patch.
#[tokio::test]
async fn a_narrative_does_not_outlive_what_it_tells() {
    let house = House::open().await;
    let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\">female</div>";
    let mut told = patient("Told");
    told["text"] = json!({"status": "generated", "div": div});
    let path = format!("/Patient/{}", house.post("/Patient", &told).await.id());
    let tag = json!([{"op": "add", "path": "/meta/tag", "value": [{"code": "x"}]}]);
    let done = patch(&house, &path, &[JSON_PATCH], &tag).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    assert_eq!(done.json()["text"]["div"], div, "a tag changes no content");
    let done = patch(&house, &path, &[JSON_PATCH], &gender("male")).await;
    assert_eq!(done.code(), 200, "{}", done.json());
    assert!(done.json().get("text").is_none(), "{}", done.json());
    told["text"]["status"] = "additional".into();
    let path = format!("/Patient/{}", house.post("/Patient", &told).await.id());
    let refused = patch(&house, &path, &[JSON_PATCH], &gender("male")).await;
    assert_eq!(refused.code(), 422, "{}", refused.json());
    let both = json!([{"op": "replace", "path": "/gender", "value": "male"},
        {"op": "replace", "path": "/text/div", "value": div.replace("female", "male")}]);
    let done = patch(&house, &path, &[JSON_PATCH], &both).await;
    assert_eq!(done.code(), 200, "{}", done.json());
}

/// Small patches of large resources do not make more than one body may hold.
#[tokio::test]
async fn a_batch_of_patches_stays_within_a_body() {
    let settings = web::Settings {
        body_bytes_max: 100_000,
        ..web::Settings::default()
    };
    let house = House::with(settings).await;
    let mut entries = Vec::new();
    for n in 0..4 {
        let mut large = patient(&format!("Large{n}"));
        large["address"] = json!([{"text": "x".repeat(60_000)}]);
        let id = house.post("/Patient", &large).await.id();
        let change = STANDARD.encode(gender("male").to_string());
        entries.push(json!({"resource": {"resourceType": "Binary",
                "contentType": "application/json-patch+json", "data": change},
            "request": {"method": "PATCH", "url": format!("Patient/{id}")}}));
    }
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let answer = house.post("/", &batch).await.json();
    let status = |n: usize| answer["entry"][n]["response"]["status"].as_str().unwrap();
    let all: Vec<&str> = (0..4).map(|n| &status(n)[..3]).collect();
    assert_eq!(all, ["200", "200", "413", "413"], "{answer}");
}

/// A condition that would tell of what is masked does not, when deleting either.
#[tokio::test]
async fn deleting_by_query_tells_nothing_of_what_is_masked() {
    let house = House::open().await;
    let mut masked = patient("Hidden");
    let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    masked["meta"] = json!({"security": [{"system": system, "code": "R"}]});
    house.post("/Patient", &masked).await;
    house.ruled_by(
        r#"@id("less") @words("less") @obligation("mask R")
        permit (principal, action, resource) when { principal in Role::"client" };"#,
    );
    let there = house.delete("/Patient?identifier=urn:mrn%7CHidden").await;
    let absent = house.delete("/Patient?identifier=urn:mrn%7CNobody").await;
    assert_eq!(
        (there.code(), absent.code()),
        (404, 404),
        "{}",
        there.json()
    );
}
