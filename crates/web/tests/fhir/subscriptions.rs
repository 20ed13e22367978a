//! Subscriptions with topics: what is told to whom, how often, and what is refused.

use std::time::Duration;

use axum::http::Method;
use event::{Body, NotifyStep};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use web::{Settings, Subscriptions};

use crate::house::{House, Reply, observation, patient};
use crate::receiver::{Receiver, events, told, what};

const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition";
const TOPIC: &str = "https://salus.invalid/SubscriptionTopic";
/// Only a test that fails waits so long.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

pub(crate) fn subscription(topic: &str, filters: &[&str], endpoint: &str) -> Value {
    let filters: Vec<Value> = filters
        .iter()
        .map(|text| json!({"url": format!("{BACKPORT}/backport-filter-criteria"), "valueString": text}))
        .collect();
    let mut channel = json!({
        "type": "rest-hook",
        "endpoint": endpoint,
        "payload": "application/fhir+json",
        "_payload": { "extension": [{
            "url": format!("{BACKPORT}/backport-payload-content"), "valueCode": "full-resource" }] },
        "header": ["Authorization: Bearer theirs"],
    });
    if endpoint.is_empty() {
        channel["type"] = "websocket".into();
        channel.as_object_mut().unwrap().remove("endpoint");
    }
    let mut resource = json!({
        "resourceType": "Subscription",
        "meta": { "profile": [format!("{BACKPORT}/backport-subscription")] },
        "status": "requested",
        "reason": "to know",
        "criteria": format!("{TOPIC}/{topic}"),
        "channel": channel,
    });
    if !filters.is_empty() {
        resource["_criteria"] = json!({ "extension": filters });
    }
    resource
}

pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        subscriptions: Subscriptions {
            endpoints: vec![url.to_owned()],
            retry_ms: 1,
            retry_max_ms: 5,
            look_ms: 1,
            ..Subscriptions::default()
        },
        ..Settings::default()
    }
}

/// Begins to tell subscribers, until the token is cancelled.
pub(crate) fn telling(house: &House) -> CancellationToken {
    let stop = CancellationToken::new();
    tokio::spawn(web::notify(house.app.clone(), stop.clone()));
    stop
}

pub(crate) async fn create(house: &House, token: &str, resource: &Value) -> Reply {
    let json = ("content-type", "application/fhir+json");
    let body = (&[json][..], resource.to_string().into_bytes());
    house
        .ask(token, (Method::POST, "/Subscription"), body)
        .await
}

/// The subscription, once it has a status.
pub(crate) async fn until(house: &House, id: &str, status: &str) -> Value {
    let waiting = async {
        loop {
            let mut folded = house.app.chart.folded();
            folded.borrow_and_update();
            let now = house.get(&format!("/Subscription/{id}")).await.json();
            if now["status"] == status {
                return now;
            }
            let _ = tokio::time::timeout(Duration::from_secs(1), folded.changed()).await;
        }
    };
    tokio::time::timeout(WAIT, waiting).await.expect(status)
}

/// How far its subscriber is, once that is true.
pub(crate) async fn subscriber(
    house: &House,
    id: &str,
    good: impl Fn(&routes::Subscriber) -> bool,
) -> routes::Subscriber {
    let waiting = async {
        let mut stirred = house.app.routes.stirred();
        loop {
            stirred.borrow_and_update();
            let now = house.app.routes.subscriber(id).await.unwrap();
            if let Some(now) = now.filter(|now| good(now)) {
                return now;
            }
            stirred.changed().await.unwrap();
        }
    };
    tokio::time::timeout(WAIT, waiting)
        .await
        .expect("a subscriber so far")
}

#[tokio::test]
async fn an_event_is_told_until_it_is_taken_and_then_no_more() {
    let receiver = Receiver::open(&[200, 500, 503]).await;
    let house = House::with(settings(&receiver.url)).await;
    let _stop = telling(&house);
    let made = create(
        &house,
        &house.token,
        &subscription("patient-changed", &[], &receiver.url),
    )
    .await;
    assert_eq!(made.code(), 201, "{}", made.json());
    let id = made.id();
    let hands = receiver.of("handshake", 1).await;
    assert_eq!(hands[0]["type"], "history");
    assert_eq!(
        told(&hands[0], "topic")[0]["valueCanonical"],
        format!("{TOPIC}/patient-changed")
    );
    until(&house, &id, "active").await;
    let eva = house.post("/Patient", &patient("Curie")).await.id();
    let tries = receiver.of("event-notification", 3).await;
    for one in &tries {
        assert_eq!(events(one), [(1, format!("Patient/{eva}"))]);
        assert_eq!(one["entry"][1]["resource"]["name"][0]["family"], "Curie");
        assert_eq!(one["entry"][1]["request"]["method"], "PUT");
    }
    subscriber(&house, &id, |one| one.taken == 1).await;
    assert_eq!(house.delete(&format!("/Patient/{eva}")).await.code(), 204);
    let next = receiver.of("event-notification", 4).await;
    assert_eq!(events(&next[3]), [(2, format!("Patient/{eva}"))]);
    assert_eq!(next[3]["entry"][1]["request"]["method"], "DELETE");
    subscriber(&house, &id, |one| one.taken == 2).await;
    let status = house
        .get(&format!("/Subscription/{id}/$status"))
        .await
        .json();
    assert_eq!(status["type"], "searchset");
    assert_eq!(
        told(&status, "events-since-subscription-start")[0]["valueString"],
        "2"
    );
    let events_of = format!("/Subscription/{id}/$events");
    let one = format!("{events_of}?eventsSinceNumber=1&eventsUntilNumber=1&content=id-only");
    let again = house.get(&one).await.json();
    assert_eq!(what(&again), "query-event");
    assert_eq!(events(&again), [(1, format!("Patient/{eva}"))]);
    assert!(again["entry"][1].get("resource").is_none());
    // Each showing was decided for the client, and sealed before it was told.
    let mut decided = 0;
    for index in 0..house.app.record.size() {
        if let Body::Decision(one) = &house.app.record.get(index).await.unwrap().event().body {
            let about = one.detail.ends_with(&format!("for Subscription/{id}"));
            decided += usize::from(about && one.allowed);
        }
    }
    assert!(decided >= 5, "{decided}");
}

#[tokio::test]
async fn what_its_client_may_not_see_is_no_event() {
    let receiver = Receiver::open(&[]).await;
    let house = House::with(settings(&receiver.url)).await;
    let _stop = telling(&house);
    let scopes = [
        "system/Subscription.cruds",
        "system/Observation.rs?status=final",
    ];
    let narrow = house.client("narrow", &scopes).await;
    let wanted = subscription(
        "resource-changed",
        &["Observation?code=8867-4"],
        &receiver.url,
    );
    let made = create(&house, &narrow, &wanted).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    let id = made.id();
    until(&house, &id, "active").await;
    let eva = format!(
        "Patient/{}",
        house.post("/Patient", &patient("Curie")).await.id()
    );
    let mut hidden = observation(&eva, "1");
    hidden["status"] = "preliminary".into();
    assert_eq!(house.post("/Observation", &hidden).await.code(), 201);
    let shown = house
        .post("/Observation", &observation(&eva, "2"))
        .await
        .id();
    let told = receiver.of("event-notification", 1).await;
    assert_eq!(events(&told[0]), [(1, format!("Observation/{shown}"))]);
    // It is the client's: nobody else asks about it, and what they may not see they may not subscribe to.
    let other = house.client("other", &["system/*.cruds"]).await;
    for path in ["$status", "$events"] {
        let reply = house
            .get_as(&other, &format!("/Subscription/{id}/{path}"))
            .await;
        assert_eq!(reply.code(), 404, "{path}");
    }
    let beyond = create(
        &house,
        &narrow,
        &subscription("patient-changed", &[], &receiver.url),
    )
    .await;
    assert_eq!(beyond.code(), 403, "{}", beyond.json());
    // A client that is gone is told nothing more.
    house.change("narrow", None).await;
    assert_eq!(
        house
            .post("/Observation", &observation(&eva, "3"))
            .await
            .code(),
        201
    );
    let off = until(&house, &id, "off").await;
    assert!(off["error"].as_str().unwrap().contains("gone"), "{off}");
    assert_eq!(receiver.of("event-notification", 1).await.len(), 1);
}

#[tokio::test]
async fn what_could_do_harm_is_refused() {
    let receiver = Receiver::open(&[]).await;
    let mut settings = settings(&receiver.url);
    settings.subscriptions.per_client_max = 1;
    let house = House::with(settings).await;
    let good = subscription("patient-changed", &[], &receiver.url);
    let with = |place: &str, value: Value| {
        let mut resource = good.clone();
        *resource.pointer_mut(place).unwrap() = value;
        resource
    };
    for (bad, why) in [
        (
            with("/channel/endpoint", "http://127.0.0.1:1/hook".into()),
            "endpoints",
        ),
        (
            with("/channel/endpoint", "https://169.254.169.254/latest".into()),
            "endpoints",
        ),
        (
            with("/channel/header/0", "Host: evil.example".into()),
            "host",
        ),
        (with("/channel/type", "email".into()), "email"),
        (
            with("/criteria", format!("{TOPIC}/nothing").into()),
            "there is no topic",
        ),
        (with("/status", "active".into()), "requested"),
    ] {
        let reply = create(&house, &house.token, &bad).await;
        assert_eq!(reply.code(), 422, "{why}: {}", reply.json());
        assert!(reply.words().contains(why), "{why}: {}", reply.words());
    }
    assert_eq!(create(&house, &house.token, &good).await.code(), 201);
    let size = house.app.record.size();
    assert!(house.app.routes.caught_up(size, WAIT).await);
    let more = create(&house, &house.token, &good).await;
    assert_eq!(more.code(), 429, "{}", more.json());
}

#[tokio::test]
async fn a_restart_tells_again_what_nobody_took_and_numbers_stay() {
    let receiver = Receiver::open(&[200, 200, 500, 500, 500]).await;
    let mut settings = settings(&receiver.url);
    // After a failure it rests until this process is gone.
    settings.subscriptions.retry_ms = 3_600_000;
    settings.subscriptions.retry_max_ms = 3_600_000;
    let house = House::with(settings).await;
    let stop = telling(&house);
    let made = create(
        &house,
        &house.token,
        &subscription("patient-changed", &[], &receiver.url),
    )
    .await;
    let id = made.id();
    until(&house, &id, "active").await;
    house.post("/Patient", &patient("One")).await;
    subscriber(&house, &id, |one| one.taken == 1).await;
    let two = house.post("/Patient", &patient("Two")).await.id();
    receiver.of("event-notification", 2).await;
    let before = subscriber(&house, &id, |one| one.number == 2).await;
    assert_eq!(before.taken, 1);
    stop.cancel();
    let stop = telling(&house);
    let all = receiver.of("event-notification", 3).await;
    assert_eq!(events(&all[2]), [(2, format!("Patient/{two}"))]);
    stop.cancel();
    // A view that is folded anew says the same.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("routes.db");
    let fresh = routes::Routes::open(&path, routes::Config::default())
        .await
        .unwrap();
    let end = CancellationToken::new();
    let (record, reader) = (house.app.record.clone(), fresh.reader());
    tokio::spawn(record::follow(record, reader, end.clone()));
    assert!(fresh.caught_up(house.app.record.size(), WAIT).await);
    let again = fresh.subscriber(&id).await.unwrap().unwrap();
    assert_eq!(
        (again.number, again.taken, &again.status),
        (2, 1, &before.status)
    );
    let happened = fresh.happened((&id, 1, 9), 9).await.unwrap();
    assert_eq!(
        happened,
        house.app.routes.happened((&id, 1, 9), 9).await.unwrap()
    );
    end.cancel();
}

#[tokio::test]
async fn a_receiver_that_is_not_there_turns_it_to_error_and_then_off() {
    let receiver = Receiver::open(&[&[200][..], &[500; 1_000]].concat()).await;
    let mut settings = settings(&receiver.url);
    settings.subscriptions.failures_max = 2;
    settings.subscriptions.off_after_ms = 200;
    let house = House::with(settings).await;
    let _stop = telling(&house);
    let made = create(
        &house,
        &house.token,
        &subscription("patient-changed", &[], &receiver.url),
    )
    .await;
    let id = made.id();
    until(&house, &id, "active").await;
    house.post("/Patient", &patient("One")).await;
    let off = until(&house, &id, "off").await;
    assert!(off["error"].as_str().unwrap().contains("too long"), "{off}");
    let history = house
        .get(&format!("/Subscription/{id}/_history"))
        .await
        .json();
    let states: Vec<&str> = history["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["resource"]["status"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["off", "error", "active", "requested"]);
    assert!(
        history["entry"][1]["resource"]["error"]
            .as_str()
            .unwrap()
            .contains("500")
    );
    // In the status `error` nothing is told before hands were shaken again.
    assert_eq!(receiver.of("event-notification", 2).await.len(), 2);
    // What happens while it is off is no event; requested again, it goes on with the next number.
    house.post("/Patient", &patient("Two")).await;
    receiver.got.answers.lock().unwrap().clear();
    let mut again = subscription("patient-changed", &[], &receiver.url);
    again["id"] = id.as_str().into();
    assert_eq!(
        house
            .put(&format!("/Subscription/{id}"), &again)
            .await
            .code(),
        200
    );
    until(&house, &id, "active").await;
    let three = house.post("/Patient", &patient("Three")).await.id();
    subscriber(&house, &id, |one| one.taken == 2).await;
    let told = receiver.of("event-notification", 3).await;
    let told: Vec<(u64, String)> = told[2..].iter().flat_map(events).collect();
    assert_eq!(told, [(2, format!("Patient/{three}"))]);
    // What was not told before it was switched off is not posted any more.
    let all = house.get(&format!("/Subscription/{id}/$events")).await;
    let numbers = events(&all.json()).into_iter().map(|(number, _)| number);
    assert_eq!(numbers.collect::<Vec<u64>>(), [1, 2]);
}

#[tokio::test]
async fn switched_off_because_too_much_waits_it_can_be_switched_on_again() {
    let receiver = Receiver::open(&[]).await;
    let mut settings = settings(&receiver.url);
    settings.subscriptions.waiting_max = 0;
    let house = House::with(settings).await;
    let _stop = telling(&house);
    let mut wanted = subscription("patient-changed", &[], &receiver.url);
    let id = create(&house, &house.token, &wanted).await.id();
    until(&house, &id, "active").await;
    house.post("/Patient", &patient("One")).await;
    let off = until(&house, &id, "off").await;
    assert!(
        off["error"].as_str().unwrap().contains("waiting_max"),
        "{off}"
    );
    wanted["id"] = id.as_str().into();
    let again = house.put(&format!("/Subscription/{id}"), &wanted).await;
    assert_eq!(again.code(), 200, "{}", again.json());
    until(&house, &id, "active").await;
    subscriber(&house, &id, |one| (one.number, one.taken) == (1, 1)).await;
}

#[tokio::test]
async fn that_something_withheld_is_gone_is_no_event() {
    let receiver = Receiver::open(&[]).await;
    let house = House::with(settings(&receiver.url)).await;
    let _stop = telling(&house);
    let scopes = [
        "system/Subscription.cruds",
        "system/Patient.rs?gender=female",
    ];
    let narrow = house.client("narrow", &scopes).await;
    let wanted = subscription("patient-changed", &[], &receiver.url);
    let made = create(&house, &narrow, &wanted).await;
    assert_eq!(made.code(), 201, "{}", made.json());
    until(&house, &made.id(), "active").await;
    let (mut him, mut her) = (patient("Pierre"), patient("Marie"));
    him["gender"] = "male".into();
    her["gender"] = "female".into();
    let him = house.post("/Patient", &him).await.id();
    let gone = house.delete(&format!("/Patient/{him}")).await;
    assert!(gone.code() < 300, "{}", gone.code());
    let her = house.post("/Patient", &her).await.id();
    let told = receiver.of("event-notification", 1).await;
    assert_eq!(events(&told[0]), [(1, format!("Patient/{her}"))]);
}

#[tokio::test]
async fn a_stay_begins_once_for_each_time_it_does() {
    let receiver = Receiver::open(&[]).await;
    let house = House::with(settings(&receiver.url)).await;
    let _stop = telling(&house);
    let stays = create(
        &house,
        &house.token,
        &subscription("encounter-start", &[], &receiver.url),
    )
    .await
    .id();
    until(&house, &stays, "active").await;
    let eva = house.post("/Patient", &patient("Curie")).await.id();
    let stay = |status: &str| {
        json!({
        "resourceType": "Encounter", "id": "e1", "status": status,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": format!("Patient/{eva}")}})
    };
    for status in ["planned", "in-progress", "in-progress", "finished"] {
        assert!(
            house
                .put("/Encounter/e1", &stay(status))
                .await
                .status
                .is_success()
        );
    }
    assert!(
        house
            .put("/Encounter/e1", &stay("in-progress"))
            .await
            .status
            .is_success()
    );
    let told = subscriber(&house, &stays, |one| one.number == 2).await;
    assert_eq!(told.number, 2);
    let mut sealed = Vec::new();
    for index in 0..house.app.record.size() {
        let sealed_at = house.app.record.get(index).await.unwrap();
        if let Body::Notified(one) = &sealed_at.event().body
            && let NotifyStep::Found { events, .. } = &one.step
        {
            sealed.extend(events.clone());
        }
    }
    for one in sealed {
        let about = house.app.record.get(one.index).await.unwrap();
        let raw: Value = serde_json::from_slice(&about.event().raw).unwrap();
        assert_eq!(raw["status"], "in-progress");
    }
}

#[tokio::test]
async fn what_a_ceiling_holds_back_waits_and_is_told_when_it_may_be() {
    let receiver = Receiver::open(&[]).await;
    let ceilings = access::Ceilings {
        accounts: [(
            "few".to_owned(),
            access::Ceiling {
                patients_hour: 2,
                patients_day: 100,
            },
        )]
        .into(),
        ..access::Ceilings::default()
    };
    let house = House::of(settings(&receiver.url), ceilings).await;
    let few = house.client("few", &["system/*.cruds"]).await;
    let stop = telling(&house);
    let wanted = subscription("patient-changed", &[], &receiver.url);
    let id = create(&house, &few, &wanted).await.id();
    until(&house, &id, "active").await;
    let mut ids = Vec::new();
    for name in ["One", "Two", "Three", "Four"] {
        ids.push(house.post("/Patient", &patient(name)).await.id());
    }
    let two = subscriber(&house, &id, |one| one.taken == 2).await;
    assert_eq!(two.number, 2);
    let said = || house.app.routes.said(&format!("Subscription/{id}"));
    while said()
        .and_then(|said| said.trouble)
        .is_none_or(|why| !why.contains("ceiling"))
    {
        tokio::task::yield_now().await;
    }
    house.pass(61 * 60_000);
    // Another event wakes it: nothing was lost meanwhile, and the order is that of the record.
    ids.push(house.post("/Patient", &patient("Five")).await.id());
    subscriber(&house, &id, |one| one.taken >= 4).await;
    house.pass(61 * 60_000);
    ids.push(house.post("/Patient", &patient("Six")).await.id());
    subscriber(&house, &id, |one| one.taken == 6).await;
    let path = format!("/Subscription/{id}/$events?content=id-only");
    house.pass(61 * 60_000);
    let all = house.get_as(&few, &path).await.json();
    let numbers: Vec<u64> = events(&all).iter().map(|(number, _)| *number).collect();
    // Whom it has seen within the day is no new patient.
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6], "{all}");
    let told: Vec<String> = receiver
        .of("event-notification", 1)
        .await
        .iter()
        .flat_map(events)
        .map(|(_, focus)| focus)
        .collect();
    let wanted: Vec<String> = ids.iter().map(|id| format!("Patient/{id}")).collect();
    assert_eq!(told, wanted);
    stop.cancel();
}

#[tokio::test]
async fn a_client_has_no_more_subscriptions_than_it_may_even_in_one_commit() {
    let mut settings = settings("http://127.0.0.1:1/");
    settings.subscriptions.per_client_max = 2;
    let house = House::with(settings).await;
    let bundle = |kind: &str| {
        let one = json!({
            "resource": subscription("patient-changed", &[], ""),
            "request": {"method": "POST", "url": "Subscription"}});
        json!({"resourceType": "Bundle", "type": kind, "entry": [one, one, one]})
    };
    let whole = house.post("/", &bundle("transaction")).await;
    assert_eq!(whole.code(), 429, "{}", whole.json());
    let each = house.post("/", &bundle("batch")).await.json();
    let statuses: Vec<&str> = each["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["response"]["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        statuses.iter().filter(|one| one.starts_with("201")).count(),
        2
    );
    assert!(statuses[2].starts_with("429"), "{statuses:?}");
    // What is there may be written again, and nothing more is.
    let location = each["entry"][0]["response"]["location"].as_str().unwrap();
    let own = location.split('/').rev().nth(2).unwrap().to_owned();
    let mut again = subscription("patient-changed", &[], "");
    again["id"] = own.clone().into();
    let path = format!("/Subscription/{own}");
    assert_eq!(house.put(&path, &again).await.code(), 200);
    let another = subscription("patient-changed", &[], "");
    let all = (0..4).map(|_| create(&house, &house.token, &another));
    for reply in futures_util::future::join_all(all).await {
        assert_eq!(reply.code(), 429);
    }
}

#[tokio::test]
async fn a_receiver_that_takes_only_handshakes_is_switched_off() {
    let receiver = Receiver::open(&[]).await;
    *receiver.got.refuses.lock().unwrap() = Some("event-notification");
    let mut settings = settings(&receiver.url);
    settings.subscriptions.failures_max = 2;
    settings.subscriptions.off_after_ms = 600_000;
    let house = House::with(settings).await;
    let stop = telling(&house);
    let wanted = subscription("patient-changed", &[], &receiver.url);
    let id = create(&house, &house.token, &wanted).await.id();
    until(&house, &id, "active").await;
    house.post("/Patient", &patient("Curie")).await;
    // It shook hands again and again, and took nothing in between.
    receiver.of("handshake", 4).await;
    assert_ne!(
        house.get(&format!("/Subscription/{id}")).await.json()["status"],
        "off"
    );
    house.pass(600_000);
    let off = until(&house, &id, "off").await;
    assert!(off["error"].as_str().unwrap().contains("too long"), "{off}");
    stop.cancel();
}
