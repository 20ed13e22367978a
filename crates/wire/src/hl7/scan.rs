//! Finding segments and fields.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use super::message::Span;
use super::part::Rules;
use super::separators::{self, Oddity};
use super::{Charset, Code, Complaint, Message, Separators, escape, text};

/// How much of a message is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Segments in one message; with more it is at fault.
    pub segments_max: usize,
    /// Fields in one message; with more it is at fault.
    pub fields_max: usize,
    /// Complaints about one message; further ones are not listed.
    pub complaints_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            segments_max: 100_000,
            fields_max: 2_000_000,
            complaints_max: 50,
        }
    }
}

/// A message and what was odd about it.
#[derive(Debug, Clone)]
pub struct Parsed<'a> {
    /// The message; ask [`Message::fault`] whether it can be trusted as a whole.
    pub message: Message<'a>,
    /// What was odd, in the order of the message.
    pub complaints: Vec<Complaint>,
}

/// Reads a message. It never fails: bytes that are no message have a [`Message::fault`].
///
/// `default_charset` is the set the sender uses when MSH-18 is empty, as table 0211 names it;
/// empty or unknown: `UNICODE UTF-8`.
pub fn parse<'a>(bytes: &'a [u8], default_charset: &str) -> Parsed<'a> {
    parse_with(bytes, default_charset, &Limits::default())
}

/// Like [`parse`], with other limits.
pub fn parse_with<'a>(bytes: &'a [u8], default_charset: &str, limits: &Limits) -> Parsed<'a> {
    let mut scan = Scan {
        limits,
        complaints: Vec::new(),
        unlisted: 0,
    };
    let mut message = match scan.open(bytes, default_charset) {
        Ok(message) => message,
        Err(fault) => return unreadable(bytes, fault),
    };
    scan.index(&mut message);
    scan.look(&message);
    Parsed {
        message,
        complaints: scan.finish(),
    }
}

fn unreadable(raw: &[u8], fault: Complaint) -> Parsed<'_> {
    let message = Message {
        raw,
        text: Cow::Borrowed(&[]),
        rules: Rules::new(Separators::default(), Charset::Ascii),
        charset: Charset::Ascii,
        spans: Vec::new(),
        separators: Vec::new(),
        fault: Some(fault.clone()),
    };
    Parsed {
        message,
        complaints: vec![fault],
    }
}

struct Scan<'l> {
    limits: &'l Limits,
    complaints: Vec<Complaint>,
    unlisted: usize,
}

impl Scan<'_> {
    fn complain(&mut self, complaint: Complaint) {
        self.complain_of(|| complaint);
    }

    /// Finding the place of a complaint takes time, so it is only made if it will be listed.
    fn complain_of(&mut self, make: impl FnOnce() -> Complaint) {
        if self.complaints.len() < self.limits.complaints_max {
            self.complaints.push(make());
        } else {
            self.unlisted += 1;
        }
    }

    fn finish(mut self) -> Vec<Complaint> {
        if self.unlisted > 0 {
            let words = format!("{} more complaints are not listed", self.unlisted);
            self.complaints
                .push(Complaint::whole(Code::DataType, words));
        }
        self.complaints
    }

    /// Separators, character set and text; the index is still empty.
    fn open<'a>(&mut self, raw: &'a [u8], default: &str) -> Result<Message<'a>, Complaint> {
        let (body, marked) = text::unmark(raw);
        let wide = matches!(marked, Some(Charset::Utf16Be | Charset::Utf16Le));
        let body = match marked {
            Some(charset) if wide => Cow::Owned(self.narrow(body, charset)),
            _ => Cow::Borrowed(body),
        };
        let (separators, oddity) = header_separators(&body)?;
        let declared = self.declared(&body, separators, default);
        let charset = marked.unwrap_or(declared);
        if marked.is_some() && marked != Some(declared) && !wide {
            let words = "a UTF-8 byte-order mark stands before MSH; MSH-18 is not believed";
            self.complain(Complaint::whole(Code::TableValue, words));
        }
        match oddity {
            Some(Oddity::EscapeTwice) => {
                self.complain(about_msh2("the escape character is doubled"))
            }
            Some(Oddity::Same) => self.complain(about_msh2("two separators are the same")),
            None => {}
        }
        Ok(Message {
            raw,
            text: body,
            rules: Rules::new(separators, charset),
            charset,
            spans: Vec::with_capacity(16),
            separators: Vec::with_capacity(256),
            fault: None,
        })
    }

    fn narrow(&mut self, body: &[u8], charset: Charset) -> Vec<u8> {
        if let Some(text) = charset.decode(body) {
            return text.into_owned().into_bytes();
        }
        let words = "the message is UTF-16 with units that stand for no character";
        self.complain(Complaint::whole(Code::DataType, words));
        text::narrow(body, charset)
    }

    fn declared(&mut self, body: &[u8], separators: Separators, default: &str) -> Charset {
        let fallback = Charset::named(default).unwrap_or(Charset::Utf8);
        let end = memchr2(b'\r', b'\n', body).unwrap_or(body.len());
        let header = body.get(..end).unwrap_or_default();
        let mut fields = header.split(|&byte| byte == separators.field);
        let field = fields.nth(17).unwrap_or_default();
        let mut names = field.split(|&byte| byte == separators.repetition);
        let first = names.next().unwrap_or_default();
        // Japanese senders write `~ISO IR87`: ASCII, with shifts to the second set.
        let name = if first.is_empty() {
            names.next().unwrap_or_default()
        } else {
            first
        };
        if name.is_empty() || name == b"\"\"" {
            return fallback;
        }
        let name = String::from_utf8_lossy(name);
        match Charset::named(&name) {
            // The name was read byte by byte, so this is not UTF-16.
            Some(Charset::Utf16Be | Charset::Utf16Le) => Charset::Utf8,
            Some(charset) => charset,
            None => {
                let words = format!("`{name}` is not a character set of table 0211 that is known");
                let complaint = Complaint::at(msh(18), Code::TableValue, words);
                self.complain(complaint);
                Charset::Unknown
            }
        }
    }

    fn index(&mut self, message: &mut Message<'_>) {
        let undecoded = match message.charset {
            Charset::Woven(_) => text::unweave(message),
            _ => Vec::new(),
        };
        let text = std::mem::take(&mut message.text);
        let mut continued = Vec::new();
        let mut from = 0;
        while from < text.len() && message.fault.is_none() {
            let rest = text.get(from..).unwrap_or_default();
            let end = memchr2(b'\r', b'\n', rest).map_or(text.len(), |at| from + at);
            if let Some(position) = self.line(message, &text, from..end) {
                continued.push(position);
            }
            from = end + 1;
        }
        index_fields(message, &text, self.limits.fields_max);
        for span in &mut message.spans {
            span.decoded = !undecoded
                .iter()
                .any(|bad| bad.start < span.end && span.start < bad.end);
        }
        message.text = text;
        self.continued(message, continued);
        if let Some(fault) = &message.fault {
            self.complain(fault.clone());
        }
    }

    /// Takes one line; the position of the segment that it goes on with, if it begins none.
    fn line(&self, message: &mut Message<'_>, text: &[u8], line: Range<usize>) -> Option<usize> {
        let bytes = text.get(line.clone()).unwrap_or_default();
        if bytes
            .iter()
            .all(|&byte| byte == 0 || byte.is_ascii_whitespace())
        {
            return None;
        }
        if is_segment(bytes, message.rules.separators.field) {
            self.segment(message, line);
            return None;
        }
        message.spans.last_mut()?.end = line.end;
        Some(message.spans.len() - 1)
    }

    fn continued(&mut self, message: &Message<'_>, mut positions: Vec<usize>) {
        positions.dedup();
        for segment in positions.into_iter().filter_map(|at| message.all().nth(at)) {
            let words = "a line that begins with no segment name was read as a part of this";
            self.complain_of(|| Complaint::at(segment.place(0), Code::SegmentSequence, words));
        }
    }

    fn segment(&self, message: &mut Message<'_>, line: Range<usize>) {
        if message.spans.len() >= self.limits.segments_max {
            let words = format!(
                "more than `segments_max` = {} segments",
                self.limits.segments_max
            );
            message.fault = Some(Complaint::whole(Code::SegmentSequence, words));
            return;
        }
        message.spans.push(Span {
            start: line.start,
            end: line.end,
            first: 0,
            count: 0,
            decoded: true,
        });
    }

    /// Complaints about escapes, bytes that do not decode, and what MSH must have.
    fn look(&mut self, message: &Message<'_>) {
        for (field, what) in [
            (9, "the message type is missing"),
            (10, "the message id is missing"),
        ] {
            if message.get("MSH", field).is_absent() {
                self.complain(Complaint::at(msh(field), Code::RequiredFieldMissing, what));
            }
        }
        let escape = message.rules.separators.escape;
        for segment in message.all() {
            let bytes = segment.bytes();
            let escaped = escape.is_some_and(|byte| memchr(byte, bytes).is_some());
            let plain = bytes.is_ascii() && memchr(0x1B, bytes).is_none();
            if !escaped && plain {
                continue;
            }
            for number in 1 + 2 * usize::from(segment.is_header())..=segment.fields() {
                self.look_at(&segment, number);
            }
        }
    }

    fn look_at(&mut self, segment: &super::Segment<'_>, number: usize) {
        let field = segment.field(number);
        let rules = segment.rules();
        if let Some(broken) = escape::first_broken(field.bytes(), &rules) {
            self.complain_of(|| {
                let shown = shown(broken, &rules);
                let words = format!("`{shown}` is not a known escape sequence; kept as it is");
                Complaint::at(segment.place(number), Code::DataType, words)
            });
        }
        if rules.decode(field.bytes()).is_none() {
            let words = "bytes that mean nothing in the message's character set; kept as bytes";
            self.complain_of(|| Complaint::at(segment.place(number), Code::DataType, words));
        }
    }
}

fn header_separators(body: &[u8]) -> Result<(Separators, Option<Oddity>), Complaint> {
    if body.is_empty() {
        return Err(Complaint::whole(
            Code::SegmentSequence,
            "the message is empty",
        ));
    }
    let Some(after) = body.strip_prefix(b"MSH") else {
        let words = "the message does not begin with MSH";
        return Err(Complaint::whole(Code::SegmentSequence, words));
    };
    separators::read(after).ok_or_else(|| about_msh2("these cannot be separators"))
}

/// Content as a complaint can quote it.
fn shown(bytes: &[u8], rules: &Rules) -> String {
    match rules.decode(bytes) {
        Some(text) => text.replace(char::is_control, " "),
        None => bytes.escape_ascii().to_string(),
    }
}

fn about_msh2(words: &str) -> Complaint {
    Complaint::at(msh(2), Code::DataType, words)
}

fn msh(field: usize) -> super::Place {
    super::Place {
        segment: "MSH".into(),
        occurrence: 1,
        field,
    }
}

fn is_segment(line: &[u8], separator: u8) -> bool {
    let Some((name, rest)) = line.split_at_checked(3) else {
        return false;
    };
    name.first().is_some_and(u8::is_ascii_uppercase)
        && name
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && rest.first().is_none_or(|&byte| byte == separator)
}

/// In a short segment separators stand so close that looking at each byte is faster than leaping
/// from one to the next.
const SPARSE_BYTES_MIN: usize = 4 << 10;

fn index_fields(message: &mut Message<'_>, text: &[u8], fields_max: usize) {
    let separator = message.rules.separators.field;
    for span in &mut message.spans {
        span.first = message.separators.len();
        let bytes = text.get(span.start..span.end).unwrap_or_default();
        let room = fields_max.saturating_sub(span.first);
        if bytes.len() < SPARSE_BYTES_MIN {
            let found = bytes
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == separator);
            message
                .separators
                .extend(found.map(|(at, _)| span.start + at).take(room));
        } else {
            let found = memchr_iter(separator, bytes).map(|at| span.start + at);
            message.separators.extend(found.take(room));
        }
        span.count = message.separators.len() - span.first;
        if span.count == room && room > 0 || room == 0 {
            let words = format!("more than `fields_max` = {fields_max} fields");
            message.fault = Some(Complaint::whole(Code::DataType, words));
            return;
        }
    }
}

#[cfg(test)]
mod tests;
