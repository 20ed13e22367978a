//! The value of an observation: OBX-5 read by OBX-2, with the units of OBX-6.

use std::borrow::Cow;
use std::str::FromStr;

use serde_json::{Map, Number, Value};

use super::attachment::{encapsulated, pointer};
use super::json::Object;
use super::system;
use super::time;
use super::work::{Spot, Work, spot};
use crate::hl7::{Part, Segment};

/// What one repetition of OBX-5 became.
pub(super) enum Read {
    /// `value[x]`: the element and its value.
    Element(&'static str, Value),
    /// A time, which brings its original with it.
    Time(super::work::Stamp),
    /// An extension, for what R4 has no `value[x]` for.
    Extension(Value),
}

impl Read {
    /// Puts it into an Observation or one of its components.
    pub(super) fn put(self, map: &mut Map<String, Value>) {
        match self {
            Read::Element(element, value) => {
                map.insert(element.into(), value);
            }
            Read::Time(stamp) => stamp.put(map, "valueDateTime"),
            Read::Extension(value) => {
                map.insert("extension".into(), Value::Array(vec![value]));
            }
        }
    }
}

/// Whether repetitions of that type are lines of one text.
pub(super) fn is_text(kind: &str) -> bool {
    matches!(kind, "ST" | "TX" | "FT")
}

/// All lines of a text.
pub(super) fn lines(at: Spot<'_>, work: &mut Work<'_>) -> Option<Read> {
    let mut text = String::new();
    for part in work.reps(at) {
        if let Some(line) = work.free(part) {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            text.push_str(&line);
        }
    }
    (!text.is_empty()).then(|| Read::Element("valueString", text.into()))
}

/// One repetition of OBX-5, by its type.
pub(super) fn value(obx: Segment<'_>, part: Part<'_>, work: &mut Work<'_>) -> Option<Read> {
    let kind = work.text(obx.field(2)).unwrap_or_default();
    let read = match &*kind {
        "NM" => numeric(obx, part, work),
        "SN" => structured(obx, part, work),
        "CE" | "CWE" | "CNE" | "CF" | "IS" | "ID" => {
            let concept = work.concept(part, "");
            return concept.map(|concept| Read::Element("valueCodeableConcept", concept));
        }
        "TS" | "DTM" | "DT" => return date(obx, part, work),
        "TM" => clock(part, work),
        "ED" => return encapsulated(spot(obx, 5), part, work),
        "RP" => return pointer(part, work),
        "CQ" => {
            let number = work.text(part.comp(1)).and_then(|text| decimal(&text));
            number.map(|number| {
                let units = units(part.comp(2), Level::Sub, work);
                Read::Element("valueQuantity", units.set("value", number).done())
            })
        }
        "DR" => period(obx, part, work),
        "NR" => range(obx, part, work),
        _ => None,
    };
    read.or_else(|| {
        let text = words(part, work)?;
        if !is_text(&kind) {
            let said = format!("could not be read as `{kind}`; kept as text");
            work.complain_at(spot(obx, 5), &said);
        }
        Some(Read::Element("valueString", text.into()))
    })
}

/// All components with a blank between them.
pub(super) fn words(part: Part<'_>, work: &mut Work<'_>) -> Option<String> {
    let words: Vec<Cow<'_, str>> = part.comps().filter_map(|part| work.free(part)).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// NM. Some senders put a comparator before the number; it is read as one.
fn numeric(obx: Segment<'_>, part: Part<'_>, work: &mut Work<'_>) -> Option<Read> {
    let text = work.text(part)?;
    let (comparator, digits) = split_comparator(&text);
    let number = decimal(digits)?;
    let quantity = units(obx.field(6), Level::Component, work);
    let quantity = quantity.set("value", number).put("comparator", comparator);
    Some(Read::Element("valueQuantity", quantity.done()))
}

/// SN: comparator, number, separator or suffix, number.
fn structured(obx: Segment<'_>, part: Part<'_>, work: &mut Work<'_>) -> Option<Read> {
    let sign = work.text(part.comp(1)).unwrap_or_default();
    let between = work.text(part.comp(3)).unwrap_or_default();
    let comparator = split_comparator(&sign).0;
    if comparator.is_none() && !matches!(&*sign, "" | "=") {
        return None;
    }
    let first = work.text(part.comp(2)).and_then(|text| decimal(&text));
    let second = work.text(part.comp(4)).and_then(|text| decimal(&text));
    let mut unit = || units(obx.field(6), Level::Component, work);
    match (&*between, first, second) {
        ("", Some(number), None) => {
            let quantity = unit().set("value", number).put("comparator", comparator);
            Some(Read::Element("valueQuantity", quantity.done()))
        }
        ("-", Some(low), Some(high)) if comparator.is_none() => {
            let range = Object::with_room(2)
                .set("low", unit().set("value", low).done())
                .set("high", unit().set("value", high).done());
            Some(Read::Element("valueRange", range.done()))
        }
        (":" | "/", Some(over), Some(under)) => {
            let over = unit().set("value", over).put("comparator", comparator);
            let under = Object::with_room(1).set("value", under);
            let ratio = Object::with_room(2)
                .set("numerator", over.done())
                .set("denominator", under.done());
            Some(Read::Element("valueRatio", ratio.done()))
        }
        _ => None,
    }
}

fn period(obx: Segment<'_>, part: Part<'_>, work: &mut Work<'_>) -> Option<Read> {
    let at = spot(obx, 5);
    let period = work.period((at, part.comp(1)), (at, part.comp(2)));
    period.map(|period| Read::Element("valuePeriod", period))
}

fn range(obx: Segment<'_>, part: Part<'_>, work: &mut Work<'_>) -> Option<Read> {
    let mut range = Object::with_room(2);
    for (number, member) in [(1, "low"), (2, "high")] {
        if let Some(bound) = work.text(part.comp(number)).and_then(|text| decimal(&text)) {
            let bound = units(obx.field(6), Level::Component, work).set("value", bound);
            range = range.set(member, bound.done());
        }
    }
    range.some().map(|range| Read::Element("valueRange", range))
}

fn date(obx: Segment<'_>, part: Part<'_>, work: &mut Work<'_>) -> Option<Read> {
    if let Some(stamp) = work.time_in(spot(obx, 5), part) {
        return Some(Read::Time(stamp));
    }
    // The complaint is made already; what was written is still worth reading.
    words(part, work).map(|text| Read::Element("valueString", text.into()))
}

fn clock(part: Part<'_>, work: &mut Work<'_>) -> Option<Read> {
    let time = time::time_of_day(&work.text(part)?)?;
    Some(Read::Element("valueTime", time.into()))
}

/// Which division of a part holds the columns of a coded unit.
#[derive(Clone, Copy)]
enum Level {
    Component,
    Sub,
}

/// The start of a Quantity: unit, and system and code if the system is said.
fn units(part: Part<'_>, level: Level, work: &mut Work<'_>) -> Object {
    let at = |number| match level {
        Level::Component => part.comp(number),
        Level::Sub => part.sub(number),
    };
    let quantity = Object::with_room(5);
    if part.is_absent() {
        return quantity;
    }
    let code = work.code(at(1));
    let unit = work.text(at(2)).or_else(|| code.clone());
    let system = work.text(at(3)).map(|name| system::uri(&name));
    let quantity = quantity.put("unit", unit);
    match (system, code) {
        (Some(system), Some(code)) => quantity.set("system", system).set("code", code),
        _ => quantity,
    }
}

/// OBX-6 for a reference range.
pub(super) fn units_of(obx: Segment<'_>, work: &mut Work<'_>) -> Object {
    units(obx.field(6), Level::Component, work)
}

/// A comparator before a number, and the rest.
pub(super) fn split_comparator(text: &str) -> (Option<&'static str>, &str) {
    for (sign, code) in [
        ("<=", "<="),
        (">=", ">="),
        ("≤", "<="),
        ("≥", ">="),
        ("<", "<"),
        (">", ">"),
    ] {
        if let Some(rest) = text.strip_prefix(sign)
            && !rest.starts_with(['<', '>', '='])
        {
            return (Some(code), rest.trim_start());
        }
    }
    (None, text)
}

/// An HL7 number as a JSON number with the digits it came with: `+5.`, `.50` and `007` are none.
pub(super) fn decimal(text: &str) -> Option<Number> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let plain = !digits.is_empty()
        && digits.len() <= 64
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !plain {
        return None;
    }
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if part.contains('.') || whole.is_empty() && part.is_empty() {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let dot = if part.is_empty() { "" } else { "." };
    if sign.is_empty() && whole.len() + part.len() + dot.len() == text.len() {
        return Number::from_str(text).ok();
    }
    Number::from_str(&format!("{sign}{whole}{dot}{part}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        for (text, expected) in [
            ("1.50", "1.50"),
            ("+5", "5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("007.10", "7.10"),
            ("-0.0", "-0.0"),
            ("12345678901234567890.123", "12345678901234567890.123"),
        ] {
            assert_eq!(decimal(text).unwrap().to_string(), expected, "{text}");
        }
        for bad in ["", ".", "-", "1e5", "1,5", "1.2.3", "--1", "٣"] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }

    #[test]
    fn comparators() {
        assert_eq!(split_comparator("<= 5"), (Some("<="), "5"));
        assert_eq!(split_comparator("≥5"), (Some(">="), "5"));
        assert_eq!(split_comparator("<>5"), (None, "<>5"));
        assert_eq!(split_comparator("5"), (None, "5"));
    }
}
