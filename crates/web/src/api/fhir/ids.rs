//! Logical ids for what arrives without one.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use super::fault::Fault;

/// A random id: 26 characters of `a-z2-7`, 130 bits.
///
/// # Errors
/// 500 when the machine has no randomness to give.
pub(crate) fn random() -> Result<String, Fault> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0_u8; 26];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Fault::broken("the machine gave no random bytes for a new id"))?;
    let letter = |byte: u8| LETTERS.get(usize::from(byte & 31)).copied();
    Ok(bytes
        .into_iter()
        .filter_map(letter)
        .map(char::from)
        .collect())
}

/// A random UUID of version 4 (RFC 9562), in its 36 characters.
///
/// # Errors
/// 500 when the machine has no randomness to give.
pub(crate) fn uuid() -> Result<String, Fault> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Fault::broken("the machine gave no random bytes for a new id"))?;
    let bits = u128::from_be_bytes(bytes);
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok([
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_fhir_ids() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 26);
        assert!(super::super::route::is_id(&one));
    }

    #[test]
    fn uuids_are_of_version_four() {
        let (one, other) = (uuid().unwrap(), uuid().unwrap());
        assert_ne!(one, other);
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{one}");
        assert_eq!(&one[14..15], "4", "{one}");
        assert!("89ab".contains(&one[19..20]), "{one}");
    }
}
