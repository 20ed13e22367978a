//! Reading JSON that somebody else wrote.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use wire::fhir::{FaultKind, Limits, parse};

fn kind_of(bytes: &[u8]) -> (FaultKind, String, String) {
    let fault = parse(bytes, &Limits::default()).unwrap_err();
    (fault.kind, fault.path, fault.words)
}

#[test]
fn what_is_read_keeps_its_digits_and_order() {
    let text = r#"{"b":1.50,"a":[-0.0,1e400,12345678901234567890123],"__proto__":{"x":null}}"#;
    let value = parse(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(value.to_string(), text.replace("1e400", "1e+400"));
    assert!(parse(b"\xef\xbb\xbf{}", &Limits::default()).is_ok());
}

#[test]
fn a_key_that_stands_twice_is_named() {
    let (kind, path, words) = kind_of(br#"{"name":[{"use":"a"},{"use":"a","u\u0073e":"b"}]}"#);
    assert_eq!(
        (kind, path.as_str()),
        (FaultKind::DuplicateKey, "name[1].use")
    );
    assert!(words.contains("`name[1].use` stands twice"), "{words}");
}

#[test]
fn depth_and_size_are_capped() {
    for open in ["[", "{\"a\":", "{\"a\":[{\"b\":"] {
        let (kind, path, words) = kind_of(open.repeat(10_000).as_bytes());
        assert_eq!((kind, path.as_str()), (FaultKind::TooDeep, ""), "{words}");
    }
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    assert!(parse(deep.as_bytes(), &Limits::default()).is_ok());
    let limits = Limits {
        depth_max: 100,
        bytes_max: 3,
    };
    assert_eq!(
        parse(b"1234", &limits).unwrap_err().kind,
        FaultKind::TooLarge
    );
    let limits = Limits {
        depth_max: usize::MAX,
        bytes_max: usize::MAX,
    };
    assert_eq!(
        parse("[".repeat(10_000).as_bytes(), &limits)
            .unwrap_err()
            .kind,
        FaultKind::TooDeep
    );
}

#[test]
fn what_is_not_json_or_utf8_is_said() {
    assert_eq!(kind_of(b"{\"a\":\"\xff\"}").0, FaultKind::NotUtf8);
    for text in [
        "",
        "{",
        "{\"a\"}",
        "{}x",
        "{\"a\":01}",
        "nul",
        "{'a':1}",
        "{\"a\":1,}",
        "\"\\ud800\"",
    ] {
        assert_eq!(kind_of(text.as_bytes()).0, FaultKind::NotJson, "{text}");
    }
}

#[test]
fn the_marker_of_numbers_cannot_be_forged() {
    let plain = br#"{"a":{"$serde_json::private::Number":"1"}}"#;
    assert_eq!(kind_of(plain).0, FaultKind::NotJson);
    let escaped = br#"{"a":{"\u0024serde_json::private::Number":"1"}}"#;
    assert_eq!(kind_of(escaped).0, FaultKind::NotJson);
    let raw = br#"{"\u0024serde_json::private::RawValue":"{}"}"#;
    assert!(parse(raw, &Limits::default()).is_ok());
}
