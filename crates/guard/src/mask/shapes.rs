//! What identifies by its form alone: numbers, codes, addresses of the net, dates, ages.

use std::ops::Range;

use regex::{Captures, Regex};

use super::span::{Kind, Span};
use super::terms::month;
use super::{MaskError, check, date};

/// A form and what it is.
#[derive(Debug)]
struct Form {
    pattern: Regex,
    kind: Kind,
    /// Whether a match is one; it may also be shortened.
    holds: fn(&str, Range<usize>) -> Option<Range<usize>>,
}

/// All forms, compiled once.
#[derive(Debug)]
pub(crate) struct Shapes {
    forms: Vec<Form>,
}

impl Shapes {
    pub(crate) fn new() -> Result<Shapes, MaskError> {
        let forms = [numbers(), net(), dates()].into_iter().flatten();
        let forms = forms.map(|(pattern, kind, holds)| {
            let pattern = pattern.replace("MONTH", MONTH).replace("{B}", r"(?-u:\b)");
            Ok(Form {
                pattern: Regex::new(&pattern).map_err(MaskError::pattern)?,
                kind,
                holds,
            })
        });
        Ok(Shapes {
            forms: forms.collect::<Result<_, _>>()?,
        })
    }

    /// Everything in a folded text that has one of the forms.
    pub(crate) fn find(&self, text: &str, spans: &mut Vec<Span>) {
        for form in &self.forms {
            for found in form.pattern.captures_iter(text) {
                let range = inner(&found);
                if let Some(range) = (form.holds)(text, range) {
                    spans.push(Span::new(range, form.kind));
                }
            }
        }
    }
}

/// The first group, if the pattern has one: what stands before it is only a cue.
fn inner(found: &Captures<'_>) -> Range<usize> {
    let group = found.get(1).or_else(|| found.get(0));
    group.map_or(0..0, |group| group.range())
}

type Holds = fn(&str, Range<usize>) -> Option<Range<usize>>;

fn numbers() -> Vec<(&'static str, Kind, Holds)> {
    vec![
        (r"{B}[0-9](?:[ -]?[0-9]){12,18}{B}", Kind::Account, card),
        (
            r"{B}[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{2,4}){3,8}(?: ?[A-Z0-9]{1,3})?{B}",
            Kind::Account,
            iban,
        ),
        (r"{B}[0-9]{3}[- .][0-9]{2}[- .][0-9]{4}{B}", Kind::Ssn, any),
        (
            r"(?:\+?1[-. ]?)?(?:\([0-9]{3}\)[ -]?|{B}[0-9]{3}[-. /])[0-9]{3}[-. ][0-9]{4}{B}(?: ?(?:x|ext\.?) ?[0-9]{1,6}{B})?",
            Kind::Phone,
            any,
        ),
        (
            r"\+[0-9]{1,3}(?:[ .()/-]{0,2}[0-9]){6,14}(?: ?(?:x|ext\.?) ?[0-9]{1,6})?{B}",
            Kind::Phone,
            any,
        ),
        (
            r"\(?{B}0[0-9]{1,4}\)?[ /-][0-9]{2,4}(?:[ -]?[0-9]{2,4}){1,4}{B}",
            Kind::Phone,
            phone_digits,
        ),
        (
            r"(?i){B}(?:phone|telephone|tel|fax|cell|mobile|pager|beeper|call|callback|telefono|tfno|tlf|movil)(?:[ .]*(?:numbers?|no|nr|#))*[ .:#(]*\n?(?:is |at |us at )?(\+?\(?[0-9](?:[ .()/-]{0,2}[0-9]){5,14})",
            Kind::Phone,
            any,
        ),
        (r"{B}[A-HJ-NPR-Z0-9]{17}{B}", Kind::Device, vin),
        (
            r"\(01\)[0-9]{14}(?:\([0-9]{2}\)[A-Za-z0-9-]{1,20})*",
            Kind::Device,
            any,
        ),
        (
            r"{B}[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}{B}",
            Kind::Device,
            any,
        ),
        (
            r"#?{B}[A-Z]{1,6}-?[0-9]{5,}(?:-[A-Z0-9]+)*{B}",
            Kind::Other,
            any,
        ),
        (
            r"#?{B}[A-Z0-9]{2,10}(?:-[A-Z0-9]{2,12}){1,4}{B}",
            Kind::Other,
            code,
        ),
        (
            r"#[A-Za-z]{0,6}-?[0-9][A-Za-z0-9-]{3,}{B}",
            Kind::Other,
            numbered,
        ),
        (r"{B}[0-9]{7,}{B}", Kind::Other, whole_number),
        (r"{B}[0-9]{2,}(?:-[0-9]{2,})+{B}", Kind::Other, dashed),
    ]
}

fn net() -> Vec<(&'static str, Kind, Holds)> {
    vec![
        (r"[\w.%+'-]+ ?@ ?[\w-]+(?:\.[\w-]+)+", Kind::Email, any),
        (
            r"(?i){B}[\w.+-]+ ?[\[(] ?at ?[\])] ?[\w-]+(?: ?[\[(]? ?(?:\.|dot) ?[\])]? ?[\w-]+)+",
            Kind::Email,
            any,
        ),
        (
            r#"(?i){B}(?:https?|s?ftp|ldaps?|file)://[^\s<>"]+"#,
            Kind::Url,
            ending,
        ),
        (r#"(?i){B}www\.[a-z0-9-]+\.[^\s<>"]+"#, Kind::Url, ending),
        (r"{B}[0-9]{1,3}(?:\.[0-9]{1,3}){3}{B}", Kind::Ip, address),
        (
            r"{B}[0-9A-Fa-f]{1,4}(?:::?[0-9A-Fa-f]{1,4}){2,7}{B}",
            Kind::Ip,
            address,
        ),
    ]
}

const MONTH: &str = "(?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|januar|februar|maerz|marz|mai|juni|juli|oktober|okt|dezember|dez|janvier|fevrier|avril|juin|juillet|aout|septembre|octobre|novembre|decembre|enero|ene|febrero|marzo|abril|abr|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre|dic|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|janeiro|fevereiro|marco|maio|junho|julho|setembro|outubro|novembro|dezembro|januari|februari|maart|mrt|mei|augustus)";

fn dates() -> Vec<(&'static str, Kind, Holds)> {
    vec![
        (
            r"{B}(?:1[6-9]|20)[0-9]{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:3[01]|[12][0-9]|0?[1-9])(?:{B}|T)",
            Kind::Date,
            day,
        ),
        (
            r"{B}[0-9]{1,2}[-/.] ?[0-9]{1,2}[-/.] ?(?:[0-9]{4}|[0-9]{2}){B}",
            Kind::Date,
            day,
        ),
        (
            r"(?i){B}MONTH\.?,? ?(?:the )?[0-9]{1,2}(?:st|nd|rd|th)?(?:,? ?(?:of )?(?:[0-9]{4}|'[0-9]{2})|, ?[0-9]{2})?{B}",
            Kind::Date,
            spoken,
        ),
        (
            r"(?i){B}[0-9]{1,2}(?:st|nd|rd|th|\.)?[ -]?(?:of |de |del )?MONTH\.?(?:[ ,-]{0,2}(?:of |de |del )?(?:[0-9]{4}|'?[0-9]{2}))?{B}",
            Kind::Date,
            spoken,
        ),
        (
            r"(?i){B}MONTH[.,]? ?(?:of |de |del |-)?(?:(?:19|20)[0-9]{2}|'[0-9]{2}){B}",
            Kind::Date,
            any,
        ),
        (
            r"{B}(?:[Ii]n|[Ss]ince|[Ll]ast|[Uu]ntil|[Bb]y|[Dd]uring|[Tt]his|[Nn]ext|[Ee]arly|[Ll]ate|[Mm]id|of) (January|February|March|April|May|June|July|August|September|October|November|December){B}",
            Kind::Date,
            any,
        ),
        (
            r"{B}(?:[Ll]ast|[Tt]his past) ((?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day){B}",
            Kind::Date,
            any,
        ),
        (
            r"(?:{B}[Oo]n|{B}[DTR]:|{B}[Dd]ated|{B}(?i:date)[^:\n]{0,20}:|{B}(?:DOS|DOB|DOA|DOD):?|{B}[Ss]ince|{B}[Uu]ntil) {0,3}([0-9]{1,2}/[0-9]{1,2}){B}",
            Kind::Date,
            month_day,
        ),
        (
            r"{B}(?:0?[1-9]|1[0-2])/(?:19|20)[0-9]{2}{B}",
            Kind::Date,
            alone,
        ),
        (
            r"(?i){B}(9[0-9]|1[01][0-9])[ -]?(?:years?|yrs?|y\.?/?o\.?|anos|jahre|ans){B}",
            Kind::Age,
            any,
        ),
        (
            r"(?i){B}(?:aged?|age of|age is)[ :]{1,2}(9[0-9]|1[01][0-9]){B}",
            Kind::Age,
            any,
        ),
        (
            r"(?i){B}((?:ninety|one hundred|a hundred)(?:[ -](?:one|two|three|four|five|six|seven|eight|nine|and [a-z]+))?)[ -](?:years?|yrs?)",
            Kind::Age,
            any,
        ),
    ]
}

fn any(_: &str, range: Range<usize>) -> Option<Range<usize>> {
    Some(range)
}

fn digits(text: &str, range: &Range<usize>) -> String {
    let written = text.get(range.clone()).unwrap_or_default();
    written.chars().filter(char::is_ascii_digit).collect()
}

fn written<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    text.get(range.clone()).unwrap_or_default()
}

fn card(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    check::luhn(&digits(text, &range)).then_some(range)
}

fn vin(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    check::vin(written(text, &range)).then_some(range)
}

/// What is written behind an IBAN in capitals is not part of it: groups are left off until it holds.
fn iban(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let mut end = range.end;
    loop {
        let code: String = written(text, &(range.start..end)).split(' ').collect();
        if check::iban(&code) {
            return Some(range.start..end);
        }
        end = range.start + written(text, &(range.start..end)).rfind(' ')?;
    }
}

fn address(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    check::ip(written(text, &range)).then_some(range)
}

fn ending(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    Some(date::trimmed(text, range))
}

/// A telephone number has eight to fifteen digits.
fn phone_digits(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    (8..=15)
        .contains(&digits(text, &range).len())
        .then_some(range)
}

/// A code of groups has letters and digits, and more than three digits.
fn code(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let code = written(text, &range);
    let letters = code.bytes().any(|byte| byte.is_ascii_alphabetic());
    let several = code.matches('-').count() > 1;
    let enough = digits(text, &range).len() > if several { 3 } else { 4 };
    (letters && enough).then_some(range)
}

/// `#987654`, not `#21-French`.
fn numbered(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    (digits(text, &range).len() > 3).then_some(range)
}

/// Not the digits of a decimal fraction.
fn whole_number(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let before = text.get(..range.start).unwrap_or_default();
    let fraction = before
        .strip_suffix('.')
        .is_some_and(|rest| rest.ends_with(|letter: char| letter.is_ascii_digit()));
    (!fraction).then_some(range)
}

/// Groups of digits that are no range of numbers or years.
fn dashed(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let groups: Vec<&str> = written(text, &range).split('-').collect();
    let count = digits(text, &range).len();
    let ranged = groups.len() == 2 && groups.iter().all(|group| group.len() <= 4) && count != 7;
    (count >= 7 && !ranged).then_some(range)
}

fn day(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let range = match written(text, &range).strip_suffix('T') {
        Some(rest) => range.start..range.start + rest.len(),
        None => range,
    };
    let date = written(text, &range);
    let dotted = date.contains('.');
    let long_year = date.split(['.', '/', '-', ' ']).any(|part| part.len() == 4);
    let tidy = date.split('.').all(|part| part.len() == 2);
    let fits = long_year || !dotted || tidy;
    let next = text.get(range.end..).unwrap_or_default().trim_start();
    let measured = ["mm", "cm", "mg", "ml", "mL", "cc", "%", "Fr"]
        .iter()
        .any(|unit| next.starts_with(unit));
    (fits && !measured && stands_alone(text, &range) && date::plausible(date)).then_some(range)
}

/// A month that begins with a small letter counts only beside a year: `it may 5 times`.
fn spoken(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let range = date::trimmed(text, range);
    let date = written(text, &range);
    let name = date
        .split(|letter: char| !letter.is_alphabetic())
        .find(|word| month(&word.to_lowercase()).is_some());
    let capital = name.is_some_and(|word| word.starts_with(char::is_uppercase));
    let year = date
        .split(|letter: char| !letter.is_ascii_digit())
        .any(|part| part.len() == 4);
    (capital || year).then_some(range)
}

fn month_day(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let next = text.get(range.end..).unwrap_or_default().trim_start();
    let measured = [
        "strength", "inch", "in ", "of ", "murmur", "motor", "systolic", "pain", "power",
    ];
    let unit = measured.iter().any(|unit| next.starts_with(unit));
    let parts: Vec<u8> = written(text, &range)
        .split('/')
        .filter_map(|part| part.parse().ok())
        .collect();
    let fits = match parts.as_slice() {
        &[a, b] => (1..=31).contains(&a) && (1..=31).contains(&b) && a.min(b) <= 12,
        _ => false,
    };
    (fits && !unit && stands_alone(text, &range)).then_some(range)
}

fn alone(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    stands_alone(text, &range).then_some(range)
}

/// No separator and digit go on at either end.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
    let joint = |letter: Option<char>| letter.is_some_and(|letter| "-/.".contains(letter));
    let mut after = text.get(range.end..).unwrap_or_default().chars();
    let mut before = text.get(..range.start).unwrap_or_default().chars().rev();
    let goes_on = joint(after.next()) && digit(after.next());
    let began = joint(before.next()) && digit(before.next());
    !goes_on && !began
}
