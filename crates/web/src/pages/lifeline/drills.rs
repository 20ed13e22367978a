//! What drills measured: how much would be lost, how long it takes.

use lifeline::DrillSeen;

use super::view::DrillRow;
use crate::pages::patients::vitals::Vital;
use crate::pages::picture::{Point, Trend};
use crate::pages::shell::{Check, Mark, Tone};
use crate::pages::visit::Visit;
use crate::pages::words;

/// Drills on the page, the newest.
pub(super) const SHOWN: u32 = 50;

/// One of the numbers that a drill measures, in milliseconds.
type Measure = fn(&DrillSeen) -> Option<u64>;

/// The three numbers over time: back, to read, to write.
pub(super) fn figures(visit: &Visit, drills: &[DrillSeen]) -> Vec<Vital> {
    let all: [(&str, Measure); 3] = [
        (
            "Lost at most: age of the newest event in the copy (RPO)",
            |one| one.drill.back_ms,
        ),
        ("Until the first chart could be read", |one| {
            one.drill.to_read_ms
        }),
        ("Until events were sealed again (RTO)", |one| {
            one.drill.to_write_ms
        }),
    ];
    all.into_iter()
        .filter_map(|(name, of)| figure(visit, (name, drills), of))
        .collect()
}

fn figure(visit: &Visit, (name, drills): (&str, &[DrillSeen]), of: Measure) -> Option<Vital> {
    let measured = drills.iter().filter_map(|one| Some((one, of(one)?)));
    let measured: Vec<(&DrillSeen, u64)> = measured.collect();
    let (newest, value) = measured.first()?;
    let points = measured.iter().map(|(one, value)| Point {
        at: one.at.millis(),
        stamp: visit.stamp(one.at),
        value: *value as f64 / 1_000.0,
        shown: seconds(*value),
        flag: "",
    });
    let stamp = visit.stamp(newest.at);
    Some(Vital {
        name: name.to_owned(),
        value: seconds(*value),
        unit: "s".to_owned(),
        flag: None,
        when: format!("measured {}, {} ago", stamp.short(), stamp.age),
        trend: Trend::of(points.collect(), None),
        late: false,
        mark: Mark {
            index: newest.index,
            check: Check::Unchecked,
        },
    })
}

/// `4.2`, `71`
fn seconds(millis: u64) -> String {
    match millis {
        0..10_000 => format!("{}.{}", millis / 1_000, millis % 1_000 / 100),
        _ => words::thousands(millis / 1_000),
    }
}

/// Whether a drill showed that all is back in time: state, and the sentence.
pub(super) fn within(visit: &Visit, drills: &[DrillSeen]) -> (Tone, String) {
    let limit = visit.app.lifeline.limits().restore_within_ms;
    let allowed = words::span(limit);
    let measured = drills
        .iter()
        .find_map(|one| Some((one, one.drill.to_write_ms?)));
    let Some((one, took)) = measured else {
        let words =
            format!("No evidence that all would be back within {allowed}: no drill measured it.");
        return (Tone::Unknown, words);
    };
    let took = i64::try_from(took).unwrap_or(i64::MAX);
    let when = visit.stamp(one.at).short();
    let said = format!(
        "Measured: all was back within {} ({}, {when}); it must be within {allowed}.",
        words::span(took),
        one.drill.name
    );
    (if took <= limit { Tone::Good } else { Tone::Bad }, said)
}

/// Every drill for the table, each beside the one of its name before it.
pub(super) fn rows(visit: &Visit, drills: &[DrillSeen]) -> Vec<DrillRow> {
    let all = drills.iter().enumerate().map(|(place, one)| {
        let mut older = drills.iter().skip(place + 1);
        let before = older.find(|other| other.drill.name == one.drill.name);
        row(visit, one, before)
    });
    all.collect()
}

/// What the drill before measured, in a few words.
fn before(one: Option<&DrillSeen>) -> String {
    let Some(one) = one else {
        return "first of its name".to_owned();
    };
    let said = |value: Option<u64>| value.map(seconds);
    let parts = [
        (one.drill.lost > 0).then(|| format!("{} lost", one.drill.lost)),
        said(one.drill.to_read_ms).map(|read| format!("to read {read} s")),
        said(one.drill.to_write_ms).map(|write| format!("to write {write} s")),
        (one.drill.altered > 0)
            .then(|| format!("{} of {} named", one.drill.named, one.drill.altered)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn row(visit: &Visit, one: &DrillSeen, last: Option<&DrillSeen>) -> DrillRow {
    let drill = &one.drill;
    let said = |value: Option<u64>| value.map_or_else(|| "no evidence".to_owned(), seconds);
    let named = drill.named >= drill.altered;
    DrillRow {
        index: one.index,
        name: drill.name.clone(),
        at: visit.stamp(one.at),
        seed: drill.seed.to_string(),
        lost: words::thousands(drill.lost),
        back: said(drill.back_ms),
        read: said(drill.to_read_ms),
        write: said(drill.to_write_ms),
        named: match drill.altered {
            0 => "nothing altered".to_owned(),
            altered => format!("{} of {altered} named", drill.named),
        },
        before: before(last),
        tone: if drill.lost == 0 && named {
            Tone::Good
        } else {
            Tone::Bad
        },
    }
}
