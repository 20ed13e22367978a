//! What the view keeps encrypted: the secrets of authenticator apps, which have to be read again.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
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

    /// A secret of this account, encrypted: nonce and AES-256-GCM ciphertext, base64url. The same
    /// secret of the same account gives the same text, since every fold of the record must: the
    /// nonce is a keyed hash of both, so no two secrets share one. `None` if it cannot be done.
    pub(crate) fn lock(&self, account: &str, secret: &str) -> Option<String> {
        let nonce = self.nonce(account, secret)?;
        let mut bytes = secret.as_bytes().to_vec();
        let place = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from(account.as_bytes());
        self.aead()?
            .seal_in_place_append_tag(place, aad, &mut bytes)
            .ok()?;
        let mut out = nonce.to_vec();
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

    fn nonce(&self, account: &str, secret: &str) -> Option<[u8; NONCE_LEN]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.part(b"nonce"));
        let mut context = hmac::Context::with_key(&key);
        context.update(&(account.len() as u64).to_le_bytes());
        context.update(account.as_bytes());
        context.update(secret.as_bytes());
        context.sign().as_ref().first_chunk().copied()
    }

    /// A key of its own for one use.
    fn part(&self, what: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, what);
        tag.as_ref().first_chunk().copied().unwrap_or(self.0)
    }

    fn aead(&self) -> Option<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.part(b"encrypt")).ok()?;
        Some(LessSafeKey::new(key))
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
        assert_eq!(key.lock("anna", "GEZDGNBVGY3TQOJQ").unwrap(), locked);
        assert_ne!(key.lock("anna", "GEZDGNBVGY3TQOJR").unwrap(), locked);
        for damaged in ["", "AAAA", "no base64!", &locked[1..]] {
            assert_eq!(key.unlock("anna", damaged), None, "{damaged}");
        }
    }
}
