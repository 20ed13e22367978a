//! A message's body as lines to read: in its own character set, and never more than a page takes.

use event::{Body, Event, Time};
use jiff::tz::TimeZone;
use wire::hl7::{self, Charset};
use wire::signals::{self, Format};

use super::view::Segment;

/// The lines of a message, and what was left out or replaced to show them, in words.
pub(crate) fn shown(event: &Event, bytes_max: usize) -> (Vec<Segment>, String) {
    let default = match &event.body {
        Body::Message(message) => message.charset.as_str(),
        _ => "",
    };
    if let Body::Signals(batch) = &event.body {
        return machine_lines(&event.raw, &batch.format, bytes_max);
    }
    if let Body::Image(image) = &event.body {
        return elements(&event.raw, (&image.syntax, &image.charset), bytes_max);
    }
    let parsed = hl7::parse(&event.raw, default);
    let mut left = bytes_max;
    let mut doubtful = false;
    let mut lines = Vec::new();
    if parsed.message.fault().is_some() {
        let raw = event.raw.get(..bytes_max).unwrap_or(&event.raw);
        let (text, lossy) = text(raw, Charset::Utf8);
        let lines = text
            .split(['\r', '\n'])
            .filter(|line| !line.is_empty())
            .map(line)
            .collect();
        return (lines, note(lossy, raw.len() < event.raw.len()));
    }
    let mut cut = false;
    for segment in parsed.message.all() {
        let bytes = segment.bytes();
        let Some(rest) = left.checked_sub(bytes.len()) else {
            cut = true;
            break;
        };
        left = rest;
        let (text, lossy) = text(bytes, parsed.message.charset());
        doubtful |= lossy;
        lines.push(line(&text));
    }
    (lines, note(doubtful, cut))
}

/// The lines of a batch: what each says of itself, or that it could not be read, and the line.
fn machine_lines(raw: &[u8], format: &str, bytes_max: usize) -> (Vec<Segment>, String) {
    let format = Format::of(format);
    let (mut left, mut doubtful, mut cut) = (bytes_max, false, false);
    let mut shown = Vec::new();
    for one in signals::lines(raw) {
        let Some(rest) = left.checked_sub(one.bytes.len()) else {
            cut = true;
            break;
        };
        left = rest;
        let said = format.map(|format| signals::read(format, one.bytes, (one.at, &TimeZone::UTC)));
        let name = match said {
            Some(Ok(said)) => said.kind.unwrap_or_default(),
            Some(Err(why)) => format!("not understood: {why}"),
            None => String::new(),
        };
        let (text, lossy) = text(one.bytes, Charset::Utf8);
        doubtful |= lossy;
        let name: String = name.chars().map(visible).collect();
        let at = Time::from_millis(one.at);
        shown.push(Segment {
            name: format!("{at} {} {name} ", one.source),
            rest: text,
        });
    }
    (shown, note(doubtful, cut))
}

/// The elements of an image's header, a line each.
fn elements(
    raw: &[u8],
    (syntax, charset): (&str, &str),
    bytes_max: usize,
) -> (Vec<Segment>, String) {
    let (mut left, mut cut) = (bytes_max, false);
    let mut shown = Vec::new();
    for one in wire::dicom::lines(raw, syntax, charset) {
        let Some(rest) = left.checked_sub(one.len()) else {
            cut = true;
            break;
        };
        left = rest;
        let (tag, said) = one.split_once(' ').unwrap_or((&one, ""));
        shown.push(Segment {
            name: tag.to_owned(),
            rest: format!(" {said}").chars().map(visible).collect(),
        });
    }
    (shown, note(false, cut))
}

fn text(bytes: &[u8], charset: Charset) -> (String, bool) {
    // A message that had to be decoded before it was split is UTF-8 by now.
    let decoded = charset
        .decode(bytes)
        .or_else(|| Charset::Utf8.decode(bytes));
    let (text, lossy) = match decoded {
        Some(text) => (text.into_owned(), false),
        None => (String::from_utf8_lossy(bytes).into_owned(), true),
    };
    (text.chars().map(visible).collect(), lossy)
}

/// A control character as its picture, so that it can be seen and does nothing.
fn visible(letter: char) -> char {
    match u32::from(letter) {
        0x7f => '\u{2421}',
        code if code < 0x20 && !matches!(letter, '\r' | '\n' | '\t') => {
            char::from_u32(0x2400 + code).unwrap_or('\u{fffd}')
        }
        _ => letter,
    }
}

fn line(text: &str) -> Segment {
    let end = text
        .char_indices()
        .nth(3)
        .map_or(text.len(), |(place, _)| place);
    let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    Segment {
        name: name.to_owned(),
        rest: rest.to_owned(),
    }
}

fn note(doubtful: bool, cut: bool) -> String {
    let mut note = String::new();
    if doubtful {
        note.push_str(
            "Some bytes mean nothing in the message's character set; they are shown as \u{fffd}. ",
        );
    }
    if cut {
        note.push_str("It is longer than a page shows; the rest is left out. ");
    }
    note.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use event::{Act, Actor, Message, Subject, Unread};

    use super::*;

    fn sent(raw: &[u8], charset: &str) -> Event {
        let body = Body::Message(Message {
            feed: "lab".into(),
            kind: "ORU^R01".into(),
            control: "1".into(),
            zone: "UTC".into(),
            charset: charset.into(),
            authority: "MR".into(),
            mapped: true,
            complaints: Vec::new(),
        });
        Event::new(Actor::feed("lab"), Act::Send, Subject::Record, body).with_raw(raw.to_vec())
    }

    #[test]
    fn a_message_is_read_in_its_own_character_set() {
        let raw = b"MSH|^~\\&|A|B|C|D|20260101||ORU^R01|1|P|2.5||||||8859/1\rPID|1||7||M\xdcLLER\r";
        let (lines, note) = shown(&sent(raw, ""), 1_000);
        assert_eq!(
            (lines[1].name.as_str(), lines[1].rest.as_str()),
            ("PID", "|1||7||MÜLLER")
        );
        assert_eq!(note, "");
    }

    #[test]
    fn a_long_message_is_cut_and_says_so() {
        let raw = b"MSH|^~\\&|A|B|C|D|20260101||ORU^R01|1|P|2.5\rPID|1||7||A\r";
        let (lines, note) = shown(&sent(raw, ""), 50);
        assert_eq!(lines.len(), 1);
        assert!(note.contains("left out"));
    }

    #[test]
    fn bytes_without_meaning_are_shown_as_what_they_are() {
        let body = Body::Unread(Unread {
            feed: "lab".into(),
            reason: "no `MSH`".into(),
        });
        let event = Event::new(
            Actor::feed("lab"),
            Act::Send,
            Subject::Feed("lab".into()),
            body,
        )
        .with_raw(b"\x00GET / HTTP\xff\n".to_vec());
        let (lines, note) = shown(&event, 1_000);
        assert_eq!(lines[0].name, "\u{2400}GE");
        assert!(note.contains("mean nothing"));
    }
}
