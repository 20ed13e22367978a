//! FHIR Subscriptions: whether those who asked to be told are told.

use routes::Subscriber;
use wire::fhir::subscription::{Subscribed, subscription};

use crate::error::{Problem, broken};
use crate::pages::shell::Tone;
use crate::pages::visit::Visit;
use crate::pages::words::{self, Stamp};

/// How a subscription does.
pub(crate) struct SubscriberRow {
    pub id: String,
    /// The client that made it.
    pub client: String,
    pub topic: &'static str,
    /// The address of a `rest-hook`, or that it is a websocket.
    pub channel: String,
    pub tone: Tone,
    pub state: String,
    /// Its events since it began.
    pub events: String,
    /// Those that its receiver has not taken; of a websocket none wait.
    pub waiting: String,
    pub last: Option<Stamp>,
    /// What keeps it from being told; empty: nothing.
    pub trouble: String,
}

/// The rows of all subscriptions with a topic, for those who oversee feeds.
pub(crate) async fn rows(visit: &Visit) -> Result<Vec<SubscriberRow>, Problem> {
    let all = visit.app.routes.subscribers().await;
    let all = all.map_err(|why| broken(&why))?;
    let read = |one: &Subscriber| {
        let value = serde_json::from_slice(&one.resource).ok()?;
        let wanted = subscription(&value).ok().flatten()?;
        let error = value.get("error").and_then(serde_json::Value::as_str);
        Some((wanted, error.map(str::to_owned)))
    };
    let rows = all.iter().filter_map(|one| Some((one, read(one)?)));
    Ok(rows.map(|(one, read)| row(visit, one, &read)).collect())
}

fn row(
    visit: &Visit,
    one: &Subscriber,
    (wanted, error): &(Subscribed, Option<String>),
) -> SubscriberRow {
    let said = visit.app.routes.said(&format!("Subscription/{}", one.id));
    let trouble = said.and_then(|said| said.trouble).or_else(|| error.clone());
    let trouble = trouble.filter(|_| one.status != "active" || error.is_none());
    let hooked = wanted.channel.endpoint.is_some();
    let waiting = one.number.saturating_sub(one.taken);
    let (tone, state) = match one.status.as_str() {
        "active" if trouble.is_some() => (Tone::Warn, "trying again"),
        "active" => (Tone::Good, "told"),
        "error" => (Tone::Bad, "not told: error"),
        "off" => (Tone::Unknown, "off"),
        _ => (Tone::Unknown, "waits for the first answer"),
    };
    SubscriberRow {
        id: one.id.clone(),
        client: words::quoted(&one.maker),
        topic: wanted.topic.name,
        channel: match &wanted.channel.endpoint {
            Some(endpoint) => words::quoted(endpoint),
            None => "websocket".to_owned(),
        },
        tone,
        state: state.to_owned(),
        events: words::thousands(one.number),
        waiting: words::thousands(if hooked { waiting } else { 0 }),
        last: one.last.map(|last| visit.stamp(last)),
        trouble: trouble.as_deref().map(words::quoted).unwrap_or_default(),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::pages::shell::samples::ago;

    pub(crate) fn rows() -> Vec<SubscriberRow> {
        let row = |id: &str, tone, state: &str, trouble: &str| SubscriberRow {
            id: id.into(),
            client: "ris".into(),
            topic: "result-final",
            channel: "https://ris.hospital/hook".into(),
            tone,
            state: state.into(),
            events: "1,204".into(),
            waiting: "3".into(),
            last: Some(ago(2)),
            trouble: trouble.into(),
        };
        vec![
            row("a1", Tone::Good, "told", ""),
            row(
                "b2",
                Tone::Bad,
                "not told: error",
                "\u{201c}ris.hospital\u{201d} answered 503 <script>alert(1)</script>",
            ),
        ]
    }
}
