//! Summaries made before they are asked for: of patients who were asked about lately and changed since, and
//! of those who are in house.
//!
//! INVARIANT: nothing leaves here. What is made is kept under all that its view shows, and is shown only by a
//! permit that shows the same (see [`crate::kept`]); whose view it was made by plays no part in that.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event::Subject;
use guard::{Ask, Element};
use lru::LruCache;
use tokio::sync::watch;
use wire::fhir::ips::{Picker, SOURCES};

use crate::chart::Chart;
use crate::document::{Stamp, document};
use crate::error::Outcome;
use crate::excerpt;
use crate::fold::Known;
use crate::read::Reading;
use crate::scope::Scope;
use crate::stay;

/// How somebody looked at a summary: enough to make what they would see of any patient.
#[derive(Debug)]
pub(crate) struct Asker {
    /// What the summary is kept as.
    pub(crate) what: String,
    /// All that they saw of the patient they asked about.
    pub(crate) seen: String,
    pub(crate) ask: Ask,
    /// The labels that are left out, the elements that are taken out.
    pub(crate) less: (Vec<String>, Vec<Element>),
}

impl Asker {
    /// Whether what they see depends on which patient they ask about: an app that was opened for one patient sees
    /// nothing of any other.
    fn sees_only_one(&self) -> bool {
        let through = self.ask.identity.through.as_ref();
        through.is_some_and(|through| through.patient.is_some())
    }

    /// Whether they would see the same of anybody, as far as that can be told without asking.
    fn sees_as(&self, other: &Asker) -> bool {
        let same = self.what == other.what && self.less == other.less;
        let (one, two) = (&self.ask, &other.ask);
        same && one.kinds == two.kinds && one.identity.scopes == two.identity.scopes
    }
}

/// Who was asked about lately, by whom.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Patients, at most; 0: nothing is made before it is asked for.
    max: usize,
    state: Mutex<State>,
    /// Changes when something may be due.
    stirred: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    asked: LruCache<String, Arc<Asker>>,
    /// Who asked last, of those who may ask about anybody: those in house whom nobody asked about are made ready
    /// for the like.
    usual: Option<Arc<Asker>>,
    /// Patients of whom nothing could be made. They are tried again once they are asked about, or others ask.
    barren: LruCache<String, ()>,
}

/// A summary that is to be made.
#[derive(Debug)]
pub struct Due {
    asker: Arc<Asker>,
    patient: String,
}

impl Ready {
    pub(crate) fn new(max: usize) -> Ready {
        let most = NonZeroUsize::new(max).unwrap_or(NonZeroUsize::MIN);
        Ready {
            max,
            state: Mutex::new(State {
                asked: LruCache::new(most),
                usual: None,
                barren: LruCache::new(most),
            }),
            stirred: watch::Sender::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that somebody was shown the summary of a patient.
    pub(crate) fn asked(&self, patient: &str, asker: Asker) {
        if self.max == 0 {
            return;
        }
        let asker = Arc::new(asker);
        let mut state = self.state();
        state.barren.pop(patient);
        state.asked.put(patient.to_owned(), Arc::clone(&asker));
        if !asker.sees_only_one() {
            let before = state.usual.replace(Arc::clone(&asker));
            if !before.is_some_and(|before| before.sees_as(&asker)) {
                state.barren.clear();
            }
        }
        drop(state);
        self.stir();
    }

    /// Whether the patient was last asked about by somebody who saw as much, which they are now again.
    pub(crate) fn again(&self, patient: &str, seen: &str) -> bool {
        let mut state = self.state();
        state.barren.pop(patient);
        let last = state.asked.get(patient);
        self.max == 0 || last.is_some_and(|last| last.seen == seen)
    }

    /// Says that something may be due.
    pub(crate) fn stir(&self) {
        self.stirred.send_replace(());
    }

    /// Nobody is asked about any more: what they looked at was forgotten.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.asked.clear();
        state.barren.clear();
        state.usual = None;
    }

    /// Whether anybody was asked about, and whether those in house are made ready too.
    fn looks(&self) -> (bool, bool) {
        let state = self.state();
        (!state.asked.is_empty(), state.usual.is_some())
    }

    /// Nothing could be made of a patient.
    fn mark_barren(&self, patient: &str) {
        self.state().barren.put(patient.to_owned(), ());
    }

    /// Those who were asked about, the newest first, then those in house.
    fn wanted(&self, in_house: &BTreeSet<String>) -> Vec<Due> {
        let state = self.state();
        let asked = state.asked.iter().map(|(patient, asker)| Due {
            asker: Arc::clone(asker),
            patient: patient.clone(),
        });
        let usual = state.usual.iter();
        let lying = usual.flat_map(|asker| {
            let others = in_house.iter().filter(|one| !state.asked.contains(*one));
            others.map(|patient| Due {
                asker: Arc::clone(asker),
                patient: patient.clone(),
            })
        });
        let all = asked.chain(lying);
        all.filter(|due| !state.barren.contains(&due.patient))
            .take(self.max)
            .collect()
    }
}

impl Due {
    /// The view of whoever asked, of this patient.
    fn scope(&self, known: &Known) -> Scope {
        let mut ask = self.asker.ask.clone();
        ask.subject = Subject::Patient(self.patient.clone());
        let (masks, hides) = &self.asker.less;
        Scope::of(&ask, &known.aliases)
            .without(masks, &known.words)
            .hiding(hides, &known.words)
    }
}

impl Chart {
    /// Changes when a summary may be due.
    pub fn ready_stirred(&self) -> watch::Receiver<()> {
        self.folder.answers.ready.stirred.subscribe()
    }

    /// Summaries that were asked for lately, or are of patients in house, and are not ready; at most
    /// `summaries_ready_max` are looked at. No content leaves.
    ///
    /// # Errors
    /// [`crate::ChartError::Broken`].
    pub async fn due(&self) -> Outcome<Vec<Due>> {
        let ready = &self.folder.answers.ready;
        let (asked, usual) = ready.looks();
        if ready.max == 0 || !self.folder.answers.kept.keeps() || !asked {
            return Ok(Vec::new());
        }
        let known = self.folder.answers.known();
        let lying = match usual {
            true => {
                let mut reading = Reading::begin(self).await?;
                // So many may be asked about, and so many be barren; as many are left of the others.
                let most = ready.max.saturating_mul(3);
                stay::in_house(&mut reading.from, most).await?
            }
            false => Vec::new(),
        };
        let lying = lying.iter().map(|id| known.aliases.survivor(id).to_owned());
        let mut due = ready.wanted(&lying.collect());
        due.retain(|one| self.still_due(one, &known).is_some());
        Ok(due)
    }

    /// As what it is kept, if it is to be made.
    fn still_due(&self, due: &Due, known: &Known) -> Option<String> {
        let key = due.scope(known).key(&due.asker.what, &due.asker.less)?;
        self.folder.answers.kept.is_wanted(&key).then_some(key)
    }

    /// Makes a summary, if it is due still, and keeps it for those who may see what its view shows. No content
    /// leaves. Of whom it cannot be made is not tried again until somebody asks about them.
    ///
    /// # Errors
    /// [`crate::ChartError::OutsidePermit`], [`crate::ChartError::Broken`].
    pub async fn make_ready(&self, due: &Due, stamp: Stamp) -> Outcome<()> {
        let made = self.make(due, stamp).await;
        if !matches!(made, Ok(true)) {
            self.folder.answers.ready.mark_barren(&due.patient);
        }
        made.map(drop)
    }

    /// Makes what is due still, and says whether anything can be made of the patient.
    async fn make(&self, due: &Due, stamp: Stamp) -> Outcome<bool> {
        let kept = &self.folder.answers.kept;
        let epoch = kept.epoch();
        let known = self.folder.answers.known();
        let Some(key) = self.still_due(due, &known) else {
            return Ok(true);
        };
        let scope = due.scope(&known);
        let kinds = &due.asker.ask.kinds;
        let sources = SOURCES.iter().copied();
        let sources: Vec<(&str, usize)> = sources
            .filter(|(kind, _)| kinds.iter().any(|one| one == kind))
            .collect();
        let mut picker = Picker::default();
        let wants = |resource: &serde_json::Value| picker.wants(resource);
        let excerpt = excerpt::of(self, &scope, (&sources, wants)).await?;
        let of = Arc::new(excerpt);
        let excerpt = Arc::clone(&of);
        let made = tokio::task::spawn_blocking(move || document(&of, &stamp)).await;
        let same = self.folder.answers.known().words.count() == known.words.count();
        let made = made.ok().flatten();
        let Some(made) = made.filter(|made| kept.takes(&key, made.len())) else {
            return Ok(false);
        };
        // Labels that were new when this began were left out, whatever they say.
        if same {
            kept.put_unasked(key, (Arc::from(made), epoch), &excerpt);
        }
        Ok(true)
    }
}
