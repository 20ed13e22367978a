//! Batches and files (HL7 v2.9 section 2.10.3): several messages in one piece of bytes.

use memchr::memchr2;

use super::{Code, Complaint};

/// One message of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The message's bytes.
    pub bytes: &'a [u8],
    /// What was odd about the batch, found between this message and the next.
    pub complaints: Vec<Complaint>,
}

/// The messages in `bytes`, in order. Anything that begins with neither MSH, BHS nor FHS is one
/// piece, as is a message in UTF-16; a batch of no messages has no pieces.
pub fn pieces(bytes: &[u8]) -> Pieces<'_> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let blank = |byte: &u8| matches!(byte, b'\0' | b'\r' | b'\n' | b' ' | b'\t');
    let start = text
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(text.len());
    let first = line_kind(text.get(start..).unwrap_or_default());
    Pieces {
        bytes,
        at: bytes.len() - text.len() + start,
        open: matches!(first, Kind::Content).then_some(0),
        whole: matches!(first, Kind::Content),
        messages: 0,
        batches: 0,
        complaints: Vec::new(),
    }
}

/// Iterates over the messages of a batch.
#[derive(Debug)]
pub struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the message that is being read began.
    open: Option<usize>,
    /// The bytes are no batch, so they are not divided.
    whole: bool,
    /// Messages since the last BHS.
    messages: u64,
    /// BHS segments so far.
    batches: u64,
    complaints: Vec<Complaint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    BatchHeader,
    BatchTrailer,
    FileHeader,
    FileTrailer,
    Content,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.whole {
            self.at = self.bytes.len();
            self.whole = false;
        }
        let mut ended = None;
        while let Some((line, next)) = self.line() {
            let kind = line_kind(line);
            if kind == Kind::Message && (ended.is_some() || self.open.is_some()) {
                break;
            }
            match kind {
                Kind::Message => self.message(),
                Kind::Content => {
                    if self.content(line, ended) {
                        break;
                    }
                }
                _ => {
                    ended = ended.or_else(|| self.open.take().map(|from| (from, self.at)));
                    self.trailer(kind, line);
                }
            }
            self.at = next;
        }
        let (from, to) = ended.or_else(|| self.open.take().map(|from| (from, self.at)))?;
        Some(Piece {
            bytes: self.bytes.get(from..to)?,
            complaints: std::mem::take(&mut self.complaints),
        })
    }
}

impl<'a> Pieces<'a> {
    /// The line at hand without its end, and where the next one begins.
    fn line(&self) -> Option<(&'a [u8], usize)> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let next = (self.at + end + 1).min(self.bytes.len());
        Some((rest.get(..end)?, next))
    }

    fn message(&mut self) {
        self.open = Some(self.at);
        self.messages += 1;
    }

    /// A line outside a message begins a piece of its own, which will be found to be no message.
    /// True: the piece before it ends here.
    fn content(&mut self, line: &[u8], ended: Option<(usize, usize)>) -> bool {
        if self.open.is_some()
            || line
                .iter()
                .all(|byte| *byte == 0 || byte.is_ascii_whitespace())
        {
            return false;
        }
        if ended.is_none() {
            self.open = Some(self.at);
        }
        ended.is_some()
    }

    fn trailer(&mut self, kind: Kind, line: &[u8]) {
        let (what, there) = match kind {
            Kind::BatchHeader => {
                self.batches += 1;
                self.messages = 0;
                return;
            }
            Kind::BatchTrailer => ("BTS-1", std::mem::take(&mut self.messages)),
            Kind::FileTrailer => ("FTS-1", std::mem::take(&mut self.batches)),
            Kind::FileHeader | Kind::Message | Kind::Content => return,
        };
        let Some(said) = count(line).filter(|said| *said != there) else {
            return;
        };
        if self.complaints.len() < COMPLAINTS_MAX {
            let words = format!("{what} says `{said}`, but there were {there}");
            self.complaints
                .push(Complaint::whole(Code::DataType, words));
        }
    }
}

/// Complaints between two messages; a batch can be made of trailers alone.
const COMPLAINTS_MAX: usize = 10;

/// The first field of a trailer, if it is a number.
fn count(line: &[u8]) -> Option<u64> {
    let (separator, rest) = line.get(3..)?.split_first()?;
    let field = rest.split(|byte| byte == separator).next()?;
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

fn line_kind(line: &[u8]) -> Kind {
    let followed = line.get(3).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    match line.get(..3) {
        Some(b"MSH") if followed => Kind::Message,
        Some(b"BHS") if followed => Kind::BatchHeader,
        Some(b"BTS") if followed => Kind::BatchTrailer,
        Some(b"FHS") if followed => Kind::FileHeader,
        Some(b"FTS") if followed => Kind::FileTrailer,
        _ => Kind::Content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expected: &[(&str, &str)]) {
        let found: Vec<(String, String)> = pieces(bytes.as_bytes())
            .map(|piece| {
                let words: Vec<String> =
                    piece.complaints.iter().map(Complaint::to_string).collect();
                (
                    String::from_utf8(piece.bytes.to_vec()).unwrap(),
                    words.join(";"),
                )
            })
            .collect();
        let expected: Vec<(String, String)> = expected
            .iter()
            .map(|(bytes, words)| ((*bytes).into(), (*words).into()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_message_alone() {
        check("MSH|1\rPID|\r", &[("MSH|1\rPID|\r", "")]);
        check("\u{feff}MSH|1\rPID|\r", &[("MSH|1\rPID|\r", "")]);
        check("hello\rMSH|1", &[("hello\rMSH|1", "")]);
        check("", &[("", "")]);
    }

    #[test]
    fn a_file_of_bare_messages() {
        check(
            "MSH|1\nPID|\n\nMSH|2\n",
            &[("MSH|1\nPID|\n\n", ""), ("MSH|2\n", "")],
        );
    }

    #[test]
    fn a_file_of_batches() {
        check(
            "FHS|\rBHS|\rMSH|1\rPID|\rMSH|2\rBTS|3\rBHS|\rMSH|3\rBTS|1\rFTS|2\r",
            &[
                ("MSH|1\rPID|\r", ""),
                ("MSH|2\r", "BTS-1 says `3`, but there were 2"),
                ("MSH|3\r", ""),
            ],
        );
        check("FHS|\rBHS|\rBTS|0\rFTS|1\r", &[]);
    }

    #[test]
    fn a_line_between_messages_is_not_lost() {
        check(
            "BHS|\rMSH|1\rBTS|1\rNTE|x\rBHS|\rMSH|2\r",
            &[("MSH|1\r", ""), ("NTE|x\r", ""), ("MSH|2\r", "")],
        );
    }
}
