//! Messages that are passed on: by which rules from when on, what a person ordered, what came of it.

use serde::{Deserialize, Serialize};

/// A route's rules from this event on. It is the standing on which whatever it sends goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteChange {
    /// The route's name.
    pub route: String,
    /// Its whole section of the configuration, as JSON; `None`: it takes up nothing any more.
    pub rules: Option<String>,
}

/// What a person ordered about a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteOrder {
    /// The route's name.
    pub route: String,
    /// What is to be done.
    pub step: RouteStep,
    /// Why, as it was typed.
    pub reason: String,
}

/// What can be ordered about a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum RouteStep {
    /// Nothing is sent until it is resumed; what arrives waits.
    Pause,
    /// It is sent again.
    Resume,
    /// One waiting message is not sent.
    Skip {
        /// The index of the message.
        message: u64,
        /// The index of the order to replay it; 0: it waits because it arrived.
        decision: u64,
    },
    /// These are sent once more, each once for this order.
    Replay {
        /// First and last index of each run of messages; what is no message in it is left out.
        messages: Vec<(u64, u64)>,
    },
}

/// What became of one message on one route. Of several for the same message, route and decision the
/// first counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// The route's name.
    pub route: String,
    /// The index of the message.
    pub message: u64,
    /// The index of the order by which it went; 0: by the rules, because it arrived.
    pub decision: u64,
    /// Where it went.
    pub to: String,
    /// What became of it.
    pub outcome: RouteOutcome,
    /// What the receiver answered, or why it was not sent, in words.
    pub answer: String,
    /// By what its coming back is told: a hash of what was sent, in hex; empty: nothing was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mark: String,
}

/// What became of a message on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteOutcome {
    /// The receiver has it.
    Taken,
    /// The receiver will not have it, or it cannot be made into what the route sends.
    Refused,
    /// It is a message that went out before and came back: not sent.
    Looped,
}

impl RouteOutcome {
    /// It in one word.
    pub const fn word(self) -> &'static str {
        match self {
            RouteOutcome::Taken => "taken",
            RouteOutcome::Refused => "refused",
            RouteOutcome::Looped => "looped",
        }
    }
}
