//! **In**: nothing; these are the nouns everyone speaks.
//! **Out**: [`Arrival`], [`Event`] and the words they are made of.
//! **Never**: I/O, a clock, randomness, a decision, a codec of somebody else's format.
//! **Start here**: [`Event`], then [`Body`].

mod access;
mod actor;
mod altered;
mod body;
mod content;
mod image;
mod import;
mod known;
mod lifeline;
mod notify;
mod oversight;
mod person;
mod plaintext;
mod rejected;
mod route;
mod signals;
mod standby;
mod subject;
mod time;
mod token;

pub use access::{Ceiling, ExportAnswered, ExportAsked, Leaves, Service, ServiceState, Shown};
pub use actor::{Actor, ActorKind, Role};
pub use altered::{Altered, AlteredPart, Outside, PutBack, PutBackStep, Rewound, Unlike};
pub use body::{
    Account, AccountChange, BackedUp, Body, Decided, Erased, KeysChanged, Message, Opened,
    Resource, Unmerge, Unread,
};
pub use content::{Content, Form};
pub use image::{Image, Preamble, Stored};
pub use import::{Import, ImportEnd, ImportInput, ImportStep};
pub use known::{Consent, Considered, Facts, Relation, Taking};
pub use lifeline::{
    Captured, Copy, Downtime, Drill, Line, LineKind, Outcome, PackCode, PackOpenings, Printed,
    SentOn, SheetBack, Verdict,
};
pub use notify::{Happening, Notified, NotifyStep};
pub use oversight::{Glass, GlassVerdict, PolicyChange};
pub use person::{Passkey, PersonChange, PersonStep, Session, SessionStep, Used};
pub use plaintext::{Unreadable, decode, encode};
pub use rejected::{Attempted, Rejected};
pub use route::{RouteChange, RouteOrder, RouteOutcome, RouteStep, Routed};
pub use signals::{Position, Signals};
pub use standby::{Joined, Promoted};
pub use subject::{Act, Subject};
pub use time::{Clock, Time};
pub use token::{Agreed, App, AppChange, Asserted, Ended, Issued, Leave, Refresh, Token};

use serde::{Deserialize, Serialize};

/// A claim from outside: who says they did what to what, with the raw bytes. Not believed.
///
/// Only `guard` turns it into something the record will take.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// What is claimed.
    pub claim: Event,
    /// How the sender would name this message if it sent it again, if it can.
    pub resend: Option<Resend>,
}

/// What makes two deliveries the same delivery: sender, message id and content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resend {
    /// The sender as the guard knows it (a feed's name, a client's id).
    pub sender: String,
    /// The sender's own message id (HL7 MSH-10, FHIR `Bundle.identifier`).
    pub message: String,
}

/// One thing that happened. The header travels as JSON, `raw` as the bytes that were received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Who did it.
    pub actor: Actor,
    /// What they did.
    pub act: Act,
    /// To whom or what.
    pub subject: Subject,
    /// The policies or grants that let it in; empty until the guard has decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// The network address it was done from, as the connection had it; nothing that a proxy or the
    /// sender says of it counts. `None`: on the machine itself, or before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What is particular to this kind of event.
    pub body: Body,
    /// The bytes as they were received; empty if the event was made by Salus itself.
    #[serde(skip)]
    pub raw: Vec<u8>,
}

impl Event {
    /// An event with no raw bytes and no reasons yet.
    pub fn new(actor: Actor, act: Act, subject: Subject, body: Body) -> Event {
        Event {
            actor,
            act,
            subject,
            because: Vec::new(),
            from: None,
            body,
            raw: Vec::new(),
        }
    }

    /// The same event, done from this network address.
    #[must_use]
    pub fn from_address(mut self, from: Option<String>) -> Event {
        self.from = from;
        self
    }

    /// The same event with the bytes it came as.
    #[must_use]
    pub fn with_raw(mut self, raw: Vec<u8>) -> Event {
        self.raw = raw;
        self
    }
}

impl From<Event> for Arrival {
    fn from(claim: Event) -> Arrival {
        Arrival {
            claim,
            resend: None,
        }
    }
}
