//! Numbers that stand for names in the indexes: shorter than the names, and not readable.
//!
//! Two names may share a number, so whoever looks one up compares the names as well.

use aws_lc_rs::digest;

/// The number of a resource's name.
pub(crate) fn slot(kind: &str, id: &str) -> i64 {
    number(&["id", kind, id])
}

/// The number of a value of one search parameter of one type. Values are compared folded, so that
/// the index answers too much rather than too little.
pub(crate) fn key(kind: &str, param: &str, value: &str) -> i64 {
    number(&["term", kind, param, &wire::fhir::fold(value)])
}

fn number(parts: &[&str]) -> i64 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    let hash = context.finish();
    let first = hash.as_ref().first_chunk().copied().unwrap_or_default();
    i64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(slot("ab", "c"), slot("a", "bc"));
        assert_ne!(key("a", "b", "c"), slot("b", "c"));
        assert_eq!(key("a", "b", "MÜ"), key("a", "b", "mu"));
    }
}
