//! Subscriptions with topics: the "Subscriptions R5 Backport" guide (HL7, 1.1.0) for R4.
//!
//! What happened is found in the chart ([`teller`]), shown as the guard lets the client see that made the
//! subscription ([`notice`]), numbered and sealed, and told to a `rest-hook` ([`hook`]) or to whoever
//! bound a websocket ([`socket`]).

mod check;
mod hook;
mod looks;
mod notice;
mod settings;
mod socket;
mod state;
mod teller;
mod tokens;

pub(super) use check::check;
pub(crate) use looks::Looks;
pub use settings::Subscriptions;
pub(super) use socket::{Sockets, socket};
pub use teller::notify;
pub(super) use tokens::Tokens;

use axum::http::StatusCode;
use event::Act;
use guard::Identity;
use routes::Subscriber;
use serde_json::{Value, json};
use wire::fhir::Code;
use wire::fhir::subscription::{ContentKind, Subscribed, subscription};

use super::answer::Answer;
use super::door::{Door, Question};
use super::fault::Fault;
use super::ids;
use super::query::Pairs;
use super::route::Target;
use notice::{Hold, Notice};

/// The type of the resources.
pub(super) const KIND: &str = "Subscription";

/// The path of the websocket, under the base.
pub(super) const SOCKET_PATH: &str = "/$subscription-socket";

/// Events of one answer to `$events`, at most.
const EVENTS_MAX: usize = 100;

/// What is asked about subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `$events`: those that were, once more.
    Events,
    /// `$status`.
    Status,
    /// `$get-ws-binding-token`.
    Token,
}

/// Answers a question about the asker's subscriptions.
///
/// # Errors
/// 404 for one that is not theirs, 400 for a parameter it has not.
pub(super) async fn answer(
    door: &Door,
    who: &Identity,
    (asked, target, pairs): (Asked, Option<&Target>, &Pairs),
) -> Result<Answer, Fault> {
    let size = door.app.record.size();
    let wait = std::time::Duration::from_millis(door.app.settings.chart_wait_ms);
    door.app.routes.caught_up(size, wait).await;
    match (asked, target) {
        (Asked::Events, Some(target)) => events(door, who, (&target.id, pairs)).await,
        (Asked::Events, None) => {
            let words = "`$events` is asked of one subscription";
            Err(Fault::bad(Code::Required, words))
        }
        (Asked::Status, target) => status(door, who, (target, pairs)).await,
        (Asked::Token, target) => token(door, who, (target, pairs)).await,
    }
}

/// A subscription with a topic, read.
fn read(one: &Subscriber) -> Option<Subscribed> {
    let value: Value = serde_json::from_slice(&one.resource).ok()?;
    subscription(&value).ok().flatten()
}

/// The asker's subscriptions: the one that is named, those that `ids` name, or all.
async fn theirs(
    door: &Door,
    who: &Identity,
    (target, ids): (Option<&Target>, &[&str]),
) -> Result<Vec<(Subscriber, Subscribed)>, Fault> {
    let all = match (target, ids) {
        (Some(target), _) => vec![target.id.as_str()],
        (None, ids) => ids.to_vec(),
    };
    if all.is_empty() {
        let found = door.app.routes.subscribers().await;
        let found = found.map_err(|why| Fault::ours(&why))?;
        let own = found.into_iter().filter(|one| one.maker == who.actor.id);
        return Ok(own.filter_map(with_read).collect());
    }
    let mut own = Vec::with_capacity(all.len());
    for id in all {
        let found = door.app.routes.subscriber(id).await;
        let found = found.map_err(|why| Fault::ours(&why))?;
        let found = found.filter(|one| one.maker == who.actor.id);
        let found = found.and_then(with_read);
        own.push(found.ok_or_else(|| Fault::absent("Subscription", id))?);
    }
    Ok(own)
}

fn with_read(one: Subscriber) -> Option<(Subscriber, Subscribed)> {
    let wanted = read(&one)?;
    Some((one, wanted))
}

async fn status(
    door: &Door,
    who: &Identity,
    (target, pairs): (Option<&Target>, &Pairs),
) -> Result<Answer, Fault> {
    let (mut ids, mut states) = (Vec::new(), Vec::new());
    for (name, value) in pairs {
        match name.as_str() {
            "id" if target.is_none() => ids.extend(value.split(',')),
            "status" => states.extend(value.split(',')),
            _ => return Err(no_parameter("$status", name)),
        }
    }
    let base = &door.app.settings.fhir_base;
    let found = theirs(door, who, (target, &ids)).await?;
    let shown = found
        .iter()
        .filter(|(one, _)| states.is_empty() || states.contains(&one.status.as_str()));
    let entries: Vec<Value> = shown
        .map(|(one, wanted)| {
            let notice = Notice::of((one, wanted), "query-status");
            json!({
                "fullUrl": format!("{base}/Subscription/{}/$status", one.id),
                "resource": notice.status(base, &[]),
                "search": { "mode": "match" },
            })
        })
        .collect();
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "total": entries.len(),
        "entry": entries,
    });
    Ok(Answer::body(bundle.to_string().into_bytes()))
}

async fn events(door: &Door, who: &Identity, (id, pairs): (&str, &Pairs)) -> Result<Answer, Fault> {
    let (mut first, mut last, mut content) = (1, u64::MAX, None);
    let number = |name: &str, value: &str| {
        let bad = |_| Fault::bad(Code::Value, format!("`{name}` cannot be `{value}`"));
        value.parse::<u64>().map_err(bad)
    };
    for (name, value) in pairs {
        match name.as_str() {
            "eventsSinceNumber" => first = number(name, value)?,
            "eventsUntilNumber" => last = number(name, value)?,
            "content" => {
                let bad = || Fault::bad(Code::Value, format!("`content` cannot be `{value}`"));
                content = Some(ContentKind::of(value).ok_or_else(bad)?);
            }
            _ => return Err(no_parameter("$events", name)),
        }
    }
    let target = Target {
        kind: "Subscription",
        id: id.to_owned(),
    };
    let mut found = theirs(door, who, (Some(&target), &[])).await?;
    let (one, mut wanted) = found
        .pop()
        .ok_or_else(|| Fault::absent("Subscription", id))?;
    wanted.channel.content = content.unwrap_or(wanted.channel.content);
    let events = door
        .app
        .routes
        .happened((id, first.max(1), last), EVENTS_MAX);
    let events = events.await.map_err(|why| Fault::ours(&why))?;
    let notice = Notice::of((&one, &wanted), "query-event");
    let (bundle, _) = notice
        .bundle(door, who, (&events, &mut Hold::default()))
        .await?;
    Ok(Answer::body(bundle.to_string().into_bytes()))
}

async fn token(
    door: &Door,
    who: &Identity,
    (target, pairs): (Option<&Target>, &Pairs),
) -> Result<Answer, Fault> {
    let mut ids = Vec::new();
    for (name, value) in pairs {
        match name.as_str() {
            "id" | "ids" if target.is_none() => ids.extend(value.split(',')),
            _ => return Err(no_parameter("$get-ws-binding-token", name)),
        }
    }
    let mut found = theirs(door, who, (target, &ids)).await?;
    found.retain(|(one, wanted)| one.status != "off" && wanted.channel.endpoint.is_none());
    if found.is_empty() {
        let words = "no subscription of yours has the channel `websocket` and is not `off`";
        return Err(Fault::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::BusinessRule,
            words,
        ));
    }
    for (one, wanted) in &found {
        let target = Target {
            kind: "Subscription",
            id: one.id.clone(),
        };
        // By the scopes of this token, which may be fewer than those of its client.
        door.permit(who, Question::of(Act::Read, &target, None), None)
            .await?;
        check::may_see(door, who, wanted).await?;
    }
    let ids: Vec<String> = found.into_iter().map(|(one, _)| one.id).collect();
    let now = door.app.clock.now();
    let settings = &door.app.settings.subscriptions;
    let token = ids::random()?;
    let ends = door
        .kept
        .tokens
        .add(&token, (who, &ids, &door.proof), (now, settings.token_ms));
    let base = &door.app.settings.fhir_base;
    let place = match base.strip_prefix("http") {
        Some(rest) => format!("ws{rest}{SOCKET_PATH}"),
        None => format!("{base}{SOCKET_PATH}"),
    };
    let mut parameters = vec![
        json!({ "name": "token", "valueString": token }),
        json!({ "name": "expiration", "valueDateTime": ends.to_string() }),
    ];
    parameters.extend(
        ids.iter()
            .map(|id| json!({ "name": "subscription", "valueString": id })),
    );
    parameters.push(json!({ "name": "websocket-url", "valueUrl": place }));
    let answer = json!({ "resourceType": "Parameters", "parameter": parameters });
    Ok(Answer::body(answer.to_string().into_bytes()))
}

fn no_parameter(operation: &str, name: &str) -> Fault {
    let words = format!("`{operation}` has no parameter `{name}` here");
    Fault::bad(Code::NotSupported, words)
}
