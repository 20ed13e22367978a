//! Any bytes are a message or are said to be none; nothing is made up and nothing panics. Of every
//! kind: what is read is the same each time, and laid twice upon itself changes nothing more; a
//! query is answered with a message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::hl7::ack::{self, Stamp, Verdict};
use wire::hl7::{batch, parse};
use wire::v2::query::{self, Found, Listed};
use wire::v2::{self, Sender};

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
        read(piece.bytes);
        if let Some(query) = query::query(&parsed.message, "H") {
            let found = Found::Patients(Listed::default());
            let answer = query::respond(&parsed.message, &query, &STAMP, &found);
            assert!(parse(&answer, "8859/1").message.fault().is_none());
        }
        let complaint = parsed.complaints.first();
        for answer in ack::answers(&parsed.message, Verdict::Reject, &STAMP, complaint) {
            assert!(parse(&answer, "8859/1").message.fault().is_none());
        }
    }
});

fn read(bytes: &[u8]) {
    let sender = Sender {
        zone: "Europe/Berlin",
        charset: "8859/1",
        authority: "H",
        id: &|kind, system, value| format!("{kind}|{system}|{value}"),
    };
    let reading = v2::read(bytes, &sender);
    assert_eq!(reading, v2::read(bytes, &sender));
    for draft in &reading.drafts {
        let once = v2::merged(None, draft);
        let twice = v2::merged(Some(&once), draft);
        assert_eq!(twice, v2::merged(Some(&twice), draft));
        let late = v2::merged_late(&twice, draft);
        assert_eq!(late, v2::merged_late(&late, draft));
    }
}
