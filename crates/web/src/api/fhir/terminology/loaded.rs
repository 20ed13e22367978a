//! Definitions that a question needs, looked up as it goes.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

use axum::http::StatusCode;
use guard::Identity;
use serde_json::Value;
use wire::fhir::Code;
use wire::fhir::terminology::{Terminology, Unanswered};

use super::super::definition::{asked, definition};
use super::super::door::Door;
use super::super::fault::Fault;

/// Definitions that one question may look up.
const LOADED_MAX: usize = 16;
/// Concepts of one expansion.
const CONCEPTS_MAX: usize = 10_000;
/// Concepts that one question may look at on the way.
const STEPS_MAX: usize = 300_000;

/// What is asked of the definitions that are at hand.
type Question<T> = dyn Fn(&Terminology<'_>) -> Result<T, Unanswered> + Send + Sync;

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

    /// One attempt at an answer, away from the threads that serve; what it looked at counts.
    async fn attempt<T: Send + 'static>(
        &mut self,
        door: &Door,
        question: Arc<Question<T>>,
    ) -> Result<Result<T, Unanswered>, Fault> {
        let value_sets = std::mem::take(&mut self.value_sets);
        let code_systems = std::mem::take(&mut self.code_systems);
        let left = self.left;
        let work = move || {
            let left = Cell::new(left);
            let answer = question(&Terminology {
                value_sets: &value_sets,
                code_systems: &code_systems,
                concepts_max: CONCEPTS_MAX,
                left: &left,
            });
            (answer, value_sets, code_systems, left.get())
        };
        // However few bytes there are: sets that refer to each other may be long.
        let done = door.work(usize::MAX, work).await?;
        let answer;
        (answer, self.value_sets, self.code_systems, self.left) = done;
        Ok(answer)
    }

    /// Asks again and again, bringing what is missed in between.
    pub(super) async fn answer<T: Send + 'static>(
        &mut self,
        door: &Door,
        who: &Identity,
        question: impl Fn(&Terminology<'_>) -> Result<T, Unanswered> + Send + Sync + 'static,
    ) -> Result<T, Fault> {
        let question: Arc<Question<T>> = Arc::new(question);
        loop {
            let why = match self.attempt(door, Arc::clone(&question)).await? {
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
            let asked = asked(door, who, (kind, url)).await?;
            let (found, _) = definition(door, who, asked).await?.ok_or_else(absent)?;
            match kind {
                "ValueSet" => self.value_sets.push(found),
                _ => self.code_systems.push(found),
            }
        }
    }
}
