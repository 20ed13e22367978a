//! A ciphertext: nonce (12) || AES-256-GCM(salt (32) || zstd(plaintext)), bound to its index,
//! stream and commitment, so that it opens in one place of the record only.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use zstd::bulk;

use crate::entry::Entry;
use crate::keys::{Key, KeyFault};
use crate::tree::{Hash, sha256};

/// Length of the salt that hides short plaintexts from guessing.
pub const SALT_BYTES: usize = 32;

const LEVEL: i32 = 1;

/// Reusable compression state; making one costs more than compressing a message.
pub struct Compressor(bulk::Compressor<'static>);

impl Compressor {
    /// A fresh state; `None` if the library cannot make one (out of memory).
    pub fn new() -> Option<Compressor> {
        bulk::Compressor::new(LEVEL).ok().map(Compressor)
    }
}

/// Reusable decompression state.
pub struct Decompressor(bulk::Decompressor<'static>);

impl Decompressor {
    /// A fresh state; `None` if the library cannot make one (out of memory).
    pub fn new() -> Option<Decompressor> {
        bulk::Decompressor::new().ok().map(Decompressor)
    }
}

/// A plaintext made ready to be sealed at an index that is not known yet.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The commitment to salt and plaintext.
    pub commitment: Hash,
    /// Length of the plaintext.
    pub length: u32,
    nonce: [u8; NONCE_LEN],
    body: Vec<u8>,
}

/// SHA-256("salus/commit/v1" || salt || plaintext).
pub fn commitment(salt: &[u8; SALT_BYTES], plaintext: &[u8]) -> Hash {
    sha256(&[b"salus/commit/v1", salt, plaintext])
}

/// Commits to and compresses `plaintext`. `random` gives the nonce and the salt.
///
/// # Errors
/// [`KeyFault::Engine`] if compression fails or the plaintext is 4 GiB or more.
pub fn prepare(
    compressor: &mut Compressor,
    plaintext: &[u8],
    random: &[u8; NONCE_LEN + SALT_BYTES],
) -> Result<Prepared, KeyFault> {
    let (nonce, salt) = random
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(KeyFault::Short)?;
    let salt: &[u8; SALT_BYTES] = salt.try_into().map_err(|_| KeyFault::Short)?;
    let packed = compressor
        .0
        .compress(plaintext)
        .map_err(|_| KeyFault::Engine)?;
    let mut body = Vec::with_capacity(SALT_BYTES + packed.len() + 16 + NONCE_LEN);
    body.extend_from_slice(salt);
    body.extend_from_slice(&packed);
    Ok(Prepared {
        commitment: commitment(salt, plaintext),
        length: u32::try_from(plaintext.len()).map_err(|_| KeyFault::Engine)?,
        nonce: *nonce,
        body,
    })
}

/// Seals a prepared plaintext at `index` of the record, at time `at`: its entry and ciphertext.
///
/// # Errors
/// [`KeyFault::Engine`] if the cryptographic library fails.
pub fn seal(
    key: &Key,
    prepared: Prepared,
    place: (u64, [u8; 16], i64),
) -> Result<(Entry, Vec<u8>), KeyFault> {
    let (index, stream, at) = place;
    let aad = bound(index, &stream, &prepared.commitment);
    let mut body = prepared.body;
    key.aead()?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(prepared.nonce),
            Aad::from(aad),
            &mut body,
        )
        .map_err(|_| KeyFault::Engine)?;
    let mut ciphertext = Vec::with_capacity(NONCE_LEN + body.len());
    ciphertext.extend_from_slice(&prepared.nonce);
    ciphertext.extend_from_slice(&body);
    let entry = Entry {
        stream,
        at,
        length: prepared.length,
        commitment: prepared.commitment,
        ciphertext: sha256(&[&ciphertext]),
    };
    Ok((entry, ciphertext))
}

/// Opens the ciphertext of `entry` at `index`: (salt, plaintext), checked against the commitment.
///
/// # Errors
/// [`KeyFault::Sealed`] if key, index, stream or bytes do not belong together.
pub fn open(
    decompressor: &mut Decompressor,
    key: &Key,
    (index, entry): (u64, &Entry),
    ciphertext: &[u8],
) -> Result<([u8; SALT_BYTES], Vec<u8>), KeyFault> {
    let (nonce, body) = ciphertext
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(KeyFault::Short)?;
    let mut body = body.to_vec();
    let aad = bound(index, &entry.stream, &entry.commitment);
    let opened = key
        .aead()?
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(aad),
            &mut body,
        )
        .map_err(|_| KeyFault::Sealed)?;
    let (salt, packed) = opened
        .split_first_chunk::<SALT_BYTES>()
        .ok_or(KeyFault::Short)?;
    let plaintext = decompressor
        .0
        .decompress(packed, entry.length as usize)
        .map_err(|_| KeyFault::Sealed)?;
    if commitment(salt, &plaintext) != entry.commitment {
        return Err(KeyFault::Sealed);
    }
    Ok((*salt, plaintext))
}

fn bound(index: u64, stream: &[u8; 16], commitment: &Hash) -> [u8; 56] {
    let mut aad = [0; 56];
    let (first, rest) = aad.split_at_mut(8);
    first.copy_from_slice(&index.to_be_bytes());
    let (second, third) = rest.split_at_mut(16);
    second.copy_from_slice(stream);
    third.copy_from_slice(commitment);
    aad
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(plaintext: &[u8]) -> (Key, Entry, Vec<u8>) {
        let key = Key::new([9; 32]);
        let prepared = prepare(&mut Compressor::new().unwrap(), plaintext, &[5; 44]).unwrap();
        let (entry, ciphertext) = seal(&key, prepared, (42, [3; 16], 1_000)).unwrap();
        (key, entry, ciphertext)
    }

    fn opened(
        key: &Key,
        place: (u64, &Entry),
        ciphertext: &[u8],
    ) -> Result<([u8; SALT_BYTES], Vec<u8>), KeyFault> {
        open(&mut Decompressor::new().unwrap(), key, place, ciphertext)
    }

    proptest! {
        #[test]
        fn opens_to_what_was_sealed(plaintext in proptest::collection::vec(any::<u8>(), 0..5_000)) {
            let (key, entry, ciphertext) = sealed(&plaintext);
            let (salt, opened) = opened(&key, (42, &entry), &ciphertext).unwrap();
            prop_assert_eq!(opened, plaintext);
            prop_assert_eq!(salt, [5; 32]);
        }

        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (key, entry, _) = sealed(b"code status: full");
            prop_assert!(opened(&key, (42, &entry), &bytes).is_err());
        }
    }

    #[test]
    fn belongs_to_one_index_one_stream_one_key() {
        let (key, entry, ciphertext) = sealed(b"DNR");
        assert_eq!(
            opened(&key, (43, &entry), &ciphertext),
            Err(KeyFault::Sealed)
        );
        let other = Entry {
            stream: [4; 16],
            ..entry
        };
        assert_eq!(
            opened(&key, (42, &other), &ciphertext),
            Err(KeyFault::Sealed)
        );
        assert_eq!(
            opened(&Key::new([8; 32]), (42, &entry), &ciphertext),
            Err(KeyFault::Sealed)
        );
    }

    #[test]
    fn equal_plaintexts_under_other_salts_look_different() {
        let mut compressor = Compressor::new().unwrap();
        let one = prepare(&mut compressor, b"DNR", &[1; 44]).unwrap();
        let two = prepare(&mut compressor, b"DNR", &[2; 44]).unwrap();
        assert_ne!(one.commitment, two.commitment);
    }
}
