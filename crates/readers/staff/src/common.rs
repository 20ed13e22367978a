//! The passwords that people choose most often.

use aws_lc_rs::digest::{SHA256, digest};

/// The first bytes of SHA-256 of 10,000 passwords in lower case that pass every other rule, in
/// ascending order. Where they come from stands in `docs/decisions/0062-passwords.md`.
const LIST: &[u8] = include_bytes!("common.bin");
/// Bytes kept of each hash: two of 10,000 that are the same would be one in 10^10.
const BYTES: usize = 6;

/// Whether a password is among them, however it is spelt.
pub(crate) fn is_common(password: &str) -> bool {
    let hash = digest(&SHA256, password.to_lowercase().as_bytes());
    let wanted = hash.as_ref().get(..BYTES);
    let (list, _) = LIST.as_chunks::<BYTES>();
    let place = list.binary_search_by(|one| Some(one.as_slice()).cmp(&wanted));
    place.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_common_are_known_and_others_are_not() {
        for common in [
            "1qaz2wsx3edc",
            "1QAZ2wsx3EDC",
            "unbelievable",
            "sonyericsson",
        ] {
            assert!(is_common(common), "{common}");
        }
        for own in ["four words of night", "correct horse battery", ""] {
            assert!(!is_common(own), "{own}");
        }
    }

    #[test]
    fn the_list_is_in_order_and_whole() {
        let (list, rest) = LIST.as_chunks::<BYTES>();
        assert!(rest.is_empty());
        assert!(list.len() >= 3_000, "{}", list.len());
        assert!(list.is_sorted());
    }
}
