//! Master files: staff (MFN^M02: STF, PRA) and places (MFN^M05: LOC). The guide leaves both open.

use serde_json::{Value, json};

use super::data::{self, Named};
use super::group::{self, Group};
use super::json::reference;
use super::patient::{born, gender, table, telecoms};
use super::work::{Work, spot};
use super::{Draft, Mode};
use crate::hl7::{Message, Segment};

/// The entries of a master file.
pub(super) fn entries(message: &Message<'_>, work: &mut Work<'_>) {
    let groups = group::groups(message, &["MFE"]);
    if groups.is_empty() {
        work.complain("there is no MFE, so nothing is to be changed".into());
    }
    for group in &groups {
        let told = work.told;
        let mfe = group.first("MFE");
        work.told = mfe.and_then(|mfe| work.told_at(&[mfe.field(3)])).or(told);
        let is_active = mfe.is_none_or(|mfe| !is_ended(mfe, work));
        let state = if is_active {
            State::Active
        } else {
            State::Ended
        };
        for stf in group.all("STF") {
            staff(group, (stf, state), work);
        }
        for loc in group.all("LOC") {
            place(loc, state, work);
        }
        work.told = told;
    }
}

/// MFE-1: `MDL` and `MDC` end an entry.
fn is_ended(mfe: Segment<'_>, work: &mut Work<'_>) -> bool {
    matches!(work.text(mfe.field(1)).as_deref(), Some("MDL" | "MDC"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Ended,
}

/// STF, with the PRA behind it: Practitioner and PractitionerRole.
fn staff(group: &Group<'_>, (stf, state): (Segment<'_>, State), work: &mut Work<'_>) {
    let numbers = numbers(stf, work);
    let Some(first) = numbers.first() else {
        return work.complain_at(spot(stf, 2), "names nobody; left out");
    };
    let id = work.id("Practitioner", &first.system, &first.value);
    let mut draft = Draft::new("Practitioner", id.clone(), Mode::Merge);
    draft.told = work.told;
    let identifiers = numbers.iter().map(|named| data::identifier(named, None));
    draft.list("identifier", identifiers.collect());
    let inactive = work.text(stf.field(7)).as_deref() == Some("I");
    draft.put("active", Value::from(state == State::Active && !inactive));
    let at = spot(stf, 3);
    draft.list(
        "name",
        work.reps(at)
            .filter_map(|part| work.name(part, 0))
            .collect(),
    );
    let mut telecom = telecoms(spot(stf, 10), Some("work"), work);
    let mail = work.text(stf.field(15)).filter(|mail| mail.contains('@'));
    telecom.extend(mail.map(|mail| json!({"system": "email", "value": mail, "use": "work"})));
    draft.list("telecom", telecom);
    let at = spot(stf, 11);
    draft.list(
        "address",
        work.reps(at)
            .filter_map(|part| work.address(part))
            .collect(),
    );
    gender(spot(stf, 5), &mut draft, work);
    born(spot(stf, 6), &mut draft, work);
    let active = draft.json.get("active").cloned();
    work.add(draft);
    role(group, (stf, &id), active, work);
}

/// STF-2, else STF-1. With more than one, the first is who they are in messages.
fn numbers(stf: Segment<'_>, work: &mut Work<'_>) -> Vec<Named> {
    let authority = work.sender.authority;
    let list: Vec<Named> = work
        .reps(spot(stf, 2))
        .filter_map(|part| data::named(part, (1, 4), authority))
        .collect();
    if !list.is_empty() {
        return list;
    }
    let key = work.text(stf.field(1).comp(1)).map(|value| Named {
        system: data::named_system(authority),
        value: value.into_owned(),
    });
    key.into_iter().collect()
}

fn role(
    group: &Group<'_>,
    (stf, practitioner): (Segment<'_>, &str),
    active: Option<Value>,
    work: &mut Work<'_>,
) {
    let pra = group.first("PRA");
    let id = work.part_id("PractitionerRole", &[practitioner]);
    let mut draft = Draft::new("PractitionerRole", id, Mode::Merge);
    draft.told = work.told;
    draft.put("active", active);
    draft.put("practitioner", reference("Practitioner", practitioner));
    draft.put("period", work.span(stf, (12, 13)));
    let mut codes = Vec::new();
    for (segment, number, codes_of) in [(Some(stf), 4, "0182"), (pra, 3, "0186")] {
        let Some(segment) = segment else { continue };
        let at = spot(segment, number);
        codes.extend(
            work.reps(at)
                .filter_map(|part| work.concept(part, &table(codes_of))),
        );
    }
    draft.list("code", codes);
    let mut specialties = Vec::new();
    if let Some(pra) = pra {
        for part in work.reps(spot(pra, 5)) {
            specialties.extend(work.text(part.comp(1)).map(|words| json!({"text": words})));
        }
    }
    draft.list("specialty", specialties);
    let department = super::medicine::instruction(stf.field(8).rep(0), work);
    draft.put(
        "organization",
        department.map(|name| json!({"display": name})),
    );
    let says_more = ["code", "specialty", "organization", "period"];
    if says_more
        .iter()
        .any(|element| draft.json.contains_key(*element))
    {
        work.add(draft);
    }
}

/// LOC: the finest place that LOC-1 names.
fn place(loc: Segment<'_>, state: State, work: &mut Work<'_>) {
    let entry = work.location(loc.field(1), None);
    let id = entry
        .as_ref()
        .and_then(|entry| entry.pointer("/location/reference"));
    let id = id
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix("Location/"));
    let Some(id) = id.map(str::to_owned) else {
        return work.complain_at(spot(loc, 1), "names no place; left out");
    };
    let status = if state == State::Active {
        "active"
    } else {
        "inactive"
    };
    let words = work.free(loc.field(2)).map(|words| words.into_owned());
    let at = spot(loc, 3);
    let kinds: Vec<Value> = work
        .reps(at)
        .filter_map(|part| work.concept(part, &table("0260")))
        .collect();
    let telecom = telecoms(spot(loc, 6), Some("work"), work);
    let address = work.address(loc.field(5).rep(0));
    let told = work.told;
    if let Some(draft) = work.made(&id) {
        draft.told = told;
        draft.put("status", Value::from(status));
        draft.put("description", words.map(Value::from));
        draft.list("type", kinds);
        draft.list("telecom", telecom);
        draft.put("address", address);
    }
}
