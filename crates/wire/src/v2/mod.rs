//! HL7 v2 read as FHIR R4, after the HL7 v2-to-FHIR guide (STU1).
//!
//! [`read`] turns one message into drafts of resources; [`merged`] lays a draft upon what is known.
//! Both are pure: the same message gives the same drafts with the same ids, so that one that is
//! sent again changes nothing and a corrected one meets the resource it corrects.
//!
//! - An id comes from the assigning authority and the number, through [`Sender::id`]. What has no
//!   number of its own is told apart by what it is a part of: an observation by order, code and
//!   sub-id, an allergy by patient and code, a condition by patient, encounter and code.
//! - An empty field leaves an element as it is; `""` clears it.
//! - A time without an offset is in the sender's zone; its original stays beside it in the
//!   extension `urn:salus:hl7-time`.
//! - A code keeps its original. Where FHIR allows only its own codes, a table translates, and what
//!   is not in the table is complained about.
//! - Where the guide is silent or says two things, the choice is beside the code that makes it.

mod account;
mod appointment;
mod attachment;
mod charge;
mod clinical;
mod code;
mod data;
mod document;
mod dose;
mod draft;
mod given;
mod group;
mod identity;
mod json;
mod kind;
mod labels;
mod late;
mod master;
mod medicine;
mod number;
mod observation;
mod order;
mod patient;
mod people;
mod place;
mod problem;
mod procedure;
pub mod query;
mod result;
mod role;
mod service;
mod settle;
mod specimen;
mod stated;
mod system;
mod task;
mod time;
mod timing;
mod two;
mod vaccine;
mod value;
mod visit;
mod work;

pub use data::{authority_system, cx_identifier};
pub use draft::{Draft, Mode, alone, merged, unmerged};
pub use late::{Told, merged_late};
pub use order::{moved, repoint};
pub use place::{Place, place};
pub use stated::{Shown, Stated, is_told_by_several};
pub(crate) use system::{uri as coding_system, uri_part};

use self::data::Named;
use self::kind::Family;
use self::result::Met;
use self::visit::Visit;
use self::work::{Work, spot};
use crate::hl7::{self, Message, Segment};

/// Who sent a message, as the configuration of its feed knows them.
pub struct Sender<'a> {
    /// IANA name of the zone of times without an offset.
    pub zone: &'a str,
    /// The character set when MSH-18 is empty, as table 0211 names it.
    pub charset: &'a str,
    /// The assigning authority of identifiers that name none: a name, an OID or a URI.
    pub authority: &'a str,
    /// The logical id of a resource, from its kind, the system of its identifier and the value.
    pub id: &'a dyn Fn(&str, &str, &str) -> String,
}

/// A message as FHIR has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// MSH-9 as `TYPE^TRIGGER`.
    pub kind: String,
    /// Id of the Patient it is about; of the survivor, if two were merged.
    pub patient: Option<String>,
    /// What it says, in the order in which it should be applied.
    pub drafts: Vec<Draft>,
    /// Two patients turned out to be one (A40).
    pub merge: Option<Merge>,
    /// The further pairs of an A40 that merges more than one; nearly always none.
    pub further: Vec<Merge>,
    /// What was odd, the parser's complaints first.
    pub complaints: Vec<String>,
}

/// Two patients that are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Id of the Patient that stays.
    pub survivor: String,
    /// Id of the Patient that is only another name of it from now on.
    pub retired: String,
}

/// Whether messages of that kind are understood: mapped to the chart, or answered from it. The
/// others are kept, and not mapped.
pub fn maps(kind: &str) -> bool {
    kind::family(kind).is_some() || kind::asks(kind)
}

/// The identifier that makes the id of the Patient, as (system, value): of PID-3 the medical
/// record number, or the repetition that comes nearest to one; without PID-3, PID-2 or PID-4.
///
/// The system is `urn:oid:` for an ISO authority, else `urn:salus:authority:NAME`.
pub fn patient_identifier(message: &Message<'_>, authority: &str) -> Option<(String, String)> {
    let named = identity::identifier_of(message.segment("PID")?, authority)?;
    Some((named.system, named.value))
}

/// Why nothing of a message reaches a chart although messages of its kind are mapped: it names
/// nobody, or more than one patient, or lacks the segment it is about. `None`: it does, or its kind is not mapped.
pub fn unmappable(message: &Message<'_>, authority: &str) -> Option<String> {
    let kind = message.kind();
    if message.fault().is_some() || !maps(&kind) {
        return None;
    }
    let sender = Sender {
        zone: "UTC",
        charset: "",
        authority,
        id: &|_, system, value| format!("{system}|{value}"),
    };
    let family = kind::family(&kind)?;
    if let Some(name) = family
        .needs()
        .filter(|name| message.segment(name).is_none())
    {
        return Some(format!(
            "there is no {name}, so there is nothing it is about"
        ));
    }
    let mut work = Work::new(&sender, Mode::Fill);
    let reaches = match family {
        Family::Merge if !identity::merges(message, &mut work).is_empty() => true,
        Family::Two => two::about_two(message, trigger(&kind), &mut work).is_some(),
        Family::Place | Family::Master => true,
        _ => whose(message, &mut work).is_some(),
    };
    if reaches {
        return None;
    }
    work.finish().1.pop()
}

/// Parses and reads a message. It never fails: what cannot be read is complained about.
pub fn read(raw: &[u8], sender: &Sender<'_>) -> Reading {
    let parsed = hl7::parse(raw, sender.charset);
    let mut reading = read_parsed(&parsed.message, sender);
    if !parsed.complaints.is_empty() {
        let mut complaints: Vec<String> =
            parsed.complaints.iter().map(ToString::to_string).collect();
        complaints.append(&mut reading.complaints);
        reading.complaints = complaints;
    }
    reading
}

/// Reads a message that is parsed already; the parser's complaints are not repeated.
pub fn read_parsed(message: &Message<'_>, sender: &Sender<'_>) -> Reading {
    let kind = message.kind();
    let mut reading = Reading {
        patient: None,
        drafts: Vec::new(),
        merge: None,
        further: Vec::new(),
        complaints: Vec::new(),
        kind,
    };
    if message.fault().is_some() || !maps(&reading.kind) {
        return reading;
    }
    let Some(family) = kind::family(&reading.kind) else {
        return reading;
    };
    // Who sends results names a patient and a visit, but others tell who and where they are.
    let house = if family.tells_who() {
        Mode::Merge
    } else {
        Mode::Fill
    };
    let mut work = Work::new(sender, house);
    work.told = work.told_at(&[message.get("EVN", 2), message.get("MSH", 7)]);
    if family == Family::Merge {
        let mut merges = identity::merges(message, &mut work).into_iter();
        reading.merge = merges.next();
        reading.further = merges.collect();
        reading.patient = reading.merge.as_ref().map(|merge| merge.survivor.clone());
    }
    if reading.merge.is_none() {
        reading.patient = read_family(message, (family, &reading.kind), &mut work);
    } else if let Some(mrg) = message.segment("MRG") {
        account::renumbered(message, mrg, &mut work);
    }
    (reading.drafts, reading.complaints) = work.finish();
    reading
}

/// MSH-9.2 of a kind.
fn trigger(kind: &str) -> &str {
    kind.split_once('^').map_or("", |(_, trigger)| trigger)
}

/// Everything but merges; the id of the patient it is about, if it is about one.
fn read_family(
    message: &Message<'_>,
    (family, kind): (Family, &str),
    work: &mut Work<'_>,
) -> Option<String> {
    match family {
        Family::Two => return two::about_two(message, trigger(kind), work),
        Family::Place => two::place(message, work),
        Family::Master => master::entries(message, work),
        _ => return about_one(message, (family, kind), work),
    }
    None
}

/// A message about one patient: who and where they are, then what the message is for.
fn about_one(
    message: &Message<'_>,
    (family, kind): (Family, &str),
    work: &mut Work<'_>,
) -> Option<String> {
    let (pid, named) = whose(message, work)?;
    work.patient = work.id("Patient", &named.system, &named.value);
    let roles = role::roles(message);
    let mut patient = patient::patient(pid, message.segment("PD1"), work);
    role::general_practitioners(&roles.patient, &mut patient, work);
    patient::z_segments(message, &mut patient, work);
    if kind == "ADT^A29" {
        // The person was deleted where they were registered; what was written for them stays.
        patient.put("active", serde_json::Value::from(false));
    }
    work.add(patient);
    role::care_team(message, &roles.patient, work);
    let visit = message.segment("PV1").map(|pv1| Visit {
        kind,
        trigger: trigger(kind),
        evn: message.segment("EVN"),
        pid: Some(pid),
        pv1,
        pv2: message.segment("PV2"),
    });
    let visit = visit.and_then(|visit| {
        let id = visit::encounter_id(&visit, work)?;
        work.encounter = Some(id.clone());
        let mut encounter = visit::encounter(&visit, id, work);
        role::participants(&roles.visit, &mut encounter, work);
        Some(encounter)
    });
    let diagnoses = segments(message, family, work);
    if let Some(mut encounter) = visit {
        encounter.list("diagnosis", diagnoses);
        work.add(encounter);
    }
    subject_matter(message, (family, trigger(kind)), work);
    Some(work.patient.clone())
}

/// What a message is for, beside who and where the patient is.
fn subject_matter(message: &Message<'_>, (family, trigger): (Family, &str), work: &mut Work<'_>) {
    match family {
        Family::Orders => service::orders(message, work),
        Family::Medicines => medicine::orders(message, work),
        Family::Doses => given::doses(message, work),
        Family::Documents => document::document(message, trigger, work),
        Family::Appointments => appointment::appointment(message, trigger, work),
        Family::Vaccines => vaccine::vaccines(message, work),
        Family::Charges => charge::charges(message, trigger, work),
        Family::Problems => problem::problems(message, work),
        Family::Results
        | Family::Visit
        | Family::Merge
        | Family::Two
        | Family::Place
        | Family::Master => {
            let mut met = Met::new();
            for order in &result::orders(message) {
                result::order(order, &mut met, work);
            }
            if trigger.starts_with('P') {
                account::account(message, trigger, work);
            }
            if let Some(mrg) = message.segment("MRG") {
                account::renumbered(message, mrg, work);
            }
        }
    }
}

/// PID and who it names, if the message is about one patient; else a complaint says why not.
fn whose<'m>(message: &'m Message<'_>, work: &mut Work<'_>) -> Option<(Segment<'m>, Named)> {
    let Some(pid) = message.segment("PID") else {
        work.complain("there is no PID, so nothing can be put in a chart".into());
        return None;
    };
    let Some(named) = identity::identifier_of(pid, work.sender.authority) else {
        work.complain_at(
            spot(pid, 3),
            "names nobody, so nothing can be put in a chart",
        );
        return None;
    };
    (!is_of_two(message, (&named.system, &named.value), work)).then_some((pid, named))
}

/// A message that names two patients is two messages run into one: mapping it would put the
/// results of one into the chart of the other.
fn is_of_two(message: &Message<'_>, first: (&str, &str), work: &mut Work<'_>) -> bool {
    let authority = work.sender.authority;
    let other = message.segments("PID").find(|pid| {
        identity::identifier_of(*pid, authority)
            .is_none_or(|named| (named.system.as_str(), named.value.as_str()) != first)
    });
    let second_header = message.segments("MSH").nth(1);
    let Some(segment) = other.or(second_header) else {
        return false;
    };
    work.complain_at(
        spot(segment, 0),
        "begins a second patient or message; nothing was mapped",
    );
    true
}

/// Next of kin, allergies, diagnoses, procedures and insurance; the entries of
/// `Encounter.diagnosis`.
fn segments(message: &Message<'_>, family: Family, work: &mut Work<'_>) -> Vec<serde_json::Value> {
    let mut diagnoses = Vec::new();
    let (mut relatives, mut insurances) = (0, 0);
    for segment in message.all() {
        match segment.name() {
            "NK1" => people::related(segment, next(&mut relatives), work),
            "AL1" => clinical::al1(segment, work),
            "IAM" => clinical::iam(segment, work),
            "DG1" if family.has_own_diagnoses() => {}
            "DG1" => diagnoses.extend(clinical::dg1(segment, work)),
            "IN1" => drop(people::coverage(segment, next(&mut insurances), work)),
            "PR1" => procedure::pr1(segment, work),
            _ => {}
        }
    }
    diagnoses
}

fn next(count: &mut usize) -> usize {
    *count += 1;
    *count
}
