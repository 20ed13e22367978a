//! Whoever is turned away before anybody is believed leaves a trace, and a flood leaves few.

use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};
use event::{Attempted, Body, Rejected};
use tokio_util::sync::CancellationToken;
use web::Settings;

use crate::house::House;
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

async fn officer(house: &House) -> crate::house::Browser {
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
