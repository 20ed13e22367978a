//! Exports under way and done. They are kept in memory: after a restart they are begun again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chart::ListOf;
use event::Time;
use guard::Identity;
use wire::fhir::Filter;
use wire::fhir::search::Subset;

use super::super::fault::Fault;

/// All exports.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    all: Mutex<HashMap<String, Arc<Job>>>,
}

/// One export.
#[derive(Debug)]
pub(crate) struct Job {
    pub(super) id: String,
    pub(super) who: Identity,
    /// The URL that began it.
    pub(super) request: String,
    /// Everything that was sealed before is in it.
    pub(super) at: Time,
    /// When it is forgotten.
    pub(super) ends: Time,
    pub(super) wanted: Wanted,
    state: Mutex<State>,
}

/// What is exported.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// The types, in the order of the files.
    pub(super) kinds: Vec<&'static str>,
    pub(super) since: Option<Time>,
    pub(super) of_patients: bool,
    pub(super) patients: Option<BTreeSet<String>>,
    /// Of a type: what it has to answer, one of these lists.
    pub(super) filters: HashMap<String, Vec<Vec<Filter>>>,
    /// Of a type: which elements.
    pub(super) subsets: HashMap<String, Subset>,
}

/// How far it is.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// In words.
    Running(String),
    Done(Vec<Part>),
    Failed(Fault),
}

/// One file: what lies between two places of one moment.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) kind: &'static str,
    pub(super) deleted: bool,
    pub(super) after: String,
    pub(super) until: Option<String>,
    pub(super) count: usize,
}

impl Wanted {
    /// What is listed of a type.
    pub(super) fn list(&self, kind: &str, deleted: bool) -> ListOf {
        ListOf {
            kind: kind.to_owned(),
            since: self.since,
            deleted,
            of_patients: self.of_patients,
            patients: self.patients.clone(),
            filters: match deleted {
                true => Vec::new(),
                false => self.filters.get(kind).cloned().unwrap_or_default(),
            },
            until: None,
        }
    }
}

impl Job {
    pub(super) fn new(
        (id, who, request): (String, Identity, String),
        (at, ends): (Time, Time),
        wanted: Wanted,
    ) -> Job {
        Job {
            id,
            who,
            request,
            at,
            ends,
            wanted,
            state: Mutex::new(State::Running("begun".to_owned())),
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn is_now(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Jobs {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Job>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Job>> {
        self.all().get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) {
        self.all().remove(id);
    }

    /// Forgets what is over.
    pub(super) fn expire(&self, now: Time) {
        self.all().retain(|_, job| job.ends > now);
    }

    /// Takes an export in, unless its client has `max` already.
    pub(super) fn add(&self, job: &Arc<Job>, max: usize) -> bool {
        let mut all = self.all();
        let own = all
            .values()
            .filter(|one| one.who.actor.id == job.who.actor.id);
        if own.count() >= max {
            return false;
        }
        all.insert(job.id.clone(), Arc::clone(job));
        true
    }
}
