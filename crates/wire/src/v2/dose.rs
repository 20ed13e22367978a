//! Doses: how much of a medicine, by which way, how often (RX segments, RXR, RXC).

use serde_json::{Map, Value, json};

use super::group::Group;
use super::json::Object;
use super::patient::table;
use super::timing::When;
use super::value::decimal;
use super::work::{Work, spot};
use crate::hl7::{Part, Segment};

/// Which fields of a segment say how much: least, most, unit, form, strength and its unit.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    least: usize,
    most: usize,
    unit: usize,
    rate: (usize, usize),
    /// Per which time: it makes the amount a rate.
    per: usize,
}

impl Columns {
    /// RXO.
    pub(super) const ORDERED: Columns = Columns {
        least: 2,
        most: 3,
        unit: 4,
        rate: (21, 22),
        per: 17,
    };
    /// RXE.
    pub(super) const ENCODED: Columns = Columns {
        least: 3,
        most: 4,
        unit: 5,
        rate: (23, 24),
        per: 22,
    };
    /// RXG.
    pub(super) const GIVEN: Columns = Columns {
        least: 5,
        most: 6,
        unit: 7,
        rate: (15, 16),
        per: 14,
    };
}

/// A Dosage: the amount, the way, the timing, and all of it in words: whoever shows the words alone
/// must leave out no dose.
pub(super) fn instruction<'m>(
    group: &Group<'m>,
    (when, amount): (When, Option<(Segment<'m>, Columns)>),
    words: Vec<String>,
    work: &mut Work<'_>,
) -> Option<Value> {
    let rate = amount.and_then(|(segment, columns)| quantity(segment, columns.rate, work));
    let way = way(group, amount.map(|(segment, _)| segment), work);
    let per = amount.and_then(|(segment, columns)| work.text(segment.field(columns.per)));
    let per = per.map(|per| per.into_owned());
    let amount = amount.and_then(|(segment, columns)| much(segment, columns, work));
    let own = ("doseQuantity", when.dose);
    let (member, amount) = amount.map_or(own, |(member, value)| (member, Some(value)));
    let mut said: Vec<String> = amount.iter().filter_map(amount_said).collect();
    if let (Some(per), Some(amount)) = (&per, said.first_mut()) {
        amount.push_str(&format!(" per {}", super::timing::said(per)));
    }
    // An amount for each hour is no amount that is given once.
    let (member, amount) = match (&per, amount) {
        (Some(per), Some(amount)) => ("rateRatio", ratio(amount, per)),
        (_, amount) => (member, amount),
    };
    said.extend(
        rate.iter()
            .filter_map(amount_said)
            .map(|rate| format!("at {rate}")),
    );
    said.extend(way.iter().filter_map(|(_, concept)| concept_said(concept)));
    said.extend(
        when.timing
            .as_ref()
            .and_then(|timing| concept_said(timing.get("code")?)),
    );
    said.extend(words.into_iter().chain(when.words));
    let text = (!said.is_empty()).then(|| said.join("; "));
    let mut dosage = Object::with_room(6)
        .put("text", text)
        .put("timing", when.timing)
        .put("asNeededBoolean", when.as_needed.then_some(true));
    for (member, value) in way {
        dosage = dosage.set(member, value);
    }
    let dose = Object::with_room(2)
        .put(member, amount)
        .put("rateQuantity", rate.filter(|_| member != "rateRatio"))
        .some();
    dosage
        .list("doseAndRate", dose.into_iter().collect())
        .some()
}

/// So much in a time; `None`: it is a range, or the time cannot be read, and the words have to do.
fn ratio(amount: Value, per: &str) -> Option<Value> {
    let per = super::timing::length(per)?;
    amount.get("value")?;
    Some(json!({"numerator": amount, "denominator": per}))
}

/// `5 mg`, or `1 to 2 tab`.
fn amount_said(amount: &Value) -> Option<String> {
    if let (Some(low), Some(high)) = (amount.get("low"), amount.get("high")) {
        return Some(format!("{} to {}", low.get("value")?, amount_said(high)?));
    }
    let value = amount.get("value")?;
    let unit = amount.get("unit").and_then(Value::as_str);
    Some(
        format!("{value} {}", unit.unwrap_or_default())
            .trim_end()
            .to_owned(),
    )
}

fn concept_said(concept: &Value) -> Option<String> {
    let paths = ["/text", "/coding/0/display", "/coding/0/code"];
    let mut said = paths.iter().filter_map(|path| concept.pointer(path));
    said.next().and_then(Value::as_str).map(str::to_owned)
}

/// RXR, the one behind the segment that says the amount before others: route, site, device and
/// method.
pub(super) fn way<'m>(
    group: &Group<'m>,
    of: Option<Segment<'m>>,
    work: &mut Work<'_>,
) -> Vec<(&'static str, Value)> {
    let own = of.and_then(|of| group.own("RXR", of));
    let Some(rxr) = own.or_else(|| group.first("RXR")) else {
        return Vec::new();
    };
    let fields = [
        (1, "route", "0162"),
        (2, "site", "0550"),
        (4, "method", "0165"),
    ];
    let found = fields.into_iter().filter_map(|(number, member, codes)| {
        Some((
            member,
            work.concept(rxr.field(number).rep(0), &table(codes))?,
        ))
    });
    found.collect()
}

/// From least to most, or one amount.
fn much(
    segment: Segment<'_>,
    columns: Columns,
    work: &mut Work<'_>,
) -> Option<(&'static str, Value)> {
    let least = quantity(segment, (columns.least, columns.unit), work)?;
    let most = quantity(segment, (columns.most, columns.unit), work);
    let Some(most) = most.filter(|most| *most != least) else {
        return Some(("doseQuantity", least));
    };
    // A range that runs the wrong way (rng-2) says no dose that anybody should read.
    let number = |amount: &Value| amount.get("value").and_then(Value::as_f64);
    if number(&least) < number(&most) {
        return Some(("doseRange", json!({"low": least, "high": most})));
    }
    work.complain_at(
        spot(segment, columns.most),
        "the most is less than the least; both were left out",
    );
    None
}

/// A number in one field and its unit in another, as a Quantity.
pub(super) fn quantity(
    segment: Segment<'_>,
    (value, unit): (usize, usize),
    work: &mut Work<'_>,
) -> Option<Value> {
    let number = work
        .text(segment.field(value))
        .and_then(|text| decimal(&text))?;
    let unit = segment.field(unit);
    let code = work.text(unit.comp(1));
    let words = work.text(unit.comp(2));
    let is_ucum = matches!(work.text(unit.comp(3)).as_deref(), Some("UCUM"));
    let mut quantity = Map::new();
    quantity.insert("value".into(), Value::Number(number));
    if let Some(words) = words.or_else(|| code.clone()) {
        quantity.insert("unit".into(), words.into());
    }
    if let (Some(code), true) = (code, is_ucum) {
        quantity.insert("system".into(), "http://unitsofmeasure.org".into());
        quantity.insert("code".into(), code.into());
    }
    Some(Value::Object(quantity))
}

/// RXE-19, what the doses of a day add up to, in words: it is a sum and no limit.
pub(super) fn a_day(part: Part<'_>, work: &mut Work<'_>) -> Option<String> {
    let number = work.text(part.comp(1)).and_then(|text| decimal(&text))?;
    let unit = work.text(part.comp(2).sub(1)).unwrap_or_default();
    Some(
        format!("total a day: {number} {unit}")
            .trim_end()
            .to_owned(),
    )
}

/// What was given, dispensed or is to be given.
pub(super) fn given_code<'m>(group: &Group<'m>) -> Option<Part<'m>> {
    [("RXA", 5), ("RXD", 2), ("RXG", 4)]
        .into_iter()
        .find_map(|(name, number)| Some(group.first(name)?.field(number)))
}

/// The form and strength of a medicine, and what it is mixed of, in words.
pub(super) fn made_of<'w>(
    group: &Group<'_>,
    work: &mut Work<'w>,
) -> impl Iterator<Item = String> + use<'w> {
    let mut found = Vec::new();
    let columns = [
        ("RXE", 6, 25, 26),
        ("RXO", 5, 18, 19),
        ("RXG", 8, 17, 18),
        ("RXD", 6, 16, 17),
    ];
    for (name, form, strength, unit) in columns {
        let Some(segment) = group.first(name) else {
            continue;
        };
        let form = super::medicine::instruction(segment.field(form).rep(0), work);
        found.extend(form.map(|form| format!("form: {form}")));
        let strength = work
            .text(segment.field(strength))
            .map(|text| text.into_owned());
        if let Some(strength) = strength {
            let unit = super::medicine::instruction(segment.field(unit).rep(0), work);
            found.push(
                format!("strength: {strength} {}", unit.unwrap_or_default())
                    .trim_end()
                    .to_owned(),
            );
        }
        if !found.is_empty() {
            break;
        }
    }
    for rxc in group.all("RXC") {
        found.extend(component(rxc, work));
    }
    found.into_iter()
}

/// RXC: base or additive, its name and how much of it.
fn component(rxc: Segment<'_>, work: &mut Work<'_>) -> Option<String> {
    let name = super::medicine::instruction(rxc.field(2).rep(0), work)?;
    let role = match work.text(rxc.field(1)).as_deref() {
        Some("B") => "base",
        Some("A") => "additive",
        _ => "component",
    };
    let amount = work.text(rxc.field(3)).unwrap_or_default();
    let unit = super::medicine::instruction(rxc.field(4).rep(0), work).unwrap_or_default();
    Some(
        format!("{role}: {name} {amount} {unit}")
            .trim_end()
            .to_owned(),
    )
}

/// The lines of a repeating CWE, as notes.
pub(super) fn notes(segment: Segment<'_>, number: usize, work: &mut Work<'_>) -> Vec<Value> {
    let at = spot(segment, number);
    let lines = work
        .reps(at)
        .filter_map(|part| super::medicine::instruction(part, work));
    lines.map(|text| json!({"text": text})).collect()
}
