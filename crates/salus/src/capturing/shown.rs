//! A message as lines to read.

use event::{Body, Event, Message};
use jiff::tz::TimeZone;
use record::Blind;
use wire::hl7::{self, Charset, field_name};
use wire::signals::{self, Format};
use wire::v2::{Sender, alone};

use crate::cli::Show;

/// The lines of an event, shown so; `zone`: of times of machines without an offset. Control characters
/// are replaced: a terminal would obey them.
pub(super) fn lines(event: &Event, show: Show, (blind, zone): (&Blind, &TimeZone)) -> Vec<String> {
    let lines = match (&event.body, show) {
        (Body::Message(message), Show::Fhir) => fhir(&event.raw, message, blind),
        (Body::Message(message), Show::Fields) => fields(&event.raw, &message.charset),
        (Body::Message(message), Show::Raw) => segments(&event.raw, &message.charset),
        (Body::Signals(batch), show) => machine(&event.raw, &batch.format, (show, zone)),
        (Body::Image(image), _) => wire::dicom::lines(&event.raw, &image.syntax, &image.charset),
        _ => text(&event.raw, Charset::Utf8)
            .split(['\r', '\n'])
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
    };
    let plain = |line: &String| line.chars().map(visible).collect();
    lines.iter().map(plain).collect()
}

fn segments(raw: &[u8], charset: &str) -> Vec<String> {
    let parsed = hl7::parse(raw, charset);
    let segments = parsed.message.all();
    segments
        .map(|one| text(one.bytes(), parsed.message.charset()))
        .collect()
}

/// Each field that says something: place, name, value.
fn fields(raw: &[u8], charset: &str) -> Vec<String> {
    let parsed = hl7::parse(raw, charset);
    let mut lines = Vec::new();
    for segment in parsed.message.all() {
        lines.push(segment.name().to_owned());
        for number in 1..=segment.fields() {
            let value = segment.field(number);
            if value.is_absent() {
                continue;
            }
            let place = format!("{}-{number}", segment.name());
            let name = field_name(segment.name(), number).unwrap_or_default();
            let value = text(value.bytes(), parsed.message.charset());
            lines.push(format!("  {place:<8} {name:<36} {value}"));
        }
    }
    lines
}

/// What the message means, as the chart reads it; each resource on a line.
fn fhir(raw: &[u8], message: &Message, blind: &Blind) -> Vec<String> {
    let id = |kind: &str, system: &str, value: &str| blind.id(kind, system, value);
    let sender = Sender {
        zone: &message.zone,
        charset: &message.charset,
        authority: &message.authority,
        id: &id,
    };
    let reading = wire::v2::read(raw, &sender);
    let resource = |draft| serde_json::to_string(&alone(draft)).unwrap_or_default();
    let mut lines: Vec<String> = reading.drafts.into_iter().map(resource).collect();
    let merges = reading.merge.into_iter().chain(reading.further);
    lines.extend(merges.map(|merge| {
        format!(
            "Patient/{} is merged into Patient/{}",
            merge.retired, merge.survivor
        )
    }));
    lines
}

fn machine(raw: &[u8], format: &str, (show, zone): (Show, &TimeZone)) -> Vec<String> {
    let format = Format::of(format);
    let line = |one: signals::Line<'_>| {
        let bytes = text(one.bytes, Charset::Utf8);
        let Some(format) = format.filter(|_| show != Show::Raw) else {
            return bytes;
        };
        let came = event::Time::from_millis(one.at);
        match signals::read(format, one.bytes, (one.at, zone)) {
            Ok(said) => {
                let at = said.at.map(|at| event::Time::from_millis(at).to_string());
                let at = at.unwrap_or_else(|| format!("came {came}"));
                let host = said.host.unwrap_or_else(|| one.source.to_owned());
                format!("{at} {host} {}: {bytes}", said.kind.unwrap_or_default())
            }
            Err(why) => format!("came {came} {} not understood, {why}: {bytes}", one.source),
        }
    };
    signals::lines(raw).map(line).collect()
}

fn text(bytes: &[u8], charset: Charset) -> String {
    // A message that had to be decoded before it was split is UTF-8 by now.
    let decoded = charset
        .decode(bytes)
        .or_else(|| Charset::Utf8.decode(bytes));
    decoded
        .unwrap_or_else(|| String::from_utf8_lossy(bytes))
        .into_owned()
}

/// A control character as its picture.
fn visible(letter: char) -> char {
    match u32::from(letter) {
        0x7f => '\u{2421}',
        0x80..=0x9f => '\u{fffd}',
        code if code < 0x20 && letter != '\t' => {
            char::from_u32(0x2400 + code).unwrap_or('\u{fffd}')
        }
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use event::{Act, Actor, Subject};

    use super::*;

    fn sent(raw: &[u8]) -> Event {
        let body = Body::Unread(event::Unread {
            feed: "lab".into(),
            reason: "no `MSH`".into(),
        });
        let subject = Subject::Feed("lab".into());
        Event::new(Actor::feed("lab"), Act::Send, subject, body).with_raw(raw.to_vec())
    }

    #[test]
    fn fields_stand_with_their_names_in_their_own_character_set() {
        let raw = b"MSH|^~\\&|A|B|C|D|20260101||ORU^R01|1|P|2.5||||||8859/1\rPID|1||7^^^H^MR||M\xdcLLER\rZZ1|x\r";
        let lines = fields(raw, "");
        let has = |parts: &[&str]| {
            lines
                .iter()
                .any(|line| parts.iter().all(|part| line.contains(part)))
        };
        assert!(
            has(&["PID-3", "Patient Identifier List", "7^^^H^MR"]),
            "{lines:#?}"
        );
        assert!(has(&["PID-5", "Patient Name", "MÜLLER"]), "{lines:#?}");
        assert!(
            has(&["MSH-9", "Message Type", "ORU^R01"]) && has(&["ZZ1-1", "x"]),
            "{lines:#?}"
        );
        assert!(!has(&["PID-2"]), "{lines:#?}");
    }

    #[test]
    fn times_of_machines_are_in_the_zone_of_their_feed() {
        let mut raw = Vec::new();
        let line = signals::Line {
            at: 1_700_000_000_000,
            source: "10.0.0.7",
            bytes: br#"{"timestamp":"2023-11-14T10:00:00","host":"pump"}"#,
        };
        signals::push(&mut raw, line);
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let shown = machine(&raw, "json", (Show::Fields, &berlin));
        assert!(shown[0].starts_with("2023-11-14T09:00:00"), "{shown:?}");
    }

    #[test]
    fn no_terminal_obeys_what_a_sender_wrote() {
        let blind = |letter: &str| letter.chars().map(visible).collect::<String>();
        assert_eq!(blind("\u{1b}[2J\u{9b}x"), "\u{241b}[2J\u{fffd}x");
        let text = text(&sent(b"\x1b]0;x\x07").raw, Charset::Utf8);
        assert_eq!(
            text.chars().map(visible).collect::<String>(),
            "\u{241b}]0;x\u{2407}"
        );
    }
}
