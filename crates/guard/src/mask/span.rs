use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What a masked piece of text was: the identifiers of the HIPAA Safe Harbor method
/// (45 CFR 164.514(b)(2)(i), A to R), joined where they are written alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// (A) Names: of patients, relatives, employers, staff.
    Name,
    /// (B) Places smaller than a state: address, city, ZIP code, facility.
    Place,
    /// (C) Dates but the year.
    Date,
    /// (C) Ages over 89.
    Age,
    /// (D, E) Telephone and fax numbers.
    Phone,
    /// (F) Electronic mail addresses.
    Email,
    /// (G) Social security numbers.
    Ssn,
    /// (H) Medical record numbers.
    Mrn,
    /// (I, J) Health plan, account and card numbers.
    Account,
    /// (K) Certificate and licence numbers.
    License,
    /// (L, M) Vehicle and device identifiers.
    Device,
    /// (N) Web addresses.
    Url,
    /// (O) Internet addresses.
    Ip,
    /// (P, Q) Biometric data and pictures: attachments.
    Picture,
    /// (R) Any other number, code or unknown name that could identify.
    Other,
}

impl Kind {
    /// The tag that stands in its place, without brackets.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Name => "NAME",
            Kind::Place => "PLACE",
            Kind::Date => "DATE",
            Kind::Age => "AGE",
            Kind::Phone => "PHONE",
            Kind::Email => "EMAIL",
            Kind::Ssn => "SSN",
            Kind::Mrn => "MRN",
            Kind::Account => "ACCOUNT",
            Kind::License => "LICENSE",
            Kind::Device => "DEVICE",
            Kind::Url => "URL",
            Kind::Ip => "IP",
            Kind::Picture => "PICTURE",
            Kind::Other => "OTHER",
        }
    }
}

/// A piece of text that identifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Where it is: bytes of the text as it was written.
    pub range: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

impl Span {
    pub(crate) const fn new(range: Range<usize>, kind: Kind) -> Span {
        Span { range, kind }
    }
}

/// Spans in the order of the text, without overlaps: of two that overlap the longer one names
/// the kind, and names that touch are one.
pub(crate) fn settle(mut spans: Vec<Span>, text: &str) -> Vec<Span> {
    spans.retain(|span| !span.range.is_empty());
    spans.sort_by_key(|span| {
        (
            span.range.start,
            std::cmp::Reverse(span.range.end),
            span.kind,
        )
    });
    let mut settled: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match settled.last_mut() {
            Some(last) if joins(last, &span, text) => {
                if span.range.len() > last.range.len() {
                    last.kind = span.kind;
                }
                last.range.end = last.range.end.max(span.range.end);
            }
            _ => settled.push(span),
        }
    }
    settled
}

fn joins(last: &Span, next: &Span, text: &str) -> bool {
    if next.range.start < last.range.end {
        return true;
    }
    let gap = text.get(last.range.end..next.range.start);
    let alike = last.kind == next.kind && matches!(last.kind, Kind::Name | Kind::Place);
    alike && gap.is_some_and(|gap| gap.len() <= 2 && gap.chars().all(|c| " ,.-'".contains(c)))
}
