//! FHIR R4 (4.0.1) JSON: reading, checking, searching, and giving back the same bytes.
//!
//! A resource stays JSON. The shape of the 146 resource types, their search parameters and their
//! patient compartment come from a compact table of the published definitions, see [`tables`].

mod absent;
mod alike;
mod attached;
pub mod bundle;
mod capability;
mod check;
pub mod ips;
mod issue;
mod json;
mod lens;
pub mod mhd;
mod offered;
mod openapi;
mod patch;
mod path;
mod profile;
mod refs;
pub mod search;
mod splice;
pub mod subscription;
pub mod tables;
pub mod terminology;

pub use absent::masked;
pub use alike::{Grade, Likeness, alike};
pub use attached::misnamed;
pub use capability::capability;
pub use check::check;
pub use issue::{Code, Issue, Severity, outcome};
pub use json::{FaultKind, JsonFault, Limits, parse};
pub use lens::Lens;
pub use openapi::openapi;
pub use patch::{PatchLimits, Unpatched, patch};
pub use profile::conforms;
pub use refs::{patient_of, references};
pub use search::{Filter, Query, Term, TermValue, fold, matches, query, terms};
pub use splice::{is_address, resolve, stamp};
pub use tables::kinds;
