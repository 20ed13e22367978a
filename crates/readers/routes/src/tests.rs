use event::{
    Act, Actor, Body, Erased, Event, Message, RouteChange, RouteOrder, RouteOutcome, RouteStep,
    Routed, Subject,
};
use tempfile::TempDir;

use super::*;

const RAW: &str = "MSH|^~\\&|LAB|GH|A|B|20260101||ORU^R01|7|P|2.5\rPV1|1|I\r";

fn event(body: Body) -> Event {
    Event::new(Actor::salus(), Act::Send, Subject::Record, body)
}

fn message(feed: &str) -> Event {
    let body = Body::Message(Message {
        feed: feed.into(),
        kind: "ORU^R01".into(),
        control: "7".into(),
        zone: "UTC".into(),
        charset: String::new(),
        authority: "GH".into(),
        mapped: true,
        complaints: Vec::new(),
    });
    event(body).with_raw(RAW.into())
}

fn rules(feed: &str) -> Event {
    let rules = serde_json::json!({"name": "out", "to": "file:/x", "feeds": [feed]});
    event(Body::Route(RouteChange {
        route: "out".into(),
        rules: Some(rules.to_string()),
    }))
}

fn outcome(message: u64, decision: u64, outcome: RouteOutcome) -> Event {
    event(Body::Routed(Routed {
        route: "out".into(),
        message,
        decision,
        to: "file:/x".into(),
        outcome,
        answer: "AR no".into(),
        mark: format!("mark-{message}"),
    }))
}

fn order(step: RouteStep) -> Event {
    event(Body::RouteOrder(RouteOrder {
        route: "out".into(),
        step,
        reason: "because of that".into(),
    }))
}

async fn open(folder: &TempDir) -> Routes {
    let path = folder.path().join("routes.db");
    Routes::open(&path, Config::default()).await.unwrap()
}

/// Events with indices from 1 on, in batches of `size`.
async fn take(routes: &Routes, events: &[Event], size: usize) {
    let entries: Vec<Entry<'_>> = (1..)
        .zip(events)
        .map(|(index, event)| Entry {
            index,
            at: Time::from_millis(index as i64 * 1_000),
            lane: [index as u8; 16],
            event,
        })
        .collect();
    for batch in entries.chunks(size) {
        let next = batch[batch.len() - 1].index + 1;
        routes.take(batch, next).await.unwrap();
    }
}

async fn waiting(routes: &Routes) -> Vec<(u64, u64)> {
    let found = routes.waiting(("out", 100), &[]).await.unwrap();
    found
        .iter()
        .map(|one| (one.message, one.decision()))
        .collect()
}

fn day() -> Vec<Event> {
    vec![
        message("lab"),                     // 1: before the route
        rules("lab"),                       // 2
        message("lab"),                     // 3
        message("adt"),                     // 4
        message("lab"),                     // 5
        outcome(3, 0, RouteOutcome::Taken), // 6
        order(RouteStep::Replay {
            messages: vec![(1, 1), (3, 4)],
        }), // 7
        outcome(3, 0, RouteOutcome::Taken), // 8: sealed twice
        outcome(3, 7, RouteOutcome::Refused), // 9
        order(RouteStep::Skip {
            message: 1,
            decision: 7,
        }), // 10
        rules("adt"),                       // 11
        message("lab"),                     // 12
        message("adt"),                     // 13
        order(RouteStep::Pause),            // 14
    ]
}

#[tokio::test]
async fn the_queue_is_what_the_record_says_however_it_is_folded() {
    for size in [1, 3, 100] {
        let folder = tempfile::tempdir().unwrap();
        let routes = open(&folder).await;
        take(&routes, &day(), size).await;
        assert_eq!(waiting(&routes).await, [(5, 0), (4, 7), (13, 0)], "{size}");
        let state = routes
            .list(Time::from_millis(20_000))
            .await
            .unwrap()
            .remove(0);
        assert_eq!((state.taken, state.aside, state.depth), (1, 1, 3), "{size}");
        assert_eq!((state.taken_day, state.aside_day), (1, 1));
        assert_eq!(state.oldest, Some(Time::from_millis(5_000)));
        assert_eq!((state.rules, state.open, state.next), (11, true, Some(5)));
        assert_eq!(state.paused.as_deref(), Some("because of that"));
        let aside = routes.aside("out").await.unwrap();
        assert_eq!(aside.len(), 1);
        assert_eq!(
            (
                aside[0].message,
                aside[0].decision,
                aside[0].answer.as_str()
            ),
            (3, 7, "AR no")
        );
        assert_eq!(routes.waits("out", 4).await.unwrap(), [7]);
        // What is opened again goes on where it was.
        let again = open(&folder).await;
        assert_eq!(again.folded(), 15);
        assert_eq!(waiting(&again).await, waiting(&routes).await);
    }
}

#[tokio::test]
async fn the_patient_of_a_held_up_message_waits_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let routes = open(&folder).await;
    take(&routes, &day(), 100).await;
    let but = routes.waiting(("out", 100), &[[5; 16]]).await.unwrap();
    let but: Vec<u64> = but.iter().map(|one| one.message).collect();
    assert_eq!(but, [4, 13]);
    let replayed = Waiting {
        turn: 7,
        message: 4,
        lane: None,
    };
    routes.belongs("out", &replayed, [13; 16]).await.unwrap();
    let but = routes.waiting(("out", 100), &[[13; 16]]).await.unwrap();
    assert_eq!(but.len(), 1);
}

#[tokio::test]
async fn what_is_erased_is_passed_on_no_more_and_a_route_that_ended_takes_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let routes = open(&folder).await;
    let mut events = day();
    events.push(event(Body::Erased(Erased {
        reason: "expired".into(),
        streams: Vec::new(),
        patients: Vec::new(),
        events: vec![(3, 5)],
    })));
    events.push(event(Body::Route(RouteChange {
        route: "out".into(),
        rules: None,
    })));
    events.push(message("adt"));
    take(&routes, &events, 100).await;
    assert_eq!(waiting(&routes).await, [(13, 0)]);
    assert!(routes.aside("out").await.unwrap().is_empty());
    let out = ("out", "mark-3");
    assert_eq!(routes.went_out_as(out, 100).await.unwrap(), None);
    assert!(!routes.list(Time::default()).await.unwrap()[0].open);
}

#[tokio::test]
async fn what_went_out_is_known_before_it_is_sealed_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let routes = open(&folder).await;
    let (out, other) = (("out", "mark-3"), ("other", "mark-3"));
    assert_eq!(routes.went_out_as(out, 9).await.unwrap(), None);
    routes.went_out(out, 3);
    assert_eq!(routes.went_out_as(out, 9).await.unwrap(), Some(3));
    // The message itself may go to another place, or be tried again.
    assert_eq!(routes.went_out_as(out, 3).await.unwrap(), None);
    // That another receiver gets it too is no loop.
    assert_eq!(routes.went_out_as(other, 9).await.unwrap(), None);
    take(&routes, &day(), 100).await;
    let again = open(&folder).await;
    for routes in [routes, again] {
        assert_eq!(routes.went_out_as(out, 9).await.unwrap(), Some(3));
        assert_eq!(routes.went_out_as(other, 9).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_was_refused_did_not_go_out() {
    let folder = tempfile::tempdir().unwrap();
    let routes = open(&folder).await;
    let events = [
        rules("lab"),
        message("lab"),
        message("lab"),
        outcome(2, 0, RouteOutcome::Refused),
        outcome(3, 0, RouteOutcome::Looped),
    ];
    take(&routes, &events, 100).await;
    for mark in ["mark-2", "mark-3"] {
        let first = routes.went_out_as(("out", mark), 9).await.unwrap();
        assert_eq!(first, None, "{mark}");
    }
}

#[test]
fn what_is_about_nobody_has_a_lane_that_outlives_the_day() {
    let (monday, tuesday) = ([1; 16], [2; 16]);
    let lab = lane(&message("lab"), monday);
    assert_eq!(lane(&message("lab"), tuesday), lab);
    assert_ne!(lane(&message("adt"), monday), lab);
    let mut of_a_patient = message("lab");
    of_a_patient.subject = Subject::Patient("4711".into());
    assert_eq!(lane(&of_a_patient, [7; 16]), [7; 16]);
}

#[tokio::test]
async fn a_step_of_a_subscription_wakes_those_who_wait_for_it_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let routes = open(&folder).await;
    let (own, other) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    routes.wake("a", &own);
    routes.wake("b", &other);
    let before = routes.stirred().borrow().subscriptions;
    let step = event(Body::Notified(event::Notified {
        subscription: "a".into(),
        step: event::NotifyStep::Taken {
            number: 1,
            to: "https://x".into(),
        },
    }));
    take(&routes, std::slice::from_ref(&step), 1).await;
    assert!(woken(&own) && !woken(&other));
    assert_eq!(routes.stirred().borrow().subscriptions, before);
    // Whoever is gone is forgotten.
    drop(own);
    take(&routes, &[step.clone(), step], 1).await;
    assert!(!routes.waiters().contains_key("a"));
    assert!(routes.waiters().contains_key("b"));
}

/// Whether somebody was woken already.
fn woken(one: &Notify) -> bool {
    use std::future::Future as _;
    let mut waker = std::task::Context::from_waker(std::task::Waker::noop());
    let notified = std::pin::pin!(one.notified());
    notified.poll(&mut waker).is_ready()
}
