//! What was made of charts and can be shown again: a document for one patient and one scope, until anything
//! changes that it is made of.
//!
//! Each showing has a permit of its own, decided and sealed; only the making is spared. What is kept was made
//! of what a scope shows, and is shown to the same scope alone: the same types, the same parts of them, the
//! same labels left out, the same elements taken out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use serde_json::Value;

use crate::hash;
use crate::heads::Moved;
use crate::page::Excerpt;

/// Charts and resources of which it is remembered when they changed; with more, all that is kept goes.
const CHANGED_MAX: usize = 100_000;

/// What is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Counts how often everything was forgotten.
    epoch: u64,
    /// What was made when fewer events were folded is old.
    all: u64,
    /// Of a chart or a resource: the events that were folded after its last change.
    changed: HashMap<i64, u64>,
    made: LruCache<String, Made>,
    bytes: usize,
}

#[derive(Debug)]
struct Made {
    document: Arc<[u8]>,
    /// Whether somebody asked for it, or for what it took the place of.
    asked: bool,
    /// How many events were folded when its making began.
    as_of: u64,
    /// What it is made of.
    of: Vec<i64>,
}

/// What a batch of events changed.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Charts and resources.
    pub(crate) some: Vec<i64>,
    /// The slots of resources that have another current version.
    pub(crate) heads: HashMap<i64, Moved>,
    /// More than can be named: who is one with whom, or what was erased.
    pub(crate) everything: bool,
}

/// The number of a patient's chart.
pub(crate) fn chart_of(patient: &str) -> i64 {
    hash::slot("Patient", patient)
}

impl Kept {
    pub(crate) fn new(bytes_max: usize) -> Kept {
        Kept {
            bytes_max,
            state: Mutex::new(State {
                epoch: 0,
                all: 0,
                changed: HashMap::new(),
                made: LruCache::unbounded(),
                bytes: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be asked before something is made.
    pub(crate) fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// What was made, if nothing of it changed.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<[u8]>> {
        let mut state = self.state();
        let made = state.made.get_mut(key)?;
        made.asked = true;
        let (document, as_of, of) = (Arc::clone(&made.document), made.as_of, made.of.clone());
        if state.is_good(as_of, &of) {
            return Some(document);
        }
        state.drop_one(key);
        None
    }

    /// Keeps what was made since `epoch`; the oldest go for it.
    pub(crate) fn put(&self, key: String, (document, epoch): (Arc<[u8]>, u64), excerpt: &Excerpt) {
        let size = key.len() + document.len();
        let mut state = self.state();
        // What was forgotten meanwhile may be what it was made of.
        if size > self.bytes_max || state.epoch != epoch {
            return;
        }
        state.drop_one(&key);
        state.made.put(key, Made::new(document, excerpt));
        state.bytes += size;
        while state.bytes > self.bytes_max {
            let Some((key, made)) = state.made.pop_lru() else {
                break;
            };
            state.bytes = state.bytes.saturating_sub(key.len() + made.document.len());
        }
    }

    /// Whether anything is kept at all.
    pub(crate) const fn keeps(&self) -> bool {
        self.bytes_max > 0
    }

    /// Whether it is worth making before anybody asks: it is old, or not there and there is room for any that
    /// [`Kept::takes`].
    pub(crate) fn is_wanted(&self, key: &str) -> bool {
        let state = self.state();
        match state.made.peek(key) {
            Some(made) => !state.is_good(made.as_of, &made.of),
            None => self.keeps() && state.bytes <= self.bytes_max / 8 * 5,
        }
    }

    /// Whether a document of that length may be made before anybody asks.
    pub(crate) const fn takes(&self, key: &str, length: usize) -> bool {
        key.len().saturating_add(length) <= self.bytes_max / 8
    }

    /// Keeps what was made since `epoch` before anybody asked: it drives nothing out, and is the first to go for
    /// what somebody asks for. What takes the place of something old may fill all the room, what is new three
    /// quarters of it; without that room it is given up.
    pub(crate) fn put_unasked(
        &self,
        key: String,
        (document, epoch): (Arc<[u8]>, u64),
        excerpt: &Excerpt,
    ) {
        let size = key.len() + document.len();
        let mut state = self.state();
        if state.epoch != epoch {
            return;
        }
        let old = state.drop_one(&key);
        let room = match old {
            Some(_) => self.bytes_max,
            None => self.bytes_max / 4 * 3,
        };
        if state.bytes.saturating_add(size) > room {
            return;
        }
        let asked = old.is_some_and(|old| old.asked);
        let mut made = Made::new(document, excerpt);
        made.asked = asked;
        state.made.put(key.clone(), made);
        state.bytes += size;
        if !asked {
            state.made.demote(&key);
        }
    }

    /// INVARIANT: called after the commit and before anybody is told how many events are folded, so that
    /// whoever waits for their own write is not shown what was before it.
    pub(crate) fn touch(&self, touched: &Touched, folded: u64) {
        let mut state = self.state();
        if touched.everything || state.changed.len() + touched.some.len() > CHANGED_MAX {
            state.forget();
            state.all = folded;
            return;
        }
        for one in &touched.some {
            state.changed.insert(*one, folded);
        }
    }

    /// Forgets everything: the tables were emptied, or put right by other hands.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.forget();
        state.all = 0;
    }
}

impl Made {
    /// What was made because somebody asked.
    fn new(document: Arc<[u8]>, excerpt: &Excerpt) -> Made {
        Made {
            document,
            asked: true,
            as_of: excerpt.folded,
            of: parts(excerpt),
        }
    }
}

impl State {
    fn is_good(&self, as_of: u64, of: &[i64]) -> bool {
        let still = |one: &i64| {
            self.changed
                .get(one)
                .is_none_or(|changed| *changed <= as_of)
        };
        as_of >= self.all && of.iter().all(still)
    }

    fn drop_one(&mut self, key: &str) -> Option<Made> {
        let made = self.made.pop(key)?;
        let size = key.len() + made.document.len();
        self.bytes = self.bytes.saturating_sub(size);
        Some(made)
    }

    fn forget(&mut self) {
        self.epoch += 1;
        self.changed.clear();
        self.made.clear();
        self.bytes = 0;
    }
}

/// The patient's chart, and everything its resources refer to, there or not.
fn parts(excerpt: &Excerpt) -> Vec<i64> {
    let referred = |value: &Value| {
        let all = wire::fhir::references(value).into_iter();
        let slots = all.filter_map(|(_, reference)| {
            let mut words = reference.split('/');
            Some(hash::slot(words.next()?, words.next()?))
        });
        slots.collect::<Vec<i64>>()
    };
    let mut parts: Vec<i64> = excerpt.resources.iter().flat_map(referred).collect();
    parts.extend(excerpt.family.iter().map(|id| chart_of(id)));
    parts.sort_unstable();
    parts.dedup();
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn excerpt(patient: &str, folded: u64) -> Excerpt {
        Excerpt {
            patient: patient.to_owned(),
            family: vec![patient.to_owned()],
            resources: vec![json!({"resourceType": "MedicationStatement",
                "medicationReference": {"reference": "Medication/asa"}})],
            folded,
            ..Excerpt::default()
        }
    }

    fn put(kept: &Kept, patient: &str, folded: u64) {
        let made = (Arc::from(&b"document"[..]), kept.epoch());
        kept.put(patient.to_owned(), made, &excerpt(patient, folded));
    }

    fn touch(kept: &Kept, slot: i64, folded: u64) {
        let touched = Touched {
            some: vec![slot],
            everything: false,
            ..Touched::default()
        };
        kept.touch(&touched, folded);
    }

    #[test]
    fn what_changed_is_not_shown_again() {
        let kept = Kept::new(1_000);
        put(&kept, "a", 5);
        assert!(kept.get("a").is_some());
        touch(&kept, chart_of("b"), 6);
        assert!(kept.get("a").is_some());
        touch(&kept, chart_of("a"), 7);
        assert!(kept.get("a").is_none());
        // A making that began before the change ends after it.
        put(&kept, "a", 6);
        assert!(kept.get("a").is_none());
        put(&kept, "a", 7);
        assert!(kept.get("a").is_some());
        touch(&kept, hash::slot("Medication", "asa"), 8);
        assert!(kept.get("a").is_none());
    }

    #[test]
    fn what_was_erased_meanwhile_is_not_kept() {
        let kept = Kept::new(1_000);
        put(&kept, "a", 5);
        let epoch = kept.epoch();
        let all = Touched {
            some: Vec::new(),
            everything: true,
            ..Touched::default()
        };
        kept.touch(&all, 6);
        assert!(kept.get("a").is_none());
        let made = (Arc::from(&b"document"[..]), epoch);
        kept.put("a".to_owned(), made, &excerpt("a", 9));
        assert!(kept.get("a").is_none());
        kept.clear();
        put(&kept, "a", 1);
        assert!(kept.get("a").is_some());
    }

    #[test]
    fn it_takes_no_more_than_it_may() {
        let kept = Kept::new(30);
        for patient in ["a", "b", "c", "d", "e"] {
            put(&kept, patient, 1);
        }
        let there = |patient: &str| kept.get(patient).is_some();
        assert!(!there("a") && !there("b"));
        assert!(there("c") && there("d") && there("e"));
        let none = Kept::new(0);
        put(&none, "a", 1);
        assert!(none.get("a").is_none());
        assert!(!none.is_wanted("a"), "nothing is kept");
    }

    fn put_unasked(kept: &Kept, patient: &str, folded: u64) {
        let made = (Arc::from(&b"document"[..]), kept.epoch());
        kept.put_unasked(patient.to_owned(), made, &excerpt(patient, folded));
    }

    fn there(kept: &Kept) -> String {
        let all = kept.state();
        let mut all: Vec<&str> = all.made.iter().map(|(key, _)| key.as_str()).collect();
        all.sort_unstable();
        all.concat()
    }

    #[test]
    fn what_nobody_asked_for_drives_nothing_out_and_goes_first() {
        // Each takes 9; three quarters are 36.
        let kept = Kept::new(48);
        put(&kept, "a", 1);
        put(&kept, "b", 1);
        put_unasked(&kept, "x", 1);
        put_unasked(&kept, "y", 1);
        assert_eq!(there(&kept), "abxy");
        put_unasked(&kept, "z", 1);
        assert_eq!(there(&kept), "abxy", "there was no room left for it");
        put(&kept, "c", 1);
        put(&kept, "d", 1);
        assert_eq!(there(&kept), "abcdx");
        put(&kept, "e", 1);
        assert_eq!(there(&kept), "abcde", "those that were asked for stay");
        // What is old is made again in its place, and stays what was asked for.
        touch(&kept, chart_of("a"), 2);
        put_unasked(&kept, "a", 2);
        assert_eq!(there(&kept), "abcde");
        put_unasked(&kept, "f", 2);
        put(&kept, "g", 2);
        assert_eq!(there(&kept), "acdeg", "b was asked for the longest ago");
    }
}
