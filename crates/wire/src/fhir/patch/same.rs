//! Whether two JSON values are equal as RFC 6902 section 4.6 has it: numbers by their value.

use serde_json::Value;

/// Whether they are equal.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.to_string(), other.to_string());
            one == other || Decimal::of(&one).is_some_and(|one| Some(one) == Decimal::of(&other))
        }
        (Value::Array(one), Value::Array(other)) => {
            let mut both = one.iter().zip(other);
            one.len() == other.len() && both.all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let mut members = one.iter();
            one.len() == other.len()
                && members.all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// A number by its value: digits without zeros at either end, times ten to a power.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    power: i64,
}

impl Decimal {
    /// `None` for a power beyond all measure.
    fn of(text: &str) -> Option<Decimal> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{part}");
        let end = all.trim_end_matches('0');
        let digits = end.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Decimal {
                negative: false,
                digits: String::new(),
                power: 0,
            });
        }
        let moved = i64::try_from(all.len() - end.len()).ok()? - i64::try_from(part.len()).ok()?;
        Some(Decimal {
            negative,
            digits: digits.to_owned(),
            power: power.checked_add(moved)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are(one: &str, other: &str) -> bool {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        same(&read(one), &read(other))
    }

    #[test]
    fn numbers_are_equal_by_value() {
        for (one, other) in [
            ("1.0", "1.00"),
            ("1", "1.0"),
            ("100", "1e2"),
            ("0.001", "1E-3"),
            ("-0", "0.00"),
            ("0e999", "0"),
            ("-2.50", "-25e-1"),
            ("1.20e+3", "1200"),
            ("[1.0,{\"a\":2}]", "[1,{\"a\":2.0}]"),
        ] {
            assert!(are(one, other) && are(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("1.0", "1.01"),
            ("1", "-1"),
            ("10", "1"),
            ("1", "\"1\""),
            ("1e99999999999999999999", "1e99999999999999999998"),
            ("1e9223372036854775807", "10e9223372036854775807"),
            ("[1]", "[1,1]"),
            ("{\"a\":1}", "{\"b\":1}"),
            ("{\"a\":1}", "{\"a\":1,\"b\":1}"),
            ("12345678901234567890.1", "12345678901234567890.2"),
        ] {
            assert!(!are(one, other) && !are(other, one), "{one} {other}");
        }
    }
}
