//! Operations (FHIR R4 section 3.2): which one a URL names, and the parameters it comes with.

use axum::http::StatusCode;
use serde_json::Value;
use wire::fhir::{Code, Limits};

use super::fault::Fault;
use super::query::Pairs;
use super::route::{self, Target};
use super::subscription::Asked;

/// Parameters of one operation, at most.
const PARAMETERS_MAX: usize = 100;

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `Patient/[id]/$everything`; without an id of the patient an app was opened for.
    Everything(Option<Target>),
    /// `$events`, `$status`, `$get-ws-binding-token` of a Subscription, or of several.
    Subscription(Asked, Option<Target>),
    /// `Patient/[id]/$summary`; the same.
    Summary(Option<Target>),
    /// `ValueSet/$expand`, `ValueSet/[id]/$expand`.
    Expand(Option<Target>),
    /// `CodeSystem/$lookup`.
    Lookup,
    /// `Patient/$match`.
    Match,
    /// `Patient/$ihe-pix`.
    Pix,
    /// `$validate-code` of a ValueSet or CodeSystem.
    ValidateCode(&'static str, Option<Target>),
    /// `[type]/$validate`, `[type]/[id]/$validate`.
    Validate(&'static str, Option<Target>),
}

impl Operation {
    /// Whether the body is part of the question, and not only its parameters.
    pub(crate) fn takes_body(&self) -> bool {
        match self {
            Operation::Everything(_)
            | Operation::Pix
            | Operation::Subscription(..)
            | Operation::Summary(_) => false,
            Operation::Expand(_)
            | Operation::Lookup
            | Operation::Match
            | Operation::ValidateCode(..)
            | Operation::Validate(..) => true,
        }
    }
}

/// The operation that `name` (with its `$`) is on a type or one of its resources.
///
/// # Errors
/// 404 for one that is not offered there, 405 for a method that is not one of operations.
pub(crate) fn named(
    method: &str,
    name: &str,
    (kind, target): (&'static str, Option<Target>),
) -> Result<Operation, Fault> {
    let operation = match (kind, name) {
        ("Patient", "$everything") => Operation::Everything(target),
        ("Patient", "$ihe-pix") if target.is_none() => Operation::Pix,
        ("Patient", "$match") if target.is_none() => Operation::Match,
        ("Patient", "$summary") => Operation::Summary(target),
        ("Subscription", "$events") => Operation::Subscription(Asked::Events, target),
        ("Subscription", "$status") => Operation::Subscription(Asked::Status, target),
        ("Subscription", "$get-ws-binding-token") => Operation::Subscription(Asked::Token, target),
        ("ValueSet", "$expand") => Operation::Expand(target),
        ("CodeSystem", "$lookup") if target.is_none() => Operation::Lookup,
        ("CodeSystem" | "ValueSet", "$validate-code") => Operation::ValidateCode(kind, target),
        (_, "$validate") => Operation::Validate(kind, target),
        _ => return Err(not_offered(name)),
    };
    match (&operation, method) {
        (Operation::Match, "POST") => Ok(operation),
        (Operation::Match, _) => Err(Fault::method(method, "POST")),
        (_, "GET" | "HEAD" | "POST") => Ok(operation),
        _ => Err(Fault::method(method, "GET, HEAD, POST")),
    }
}

/// 404 for an operation that is not offered.
pub(crate) fn not_offered(name: &str) -> Fault {
    let words = format!("the operation `{name}` is not offered here");
    Fault::new(StatusCode::NOT_FOUND, Code::NotSupported, words)
}

/// The body of a question, if it can be one.
///
/// # Errors
/// 400 for JSON that is no object.
pub(crate) fn resource(body: Value) -> Result<Value, Fault> {
    match body.is_object() {
        true => Ok(body),
        false => {
            let words = "the body is JSON, but no resource: that is an object";
            Err(Fault::bad(Code::Structure, words))
        }
    }
}

/// The parameters that a `Parameters` resource holds, as a URL would.
///
/// # Errors
/// 400 or 413 for what is no `Parameters` with simple values.
pub(crate) fn pairs(bytes: &[u8], limits: &Limits) -> Result<Pairs, Fault> {
    let parameters = wire::fhir::parse(bytes, limits)?;
    if parameters.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
        let words = "an operation takes a `Parameters` resource";
        return Err(Fault::bad(Code::Structure, words));
    }
    let all = parameters.get("parameter").and_then(Value::as_array);
    let count = all.map_or(0, Vec::len);
    if count > PARAMETERS_MAX {
        let words = format!("{count} parameters; at most {PARAMETERS_MAX} are taken");
        return Err(Fault::bad(Code::TooCostly, words));
    }
    all.into_iter().flatten().map(pair).collect()
}

/// One parameter as a URL would say it.
///
/// # Errors
/// 400 for a value that is not simple.
pub(crate) fn pair(parameter: &Value) -> Result<(String, String), Fault> {
    let name = parameter
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let members = parameter.as_object().into_iter().flatten();
    let value = members
        .filter(|(key, _)| key.starts_with("value"))
        .find_map(|(_, value)| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        });
    match value {
        Some(value) if !name.is_empty() => Ok((name.to_owned(), value)),
        _ => {
            let words = format!("the parameter `{name}` has no simple value");
            Err(Fault::bad(Code::Value, words))
        }
    }
}

/// The types that a comma list names.
///
/// # Errors
/// 400 for a word that is no type.
pub(crate) fn kinds(text: &str) -> Result<Vec<String>, Fault> {
    let known = |word: &str| {
        let bad = |_| {
            Fault::bad(
                Code::Value,
                format!("`{word}` is no resource type of FHIR R4"),
            )
        };
        route::kind(word).map(str::to_owned).map_err(bad)
    };
    let mut kinds = text
        .split(',')
        .map(known)
        .collect::<Result<Vec<String>, Fault>>()?;
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}
