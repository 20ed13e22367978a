//! What people order about a route: sealed with their reason before anything follows from it.

use event::{Act, Body, Event, RouteOrder, RouteStep, Subject, Time};
use guard::{Ask, Decision, Facts, Identity, Standing, admit};
use routes::{RouteConfig, Target};
use serde::{Deserialize, Serialize};

use crate::App;

/// Events that are read from the record together.
const READ_EVENTS: usize = 500;
/// The fewest characters of a reason.
const REASON_LETTERS_MIN: usize = 8;
/// How long it is waited until the view knows of an order.
const FOLD_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteWanted {
    /// The route's name.
    pub route: String,
    /// What is to be done.
    pub step: Step,
    /// Why.
    pub reason: String,
}

/// What can be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Nothing is sent until it is resumed.
    Pause,
    /// It is sent again.
    Resume,
    /// This waiting message is not sent.
    Skip(u64),
    /// These are sent once more.
    Replay(Which),
}

/// Which messages are replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// Those with these indices, first and last of each run, whatever the route's conditions say.
    Indices(Vec<(u64, u64)>),
    /// Those that were sealed from the first moment on and before the second, and that the route's
    /// conditions let through.
    Between(Time, Time),
}

/// What was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteOrdered {
    /// The index of the sealed order.
    pub index: u64,
    /// Messages that it is about.
    pub messages: u64,
}

impl App {
    /// Orders something about a route on a decision of the guard's.
    ///
    /// # Errors
    /// In words: what is wrong with the order, who may not give it, or that it was not sealed.
    pub async fn order_route(
        &self,
        wanted: &RouteWanted,
        identity: &Identity,
    ) -> Result<RouteOrdered, String> {
        let mut ask = manage(identity, &wanted.route);
        ask.reason = Some(wanted.reason.clone());
        let decision = self.policies.decide(ask, &Facts::default());
        self.order_route_by(wanted, &decision).await
    }

    /// The same on a decision that was made.
    ///
    /// # Errors
    /// As [`App::order_route`].
    pub(crate) async fn order_route_by(
        &self,
        wanted: &RouteWanted,
        decision: &Decision,
    ) -> Result<RouteOrdered, String> {
        if wanted.reason.trim().chars().count() < REASON_LETTERS_MIN {
            return Err(format!("say why, in {REASON_LETTERS_MIN} letters or more"));
        }
        self.routes.caught_up(self.record.size(), FOLD_WAIT).await;
        let rules = self.rules_of(&wanted.route).await?;
        let (step, messages) = self.step(wanted, &rules).await?;
        let body = Body::RouteOrder(RouteOrder {
            route: wanted.route.clone(),
            step,
            reason: wanted.reason.trim().to_owned(),
        });
        let actor = decision.ask().identity.actor.clone();
        let event = Event::new(
            actor,
            Act::Manage,
            Subject::Feed(wanted.route.clone()),
            body,
        );
        let admitted = admit(event.into(), Standing::Decided(decision), "");
        let admitted = admitted.map_err(|refused| refused.words)?;
        let sealed = self.record.admit(vec![admitted]).await;
        let sealed = sealed.map_err(|why| why.to_string())?;
        let index = sealed.first().map_or(0, |receipt| receipt.index);
        self.routes.caught_up(index + 1, FOLD_WAIT).await;
        Ok(RouteOrdered { index, messages })
    }

    /// The rules of a route that was ever there.
    async fn rules_of(&self, route: &str) -> Result<RouteConfig, String> {
        let known = self.routes.in_force().await;
        let found = known.iter().find(|(name, ..)| name == route);
        let (_, rules, _) = found.ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(name, ..)| name.as_str()).collect();
            format!(
                "there is no route `{route}`; there are: {}",
                names.join(", ")
            )
        })?;
        serde_json::from_str(rules)
            .map_err(|why| format!("the rules of `{route}` cannot be read any more: {why}"))
    }

    async fn step(
        &self,
        wanted: &RouteWanted,
        rules: &RouteConfig,
    ) -> Result<(RouteStep, u64), String> {
        Ok(match &wanted.step {
            Step::Pause => (RouteStep::Pause, 0),
            Step::Resume => (RouteStep::Resume, 0),
            Step::Skip(message) => {
                let waits = self.routes.waits(&wanted.route, *message).await;
                let waits = waits.map_err(|why| why.to_string())?;
                let decision = waits.first().ok_or_else(|| {
                    format!("message {message} does not wait on `{}`", wanted.route)
                })?;
                let (message, decision) = (*message, *decision);
                (RouteStep::Skip { message, decision }, 1)
            }
            Step::Replay(which) => {
                let messages = self.chosen(which, rules).await?;
                let count = messages.iter().map(|(first, last)| last - first + 1).sum();
                (RouteStep::Replay { messages }, count)
            }
        })
    }

    /// The messages that are meant, in runs.
    async fn chosen(&self, which: &Which, rules: &RouteConfig) -> Result<Vec<(u64, u64)>, String> {
        let runs = match which {
            Which::Indices(runs) => merged(runs),
            Which::Between(from, _) => vec![(self.first_at(*from).await?, u64::MAX)],
        };
        let most = self.routes.config().replay_messages_max;
        let target = rules.target();
        let (mut found, mut count): (Vec<(u64, u64)>, usize) = (Vec::new(), 0);
        for (first, last) in runs {
            let mut from = first;
            while from <= last {
                let read = self.record.read_until(from, READ_EVENTS).await;
                let (events, next) = read.map_err(|why| why.to_string())?;
                for one in events.iter().filter(|one| one.index() <= last) {
                    let event = one.event();
                    let fits = match which {
                        Which::Indices(_) => is_sendable(&event.body, target.as_ref().ok()),
                        Which::Between(from, until) => {
                            *from <= one.at() && one.at() < *until && rules.takes(event)
                        }
                    };
                    if fits {
                        add(&mut found, one.index());
                        count += 1;
                    }
                }
                if count > most {
                    return Err(format!(
                        "these are more than {most} messages (`replay_messages_max`); replay them in parts"
                    ));
                }
                let past = events.last().is_some_and(
                    |one| matches!(which, Which::Between(_, until) if one.at() >= *until),
                );
                if next <= from || past {
                    break;
                }
                from = next;
            }
        }
        match found.is_empty() {
            true => Err("no message is meant by that: nothing would be sent".to_owned()),
            false => Ok(found),
        }
    }

    /// An index before which everything was sealed before a moment.
    async fn first_at(&self, moment: Time) -> Result<u64, String> {
        let (mut low, mut high) = (0, self.record.size());
        while low < high {
            let middle = low + (high - low) / 2;
            let read = self.record.read(middle, 1).await;
            let earlier = read.map_err(|why| why.to_string())?;
            // Of what was erased nobody knows when it was: it is looked at from further back.
            match earlier.first().is_some_and(|one| one.at() < moment) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }
}

/// The question whether somebody may order something about a route.
pub(crate) fn manage(identity: &Identity, route: &str) -> Ask {
    Ask {
        identity: identity.clone(),
        act: Act::Manage,
        subject: Subject::Feed(route.to_owned()),
        kinds: Vec::new(),
        purpose: "HOPERAT".to_owned(),
        reason: None,
        detail: String::new(),
    }
}

const fn is_sendable(body: &Body, target: Option<&Target>) -> bool {
    match target {
        Some(Target::Dicom { .. }) => matches!(body, Body::Image(_)),
        Some(Target::Fhir(_)) => matches!(body, Body::Message(_) | Body::Resource(_)),
        _ => matches!(body, Body::Message(_)),
    }
}

/// Runs in their order, each index in one of them, however often it was named.
fn merged(runs: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(sorted.len());
    for (first, last) in sorted.into_iter().filter(|(first, last)| first <= last) {
        match merged.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// Adds an index to runs in their order.
fn add(runs: &mut Vec<(u64, u64)>, index: u64) {
    match runs.last_mut() {
        Some((_, last)) if *last + 1 == index => *last = index,
        _ => runs.push((index, index)),
    }
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn a_message_that_was_named_twice_is_meant_once() {
        let runs = [(20, 30), (1, 5), (4, 7), (6, 6), (9, 8), (25, 26), (8, 9)];
        assert_eq!(merged(&runs), [(1, 7), (8, 9), (20, 30)]);
    }
}
