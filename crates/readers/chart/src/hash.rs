//! Numbers that stand for names in the indexes: shorter than the names, and not readable.
//!
//! Two names may share a number, so whoever looks one up compares the names as well.

use aws_lc_rs::digest;

/// Characters at the beginning of an id that keep names together: the observations of one order
/// have as many in common (`wire::v2`).
const STEM: usize = 10;
/// Bits of a slot that come from the whole id.
const OWN_BITS: u32 = 24;

/// The number of a resource's name. Names with the same beginning have neighboring numbers, so
/// that a report and its results are written to one page of the index and not to twenty.
pub(crate) fn slot(kind: &str, id: &str) -> i64 {
    let stem = id.get(..STEM).unwrap_or(id);
    let own = number(&["id", kind, id]) & ((1 << OWN_BITS) - 1);
    (number(&["stem", kind, stem]) & (-1 << OWN_BITS)) | own
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
    fn names_with_one_beginning_are_neighbors() {
        let page = |kind, id| slot(kind, id) >> OWN_BITS;
        let two = ["abcdefghij1", "abcdefghij2"];
        let slots = two.map(|id| slot("Observation", id));
        assert_ne!(slots[0], slots[1]);
        let pages = two.map(|id| page("Observation", id));
        assert_eq!(pages[0], pages[1]);
        assert_ne!(pages[0], page("Observation", "bbcdefghij1"));
        assert_ne!(pages[0], page("Encounter", "abcdefghij1"));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(slot("ab", "c"), slot("a", "bc"));
        assert_ne!(key("a", "b", "c"), slot("b", "c"));
        assert_eq!(key("a", "b", "MÜ"), key("a", "b", "mu"));
    }
}
