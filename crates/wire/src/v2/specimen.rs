//! Specimen, from SPM (2.5 and later) or OBR-15 (before).

use serde_json::{Map, Value, json};

use super::Mode;
use super::data::{self, Named};
use super::json::{Object, coding, concept_of, reference};
use super::patient::table;
use super::result::{effective, span};
use super::value::decimal;
use super::work::{Work, spot};
use crate::hl7::Segment;

/// References to the specimens of an order: of its SPM, else of OBR-15.
pub(super) fn specimens(
    segments: &[Segment<'_>],
    (obr, key): (Segment<'_>, &str),
    work: &mut Work<'_>,
) -> Vec<Value> {
    let mut found = Vec::new();
    for (position, spm) in segments.iter().enumerate() {
        let id = specimen(*spm, &format!("{key}|{position}"), work);
        found.push(reference("Specimen", &id));
    }
    if found.is_empty() && !obr.field(15).is_absent() {
        found.extend(source(obr, key, work).map(|id| reference("Specimen", &id)));
    }
    found
}

/// SPM (2.5 and later).
fn specimen(spm: Segment<'_>, key: &str, work: &mut Work<'_>) -> String {
    let authority = work.sender.authority;
    let numbers: Vec<Named> = [2, 1]
        .into_iter()
        .filter_map(|at| data::entity_in(spm.field(2).comp(at), authority))
        .collect();
    let id = match numbers.first() {
        Some(named) => work.id("Specimen", &named.system, &named.value),
        None => work.part_id("Specimen", &[key]),
    };
    let mut draft = work.of_patient("Specimen", id.clone(), Mode::Replace);
    draft.list(
        "identifier",
        numbers
            .iter()
            .map(|named| data::identifier(named, None))
            .collect(),
    );
    draft.put(
        "accessionIdentifier",
        work.identifier(spot(spm, 30), spm.field(30)),
    );
    let status = match work.text(spm.field(20)).as_deref() {
        Some("Y") => Some("available"),
        Some("N") => Some("unavailable"),
        _ => None,
    };
    draft.put("status", status.map(Value::from));
    draft.put("type", work.concept(spm.field(4), &table("0487")));
    draft.put("subject", work.patient_reference());
    if let Some(stamp) = work.time(spot(spm, 18)) {
        stamp.put(&mut draft.json, "receivedTime");
    }
    let collection = collection(spm, work);
    draft.put("collection", collection);
    let at = spot(spm, 24);
    let condition = work
        .reps(at)
        .filter_map(|part| work.concept(part, &table("0493")))
        .collect();
    draft.list("condition", condition);
    let at = spot(spm, 14);
    let notes = work
        .reps(at)
        .filter_map(|part| work.free(part).map(|text| json!({"text": text})));
    draft.list("note", notes.collect());
    work.add(draft);
    id
}

fn collection(spm: Segment<'_>, work: &mut Work<'_>) -> Option<Value> {
    let mut map = Map::new();
    let at = spot(spm, 17);
    let (start, end) = (at.part().comp(1), at.part().comp(2));
    span((at, start), (at, end), ("collected", &mut map), work);
    if let Some(amount) = work.text(spm.field(12)).and_then(|text| decimal(&text)) {
        let unit = work.text(spm.field(12).comp(2));
        map.insert(
            "quantity".into(),
            Object::with_room(2)
                .set("value", amount)
                .put("unit", unit)
                .done(),
        );
    }
    for (number, member, codes) in [(7, "method", "0488"), (8, "bodySite", "")] {
        let codes = if codes.is_empty() {
            String::new()
        } else {
            table(codes)
        };
        if let Some(concept) = work.concept(spm.field(number), &codes) {
            map.insert(member.into(), concept);
        }
    }
    (!map.is_empty()).then_some(Value::Object(map))
}

/// OBR-15 (before 2.5): the source's code in its first component, the site in its fourth.
fn source(obr: Segment<'_>, key: &str, work: &mut Work<'_>) -> Option<String> {
    let part = obr.field(15);
    let code = work.code(part.comp(1).sub(1));
    let words = work
        .free(part.comp(1).sub(2))
        .or_else(|| work.free(part.comp(3)));
    code.as_ref().or(words.as_ref())?;
    let coded = code.map(|code| coding(&table("0070"), &code, None));
    let kind = Object::with_room(2)
        .list("coding", coded.into_iter().collect())
        .put("text", words)
        .done();
    let id = work.part_id("Specimen", &[key]);
    let mut draft = work.of_patient("Specimen", id.clone(), Mode::Replace);
    draft.put("type", kind);
    draft.put("subject", work.patient_reference());
    if let Some(stamp) = work.time(spot(obr, 14)) {
        stamp.put(&mut draft.json, "receivedTime");
    }
    let mut collection = Map::new();
    for (element, value) in effective(obr, work) {
        collection.insert(element.replace("effective", "collected"), value);
    }
    if let Some(site) = work.text(part.comp(4).sub(1)) {
        collection.insert(
            "bodySite".into(),
            concept_of(coding(&table("0163"), &site, None)),
        );
    }
    if !collection.is_empty() {
        draft.put("collection", Value::Object(collection));
    }
    work.add(draft);
    Some(id)
}
