//! Lines of machines over HTTPS: who may send them, what they come to, and where they are seen.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};
use event::{Account, AccountChange, Act, Actor, Body, Event, Role, Subject};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::ServiceExt;
use web::api::signals::{Feed, Feeds, SCOPE};
use wire::signals::Format;

use crate::house::House;

fn feeds() -> Feeds {
    let feed = |name: &str, client: &str| Feed {
        name: name.into(),
        format: Format::Suricata,
        zone: jiff::tz::TimeZone::UTC,
        client: client.into(),
    };
    Feeds {
        feeds: vec![feed("ids", "collector"), feed("other", "somebody")],
        body_bytes_max: 2_000,
        unpacked_bytes_max: 4_000,
        ..Feeds::default()
    }
}

/// A client with these scopes; its token.
async fn client(house: &House, id: &str, scopes: &[&str]) -> String {
    let made = staff::new_client([id.len() as u8; 32]);
    let account = Account {
        name: id.into(),
        role: Role::Client,
        wards: Vec::new(),
        practitioner: None,
        secret: made.secret,
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
    };
    let body = Body::Account(AccountChange {
        id: id.into(),
        account: Some(account),
    });
    let subject = Subject::Account(id.into());
    house
        .seal(Event::new(Actor::salus(), Act::Manage, subject, body))
        .await;
    made.token
}

async fn send(
    house: &House,
    (feed, token): (&str, &str),
    (encoding, body): (&str, Vec<u8>),
) -> (StatusCode, Value) {
    let mut request = Request::post(format!("/signals/{feed}"));
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if !encoding.is_empty() {
        request = request.header("content-encoding", encoding);
    }
    let request = request.body(HttpBody::from(body)).unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    let (status, kind) = (
        response.status(),
        response.headers().get("content-type").cloned(),
    );
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    if !status.is_success() {
        assert_eq!(kind.unwrap(), "application/problem+json");
    }
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packing = GzEncoder::new(Vec::new(), Compression::best());
    packing.write_all(text.as_bytes()).unwrap();
    packing.finish().unwrap()
}

const LINES: &str = "{\"event_type\":\"alert\",\"host\":\"sensor\"}\nno <b>EVE of the sensor\n{\"event_type\":\"dns\"}\n";

#[tokio::test]
async fn lines_are_sealed_before_the_answer_and_stand_on_flow() {
    let house = House::with_signals(feeds()).await;
    let token = client(&house, "collector", &[SCOPE]).await;
    let (status, told) = send(&house, ("ids", &token), ("", LINES.into())).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(
        (&told["lines"], &told["not_understood"]),
        (&3.into(), &1.into())
    );
    let index = told["events"][0].as_u64().unwrap();
    let sealed = house.app.record.get(index).await.unwrap();
    assert_eq!(sealed.event().because, ["feed:ids"]);
    let (status, _) = send(&house, ("ids", &token), ("gzip", gzip(LINES))).await;
    assert_eq!(status, StatusCode::OK);
    house.settle().await;

    house.person("pia", Role::PrivacyOfficer, &[]).await;
    let mut pia = house.browser("pia").await;
    let flow = pia.get("/flow").await;
    for part in [
        "ids",
        "suricata",
        "alert 2, dns 2",
        "of 3 lines 1 not read: it is no JSON object",
    ] {
        assert!(flow.html.contains(part), "{part}: {}", flow.html);
    }
    let path = format!("/flow/{index}");
    let masked = pia.get(&path).await;
    // A word that no random token of a page can hold.
    assert!(masked.html.contains("The body is masked"));
    assert!(!masked.html.contains("EVE of"), "{}", masked.html);
    let reason = [("reason", "the analyst asks what came")];
    let opened = pia.submit(&path, &path, &reason).await;
    for part in ["no &#60;b&#62;EVE of the sensor", "not understood", "alert"] {
        assert!(opened.html.contains(part), "{part}: {}", opened.html);
    }
}

#[tokio::test]
async fn what_is_waited_for_is_told_from_what_was_heard() {
    let expected = |name: &str| web::Expected {
        name: name.into(),
        door: web::Door::Lines,
    };
    let doors = web::Doors {
        feeds: vec![expected("ids"), expected("other")],
        ..web::Doors::default()
    };
    let house = House::entered_by(doors, feeds()).await;
    house.person("tomas", Role::Administrator, &[]).await;
    let mut tomas = house.browser("tomas").await;
    let waiting = tomas.get("/flow/connect").await;
    assert_eq!(waiting.status, StatusCode::OK);
    assert!(
        waiting
            .html
            .contains("Waiting for the first message of 2 feeds.")
    );
    assert!(!waiting.html.contains("got it"), "{}", waiting.html);
    let token = client(&house, "collector", &[SCOPE]).await;
    send(&house, ("ids", &token), ("", LINES.into())).await;
    house.settle().await;
    let got = tomas.get("/flow/connect").await;
    assert!(
        got.html
            .contains("Got it: heard 1 feed of 2; waiting for the others."),
        "{}",
        got.html
    );
    assert_eq!(got.html.matches("got it</span>").count(), 1);
    assert_eq!(got.html.matches("waiting for the first message").count(), 1);
}

#[tokio::test]
async fn who_may_not_and_what_is_too_much_is_refused_and_seals_nothing() {
    let house = House::with_signals(feeds()).await;
    let token = client(&house, "collector", &[SCOPE]).await;
    let other = client(&house, "ris", &["system/*.rs"]).await;
    let size = house.app.record.size();
    let lines = || LINES.as_bytes().to_vec();
    let long = "x".repeat(5_000);
    let packed = gzip(&long);
    for (feed, token, encoding, body, wanted) in [
        ("ids", "", "", lines(), 401),
        ("ids", "nonsense", "", lines(), 401),
        ("ids", other.as_str(), "", lines(), 403),
        ("other", token.as_str(), "", lines(), 403),
        ("none", token.as_str(), "", lines(), 404),
        ("ids", token.as_str(), "", long.clone().into_bytes(), 413),
        ("ids", token.as_str(), "gzip", packed, 413),
        ("ids", token.as_str(), "gzip", lines(), 400),
        ("ids", token.as_str(), "br", lines(), 415),
        ("ids", token.as_str(), "", b"\n".to_vec(), 400),
    ] {
        let (status, told) = send(&house, (feed, token), (encoding, body)).await;
        assert_eq!(status.as_u16(), wanted, "{told}");
        assert_eq!(told["status"], wanted, "{told}");
    }
    let events = house.app.record.read(size, 100).await.unwrap();
    let signals = events
        .iter()
        .filter(|one| matches!(one.event().body, Body::Signals(_)));
    assert_eq!(signals.count(), 0);
}

/// Posts lines with a key; the status, and what was answered.
async fn keyed(house: &House, token: &str, (key, body): (&str, &str)) -> (u16, Value) {
    let request = Request::post("/signals/ids")
        .header("authorization", format!("Bearer {token}"))
        .header("idempotency-key", key)
        .body(HttpBody::from(body.to_owned()))
        .unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn a_request_that_is_sent_again_with_its_key_is_sealed_once() {
    let house = House::with_signals(feeds()).await;
    let token = client(&house, "collector", &[SCOPE]).await;
    let before = house.app.record.size();
    let (status, told) = keyed(&house, &token, ("post-1", LINES)).await;
    assert_eq!((status, &told["lines"]), (200, &3.into()));
    assert_eq!(
        keyed(&house, &token, ("post-1", LINES)).await,
        (200, told.clone())
    );
    assert_eq!(house.app.record.size(), before + 1);
    // Other lines are no repetition, and neither is what was refused.
    assert_eq!(keyed(&house, &token, ("post-1", "{}\n")).await.0, 422);
    assert_eq!(keyed(&house, &token, ("post-2", "\n")).await.0, 400);
    assert_eq!(keyed(&house, &token, ("post-2", LINES)).await.0, 200);
    assert_eq!(
        keyed(&house, &token, (&"k".repeat(256), LINES)).await.0,
        400
    );
    assert_eq!(house.app.record.size(), before + 2);
    // Without a key the same lines are said twice.
    for _ in 0..2 {
        let (status, _) = send(&house, ("ids", &token), ("", LINES.into())).await;
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(house.app.record.size(), before + 4);
}

#[tokio::test]
async fn more_at_a_time_than_is_taken_is_asked_to_try_again() {
    let none = Feeds {
        room: Arc::new(Semaphore::new(0)),
        ..feeds()
    };
    let house = House::with_signals(none).await;
    let token = client(&house, "collector", &[SCOPE]).await;
    let (status, _) = send(&house, ("ids", &token), ("", LINES.into())).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_feed_is_silent_only_for_longer_than_it_usually_is() {
    const HOUR: i64 = 3_600_000;
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let sent = || {
        let body = Body::Signals(event::Signals {
            feed: "night".into(),
            format: "syslog".into(),
            lines: 1,
            ..event::Signals::default()
        });
        let subject = Subject::Feed("night".into());
        let event = Event::new(Actor::feed("night"), Act::Send, subject, body);
        guard::admit(event.into(), guard::Standing::Salus, "").unwrap()
    };
    house.app.record.admit(vec![sent()]).await.unwrap();
    house.settle().await;
    let mut anna = house.browser("anna").await;
    // Nobody knows yet what is usual: it flows, but that is not shown as good.
    let flow = anna.get("/flow").await;
    for part in [
        "answer unknown",
        "The feed is flowing. What silence is usual is not known",
        "0 of 2 weeks",
    ] {
        assert!(flow.html.contains(part), "{part}: {}", flow.html);
    }
    for _ in 0..4 * 7 * 3 {
        house.wait(6 * HOUR);
        house.app.record.admit(vec![sent()]).await.unwrap();
    }
    house.settle().await;
    // It is never still for more than six hours, and at this hour of the week, when one came two hours
    // before, for four: the fixed hour counts no more.
    for (hours, tone, words) in [
        (5, "answer good", "6 h at most at this hour of the week"),
        (3, "answer warn", "silent for longer than usual"),
    ] {
        house.wait(hours * HOUR);
        let mut anna = house.browser("anna").await;
        let flow = anna.get("/flow").await;
        assert!(
            flow.html.contains(tone) && flow.html.contains(words),
            "{}",
            flow.html
        );
    }
    let mut anna = house.browser("anna").await;
    let now = anna.get("/now").await;
    assert!(now.html.contains("1 of 1 silent"), "{}", now.html);
}
