//! When something is to be done and how much of it: TQ1, and TQ in ORC-7, OBR-27 or RXE-1.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::code;
use super::json::{Object, coding};
use super::patient::table;
use super::time;
use super::value::decimal;
use super::work::{Spot, Work, spot};
use crate::hl7::{Part, Segment};

const UCUM: &str = "http://unitsofmeasure.org";

/// What a timing says.
#[derive(Default)]
pub(super) struct When {
    /// A Timing.
    pub(super) timing: Option<Value>,
    /// How much each time, as a Quantity.
    pub(super) dose: Option<Value>,
    /// A code of request-priority.
    pub(super) priority: Option<&'static str>,
    /// What it says in words.
    pub(super) words: Vec<String>,
    /// Only if the patient needs it (PRN).
    pub(super) as_needed: bool,
    /// Start and end alone, as a Period.
    pub(super) period: Option<Value>,
}

/// The first of TQ1, ORC-7 and one more field that says something.
pub(super) fn when(
    tq1: Option<Segment<'_>>,
    fields: &[Option<Spot<'_>>],
    work: &mut Work<'_>,
) -> When {
    if let Some(tq1) = tq1 {
        return of_tq1(tq1, work);
    }
    let said = fields.iter().flatten().find(|at| !at.part().is_absent());
    said.map_or_else(When::default, |at| of_tq(*at, work))
}

fn of_tq1(tq1: Segment<'_>, work: &mut Work<'_>) -> When {
    let pattern = tq1.field(3);
    let mut repeat = Repeat::of(pattern.comp(1), work);
    let at = spot(tq1, 4);
    let times: Vec<Value> = work
        .reps(at)
        .filter_map(|part| time::time_of_day(&work_text(part)?).map(Value::from))
        .collect();
    if !times.is_empty() {
        repeat.map.insert("timeOfDay".into(), Value::Array(times));
    }
    let (start, end) = (spot(tq1, 7), spot(tq1, 8));
    let period = work.period((start, start.part()), (end, end.part()));
    repeat.bounded(&period, || {
        duration(&work_text(tq1.field(6)).unwrap_or_default(), tq1.field(6))
    });
    repeat.counted(work.text(tq1.field(14)));
    repeat.lasting(tq1.field(13), work);
    let words = [tq1.field(10), tq1.field(11)];
    When {
        dose: quantity(tq1.field(2), Within::Components, work),
        priority: priority(work.text(tq1.field(9).comp(1))),
        words: words
            .into_iter()
            .filter_map(|part| work.free(part).map(Cow::into_owned))
            .collect(),
        as_needed: repeat.as_needed,
        timing: repeat.timing(),
        period,
    }
}

fn of_tq(at: Spot<'_>, work: &mut Work<'_>) -> When {
    let part = at.part().rep(0);
    let mut repeat = Repeat::of(part.comp(2), work);
    let period = work.period((at, part.comp(4)), (at, part.comp(5)));
    repeat.bounded(&period, || {
        duration(&work_text(part.comp(3)).unwrap_or_default(), part.comp(3))
    });
    repeat.counted(work.text(part.comp(12)));
    When {
        dose: quantity(part.comp(1), Within::Subcomponents, work),
        priority: priority(work.text(part.comp(6))),
        words: work
            .free(part.comp(8))
            .map(Cow::into_owned)
            .into_iter()
            .collect(),
        as_needed: repeat.as_needed,
        timing: repeat.timing(),
        period,
    }
}

fn work_text(part: Part<'_>) -> Option<String> {
    Some(part.string()?.trim().to_owned()).filter(|text| !text.is_empty())
}

fn priority(said: Option<Cow<'_, str>>) -> Option<&'static str> {
    code::look(code::PRIORITY, &said?)
}

#[derive(Clone, Copy)]
enum Within {
    Components,
    Subcomponents,
}

/// CQ as a Quantity: a number and its unit.
fn quantity(part: Part<'_>, within: Within, work: &mut Work<'_>) -> Option<Value> {
    let (value, unit) = match within {
        Within::Components => (part.comp(1), part.comp(2).sub(1)),
        Within::Subcomponents => (part.sub(1), part.sub(2)),
    };
    let number = work.text(value).and_then(|text| decimal(&text))?;
    let quantity = Object::with_room(2)
        .set("value", number)
        .put("unit", work.text(unit));
    Some(quantity.done())
}

/// `D4`, or a number with its unit, as a duration in UCUM.
/// A length of time such as `H1`, as a Quantity in UCUM.
pub(super) fn length(said: &str) -> Option<Value> {
    let (unit, digits) = said.split_at_checked(1)?;
    let number = decimal(digits)?;
    let unit = code::look(code::TIME_UNIT, unit)?;
    Some(json!({"value": number, "unit": unit, "system": UCUM, "code": unit}))
}

/// The same in words; what cannot be read stays as it was written.
pub(super) fn said(said: &str) -> String {
    let length = length(said);
    let parts = length.as_ref().and_then(|length| {
        let unit = length.get("unit").and_then(Value::as_str)?;
        Some(format!("{} {unit}", length.get("value")?))
    });
    parts.unwrap_or_else(|| said.to_owned())
}

fn duration(said: &str, part: Part<'_>) -> Option<Value> {
    let (digits, unit) = match said.split_at_checked(1) {
        Some((letter, digits)) if letter.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            (digits.to_owned(), letter.to_owned())
        }
        _ => (
            said.to_owned(),
            work_text(part.comp(2).sub(1)).or_else(|| work_text(part.sub(2)))?,
        ),
    };
    let number = decimal(&digits)?;
    let unit = code::look(code::TIME_UNIT, &unit)?;
    Some(json!({"value": number, "unit": unit, "system": UCUM, "code": unit}))
}

/// `Timing.repeat` in the making, with the code it comes from.
#[derive(Default)]
struct Repeat {
    map: Map<String, Value>,
    code: Option<Value>,
    as_needed: bool,
}

impl Repeat {
    /// RI.1 or RPT.1: a repeat pattern of table 0335.
    fn of(part: Part<'_>, work: &mut Work<'_>) -> Repeat {
        let mut repeat = Repeat::default();
        let Some(said) = work.text(part.sub(1)) else {
            return repeat;
        };
        let mut upper = said.to_ascii_uppercase();
        if let Some(rest) = upper.strip_prefix("PRN") {
            repeat.as_needed = true;
            upper = rest.trim().to_owned();
        }
        repeat.how_often(&upper);
        let words = work.text(part.sub(2));
        let concept = Object::with_room(2)
            .set(
                "coding",
                vec![coding(&table("0335"), &said, words.as_deref())],
            )
            .set("text", words.as_deref().unwrap_or(&said));
        repeat.code = Some(concept.done());
        repeat
    }

    fn how_often(&mut self, pattern: &str) {
        let Some((frequency, period, unit)) = often(pattern) else {
            return;
        };
        for (member, value) in [("frequency", frequency), ("period", period)] {
            self.map.insert(member.into(), value.into());
        }
        self.map.insert("periodUnit".into(), unit.into());
    }

    /// From when to when, else how long.
    fn bounded(&mut self, period: &Option<Value>, long: impl FnOnce() -> Option<Value>) {
        if let Some(period) = period {
            self.map.insert("boundsPeriod".into(), period.clone());
        } else if let Some(long) = long() {
            self.map.insert("boundsDuration".into(), long);
        }
    }

    fn counted(&mut self, said: Option<Cow<'_, str>>) {
        let count = said.and_then(|text| text.parse::<u32>().ok());
        if let Some(count) = count.filter(|count| *count > 0 && *count < 1 << 31) {
            self.map.insert("count".into(), count.into());
        }
    }

    /// How long each time takes.
    fn lasting(&mut self, part: Part<'_>, work: &mut Work<'_>) {
        let number = work.text(part.comp(1)).and_then(|text| decimal(&text));
        let unit = work.text(part.comp(2).sub(1));
        let unit = unit.and_then(|unit| code::look(code::TIME_UNIT, &unit));
        if let (Some(number), Some(unit)) = (number, unit) {
            self.map.insert("duration".into(), Value::Number(number));
            self.map.insert("durationUnit".into(), unit.into());
        }
    }

    fn timing(self) -> Option<Value> {
        let repeat = (!self.map.is_empty()).then_some(Value::Object(self.map));
        Object::with_room(2)
            .put("repeat", repeat)
            .put("code", self.code)
            .some()
    }
}

/// How often in how long, of a pattern of table 0335 that says so by itself.
fn often(pattern: &str) -> Option<(u32, u32, &'static str)> {
    match pattern {
        "BID" => return Some((2, 1, "d")),
        "TID" => return Some((3, 1, "d")),
        "QID" => return Some((4, 1, "d")),
        "QD" | "DAILY" | "QAM" | "QPM" | "QHS" => return Some((1, 1, "d")),
        "QOD" => return Some((1, 2, "d")),
        "QSHIFT" => return Some((1, 8, "h")),
        _ => {}
    }
    if let Some(times) = pattern.strip_suffix("ID") {
        return Some((small(times)?, 1, "d"));
    }
    let every = pattern.strip_prefix('Q')?;
    let (digits, unit) = every.split_at_checked(every.len().checked_sub(1)?)?;
    let number = if digits.is_empty() { 1 } else { small(digits)? };
    Some((1, number, code::look(code::TIME_UNIT, unit)?))
}

fn small(digits: &str) -> Option<u32> {
    digits
        .parse()
        .ok()
        .filter(|number| (1..10_000).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_say_how_often() {
        assert_eq!(often("Q6H"), Some((1, 6, "h")));
        assert_eq!(often("Q15M"), Some((1, 15, "min")));
        assert_eq!(often("5ID"), Some((5, 1, "d")));
        assert_eq!(often("QOD"), Some((1, 2, "d")));
        assert_eq!(often("Q2L"), Some((1, 2, "mo")));
        assert_eq!(often("QZ"), None);
        assert_eq!(often("0ID"), None);
        assert_eq!(often("Q"), None);
        assert_eq!(often("ü"), None);
    }
}
