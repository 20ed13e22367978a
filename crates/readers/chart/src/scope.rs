//! What a permit is good for. Every answer with content passes through here.

use std::collections::HashSet;

use event::{Act, Role, Subject};
use guard::Ask;

use crate::ChartError;
use crate::alias::Aliases;
use crate::error::Outcome;
use crate::parts::{Parts, View};
use crate::store::Row;

/// What one permit allows.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    reach: Reach,
    /// The types it is for; empty: all.
    kinds: HashSet<String>,
    /// What of each type scopes let be seen.
    parts: Parts,
    words: String,
}

/// Whose resources a permit reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One patient: the survivor first, then everybody merged into them.
    Patient(Vec<String>),
    /// All resources of one type.
    Kind(String),
    /// The patients on one ward.
    Ward(String),
    /// Everything, and of that only its history.
    Record,
    /// No content at all.
    Nothing,
}

impl Scope {
    pub(crate) fn of(ask: &Ask, aliases: &Aliases) -> Scope {
        let looks = matches!(ask.act, Act::Read | Act::Search | Act::History);
        let client = ask.identity.role() == Role::Client;
        let reach = match &ask.subject {
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
            words: format!("`{}` of {words}", ask.act.word()),
        }
    }

    pub(crate) const fn reach(&self) -> &Reach {
        &self.reach
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
            Reach::Ward(ward) => Some(ward),
            _ => None,
        }
    }

    /// Refuses unless resources of this type may be asked for.
    pub(crate) fn asks_for(&self, kind: &str) -> Outcome<()> {
        let reaches = match &self.reach {
            Reach::Patient(_) => self.names(kind),
            Reach::Kind(allowed) => allowed == kind,
            Reach::Ward(_) | Reach::Record | Reach::Nothing => false,
        };
        if reaches {
            Ok(())
        } else {
            Err(self.outside(&format!("resources of type `{kind}`")))
        }
    }

    /// Whether a version of that type may be shown as what was asked for.
    pub(crate) fn shows(&self, row: &Row) -> bool {
        match &self.reach {
            Reach::Patient(family) => row.patient.as_ref().is_some_and(|id| family.contains(id)),
            Reach::Kind(_) | Reach::Record => true,
            Reach::Ward(_) | Reach::Nothing => false,
        }
    }

    /// Whether a version of that type may come along with what was asked for.
    pub(crate) fn includes(&self, kind: &str, row: &Row) -> bool {
        match &self.reach {
            Reach::Patient(family) => {
                let own = row.patient.as_ref().is_none_or(|id| family.contains(id));
                own && self.names(kind)
            }
            Reach::Kind(allowed) => allowed == kind || self.names(kind),
            Reach::Ward(_) | Reach::Record | Reach::Nothing => false,
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
