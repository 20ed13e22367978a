//! What was done with a medicine: MedicationDispense (RDS, RXD) and MedicationAdministration
//! (RAS, RXA). The guide leaves both open.

use serde_json::{Map, Value, json};

use super::dose;
use super::group::{self, Group};
use super::json::{Object, absent};
use super::number::Numbers;
use super::patient::table;
use super::work::{Work, spot};
use super::{Draft, Mode, code, data, medicine, number};
use crate::hl7::{Message, Segment};

/// The doses of RAS and RDS.
pub(super) fn doses(message: &Message<'_>, work: &mut Work<'_>) {
    for group in &group::groups(message, &["RXA", "RXD"]) {
        let numbers = Numbers::of(group.first("ORC"), None, work);
        let order = medicine::underlying(group, &numbers, work);
        for (segment, kind) in [("RXA", Kind::Administration), ("RXD", Kind::Dispense)] {
            if let Some(segment) = group.first(segment) {
                let dose = Dose {
                    group,
                    segment,
                    order: order.as_deref(),
                    numbers: &numbers,
                };
                match kind {
                    Kind::Administration => administration(&dose, work),
                    Kind::Dispense => dispense(&dose, work),
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Administration,
    Dispense,
}

/// One dose: its segment, and the order it is for.
struct Dose<'d, 'm> {
    group: &'d Group<'m>,
    segment: Segment<'m>,
    order: Option<&'d str>,
    numbers: &'d Numbers,
}

impl Dose<'_, '_> {
    /// By the order (or the patient), the counters, the medicine and the time.
    fn draft(
        &self,
        kind: &'static str,
        (code, time): (usize, usize),
        work: &mut Work<'_>,
    ) -> Draft {
        let text = |number: usize, work: &mut Work<'_>| {
            work.text(self.segment.field(number))
                .unwrap_or_default()
                .into_owned()
        };
        let medicine = super::clinical::key_of(self.segment.field(code), work);
        let (counter, time) = (text(1, work), text(time, work));
        let sub = if kind == "MedicationAdministration" {
            text(2, work)
        } else {
            String::new()
        };
        let key = [&*counter, &sub, &medicine, &time];
        let (id, part_of) = work.id_of_part(kind, (self.order, &key));
        let mut draft = work.of_patient(kind, id, Mode::Replace);
        draft.part_of = part_of;
        let concept = work
            .concept(self.segment.field(code), "")
            .unwrap_or_else(absent);
        draft.put("medicationCodeableConcept", concept);
        draft.put("subject", work.patient_reference());
        let encounter = work.encounter_reference();
        draft.put("context", encounter);
        draft
    }

    fn order_reference(&self) -> Option<Value> {
        Some(self.numbers.reference("MedicationRequest", self.order?))
    }
}

fn administration(dose: &Dose<'_, '_>, work: &mut Work<'_>) {
    let rxa = dose.segment;
    let mut draft = dose.draft("MedicationAdministration", (5, 3), work);
    draft.list("identifier", dose.numbers.identifiers());
    draft.put("meta", number::confidential(dose.group.first("ORC"), work));
    draft.put("status", Value::from(administered(rxa, work)));
    let reason = work.concept(rxa.field(18).rep(0), "");
    draft.list("statusReason", reason.into_iter().collect());
    let (start, end) = (spot(rxa, 3), spot(rxa, 4));
    super::result::span(
        (start, start.part()),
        (end, end.part()),
        ("effective", &mut draft.json),
        work,
    );
    if !draft.json.keys().any(|key| key.starts_with("effective")) {
        draft.put("_effectiveDateTime", absent());
    }
    let mut performers = Vec::new();
    for part in work.reps(spot(rxa, 10)) {
        performers.extend(work.practitioner(part).map(|actor| json!({"actor": actor})));
    }
    draft.list("performer", performers);
    let reason = work.concept(rxa.field(19).rep(0), "");
    draft.list("reasonCode", reason.into_iter().collect());
    draft.put("request", dose.order_reference());
    let mut note = dose::notes(rxa, 9, work);
    note.extend(dose.group.note(&["OBX"], work));
    draft.list("note", note);
    let way = dose::way(dose.group, Some(rxa), work);
    // A dosage has a dose (mad-1), be it one that nobody said.
    let amount = dose::quantity(rxa, (6, 7), work);
    let amount = amount.or_else(|| (!way.is_empty()).then(absent));
    let mut dosage = Object::with_room(4).put("dose", amount);
    for (member, value) in way {
        dosage = dosage.set(member, value);
    }
    draft.put("dosage", dosage.some());
    work.add(draft);
}

/// RXA-20 and RXA-21: a dose that was partly given was stopped; one that is deleted was never.
fn administered(rxa: Segment<'_>, work: &mut Work<'_>) -> &'static str {
    if work.text(rxa.field(21)).as_deref() == Some("D") {
        return "entered-in-error";
    }
    let at = spot(rxa, 20);
    if at.part().is_absent() {
        return "completed";
    }
    work.look(at, at.part(), code::ADMINISTERED)
        .unwrap_or("unknown")
}

fn dispense(dose: &Dose<'_, '_>, work: &mut Work<'_>) {
    let rxd = dose.segment;
    let mut draft = dose.draft("MedicationDispense", (2, 3), work);
    draft.put("meta", number::confidential(dose.group.first("ORC"), work));
    let status = dose
        .group
        .first("ORC")
        .and_then(|orc| work.text(orc.field(5)));
    let status = match status.as_deref() {
        Some("CA" | "DC") => "cancelled",
        Some("ER") => "entered-in-error",
        Some("HD") => "on-hold",
        Some("IP" | "SC") => "in-progress",
        _ => "completed",
    };
    draft.put("status", Value::from(status));
    let number = work.text(rxd.field(7)).map(|value| {
        let system = data::named_system(work.sender.authority);
        let named = data::Named {
            system,
            value: value.into_owned(),
        };
        data::identifier(&named, Some("RX"))
    });
    draft.list("identifier", number.into_iter().collect());
    draft.put("quantity", dose::quantity(rxd, (4, 5), work));
    if let Some(stamp) = work.time(spot(rxd, 3)) {
        stamp.put(&mut draft.json, "whenHandedOver");
    }
    let mut performers = Vec::new();
    for part in work.reps(spot(rxd, 10)) {
        performers.extend(work.practitioner(part).map(|actor| json!({"actor": actor})));
    }
    draft.list("performer", performers);
    draft.list(
        "authorizingPrescription",
        dose.order_reference().into_iter().collect(),
    );
    let mut note = dose::notes(rxd, 9, work);
    note.extend(dose.group.note(&["OBX"], work));
    note.extend(dose::made_of(dose.group, work).map(|text| json!({"text": text})));
    draft.list("note", note);
    substitution(rxd, &mut draft, work);
    way(dose, &mut draft, work);
    work.add(draft);
}

/// RXD-11, table 0167: `N` and `0` say that there was none.
fn substitution(rxd: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    if let Some(said) = work.code(rxd.field(11)) {
        let was = !matches!(&*said, "N" | "0");
        let kind = work.concept(rxd.field(11), &table("0167"));
        let value = Object::with_room(2)
            .set("wasSubstituted", was)
            .put("type", kind);
        draft.put("substitution", value.done());
    }
}

fn way(dose: &Dose<'_, '_>, draft: &mut Draft, work: &mut Work<'_>) {
    let mut map = Map::new();
    for (member, value) in dose::way(dose.group, Some(dose.segment), work) {
        map.insert(member.into(), value);
    }
    if !map.is_empty() {
        draft.list("dosageInstruction", vec![Value::Object(map)]);
    }
}
