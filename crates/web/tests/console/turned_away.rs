//! Whoever is turned away before anybody is believed leaves a trace, and a flood leaves few.

use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};
use event::{Attempted, Body, Rejected};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use web::Settings;

use crate::house::{Browser, House};
use crate::smart::{get, hospital, post, public, refresh, register, send, text, tokens_for};

async fn rejected(house: &House) -> Vec<Rejected> {
    let sealed = house.sealed().await;
    let rejected = sealed.iter().filter_map(|one| match &one.event().body {
        Body::Rejected(rejected) => Some(rejected.clone()),
        _ => None,
    });
    rejected.collect()
}

/// As (sort, who was named, count).
fn told(rejected: &[Rejected]) -> Vec<(Attempted, Option<&str>, u64)> {
    rejected
        .iter()
        .map(|one| (one.sort, one.named.as_deref(), one.count))
        .collect()
}

#[tokio::test]
async fn a_wrong_token_is_sealed_and_a_flood_of_them_grows_the_record_by_two() {
    let house = House::open().await;
    let before = house.app.record.size();
    for guess in 0..200 {
        let reply = get(&house, &format!("salus_guess{guess}"), "Patient/1").await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(told(&rejected(&house).await), [(Attempted::Token, None, 1)]);
    // When the server stops, what was counted is sealed before it does.
    let stop = CancellationToken::new();
    stop.cancel();
    web::keep_counting(Arc::clone(&house.app), stop).await;
    assert_eq!(
        told(&rejected(&house).await),
        [(Attempted::Token, None, 1), (Attempted::Token, None, 199)]
    );
    assert_eq!(house.app.record.size(), before + 2);
    // Asking without any token is no attempt at anything.
    let bare = Request::get("/fhir/Patient/1");
    let bare = send(&house, bare.body(HttpBody::empty()).unwrap()).await;
    assert_eq!(bare.status, StatusCode::UNAUTHORIZED);
    house.wait(61_000);
    assert_eq!(house.app.record.size(), before + 2);
}

#[tokio::test]
async fn a_clients_wrong_proof_is_sealed_under_its_name() {
    let house = House::open().await;
    let keeps_secret = event::App {
        secret: true,
        ..public()
    };
    register(&house, "growth", &["patient/*.rs"], keeps_secret).await;
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", "growth"),
        ("client_secret", "salus_guess"),
        ("scope", "system/*.rs"),
    ];
    let reply = post(&house, "/oauth/token", &pairs).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let sealed = rejected(&house).await;
    assert_eq!(told(&sealed), [(Attempted::Proof, Some("growth"), 1)]);
    assert!(!sealed[0].why.contains("guess"), "{}", sealed[0].why);
    // Whoever looks for failed sign-ins finds it.
    let mut officer = officer(&house).await;
    let page = officer.get("/access").await;
    let answer = "1 look was refused since";
    assert!(page.html.contains(answer), "{}", page.html);
    let record = officer.get("/record").await;
    assert!(record.html.contains("wrong proof"), "{}", record.html);
}

async fn officer(house: &House) -> Browser {
    house
        .person("petra", event::Role::PrivacyOfficer, &[])
        .await;
    house.browser("petra").await
}

#[tokio::test]
async fn a_refresh_token_that_ended_is_sealed_under_its_apps_name() {
    let house = hospital().await;
    let told_first = tokens_for(&house, "p-icu", "patient/Observation.rs offline_access").await;
    let first = text(&told_first, "refresh_token");
    assert_eq!(refresh(&house, &first, &[]).await.status, StatusCode::OK);
    let again = refresh(&house, &first, &[]).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        told(&rejected(&house).await),
        [(Attempted::Token, Some("growth"), 1)]
    );
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_sealed_without_what_was_in_it() {
    let house = hospital().await;
    let client = staff::new_client([9; 32]);
    self::client(&house, "lis", &client.secret).await;
    let request = Request::post("/fhir/Patient")
        .header("authorization", format!("Bearer {}", client.token))
        .header("content-type", "application/fhir+json")
        .body(HttpBody::from(
            "{\"resourceType\": \"Patient\", \"Muller\": 1}",
        ));
    let reply = send(&house, request.unwrap()).await;
    assert!(reply.status.is_client_error(), "{:?}", reply.status);
    let sealed = rejected(&house).await;
    assert_eq!(told(&sealed), [(Attempted::Body, Some("lis"), 1)]);
    assert!(!format!("{sealed:?}").contains("Muller"));
}

/// A plain client that may write everything.
pub(crate) async fn client(house: &House, id: &str, secret: &str) {
    let account = event::Account {
        name: id.into(),
        role: event::Role::Client,
        wards: Vec::new(),
        practitioner: None,
        secret: secret.into(),
        scopes: vec!["system/*.cruds".into()],
    };
    let change = event::AccountChange {
        id: id.into(),
        account: Some(account),
    };
    let subject = event::Subject::Account(id.into());
    let actor = event::Actor::salus();
    let event = event::Event::new(actor, event::Act::Manage, subject, Body::Account(change));
    house.seal(event).await;
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_to_wait_and_others_are_not() {
    let settings = Settings {
        requests_per_client_max: 3,
        ..Settings::default()
    };
    let house = House::with(settings).await;
    let (busy, other) = (staff::new_client([1; 32]), staff::new_client([2; 32]));
    client(&house, "busy", &busy.secret).await;
    client(&house, "other", &other.secret).await;
    for _ in 0..3 {
        let reply = get(&house, &busy.token, "Patient/nobody").await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
    }
    let fast = get(&house, &busy.token, "Patient/nobody").await;
    assert_eq!(fast.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(fast.json["issue"][0]["code"], "throttled");
    let reply = get(&house, &other.token, "Patient/nobody").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(
        told(&rejected(&house).await),
        [(Attempted::Pace, Some("busy"), 1)]
    );
    house.wait(60_000);
    let reply = get(&house, &busy.token, "Patient/nobody").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_not_looked_at() {
    let settings = Settings {
        requests_per_source_max: 2,
        ..Settings::default()
    };
    let house = House::with(settings).await;
    let ask = || Request::get("/healthz").body(HttpBody::empty()).unwrap();
    assert_eq!(send(&house, ask()).await.status, StatusCode::OK);
    assert_eq!(send(&house, ask()).await.status, StatusCode::OK);
    let fast = send(&house, ask()).await.status;
    assert_eq!(fast, StatusCode::TOO_MANY_REQUESTS);
    house.wait(60_000);
    assert_eq!(send(&house, ask()).await.status, StatusCode::OK);
}

/// The answer to a request, its type, and how long to wait.
async fn answered(
    house: &House,
    (method, path): (&str, &str),
) -> (StatusCode, String, Value, bool) {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(HttpBody::empty()).unwrap();
    let answer = house.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let kind = parts.headers.get("content-type").unwrap();
    let kind = kind.to_str().unwrap().to_owned();
    let bytes = body.collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let waits = parts.headers.contains_key("retry-after");
    (parts.status, kind, json, waits)
}

#[tokio::test]
async fn who_is_not_looked_at_is_told_so_in_the_form_of_the_door() {
    let settings = Settings {
        requests_per_source_max: 1,
        ..Settings::default()
    };
    let house = House::with(settings).await;
    answered(&house, ("GET", "/healthz")).await;
    for (path, media, member, said) in [
        (
            "/fhir/Patient/1",
            "application/fhir+json",
            "/issue/0/code",
            "throttled",
        ),
        ("/scim/v2/Users", "application/scim+json", "/status", "429"),
        (
            "/signals/firewall",
            "application/problem+json",
            "/title",
            "Too Many Requests",
        ),
        (
            "/oauth/token",
            "application/json",
            "/error",
            "temporarily_unavailable",
        ),
        ("/dicomweb/studies", "text/plain; charset=utf-8", "", ""),
        ("/now", "text/plain; charset=utf-8", "", ""),
    ] {
        let (status, kind, json, waits) = answered(&house, ("GET", path)).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert_eq!(kind, media, "{path}");
        assert!(waits, "{path} says when to come again");
        if !member.is_empty() {
            assert_eq!(json.pointer(member).unwrap(), said, "{path}: {json}");
        }
    }
}

#[tokio::test]
async fn what_no_door_has_is_said_in_the_form_of_the_door() {
    let house = House::open().await;
    for (call, status, media, member, said) in [
        (
            ("DELETE", "/scim/v2/ResourceTypes"),
            405,
            "application/scim+json",
            "/status",
            "405",
        ),
        (
            ("GET", "/scim/v2/Groups"),
            404,
            "application/scim+json",
            "/status",
            "404",
        ),
        (
            ("GET", "/signals/firewall"),
            405,
            "application/problem+json",
            "/title",
            "Method Not Allowed",
        ),
        (
            ("GET", "/oauth/token"),
            405,
            "application/json",
            "/error",
            "invalid_request",
        ),
    ] {
        let (code, kind, json, _) = answered(&house, call).await;
        assert_eq!(
            (code.as_u16(), kind.as_str()),
            (status, media),
            "{call:?}: {json}"
        );
        assert_eq!(json.pointer(member).unwrap(), said, "{call:?}: {json}");
    }
    // A page stays a page.
    let (_, kind, ..) = answered(&house, ("GET", "/no-such-page")).await;
    assert!(kind.starts_with("text/"), "{kind}");
}

/// How many failed sign-ins were sealed one by one.
async fn failed(house: &House) -> usize {
    let sealed = house.sealed().await;
    let failed = sealed
        .iter()
        .filter(|one| matches!(&one.event().body, Body::Session(session) if !session.ok));
    failed.count()
}

async fn counted(house: &House) {
    let stop = CancellationToken::new();
    stop.cancel();
    web::keep_counting(Arc::clone(&house.app), stop).await;
}

#[tokio::test]
async fn a_name_that_is_locked_grows_the_record_no_more() {
    let house = House::open().await;
    house.person("anna", event::Role::Nurse, &[]).await;
    let mut stranger = Browser::new(&house);
    for _ in 0..30 {
        let refused = stranger.sign_in("anna", "wrong wrong wrong").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    counted(&house).await;
    assert_eq!(failed(&house).await, 5, "until the name is locked");
    let sealed = rejected(&house).await;
    assert_eq!(
        told(&sealed),
        [
            (Attempted::SignIn, Some("anna"), 1),
            (Attempted::SignIn, Some("anna"), 24)
        ]
    );
    let mut officer = officer(&house).await;
    let record = officer.get("/record").await;
    assert!(record.html.contains("turned away 24 times: a sign-in"));
}

#[tokio::test]
async fn a_flood_of_passkeys_that_name_nobody_grows_the_record_by_two() {
    let house = House::open().await;
    let before = house.app.record.size();
    let mut stranger = Browser::new(&house);
    for _ in 0..200 {
        let fields = [("challenge", "guess"), ("credential", "guess")];
        let refused = stranger.post("/sign-in/passkey", &fields).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    counted(&house).await;
    assert_eq!(
        told(&rejected(&house).await),
        [(Attempted::SignIn, None, 1), (Attempted::SignIn, None, 199)]
    );
    assert_eq!(house.app.record.size(), before + 2);
}

#[tokio::test]
async fn a_flood_of_names_is_sealed_as_a_count_and_locks_all_the_same() {
    let settings = Settings {
        failures_sealed_max: 3,
        ..Settings::default()
    };
    let house = House::with(settings).await;
    house.person("anna", event::Role::Nurse, &[]).await;
    let mut stranger = Browser::new(&house);
    for number in 0..20 {
        let name = format!("name{number}");
        stranger.sign_in(&name, "wrong wrong wrong").await;
    }
    for _ in 0..5 {
        stranger.sign_in("anna", "wrong wrong wrong").await;
    }
    counted(&house).await;
    assert_eq!(failed(&house).await, 3);
    let sealed = rejected(&house).await;
    assert_eq!(
        told(&sealed),
        [
            (Attempted::SignIn, Some("name3"), 1),
            (Attempted::SignIn, Some("name3"), 21)
        ]
    );
    // What was only counted counts: the name is locked, for whoever knows the password, too.
    let locked = stranger.sign_in("anna", crate::house::PASSWORD).await;
    assert_eq!(locked.status, StatusCode::UNAUTHORIZED, "{}", locked.html);
    // A minute later they are sealed one by one again.
    house.wait(60_000);
    stranger.sign_in("paul", "wrong wrong wrong").await;
    assert_eq!(failed(&house).await, 4);
}

/// A provider that says where its pages are, and nothing else.
async fn provider() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let published = serde_json::json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
    });
    let answer = move || std::future::ready(axum::Json(published));
    let place = "/.well-known/openid-configuration";
    let router = axum::Router::new().route(place, axum::routing::get(answer));
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    issuer
}

#[tokio::test]
async fn strangers_whom_the_provider_does_not_let_in_grow_the_record_by_two() {
    let oidc = web::Oidc {
        issuer: provider().await,
        ..web::Oidc::default()
    };
    let house = House::with(Settings {
        oidc,
        ..Settings::default()
    });
    let house = house.await;
    let before = house.app.record.size();
    let mut stranger = Browser::new(&house);
    for _ in 0..40 {
        let away = stranger.get("/sign-in/sso").await;
        let state = crate::smart::said(away.location(), "state").unwrap();
        let back = format!("/sign-in/sso/back?state={state}&error=access_denied");
        let refused = stranger.get(&back).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.html);
    }
    counted(&house).await;
    let sealed = rejected(&house).await;
    assert_eq!(
        told(&sealed),
        [(Attempted::SignIn, None, 1), (Attempted::SignIn, None, 39)]
    );
    assert!(
        sealed[0].why.contains("single sign-on"),
        "{}",
        sealed[0].why
    );
    assert_eq!(house.app.record.size(), before + 2);
}

/// A request that comes from an address.
fn from(address: u32, request: axum::http::request::Builder) -> Request<HttpBody> {
    let mut request = request.body(HttpBody::empty()).unwrap();
    let peer = std::net::SocketAddr::from((std::net::Ipv4Addr::from_bits(address), 50_000));
    request
        .extensions_mut()
        .insert(axum::extract::ConnectInfo(peer));
    request
}

#[tokio::test]
async fn a_flood_of_strangers_slows_nobody_who_proved_who_they_are() {
    let settings = Settings {
        requests_per_source_max: 1,
        second_factor: web::SecondFactor::Optional,
        ..Settings::default()
    };
    let house = House::with(settings).await;
    let known = staff::new_client([1; 32]);
    client(&house, "lis", &known.secret).await;
    house.person("anna", event::Role::Nurse, &["ICU"]).await;
    let anna = house.browser("anna").await;
    let mut refused = 0;
    for address in 0..10_010 {
        let reply = send(
            &house,
            from(0x0a00_0000 + address, Request::get("/healthz")),
        )
        .await;
        refused += u32::from(reply.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(
        (9..=10).contains(&refused),
        "{refused}: those above the table share one"
    );
    // From addresses that are not told apart any more.
    let bearer = format!("Bearer {}", known.token);
    let lis = Request::get("/fhir/Patient/nobody").header("authorization", bearer);
    let reply = send(&house, from(0x0b00_0001, lis)).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    let cookies = anna.cookies.iter();
    let cookies: Vec<String> = cookies
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let hers = Request::get("/now")
        .header("cookie", cookies.join("; "))
        .header("user-agent", anna.agent);
    let reply = send(&house, from(0x0b00_0002, hers)).await;
    assert_ne!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    for header in ["Bearer salus_guess", "Basic bGlzOmd1ZXNz"] {
        let stranger = Request::get("/fhir/Patient/nobody").header("authorization", header);
        let reply = send(&house, from(0x0b00_0003, stranger)).await;
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{header}");
    }
}
