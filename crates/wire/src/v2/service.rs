//! ServiceRequest: an order for a test, an image, a diet (ORC, OBR, TQ1).

use serde_json::{Value, json};

use super::code::{self, Table};
use super::group::{self, Group};
use super::json::{extension, reference};
use super::number::{self, Numbers};
use super::patient::table;
use super::role::{self, Role};
use super::specimen::specimens;
use super::timing::{self, When};
use super::work::{Work, spot};
use super::{Draft, Mode, clinical, data, task};
use crate::hl7::{Message, Segment};

const CALLBACK: &str =
    "http://hl7.org/fhir/StructureDefinition/servicerequest-order-callback-phone-number";
const STATUS_REASON: &str = "http://hl7.org/fhir/StructureDefinition/request-statusReason";

/// The orders of ORM, OML, OMG, OMI, ORR, ORL: one ServiceRequest each, and what hangs on it. Those
/// that are for medicines are left to [`super::medicine`].
pub(super) fn orders(message: &Message<'_>, work: &mut Work<'_>) {
    for group in &group::groups(message, &["OBR", "ODS", "RXO"]) {
        match group.any(&["RXO", "RXE"]) {
            Some(_) => drop(super::medicine::order(group, work)),
            None => order(group, work),
        }
    }
}

fn order(group: &Group<'_>, work: &mut Work<'_>) {
    let (orc, obr) = (group.first("ORC"), group.first("OBR"));
    let Some(detail) = obr.or(orc) else { return };
    let numbers = Numbers::of(orc, obr, work);
    let told = work.told;
    work.told = orc.and_then(|orc| work.told_at(&[orc.field(9)])).or(told);
    let (id, filler) = id(&numbers, detail, obr, work);
    let mut draft = work.of_patient("ServiceRequest", id.clone(), Mode::Merge);
    draft.fillers.extend(filler);
    standing(
        orc,
        (code::ORDER_STATUS, code::ORDER_CONTROL),
        &mut draft,
        work,
    );
    numbered(&numbers, (orc, obr), &mut draft, work);
    draft.put("meta", number::confidential(orc, work));
    draft.put("subject", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    what(group, obr, &mut draft, work);
    who(group, (orc, detail), &mut draft, work);
    timed(group, (orc, obr), &mut draft, work);
    around(group, (obr, &id), &mut draft, work);
    work.add(draft);
    if let Some(orc) = orc {
        task::task(orc, ("ServiceRequest", &id), work);
    }
    work.told = told;
}

/// By the number; of two orders in one message that have the same, the second by its service too.
/// Beside it the id by the filler's number alone.
fn id(
    numbers: &Numbers,
    detail: Segment<'_>,
    obr: Option<Segment<'_>>,
    work: &mut Work<'_>,
) -> (String, Option<String>) {
    let service = obr
        .map(|obr| clinical::key_of(obr.field(4), work))
        .unwrap_or_default();
    match numbers.ids_apart(("ServiceRequest", &service), work) {
        Some(ids) => ids,
        None => {
            work.complain_at(
                spot(detail, 2),
                "numbers no order; told apart by patient, service and time",
            );
            let field = if obr.is_some() { 6 } else { 9 };
            let time = work.text(detail.field(field)).unwrap_or_default();
            let patient = work.patient.clone();
            let id = work.part_id("ServiceRequest", &[&patient, &service, &time]);
            (id, None)
        }
    }
}

/// `status` by ORC-5, else ORC-1, else as it was; `intent`; why it stands so (ORC-16).
pub(super) fn standing(
    orc: Option<Segment<'_>>,
    (statuses, controls): (Table, Table),
    draft: &mut Draft,
    work: &mut Work<'_>,
) {
    draft.otherwise.insert("intent".into(), "order".into());
    draft.otherwise.insert("status".into(), "unknown".into());
    let Some(orc) = orc else { return };
    let said = work.look(spot(orc, 5), orc.field(5), statuses);
    let control = work.text(orc.field(1)).unwrap_or_default();
    let status = said.or_else(|| code::look(controls, &control));
    draft.put("status", status.map(Value::from));
    if let Some(reason) = work.concept(orc.field(16), "") {
        add_extension(
            draft,
            extension(STATUS_REASON, "valueCodeableConcept", reason),
        );
    }
    if matches!(&*control, "NW" | "OP")
        && let Some(stamp) = work.time(spot(orc, 9))
    {
        stamp.put(&mut draft.json, "authoredOn");
    }
}

pub(super) fn add_extension(draft: &mut Draft, value: Value) {
    match draft.json.get_mut("extension") {
        Some(Value::Array(list)) => list.push(value),
        _ => draft.list("extension", vec![value]),
    }
}

fn numbered(
    numbers: &Numbers,
    (orc, obr): (Option<Segment<'_>>, Option<Segment<'_>>),
    draft: &mut Draft,
    work: &mut Work<'_>,
) {
    let mut found = numbers.identifiers();
    for (segment, number) in [(orc, 33), (obr, 53)] {
        let Some(segment) = segment else { continue };
        let at = spot(segment, number);
        found.extend(work.reps(at).filter_map(|part| work.identifier(at, part)));
    }
    let authority = work.sender.authority;
    let filler_group = orc.and_then(|orc| data::entity(orc.field(38), authority));
    found.extend(filler_group.map(|named| data::identifier(&named, Some("FGN"))));
    draft.list("identifier", found);
    draft.put(
        "requisition",
        orc.and_then(|orc| number::requisition(orc, work)),
    );
}

/// What is ordered: OBR-4, why and how.
fn what(group: &Group<'_>, obr: Option<Segment<'_>>, draft: &mut Draft, work: &mut Work<'_>) {
    if let Some(ods) = group.first("ODS").filter(|_| obr.is_none()) {
        draft.put("code", work.concept(ods.field(3).rep(0), ""));
        return;
    }
    let Some(obr) = obr else { return };
    let service = work.concept(obr.field(4), "");
    if service.is_none() {
        work.complain_at(spot(obr, 4), "names no service");
    }
    draft.put("code", service);
    // An order that grew out of a result.
    if work.text(obr.field(11)).as_deref() == Some("G") {
        draft.put("intent", Value::from("reflex-order"));
    }
    for (numbers, element) in [(&[31][..], "reasonCode"), (&[46, 47], "orderDetail")] {
        let mut found = Vec::new();
        for number in numbers {
            let at = spot(obr, *number);
            found.extend(work.reps(at).filter_map(|part| work.concept(part, "")));
        }
        draft.list(element, found);
    }
    let parent = data::entity_in(obr.field(29).comp(1), work.sender.authority)
        .or_else(|| data::entity_in(obr.field(29).comp(2), work.sender.authority));
    let parent = parent.map(
        |named| json!({"type": "ServiceRequest", "identifier": data::identifier(&named, None)}),
    );
    draft.list("basedOn", parent.into_iter().collect());
}

fn who(
    group: &Group<'_>,
    (orc, detail): (Option<Segment<'_>>, Segment<'_>),
    draft: &mut Draft,
    work: &mut Work<'_>,
) {
    let field = if group.first("OBR").is_some() { 16 } else { 12 };
    let behind: Vec<Segment<'_>> = group.all("PRT").collect();
    draft.put("requester", requester(orc, (detail, field), &behind, work));
    let phone = match group.first("OBR") {
        Some(obr) if !obr.field(17).is_absent() => Some(spot(obr, 17)),
        _ => orc.map(|orc| spot(orc, 14)),
    };
    let phone = phone.and_then(|at| work.telecom(at.part().rep(0), None));
    if let Some(phone) = phone {
        add_extension(draft, extension(CALLBACK, "valueContactPoint", phone));
    }
    let place = orc.and_then(|orc| work.concept(orc.field(29), &table("0482")));
    draft.list("locationCode", place.into_iter().collect());
}

/// Who ordered: the fields that say it, else who takes part as the ordering provider.
fn requester(
    orc: Option<Segment<'_>>,
    detail: (Segment<'_>, usize),
    behind: &[Segment<'_>],
    work: &mut Work<'_>,
) -> Option<Value> {
    number::requester(orc, detail, work).or_else(|| {
        role::named(&Role::among(behind), &["OP"], work)
            .into_iter()
            .next()
    })
}

/// When and how soon: TQ1, ORC-7 or OBR-27; OBR-5 and OBR-6 where those say nothing.
fn timed(
    group: &Group<'_>,
    (orc, obr): (Option<Segment<'_>>, Option<Segment<'_>>),
    draft: &mut Draft,
    work: &mut Work<'_>,
) {
    let fields = [orc.map(|orc| spot(orc, 7)), obr.map(|obr| spot(obr, 27))];
    let when = timing::when(group.first("TQ1"), &fields, work);
    let own = obr.and_then(|obr| work.text(obr.field(5)));
    let own = own.and_then(|said| code::look(code::PRIORITY, &said));
    draft.put("priority", own.or(when.priority).map(Value::from));
    let wanted = obr.and_then(|obr| work.time(spot(obr, 6)));
    occurrence(&when, wanted, draft);
    draft.put("quantityQuantity", when.dose);
    if when.as_needed {
        draft.put("asNeededBoolean", Value::from(true));
    }
    let mut note = group.note(&["OBX", "SPM"], work);
    note.extend(when.words.into_iter().map(|text| json!({"text": text})));
    if let Some(obr) = obr {
        let at = spot(obr, 13);
        note.extend(work.reps(at).filter_map(|part| {
            let words = super::value::words(part, work)?;
            Some(json!({"text": words}))
        }));
    }
    draft.list("note", note);
}

fn occurrence(when: &When, wanted: Option<super::work::Stamp>, draft: &mut Draft) {
    let only_bounds = |timing: &Value| {
        let repeat = timing.get("repeat").and_then(Value::as_object);
        let bounds = repeat.is_some_and(|map| map.keys().all(|key| key == "boundsPeriod"));
        timing.get("code").is_none() && bounds
    };
    match (&when.timing, &when.period) {
        (Some(timing), Some(period)) if only_bounds(timing) && period.get("end").is_some() => {
            draft.put("occurrencePeriod", period.clone());
        }
        (Some(timing), _) => draft.put("occurrenceTiming", timing.clone()),
        (None, _) => {
            if let Some(stamp) = wanted {
                stamp.put(&mut draft.json, "occurrenceDateTime");
            }
        }
    }
}

/// The diagnosis it is for, the specimens, and what the orderer observed.
fn around(
    group: &Group<'_>,
    (obr, id): (Option<Segment<'_>>, &str),
    draft: &mut Draft,
    work: &mut Work<'_>,
) {
    draft.list("reasonReference", reasons(group, work));
    let specimens = match obr {
        Some(obr) => {
            let segments: Vec<Segment<'_>> = group.all("SPM").collect();
            specimens(&segments, (obr, id), work)
        }
        None => Vec::new(),
    };
    draft.list("specimen", specimens);
    let seen = group::observations(group, id, work);
    let seen = seen.iter().map(|id| reference("Observation", id));
    draft.list("supportingInfo", seen.collect());
}

/// The diagnoses of a group, as references.
pub(super) fn reasons(group: &Group<'_>, work: &mut Work<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    for dg1 in group.all("DG1") {
        let entry = clinical::dg1(dg1, work);
        found.extend(entry.and_then(|entry| entry.get("condition").cloned()));
    }
    found
}

/// The order that a result is for, and a reference to it: the result says how the order stands, and
/// the rest only where nobody else has. `None`: the result names no order.
pub(super) fn named(
    orc: Option<Segment<'_>>,
    (obr, behind): (Segment<'_>, &[Segment<'_>]),
    work: &mut Work<'_>,
) -> Option<Value> {
    let numbers = Numbers::of(orc, Some(obr), work);
    let id = numbers.id_among("ServiceRequest", work)?;
    let filler = numbers.filler_id("ServiceRequest", work);
    if work.has_made(&id) {
        if let Some(filler) = filler {
            work.goes_by(&id, filler);
        }
    } else {
        let mut draft = work.of_patient("ServiceRequest", id.clone(), Mode::Merge);
        draft.fillers.extend(filler);
        draft.list("identifier", numbers.identifiers());
        draft.put("meta", number::confidential(orc, work));
        let said = orc.and_then(|orc| work.text(orc.field(5)));
        let said = said.and_then(|said| code::look(code::ORDER_STATUS, &said));
        draft.put("status", Value::from(said.unwrap_or(done(obr, work))));
        let usual = [
            ("intent", Some(Value::from("order"))),
            ("code", work.concept(obr.field(4), "")),
            ("subject", Some(work.patient_reference())),
            ("encounter", work.encounter_reference()),
            ("requester", requester(orc, (obr, 16), behind, work)),
        ];
        for (element, value) in usual {
            draft
                .otherwise
                .extend(value.map(|value| (element.to_owned(), value)));
        }
        work.add(draft);
    }
    Some(numbers.reference("ServiceRequest", &id))
}

/// How an order stands by the status of its result (OBR-25).
fn done(obr: Segment<'_>, work: &mut Work<'_>) -> &'static str {
    match work.text(obr.field(25)).as_deref() {
        Some("F" | "C") => "completed",
        Some("X") => "revoked",
        _ => "active",
    }
}
