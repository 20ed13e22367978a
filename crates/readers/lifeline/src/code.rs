//! The codes that open ward packs.
//!
//! A code is drawn from a random key that never leaves the server, for one ward, period and
//! generation. So nothing has to be kept for a card to be printed again, and no code says anything
//! of another.

use std::fmt;

use aws_lc_rs::hmac;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Crockford's base 32: no I, L, O or U, so that what is read aloud or copied by hand is right.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code: 100 bits.
const LENGTH: usize = 20;
/// Letters between two dashes.
const GROUP: usize = 4;

/// What all codes are drawn from: 32 random bytes, kept in `keys/packs.key`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PackKey([u8; 32]);

impl PackKey {
    /// From 32 random bytes.
    pub const fn of(bytes: [u8; 32]) -> PackKey {
        PackKey(bytes)
    }

    /// What is drawn for some words; the same words give the same for ever.
    fn draw(&self, what: &str, which: &Which) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        let (period, generation) = (which.period.to_string(), which.generation.to_string());
        for part in ["salus/pack/v1", what, &which.ward, &period, &generation] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut drawn = [0; 32];
        drawn.copy_from_slice(context.sign().as_ref());
        drawn
    }

    /// The code of a ward's packs.
    pub fn code(&self, which: &Which) -> Code {
        let drawn = self.draw("code", which);
        let mut text = String::with_capacity(LENGTH);
        // INVARIANT: 20 letters of 5 bits take 100 of the 256 bits, each once.
        let (mut buffer, mut bits) = (0_u32, 0_u32);
        for byte in drawn {
            buffer = (buffer << 8) | u32::from(byte);
            bits += 8;
            while bits >= 5 && text.len() < LENGTH {
                bits -= 5;
                let place = usize::try_from((buffer >> bits) & 31).unwrap_or_default();
                text.push(LETTERS.get(place).copied().map_or('0', char::from));
            }
            buffer &= 0xff;
        }
        Code(text)
    }

    /// The salt under which the code becomes a key; it is written into the pack.
    pub(crate) fn salt(&self, which: &Which) -> [u8; 16] {
        let drawn = self.draw("salt", which);
        let mut salt = [0; 16];
        salt.copy_from_slice(drawn.get(..16).unwrap_or(&[0; 16]));
        salt
    }
}

/// Which of a ward's codes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Which {
    /// The ward's code.
    pub ward: String,
    /// The period, counted from 1970.
    pub period: i64,
    /// How often a new code was asked for.
    pub generation: u32,
}

/// A code: 20 letters. It is shown once on a card, and never logged.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Code(String);

impl Code {
    /// What somebody typed, with whatever dashes and blanks, `O` for `0`, `I` and `L` for `1`.
    pub fn typed(text: &str) -> Code {
        let kept = text.chars().filter(char::is_ascii_alphanumeric);
        Code(kept.map(plain).collect())
    }

    /// The letters alone: what the key is made from.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

const fn plain(letter: char) -> char {
    match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    }
}

/// In groups, as on the card: `7K3M-Q2XP-...`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, letter) in self.0.chars().enumerate() {
            if place > 0 && place % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a code")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn which(ward: &str, period: i64, generation: u32) -> Which {
        Which {
            ward: ward.into(),
            period,
            generation,
        }
    }

    #[test]
    fn a_code_is_five_groups_of_four_and_reads_as_it_was_typed() {
        let key = PackKey::of([7; 32]);
        let code = key.code(&which("ICU", 688, 0));
        let card = code.to_string();
        assert_eq!(card.len(), 24);
        assert!(card.split('-').all(|group| group.len() == 4), "{card}");
        assert_eq!(Code::typed(&card.to_lowercase().replace('-', " ")), code);
        assert_eq!(
            Code::typed(&card.replace('0', "o").replace('1', "l")),
            code,
            "what looks alike is the same"
        );
        assert_eq!(format!("{code:?}"), "a code");
    }

    #[test]
    fn wards_periods_and_generations_have_codes_of_their_own() {
        let key = PackKey::of([7; 32]);
        let mut seen = BTreeSet::new();
        for ward in ["ICU", "ICU2", "MED"] {
            for period in 0..20 {
                for generation in 0..3 {
                    let one = which(ward, period, generation);
                    assert!(seen.insert(key.code(&one).to_string()));
                    assert_eq!(key.code(&one), key.code(&one));
                }
            }
        }
        let other = PackKey::of([8; 32]).code(&which("ICU", 0, 0));
        assert!(!seen.contains(&other.to_string()));
    }
}
