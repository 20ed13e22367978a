use event::Event;

use super::*;
use crate::batch::tests::message;

const MINUTE: i64 = 60_000;
const WEEK: i64 = 7 * 24 * HOUR_MS;

fn at(millis: i64) -> Time {
    Time::from_millis(millis)
}

fn silences(times: &[i64], last: Option<i64>) -> Vec<(i64, i64)> {
    let event: Event = message("lab", "ORU^R01", "1");
    let came: Vec<Came<'_>> = times
        .iter()
        .filter_map(|time| Came::of(1, at(*time), &event))
        .collect();
    let found = longest(&came, |_| last.map(at));
    found
        .into_iter()
        .map(|((_, hour), longest)| (hour, longest))
        .collect()
}

#[test]
fn a_silence_counts_in_every_hour_that_it_lasts_into() {
    assert_eq!(silences(&[10 * MINUTE], None), [(0, 0)]);
    assert_eq!(
        silences(&[10 * MINUTE, 15 * MINUTE, 18 * MINUTE], None),
        [(0, 5 * MINUTE)]
    );
    let over = silences(&[10 * MINUTE, 130 * MINUTE], None);
    assert_eq!(
        over,
        [(0, 50 * MINUTE), (1, 110 * MINUTE), (2, 120 * MINUTE)]
    );
    assert_eq!(
        silences(&[70 * MINUTE], Some(50 * MINUTE)),
        [(0, 10 * MINUTE), (1, 20 * MINUTE)]
    );
    // However long it was, only what is looked back on is kept.
    assert_eq!(
        silences(&[100 * WEEK], Some(1)).len() as i64,
        HOURS_KEPT + 1
    );
}

/// A feed that is heard every so many minutes, by the hour of the day.
fn usual_of(times: &[i64], now: i64) -> Usual {
    let known: BTreeMap<i64, i64> = silences(times, None).into_iter().collect();
    usual(at(now), |hour| known.get(&hour).copied())
}

fn day_and_night(weeks: i64, outage: Option<std::ops::Range<i64>>) -> Vec<i64> {
    let mut times = Vec::new();
    for minute in 0..weeks * 7 * 24 * 60 {
        let hour = minute / 60 % 24;
        let often = if (7..19).contains(&hour) { 5 } else { 180 };
        let time = minute * MINUTE;
        let out = outage.as_ref().is_some_and(|outage| outage.contains(&time));
        if minute % often == 0 && !out {
            times.push(time);
        }
    }
    times
}

#[test]
fn the_day_is_not_the_night() {
    let times = day_and_night(4, None);
    let now = |hour: i64| 4 * WEEK + hour * HOUR_MS + 1;
    let Usual::Known {
        longest_ms,
        alarm_ms,
        weeks,
    } = usual_of(&times, now(12))
    else {
        panic!("it is known")
    };
    assert_eq!((longest_ms, alarm_ms), (5 * MINUTE, 10 * MINUTE));
    assert_eq!(weeks, 4);
    let Usual::Known {
        longest_ms,
        alarm_ms,
        ..
    } = usual_of(&times, now(2))
    else {
        panic!("it is known")
    };
    assert_eq!((longest_ms, alarm_ms), (180 * MINUTE, 270 * MINUTE));
}

#[test]
fn one_outage_does_not_become_usual_once_there_are_four_weeks() {
    let noon = 12 * HOUR_MS;
    let outage =
        |week: i64| Some(week * WEEK + noon - 2 * HOUR_MS..week * WEEK + noon + 2 * HOUR_MS);
    let longest =
        |weeks: i64, outage| match usual_of(&day_and_night(weeks, outage), weeks * WEEK + noon) {
            Usual::Known { longest_ms, .. } => longest_ms,
            Usual::Unknown { weeks } => panic!("{weeks} weeks"),
        };
    assert_eq!(longest(5, outage(2)), 5 * MINUTE);
    assert!(longest(3, outage(2)) > 3 * HOUR_MS);
}

#[test]
fn without_two_weeks_of_this_hour_nothing_is_usual() {
    for (weeks, seen) in [(0, 0), (1, 1)] {
        let times = day_and_night(weeks, None);
        let now = weeks * WEEK + 12 * HOUR_MS;
        assert_eq!(usual_of(&times, now), Usual::Unknown { weeks: seen });
    }
    // The very first hours were not seen whole.
    let times = day_and_night(3, None);
    assert_eq!(usual_of(&times, 2 * WEEK), Usual::Unknown { weeks: 1 });
}
