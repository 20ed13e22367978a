//! Subscriptions with a topic: the "Subscriptions R5 Backport" guide (1.1.0) for R4.
//!
//! [`subscription`] reads one; [`Subscribed::happened`] says whether a change is an event of it.

mod channel;
mod topics;

use std::collections::BTreeMap;

use serde_json::Value;

use super::search::{Filter, QueryLimits};
use super::{Code, Issue, kinds, matches, query};
pub use channel::{Channel, ContentKind};
pub use topics::{TOPIC_BASE, TOPICS, Topic};

/// The beginning of the URLs of the guide's profiles and extensions.
pub const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";

/// Filters of one subscription, at most.
const FILTERS_MAX: usize = 20;

/// A subscription, understood.
#[derive(Debug, Clone)]
pub struct Subscribed {
    /// What it is about.
    pub topic: &'static Topic,
    /// The types its events are of.
    pub kinds: Vec<String>,
    /// `requested`, `active`, `error` or `off`.
    pub status: String,
    /// When it ends, an R4 instant.
    pub end: Option<String>,
    /// How its subscriber is told.
    pub channel: Channel,
    /// Of a type: what must hold, all of it.
    filters: BTreeMap<String, Vec<Filter>>,
}

/// Reads a `Subscription`; `None`: it names no topic, and is a resource like any other.
///
/// # Errors
/// Everything that keeps it from being one, with its places.
pub fn subscription(resource: &Value) -> Result<Option<Subscribed>, Vec<Issue>> {
    let criteria = resource.get("criteria").and_then(Value::as_str);
    let criteria = criteria.unwrap_or_default();
    if !criteria.starts_with(TOPIC_BASE) && !claims_profile(resource) {
        return Ok(None);
    }
    let mut issues = Vec::new();
    let topic = Topic::named(criteria);
    if topic.is_none() {
        let known: Vec<String> = TOPICS.iter().map(Topic::url).collect();
        let words = format!(
            "there is no topic `{criteria}`; there are {}",
            known.join(", ")
        );
        issues.push(error(Code::NotSupported, "criteria", words));
    }
    let filters = filters(resource, topic, &mut issues);
    let channel = channel::channel(resource, &mut issues);
    let text = |name: &str| {
        let text = resource.get(name).and_then(Value::as_str);
        text.map(str::to_owned)
    };
    match (topic, channel) {
        (Some(topic), Some(channel)) if issues.is_empty() => Ok(Some(Subscribed {
            topic,
            kinds: match topic.kinds {
                [] => filters.keys().cloned().collect(),
                kinds => kinds.iter().map(|&kind| kind.to_owned()).collect(),
            },
            status: text("status").unwrap_or_default(),
            end: text("end"),
            channel,
            filters,
        })),
        _ => Err(issues),
    }
}

impl Subscribed {
    /// What it asks, as a text: those with the same text have the same events.
    #[must_use]
    pub fn asks(&self) -> String {
        let mut kinds: Vec<&String> = self.kinds.iter().collect();
        kinds.sort();
        format!("{} {kinds:?} {:?}", self.topic.name, self.filters)
    }

    /// Whether it has to be known what was there before.
    #[must_use]
    pub fn looks_back(&self) -> bool {
        self.topic.looks_back() || !self.filters.is_empty()
    }

    /// Whether a change is an event: from `before` (`None`: it was not there, or was not looked at) to
    /// `now` (`None`: it is gone). Both carry their `meta`.
    #[must_use]
    pub fn happened(&self, kind: &str, before: Option<&Value>, now: Option<&Value>) -> bool {
        if !self.kinds.iter().any(|one| one == kind) {
            return false;
        }
        match (before, now) {
            (before, Some(now)) => self.topic.happened(before, now) && self.fits(kind, now),
            (Some(before), None) => self.topic.counts_deletes() && self.fits(kind, before),
            (None, None) => self.topic.counts_deletes() && self.filters.is_empty(),
        }
    }

    /// Whether what is shown of a resource can be an event of it: the same without what was before.
    #[must_use]
    pub fn shows(&self, kind: &str, now: &Value) -> bool {
        self.topic.is(now) && self.fits(kind, now)
    }

    fn fits(&self, kind: &str, resource: &Value) -> bool {
        let mut all = self.filters.get(kind).into_iter().flatten();
        all.all(|filter| matches(resource, filter))
    }
}

fn claims_profile(resource: &Value) -> bool {
    let profiles = resource.pointer("/meta/profile").and_then(Value::as_array);
    let mut profiles = profiles.into_iter().flatten().filter_map(Value::as_str);
    profiles.any(|profile| {
        let url = profile.split('|').next().unwrap_or_default();
        url.strip_prefix(BACKPORT) == Some("backport-subscription")
    })
}

/// The `backport-filter-criteria`: `Type?parameter=value`, those of one type joined by and.
fn filters(
    resource: &Value,
    topic: Option<&'static Topic>,
    issues: &mut Vec<Issue>,
) -> BTreeMap<String, Vec<Filter>> {
    let mut filters: BTreeMap<String, Vec<Filter>> = BTreeMap::new();
    let texts = values(resource.get("_criteria"), "filter-criteria");
    if texts.len() > FILTERS_MAX {
        let words = format!("{} filters; at most {FILTERS_MAX} are taken", texts.len());
        issues.push(error(Code::TooCostly, "criteria", words));
    }
    for text in texts.iter().take(FILTERS_MAX) {
        match filter(text.as_str().unwrap_or_default(), topic) {
            Ok((kind, all)) => filters.entry(kind).or_default().extend(all),
            Err(words) => issues.push(error(Code::NotSupported, "criteria", words)),
        }
    }
    if filters.is_empty() && topic.is_some_and(|topic| topic.kinds.is_empty()) {
        let words = "this topic needs a `backport-filter-criteria` that names a type, such as \
                     `Observation?`"
            .to_owned();
        issues.push(error(Code::Required, "criteria", words));
    }
    filters
}

fn filter(text: &str, topic: Option<&'static Topic>) -> Result<(String, Vec<Filter>), String> {
    let (kind, text) = text
        .split_once('?')
        .ok_or_else(|| format!("the filter `{text}` is not of the form Type?parameter=value"))?;
    // Who is told of its own subscription would be told without end, and of the secrets of others.
    let known = kinds().contains(&kind) && !matches!(kind, "AuditEvent" | "Subscription");
    let topical = topic.is_none_or(|topic| topic.kinds.is_empty() || topic.kinds.contains(&kind));
    if !known || !topical {
        return Err(format!("`{kind}` is no type of this topic"));
    }
    let pairs = pairs(text).ok_or_else(|| format!("the filter `{text}` is not a query"))?;
    let asked = query(kind, &pairs, &QueryLimits::default());
    let asked = asked.map_err(|issue| issue.words.clone())?;
    if asked.filters.len() != asked.pairs.len() {
        return Err(format!(
            "the filter `{text}` is more than search parameters without chains"
        ));
    }
    Ok((kind.to_owned(), asked.filters))
}

/// The pairs of a query; `None`: an escape in it is none.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let all = text.split('&').filter(|pair| !pair.is_empty());
    all.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((unescaped(name)?, unescaped(value)?))
    })
    .collect()
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The values of the guide's extensions of this name on an element.
fn values<'a>(element: Option<&'a Value>, name: &str) -> Vec<&'a Value> {
    let all = element.and_then(|element| element.get("extension"));
    let all = all.and_then(Value::as_array).into_iter().flatten();
    let named = all.filter(|one| {
        let url = one.get("url").and_then(Value::as_str).unwrap_or_default();
        url.strip_prefix(BACKPORT)
            .and_then(|url| url.strip_prefix("backport-"))
            == Some(name)
    });
    named
        .filter_map(|one| {
            let members = one.as_object()?.iter();
            let mut members = members.filter(|(key, _)| key.starts_with("value"));
            members.next().map(|(_, value)| value)
        })
        .collect()
}

fn error(code: Code, element: &str, words: String) -> Issue {
    Issue::error(code, format!("Subscription.{element}"), words)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
