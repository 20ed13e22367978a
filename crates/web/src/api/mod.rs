//! Doors for systems.

pub mod fhir;
pub mod scim;
