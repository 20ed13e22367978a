//! Encounter, from PV1 and PV2.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::data;
use super::json::{Object, coding, concept_of, extension};
use super::patient::{clear, table};
use super::work::{Spot, Work, spot};
use super::{Draft, code, kind, labels};
use crate::hl7::{Part, Segment};

const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const UCUM: &str = "http://unitsofmeasure.org";
const CLASSIFICATION: &str =
    "http://hl7.org/fhir/StructureDefinition/subject-locationClassification";
const LOCATION_KIND: &str = "http://hl7.org/fhir/ValueSet/subject-location";
const ARRIVAL: &str = "http://hl7.org/fhir/StructureDefinition/encounter-modeOfArrival";
const PLANNED_START: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter.plannedStartDate";
const PLANNED_END: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter.plannedEndDate";

/// Field of PV1, participation type, its display, and the path that `""` clears.
const PARTICIPANTS: [(usize, &str, &str, &str); 5] = [
    (7, "ATND", "attender", "participant:ATND"),
    (8, "REF", "referrer", "participant:REF"),
    (9, "CON", "consultant", "participant:CON"),
    (17, "ADM", "admitter", "participant:ADM"),
    (52, "PART", "Participation", "participant:PART"),
];

/// Coded fields of PV1 within `hospitalization`: field, member, clear path, table.
const STAY: [(usize, &str, &str, &str); 4] = [
    (13, "reAdmission", "hospitalization.reAdmission", "0092"),
    (14, "admitSource", "hospitalization.admitSource", "0023"),
    (
        36,
        "dischargeDisposition",
        "hospitalization.dischargeDisposition",
        "0112",
    ),
    (37, "destination", "hospitalization.destination", ""),
];

/// What a message is about, as far as a visit is concerned.
#[derive(Clone, Copy)]
pub(super) struct Visit<'m> {
    /// MSH-9, for instance `ADT^A01`.
    pub(super) kind: &'m str,
    /// MSH-9.2, for instance `A01`.
    pub(super) trigger: &'m str,
    pub(super) evn: Option<Segment<'m>>,
    pub(super) pid: Option<Segment<'m>>,
    pub(super) pv1: Segment<'m>,
    pub(super) pv2: Option<Segment<'m>>,
}

impl Visit<'_> {
    /// A person's data, or a result: a visit is named in passing, if at all.
    fn is_in_passing(&self) -> bool {
        kind::names_visit_in_passing(self.kind)
    }

    fn class(&self, work: &mut Work<'_>) -> String {
        let said = work.text(self.pv1.field(2));
        said.map(Cow::into_owned).unwrap_or_default()
    }

    /// PV1-44 or PV1-45; EVN-6, when it happened, for the trigger that says that it did.
    fn time_field(&self, number: usize, trigger: &str) -> Option<Spot<'_>> {
        let at = spot(self.pv1, number);
        if !at.part().is_absent() {
            return Some(at);
        }
        let event = self.evn.filter(|_| self.trigger == trigger)?;
        Some(spot(event, 6))
    }
}

/// The id of the encounter, from the number that names the visit; without one, from the patient
/// and the time of admission. `None`: the message is not about a visit.
pub(super) fn encounter_id(visit: &Visit<'_>, work: &mut Work<'_>) -> Option<String> {
    let authority = work.sender.authority;
    for number in [19, 50] {
        if let Some(named) = data::named(visit.pv1.field(number), (1, 4), authority) {
            return Some(work.id("Encounter", &named.system, &named.value));
        }
    }
    if visit.is_in_passing() {
        return None;
    }
    let account = visit
        .pid
        .and_then(|pid| data::named(pid.field(18), (1, 4), authority));
    if let Some(named) = account {
        let path = [
            work.patient.as_str(),
            "account",
            &named.system,
            &named.value,
        ];
        return Some(work.part_id("Encounter", &path));
    }
    let admitted = work.text(visit.pv1.field(44)).unwrap_or_default();
    work.complain_at(
        spot(visit.pv1, 19),
        "names no visit; told apart by patient and admission time",
    );
    Some(work.part_id("Encounter", &[&work.patient, "admitted", &admitted]))
}

/// The Encounter, and the Locations and Practitioners it names.
pub(super) fn encounter(visit: &Visit<'_>, id: String, work: &mut Work<'_>) -> Draft {
    let mut draft = work.of_patient("Encounter", id, work.house);
    list_identifiers(visit, &mut draft, work);
    let class = visit.class(work);
    status(visit, &class, &mut draft, work);
    set_class(visit, &mut draft, work);
    draft.list(
        "type",
        work.concept(visit.pv1.field(4), &table("0007"))
            .into_iter()
            .collect(),
    );
    clear(&mut draft, spot(visit.pv1, 4), "type");
    draft.put(
        "serviceType",
        work.concept(visit.pv1.field(10), &table("0069")),
    );
    clear(&mut draft, spot(visit.pv1, 10), "serviceType");
    draft.put("subject", work.patient_reference());
    participants(visit.pv1, &mut draft, work);
    period(visit, &mut draft, work);
    stay(visit.pv1, &mut draft, work);
    locations(visit, &class, &mut draft, work);
    if let Some(pv2) = visit.pv2 {
        further(pv2, &mut draft, work);
    }
    draft
}

fn list_identifiers(visit: &Visit<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let mut found = Vec::new();
    let authority = work.sender.authority;
    for (number, kind) in [(19, Some("VN")), (50, None)] {
        let named = data::named(visit.pv1.field(number), (1, 4), authority);
        found.extend(named.map(|named| data::identifier(&named, kind)));
    }
    let account = visit
        .pid
        .and_then(|pid| data::named(pid.field(18), (1, 4), authority));
    found.extend(account.map(|named| data::identifier(&named, Some("AN"))));
    draft.list("identifier", found);
}

/// The status by the trigger, as the guide has it, and by the times, which weigh more: who is
/// registered (A04) with an admission time or as an emergency is there, and who has a discharge
/// time has left. Where neither tells, the status stays what it was.
fn status(visit: &Visit<'_>, class: &str, draft: &mut Draft, work: &mut Work<'_>) {
    let has_left = work.text(visit.pv1.field(45)).is_some();
    let has_come = work.text(visit.pv1.field(44)).is_some() || class.eq_ignore_ascii_case("E");
    let said = match visit.trigger {
        _ if !visit.kind.starts_with("ADT") => has_left.then_some("finished"),
        "A11" | "A27" | "A38" => Some("cancelled"),
        "A23" => Some("entered-in-error"),
        "A13" | "A22" | "A52" => Some("in-progress"),
        "A21" | "A53" => Some("onleave"),
        "A05" | "A14" => Some("planned"),
        "A03" => Some("finished"),
        _ if has_left => Some("finished"),
        "A01" | "A02" | "A06" | "A07" | "A10" | "A12" => Some("in-progress"),
        "A04" if has_come => Some("in-progress"),
        "A04" => Some("planned"),
        _ => None,
    };
    draft.put("status", said.map(Value::from));
    let usual = code::look(code::CLASS_STATUS, class).unwrap_or("unknown");
    draft.otherwise.insert("status".into(), usual.into());
}

fn set_class(visit: &Visit<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let part = visit.pv1.field(2);
    let said = work.text(part.comp(1)).unwrap_or_default();
    let class = match code::look_coding(code::CLASS, &said) {
        Some((code, display, system)) => Some(coding(system, code, Some(display))),
        None => work.coding(part, &table("0004")),
    };
    draft.put("class", class);
    let unknown = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";
    draft
        .otherwise
        .insert("class".into(), coding(unknown, "UNK", Some("unknown")));
}

fn participants(pv1: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let mut found = Vec::new();
    for (number, code, display, path) in PARTICIPANTS {
        for part in work.reps(spot(pv1, number)) {
            if let Some(individual) = work.practitioner(part) {
                let kind = concept_of(coding(PARTICIPATION, code, Some(display)));
                let entry = Object::with_room(2).set("type", vec![kind]);
                found.push(entry.set("individual", individual).done());
            }
        }
        clear(draft, spot(pv1, number), path);
    }
    draft.list("participant", found);
}

fn period(visit: &Visit<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let at = |number: usize, trigger: &str| {
        visit
            .time_field(number, trigger)
            .unwrap_or(spot(visit.pv1, number))
    };
    let (start, end) = (at(44, "A01"), at(45, "A03"));
    let mut ends = end.part();
    if visit.trigger == "A13" {
        // A discharge that is taken back takes with it what it had said.
        draft.clear("period.end");
        draft.clear("hospitalization.dischargeDisposition");
        draft.clear("hospitalization.destination");
        ends = visit.pv1.field(0);
    }
    draft.put("period", work.period((start, start.part()), (end, ends)));
    for (number, path) in [(44, "period.start"), (45, "period.end")] {
        if spot(visit.pv1, number).is_null() {
            draft.clear(path);
        }
    }
}

fn stay(pv1: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let before = spot(pv1, 5);
    let mut stay = Object::with_room(4).put(
        "preAdmissionIdentifier",
        work.identifier(before, before.part()),
    );
    for (number, member, path, codes) in STAY {
        let part = pv1.field(number);
        let value = match member {
            "destination" => work.free(part.comp(1)).map(|name| json!({"display": name})),
            _ => work.concept(part, &table(codes)),
        };
        stay = stay.put(member, value);
        if part.is_null() {
            draft.clear(path);
        }
    }
    for (number, member, codes) in [
        (38, "dietPreference", "0114"),
        (16, "specialCourtesy", "0099"),
        (15, "specialArrangement", "0009"),
    ] {
        let at = spot(pv1, number);
        let list = work
            .reps(at)
            .filter_map(|part| work.concept(part, &table(codes)))
            .collect();
        stay = stay.list(member, list);
    }
    draft.put("hospitalization", stay.some());
}

/// Where the patient is (PV1-3), was (PV1-6), is for now (PV1-11) and will be (PV1-42).
fn locations(visit: &Visit<'_>, class: &str, draft: &mut Draft, work: &mut Work<'_>) {
    let status = match visit.trigger {
        "A11" | "A23" | "A27" | "A38" => Some("completed"),
        _ if draft.json.get("status") == Some(&json!("planned")) => Some("planned"),
        _ if draft.json.get("status") == Some(&json!("finished")) => Some("completed"),
        _ if class.eq_ignore_ascii_case("P") => Some("planned"),
        _ => Some("active"),
    };
    let mut found = Vec::new();
    let now = spot(visit.pv1, 3);
    found.extend(work.location(now.part(), status));
    if !found.is_empty() || now.is_null() {
        draft.clear("location:active");
        draft.clear("location:planned");
        if matches!(visit.trigger, "A12" | "A13") {
            // A transfer or a discharge that is taken back never led away from there.
            draft.clear("location:completed");
        }
    }
    if visit.trigger != "A12" {
        found.extend(work.location(visit.pv1.field(6), Some("completed")));
    }
    if let Some(mut temporary) = work.location(visit.pv1.field(11), Some("active")) {
        let kind = concept_of(coding(LOCATION_KIND, "temporary", None));
        if let Value::Object(map) = &mut temporary {
            let kept = extension(CLASSIFICATION, "valueCodeableConcept", kind);
            let mut all = vec![kept];
            if let Some(Value::Array(names)) = map.remove("extension") {
                all.extend(names);
            }
            map.insert("extension".into(), Value::Array(all));
        }
        found.push(temporary);
    }
    if spot(visit.pv1, 11).is_null() {
        draft.clear("location:temporary");
    }
    if visit.trigger == "A26" {
        // The transfer that was expected does not come.
        draft.clear("location:reserved");
    } else {
        found.extend(work.location(visit.pv1.field(42), Some("reserved")));
    }
    draft.list("location", found);
}

fn further(pv2: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let reason = work.concept(pv2.field(3), "");
    draft.list("reasonCode", reason.into_iter().collect());
    clear(draft, spot(pv2, 3), "reasonCode");
    draft.put("priority", work.concept(pv2.field(25), &table("0217")));
    match work.text(pv2.field(22)).as_deref() {
        // A visit that is to be protected.
        Some("Y") => draft.put(
            "meta",
            labels::confidentiality("R").map(|label| json!({"security": [label]})),
        ),
        Some("N") => draft.clear("meta"),
        _ => {}
    }
    let days = work
        .text(pv2.field(11))
        .and_then(|text| text.parse::<u32>().ok());
    draft.put(
        "length",
        days.map(|days| json!({"value": days, "unit": "d", "system": UCUM, "code": "d"})),
    );
    let mut extensions = Vec::new();
    for (number, url) in [(8, PLANNED_START), (9, PLANNED_END)] {
        if let Some(stamp) = work.time(spot(pv2, number)) {
            let mut map = Map::new();
            map.insert("url".into(), url.into());
            stamp.put(&mut map, "valueDateTime");
            extensions.push(Value::Object(map));
        }
    }
    if let Some(arrival) = arrival(pv2.field(38), work) {
        extensions.push(extension(ARRIVAL, "valueCoding", arrival));
    }
    draft.list("extension", extensions);
}

fn arrival(part: Part<'_>, work: &mut Work<'_>) -> Option<Value> {
    work.coding(part, &table("0430"))
}
