//! The failed sign-ins that the record tells of: when, under which name, from which address. Kept
//! without regard to any limit, so that every fold of the same events finds the same; what they
//! count for is found out when somebody tries again.

use std::collections::HashMap;
use std::sync::Arc;

use event::Time;

use crate::attempts::{Counted, Limits, Tried};

/// Failures of one name or address that are remembered; limits may not ask for more.
pub(crate) const TIMES_MAX: usize = 250;
/// Names and addresses whose failures are remembered.
const TRIED_MAX: usize = 10_000;
/// How long at most, in milliseconds; no lock may last longer.
pub(crate) const REMEMBERED_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// When whose sign-ins failed, the oldest first; nobody is in it without a failure.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failed {
    by: HashMap<Tried, Arc<Vec<Time>>>,
}

impl Failed {
    /// As it was saved.
    pub(crate) fn of(by: HashMap<Tried, Vec<Time>>) -> Failed {
        let by = by
            .into_iter()
            .map(|(tried, times)| (tried, Arc::new(times)));
        Failed { by: by.collect() }
    }

    /// When it failed, the oldest first.
    pub(crate) fn times(&self, tried: &Tried) -> &[Time] {
        self.by.get(tried).map_or(&[], |times| times.as_slice())
    }

    /// What the failures count for under these limits.
    pub(crate) fn counted(&self, tried: &Tried, limits: &Limits) -> Counted {
        let times = self.times(tried).iter();
        times.fold(Counted::default(), |old, at| {
            let old = Some(old).filter(|old| old.is_fresh(*at, limits));
            tried.one_more(old, *at, limits)
        })
    }

    /// One more failure; returns those that were forgotten to make room.
    pub(crate) fn failed(&mut self, tried: &Tried, at: Time) -> Vec<Tried> {
        let full = !self.by.contains_key(tried) && self.by.len() >= TRIED_MAX;
        let forgotten = match full {
            true => self.make_room(at),
            false => Vec::new(),
        };
        let times = Arc::make_mut(self.by.entry(tried.clone()).or_default());
        times.retain(|time| is_remembered(*time, at));
        if times.len() >= TIMES_MAX {
            times.remove(0);
        }
        times.push(at);
        forgotten
    }

    /// Everything under a name is forgiven.
    pub(crate) fn forgiven(&mut self, tried: &Tried) {
        self.by.remove(tried);
    }

    fn make_room(&mut self, now: Time) -> Vec<Tried> {
        let last = |times: &[Time]| times.last().copied().unwrap_or_default();
        let old = self.by.iter();
        let old = old.filter(|(_, times)| !is_remembered(last(times), now));
        let mut gone: Vec<Tried> = old.map(|(tried, _)| tried.clone()).collect();
        if gone.is_empty() {
            // The one with the fewest failures, and of those the oldest, loses least.
            let all = self.by.iter();
            let least = all.min_by_key(|(tried, times)| (times.len(), last(times), *tried));
            gone.extend(least.map(|(tried, _)| tried.clone()));
        }
        for tried in &gone {
            self.by.remove(tried);
        }
        gone
    }
}

fn is_remembered(time: Time, now: Time) -> bool {
    now.since(time) < REMEMBERED_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    fn limits(failures_max: u32, lockout_ms: i64) -> Limits {
        Limits {
            failures_max,
            lockout_ms,
            ..Limits::default()
        }
    }

    #[test]
    fn what_is_kept_is_the_same_under_every_limit_and_counts_as_the_limit_says() {
        let nora = Tried::Name("nora".into());
        let mut failed = Failed::default();
        for millis in [0, 10, 2_000, 2_010] {
            failed.failed(&nora, at(millis));
        }
        assert_eq!(failed.counted(&nora, &limits(3, 1_000)).count, 2);
        assert_eq!(failed.counted(&nora, &limits(3, 60_000)).count, 4);
        assert_eq!(failed.times(&nora).len(), 4);
    }

    #[test]
    fn no_flood_makes_one_forgotten_that_failed_more_often() {
        let nora = Tried::Name("nora".into());
        let mut failed = Failed::default();
        failed.failed(&nora, at(0));
        failed.failed(&nora, at(1));
        for number in 0..TRIED_MAX + 50 {
            failed.failed(&Tried::Name(format!("name {number}")), at(2));
        }
        assert_eq!(failed.by.len(), TRIED_MAX);
        assert_eq!(failed.times(&nora).len(), 2);
        for _ in 0..2 * TIMES_MAX {
            failed.failed(&nora, at(3));
        }
        assert_eq!(failed.times(&nora).len(), TIMES_MAX);
        failed.failed(&nora, at(REMEMBERED_MS + 3));
        assert_eq!(failed.times(&nora).len(), 1);
    }
}
