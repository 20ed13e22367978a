//! What of a type the scopes behind a permit let be seen: the last word on every resource shown.

use guard::{Ask, Seen, is_directory, seen};
use serde_json::Value;
use wire::fhir::Filter;
use wire::fhir::search::QueryLimits;

use crate::alias::Aliases;
use crate::store::Row;

/// What may be seen of each type that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    of: Vec<(String, View)>,
    /// What may be seen of all other types.
    rest: View,
}

/// What may be seen of one type.
#[derive(Debug, Clone)]
pub(crate) enum View {
    /// All of it.
    Whole,
    /// What lies in one of these.
    Within(Vec<Part>),
}

/// One part: one patient's, or what answers filters, or both.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The patient with everybody merged into them.
    family: Option<Vec<String>>,
    /// Whether the type holds no patient's data, so that what is nobody's belongs to it.
    directory: bool,
    /// All of these must hold.
    filters: Vec<Filter>,
}

impl Parts {
    /// Works it out for the types that `ask` names; if it names none, for all of them at once.
    pub(crate) fn of(ask: &Ask, aliases: &Aliases) -> Parts {
        let view = |kind: &str| View::of(seen(ask, kind), kind, aliases);
        Parts {
            of: ask
                .kinds
                .iter()
                .map(|kind| (kind.clone(), view(kind)))
                .collect(),
            rest: match ask.kinds.is_empty() {
                true => view("*"),
                false => view(""),
            },
        }
    }

    pub(crate) fn kind(&self, kind: &str) -> &View {
        let named = self.of.iter().find(|(named, _)| named == kind);
        named.map_or(&self.rest, |(_, view)| view)
    }
}

impl View {
    pub(crate) fn of(seen: Seen, kind: &str, aliases: &Aliases) -> View {
        let Seen::Parts(parts) = seen else {
            return View::Whole;
        };
        let part = |part: guard::Part| {
            // What cannot be searched for is no part of anything.
            let filters = filters(kind, &part.narrowed)?;
            Some(Part {
                family: part.patient.map(|id| aliases.family(&id)),
                directory: is_directory(kind),
                filters,
            })
        };
        View::Within(parts.into_iter().filter_map(part).collect())
    }

    /// Whether all of the type is seen, so that nothing has to be looked at.
    pub(crate) const fn whole(&self) -> bool {
        matches!(self, View::Whole)
    }

    /// The filters that every visible resource answers, if there is one such list.
    pub(crate) fn common(&self) -> &[Filter] {
        match self {
            View::Within(parts) => match parts.as_slice() {
                [only] => &only.filters,
                _ => &[],
            },
            View::Whole => &[],
        }
    }

    /// Whether a resource is seen; `value` is its content as a client reads it.
    pub(crate) fn shows(&self, patient: Option<&str>, value: &Value) -> bool {
        match self {
            View::Whole => true,
            View::Within(parts) => parts.iter().any(|part| part.holds(patient, value)),
        }
    }

    /// As [`View::shows`] for a row; a version that says the resource is gone has no content, so
    /// it is seen only where content does not matter.
    pub(crate) fn shows_row(&self, row: &Row, value: impl FnOnce() -> Option<Value>) -> bool {
        if self.whole() {
            return true;
        }
        let patient = row.patient.as_deref();
        self.shows(patient, &value().unwrap_or(Value::Null))
    }
}

impl Part {
    fn holds(&self, patient: Option<&str>, value: &Value) -> bool {
        let theirs = match (&self.family, patient) {
            (None, _) => true,
            (Some(family), Some(patient)) => family.iter().any(|id| id == patient),
            (Some(_), None) => self.directory,
        };
        theirs && self.answers(value)
    }

    fn answers(&self, value: &Value) -> bool {
        let mut all = self.filters.iter();
        // A negation would hold for a resource that is not there.
        (self.filters.is_empty() || value.is_object())
            && all.all(|filter| wire::fhir::matches(value, filter))
    }
}

fn filters(kind: &str, narrowed: &[(String, String)]) -> Option<Vec<Filter>> {
    if narrowed.is_empty() {
        return Some(Vec::new());
    }
    let query = wire::fhir::query(kind, narrowed, &QueryLimits::default()).ok()?;
    (query.filters.len() == narrowed.len()).then_some(query.filters)
}
