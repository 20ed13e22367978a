//! Any bytes are read as an audit message or refused in words that repeat nothing of them; what is read is
//! sound FHIR.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use wire::audit::{From, audit_message_of, heard, heard_event};

const CAME: i64 = 1_700_000_000_000;

fuzz_target!(|bytes: &[u8]| {
    let _ = heard(bytes, (CAME, &TimeZone::UTC));
    let Ok(message) = audit_message_of(bytes) else {
        return;
    };
    let patients = message.patients("hospital");
    let places = patients.iter().map(|(place, ..)| Some((*place, "p1")));
    for patient in places.chain([None]) {
        let from = From {
            id: "7-256",
            feed: "pacs",
            came: CAME,
            zone: &TimeZone::UTC,
            patient,
        };
        let event = heard_event(&message, &from);
        assert!(wire::fhir::check(&event).is_empty(), "{event}");
    }
});
