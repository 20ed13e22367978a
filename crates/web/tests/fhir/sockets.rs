//! The websocket of subscriptions: bound by a token, told what happens, let go when it does not read.

use axum::http::Method;
use event::{Act, Actor, Body, Event, Issued, Leave, Subject, Time, Token};
use futures_util::{SinkExt as _, StreamExt as _};
use guard::{Standing, admit};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use web::Settings;

use crate::house::{House, Reply, patient};
use crate::receiver::{events, told, what};
use crate::subscriptions::{WAIT, create, settings, subscriber, subscription, telling, until};

type Socket = WebSocketStream<TcpStream>;

async fn dialed(at: std::net::SocketAddr) -> Socket {
    let stream = TcpStream::connect(at).await.unwrap();
    let url = format!("ws://{at}/fhir/$subscription-socket");
    client_async(url, stream).await.unwrap().0
}

/// The next notification; `None`: it was closed.
async fn next(socket: &mut Socket) -> Option<Value> {
    let reading = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).ok(),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    };
    tokio::time::timeout(WAIT, reading)
        .await
        .expect("a message or the end")
}

async fn asked(house: &House, token: &str, path: &str) -> Reply {
    house
        .ask(token, (Method::GET, path), (&[], Vec::new()))
        .await
}

fn parameter(reply: &Value, name: &str) -> String {
    let all = reply["parameter"].as_array().unwrap();
    let one = all.iter().find(|one| one["name"] == name).unwrap();
    let value = one
        .as_object()
        .unwrap()
        .iter()
        .find(|(key, _)| *key != "name");
    value.unwrap().1.as_str().unwrap().to_owned()
}

/// A bound socket that has shaken hands, and its subscription.
async fn bound(house: &House, at: std::net::SocketAddr) -> (Socket, String) {
    let made = create(
        house,
        &house.token,
        &subscription("patient-changed", &[], ""),
    )
    .await;
    assert_eq!(made.code(), 201, "{}", made.json());
    let id = made.id();
    until(house, &id, "active").await;
    let path = format!("/Subscription/{id}/$get-ws-binding-token");
    let given = asked(house, &house.token, &path).await.json();
    assert!(
        parameter(&given, "websocket-url").starts_with("wss://"),
        "{given}"
    );
    assert_eq!(parameter(&given, "subscription"), id);
    let token = parameter(&given, "token");
    let mut socket = dialed(at).await;
    let bind = Message::Text(format!("bind-with-token {token}").into());
    socket.send(bind.clone()).await.unwrap();
    let hands = next(&mut socket).await.unwrap();
    assert_eq!(what(&hands), "handshake");
    // A token is good once.
    let mut second = dialed(at).await;
    second.send(bind).await.unwrap();
    assert!(next(&mut second).await.is_none());
    (socket, id)
}

#[tokio::test]
async fn a_bound_websocket_is_told_what_happens() {
    let house = House::with(settings("http://127.0.0.1:1/")).await;
    let _stop = telling(&house);
    let at = house.served().await;
    let (mut socket, id) = bound(&house, at).await;
    let eva = house.post("/Patient", &patient("Curie")).await.id();
    let event = next(&mut socket).await.unwrap();
    assert_eq!(events(&event), [(1, format!("Patient/{eva}"))]);
    assert_eq!(event["entry"][1]["resource"]["name"][0]["family"], "Curie");
    // What happens while nobody listens is caught up.
    drop(socket);
    let two = house.post("/Patient", &patient("Meitner")).await.id();
    subscriber(&house, &id, |one| one.number == 2).await;
    let path = format!("/Subscription/{id}/$events?eventsSinceNumber=2");
    let missed = house.get(&path).await.json();
    assert_eq!(events(&missed), [(2, format!("Patient/{two}"))]);
    // Nobody else binds it, and nonsense binds nothing.
    let other = house.client("other", &["system/*.cruds"]).await;
    let path = format!("/Subscription/{id}/$get-ws-binding-token");
    assert_eq!(asked(&house, &other, &path).await.code(), 404);
    for nonsense in ["bind-with-token nothing", "hello"] {
        let mut socket = dialed(at).await;
        socket.send(Message::Text(nonsense.into())).await.unwrap();
        assert!(next(&mut socket).await.is_none(), "{nonsense}");
    }
    // Off is off: the socket is let go.
    let (mut socket, id) = bound(&house, at).await;
    assert_eq!(
        house.delete(&format!("/Subscription/{id}")).await.code(),
        204
    );
    assert!(next(&mut socket).await.is_none());
}

#[tokio::test]
async fn a_websocket_that_never_reads_is_let_go_and_misses_nothing() {
    let mut settings = settings("http://127.0.0.1:1/");
    settings.subscriptions.write_ms = 20;
    settings.subscriptions.sockets_max = 2;
    let house = House::with(settings).await;
    let _stop = telling(&house);
    let at = house.served().await;
    let (socket, id) = bound(&house, at).await;
    // Whoever has bound nothing takes no place, and with two that have there is none.
    let stranger = dialed(at).await;
    let mut other = dialed(at).await;
    let path = format!("/Subscription/{id}/$get-ws-binding-token");
    let given = asked(&house, &house.token, &path).await.json();
    let bind = format!("bind-with-token {}", parameter(&given, "token"));
    other.send(Message::Text(bind.into())).await.unwrap();
    assert_eq!(what(&next(&mut other).await.unwrap()), "handshake");
    drop(stranger);
    assert!(trial(at).await.is_none(), "there is no place left");
    // More than what lies between here and there holds: it is written and never read.
    let mut large = patient("Large");
    large["text"] = serde_json::json!({"status": "additional",
        "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", "x".repeat(4 << 20))});
    const EVENTS: u64 = 8;
    for _ in 0..EVENTS {
        assert_eq!(house.post("/Patient", &large).await.code(), 201);
    }
    subscriber(&house, &id, |one| one.number == EVENTS).await;
    // Neither reads. Once one is let go there is room again.
    let waiting = async {
        while trial(at).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT, waiting)
        .await
        .expect("its place is free");
    let path = format!("/Subscription/{id}/$events?content=id-only");
    let missed = house.get(&path).await.json();
    let numbers: Vec<u64> = events(&missed)
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    assert_eq!(numbers.first(), Some(&1));
    assert_eq!(
        told(&missed, "events-since-subscription-start")[0]["valueString"],
        EVENTS.to_string()
    );
    drop((socket, other));
}

/// A socket, if there is room for one.
async fn trial(at: std::net::SocketAddr) -> Option<Socket> {
    let stream = TcpStream::connect(at).await.unwrap();
    let url = format!("ws://{at}/fhir/$subscription-socket");
    client_async(url, stream)
        .await
        .ok()
        .map(|(socket, _)| socket)
}

#[tokio::test]
async fn a_websocket_that_binds_nothing_is_let_go() {
    let mut settings = settings("http://127.0.0.1:1/");
    settings.subscriptions.bind_ms = 10;
    let house = House::with(Settings { ..settings }).await;
    let at = house.served().await;
    let mut socket = dialed(at).await;
    assert!(next(&mut socket).await.is_none());
}

/// An access token of a client, as the token endpoint issues it, that ends at some time.
async fn access_token(house: &House, client: &str, until: Time) -> String {
    let minted = tokens::mint(tokens::Sort::Access, [9; 32]);
    let scopes = vec!["system/*.cruds".to_owned()];
    let leave = Leave {
        family: "family".into(),
        client: client.into(),
        account: None,
        patient: None,
        encounter: None,
        scopes: scopes.clone(),
        session: None,
        certificate: None,
    };
    let issued = Token::Issued(Issued {
        leave,
        spent: minted.hash.clone(),
        spent_until: Time::from_millis(0),
        access: minted.hash.clone(),
        access_until: until,
        access_scopes: scopes,
        refresh: None,
    });
    let subject = Subject::Account(client.to_owned());
    let event = Event::new(Actor::salus(), Act::Manage, subject, Body::Token(issued));
    let event = admit(event.into(), Standing::Salus, "").unwrap();
    house.app.record.admit(vec![event]).await.unwrap();
    let size = house.app.record.size();
    assert!(house.app.tokens.caught_up(size, WAIT).await);
    minted.text
}

#[tokio::test]
async fn a_websocket_ends_with_the_token_by_which_it_was_asked_for() {
    let house = House::with(settings("http://127.0.0.1:1/")).await;
    let _stop = telling(&house);
    let at = house.served().await;
    house.client("backend", &["system/*.cruds"]).await;
    let hour = 3_600_000;
    let until_then = house.app.clock.now().plus_millis(hour);
    let token = access_token(&house, "backend", until_then).await;
    let made = create(&house, &token, &subscription("patient-changed", &[], "")).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    until(&house, &made.id(), "active").await;
    let path = format!("/Subscription/{}/$get-ws-binding-token", made.id());
    let given = asked(&house, &token, &path).await.json();
    let mut socket = dialed(at).await;
    let bind = format!("bind-with-token {}", parameter(&given, "token"));
    socket.send(Message::Text(bind.into())).await.unwrap();
    assert_eq!(what(&next(&mut socket).await.unwrap()), "handshake");
    house.post("/Patient", &patient("Curie")).await;
    assert!(next(&mut socket).await.is_some());
    house.pass(hour);
    house.post("/Patient", &patient("Meitner")).await;
    assert!(next(&mut socket).await.is_none(), "it ended");
}

#[tokio::test]
async fn a_websocket_ends_when_the_token_is_revoked_by_which_it_was_asked_for() {
    let mut settings = settings("http://127.0.0.1:1/");
    settings.subscriptions.ping_ms = 10;
    let house = House::with(settings).await;
    let _stop = telling(&house);
    let at = house.served().await;
    house.client("backend", &["system/*.cruds"]).await;
    let until_then = house.app.clock.now().plus_millis(3_600_000);
    let token = access_token(&house, "backend", until_then).await;
    let made = create(&house, &token, &subscription("patient-changed", &[], "")).await;
    until(&house, &made.id(), "active").await;
    let path = format!("/Subscription/{}/$get-ws-binding-token", made.id());
    let given = asked(&house, &token, &path).await.json();
    let mut socket = dialed(at).await;
    let bind = format!("bind-with-token {}", parameter(&given, "token"));
    socket.send(Message::Text(bind.into())).await.unwrap();
    assert_eq!(what(&next(&mut socket).await.unwrap()), "handshake");
    let ended = Token::Ended(event::Ended {
        family: "family".into(),
        why: "it was revoked".into(),
    });
    let subject = Subject::Account("backend".to_owned());
    let event = Event::new(Actor::salus(), Act::SignOut, subject, Body::Token(ended));
    let event = admit(event.into(), Standing::Salus, "").unwrap();
    house.app.record.admit(vec![event]).await.unwrap();
    // Nothing that is written after it is told, and it ends though nothing is written.
    let size = house.app.record.size();
    assert!(house.app.tokens.caught_up(size, WAIT).await);
    assert!(next(&mut socket).await.is_none(), "it ended");
}
