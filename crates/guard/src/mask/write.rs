//! What is put in the place of what identifies.

use std::collections::BTreeMap;

use super::date;
use super::keyed::Secret;
use super::span::{Kind, Span};
use super::words::Text;

/// What stands for what was taken out, if nothing is to say what it was.
pub(super) const BLANK: &str = "___";

/// What stands for an age over 89 (45 CFR 164.514(b)(2)(i)(C)).
pub(crate) const OLD: &str = "[90+]";

/// What is put in the place of what identifies.
#[derive(Debug, Clone, Copy)]
pub enum Style<'a> {
    /// `[NAME]`, `[DATE]` ...
    Tag,
    /// `___`, which tells nothing but that something was there.
    Drop,
    /// `[NAME:bcdfghjkmpqrstvz]`: the same letters for the same text under one secret.
    Pseudonym(&'a Secret),
}

/// What becomes of dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// They are masked like everything else; of structured ones the year stays (Safe Harbor).
    Year,
    /// They move by so many days, so that intervals hold; what cannot be moved is masked.
    Shift(i32),
}

/// How much of each kind was masked.
pub type Counts = BTreeMap<Kind, u64>;

/// The text with something else in the place of each span, and how many there were of each kind.
pub fn write(text: &str, spans: &[Span], style: Style<'_>, dates: Dates) -> (String, Counts) {
    let mut out = String::with_capacity(text.len());
    let mut counts = Counts::new();
    let mut from = 0;
    for span in spans {
        let (Some(before), Some(written)) = (
            text.get(from..span.range.start),
            text.get(span.range.clone()),
        ) else {
            continue;
        };
        out.push_str(before);
        out.push_str(&instead(written, span.kind, style, dates));
        *counts.entry(span.kind).or_default() += 1;
        from = span.range.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    (out, counts)
}

fn instead(written: &str, kind: Kind, style: Style<'_>, dates: Dates) -> String {
    if kind == Kind::Age {
        return OLD.to_owned();
    }
    if let (Kind::Date, Dates::Shift(days)) = (kind, dates) {
        let moved = date::read(Text::of(written).source()).and_then(|dated| dated.moved(days));
        if let Some(moved) = moved {
            return moved;
        }
    }
    match style {
        Style::Tag => format!("[{}]", kind.word()),
        Style::Drop => BLANK.to_owned(),
        Style::Pseudonym(secret) => pseudonym(secret, kind, written),
    }
}

/// The same for `Murphy, Anna` and `MURPHY ANNA`: case, marks and punctuation do not count.
pub(crate) fn pseudonym(secret: &Secret, kind: Kind, written: &str) -> String {
    let text = Text::of(written);
    format!(
        "[{}:{}]",
        kind.word(),
        secret.pseudonym(kind.word(), text.line())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str, found: &[(&str, Kind)]) -> Vec<Span> {
        let span = |&(part, kind): &(&str, Kind)| {
            let start = text.find(part).unwrap();
            Span::new(start..start + part.len(), kind)
        };
        found.iter().map(span).collect()
    }

    #[test]
    fn each_style_keeps_the_rest_of_the_text() {
        let text = "Anna Bui, 93 years, seen 6/22/13.";
        let found = spans(
            text,
            &[
                ("Anna Bui", Kind::Name),
                ("93", Kind::Age),
                ("6/22/13", Kind::Date),
            ],
        );
        let secret = Secret::new(&[1; 32]).unwrap();
        let written = |style, dates| write(text, &found, style, dates).0;
        assert_eq!(
            written(Style::Tag, Dates::Year),
            "[NAME], [90+] years, seen [DATE]."
        );
        assert_eq!(
            written(Style::Drop, Dates::Shift(-10)),
            "___, [90+] years, seen 6/12/13."
        );
        let named = written(Style::Pseudonym(&secret), Dates::Year);
        assert!(
            named.starts_with("[NAME:") && named.ends_with("seen [DATE:".to_owned().as_str())
                || named.contains("seen [DATE:")
        );
        assert_eq!(
            pseudonym(&secret, Kind::Name, "ANNA BUI"),
            pseudonym(&secret, Kind::Name, "Anna Bùi")
        );
    }
}
