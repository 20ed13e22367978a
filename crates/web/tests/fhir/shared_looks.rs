//! How often it is looked and decided for subscriptions, and what a restart does not forget.

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
