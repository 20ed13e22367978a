//! Apps that run in a browser on a page of their own: who may ask, by which form, and for which visit.

use axum::body::Body as HttpBody;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::house::{House, escaped};
use crate::smart::{REDIRECT, agree, asked, exchange, hospital, public, register, said, text};

const ORIGIN: &str = "https://growth.example";

/// What a browser sends for a page of `origin`; the status and headers that it gets.
async fn from(
    house: &House,
    origin: &str,
    (method, path): (&str, &str),
) -> (StatusCode, HeaderMap) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("origin", origin);
    if method == "OPTIONS" {
        request = request.header("access-control-request-method", "POST");
    }
    let request = request.body(HttpBody::empty()).unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    (response.status(), response.headers().clone())
}

#[tokio::test]
async fn a_registered_apps_page_may_ask_the_doors_of_apps_and_no_other_page() {
    let house = hospital().await;
    for path in ["/fhir/metadata", "/oauth/jwks", "/fhir/Patient/p-icu"] {
        let (_, headers) = from(&house, ORIGIN, ("GET", path)).await;
        assert_eq!(headers["access-control-allow-origin"], ORIGIN, "{path}");
        assert!(headers.get("access-control-allow-credentials").is_none());
    }
    for path in ["/oauth/token", "/fhir/Observation", "/fhir"] {
        let (status, headers) = from(&house, ORIGIN, ("OPTIONS", path)).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{path}");
        let allowed = headers["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("authorization"), "{path}: {allowed}");
    }
    // Not for pages that no app is registered with, and not at the doors of people and systems.
    for (origin, path) in [
        ("https://evil.example", "/fhir/metadata"),
        ("https://growth.example.evil.example", "/oauth/token"),
        ("http://growth.example", "/oauth/token"),
        ("null", "/fhir/metadata"),
        (ORIGIN, "/now"),
        (ORIGIN, "/oauth/authorize"),
        (ORIGIN, "/scim/v2/Users"),
        (ORIGIN, "/log/rows"),
    ] {
        for method in ["GET", "OPTIONS"] {
            let (_, headers) = from(&house, origin, (method, path)).await;
            let allowed = headers.get("access-control-allow-origin");
            assert!(allowed.is_none(), "{method} {path} from {origin}");
        }
    }
}

#[tokio::test]
async fn a_page_may_read_that_it_asks_too_often() {
    let settings = web::Settings {
        requests_per_source_max: 1,
        ..web::Settings::default()
    };
    let house = House::with(settings).await;
    register(&house, "growth", &["patient/*.rs"], public()).await;
    let (status, _) = from(&house, ORIGIN, ("GET", "/fhir/metadata")).await;
    assert_eq!(status, StatusCode::OK);
    let (status, headers) = from(&house, ORIGIN, ("OPTIONS", "/fhir/Observation")).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    let (status, headers) = from(&house, ORIGIN, ("GET", "/fhir/Observation")).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    let read = headers["access-control-expose-headers"].to_str().unwrap();
    assert!(read.contains("retry-after") && headers.contains_key("retry-after"));
    // What no app's page asks is counted as before.
    let (status, headers) = from(&house, "https://evil.example", ("OPTIONS", "/fhir")).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn an_app_may_send_its_request_as_a_form() {
    let house = hospital().await;
    let fields = asked("patient/*.rs", &[("patient", "p-icu")]);
    let form: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    // A browser shows no cookie with a form of another site.
    let request = Request::post("/oauth/authorize")
        .header("origin", ORIGIN)
        .header("sec-fetch-site", "cross-site")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(HttpBody::from(form.join("&")))
        .unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let next = response.headers()["location"].to_str().unwrap().to_owned();
    response.into_body().collect().await.unwrap();
    let mut nora = house.browser("nora").await;
    let page = nora.get(&next).await;
    assert!(page.html.contains("in your name"), "{}", page.html);
}

#[tokio::test]
async fn an_app_learns_the_one_visit_that_is_going_on() {
    let house = hospital().await;
    let scopes = ["launch/patient", "launch/encounter", "patient/*.rs"];
    register(&house, "growth", &scopes, public()).await;
    let visit = |id: &str, status: &str| {
        json!({
            "resourceType": "Encounter", "id": id, "status": status,
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "subject": {"reference": "Patient/p-icu"}
        })
    };
    let told = async || {
        let mut nora = house.browser("nora").await;
        let fields = asked(&scopes.join(" "), &[("patient", "p-icu")]);
        let location = agree(&mut nora, &fields).await;
        let code = said(&location, "code").unwrap();
        let told = exchange(&house, &code, &[("redirect_uri", REDIRECT)]).await;
        assert_eq!(told.status, StatusCode::OK, "{}", told.json);
        told.json
    };
    house
        .resource(Some("p-icu"), visit("v-old", "finished"))
        .await;
    assert_eq!(text(&told().await, "encounter"), "e-p-icu");
    // Of two nobody can tell which is meant.
    house
        .resource(Some("p-icu"), visit("v-also", "in-progress"))
        .await;
    assert!(told().await.get("encounter").is_none());
}
