//! Under which values a resource can be found.

use serde_json::Value;

use super::super::path::{Item, Scope, evaluate};
use super::super::tables::{Param, Part, Type, params, tables};
use super::value;

/// One value under which a resource can be found.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The search parameter, such as `birthdate`.
    pub param: &'static str,
    /// The value.
    pub value: TermValue,
}

/// The value of a [`Term`].
#[derive(Debug, Clone, PartialEq)]
pub enum TermValue {
    /// A code and the system it belongs to, if any.
    Token {
        /// `None`: no system was given.
        system: Option<String>,
        /// The code; empty when only a system stands.
        code: String,
    },
    /// Text, already [`super::fold`]ed.
    Text(String),
    /// `Patient/1`, or an absolute address, without a version.
    Reference(String),
    /// A stretch of time, `lo_ms <= t < hi_ms`, in milliseconds since 1970 UTC.
    Span {
        /// The first millisecond; `i64::MIN` when open.
        lo_ms: i64,
        /// The first millisecond after; `i64::MAX` when open.
        hi_ms: i64,
    },
    /// A measure in its unit.
    Quantity {
        /// The number.
        value: f64,
        /// The unit's system, such as UCUM.
        system: Option<String>,
        /// The unit's code, or its text when there is no code.
        code: Option<String>,
    },
    /// A plain number.
    Number(f64),
    /// An address or canonical, as it stands.
    Uri(String),
}

/// How far back repeats of a term are looked for.
const REPEATS_SEEN: usize = 32;

/// Every value of every parameter of its type, `_id`, `_lastUpdated` and the like too. Repeats
/// close to each other are left out.
#[must_use]
pub fn terms(resource: &Value) -> Vec<Term> {
    collect(resource, &|_| true)
}

/// The values of these parameters only, for a lean index.
#[must_use]
pub fn terms_of(resource: &Value, codes: &[&str]) -> Vec<Term> {
    collect(resource, &|param| codes.contains(&param.code))
}

fn collect(resource: &Value, wanted: &dyn Fn(&Param) -> bool) -> Vec<Term> {
    let kind = resource
        .get("resourceType")
        .and_then(Value::as_str)
        .unwrap_or("");
    let mut out: Vec<Term> = Vec::new();
    for param in params(kind).iter().filter(|p| wanted(p)) {
        let first = out.len();
        for item in items(resource, param) {
            for value in value::terms(param.kind, &item, resource) {
                // Only neighbors are compared: a hostile resource may hold a hundred thousand.
                let mine = out.get(first..).unwrap_or_default();
                let new = mine
                    .iter()
                    .rev()
                    .take(REPEATS_SEEN)
                    .all(|t| t.value != value);
                if new {
                    out.push(Term {
                        param: param.code,
                        value,
                    });
                }
            }
        }
    }
    out
}

/// What stands where a part of a composite looks, within one of the composite's places.
pub(super) fn within<'a>(resource: &'a Value, part: &Part, place: &Item<'a>) -> Vec<Item<'a>> {
    let scope = Scope {
        tables: tables(),
        resource,
        root: resource,
    };
    evaluate(&part.expr, scope, place)
}

/// What stands in a resource where a parameter looks.
pub(super) fn items<'a>(resource: &'a Value, param: &Param) -> Vec<Item<'a>> {
    let Some(expr) = &param.expr else {
        return Vec::new();
    };
    let scope = Scope {
        tables: tables(),
        resource,
        root: resource,
    };
    evaluate(expr, scope, &Item::Node(resource, Type::Resource))
}
