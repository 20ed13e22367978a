//! Who failed to sign in how often: by the name that was typed, whether or not it exists, and by
//! the address it came from. Kept twice: in memory from the moment somebody tries, and folded from
//! the record ([`Failed`]), so that neither a restart nor a thousand tries at once forget any.

use std::collections::HashMap;
use std::path::PathBuf;

use event::Time;
use serde::{Deserialize, Serialize};

use crate::SignInRefused;
use crate::failed::{Failed, REMEMBERED_MS, TIMES_MAX};

/// What a stranger may try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Failed sign-ins under one name before it is locked; at most 250.
    pub failures_max: u32,
    /// Failed sign-ins from one address (IPv6: one /64) before it is locked; at most 250.
    pub source_failures_max: u32,
    /// How long a name or an address stays locked, in milliseconds, a week at most; failures older
    /// than this are forgotten.
    pub lockout_ms: i64,
    /// Names and addresses whose tries are remembered until they are sealed.
    pub names_max: usize,
    /// Passwords checked at the same time; each takes 19 MiB.
    pub checks_max: usize,
    /// Sign-ins checked or waiting to be checked; more are refused as busy.
    pub waiting_max: usize,
    /// A list of passwords that were stolen elsewhere, which nobody may choose; empty: none is asked.
    pub breached: PathBuf,
    /// A list of leavers, or a folder of them, that is watched; empty: none.
    pub leavers: PathBuf,
    /// How often it is looked at, in milliseconds.
    pub leavers_look_ms: u64,
    /// A list that was written to within this time is left for the next look: it may not be whole yet,
    /// in milliseconds.
    pub leavers_quiet_ms: i64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            failures_max: 5,
            source_failures_max: 100,
            lockout_ms: 15 * 60 * 1_000,
            names_max: 10_000,
            checks_max: 2,
            waiting_max: 64,
            breached: PathBuf::new(),
            leavers: PathBuf::new(),
            leavers_look_ms: 5_000,
            leavers_quiet_ms: 3_000,
        }
    }
}

impl Limits {
    /// These, as far as failures are remembered.
    pub(crate) fn bounded(self) -> Limits {
        let most = u32::try_from(TIMES_MAX).unwrap_or(u32::MAX);
        Limits {
            failures_max: self.failures_max.min(most),
            source_failures_max: self.source_failures_max.min(most),
            lockout_ms: self.lockout_ms.min(REMEMBERED_MS),
            ..self
        }
    }
}

/// Of whom failures are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Tried {
    /// A sign-in name, as it was typed.
    Name(String),
    /// An address, or the /64 of an IPv6 address.
    Source(String),
}

impl Tried {
    /// Whose failure an attempt under `name` from `source` is.
    pub(crate) fn both(name: &str, source: &str) -> [Tried; 2] {
        [Tried::Name(name.to_owned()), Tried::source(source)]
    }

    pub(crate) fn source(source: &str) -> Tried {
        let network = match source.parse::<std::net::Ipv6Addr>() {
            Ok(address) if address.to_ipv4_mapped().is_none() => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            _ => source.to_owned(),
        };
        Tried::Source(network)
    }

    const fn most(&self, limits: &Limits) -> u32 {
        match self {
            Tried::Name(_) => limits.failures_max,
            Tried::Source(_) => limits.source_failures_max,
        }
    }
}

impl Tried {
    /// The failures with one more. A name's are forgotten some time after the last; an address's,
    /// behind which a whole ward may sit, some time after the first.
    pub(crate) fn one_more(&self, old: Option<Counted>, now: Time, limits: &Limits) -> Counted {
        let count = old.map_or(0, |old| old.count) + 1;
        let counting = matches!(self, Tried::Source(_)) && count < self.most(limits);
        let began = old.filter(|old| counting && old.count > 0);
        Counted {
            count,
            since: began.map_or(now, |old| old.since),
        }
    }
}

/// The tries that are not taken back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts {
    by: HashMap<Tried, Counted>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) count: u32,
    /// From when on they are remembered for as long as a lock lasts.
    since: Time,
}

impl Counted {
    /// Whether they still count.
    pub(crate) fn is_fresh(&self, now: Time, limits: &Limits) -> bool {
        now.since(self.since) < limits.lockout_ms
    }
}

impl Attempts {
    fn get(&self, tried: &Tried) -> Counted {
        self.by.get(tried).copied().unwrap_or_default()
    }

    /// Counts an attempt as failed until [`Attempts::succeeded`] takes it back, so that many at
    /// once cannot all slip in before the first has failed. `sealed` is what the record knows.
    pub(crate) fn begin(
        &mut self,
        tried: &Tried,
        sealed: &Failed,
        (now, limits): (Time, &Limits),
    ) -> Result<(), SignInRefused> {
        let known = [self.get(tried), sealed.counted(tried, limits)];
        let known = known.into_iter().filter(|old| old.is_fresh(now, limits));
        let old = known.max_by_key(|old| (old.count, old.since));
        if let Some(old) = old.filter(|old| old.count >= tried.most(limits)) {
            let wait_ms = limits.lockout_ms - now.since(old.since);
            return Err(SignInRefused::Locked { wait_ms });
        }
        self.put(tried, tried.one_more(old, now, limits), (now, limits));
        Ok(())
    }

    /// The attempt was none: everything under this name is forgiven, and this one from there.
    pub(crate) fn succeeded(&mut self, tried: &Tried) {
        match tried {
            Tried::Name(_) => {
                self.by.remove(tried);
            }
            Tried::Source(_) => {
                let known = self.by.get_mut(tried);
                known
                    .into_iter()
                    .for_each(|old| old.count = old.count.saturating_sub(1));
            }
        }
    }

    fn put(&mut self, tried: &Tried, counted: Counted, (now, limits): (Time, &Limits)) {
        if !self.by.contains_key(tried) && self.by.len() >= limits.names_max {
            self.make_room(now, limits);
        }
        self.by.insert(tried.clone(), counted);
    }

    fn make_room(&mut self, now: Time, limits: &Limits) {
        let all = self.by.iter();
        let old = all.filter(|(_, one)| !one.is_fresh(now, limits));
        let mut gone: Vec<Tried> = old.map(|(tried, _)| tried.clone()).collect();
        if gone.is_empty() {
            // The one with the fewest failures, and of those the oldest, loses least.
            let all = self.by.iter();
            let least = all.min_by_key(|(tried, counted)| (counted.count, counted.since, *tried));
            gone.extend(least.map(|(tried, _)| tried.clone()));
        }
        for tried in &gone {
            self.by.remove(tried);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        failures_max: 3,
        source_failures_max: 5,
        lockout_ms: 1_000,
        names_max: 2,
        checks_max: 1,
        waiting_max: 1,
        breached: PathBuf::new(),
        leavers: PathBuf::new(),
        leavers_look_ms: 5_000,
        leavers_quiet_ms: 3_000,
    };

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    fn name(name: &str) -> Tried {
        Tried::Name(name.to_owned())
    }

    fn begin(attempts: &mut Attempts, tried: &Tried, millis: i64) -> Result<(), SignInRefused> {
        attempts.begin(tried, &Failed::default(), (at(millis), &LIMITS))
    }

    #[test]
    fn a_name_is_locked_after_three_failures_and_opens_again() {
        let mut attempts = Attempts::default();
        let (nora, paul) = (name("nora"), name("paul"));
        for millis in 0..3 {
            assert_eq!(begin(&mut attempts, &nora, millis), Ok(()));
        }
        let locked = begin(&mut attempts, &nora, 500);
        assert_eq!(locked, Err(SignInRefused::Locked { wait_ms: 502 }));
        assert_eq!(begin(&mut attempts, &paul, 500), Ok(()));
        assert_eq!(begin(&mut attempts, &nora, 1_002), Ok(()));
        assert_eq!(begin(&mut attempts, &nora, 1_003), Ok(()));
    }

    #[test]
    fn what_the_record_knows_counts_after_a_restart() {
        let mut sealed = Failed::default();
        let nora = name("nora");
        for millis in 0..3 {
            sealed.failed(&nora, at(millis));
        }
        let locked = Attempts::default().begin(&nora, &sealed, (at(500), &LIMITS));
        assert_eq!(locked, Err(SignInRefused::Locked { wait_ms: 502 }));
        let set_back = Attempts::default().begin(&nora, &sealed, (at(-9_000), &LIMITS));
        assert!(set_back.is_err());
        sealed.forgiven(&nora);
        let free = Attempts::default().begin(&nora, &sealed, (at(500), &LIMITS));
        assert_eq!(free, Ok(()));
    }

    #[test]
    fn an_address_that_tries_one_password_on_many_names_is_locked() {
        let mut attempts = Attempts::default();
        for place in 0..5 {
            let source = Tried::source(&format!("2001:db8::{place}"));
            assert_eq!(begin(&mut attempts, &source, place), Ok(()));
        }
        assert!(begin(&mut attempts, &Tried::source("2001:db8::77"), 9).is_err());
        assert!(begin(&mut attempts, &Tried::source("2001:db8:0:1::7"), 9).is_ok());
    }

    #[test]
    fn a_ward_behind_one_address_is_not_locked_by_a_failure_now_and_then() {
        let mut attempts = Attempts::default();
        let ward = Tried::source("10.0.0.1");
        for round in 0..50 {
            assert_eq!(begin(&mut attempts, &ward, round * 300), Ok(()));
        }
    }

    #[test]
    fn success_forgives() {
        let mut attempts = Attempts::default();
        for millis in 0..20 {
            for tried in Tried::both("nora", "10.0.0.1") {
                assert_eq!(begin(&mut attempts, &tried, millis), Ok(()));
                attempts.succeeded(&tried);
            }
        }
    }

    #[test]
    fn a_flood_of_names_does_not_unlock_one_that_fails() {
        let mut attempts = Attempts::default();
        for millis in 0..3 {
            begin(&mut attempts, &name("nora"), millis).unwrap();
        }
        for millis in 3..200 {
            begin(&mut attempts, &name(&format!("name {millis}")), millis).unwrap();
        }
        assert!(attempts.by.len() <= 2);
        assert!(begin(&mut attempts, &name("nora"), 300).is_err());
    }
}
