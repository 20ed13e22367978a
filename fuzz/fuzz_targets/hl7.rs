//! Any bytes are a message or are said to be none; nothing is made up and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::hl7::ack::{self, Stamp, Verdict};
use wire::hl7::{batch, parse};

const STAMP: Stamp<'static> = Stamp {
    control: "1",
    millis: 0,
};

fuzz_target!(|bytes: &[u8]| {
    for piece in batch::pieces(bytes) {
        let parsed = parse(piece.bytes, "8859/1");
        for segment in parsed.message.all() {
            for number in 1..=segment.fields() {
                for repetition in segment.field(number).reps() {
                    for component in repetition.comps() {
                        let _ = (component.text(), component.sub(2).text());
                    }
                }
            }
        }
        let complaint = parsed.complaints.first();
        for answer in ack::answers(&parsed.message, Verdict::Reject, &STAMP, complaint) {
            assert!(parse(&answer, "8859/1").message.fault().is_none());
        }
    }
});
