//! Writing HL7 v2.5.1: segments by field number, delimiters escaped.

use event::Time;

/// A message under construction.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    text: String,
}

/// What the first segment says.
#[derive(Debug, Clone)]
pub(crate) struct Head<'a> {
    /// MSH-3.
    pub(crate) application: &'a str,
    /// MSH-9, all three components.
    pub(crate) kind: &'a str,
    /// MSH-10.
    pub(crate) control: &'a str,
    /// MSH-7, already written out.
    pub(crate) at: &'a str,
    /// MSH-18.
    pub(crate) charset: &'a str,
}

impl Message {
    pub(crate) fn new(head: &Head<'_>) -> Message {
        let Head {
            application,
            kind,
            control,
            at,
            charset,
        } = head;
        let text = format!(
            "MSH|^~\\&|{application}|STSALUS|SALUS|STSALUS|{at}||{kind}|{control}|P|2.5.1||||||{charset}\r"
        );
        Message { text }
    }

    /// Adds a segment: its name and its fields that are not empty, in ascending order.
    pub(crate) fn segment(&mut self, name: &str, fields: &[(usize, &str)]) {
        self.text.push_str(name);
        let mut place = 0;
        for (number, value) in fields {
            while place < *number {
                self.text.push('|');
                place += 1;
            }
            self.text.push_str(value);
        }
        self.text.push('\r');
    }

    /// In UTF-8.
    pub(crate) fn utf8(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// In ISO 8859-1; the caller has made sure that it can be (see [`latin1_can_write`]).
    pub(crate) fn latin1(self) -> Vec<u8> {
        self.text
            .chars()
            .map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?'))
            .collect()
    }
}

/// Whether ISO 8859-1 has every letter of `text`.
pub(crate) fn latin1_can_write(text: &str) -> bool {
    text.chars().all(|letter| u32::from(letter) < 0x100)
}

/// `text` with the delimiters as escape sequences (HL7 v2.5.1, 2.7.1).
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\E\\"),
            '|' => out.push_str("\\F\\"),
            '^' => out.push_str("\\S\\"),
            '&' => out.push_str("\\T\\"),
            '~' => out.push_str("\\R\\"),
            '\r' | '\n' => out.push_str("\\.br\\"),
            other => out.push(other),
        }
    }
    out
}

/// `20260301103000`: a moment in UTC without an offset; the feed's zone says what it means.
pub(crate) fn bare(at: Time) -> String {
    at.timestamp().strftime("%Y%m%d%H%M%S").to_string()
}

/// `20260301103000+0000`: a moment with its offset.
pub(crate) fn zoned(at: Time) -> String {
    format!("{}+0000", bare(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_at_their_numbers() {
        let head = Head {
            application: "LAB",
            kind: "ORU^R01^ORU_R01",
            control: "1",
            at: "2026",
            charset: "",
        };
        let mut message = Message::new(&head);
        message.segment("PID", &[(1, "1"), (3, "7^^^A"), (5, "a^b")]);
        message.segment("NTE", &[]);
        let text = String::from_utf8(message.utf8()).unwrap();
        assert_eq!(
            text,
            "MSH|^~\\&|LAB|STSALUS|SALUS|STSALUS|2026||ORU^R01^ORU_R01|1|P|2.5.1||||||\rPID|1||7^^^A||a^b\rNTE\r"
        );
    }

    #[test]
    fn delimiters_are_escaped() {
        assert_eq!(escape("a|b^c&d~e\\f"), "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f");
    }

    #[test]
    fn times_are_utc() {
        let at = Time::from_millis(1_700_000_000_000);
        assert_eq!(bare(at), "20231114221320");
        assert_eq!(zoned(at), "20231114221320+0000");
    }
}
