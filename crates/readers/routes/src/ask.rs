//! What is asked of the view, and what it says.

use event::{RouteOutcome, Time};
use serde::{Deserialize, Serialize};

/// Messages of one lane are sent in their order: those of one patient, or of one feed about nobody.
pub type Lane = [u8; 16];

/// A message that waits on a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// When it was decided that it goes: its own index, or that of the order to replay it.
    pub turn: u64,
    /// The index of the message.
    pub message: u64,
    /// Whose it is; `None`: an order named it, and nobody has looked yet.
    pub lane: Option<Lane>,
}

impl Waiting {
    /// The index of the order by which it goes; 0: it goes because it arrived.
    pub const fn decision(&self) -> u64 {
        if self.turn == self.message {
            0
        } else {
            self.turn
        }
    }
}

/// A message that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// The index of the message.
    pub message: u64,
    /// The index of the order by which it went; 0: by the rules.
    pub decision: u64,
    /// Why it is not where it should be.
    pub outcome: RouteOutcome,
    /// When that was sealed.
    pub at: Time,
    /// What the receiver answered.
    pub answer: String,
}

/// How a route does, as the record has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteState {
    /// Its name.
    pub name: String,
    /// Where it leads.
    pub to: String,
    /// The index of the event with its rules.
    pub rules: u64,
    /// Whether it takes up what arrives; false: it is not configured any more.
    pub open: bool,
    /// Why it is paused, if it is.
    pub paused: Option<String>,
    /// Messages that wait.
    pub depth: u64,
    /// When the one that waits longest came.
    pub oldest: Option<Time>,
    /// The index of the one whose turn is next.
    pub next: Option<u64>,
    /// When a receiver last took one.
    pub last: Option<Time>,
    /// Messages taken within the last 24 hours.
    pub taken_day: u64,
    /// Messages refused or looped within the last 24 hours.
    pub aside_day: u64,
    /// Messages taken since ever.
    pub taken: u64,
    /// Messages refused or looped since ever.
    pub aside: u64,
    /// What keeps it from sending now.
    pub trouble: Option<String>,
}

/// What a route's sending says of itself; not sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// What keeps it from sending, in words.
    pub trouble: Option<String>,
    /// Patients whose next message is tried again later.
    pub held_up: usize,
}
