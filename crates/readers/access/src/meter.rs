//! How many different patients each account saw in the last hour and day, kept in memory so that
//! every question to the guard can have it, and what it was on the days before.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{Hash as _, Hasher as _};

use event::Time;

const MINUTE_MS: i64 = 60_000;
/// Minutes of the short window.
const HOUR: i64 = 60;
/// Minutes of the long window.
const DAY: i64 = 24 * HOUR;
/// Days of an account's own past that are learned from.
pub(crate) const PAST_DAYS: i64 = 28;
/// Patients that only stood in lists, by who they are: so many count as one that was opened.
const LISTED_FOR_ONE: u32 = 10;
/// Patients of one account beyond which those of yesterday are looked for and forgotten.
const PATIENTS_SWEEP: usize = 512;

/// How a patient was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Something of the chart.
    Opened,
    /// Who they are, in a list.
    Listed,
}

/// What an account took on one day (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    /// Days since 1970-01-01.
    pub(crate) day: i64,
    /// Different patients.
    pub(crate) patients: u32,
    /// Different patients in its fullest hour.
    pub(crate) hour_peak: u32,
}

/// All accounts.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    accounts: HashMap<String, Account>,
}

/// What an account took until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) hour: u32,
    pub(crate) day: u32,
    /// Whether the patient asked about was opened in the last day.
    pub(crate) known: bool,
}

#[derive(Debug, Default)]
struct Account {
    opened: Window,
    listed: Window,
    past: VecDeque<Day>,
    /// The hour that is being counted, and different patients in it.
    hour: (i64, u32),
}

/// Different patients by the minute in which each was seen last.
#[derive(Debug, Default)]
struct Window {
    last: HashMap<u64, i64>,
    minutes: BTreeMap<i64, u32>,
}

impl Window {
    /// Notes a patient; gives the minute in which they were seen before.
    fn note(&mut self, patient: u64, minute: i64) -> Option<i64> {
        let before = self.last.get(&patient).copied();
        if before.is_some_and(|before| before >= minute) {
            return before;
        }
        if let Some(count) = before.and_then(|before| self.minutes.get_mut(&before)) {
            *count = count.saturating_sub(1);
        }
        self.last.insert(patient, minute);
        *self.minutes.entry(minute).or_default() += 1;
        if self.last.len() > PATIENTS_SWEEP && self.minutes.len() as i64 > DAY + HOUR {
            self.sweep(minute);
        }
        before
    }

    /// Forgets what no window reaches any more.
    fn sweep(&mut self, now: i64) {
        let oldest = now - DAY;
        self.last.retain(|_, minute| *minute > oldest);
        self.minutes = self.minutes.split_off(&(oldest + 1));
    }

    fn within(&self, now: i64, minutes: i64) -> u32 {
        self.minutes
            .range(now - minutes + 1..)
            .map(|(_, count)| count)
            .sum()
    }
}

impl Meter {
    /// Notes that an account saw a patient. Noting it twice is as good as once.
    pub(crate) fn note(&mut self, (account, patient): (&str, &str), at: Time, seen: Seen) {
        let minute = at.millis().div_euclid(MINUTE_MS);
        let account = self.account(account);
        match seen {
            Seen::Listed => {
                account.listed.note(hash(patient), minute);
            }
            Seen::Opened => {
                let before = account.opened.note(hash(patient), minute);
                account.learn(before, minute);
            }
        }
    }

    /// As [`Meter::note`], for what was learned from before.
    pub(crate) fn recall(&mut self, (account, patient): (&str, &str), at: Time, seen: Seen) {
        let minute = at.millis().div_euclid(MINUTE_MS);
        let account = self.account(account);
        match seen {
            Seen::Listed => account.listed.note(hash(patient), minute),
            Seen::Opened => account.opened.note(hash(patient), minute),
        };
    }

    /// Takes over what `file` says of the past, and forgets nothing of what was counted since: what was
    /// opened and is not folded yet counts on.
    pub(crate) fn mend(&mut self, file: Meter) {
        for (name, read) in file.accounts {
            let account = self.account(&name);
            for (patient, minute) in read.opened.last {
                account.opened.note(patient, minute);
            }
            for (patient, minute) in read.listed.last {
                account.listed.note(patient, minute);
            }
            let today = account.past.back().copied();
            account.past = read.past;
            let Some(today) = today else {
                continue;
            };
            match account.past.back_mut() {
                Some(last) if last.day == today.day => {
                    last.patients = last.patients.max(today.patients);
                    last.hour_peak = last.hour_peak.max(today.hour_peak);
                }
                Some(last) if last.day > today.day => {}
                _ => account.past.push_back(today),
            }
        }
    }

    /// Puts a day of the past back.
    pub(crate) fn remember(&mut self, account: &str, day: Day) {
        self.account(account).past.push_back(day);
    }

    /// What the account took, and whether it knows the patient.
    pub(crate) fn count(&self, account: &str, patient: Option<&str>, now: Time) -> Count {
        let Some(account) = self.accounts.get(account) else {
            return Count::default();
        };
        let now = now.millis().div_euclid(MINUTE_MS);
        let taken = |minutes| {
            let listed = account.listed.within(now, minutes) / LISTED_FOR_ONE;
            account.opened.within(now, minutes).saturating_add(listed)
        };
        let known = patient.and_then(|id| account.opened.last.get(&hash(id)));
        Count {
            hour: taken(HOUR),
            day: taken(DAY),
            known: known.is_some_and(|minute| *minute > now - DAY),
        }
    }

    /// The account's days before the one of `now`, the oldest first.
    pub(crate) fn past(&self, account: &str, now: Time) -> Vec<Day> {
        let today = now.millis().div_euclid(DAY * MINUTE_MS);
        let past = self.accounts.get(account).map(|account| &account.past);
        let past = past.into_iter().flatten().copied();
        past.filter(|day| day.day < today && day.day >= today - PAST_DAYS)
            .collect()
    }

    /// The day that is being counted.
    pub(crate) fn today(&self, account: &str) -> Option<Day> {
        self.accounts.get(account)?.past.back().copied()
    }

    fn account(&mut self, account: &str) -> &mut Account {
        self.accounts.entry(account.to_owned()).or_default()
    }
}

impl Account {
    /// Counts an opened patient for its day and hour, unless they were opened in it before.
    fn learn(&mut self, before: Option<i64>, minute: i64) {
        if before.is_some_and(|before| before >= minute) {
            return;
        }
        let (day, hour) = (minute.div_euclid(DAY), minute.div_euclid(HOUR));
        let is =
            |width: i64, here: i64| before.is_some_and(|before| before.div_euclid(width) == here);
        if self.past.back().is_none_or(|last| last.day < day) {
            self.past.push_back(Day {
                day,
                patients: 0,
                hour_peak: 0,
            });
            self.past.retain(|kept| kept.day >= day - PAST_DAYS);
        }
        if self.hour.0 != hour {
            self.hour = (hour, 0);
        }
        self.hour.1 += u32::from(!is(HOUR, hour));
        if let Some(last) = self.past.back_mut() {
            last.patients += u32::from(!is(DAY, day));
            last.hour_peak = last.hour_peak.max(self.hour.1);
        }
    }
}

/// The same patient has the same number within one process; nothing else is asked of it.
fn hash(patient: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    patient.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_219_200_000;

    fn at(minutes: i64) -> Time {
        Time::from_millis(START + minutes * MINUTE_MS)
    }

    #[test]
    fn a_patient_counts_once_in_each_window() {
        let mut meter = Meter::default();
        for minute in 0..90 {
            meter.note(
                ("anna", &format!("p{}", minute % 30)),
                at(minute),
                Seen::Opened,
            );
        }
        let count = meter.count("anna", Some("p3"), at(89));
        assert_eq!((count.hour, count.day, count.known), (30, 30, true));
        let count = meter.count("anna", Some("stranger"), at(89 + 45));
        assert_eq!((count.hour, count.day, count.known), (15, 30, false));
        let count = meter.count("anna", Some("p3"), at(3 * DAY));
        assert_eq!(count, Count::default());
        assert_eq!(meter.count("bert", None, at(0)), Count::default());
    }

    #[test]
    fn noting_twice_is_as_good_as_once() {
        let mut meter = Meter::default();
        for _ in 0..3 {
            meter.note(("anna", "p"), at(5), Seen::Opened);
            meter.note(("anna", "q"), at(4), Seen::Opened);
        }
        assert_eq!(meter.count("anna", None, at(5)).hour, 2);
        assert_eq!(meter.today("anna").unwrap().patients, 2);
    }

    #[test]
    fn what_is_not_in_the_file_yet_counts_on_when_the_file_is_read_again() {
        let mut meter = Meter::default();
        let day = |patients| Day {
            day: at(0).millis().div_euclid(DAY * MINUTE_MS),
            patients,
            hour_peak: patients,
        };
        meter.remember("anna", day(1));
        meter.note(("anna", "folded"), at(1), Seen::Opened);
        meter.note(("anna", "not yet"), at(2), Seen::Opened);
        meter.note(("bert", "not yet"), at(2), Seen::Opened);
        for _ in 0..2 {
            let mut file = Meter::default();
            file.remember("anna", day(2));
            file.recall(("anna", "folded"), at(1), Seen::Opened);
            file.recall(("anna", "of old"), at(0), Seen::Opened);
            meter.mend(file);
        }
        let count = meter.count("anna", Some("not yet"), at(3));
        assert_eq!((count.hour, count.known), (3, true));
        assert_eq!(meter.count("bert", None, at(3)).hour, 1);
        let today = meter.today("anna").unwrap();
        assert_eq!((today.patients, today.hour_peak), (3, 2));
        assert_eq!(meter.accounts["anna"].past.len(), 1);
    }

    #[test]
    fn ten_in_a_list_count_as_one_that_was_opened() {
        let mut meter = Meter::default();
        for patient in 0..95 {
            meter.note(("anna", &format!("p{patient}")), at(0), Seen::Listed);
        }
        let count = meter.count("anna", Some("p3"), at(0));
        assert_eq!((count.hour, count.known), (9, false));
    }

    #[test]
    fn days_and_their_fullest_hours_are_learned() {
        let mut meter = Meter::default();
        for day in 0..40 {
            for patient in 0..20 {
                let minute = day * DAY + patient * 10;
                meter.note(("anna", &format!("p{patient}")), at(minute), Seen::Opened);
            }
        }
        let past = meter.past("anna", at(40 * DAY));
        assert_eq!(past.len(), 28);
        assert!(
            past.iter()
                .all(|day| (day.patients, day.hour_peak) == (20, 6))
        );
        assert!(meter.accounts["anna"].past.len() <= 29);
    }

    #[test]
    fn memory_does_not_grow_with_the_years() {
        let mut meter = Meter::default();
        for day in 0..30 {
            for patient in 0..2_000 {
                let minute = day * DAY + patient / 2;
                let name = format!("{day}-{patient}");
                meter.note(("research", &name), at(minute), Seen::Opened);
            }
        }
        let account = &meter.accounts["research"];
        assert!(
            account.opened.last.len() < 10_000,
            "{}",
            account.opened.last.len()
        );
    }
}
