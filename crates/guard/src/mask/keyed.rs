//! What depends on a secret: pseudonyms that stay the same, and by how many days dates move.

use std::fmt;

use aws_lc_rs::hmac;

/// The fewest bytes of a secret.
const SECRET_BYTES_MIN: usize = 16;
/// Dates move by at most so many days, at least one.
const DAYS_MAX: u32 = 365;
/// Consonants: what is written with them is no word, no name and no number.
const LETTERS: [char; 16] = [
    'b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'm', 'p', 'q', 'r', 's', 't', 'v', 'z',
];

/// The secret of one project. Who holds it can link pseudonyms to what they stand for.
#[derive(Clone)]
pub struct Secret(hmac::Key);

impl Secret {
    /// `None` if there are fewer than 16 bytes.
    pub fn new(bytes: &[u8]) -> Option<Secret> {
        let enough = bytes.len() >= SECRET_BYTES_MIN;
        enough.then(|| Secret(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// Sixteen letters (64 bits) that stand for a value. The same value of the same kind always
    /// gets the same letters; nobody without the secret can go back.
    pub fn pseudonym(&self, kind: &str, value: &str) -> String {
        let mac = self.mac("pseudonym", kind, value);
        let bytes = mac.as_ref().iter().take(8);
        bytes
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|nibble| LETTERS.get(usize::from(nibble)))
            .collect()
    }

    /// By how many days every date of a patient moves: 1 to 365, forth or back, never 0.
    pub fn days(&self, patient: &str) -> i32 {
        let mac = self.mac("days", "", patient);
        let number = mac
            .as_ref()
            .iter()
            .take(4)
            .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let days = i32::try_from(number / 2 % DAYS_MAX).unwrap_or_default() + 1;
        if number.is_multiple_of(2) {
            days
        } else {
            -days
        }
    }

    /// A DICOM or HL7 object identifier in place of another (under 2.25, ITU-T X.667).
    pub fn oid(&self, value: &str) -> String {
        let mac = self.mac("oid", "", value);
        let number = mac
            .as_ref()
            .iter()
            .take(16)
            .fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        format!("2.25.{number}")
    }

    fn mac(&self, use_: &str, kind: &str, value: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in ["salus/mask/v1", use_, kind, value] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_secret_is_none() {
        assert!(Secret::new(&[7; 15]).is_none());
    }

    #[test]
    fn pseudonyms_depend_on_secret_kind_and_value() {
        let (one, other) = (
            Secret::new(&[1; 32]).unwrap(),
            Secret::new(&[2; 32]).unwrap(),
        );
        let murphy = one.pseudonym("NAME", "murphy");
        assert_eq!(murphy, one.pseudonym("NAME", "murphy"));
        assert_ne!(murphy, one.pseudonym("MRN", "murphy"));
        assert_ne!(murphy, one.pseudonym("NAME", "murph"));
        assert_ne!(murphy, other.pseudonym("NAME", "murphy"));
        assert_eq!(murphy.len(), 16);
    }

    proptest! {
        #[test]
        fn dates_move_by_one_to_365_days(patient in ".{0,20}", secret in proptest::array::uniform32(0u8..)) {
            let days = Secret::new(&secret).unwrap().days(&patient);
            prop_assert!((1..=365).contains(&days.abs()));
        }
    }
}
