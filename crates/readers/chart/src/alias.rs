//! Which patients were merged into which. Nothing else is moved by a merge: what was written for a
//! retired patient stays written for them, and is found with the survivor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One patient's link to the one they were merged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The survivor's id.
    pub(crate) survivor: Arc<str>,
    /// The event that merged them.
    pub(crate) seq: i64,
}

/// What became of a retired patient's link; `None`: it is gone.
pub(crate) type Relinked = (Arc<str>, Option<Link>);

/// Every merge that holds, by patient id.
// INVARIANT: following `up` from any id ends: `merge` never closes a circle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aliases {
    up: BTreeMap<Arc<str>, Link>,
    down: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl Aliases {
    /// From the table's rows: retired, survivor, event.
    pub(crate) fn from_rows(rows: impl IntoIterator<Item = (String, String, i64)>) -> Aliases {
        let mut aliases = Aliases::default();
        for (retired, survivor, seq) in rows {
            aliases.link(retired.into(), survivor.into(), seq);
        }
        aliases
    }

    /// Whether this patient was merged into another.
    pub(crate) fn is_retired(&self, id: &str) -> bool {
        self.up.contains_key(id)
    }

    /// Who this patient is now: themselves, or the last survivor.
    pub(crate) fn survivor<'a>(&'a self, id: &'a str) -> &'a str {
        let mut at = id;
        while let Some(link) = self.up.get(at) {
            at = &link.survivor;
        }
        at
    }

    /// The survivor, and everybody who was merged into them, directly or not.
    pub(crate) fn family(&self, id: &str) -> Vec<String> {
        let mut family = vec![self.survivor(id).to_owned()];
        let mut at = 0;
        while let Some(next) = family.get(at) {
            let below: Vec<String> = self
                .down
                .get(next.as_str())
                .into_iter()
                .flatten()
                .map(|id| id.as_ref().to_owned())
                .collect();
            family.extend(below);
            at += 1;
        }
        family
    }

    /// Everybody who was merged into this patient, directly or not, with the event that did it.
    pub(crate) fn retired(&self, survivor: &str) -> Vec<(String, i64)> {
        let family = self.family(survivor);
        let links = family.into_iter().filter_map(|id| {
            let seq = self.up.get(id.as_str())?.seq;
            Some((id, seq))
        });
        links.collect()
    }

    /// Merges `retired` into `survivor`. A merge that holds already changes nothing; one that
    /// turns an older merge round replaces it.
    pub(crate) fn merge(&mut self, retired: &str, survivor: &str, seq: i64) -> Vec<Relinked> {
        let holds = self
            .up
            .get(retired)
            .is_some_and(|link| link.survivor.as_ref() == survivor);
        if retired == survivor || holds {
            return Vec::new();
        }
        let mut changes = Vec::new();
        if self.survivor(survivor) == self.survivor(retired) && self.is_below(survivor, retired) {
            changes.extend(self.cut(survivor));
        }
        self.cut(retired);
        changes.push(self.link(retired.into(), survivor.into(), seq));
        changes
    }

    /// Takes a merge back, if it holds.
    pub(crate) fn unmerge(&mut self, retired: &str, survivor: &str) -> Option<Relinked> {
        if retired != survivor && self.is_below(retired, survivor) {
            self.cut(retired)
        } else {
            None
        }
    }

    /// Whether following the merges from `low` leads to `high`.
    fn is_below(&self, low: &str, high: &str) -> bool {
        let mut at = low;
        while let Some(link) = self.up.get(at) {
            at = &link.survivor;
            if at == high {
                return true;
            }
        }
        false
    }

    fn link(&mut self, retired: Arc<str>, survivor: Arc<str>, seq: i64) -> Relinked {
        let below = self.down.entry(survivor.clone()).or_default();
        below.insert(retired.clone());
        let link = Link { survivor, seq };
        self.up.insert(retired.clone(), link.clone());
        (retired, Some(link))
    }

    fn cut(&mut self, retired: &str) -> Option<Relinked> {
        let (id, link) = self.up.remove_entry(retired)?;
        if let Some(below) = self.down.get_mut(&link.survivor) {
            below.remove(&id);
            if below.is_empty() {
                self.down.remove(&link.survivor);
            }
        }
        Some((id, None))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_repeated_merge_changes_nothing() {
        let mut aliases = Aliases::default();
        assert_eq!(aliases.merge("a", "b", 1).len(), 1);
        assert!(aliases.merge("a", "b", 2).is_empty());
        assert_eq!(aliases.survivor("a"), "b");
        assert_eq!(aliases.retired("b"), [("a".to_owned(), 1)]);
    }

    #[test]
    fn merges_follow_each_other() {
        let mut aliases = Aliases::default();
        aliases.merge("a", "b", 1);
        aliases.merge("b", "c", 2);
        assert_eq!(aliases.family("a"), ["c", "b", "a"]);
        assert!(aliases.unmerge("a", "c").is_some());
        assert_eq!(aliases.survivor("a"), "a");
        assert_eq!(aliases.family("b"), ["c", "b"]);
    }

    #[test]
    fn a_merge_the_other_way_round_replaces_the_first() {
        let mut aliases = Aliases::default();
        aliases.merge("a", "b", 1);
        aliases.merge("b", "a", 2);
        assert_eq!(aliases.survivor("b"), "a");
        assert!(!aliases.is_retired("a"));
    }

    proptest! {
        #[test]
        fn every_chain_ends_and_is_found_from_both_ends(
            steps in prop::collection::vec((0_u8..6, 0_u8..6, any::<bool>()), 0..60)
        ) {
            let mut aliases = Aliases::default();
            for (seq, (low, high, back)) in steps.iter().enumerate() {
                let (low, high) = (low.to_string(), high.to_string());
                if *back {
                    aliases.unmerge(&low, &high);
                } else {
                    aliases.merge(&low, &high, i64::try_from(seq).unwrap());
                    prop_assert_eq!(aliases.survivor(&low), aliases.survivor(&high));
                }
            }
            for id in 0_u8..6 {
                let id = id.to_string();
                let top = aliases.survivor(&id).to_owned();
                prop_assert!(!aliases.is_retired(&top));
                prop_assert!(aliases.family(&top).contains(&id));
            }
        }
    }
}
