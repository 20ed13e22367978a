//! What other systems tell of accesses: the audit messages that they send here (IHE ATNA). It is their
//! word, not what Salus saw: it is kept apart from the traces and counts against nobody's ceiling.

use event::{Body, Event, Signals, Time};
use jiff::tz::TimeZone;
use record::Blind;
use serde_json::Value;
use wire::audit::{AuditMessage, From, heard_event};
use wire::signals::{Format, lines};

use crate::trace::{PARTS_MAX, TraceId};

/// Patients of one message that are told apart.
const PATIENTS_MAX: u32 = 256;
/// Characters kept of one field: enough for any honest one.
const TEXT_CHARACTERS_MAX: usize = 500;
/// Participants and objects of a message by which it is found.
const NAMED_MAX: usize = 100;

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
    /// Ids of what it was done to.
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

/// The audit messages of an event; none if it holds none.
pub(crate) fn heard(index: u64, at: Time, event: &Event, blind: &Blind) -> Vec<Heard> {
    // What a standby took while the primary was gone: as if it had been sealed here then.
    if let Body::Joined(joined) = &event.body {
        return match event::decode(&event.raw) {
            Ok(inner) => of_batch(index, joined.at, &inner, blind),
            Err(_) => Vec::new(),
        };
    }
    of_batch(index, at, event, blind)
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
    let from = From {
        id: &resource,
        feed: &batch.feed,
        came: line.at,
        zone: &zone,
        patient: patient.map(|(object, id)| (*object, id.as_str())),
    };
    Some(heard_event(&message, &from))
}

/// The audit messages of an event as they came, without what is none.
pub(crate) fn messages(event: &Event) -> Vec<Vec<u8>> {
    if let Body::Joined(_) = &event.body {
        let inner = event::decode(&event.raw);
        return inner.map_or_else(|_| Vec::new(), |inner| messages(&inner));
    }
    let Some(batch) = batch(event) else {
        return Vec::new();
    };
    let zone = zone(batch);
    let read =
        lines(&event.raw).filter(|line| wire::audit::heard(line.bytes, (line.at, &zone)).is_ok());
    read.map(|line| line.bytes.to_vec()).collect()
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
    for (place, system, value) in message.patients(authority) {
        let id = blind.id("Patient", &system, &value);
        if all.len() < PATIENTS_MAX as usize && all.iter().all(|(_, known)| *known != id) {
            all.push((place, id));
        }
    }
    all
}

fn of_batch(index: u64, at: Time, event: &Event, blind: &Blind) -> Vec<Heard> {
    let Some(batch) = batch(event) else {
        return Vec::new();
    };
    let zone = zone(batch);
    let mut all = Vec::new();
    for (line, number) in lines(&event.raw).zip(1_u32..) {
        let Some(part) = number.checked_mul(PATIENTS_MAX).filter(|part| fits(*part)) else {
            break;
        };
        let Ok(heard) = wire::audit::heard(line.bytes, (line.at, &zone)) else {
            continue;
        };
        let message = heard.message;
        let told_at = message.moment(&zone).unwrap_or(line.at);
        let base = Heard {
            id: TraceId { index, part },
            at,
            told_at: Time::from_millis(told_at),
            ..of_message(&message, batch)
        };
        let patients = patients(&message, &batch.authority, blind);
        if patients.is_empty() {
            all.push(base);
            continue;
        }
        all.extend(
            patients
                .into_iter()
                .zip(part..)
                .map(|((_, id), part)| Heard {
                    id: TraceId { index, part },
                    patient: Some(id),
                    ..base.clone()
                }),
        );
    }
    all
}

fn fits(part: u32) -> bool {
    part.saturating_add(PATIENTS_MAX) as usize <= PARTS_MAX
}

fn of_message(message: &AuditMessage, batch: &Signals) -> Heard {
    let user = message.requestor();
    let of_user = |text: fn(&wire::audit::Participant) -> &String| {
        user.map(|user| short(text(user))).unwrap_or_default()
    };
    let participants = || message.participants.iter().take(NAMED_MAX);
    let agents = participants().flat_map(|one| [&one.id, &one.other_id, &one.name]);
    let purpose = message.purposes.first();
    Heard {
        feed: batch.feed.clone(),
        system: wire::audit::code_system(&message.id.system).unwrap_or_default(),
        code: short(&message.id.code),
        name: short(&message.id.display),
        kinds: listed(message.kinds.iter().map(|kind| &kind.code)),
        action: short(&message.action),
        outcome: short(&message.outcome),
        user: of_user(|user| &user.id),
        user_name: of_user(|user| &user.name),
        agents: listed(agents),
        addresses: listed(participants().map(|one| &one.address)),
        source: message
            .sources
            .first()
            .map(|source| short(&source.id))
            .unwrap_or_default(),
        purpose: purpose
            .map(|purpose| short(&purpose.code))
            .unwrap_or_default(),
        objects: listed(
            message
                .objects
                .iter()
                .take(NAMED_MAX)
                .map(|object| &object.id),
        ),
        object_kinds: listed(message.objects.iter().map(|object| &object.kind)),
        object_roles: listed(message.objects.iter().map(|object| &object.role)),
        complaints: listed(message.complaints.iter()),
        ..Heard::default()
    }
}

/// Each once, without what is empty.
fn listed<'t>(all: impl Iterator<Item = &'t String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for text in all.map(|text| short(text)) {
        if !text.is_empty() && !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept
}

/// On one line: in the tables, lines separate the members of a list.
fn short(text: &str) -> String {
    let plain = |letter: char| match letter.is_control() {
        true => ' ',
        false => letter,
    };
    text.chars().take(TEXT_CHARACTERS_MAX).map(plain).collect()
}
