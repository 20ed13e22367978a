//! People and organizations: Practitioner (XCN), organizations by name (XON), RelatedPerson (NK1),
//! Coverage (IN1).

use serde_json::{Value, json};

use super::code;
use super::data::{self, Named};
use super::json::{Object, absent, coding, concept_of, reference};
use super::patient::{born, gender, language, table, telecoms, translated};
use super::work::{Work, spot};
use super::{Draft, Mode};
use crate::hl7::{Part, Segment};

const GUARANTOR: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
const COVERAGE_CLASS: &str = "http://terminology.hl7.org/CodeSystem/coverage-class";

impl Work<'_> {
    /// XCN as a reference to a Practitioner, and its draft. Without an id, the name alone.
    pub(super) fn practitioner(&mut self, part: Part<'_>) -> Option<Value> {
        let name = self.name(part, 1);
        let display = name.as_ref().map(spoken);
        let Some(named) = data::named(part, (1, 9), self.sender.authority) else {
            return display.map(|display| json!({"display": display}));
        };
        let id = self.id("Practitioner", &named.system, &named.value);
        let identifier = Object::with_room(2)
            .set("system", named.system.as_str())
            .set("value", named.value.as_str())
            .done();
        let target = Object::with_room(3)
            .set("reference", format!("Practitioner/{id}"))
            .set("identifier", identifier)
            .put("display", display);
        if !self.has_made(&id) {
            let mut draft = Draft::new("Practitioner", id, self.house);
            let kind = self.code(part.comp(13));
            draft.list(
                "identifier",
                vec![data::identifier(&named, kind.as_deref())],
            );
            draft.list("name", name.into_iter().collect());
            if let Some(degree) = self.text(part.comp(7)) {
                let code = concept_of(coding(&table("0360"), &degree, None));
                draft.list("qualification", vec![json!({"code": code})]);
            }
            self.add(draft);
        }
        Some(target.done())
    }

    /// XON as a reference that only names the organization.
    pub(super) fn organization(&mut self, part: Part<'_>) -> Option<Value> {
        let name = self.free(part.comp(1));
        let number = self.text(part.comp(10)).or_else(|| self.text(part.comp(3)));
        let identifier = number.map(|value| {
            let system = data::authority(part.comp(6), self.sender.authority);
            data::identifier(
                &Named {
                    system,
                    value: value.into_owned(),
                },
                None,
            )
        });
        let named = Object::with_room(3)
            .put("identifier", identifier)
            .put("display", name)
            .some()?;
        let mut named = named;
        if let Value::Object(map) = &mut named {
            map.insert("type".into(), "Organization".into());
        }
        Some(named)
    }

    /// A Period from two fields.
    pub(super) fn span(&mut self, segment: Segment<'_>, fields: (usize, usize)) -> Option<Value> {
        let (start, end) = (spot(segment, fields.0), spot(segment, fields.1));
        self.period((start, start.part()), (end, end.part()))
    }
}

/// A HumanName as one would say it.
fn spoken(name: &Value) -> String {
    let list = |element: &str| {
        let list = name.get(element).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let mut words = list("prefix");
    words.extend(list("given"));
    words.extend(
        name.get("family")
            .and_then(Value::as_str)
            .map(str::to_owned),
    );
    words.extend(list("suffix"));
    words.join(" ")
}

/// NK1: one RelatedPerson for each position in the list. A list is sent whole, so what stands at a
/// position is replaced whole: else a new contact would keep the old one's telephone.
pub(super) fn related(nk1: Segment<'_>, position: usize, work: &mut Work<'_>) {
    let set = work
        .text(nk1.field(1))
        .unwrap_or_else(|| position.to_string().into());
    let id = work.part_id("RelatedPerson", &[&work.patient, &set]);
    let mut draft = work.of_patient("RelatedPerson", id, Mode::Replace);
    let mut identifiers = Vec::new();
    let mut names = Vec::new();
    let mut addresses = Vec::new();
    for number in [12, 33] {
        let at = spot(nk1, number);
        identifiers.extend(work.reps(at).filter_map(|part| work.identifier(at, part)));
    }
    for number in [2, 30] {
        names.extend(
            work.reps(spot(nk1, number))
                .filter_map(|part| work.name(part, 0)),
        );
    }
    for number in [4, 32] {
        addresses.extend(
            work.reps(spot(nk1, number))
                .filter_map(|part| work.address(part)),
        );
    }
    let relation = translated(nk1.field(3), code::RELATIONSHIP, "0063", work);
    let role = work.concept(nk1.field(7), &table("0131"));
    if names.is_empty() && relation.is_none() && identifiers.is_empty() {
        return;
    }
    draft.list("identifier", identifiers);
    draft.put("patient", work.patient_reference());
    draft.list("relationship", relation.into_iter().chain(role).collect());
    draft.list("name", names);
    reach(nk1, &mut draft, work);
    gender(spot(nk1, 15), &mut draft, work);
    born(spot(nk1, 16), &mut draft, work);
    draft.list("address", addresses);
    draft.put("period", work.span(nk1, (8, 9)));
    if let Some(language) = language(nk1.field(20), work) {
        draft.list("communication", vec![json!({"language": language})]);
    }
    work.add(draft);
}

/// GT1: who pays, as a RelatedPerson; the id of it.
pub(super) fn guarantor(gt1: Segment<'_>, position: usize, work: &mut Work<'_>) -> Option<String> {
    let at = spot(gt1, 3);
    let names: Vec<Value> = work
        .reps(at)
        .filter_map(|part| work.name(part, 0))
        .collect();
    let at = spot(gt1, 2);
    let numbers: Vec<Value> = work
        .reps(at)
        .filter_map(|part| work.identifier(at, part))
        .collect();
    if names.is_empty() && numbers.is_empty() {
        return None;
    }
    let set = work
        .text(gt1.field(1))
        .map_or_else(|| position.to_string(), |set| set.into_owned());
    let patient = work.patient.clone();
    let id = work.part_id("RelatedPerson", &[&patient, "guarantor", &set]);
    let mut draft = work.of_patient("RelatedPerson", id.clone(), Mode::Replace);
    draft.list("identifier", numbers);
    draft.put("patient", work.patient_reference());
    let relation = translated(gt1.field(11), code::RELATIONSHIP, "0063", work);
    let role = concept_of(coding(GUARANTOR, "GUAR", Some("guarantor")));
    draft.list("relationship", relation.into_iter().chain([role]).collect());
    draft.list("name", names);
    let mut telecom = telecoms(spot(gt1, 6), Some("home"), work);
    telecom.extend(telecoms(spot(gt1, 7), Some("work"), work));
    draft.list("telecom", telecom);
    gender(spot(gt1, 9), &mut draft, work);
    born(spot(gt1, 8), &mut draft, work);
    let at = spot(gt1, 5);
    draft.list(
        "address",
        work.reps(at)
            .filter_map(|part| work.address(part))
            .collect(),
    );
    work.add(draft);
    Some(id)
}

fn reach(nk1: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let mut found = Vec::new();
    for (number, usual) in [(5, None), (6, Some("work")), (31, None), (40, None)] {
        found.extend(telecoms(spot(nk1, number), usual, work));
    }
    draft.list("telecom", found);
}

/// IN1: one Coverage for each plan and policy number, or for each position in the list.
///
/// The id of it.
pub(super) fn coverage(in1: Segment<'_>, position: usize, work: &mut Work<'_>) -> String {
    let plan = work.text(in1.field(2));
    let policy = work
        .text(in1.field(36))
        .or_else(|| work.text(in1.field(49)));
    let key = match (&plan, &policy) {
        (_, Some(policy)) => format!("{}|{policy}", plan.as_deref().unwrap_or_default()),
        (Some(plan), None) => plan.to_string(),
        (None, None) => format!("#{position}"),
    };
    let id = work.part_id("Coverage", &[&work.patient, &key]);
    let mut draft = work.of_patient("Coverage", id.clone(), Mode::Merge);
    if let Some(value) = work.text(in1.field(36)) {
        let system = data::named_system(work.sender.authority);
        draft.list(
            "identifier",
            vec![data::identifier(
                &Named {
                    system,
                    value: value.into_owned(),
                },
                None,
            )],
        );
    }
    draft.put("status", Value::from("active"));
    draft.put("type", work.concept(in1.field(15), &table("0086")));
    let relation = translated(in1.field(17), code::RELATIONSHIP, "0063", work);
    draft.put("subscriber", subscriber(in1, work));
    draft.put("subscriberId", work.text(in1.field(49)).map(Value::from));
    draft.put("beneficiary", work.patient_reference());
    draft.put("relationship", relation);
    draft.put("period", work.span(in1, (12, 13)));
    let payor = payors(in1, work);
    if payor.is_empty() {
        draft
            .otherwise
            .insert("payor".into(), Value::Array(vec![absent()]));
    }
    draft.list("payor", payor);
    draft.list("class", classes(in1, work));
    work.add(draft);
    id
}

fn subscriber(in1: Segment<'_>, work: &mut Work<'_>) -> Option<Value> {
    match work.text(in1.field(17)).as_deref() {
        Some("SEL") => Some(reference("Patient", &work.patient)),
        _ => work
            .name(in1.field(16), 0)
            .map(|name| json!({"display": spoken(&name)})),
    }
}

fn payors(in1: Segment<'_>, work: &mut Work<'_>) -> Vec<Value> {
    let identifier = data::named(in1.field(3), (1, 4), work.sender.authority);
    let name = work
        .free(in1.field(4).comp(1))
        .or_else(|| work.text(in1.field(3)));
    let payor = Object::with_room(3)
        .put(
            "identifier",
            identifier.map(|named| data::identifier(&named, None)),
        )
        .put("display", name);
    payor.some().into_iter().collect()
}

fn classes(in1: Segment<'_>, work: &mut Work<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    for (kind, value, name) in [
        ("plan", in1.field(2).comp(1), in1.field(2).comp(2)),
        ("group", in1.field(8), in1.field(9)),
    ] {
        if let Some(value) = work.text(value) {
            let class = Object::with_room(3)
                .set("type", concept_of(coding(COVERAGE_CLASS, kind, None)))
                .set("value", value)
                .put("name", work.free(name));
            found.push(class.done());
        }
    }
    found
}
