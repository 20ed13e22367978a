//! Parts of a multipart body (RFC 2046 section 5.1), as they come: nothing but the head of one part and
//! the last bytes that may be a boundary is held.

use memchr::memmem::Finder;

/// Bytes of the head of a part, its boundary line included.
pub const HEAD_BYTES_MAX: usize = 16 << 10;
/// Characters of a boundary (RFC 2046 section 5.1.1).
const BOUNDARY_MAX: usize = 70;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A part begins: its `Content-Type`, empty if it names none.
    Head(String),
    /// Bytes of the part.
    Bytes(Vec<u8>),
    /// The part is whole.
    End,
}

/// Why the rest cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Behind a boundary stands neither a line's end nor `--`.
    #[error("behind a boundary stands neither a line's end nor `--`")]
    Boundary,
    /// The head of a part is longer than [`HEAD_BYTES_MAX`].
    #[error("the head of a part is longer than {HEAD_BYTES_MAX} bytes")]
    Head,
    /// There is no boundary at the beginning.
    #[error("it does not begin with the boundary that its media type names")]
    Beginning,
    /// It ends within a part.
    #[error("it ends within a part")]
    Ended,
}

/// Where the reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first boundary.
    Before,
    /// Behind a boundary: in the head of a part.
    Head,
    /// In a part.
    Part,
    /// Behind the last boundary.
    Behind,
}

/// Reads parts: bytes go in with [`Parts::push`], pieces come out with [`Parts::piece`].
#[derive(Debug)]
pub struct Parts {
    /// `\r\n--` and the boundary.
    delimiter: Finder<'static>,
    buffer: Vec<u8>,
    at: At,
}

impl Parts {
    /// Parts between a boundary; `None`: it is none.
    pub fn new(boundary: &str) -> Option<Parts> {
        let fits = (1..=BOUNDARY_MAX).contains(&boundary.len());
        let plain = boundary
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
        (fits && plain && !boundary.ends_with(' ')).then(|| Parts {
            delimiter: Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned(),
            // The first boundary may stand at the very beginning.
            buffer: b"\r\n".to_vec(),
            at: At::Before,
        })
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at != At::Behind {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next piece; `None`: more bytes are wanted, or it is over.
    ///
    /// # Errors
    /// [`Broken`]: nothing behind that can be read.
    pub fn piece(&mut self) -> Result<Option<Piece>, Broken> {
        loop {
            match self.at {
                At::Behind => return Ok(None),
                At::Before => match self.delimiter.find(&self.buffer) {
                    Some(place) => self.skip(place),
                    None if self.buffer.len() > HEAD_BYTES_MAX => return Err(Broken::Beginning),
                    None => return Ok(None),
                },
                At::Head => match self.head()? {
                    Some(kind) => return Ok(Some(Piece::Head(kind))),
                    None if self.at == At::Behind => {}
                    None => return Ok(None),
                },
                At::Part => return Ok(self.bytes()),
            }
        }
    }

    /// Whether the last boundary was read.
    pub fn is_over(&self) -> bool {
        self.at == At::Behind
    }

    /// Goes behind the boundary at that place.
    fn skip(&mut self, place: usize) {
        let end = place + self.delimiter.needle().len();
        self.buffer.drain(..end.min(self.buffer.len()));
        self.at = At::Head;
    }

    /// The rest of the boundary's line and the lines up to an empty one.
    fn head(&mut self) -> Result<Option<String>, Broken> {
        if self.buffer.starts_with(b"--") {
            (self.at, self.buffer) = (At::Behind, Vec::new());
            return Ok(None);
        }
        let padding = self.buffer.iter().take_while(|byte| b" \t".contains(byte));
        let line = self.buffer.get(padding.count()..).unwrap_or_default();
        if !line.starts_with(b"\r\n") && !b"\r\n".starts_with(line) && line != b"-" {
            return Err(Broken::Boundary);
        }
        let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") else {
            return match self.buffer.len() > HEAD_BYTES_MAX {
                true => Err(Broken::Head),
                false => Ok(None),
            };
        };
        if end > HEAD_BYTES_MAX {
            return Err(Broken::Head);
        }
        let head = self.buffer.get(..end).unwrap_or_default();
        let kind = content_type(head);
        self.buffer.drain(..end + 4);
        self.at = At::Part;
        Ok(Some(kind))
    }

    /// What is surely of the part; then its end.
    fn bytes(&mut self) -> Option<Piece> {
        if let Some(place) = self.delimiter.find(&self.buffer) {
            if place == 0 {
                self.skip(0);
                return Some(Piece::End);
            }
            return Some(Piece::Bytes(self.buffer.drain(..place).collect()));
        }
        let kept = self.delimiter.needle().len() - 1;
        let sure = self.buffer.len().saturating_sub(kept);
        (sure > 0).then(|| Piece::Bytes(self.buffer.drain(..sure).collect()))
    }
}

/// The `Content-Type` among the lines of a head.
fn content_type(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let found = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-type"));
    found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Found = Vec<(String, Vec<u8>)>;

    /// What is read of a body that comes in pieces of some size: kinds and contents.
    fn read(body: &[u8], size: usize) -> (Found, Result<bool, Broken>) {
        let mut parts = Parts::new("b").unwrap();
        let (mut found, mut whole) = (Vec::new(), Vec::new());
        for chunk in body.chunks(size.max(1)) {
            parts.push(chunk);
            loop {
                match parts.piece() {
                    Ok(Some(Piece::Head(kind))) => found.push((kind, Vec::new())),
                    Ok(Some(Piece::Bytes(bytes))) => found.last_mut().unwrap().1.extend(bytes),
                    Ok(Some(Piece::End)) => whole.push(found.len()),
                    Ok(None) => break,
                    Err(why) => return (found, Err(why)),
                }
            }
        }
        (found, Ok(parts.is_over()))
    }

    fn written(all: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for one in all {
            out.extend_from_slice(b"--b\r\nContent-Type: application/dicom\r\n\r\n");
            out.extend_from_slice(one);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"--b--\r\n");
        out
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_comes(
            all in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
            size in 1_usize..50,
        ) {
            let clear = all.iter().all(|one| memchr::memmem::find(one, b"--b").is_none());
            prop_assume!(clear);
            let (found, over) = read(&written(&all), size);
            let contents: Vec<Vec<u8>> = found.iter().map(|(_, bytes)| bytes.clone()).collect();
            prop_assert_eq!(contents, all);
            prop_assert!(found.iter().all(|(kind, _)| kind == "application/dicom"));
            prop_assert_eq!(over, Ok(true));
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..50) {
            let _ = read(&bytes, size);
            let _ = read(&[b"--b\r\n", &bytes[..]].concat(), size);
        }
    }

    #[test]
    fn what_is_no_multipart_body_is_refused_or_waited_for() {
        assert_eq!(read(b"--b--", 1), (Vec::new(), Ok(true)));
        assert_eq!(
            read(b"words before\r\n--b--\r\nwords behind", 3).1,
            Ok(true)
        );
        assert_eq!(read(b"--bc\r\n\r\n", 1).1, Err(Broken::Boundary));
        assert_eq!(read(b"--b \t\r\n\r\nx\r\n--b--", 2).0[0].1, b"x");
        let (found, over) = read(b"--b\r\n\r\ncut", 1);
        assert_eq!((found.len(), over), (1, Ok(false)));
        let long = [b"--b\r\nX: ".to_vec(), vec![b'x'; HEAD_BYTES_MAX]].concat();
        assert_eq!(read(&long, 999).1, Err(Broken::Head));
        assert_eq!(read(&[b'x'; HEAD_BYTES_MAX], 999).1, Err(Broken::Beginning));
        for bad in ["", "b\r\n", &"b".repeat(71)] {
            assert!(Parts::new(bad).is_none(), "{bad}");
        }
    }
}
