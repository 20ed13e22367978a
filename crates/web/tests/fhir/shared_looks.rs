//! How often it is looked and decided for subscriptions, and what a restart does not forget.

use std::collections::HashMap;

use event::Body;
use futures_util::future::join_all;

use crate::house::{House, patient};
use crate::receiver::Receiver;
use crate::subscriptions::{create, settings, subscriber, subscription, telling, until};

#[tokio::test]
async fn those_that_ask_the_same_look_once() {
    const SAME: usize = 30;
    const EVENTS: u64 = 8;
    let mut settings = settings("http://127.0.0.1:1/");
    settings.subscriptions.per_client_max = SAME + 1;
    let house = House::with(settings).await;
    let stop = telling(&house);
    let same = subscription("patient-changed", &["Patient?gender=female"], "");
    let other = subscription("patient-changed", &["Patient?gender=male"], "");
    let all = vec![&same; SAME].into_iter().chain([&other]);
    let made = join_all(all.map(|one| create(&house, &house.token, one))).await;
    let ids: Vec<String> = made.iter().map(crate::house::Reply::id).collect();
    for id in &ids {
        until(&house, id, "active").await;
    }
    let before = house.app.judged_for_subscriptions();
    for number in 0..EVENTS {
        let mut eva = patient("Curie");
        eva["gender"] = if number % 2 == 0 { "female" } else { "male" }.into();
        assert_eq!(house.post("/Patient", &eva).await.code(), 201);
    }
    for id in &ids {
        subscriber(&house, id, |one| one.number == EVENTS / 2).await;
    }
    // Once for each of the two that are asked; none of those who ask the same by itself.
    let judged = house.app.judged_for_subscriptions() - before;
    assert!(judged >= EVENTS, "{judged}");
    assert!(judged <= 4 * EVENTS, "{judged}");
    stop.cancel();
}

/// How often it was sealed, for a subscription, who may see which version of a Location.
async fn decided(house: &House, id: &str) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    let of = format!("for Subscription/{id}");
    for index in 0..house.app.record.size() {
        let sealed = house.app.record.get(index).await.unwrap();
        if let Body::Decision(one) = &sealed.event().body
            && one.detail.starts_with("Location/")
            && one.detail.ends_with(&of)
        {
            *times.entry(one.detail.clone()).or_default() += 1;
        }
    }
    times
}

#[tokio::test]
async fn what_waits_for_a_ceiling_is_decided_once() {
    let receiver = Receiver::open(&[]).await;
    let few = access::Ceiling {
        patients_hour: 2,
        patients_day: 100,
    };
    let ceilings = access::Ceilings {
        accounts: [("few".to_owned(), few)].into(),
        ..access::Ceilings::default()
    };
    let house = House::of(settings(&receiver.url), ceilings).await;
    let few = house.client("few", &["system/*.cruds"]).await;
    let stop = telling(&house);
    let filters = ["Location?status=active", "Encounter?class=IMP"];
    let wanted = subscription("resource-changed", &filters, &receiver.url);
    let id = create(&house, &few, &wanted).await.id();
    until(&house, &id, "active").await;
    let came = async |number: &str, ward: &str| {
        let raw = format!(
            "MSH|^~\\&|ADT|H|S|H|20261126||ADT^A01|{number}{ward}|P|2.5\r\
             PID|1||{number}^^^MAIN^MR||Mohr^Alice||19580130|F\rPV1|1|I|{ward}^1^A^H|||||||||||||||||V{number}\r"
        );
        crate::ihe::message(&house, ("ADT^A01", number), &raw).await;
    };
    let said = || house.app.routes.said(&format!("Subscription/{id}"));
    let held = || said().and_then(|said| said.trouble).is_some();
    // Of as many patients as it takes; each message writes wards, too.
    for number in 200..206 {
        came(&number.to_string(), &format!("W{number}")).await;
    }
    let waiting = async {
        while !held() {
            tokio::task::yield_now().await;
        }
    };
    let wait = std::time::Duration::from_secs(60);
    tokio::time::timeout(wait, waiting).await.unwrap();
    let now = house.app.routes.subscriber(&id).await.unwrap().unwrap();
    let times = decided(&house, &id).await;
    assert!(
        times.values().any(|times| *times == 1),
        "decided, and waits"
    );
    // What comes meanwhile wakes it, and changes nothing of what waits.
    for number in 300..306 {
        came(&number.to_string(), "MED").await;
    }
    house.pass(61 * 60_000);
    came("100", "SUR").await;
    subscriber(&house, &id, |one| one.taken > now.number).await;
    // Before it got its number, and when it was told.
    let times = decided(&house, &id).await;
    assert!(times.values().all(|times| *times <= 2), "{times:?}");
    stop.cancel();
}

#[tokio::test]
async fn how_long_a_receiver_takes_nothing_is_not_counted_anew_by_a_restart() {
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
    let since = subscriber(&house, &id, |one| one.failing.is_some()).await;
    house.pass(400_000);
    stop.cancel();
    let stop = telling(&house);
    receiver.of("handshake", 6).await;
    house.pass(200_000);
    let off = until(&house, &id, "off").await;
    assert!(off["error"].as_str().unwrap().contains("too long"), "{off}");
    assert!(since.failing.is_some());
    // Once it is off, what it did before does not count any more.
    subscriber(&house, &id, |one| one.failing.is_none()).await;
    stop.cancel();
}
