//! A stream gives the same frames however it is cut, and memory stays within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::mllp::{Frame, Framer, Limits};

fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let pieces = stream.chunks(usize::from(size) + 1);
    assert_eq!(frames(pieces), frames(std::iter::once(stream)));
});

fn frames<'s>(pieces: impl Iterator<Item = &'s [u8]>) -> Vec<Frame> {
    let limits = Limits {
        frame_bytes_max: 64,
        kept_bytes_max: 8,
    };
    let mut framer = Framer::new(limits);
    let mut found = Vec::new();
    for mut piece in pieces {
        while let Some(frame) = framer.next(&mut piece) {
            found.push(frame);
        }
        assert!(framer.held() <= 64);
    }
    found.extend(framer.finish());
    found
}
