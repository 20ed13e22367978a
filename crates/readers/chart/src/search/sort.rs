//! The order of an answer.

use std::cmp::Ordering;

use serde_json::Value;
use wire::fhir::search::{Order, ParamKind, Sort, terms_of};
use wire::fhir::{Query, TermValue};

use crate::ChartError;
use crate::error::Outcome;
use crate::store::Row;

/// What one match is sorted by; `None` comes last in either direction.
pub(super) type Key = Option<By>;

/// One value to sort by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum By {
    Number(i64),
    Measure(f64),
    Text(String),
}

/// Refuses an order that is not offered.
pub(super) fn check(query: &Query) -> Outcome<()> {
    let offered = |sort: &&Sort| {
        matches!(
            sort.param.kind,
            ParamKind::Token
                | ParamKind::String
                | ParamKind::Date
                | ParamKind::Reference
                | ParamKind::Quantity
                | ParamKind::Number
                | ParamKind::Uri
        )
    };
    match query.sort.iter().find(|sort| !offered(sort)) {
        Some(sort) => Err(ChartError::BadSort(sort.param.code.to_owned())),
        None => Ok(()),
    }
}

/// What a match is sorted by.
pub(super) fn keys(sorts: &[Sort], row: &Row, resource: &Value) -> Vec<Key> {
    let keys = sorts.iter().map(|sort| match sort.param.code {
        "_id" => Some(By::Text(row.id.clone())),
        "_lastUpdated" => Some(By::Number(row.at.millis())),
        code => best(
            sort.order,
            terms_of(resource, &[code]).into_iter().filter_map(by),
        ),
    });
    keys.collect()
}

fn by(term: wire::fhir::Term) -> Option<(By, By)> {
    let one = |by: By| Some((by.clone(), by));
    match term.value {
        TermValue::Span { lo_ms, hi_ms } => Some((By::Number(lo_ms), By::Number(hi_ms))),
        TermValue::Text(text) | TermValue::Reference(text) | TermValue::Uri(text) => {
            one(By::Text(text))
        }
        TermValue::Token { code, .. } => one(By::Text(code)),
        TermValue::Quantity { value, .. } | TermValue::Number(value) => one(By::Measure(value)),
    }
}

/// Of several values the one that comes first in the order: the least, or the greatest.
fn best(order: Order, values: impl Iterator<Item = (By, By)>) -> Key {
    match order {
        Order::Ascending => values.map(|(low, _)| low).min_by(cmp),
        Order::Descending => values.map(|(_, high)| high).max_by(cmp),
    }
}

fn cmp(a: &By, b: &By) -> Ordering {
    match (a, b) {
        (By::Number(a), By::Number(b)) => a.cmp(b),
        (By::Measure(a), By::Measure(b)) => a.total_cmp(b),
        (By::Text(a), By::Text(b)) => a.cmp(b),
        (By::Number(_), _) | (By::Measure(_), By::Text(_)) => Ordering::Less,
        (By::Text(_), _) | (By::Measure(_), By::Number(_)) => Ordering::Greater,
    }
}

/// Compares two matches, the most important key first.
pub(super) fn compare(sorts: &[Sort], a: &[Key], b: &[Key]) -> Ordering {
    let both = sorts.iter().zip(a.iter().zip(b));
    both.map(|(sort, keys)| match (keys, sort.order) {
        ((None, None), _) => Ordering::Equal,
        ((None, _), _) => Ordering::Greater,
        ((_, None), _) => Ordering::Less,
        ((Some(a), Some(b)), Order::Ascending) => cmp(a, b),
        ((Some(a), Some(b)), Order::Descending) => cmp(b, a),
    })
    .find(|order| *order != Ordering::Equal)
    .unwrap_or(Ordering::Equal)
}
