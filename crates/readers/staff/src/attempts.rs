//! Who failed to sign in how often, by the name that was typed, whether or not it exists.

use std::collections::HashMap;

use event::Time;
use serde::{Deserialize, Serialize};

use crate::SignInRefused;

/// What a stranger may try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Failed sign-ins under one name before it is locked.
    pub failures_max: u32,
    /// How long a name stays locked, in milliseconds; failures older than this are forgotten.
    pub lockout_ms: i64,
    /// Names whose failures are remembered.
    pub names_max: usize,
    /// Passwords checked at the same time; each takes 19 MiB.
    pub checks_max: usize,
    /// Sign-ins checked or waiting to be checked; more are refused as busy.
    pub waiting_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            failures_max: 5,
            lockout_ms: 15 * 60 * 1_000,
            names_max: 10_000,
            checks_max: 2,
            waiting_max: 64,
        }
    }
}

/// The failures that still count.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    by_name: HashMap<String, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Time,
}

impl Attempts {
    /// Counts an attempt as failed until [`Attempts::succeeded`] takes it back, so that many at
    /// once cannot all slip in before the first has failed.
    pub(crate) fn begin(
        &mut self,
        name: &str,
        now: Time,
        limits: &Limits,
    ) -> Result<(), SignInRefused> {
        let old = self.counted(name, now, limits);
        if let Some(old) = old.filter(|old| old.count >= limits.failures_max) {
            let wait_ms = limits.lockout_ms - now.since(old.last);
            return Err(SignInRefused::Locked { wait_ms });
        }
        if old.is_none() && self.by_name.len() >= limits.names_max {
            self.make_room(now, limits);
        }
        let count = old.map_or(0, |old| old.count) + 1;
        self.by_name
            .insert(name.to_owned(), Failures { count, last: now });
        Ok(())
    }

    /// The attempt was none: everything under this name is forgiven.
    pub(crate) fn succeeded(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// Failures under this name that are not too old. A clock that jumped back keeps them.
    fn counted(&self, name: &str, now: Time, limits: &Limits) -> Option<Failures> {
        let failures = self.by_name.get(name).copied()?;
        fresh(failures, now, limits).then_some(failures)
    }

    fn make_room(&mut self, now: Time, limits: &Limits) {
        self.by_name
            .retain(|_, failures| fresh(*failures, now, limits));
        if self.by_name.len() < limits.names_max {
            return;
        }
        // The name with the fewest failures, and of those the oldest, loses least.
        let least = self
            .by_name
            .iter()
            .min_by_key(|(_, failures)| (failures.count, failures.last))
            .map(|(name, _)| name.clone());
        if let Some(name) = least {
            self.by_name.remove(&name);
        }
    }
}

fn fresh(failures: Failures, now: Time, limits: &Limits) -> bool {
    now.since(failures.last) < limits.lockout_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        failures_max: 3,
        lockout_ms: 1_000,
        names_max: 2,
        checks_max: 1,
        waiting_max: 1,
    };

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn a_name_is_locked_after_three_failures_and_opens_again() {
        let mut attempts = Attempts::default();
        for millis in 0..3 {
            assert_eq!(attempts.begin("nora", at(millis), &LIMITS), Ok(()));
        }
        let locked = attempts.begin("nora", at(500), &LIMITS);
        assert_eq!(locked, Err(SignInRefused::Locked { wait_ms: 502 }));
        assert_eq!(attempts.begin("paul", at(500), &LIMITS), Ok(()));
        assert_eq!(attempts.begin("nora", at(1_002), &LIMITS), Ok(()));
        assert_eq!(attempts.begin("nora", at(1_003), &LIMITS), Ok(()));
    }

    #[test]
    fn success_forgives() {
        let mut attempts = Attempts::default();
        for millis in 0..20 {
            assert_eq!(attempts.begin("nora", at(millis), &LIMITS), Ok(()));
            attempts.succeeded("nora");
        }
    }

    #[test]
    fn a_flood_of_names_does_not_unlock_one_that_fails() {
        let mut attempts = Attempts::default();
        for millis in 0..3 {
            attempts.begin("nora", at(millis), &LIMITS).unwrap();
        }
        for millis in 3..200 {
            attempts
                .begin(&format!("name {millis}"), at(millis), &LIMITS)
                .unwrap();
        }
        assert!(attempts.by_name.len() <= 2);
        assert!(attempts.begin("nora", at(300), &LIMITS).is_err());
    }
}
