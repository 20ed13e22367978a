//! What the Flow page asks for and is told.

use event::{Position, Time};

use crate::silence::Usual;

/// How one feed does.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// The feed's configured name.
    pub name: String,
    /// When something last came from it, readable or not.
    pub last: Time,
    /// The age of that, in milliseconds.
    pub age_ms: i64,
    /// How long it is usually silent at this hour of the week.
    pub usual: Usual,
    /// How its lines are read, if machines send them; `None`: it sends messages.
    pub format: Option<String>,
    /// Up to where its file was read, if it is one.
    pub position: Option<Position>,
    /// The kinds of its lines, the most frequent first: kind, lines.
    pub kinds: Vec<(String, u64)>,
    /// What came since the record began.
    pub total: Total,
    /// The last 60 minutes, the oldest first; the last one is not over yet.
    pub minutes: Vec<Count>,
    /// The last 24 hours, the oldest first; the last one is not over yet.
    pub hours: Vec<Count>,
}

/// Whether a feed is silent for longer than it usually is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// No longer than usual.
    Usual,
    /// Longer.
    Longer,
    /// It is not known yet what is usual.
    Unknown,
}

impl Feed {
    /// Whether it is silent for longer than it usually is at this hour of the week.
    pub const fn silence(&self) -> Silence {
        match self.usual {
            Usual::Unknown { .. } => Silence::Unknown,
            Usual::Known { alarm_ms, .. } if self.age_ms > alarm_ms => Silence::Longer,
            Usual::Known { .. } => Silence::Usual,
        }
    }

    /// Messages a minute: the mean of the last five minutes that are over.
    pub fn per_minute(&self) -> f64 {
        let over = self.minutes.iter().rev().skip(1).take(5);
        let sum: u32 = over
            .map(|count| u32::try_from(count.messages).unwrap_or(u32::MAX))
            .fold(0, u32::saturating_add);
        f64::from(sum) / 5.0
    }
}

/// What came from a feed since the record began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// Messages, mapped or not; or lines, readable or not.
    pub messages: u64,
    /// Of those, kept but not mapped.
    pub kept: u64,
    /// Of those, with a message id that an earlier message of the feed had.
    pub reused: u64,
    /// Of those, with something odd about them.
    pub odd: u64,
    /// What could not be read at all.
    pub unread: u64,
    /// Lines that came and were not kept, because a limit was reached.
    pub dropped: u64,
    /// Pieces of lines that were longer than a line may be.
    pub cut: u64,
    /// Bytes of all of it.
    pub bytes: u64,
}

/// What came from a feed in a minute or an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Begin of the minute or hour.
    pub start: Time,
    /// Messages or lines.
    pub messages: u64,
    /// What could not be read.
    pub unread: u64,
}

/// Which messages to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this feed.
    pub feed: Option<String>,
    /// Only of this kind, for instance `ORU^R01`.
    pub kind: Option<String>,
    /// Only such.
    pub which: Which,
}

/// Which messages to list, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    #[default]
    All,
    /// Kept, but not mapped to the chart.
    Kept,
    /// With something odd about them.
    Odd,
    /// With a message id that an earlier message of the feed had.
    Reused,
}

/// Which part of a list, the newest first. Stable while messages arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only rows with a smaller index than this.
    pub before: Option<u64>,
    /// Rows wanted; `page_rows_max` at most are given.
    pub rows: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The rows, the newest first.
    pub rows: Vec<T>,
    /// [`Page::before`] of the next part, if there may be more.
    pub next: Option<u64>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its index in the record, where its body is.
    pub index: u64,
    /// When it was sealed.
    pub at: Time,
    /// The feed it came in by.
    pub feed: String,
    /// MSH-9 as `TYPE^TRIGGER`.
    pub kind: String,
    /// MSH-10.
    pub control: String,
    /// Whether Salus maps this kind to the chart; false: kept, not mapped.
    pub mapped: bool,
    /// An earlier message of the feed had the same MSH-10, and other content.
    pub reused: bool,
    /// Size in bytes.
    pub size: u64,
    /// How many things were odd about it; the words are in the record.
    pub complaints: u64,
}

/// Messages of one kind that are kept but not mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKind {
    /// The feed they came in by.
    pub feed: String,
    /// MSH-9 as `TYPE^TRIGGER`.
    pub kind: String,
    /// How many came.
    pub messages: u64,
    /// Index of the last one.
    pub last: u64,
}

/// Bytes that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Their index in the record, where the bytes are.
    pub index: u64,
    /// When they were sealed.
    pub at: Time,
    /// The feed they came in by.
    pub feed: String,
    /// Why they could not be read.
    pub reason: String,
    /// Size in bytes.
    pub size: u64,
}
