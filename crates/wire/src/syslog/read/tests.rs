use super::*;

const NEAR: i64 = 1_700_000_000_007; // 2023-11-14T22:13:20Z

fn entry(text: &str) -> Entry {
    read(text.as_bytes(), (NEAR, &TimeZone::UTC)).unwrap()
}

fn told(text: &str) -> (Option<&str>, String, String, String, &str) {
    let entry = entry(text);
    let at = entry.at.map(|at| at.to_string());
    let rest = &text[entry.text..];
    let or = |field: Option<String>| field.unwrap_or_default();
    let _ = at;
    (None, or(entry.host), or(entry.app), or(entry.process), rest)
}

#[test]
fn the_examples_of_rfc_5424_are_read() {
    let one = "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed for lonvick on /dev/pts/8";
    let read = entry(one);
    assert_eq!((read.facility(), read.severity()), (4, 2));
    assert_eq!(read.at, moment("2003-10-11T22:14:15.003Z"));
    assert_eq!(read.host.as_deref(), Some("mymachine.example.com"));
    assert_eq!((read.app.as_deref(), read.process), (Some("su"), None));
    assert_eq!(read.kind.as_deref(), Some("ID47"));
    assert!(one[read.text..].starts_with("'su root'"));
    let two = "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.";
    assert_eq!(told(two).4, "%% It's time to make the do-nuts.");
    assert_eq!(told(two).3, "8710");
    let three = r#"<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="App \"x\] lication"][examplePriority@32473 class="high"]"#;
    assert_eq!(told(three).4, "");
    let four = format!("{three} An application event");
    assert_eq!(told(&four).4, "An application event");
    assert_eq!(told("<0>1 - - - - - -").4, "");
}

#[test]
fn the_examples_of_rfc_3164_are_read() {
    let one = "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8";
    let read = entry(one);
    assert_eq!(read.at, moment("2023-10-11T22:14:15Z"));
    assert_eq!(
        told(one),
        (
            None,
            "mymachine".into(),
            "su".into(),
            String::new(),
            "'su root' failed for lonvick on /dev/pts/8"
        )
    );
    let two = "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!";
    assert_eq!(
        told(two),
        (
            None,
            "10.0.0.99".into(),
            String::new(),
            String::new(),
            "Use the BFG!"
        )
    );
    let three = "<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time";
    assert_eq!(told(three).4, "1987 mymachine myproc[10]: %% It's time");
    let four = "<86>Nov 14 22:13:20 ward-pc sshd[4711]: Failed password for root";
    assert_eq!(
        told(four),
        (
            None,
            "ward-pc".into(),
            "sshd".into(),
            "4711".into(),
            "Failed password for root"
        )
    );
    let five = "<86>2023-11-14T22:13:20.5+01:00 ward-pc sshd[4711]: x";
    assert_eq!(entry(five).at, moment("2023-11-14T21:13:20.5Z"));
    let six = "<189>29: *Mar  1 00:00:12: %SYS-5-CONFIG_I: Configured";
    assert_eq!((entry(six).at, told(six).2), (None, "29".into()));
    assert_eq!(told("<5>no time at all").4, "no time at all");
    let seven = "<30>Nov 14 22:13:20 crond[1]: its name is left out";
    assert_eq!(
        (told(seven).1, told(seven).2),
        (String::new(), "crond".into())
    );
}

#[test]
fn a_time_without_a_year_is_the_last_one_that_could_be() {
    let at = |text: &str, near: &str| {
        let near = moment(near).unwrap();
        read(
            format!("<1>{text} h a: b").as_bytes(),
            (near, &TimeZone::UTC),
        )
        .unwrap()
        .at
    };
    assert_eq!(
        at("Dec 31 23:59:59", "2024-01-01T00:00:03Z"),
        moment("2023-12-31T23:59:59Z")
    );
    assert_eq!(
        at("Jan  1 00:00:03", "2023-12-31T23:59:59Z"),
        moment("2024-01-01T00:00:03Z")
    );
    assert_eq!(
        at("Feb 29 00:00:00", "2024-03-01T00:00:00Z"),
        moment("2024-02-29T00:00:00Z")
    );
    assert_eq!(at("Feb 30 00:00:00", "2024-03-01T00:00:00Z"), None);
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let read = read(b"<1>Nov 14 23:13:20 h a: b", (NEAR, &zone)).unwrap();
    assert_eq!(read.at, moment("2023-11-14T22:13:20Z"));
}

#[test]
fn what_is_no_syslog_is_refused_with_why() {
    for bad in [
        "",
        "hello",
        "<",
        "<>x",
        "<192>x",
        "<1234>x",
        "<-1>x",
        "<1",
        "<1>1 ",
        "<1>1 - - - -",
        "<1>1 yesterday h a p k - x",
        "<1>1 - h a p k [x",
        "<1>1 - h a p k x",
        "<1>1 - h a p k -x",
        "<1>1 - h  p k - x",
    ] {
        assert!(
            read(bad.as_bytes(), (NEAR, &TimeZone::UTC)).is_err(),
            "{bad}"
        );
    }
}
