use std::collections::BTreeSet;

use event::Time;

/// One version of a resource, complete, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The FHIR type.
    pub kind: String,
    /// The logical id.
    pub id: String,
    /// The index of the event that wrote it: `meta.versionId`, and where its proof is.
    pub version: u64,
    /// When that event was sealed: `meta.lastUpdated`.
    pub at: Time,
    /// This version says that the resource is gone; `json` is empty.
    pub deleted: bool,
    /// The patient it belongs to now: the survivor's id, if it was written for a retired one.
    pub patient: Option<String>,
    /// The resource: as received, with `id`, `meta.versionId` and `meta.lastUpdated` set.
    pub json: Vec<u8>,
    /// Which door it came in by.
    pub source: Source,
    /// It came for an identifier that had already been retired by a merge.
    pub late: bool,
}

impl Stored {
    /// Stands where another was taken out for a moment.
    pub(crate) const fn nothing() -> Stored {
        Stored {
            kind: String::new(),
            id: String::new(),
            version: 0,
            at: Time::from_millis(0),
            deleted: true,
            patient: None,
            json: Vec::new(),
            source: Source::Salus,
            late: false,
        }
    }
}

/// Which door a version came in by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The FHIR door.
    Fhir,
    /// A message feed, by name.
    Message(String),
    /// Salus itself: a merge that was taken back.
    Salus,
}

/// Which part of a longer answer is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageOf {
    /// Matches on a page; 0 asks for the total only.
    pub count: usize,
    /// The `next` of the page before; `None`: the first page.
    pub token: Option<String>,
}

/// One page of an answer. What arrives after the first page was read does not shift the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// What was asked for, in order.
    pub matches: Vec<Stored>,
    /// What `_include` and `_revinclude` brought, without doubles.
    pub included: Vec<Stored>,
    /// How many there are on all pages, when that is cheap to know.
    pub total: Option<u64>,
    /// Asks for the page after this one; `None`: this is the last.
    pub next: Option<String>,
    /// Of a search: asks for the first page of another one, of the same moment as this one.
    pub beginning: String,
    /// Every patient whose data is on this page (survivors' ids), for the record.
    pub patients: Vec<String>,
}

/// Whose history is asked for. Newest first, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryOf {
    /// One resource.
    Instance {
        /// FHIR type.
        kind: String,
        /// Logical id.
        id: String,
    },
    /// All resources of a type.
    Type {
        /// FHIR type.
        kind: String,
    },
    /// Everything; needs a permit for `Subject::Record`.
    System,
}

/// How much of everything about a patient is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EverythingOf {
    /// Only these types; empty: all that the permit is for.
    pub kinds: Vec<String>,
    /// Only what was sealed since then.
    pub since: Option<Time>,
    /// Only care that ended after this moment, in milliseconds since 1970, and what has no time.
    pub from_ms: Option<i64>,
    /// Only care that began before this moment, in milliseconds since 1970, and what has no time.
    pub until_ms: Option<i64>,
}

/// What a summary of a patient is made of. Resources are as a client reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The patient: the survivor's id.
    pub patient: String,
    /// The patient with everybody merged into them.
    pub family: Vec<String>,
    /// Theirs, each type's newest first.
    pub resources: Vec<serde_json::Value>,
    /// What these refer to that belongs to no patient.
    pub referred: Vec<serde_json::Value>,
    /// Types of which something is left out for its labels.
    pub withheld: Vec<String>,
    /// Types of which the older ones were not looked at, as there are too many.
    pub cut: Vec<String>,
    /// How many events the chart had folded.
    pub folded: u64,
}

/// Which resources of a type are listed.
#[derive(Debug, Clone, Default)]
pub struct ListOf {
    /// FHIR type.
    pub kind: String,
    /// Only what was sealed since then.
    pub since: Option<Time>,
    /// Those that were deleted, without content, instead of those that are there.
    pub deleted: bool,
    /// Only what belongs to a patient.
    pub of_patients: bool,
    /// Only what belongs to one of these patients (survivors' ids).
    pub patients: Option<BTreeSet<String>>,
    /// Only that for which all filters of one of these lists hold; empty: all.
    pub filters: Vec<Vec<wire::fhir::Filter>>,
    /// The list ends where this `next` of a page begins.
    pub until: Option<String>,
}

/// Where a page of a list lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Resources on it.
    pub count: usize,
    /// Where the next one begins; `None`: there is none.
    pub next: Option<String>,
    /// Where the first one of this moment begins.
    pub beginning: String,
}
