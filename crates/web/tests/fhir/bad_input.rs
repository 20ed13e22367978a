//! What must not get in, and what it is told.

use axum::http::Method;
use serde_json::json;
use web::Settings;

use crate::house::{House, patient};

async fn status_of(house: &House, body: impl Into<Vec<u8>>) -> (u16, String) {
    let before = house.app.record.size();
    let reply = house
        .write((Method::POST, "/Patient"), (&[], body.into()))
        .await;
    assert_eq!(house.app.record.size(), before, "nothing is sealed");
    (reply.code(), reply.words())
}

/// Bytes that are something else than their `contentType` says, wherever they stand.
#[tokio::test]
async fn an_attachment_is_what_its_type_says() {
    let house = House::open().await;
    // An executable (`MZ`) and a script that say they are a PDF and a picture.
    for (kind, data) in [
        ("application/pdf", "TVqQAAMAAAAEAAAA"),
        ("image/png", "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="),
    ] {
        let photo = json!({"resourceType": "Patient",
            "photo": [{"contentType": kind, "data": data}]});
        let (code, words) = status_of(&house, photo.to_string()).await;
        assert_eq!(code, 400, "{words}");
        assert!(words.contains("contentType"), "{words}");
        let binary = json!({"resourceType": "Binary", "contentType": kind, "data": data});
        let refused = house.post("/Binary", &binary).await;
        assert_eq!(refused.code(), 400, "{}", refused.words());
        let true_type = json!({"resourceType": "Binary", "contentType": "application/octet-stream",
            "data": data});
        assert_eq!(house.post("/Binary", &true_type).await.code(), 201);
    }
}

#[tokio::test]
async fn bodies_that_are_no_resource() {
    let house = House::open().await;
    for (body, code, words) in [
        (&b""[..], 400, ""),
        (b"this is not JSON", 400, "structure"),
        (b"{\"resourceType\":\"Patient\"", 400, "structure"),
        (b"[]", 400, ""),
        (b"null", 400, ""),
        (b"{\"resourceType\":\"Patient\"} trailing", 400, ""),
        (
            b"{\"resourceType\":\"Patient\",\"id\":\"\xff\xfe\"}",
            400,
            "UTF-8",
        ),
        (
            b"{\"resourceType\":\"Patient\",\"gender\":\"male\",\"gender\":\"female\"}",
            400,
            "gender",
        ),
        (
            b"{\"resourceType\":\"Patient\",\"banana\":1}",
            400,
            "banana",
        ),
        (
            b"{\"resourceType\":\"Patient\",\"__proto__\":{\"admin\":true}}",
            400,
            "__proto__",
        ),
        (
            b"{\"resourceType\":\"Patient\",\"gender\":17}",
            400,
            "Patient.gender",
        ),
        (
            b"{\"resourceType\":\"Patient\",\"gender\":\"banana\"}",
            422,
            "Patient.gender",
        ),
        (
            b"{\"resourceType\":\"Patient\",\"name\":{}}",
            400,
            "Patient.name",
        ),
        (
            b"{\"resourceType\":\"Patient\",\"birthDate\":\"tomorrow\"}",
            400,
            "Patient.birthDate",
        ),
        (
            b"{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"}}",
            400,
            "Patient",
        ),
        (b"{\"resourceType\":\"Nonsense\"}", 400, "Nonsense"),
        (b"{\"gender\":\"male\"}", 400, "resourceType"),
    ] {
        let (found, said) = status_of(&house, body).await;
        let body = String::from_utf8_lossy(body);
        assert_eq!(found, code, "{body}: {said}");
        assert!(said.contains(words), "{body}: {said}");
    }
}

#[tokio::test]
async fn bodies_that_are_too_much() {
    let house = House::open().await;
    let deep = format!(
        "{{\"resourceType\":\"Patient\",\"extension\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let (code, words) = status_of(&house, deep).await;
    assert_eq!(code, 400);
    assert!(words.contains("deep"), "{words}");
    let deep = "{\"a\":".repeat(10_000);
    assert_eq!(status_of(&house, deep).await.0, 400);

    let mut large = b"{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"".to_vec();
    large.resize(50 << 20, b'x');
    let (code, words) = status_of(&house, large.clone()).await;
    assert_eq!(code, 413);
    assert!(words.contains("body_bytes_max"), "{words}");
    let reply = house.write((Method::POST, "/"), (&[], large)).await;
    assert_eq!(reply.code(), 413);

    let few = House::with(Settings {
        bundle_entries_max: 2,
        ..Settings::default()
    });
    let few = few.await;
    let entry = json!({ "request": { "method": "GET", "url": "Patient" } });
    let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": vec![entry; 3] });
    let reply = few.post("/", &bundle).await;
    assert_eq!(reply.code(), 413);
    assert!(reply.words().contains("bundle_entries_max"));
}

#[tokio::test]
async fn urls_that_are_no_place() {
    let house = House::open().await;
    for (path, code) in [
        ("/Nonsense", 404),
        ("/Nonsense/1", 404),
        ("/Patient/1/2", 404),
        ("/Patient/a/_history/1/2", 404),
        ("/Patient/..%2F..%2Fetc%2Fpasswd", 400),
        ("/Patient/%2e%2e", 400),
        ("/Patient/%00", 400),
        ("/Patient/a%20b", 400),
        ("/Patient/1;drop", 400),
        ("/Patient/$nothing", 404),
        ("/Patient/1/$nothing", 404),
        ("/Patient/$everything", 400),
        ("/Patient/1/$everything", 404),
        ("/Patient/1/$everything?name=x", 400),
        ("/Patient/1/$everything?_type=Banana", 400),
        ("/Patient/1/$everything?start=soon", 400),
        ("/$nothing", 404),
        ("/$export", 400),
        ("/$export-status/nobody", 404),
        ("/$export-file/nobody/0", 404),
        ("/$export-file/nobody/x", 404),
        ("/_search", 400),
        ("/?_type=Nonsense", 400),
        ("/?_type=Patient,AuditEvent", 400),
        ("/?_type=Patient&_page=3.1-1", 400),
    ] {
        let reply = house.get(path).await;
        assert_eq!(reply.code(), code, "{path}: {:?}", reply.json());
        reply.words();
    }
    let long = format!("/Patient/{}", "x".repeat(65));
    assert_eq!(house.get(&long).await.code(), 400);
}

#[tokio::test]
async fn methods_and_media_that_are_not_spoken() {
    let house = House::open().await;
    let reply = house.delete("/metadata").await;
    assert_eq!(reply.code(), 405);
    assert_eq!(reply.header("allow"), "GET, HEAD");
    let body = patient("X").to_string().into_bytes();
    let call = (Method::TRACE, "/Patient");
    assert_eq!(house.write(call, (&[], Vec::new())).await.code(), 405);
    for accept in ["application/fhir+xml", "text/html"] {
        let reply = house.get_with("/Patient", &[("accept", accept)]).await;
        assert_eq!(reply.code(), 406);
        reply.words();
    }
    assert_eq!(house.get("/Patient?_format=xml").await.code(), 406);
    let token = house.client("media", &["system/*.cruds"]).await;
    for media in ["application/fhir+xml", "text/plain", ""] {
        let headers = [("content-type", media)];
        let headers = if media.is_empty() {
            &[][..]
        } else {
            &headers[..]
        };
        let reply = house
            .ask(&token, (Method::POST, "/Patient"), (headers, body.clone()))
            .await;
        assert_eq!(reply.code(), 415, "{media}");
        reply.words();
    }
}

#[tokio::test]
async fn tokens_that_open_nothing() {
    let house = House::open().await;
    let good = house.client("short-lived", &["system/*.cruds"]).await;
    assert_eq!(house.get_as(&good, "/Patient").await.code(), 200);
    let mut forged = good.clone();
    forged.pop();
    forged.push('!');
    for token in ["", "salus_forged", forged.as_str(), "x"] {
        let reply = house.get_as(token, "/Patient").await;
        assert_eq!(reply.code(), 401, "{token}");
        assert!(reply.header("www-authenticate").starts_with("Bearer"));
        reply.words();
        assert_eq!(house.get_as(token, "/Nonsense").await.code(), 401);
    }
    house.change("short-lived", None).await;
    assert_eq!(
        house.get_as(&good, "/Patient").await.code(),
        401,
        "withdrawn"
    );
}

#[tokio::test]
async fn searches_that_cannot_be_answered_say_so() {
    let house = House::open().await;
    for path in [
        "/Patient?banana=1",
        "/Patient?name:banana=x",
        "/Patient?birthdate=tomorrow",
        "/Patient?_include=Nonsense:x",
        "/Patient?_sort=banana",
        "/Patient?_count=-1",
        "/Patient?_summary=banana",
        "/Patient?organization.banana=x",
        "/Patient?_has:Observation:banana:code=1",
        "/Patient?name=%ff",
        "/Patient/1?banana=1",
        "/Patient/_history?banana=1",
    ] {
        let reply = house.get(path).await;
        assert_eq!(reply.code(), 400, "{path}: {:?}", reply.json());
        reply.words();
    }
    let many = format!("/Patient?{}", "name=x&".repeat(5_000));
    let reply = house.get(&many).await;
    assert_eq!(reply.code(), 400);
    assert!(reply.words().contains("search_parameters_max"));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let token = house.client("many", &["system/*.cruds"]).await;
    let body = "name=x&".repeat(5_000).into_bytes();
    let reply = house
        .ask(&token, (Method::POST, "/Patient/_search"), (&form, body))
        .await;
    assert_eq!(reply.code(), 400);
}

#[tokio::test]
async fn a_resource_that_is_not_what_the_url_says() {
    let house = House::open().await;
    let mut body = patient("Url");
    let reply = house.put("/Patient/a", &body).await;
    assert_eq!(reply.code(), 400, "without an id");
    body["id"] = "b".into();
    let reply = house.put("/Patient/a", &body).await;
    assert_eq!(reply.code(), 400);
    assert!(reply.words().contains("Patient.id"));
    let reply = house.put("/Observation/b", &body).await;
    assert_eq!(reply.code(), 400);
    assert_eq!(
        house.app.record.size(),
        2,
        "nothing but the house's own beginnings"
    );
}

#[tokio::test]
async fn bundles_that_are_damaged() {
    let house = House::open().await;
    for body in [
        r#"{"resourceType":"Bundle"}"#,
        r#"{"resourceType":"Bundle","type":"batch","entry":{}}"#,
        r#"{"resourceType":"Bundle","type":"batch","entry":[1]}"#,
        r#"{"resourceType":"Bundle","type":"batch","banana":1}"#,
        r#"{"resourceType":"Bundle","type":"batch","type":"transaction"}"#,
        r#"{"resourceType":"Bundle","type":"batch","__proto__":{}}"#,
        r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":"#,
        r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"Nonsense"}}]}"#,
    ] {
        let reply = house.write((Method::POST, "/"), (&[], body.into())).await;
        assert!(
            [400, 404].contains(&reply.code()),
            "{body}: {:?}",
            reply.json()
        );
        reply.words();
    }
}
