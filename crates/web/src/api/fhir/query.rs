//! The pairs of a query string or a form (`application/x-www-form-urlencoded`).

use wire::fhir::Code;

use super::fault::Fault;

/// Name and value, decoded, in order.
pub(crate) type Pairs = Vec<(String, String)>;

/// The pairs in `text`, at most `max` of them.
///
/// # Errors
/// 400 for more pairs, a broken escape, or bytes that are not UTF-8.
pub(crate) fn pairs(text: &str, max: usize) -> Result<Pairs, Fault> {
    let parts = || text.split('&').filter(|part| !part.is_empty());
    let count = parts().count();
    if count > max {
        let words = format!("{count} parameters are more than `search_parameters_max` = {max}");
        return Err(Fault::bad(Code::TooCostly, words));
    }
    parts().map(pair).collect()
}

fn pair(part: &str) -> Result<(String, String), Fault> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    Ok((
        unescape(&name.replace('+', " "))?,
        unescape(&value.replace('+', " "))?,
    ))
}

/// `text` with `%xx` decoded.
///
/// # Errors
/// 400 for an escape that is none, for bytes that are not UTF-8, and for control characters,
/// which have no place in any name, id or value of a FHIR URL.
pub(crate) fn unescape(text: &str) -> Result<String, Fault> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = bytes.next().and_then(hex);
            let low = bytes.next().and_then(hex);
            let (Some(high), Some(low)) = (high, low) else {
                return Err(Fault::bad(
                    Code::Value,
                    format!("`{text}` has a broken `%` escape"),
                ));
            };
            out.push(high << 4 | low);
        } else {
            out.push(byte);
        }
    }
    match String::from_utf8(out) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text),
        Ok(_) => Err(Fault::bad(
            Code::Value,
            format!("`{text}` has a control character"),
        )),
        Err(_) => Err(Fault::bad(Code::Value, format!("`{text}` is not UTF-8"))),
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The pairs as a query string.
pub(crate) fn text(pairs: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        escape(name, &mut out);
        out.push('=');
        escape(value, &mut out);
    }
    out
}

fn escape(text: &str, out: &mut String) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/,$".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digits = [byte >> 4, byte & 15].map(|half| HEX.get(usize::from(half)));
            out.push('%');
            out.extend(digits.into_iter().flatten());
        }
    }
}

/// The value of `name`, if it stands there.
pub(crate) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let given = pairs(
            "name=M%C3%9CLLER&code=http://loinc.org%7C123-4&x=a+b&flag",
            9,
        )
        .unwrap();
        assert_eq!(value(&given, "name"), Some("MÜLLER"));
        assert_eq!(value(&given, "code"), Some("http://loinc.org|123-4"));
        assert_eq!(value(&given, "x"), Some("a b"));
        assert_eq!(value(&given, "flag"), Some(""));
        assert_eq!(pairs(&text(&given), 9).unwrap(), given);
    }

    #[test]
    fn five_thousand_parameters_are_refused() {
        let many = "a=b&".repeat(5_000);
        let fault = pairs(&many, 100).unwrap_err();
        assert_eq!(fault.status.as_u16(), 400);
        assert!(fault.words().contains("search_parameters_max"));
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%00"] {
            assert!(pairs(text, 9).is_err(), "{text}");
        }
    }
}
