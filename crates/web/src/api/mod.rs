//! Doors for systems.

pub(crate) mod cors;
pub(crate) mod dicomweb;
pub mod fhir;
pub mod log;
pub mod scim;
pub mod signals;
pub mod smart;
pub(crate) mod witness;
