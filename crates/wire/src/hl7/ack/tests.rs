use super::*;
use crate::hl7::{Code, Place, parse};

const STAMP: Stamp<'static> = Stamp {
    control: "S7",
    millis: 1_700_000_000_007,
};

fn check(message: &str, verdict: Verdict, expected: &[&str]) {
    check_with(message, verdict, None, expected);
}

fn check_with(message: &str, verdict: Verdict, complaint: Option<&Complaint>, expected: &[&str]) {
    let parsed = parse(message.as_bytes(), "");
    let found: Vec<String> = answers(&parsed.message, verdict, &STAMP, complaint)
        .into_iter()
        .map(|answer| String::from_utf8(answer).unwrap().replace('\r', "\n"))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn the_original_mode() {
    let message = r"MSH|^~\&|LAB|NORTH|SALUS|H|2023||ORU^R01^ORU_R01| 12 |T|2.3";
    let head = r"MSH|^~\&|SALUS|H|LAB|NORTH|20231114221320.007+0000||ACK^R01^ACK|S7|T|2.3";
    check(
        message,
        Verdict::Accept,
        &[&format!("{head}\nMSA|AA| 12 \n")],
    );
    check(
        message,
        Verdict::Error,
        &[&format!("{head}\nMSA|AE| 12 \n")],
    );
    check(
        message,
        Verdict::Reject,
        &[&format!("{head}\nMSA|AR| 12 \n")],
    );
}

#[test]
fn the_senders_separators_and_charset() {
    check(
        r"MSH#@!%*#L@1####2023##ADT@A01#9#P#2.5######8859/15",
        Verdict::Accept,
        &[
            "MSH#@!%*###L@1##20231114221320.007+0000##ACK@A01@ACK#S7#P#2.5######8859/15\n\
           MSA#AA#9\n",
        ],
    );
}

fn codes(accept: &str, application: &str, verdict: Verdict) -> Vec<String> {
    let text = format!(r"MSH|^~\&|||||2023||ADT^A01|9|P|2.5|||{accept}|{application}");
    let parsed = parse(text.as_bytes(), "");
    answers(&parsed.message, verdict, &STAMP, None)
        .iter()
        .map(|answer| {
            let parsed = parse(answer, "");
            let code = parsed.message.get("MSA", 1).string().unwrap();
            format!("{code} {}", parsed.message.control())
        })
        .collect()
}

#[test]
fn the_enhanced_mode() {
    assert_eq!(codes("AL", "NE", Verdict::Accept), ["CA S7"]);
    assert_eq!(codes("AL", "AL", Verdict::Accept), ["CA S7", "AA S7A"]);
    assert_eq!(codes("AL", "AL", Verdict::Reject), ["CR S7"]);
    assert_eq!(codes("AL", "", Verdict::Error), ["CE S7"]);
    assert_eq!(codes("NE", "AL", Verdict::Accept), ["AA S7"]);
    assert_eq!(codes("NE", "ER", Verdict::Reject), ["AR S7"]);
    assert_eq!(codes("ER", "SU", Verdict::Accept), ["AA S7"]);
    assert_eq!(codes("SU", "ER", Verdict::Error), ["AE S7"]);
    assert!(codes("NE", "NE", Verdict::Accept).is_empty());
    assert_eq!(codes("", "", Verdict::Accept), ["AA S7"]);
}

#[test]
fn an_answer_is_not_answered() {
    check(
        "MSH|^~\\&|||||2023||ACK^A01|9|P|2.5\rMSA|AA|1",
        Verdict::Accept,
        &[],
    );
}

#[test]
fn what_was_wrong() {
    let place = Place {
        segment: "PID".into(),
        occurrence: 1,
        field: 3,
    };
    let complaint = Complaint::at(place, Code::RequiredFieldMissing, "no `a^b`");
    let head = r"MSH|^~\&|||||20231114221320.007+0000||ACK^A01^ACK|S7|P|";
    check_with(
        r"MSH|^~\&|||||2023||ADT^A01|9|P|2.5",
        Verdict::Reject,
        Some(&complaint),
        &[&format!(
            "{head}2.5\nMSA|AR|9\nERR||PID^1^3|101^Required field missing^HL70357|E||||no `a\\S\\b`\n"
        )],
    );
    check_with(
        r"MSH|^~\&|||||2023||ADT^A01|9|P|2.4",
        Verdict::Reject,
        Some(&complaint),
        &[&format!(
            "{head}2.4\nMSA|AR|9\nERR|PID^1^3^101&Required field missing&HL70357\n\
             NTE|1||no `a\\S\\b`\n"
        )],
    );
}

#[test]
fn no_header() {
    let complaint = Complaint::whole(Code::SegmentSequence, "no MSH");
    let expected = "MSH|^~\\&|||||20231114221320.007+0000||ACK|S7|P|2.5.1\nMSA|AR|\n\
                    ERR|||100^Segment sequence error^HL70357|E||||no MSH\n";
    check_with("hello", Verdict::Reject, Some(&complaint), &[expected]);
}

#[test]
fn utf_16_is_answered_in_utf_16() {
    let text = "MSH|^~\\&|Ü||||2023||ADT^A01|9|P|2.5";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let parsed = parse(&bytes, "");
    let answer = answers(&parsed.message, Verdict::Accept, &STAMP, None).remove(0);
    let again = parse(&answer, "");
    assert_eq!(again.message.get("MSH", 5).string().unwrap(), "Ü");
    assert_eq!(again.message.get("MSA", 2).string().unwrap(), "9");
}
