//! Measured values as the chart tells them, in the page's words: vital signs and results.

use std::collections::BTreeSet;

use event::Time;

use super::told::Teller;
use super::vitals::{Flag, Report, ResultRow, Vital};
use crate::pages::picture::{Gauge, Point, Trend};
use crate::pages::words;

impl Teller<'_> {
    pub(super) fn vital(&self, item: &chart::Vital) -> Vital {
        let latest = &item.latest;
        let readings = std::iter::once(latest).chain(&item.before);
        let points = readings.filter_map(|reading| self.point(reading)).collect();
        Vital {
            name: item.name.clone(),
            value: latest.value.clone(),
            unit: shown_unit(latest.unit.as_deref()),
            flag: Flag::of(&latest.flag),
            when: self.when("measured", latest.when.as_deref(), latest.mark.at),
            trend: Trend::of(points, None),
            late: latest.mark.late,
            mark: self.checks.mark(latest.mark.version),
        }
    }

    /// When something happened as its sender said, with its age; else when it was received.
    fn when(&self, word: &str, said: Option<&str>, sealed: Time) -> String {
        let (word, time) = match said.map(|said| (said, words::moment(said))) {
            Some((_, Some(time))) => (word, time),
            Some((day, None)) => return format!("{word} {day}").trim().to_owned(),
            None => ("received", sealed),
        };
        let stamp = self.stamp(time);
        // A pack is read later: an age would be wrong by then.
        match self.checks.is_carried() {
            true => format!("{word} {}", stamp.short()),
            false => format!("{word} {}, {} ago", stamp.short(), stamp.age),
        }
        .trim()
        .to_owned()
    }

    /// A reading as a point of a line; of `120/80` the first number.
    fn point(&self, reading: &chart::VitalReading) -> Option<Point> {
        let first = reading.value.split('/').next()?.trim();
        let at = match reading.when.as_deref() {
            Some(said) => words::moment(said)?,
            None => reading.mark.at,
        };
        Some(Point {
            at: at.millis(),
            stamp: self.stamp(at),
            value: first.parse().ok()?,
            shown: reading.value.clone(),
            flag: Flag::of(&reading.flag).map_or("", |flag| flag.word),
        })
    }

    pub(super) fn report(&self, item: &chart::Report) -> Report {
        let sealed = item
            .mark
            .as_ref()
            .or(item.results.first().map(|row| &row.mark));
        let said = item.when.as_deref().or(item.issued.as_deref());
        let sealed_at = sealed.map_or(self.eye.now, |mark| mark.at);
        let versions: BTreeSet<u64> = item.results.iter().map(|row| row.mark.version).collect();
        Report {
            name: item.name.clone(),
            status: item.status.clone().unwrap_or_default().replace('-', " "),
            when: self.when("", said, sealed_at),
            abnormal: item.results.iter().filter(|row| row.abnormal).count(),
            conclusion: item.conclusion.clone().unwrap_or_default(),
            rows: item
                .results
                .iter()
                .take(self.rows)
                .map(|row| self.result(row))
                .collect(),
            more: item.results.len().saturating_sub(self.rows),
            late: sealed.is_some_and(|mark| mark.late),
            one_event: versions.len() == 1,
            mark: sealed.map(|mark| self.checks.mark(mark.version)),
        }
    }

    fn result(&self, row: &chart::ResultRow) -> ResultRow {
        let value = row.value.clone().unwrap_or_default();
        let range = row.range.clone().unwrap_or_default();
        let unit = shown_unit(row.unit.as_deref());
        let missing = row.absent.as_ref().map(|why| format!("no value: {why}"));
        ResultRow {
            name: row.name.clone(),
            gauge: Gauge::of(&value, &range),
            wordy: unit.is_empty() && value.chars().count() > 8,
            value: if value.is_empty() {
                missing.unwrap_or_else(|| "no evidence".to_owned())
            } else {
                value
            },
            unit,
            range,
            flag: Flag::of(&row.flag),
            status: if row.status == "final" {
                String::new()
            } else {
                row.status.replace('-', " ")
            },
            notes: row.notes.clone(),
            mark: self.checks.mark(row.mark.version),
        }
    }
}

/// A unit as people write it, where UCUM's way of writing it misleads the eye.
fn shown_unit(unit: Option<&str>) -> String {
    let unit = unit.unwrap_or_default();
    match unit {
        "Cel" => "\u{b0}C".to_owned(),
        "[degF]" => "\u{b0}F".to_owned(),
        "mm[Hg]" => "mmHg".to_owned(),
        _ => unit
            .replace("10*12/", "10\u{b9}\u{b2}/")
            .replace("10*9/", "10\u{2079}/")
            .replace("10*6/", "10\u{2076}/")
            .replace("10*3/", "10\u{b3}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_as_people_read_them() {
        assert_eq!(shown_unit(Some("mm[Hg]")), "mmHg");
        assert_eq!(shown_unit(Some("10*3/uL")), "10\u{b3}/uL");
        assert_eq!(shown_unit(Some("mmol/L")), "mmol/L");
        assert_eq!(shown_unit(None), "");
    }
}
