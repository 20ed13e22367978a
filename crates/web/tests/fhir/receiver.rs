//! A receiver of notifications, and what they say.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::house::BASE;
use crate::subscriptions::WAIT;

/// A receiver: what it got, and what it answers (200 once that is used up).
#[derive(Default)]
pub(crate) struct Got {
    all: Mutex<Vec<Value>>,
    pub(crate) answers: Mutex<VecDeque<u16>>,
    /// Notifications of this type are never taken.
    pub(crate) refuses: Mutex<Option<&'static str>>,
    came: Notify,
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) got: Arc<Got>,
}

impl Receiver {
    pub(crate) async fn open(answers: &[u16]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let got = Arc::new(Got {
            answers: Mutex::new(answers.iter().copied().collect()),
            ..Got::default()
        });
        let router = Router::new()
            .route("/hook", post(take))
            .with_state(Arc::clone(&got));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Receiver { url, got }
    }

    /// The notifications of a type, once there are so many.
    pub(crate) async fn of(&self, kind: &str, count: usize) -> Vec<Value> {
        let waiting = async {
            loop {
                let came = self.got.came.notified();
                let all = self.got.all.lock().unwrap().clone();
                let some: Vec<Value> = all.into_iter().filter(|one| what(one) == kind).collect();
                if some.len() >= count {
                    return some;
                }
                came.await;
            }
        };
        tokio::time::timeout(WAIT, waiting).await.expect(kind)
    }
}

/// Its answers are long: nothing in them matters.
async fn take(State(got): State<Arc<Got>>, body: String) -> (StatusCode, String) {
    let bundle: Value = serde_json::from_str(&body).unwrap();
    let refused = *got.refuses.lock().unwrap() == Some(what(&bundle));
    let answer = match refused {
        true => 500,
        false => got.answers.lock().unwrap().pop_front().unwrap_or(200),
    };
    got.all.lock().unwrap().push(bundle);
    got.came.notify_waiters();
    (StatusCode::from_u16(answer).unwrap(), "x".repeat(200_000))
}

/// A value of the status of a notification.
pub(crate) fn told<'a>(bundle: &'a Value, name: &str) -> Vec<&'a Value> {
    let status = &bundle["entry"][0]["resource"];
    assert_eq!(status["resourceType"], "Parameters", "{bundle}");
    let all = status["parameter"].as_array().unwrap().iter();
    all.filter(|one| one["name"] == name).collect()
}

pub(crate) fn what(bundle: &Value) -> &str {
    told(bundle, "type")[0]["valueCode"].as_str().unwrap()
}

/// The events of a notification: number and focus.
pub(crate) fn events(bundle: &Value) -> Vec<(u64, String)> {
    let parts = told(bundle, "notification-event").into_iter();
    parts
        .map(|one| {
            let part = |name: &str| {
                let all = one["part"].as_array().unwrap();
                all.iter().find(|part| part["name"] == name).cloned()
            };
            let number = part("event-number").unwrap()["valueString"].clone();
            let focus = part("focus").map(|focus| focus["valueReference"]["reference"].clone());
            let focus = focus.map(|focus| focus.as_str().unwrap().replace(&format!("{BASE}/"), ""));
            (
                number.as_str().unwrap().parse().unwrap(),
                focus.unwrap_or_default(),
            )
        })
        .collect()
}
