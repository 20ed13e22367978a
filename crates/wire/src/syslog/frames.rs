//! Octet counting: `MSG-LEN SP SYSLOG-MSG` (RFC 5425 section 4.3).

use thiserror::Error;

/// The most digits of a length: more is no length.
const DIGITS_MAX: usize = 10;

/// The message as one frame.
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = format!("{} ", message.len()).into_bytes();
    out.extend_from_slice(message);
    out
}

/// Takes a stream of frames apart, however it is cut.
#[derive(Debug, Default)]
pub struct Frames {
    waiting: Vec<u8>,
}

/// Why a stream cannot be read on: there is no telling where the next frame begins.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a syslog frame begins with its length in digits and a space, not with `{0}`")]
pub struct Unframed(String);

impl Frames {
    /// The messages that are complete once `bytes` have come, too.
    ///
    /// # Errors
    /// [`Unframed`] for what is no length, or one above `bytes_max`.
    pub fn take(&mut self, bytes: &[u8], bytes_max: usize) -> Result<Vec<Vec<u8>>, Unframed> {
        self.waiting.extend_from_slice(bytes);
        let mut whole = Vec::new();
        let mut rest = self.waiting.as_slice();
        while let Some((head, body)) = length(rest, bytes_max)? {
            let Some((message, after)) = body.split_at_checked(head) else {
                break;
            };
            whole.push(message.to_vec());
            rest = after;
        }
        self.waiting = rest.to_vec();
        Ok(whole)
    }
}

/// The length that stands first and what follows it; `None`: not all of it is there yet.
fn length(bytes: &[u8], bytes_max: usize) -> Result<Option<(usize, &[u8])>, Unframed> {
    let digits = bytes
        .iter()
        .take(DIGITS_MAX + 1)
        .take_while(|byte| byte.is_ascii_digit());
    let (digits, after) = bytes
        .split_at_checked(digits.count())
        .unwrap_or((bytes, &[]));
    let wrong = || {
        let shown = bytes.get(..bytes.len().min(20)).unwrap_or(bytes);
        Unframed(String::from_utf8_lossy(shown).into_owned())
    };
    if digits.len() > DIGITS_MAX {
        return Err(wrong());
    }
    match after.split_first() {
        None => Ok(None),
        Some((b' ', body)) => {
            let number = std::str::from_utf8(digits)
                .ok()
                .and_then(|text| text.parse().ok());
            let number = number.filter(|number| *number <= bytes_max);
            number.map(|number| Some((number, body))).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_apart_wherever_the_stream_is_cut() {
        let mut stream = Vec::new();
        for text in ["", "one", "two 2 words\n", "3 \u{fc}"] {
            stream.extend_from_slice(&framed(text.as_bytes()));
        }
        for width in 1..stream.len() {
            let mut frames = Frames::default();
            let mut whole = Vec::new();
            for part in stream.chunks(width) {
                whole.extend(frames.take(part, 100).unwrap());
            }
            let texts: Vec<_> = whole
                .iter()
                .map(|one| String::from_utf8_lossy(one))
                .collect();
            assert_eq!(texts, ["", "one", "two 2 words\n", "3 \u{fc}"], "{width}");
        }
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for bad in [&b"<85>1 "[..], b" 1 ", b"12345678901 ", b"101 x", b"1a "] {
            assert!(Frames::default().take(bad, 100).is_err(), "{bad:?}");
        }
    }
}
