//! Definitions that a question needs, looked up as it goes.

use std::cell::Cell;
use std::collections::HashSet;

use axum::http::StatusCode;
use chart::PageOf;
use guard::Identity;
use serde_json::Value;
use wire::fhir::Code;
use wire::fhir::terminology::{Terminology, Unanswered};

use super::super::door::Door;
use super::super::fault::Fault;
use super::super::query::{self, Pairs};
use super::super::search::{ask, page_of};

/// Definitions that one question may look up.
const LOADED_MAX: usize = 16;
/// Concepts of one expansion.
const CONCEPTS_MAX: usize = 10_000;
/// Concepts that one question may look at on the way.
const STEPS_MAX: usize = 300_000;

/// Definitions that were looked up.
pub(super) struct Loaded {
    pub(super) value_sets: Vec<Value>,
    pub(super) code_systems: Vec<Value>,
    tried: HashSet<(&'static str, String)>,
    /// Concepts that may still be looked at.
    left: usize,
}

impl Default for Loaded {
    fn default() -> Loaded {
        Loaded {
            value_sets: Vec::new(),
            code_systems: Vec::new(),
            tried: HashSet::new(),
            left: STEPS_MAX,
        }
    }
}

impl Loaded {
    /// The ValueSet of an address, if it was looked up.
    pub(super) fn value_set(&self, url: &str) -> Option<&Value> {
        wire::fhir::terminology::find(&self.value_sets, url)
    }

    /// One attempt at an answer; what it looked at counts.
    fn attempt<T>(
        &mut self,
        question: &impl Fn(&Terminology<'_>) -> Result<T, Unanswered>,
    ) -> Result<T, Unanswered> {
        let left = Cell::new(self.left);
        let answer = question(&Terminology {
            value_sets: &self.value_sets,
            code_systems: &self.code_systems,
            concepts_max: CONCEPTS_MAX,
            left: &left,
        });
        self.left = left.get();
        answer
    }

    /// Asks again and again, bringing what is missed in between.
    pub(super) async fn answer<T>(
        &mut self,
        door: &Door,
        who: &Identity,
        question: impl Fn(&Terminology<'_>) -> Result<T, Unanswered>,
    ) -> Result<T, Fault> {
        loop {
            let why = match self.attempt(&question) {
                Ok(answer) => return Ok(answer),
                Err(why) => why,
            };
            let (kind, url) = match &why {
                Unanswered::NoValueSet(url) => ("ValueSet", url),
                Unanswered::NoCodeSystem(url) => ("CodeSystem", url),
                Unanswered::NotOffered(_) => {
                    return Err(Fault::bad(Code::NotSupported, why.words()));
                }
                Unanswered::TooMany(_) => return Err(Fault::bad(Code::TooCostly, why.words())),
            };
            let new = self.tried.insert((kind, url.clone()));
            let absent = || Fault::new(StatusCode::NOT_FOUND, Code::NotFound, why.words());
            if !new {
                return Err(absent());
            }
            if self.tried.len() > LOADED_MAX {
                let words = format!("this needs more than {LOADED_MAX} definitions");
                return Err(Fault::bad(Code::TooCostly, words));
            }
            let found = definition(door, who, (kind, url))
                .await?
                .ok_or_else(absent)?;
            match kind {
                "ValueSet" => self.value_sets.push(found),
                _ => self.code_systems.push(found),
            }
        }
    }
}

/// The definition of an address that was written here.
async fn definition(
    door: &Door,
    who: &Identity,
    (kind, url): (&'static str, &str),
) -> Result<Option<Value>, Fault> {
    let (address, version) = url.split_once('|').unwrap_or((url, ""));
    let mut pairs: Pairs = vec![("url".to_owned(), address.to_owned())];
    if !version.is_empty() {
        pairs.push(("version".to_owned(), version.to_owned()));
    }
    let query = door.query_of(kind, &pairs)?;
    let detail = format!("{kind}?{}", query::text(&pairs));
    let asked = ask(door, who, (query, detail)).await?;
    let page = PageOf {
        count: 1,
        token: None,
    };
    let found = page_of(door, who, (asked, &page)).await?;
    let first = found.matches.first();
    Ok(first.and_then(|stored| serde_json::from_slice(&stored.json).ok()))
}
