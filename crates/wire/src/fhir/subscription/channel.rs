//! How a subscriber is told: the channel of a `Subscription` with its extensions.

use serde_json::Value;

use super::super::{Code, Issue};
use super::{error, values};

/// Headers of one subscription, at most.
const HEADERS_MAX: usize = 10;
/// The longest header, in bytes.
const HEADER_BYTES_MAX: usize = 4096;
/// The shortest time between two heartbeats, in seconds.
const HEARTBEAT_MIN: u64 = 10;
/// The longest time between two heartbeats, and until a receiver has answered, in seconds.
const SECONDS_MAX: u64 = 86_400;
/// Events of one notification, at most and unless less was asked for.
const EVENTS_MAX: u64 = 100;

/// Headers that would change what a request is, where it goes or how it is framed.
const FORBIDDEN: [&str; 23] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// How a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Where a `rest-hook` posts to; `None`: the subscriber binds a `websocket`.
    pub endpoint: Option<String>,
    /// Headers that go with each post: name in lower case, value.
    pub headers: Vec<(String, String)>,
    /// What a notification holds.
    pub content: ContentKind,
    /// After so many seconds without an event the subscriber is told that there was none.
    pub heartbeat_seconds: Option<u64>,
    /// How many seconds a receiver may take, if it was said.
    pub timeout_seconds: Option<u64>,
    /// Events of one notification, at most.
    pub events_max: usize,
}

/// What a notification holds of each event (`backport-content-value-set`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentKind {
    /// That there was one.
    Empty,
    /// And of which resource.
    IdOnly,
    /// And the resource.
    FullResource,
}

impl ContentKind {
    /// The content that a code names.
    #[must_use]
    pub fn of(code: &str) -> Option<ContentKind> {
        match code {
            "empty" => Some(ContentKind::Empty),
            "id-only" => Some(ContentKind::IdOnly),
            "full-resource" => Some(ContentKind::FullResource),
            _ => None,
        }
    }
}

/// Reads the channel; what is wrong with it goes to `issues`.
pub(super) fn channel(resource: &Value, issues: &mut Vec<Issue>) -> Option<Channel> {
    let channel = resource.get("channel")?;
    let text = |name: &str| channel.get(name).and_then(Value::as_str);
    let endpoint = match (text("type"), text("endpoint")) {
        (Some("rest-hook"), Some(url)) => Some(url.to_owned()),
        (Some("rest-hook"), None) => {
            let words = "a `rest-hook` needs the address it posts to".to_owned();
            issues.push(error(Code::Required, "channel.endpoint", words));
            None
        }
        (Some("websocket"), _) => None,
        (other, _) => {
            let words = format!(
                "the channel `{}` is not offered; `rest-hook` and `websocket` are",
                other.unwrap_or_default()
            );
            issues.push(error(Code::NotSupported, "channel.type", words));
            None
        }
    };
    let mut number = |(name, of): (&str, &Value), (least, most): (u64, u64)| {
        let said = *values(Some(of), name).first()?;
        let value = said.as_u64().filter(|value| *value >= least);
        if value.is_none() {
            let words = format!("`backport-{name}` must be a number from {least} on");
            issues.push(error(Code::Value, "channel", words));
        }
        value.map(|value| value.min(most))
    };
    let heartbeat_seconds = number(("heartbeat-period", channel), (HEARTBEAT_MIN, SECONDS_MAX));
    let timeout_seconds = number(("timeout", channel), (1, SECONDS_MAX));
    let events_max = number(("max-count", channel), (1, EVENTS_MAX));
    Some(Channel {
        endpoint,
        headers: headers(channel, issues),
        content: content(channel, issues),
        heartbeat_seconds,
        timeout_seconds,
        events_max: usize::try_from(events_max.unwrap_or(EVENTS_MAX)).unwrap_or(1),
    })
}

fn content(channel: &Value, issues: &mut Vec<Issue>) -> ContentKind {
    if let Some(kind) = channel.get("payload").and_then(Value::as_str) {
        let bare = kind.split(';').next().unwrap_or_default().trim();
        if !matches!(bare, "application/fhir+json" | "application/json") {
            let words = format!("`{kind}` cannot be made; `application/fhir+json` can");
            issues.push(error(Code::NotSupported, "channel.payload", words));
        }
    }
    let said = values(channel.get("_payload"), "payload-content");
    let said = said.first().map(|code| code.as_str().unwrap_or_default());
    let content = said.map_or(Some(ContentKind::Empty), ContentKind::of);
    content.unwrap_or_else(|| {
        let words = "`backport-payload-content` is `empty`, `id-only` or `full-resource`";
        issues.push(error(
            Code::CodeInvalid,
            "channel.payload",
            words.to_owned(),
        ));
        ContentKind::Empty
    })
}

fn headers(channel: &Value, issues: &mut Vec<Issue>) -> Vec<(String, String)> {
    let all = channel.get("header").and_then(Value::as_array);
    let all: Vec<&str> = all
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut refuse = |words: String| {
        issues.push(error(Code::BusinessRule, "channel.header", words));
    };
    if all.len() > HEADERS_MAX {
        refuse(format!(
            "{} headers; at most {HEADERS_MAX} are sent",
            all.len()
        ));
    }
    let mut headers = Vec::new();
    for line in all.into_iter().take(HEADERS_MAX) {
        match header(line) {
            Ok(header) => headers.push(header),
            Err(words) => refuse(words),
        }
    }
    headers
}

/// A header as a client wrote it. The refusal does not repeat its value, which may be a secret.
fn header(line: &str) -> Result<(String, String), String> {
    let (name, value) = line
        .split_once(':')
        .ok_or("a header is not of the form `Name: value`")?;
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("the name of a header is none".to_owned());
    }
    if line.len() > HEADER_BYTES_MAX {
        return Err(format!(
            "the header `{name}` is longer than {HEADER_BYTES_MAX} bytes"
        ));
    }
    if !value
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic())
    {
        return Err(format!("the header `{name}` holds what no header may"));
    }
    // Some servers read `_` as `-`.
    let plain = name.replace('_', "-");
    let forbidden = FORBIDDEN.contains(&plain.as_str())
        || ["proxy-", "sec-", "x-forwarded-"]
            .iter()
            .any(|start| plain.starts_with(start));
    match forbidden {
        true => Err(format!("the header `{name}` is not sent for anybody")),
        false => Ok((name, value.to_owned())),
    }
}
