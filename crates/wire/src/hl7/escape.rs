//! Escape sequences (HL7 v2.9 section 2.7). A broken one stays as it was written.

use std::borrow::Cow;

use super::part::Rules;

/// The text of `bytes`, unescaped and decoded; `None` if it does not decode.
pub(crate) fn text<'m>(bytes: &'m [u8], rules: &Rules) -> Option<Cow<'m, str>> {
    let Some(escape) = rules.separators.escape else {
        return rules.decode(bytes);
    };
    if memchr::memchr(escape, bytes).is_none() {
        return rules.decode(bytes);
    }
    let replaced = replace(bytes, escape, rules, Hex::Replace);
    owned(&replaced, rules)
        .or_else(|| owned(&replace(bytes, escape, rules, Hex::Keep), rules))
        .map(Cow::Owned)
}

/// The first broken sequence in `bytes`, if there is one.
pub(crate) fn first_broken<'m>(bytes: &'m [u8], rules: &Rules) -> Option<&'m [u8]> {
    let escape = rules.separators.escape?;
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(escape, rest) {
        let after = rest.get(at + 1..)?;
        let Some((_, length)) = sequence(after, escape, rules) else {
            let from = rest.get(at..)?;
            return from.get(..from.len().min(16));
        };
        rest = after.get(length + 1..)?;
    }
    None
}

/// Whether `\X..\` is replaced by the bytes it names. They may not make sense in the character set.
#[derive(Clone, Copy)]
enum Hex {
    Keep,
    Replace,
}

/// What a sequence stands for.
enum Meaning {
    Byte(u8),
    Hex,
    LineEnds(usize),
    Nothing,
    Blanks(usize),
}

fn owned(bytes: &[u8], rules: &Rules) -> Option<String> {
    rules.decode(bytes).map(Cow::into_owned)
}

fn replace(bytes: &[u8], escape: u8, rules: &Rules, hex: Hex) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(escape, rest) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        let after = from.get(1..).unwrap_or_default();
        rest = match sequence(after, escape, rules) {
            Some((Meaning::Hex, length)) if matches!(hex, Hex::Keep) => {
                let (kept, next) = from.split_at((length + 2).min(from.len()));
                out.extend_from_slice(kept);
                next
            }
            Some((meaning, length)) => {
                put(
                    &mut out,
                    &meaning,
                    after.get(1..length).unwrap_or_default(),
                    rules,
                );
                after.get(length + 1..).unwrap_or_default()
            }
            None => {
                out.push(escape);
                after
            }
        };
    }
    out.extend_from_slice(rest);
    out
}

fn put(out: &mut Vec<u8>, meaning: &Meaning, argument: &[u8], rules: &Rules) {
    match meaning {
        Meaning::Byte(byte) => out.push(*byte),
        Meaning::LineEnds(count) => out.extend(std::iter::repeat_n(b'\n', *count)),
        Meaning::Blanks(count) => out.extend(std::iter::repeat_n(b' ', *count)),
        Meaning::Nothing => {}
        Meaning::Hex => out.extend_from_slice(&rules.as_stored(&bytes_of_hex(argument))),
    }
}

/// What stands between the escape character before `after` and the next one, and its length.
fn sequence(after: &[u8], escape: u8, rules: &Rules) -> Option<(Meaning, usize)> {
    let length = memchr::memchr(escape, after)?;
    let inside = after.get(..length)?;
    let (&letter, argument) = inside.split_first()?;
    let separators = &rules.separators;
    let meaning = match (letter, argument) {
        (b'F', b"") => Meaning::Byte(separators.field),
        (b'S', b"") => Meaning::Byte(separators.component),
        (b'R', b"") => Meaning::Byte(separators.repetition),
        (b'E', b"") => Meaning::Byte(escape),
        (b'T', b"") => Meaning::Byte(separators.subcomponent.unwrap_or(b'&')),
        (b'P', b"") => Meaning::Byte(separators.truncation.unwrap_or(b'#')),
        (b'H' | b'N', b"") => Meaning::Nothing,
        (b'X', hex) if is_hex(hex) && hex.len().is_multiple_of(2) => Meaning::Hex,
        (b'C', b"2842") => Meaning::Nothing,
        (b'.', command) => formatting(command)?,
        _ => return None,
    };
    Some((meaning, length))
}

fn is_hex(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_hexdigit)
}

/// The commands of formatted text (FT) that a page can follow, section 2.7.6.
fn formatting(command: &[u8]) -> Option<Meaning> {
    let (name, argument) = command.split_at_checked(2)?;
    let count = number(argument)?;
    Some(match (name, argument) {
        (b"br" | b"ce", b"") => Meaning::LineEnds(1),
        (b"sp", _) => Meaning::LineEnds(count.max(1)),
        (b"sk", _) => Meaning::Blanks(count.max(1)),
        (b"fi" | b"nf", b"") | (b"in" | b"ti", _) => Meaning::Nothing,
        _ => return None,
    })
}

/// At most two digits, so that a sequence cannot ask for a million line ends.
fn number(argument: &[u8]) -> Option<usize> {
    let digits = match argument.split_first() {
        Some((b'+' | b'-', rest)) => rest,
        _ => argument,
    };
    if digits.is_empty() {
        return Some(0);
    }
    if digits.len() > 2 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn bytes_of_hex(hex: &[u8]) -> Vec<u8> {
    let (pairs, _) = hex.as_chunks::<2>();
    pairs
        .iter()
        .map(|[high, low]| nibble(*high) << 4 | nibble(*low))
        .collect()
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::{Charset, Separators};

    fn check(bytes: &[u8], expected: &str) {
        let rules = Rules::new(Separators::default(), Charset::Utf8);
        assert_eq!(text(bytes, &rules).unwrap(), expected);
    }

    #[test]
    fn every_sequence() {
        check(br"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f");
        check(br"one\.br\two\.sp2\three\.ce\", "one\ntwo\n\nthree\n");
        check(br"\.in+4\in\.sk3\x\.fi\\.ti-2\", "in   x");
        check(br"\H\loud\N\ \X41C39C\ \C2842\", "loud AÜ ");
    }

    #[test]
    fn broken_ones_stay() {
        check(br"C:\temp\file", r"C:\temp\file");
        check(br"end\", r"end\");
        check(br"\X4\ \XZZ\ \.sp999\ \Q\", r"\X4\ \XZZ\ \.sp999\ \Q\");
        check(br"a\b\F\c", r"a\b|c");
    }

    #[test]
    fn hex_that_is_no_text_stays_hex() {
        check(br"\XFF\ok", r"\XFF\ok");
        check(br"\XC3\\X9C\", "Ü");
    }

    #[test]
    fn broken_ones_are_found() {
        let rules = Rules::new(Separators::default(), Charset::Utf8);
        assert_eq!(
            first_broken(br"a\F\b\M2442\c", &rules).unwrap(),
            br"\M2442\c"
        );
        assert_eq!(first_broken(br"a\F\b\.br\", &rules), None);
    }
}
