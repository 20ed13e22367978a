//! DocumentReference, with its content: MDM (TXA, OBX).

use serde_json::{Value, json};

use super::json::{Object, absent, coding, concept_of, reference};
use super::patient::table;
use super::value;
use super::work::{Work, spot};
use super::{Draft, Mode, attachment, code, data, labels};
use crate::hl7::{Message, Segment};

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v2-0272";

/// The document of an MDM, and what it does to the one before it.
pub(super) fn document(message: &Message<'_>, trigger: &str, work: &mut Work<'_>) {
    let Some(txa) = message.segment("TXA") else {
        return work.complain("there is no TXA, so there is no document".into());
    };
    let id = id(txa, work);
    let mut draft = work.of_patient("DocumentReference", id.clone(), Mode::Merge);
    named(txa, &mut draft, work);
    standing(txa, trigger, &mut draft, work);
    draft.put("type", work.concept(txa.field(2), &table("0270")));
    draft.put("subject", work.patient_reference());
    written(txa, &mut draft, work);
    labelled(txa, &mut draft, work);
    let title = work
        .free(txa.field(25).rep(0))
        .map(|title| title.into_owned());
    draft.put("description", title.clone().map(Value::from));
    draft.list("content", contents(message, title.as_deref(), work));
    draft
        .otherwise
        .insert("content".into(), json!([{"attachment": absent()}]));
    draft.put("context", context(message, txa, work));
    earlier(txa, trigger, &mut draft, work);
    work.add(draft);
}

/// TXA-12, the unique document number; without one, the patient, type and time.
fn id(txa: Segment<'_>, work: &mut Work<'_>) -> String {
    if let Some(named) = data::entity(txa.field(12), work.sender.authority) {
        return work.id("DocumentReference", &named.system, &named.value);
    }
    work.complain_at(
        spot(txa, 12),
        "numbers no document; told apart by patient, type and time",
    );
    let [kind, time] = [2, 6].map(|number| {
        work.text(txa.field(number))
            .unwrap_or_default()
            .into_owned()
    });
    let patient = work.patient.clone();
    work.part_id("DocumentReference", &[&patient, &kind, &time])
}

fn named(txa: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let authority = work.sender.authority;
    let master = data::entity(txa.field(12), authority);
    draft.put(
        "masterIdentifier",
        master.map(|named| data::identifier(&named, None)),
    );
    let file = work.text(txa.field(16)).map(|name| {
        let system = data::named_system(&format!("{authority}:file"));
        let named = data::Named {
            system,
            value: name.into_owned(),
        };
        data::identifier(&named, None)
    });
    draft.list("identifier", file.into_iter().collect());
}

/// `status` and `docStatus` by the trigger, TXA-17 and TXA-19. A cancelled document was never one.
fn standing(txa: Segment<'_>, trigger: &str, draft: &mut Draft, work: &mut Work<'_>) {
    let at = spot(txa, 19);
    let available = work
        .text(at.part())
        .unwrap_or_default()
        .to_ascii_uppercase();
    let status = match (trigger, available.as_str()) {
        ("T11", _) | (_, "CA") => "entered-in-error",
        (_, "OB") => "superseded",
        _ => "current",
    };
    // A notice about a document says nothing of its standing: a later one than that which cancelled
    // or replaced it must not bring it back.
    let makes = matches!(trigger, "T01" | "T02" | "T05" | "T06" | "T09" | "T10");
    let original = match available.as_str() {
        "" | "AV" => None,
        _ => work.original(at.part(), &table("0273")),
    };
    // The word that was sent counts no more than what is made of it.
    let into = match status != "current" || available == "AV" || makes {
        true => &mut draft.json,
        false => &mut draft.otherwise,
    };
    into.insert("status".into(), status.into());
    into.extend(original.map(|original| ("_status".to_owned(), original)));
    let at = spot(txa, 17);
    let completed = work.look(at, at.part(), code::DOCUMENT_STATUS);
    let completed = if trigger == "T11" {
        Some("entered-in-error")
    } else {
        completed
    };
    draft.put("docStatus", completed.map(Value::from));
}

/// By whom and when.
fn written(txa: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let mut authors = Vec::new();
    for part in work.reps(spot(txa, 9)) {
        authors.extend(work.practitioner(part));
    }
    draft.list("author", authors);
    // Who did authenticate it (TXA-22) says more than who is to (TXA-10).
    let signed = [22, 10]
        .into_iter()
        .find_map(|number| work.practitioner(txa.field(number).rep(0)));
    draft.put("authenticator", signed);
    let Some(stamp) = work.time(spot(txa, 6)) else {
        return;
    };
    if stamp.moment.has_clock() {
        stamp.put(&mut draft.json, "date");
    } else {
        work.complain_at(spot(txa, 6), "has no time of day; left out");
    }
}

fn labelled(txa: Segment<'_>, draft: &mut Draft, work: &mut Work<'_>) {
    let Some(said) = work.code(txa.field(18)) else {
        return;
    };
    let said = said.into_owned();
    draft.list(
        "securityLabel",
        vec![concept_of(coding(CONFIDENTIALITY, &said, None))],
    );
    // Where access is decided, one place says what is sensitive.
    if let Some(label) = labels::confidentiality(&said) {
        draft.put("meta", json!({"security": [label]}));
    }
}

/// The content: an attachment for each ED and RP, and one for all lines of text.
fn contents(message: &Message<'_>, title: Option<&str>, work: &mut Work<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    let mut text = String::new();
    for obx in message.segments("OBX") {
        let at = spot(obx, 5);
        let kind = work.text(obx.field(2)).unwrap_or_default();
        for part in work.reps(at) {
            match &*kind {
                "ED" => found.extend(attachment::of_data(at, part, work)),
                "RP" => found.extend(attachment::of_pointer(part, work)),
                _ => {
                    text.push_str(if text.is_empty() { "" } else { "\n" });
                    let line = work.free(part).map(|line| line.into_owned());
                    text.push_str(
                        &line
                            .or_else(|| value::words(part, work))
                            .unwrap_or_default(),
                    );
                }
            }
        }
    }
    if !text.trim().is_empty() {
        found.insert(0, attachment::of_text(&text));
    }
    let content = found.into_iter().map(|mut attachment| {
        if let (Value::Object(map), Some(title)) = (&mut attachment, title) {
            map.entry("title").or_insert_with(|| title.into());
        }
        json!({"attachment": attachment})
    });
    content.collect()
}

/// The visit, and the orders it answers: those in front of TXA, TXA-14 and TXA-15.
fn context(message: &Message<'_>, txa: Segment<'_>, work: &mut Work<'_>) -> Option<Value> {
    let authority = work.sender.authority;
    let mut named = Vec::new();
    for obr in message.segments("OBR") {
        named.extend(
            data::entity(obr.field(3), authority).or_else(|| data::entity(obr.field(2), authority)),
        );
    }
    for number in [14, 15] {
        let at = spot(txa, number);
        named.extend(
            work.reps(at)
                .filter_map(|part| data::entity(part, authority)),
        );
    }
    let orders = named.iter().map(
        |named| json!({"type": "ServiceRequest", "identifier": data::identifier(named, None)}),
    );
    let mut related: Vec<Value> = Vec::new();
    for order in orders {
        if !related.contains(&order) {
            related.push(order);
        }
    }
    let visit = work.encounter_reference();
    Object::with_room(2)
        .list("encounter", visit.into_iter().collect())
        .list("related", related)
        .some()
}

/// TXA-13: the document that this one replaces (T09, T10) or adds to (T05, T06).
fn earlier(txa: Segment<'_>, trigger: &str, draft: &mut Draft, work: &mut Work<'_>) {
    let relation = match trigger {
        "T09" | "T10" => "replaces",
        "T05" | "T06" => "appends",
        _ => return,
    };
    let Some(named) = data::entity(txa.field(13), work.sender.authority) else {
        return work.complain_at(spot(txa, 13), "does not say which document is meant");
    };
    let id = work.id("DocumentReference", &named.system, &named.value);
    if id == draft.id {
        return;
    }
    let target = reference("DocumentReference", &id);
    draft.list(
        "relatesTo",
        vec![json!({"code": relation, "target": target})],
    );
    let mut before = work.of_patient("DocumentReference", id, Mode::Merge);
    before.put("masterIdentifier", data::identifier(&named, None));
    let status = if relation == "replaces" {
        "superseded"
    } else {
        "current"
    };
    match relation {
        "replaces" => before.put("status", Value::from(status)),
        _ => drop(before.otherwise.insert("status".into(), status.into())),
    }
    before
        .otherwise
        .insert("subject".into(), work.patient_reference());
    before
        .otherwise
        .insert("content".into(), json!([{"attachment": absent()}]));
    work.add(before);
}
