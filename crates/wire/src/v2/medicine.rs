//! MedicationRequest: an order for a medicine, as the orderer wrote it (RXO) and as the pharmacy
//! encoded it (RXE); and the single dose the pharmacy says to give (RXG).
//!
//! The guide has RXO alone. Where RXE says something it is the pharmacy's word and counts.

use serde_json::{Value, json};

use super::dose::{self, Columns};
use super::group::{self, Group};
use super::json::{Object, absent, coding, concept_of};
use super::number::{self, Numbers};
use super::patient::table;
use super::timing;
use super::work::{Work, spot};
use super::{Draft, Mode, code, data, service, task};
use crate::hl7::{Message, Segment};

const INSTRUCTIONS: [(&str, usize); 2] = [("RXE", 7), ("RXO", 7)];

/// The orders of OMP and RDE, and the doses to give of RGV.
pub(super) fn orders(message: &Message<'_>, work: &mut Work<'_>) {
    for group in &group::groups(message, &["RXO", "RXG"]) {
        match group.first("RXG") {
            Some(rxg) => give(group, rxg, work),
            None => drop(order(group, work)),
        }
    }
}

/// The MedicationRequest of a group; its id.
pub(super) fn order(group: &Group<'_>, work: &mut Work<'_>) -> Option<String> {
    let orc = group.first("ORC");
    let detail = group.any(&["RXE", "RXO"])?;
    let told = work.told;
    work.told = orc.and_then(|orc| work.told_at(&[orc.field(9)])).or(told);
    let numbers = Numbers::of(orc, None, work);
    let (id, filler) = id(&numbers, (group, detail), work);
    let mut draft = work.of_patient("MedicationRequest", id.clone(), Mode::Merge);
    draft.fillers.extend(filler);
    let tables = (
        code::MEDICATION_ORDER_STATUS,
        code::MEDICATION_ORDER_CONTROL,
    );
    service::standing(orc, tables, &mut draft, work);
    named(&numbers, group, &mut draft, work);
    medicine(group, &mut draft, work);
    draft.put("subject", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    let field = if detail.name() == "RXE" { 13 } else { 14 };
    draft.put("requester", number::requester(orc, (detail, field), work));
    how(group, orc, &mut draft, work);
    supply(group, &mut draft, work);
    work.add(draft);
    if let Some(orc) = orc {
        task::task(orc, ("MedicationRequest", &id), work);
    }
    work.told = told;
    Some(id)
}

/// The id of the order, and that by the filler's number alone. Two medicines may have one number: the
/// second is told apart by what it is, too.
fn id(
    numbers: &Numbers,
    (group, detail): (&Group<'_>, Segment<'_>),
    work: &mut Work<'_>,
) -> (String, Option<String>) {
    let key = code_of(group)
        .map(|part| super::clinical::key_of(part, work))
        .unwrap_or_default();
    if let Some(ids) = numbers.ids_apart(("MedicationRequest", &key), work) {
        return ids;
    }
    work.complain_at(
        spot(detail, 0),
        "numbers no order; told apart by patient, medicine and time",
    );
    let time = group
        .first("ORC")
        .and_then(|orc| orc.field(9).string())
        .unwrap_or_default();
    let patient = work.patient.clone();
    let id = work.part_id("MedicationRequest", &[&patient, &key, &time]);
    (id, None)
}

fn named(numbers: &Numbers, group: &Group<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let orc = group.first("ORC");
    let mut found = numbers.identifiers();
    // RXE-15: the number on the patient's own prescription.
    let prescription = group.first("RXE").and_then(|rxe| work.text(rxe.field(15)));
    found.extend(prescription.map(|value| {
        let system = data::named_system(work.sender.authority);
        let named = data::Named {
            system,
            value: value.into_owned(),
        };
        data::identifier(&named, Some("RX"))
    }));
    draft.list("identifier", found);
    draft.put(
        "groupIdentifier",
        orc.and_then(|orc| number::requisition(orc, work)),
    );
    draft.put("meta", number::confidential(orc, work));
}

fn code_of<'m>(group: &Group<'m>) -> Option<crate::hl7::Part<'m>> {
    [("RXE", 2), ("RXO", 1), ("RXG", 4)]
        .into_iter()
        .find_map(|(name, number)| {
            let part = group.first(name)?.field(number);
            (!part.is_absent()).then_some(part)
        })
}

/// What is ordered, and in the note what it is made of (RXC), its form and its strength.
fn medicine(group: &Group<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    match code_of(group).and_then(|part| work.concept(part, "")) {
        Some(concept) => draft.put("medicationCodeableConcept", concept),
        None => {
            draft
                .otherwise
                .insert("medicationCodeableConcept".into(), absent());
        }
    }
    let mut note = group.note(&["OBX"], work);
    note.extend(dose::made_of(group, work).map(|text| json!({"text": text})));
    if let Some(rxo) = group.first("RXO") {
        note.extend(
            super::value::words(rxo.field(6).rep(0), work).map(|text| json!({"text": text})),
        );
    }
    draft.list("note", note);
    let reason = [("RXE", 27), ("RXO", 20)]
        .into_iter()
        .find_map(|(name, number)| {
            let segment = group.first(name)?;
            work.concept(segment.field(number).rep(0), "")
        });
    draft.list("reasonCode", reason.into_iter().collect());
    draft.list("reasonReference", service::reasons(group, work));
    let seen = group::observations(group, &draft.id.clone(), work);
    let seen = seen
        .iter()
        .map(|id| super::json::reference("Observation", id));
    draft.list("supportingInformation", seen.collect());
}

/// `dosageInstruction` and how soon: TQ1, else RXE-1, else ORC-7.
fn how(group: &Group<'_>, orc: Option<Segment<'_>>, draft: &mut Draft, work: &mut Work<'_>) {
    let rxe = group.first("RXE");
    let fields = [rxe.map(|rxe| spot(rxe, 1)), orc.map(|orc| spot(orc, 7))];
    let columns = match rxe {
        Some(rxe) if !rxe.field(3).is_absent() => Some((rxe, Columns::ENCODED)),
        _ => group.first("RXO").map(|rxo| (rxo, Columns::ORDERED)),
    };
    // What the pharmacy encoded counts before what was ordered, in the times as in the amount.
    let own = columns.and_then(|(amount, _)| group.own("TQ1", amount));
    let encoded = rxe.is_some_and(|rxe| !rxe.field(1).comp(2).is_absent());
    let tq1 = own.or_else(|| group.first("TQ1").filter(|_| !encoded));
    let when = timing::when(tq1, &fields, work);
    draft.put("priority", when.priority.map(Value::from));
    let mut words: Vec<String> = INSTRUCTIONS
        .into_iter()
        .find_map(|(name, number)| {
            let segment = group.first(name)?;
            let at = spot(segment, number);
            let words: Vec<String> = work
                .reps(at)
                .filter_map(|part| instruction(part, work))
                .collect();
            (!words.is_empty()).then_some(words)
        })
        .unwrap_or_default();
    words.extend(rxe.and_then(|rxe| dose::a_day(rxe.field(19), work)));
    let dosage = dose::instruction(group, (when, columns), words, work);
    draft.list("dosageInstruction", dosage.into_iter().collect());
}

/// CWE as words: the text, else the code.
pub(super) fn instruction(part: crate::hl7::Part<'_>, work: &mut Work<'_>) -> Option<String> {
    let words = work.free(part.comp(2)).or_else(|| work.free(part.comp(9)));
    words
        .or_else(|| work.text(part.comp(1)))
        .map(|words| words.into_owned())
}

/// `dispenseRequest` and `substitution`.
fn supply(group: &Group<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let columns = [("RXE", [10, 11, 12, 9]), ("RXO", [11, 12, 13, 9])];
    for (name, [amount, unit, refills, substitution]) in columns {
        let Some(segment) = group.first(name) else {
            continue;
        };
        let quantity = dose::quantity(segment, (amount, unit), work);
        let refills = work
            .text(segment.field(refills))
            .and_then(|text| text.parse::<u16>().ok());
        let asked = Object::with_room(2)
            .put("numberOfRepeatsAllowed", refills)
            .put("quantity", quantity)
            .some();
        if !draft.json.contains_key("dispenseRequest") {
            draft.put("dispenseRequest", asked);
        }
        let allowed = work.code(segment.field(substitution)).map(|code| {
            let table = table(if name == "RXE" { "0167" } else { "0161" });
            json!({"allowedCodeableConcept": concept_of(coding(&table, &code, None))})
        });
        if !draft.json.contains_key("substitution") {
            draft.put("substitution", allowed);
        }
    }
}

/// RXG: the pharmacy says to give one dose. An order for one instance, based on the order itself.
fn give(group: &Group<'_>, rxg: Segment<'_>, work: &mut Work<'_>) {
    let orc = group.first("ORC");
    let numbers = Numbers::of(orc, None, work);
    let order = underlying(group, &numbers, work);
    let part = [1, 2].map(|number| {
        work.text(rxg.field(number))
            .unwrap_or_default()
            .into_owned()
    });
    let key = ["give", &part[0], &part[1]];
    let (id, part_of) = work.id_of_part("MedicationRequest", (order.as_deref(), &key));
    let mut draft = work.of_patient("MedicationRequest", id, Mode::Merge);
    draft.part_of = part_of;
    draft.otherwise.insert("status".into(), "active".into());
    draft.put("intent", Value::from("instance-order"));
    draft.put("meta", number::confidential(orc, work));
    medicine(group, &mut draft, work);
    draft.put("subject", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("encounter", encounter);
    let order = order.map(|id| numbers.reference("MedicationRequest", &id));
    draft.list("basedOn", order.into_iter().collect());
    let fields = [Some(spot(rxg, 3))];
    let tq1 = group.own("TQ1", rxg).or_else(|| group.first("TQ1"));
    let when = timing::when(tq1, &fields, work);
    let at = spot(rxg, 13);
    let words = work
        .reps(at)
        .filter_map(|part| instruction(part, work))
        .collect();
    let dosage = dose::instruction(group, (when, Some((rxg, Columns::GIVEN))), words, work);
    draft.list("dosageInstruction", dosage.into_iter().collect());
    work.add(draft);
}

/// The order under a dose: from its own RXO or RXE, else what the dose says of it. Its id.
pub(super) fn underlying(
    group: &Group<'_>,
    numbers: &Numbers,
    work: &mut Work<'_>,
) -> Option<String> {
    let id = numbers.id_among("MedicationRequest", work)?;
    let filler = numbers.filler_id("MedicationRequest", work);
    if work.has_made(&id) {
        if let Some(filler) = filler {
            work.goes_by(&id, filler);
        }
        return Some(id);
    }
    if group.any(&["RXE", "RXO"]).is_some() {
        return order(group, work);
    }
    let mut draft = work.of_patient("MedicationRequest", id.clone(), Mode::Merge);
    draft.fillers.extend(filler);
    draft.list("identifier", numbers.identifiers());
    draft.put("meta", number::confidential(group.first("ORC"), work));
    let part = dose::given_code(group);
    let medicine = part
        .and_then(|part| work.concept(part, ""))
        .unwrap_or_else(absent);
    let usual = [
        ("status", Value::from("unknown")),
        ("intent", Value::from("order")),
        ("medicationCodeableConcept", medicine),
        ("subject", work.patient_reference()),
    ];
    draft
        .otherwise
        .extend(usual.map(|(element, value)| (element.to_owned(), value)));
    work.add(draft);
    Some(id)
}
