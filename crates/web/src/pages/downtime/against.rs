//! What arrived meanwhile and speaks against an entry, so that whoever decides sees both.

use chart::PatientView;
use event::{LineKind, Time};
use lifeline::Entry;
use serde_json::Value;

use crate::pages::words::{self, Eye};

/// Two doses or values within this long may be one and the same.
const NEAR_MS: i64 = 2 * 3_600_000;

/// What a patient's chart says now, as far as it bears on entries.
pub(crate) struct Known<'a> {
    pub chart: &'a PatientView,
    /// MedicationAdministrations.
    pub given: &'a [Value],
    /// ServiceRequests.
    pub orders: &'a [Value],
    /// Other entries of the same patient, decided or not.
    pub entries: &'a [Entry],
}

/// Something that speaks against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Against {
    pub words: String,
    /// The event that says so; `None`: it is another entry, or only about one.
    pub index: Option<u64>,
}

impl Known<'_> {
    pub(crate) fn against(&self, entry: &Entry, eye: &Eye) -> Vec<Against> {
        let mut found = self.doubles(entry, eye);
        found.extend(match entry.line.kind {
            LineKind::Given => self.dose(entry, eye),
            LineKind::Vital | LineKind::Result => self.value(entry, eye),
            LineKind::Order => self.order(entry),
            LineKind::Allergy => self.allergy(entry),
            LineKind::Note => Vec::new(),
        });
        found
    }

    /// The same row of the same sheet, or the same thing at nearly the same time, typed in twice.
    fn doubles(&self, entry: &Entry, eye: &Eye) -> Vec<Against> {
        let others = self.entries.iter().filter(|one| one.index != entry.index);
        let said = others.filter_map(|one| {
            let same_row =
                !entry.sheet.is_empty() && one.sheet == entry.sheet && one.row == entry.row;
            let same = one.line.kind == entry.line.kind
                && alike(&one.line.what, &entry.line.what)
                && near(&one.line.happened, &entry.line.happened);
            let when = words::written(&one.line.happened, eye);
            let words = match (same_row, same) {
                (true, _) => format!(
                    "this row was typed in twice: the other says {} at {when}",
                    one.line.what
                ),
                (false, true) => format!("{} at {when} was typed in, too", one.line.what),
                (false, false) => return None,
            };
            Some(Against {
                words,
                index: Some(one.index),
            })
        });
        said.collect()
    }

    fn dose(&self, entry: &Entry, eye: &Eye) -> Vec<Against> {
        let mut found = Vec::new();
        for given in self.given {
            let name = text(given, "/medicationCodeableConcept/text")
                .or_else(|| text(given, "/medicationCodeableConcept/coding/0/display"));
            let when =
                text(given, "/effectiveDateTime").or_else(|| text(given, "/effectivePeriod/start"));
            let (Some(name), Some(when)) = (name, when) else {
                continue;
            };
            if alike(&name, &entry.line.what) && near(&when, &entry.line.happened) {
                let at = words::written(&when, eye);
                found.push(Against {
                    words: format!(
                        "{name} was given at {at} already: the same dose, or a second one?"
                    ),
                    index: version(given),
                });
            }
        }
        for order in self.chart.medications.iter().filter(|one| !one.active) {
            if alike(&order.name, &entry.line.what) {
                found.push(Against {
                    words: format!(
                        "the order for {} is {} now",
                        order.name,
                        order.status.replace('-', " ")
                    ),
                    index: Some(order.mark.version),
                });
            }
        }
        for allergy in &self.chart.allergies {
            if alike(&allergy.substance, &entry.line.what) {
                found.push(Against {
                    words: format!("an allergy to {} is in the chart", allergy.substance),
                    index: Some(allergy.mark.version),
                });
            }
        }
        found
    }

    fn value(&self, entry: &Entry, eye: &Eye) -> Vec<Against> {
        let vitals = self.chart.vitals.iter().flat_map(|vital| {
            let readings = std::iter::once(&vital.latest).chain(&vital.before);
            readings.map(|one| (&vital.name, Some(&one.value), &one.when, one.mark.version))
        });
        let results = self.chart.reports.iter().flat_map(|report| {
            let rows = report.results.iter();
            rows.map(|row| (&row.name, row.value.as_ref(), &row.when, row.mark.version))
        });
        let same = vitals.chain(results).filter(|(name, _, when, _)| {
            let when = when.as_deref().unwrap_or_default();
            alike(name, &entry.line.what) && near(when, &entry.line.happened)
        });
        same.map(|(name, value, when, version)| {
            let value = value.map_or("no value", String::as_str);
            let at = words::written(when.as_deref().unwrap_or_default(), eye);
            Against {
                words: format!("{name} {value} at {at} is there already"),
                index: Some(version),
            }
        })
        .collect()
    }

    fn order(&self, entry: &Entry) -> Vec<Against> {
        let named = self.orders.iter().filter_map(|order| {
            let name =
                text(order, "/code/text").or_else(|| text(order, "/code/coding/0/display"))?;
            let status = text(order, "/status").unwrap_or_default();
            alike(&name, &entry.line.what).then(|| Against {
                words: format!(
                    "{name} was ordered already and is {} now",
                    status.replace('-', " ")
                ),
                index: version(order),
            })
        });
        named.collect()
    }

    fn allergy(&self, entry: &Entry) -> Vec<Against> {
        let same = self.chart.allergies.iter();
        let same = same.filter(|one| alike(&one.substance, &entry.line.what));
        same.map(|one| Against {
            words: format!("an allergy to {} is in the chart already", one.substance),
            index: Some(one.mark.version),
        })
        .collect()
    }
}

/// Whether two names may be of the same thing: one begins as the other does, by its first word.
fn alike(one: &str, other: &str) -> bool {
    let first = |text: &str| {
        let folded = wire::fhir::fold(text);
        let word = folded
            .split(|letter: char| !letter.is_alphanumeric())
            .find(|word| !word.is_empty());
        word.map(str::to_owned).unwrap_or_default()
    };
    let (one, other) = (first(one), first(other));
    one.len() > 1 && (one == other || synonym(&one, &other) || synonym(&other, &one))
}

/// Vital signs by the short names that people write.
fn synonym(short: &str, long: &str) -> bool {
    const SHORT: [(&str, &str); 8] = [
        ("bp", "blood"),
        ("rr", "blood"),
        ("pulse", "heart"),
        ("hr", "heart"),
        ("temp", "body"),
        ("temperature", "body"),
        ("spo2", "oxygen"),
        ("saturation", "oxygen"),
    ];
    SHORT
        .iter()
        .any(|(one, other)| *one == short && *other == long)
}

fn near(one: &str, other: &str) -> bool {
    let moment = |text: &str| words::moment(text).map(Time::millis);
    match (moment(one), moment(other)) {
        (Some(one), Some(other)) => (one - other).abs() <= NEAR_MS,
        // A day alone: the same day may be the same time.
        _ => one
            .get(..10)
            .is_some_and(|day| other.get(..10) == Some(day)),
    }
}

fn text(value: &Value, path: &str) -> Option<String> {
    value.pointer(path)?.as_str().map(str::to_owned)
}

fn version(value: &Value) -> Option<u64> {
    text(value, "/meta/versionId")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_drug_is_found_whatever_stands_behind_its_name() {
        assert!(alike("Furosemide 40 mg tablet", "furosemide"));
        assert!(alike("BP", "Blood pressure"));
        assert!(!alike("Furosemide", "Torasemide"));
        assert!(!alike("", ""));
    }

    #[test]
    fn two_hours_may_be_one_dose_and_half_a_day_is_not() {
        assert!(near("2026-11-21T10:00:00+01:00", "2026-11-21T10:30:00Z"));
        assert!(!near("2026-11-21T10:00:00Z", "2026-11-21T22:00:00Z"));
        assert!(near("2026-11-21", "2026-11-21T22:00:00Z"));
    }
}
