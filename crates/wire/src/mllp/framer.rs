use memchr::{memchr, memchr2};

use super::{CARRIAGE_RETURN, END, START};

/// How much of a stream is kept in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one frame; a longer one is given up and its rest skipped.
    pub frame_bytes_max: usize,
    /// Bytes kept of what stood outside a frame, and of a frame that was too long.
    pub kept_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame_bytes_max: 64 << 20,
            kept_bytes_max: 64 << 10,
        }
    }
}

/// What was found in the stream, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole frame: the bytes between the marks.
    Message(Vec<u8>),
    /// A frame with nothing in it.
    Empty,
    /// A frame that a new start block cut off; what there was of it.
    Cut(Vec<u8>),
    /// Bytes outside a frame, as far as they are kept.
    Stray(Vec<u8>),
    /// A frame beyond `frame_bytes_max`: its beginning, as far as it is kept.
    TooLong(Vec<u8>),
    /// The stream ended within a frame; what there was of it.
    Unfinished(Vec<u8>),
}

/// Finds frames in a stream that comes in pieces. Each byte is looked at once, however small the
/// pieces are, and what it returns does not depend on how the stream was cut into them.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    state: State,
    body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between frames.
    Outside,
    /// In bytes that belong to no frame.
    Stray,
    /// In bytes that belong to no frame, after as many as are kept.
    StrayBeyond,
    Inside,
    /// In a frame, after an FS that ends it if CR follows.
    InsideEnded,
    /// In a frame that was too long.
    Beyond,
    /// In a frame that was too long, after an FS.
    BeyondEnded,
}

impl Framer {
    /// A framer at the beginning of a stream.
    pub const fn new(limits: Limits) -> Framer {
        Framer {
            limits,
            state: State::Outside,
            body: Vec::new(),
        }
    }

    /// Takes bytes off the front of `input` up to the end of the next frame. `None`: `input` is
    /// used up, and the frame it broke off in is remembered.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Frame> {
        while !input.is_empty() {
            let found = match self.state {
                State::Outside => self.outside(input),
                State::Stray => self.stray(input),
                State::StrayBeyond => self.stray_beyond(input),
                State::Inside => self.inside(input),
                State::InsideEnded => self.inside_ended(input),
                State::Beyond => self.beyond(input),
                State::BeyondEnded => self.beyond_ended(input),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Whether a sender that pauses here could be waiting for an answer: see [`Framer::settle`].
    pub const fn may_settle(&self) -> bool {
        matches!(self.state, State::InsideEnded | State::Stray)
    }

    /// The sender has paused. If it could be waiting for an answer already (it leaves out the CR
    /// of the end block, or speaks no MLLP at all), this is what to answer.
    pub fn settle(&mut self) -> Option<Frame> {
        if self.may_settle() {
            self.finish()
        } else {
            None
        }
    }

    /// The stream has ended.
    pub fn finish(&mut self) -> Option<Frame> {
        let state = std::mem::replace(&mut self.state, State::Outside);
        match state {
            State::Outside | State::StrayBeyond | State::Beyond | State::BeyondEnded => None,
            State::Stray => Some(Frame::Stray(self.take())),
            State::Inside => Some(Frame::Unfinished(self.take())),
            State::InsideEnded => Some(self.whole()),
        }
    }

    /// Whether the stream stands within a frame.
    pub const fn in_frame(&self) -> bool {
        !matches!(self.state, State::Outside)
    }

    /// Bytes it holds of a frame that is not complete.
    pub fn held(&self) -> usize {
        self.body.len()
    }

    fn outside(&mut self, input: &mut &[u8]) -> Option<Frame> {
        let blank = |byte: &u8| matches!(byte, 0 | b'\n' | &CARRIAGE_RETURN);
        let start = input.iter().position(|byte| !blank(byte));
        skip(input, start.unwrap_or(input.len()));
        match input.first() {
            Some(&START) => {
                skip(input, 1);
                self.state = State::Inside;
            }
            Some(_) => self.state = State::Stray,
            None => {}
        }
        None
    }

    fn stray(&mut self, input: &mut &[u8]) -> Option<Frame> {
        let end = memchr(START, input).unwrap_or(input.len());
        let room = self.limits.kept_bytes_max.saturating_sub(self.body.len());
        let took = end.min(room);
        self.body.extend_from_slice(take(input, took));
        if took < end {
            self.state = State::StrayBeyond;
        } else if input.is_empty() {
            return None;
        } else {
            self.state = State::Outside;
        }
        Some(Frame::Stray(self.take()))
    }

    fn stray_beyond(&mut self, input: &mut &[u8]) -> Option<Frame> {
        let end = memchr(START, input);
        skip(input, end.unwrap_or(input.len()));
        if end.is_some() {
            self.state = State::Outside;
        }
        None
    }

    fn inside(&mut self, input: &mut &[u8]) -> Option<Frame> {
        let mark = memchr2(START, END, input);
        let piece = take(input, mark.unwrap_or(input.len()));
        if let Some(long) = self.keep(piece) {
            return Some(long);
        }
        match take(input, 1).first() {
            Some(&END) => self.state = State::InsideEnded,
            // A start block right after a start block is one start block.
            Some(_) if !self.body.is_empty() => return Some(Frame::Cut(self.take())),
            _ => {}
        }
        None
    }

    fn inside_ended(&mut self, input: &mut &[u8]) -> Option<Frame> {
        match input.first() {
            Some(&CARRIAGE_RETURN) => skip(input, 1),
            Some(&START | 0 | b'\n') => {}
            // Not an end block: the FS before was content.
            Some(&END) => {
                skip(input, 1);
                return self
                    .keep(&[END])
                    .inspect(|_| self.state = State::BeyondEnded);
            }
            _ => {
                self.state = State::Inside;
                return self.keep(&[END]);
            }
        }
        self.state = State::Outside;
        Some(self.whole())
    }

    fn beyond(&mut self, input: &mut &[u8]) -> Option<Frame> {
        let mark = memchr2(START, END, input);
        skip(input, mark.unwrap_or(input.len()));
        match take(input, 1).first() {
            Some(&START) => self.state = State::Inside,
            Some(_) => self.state = State::BeyondEnded,
            None => {}
        }
        None
    }

    fn beyond_ended(&mut self, input: &mut &[u8]) -> Option<Frame> {
        self.state = match input.first() {
            Some(&(START | CARRIAGE_RETURN | 0 | b'\n')) => State::Outside,
            Some(&END) => {
                skip(input, 1);
                State::BeyondEnded
            }
            _ => State::Beyond,
        };
        None
    }

    /// Adds to the frame, or gives it up.
    fn keep(&mut self, piece: &[u8]) -> Option<Frame> {
        if self.body.len().saturating_add(piece.len()) <= self.limits.frame_bytes_max {
            self.body.extend_from_slice(piece);
            return None;
        }
        let kept = self.limits.kept_bytes_max.min(self.limits.frame_bytes_max);
        let room = kept.saturating_sub(self.body.len()).min(piece.len());
        self.body
            .extend_from_slice(piece.get(..room).unwrap_or_default());
        self.body.truncate(kept);
        self.body.shrink_to_fit();
        self.state = State::Beyond;
        Some(Frame::TooLong(self.take()))
    }

    fn whole(&mut self) -> Frame {
        match self.take() {
            body if body.is_empty() => Frame::Empty,
            body => Frame::Message(body),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }
}

fn skip(input: &mut &[u8], count: usize) {
    take(input, count);
}

fn take<'i>(input: &mut &'i [u8], count: usize) -> &'i [u8] {
    let (front, back) = input.split_at_checked(count).unwrap_or((*input, &[]));
    *input = back;
    front
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::wrap;
    use super::*;

    fn small() -> Limits {
        Limits {
            frame_bytes_max: 20,
            kept_bytes_max: 5,
        }
    }

    fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
        let mut framer = Framer::new(small());
        let mut found = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(frame) = framer.next(&mut piece) {
                found.push(frame);
            }
            assert!(framer.held() <= 20);
        }
        found.extend(framer.finish());
        found
    }

    fn message(text: &str) -> Frame {
        Frame::Message(text.into())
    }

    #[test]
    fn several_messages_in_one_piece() {
        let stream = b"\x0bone\x1c\r\x0btwo\x1c\r\0\r\n\x0bthree\x1c\r\n";
        let expected = [message("one"), message("two"), message("three")];
        assert_eq!(frames(&[stream]), expected);
    }

    #[test]
    fn an_end_block_without_its_carriage_return() {
        assert_eq!(frames(&[b"\x0bone\x1c"]), [message("one")]);
        assert_eq!(
            frames(&[b"\x0bone\x1c\x0btwo\x1c\r"]),
            [message("one"), message("two")]
        );
        assert_eq!(
            frames(&[b"\x0bo\x1cne\x1c\x1c\r"]),
            [message("o\x1cne\x1c")]
        );
        let mut framer = Framer::new(small());
        assert_eq!(framer.next(&mut &b"\x0bone\x1c"[..]), None);
        assert_eq!(framer.settle(), Some(message("one")));
        assert_eq!(
            framer.next(&mut &b"\r\x0btwo\x1c\r"[..]),
            Some(message("two"))
        );
        assert_eq!(framer.settle(), None);
    }

    #[test]
    fn cut_empty_and_unfinished() {
        let stream = b"\x0bone\r\x0btwo\x1c\r\x0b\x1c\r\x0b\x0bthree";
        let expected = [
            Frame::Cut(b"one\r".into()),
            message("two"),
            Frame::Empty,
            Frame::Unfinished(b"three".into()),
        ];
        assert_eq!(frames(&[stream]), expected);
    }

    #[test]
    fn bytes_outside_a_frame() {
        let stream = b"\r\nGET \x0bone\x1c\rtwo three\x0bfour\x1c\rx";
        let expected = [
            Frame::Stray(b"GET ".into()),
            message("one"),
            Frame::Stray(b"two t".into()),
            message("four"),
            Frame::Stray(b"x".into()),
        ];
        assert_eq!(frames(&[stream]), expected);
    }

    #[test]
    fn a_frame_that_is_too_long() {
        let stream = b"\x0b123456789012345678901\x1c4\x1c\r\x0bnext\x1c\r";
        let expected = [Frame::TooLong(b"12345".into()), message("next")];
        assert_eq!(frames(&[stream]), expected);
        let cut = b"\x0b123456789012345678901\x0bnext\x1c\r";
        assert_eq!(frames(&[cut]), expected);
        let endless = b"\x0b12345678901234567890\x1c\x1c\r";
        assert_eq!(frames(&[endless]), [Frame::TooLong(b"12345".into())]);
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            Just(START),
            Just(END),
            Just(CARRIAGE_RETURN),
            Just(0),
            any::<u8>()
        ];
        prop::collection::vec(byte, 0..200)
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            stream in stream(),
            sizes in prop::collection::vec(1..9_usize, 1..40),
        ) {
            let mut pieces = Vec::new();
            let mut rest = stream.as_slice();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let size = (*size).min(rest.len());
                pieces.push(take(&mut rest, size));
            }
            prop_assert_eq!(frames(&pieces), frames(&[&stream]));
        }

        #[test]
        fn what_was_wrapped_is_found(bodies in prop::collection::vec("[ -~\r\u{e4}]{1,9}", 0..9)) {
            let stream: Vec<u8> = bodies.iter().flat_map(|body| wrap(body.as_bytes())).collect();
            let expected: Vec<Frame> = bodies.iter().map(|body| message(body)).collect();
            prop_assert_eq!(frames(&[&stream]), expected);
        }
    }
}
