//! An accepted entry as an HL7 v2.5.1 ORU^R01, for a hospital whose systems take messages.

use event::{LineKind, Time};
use serde_json::Value;

use crate::Entry;

/// The message, its segments divided by CR. Its MSH-10 is the entry's, so that a receiver that saw
/// it before knows it again.
pub fn message(entry: &Entry, resource: &Value, now: Time) -> Vec<u8> {
    let text = |path: &str| {
        resource
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let control = control(entry);
    let number = ["/subject/identifier/value", "/patient/identifier/value"];
    let number = number
        .into_iter()
        .map(text)
        .find(|number| !number.is_empty());
    let happened = stamp(&entry.line.happened);
    let line = &entry.line;
    let name = safe(&line.what);
    let code = match text("/code/coding/0/code") {
        "" => format!("{}^{name}^L", line.kind.word()),
        code => format!("{}^{name}^LN", safe(code)),
    };
    let number_like = line.value.trim().parse::<f64>().is_ok();
    let (kind, value) = match line.kind {
        LineKind::Note => ("TX", name.clone()),
        _ if number_like => ("NM", safe(&line.value)),
        _ => ("ST", safe(&line.value)),
    };
    let segments = [
        format!(
            "MSH|^~\\&|SALUS|SALUS|||{}||ORU^R01^ORU_R01|{control}|P|2.5.1|||AL|NE||UNICODE UTF-8",
            moment(now)
        ),
        format!("PID|1||{}^^^^MR||^", safe(number.unwrap_or_default())),
        format!(
            "OBR|1||{control}^SALUS|{code}|||{happened}|||||||||||||||{}|||F",
            moment(now)
        ),
        format!(
            "OBX|1|{kind}|{code}||{value}|{}|||||F|||{happened}",
            safe(&line.unit)
        ),
        format!("NTE|1||{}", safe(text("/note/0/text"))),
    ];
    let mut out = segments.join("\r").into_bytes();
    out.push(b'\r');
    out
}

/// The message's name: the same for ever.
pub fn control(entry: &Entry) -> String {
    format!("CAP{}", entry.index)
}

/// `2026-11-21T10:00:00+01:00` as `20261121100000+0100`.
fn stamp(fhir: &str) -> String {
    let (date, zone) = match fhir.rfind(['+', 'Z']) {
        Some(at) if at > 10 => fhir.split_at(at),
        _ => match fhir.rfind('-').filter(|at| *at > 10) {
            Some(at) => fhir.split_at(at),
            None => (fhir, ""),
        },
    };
    let digits: String = date.chars().filter(char::is_ascii_digit).take(14).collect();
    match zone {
        "" => digits,
        "Z" => format!("{digits}+0000"),
        zone => format!("{digits}{}", zone.replace(':', "")),
    }
}

fn moment(time: Time) -> String {
    stamp(
        &time
            .timestamp()
            .to_string()
            .chars()
            .take(19)
            .chain(['Z'])
            .collect::<String>(),
    )
}

/// Delimiters by their escapes (HL7 v2.5.1, 2.7), and no line ends.
fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\E\\"),
            '|' => out.push_str("\\F\\"),
            '^' => out.push_str("\\S\\"),
            '&' => out.push_str("\\T\\"),
            '~' => out.push_str("\\R\\"),
            '\r' | '\n' => out.push_str("\\.br\\"),
            other if other.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// What an answer says: the code of MSA-1 and its text; `None`: it is no answer to this message.
pub fn answer(bytes: &[u8], control: &str) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let mut segments = text.split(['\r', '\n']);
    let msa = segments.find(|segment| segment.starts_with("MSA|"))?;
    let mut fields = msa.split('|').skip(1);
    let (code, about) = (fields.next()?, fields.next()?);
    (about == control).then(|| {
        let said = fields.next().unwrap_or_default();
        (code.to_owned(), format!("{code} {said}").trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use event::Line;

    use super::*;
    use crate::fhir;

    fn entry(kind: LineKind, what: &str, value: &str) -> Entry {
        Entry {
            index: 4711,
            at: Time::from_millis(1_795_269_802_000),
            ward: "ICU".into(),
            patient: Some("p".into()),
            temporary: String::new(),
            line: Line {
                kind,
                happened: "2026-11-21T10:00:00+01:00".into(),
                what: what.into(),
                value: value.into(),
                unit: "/min".into(),
                by: "AK".into(),
            },
            sheet: String::new(),
            row: 0,
            typist: ("nora".into(), "Nora".into()),
            decided: None,
            sent: None,
        }
    }

    #[test]
    fn the_same_entry_is_the_same_message_and_reads_back() {
        let entry = entry(LineKind::Vital, "Pulse", "88");
        let of = fhir::Whose {
            id: "p",
            number: Some("77"),
        };
        let made = fhir::resource(&entry, &entry.line, &of);
        let now = Time::from_millis(1_795_269_802_000);
        let bytes = message(&entry, &made.json, now);
        assert_eq!(bytes, message(&entry, &made.json, now));
        let parsed = wire::hl7::parse(&bytes, "");
        assert!(parsed.complaints.is_empty(), "{:?}", parsed.complaints);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("|CAP4711|P|2.5.1|"), "{text}");
        assert!(text.contains("PID|1||77^^^^MR"), "{text}");
        assert!(
            text.contains("OBX|1|NM|8867-4^Pulse^LN||88|/min|||||F|||20261121100000+0100"),
            "{text}"
        );
    }

    #[test]
    fn what_is_written_cannot_make_segments_of_its_own() {
        let entry = entry(LineKind::Note, "calm\rPID|1||666\r^~\\&", "");
        let of = fhir::Whose {
            id: "p",
            number: None,
        };
        let made = fhir::resource(&entry, &entry.line, &of);
        let text = String::from_utf8(message(&entry, &made.json, entry.at)).unwrap();
        assert_eq!(text.matches("\rPID|").count(), 1, "{text}");
        assert!(text.contains("calm\\.br\\PID\\F\\1"), "{text}");
    }

    #[test]
    fn an_answer_is_taken_only_if_it_is_to_this_message() {
        let ack = b"MSH|^~\\&|A|B|C|D|2026||ACK|1|P|2.5\rMSA|AA|CAP4711\r";
        assert_eq!(answer(ack, "CAP4711").unwrap().0, "AA");
        assert_eq!(answer(ack, "CAP4712"), None);
        assert_eq!(answer(b"hello", "CAP4711"), None);
    }
}
