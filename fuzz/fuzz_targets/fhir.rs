//! Bytes as a FHIR resource: read, checked, searched, stamped, taken apart.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::fhir::{self, Limits};

fuzz_target!(|bytes: &[u8]| {
    let stamped = fhir::stamp(bytes, "a", 1, "2026-01-01T00:00:00Z");
    let resolved = fhir::resolve(bytes, &[("urn:uuid:1".to_owned(), "Patient/1".to_owned())]);
    let _ = fhir::bundle::split(bytes);
    let Ok(resource) = fhir::parse(bytes, &Limits::default()) else { return };
    let _ = fhir::check(&resource);
    let _ = fhir::terms(&resource);
    let _ = fhir::references(&resource);
    let _ = fhir::patient_of(&resource);
    // What was JSON stays JSON.
    let deep = Limits { depth_max: 120, bytes_max: usize::MAX };
    assert!(fhir::parse(&resolved, &deep).is_ok());
    if resource.is_object() {
        let stamped = fhir::parse(&stamped, &deep).expect("still JSON");
        assert_eq!(stamped["meta"]["versionId"], "1");
    }
});
