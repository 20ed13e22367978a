//! Notifications of subscriptions: which events they have, and which of those the subscriber has.

use serde::{Deserialize, Serialize};

use crate::Time;

/// A step of one subscription (FHIR `Subscription` with a topic).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// The logical id of the Subscription.
    pub subscription: String,
    /// What happened.
    pub step: NotifyStep,
}

/// What happened with a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum NotifyStep {
    /// The record was looked through, and these are events of the subscription from now on.
    Found {
        /// Everything before this index was looked at.
        through: u64,
        /// The number of the first of `events`; each one after it has the next number.
        first: u64,
        /// What they are about.
        events: Vec<Happening>,
    },
    /// The subscriber took the notifications of all events up to this one.
    Taken {
        /// The number of the event.
        number: u64,
        /// Where they went.
        to: String,
    },
    /// Its receiver takes nothing of what waits, or answers again.
    Failing {
        /// Since when it does not; `None`: it answers again.
        since: Option<Time>,
    },
}

/// A version of a resource, without its name: an index and nothing of a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Happening {
    /// The index of the event that wrote it.
    pub index: u64,
    /// Its place among what that event wrote, from 0.
    pub place: u32,
}
