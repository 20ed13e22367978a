//! Bytes as letters that people copy, and what people type as bytes.

use super::ShareFault;
use crate::tree::sha256;

/// Bytes of one line.
pub(super) const LINE_BYTES: usize = 10;
/// Letters of one line: 16 for its bytes, 2 that check it.
const LINE_LETTERS: usize = 18;
/// Crockford's alphabet: no letter is taken for another, and none for a digit.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What was typed, as lines of letters without their numbers.
pub(super) fn lines_of(typed: &str) -> Result<Vec<String>, ShareFault> {
    let mut letters = String::new();
    let lines: Vec<&str> = typed
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    for (line, number) in lines.iter().zip(1..) {
        let mut groups: Vec<&str> = line
            .split(|c: char| c.is_whitespace() || c == '-')
            .filter(|group| !group.is_empty())
            .collect();
        // The number before a line: it says nothing that its place does not.
        groups.retain(|group| group.chars().count() > 1);
        let line: String = groups.concat();
        if lines.len() == 4 && line.chars().count() != LINE_LETTERS {
            return Err(ShareFault::Line { line: number });
        }
        letters.push_str(&line);
    }
    let letters: Vec<char> = letters.chars().map(plain).collect();
    if letters.len() != 4 * LINE_LETTERS {
        return Err(ShareFault::Length {
            letters: letters.len(),
        });
    }
    Ok(letters
        .chunks(LINE_LETTERS)
        .map(|line| line.iter().collect())
        .collect())
}

/// A letter as it was meant.
fn plain(letter: char) -> char {
    match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    }
}

/// Two letters that check a line: ten bits of a hash over its number and its bytes.
pub(super) fn check(number: u8, bytes: &[u8]) -> String {
    let hash = sha256(&[b"salus/share/line/v1", &[number], bytes]);
    letters(hash.get(..2).unwrap_or_default())
        .into_iter()
        .take(2)
        .collect()
}

pub(super) fn letters(bytes: &[u8]) -> Vec<char> {
    let (mut out, mut buffer, mut bits) = (Vec::new(), 0_u32, 0_u32);
    for &byte in bytes {
        buffer = (buffer << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let letter = LETTERS.get(((buffer >> bits) & 31) as usize);
            out.extend(letter.map(|letter| char::from(*letter)));
        }
    }
    out
}

pub(super) fn bytes_of(letters: &str) -> Option<Vec<u8>> {
    let (mut out, mut buffer, mut bits) = (Vec::new(), 0_u32, 0_u32);
    for letter in letters.bytes() {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        buffer = (buffer << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((buffer >> bits) & 0xff).ok()?);
        }
    }
    Some(out)
}
