//! create, read, vread, update, delete, conditions.

use axum::http::Method;
use event::{Body, Subject};
use serde_json::{Value, json};

use crate::house::{BASE, House, observation, patient};

#[tokio::test]
async fn what_is_created_is_read_back_with_its_own_bytes() {
    let house = House::open().await;
    let raw = br#"{ "resourceType":"Patient",  "name":[{"family":"M\u00fcller"}],
        "multipleBirthInteger": 2, "extension":[{"url":"urn:x","valueDecimal":1.500}] }"#;
    let created = house
        .write((Method::POST, "/Patient"), (&[], raw.to_vec()))
        .await;
    assert_eq!(created.code(), 201, "{:?}", created.json());
    let id = created.id();
    let version = created.version();
    let place = format!("{BASE}/Patient/{id}/_history/{version}");
    assert_eq!(created.header("location"), place);
    assert!(created.header("last-modified").ends_with("GMT"));
    assert_eq!(created.json()["meta"]["versionId"], version.to_string());

    let read = house.get(&format!("/Patient/{id}")).await;
    assert_eq!(read.code(), 200);
    assert_eq!(read.version(), version);
    assert_eq!(
        read.bytes, created.bytes,
        "the answer is the resource as it is kept"
    );
    let text = String::from_utf8(read.bytes).unwrap();
    assert!(
        text.contains(r#""name":[{"family":"M\u00fcller"}]"#),
        "{text}"
    );
    assert!(text.contains("1.500"), "decimals keep their digits: {text}");

    let sealed = house.app.record.get(version).await.unwrap();
    assert_eq!(
        sealed.event().raw,
        raw,
        "the bytes received are the bytes sealed"
    );
    assert_eq!(sealed.event().subject, Subject::Patient(id));
}

#[tokio::test]
async fn every_read_is_sealed_before_it_is_answered() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Read")).await.id();
    let before = house.app.record.size();
    house.get(&format!("/Patient/{id}")).await;
    assert_eq!(house.app.record.size(), before + 1);
    let Body::Decision(decided) = house.last().await.body else {
        panic!("not a decision");
    };
    assert!(decided.allowed);
    assert_eq!(decided.subject, Subject::Patient(id.clone()));
    assert_eq!(decided.detail, format!("Patient/{id}"));
}

#[tokio::test]
async fn prefer_says_what_comes_back() {
    let house = House::open().await;
    let body = patient("Prefer").to_string().into_bytes();
    for (prefer, kind) in [
        ("return=minimal", None),
        ("return=OperationOutcome", Some("OperationOutcome")),
        ("return=representation", Some("Patient")),
    ] {
        let reply = house
            .write(
                (Method::POST, "/Patient"),
                (&[("prefer", prefer)], body.clone()),
            )
            .await;
        assert_eq!(reply.code(), 201);
        assert_eq!(
            reply
                .json()
                .get("resourceType")
                .and_then(|kind| kind.as_str()),
            kind
        );
        assert!(!reply.header("etag").is_empty());
    }
}

/// What somebody was shown without its hidden parts must not take the place of the whole.
#[tokio::test]
async fn a_copy_with_parts_left_out_is_not_written_back() {
    let house = House::open().await;
    let mut resource = patient("Whole");
    resource["id"] = "p1".into();
    let label = json!([{"code": "REDACTED"}]);
    let mut bare = resource.clone();
    bare["meta"]["security"] = label;
    assert_eq!(house.put("/Patient/p1", &resource).await.code(), 201);
    let refused = house.put("/Patient/p1", &bare).await;
    assert_eq!(refused.code(), 422);
    assert!(refused.words().contains("REDACTED"), "{}", refused.words());
    assert_eq!(house.put("/Patient/p1", &resource).await.code(), 200);
    bare["id"] = "p2".into();
    let elsewhere = house.put("/Patient/p2", &bare).await;
    assert_eq!(elsewhere.code(), 201, "of another house it is all there is");
}

#[tokio::test]
async fn an_update_makes_a_version_and_keeps_the_one_before() {
    let house = House::open().await;
    let mut resource = patient("Old");
    resource["id"] = "p1".into();
    let made = house.put("/Patient/p1", &resource).await;
    assert_eq!(made.code(), 201, "a PUT to nothing creates");
    resource["name"][0]["family"] = "New".into();
    let changed = house.put("/Patient/p1", &resource).await;
    assert_eq!(changed.code(), 200);
    assert!(changed.version() > made.version());

    let now = house.get("/Patient/p1").await;
    assert_eq!(now.json()["name"][0]["family"], "New");
    let then = house
        .get(&format!("/Patient/p1/_history/{}", made.version()))
        .await;
    assert_eq!(then.json()["name"][0]["family"], "Old");
    assert_eq!(house.get("/Patient/p1/_history/999999").await.code(), 404);
    assert_eq!(house.get("/Patient/p1/_history/x").await.code(), 404);
}

#[tokio::test]
async fn an_unchanged_resource_is_not_sent_again() {
    let house = House::open().await;
    let created = house.post("/Patient", &patient("Same")).await;
    let path = format!("/Patient/{}", created.id());
    let tag = created.header("etag");
    let again = house.get_with(&path, &[("if-none-match", tag)]).await;
    assert_eq!(again.code(), 304);
    assert!(again.bytes.is_empty());
    let other = house.get_with(&path, &[("if-none-match", "W/\"1\"")]).await;
    assert_eq!(other.code(), 200);
    let date = created.header("last-modified");
    let again = house.get_with(&path, &[("if-modified-since", date)]).await;
    assert_eq!(again.code(), 304);
}

#[tokio::test]
async fn the_deleted_is_gone_but_not_forgotten() {
    let house = House::open().await;
    let created = house.post("/Patient", &patient("Gone")).await;
    let path = format!("/Patient/{}", created.id());
    let deleted = house.delete(&path).await;
    assert_eq!(deleted.code(), 204);
    let gone = house.get(&path).await;
    assert_eq!(gone.code(), 410);
    assert!(gone.words().contains("deleted"));
    assert_eq!(
        house.delete(&path).await.code(),
        204,
        "deleting twice is no error"
    );
    let then = house
        .get(&format!("{path}/_history/{}", created.version()))
        .await;
    assert_eq!(then.code(), 200);
    let at = format!("{path}/_history/{}", deleted.version());
    assert_eq!(house.get(&at).await.code(), 410);
    assert_eq!(
        house
            .get("/Patient?identifier=urn:mrn%7CGone")
            .await
            .names()
            .len(),
        0
    );

    let mut back = patient("Back");
    back["id"] = created.id().into();
    assert_eq!(
        house.put(&path, &back).await.code(),
        201,
        "it can be made again"
    );
    assert_eq!(house.get(&path).await.code(), 200);
}

#[tokio::test]
async fn if_match_that_lost_the_race_changes_nothing() {
    let house = House::open().await;
    let created = house.post("/Patient", &patient("Race")).await;
    let path = format!("/Patient/{}", created.id());
    let mut mine = patient("Mine");
    mine["id"] = created.id().into();
    let tag = created.header("etag").to_owned();
    let put = |body: Value, tag: String| {
        let (house, path) = (&house, &path);
        async move {
            let headers = [("if-match", tag.as_str())];
            let body = body.to_string().into_bytes();
            house.write((Method::PUT, path), (&headers, body)).await
        }
    };
    assert_eq!(put(mine.clone(), tag.clone()).await.code(), 200);
    let lost = put(mine.clone(), tag.clone()).await;
    assert_eq!(lost.code(), 412);
    assert!(lost.words().contains("conflict"));
    assert_eq!(put(mine.clone(), "nonsense".into()).await.code(), 400);

    // Many at once with the same tag: exactly one wins.
    let tag = house.get(&path).await.header("etag").to_owned();
    let (a, b, c) = tokio::join!(
        put(mine.clone(), tag.clone()),
        put(mine.clone(), tag.clone()),
        put(mine.clone(), tag.clone())
    );
    let mut codes = [a.code(), b.code(), c.code()];
    codes.sort_unstable();
    assert_eq!(codes, [200, 412, 412]);
}

#[tokio::test]
async fn updates_without_a_condition_all_get_through() {
    let house = House::open().await;
    let created = house.post("/Patient", &patient("Busy")).await;
    let path = format!("/Patient/{}", created.id());
    let mut body = patient("Busier");
    body["id"] = created.id().into();
    let (a, b, c) = tokio::join!(
        house.put(&path, &body),
        house.put(&path, &body),
        house.put(&path, &body)
    );
    assert_eq!([a.code(), b.code(), c.code()], [200; 3]);
    let history = house.get(&format!("{path}/_history")).await;
    assert_eq!(history.names().len(), 4);
}

#[tokio::test]
async fn created_under_a_condition_it_is_there_once() {
    let house = House::open().await;
    let body = patient("Once").to_string().into_bytes();
    let headers = [("if-none-exist", "identifier=urn:mrn|Once")];
    let create = || house.write((Method::POST, "/Patient"), (&headers, body.clone()));
    let (a, b, c) = tokio::join!(create(), create(), create());
    let mut codes = [a.code(), b.code(), c.code()];
    codes.sort_unstable();
    assert_eq!(codes, [200, 200, 201]);
    assert_eq!((a.id(), b.id()), (b.id(), c.id()), "each is shown the one");
    let token = house.client("maker", &["system/Patient.cs"]).await;
    let blind = (Method::POST, "/Patient");
    let json = ("content-type", "application/fhir+json");
    let blind = (blind, (&[headers[0], json][..], body.clone()));
    let blind = house.ask(&token, blind.0, blind.1).await;
    assert_eq!((blind.code(), blind.bytes.len()), (200, 0));
    assert_eq!(
        house
            .get("/Patient?identifier=urn:mrn%7COnce")
            .await
            .names()
            .len(),
        1
    );

    house.post("/Patient", &patient("Once")).await;
    let two = create().await;
    assert_eq!(two.code(), 412);
    assert!(two.words().contains("multiple-matches"));
}

#[tokio::test]
async fn conditional_update_and_delete_mean_one_resource() {
    let house = House::open().await;
    let body = |given: &str| {
        let mut body = patient("Cond");
        body["name"][0]["given"][0] = given.into();
        body
    };
    let path = "/Patient?identifier=urn:mrn%7CCond";
    let made = house.put(path, &body("A")).await;
    assert_eq!(made.code(), 201, "{:?}", made.json());
    let changed = house.put(path, &body("B")).await;
    assert_eq!(changed.code(), 200);
    assert_eq!(changed.id(), made.id());
    let mut other = body("C");
    other["id"] = "somebody-else".into();
    assert_eq!(house.put(path, &other).await.code(), 400);

    house.post("/Patient", &body("D")).await;
    assert_eq!(house.put(path, &body("E")).await.code(), 412);
    assert_eq!(house.delete(path).await.code(), 412);
    house.delete(&format!("/Patient/{}", made.id())).await;
    assert_eq!(house.delete(path).await.code(), 204);
    assert_eq!(house.delete(path).await.code(), 404);
    assert_eq!(
        house.delete("/Patient").await.code(),
        412,
        "not everything at once"
    );
}

#[tokio::test]
async fn each_resource_is_sealed_under_its_own_patient() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Own")).await.id();
    let reference = format!("Patient/{id}");
    let written = house
        .post("/Observation", &observation(&reference, "61.0"))
        .await;
    let sealed = house.app.record.get(written.version()).await.unwrap();
    assert_eq!(sealed.event().subject, Subject::Patient(id));
    let organization = json!({ "resourceType": "Organization", "name": "Ward" });
    let written = house.post("/Organization", &organization).await;
    let sealed = house.app.record.get(written.version()).await.unwrap();
    assert_eq!(sealed.event().subject, Subject::Kind("Organization".into()));
}

#[tokio::test]
async fn a_condition_by_this_server_s_own_address_finds_what_is_kept_as_its_own() {
    let house = House::open().await;
    let id = house.post("/Patient", &patient("Own")).await.id();
    let own = format!("{BASE}/Patient/{id}");
    let observation = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "identifier": [{"value": own}], "subject": {"reference": own}});
    let body = observation.to_string().into_bytes();
    let condition = format!("subject={own}");
    let headers = [("if-none-exist", condition.as_str())];
    let made = house
        .write((Method::POST, "/Observation"), (&headers, body.clone()))
        .await;
    assert_eq!(made.code(), 201, "{}", made.json());
    let again = house
        .write((Method::POST, "/Observation"), (&headers, body))
        .await;
    assert_eq!((again.code(), again.id()), (200, made.id()));
    let found = house
        .get(&format!("/Observation?subject={own}"))
        .await
        .json();
    let kept = &found["entry"][0]["resource"];
    assert_eq!(kept["subject"]["reference"], format!("Patient/{id}"));
    assert_eq!(kept["identifier"][0]["value"], own, "it is no reference");
}
