//! Search: what a query asks, what a resource answers, by the definitions of R4 (section 3.1.1).
//!
//! [`terms`] is what an index wants of a resource; [`matches`] is the exact meaning of a filter. An
//! index may answer too much as long as [`matches`] has the last word.

mod date;
mod include;
mod linked;
mod matching;
mod query;
mod read;
mod subset;
mod terms;
mod text;
mod types;
mod value;
mod wanted;

pub use date::{Span, span_of};
pub use linked::{Condition, Linked};
pub use matching::matches;
pub use query::{
    Filter, Include, Modifier, Order, Prefix, Query, QueryLimits, Sort, Total, Wanted,
};
pub use read::query;
pub use subset::Subset;
pub use terms::{Term, TermValue, terms, terms_of};
pub use text::{escaped, fold};
pub use types::queries;

pub use super::tables::{Param, ParamKind, param, params};
