//! What one event means for the chart, before it meets what is there.

use std::borrow::Cow;
use std::sync::Arc;

use event::{Body, Event, Time};
use record::{Blind, Marks, Sealed};
use serde_json::Value;
use wire::dicom::{self, Header, Repertoire, Source};
use wire::v2::{Draft, Mode, Sender, Told};

use super::content::{About, Content};
use super::index::Names;
use super::look;
use crate::label::Labels;

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
    /// What a message says of a resource, to be laid upon what is there.
    Draft(Box<Draft>),
    /// One more instance of a study.
    Study(Box<Study>),
    /// A resource that a message replaces whole: no version is made if nothing changes.
    Replace(Box<Whole>),
    /// A resource as a client wrote it, its references resolved.
    Write(Box<Whole>),
    /// A resource is gone.
    Delete { kind: String, id: String },
    /// Two patients are one.
    Merge { retired: String, survivor: String },
    /// They are two again.
    Unmerge { retired: String, survivor: String },
    /// A Patient loses its link to the other one.
    Unlink { patient: String, other: String },
}

/// One instance of a study, as it was sealed.
#[derive(Debug)]
pub(super) struct Study {
    pub(super) id: String,
    pub(super) patient: String,
    pub(super) header: Header,
    /// UID of its transfer syntax.
    pub(super) syntax: String,
    pub(super) zone: String,
}

/// A version that is the same whatever was there before.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) kind: Cow<'static, str>,
    pub(super) id: String,
    pub(super) patient: Option<String>,
    pub(super) content: Content,
    /// When what it says happened; `None`: nobody said.
    pub(super) told: Option<Told>,
}

/// What events are understood with.
#[derive(Clone)]
pub(super) struct With {
    pub(super) blind: Blind,
    pub(super) marks: Marks,
    pub(super) labels: Arc<Labels>,
}

impl Change {
    /// Of a draft. What replaces, and whatever is there before has no say in, is ready here.
    fn of(draft: Draft, at: Time, labels: &Labels) -> Change {
        let meets_others =
            matches!(draft.kind, "Encounter" | "Location") || draft.part_of.is_some();
        if draft.mode != Mode::Replace || meets_others {
            return Change::Draft(Box::new(draft));
        }
        let (kind, id, told) = (draft.kind, draft.id.clone(), draft.told);
        let patient = patient_of_draft(&draft).map(str::to_owned);
        let value = Value::Object(wire::v2::alone(draft));
        let about = About {
            kind,
            id: &id,
            patient: patient.as_deref(),
            at,
        };
        let content = Content::of(about, Names::Own, &value, labels);
        Change::Replace(Box::new(Whole {
            kind: Cow::Borrowed(kind),
            id,
            patient,
            content,
            told,
        }))
    }
}

impl Change {
    /// The resource whose current version must be known.
    pub(super) fn target(&self) -> Option<(&str, &str)> {
        match self {
            Change::Draft(draft) => Some((draft.kind, &draft.id)),
            Change::Replace(whole) | Change::Write(whole) => Some((&whole.kind, &whole.id)),
            Change::Study(study) => Some(("ImagingStudy", &study.id)),
            Change::Delete { kind, id } => Some((kind, id)),
            Change::Unlink { patient, .. } => Some(("Patient", patient)),
            Change::Merge { .. } | Change::Unmerge { .. } => None,
        }
    }

    /// Whether its content must be known too.
    pub(super) const fn needs_content(&self) -> bool {
        matches!(
            self,
            Change::Draft(_) | Change::Replace(_) | Change::Study(_) | Change::Unlink { .. }
        )
    }

    /// The patients it names.
    pub(super) fn patients(&self) -> [Option<&str>; 2] {
        match self {
            Change::Draft(draft) => [patient_of_draft(draft), None],
            Change::Replace(whole) | Change::Write(whole) => [whole.patient.as_deref(), None],
            Change::Study(study) => [Some(&study.patient), None],
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
        Body::Erased(_) | Body::Image(_) | Body::Message(_) | Body::Resource(_) | Body::Unmerge(_)
    )
}

/// Reads one event; `None`: it says nothing about a chart.
pub(super) fn step(sealed: &Sealed, with: &With) -> Option<Step> {
    let (event, at) = (sealed.event(), sealed.at());
    let (from, changes) = match &event.body {
        Body::Message(message) => (
            Origin::Feed(message.feed.clone()),
            of_message((message, &event.raw), at, with),
        ),
        Body::Resource(resource) => {
            let raw = match resource.contents.as_slice() {
                [] => Cow::Borrowed(&event.raw),
                contents => Cow::Owned(with.marks.numbered(&event.raw, contents, sealed.index())),
            };
            (Origin::Fhir, of_resource((resource, &raw), at, with))
        }
        Body::Image(image) => (
            Origin::Feed(image.feed.clone()),
            of_image((image, &event.raw), at, with),
        ),
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
        | Body::Import(_)
        | Body::Joined(_)
        | Body::Keys(_)
        | Body::Notified(_)
        | Body::Opened(_)
        | Body::PackCode(_)
        | Body::Person(_)
        | Body::PolicyChange(_)
        | Body::PutBack(_)
        | Body::Rejected(_)
        | Body::Rewound(_)
        | Body::Promoted(_)
        | Body::Printed(_)
        | Body::Route(_)
        | Body::RouteOrder(_)
        | Body::Routed(_)
        | Body::SentOn(_)
        | Body::Service(_)
        | Body::Session(_)
        | Body::PackOpenings(_)
        | Body::SheetBack(_)
        | Body::Shown(_)
        | Body::Signals(_)
        | Body::Token(_)
        | Body::Unread(_)
        | Body::Verdict(_) => return None,
    };
    (!changes.is_empty()).then(|| Step {
        seq: i64::try_from(sealed.index()).unwrap_or(i64::MAX),
        at,
        from,
        changes,
    })
}

fn of_message((message, raw): (&event::Message, &[u8]), at: Time, with: &With) -> Vec<Change> {
    let id = |kind: &str, system: &str, value: &str| with.blind.id(kind, system, value);
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
        .map(|mut draft| {
            draft.told = draft.told.map(|told| told.at_most(at.millis()));
            Change::of(draft, at, &with.labels)
        })
        .collect();
    let merges = reading.merge.into_iter().chain(reading.further);
    changes.extend(merges.map(|merge| Change::Merge {
        retired: merge.retired,
        survivor: merge.survivor,
    }));
    changes
}

fn of_image((image, raw): (&event::Image, &[u8]), at: Time, with: &With) -> Vec<Change> {
    let otherwise = Repertoire::named(&image.charset, &Repertoire::ascii());
    let header = dicom::sealed(raw, &image.syntax);
    let header = header.and_then(|set| Header::of(&set, &otherwise).ok());
    let Some(header) = header else {
        tracing::warn!("a sealed image cannot be read and was left out of the chart");
        return Vec::new();
    };
    let source = Source {
        authority: &image.authority,
        zone: &image.zone,
        id: &|kind, system, value| with.blind.id(kind, system, value),
    };
    // Whoever it shows is not known: it is in the record, and on no chart.
    let Some(patient) = dicom::patient(&header, source) else {
        return Vec::new();
    };
    let study = Study {
        id: dicom::study_id(&header, source),
        patient: patient.id.clone(),
        header,
        syntax: image.syntax.clone(),
        zone: image.zone.clone(),
    };
    let study = Change::Study(Box::new(study));
    match image.patient_stays {
        true => vec![study],
        false => vec![Change::of(patient, at, &with.labels), study],
    }
}

fn of_resource((resource, raw): (&event::Resource, &[u8]), at: Time, with: &With) -> Vec<Change> {
    let (kind, id) = (resource.kind.clone(), resource.id.clone());
    if raw.is_empty() {
        return vec![Change::Delete { kind, id }];
    }
    // The door checked it before it was sealed; what is no JSON all the same has no chart.
    let Some(wrote) = wrote(resource, raw) else {
        tracing::warn!(
            kind,
            "a sealed resource is not JSON and was left out of the chart"
        );
        return Vec::new();
    };
    let Wrote {
        json,
        value,
        patient,
    } = wrote;
    let about = About {
        kind: &kind,
        id: &id,
        patient: patient.as_deref(),
        at,
    };
    let content = Content::with(about, Names::Anybody, (&value, json), &with.labels);
    vec![Change::Write(Box::new(Whole {
        kind: Cow::Owned(kind),
        id,
        patient,
        content,
        told: None,
    }))]
}

/// A resource as a client wrote it.
pub(super) struct Wrote {
    /// Its bytes, with references resolved.
    pub(super) json: Vec<u8>,
    /// What of it is looked at.
    pub(super) value: Value,
    /// Whose it is.
    pub(super) patient: Option<String>,
}

/// Reads what a client wrote; `None`: it is no JSON.
pub(super) fn wrote(resource: &event::Resource, raw: &[u8]) -> Option<Wrote> {
    let json = if resource.resolved.is_empty() {
        raw.to_vec()
    } else {
        wire::fhir::resolve(raw, &resource.resolved)
    };
    let value = look::look(&resource.kind, &json)?;
    let patient = if resource.kind == "Patient" {
        Some(resource.id.clone())
    } else {
        wire::fhir::patient_of(&value)
    };
    Some(Wrote {
        json,
        value,
        patient,
    })
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
