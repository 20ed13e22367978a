//! A key cut into shares, so that any few of them give it back and fewer tell nothing (Shamir's
//! secret sharing over GF(256)), and the letters by which a share is printed and typed.
//!
//! A share is four lines. Each ends in two letters that check it, so that a slip of the pen is
//! found in its line: `1 ABCD EFGH JKMN PQRS TV`.

mod field;
mod letters;

use thiserror::Error;
use zeroize::Zeroizing;

use letters::{LINE_BYTES, bytes_of, check, letters, lines_of};

use crate::keys::{KEY_BYTES, Key};
use crate::tree::sha256;

/// The form that is described here.
const FORM: u8 = 1;
/// Bytes of a share: form, set (4), needed, shares, number, and one byte a byte of the key.
const SHARE_BYTES: usize = 8 + KEY_BYTES;

/// How a key is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// Shares that are made; at least as many as are needed.
    pub shares: u8,
    /// Shares that give the key back; at least 2.
    pub needed: u8,
}

impl Scheme {
    /// Random bytes that [`split`] wants.
    pub fn random_bytes(self) -> usize {
        KEY_BYTES * usize::from(self.needed.saturating_sub(1))
    }
}

/// One share of a key. Alone it tells nothing of the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Share(Zeroizing<[u8; SHARE_BYTES]>);

/// Why shares could not be made or read, or give no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShareFault {
    /// The numbers make no sense.
    #[error("at least 2 shares must be needed, and at least as many made as are needed")]
    Scheme,
    /// Not enough randomness was given.
    #[error("there is not enough randomness to make shares")]
    Randomness,
    /// A line cannot be what was printed.
    #[error("line {line} was mistyped: it should be 16 letters and 2 that check them, as printed")]
    Line {
        /// The line's number, from 1.
        line: usize,
    },
    /// Too few or too many letters.
    #[error("a share has 4 lines of 18 letters; this has {letters} letters in all")]
    Length {
        /// Letters that were found.
        letters: usize,
    },
    /// A form this version does not know.
    #[error("this share was written by another version of Salus (form {0})")]
    Form(u8),
    /// The same share twice.
    #[error("share {0} was given twice; give another one")]
    Twice(u8),
    /// Shares that do not belong together.
    #[error(
        "the shares are of different sets ({}): take all of them from one set",
        .0.join(", ")
    )]
    Mixed(Vec<String>),
    /// Fewer shares than are needed.
    #[error("{given} of {needed} shares: {} more of set {set} are needed", .needed - .given)]
    TooFew {
        /// Shares that were given.
        given: u8,
        /// Shares that are needed.
        needed: u8,
        /// The set's name.
        set: String,
    },
}

impl Share {
    /// Its number, from 1.
    pub fn number(&self) -> u8 {
        self.byte(7)
    }

    /// Shares that were made with it, and how many of them are needed.
    pub fn scheme(&self) -> Scheme {
        Scheme {
            shares: self.byte(6),
            needed: self.byte(5),
        }
    }

    /// The name of the set it belongs to: four bytes in hex.
    pub fn set(&self) -> String {
        hex(self.0.get(1..5).unwrap_or_default())
    }

    /// Four letters by which two copies of a share are compared aloud.
    pub fn check(&self) -> String {
        hex(sha256(&[b"salus/share/v1", self.0.as_slice()])
            .get(..2)
            .unwrap_or_default())
    }

    fn byte(&self, place: usize) -> u8 {
        self.0.get(place).copied().unwrap_or_default()
    }

    /// The four lines to print, each with its number.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.0.chunks(LINE_BYTES).zip(1_u8..);
        lines
            .map(|(bytes, number)| {
                let letters = letters(bytes);
                let groups: Vec<String> = letters
                    .chunks(4)
                    .map(|group| group.iter().collect())
                    .collect();
                format!("{number} {} {}", groups.join(" "), check(number, bytes))
            })
            .collect()
    }

    /// Reads what was typed: case, blanks, hyphens and the lines' numbers do not matter, and `O`,
    /// `I` and `L` are taken for the digits they look like.
    ///
    /// # Errors
    /// [`ShareFault`] with the line that was mistyped.
    pub fn read(typed: &str) -> Result<Share, ShareFault> {
        let lines = lines_of(typed)?;
        let mut share = Zeroizing::new([0; SHARE_BYTES]);
        let places = share.chunks_mut(LINE_BYTES).zip(1_u8..).zip(lines);
        for ((place, number), line) in places {
            let fault = ShareFault::Line {
                line: usize::from(number),
            };
            let (body, checked) = line.split_at_checked(16).ok_or_else(|| fault.clone())?;
            let bytes = bytes_of(body).ok_or_else(|| fault.clone())?;
            if checked != check(number, &bytes) {
                return Err(fault);
            }
            place.copy_from_slice(&bytes);
        }
        let share = Share(share);
        match share.byte(0) {
            FORM => Ok(share),
            form => Err(ShareFault::Form(form)),
        }
    }
}

/// Never shows the share itself.
impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share({} of set {})", self.number(), self.set())
    }
}

/// Cuts a key into shares. `set` names them; `random` has [`Scheme::random_bytes`] bytes.
///
/// # Errors
/// [`ShareFault::Scheme`], [`ShareFault::Randomness`].
pub fn split(
    key: &Key,
    scheme: Scheme,
    (set, random): ([u8; 4], &[u8]),
) -> Result<Vec<Share>, ShareFault> {
    if scheme.needed < 2 || scheme.shares < scheme.needed {
        return Err(ShareFault::Scheme);
    }
    if random.len() < scheme.random_bytes() {
        return Err(ShareFault::Randomness);
    }
    let shares = (1..=scheme.shares).map(|number| {
        let mut bytes = Zeroizing::new([0; SHARE_BYTES]);
        let [a, b, c, d] = set;
        let head = [FORM, a, b, c, d, scheme.needed, scheme.shares, number];
        let higher = random.chunks_exact(usize::from(scheme.needed) - 1);
        let body = key.bytes().iter().zip(higher).map(|(byte, higher)| {
            let coefficients = std::iter::once(*byte).chain(higher.iter().copied());
            field::at(number, coefficients)
        });
        let all = head.into_iter().chain(body);
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        Share(bytes)
    });
    Ok(shares.collect())
}

/// The key that the shares give. That it is the right one is for the caller to check: shares that
/// were forged give a key, too.
///
/// # Errors
/// [`ShareFault`] if they do not belong together or are too few.
pub fn combine(shares: &[Share]) -> Result<Key, ShareFault> {
    let mut sets: Vec<String> = shares.iter().map(Share::set).collect();
    sets.sort();
    sets.dedup();
    if sets.len() > 1 {
        return Err(ShareFault::Mixed(sets));
    }
    let mut numbers = [false; 256];
    for share in shares {
        if let Some(seen) = numbers.get_mut(usize::from(share.number()))
            && std::mem::replace(seen, true)
        {
            return Err(ShareFault::Twice(share.number()));
        }
    }
    let needed = shares.first().map_or(2, |share| share.scheme().needed);
    let given = u8::try_from(shares.len()).unwrap_or(u8::MAX);
    let few = || ShareFault::TooFew {
        given,
        needed,
        set: sets.concat(),
    };
    if given < needed {
        return Err(few());
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for (place, byte) in key.iter_mut().enumerate() {
        let points: Vec<(u8, u8)> = shares
            .iter()
            .map(|share| (share.number(), share.byte(8 + place)))
            .collect();
        *byte = field::at_zero(&points);
    }
    Ok(Key::new(*key))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
