//! Challenges for passkeys: each is good for one purpose, a few minutes and one use. Those that
//! were not used yet are kept nowhere, so nobody can crowd them out by asking for many.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::Time;

/// How long somebody may look for their passkey, in milliseconds.
const LIFETIME_MS: i64 = 5 * 60_000;

const RANDOM_BYTES: usize = 32;
const TIME_BYTES: usize = 8;

/// Makes challenges and knows its own again.
pub(crate) struct Challenges {
    key: Option<hmac::Key>,
    used: Mutex<HashMap<Vec<u8>, Time>>,
}

impl Challenges {
    pub(crate) fn new() -> Challenges {
        let mut key = [0_u8; 32];
        Challenges {
            key: rand::fill(&mut key)
                .ok()
                .map(|()| hmac::Key::new(hmac::HMAC_SHA256, &key)),
            used: Mutex::default(),
        }
    }

    /// A challenge for `purpose`, base64url; `None` if the machine has no randomness.
    pub(crate) fn make(&self, purpose: &str, now: Time) -> Option<String> {
        let mut random = [0_u8; RANDOM_BYTES];
        rand::fill(&mut random).ok()?;
        let mut bytes = [random.as_slice(), &now.millis().to_be_bytes()].concat();
        let tag = hmac::sign(self.key.as_ref()?, &signed(&bytes, purpose));
        bytes.extend(tag.as_ref());
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The challenge's bytes, once, if it was made here for `purpose` a short while ago.
    pub(crate) fn take(&self, text: &str, purpose: &str, now: Time) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (head, tag) = bytes.split_at_checked(RANDOM_BYTES + TIME_BYTES)?;
        hmac::verify(self.key.as_ref()?, &signed(head, purpose), tag).ok()?;
        let made = head.last_chunk::<TIME_BYTES>()?;
        let age = now.since(Time::from_millis(i64::from_be_bytes(*made)));
        if !(0..LIFETIME_MS).contains(&age) {
            return None;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, when| now.since(*when) < LIFETIME_MS);
        used.insert(bytes.clone(), now).is_none().then_some(bytes)
    }
}

fn signed(head: &[u8], purpose: &str) -> Vec<u8> {
    [head, purpose.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn a_challenge_is_good_once_for_its_purpose_and_for_a_while() {
        let challenges = Challenges::new();
        let one = challenges.make("sign-in", at(0)).unwrap();
        assert!(challenges.take(&one, "add", at(1)).is_none());
        assert!(challenges.take(&one, "sign-in", at(1)).is_some());
        assert!(challenges.take(&one, "sign-in", at(2)).is_none());
        let late = challenges.make("sign-in", at(0)).unwrap();
        assert!(challenges.take(&late, "sign-in", at(LIFETIME_MS)).is_none());
        assert!(challenges.take(&late, "sign-in", at(-1)).is_none());
    }

    #[test]
    fn a_challenge_of_somebody_else_is_none() {
        let other = Challenges::new().make("sign-in", at(0)).unwrap();
        let challenges = Challenges::new();
        for text in [other.as_str(), "", "AAAA", "not base64!"] {
            assert!(challenges.take(text, "sign-in", at(1)).is_none());
        }
    }
}
