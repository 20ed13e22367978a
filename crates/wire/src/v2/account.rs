//! Account: BAR, DFT, and the ADT events that merge, move and renumber accounts and visits.

use serde_json::{Value, json};

use super::data::{self, Named};
use super::json::{coding, reference};
use super::people;
use super::work::Work;
use super::{Draft, Mode};
use crate::hl7::{Message, Part, Segment};

const UNKNOWN: &str = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";

/// The account that PID-18 names, with who pays; a reference to it.
pub(super) fn account(message: &Message<'_>, trigger: &str, work: &mut Work<'_>) -> Option<Value> {
    let pid = message.segment("PID")?;
    let named = number(pid.field(18), work)?;
    let mut draft = named_account(&named, work);
    match trigger {
        "P06" | "P02" => draft.put("status", Value::from("inactive")),
        "P01" | "P05" => draft.put("status", Value::from("active")),
        _ => drop(draft.otherwise.insert("status".into(), "active".into())),
    }
    if let Some(pv1) = message.segment("PV1") {
        draft.put("servicePeriod", work.span(pv1, (44, 45)));
    }
    let (mut coverages, mut guarantors) = (Vec::new(), Vec::new());
    for (position, in1) in message.segments("IN1").enumerate() {
        let id = people::coverage(in1, position + 1, work);
        coverages.push(json!({"coverage": reference("Coverage", &id), "priority": position + 1}));
    }
    for (position, gt1) in message.segments("GT1").enumerate() {
        let id = people::guarantor(gt1, position + 1, work);
        guarantors.extend(id.map(|id| json!({"party": reference("RelatedPerson", &id)})));
    }
    draft.list("coverage", coverages);
    draft.list("guarantor", guarantors);
    let found = reference("Account", &draft.id);
    work.add(draft);
    Some(found)
}

fn number(part: Part<'_>, work: &Work<'_>) -> Option<Named> {
    data::named(part, (1, 4), work.sender.authority)
}

fn named_account(named: &Named, work: &Work<'_>) -> Draft {
    let id = work.id("Account", &named.system, &named.value);
    let mut draft = work.of_patient("Account", id, Mode::Merge);
    draft.list("identifier", vec![data::identifier(named, Some("AN"))]);
    draft.list("subject", vec![work.patient_reference()]);
    draft
}

/// MRG-3 and MRG-5 beside PID-18 and PV1-19: the account and the visit that go by other numbers
/// from now on. The account before is closed and a part of the new one; the visit before never was
/// one of its own.
pub(super) fn renumbered(message: &Message<'_>, mrg: Segment<'_>, work: &mut Work<'_>) {
    let pid = message.segment("PID");
    let now = pid.and_then(|pid| number(pid.field(18), work));
    if let (Some(now), Some(before)) = (now, number(mrg.field(3), work)) {
        let mut new = named_account(&now, work);
        new.otherwise.insert("status".into(), "active".into());
        let mut old = named_account(&before, work);
        if old.id != new.id {
            old.put("status", Value::from("inactive"));
            old.put("partOf", reference("Account", &new.id));
            work.add(new);
            work.add(old);
        }
    }
    let Some(now) = work.encounter.clone() else {
        return;
    };
    if let Some(before) = number(mrg.field(5), work) {
        let id = work.id("Encounter", &before.system, &before.value);
        if id != now {
            let mut old = work.of_patient("Encounter", id, Mode::Merge);
            old.list("identifier", vec![data::identifier(&before, Some("VN"))]);
            old.put("status", Value::from("entered-in-error"));
            old.put("partOf", reference("Encounter", &now));
            old.otherwise
                .insert("class".into(), coding(UNKNOWN, "UNK", Some("unknown")));
            old.otherwise
                .insert("subject".into(), work.patient_reference());
            work.add(old);
        }
    }
}
