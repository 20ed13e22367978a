//! How long a feed is usually silent, by the hour of the week. Pure.
//!
//! For each hour of the last eight weeks the longest silence that was seen in it is kept. Usual is the
//! longest that this hour of the week, and the hours before and after it, had in those weeks, without the
//! worst week once there are four; half as much again, and five minutes at least, is an alarm.

use std::collections::{BTreeMap, HashMap};

use event::Time;

use crate::batch::Came;

pub(crate) const HOUR_MS: i64 = 3_600_000;
const WEEK_HOURS: i64 = 7 * 24;
/// Weeks that are looked back on.
const WEEKS: i64 = 8;
/// Weeks that an hour of the week must have been seen in for anything to be usual in it.
pub const WEEKS_MIN: usize = 2;
/// With so many weeks the worst one does not count: one outage does not become usual.
const WEEKS_FORGIVING: usize = 4;
/// What is beyond the longest usual silence by less than this is no alarm.
const MARGIN_MS: i64 = 5 * 60_000;
/// Hours that are kept: those weeks, and an hour before and after.
pub(crate) const HOURS_KEPT: i64 = WEEKS * WEEK_HOURS + 2;

/// What is known of a feed's silence at this hour of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usual {
    /// This hour of the week was seen in so many weeks; [`WEEKS_MIN`] are needed.
    Unknown {
        /// Weeks.
        weeks: usize,
    },
    /// The longest silence that is usual, and the one that is an alarm.
    Known {
        /// Milliseconds without a message that are usual.
        longest_ms: i64,
        /// Milliseconds above which it is an alarm.
        alarm_ms: i64,
        /// In how many weeks this hour was seen.
        weeks: usize,
    },
}

/// The hour that a moment falls into, counted from 1970.
pub(crate) const fn hour(at: Time) -> i64 {
    at.millis().div_euclid(HOUR_MS)
}

/// The longest silence in each hour that a run of events touches, by feed and hour. `last`: when a
/// feed was heard before them.
pub(crate) fn longest<'a>(
    came: &[Came<'a>],
    last: impl Fn(&str) -> Option<Time>,
) -> BTreeMap<(&'a str, i64), i64> {
    let mut heard: HashMap<&str, Time> = HashMap::new();
    let mut found = BTreeMap::new();
    for one in came {
        let before = heard.insert(one.feed, one.at).or_else(|| last(one.feed));
        let to = hour(one.at);
        let before = before.unwrap_or(one.at);
        for hour in hour(before).max(to - HOURS_KEPT)..=to {
            // In an hour that it outlasted, the silence came as far as the end of it.
            let until = one.at.millis().min((hour + 1) * HOUR_MS);
            let silence = until - before.millis();
            let longest: &mut i64 = found.entry((one.feed, hour)).or_default();
            *longest = silence.max(*longest);
        }
    }
    found
}

/// The hours that count for what is usual at a moment: of each week this one and its neighbours.
pub(crate) fn hours(now: Time) -> Vec<i64> {
    let here = hour(now);
    let of_week = |week: i64| {
        let hour = here - week * WEEK_HOURS;
        [hour - 1, hour, hour + 1]
    };
    (1..=WEEKS).flat_map(of_week).collect()
}

/// What is usual at a moment, from the longest silence of each of these [`hours`] that is known.
pub(crate) fn usual(now: Time, known: impl Fn(i64) -> Option<i64>) -> Usual {
    let hours = hours(now);
    // Of an hour that was not seen whole with its neighbours nobody can say what is usual.
    let week = |three: &[i64]| {
        let seen: Option<Vec<i64>> = three.iter().map(|hour| known(*hour)).collect();
        seen.and_then(|seen| seen.into_iter().max())
    };
    let mut weeks: Vec<i64> = hours.chunks(3).filter_map(week).collect();
    weeks.sort_unstable();
    let seen = weeks.len();
    if seen >= WEEKS_FORGIVING {
        weeks.pop();
    }
    match weeks.last() {
        Some(&longest_ms) if seen >= WEEKS_MIN => Usual::Known {
            longest_ms,
            alarm_ms: (longest_ms + longest_ms / 2).max(longest_ms + MARGIN_MS),
            weeks: seen,
        },
        _ => Usual::Unknown { weeks: seen },
    }
}

#[cfg(test)]
#[path = "silence/tests.rs"]
mod tests;
