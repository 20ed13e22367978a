//! A search over several types at once: `GET [base]?_type=...` (R4 sections 3.1.0.9 and 3.1.1.1).

use super::super::issue::{Code, Issue};
use super::super::tables::tables;
use super::query::{Query, QueryLimits};
use super::read::query;

/// One search for each type that `_type` names, in that order, and the types themselves.
///
/// A parameter has to be one of each type. An `_include` or `_revinclude` counts for the types that
/// it fits and has to fit one of them. `_sort` would need all types in one order, and is refused
/// beside more than one.
///
/// # Errors
/// An [`Issue`] naming the parameter that is missing, unknown, not offered, or has a bad value.
pub fn queries(pairs: &[(String, String)], limits: &QueryLimits) -> Result<Vec<Query>, Issue> {
    let kinds = kinds(pairs, limits)?;
    if kinds.len() > 1 && pairs.iter().any(|(name, _)| name == "_sort") {
        let words = "`_sort` is offered for one type at a time; the answer is sorted by type";
        return Err(Issue::error(Code::NotSupported, "_sort", words));
    }
    let (along, pairs): (Vec<_>, Vec<_>) = pairs
        .iter()
        .filter(|(name, _)| name != "_type")
        .cloned()
        .partition(|(name, _)| is_include(name));
    let mut queries = Vec::with_capacity(kinds.len());
    for kind in &kinds {
        queries.push(query(kind, &pairs, limits)?);
    }
    for pair in along {
        spread(&mut queries, &pair, limits)?;
    }
    Ok(queries)
}

fn is_include(name: &str) -> bool {
    let base = name.split(':').next().unwrap_or_default();
    matches!(base, "_include" | "_revinclude")
}

/// Gives an include to each search that it fits.
fn spread(
    queries: &mut [Query],
    pair: &(String, String),
    limits: &QueryLimits,
) -> Result<(), Issue> {
    let (mut fits, mut why) = (false, None);
    for one in queries {
        match query(&one.kind, std::slice::from_ref(pair), limits) {
            Ok(alone) => {
                fits = true;
                one.includes.extend(alone.includes);
                one.revincludes.extend(alone.revincludes);
                one.pairs.extend(alone.pairs);
            }
            Err(issue) => why = Some(issue),
        }
    }
    match (fits, why) {
        (false, Some(issue)) => Err(issue),
        (true, _) | (false, None) => Ok(()),
    }
}

fn kinds(pairs: &[(String, String)], limits: &QueryLimits) -> Result<Vec<String>, Issue> {
    let named = pairs.iter().filter(|(name, _)| name == "_type");
    let words: Vec<&str> = named.flat_map(|(_, value)| value.split(',')).collect();
    if words.is_empty() {
        let words = "say which types to search, such as `_type=Patient,Encounter`";
        return Err(Issue::error(Code::Required, "_type", words));
    }
    let mut kinds: Vec<String> = Vec::new();
    for word in words {
        if !tables().is_kind(word) {
            let words = format!("`{word}` is no resource type of FHIR R4");
            return Err(Issue::error(Code::Value, "_type", words));
        }
        if !kinds.iter().any(|kind| kind == word) {
            kinds.push(word.to_owned());
        }
    }
    if kinds.len() > limits.types_max {
        let words = format!(
            "{} types; at most {} are taken",
            kinds.len(),
            limits.types_max
        );
        return Err(Issue::error(Code::TooCostly, "_type", words));
    }
    Ok(kinds)
}
