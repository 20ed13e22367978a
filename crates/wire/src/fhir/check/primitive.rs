//! The forms of the primitive types (R4 section 2.24.0.1).

use serde_json::{Number, Value};

use super::super::refs::is_id;
use super::super::search::span_of;
use super::super::tables::Primitive;
use super::place::shown;
use super::xhtml;

/// What is wrong with a primitive's value; `None` when nothing is.
pub(super) fn fault(kind: Primitive, value: &Value) -> Option<String> {
    match (kind, value) {
        (Primitive::Boolean, Value::Bool(_)) => None,
        (Primitive::Decimal, Value::Number(_)) => None,
        (
            Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt,
            Value::Number(n),
        ) => integer_fault(kind, n),
        (Primitive::Boolean, other) => Some(wrong(other, "`true` or `false`, without quotes")),
        (
            Primitive::Decimal
            | Primitive::Integer
            | Primitive::PositiveInt
            | Primitive::UnsignedInt,
            other,
        ) => Some(wrong(other, "a number, without quotes")),
        (_, Value::String(text)) => text_fault(kind, text),
        (_, other) => Some(wrong(other, "a string")),
    }
}

fn wrong(found: &Value, wanted: &str) -> String {
    format!("{} stands where {wanted} belongs", kind_of(found))
}

/// A JSON value's kind in words.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn integer_fault(kind: Primitive, number: &Number) -> Option<String> {
    let least = match kind {
        Primitive::PositiveInt => 1,
        Primitive::UnsignedInt => 0,
        _ => i64::from(i32::MIN),
    };
    match number.as_i64() {
        Some(n) if (least..=i64::from(i32::MAX)).contains(&n) => None,
        _ => Some(format!(
            "`{number}` is not a whole number from {least} to {}",
            i32::MAX
        )),
    }
}

fn text_fault(kind: Primitive, text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("an empty string; leave the element out".into());
    }
    if let Some(odd) = text
        .chars()
        .find(|c| *c < ' ' && !matches!(c, '\t' | '\r' | '\n'))
    {
        return Some(format!(
            "the control character U+{:04X} is not allowed",
            odd as u32
        ));
    }
    let (fits, wanted) = match kind {
        Primitive::Xhtml => return xhtml::fault(text),
        Primitive::String | Primitive::Markdown => (
            !text.trim().is_empty(),
            "text with something other than white space",
        ),
        Primitive::Code => (
            is_code(text),
            "a code: no white space at its ends, none double",
        ),
        Primitive::Id => (
            is_id(text),
            "an id: 1 to 64 of letters, digits, `-` and `.`",
        ),
        Primitive::Uri | Primitive::Url | Primitive::Canonical => (
            !text.chars().any(char::is_whitespace),
            "an address without white space",
        ),
        Primitive::Oid => (is_oid(text), "`urn:oid:` and digits with dots"),
        Primitive::Uuid => (is_uuid(text), "`urn:uuid:` and a lower-case UUID"),
        Primitive::Date => (is_date(text), "a date: `2020`, `2020-01` or `2020-01-31`"),
        Primitive::DateTime => (
            is_date(text) || is_instant(text),
            "a date, or a time with seconds and zone: `2020-01-31T10:30:00+01:00`",
        ),
        Primitive::Instant => (
            is_instant(text),
            "a time with seconds and zone: `2020-01-31T10:30:00+01:00`",
        ),
        Primitive::Time => (is_time(text), "a time of day: `10:30:00`"),
        Primitive::Base64Binary => (is_base64(text), "base64"),
        _ => (true, ""),
    };
    (!fits).then(|| format!("{} is not {wanted}", shown(text)))
}

fn is_code(text: &str) -> bool {
    let mut space_before = true;
    for c in text.chars() {
        let space = c.is_whitespace();
        if space && space_before {
            return false;
        }
        space_before = space;
    }
    !space_before
}

fn is_oid(text: &str) -> bool {
    let Some(oid) = text.strip_prefix("urn:oid:") else {
        return false;
    };
    let mut arcs = oid.split('.');
    let first = matches!(arcs.next(), Some("0" | "1" | "2"));
    let mut more = 0;
    let rest = arcs.all(|arc| {
        more += 1;
        let digits = !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit());
        digits && (arc == "0" || !arc.starts_with('0'))
    });
    first && rest && more > 0
}

fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else {
        return false;
    };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

fn is_date(text: &str) -> bool {
    !text.contains('T') && span_of(text).is_some()
}

fn is_instant(text: &str) -> bool {
    let Some((_, time)) = text.split_once('T') else {
        return false;
    };
    let Some(at) = time.find(['Z', '+', '-']) else {
        return false;
    };
    let seconds = time.get(..at).is_some_and(is_time);
    seconds
        && !time.ends_with("-14:59")
        && zone_in_reach(time.get(at..).unwrap_or(""))
        && span_of(text).is_some()
}

fn zone_in_reach(zone: &str) -> bool {
    !zone
        .get(1..)
        .is_some_and(|z| z.starts_with("14:") && z != "14:00")
}

fn is_time(text: &str) -> bool {
    let wide = text.split(':').count() == 3 && !text.contains(['Z', '+', '-']);
    wide && span_of(&format!("2000-01-01T{text}")).is_some()
}

fn is_base64(text: &str) -> bool {
    let (mut digits, mut padding) = (0usize, 0usize);
    for b in text.bytes() {
        match b {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            _ => return false,
        }
    }
    digits > 0 && padding <= 2 && (digits + padding) % 4 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good(kind: Primitive, value: Value) {
        assert_eq!(fault(kind, &value), None, "{value}");
    }

    fn bad(kind: Primitive, value: Value) {
        assert!(fault(kind, &value).is_some(), "{} {value}", kind.name());
    }

    #[test]
    fn forms_that_stand_in_the_specification() {
        for text in [
            "2018",
            "1973-06",
            "1905-08-23",
            "2015-02-07T13:28:17-05:00",
            "2015-02-07T13:28:17.239Z",
        ] {
            good(Primitive::DateTime, json!(text));
        }
        good(Primitive::Instant, json!("2015-02-07T13:28:17.239+02:00"));
        good(Primitive::Time, json!("23:59:60"));
        good(Primitive::Oid, json!("urn:oid:1.2.3.4.5"));
        good(
            Primitive::Uuid,
            json!("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
        );
        good(Primitive::Base64Binary, json!("YWJj\n ZGU="));
        good(Primitive::Code, json!("one word"));
        good(Primitive::PositiveInt, json!(1));
        good(Primitive::Decimal, json!(-1.50));
        good(Primitive::Id, json!("A-b.9"));
    }

    #[test]
    fn forms_that_do_not() {
        for text in [
            "2018-13",
            "2018-02-30",
            "2018-1-1",
            "18",
            "2018-01-01T10:00Z",
            "2018-01-01T10:00:00",
            " 2018",
            "",
        ] {
            bad(Primitive::DateTime, json!(text));
        }
        bad(Primitive::Date, json!("2018-01-01T10:00:00Z"));
        bad(Primitive::Instant, json!("2018-01-01"));
        bad(Primitive::Instant, json!("2018-01-01T10:00:00+14:30"));
        bad(Primitive::Time, json!("10:30"));
        bad(Primitive::Time, json!("10:30:00Z"));
        bad(Primitive::Code, json!("two  spaces"));
        bad(Primitive::Code, json!(" x"));
        bad(Primitive::Oid, json!("urn:oid:3.1"));
        bad(Primitive::Oid, json!("urn:oid:1"));
        bad(
            Primitive::Uuid,
            json!("urn:uuid:C757873D-ec9a-4326-a141-556f43239520"),
        );
        bad(Primitive::Base64Binary, json!("YWJ"));
        bad(Primitive::Base64Binary, json!("Y=Jj"));
        bad(Primitive::PositiveInt, json!(0));
        bad(Primitive::Integer, json!(1.5));
        bad(Primitive::Integer, json!(3_000_000_000_i64));
        bad(Primitive::Boolean, json!("true"));
        bad(Primitive::Decimal, json!("1.0"));
        bad(Primitive::String, json!(" \n"));
        bad(Primitive::String, json!("a\u{0}b"));
        bad(Primitive::Uri, json!("a b"));
        bad(Primitive::Id, json!("../etc"));
        bad(Primitive::String, json!(["x"]));
    }
}
