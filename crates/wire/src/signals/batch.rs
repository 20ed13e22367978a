//! A batch: lines as they came, each behind a head of its own.
//!
//! `<milliseconds since 1970> <length> <from where>\n<bytes>\n`, one after the other. What a line
//! holds cannot be taken for a head: its length says where it ends.

/// One line, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// When it came, in milliseconds since 1970.
    pub at: i64,
    /// From where: an address, a client, a file; `-`: nobody knows.
    pub source: &'a str,
    /// Its bytes, without a line end.
    pub bytes: &'a [u8],
}

/// Adds a line to a batch. A blank in its source becomes `_`.
pub fn push(batch: &mut Vec<u8>, line: Line<'_>) {
    let plain = |letter: char| match letter.is_whitespace() || letter.is_control() {
        true => '_',
        false => letter,
    };
    let source: String = line.source.chars().map(plain).collect();
    let source = if source.is_empty() { "-" } else { &source };
    let head = format!("{} {} {source}\n", line.at, line.bytes.len());
    batch.extend_from_slice(head.as_bytes());
    batch.extend_from_slice(line.bytes);
    batch.push(b'\n');
}

/// The lines of a batch, in their order.
#[must_use]
pub const fn lines(batch: &[u8]) -> Lines<'_> {
    Lines { rest: batch }
}

/// See [`lines`].
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// What could not be taken for a line: empty when the lines of a whole batch were read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let end = memchr::memchr(b'\n', self.rest)?;
        let head = std::str::from_utf8(self.rest.get(..end)?).ok()?;
        let (at, head) = head.split_once(' ')?;
        let (length, source) = head.split_once(' ')?;
        let length: usize = length.parse().ok()?;
        let (bytes, after) = self.rest.get(end + 1..)?.split_at_checked(length)?;
        let at = at.parse().ok()?;
        self.rest = after.strip_prefix(b"\n")?;
        Some(Line { at, source, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were() {
        let all: [(i64, &str, &[u8]); 4] = [
            (-1, "10.0.0.7", b"<1>one"),
            (2, "", b""),
            (3, "a b\nc", b"3 4 -\ntwo\n\n"),
            (4, "\u{fc}", b"\xff\0"),
        ];
        let mut batch = Vec::new();
        for (at, source, bytes) in all {
            push(&mut batch, Line { at, source, bytes });
        }
        let mut read = lines(&batch);
        let found: Vec<_> = read
            .by_ref()
            .map(|line| (line.at, line.source, line.bytes))
            .collect();
        let wanted: [(i64, &str, &[u8]); 4] = [
            (-1, "10.0.0.7", b"<1>one"),
            (2, "-", b""),
            (3, "a_b_c", b"3 4 -\ntwo\n\n"),
            (4, "\u{fc}", b"\xff\0"),
        ];
        assert_eq!(found, wanted);
        assert!(read.rest().is_empty());
    }

    #[test]
    fn what_is_no_batch_is_left_over() {
        for bad in [&b"x"[..], b"1 2\nab\n", b"1 9 -\nab\n", b"1 2 -\nabc\n"] {
            let mut read = lines(bad);
            assert_eq!((read.next(), read.rest()), (None, bad));
        }
    }
}
