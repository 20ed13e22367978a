//! What other systems tell of accesses: the audit messages that they send here (IHE ATNA). It is their
//! word, not what Salus saw: it is kept apart from the traces and counts against nobody's ceiling.

use std::borrow::Cow;

use event::{Body, Event, Signals, Time};
use jiff::tz::TimeZone;
use record::Blind;
use serde_json::Value;
use wire::audit::{AuditMessage, From, heard_event};
use wire::signals::{Format, lines};

use crate::trace::{PARTS_MAX, TraceId};

/// Patients of one message that are told apart.
pub(crate) const PATIENTS_MAX: u32 = 256;
/// Characters kept of one field: enough for any honest one.
const TEXT_CHARACTERS_MAX: usize = 500;
/// The same of a message about several patients: it is kept for each of them.
const SHARED_CHARACTERS_MAX: usize = 250;
/// Different participants, objects and codes of a message by which it is found.
const NAMED_MAX: usize = 100;
/// Characters of all of one list, and of that list in all the rows of one message together.
const LIST_CHARACTERS_MAX: usize = 8_000;
const LISTS_CHARACTERS_MAX: usize = 256_000;

/// One audit message of another system; of a message about several patients, what it says of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Where it is sealed: the batch, and in `part` line times 256 plus the patient's place.
    pub id: TraceId,
    /// When it was sealed.
    pub at: Time,
    /// When it happened, as the sender says; if it does not say, when it came.
    pub told_at: Time,
    /// The feed it came by.
    pub feed: String,
    /// The patient it is about, by id of the Patient resource.
    pub patient: Option<String>,
    /// `EventID`: system as a URI, empty if it names none.
    pub system: String,
    /// `EventID`: code.
    pub code: String,
    /// `EventID`: what it is called.
    pub name: String,
    /// `EventTypeCode`: the codes.
    pub kinds: Vec<String>,
    /// `EventActionCode`.
    pub action: String,
    /// `EventOutcomeIndicator`; empty: not said.
    pub outcome: String,
    /// Who asked for it: the id.
    pub user: String,
    /// Who asked for it: the name.
    pub user_name: String,
    /// Everybody who took part, by id, other id and name.
    pub agents: Vec<String>,
    /// Their network addresses.
    pub addresses: Vec<String>,
    /// `AuditSourceID`: who tells of it.
    pub source: String,
    /// `PurposeOfUse`: the first code.
    pub purpose: String,
    /// Ids of what it was done to; of a message about several patients this patient's alone.
    pub objects: Vec<String>,
    /// `ParticipantObjectTypeCode` of each kind among them.
    pub object_kinds: Vec<String>,
    /// `ParticipantObjectTypeCodeRole` of each kind among them.
    pub object_roles: Vec<String>,
    /// What was odd about the message, in words.
    pub complaints: Vec<String>,
}

/// Which are wanted. Everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeardFilter {
    /// Of one of these patients; empty: of anybody.
    pub patients: Vec<String>,
    /// Happened at or after.
    pub from: Option<Time>,
    /// Happened before.
    pub to: Option<Time>,
    /// This one alone.
    pub only: Option<TraceId>,
    /// With one of these `EventID` codes; empty: any.
    pub codes: Vec<String>,
    /// With one of these `EventTypeCode` codes; empty: any.
    pub kinds: Vec<String>,
    /// With one of these action codes; empty: any.
    pub actions: Vec<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// With this participant, by id or other id.
    pub agent: Option<String>,
    /// With a participant whose id or name contains this.
    pub agent_name: Option<String>,
    /// From a network address that begins so.
    pub address: Option<String>,
    /// Told by this source.
    pub source: Option<String>,
    /// Done to this.
    pub object: Option<String>,
    /// Done to something of each of these type codes.
    pub object_kinds: Vec<String>,
    /// Done to something of each of these roles.
    pub object_roles: Vec<String>,
}

/// An event that holds audit messages, and when it was sealed; `None`: it holds none.
pub(crate) fn told(at: Time, event: &Event) -> Option<(Time, Cow<'_, Event>)> {
    // What a standby took while the primary was gone: as if it had been sealed here then.
    if let Body::Joined(joined) = &event.body {
        let inner = event::decode(&event.raw).ok()?;
        return batch(&inner)
            .is_some()
            .then_some((joined.at, Cow::Owned(inner)));
    }
    batch(event).is_some().then_some((at, Cow::Borrowed(event)))
}

/// The resource that one of them is; `None`: there is none with this id in this event.
#[must_use]
pub fn heard_as_resource(id: TraceId, event: &Event, blind: &Blind) -> Option<Value> {
    if let Body::Joined(_) = &event.body {
        return heard_as_resource(id, &event::decode(&event.raw).ok()?, blind);
    }
    let batch = batch(event)?;
    let zone = zone(batch);
    let (line, place) = (id.part / PATIENTS_MAX, id.part % PATIENTS_MAX);
    let line = lines(&event.raw).nth(usize::try_from(line.checked_sub(1)?).ok()?)?;
    let message = wire::audit::heard(line.bytes, (line.at, &zone))
        .ok()?
        .message;
    let patients = patients(&message, &batch.authority, blind);
    let patient = patients.get(usize::try_from(place).ok()?);
    if place > 0 && patient.is_none() {
        return None;
    }
    let resource = id.to_string();
    let mut from = From {
        id: &resource,
        feed: &batch.feed,
        came: line.at,
        zone: &zone,
        patient: patient.map(|(object, id)| (*object, id.as_str())),
    };
    // Anything else in an AuditEvent about several patients may be about another one.
    if let (Some((place, id)), true, true) =
        (from.patient, is_fhir(line.bytes), message.is_of_several())
    {
        from.patient = Some((0, id));
        return Some(heard_event(&message.of_one(place), &from));
    }
    Some(heard_event(&message, &from))
}

/// The audit messages of an event as they came, without what is none, each with when it came. What came in
/// FHIR's form is none for a repository that takes DICOM's.
pub(crate) fn messages(event: &Event) -> impl Iterator<Item = (Time, &[u8])> {
    let zone = batch(event).map(zone);
    zone.into_iter().flat_map(|zone| {
        let read = lines(&event.raw)
            .filter(|line| !is_fhir(line.bytes))
            .filter(move |line| wire::audit::heard(line.bytes, (line.at, &zone)).is_ok());
        read.map(|line| (Time::from_millis(line.at), line.bytes))
    })
}

fn is_fhir(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{")
}

fn batch(event: &Event) -> Option<&Signals> {
    match &event.body {
        Body::Signals(batch) if batch.format == Format::Audit.word() => Some(batch),
        _ => None,
    }
}

fn zone(batch: &Signals) -> TimeZone {
    TimeZone::get(&batch.zone).unwrap_or(TimeZone::UTC)
}

/// The different patients of a message: where each stands among its objects, and the id.
fn patients(message: &AuditMessage, authority: &str, blind: &Blind) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    for (place, whose) in message.patients(authority) {
        let id = whose.id(|system, value| blind.id("Patient", system, value));
        if all.len() < PATIENTS_MAX as usize && all.iter().all(|(_, known)| *known != id) {
            all.push((place, id));
        }
    }
    all
}

/// The rows of an event, message by message: one may be about many patients.
pub(crate) fn rows(
    (index, at): (u64, Time),
    event: &Event,
    blind: &Blind,
) -> impl Iterator<Item = Vec<Heard>> {
    let batch = batch(event).map(|batch| (batch, zone(batch)));
    let numbered = lines(&event.raw).zip(1_u32..);
    batch.into_iter().flat_map(move |(batch, zone)| {
        let numbered = numbered.clone();
        let parts = numbered.map_while(|(line, number)| {
            let part = number.checked_mul(PATIENTS_MAX)?;
            fits(part).then_some((line, part))
        });
        parts.filter_map(move |(line, part)| {
            let message = wire::audit::heard(line.bytes, (line.at, &zone))
                .ok()?
                .message;
            let told_at = message.moment(&zone).unwrap_or(line.at);
            let id = TraceId { index, part };
            let times = (at, Time::from_millis(told_at));
            Some(of_message(&message, batch, (id, times, blind)))
        })
    })
}

fn fits(part: u32) -> bool {
    part.saturating_add(PATIENTS_MAX) as usize <= PARTS_MAX
}

/// A row for each patient of a message; one if it names none.
fn of_message(
    message: &AuditMessage,
    batch: &Signals,
    (id, (at, told_at), blind): (TraceId, (Time, Time), &Blind),
) -> Vec<Heard> {
    let patients = patients(message, &batch.authority, blind);
    let base = |own, room| Heard {
        id,
        at,
        told_at,
        ..row((message, batch), own, room)
    };
    if patients.len() < 2 {
        let patient = patients.into_iter().next();
        // Whom else it names is known to nobody here, and none of this patient's.
        let own = patient.as_ref().map(|(place, _)| *place);
        let base = base(own.filter(|_| message.is_of_several()), Room::of(1));
        let patient = patient.map(|(_, id)| id);
        return vec![Heard { patient, ..base }];
    }
    let room = Room::of(patients.len());
    let all = patients.into_iter().zip(id.part..);
    all.map(|((place, patient), part)| Heard {
        id: TraceId { part, ..id },
        patient: Some(patient),
        ..base(Some(place), room)
    })
    .collect()
}

/// How much a row keeps, so that the rows of one message stay small together.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Characters of a field.
    text: usize,
    /// Characters of a list.
    list: usize,
}

impl Room {
    fn of(patients: usize) -> Room {
        Room {
            text: match patients {
                0 | 1 => TEXT_CHARACTERS_MAX,
                _ => SHARED_CHARACTERS_MAX,
            },
            list: LIST_CHARACTERS_MAX.min(LISTS_CHARACTERS_MAX / patients.max(1)),
        }
    }

    /// On one line: in the tables, lines separate the members of a list.
    fn short(self, text: &str) -> String {
        let plain = |letter: char| match letter.is_control() {
            true => ' ',
            false => letter,
        };
        text.chars().take(self.text).map(plain).collect()
    }

    /// Each once, without what is empty, as many as there is room for.
    fn listed<'t>(self, all: impl Iterator<Item = &'t String>) -> Vec<String> {
        let mut kept: Vec<String> = Vec::new();
        let mut left = self.list;
        for text in all.map(|text| self.short(text)) {
            if text.is_empty() || kept.contains(&text) {
                continue;
            }
            let letters = text.chars().count();
            if kept.len() >= NAMED_MAX || letters > left {
                break;
            }
            left -= letters;
            kept.push(text);
        }
        kept
    }
}

/// What a message says. `own`: the place of the one object that is told, where several patients are named:
/// what the others are is not this patient's, and goes with them.
fn row((message, batch): (&AuditMessage, &Signals), own: Option<usize>, room: Room) -> Heard {
    let short = |text: &String| room.short(text);
    let user = message.requestor();
    let of_user = |text: fn(&wire::audit::Participant) -> &String| {
        user.map(|user| short(text(user))).unwrap_or_default()
    };
    let participants = || message.participants.iter().take(NAMED_MAX);
    let agents = participants().flat_map(|one| [&one.id, &one.other_id, &one.name]);
    let objects = || {
        let all = message.objects.iter().enumerate();
        all.filter(move |(place, _)| own.is_none_or(|own| own == *place))
            .map(|(_, object)| object)
    };
    let system = wire::audit::code_system(&message.id.system).unwrap_or_default();
    Heard {
        feed: batch.feed.clone(),
        system: short(&system),
        code: short(&message.id.code),
        name: short(&message.id.display),
        kinds: room.listed(message.kinds.iter().map(|kind| &kind.code)),
        action: short(&message.action),
        outcome: short(&message.outcome),
        user: of_user(|user| &user.id),
        user_name: of_user(|user| &user.name),
        agents: room.listed(agents),
        addresses: room.listed(participants().map(|one| &one.address)),
        source: message
            .sources
            .first()
            .map(|source| short(&source.id))
            .unwrap_or_default(),
        purpose: message
            .purposes
            .first()
            .map(|purpose| short(&purpose.code))
            .unwrap_or_default(),
        objects: room.listed(objects().map(|object| &object.id)),
        object_kinds: room.listed(objects().map(|object| &object.kind)),
        object_roles: room.listed(objects().map(|object| &object.role)),
        complaints: room.listed(message.complaints.iter()),
        ..Heard::default()
    }
}
