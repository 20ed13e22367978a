//! Passwords and tokens: how they are made, kept and checked. Random bytes are passed in.

use std::collections::HashSet;

use argon2::password_hash::SaltString;
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::BadPassword;
use crate::common::is_common;

const PASSWORD_CHARACTERS_MIN: usize = 12;
const PASSWORD_DIFFERENT_MIN: usize = 5;
const PASSWORD_BYTES_MAX: usize = 1_024;
/// Characters that a password needs beside the words of [`TRIED_FIRST`].
const PASSWORD_OWN_MIN: usize = 6;
/// What is tried first on a house like this one, longer words before those that they hold. The list
/// stands in docs/protect/sign-in.md, too.
const TRIED_FIRST: [&str; 31] = [
    "administrator",
    "admin",
    "salus",
    "hospital",
    "krankenhaus",
    "spital",
    "klinik",
    "clinic",
    "health",
    "patient",
    "doctor",
    "nurse",
    "ward",
    "station",
    "password",
    "passwort",
    "kennwort",
    "welcome",
    "willkommen",
    "letmein",
    "changeme",
    "spring",
    "summer",
    "autumn",
    "winter",
    "1234567890",
    "0123456789",
    "12345678",
    "qwertyuiop",
    "qwerty",
    "qwertz",
];
const TOKEN_PREFIX: &str = "salus_";

/// SHA-256 of a token as it is written in the header.
pub(crate) type TokenHash = [u8; 32];

/// A client's new token: the text goes to its owner once, the secret into the account.
#[derive(Clone, PartialEq, Eq)]
pub struct NewClient {
    /// `salus_` and 43 characters: what the client sends as `Authorization: Bearer`.
    pub token: String,
    /// Hex SHA-256 of that text, for [`event::Account::secret`].
    pub secret: String,
}

/// The argon2id PHC string of a password (19 MiB, two passes, as OWASP advises), for
/// [`event::Account::secret`]. `salt` is random.
///
/// It takes some tens of milliseconds of processor time: not for a thread that serves requests.
///
/// # Errors
/// [`BadPassword`] says which rule it breaks.
pub fn hash_password(password: &str, salt: [u8; 16]) -> Result<String, BadPassword> {
    check_password(password)?;
    Ok(hash(password, salt))
}

/// A client's token from 256 random bits.
pub fn new_client(random: [u8; 32]) -> NewClient {
    let token = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let secret = token_hash(&token)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    NewClient { token, secret }
}

/// INVARIANT: never fails for a 16-byte salt and a password within the limits; if it ever did,
/// the empty string it gives verifies nothing.
pub(crate) fn hash(password: &str, salt: [u8; 16]) -> String {
    SaltString::encode_b64(&salt)
        .and_then(|salt| {
            Ok(argon2()
                .hash_password(password.as_bytes(), &salt)?
                .to_string())
        })
        .unwrap_or_default()
}

pub(crate) fn verifies(password: &str, phc: &str) -> bool {
    password.len() <= PASSWORD_BYTES_MAX
        && PasswordHash::new(phc)
            .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
}

pub(crate) fn token_hash(token: &str) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

/// The hash that a client's account keeps, if it is one.
pub(crate) fn kept_hash(secret: &str) -> Option<TokenHash> {
    let mut hash = [0; 32];
    if secret.len() != 64 || !secret.is_ascii() {
        return None;
    }
    for (place, byte) in hash.iter_mut().enumerate() {
        let digits = secret.get(2 * place..2 * place + 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(hash)
}

fn check_password(password: &str) -> Result<(), BadPassword> {
    let (has, min) = (password.chars().count(), PASSWORD_CHARACTERS_MIN);
    if has < min {
        return Err(BadPassword::Short { has, min });
    }
    let (has, max) = (password.len(), PASSWORD_BYTES_MAX);
    if has > max {
        return Err(BadPassword::Long { has, max });
    }
    let kinds = password.chars().collect::<HashSet<_>>().len();
    let min = PASSWORD_DIFFERENT_MIN;
    if kinds < min {
        return Err(BadPassword::Monotonous { kinds, min });
    }
    let (left, min) = (own_characters(password), PASSWORD_OWN_MIN);
    if left < min {
        return Err(BadPassword::Guessed { left, min });
    }
    if is_common(password) {
        return Err(BadPassword::Common);
    }
    Ok(())
}

/// How many characters are left when the words that are tried first are taken out.
fn own_characters(password: &str) -> usize {
    let mut left = password.to_lowercase();
    for word in TRIED_FIRST {
        left = left.replace(word, "");
    }
    left.chars()
        .filter(|letter| !letter.is_whitespace())
        .count()
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_hash_only() {
        let phc = hash_password("correct horse battery", [7; 16]).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verifies("correct horse battery", &phc));
        assert!(!verifies("correct horse batterx", &phc));
        assert!(!verifies("correct horse battery", "no hash"));
        assert!(!verifies("", ""));
    }

    #[test]
    fn weak_passwords_are_named() {
        let said = |password: &str| hash_password(password, [0; 16]).unwrap_err().to_string();
        assert_eq!(
            said("müller-2026"),
            "the password has 11 characters; it needs at least 12"
        );
        assert_eq!(
            said("aaaabbbbaaaa"),
            "the password is made of 2 different characters; it needs at least 5"
        );
        assert!(said(&"long enough ".repeat(100)).contains("1024 at most"));
        assert!(said("1QAZ2wsx3edc").contains("many people choose"));
        for guessed in [
            "Hospital2026!",
            "Salus-Klinik-26",
            "PASSWORD1234!",
            "123456789012",
            "winter Summer 26",
        ] {
            assert!(said(guessed).contains("tried first"), "{guessed}");
        }
    }

    #[test]
    fn any_characters_will_do_and_all_of_them_count() {
        let long = "a1 ".repeat(21) + "zZ?";
        for good in ["48 17 93 02 56 31", "åßðđŋħjĸłłøþ", "!?!?;;::..,,--", &long] {
            let phc = hash_password(good, [1; 16]).unwrap();
            assert!(verifies(good, &phc), "{good}");
            assert!(!verifies(&good.to_uppercase(), &phc) || good.to_uppercase() == good);
            assert!(!verifies(&format!("{good} "), &phc), "{good}");
        }
        assert_eq!(long.chars().count(), 66);
    }

    #[test]
    fn a_token_is_kept_as_its_hash() {
        let client = new_client([0xfb; 32]);
        assert_eq!(client.token.len(), 49);
        assert!(client.token.starts_with("salus_-_v7"), "{}", client.token);
        assert_eq!(kept_hash(&client.secret), Some(token_hash(&client.token)));
        assert_eq!(client.secret.len(), 64);
    }

    #[test]
    fn what_is_no_hash_matches_no_token() {
        for secret in ["", "zz", &"z".repeat(64), &"é".repeat(32), "$argon2id$v=19"] {
            assert_eq!(kept_hash(secret), None);
        }
    }
}
