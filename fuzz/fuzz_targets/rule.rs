//! A rule and a message, a line feed between them: whatever is read as a rule ends, and what a change
//! makes of a message is one with the same id.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::hl7::parse;
use wire::hl7::rule::{Change, Condition, Tables, change};

fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (rule, raw) = bytes.split_at(end);
    let Ok(rule) = std::str::from_utf8(rule) else { return };
    let parsed = parse(raw, "");
    if let Ok(condition) = Condition::parse(rule) {
        assert_eq!(Condition::parse(&condition.to_string()), Ok(condition.clone()));
        condition.holds(&parsed.message);
    }
    let Ok(one) = Change::parse(rule) else { return };
    if let Ok(new) = change(&parsed.message, &[one], &Tables::new()) {
        let again = parse(&new, "");
        assert!(again.message.fault().is_none());
        assert_eq!(again.message.control(), parsed.message.control());
    }
});
