//! `_include` and `_revinclude`: what comes along with the matches.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wire::fhir::search::{Include, terms_of};
use wire::fhir::{Query, TermValue};

use super::candidates::{Candidates, Slice, belongs_to_patients};
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

/// How often `:iterate` follows what came along, at most.
const ROUNDS_MAX: usize = 16;

/// What comes along, by row, so that nothing comes twice.
type Bag = BTreeMap<i64, (Row, Vec<u8>)>;

/// Resources of one type that references are followed from, or to.
#[derive(Clone, Copy)]
struct Start<'a> {
    kind: &'a str,
    found: &'a [(Row, Vec<u8>)],
}

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
    let own: BTreeSet<i64> = found.iter().map(|(row, _)| row.rid).collect();
    let first = Start {
        kind: &query.kind,
        found,
    };
    let mut bag = Bag::new();
    follow(run, reading, (first, |_| true), &mut bag).await?;
    let mut seen = own.clone();
    for round in 0.. {
        let new = bag.keys().copied().filter(|rid| seen.insert(*rid));
        let new: Vec<i64> = new.collect();
        if new.is_empty() || !iterates(query) {
            break;
        }
        if round == ROUNDS_MAX {
            return Err(too_many("`:iterate` rounds", ROUNDS_MAX));
        }
        for (kind, found) in by_kind(reading, &bag, &new) {
            let from = Start {
                kind: &kind,
                found: &found,
            };
            follow(run, reading, (from, |include| include.iterate), &mut bag).await?;
        }
    }
    let more = bag.into_values().filter(|(row, _)| !own.contains(&row.rid));
    Ok(more.map(|(row, json)| reading.one(row, &json)).collect())
}

fn iterates(query: &Query) -> bool {
    let mut all = query.includes.iter().chain(&query.revincludes);
    all.any(|include| include.iterate)
}

/// What came along last, apart by type.
fn by_kind(reading: &Reading, bag: &Bag, new: &[i64]) -> BTreeMap<String, Vec<(Row, Vec<u8>)>> {
    let mut kinds: BTreeMap<String, Vec<(Row, Vec<u8>)>> = BTreeMap::new();
    for (row, json) in new.iter().filter_map(|rid| bag.get(rid)) {
        let kind = reading.known.words.text(row.kind).to_owned();
        kinds
            .entry(kind)
            .or_default()
            .push((row.clone(), json.clone()));
    }
    kinds
}

/// Follows those includes of the query that `wanted` names, from and to what was found.
async fn follow(
    run: &Run<'_>,
    reading: &mut Reading,
    (from, wanted): (Start<'_>, fn(&Include) -> bool),
    bag: &mut Bag,
) -> Outcome<()> {
    for include in run.query.includes.iter().filter(|one| wanted(one)) {
        if include.source == from.kind {
            forward(run, reading, (include, from.found), bag).await?;
        }
    }
    for include in run.query.revincludes.iter().filter(|one| wanted(one)) {
        backward(run, reading, (include, from), bag).await?;
    }
    Ok(())
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
    (include, from): (&Include, Start<'_>),
    bag: &mut Bag,
) -> Outcome<()> {
    let targets = include.targets();
    if !targets.is_empty() && !targets.contains(&from.kind) {
        return Ok(());
    }
    let Some(kind) = reading.known.words.number(&include.source) else {
        return Ok(());
    };
    let slice = Slice {
        kind,
        snapshot: run.token.snapshot,
        days: None,
    };
    let wanted: BTreeSet<String> = from
        .found
        .iter()
        .map(|(row, _)| format!("{}/{}", from.kind, row.id))
        .collect();
    for part in from.found.chunks(KEYS_AT_ONCE) {
        let candidates = candidates(run, reading, include, part);
        let query = slice.of(&candidates, (0, run.scan_max.saturating_add(1)));
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
    match run.scope.family() {
        // What may be seen of such a type is theirs, whatever it refers to.
        Some(family) if belongs_to_patients(&include.source) => {
            Candidates::Patients(family.to_vec(), keys.collect())
        }
        Some(_) | None if all => {
            Candidates::Patients(patients.into_iter().collect(), keys.collect())
        }
        Some(_) | None => Candidates::Kind,
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
