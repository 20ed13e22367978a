//! From bytes to text that can be divided at its separators.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::{Charset, Message};

/// Cuts off a byte-order mark and blanks before MSH, and recognises UTF-16 with and without one.
pub(crate) fn unmark(raw: &[u8]) -> (&[u8], Option<Charset>) {
    if let Some(rest) = raw.strip_prefix(b"\xEF\xBB\xBF") {
        return (trim(rest), Some(Charset::Utf8));
    }
    if let Some(rest) = raw.strip_prefix(b"\xFF\xFE") {
        return (rest, Some(Charset::Utf16Le));
    }
    if let Some(rest) = raw.strip_prefix(b"\xFE\xFF") {
        return (rest, Some(Charset::Utf16Be));
    }
    if raw.starts_with(b"M\0S\0H\0") {
        return (raw, Some(Charset::Utf16Le));
    }
    if raw.starts_with(b"\0M\0S\0H") {
        return (raw, Some(Charset::Utf16Be));
    }
    (trim(raw), None)
}

/// Decodes a woven text line by line, since shifts end with the line. A line that does not decode
/// is left as it came, and its place in the text returned.
pub(crate) fn unweave(message: &mut Message<'_>) -> Vec<Range<usize>> {
    if message.text.is_ascii() && memchr(0x1B, &message.text).is_none() {
        return Vec::new();
    }
    let mut out = Vec::with_capacity(message.text.len() * 2);
    let mut bad = Vec::new();
    for line in message
        .text
        .split_inclusive(|&byte| byte == b'\r' || byte == b'\n')
    {
        let start = out.len();
        match message.charset.decode(line) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => {
                out.extend_from_slice(line);
                bad.push(start..out.len());
            }
        }
    }
    message.text = Cow::Owned(out);
    bad
}

/// UTF-8 of UTF-16 with faults: a unit that stands for nothing becomes bytes that are not UTF-8,
/// so that the field it is in is not taken for text.
pub(crate) fn narrow(body: &[u8], charset: Charset) -> Vec<u8> {
    let (pairs, rest) = body.as_chunks::<2>();
    let unit = |pair: &[u8; 2]| match charset {
        Charset::Utf16Be => u16::from_be_bytes(*pair),
        _ => u16::from_le_bytes(*pair),
    };
    let mut out = Vec::with_capacity(body.len());
    for letter in char::decode_utf16(pairs.iter().map(unit)) {
        match letter {
            Ok(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(_) => out.push(0xFF),
        }
    }
    out.extend(rest.iter().map(|_| 0xFF));
    out
}

fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b'\0' | b'\r' | b'\n' | b' ' | b'\t');
    let start = bytes
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}
