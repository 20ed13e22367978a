//! A stream of syslog gives the same pieces however it is cut, memory stays within the limits, and
//! every piece is read or refused.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use wire::signals::{Format, read};
use wire::syslog::{Piece, Stream};

const LINE_BYTES_MAX: usize = 64;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let whole = pieces(std::iter::once(stream));
    assert_eq!(pieces(stream.chunks(usize::from(size) + 1)), whole);
    for piece in whole {
        for format in Format::ALL {
            let _ = read(format, &piece.bytes, (1_700_000_000_000, &TimeZone::UTC));
        }
        if let Ok(entry) = wire::syslog::read(&piece.bytes, (0, &TimeZone::UTC)) {
            assert!(entry.text <= piece.bytes.len());
        }
    }
});

fn pieces<'s>(parts: impl Iterator<Item = &'s [u8]>) -> Vec<Piece> {
    let mut frames = Stream::new(LINE_BYTES_MAX);
    let mut found = Vec::new();
    for part in parts {
        found.extend(frames.take(part));
        assert!(frames.waiting() <= LINE_BYTES_MAX);
    }
    found.extend(frames.end());
    found
}
