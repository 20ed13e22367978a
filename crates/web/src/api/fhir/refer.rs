//! What the entries of a bundle call each other, and what they are called once they are kept
//! (FHIR R4 sections 3.1.0.11.2 and 2.36.4).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use axum::http::StatusCode;
use guard::Identity;
use serde_json::Value;
use wire::fhir::{Code, Issue};

use super::door::Door;
use super::fault::Fault;
use super::intent::Together;
use super::route::{self, Write};
use super::settle::{Settled, matching};

/// From a reference as it was received to the one that is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    map: Arc<HashMap<String, String>>,
    /// The address of this server: what stands under it is its own.
    base: Arc<str>,
}

/// What became of the references of one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// (as received, as kept), each once.
    pub(crate) pairs: Vec<(String, String)>,
    /// Conditional references that are not resolved yet, with where they stand.
    pub(crate) open: Vec<(String, String)>,
}

impl Names {
    /// The names that the entries of one bundle have for each other.
    ///
    /// # Errors
    /// 400 when two entries of a transaction have the same `fullUrl`.
    pub(crate) fn of<'a>(
        entries: impl Iterator<Item = &'a Settled>,
        (together, base): (Together, &str),
    ) -> Result<Names, Fault> {
        let mut map = HashMap::new();
        for settled in entries {
            let kept = format!("{}/{}", settled.target.kind, settled.target.id);
            let url = settled.intent.full_url.as_ref();
            if let Some(url) = url.filter(|url| !url.is_empty()) {
                if let Some(other) = map.insert(url.clone(), kept.clone())
                    && other != kept
                    && together == Together::All
                {
                    let words = format!("two entries have the `fullUrl` `{url}`");
                    return Err(Fault::bad(Code::Duplicate, words).under(&settled.intent.path));
                }
                if let Some(relative) = relative(settled, url) {
                    map.insert(relative, kept.clone());
                }
            }
            if let Some(query) = &settled.intent.conditions.if_none_exist {
                map.insert(format!("{}?{query}", settled.target.kind), kept);
            }
        }
        Ok(Names {
            map: Arc::new(map),
            base: base.into(),
        })
    }

    /// Which references of `resource` are to be replaced, and by what. Those to an entry of the
    /// bundle that is not there are faults.
    pub(crate) fn resolve(&self, resource: &Value) -> Result<Resolved, Vec<Issue>> {
        let mut resolved = Resolved::default();
        let mut seen = HashSet::new();
        let mut issues = Vec::new();
        for (path, reference) in wire::fhir::references(resource) {
            let kept = self.map.get(&reference).cloned();
            match kept.or_else(|| self.own(&reference)) {
                Some(kept) if kept == reference => {}
                Some(kept) if seen.insert(reference.clone()) => {
                    resolved.pairs.push((reference, kept));
                }
                Some(_) => {}
                None if is_conditional(&reference) => resolved.open.push((path, reference)),
                None if reference.starts_with("urn:uuid:") || reference.starts_with("urn:oid:") => {
                    let words =
                        format!("`{reference}` is not the `fullUrl` of an entry that came with it");
                    issues.push(Issue::error(Code::NotFound, path, words));
                }
                None => {}
            }
        }
        // An attachment's address may be that of an entry, too (section 3.1.0.11.2).
        self.addresses(resource, (&mut seen, &mut resolved.pairs));
        match issues.is_empty() {
            true => Ok(resolved),
            false => Err(issues),
        }
    }

    /// Members named `url` that are an entry's `fullUrl`.
    fn addresses(
        &self,
        value: &Value,
        (seen, pairs): (&mut HashSet<String>, &mut Vec<(String, String)>),
    ) {
        match value {
            Value::Array(items) => items
                .iter()
                .for_each(|item| self.addresses(item, (seen, pairs))),
            Value::Object(map) => {
                let url = map.get("url").and_then(Value::as_str);
                if let Some((url, kept)) = url.and_then(|url| self.map.get_key_value(url))
                    && kept != url
                    && seen.insert(url.clone())
                {
                    pairs.push((url.clone(), kept.clone()));
                }
                map.values()
                    .for_each(|item| self.addresses(item, (seen, pairs)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// These names and what the conditional references in `open` mean.
    ///
    /// # Errors
    /// 403 when they may not be searched for.
    pub(crate) async fn look_up(
        &self,
        door: &Door,
        who: &Identity,
        open: BTreeSet<String>,
    ) -> Result<Names, Fault> {
        let mut map = (*self.map).clone();
        for reference in open {
            let Some((word, query)) = reference.split_once('?') else {
                continue;
            };
            let kind = route::kind(word)?;
            if let [id] = matching(door, who, (kind, query)).await?.as_slice() {
                map.insert(reference.clone(), format!("{kind}/{id}"));
            }
        }
        Ok(Names {
            map: Arc::new(map),
            base: self.base.clone(),
        })
    }

    /// An absolute reference to a resource of this server, as its own references are.
    fn own(&self, reference: &str) -> Option<String> {
        let rest = reference.strip_prefix(self.base.trim_end_matches('/'))?;
        let rest = rest.strip_prefix('/')?;
        let (kind, id) = rest.split_once('/')?;
        let id = id.split("/_history/").next().unwrap_or_default();
        (route::kind(kind).is_ok() && route::is_id(id)).then(|| rest.to_owned())
    }
}

/// 412 for conditional references that mean no resource, or more than one.
pub(crate) fn unresolved(open: &[(String, String)]) -> Fault {
    let issue = |(path, reference): &(String, String)| {
        let words = format!("`{reference}` must match exactly one resource, and does not");
        Issue::error(Code::MultipleMatches, path.clone(), words)
    };
    Fault::of(
        StatusCode::PRECONDITION_FAILED,
        open.iter().map(issue).collect(),
    )
}

/// Replaces each address in `resource` that is the first of a pair by the second, as
/// `wire::fhir::resolve` does it to bytes.
pub(crate) fn replace(resource: &mut Value, pairs: &[(String, String)]) {
    let pairs = pairs.iter();
    let kept = pairs.map(|(received, kept)| (received.as_str(), kept.as_str()));
    replace_each(resource, &kept.collect());
}

fn replace_each(resource: &mut Value, kept: &HashMap<&str, &str>) {
    match resource {
        Value::Array(items) => items.iter_mut().for_each(|item| replace_each(item, kept)),
        Value::Object(map) => {
            for (name, item) in map {
                match item {
                    Value::String(text) if wire::fhir::is_address(name) => {
                        if let Some(kept) = kept.get(text.as_str()) {
                            (*kept).clone_into(text);
                        }
                    }
                    item => replace_each(item, kept),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An entry that is created under `https://host/base/Patient/1` is `Patient/1` to the others.
fn relative(settled: &Settled, url: &str) -> Option<String> {
    if !matches!(settled.intent.write, Write::Create(_)) || !url.contains("://") {
        return None;
    }
    let mut parts = url.rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    (kind == settled.target.kind && route::is_id(id)).then(|| format!("{kind}/{id}"))
}

fn is_conditional(reference: &str) -> bool {
    reference
        .split_once('?')
        .is_some_and(|(word, query)| !query.is_empty() && route::kind(word).is_ok())
}
