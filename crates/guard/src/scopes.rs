//! SMART App Launch 2.x system scopes (`system/Observation.rs`), without the query part.

use event::{Act, Subject};
use thiserror::Error;

use crate::Ask;

/// One SMART v2 scope: a FHIR type (or `*`) and what may be done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    kind: String,
    letters: String,
}

/// Why a text is not a scope that Salus grants.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{text}` is not a scope: {why}; write for instance `system/Observation.rs` or `system/*.cruds`"
)]
pub struct BadScope {
    text: String,
    why: &'static str,
}

impl Scope {
    /// Reads `system/Type.cruds`: letters of `cruds` in this order, each at most once.
    ///
    /// # Errors
    /// [`BadScope`] for other contexts (`patient/`, `user/`), SMART v1 words and queries, none of
    /// which Salus grants.
    pub fn parse(text: &str) -> Result<Scope, BadScope> {
        let bad = |why| BadScope {
            text: text.to_owned(),
            why,
        };
        let rest = text
            .strip_prefix("system/")
            .ok_or_else(|| bad("it does not begin with `system/`"))?;
        let (kind, letters) = rest
            .split_once('.')
            .ok_or_else(|| bad("there is no `.` after the type"))?;
        if !is_kind(kind) {
            return Err(bad("the part before `.` is no FHIR type and not `*`"));
        }
        if !is_ordered(letters) {
            return Err(bad(
                "after `.` stand letters of `cruds`, in this order, each once",
            ));
        }
        Ok(Scope {
            kind: kind.to_owned(),
            letters: letters.to_owned(),
        })
    }

    fn covers(&self, kind: &str, letter: char) -> bool {
        (self.kind == "*" || self.kind == kind) && self.letters.contains(letter)
    }
}

/// The types of `ask` that no scope covers for its act; `*` stands for all types.
pub(crate) fn uncovered(ask: &Ask) -> Vec<String> {
    let asked = if ask.kinds.is_empty() {
        vec!["*".to_owned()]
    } else {
        ask.kinds.clone()
    };
    let Some(letter) = letter(ask.act, &ask.subject) else {
        return asked;
    };
    // A scope that cannot be read covers nothing.
    let scopes: Vec<Scope> = ask
        .identity
        .scopes
        .iter()
        .filter_map(|text| Scope::parse(text).ok())
        .collect();
    let covered = |kind: &str| scopes.iter().any(|scope| scope.covers(kind, letter));
    asked.into_iter().filter(|kind| !covered(kind)).collect()
}

/// The letter an act needs. The history of one patient's resources is `r`, that of a type or of
/// the whole system is `s` (SMART App Launch 2.2, "Scopes for requesting FHIR Resources").
pub(crate) fn letter(act: Act, subject: &Subject) -> Option<char> {
    match act {
        Act::Create => Some('c'),
        Act::Read => Some('r'),
        Act::History if subject.patient().is_some() => Some('r'),
        Act::Audit | Act::History | Act::Search => Some('s'),
        Act::Update => Some('u'),
        Act::Delete => Some('d'),
        Act::BreakGlass
        | Act::Erase
        | Act::Export
        | Act::Manage
        | Act::ReadMessage
        | Act::Review
        | Act::Send
        | Act::SignIn
        | Act::SignOut
        | Act::Unmerge => None,
    }
}

fn is_kind(text: &str) -> bool {
    text == "*"
        || (text.starts_with(|first: char| first.is_ascii_uppercase())
            && text.chars().all(|letter| letter.is_ascii_alphabetic()))
}

fn is_ordered(letters: &str) -> bool {
    let places: Option<Vec<usize>> = letters.chars().map(|letter| "cruds".find(letter)).collect();
    places.is_some_and(|places| !places.is_empty() && places.is_sorted_by(|a, b| a < b))
}

#[cfg(test)]
mod tests {
    use event::{Actor, ActorKind, Role};

    use super::*;
    use crate::Identity;

    fn left_over(scopes: &[&str], act: Act, kinds: &[&str]) -> Vec<String> {
        let mut identity = Identity::of(Actor {
            kind: ActorKind::Software,
            id: "lis".into(),
            name: "Laboratory".into(),
            role: Role::Client,
        });
        identity.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        uncovered(&Ask {
            identity,
            act,
            subject: Subject::Record,
            kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
            purpose: "TREAT".into(),
            reason: None,
            detail: String::new(),
        })
    }

    #[test]
    fn each_act_needs_its_letter() {
        for (act, letter) in [
            (Act::Create, 'c'),
            (Act::Read, 'r'),
            (Act::Update, 'u'),
            (Act::Delete, 'd'),
            (Act::Search, 's'),
        ] {
            for granted in "cruds".chars() {
                let scope = format!("system/Observation.{granted}");
                let left = left_over(&[&scope], act, &["Observation"]);
                assert_eq!(left.is_empty(), granted == letter, "{act:?} with {scope}");
            }
        }
    }

    #[test]
    fn every_type_asked_for_must_be_covered() {
        let scopes = ["system/Patient.rs", "system/Observation.r"];
        assert!(left_over(&scopes, Act::Read, &["Patient", "Observation"]).is_empty());
        assert_eq!(
            left_over(&scopes, Act::Search, &["Patient", "Observation"]),
            ["Observation"]
        );
    }

    #[test]
    fn asking_for_everything_needs_the_star() {
        assert_eq!(left_over(&["system/Patient.cruds"], Act::Read, &[]), ["*"]);
        assert!(left_over(&["system/*.r"], Act::Read, &[]).is_empty());
    }

    #[test]
    fn the_history_of_a_type_is_a_search() {
        let subject = Subject::Patient("p".into());
        assert_eq!(letter(Act::History, &subject), Some('r'));
        assert_eq!(letter(Act::History, &Subject::Record), Some('s'));
    }

    #[test]
    fn a_scope_that_cannot_be_read_covers_nothing() {
        for bad in [
            "system/*.*",
            "system/Observation.read",
            "system/Observation.sr",
            "system/Observation.rr",
            "system/Observation.",
            "system/observation.r",
            "patient/Observation.r",
            "system/Observation.rs?category=laboratory",
            "system/Observation",
            "",
        ] {
            assert!(Scope::parse(bad).is_err(), "{bad}");
            assert_eq!(
                left_over(&[bad], Act::Read, &["Observation"]),
                ["Observation"]
            );
        }
        assert_eq!(
            Scope::parse("user/Patient.r").unwrap_err().to_string(),
            "`user/Patient.r` is not a scope: it does not begin with `system/`; write for \
             instance `system/Observation.rs` or `system/*.cruds`"
        );
    }
}
