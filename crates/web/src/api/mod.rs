//! Doors for systems.

pub mod fhir;
pub mod smart;
