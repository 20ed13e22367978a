//! SMART App Launch 2.2 scopes: `system/Observation.rs`, `patient/Observation.rs?category=laboratory`,
//! and the words of version 1 (`patient/*.read`).

use event::{Act, Role, Subject};
use thiserror::Error;

use crate::Ask;

/// Types that hold no patient's data, so that what was granted for one patient may name them.
pub(crate) const DIRECTORY: [&str; 6] = [
    "HealthcareService",
    "Location",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
];

/// The most search parameters one scope may carry.
const NARROWINGS_MAX: usize = 8;

/// Whose data a scope is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// The one patient an app was opened for.
    Patient,
    /// What a program may do by itself.
    System,
    /// What the person who signed in may do.
    User,
}

/// One scope: whose data, a FHIR type (or `*`), what may be done to it, and to which part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    context: Context,
    kind: String,
    letters: String,
    narrowed: Vec<(String, String)>,
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

/// How much of a type somebody may see of what the policies let them ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// All of it.
    All,
    /// What lies in one of these parts; none: nothing.
    Parts(Vec<Part>),
}

/// One part of a type: one patient's, or what answers a search, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Only what belongs to this patient (or, of a directory type, to nobody).
    pub patient: Option<String>,
    /// Only what answers every one of these search parameters (name, value); all must hold.
    pub narrowed: Vec<(String, String)>,
}

impl Scope {
    /// Reads `context/Type.letters?parameter=value&...`: letters of `cruds` in this order, each at
    /// most once; version 1's `.read`, `.write` and `.*` are read as `.rs`, `.cud` and `.cruds`.
    ///
    /// # Errors
    /// [`BadScope`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Scope, BadScope> {
        let bad = |why| BadScope {
            text: text.to_owned(),
            why,
        };
        let (context, rest) = context(text)
            .ok_or_else(|| bad("it does not begin with `system/`, `user/` or `patient/`"))?;
        let (body, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, said) = body
            .split_once('.')
            .ok_or_else(|| bad("there is no `.` after the type"))?;
        if !is_kind(kind) {
            return Err(bad("the part before `.` is no FHIR type and not `*`"));
        }
        let letters = match said {
            "read" => "rs",
            "write" => "cud",
            "*" => "cruds",
            letters => letters,
        };
        if !is_ordered(letters) {
            return Err(bad(
                "after `.` stand letters of `cruds`, in this order, each once",
            ));
        }
        let narrowed = narrowings(rest, query, kind).map_err(bad)?;
        Ok(Scope {
            context,
            kind: kind.to_owned(),
            letters: letters.to_owned(),
            narrowed,
        })
    }

    /// Whose data it is about.
    pub const fn context(&self) -> Context {
        self.context
    }

    /// The FHIR type, or `*`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What may be done: letters of `cruds`.
    pub fn letters(&self) -> &str {
        &self.letters
    }

    /// The search parameters that what it is about has to answer.
    pub fn narrowed(&self) -> &[(String, String)] {
        &self.narrowed
    }

    /// Whether `other` grants all that this scope does.
    pub fn within(&self, other: &Scope) -> bool {
        self.context == other.context
            && (other.kind == "*" || other.kind == self.kind)
            && self
                .letters
                .chars()
                .all(|letter| other.letters.contains(letter))
            && other.narrowed.iter().all(|one| self.narrowed.contains(one))
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
    let scopes = scopes(ask);
    let covered = |kind: &str| {
        let mut all = scopes.iter().filter(|scope| scope.covers(kind, letter));
        all.any(|scope| scope.context != Context::Patient || reaches(ask, kind))
    };
    asked.into_iter().filter(|kind| !covered(kind)).collect()
}

/// How much of `kind` the scopes behind `ask` let it see.
///
/// Whoever shows content holds each resource against it. The permit carries the ask, so that
/// nothing can be shown without it.
pub fn seen(ask: &Ask, kind: &str) -> Seen {
    if !bound(ask) {
        return Seen::All;
    }
    let Some(letter) = letter(ask.act, &ask.subject) else {
        return Seen::Parts(Vec::new());
    };
    let mut parts = Vec::new();
    for scope in scopes(ask) {
        if !scope.covers(kind, letter) {
            continue;
        }
        let patient = match (scope.context, launched_for(ask)) {
            (Context::System | Context::User, _) => None,
            (Context::Patient, Some(patient)) => Some(patient.to_owned()),
            // Granted for one patient, but nobody says which.
            (Context::Patient, None) => continue,
        };
        if patient.is_none() && scope.narrowed.is_empty() {
            return Seen::All;
        }
        parts.push(Part {
            patient,
            narrowed: scope.narrowed,
        });
    }
    Seen::Parts(parts)
}

/// Whether `kind` holds no patient's data, as wards and staff do.
pub fn is_directory(kind: &str) -> bool {
    DIRECTORY.contains(&kind)
}

/// Whether scopes bind this asker beside the policies: programs, and people who ask through one.
pub(crate) fn bound(ask: &Ask) -> bool {
    ask.identity.role() == Role::Client || ask.identity.through.is_some()
}

fn launched_for(ask: &Ask) -> Option<&str> {
    let through = ask.identity.through.as_ref()?;
    through.patient.as_deref()
}

/// Whether what was granted for one patient reaches what is asked about.
fn reaches(ask: &Ask, kind: &str) -> bool {
    let Some(patient) = launched_for(ask) else {
        return false;
    };
    match &ask.subject {
        Subject::Patient(asked) => asked == patient,
        Subject::Kind(_) => is_directory(kind),
        Subject::Account(_) | Subject::Feed(_) | Subject::Record | Subject::Ward(_) => false,
    }
}

/// The scopes that count for this asker. One that cannot be read covers nothing; a program has
/// no person, and a person who asks through an app is no system.
fn scopes(ask: &Ask) -> Vec<Scope> {
    let counts = |scope: &Scope| match scope.context {
        Context::System => ask.identity.through.is_none(),
        Context::Patient | Context::User => ask.identity.through.is_some(),
    };
    let all = ask.identity.scopes.iter();
    all.filter_map(|text| Scope::parse(text).ok())
        .filter(counts)
        .collect()
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
        | Act::Capture
        | Act::Carry
        | Act::Export
        | Act::Manage
        | Act::ReadMessage
        | Act::Reconcile
        | Act::Review
        | Act::Erase
        | Act::Fetch
        | Act::Send
        | Act::SignIn
        | Act::SignOut
        | Act::Unlock
        | Act::Unmerge => None,
    }
}

fn context(text: &str) -> Option<(Context, &str)> {
    let (word, rest) = text.split_once('/')?;
    let context = match word {
        "patient" => Context::Patient,
        "system" => Context::System,
        "user" => Context::User,
        _ => return None,
    };
    Some((context, rest))
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

/// The parameters after `?`. What steers an answer (`_count`) or reaches into other resources
/// (chains, `_has`, `_include`) narrows nothing.
fn narrowings(rest: &str, query: &str, kind: &str) -> Result<Vec<(String, String)>, &'static str> {
    if !rest.contains('?') {
        return Ok(Vec::new());
    }
    if kind == "*" {
        return Err("a search parameter belongs to one type, not to `*`");
    }
    let pairs: Vec<&str> = query.split('&').collect();
    if pairs.len() > NARROWINGS_MAX {
        return Err("it has more than 8 search parameters");
    }
    let read = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (unescape(name)?, unescape(value)?);
        let plain = name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
        (plain && !name.is_empty() && !value.is_empty()).then_some((name, value))
    };
    let read: Option<Vec<(String, String)>> = pairs.into_iter().map(read).collect();
    read.ok_or("after `?` stand `parameter=value`, joined by `&`, without modifiers and chains")
}

/// Text with `%xx` decoded; `None` for what is no escape or not UTF-8.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high << 4 | low).ok()?);
    }
    String::from_utf8(out)
        .ok()
        .filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests;
