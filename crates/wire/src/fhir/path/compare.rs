//! Truth, equality and order of what expressions yield (FHIRPath sections 4.5 and 6).

use std::borrow::Cow;

use serde_json::Value;

use super::super::search::span_of;
use super::{Item, Op};

/// Truth of what an expression yielded; `None` for nothing. A single thing that is no truth value
/// counts as true (FHIRPath section 4.5).
pub(super) fn truth(items: &[Item<'_>]) -> Option<bool> {
    match items {
        [] => None,
        [Item::Bool(b) | Item::Node(Value::Bool(b), _)] => Some(*b),
        _ => Some(true),
    }
}

pub(super) fn implies(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), right) => right,
        (_, Some(true)) => Some(true),
        _ => None,
    }
}

pub(super) fn either(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

pub(super) fn both(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

pub(super) fn same(left: &[Item<'_>], right: &[Item<'_>]) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    Some(left.len() == right.len() && left.iter().zip(right).all(|(l, r)| equal(l, r)))
}

pub(super) fn equal(left: &Item<'_>, right: &Item<'_>) -> bool {
    if let (Some(a), Some(b)) = (text(left), text(right)) {
        return a == b;
    }
    if let (Some(a), Some(b)) = (number(Some(left)), number(Some(right))) {
        return (a - b).abs() < f64::EPSILON;
    }
    if let (Some(a), Some(b)) = (boolean(left), boolean(right)) {
        return a == b;
    }
    matches!((left, right), (Item::Node(a, _), Item::Node(b, _)) if a == b)
}

pub(super) fn compare(op: Op, left: &[Item<'_>], right: &[Item<'_>]) -> Option<bool> {
    let (left, right) = (left.first()?, right.first()?);
    // Two times of different precision are only out of order when all of one is after all of the other.
    if let Some((a, b)) = text(left)
        .and_then(|t| span_of(&t))
        .zip(text(right).and_then(|t| span_of(&t)))
    {
        return Some(match op {
            Op::Less => a.lo_ms < b.hi_ms && a != b,
            Op::LessOrEqual => a.lo_ms < b.hi_ms,
            Op::More => b.lo_ms < a.hi_ms && a != b,
            _ => b.lo_ms < a.hi_ms,
        });
    }
    let (a, b) = measured(left, right)?;
    Some(match op {
        Op::Less => a < b,
        Op::LessOrEqual => a <= b,
        Op::More => a > b,
        _ => a >= b,
    })
}

/// Two numbers, or two quantities of one unit.
fn measured(left: &Item<'_>, right: &Item<'_>) -> Option<(f64, f64)> {
    if let Some(pair) = number(Some(left)).zip(number(Some(right))) {
        return Some(pair);
    }
    let (Item::Node(a, _), Item::Node(b, _)) = (left, right) else {
        return None;
    };
    let same_unit = a.get("code") == b.get("code") && a.get("unit") == b.get("unit");
    same_unit
        .then(|| Some((a.get("value")?.as_f64()?, b.get("value")?.as_f64()?)))
        .flatten()
}

pub(super) fn text<'a>(item: &Item<'a>) -> Option<Cow<'a, str>> {
    match item {
        Item::Text(text) => Some(text.clone()),
        Item::Node(Value::String(text), _) => Some(Cow::Borrowed(text)),
        _ => None,
    }
}

pub(super) fn number(item: Option<&Item<'_>>) -> Option<f64> {
    match item? {
        Item::Number(n) => Some(*n),
        Item::Node(Value::Number(n), _) => n.as_f64(),
        _ => None,
    }
}

fn boolean(item: &Item<'_>) -> Option<bool> {
    match item {
        Item::Bool(b) | Item::Node(Value::Bool(b), _) => Some(*b),
        _ => None,
    }
}
