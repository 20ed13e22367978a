//! Routes on the page Flow, and what may be ordered about them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::{Body, Role, RouteStep};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::house::House;

const MESSAGE: &str = "MSH|^~\\&|ADT|HOSP|A|B|20260101||ADT^A01|M1|P|2.5\rPID|1||4711^^^HOSP^MR||Lang^Ada\rPV1|1|I|ICU\r";

/// A house with one route into a folder, that sends.
async fn sending(out: &std::path::Path) -> (House, tokio_util::sync::DropGuard) {
    let text = format!(
        "[[route]]\nname = \"out\"\nto = \"file:{}\"\n",
        out.display()
    );
    let house = House::routing(toml::from_str(&text).unwrap()).await;
    let stop = CancellationToken::new();
    tokio::spawn(web::pass_on(house.app.clone(), stop.clone()));
    until(&house, |_| true).await;
    (house, stop.drop_guard())
}

/// Waits until the route is as it should be.
async fn until(house: &House, is: impl Fn(&routes::RouteState) -> bool) {
    let mut stirred = house.app.routes.stirred();
    loop {
        let states = house.app.routes.list(house.now()).await.unwrap();
        if states.first().is_some_and(&is) {
            return;
        }
        stirred.changed().await.unwrap();
    }
}

#[tokio::test]
async fn an_administrator_pauses_skips_and_replays_with_a_reason_and_the_page_says_how_it_does() {
    let out = tempfile::tempdir().unwrap();
    let (house, _sending) = sending(out.path()).await;
    house.person("tomas", Role::Administrator, &[]).await;
    let mut tomas = house.browser("tomas").await;
    let first = house.message("ADT^A01", "4711", MESSAGE).await;
    until(&house, |route| route.taken == 1).await;
    let flow = tomas.get("/flow").await;
    assert!(
        flow.html.contains("passing on") && flow.html.contains("/flow/routes/out"),
        "{}",
        flow.html
    );

    let to = "/flow/routes/out";
    let wrong = tomas
        .submit(to, to, &[("do", "pause"), ("reason", "short")])
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let why = ("reason", "their machine moves tonight");
    let done = tomas.submit(to, to, &[("do", "pause"), why]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.html);
    let second = house
        .message("ADT^A01", "4711", &MESSAGE.replace("|M1|", "|M2|"))
        .await;
    let page = tomas.get(to).await;
    assert!(
        page.html
            .contains("Paused: their machine moves tonight; 1 message waits."),
        "{}",
        page.html
    );
    let number = second.to_string();
    let done = tomas
        .submit(to, to, &[("do", "skip"), ("message", &number), why])
        .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.html);
    let again = tomas
        .submit(to, to, &[("do", "skip"), ("message", &number), why])
        .await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    let done = tomas.submit(to, to, &[("do", "resume"), why]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.html);
    // Each of them once, however often they were named.
    let both = format!("{second} {first}-{second} {first}");
    for (messages, status) in [
        ("4711-1", StatusCode::BAD_REQUEST),
        ("0", StatusCode::BAD_REQUEST),
        (both.as_str(), StatusCode::SEE_OTHER),
    ] {
        let done = tomas
            .submit(to, to, &[("do", "replay"), ("messages", messages), why])
            .await;
        assert_eq!(done.status, status, "{messages}: {}", done.html);
    }
    until(&house, |route| route.taken == 3).await;
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 2);
    sealed_orders(&house, (first, second), why.1).await;
}

/// Orders are sealed with who gave them, by which policy and why.
async fn sealed_orders(house: &House, (first, second): (u64, u64), why: &str) {
    let orders: Vec<_> = house.sealed().await;
    let orders = orders.iter().map(|one| one.event());
    let orders: Vec<_> = orders
        .filter(|one| matches!(one.body, Body::RouteOrder(_)))
        .collect();
    assert_eq!(orders.len(), 4);
    assert!(
        orders
            .iter()
            .all(|one| one.actor.id == "tomas" && one.because == ["administrators-manage"])
    );
    let Some(Body::RouteOrder(last)) = orders.last().map(|one| &one.body) else {
        unreachable!()
    };
    assert_eq!(
        last.step,
        RouteStep::Replay {
            messages: vec![(first, first), (second, second)]
        }
    );
    assert_eq!(last.reason, why);
}

#[tokio::test]
async fn others_look_at_routes_as_far_as_they_oversee_them_and_order_nothing() {
    let out = tempfile::tempdir().unwrap();
    let gone = out.path().join("gone");
    let (house, _sending) = sending(&gone).await;
    house.message("ADT^A01", "4711", MESSAGE).await;
    until(&house, |route| route.depth == 1).await;
    while house.app.routes.list(house.now()).await.unwrap()[0]
        .trouble
        .is_none()
    {
        tokio::task::yield_now().await;
    }
    house.person("pia", Role::PrivacyOfficer, &[]).await;
    house.person("nora", Role::Nurse, &["ICU"]).await;
    let (mut pia, mut nora) = (house.browser("pia").await, house.browser("nora").await);
    let now = nora.get("/now").await;
    assert!(
        now.html.contains("of 1 passing on") && now.html.contains("out: held up; 1 wait"),
        "{}",
        now.html
    );
    let to = "/flow/routes/out";
    let page = pia.get(to).await;
    assert!(
        page.html.contains("No such file") && !page.html.contains("What is to be done?"),
        "{}",
        page.html
    );
    let flow = nora.get("/flow").await;
    assert!(
        flow.html
            .contains("The route \u{201c}out\u{201d} is held up.")
            && !flow.html.contains("No such file"),
        "{}",
        flow.html
    );
    assert!(!flow.html.contains("/flow/routes/out"), "{}", flow.html);
    assert_eq!(nora.get(to).await.status, StatusCode::FORBIDDEN);
    for browser in [&mut pia, &mut nora] {
        let fields = [("do", "pause"), ("reason", "I would like to")];
        let page = browser.submit("/now", to, &fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.html);
    }
    let state = house.app.routes.list(house.now()).await.unwrap().remove(0);
    assert_eq!((state.paused, state.depth), (None, 1));
    assert_eq!(
        pia.get("/flow/routes/nowhere").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_same_message_for_two_receivers_is_no_loop() {
    let out = tempfile::tempdir().unwrap();
    let route = |name: &str| {
        let folder = out.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        format!(
            "[[route]]\nname = \"{name}\"\nto = \"file:{}\"\nwhere = ['MSH-5 = \"{name}\"']\n",
            folder.display()
        )
    };
    let both = route("ehr") + &route("lab");
    let house = House::routing(toml::from_str(&both).unwrap()).await;
    let stop = CancellationToken::new();
    tokio::spawn(web::pass_on(house.app.clone(), stop.clone()));
    let _stop = stop.drop_guard();
    let mut stirred = house.app.routes.stirred();
    let taken = async |count: u64, stirred: &mut tokio::sync::watch::Receiver<_>| loop {
        let states = house.app.routes.list(house.now()).await.unwrap();
        if states.len() == 2 && states.iter().map(|one| one.taken + one.aside).sum::<u64>() == count
        {
            return states;
        }
        stirred.changed().await.unwrap();
    };
    taken(0, &mut stirred).await;
    for (receiver, count) in [("ehr", 1), ("lab", 2), ("ehr", 3)] {
        let raw = MESSAGE.replace("|A|B|", &format!("|{receiver}|B|"));
        house.message("ADT^A01", "4711", &raw).await;
        taken(count, &mut stirred).await;
    }
    let states = taken(3, &mut stirred).await;
    let counts: Vec<(u64, u64)> = states.iter().map(|one| (one.taken, one.aside)).collect();
    // The third came to a receiver that had it.
    assert_eq!(counts, [(1, 1), (1, 0)]);
}

#[tokio::test]
async fn what_kept_a_message_is_forgotten_with_the_message() {
    let out = tempfile::tempdir().unwrap();
    let (house, _sending) = sending(&out.path().join("gone")).await;
    house.person("tomas", Role::Administrator, &[]).await;
    let mut tomas = house.browser("tomas").await;
    let message = house.message("ADT^A01", "4711", MESSAGE).await.to_string();
    let trouble = async || {
        house.app.routes.list(house.now()).await.unwrap()[0]
            .trouble
            .clone()
    };
    while trouble().await.is_none() {
        tokio::task::yield_now().await;
    }
    let to = "/flow/routes/out";
    let why = ("reason", "typed in there by hand");
    let done = tomas
        .submit(to, to, &[("do", "skip"), ("message", &message), why])
        .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.html);
    while trouble().await.is_some() {
        tokio::task::yield_now().await;
    }
}

/// A FHIR server that takes every transaction; what it got, and where it is.
async fn server() -> (Arc<Mutex<Vec<Value>>>, String) {
    let got: Arc<Mutex<Vec<Value>>> = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/fhir", listener.local_addr().unwrap());
    let taken = Arc::clone(&got);
    let take = async move |Json(bundle): Json<Value>| {
        let entries = bundle
            .get("entry")
            .and_then(Value::as_array)
            .unwrap()
            .clone();
        let answers: Vec<Value> = entries.iter().map(|_| json!({})).collect();
        taken.lock().unwrap().extend(entries);
        Json(json!({"resourceType": "Bundle", "type": "transaction-response", "entry": answers}))
    };
    let router = Router::new().route("/fhir", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (got, url)
}

/// What lacks its content goes aside, what is behind it goes on, and it goes itself once it is put back.
#[tokio::test]
async fn a_resource_whose_content_is_missing_holds_up_nobody_and_can_be_replayed() {
    let (got, url) = server().await;
    let text = format!("[[route]]\nname = \"ehr\"\nto = \"{url}\"\nresources = [\"*\"]\n");
    let house = House::routing(toml::from_str(&text).unwrap()).await;
    let stop = CancellationToken::new();
    tokio::spawn(web::pass_on(house.app.clone(), stop.clone()));
    let _stops = stop.drop_guard();
    until(&house, |_| true).await;
    house.person("tomas", Role::Administrator, &[]).await;
    let mut tomas = house.browser("tomas").await;
    let to = "/flow/routes/ehr";
    let why = ("reason", "their machine moves tonight");
    let done = tomas.submit(to, to, &[("do", "pause"), why]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.html);

    let scan = STANDARD.encode(vec![7; 150_000]);
    let scan = json!({"resourceType": "Binary", "id": "scan", "contentType": "application/pdf", "data": scan});
    let message = house.resource(Some("4711"), scan.clone()).await;
    let letter = json!({"resourceType": "Basic", "id": "letter"});
    house.resource(Some("4711"), letter).await;
    let sealed = house.app.record.get(message).await.unwrap();
    let Body::Resource(written) = &sealed.event().body else {
        unreachable!()
    };
    let path = &written.contents[0].whole.path;
    let file = house.folder.path().join("vault").join(path);
    let aside = house.folder.path().join("aside");
    house.app.record.publish().await.unwrap();
    std::fs::rename(&file, &aside).unwrap();
    tomas.submit(to, to, &[("do", "resume"), why]).await;
    until(&house, |route| route.taken == 1 && route.depth == 0).await;
    assert_eq!(got.lock().unwrap()[0]["request"]["url"], "Basic/letter");
    let page = tomas.get(to).await;
    let says = "its content is missing";
    assert!(page.html.contains(says), "{}", page.html);

    std::fs::rename(&aside, &file).unwrap();
    let number = message.to_string();
    let again = [("do", "replay"), ("messages", &*number), why];
    let done = tomas.submit(to, to, &again).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.html);
    until(&house, |route| route.taken == 2).await;
    assert_eq!(got.lock().unwrap()[1]["resource"]["data"], scan["data"]);
}
