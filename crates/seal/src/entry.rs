use crate::tree::{Hash, leaf_hash};

/// Length of an encoded [`Entry`].
pub const ENTRY_BYTES: usize = 93;

const VERSION: u8 = 1;

/// What the Merkle log holds of one event: no patient data, not even encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Random name of the patient's key; unlinkable without the keyring.
    pub stream: [u8; 16],
    /// When it was sealed, milliseconds since the epoch.
    pub at: i64,
    /// Length of the plaintext in bytes.
    pub length: u32,
    /// SHA-256("salus/commit/v1" || salt || plaintext): binding, and hiding because of the salt.
    pub commitment: Hash,
    /// SHA-256 of the ciphertext, so that anyone can check stored bytes without a key.
    pub ciphertext: Hash,
}

impl Entry {
    /// version (1) || stream (16) || at (8) || length (4) || commitment (32) || ciphertext (32),
    /// integers big-endian.
    pub fn to_bytes(&self) -> [u8; ENTRY_BYTES] {
        let mut out = [0; ENTRY_BYTES];
        let fields: [&[u8]; 6] = [
            &[VERSION],
            &self.stream,
            &self.at.to_be_bytes(),
            &self.length.to_be_bytes(),
            &self.commitment,
            &self.ciphertext,
        ];
        let mut rest = out.as_mut_slice();
        for field in fields {
            // INVARIANT: the fields are 93 bytes together.
            let (place, after) = rest.split_at_mut(field.len());
            place.copy_from_slice(field);
            rest = after;
        }
        out
    }

    /// What [`Entry::to_bytes`] wrote; `None` for another version or length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Entry> {
        let (version, rest) = bytes.split_first()?;
        let (stream, rest) = rest.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (commitment, rest) = rest.split_first_chunk()?;
        let (ciphertext, rest) = rest.split_first_chunk()?;
        (*version == VERSION && rest.is_empty()).then_some(Entry {
            stream: *stream,
            at: i64::from_be_bytes(*at),
            length: u32::from_be_bytes(*length),
            commitment: *commitment,
            ciphertext: *ciphertext,
        })
    }

    /// Its hash as a leaf of the tree.
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comes_back(stream: [u8; 16], at: i64, length: u32, c: [u8; 32], h: [u8; 32]) {
            let entry = Entry { stream, at, length, commitment: c, ciphertext: h };
            prop_assert_eq!(Entry::from_bytes(&entry.to_bytes()), Some(entry));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Some(entry) = Entry::from_bytes(&bytes) {
                prop_assert_eq!(entry.to_bytes().to_vec(), bytes);
            }
        }
    }
}
