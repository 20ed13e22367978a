//! What must hold of any stream of syslog and of any line.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use wire::signals::{Cut, Format, Line, Tally, lines, push, read};
use wire::syslog::{Header, Stream, framed};

fn pieces(stream: &[u8], width: usize, line_bytes_max: usize) -> Vec<(Vec<u8>, bool)> {
    let mut frames = Stream::new(line_bytes_max);
    let mut found = Vec::new();
    for part in stream.chunks(width.max(1)) {
        found.extend(frames.take(part));
        assert!(frames.waiting() <= line_bytes_max.max(12));
    }
    found.extend(frames.end());
    found
        .into_iter()
        .map(|piece| (piece.bytes, piece.cut))
        .collect()
}

/// Bytes that streams of syslog are made of.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"<13>text".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\0".to_vec()),
        "[0-9]{1,11}".prop_map(String::into_bytes),
        Just(b" ".to_vec()),
        Just(b"<".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| framed(&bytes)),
    ];
    prop::collection::vec(part, 0..20).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_stream_gives_the_same_pieces_however_it_is_cut(
        stream in stream(), width in 1_usize..40, most in 1_usize..30,
    ) {
        let whole = pieces(&stream, stream.len(), most);
        prop_assert_eq!(&pieces(&stream, width, most), &whole);
        prop_assert!(whole.iter().all(|(bytes, _)| bytes.len() <= most.max(12)));
    }

    #[test]
    fn what_is_framed_comes_back(messages in prop::collection::vec("[^\\x00\r\n]{0,50}", 1..8)) {
        let messages: Vec<String> = messages.iter().map(|text| format!("<13>{text}")).collect();
        let counted: Vec<u8> = messages.iter().flat_map(|text| framed(text.as_bytes())).collect();
        let lines: String = messages.iter().map(|text| format!("{text}\n")).collect();
        for stream in [counted.as_slice(), lines.as_bytes()] {
            let found = pieces(stream, 7, 1_000);
            let found: Vec<_> = found.into_iter().map(|(bytes, _)| String::from_utf8(bytes).unwrap()).collect();
            prop_assert_eq!(&found, &messages);
        }
    }

    #[test]
    fn no_line_of_any_format_makes_a_reader_fail(line in prop::collection::vec(any::<u8>(), 0..200), near in any::<i64>()) {
        for format in Format::ALL {
            let _ = read(format, &line, (near, &TimeZone::UTC));
        }
    }

    #[test]
    fn almost_syslog_is_read_or_refused(line in "<[0-9]{0,4}>(1 )?[-A-Za-z0-9:. \\[\\]\"\\\\=]{0,120}", near in any::<i64>()) {
        if let Ok(entry) = wire::syslog::read(line.as_bytes(), (near, &TimeZone::UTC)) {
            prop_assert!(entry.text <= line.len());
            prop_assert!(entry.priority <= 191);
        }
    }

    #[test]
    fn what_we_write_ourselves_is_read_back(
        host in "[a-z][a-z0-9.]{0,20}", app in "[a-z]{1,10}", text in "\\PC{0,80}",
    ) {
        let header = Header {
            facility: wire::syslog::Facility::AuthPriv,
            severity: wire::syslog::Severity::Warning,
            at: "2023-11-14T22:13:20.007Z",
            host: &host,
            app: &app,
            process: "7",
            kind: "K",
        };
        let written = wire::syslog::message(&header, &text);
        let entry = wire::syslog::read(&written, (0, &TimeZone::UTC)).unwrap();
        prop_assert_eq!(entry.at, Some(1_700_000_000_007));
        prop_assert_eq!((entry.facility(), entry.severity()), (10, 4));
        let text_from = entry.text;
        prop_assert_eq!((entry.host, entry.app), (Some(host), Some(app)));
        prop_assert_eq!(&written[text_from..], text.as_bytes());
    }

    #[test]
    fn a_batch_gives_its_lines_back(all in prop::collection::vec((any::<i64>(), "[!-~]{1,9}", prop::collection::vec(any::<u8>(), 0..40)), 0..20)) {
        let mut batch = Vec::new();
        let mut tally = Tally::new(Format::Json, TimeZone::UTC);
        for (at, source, bytes) in &all {
            let line = Line { at: *at, source, bytes };
            push(&mut batch, line);
            tally.add(line, Cut::Whole);
        }
        let mut found = lines(&batch);
        let back: Vec<_> = found.by_ref().map(|line| (line.at, line.source.to_owned(), line.bytes.to_vec())).collect();
        prop_assert_eq!(&back, &all);
        prop_assert!(found.rest().is_empty());
        prop_assert_eq!(tally.batch, batch);
    }

    #[test]
    fn any_bytes_are_a_batch_up_to_where_they_are_not(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut found = lines(&bytes);
        while found.next().is_some() {}
        prop_assert!(bytes.ends_with(found.rest()));
    }
}
