//! Doors for systems.

pub mod fhir;
