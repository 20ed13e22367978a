use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use thiserror::Error;
use zeroize::Zeroizing;

/// Length of every key.
pub const KEY_BYTES: usize = 32;

/// A 256-bit key. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// A key from its bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Key {
        Key(Zeroizing::new(bytes))
    }

    /// The bytes, to be stored wrapped or in a file of mode 0600.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    pub(crate) fn aead(&self) -> Result<LessSafeKey, KeyFault> {
        let unbound = UnboundKey::new(&AES_256_GCM, self.0.as_slice());
        unbound.map(LessSafeKey::new).map_err(|_| KeyFault::Engine)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Why a key or a ciphertext could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// The cryptographic library refused.
    #[error("the cryptographic library refused the operation")]
    Engine,
    /// The bytes are not long enough to be what they should be.
    #[error("the bytes are too short")]
    Short,
    /// Wrong key, or the bytes or what they are bound to were changed.
    #[error("the bytes do not open with this key: wrong key, or they were altered")]
    Sealed,
}

/// A key for one use, derived from `root`: HMAC-SHA-256(root, label).
pub fn derive(root: &Key, label: &str) -> Key {
    let key = hmac::Key::new(hmac::HMAC_SHA256, root.bytes());
    let mut out = [0; KEY_BYTES];
    // INVARIANT: an HMAC-SHA-256 tag has 32 bytes.
    out.copy_from_slice(hmac::sign(&key, label.as_bytes()).as_ref());
    Key::new(out)
}

/// `key` under `outer`, bound to `context`: nonce (12) || AES-256-GCM.
///
/// # Errors
/// [`KeyFault::Engine`] if the cryptographic library fails.
pub fn wrap(
    outer: &Key,
    key: &Key,
    context: &[u8],
    nonce: [u8; NONCE_LEN],
) -> Result<Vec<u8>, KeyFault> {
    let mut body = key.bytes().to_vec();
    outer
        .aead()?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            &mut body,
        )
        .map_err(|_| KeyFault::Engine)?;
    Ok([nonce.as_slice(), &body].concat())
}

/// The key that [`wrap`] wrapped.
///
/// # Errors
/// [`KeyFault`] if the bytes are not a key under `outer` bound to `context`.
pub fn unwrap(outer: &Key, wrapped: &[u8], context: &[u8]) -> Result<Key, KeyFault> {
    let (nonce, body) = wrapped
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(KeyFault::Short)?;
    let mut body = Zeroizing::new(body.to_vec());
    let opened = outer
        .aead()?
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(context),
            &mut body,
        )
        .map_err(|_| KeyFault::Sealed)?;
    let (bytes, _) = opened
        .split_first_chunk::<KEY_BYTES>()
        .ok_or(KeyFault::Short)?;
    Ok(Key::new(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_only_where_it_belongs() {
        let (outer, inner) = (Key::new([1; 32]), Key::new([2; 32]));
        let wrapped = wrap(&outer, &inner, b"stream-a", [7; 12]).unwrap();
        assert_eq!(
            unwrap(&outer, &wrapped, b"stream-a").unwrap().bytes(),
            inner.bytes()
        );
        assert_eq!(
            unwrap(&outer, &wrapped, b"stream-b").unwrap_err(),
            KeyFault::Sealed
        );
        assert_eq!(
            unwrap(&inner, &wrapped, b"stream-a").unwrap_err(),
            KeyFault::Sealed
        );
        assert_eq!(unwrap(&outer, b"short", b"").unwrap_err(), KeyFault::Short);
        assert_eq!(format!("{outer:?}"), "Key(..)");
    }
}
