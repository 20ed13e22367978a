//! The beginning of an export: what is wanted, and whether it may be.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use event::{Act, Subject, Time};
use guard::Identity;
use serde_json::Value;
use wire::fhir::Code;
use wire::fhir::search::Subset;

use super::super::answer::Answer;
use super::super::audit;
use super::super::conditions::Conditions;
use super::super::door::{Door, Question};
use super::super::fault::Fault;
use super::super::history::{instant, url};
use super::super::ids;
use super::super::operation;
use super::super::query::{self, Pairs};
use super::super::read;
use super::super::route::{self, Target};
use super::job::{Job, Wanted};
use super::{Level, begun, prepare};

/// Lists of filters of one type.
const FILTERS_MAX: usize = 20;

/// Takes an export in and begins to prepare it.
///
/// # Errors
/// 400 for a parameter it has not, 403 for a type that may not be searched, 429 when the client has
/// too many already.
pub(super) async fn begin(
    door: &Door,
    who: &Identity,
    (level, pairs, parts): (Level, Pairs, &Parts),
) -> Result<Answer, Fault> {
    must_be_async(parts)?;
    let mut wanted = read(door, &pairs)?;
    wanted.kinds = kinds(door, who, (&level, &wanted, &pairs)).await?;
    wanted.of_patients = level != Level::System;
    if let Level::Group(target) = &level {
        wanted.patients = Some(members(door, who, target).await?);
    }
    let settings = &door.app.settings;
    let now = door.app.clock.now();
    door.kept.exports.expire(now);
    let request = url(&settings.fhir_base, &path(&level), &pairs);
    let ends = Time::from_millis(now.millis().saturating_add(settings.export_keep_ms));
    let named = (ids::random()?, who.clone(), request);
    let job = Arc::new(Job::new(named, (now, ends), wanted));
    if !door.kept.exports.add(&job, settings.exports_per_client_max) {
        let words = format!(
            "this client has {} exports (`exports_per_client_max`); `DELETE` the status of one",
            settings.exports_per_client_max
        );
        let mut fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, Code::Throttled, words);
        fault.header = Some((RETRY_AFTER, HeaderValue::from_static("60")));
        return Err(fault);
    }
    let answer = begun(door, &job);
    tokio::spawn(prepare::prepare(door.clone(), job));
    Ok(answer)
}

/// What is asked of the guard about one type.
fn question(level: &Level, pairs: &Pairs, kind: &str) -> Question {
    Question {
        act: Act::Search,
        subject: Subject::Kind(kind.to_owned()),
        kinds: vec![kind.to_owned()],
        detail: url("", &path(level), pairs)
            .trim_start_matches('/')
            .to_owned(),
    }
}

fn path(level: &Level) -> String {
    match level {
        Level::Group(target) => format!("Group/{}/$export", target.id),
        Level::Patients => "Patient/$export".to_owned(),
        Level::System => "$export".to_owned(),
    }
}

/// Refuses whoever does not say that they wait for the answer.
///
/// # Errors
/// 400.
pub(crate) fn must_be_async(parts: &Parts) -> Result<(), Fault> {
    let said = parts.headers.get_all("prefer").iter();
    let mut said = said.filter_map(|value| value.to_str().ok());
    if said.any(|value| value.contains("respond-async")) {
        return Ok(());
    }
    let words = "this is answered later: send `Prefer: respond-async`";
    Err(Fault::bad(Code::Required, words))
}

fn read(door: &Door, pairs: &Pairs) -> Result<Wanted, Fault> {
    let mut wanted = Wanted::default();
    for (name, value) in pairs {
        match name.as_str() {
            "_outputFormat" => is_ndjson(value)?,
            "_since" => {
                let bad = || Fault::bad(Code::Value, format!("`_since` cannot be `{value}`"));
                wanted.since = Some(instant(value).ok_or_else(bad)?);
            }
            "_type" => {
                for kind in operation::kinds(value)? {
                    wanted.kinds.push(route::kind(&kind)?);
                }
            }
            "_typeFilter" => type_filter(door, &mut wanted, value)?,
            "_elements" => {}
            _ => {
                let words = format!(
                    "`$export` has no parameter `{name}` here; it has `_outputFormat`, `_since`, `_type`, `_typeFilter` and `_elements`"
                );
                return Err(Fault::bad(Code::NotSupported, words));
            }
        }
    }
    if let Some(names) = query::value(pairs, "_elements") {
        wanted.subsets = subsets(door, names);
    }
    Ok(wanted)
}

fn is_ndjson(said: &str) -> Result<(), Fault> {
    const NAMES: [&str; 3] = ["application/fhir+ndjson", "application/ndjson", "ndjson"];
    match NAMES.contains(&said.replace(' ', "+").as_str()) {
        true => Ok(()),
        false => {
            let words = format!("`{said}` cannot be made; ask for `application/fhir+ndjson`");
            Err(Fault::bad(Code::NotSupported, words))
        }
    }
}

/// `Observation?category=laboratory`: what of a type is wanted; several of a type are joined by or.
fn type_filter(door: &Door, wanted: &mut Wanted, text: &str) -> Result<(), Fault> {
    let (word, text) = text.split_once('?').ok_or_else(|| {
        Fault::bad(
            Code::Value,
            format!("`{text}` is not of the form Type?parameter=value"),
        )
    })?;
    let kind = operation::kinds(word)?.pop().unwrap_or_default();
    let asked = door.query(&kind, text)?;
    let only_filters = asked.pairs.len() == asked.filters.len();
    let lists = wanted.filters.entry(kind).or_default();
    if !only_filters || lists.len() >= FILTERS_MAX {
        let words = format!(
            "`_typeFilter` takes search parameters without chains, at most {FILTERS_MAX} times a type"
        );
        return Err(Fault::bad(Code::NotSupported, words));
    }
    lists.push(asked.filters);
    Ok(())
}

/// `id,Patient.name`: of each type those that it has.
fn subsets(door: &Door, names: &str) -> HashMap<String, Subset> {
    let mut subsets = HashMap::new();
    for kind in wire::fhir::kinds() {
        let own = names
            .split(',')
            .filter_map(|name| match name.split_once('.') {
                Some((of, name)) => (of == *kind).then_some(name),
                None => Some(name),
            });
        let has = |name: &&str| {
            let pair = ("_elements".to_owned(), (*name).to_owned());
            door.query_of(kind, &[pair]).is_ok()
        };
        let own: Vec<&str> = own.filter(has).collect();
        let pair = ("_elements".to_owned(), own.join(","));
        if let (false, Ok(asked)) = (own.is_empty(), door.query_of(kind, &[pair])) {
            subsets.insert((*kind).to_owned(), asked.subset);
        }
    }
    subsets
}

/// The types that are asked for, or else all that may be searched.
async fn kinds(
    door: &Door,
    who: &Identity,
    (level, wanted, pairs): (&Level, &Wanted, &Pairs),
) -> Result<Vec<&'static str>, Fault> {
    let filtered = wanted
        .filters
        .keys()
        .filter_map(|kind| route::kind(kind).ok());
    let mut named: Vec<&'static str> = match wanted.kinds.is_empty() {
        true => filtered.collect(),
        false => wanted.kinds.clone(),
    };
    let is_named = !named.is_empty();
    if !is_named {
        named = wire::fhir::kinds().to_vec();
    }
    named.sort_unstable();
    named.dedup();
    named.retain(|kind| *kind != audit::KIND && (*level == Level::System || is_theirs(kind)));
    let mut allowed = Vec::new();
    for kind in named {
        if door
            .decide(who, question(level, pairs, kind))
            .await?
            .allowed()
        {
            allowed.push(kind);
        } else if is_named {
            door.permit(who, question(level, pairs, kind), None).await?;
        }
    }
    if allowed.is_empty() {
        // The refusal is sealed.
        door.permit(who, question(level, pairs, "Patient"), None)
            .await?;
    }
    Ok(allowed)
}

/// Whether resources of a type belong to one patient each. A Group is about all its members.
fn is_theirs(kind: &str) -> bool {
    let mut params = wire::fhir::search::params(kind).iter();
    kind == "Patient" || (kind != "Group" && params.any(|param| param.compartment))
}

/// The patients in a group: the survivors' ids.
async fn members(door: &Door, who: &Identity, target: &Target) -> Result<BTreeSet<String>, Fault> {
    let answer = read::current(door, who, (target, &Conditions::default())).await?;
    let group: Value = serde_json::from_slice(&answer.body.unwrap_or_default()).unwrap_or_default();
    let all = group.get("member").and_then(Value::as_array);
    let mut patients = BTreeSet::new();
    for member in all.into_iter().flatten() {
        let to = member.pointer("/entity/reference").and_then(Value::as_str);
        let id = to.and_then(|to| to.strip_prefix("Patient/"));
        let left = member.get("inactive") == Some(&true.into());
        if let (Some(id), false) = (id, left) {
            let survivor = door.app.chart.survivor(id).await?;
            patients.insert(survivor.unwrap_or_else(|| id.to_owned()));
        }
    }
    Ok(patients)
}
