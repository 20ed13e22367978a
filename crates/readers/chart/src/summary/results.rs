//! Vital signs and results.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::clinical::is_code_status;
use super::{Chartful, Item, is_error, moment};
use crate::view::{Report, ResultRow, Vital, VitalReading};
use crate::words_of::{code_at, concept, concept_at, has_code, list, text, when};

/// LOINC codes of vital signs, for senders that name no category.
const VITALS: [&str; 16] = [
    "2708-6", "29463-7", "35094-2", "39156-5", "55284-4", "59408-5", "72514-3", "8302-2", "8310-5",
    "8462-4", "8478-0", "8480-6", "85354-9", "8867-4", "9279-1", "9843-4",
];
/// Interpretations that say: not normal (HL7 v3 ObservationInterpretation).
const ABNORMAL: [&str; 16] = [
    "<", ">", "A", "AA", "DET", "H", "HH", "HU", "HX", "L", "LL", "LU", "LX", "POS", "R", "RR",
];

/// The latest of each vital sign, with up to `trend_max` before it.
pub(super) fn vitals(chartful: &Chartful, trend_max: usize) -> Vec<Vital> {
    let mut by_code: BTreeMap<String, Vec<&Item>> = BTreeMap::new();
    for item in &chartful.observations {
        let cancelled = text(&item.value, "/status").as_deref() == Some("cancelled");
        if is_vital(&item.value) && !is_error(&item.value) && !cancelled {
            let code = code_at(&item.value, "/code").or_else(|| concept_at(&item.value, "/code"));
            by_code
                .entry(code.unwrap_or_default())
                .or_default()
                .push(item);
        }
    }
    let vitals = by_code.into_iter();
    vitals
        .filter_map(|(code, items)| vital(code, items, trend_max))
        .collect()
}

fn vital(code: String, mut items: Vec<&Item>, trend_max: usize) -> Option<Vital> {
    items.sort_by_key(|item| {
        std::cmp::Reverse(moment(observed(&item.value).as_deref(), &item.mark))
    });
    let name = items
        .first()
        .and_then(|item| concept_at(&item.value, "/code"));
    let mut readings = items.into_iter().filter_map(reading);
    Some(Vital {
        name: name.unwrap_or_else(|| code.clone()),
        code,
        latest: readings.next()?,
        before: readings.take(trend_max).collect(),
    })
}

fn reading(item: &Item) -> Option<VitalReading> {
    let (value, unit) = value_of(&item.value);
    Some(VitalReading {
        mark: item.mark.clone(),
        value: value?,
        unit,
        when: observed(&item.value),
        flag: flag(&item.value),
    })
}

fn is_vital(observation: &Value) -> bool {
    let categories = list(observation, "/category");
    categories.iter().any(|one| has_code(one, &["vital-signs"]))
        || (categories.is_empty()
            && observation
                .get("code")
                .is_some_and(|code| has_code(code, &VITALS)))
}

/// Results by report, the newest first; those without a report come last.
pub(super) fn reports(chartful: &Chartful) -> Vec<Report> {
    let by_id: HashMap<&str, &Item> = chartful
        .observations
        .iter()
        .map(|item| (item.mark.id.as_str(), item))
        .collect();
    let mut used = HashSet::new();
    let all = chartful.of("DiagnosticReport").iter();
    let mut reports: Vec<Report> = all
        .filter(|item| !is_error(&item.value))
        .map(|item| report(item, &by_id, &mut used))
        .collect();
    reports.sort_by_cached_key(|report| {
        let when = report.when.as_deref().or(report.issued.as_deref());
        let moment = report.mark.as_ref().map_or(0, |mark| moment(when, mark));
        std::cmp::Reverse(moment)
    });
    let mut others: Vec<&Item> = chartful
        .observations
        .iter()
        .filter(|item| {
            let elsewhere = is_vital(&item.value) || is_code_status(&item.value);
            !elsewhere && !used.contains(item.mark.id.as_str())
        })
        .collect();
    others.sort_by_key(|item| {
        std::cmp::Reverse(moment(observed(&item.value).as_deref(), &item.mark))
    });
    if !others.is_empty() {
        reports.push(without_report(&others));
    }
    reports
}

fn report<'i>(
    item: &Item,
    by_id: &HashMap<&'i str, &'i Item>,
    used: &mut HashSet<&'i str>,
) -> Report {
    let value = &item.value;
    let mut results = Vec::new();
    for reference in list(value, "/result") {
        let to = text(reference, "/reference").unwrap_or_default();
        add(&to, by_id, used, &mut results);
    }
    Report {
        mark: Some(item.mark.clone()),
        name: concept_at(value, "/code").unwrap_or_else(|| "report not named".to_owned()),
        status: text(value, "/status"),
        when: when(value, &["effective"]),
        issued: text(value, "/issued"),
        conclusion: text(value, "/conclusion"),
        results,
    }
}

/// Adds a result and, if it is a panel, its members.
fn add<'i>(
    reference: &str,
    by_id: &HashMap<&'i str, &'i Item>,
    used: &mut HashSet<&'i str>,
    results: &mut Vec<ResultRow>,
) {
    let id = reference.strip_prefix("Observation/").unwrap_or_default();
    let Some((id, item)) = by_id.get_key_value(id) else {
        return;
    };
    // INVARIANT: each result is shown once, so a circle of panels ends.
    if !used.insert(id) {
        return;
    }
    results.push(row(item));
    for member in list(&item.value, "/hasMember") {
        let to = text(member, "/reference").unwrap_or_default();
        add(&to, by_id, used, results);
    }
}

fn without_report(items: &[&Item]) -> Report {
    Report {
        mark: None,
        name: "Results without a report".to_owned(),
        status: None,
        when: None,
        issued: None,
        conclusion: None,
        results: items.iter().map(|item| row(item)).collect(),
    }
}

fn row(item: &Item) -> ResultRow {
    let observation = &item.value;
    let (value, unit) = value_of(observation);
    let flag = flag(observation);
    let notes = list(observation, "/note").iter();
    ResultRow {
        mark: item.mark.clone(),
        name: concept_at(observation, "/code").unwrap_or_else(|| "result not named".to_owned()),
        code: code_at(observation, "/code"),
        value,
        unit,
        range: range(observation),
        abnormal: ABNORMAL.contains(&flag.as_str()),
        flag,
        status: text(observation, "/status").unwrap_or_default(),
        when: observed(observation),
        absent: concept_at(observation, "/dataAbsentReason"),
        notes: notes.filter_map(|note| text(note, "/text")).collect(),
    }
}

fn observed(observation: &Value) -> Option<String> {
    when(observation, &["effective", "issued"])
}

fn flag(observation: &Value) -> String {
    let first = list(observation, "/interpretation").first();
    let code = first.and_then(|one| text(one, "/coding/0/code").or_else(|| concept(one)));
    code.unwrap_or_default()
}

fn range(observation: &Value) -> Option<String> {
    let first = list(observation, "/referenceRange").first()?;
    let low = text(first, "/low/value");
    let high = text(first, "/high/value");
    text(first, "/text").or_else(|| match (low, high) {
        (Some(low), Some(high)) => Some(format!("{low} - {high}")),
        (Some(low), None) => Some(format!(">= {low}")),
        (None, Some(high)) => Some(format!("<= {high}")),
        (None, None) => None,
    })
}

/// The value of an Observation or of a component, as it was sent, and its unit.
pub(super) fn value_of(observation: &Value) -> (Option<String>, Option<String>) {
    if let Some(quantity) = observation.get("valueQuantity") {
        return quantity_of(quantity);
    }
    let plain = ["String", "Integer", "Boolean", "DateTime", "Time"];
    let plain = plain
        .iter()
        .find_map(|kind| text(observation, &format!("/value{kind}")));
    let value = plain
        .or_else(|| concept_at(observation, "/valueCodeableConcept"))
        .or_else(|| two(observation, "/valueRange/low", "/valueRange/high", " - "))
        .or_else(|| {
            two(
                observation,
                "/valueRatio/numerator",
                "/valueRatio/denominator",
                ":",
            )
        })
        .or_else(|| text(observation, "/valuePeriod/start"));
    match value {
        Some(value) => (Some(value), None),
        None => components(observation),
    }
}

fn quantity_of(quantity: &Value) -> (Option<String>, Option<String>) {
    let comparator = text(quantity, "/comparator").unwrap_or_default();
    let value = text(quantity, "/value").map(|value| format!("{comparator}{value}"));
    let unit = text(quantity, "/unit").or_else(|| text(quantity, "/code"));
    (value, unit)
}

fn two(value: &Value, low: &str, high: &str, between: &str) -> Option<String> {
    let low = text(value.pointer(low)?, "/value")?;
    let high = text(value.pointer(high)?, "/value")?;
    Some(format!("{low}{between}{high}"))
}

/// A blood pressure is `120/80`; other components are named.
fn components(observation: &Value) -> (Option<String>, Option<String>) {
    let all = list(observation, "/component");
    let of = |codes: &[&str]| {
        let is = |one: &&Value| one.get("code").is_some_and(|code| has_code(code, codes));
        all.iter().find(is).map(value_of)
    };
    if let (Some((Some(systolic), unit)), Some((Some(diastolic), _))) =
        (of(&["8480-6"]), of(&["8462-4"]))
    {
        return (Some(format!("{systolic}/{diastolic}")), unit);
    }
    let named: Vec<String> = all
        .iter()
        .filter_map(|one| {
            let (value, unit) = value_of(one);
            let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
            Some(format!("{} {}{unit}", concept_at(one, "/code")?, value?))
        })
        .collect();
    ((!named.is_empty()).then(|| named.join("; ")), None)
}
