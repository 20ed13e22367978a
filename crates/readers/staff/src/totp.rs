//! Codes of an authenticator app: RFC 6238 with SHA-1, six digits and 30 seconds, which is what
//! every app knows; and recovery codes.

use aws_lc_rs::hmac;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use event::Time;

use crate::secret::token_hash;

const STEP_MS: i64 = 30_000;
/// Steps before and after now whose codes are taken: clocks of phones differ.
const DRIFT_STEPS: i64 = 1;
/// Recovery codes made at a time.
const RECOVERY_CODES: usize = 10;

/// The base32 secret of 160 random bits, for an authenticator app.
pub fn new_totp(random: [u8; 20]) -> String {
    BASE32_NOPAD.encode(&random)
}

/// The step whose code `typed` is, if it is newer than `last`.
pub(crate) fn step_of(secret: &str, typed: &str, now: Time, last: i64) -> Option<i64> {
    let key = BASE32_NOPAD.decode(secret.as_bytes()).ok()?;
    let present = now.millis().div_euclid(STEP_MS);
    let steps = (present - DRIFT_STEPS)..=(present + DRIFT_STEPS);
    steps
        .filter(|step| same(&code(&key, *step), typed))
        .find(|step| *step > last)
}

/// Whether `typed` is a code of `secret` now: while an app is being set up.
pub fn totp_fits(secret: &str, typed: &str, now: Time) -> bool {
    step_of(secret, typed, now, i64::MIN).is_some()
}

/// RFC 4226 section 5.3, with the step as the counter.
fn code(key: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or(0) & 0x0f);
    let four = tag.get(offset..offset + 4).unwrap_or(&[0; 4]);
    let number = four
        .iter()
        .fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

fn same(one: &str, other: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// New recovery codes: what is shown once, and the hashes that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryCodes {
    /// `abcd-efgh-ijkl-mnop-qrst-uvwx-yz`: 128 bits each, so that a plain hash of them will do.
    pub codes: Vec<String>,
    /// Hex SHA-256 of each, for [`event::PersonStep::Recovery`].
    pub hashes: Vec<String>,
}

/// Ten recovery codes from random bytes.
pub fn new_recovery(random: [u8; 160]) -> RecoveryCodes {
    let texts: Vec<String> = random
        .chunks_exact(random.len() / RECOVERY_CODES)
        .map(|bytes| BASE32_NOPAD.encode(bytes).to_ascii_lowercase())
        .collect();
    RecoveryCodes {
        hashes: texts.iter().map(|text| recovery_hash(text)).collect(),
        codes: texts.iter().map(|text| grouped(text)).collect(),
    }
}

/// Hex SHA-256 of a recovery code, however it was typed.
pub(crate) fn recovery_hash(typed: &str) -> String {
    let letters: String = typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    HEXLOWER.encode(&token_hash(&letters))
}

fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(String::from_iter).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_rfc_6238_appendix_b() {
        let key = b"12345678901234567890";
        for (seconds, wanted) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(key, seconds / 30), wanted);
        }
    }

    #[test]
    fn a_code_is_taken_a_step_early_or_late_and_never_twice() {
        let secret = new_totp(*b"12345678901234567890");
        let at = |seconds: i64| Time::from_millis(seconds * 1_000);
        let code = "050471";
        for seconds in [1_111_111_080, 1_111_111_111, 1_111_111_169] {
            assert!(totp_fits(&secret, code, at(seconds)), "{seconds}");
        }
        assert!(!totp_fits(&secret, code, at(1_111_111_049)));
        assert!(!totp_fits(&secret, code, at(1_111_111_170)));
        let step = step_of(&secret, code, at(1_111_111_111), i64::MIN).unwrap();
        assert_eq!(step_of(&secret, code, at(1_111_111_111), step), None);
        for wrong in ["", "05047", "0504711", "050472", "٠٥٠٤٧١"] {
            assert!(!totp_fits(&secret, wrong, at(1_111_111_111)));
        }
    }

    #[test]
    fn a_recovery_code_is_known_however_it_is_typed() {
        let mut random = [0_u8; 160];
        for (place, byte) in random.iter_mut().enumerate() {
            *byte = u8::try_from(place).unwrap();
        }
        let made = new_recovery(random);
        assert_eq!((made.codes.len(), made.codes[0].len()), (10, 32));
        let typed = made.codes[3].to_uppercase().replace('-', " ");
        assert_eq!(recovery_hash(&typed), made.hashes[3]);
    }
}
