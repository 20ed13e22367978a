//! What one event means for the chart, before it meets what is there.

use event::{Body, Event, Time};
use record::{Blind, Sealed};
use serde_json::Value;
use wire::v2::{Draft, Mode, Sender};

use super::index::{self, Found, Names};

/// Room for a resource of the usual size.
const JSON_BYTES: usize = 1_536;

/// One event to fold, by itself, so that it can be understood on another thread.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    index: u64,
    at: Time,
    event: Event,
}

impl Whole {
    pub(super) const fn entry(&self) -> Entry<'_> {
        Entry {
            index: self.index,
            at: self.at,
            event: &self.event,
        }
    }
}

impl From<&Entry<'_>> for Whole {
    fn from(entry: &Entry<'_>) -> Whole {
        Whole {
            index: entry.index,
            at: entry.at,
            event: entry.event.clone(),
        }
    }
}

/// One event to fold: its place in the record and what was sealed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'e> {
    pub(crate) index: u64,
    pub(crate) at: Time,
    pub(crate) event: &'e Event,
}

impl<'e> From<&'e Sealed> for Entry<'e> {
    fn from(sealed: &'e Sealed) -> Entry<'e> {
        Entry {
            index: sealed.index(),
            at: sealed.at(),
            event: sealed.event(),
        }
    }
}

/// One event, understood.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) seq: i64,
    pub(super) at: Time,
    pub(super) from: Origin,
    pub(super) changes: Vec<Change>,
}

/// Which door it came in by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Fhir,
    Feed(String),
    Salus,
}

/// One thing that changes.
#[derive(Debug)]
pub(super) enum Change {
    /// What a message says of a resource; with what comes of it, if that depends on nothing else.
    Draft(Box<Draft>, Option<Ready>),
    /// A resource as a client wrote it.
    Write(Written),
    /// A resource is gone.
    Delete { kind: String, id: String },
    /// Two patients are one.
    Merge { retired: String, survivor: String },
    /// They are two again.
    Unmerge { retired: String, survivor: String },
    /// A Patient loses its link to the other one.
    Unlink { patient: String, other: String },
}

/// A version that is the same whatever was there before.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) json: Vec<u8>,
    pub(super) found: Found,
    pub(super) value: Value,
}

impl Ready {
    /// Of a draft that replaces, and from which nothing else follows.
    fn of(draft: &Draft) -> Option<Ready> {
        if draft.mode != Mode::Replace || matches!(draft.kind, "Encounter" | "Location") {
            return None;
        }
        let value = Value::Object(wire::v2::merged(None, draft));
        let whose = (patient_of_draft(draft), Names::Own);
        Some(Ready {
            found: index::of(draft.kind, &value, whose),
            json: bytes(&value),
            value,
        })
    }
}

/// A resource as bytes, to be sealed off in a page.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(JSON_BYTES);
    if serde_json::to_writer(&mut bytes, value).is_err() {
        bytes.clear();
    }
    bytes
}

/// A resource as a client wrote it, its references resolved.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) patient: Option<String>,
    pub(super) json: Vec<u8>,
    pub(super) value: Value,
}

impl Change {
    /// The resource whose current version must be known.
    pub(super) fn target(&self) -> Option<(&str, &str)> {
        match self {
            Change::Draft(draft, _) => Some((draft.kind, &draft.id)),
            Change::Write(written) => Some((&written.kind, &written.id)),
            Change::Delete { kind, id } => Some((kind, id)),
            Change::Unlink { patient, .. } => Some(("Patient", patient)),
            Change::Merge { .. } | Change::Unmerge { .. } => None,
        }
    }

    /// Whether its content must be known too.
    pub(super) const fn needs_content(&self) -> bool {
        matches!(self, Change::Draft(..) | Change::Unlink { .. })
    }

    /// The patients it names.
    pub(super) fn patients(&self) -> [Option<&str>; 2] {
        match self {
            Change::Draft(draft, _) => [patient_of_draft(draft), None],
            Change::Write(written) => [written.patient.as_deref(), None],
            Change::Merge { retired, survivor } | Change::Unmerge { retired, survivor } => {
                [Some(retired), Some(survivor)]
            }
            Change::Unlink { patient, .. } => [Some(patient), None],
            Change::Delete { .. } => [None, None],
        }
    }
}

/// Whose resource a draft is: a Patient is always their own.
pub(super) fn patient_of_draft(draft: &Draft) -> Option<&str> {
    if draft.kind == "Patient" {
        Some(&draft.id)
    } else {
        draft.patient.as_deref()
    }
}

/// Whether an event can change a chart.
pub(super) const fn concerns(event: &Event) -> bool {
    matches!(
        event.body,
        Body::Erased(_) | Body::Message(_) | Body::Resource(_) | Body::Unmerge(_)
    )
}

/// Reads one event; `None`: it says nothing about a chart.
pub(super) fn step(entry: Entry<'_>, blind: &Blind) -> Option<Step> {
    let (from, changes) = match &entry.event.body {
        Body::Message(message) => (
            Origin::Feed(message.feed.clone()),
            of_message(message, &entry.event.raw, blind),
        ),
        Body::Resource(resource) => (Origin::Fhir, of_resource(resource, entry.event)),
        Body::Unmerge(unmerge) => (Origin::Salus, of_unmerge(unmerge)),
        Body::Account(_)
        | Body::Alteration(_)
        | Body::App(_)
        | Body::BackedUp(_)
        | Body::Captured(_)
        | Body::Ceiling(_)
        | Body::Copy(_)
        | Body::Decision(_)
        | Body::Downtime(_)
        | Body::Drill(_)
        | Body::ExportAnswered(_)
        | Body::ExportAsked(_)
        | Body::Glass(_)
        | Body::Erased(_)
        | Body::Joined(_)
        | Body::Keys(_)
        | Body::Opened(_)
        | Body::PackCode(_)
        | Body::Person(_)
        | Body::PolicyChange(_)
        | Body::Rejected(_)
        | Body::Rewound(_)
        | Body::Promoted(_)
        | Body::Printed(_)
        | Body::SentOn(_)
        | Body::Service(_)
        | Body::Session(_)
        | Body::SheetBack(_)
        | Body::Shown(_)
        | Body::Token(_)
        | Body::Unread(_)
        | Body::Verdict(_) => return None,
    };
    (!changes.is_empty()).then(|| Step {
        seq: i64::try_from(entry.index).unwrap_or(i64::MAX),
        at: entry.at,
        from,
        changes,
    })
}

fn of_message(message: &event::Message, raw: &[u8], blind: &Blind) -> Vec<Change> {
    let id = |kind: &str, system: &str, value: &str| blind.id(kind, system, value);
    let sender = Sender {
        zone: &message.zone,
        charset: &message.charset,
        authority: &message.authority,
        id: &id,
    };
    let reading = wire::v2::read(raw, &sender);
    let mut changes: Vec<Change> = reading
        .drafts
        .into_iter()
        .map(|draft| {
            let ready = Ready::of(&draft);
            Change::Draft(Box::new(draft), ready)
        })
        .collect();
    let merges = reading.merge.into_iter().chain(reading.further);
    changes.extend(merges.map(|merge| Change::Merge {
        retired: merge.retired,
        survivor: merge.survivor,
    }));
    changes
}

fn of_resource(resource: &event::Resource, event: &Event) -> Vec<Change> {
    let (kind, id) = (resource.kind.clone(), resource.id.clone());
    if event.raw.is_empty() {
        return vec![Change::Delete { kind, id }];
    }
    let json = if resource.resolved.is_empty() {
        event.raw.clone()
    } else {
        wire::fhir::resolve(&event.raw, &resource.resolved)
    };
    // The door checked it before it was sealed; what is no JSON all the same has no chart.
    let Ok(value) = serde_json::from_slice::<Value>(&json) else {
        tracing::warn!(
            kind,
            "a sealed resource is not JSON and was left out of the chart"
        );
        return Vec::new();
    };
    let patient = if kind == "Patient" {
        Some(id.clone())
    } else {
        wire::fhir::patient_of(&value)
    };
    vec![Change::Write(Written {
        kind,
        id,
        patient,
        json,
        value,
    })]
}

fn of_unmerge(unmerge: &event::Unmerge) -> Vec<Change> {
    let (retired, survivor) = (unmerge.retired.clone(), unmerge.survivor.clone());
    vec![
        Change::Unmerge {
            retired: retired.clone(),
            survivor: survivor.clone(),
        },
        Change::Unlink {
            patient: retired.clone(),
            other: survivor.clone(),
        },
        Change::Unlink {
            patient: survivor,
            other: retired,
        },
    ]
}
