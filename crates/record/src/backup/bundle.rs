//! One bundle with its pack: both prove that they belong together, without any key.

use seal::{Entry, Hash};

/// Entries and ciphertexts of up to 256 events, checked against each other.
pub(super) struct Checked {
    pub(super) leaves: Vec<Hash>,
    pub(super) bundle: Vec<u8>,
    pub(super) pack: Vec<u8>,
}

/// The first `width` events of a bundle and a pack; `None` if they do not have so many, or if a
/// ciphertext is not the one its entry names.
pub(super) fn checked(bundle: &[u8], pack: &[u8], width: usize) -> Option<Checked> {
    let (entries, packed) = (seal::read_bundle(bundle)?, seal::read_pack(pack)?);
    let (entries, packed) = (entries.get(..width)?, packed.get(..width)?);
    let leaves = entries.iter().zip(packed).map(|(bytes, ciphertext)| {
        let entry = Entry::from_bytes(bytes)?;
        (seal::sha256(&[ciphertext]) == entry.ciphertext).then(|| entry.leaf())
    });
    Some(Checked {
        leaves: leaves.collect::<Option<_>>()?,
        bundle: seal::bundle(entries.iter().copied()),
        pack: seal::pack(packed.iter().copied()),
    })
}
