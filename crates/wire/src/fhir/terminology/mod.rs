//! Value sets and code systems: those of R4's required bindings, which are built in, and those that
//! were written here (R4 sections 4.8 and 4.9). Pure: what is not at hand is named, so that whoever
//! has it can bring it.

mod expand;
mod system;

use std::cell::Cell;

use serde_json::Value;

pub use expand::{matching, member};
pub use system::{Looked, look_up};

use super::tables::{CodeList, tables};

/// What is at hand beside the built-in sets.
#[derive(Debug, Clone, Copy)]
pub struct Terminology<'a> {
    /// ValueSets that were written here.
    pub value_sets: &'a [Value],
    /// CodeSystems that were written here.
    pub code_systems: &'a [Value],
    /// Concepts of one expansion, at most.
    pub concepts_max: usize,
    /// Concepts that may still be looked at on the way: definitions may refer to each other, and
    /// name the same a thousand times.
    pub left: &'a Cell<usize>,
}

/// One concept of an expansion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Concept {
    /// The code system.
    pub system: String,
    /// The code.
    pub code: String,
    /// What people read; the built-in sets have none.
    pub display: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// This ValueSet is needed and not at hand.
    NoValueSet(String),
    /// This CodeSystem is needed and not at hand.
    NoCodeSystem(String),
    /// Something in a definition that is not offered, in words.
    NotOffered(String),
    /// More concepts than [`Terminology::concepts_max`].
    TooMany(usize),
}

impl Unanswered {
    /// The same in words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Unanswered::NoValueSet(url) => {
                format!("the ValueSet `{url}` is not at hand; write it here first")
            }
            Unanswered::NoCodeSystem(url) => {
                format!(
                    "the CodeSystem `{url}` is not at hand with all its codes; write it here first"
                )
            }
            Unanswered::NotOffered(words) => words.clone(),
            Unanswered::TooMany(max) => {
                format!(
                    "the expansion has more than {max} concepts, or takes too long to find them; ask for less"
                )
            }
        }
    }
}

impl<'a> Terminology<'a> {
    /// Takes a number of concepts from what may be looked at.
    fn spend(&self, concepts: usize) -> Result<(), Unanswered> {
        match self.left.get().checked_sub(concepts.max(1)) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(Unanswered::TooMany(self.concepts_max)),
        }
    }

    /// Every concept of the ValueSet of an address (`url` or `url|version`).
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn expand(&self, url: &str) -> Result<Vec<Concept>, Unanswered> {
        expand::by_url(self, url, 0)
    }

    /// Every concept of a ValueSet.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn expand_set(&self, set: &Value) -> Result<Vec<Concept>, Unanswered> {
        expand::of_set(self, set, 0)
    }

    /// The ValueSet of an address, if it was written here.
    #[must_use]
    pub fn value_set(&self, url: &str) -> Option<&'a Value> {
        find(self.value_sets, url)
    }

    fn code_system(&self, url: &str) -> Option<&'a Value> {
        find(self.code_systems, url)
    }
}

/// Whether the ValueSet of an address is built in.
#[must_use]
pub fn is_built_in(url: &str) -> bool {
    built_in(url).is_some()
}

/// The built-in value set of an address: one of a required binding of R4.
fn built_in(url: &str) -> Option<&'static CodeList> {
    let (address, version) = url.split_once('|').unwrap_or((url, "4.0.1"));
    let name = address.strip_prefix("http://hl7.org/fhir/ValueSet/")?;
    tables().list_named(name).filter(|_| version == "4.0.1")
}

/// The definition of an address (`url` or `url|version`) among several.
#[must_use]
pub fn find<'a>(all: &'a [Value], url: &str) -> Option<&'a Value> {
    let (address, version) = url.split_once('|').unwrap_or((url, ""));
    all.iter().find(|one| {
        text(one, "url") == address && (version.is_empty() || text(one, "version") == version)
    })
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
