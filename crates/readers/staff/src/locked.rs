//! What the view keeps encrypted: the secrets of authenticator apps, which have to be read again.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The key under which the view's file keeps secrets; it stands in no file.
#[derive(Clone)]
pub struct ViewKey([u8; 32]);

impl ViewKey {
    /// From 256 bits.
    pub const fn of(bytes: [u8; 32]) -> ViewKey {
        ViewKey(bytes)
    }

    /// A secret of this account, encrypted: nonce and AES-256-GCM ciphertext, base64url. `None` if
    /// the machine has no randomness.
    pub(crate) fn lock(&self, account: &str, secret: &str) -> Option<String> {
        let mut bytes = secret.as_bytes().to_vec();
        let nonce = self
            .aead()?
            .seal_in_place_append_tag(Aad::from(account.as_bytes()), &mut bytes)
            .ok()?;
        let mut out = nonce.as_ref().to_vec();
        out.append(&mut bytes);
        Some(URL_SAFE_NO_PAD.encode(out))
    }

    /// The secret; `None` if it was not locked with this key for this account.
    pub(crate) fn unlock(&self, account: &str, locked: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(locked).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let aad = Aad::from(account.as_bytes());
        let plain = self.aead()?.open_in_place(nonce, aad, &mut sealed).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }

    fn aead(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_with_its_key_and_for_its_account_only() {
        let key = ViewKey::of([7; 32]);
        let locked = key.lock("anna", "GEZDGNBVGY3TQOJQ").unwrap();
        assert!(!locked.contains("GEZDGNBV"));
        assert_eq!(
            key.unlock("anna", &locked).as_deref(),
            Some("GEZDGNBVGY3TQOJQ")
        );
        assert_eq!(key.unlock("mallory", &locked), None);
        assert_eq!(ViewKey::of([8; 32]).unlock("anna", &locked), None);
        assert_ne!(key.lock("anna", "GEZDGNBVGY3TQOJQ").unwrap(), locked);
        for damaged in ["", "AAAA", "no base64!", &locked[1..]] {
            assert_eq!(key.unlock("anna", damaged), None, "{damaged}");
        }
    }
}
