//! De-identification: what in a text or a FHIR resource says who somebody is, and what is put in
//! its place.
//!
//! The record knows most of what must not leave, so each patient has an automaton of their names,
//! numbers, addresses and days. Rules for the identifiers of HIPAA's Safe Harbor method find what
//! nobody told us of. Before anything leaves, it is searched again with what the record knows.

mod addresses;
mod check;
mod cues;
mod date;
mod draft;
mod facilities;
mod facts;
mod fhir;
mod find;
mod fold;
mod judge;
mod keyed;
mod known;
mod labels;
mod lexicon;
mod names;
mod places;
mod shapes;
mod span;
mod terms;
mod words;
mod write;

pub use facts::{Facts, PersonName};
pub use fhir::{Masked, Masking, Withheld, left_out};
pub use find::{Finder, Unknown};
pub use keyed::Secret;
pub use known::Known;
pub use span::{Kind, Span};
pub use write::{Counts, Dates, Style, write};

/// Why nothing can be masked. There is no masking in part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// A rule's pattern is wrong: a fault of this build.
    #[error("a pattern of the masking rules is wrong: {0}")]
    Pattern(String),
    /// More is known of somebody than an automaton can hold.
    #[error("more is known of this patient than can be searched for")]
    TooMuch,
}

impl MaskError {
    pub(crate) fn pattern(why: regex::Error) -> MaskError {
        MaskError::Pattern(why.to_string())
    }
}
