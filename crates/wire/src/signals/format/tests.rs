use super::*;
use crate::signals::{Cut, KINDS_MAX, Line, Tally};

const NEAR: i64 = 1_700_000_000_007;

fn said(format: Format, line: &str) -> (Option<i64>, String, String) {
    let said = read(format, line.as_bytes(), (NEAR, &TimeZone::UTC)).unwrap();
    (
        said.at,
        said.host.unwrap_or_default(),
        said.kind.unwrap_or_default(),
    )
}

fn at(text: &str) -> Option<i64> {
    syslog::moment(text)
}

#[test]
fn each_format_says_when_where_and_what() {
    let winlogbeat = r#"{"@timestamp":"2023-11-14T22:13:20.000Z","winlog":{"channel":"Security","event_id":4625,"computer_name":"DC1"}}"#;
    let wanted = (
        at("2023-11-14T22:13:20Z"),
        "DC1".to_owned(),
        "Security/4625".to_owned(),
    );
    assert_eq!(said(Format::Windows, winlogbeat), wanted);
    let nxlog = r#"{"EventTime":"2023-11-14T22:13:20Z","Hostname":"DC1","Channel":"Security","EventID":4625}"#;
    assert_eq!(said(Format::Windows, nxlog), wanted);
    let xml = r##"{"Event":{"System":{"EventID":{"#text":4625},"Channel":"Security","Computer":"DC1","TimeCreated":{"#attributes":{"SystemTime":"2023-11-14T22:13:20.000000Z"}}}}}"##;
    assert_eq!(said(Format::Windows, xml), wanted);
    assert_eq!(said(Format::Sysmon, nxlog).2, "Sysmon/4625");
    let eve =
        r#"{"timestamp":"2023-11-14T23:13:20.000000+0100","event_type":"alert","host":"sensor"}"#;
    let wanted = (
        at("2023-11-14T22:13:20Z"),
        "sensor".to_owned(),
        "alert".to_owned(),
    );
    assert_eq!(said(Format::Suricata, eve), wanted);
    let auditd =
        "node=ward-pc type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e syscall=2";
    let wanted = (
        Some(1_364_481_363_243),
        "ward-pc".to_owned(),
        "SYSCALL".to_owned(),
    );
    assert_eq!(said(Format::Auditd, auditd), wanted);
    let zeek = r#"{"_path":"conn","ts":1591367999.305988,"uid":"C"}"#;
    assert_eq!(
        said(Format::Zeek, zeek),
        (Some(1_591_367_999_306), String::new(), "conn".into())
    );
    assert_eq!(
        said(Format::Zeek, "1591367999.305988\tC\t10.0.0.1").0,
        Some(1_591_367_999_306)
    );
    assert_eq!(said(Format::Zeek, "#path\tconn").2, "#");
    let json = r#"{"time":1700000000007,"host":{"name":"pump"},"type":"alarm"}"#;
    assert_eq!(
        said(Format::Json, json),
        (Some(NEAR), "pump".into(), "alarm".into())
    );
}

#[test]
fn what_is_another_format_is_refused() {
    for (format, line) in [
        (Format::Json, "[1]"),
        (Format::Json, "{\"a\":"),
        (Format::Windows, "{}"),
        (Format::Sysmon, "<Event/>"),
        (Format::Suricata, "{\"timestamp\":\"x\"}"),
        (Format::Auditd, "type=SYSCALL audit(1:2)"),
        (Format::Auditd, "Nov 14 22:13:20 h a: b"),
        (Format::Zeek, "a\tb"),
        (Format::Zeek, "1591367999.3"),
        (Format::Syslog, "{}"),
    ] {
        assert!(
            read(format, line.as_bytes(), (NEAR, &TimeZone::UTC)).is_err(),
            "{line}"
        );
    }
}

#[test]
fn a_batch_is_tallied_and_what_cannot_be_read_is_in_it() {
    let mut tally = Tally::new(Format::Suricata, TimeZone::UTC);
    let alert = r#"{"event_type":"alert"}"#;
    for (at, line, cut) in [
        (5, alert, Cut::Whole),
        (6, "not EVE", Cut::Whole),
        (7, r#"{"event_type":"dns"}"#, Cut::Whole),
        (8, alert, Cut::Whole),
        (9, "{\"event_ty", Cut::Piece),
    ] {
        let bytes = line.as_bytes();
        tally.add(
            Line {
                at,
                source: "s",
                bytes,
            },
            cut,
        );
    }
    assert_eq!((tally.lines, tally.unread, tally.cut), (5, 1, 1));
    assert_eq!(tally.span, Some((5, 9)));
    assert_eq!(
        tally.kinds(),
        [("alert".to_owned(), 2), ("dns".to_owned(), 1)]
    );
    assert_eq!(tally.reason, "it is no JSON object");
    assert_eq!(crate::signals::lines(&tally.batch).count(), 5);
}

#[test]
fn a_sender_that_makes_up_kinds_fills_no_memory() {
    let mut tally = Tally::new(Format::Json, TimeZone::UTC);
    for number in 0..1_000 {
        let line = format!("{{\"type\":\"{number}\"}}");
        let bytes = line.as_bytes();
        tally.add(
            Line {
                at: 0,
                source: "s",
                bytes,
            },
            Cut::Whole,
        );
    }
    let kinds = tally.kinds();
    assert_eq!(kinds.len(), KINDS_MAX + 1);
    assert_eq!(kinds[0], ("other".to_owned(), 1_000 - KINDS_MAX as u64));
}

#[test]
fn a_time_without_an_offset_is_in_the_zone_of_its_feed() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let when = |format: Format, line: &str| {
        let said = read(format, line.as_bytes(), (NEAR, &berlin));
        said.unwrap().at
    };
    let at_ten = at("2023-11-14T09:00:00.5Z");
    for line in [
        r#"{"timestamp":"2023-11-14T10:00:00.5"}"#,
        r#"{"timestamp":"2023-11-14 10:00:00.500"}"#,
        r#"{"timestamp":"2023-11-14T09:00:00.5Z"}"#,
        r#"{"timestamp":"2023-11-14T11:00:00.5+0200"}"#,
    ] {
        assert_eq!(when(Format::Json, line), at_ten, "{line}");
    }
    let nxlog = r#"{"EventTime":"2023-11-14 10:00:00.5","EventID":1}"#;
    assert_eq!(when(Format::Windows, nxlog), at_ten);
    // What says that it is UTC is UTC.
    let sysmon = r#"{"UtcTime":"2023-11-14 09:00:00.500","EventID":1}"#;
    assert_eq!(when(Format::Sysmon, sysmon), at_ten);
}
