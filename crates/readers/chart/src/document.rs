//! The document that a summary is (HL7 IPS 2.0.0), made of an excerpt.

use serde_json::Value;
use wire::fhir::ips::{self, Material};

use crate::page::Excerpt;

/// What a document says of itself.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// The address of the FHIR door.
    pub base: String,
    /// When it is made, an R4 instant.
    pub at: String,
    /// Of the document, its composition, its author.
    pub uuids: [String; 3],
}

/// The document as JSON; `None`: the patient's own resource is not to be seen.
#[must_use]
pub fn document(excerpt: &Excerpt, stamp: &Stamp) -> Option<Vec<u8>> {
    let resources = &excerpt.resources;
    let kind = |one: &&Value| one.get("resourceType").and_then(Value::as_str) == Some("Patient");
    let theirs = |one: &&Value| one.get("id").and_then(Value::as_str) == Some(&excerpt.patient);
    let patients: Vec<&Value> = resources.iter().filter(kind).collect();
    let patient = patients
        .iter()
        .copied()
        .find(theirs)
        .or_else(|| patients.first().copied())?;
    let [whole, composition, author] = &stamp.uuids;
    let material = Material {
        base: &stamp.base,
        patient,
        resources,
        referred: &excerpt.referred,
        withheld: &excerpt.withheld,
        cut: &excerpt.cut,
        at: &stamp.at,
        uuids: [whole, composition, author],
    };
    Some(ips::document(&material).to_string().into_bytes())
}
