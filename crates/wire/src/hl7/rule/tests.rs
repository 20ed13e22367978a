use proptest::prelude::*;

use super::super::Condition;
use super::*;
use crate::hl7::{Charset, parse};

const MESSAGE: &str = "MSH|^~\\&|LAB|GH|EHR|GH|20260101||ORU^R01|7|P|2.5.1\r\
    PID|1||4711^^^GH^MR~99^^^AOK^SS||M\u{fc}ller^J||19500101|F|||||||||||SSN\r\
    PV1|1|I|MED1^101^A\r\
    OBX|1|NM|2823-3^K^LN||4.1|mmol/L\r\
    NTE|1||said on the phone\r\
    OBX|2|ST|X^Y^L||a\\T\\b|\r\
    NTE|1||more\r";

fn changes(written: &[&str]) -> Vec<Change> {
    written
        .iter()
        .map(|one| Change::parse(one).unwrap())
        .collect()
}

fn tables() -> Tables {
    let wards = [("MED1".to_owned(), "M^1".to_owned())];
    [("wards".to_owned(), wards.into())].into()
}

fn done(message: &str, written: &[&str]) -> String {
    let parsed = parse(message.as_bytes(), "");
    let bytes = change(&parsed.message, &changes(written), &tables()).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn holds(written: &str) -> bool {
    let parsed = parse(MESSAGE.as_bytes(), "");
    Condition::parse(written).unwrap().holds(&parsed.message)
}

#[test]
fn each_change_does_what_it_says_and_nothing_else() {
    let with = |from: &str, to: &str| MESSAGE.replacen(from, to, 1);
    for (written, expected) in [
        ("set MSH-5 to \"LAB|2\"", with("|EHR|", "|LAB\\F\\2|")),
        ("set PID-3[2].4 to \"X\"", with("99^^^AOK", "99^^^X")),
        (
            "set PID-3.4 to \"X\"",
            MESSAGE.replace("^GH^MR", "^X^MR").replace("^AOK^", "^X^"),
        ),
        ("set PV1-5.2.2 to \"V\"", with("^101^A", "^101^A||^&V")),
        ("copy PID-3.1 to PID-2", with("|1||4711", "|1|4711|4711")),
        (
            "copy PID-3 to PID-4",
            with("^SS||M", "^SS|4711^^^GH^MR~99^^^AOK^SS|M"),
        ),
        (
            "copy PID-3 to PID-4[1]",
            with("^SS||M", "^SS|4711^^^GH^MR|M"),
        ),
        (
            "copy PV1-3.1 to OBX-15",
            MESSAGE
                .replace("mmol/L\r", "mmol/L|||||||||MED1\r")
                .replace("b|\r", "b||||||||||MED1\r"),
        ),
        (
            "copy OBX-3.1 to OBX-3.2",
            MESSAGE
                .replace("2823-3^K", "2823-3^2823-3")
                .replace("X^Y", "X^X"),
        ),
        ("clear PID-19", with("|SSN", "|")),
        ("clear PID-40", MESSAGE.to_owned()),
        ("clear ZZZ-1", MESSAGE.to_owned()),
        (
            "drop NTE",
            with("NTE|1||said on the phone\r", "").replace("NTE|1||more\r", ""),
        ),
        ("drop NTE[2]", with("NTE|1||more\r", "")),
        ("map PV1-3.1 by wards", with("MED1", "M\\S\\1")),
        ("map PV1-3.2 by wards", MESSAGE.to_owned()),
        ("map PV1-3.2 by wards else \"?\"", with("^101^", "^?^")),
        ("map PV1-9 by wards else \"?\"", MESSAGE.to_owned()),
    ] {
        assert_eq!(done(MESSAGE, &[written]), expected, "{written}");
    }
    let both = done(MESSAGE, &["set MSH-3 to \"A\"", "copy MSH-3 to MSH-5"]);
    assert!(both.starts_with("MSH|^~\\&|A|GH|A|GH|"), "{both}");
}

#[test]
fn what_is_copied_from_a_segment_that_is_not_there_leaves_the_target() {
    for written in [
        "copy ZZZ-1 to PID-19",
        "copy OBX[7]-3 to PID-3",
        "copy PV2-3.1 to MSH-3",
        "copy OBX[7]-3.1 to OBX-3.1",
    ] {
        assert_eq!(done(MESSAGE, &[written]), MESSAGE, "{written}");
    }
    // Its segment is there and says nothing: that is what is copied.
    let emptied = done(MESSAGE, &["copy PID-4 to PID-19"]);
    assert_eq!(emptied, MESSAGE.replacen("|SSN", "|", 1));
}

#[test]
fn without_a_component_the_first_of_each_repetition_is_mapped_and_the_rest_stays() {
    let codes = ["4711", "99", "MED1", "a&b"].map(|code| (code.to_owned(), format!("<{code}>")));
    let tables: Tables = [("codes".to_owned(), codes.into())].into();
    let mapped = |message: &str, written: &str| {
        let parsed = parse(message.as_bytes(), "");
        let bytes = change(&parsed.message, &changes(&[written]), &tables).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let both = MESSAGE
        .replace("4711^", "<4711>^")
        .replace("~99^", "~<99>^");
    assert_eq!(mapped(MESSAGE, "map PID-3 by codes"), both);
    let second = MESSAGE.replace("~99^", "~<99>^");
    assert_eq!(mapped(MESSAGE, "map PID-3[2] by codes"), second);
    let ward = MESSAGE.replace("MED1^", "<MED1>^");
    assert_eq!(mapped(MESSAGE, "map PV1-3 by codes"), ward);
    let parts = MESSAGE.replace("MED1^101", "MED1&X^101");
    let kept = parts.replace("MED1&X", "<MED1>&X");
    assert_eq!(mapped(&parts, "map PV1-3.1 by codes"), kept);
    assert_eq!(mapped(&parts, "map PV1-3 by codes"), kept);
    let other = MESSAGE.replace("MED1^", "?^");
    assert_eq!(mapped(MESSAGE, "map PV1-3 by codes else \"?\""), ward);
    let unknown = MESSAGE.replace("MED1^", "MED7^");
    assert_eq!(mapped(&unknown, "map PV1-3 by codes else \"?\""), other);
    // Without a separator for subcomponents a component has none.
    let plain = MESSAGE.replace("^~\\&|LAB", "^~\\|LAB");
    let mapped_plain = both.replace("^~\\&|LAB", "^~\\|LAB");
    assert_eq!(mapped(&plain, "map PID-3 by codes"), mapped_plain);
}

#[test]
fn a_place_is_empty_if_nothing_stands_in_any_part_of_it() {
    let message = "MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5\r\
        PID|1||^^^GH~7||\"\"^\"\"|^&~|\"\"|^&x\r";
    let parsed = parse(message.as_bytes(), "");
    let holds = |written: &str| Condition::parse(written).unwrap().holds(&parsed.message);
    for (place, said) in [
        ("PID-2", false),
        ("PID-3", true),
        ("PID-3[1]", true),
        ("PID-3[1].1", false),
        ("PID-3[1].4", true),
        ("PID-3.1", true),
        ("PID-3[3]", false),
        ("PID-5", false),
        ("PID-6", false),
        ("PID-7", false),
        ("PID-8", true),
        ("PID-8.2", true),
        ("PID-8.2.1", false),
        ("PID-40", false),
        ("ZZZ-1", false),
    ] {
        assert_eq!(holds(&format!("{place} is not empty")), said, "{place}");
        assert_eq!(holds(&format!("{place} is empty")), !said, "{place}");
    }
}

#[test]
fn a_message_is_sent_in_the_set_it_came_in() {
    let latin = MESSAGE.replace("|2.5.1\r", "|2.5.1||||||8859/1\r");
    let bytes = Charset::Latin1.encode(&latin).into_owned();
    let parsed = parse(&bytes, "");
    let new = change(
        &parsed.message,
        &changes(&["set PID-5.2 to \"J\u{f6}rg\""]),
        &tables(),
    );
    let expected = latin.replace("ller^J", "ller^J\u{f6}rg");
    assert_eq!(new.unwrap(), Charset::Latin1.encode(&expected).into_owned());
    let gb = MESSAGE.replace("|2.5.1\r", "|2.5.1||||||GB 18030-2000\r");
    let set = Charset::named("GB 18030-2000").unwrap();
    let bytes = set.encode(&gb).into_owned();
    let parsed = parse(&bytes, "");
    let new = change(&parsed.message, &changes(&["clear PID-19"]), &tables()).unwrap();
    assert_eq!(new, set.encode(&gb.replace("|SSN", "|")).into_owned());
}

#[test]
fn conditions_hold_of_one_place_or_of_none() {
    for yes in [
        "PV1-2 = \"I\"",
        "PV1-2 != \"O\"",
        "PID-3.4 = \"AOK\"",
        "PID-3[1].4 != \"AOK\"",
        "PV1-3.1 in (\"ICU\", \"MED1\")",
        "PV1-3.1 not in (\"ICU\")",
        "OBX-3.1 begins with \"28\"",
        "OBX[2]-5 = \"a&b\"",
        "PID-5 = \"M\u{fc}ller\"",
        "PID-6 is empty",
        "ZZZ-1 is empty",
        "PID-19 is not empty",
        "MSH-9.2 = \"R01\"",
    ] {
        assert!(holds(yes), "{yes}");
    }
    for no in [
        "PV1-2 = \"O\"",
        "PID-3.4 != \"AOK\"",
        "PID-3[3].1 = \"4711\"",
        "ZZZ-1 = \"\"",
        "OBX-5 is empty",
        "OBX[1]-3.1 begins with \"X\"",
    ] {
        assert!(!holds(no), "{no}");
    }
}

#[test]
fn a_rule_that_cannot_be_read_says_why() {
    for (written, why) in [
        ("PV1-2 is I", "here `empty`"),
        ("PV1-2 = I", "double quotes"),
        ("PV1-2 = \"I", "not closed"),
        ("PV1-2 = \"I\" x", "too much"),
        ("PV1 = \"I\"", "names no field"),
        ("pv1-2 = \"I\"", "no place"),
        ("PV1-0 = \"I\"", "no place"),
        ("PV1-2 ~ \"I\"", "no comparison"),
        ("PV1-2 in ()", "double quotes"),
        ("PV1-2[99999999999999999999] = \"I\"", "no place"),
        ("", "missing at the end"),
    ] {
        let said = Condition::parse(written).unwrap_err();
        assert!(said.contains(why), "{written}: {said}");
    }
    for (written, why) in [
        ("drop MSH", "no message"),
        ("drop PID-3", "clear PID-3"),
        ("set MSH-10 to \"1\"", "comes twice"),
        ("set MSH-2 to \"1\"", "separators"),
        ("set MSH-18 to \"UTF-8\"", "set it came in"),
        ("copy PID-3 to PID-4.1", "name a part"),
        ("run rm", "can be done"),
        ("set PID-3 \"x\"", "`to` is missing"),
        ("set PID-3 to \"a\rb\"", "control character"),
    ] {
        let said = Change::parse(written).unwrap_err();
        assert!(said.contains(why), "{written}: {said}");
    }
}

fn path() -> impl Strategy<Value = String> {
    let nth = prop_oneof![
        Just(String::new()),
        (1..4_usize).prop_map(|nth| format!("[{nth}]"))
    ];
    let segment = prop_oneof![
        Just("PID"),
        Just("PV1"),
        Just("OBX"),
        Just("NTE"),
        Just("ZZ1")
    ];
    let parts = prop_oneof![
        Just(String::new()),
        (1..6_usize).prop_map(|component| format!(".{component}")),
        (1..6_usize, 1..4_usize).prop_map(|(one, two)| format!(".{one}.{two}")),
    ];
    (segment, nth.clone(), 1..25_usize, nth, parts)
        .prop_map(|(segment, at, field, nth, parts)| format!("{segment}{at}-{field}{nth}{parts}"))
}

proptest! {
    #[test]
    fn a_path_is_written_as_it_is_read(path in path()) {
        prop_assert_eq!(Path::parse(&path).unwrap().to_string(), path);
    }

    #[test]
    fn what_is_set_is_said_and_other_segments_stay(path in path(), text in "[ -~]{1,12}") {
        let quoted = text.replace('"', "\"\"");
        let parsed = parse(MESSAGE.as_bytes(), "");
        let set = changes(&[&format!("set {path} to \"{quoted}\"")]);
        let new = change(&parsed.message, &set, &tables()).unwrap();
        let again = parse(&new, "");
        let path = Path::parse(&path).unwrap();
        for part in path.parts(&again.message) {
            // `""` is HL7's null, and blanks are text.
            prop_assert_eq!(part.bytes() == b"\"\"" || part.string().as_ref() == Some(&text), true);
        }
        for (old, new) in parsed.message.all().zip(again.message.all()) {
            prop_assert_eq!(old.name(), new.name());
            if old.name() != path.segment {
                prop_assert_eq!(old.bytes(), new.bytes());
            }
        }
        let clear = changes(&[&format!("clear {path}")]);
        let gone = change(&again.message, &clear, &tables()).unwrap();
        let gone = parse(&gone, "");
        for part in path.parts(&gone.message) {
            prop_assert!(part.is_absent());
        }
    }

    #[test]
    fn whatever_is_read_as_a_rule_ends_without_a_panic(
        rule in "[A-Z0-9a-z \"()\\[\\].,=!-]{0,40}",
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut message = b"MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5\rPID|".to_vec();
        message.extend(bytes);
        let parsed = parse(&message, "");
        if let Ok(condition) = Condition::parse(&rule) {
            condition.holds(&parsed.message);
        }
        if let Ok(one) = Change::parse(&rule) {
            let _ = change(&parsed.message, &[one], &tables());
        }
    }
}
