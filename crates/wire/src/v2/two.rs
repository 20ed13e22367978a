//! Messages that name two patients who stay two: swapped beds (A17), links (A24, A37); and a place
//! with nobody in it (A20).

use std::borrow::Cow;

use serde_json::{Value, json};

use super::code;
use super::identity::identifier_of;
use super::json::coding;
use super::patient::{patient, table};
use super::visit::{self, Visit};
use super::work::{Work, spot};
use super::{Draft, Mode};
use crate::hl7::{Message, Segment};

/// What of a message is about one of its patients.
struct Section<'m> {
    pid: Segment<'m>,
    pd1: Option<Segment<'m>>,
    pv1: Option<Segment<'m>>,
    pv2: Option<Segment<'m>>,
}

/// Both patients of a message; the id of the first.
pub(super) fn about_two(
    message: &Message<'_>,
    trigger: &str,
    work: &mut Work<'_>,
) -> Option<String> {
    let sections = sections(message);
    let ids: Vec<String> = sections
        .iter()
        .filter_map(|section| id(section, work))
        .collect();
    let [first, second] = ids.as_slice() else {
        work.complain("does not name two patients, so nothing can be put in a chart".into());
        return None;
    };
    if first == second {
        work.complain("names one patient twice; nothing to do".into());
        return None;
    }
    for (section, (own, other)) in sections.iter().zip([(first, second), (second, first)]) {
        work.patient.clone_from(own);
        let mut draft = patient(section.pid, section.pd1, work);
        linked(&mut draft, trigger, other);
        work.add(draft);
        visit_of(message, section, trigger, work);
    }
    Some(first.clone())
}

fn id(section: &Section<'_>, work: &mut Work<'_>) -> Option<String> {
    match identifier_of(section.pid, work.sender.authority) {
        Some(named) => Some(work.id("Patient", &named.system, &named.value)),
        None => {
            work.complain_at(
                spot(section.pid, 3),
                "names nobody, so nothing can be put in a chart",
            );
            None
        }
    }
}

fn sections<'m>(message: &'m Message<'m>) -> Vec<Section<'m>> {
    let mut sections: Vec<Section<'m>> = Vec::new();
    for segment in message.all() {
        match (segment.name(), sections.last_mut()) {
            ("PID", _) => sections.push(Section {
                pid: segment,
                pd1: None,
                pv1: None,
                pv2: None,
            }),
            ("PD1", Some(section)) => section.pd1 = Some(segment),
            ("PV1", Some(section)) => section.pv1 = Some(segment),
            ("PV2", Some(section)) => section.pv2 = Some(segment),
            _ => {}
        }
    }
    sections
}

/// A24 says that two records may be of one person, A37 takes it back. Neither moves anything.
fn linked(draft: &mut Draft, trigger: &str, other: &str) {
    let reference = format!("Patient/{other}");
    match trigger {
        "A24" => draft.list(
            "link",
            vec![json!({"other": {"reference": reference}, "type": "seealso"})],
        ),
        "A37" => draft.clears.push(Cow::Owned(format!("link:{reference}"))),
        _ => {}
    }
}

fn visit_of(message: &Message<'_>, section: &Section<'_>, trigger: &str, work: &mut Work<'_>) {
    let Some(pv1) = section.pv1.filter(|_| trigger == "A17") else {
        return;
    };
    let visit = Visit {
        kind: "ADT^A17",
        trigger,
        evn: message.segment("EVN"),
        pid: Some(section.pid),
        pv1,
        pv2: section.pv2,
    };
    if let Some(id) = visit::encounter_id(&visit, work) {
        let encounter = visit::encounter(&visit, id, work);
        work.add(encounter);
    }
}

/// A20: how a bed stands (NPU-2, table 0116).
pub(super) fn place(message: &Message<'_>, work: &mut Work<'_>) {
    let Some(npu) = message.segment("NPU") else {
        return work.complain("there is no NPU, so no bed is named".into());
    };
    let entry = work.location(npu.field(1), None);
    let id = entry
        .as_ref()
        .and_then(|entry| entry.pointer("/location/reference"));
    let id = id
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix("Location/"));
    let Some(id) = id.map(str::to_owned) else {
        return work.complain_at(spot(npu, 1), "names no bed");
    };
    let said = work.code(npu.field(2)).unwrap_or_default().into_owned();
    let status = code::look(code::BED_STATUS, &said)
        .map(|display| coding(&table("0116"), &said.to_ascii_uppercase(), Some(display)));
    if status.is_none() {
        work.complain_at(
            spot(npu, 2),
            &format!("`{said}` is not in table 0116; left out"),
        );
    }
    let told = work.told;
    if let Some(draft) = work.made(&id) {
        draft.put("operationalStatus", status);
        draft.mode = Mode::Merge;
        draft.told = told;
    }
}
