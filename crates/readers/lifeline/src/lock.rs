//! Sealing a pack's content under its code, and opening it again.
//!
//! PBKDF2-HMAC-SHA-256 and AES-256-GCM, because these are what every browser has built in
//! (WebCrypto); there is no Argon2 there.

use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;

use crate::Error;
use crate::code::Code;

/// Rounds of PBKDF2: what OWASP recommends for HMAC-SHA-256.
pub(crate) const ROUNDS: NonZeroU32 = match NonZeroU32::new(600_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MAX,
};
/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;

/// A code made into a key. Making one takes a tenth of a second: keep it.
pub(crate) struct Lock {
    key: LessSafeKey,
    pub(crate) salt: [u8; 16],
}

impl Lock {
    pub(crate) fn of(code: &Code, salt: [u8; 16]) -> Result<Lock, Error> {
        let mut key = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            ROUNDS,
            &salt,
            code.bytes(),
            &mut key,
        );
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| Error::NotSealed)?;
        Ok(Lock {
            key: LessSafeKey::new(key),
            salt,
        })
    }

    /// `nonce || ciphertext || tag`, bound to what stands around it in the file.
    ///
    /// INVARIANT: a nonce is random and used once; one key seals far fewer than 2^32 packs.
    pub(crate) fn seal(
        &self,
        content: &[u8],
        around: &[u8],
        nonce: [u8; NONCE],
    ) -> Result<Vec<u8>, Error> {
        let mut sealed = content.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(around),
                &mut sealed,
            )
            .map_err(|_| Error::NotSealed)?;
        let mut out = nonce.to_vec();
        out.append(&mut sealed);
        Ok(out)
    }

    /// The content again.
    ///
    /// # Errors
    /// [`Error::NotOpened`]: another code, or something in it or around it was altered.
    pub(crate) fn open(&self, sealed: &[u8], around: &[u8]) -> Result<Vec<u8>, Error> {
        let (nonce, rest) = sealed.split_at_checked(NONCE).ok_or(Error::NotOpened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::NotOpened)?;
        let mut rest = rest.to_vec();
        let content = self
            .key
            .open_in_place(nonce, Aad::from(around), &mut rest)
            .map_err(|_| Error::NotOpened)?;
        Ok(content.to_vec())
    }
}
