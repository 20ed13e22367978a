use std::fmt::Display;

use record::WriterFault;
use thiserror::Error;

/// Why the chart did not answer.
#[derive(Debug, Error)]
pub enum ChartError {
    /// What was asked is not what the permit was given for.
    #[error("the permit is for {permit}, not for {asked}")]
    OutsidePermit {
        /// What the sealed decision allowed.
        permit: String,
        /// What was asked of the chart.
        asked: String,
    },
    /// The search would have to read more than it may.
    #[error("{what} would read more than `{limit}` = {max} resources; {hint}")]
    TooCostly {
        /// What was asked.
        what: String,
        /// The name of the limit.
        limit: &'static str,
        /// The limit, in resources.
        max: usize,
        /// What to do.
        hint: &'static str,
    },
    /// A page token that this chart did not make.
    #[error("the page `{0}` is not one of ours; start the search again")]
    BadPage(String),
    /// A sort order that is not offered.
    #[error("results cannot be sorted by `{0}`; sort by a date, a text, a code or `_id`")]
    BadSort(String),
    /// Our own fault or our machine's: asking again may help.
    #[error("the chart cannot {doing}: {why}")]
    Broken {
        /// What was being done.
        doing: &'static str,
        /// What went wrong, without patient data.
        why: String,
    },
}

impl ChartError {
    /// Wraps what went wrong while `doing` something.
    pub(crate) fn broken<E: Display>(doing: &'static str) -> impl Fn(E) -> ChartError {
        move |error| ChartError::Broken {
            doing,
            why: error.to_string(),
        }
    }
}

impl From<WriterFault> for ChartError {
    fn from(fault: WriterFault) -> ChartError {
        ChartError::broken("write its file")(fault)
    }
}

/// So that `?` works throughout the crate.
pub(crate) type Outcome<T> = Result<T, ChartError>;
