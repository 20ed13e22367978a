//! HL7 v2 read as FHIR R4.
