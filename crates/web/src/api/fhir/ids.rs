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
}
