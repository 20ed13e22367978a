//! Messages out of a stream over TCP (RFC 6587) or TLS (RFC 5425): octet counting and line ends,
//! told apart at the begin of each message.

/// The most digits of a length (RFC 6587 section 3.4.1).
const DIGITS_MAX: usize = 10;

/// A message, or a piece of one that is longer than a line may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The bytes, without the length before them or the line end after them.
    pub bytes: Vec<u8>,
    /// The message is longer than a line may be, and this is a piece of it.
    pub cut: bool,
}

/// Takes a stream apart, however it is cut. Nothing of it is lost: what is longer than
/// `line_bytes_max` comes in pieces.
#[derive(Debug)]
pub struct Stream {
    waiting: Vec<u8>,
    /// Of what waits, the bytes that were taken already.
    taken: usize,
    line_bytes_max: usize,
    within: Within,
}

/// What the bytes that wait are the begin of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Of a message.
    Nothing,
    /// Of the rest of a message that ends after so many bytes; whether pieces of it came before.
    Counted(usize, bool),
    /// Of the rest of a line of which pieces came before.
    Line,
}

impl Stream {
    /// A stream at its begin. A line has at least one byte.
    #[must_use]
    pub fn new(line_bytes_max: usize) -> Stream {
        Stream {
            waiting: Vec::new(),
            taken: 0,
            line_bytes_max: line_bytes_max.max(1),
            within: Within::Nothing,
        }
    }

    /// Bytes that wait for more.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len().saturating_sub(self.taken)
    }

    /// What is complete once `bytes` have come, too.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.push(bytes);
        std::iter::from_fn(|| self.piece()).collect()
    }

    /// Takes bytes in. [`Stream::piece`] says what is complete then, one after the other: many short
    /// lines take more room than the bytes they come in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.drain(..self.taken.min(self.waiting.len()));
        self.taken = 0;
        self.waiting.extend_from_slice(bytes);
    }

    /// The next that is complete; `None`: bytes are missing.
    pub fn piece(&mut self) -> Option<Piece> {
        loop {
            let waiting = std::mem::take(&mut self.waiting);
            let step = self.next(waiting.get(self.taken..).unwrap_or_default());
            let step = step.map(|(piece, after)| (piece, waiting.len() - after.len()));
            self.waiting = waiting;
            let (piece, taken) = step?;
            self.taken = taken;
            if piece.is_some() {
                return piece;
            }
        }
    }

    /// What is left when the stream ends: a message that was not finished. Of one whose length was
    /// told, it is a piece; a line may end with the stream.
    #[must_use]
    pub fn end(mut self) -> Option<Piece> {
        let cut = self.within != Within::Nothing;
        let bytes = self.waiting.split_off(self.taken.min(self.waiting.len()));
        (!bytes.is_empty()).then_some(Piece { bytes, cut })
    }

    /// The next step: a piece, or none if it only led to one; nothing if bytes are missing.
    fn next<'b>(&mut self, rest: &'b [u8]) -> Option<(Option<Piece>, &'b [u8])> {
        let first = rest.first()?;
        match self.within {
            Within::Counted(left, cut) => self.counted(rest, (left, cut)),
            Within::Line => self.line(rest, true),
            Within::Nothing if matches!(first, b'\n' | b'\r' | b'\0') => {
                Some((None, rest.get(1..)?))
            }
            Within::Nothing => match length(rest) {
                Length::Is(left, after) => {
                    self.within = Within::Counted(left, false);
                    Some((None, after))
                }
                Length::None => self.line(rest, false),
                Length::Unsure => None,
            },
        }
    }

    fn counted<'b>(
        &mut self,
        rest: &'b [u8],
        (left, cut): (usize, bool),
    ) -> Option<(Option<Piece>, &'b [u8])> {
        let whole = left <= self.line_bytes_max;
        let (bytes, after) = rest.split_at_checked(left.min(self.line_bytes_max))?;
        self.within = match whole {
            true => Within::Nothing,
            false => Within::Counted(left - bytes.len(), true),
        };
        let cut = cut || !whole;
        let bytes = bytes.to_vec();
        Some((Some(Piece { bytes, cut }), after))
    }

    fn line<'b>(&mut self, rest: &'b [u8], cut: bool) -> Option<(Option<Piece>, &'b [u8])> {
        let looked = rest.get(..=self.line_bytes_max).unwrap_or(rest);
        match memchr::memchr2(b'\n', b'\0', looked) {
            Some(end) => {
                self.within = Within::Nothing;
                let (bytes, after) = rest.split_at_checked(end)?;
                let bytes = bytes.to_vec();
                let piece = (!bytes.is_empty()).then_some(Piece { bytes, cut });
                Some((piece, after.get(1..)?))
            }
            None => {
                // The byte after the last that a line may have is no line end.
                rest.get(self.line_bytes_max)?;
                let (bytes, after) = rest.split_at_checked(self.line_bytes_max)?;
                self.within = Within::Line;
                let bytes = bytes.to_vec();
                Some((Some(Piece { bytes, cut: true }), after))
            }
        }
    }
}

enum Length<'b> {
    Is(usize, &'b [u8]),
    None,
    Unsure,
}

/// The length that stands first. A number before anything but `<` is no length: no message begins so.
fn length(bytes: &[u8]) -> Length<'_> {
    let digits = bytes.iter().take(DIGITS_MAX + 1);
    let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > DIGITS_MAX || bytes.first() == Some(&b'0') {
        return Length::None;
    }
    match (bytes.get(digits), bytes.get(digits + 1)) {
        (None, _) | (Some(b' '), None) => Length::Unsure,
        (Some(b' '), Some(b'<')) => {
            let number = bytes
                .get(..digits)
                .and_then(|text| std::str::from_utf8(text).ok());
            let number = number.and_then(|text| text.parse().ok());
            match (number, bytes.get(digits + 1..)) {
                (Some(number), Some(after)) => Length::Is(number, after),
                _ => Length::None,
            }
        }
        _ => Length::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pieces: &[Piece]) -> Vec<(String, bool)> {
        let text = |one: &Piece| (String::from_utf8_lossy(&one.bytes).into_owned(), one.cut);
        pieces.iter().map(text).collect()
    }

    #[test]
    fn both_framings_come_apart_wherever_the_stream_is_cut() {
        let stream = b"<1>one\n7 <2>t\nwo\r\n<3>three\r\n6 <4>fou\n20 years\n<5>end";
        for width in 1..=stream.len() {
            let mut frames = Stream::new(100);
            let mut pieces = Vec::new();
            for part in stream.chunks(width) {
                pieces.extend(frames.take(part));
            }
            pieces.extend(frames.end());
            let wanted = [
                "<1>one",
                "<2>t\nwo",
                "<3>three\r",
                "<4>fou",
                "20 years",
                "<5>end",
            ];
            let found: Vec<String> = texts(&pieces).into_iter().map(|(text, _)| text).collect();
            assert_eq!(found, wanted, "{width}");
            assert!(pieces.iter().all(|piece| !piece.cut));
        }
    }

    #[test]
    fn what_is_too_long_comes_in_pieces_and_nothing_is_lost() {
        let mut frames = Stream::new(4);
        let pieces = frames.take(b"<1>abcdefg\n9 <1>abcdefnext\n");
        let wanted = [
            ("<1>a", true),
            ("bcde", true),
            ("fg", true),
            ("<1>a", true),
            ("bcde", true),
            ("f", true),
            ("next", false),
        ];
        let wanted: Vec<(String, bool)> = wanted.map(|(text, cut)| (text.to_owned(), cut)).into();
        assert_eq!(texts(&pieces), wanted);
        assert_eq!(frames.end(), None);
    }

    #[test]
    fn a_line_as_long_as_may_be_is_whole() {
        let mut frames = Stream::new(4);
        assert_eq!(texts(&frames.take(b"<1>a\n")), [("<1>a".to_owned(), false)]);
        assert_eq!(frames.take(b"<1>a"), []);
        assert_eq!(texts(&frames.take(b"\n")), [("<1>a".to_owned(), false)]);
    }
    #[test]
    fn what_breaks_off_within_its_length_is_a_piece() {
        let mut frames = Stream::new(100);
        assert_eq!(frames.take(b"20 <13>half"), []);
        assert_eq!(frames.waiting(), 8);
        let end = frames.end().unwrap();
        assert_eq!(texts(&[end]), [("<13>half".to_owned(), true)]);
        // A line without its end is what a sender that closes after its last line leaves.
        let mut frames = Stream::new(100);
        frames.push(b"<13>one\n<13>two");
        assert_eq!(frames.piece().unwrap().bytes, b"<13>one");
        assert_eq!(frames.piece(), None);
        assert_eq!(
            texts(&[frames.end().unwrap()]),
            [("<13>two".to_owned(), false)]
        );
    }
}
