//! Acknowledgements (HL7 v2.9 section 2.9): the original mode and the enhanced one.
//!
//! Nothing here knows the time or makes up an id: an answer to a repeated delivery is the same
//! answer, byte for byte, if it is given the same [`Stamp`].

mod error;

use self::error::{ErrForm, err_form, error_segment};
use super::part::Rules;
use super::{Charset, Complaint, Message, Separators};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is safe here.
    Accept,
    /// It may be sent again: the fault is ours.
    Error,
    /// It will be refused again: the fault is its own.
    Reject,
}

/// What identifies an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'s> {
    /// MSH-10 of the answer.
    pub control: &'s str,
    /// MSH-7 of the answer, in milliseconds since 1970-01-01T00:00:00Z.
    pub millis: i64,
}

/// Which answers a sender wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// MSH-15 and MSH-16 are empty: one answer, `AA`, `AE` or `AR`.
    Original,
    /// A commit acknowledgement (`CA`, `CE`, `CR`) and an application acknowledgement.
    Enhanced {
        /// MSH-15.
        accept: Wanted,
        /// MSH-16.
        application: Wanted,
    },
}

/// When an acknowledgement is wanted (HL7 table 0155).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `AL`
    Always,
    /// `NE`, and an empty field beside one that is not
    Never,
    /// `ER`
    OnError,
    /// `SU`
    OnSuccess,
}

impl Wanted {
    fn read(word: &str) -> Wanted {
        match word {
            "AL" => Wanted::Always,
            "ER" => Wanted::OnError,
            "SU" => Wanted::OnSuccess,
            _ => Wanted::Never,
        }
    }

    fn after(self, verdict: Verdict) -> bool {
        match self {
            Wanted::Always => true,
            Wanted::Never => false,
            Wanted::OnError => verdict != Verdict::Accept,
            Wanted::OnSuccess => verdict == Verdict::Accept,
        }
    }
}

/// Which answers the sender of this message wants.
pub fn mode(message: &Message<'_>) -> Mode {
    let (accept, application) = (message.get("MSH", 15), message.get("MSH", 16));
    let (accept, application) = (accept.text(), application.text());
    match (accept.as_str(), application.as_str()) {
        (None, None) => Mode::Original,
        (accept, application) => Mode::Enhanced {
            accept: Wanted::read(accept.unwrap_or_default()),
            application: Wanted::read(application.unwrap_or_default()),
        },
    }
}

/// The answers to a message, in the order they are sent: none if the sender wants none or the
/// message is itself an answer, two if the sender wants a commit and an application one.
///
/// `complaint` says what was wrong; it becomes ERR.
pub fn answers(
    message: &Message<'_>,
    verdict: Verdict,
    stamp: &Stamp<'_>,
    complaint: Option<&Complaint>,
) -> Vec<Vec<u8>> {
    let write = |code, stamp: &Stamp<'_>| {
        Answer {
            message,
            code,
            stamp,
            complaint,
            kind: None,
        }
        .write()
    };
    if message.header().is_none() {
        return vec![nak(stamp, complaint)];
    }
    if message.get("MSH", 9).text().as_str() == Some("ACK") {
        return Vec::new();
    }
    let Mode::Enhanced {
        accept,
        application,
    } = mode(message)
    else {
        return vec![write(application_code(verdict), stamp)];
    };
    let mut out = Vec::new();
    if accept.after(verdict) {
        out.push(write(commit_code(verdict), stamp));
    }
    let refused_already = !out.is_empty() && verdict != Verdict::Accept;
    if application.after(verdict) && !refused_already {
        let second = format!("{}A", stamp.control);
        let control = if out.is_empty() {
            stamp.control
        } else {
            &second
        };
        out.push(write(
            application_code(verdict),
            &Stamp { control, ..*stamp },
        ));
    }
    out
}

/// The answer to bytes in which no MSH can be read: `AR`, the usual separators, an empty MSA-2.
pub fn nak(stamp: &Stamp<'_>, complaint: Option<&Complaint>) -> Vec<u8> {
    let time = time(stamp.millis);
    let mut out = format!(
        "MSH|^~\\&|||||{time}||ACK|{}|P|2.5.1\rMSA|AR|\r",
        stamp.control
    );
    if let Some(complaint) = complaint {
        let rules = Rules::new(Separators::default(), Charset::Ascii);
        let written = error_segment(complaint, &rules, ErrForm::Coded);
        out.push_str(&String::from_utf8_lossy(&written));
    }
    out.into_bytes()
}

const fn application_code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "AA",
        Verdict::Error => "AE",
        Verdict::Reject => "AR",
    }
}

const fn commit_code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "CA",
        Verdict::Error => "CE",
        Verdict::Reject => "CR",
    }
}

/// The commit acknowledgement that comes before the answer to a query, if the asker wants one.
pub fn commit(message: &Message<'_>, stamp: &Stamp<'_>) -> Option<Vec<u8>> {
    let Mode::Enhanced { accept, .. } = mode(message) else {
        return None;
    };
    let answer = Answer {
        message,
        code: "CA",
        stamp,
        complaint: None,
        kind: None,
    };
    accept.after(Verdict::Accept).then(|| answer.write())
}

/// MSH, MSA and ERR of an answer of another kind than ACK, to be gone on with: see
/// [`in_its_charset`].
pub(crate) fn head_of(
    message: &Message<'_>,
    verdict: Verdict,
    (stamp, complaint): (&Stamp<'_>, Option<&Complaint>),
    kind: [&str; 3],
) -> Vec<u8> {
    let answer = Answer {
        message,
        code: application_code(verdict),
        stamp,
        complaint,
        kind: Some(kind),
    };
    answer.begin()
}

/// Words of ours as they may stand in a field of an answer to that message.
pub(crate) fn words_of(message: &Message<'_>, words: &str) -> Vec<u8> {
    escaped(words, &message.rules)
}

/// A message that was decoded to be read is answered in the set it came in.
pub(crate) fn in_its_charset(message: &Message<'_>, out: Vec<u8>) -> Vec<u8> {
    let charset = message.charset();
    match std::str::from_utf8(&out) {
        Ok(text) if charset.before_dividing() => charset.encode(text).into_owned(),
        _ => out,
    }
}

struct Answer<'x> {
    message: &'x Message<'x>,
    code: &'x str,
    stamp: &'x Stamp<'x>,
    complaint: Option<&'x Complaint>,
    /// MSH-9, if it is no ACK.
    kind: Option<[&'x str; 3]>,
}

impl Answer<'_> {
    fn write(&self) -> Vec<u8> {
        in_its_charset(self.message, self.begin())
    }

    fn begin(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.header(&mut out);
        self.field(&mut out, b"MSA", self.code.as_bytes());
        self.field(&mut out, b"", self.received(10));
        out.push(b'\r');
        if let Some(complaint) = self.complaint {
            let form = err_form(&self.message.version());
            out.extend(error_segment(complaint, &self.message.rules, form));
        }
        out
    }

    fn header(&self, out: &mut Vec<u8>) {
        let or = |field: usize, otherwise: &'static [u8]| match self.received(field) {
            b"" => otherwise,
            bytes => bytes,
        };
        let time = time(self.stamp.millis);
        let kind = self.kind();
        self.field(out, b"MSH", self.received(2));
        let fields = [
            self.received(5),
            self.received(6),
            self.received(3),
            self.received(4),
            time.as_bytes(),
            b"",
            &kind,
            self.stamp.control.as_bytes(),
            or(11, b"P"),
            or(12, b"2.5.1"),
        ];
        for field in fields {
            self.field(out, b"", field);
        }
        let charset = self.received(18);
        if !charset.is_empty() {
            out.extend(std::iter::repeat_n(self.message.separators().field, 5));
            self.field(out, b"", charset);
        }
        out.push(b'\r');
    }

    /// MSH-9, with the trigger of what is answered.
    fn kind(&self) -> Vec<u8> {
        let trigger = self.message.get("MSH", 9).comp(2).bytes();
        let component = [self.message.separators().component];
        if let Some(kind) = self.kind {
            return kind.map(str::as_bytes).join(&component[..]);
        }
        match trigger {
            b"" => b"ACK".to_vec(),
            trigger => [b"ACK", trigger, b"ACK"].join(&component[..]),
        }
    }

    fn field(&self, out: &mut Vec<u8>, before: &[u8], bytes: &[u8]) {
        out.extend_from_slice(before);
        out.push(self.message.separators().field);
        out.extend_from_slice(bytes);
    }

    /// A field of the message's MSH as it was written.
    fn received(&self, field: usize) -> &[u8] {
        self.message.get("MSH", field).bytes()
    }
}

/// Our own words with the sender's separators escaped, in the sender's character set.
fn escaped(words: &str, rules: &Rules) -> Vec<u8> {
    let separators = rules.separators;
    let letter = |byte: u8| match byte {
        b if b == separators.field => Some(b'F'),
        b if b == separators.component => Some(b'S'),
        b if b == separators.repetition => Some(b'R'),
        b if Some(b) == separators.subcomponent => Some(b'T'),
        b if Some(b) == separators.escape => Some(b'E'),
        _ => None,
    };
    let mut out = Vec::with_capacity(words.len());
    for byte in rules.encode(words).iter().copied() {
        match (letter(byte), separators.escape) {
            (Some(letter), Some(escape)) => out.extend([escape, letter, escape]),
            (None, _) if !byte.is_ascii_control() => out.push(byte),
            _ => out.push(b' '),
        }
    }
    out
}

fn time(millis: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y%m%d%H%M%S.%3f+0000").to_string()
}

#[cfg(test)]
mod tests;
