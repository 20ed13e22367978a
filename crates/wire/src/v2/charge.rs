//! ChargeItem: DFT (FT1). The guide leaves it open.

use serde_json::{Map, Value, json};

use super::json::absent;
use super::patient::table;
use super::value::decimal;
use super::work::{Work, spot};
use super::{Mode, account, clinical, data};
use crate::hl7::{Message, Part, Segment};

/// The charges of a DFT, and the account they are on. Payments and adjustments (FT1-6 `PY`, `AJ`,
/// `CO`) are none: they stay in the message.
pub(super) fn charges(message: &Message<'_>, trigger: &str, work: &mut Work<'_>) {
    let account = account::account(message, trigger, work);
    for (position, ft1) in message.segments("FT1").enumerate() {
        let kind = work
            .text(ft1.field(6))
            .unwrap_or_default()
            .to_ascii_uppercase();
        if !matches!(kind.as_str(), "PY" | "AJ" | "CO") {
            charge((ft1, &kind), (position, account.as_ref()), work);
        }
    }
}

fn charge(
    (ft1, kind): (Segment<'_>, &str),
    (position, account): (usize, Option<&Value>),
    work: &mut Work<'_>,
) {
    let id = id(ft1, position, work);
    let mut draft = work.of_patient("ChargeItem", id, Mode::Replace);
    let number = work.text(ft1.field(2)).map(|value| {
        let system = data::named_system(work.sender.authority);
        data::identifier(
            &data::Named {
                system,
                value: value.into_owned(),
            },
            None,
        )
    });
    draft.list("identifier", number.into_iter().collect());
    draft.put("status", Value::from("billable"));
    draft.put("code", code(ft1, work));
    draft.put("subject", work.patient_reference());
    let encounter = work.encounter_reference();
    draft.put("context", encounter);
    let at = spot(ft1, 4);
    super::result::span(
        (at, at.part().comp(1)),
        (at, at.part().comp(2)),
        ("occurrence", &mut draft.json),
        work,
    );
    if let Some(stamp) = work.time(spot(ft1, 5)) {
        stamp.put(&mut draft.json, "enteredDate");
    }
    let quantity = work.text(ft1.field(10)).and_then(|text| decimal(&text));
    draft.put("quantity", quantity.map(|value| json!({"value": value})));
    let price = money(ft1.field(11), work).or_else(|| money(ft1.field(22), work));
    draft.put("priceOverride", price);
    let performer = work.practitioner(ft1.field(20).rep(0));
    draft.list(
        "performer",
        performer
            .into_iter()
            .map(|actor| json!({"actor": actor}))
            .collect(),
    );
    draft.put("enterer", work.practitioner(ft1.field(24).rep(0)));
    let department = super::medicine::instruction(ft1.field(13), work);
    draft.put(
        "performingOrganization",
        department.map(|name| json!({"display": name})),
    );
    let at = spot(ft1, 19);
    draft.list(
        "reason",
        work.reps(at)
            .filter_map(|part| work.concept(part, ""))
            .collect(),
    );
    draft.list("account", account.cloned().into_iter().collect());
    if kind == "CD" {
        draft.list("note", vec![json!({"text": "a credit"})]);
    }
    work.add(draft);
}

/// FT1-2, the number of the transaction; without one, its place, service and time.
fn id(ft1: Segment<'_>, position: usize, work: &mut Work<'_>) -> String {
    let system = data::named_system(work.sender.authority);
    if let Some(number) = work.text(ft1.field(2)) {
        let id = work.id("ChargeItem", &system, &number);
        if !work.has_made(&id) {
            return id;
        }
    }
    let service = clinical::key_of(ft1.field(7), work);
    let time = work.text(ft1.field(4)).unwrap_or_default();
    let patient = work.patient.clone();
    work.part_id(
        "ChargeItem",
        &[&patient, &service, &time, &position.to_string()],
    )
}

/// What is charged (FT1-7), in the words of FT1-8; the procedure (FT1-25) beside it.
fn code(ft1: Segment<'_>, work: &mut Work<'_>) -> Value {
    let mut found = work.concept(ft1.field(7), &table("0132"));
    let procedure = work.concept(ft1.field(25), "");
    if let Some(Value::Object(map)) = &mut found {
        if let Some(words) = work.free(ft1.field(8)) {
            map.entry("text")
                .or_insert_with(|| words.into_owned().into());
        }
        let codings = procedure
            .as_ref()
            .and_then(|concept| concept.get("coding"))
            .and_then(Value::as_array);
        if let (Some(Value::Array(list)), Some(more)) = (map.get_mut("coding"), codings) {
            list.extend(
                more.iter()
                    .filter(|one| !list.contains(one))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
        }
    }
    found.or(procedure).unwrap_or_else(absent)
}

/// CP: an amount and its currency.
fn money(part: Part<'_>, work: &mut Work<'_>) -> Option<Value> {
    let value = work
        .text(part.comp(1).sub(1))
        .and_then(|text| decimal(&text))?;
    let currency = work
        .text(part.comp(1).sub(2))
        .filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
    let mut map = Map::new();
    map.insert("value".into(), Value::Number(value));
    if let Some(currency) = currency {
        map.insert("currency".into(), currency.into());
    }
    Some(Value::Object(map))
}
