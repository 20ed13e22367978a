//! What is turned away before anybody is believed is sealed, but never faster than a bounded rate.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use event::{Act, Actor, Attempted, Body, Event, Rejected, Subject, Time};
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::app::Settings;
use crate::caller::{network, place};
use crate::pages::account::sound_account;

/// What stands for every source above the most that are told apart.
const OTHERS: &str = "many addresses";
/// The longest reason that is sealed, in characters.
const WHY_LETTERS_MAX: usize = 200;

/// Why a request was turned away, if it was: doors put it among an answer's extensions, and
/// [`watch`] has it sealed.
#[derive(Debug, Clone)]
pub(crate) struct TurnedAway {
    pub(crate) sort: Attempted,
    /// Who it said it was.
    pub(crate) named: Option<String>,
    /// Words of ours that repeat nothing of the request.
    pub(crate) why: String,
}

/// What was turned away and is not sealed yet, by sort and source.
#[derive(Default)]
pub(crate) struct Rejections(Mutex<HashMap<(Attempted, String), Rejected>>);

impl Rejections {
    /// What has to be sealed now that this was turned away.
    fn note(
        &self,
        source: &str,
        away: TurnedAway,
        (now, settings): (Time, &Settings),
    ) -> Vec<Rejected> {
        let mut open = self.lock();
        let mut out = due(&mut open, now, settings.rejected_each_ms);
        let full = open.len() >= settings.rejected_sources_max.max(1);
        let mut key = (away.sort, source.to_owned());
        if full && !open.contains_key(&key) {
            OTHERS.clone_into(&mut key.1);
        }
        if let Some(known) = open.get_mut(&key) {
            known.count += 1;
            return out;
        }
        let first = Rejected {
            sort: away.sort,
            source: key.1.clone(),
            named: away.named.map(|name| kept(&name)),
            why: away.why.chars().take(WHY_LETTERS_MAX).collect(),
            count: 1,
            since: now,
        };
        // What follows is counted from none: the first is sealed at once.
        let rest = Rejected {
            count: 0,
            ..first.clone()
        };
        open.insert(key, rest);
        out.push(first);
        out
    }

    /// What was only counted and whose time is over.
    fn due(&self, now: Time, each_ms: i64) -> Vec<Rejected> {
        due(&mut self.lock(), now, each_ms)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Attempted, String), Rejected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn due(
    open: &mut HashMap<(Attempted, String), Rejected>,
    now: Time,
    each_ms: i64,
) -> Vec<Rejected> {
    let over = open.extract_if(|_, one| now.since(one.since) >= each_ms);
    let mut out: Vec<Rejected> = over
        .map(|(_, one)| one)
        .filter(|one| one.count > 0)
        .collect();
    out.sort_by(|one, other| (one.sort, &one.source).cmp(&(other.sort, &other.source)));
    out
}

/// A name only if it could be one: people put secrets in its place.
fn kept(name: &str) -> String {
    match sound_account(name) {
        Ok(()) => name.to_owned(),
        Err(_) => "(not a name)".to_owned(),
    }
}

fn event(rejected: Rejected) -> Event {
    let subject = match &rejected.named {
        Some(name) => Subject::Account(name.clone()),
        None => Subject::Record,
    };
    Event::new(
        Actor::salus(),
        Act::SignIn,
        subject,
        Body::Rejected(rejected),
    )
}

impl App {
    /// Has it sealed that somebody was turned away, at once or as one of a count.
    pub(crate) async fn turned_away(&self, source: &str, away: TurnedAway) {
        let now = self.tokens.now(self.clock.now());
        let rejected = self.rejections.note(source, away, (now, &self.settings));
        self.seal_rejected(rejected).await;
    }

    /// As for a request: a connection of this address that did not come to send one.
    pub async fn connection_refused(&self, source: IpAddr, (sort, why): (Attempted, String)) {
        let away = TurnedAway {
            sort,
            named: None,
            why,
        };
        self.turned_away(&network(source), away).await;
    }

    async fn seal_rejected(&self, rejected: Vec<Rejected>) {
        for one in rejected {
            let (sort, source, count) = (one.sort.words(), one.source.clone(), one.count);
            tracing::warn!(sort, source, count, why = one.why, "turned away");
            if let Err(why) = self.seal(event(one)).await {
                tracing::error!(%why, sort, source, "that somebody was turned away was not sealed");
            }
        }
    }
}

/// Seals the counts of what was turned away when their time is over, and at the end what is left.
pub async fn keep_counting(app: Arc<App>, stop: CancellationToken) {
    let each = Duration::from_millis(app.settings.rejected_each_ms.max(1_000).unsigned_abs());
    loop {
        let stopped = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(each) => false,
        };
        let now = app.tokens.now(app.clock.now());
        let over = if stopped {
            i64::MIN
        } else {
            app.settings.rejected_each_ms
        };
        let counts = app.rejections.due(now, over);
        app.seal_rejected(counts).await;
        if stopped {
            return;
        }
    }
}

/// What a request showed, before it is answered.
struct Attempt {
    source: String,
    authorization: bool,
    writes: bool,
}

impl Attempt {
    fn of(request: &Request) -> Attempt {
        let path = request.uri().path();
        let api = path.starts_with("/fhir") || path.starts_with("/scim");
        Attempt {
            source: place(request.extensions()),
            authorization: request.headers().contains_key(AUTHORIZATION),
            writes: api && request.method() != Method::GET && request.method() != Method::HEAD,
        }
    }

    /// Why the request was turned away, by its answer; `None`: it was not.
    fn turned_away(&self, answer: &Response) -> Option<TurnedAway> {
        if let Some(away) = answer.extensions().get::<TurnedAway>() {
            return Some(away.clone());
        }
        let (sort, why) = match answer.status() {
            StatusCode::UNAUTHORIZED if self.authorization => (
                Attempted::Token,
                "it is unknown, ended or damaged".to_owned(),
            ),
            StatusCode::TOO_MANY_REQUESTS => (
                Attempted::Pace,
                "more in a minute than are taken".to_owned(),
            ),
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY
                if self.writes =>
            {
                (Attempted::Body, format!("answered {}", answer.status()))
            }
            _ => return None,
        };
        let named = None;
        Some(TurnedAway { sort, named, why })
    }
}

/// Around everything: what is turned away is sealed before the answer leaves.
pub(crate) async fn watch(
    app: &App,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let attempt = Attempt::of(&request);
    let shown = request.headers().get(AUTHORIZATION).cloned();
    let answer = next(request).await;
    if let Some(mut away) = attempt.turned_away(&answer) {
        if away.named.is_none() {
            away.named = shown.and_then(|shown| client(app, &shown));
        }
        app.turned_away(&attempt.source, away).await;
    }
    answer
}

/// The client whose token a request shows, though it may not be good for whoever shows it.
pub(crate) fn client(app: &App, shown: &HeaderValue) -> Option<String> {
    let token = shown.to_str().ok()?.split_once(' ')?.1.trim();
    let known = app.staff.client(token).map(|client| client.actor.id);
    known.or_else(|| Some(app.access_of_anybody(token)?.leave.client.clone()))
}

#[cfg(test)]
mod tests;
