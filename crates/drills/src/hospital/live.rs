//! Traffic without end: what happens by habit, and what follows from it later.

use std::collections::{BTreeMap, VecDeque};

use event::Time;

use crate::dice::Dice;
use crate::hospital::habits::{HABITS, Happening};
use crate::hospital::results::Report;
use crate::hospital::{Hospital, Item};

const HOUR: i64 = 3_600_000;

/// Something that was set in motion and is due at a certain moment.
#[derive(Debug)]
pub(super) enum Due {
    /// A pre-admitted patient comes.
    Arrival(usize),
    /// Second thoughts about an admission, a transfer, a discharge.
    CancelAdmission(usize),
    CancelTransfer(usize),
    CancelDischarge(usize),
    /// What grew in a culture.
    Culture(Report),
    /// A result turns out to be wrong.
    Correction(Report),
    /// An outpatient goes home.
    Departure(usize),
    /// Two registrations turn out to be one person: survivor, retired.
    Merge(usize, usize),
    /// Still a message for a number that was retired.
    Straggler(usize),
    /// A specimen has been measured.
    Result(Report),
}

/// The hospital's traffic, item by item, in order of time. Never ends.
#[derive(Debug)]
pub struct Live {
    pub(super) hospital: Hospital,
    pub(super) dice: Dice,
    pub(super) now: Time,
    due: BTreeMap<(Time, u64), Due>,
    counter: u64,
    next: Time,
    ready: VecDeque<Item>,
}

impl Live {
    pub(super) fn new(hospital: Hospital) -> Live {
        let mut live = Live {
            dice: hospital.dice.fork(3),
            now: hospital.start,
            next: hospital.start,
            due: BTreeMap::new(),
            counter: 0,
            ready: VecDeque::new(),
            hospital,
        };
        live.next = live.next_moment();
        live.expect_guests();
        live
    }

    /// Plans something for later.
    pub(super) fn later(&mut self, minutes: i64, due: Due) {
        self.counter += 1;
        let jitter = self.dice.between(0, 59_999);
        let at = self.now.plus_millis(minutes * 60_000 + jitter);
        self.due.insert((at, self.counter), due);
    }

    /// Sends something now.
    pub(super) fn send(&mut self, item: impl IntoIterator<Item = Item>) {
        self.ready.extend(item);
    }

    /// Those who were pre-admitted or in a clinic at the opening come, and go home.
    fn expect_guests(&mut self) {
        for place in 0..self.hospital.patients.len() {
            let Some(patient) = self.hospital.patients.get(place) else {
                continue;
            };
            if patient.is(super::patient::Class::Expected) {
                let wait = self.dice.between(30, 600);
                self.later(wait, Due::Arrival(place));
            } else if patient.is(super::patient::Class::Outpatient) {
                let wait = self.dice.between(20, 240);
                self.later(wait, Due::Departure(place));
            }
        }
    }

    /// When the next thing happens by habit: gaps are exponential at the rate of the hour, drawn
    /// anew at each full hour, which is the same as drawing from a rate that changes then.
    fn next_moment(&mut self) -> Time {
        let mut from = self.next;
        loop {
            let rate: f64 = HABITS.iter().map(|habit| habit.rate(hour_of(from))).sum();
            let gap = -(1.0 - self.dice.unit()).ln() / rate * 3_600_000.0;
            let until_full = HOUR - from.millis().rem_euclid(HOUR);
            match whole(gap) {
                Some(gap) if gap < until_full => return from.plus_millis(gap),
                _ => from = from.plus_millis(until_full),
            }
        }
    }

    fn habit(&mut self) -> Happening {
        let hour = hour_of(self.now);
        let all: f64 = HABITS.iter().map(|habit| habit.rate(hour)).sum();
        let mut point = self.dice.unit() * all;
        for habit in &HABITS {
            point -= habit.rate(hour);
            if point < 0.0 {
                return habit.what;
            }
        }
        Happening::Vitals
    }

    fn step(&mut self) {
        match self.due.first_entry() {
            Some(first) if first.key().0 <= self.next => {
                self.now = first.key().0;
                let due = first.remove();
                self.fulfil(due);
            }
            _ => {
                self.now = self.next;
                let what = self.habit();
                self.happen(what);
                self.next = self.next_moment();
            }
        }
    }
}

impl Iterator for Live {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        // INVARIANT: vital signs alone come hundreds of times a day, so this ends.
        while self.ready.is_empty() {
            self.step();
        }
        self.ready.pop_front()
    }
}

/// Hour of the day in UTC.
fn hour_of(at: Time) -> usize {
    usize::try_from(at.millis().div_euclid(HOUR).rem_euclid(24)).unwrap_or(0)
}

/// Milliseconds as a whole number, if they are less than an hour.
fn whole(millis: f64) -> Option<i64> {
    if !(0.0..3_600_000.0).contains(&millis) {
        return None;
    }
    format!("{millis:.0}").parse().ok()
}
