//! Reading what one has written: which writes through this door the chart may not show yet.
//!
//! The chart follows the record a moment behind. A read waits for the writes that concern it and
//! for no others, so that a large import does not hold up a ward.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The writes that were acknowledged and may not be in the chart yet.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// From what was written to the size of the record that holds it.
    sizes: HashMap<Concern, u64>,
    /// What every read has to wait for, since the particulars were too many to keep.
    floor: u64,
}

/// What a read is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Concern {
    /// All resources of one type.
    Kind(&'static str),
    /// Everything of one patient.
    Patient(String),
    /// Everything.
    Record,
    /// One resource.
    Resource(&'static str, String),
}

/// The most writes that are kept apart from each other.
const CONCERNS_MAX: usize = 65_536;

impl Recent {
    /// Notes that a record of `size` events holds a write that bears on `concerns`; the chart has
    /// `folded` events.
    pub(crate) fn note(&self, concerns: impl Iterator<Item = Concern>, size: u64, folded: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for concern in concerns {
            let known = seen.sizes.entry(concern).or_default();
            *known = size.max(*known);
        }
        if seen.sizes.len() > CONCERNS_MAX {
            seen.sizes.retain(|_, size| *size > folded);
        }
        if seen.sizes.len() > CONCERNS_MAX {
            seen.floor = seen.sizes.values().copied().fold(seen.floor, u64::max);
            seen.sizes.clear();
        }
    }

    /// How many events the chart must have folded before it can answer about `concerns`.
    pub(crate) fn size(&self, concerns: &[Concern]) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let sizes = concerns.iter().filter_map(|one| seen.sizes.get(one));
        sizes.copied().fold(seen.floor, u64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_waits_for_what_concerns_it_alone() {
        let recent = Recent::default();
        let concerns = [Concern::Kind("Patient"), Concern::Patient("1".into())];
        recent.note(concerns.into_iter(), 7, 0);
        recent.note([Concern::Patient("1".into())].into_iter(), 5, 0);
        assert_eq!(recent.size(&[Concern::Patient("1".into())]), 7);
        assert_eq!(recent.size(&[Concern::Patient("2".into())]), 0);
        let both = [Concern::Kind("Encounter"), Concern::Kind("Patient")];
        assert_eq!(recent.size(&both), 7);
    }

    #[test]
    fn too_many_writes_become_one_floor() {
        let recent = Recent::default();
        let many = (0..=CONCERNS_MAX).map(|n| Concern::Patient(n.to_string()));
        recent.note(many, 9, 0);
        assert_eq!(recent.size(&[Concern::Patient("never".into())]), 9);
    }

    #[test]
    fn what_the_chart_has_is_forgotten_first() {
        let recent = Recent::default();
        let many = (0..CONCERNS_MAX).map(|n| Concern::Patient(n.to_string()));
        recent.note(many, 9, 0);
        recent.note([Concern::Kind("Patient")].into_iter(), 12, 9);
        assert_eq!(recent.size(&[Concern::Patient("1".into())]), 0);
        assert_eq!(recent.size(&[Concern::Kind("Patient")]), 12);
    }
}
