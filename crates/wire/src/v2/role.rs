//! Who takes part: ROL, and PRT, which takes its place from version 2.7 on.
//!
//! Behind PID it is about the patient (the general practitioner, else the care team), behind PV1 about
//! the visit, behind ORC and OBR about the order and its report, behind OBX about that observation.
//! Whoever is named is a Practitioner or an organization, as in the fields that these segments replace.

use serde_json::{Value, json};

use super::Draft;
use super::code::{Codings, look_coding};
use super::data;
use super::json::{Object, coding, concept_of, extension};
use super::patient::table;
use super::work::{Work, spot};
use crate::hl7::{Message, Segment};

const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const SNOMED: &str = "http://snomed.info/sct";
const EVENT_LOCATION: &str = "http://hl7.org/fhir/StructureDefinition/event-location";

/// Table 0443 as the guide has it; other roles keep the code they have.
const ROLES: Codings = &[
    ("AD", "ADM", "admitter", PARTICIPATION),
    ("AT", "ATND", "attender", PARTICIPATION),
    ("CP", "CON", "consultant", PARTICIPATION),
    ("PI", "40570005", "Interpreter", SNOMED),
    ("PP", "446050000", "Primary care physician", SNOMED),
    ("RP", "REF", "referrer", PARTICIPATION),
];

/// The roles behind PID that make somebody one of the patient's care team.
const CARING: [&str; 13] = [
    "AD", "AP", "ARI", "AT", "CP", "FHCP", "OP", "PH", "PO", "PRI", "RP", "RT", "VP",
];

/// Segments behind which roles are about neither the patient nor the visit.
const OTHERS: [&str; 16] = [
    "AIG", "AIL", "AIP", "AIS", "FT1", "GT1", "IN1", "OBR", "OBX", "ORC", "PR1", "PRB", "RXA",
    "SCH", "SPM", "TXA",
];

/// Where a segment says what.
struct Columns {
    role: usize,
    person: usize,
    organization: usize,
    location: usize,
    period: (usize, usize),
}

const ROL: Columns = Columns {
    role: 3,
    person: 4,
    organization: 14,
    location: 13,
    period: (5, 6),
};

const PRT: Columns = Columns {
    role: 4,
    person: 5,
    organization: 8,
    location: 9,
    period: (11, 12),
};

/// One ROL or PRT.
#[derive(Clone, Copy)]
pub(super) struct Role<'m> {
    segment: Segment<'m>,
    at: &'static Columns,
}

/// The roles of a message that are about the patient and about the visit.
pub(super) struct Roles<'m> {
    pub(super) patient: Vec<Role<'m>>,
    pub(super) visit: Vec<Role<'m>>,
}

/// Sorts the roles of a message by what they stand behind.
pub(super) fn roles<'m>(message: &'m Message<'m>) -> Roles<'m> {
    let mut roles = Roles {
        patient: Vec::new(),
        visit: Vec::new(),
    };
    let mut behind = "";
    for segment in message.all() {
        match segment.name() {
            name @ ("PID" | "PV1") => behind = name,
            name if OTHERS.contains(&name) => behind = "",
            _ => {}
        }
        let Some(role) = Role::of(segment) else {
            continue;
        };
        match behind {
            "PID" => roles.patient.push(role),
            "PV1" => roles.visit.push(role),
            _ => {}
        }
    }
    roles
}

impl<'m> Role<'m> {
    /// A segment that is one.
    pub(super) fn of(segment: Segment<'m>) -> Option<Role<'m>> {
        let at = match segment.name() {
            "ROL" => &ROL,
            "PRT" => &PRT,
            _ => return None,
        };
        Some(Role { segment, at })
    }

    /// Those among some segments.
    pub(super) fn among(segments: &[Segment<'m>]) -> Vec<Role<'m>> {
        segments.iter().copied().filter_map(Role::of).collect()
    }

    /// The code of the role, table 0443.
    fn code(self, work: &mut Work<'_>) -> String {
        let code = work.text(self.segment.field(self.at.role).comp(1));
        code.unwrap_or_default().to_ascii_uppercase()
    }

    /// Whether it is taken back: `D` (table 0206), or `DE` or `UN` (table 0287).
    fn is_over(self, work: &mut Work<'_>) -> bool {
        let action = work.text(self.segment.field(2));
        matches!(action.as_deref(), Some("D" | "DE" | "UN"))
    }

    /// The people it names, else the organizations, as references.
    fn who(self, work: &mut Work<'_>) -> Vec<Value> {
        let people = work.reps(spot(self.segment, self.at.person));
        let people: Vec<Value> = people.filter_map(|part| work.practitioner(part)).collect();
        match people.is_empty() {
            true => self.organizations(work),
            false => people,
        }
    }

    fn organizations(self, work: &mut Work<'_>) -> Vec<Value> {
        let parts = work.reps(spot(self.segment, self.at.organization));
        parts.filter_map(|part| work.organization(part)).collect()
    }

    /// The role as a concept.
    fn concept(self, work: &mut Work<'_>) -> Option<Value> {
        let said = self.code(work);
        match look_coding(ROLES, &said) {
            Some((code, display, system)) => Some(concept_of(coding(system, code, Some(display)))),
            None => work.concept(self.segment.field(self.at.role), &table("0443")),
        }
    }
}

/// Everybody that these roles name in one of these roles.
pub(super) fn named(roles: &[Role<'_>], codes: &[&str], work: &mut Work<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    for role in roles {
        if codes.contains(&role.code(work).as_str()) && !role.is_over(work) {
            found.extend(role.who(work));
        }
    }
    found
}

/// `Patient.generalPractitioner`, beside those of PD1.
pub(super) fn general_practitioners(roles: &[Role<'_>], patient: &mut Draft, work: &mut Work<'_>) {
    let named = named(roles, &["PP"], work);
    add(patient, "generalPractitioner", named);
}

/// The patient's care team: who is named behind PID, and the case manager of an insurance (IN3-21).
pub(super) fn care_team(message: &Message<'_>, roles: &[Role<'_>], work: &mut Work<'_>) {
    let mut participants = Vec::new();
    for role in roles {
        if !CARING.contains(&role.code(work).as_str()) || role.is_over(work) {
            continue;
        }
        let (kind, period) = (role.concept(work), work.span(role.segment, role.at.period));
        let houses = role.organizations(work);
        for member in role.who(work) {
            // Only a person takes part for a house (ctm-1).
            let is_person = member.get("reference").is_some();
            let house = houses.first().filter(|_| is_person).cloned();
            let entry = Object::with_room(4)
                .list("role", kind.clone().into_iter().collect())
                .set("member", member)
                .put("onBehalfOf", house)
                .put("period", period.clone());
            participants.push(entry.done());
        }
    }
    for in3 in message.segments("IN3") {
        if let Some(name) = work.free(in3.field(21)) {
            let mut role = concept_of(coding(SNOMED, "768832004", None));
            if let Value::Object(map) = &mut role {
                map.insert("text".into(), "case manager".into());
            }
            participants.push(json!({"role": [role], "member": {"display": name}}));
        }
    }
    if participants.is_empty() {
        return;
    }
    let id = work.part_id("CareTeam", &[&work.patient, "roles"]);
    let mut draft = work.of_patient("CareTeam", id, work.house);
    draft.put("status", Value::from("active"));
    draft.put("subject", work.patient_reference());
    draft.list("participant", participants);
    work.add(draft);
}

/// `Encounter.participant`, beside those of PV1. Who is taken back goes, with everybody in that role
/// whom the message does not name again.
pub(super) fn participants(roles: &[Role<'_>], encounter: &mut Draft, work: &mut Work<'_>) {
    let mut found = Vec::new();
    for role in roles {
        let Some(kind) = role.concept(work) else {
            continue;
        };
        if role.is_over(work) {
            let code = kind.pointer("/coding/0/code").and_then(Value::as_str);
            let path = code.map(|code| format!("participant:{code}").into());
            encounter.clears.extend(path);
            continue;
        }
        let period = work.span(role.segment, role.at.period);
        for individual in role.who(work) {
            // A house is no individual.
            if individual.get("type").is_none() {
                let entry = Object::with_room(3)
                    .set("type", vec![kind.clone()])
                    .put("period", period.clone())
                    .set("individual", individual);
                found.push(entry.done());
            }
        }
    }
    add(encounter, "participant", found);
}

/// What is said behind an OBX: who observed, where, and with which device.
pub(super) fn observed(roles: &[Role<'_>], observation: &mut Draft, work: &mut Work<'_>) {
    for role in roles {
        if role.is_over(work) {
            continue;
        }
        let performers = role.who(work);
        add(observation, "performer", performers);
        let place = work.location(role.segment.field(role.at.location).rep(0), None);
        let place = place.and_then(|entry| entry.get("location").cloned());
        if let Some(place) = place {
            let place = extension(EVENT_LOCATION, "valueReference", place);
            add(observation, "extension", vec![place]);
        }
        let device = data::entity(role.segment.field(10), work.sender.authority);
        if let Some(named) = device.filter(|_| role.segment.name() == "PRT") {
            let device = json!({"identifier": data::identifier(&named, None)});
            observation.json.entry("device").or_insert(device);
        }
    }
}

/// Adds to a list what it does not hold yet.
pub(super) fn add(draft: &mut Draft, element: &str, more: Vec<Value>) {
    let Some(Value::Array(list)) = draft.json.get_mut(element) else {
        return draft.list(element, more);
    };
    for one in more {
        if !list.contains(&one) {
            list.push(one);
        }
    }
}
