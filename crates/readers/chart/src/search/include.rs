//! `_include` and `_revinclude`: what comes along with the matches.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wire::fhir::TermValue;
use wire::fhir::search::{Include, terms_of};

use super::candidates::{Candidates, Slice};
use super::run::{Run, as_read};
use crate::ChartError;
use crate::error::Outcome;
use crate::fold::index::INDEXED;
use crate::hash;
use crate::page::Stored;
use crate::read::Reading;
use crate::store::{self, Row};

/// Values of one index lookup.
const KEYS_AT_ONCE: usize = 200;

/// What comes along, by row, so that nothing comes twice.
type Bag = BTreeMap<i64, (Row, Vec<u8>)>;

/// Everything that the query wants along with the matches, without the matches themselves.
pub(super) async fn all(
    run: &Run<'_>,
    reading: &mut Reading,
    found: &[(Row, Vec<u8>)],
) -> Outcome<Vec<Stored>> {
    let query = run.query;
    if found.is_empty() || (query.includes.is_empty() && query.revincludes.is_empty()) {
        return Ok(Vec::new());
    }
    let mut bag = Bag::new();
    for include in query.includes.iter().filter(|one| one.source == query.kind) {
        forward(run, reading, (include, found), &mut bag).await?;
    }
    for include in &query.revincludes {
        backward(run, reading, (include, found), &mut bag).await?;
    }
    let own: BTreeSet<i64> = found.iter().map(|(row, _)| row.rid).collect();
    let more = bag.into_values().filter(|(row, _)| !own.contains(&row.rid));
    Ok(more.map(|(row, json)| reading.one(row, &json)).collect())
}

/// What the matches refer to.
async fn forward(
    run: &Run<'_>,
    reading: &mut Reading,
    (include, found): (&Include, &[(Row, Vec<u8>)]),
    bag: &mut Bag,
) -> Outcome<()> {
    let mut names = BTreeSet::new();
    for (_, json) in found {
        let value: Option<Value> = serde_json::from_slice(json).ok();
        let references = value.iter().flat_map(|value| references(value, include));
        names.extend(references.filter_map(|reference| {
            let (kind, id) = reference.split_once('/')?;
            let wanted = include
                .target
                .as_deref()
                .is_none_or(|target| target == kind);
            (wanted && !id.contains('/')).then(|| (kind.to_owned(), id.to_owned()))
        }));
    }
    within(run, bag, names.len())?;
    let names: Vec<(String, String)> = names.into_iter().collect();
    let rows = reading.current(&names).await?;
    let rows = rows
        .into_iter()
        .filter(|((kind, _), row)| run.scope.includes(kind, row));
    let (kinds, rows): (Vec<String>, Vec<Row>) = rows.map(|((kind, _), row)| (kind, row)).unzip();
    let pages = store::pages(&mut reading.from, &rows).await?;
    for ((kind, row), json) in kinds.into_iter().zip(rows).zip(pages) {
        let view = run.scope.view(&kind);
        if view.shows_row(&row, || as_read(&row, &json)) {
            let json = run.scope.hides().clean(&row, json);
            bag.insert(row.rid, (row, json));
        }
    }
    Ok(())
}

/// What refers to the matches. What belongs to no patient is found among the type; what belongs
/// to one, among what is theirs and what the index knows.
async fn backward(
    run: &Run<'_>,
    reading: &mut Reading,
    (include, found): (&Include, &[(Row, Vec<u8>)]),
    bag: &mut Bag,
) -> Outcome<()> {
    if include
        .target
        .as_deref()
        .is_some_and(|target| target != run.query.kind)
    {
        return Ok(());
    }
    let Some(kind) = reading.known.words.number(&include.source) else {
        return Ok(());
    };
    let slice = Slice {
        kind,
        snapshot: run.token.snapshot,
    };
    let wanted: BTreeSet<String> = found
        .iter()
        .map(|(row, _)| format!("{}/{}", run.query.kind, row.id))
        .collect();
    for part in found.chunks(KEYS_AT_ONCE) {
        let candidates = candidates(run, reading, include, part);
        let query = slice.of(&candidates, run.scan_max.saturating_add(1));
        let rows = store::fetch(&mut reading.from, query).await?;
        if rows.len() > run.scan_max {
            return Err(too_many("search_scan_max", run.scan_max));
        }
        let shown = rows
            .into_iter()
            .filter(|row| run.scope.includes(&include.source, row));
        let shown: Vec<Row> = shown.collect();
        let pages = store::pages(&mut reading.from, &shown).await?;
        let view = run.scope.view(&include.source);
        for (row, json) in shown.into_iter().zip(pages) {
            if !view.shows_row(&row, || as_read(&row, &json)) {
                continue;
            }
            let json = run.scope.hides().clean(&row, json);
            let value = as_read(&row, &json);
            let mut to = value.iter().flat_map(|value| references(value, include));
            if to.any(|reference| wanted.contains(&reference)) {
                bag.insert(row.rid, (row, json));
                within(run, bag, 0)?;
            }
        }
    }
    Ok(())
}

fn candidates(
    run: &Run<'_>,
    reading: &Reading,
    include: &Include,
    found: &[(Row, Vec<u8>)],
) -> Candidates {
    let ids = found.iter().map(|(row, _)| row.id.as_str());
    let keys = ids.map(|id| hash::key(&include.source, include.param.code, id));
    if INDEXED.contains(&include.param.code) {
        return Candidates::Keys(keys.collect());
    }
    let patients: BTreeSet<String> = found
        .iter()
        .filter_map(|(row, _)| row.patient.as_deref())
        .flat_map(|id| reading.known.aliases.family(id))
        .collect();
    let all = found.iter().all(|(row, _)| row.patient.is_some());
    if all || run.scope.family().is_some() {
        Candidates::Patients(patients.into_iter().collect(), keys.collect())
    } else {
        Candidates::Kind
    }
}

fn references(resource: &Value, include: &Include) -> impl Iterator<Item = String> {
    let terms = terms_of(resource, &[include.param.code]).into_iter();
    terms.filter_map(|term| match term.value {
        TermValue::Reference(to) => Some(to),
        _ => None,
    })
}

fn within(run: &Run<'_>, bag: &Bag, more: usize) -> Outcome<()> {
    if bag.len().saturating_add(more) > run.include_max {
        return Err(too_many("include_max", run.include_max));
    }
    Ok(())
}

fn too_many(limit: &'static str, max: usize) -> ChartError {
    ChartError::TooCostly {
        what: "`_include` and `_revinclude`".into(),
        limit,
        max,
        hint: "ask for smaller pages with `_count`",
    }
}
