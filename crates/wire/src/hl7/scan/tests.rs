use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::hl7::batch;
use crate::hl7::{Part, Value};

fn complaints(parsed: &Parsed<'_>) -> Vec<String> {
    parsed.complaints.iter().map(Complaint::to_string).collect()
}

fn text(part: Part<'_>) -> String {
    part.string().unwrap_or_default()
}

const HEAD: &str = r"MSH|^~\&|LAB|N|||20240101||ORU^R01|1|P|2.5";

#[test]
fn fields_repetitions_components_and_subcomponents() {
    let message = format!("{HEAD}\rPID|1||1^^^A&1.2.3&ISO~2^^^B||Doe^Jo\rOBX|1\rOBX|2||x");
    let parsed = parse(message.as_bytes(), "");
    assert!(parsed.complaints.is_empty());
    let message = &parsed.message;
    let ids = message.get("PID", 3);
    assert_eq!(text(ids.comp(4).sub(2)), "1.2.3");
    assert_eq!(text(ids.rep(1).comp(4)), "B");
    assert_eq!(ids.reps().map(text).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(
        message.get("PID", 5).comps().map(text).collect::<Vec<_>>(),
        ["Doe", "Jo"]
    );
    assert_eq!(message.get("PID", 5).whole().as_str(), Some("Doe^Jo"));
    assert_eq!(
        message.get("PID", 99).rep(3).comp(2).sub(1).text(),
        Value::Absent
    );
    assert_eq!(text(message.get("MSH", 1)), "|");
    assert_eq!(text(message.get("MSH", 2)), r"^~\&");
    assert_eq!(
        (message.kind(), message.control()),
        ("ORU^R01".into(), "1".into())
    );
    let second = message.segments("OBX").nth(1).unwrap();
    assert_eq!(second.place(3).to_string(), "OBX[2]-3");
}

#[test]
fn null_is_not_absent() {
    let message = format!("{HEAD}\rPID|\"\"||\"\"^x");
    let parsed = parse(message.as_bytes(), "");
    assert_eq!(parsed.message.get("PID", 1).text(), Value::Null);
    assert_eq!(parsed.message.get("PID", 2).text(), Value::Absent);
    assert_eq!(parsed.message.get("PID", 3).comp(1).text(), Value::Null);
    assert!(!parsed.message.get("PID", 3).is_null());
}

#[test]
fn other_separators() {
    let parsed = parse(
        b"MSH#@!%*#L####2024##ADT@A01#1#P#2.5\rPID###1@@@A*2!3#|^~\\&%F%",
        "",
    );
    assert!(parsed.complaints.is_empty());
    let message = &parsed.message;
    assert_eq!(message.kind(), "ADT^A01");
    assert_eq!(text(message.get("PID", 3).comp(4).sub(2)), "2");
    assert_eq!(text(message.get("PID", 3).rep(1)), "3");
    assert_eq!(text(message.get("PID", 4)), r"|^~\&#");
}

#[test]
fn line_ends_of_every_kind() {
    let message = format!("\u{feff}{HEAD}\nPID|1\r\nNTE|1\r\n\r\nOBX|1||||two\nlines|end\r");
    let parsed = parse(message.as_bytes(), "");
    let names: Vec<&str> = parsed.message.all().map(|segment| segment.name()).collect();
    assert_eq!(names, ["MSH", "PID", "NTE", "OBX"]);
    assert_eq!(text(parsed.message.get("OBX", 5)), "two\nlines");
    assert_eq!(text(parsed.message.get("OBX", 6)), "end");
    let words = ["OBX: a line that begins with no segment name was read as a part of this"];
    assert_eq!(complaints(&parsed), words);
}

fn with_charset(name: &[u8], surname: &[u8]) -> Vec<u8> {
    [
        HEAD.as_bytes(),
        b"||||||",
        name,
        b"\rPID|||||",
        surname,
        b"^X\r",
    ]
    .concat()
}

fn surname(message: &[u8], default: &str) -> (Option<String>, usize) {
    let parsed = parse(message, default);
    (
        parsed.message.get("PID", 5).string(),
        parsed.complaints.len(),
    )
}

#[test]
fn msh_18_decides() {
    let check = |name: &[u8], bytes: &[u8], expected: &str| {
        let found = surname(&with_charset(name, bytes), "");
        assert_eq!(found, (Some(expected.into()), 0), "{}", name.escape_ascii());
    };
    check(b"8859/1", b"M\xDCLLER", "MÜLLER");
    check(b"8859/15", b"\xA4", "€");
    check(b"UNICODE UTF-8", "MÜLLER".as_bytes(), "MÜLLER");
    check(b"", "MÜLLER".as_bytes(), "MÜLLER");
    check(b"~ISO IR87", b"\x1b$B;3ED\x1b(B", "山田");
    check(b"GB 18030-2000", b"\x81\x7C\xcd\xf5", "亅王");
    check(b"BIG-5", b"\xb3\x5c\xa5\x5c", "許功");
    check(b"8859/1", br"M\XDC\LLER", "MÜLLER");
    check(b"BIG-5", br"\XB35C\", "許");
}

#[test]
fn the_senders_default_counts_when_msh_18_is_empty() {
    let message = with_charset(b"", b"M\xDCLLER");
    assert_eq!(surname(&message, "8859/1"), (Some("MÜLLER".into()), 0));
    assert_eq!(surname(&message, "UNICODE UTF-8"), (None, 1));
}

#[test]
fn what_does_not_decode_stays_bytes() {
    for name in [
        &b"UNICODE UTF-8"[..],
        b"ASCII",
        b"CNS 11643-1992",
        b"GB 18030-2000",
    ] {
        let message = with_charset(name, b"M\xDC\xFF");
        let parsed = parse(&message, "");
        let field = parsed.message.get("PID", 5);
        assert_eq!(field.text(), Value::Undecoded(b"M\xDC\xFF"));
        assert_eq!(text(field.comp(2)), "X");
        assert!(
            complaints(&parsed)
                .iter()
                .any(|words| words.starts_with("PID-5: bytes"))
        );
        assert_eq!(parsed.message.raw(), message);
    }
}

#[test]
fn utf_16_with_and_without_a_mark() {
    let narrow = format!("{HEAD}\rPID|||||MÜLLER");
    let wide: Vec<u8> = narrow.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(surname(&wide, ""), (Some("MÜLLER".into()), 0));
    let marked = [b"\xFE\xFF", wide.as_slice()].concat();
    assert_eq!(surname(&marked, ""), (Some("MÜLLER".into()), 0));
    let odd = [wide.as_slice(), b"\xD8\x00"].concat();
    let parsed = parse(&odd, "");
    assert!(matches!(
        parsed.message.get("PID", 5).text(),
        Value::Undecoded(_)
    ));
    assert_eq!(parsed.complaints.len(), 2);
}

#[test]
fn complaints_name_their_place() {
    let message = format!("{HEAD}||||||KLINGON\rOBX|1\rOBX|2||||C:\\temp");
    let parsed = parse(message.as_bytes(), "");
    let words = [
        "MSH-18: `KLINGON` is not a character set of table 0211 that is known",
        r"OBX[2]-5: `\temp` is not a known escape sequence; kept as it is",
    ];
    assert_eq!(complaints(&parsed), words);
    let missing = parse(b"MSH|^~\\&|||||2024", "");
    let words = [
        "MSH-9: the message type is missing",
        "MSH-10: the message id is missing",
    ];
    assert_eq!(complaints(&missing), words);
}

#[test]
fn no_message_at_all() {
    for (bytes, words) in [
        (&b""[..], "the message is empty"),
        (b"\r\n\0", "the message is empty"),
        (b"hello world", "the message does not begin with MSH"),
        (b"MSH", "MSH-2: these cannot be separators"),
        (b"MSH|", "MSH-2: these cannot be separators"),
        (b"MSHabcdef", "MSH-2: these cannot be separators"),
        (b"PID|1\rMSH|^~\\&|", "the message does not begin with MSH"),
    ] {
        let parsed = parse(bytes, "");
        assert_eq!(parsed.message.fault().unwrap().to_string(), words);
        assert_eq!(parsed.message.raw(), bytes);
    }
}

#[test]
fn beyond_a_limit_it_is_at_fault() {
    let limits = Limits {
        segments_max: 3,
        fields_max: 20,
        complaints_max: 2,
    };
    let many = format!("{HEAD}\rPID|1\rNTE|1\rNTE|2");
    let parsed = parse_with(many.as_bytes(), "", &limits);
    let words = "more than `segments_max` = 3 segments";
    assert_eq!(parsed.message.fault().unwrap().words, words);
    assert_eq!(parsed.message.control(), "1");
    let wide = format!("{HEAD}\rPID{}", "|".repeat(20));
    let parsed = parse_with(wide.as_bytes(), "", &limits);
    assert_eq!(
        parsed.message.fault().unwrap().words,
        "more than `fields_max` = 20 fields"
    );
    let odd = format!("{HEAD}\rPID|\\a|\\b|\\c|\\d");
    let parsed = parse_with(odd.as_bytes(), "", &limits);
    assert_eq!(complaints(&parsed)[2], "2 more complaints are not listed");
}

#[test]
fn ten_thousand_segments_and_a_long_value() {
    let message = format!(
        "{HEAD}{}\rOBX|1||||{}",
        "\rZZZ|1".repeat(10_000),
        "QUJD".repeat(2_500_000)
    );
    let parsed = parse(message.as_bytes(), "");
    assert!(parsed.complaints.is_empty());
    assert_eq!(parsed.message.segments("ZZZ").count(), 10_000);
    assert_eq!(parsed.message.get("OBX", 5).bytes().len(), 10_000_000);
}

fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("SALUS_SHARED_DATA").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|dir| dir.join("crates").is_dir());
    let folder = named
        .or_else(|| root.map(|root| root.join("../shared/data")))?
        .join("hl7");
    folder.is_dir().then_some(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_public_message_is_read_and_written_again() {
    let Some(folder) = shared() else {
        return;
    };
    let paths = ["linuxforhealth", "mirth"]
        .map(|name| files(&folder.join(name)))
        .concat();
    let mut messages = 0;
    for path in paths.iter().filter(|path| !path.ends_with("LICENSE")) {
        let bytes = std::fs::read(path).unwrap();
        for piece in batch::pieces(&bytes).filter(|piece| !piece.bytes.is_empty()) {
            messages += 1;
            read_and_write_again(piece.bytes, path);
        }
    }
    assert!(messages >= 380, "{messages}");
}

fn read_and_write_again(bytes: &[u8], path: &Path) {
    let parsed = parse(bytes, "");
    assert_eq!(parsed.message.fault(), None, "{}", path.display());
    let printed = parsed.message.print();
    let again = parse(&printed, "");
    assert_eq!(again.message.print(), printed, "{}", path.display());
    let visible = |bytes: &[u8]| -> Vec<u8> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        bytes
            .iter()
            .copied()
            .filter(|byte| !matches!(byte, b'\r' | b'\n'))
            .collect()
    };
    assert_eq!(visible(&printed), visible(bytes), "{}", path.display());
}

fn walk(message: &Message<'_>) {
    for segment in message.all() {
        let _ = segment.name();
        for number in 0..=segment.fields() + 1 {
            for part in segment
                .field(number)
                .reps()
                .flat_map(|rep| rep.comps().collect::<Vec<_>>())
            {
                let _ = (part.text(), part.whole(), part.sub(2).text());
            }
        }
    }
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: [&[u8]; 14] = [
        b"MSH|^~\\&|",
        b"\rPID|",
        b"\r",
        b"\n",
        b"|",
        b"^",
        b"~",
        b"&",
        b"\\",
        b"\"\"",
        b"\\X41\\",
        b"\\.br\\",
        b"\x1b$B",
        b"8859/1",
    ];
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

const SETS: [&str; 8] = [
    "",
    "ASCII",
    "8859/1",
    "8859/7",
    "GB 18030-2000",
    "ISO IR87",
    "BIG-5",
    "UNICODE UTF-8",
];

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_nothing_is_lost(
        pieces in prop::collection::vec(piece(), 0..40),
        set in prop::sample::select(SETS.to_vec()),
    ) {
        let bytes = [HEAD.as_bytes(), &pieces.concat()].concat();
        let parsed = parse(&bytes, set);
        walk(&parsed.message);
        let printed = parsed.message.print();
        if printed.is_ascii() && !printed.contains(&0x1B) {
            let again = parse(&printed, set);
            prop_assert_eq!(again.message.print(), printed);
        }
    }

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        walk(&parse(&bytes, "8859/1").message);
        let found: usize = batch::pieces(&bytes).map(|piece| piece.bytes.len()).sum();
        prop_assert!(found <= bytes.len());
    }
}
