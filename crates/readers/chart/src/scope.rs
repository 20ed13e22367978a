//! What a permit is good for. Every answer with content passes through here.

use std::collections::HashSet;

use event::{Act, Role, Subject};
use guard::{Ask, Element};
use serde_json::Value;

use crate::ChartError;
use crate::alias::Aliases;
use crate::error::Outcome;
use crate::hide::Hides;
use crate::parts::{Parts, View};
use crate::store::{LABELS, Row};
use crate::words::Words;

/// What one permit allows.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    reach: Reach,
    /// The types it is for; empty: all.
    kinds: HashSet<String>,
    /// What of each type scopes let be seen.
    parts: Parts,
    masks: Masks,
    hides: Hides,
    words: String,
}

/// Security labels that are left out, as the numbers of the words that hold one of them.
#[derive(Debug, Clone, Default)]
struct Masks {
    any: bool,
    numbers: HashSet<i64>,
    /// The last word that was looked at: what is labelled by a later one is left out.
    last: i64,
}

impl Masks {
    fn of(labels: &[String], words: &Words) -> Masks {
        let masked = |text: &str| {
            let held = text.strip_prefix(LABELS);
            held.is_some_and(|held| held.split(' ').any(|one| labels.iter().any(|m| m == one)))
        };
        let mut masks = Masks {
            any: !labels.is_empty(),
            ..Masks::default()
        };
        if masks.any {
            masks.numbers = words
                .all()
                .filter(|(_, text)| masked(text))
                .map(|one| one.0)
                .collect();
            masks.last = words.count();
        }
        masks
    }

    fn covers(&self, labels: i64) -> bool {
        self.any && labels > 0 && (labels > self.last || self.numbers.contains(&labels))
    }
}

/// Whose resources a permit reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One patient: the survivor first, then everybody merged into them.
    Patient(Vec<String>),
    /// All resources of one type.
    Kind(String),
    /// The patients on one ward: who they are.
    Ward(String),
    /// The patients on one ward, with their charts, for its pack.
    Carried(String),
    /// Everything, and of that only its history.
    Record,
    /// No content at all.
    Nothing,
}

impl Scope {
    pub(crate) fn of(ask: &Ask, aliases: &Aliases) -> Scope {
        let looks = matches!(
            ask.act,
            Act::Read | Act::Search | Act::History | Act::Export
        );
        let client = ask.identity.role() == Role::Client;
        let reach = match &ask.subject {
            Subject::Ward(ward) if ask.act == Act::Carry => Reach::Carried(ward.clone()),
            _ if !looks => Reach::Nothing,
            Subject::Patient(id) => Reach::Patient(aliases.family(id)),
            Subject::Kind(kind) => Reach::Kind(kind.clone()),
            Subject::Ward(ward) => Reach::Ward(ward.clone()),
            // Overseers may look at the record too, but see no charts; policies say the same.
            Subject::Record if ask.act == Act::History && client => Reach::Record,
            Subject::Record | Subject::Account(_) | Subject::Feed(_) => Reach::Nothing,
        };
        let words = match &ask.subject {
            Subject::Patient(_) => "one patient".to_owned(),
            Subject::Kind(kind) => format!("resources of type `{kind}`"),
            Subject::Ward(ward) => format!("ward `{ward}`"),
            Subject::Record => "the record".to_owned(),
            Subject::Account(_) => "an account".to_owned(),
            Subject::Feed(_) => "a feed".to_owned(),
        };
        Scope {
            reach,
            kinds: ask.kinds.iter().cloned().collect(),
            parts: Parts::of(ask, aliases),
            masks: Masks::default(),
            hides: Hides::default(),
            words: format!("`{}` of {words}", ask.act.word()),
        }
    }

    /// The same scope without what carries any of these security labels.
    pub(crate) fn without(mut self, labels: &[String], words: &Words) -> Scope {
        self.masks = Masks::of(labels, words);
        self
    }

    /// The same scope without these elements of whatever has them.
    pub(crate) fn hiding(mut self, elements: &[Element], words: &Words) -> Scope {
        self.hides = Hides::of(elements, words);
        self
    }

    /// What it takes out of resources that it shows.
    pub(crate) const fn hides(&self) -> &Hides {
        &self.hides
    }

    /// The contents of rows with what is hidden taken out.
    pub(crate) fn clean(&self, rows: &[Row], values: &mut [Option<Value>]) {
        if self.hides.any() {
            for (row, value) in rows.iter().zip(values) {
                if let Some(value) = value {
                    self.hides.strip(row, value);
                }
            }
        }
    }

    /// Whether anything is left out for its labels.
    pub(crate) fn is_masking(&self) -> bool {
        self.masks.any
    }

    /// Whether this version is left out for its labels.
    pub(crate) fn masks(&self, row: &Row) -> bool {
        self.masks.covers(row.labels)
    }

    /// The same scope with all that it leaves out: for what only has to know that it is there.
    pub(crate) fn unmasked(&self) -> Scope {
        Scope {
            masks: Masks::default(),
            hides: Hides::default(),
            ..self.clone()
        }
    }

    pub(crate) const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// All that is seen, but for labels and elements, in one text: equal texts show the same.
    pub(crate) fn seen(&self) -> String {
        let mut kinds: Vec<&str> = self.kinds.iter().map(String::as_str).collect();
        kinds.sort_unstable();
        format!("{:?} {kinds:?} {:?}", self.reach, self.parts)
    }

    /// What of all that there is this scope shows, without these labels and elements, in one text; `None`:
    /// it is not of one patient. `what` says what is made of it.
    pub(crate) fn key(&self, what: &str, less: &(Vec<String>, Vec<Element>)) -> Option<String> {
        let patient = self.family()?.first()?;
        let (masks, hides) = less;
        let seen = self.seen();
        Some(format!("{what} {patient} {masks:?} {hides:?} {seen}"))
    }

    /// What scopes let be seen of a type.
    pub(crate) fn view(&self, kind: &str) -> &View {
        self.parts.kind(kind)
    }

    /// The one patient with everybody merged into them.
    pub(crate) fn family(&self) -> Option<&[String]> {
        match &self.reach {
            Reach::Patient(family) => Some(family),
            _ => None,
        }
    }

    /// The ward, if the permit is for one.
    pub(crate) fn ward(&self) -> Option<&str> {
        match &self.reach {
            Reach::Ward(ward) | Reach::Carried(ward) => Some(ward),
            _ => None,
        }
    }

    /// The scope of one chart in a pack; `None`: the permit is for no pack.
    ///
    /// INVARIANT: called with somebody who lies on the permit's ward, or is expected there.
    pub(crate) fn carried(&self, family: Vec<String>) -> Option<Scope> {
        let Reach::Carried(_) = self.reach else {
            return None;
        };
        Some(Scope {
            reach: Reach::Patient(family),
            ..self.clone()
        })
    }

    /// Refuses unless resources of this type may be asked for.
    pub(crate) fn asks_for(&self, kind: &str) -> Outcome<()> {
        let reaches = match &self.reach {
            Reach::Patient(_) => self.names(kind),
            Reach::Kind(allowed) => allowed == kind,
            Reach::Carried(_) | Reach::Ward(_) | Reach::Record | Reach::Nothing => false,
        };
        if reaches {
            Ok(())
        } else {
            Err(self.outside(&format!("resources of type `{kind}`")))
        }
    }

    /// Whether a version of that type may be shown as what was asked for.
    pub(crate) fn shows(&self, row: &Row) -> bool {
        self.reaches(row) && !self.masks(row)
    }

    /// Whether a version is the permit's to ask for, masked or not.
    pub(crate) fn reaches(&self, row: &Row) -> bool {
        match &self.reach {
            Reach::Patient(family) => row.patient.as_ref().is_some_and(|id| family.contains(id)),
            Reach::Kind(_) | Reach::Record => true,
            Reach::Carried(_) | Reach::Ward(_) | Reach::Nothing => false,
        }
    }

    /// Whether a version of that type may come along with what was asked for.
    pub(crate) fn includes(&self, kind: &str, row: &Row) -> bool {
        if self.masks(row) {
            return false;
        }
        match &self.reach {
            Reach::Patient(family) => {
                let own = row.patient.as_ref().is_none_or(|id| family.contains(id));
                own && self.names(kind)
            }
            Reach::Kind(allowed) => allowed == kind || self.names(kind),
            Reach::Carried(_) | Reach::Ward(_) | Reach::Record | Reach::Nothing => false,
        }
    }

    fn names(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.contains(kind)
    }

    /// The refusal.
    pub(crate) fn outside(&self, asked: &str) -> ChartError {
        ChartError::OutsidePermit {
            permit: self.words.clone(),
            asked: asked.to_owned(),
        }
    }
}
