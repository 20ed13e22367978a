//! An object beside the record: too large for a row, encrypted under the key of a stream.
//!
//! Mark (4) || stream (16) || nonce (12) || AES-256-GCM(bytes), bound to mark and stream, under a key
//! derived from the stream's, so that no nonce meets one of the rows'.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};

use crate::keys::{Key, KeyFault, derive};

const MARK: &[u8; 4] = b"SOB1";
const STREAM_BYTES: usize = 16;
/// Bytes at the beginning of an object that say under which stream's key it is.
pub const OBJECT_BOUND_BYTES: usize = MARK.len() + STREAM_BYTES;
const BOUND_BYTES: usize = OBJECT_BOUND_BYTES;
/// Bytes before the ciphertext.
const HEAD_BYTES: usize = BOUND_BYTES + NONCE_LEN;
const USE: &str = "salus/object/v1";

/// Encrypts an object of a stream.
///
/// # Errors
/// [`KeyFault::Engine`] if the cryptographic library fails.
pub fn seal_object(
    key: &Key,
    stream: &[u8; STREAM_BYTES],
    nonce: [u8; NONCE_LEN],
    bytes: &[u8],
) -> Result<Vec<u8>, KeyFault> {
    let aead = derive(key, USE).aead()?;
    let mut out = Vec::with_capacity(HEAD_BYTES + bytes.len() + aead.algorithm().tag_len());
    out.extend_from_slice(MARK);
    out.extend_from_slice(stream);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(bytes);
    let (head, body) = out.split_at_mut(HEAD_BYTES);
    let bound = head.get(..BOUND_BYTES).ok_or(KeyFault::Short)?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = aead
        .seal_in_place_separate_tag(nonce, Aad::from(bound), body)
        .map_err(|_| KeyFault::Engine)?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

/// Opens what [`seal_object`] made.
///
/// # Errors
/// [`KeyFault::Sealed`] if key, stream or bytes do not belong together.
pub fn open_object(
    key: &Key,
    stream: &[u8; STREAM_BYTES],
    mut sealed: Vec<u8>,
) -> Result<Vec<u8>, KeyFault> {
    let (head, body) = sealed
        .split_at_mut_checked(HEAD_BYTES)
        .ok_or(KeyFault::Short)?;
    let (bound, nonce) = head.split_at(BOUND_BYTES);
    if bound.strip_prefix(MARK) != Some(stream.as_slice()) {
        return Err(KeyFault::Sealed);
    }
    let nonce = <[u8; NONCE_LEN]>::try_from(nonce).map_err(|_| KeyFault::Short)?;
    let opened = derive(key, USE)
        .aead()?
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(bound), body)
        .map_err(|_| KeyFault::Sealed)?;
    let length = opened.len();
    sealed.drain(..HEAD_BYTES);
    sealed.truncate(length);
    Ok(sealed)
}

/// The stream that an object says it is of; its first [`OBJECT_BOUND_BYTES`] are enough.
#[must_use]
pub fn object_stream(sealed: &[u8]) -> Option<[u8; STREAM_BYTES]> {
    let rest = sealed.strip_prefix(MARK)?;
    rest.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn opens_to_what_was_sealed(bytes in proptest::collection::vec(any::<u8>(), 0..3_000)) {
            let key = Key::new([9; 32]);
            let sealed = seal_object(&key, &[3; 16], [5; 12], &bytes).unwrap();
            prop_assert_eq!(open_object(&key, &[3; 16], sealed).unwrap(), bytes);
        }

        #[test]
        fn no_bit_can_be_turned(place in 0_usize..60, bit in 0_u8..8) {
            let key = Key::new([9; 32]);
            let mut sealed = seal_object(&key, &[3; 16], [5; 12], b"a slice of a head").unwrap();
            let place = place % sealed.len();
            sealed[place] ^= 1 << bit;
            prop_assert!(open_object(&key, &[3; 16], sealed).is_err());
        }
    }

    #[test]
    fn says_of_which_stream_it_is() {
        let sealed = seal_object(&Key::new([9; 32]), &[3; 16], [5; 12], b"x").unwrap();
        assert_eq!(object_stream(&sealed[..OBJECT_BOUND_BYTES]), Some([3; 16]));
        assert_eq!(object_stream(&sealed[..OBJECT_BOUND_BYTES - 1]), None);
        assert_eq!(object_stream(b"not an object, but long enough"), None);
    }

    #[test]
    fn belongs_to_one_key_and_one_stream() {
        let key = Key::new([9; 32]);
        let sealed = seal_object(&key, &[3; 16], [5; 12], b"x").unwrap();
        let other = Key::new([8; 32]);
        assert_eq!(
            open_object(&other, &[3; 16], sealed.clone()),
            Err(KeyFault::Sealed)
        );
        assert_eq!(open_object(&key, &[4; 16], sealed), Err(KeyFault::Sealed));
        assert_eq!(
            open_object(&key, &[3; 16], Vec::new()),
            Err(KeyFault::Short)
        );
    }
}
