//! One value of a search, read by the kind of its parameter.

use super::super::refs::{self, Target};
use super::super::tables::{Param, ParamKind};
use super::date::span_of;
use super::query::{Modifier, Prefix, Wanted};
use super::value::without_version;

/// Splits at a mark that no backslash stands before (R4 section 3.1.1.4.3).
pub(super) fn split(text: &str, mark: char) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        if c == mark && !escaped {
            out.extend(text.get(start..at));
            start = at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    out.extend(text.get(start..));
    out
}

/// Takes the backslashes off `\,` `\|` `\$` and `\\`; others stay.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next @ (',' | '|' | '$' | '\\')) if c == '\\' => {
                out.push(*next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

/// Reads one value; `None` when it is not of the parameter's kind.
pub(super) fn read(
    param: &Param,
    modifier: Modifier,
    target: Option<&str>,
    text: &str,
) -> Option<Wanted> {
    if text.is_empty() {
        return None;
    }
    match modifier {
        Modifier::Identifier => return token(text),
        Modifier::Text => return Some(Wanted::Text(plain(text))),
        Modifier::OfType => return typed(text),
        _ => {}
    }
    match param.kind {
        ParamKind::Composite => composite(param, text),
        kind => simple(kind, (&param.targets, target), text),
    }
}

fn simple(
    kind: ParamKind,
    (targets, target): (&[&'static str], Option<&str>),
    text: &str,
) -> Option<Wanted> {
    match kind {
        ParamKind::Token => token(text),
        ParamKind::String => Some(Wanted::Text(plain(text))),
        ParamKind::Uri => Some(Wanted::Uri(plain(text))),
        ParamKind::Date => {
            let (prefix, rest) = prefix(text);
            Some(Wanted::Date {
                prefix,
                span: span_of(rest)?,
            })
        }
        ParamKind::Reference => reference(targets, target, &plain(text)),
        ParamKind::Number => quantity(text).filter(|_| !text.contains('|')),
        ParamKind::Quantity => quantity(text),
        ParamKind::Composite | ParamKind::Special => None,
    }
}

/// `code$value`: as many parts as the definition has.
fn composite(param: &Param, text: &str) -> Option<Wanted> {
    let texts = split(text, '$');
    if texts.len() != param.parts.len() {
        return None;
    }
    let parts = param.parts.iter().zip(texts);
    let parts = parts.map(|(part, text)| match text.is_empty() {
        true => None,
        false => simple(part.kind, (&[], None), text),
    });
    parts.collect::<Option<Vec<_>>>().map(Wanted::Composite)
}

/// `system|code|value`, for `:of-type`.
fn typed(text: &str) -> Option<Wanted> {
    let parts = split(text, '|');
    let [system, code, value] = parts.as_slice() else {
        return None;
    };
    if code.is_empty() || value.is_empty() {
        return None;
    }
    Some(Wanted::Typed {
        system: (!system.is_empty()).then(|| plain(system)),
        code: plain(code),
        value: plain(value),
    })
}

fn token(text: &str) -> Option<Wanted> {
    let parts = split(text, '|');
    let some = |t: &str| (!t.is_empty()).then(|| plain(t));
    match parts.as_slice() {
        [code] => Some(Wanted::Token {
            system: None,
            code: some(code),
        }),
        [system, code] if !(system.is_empty() && code.is_empty()) => Some(Wanted::Token {
            system: Some(plain(system)),
            code: some(code),
        }),
        _ => None,
    }
}

fn prefix(text: &str) -> (Prefix, &str) {
    const PREFIXES: &[(&str, Prefix)] = &[
        ("eq", Prefix::Eq),
        ("ne", Prefix::Ne),
        ("gt", Prefix::Gt),
        ("lt", Prefix::Lt),
        ("ge", Prefix::Ge),
        ("le", Prefix::Le),
        ("sa", Prefix::Sa),
        ("eb", Prefix::Eb),
        ("ap", Prefix::Ap),
    ];
    let found = PREFIXES
        .iter()
        .find_map(|(word, p)| Some((*p, text.strip_prefix(word)?)));
    found.unwrap_or((Prefix::Eq, text))
}

fn reference(targets: &[&str], target: Option<&str>, text: &str) -> Option<Wanted> {
    let kind = target.map(str::to_owned);
    if refs::is_id(text) {
        // One possible type is as good as a written one.
        let only = match targets {
            [only] => Some((*only).to_owned()),
            _ => None,
        };
        return Some(Wanted::Reference {
            kind: kind.or(only),
            id: text.to_owned(),
        });
    }
    match refs::read(text)? {
        Target::Typed {
            kind: said,
            id,
            absolute: false,
        } if !id.is_empty() => {
            let agrees = target.is_none_or(|t| t == said);
            agrees.then(|| Wanted::Reference {
                kind: Some(said.to_owned()),
                id: id.to_owned(),
            })
        }
        Target::Typed { id: "", .. } => None,
        _ => Some(Wanted::Reference {
            kind: None,
            id: without_version(text),
        }),
    }
}

fn quantity(text: &str) -> Option<Wanted> {
    let parts = split(text, '|');
    let (number, system, code) = match parts.as_slice() {
        [number] => (number, None, None),
        [number, system, code] => (number, Some(plain(system)), Some(plain(code))),
        _ => return None,
    };
    let (prefix, digits) = prefix(number);
    let (lo, value, hi) = reach(digits)?;
    let some = |t: Option<String>| t.filter(|t| !t.is_empty());
    Some(Wanted::Quantity {
        prefix,
        lo,
        value,
        hi,
        system: some(system),
        code: some(code),
    })
}

/// The numbers that, rounded to the digits given, read the same: 5.4 covers 5.35 to 5.45.
fn reach(digits: &str) -> Option<(f64, f64, f64)> {
    let shape = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
    if !digits.chars().all(shape) {
        return None;
    }
    let value: f64 = digits.parse().ok().filter(|v: &f64| v.is_finite())?;
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let decimals = mantissa.split_once('.').map_or(0, |(_, d)| d.len());
    let decimals = i32::try_from(decimals).ok()?;
    let half = 0.5 * 10f64.powi(exponent.saturating_sub(decimals));
    Some((value - half, value, value + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_marks_do_not_split() {
        assert_eq!(split(r"a\,b,c\\,d", ','), vec![r"a\,b", r"c\\", "d"]);
        assert_eq!(plain(r"a\,b\\c\|d\x\"), r"a,b\c|d\x\");
        let marks = r"a,b\c|d$e\";
        let whole = super::super::escaped(marks);
        assert_eq!(split(&whole, ',').len(), 1);
        assert_eq!(plain(&whole), marks);
    }

    #[test]
    fn a_number_reaches_as_far_as_its_digits_leave_open() {
        assert_eq!(reach("100"), Some((99.5, 100.0, 100.5)));
        let (lo, _, hi) = reach("5.40e-3").unwrap();
        assert!((lo - 0.005_395).abs() < 1e-12 && (hi - 0.005_405).abs() < 1e-12);
        for text in ["", "x", "NaN", "inf", "1e", "--1", "1e999"] {
            assert_eq!(reach(text), None, "{text}");
        }
    }
}
