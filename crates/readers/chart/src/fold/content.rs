//! One version of a resource, and all that follows from it. Pure, so that it can be found out on
//! whichever thread has the resource at hand: what is handed on holds no JSON value.

use event::Time;
use serde_json::Value;

use super::index::{self, Found, Names};
use super::stay::Stay;
use crate::label::Labels;
use crate::place::Place;
use crate::tie::{self, Provision, Tie};

/// Room for a resource of the usual size.
const JSON_BYTES: usize = 1_536;

/// What a version says, what it is found by and what follows from it.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) json: Vec<u8>,
    pub(super) found: Found,
    /// Its security labels, divided by blanks; empty: it is ordinary.
    pub(super) labels: String,
    pub(super) follows: Follows,
}

/// What else is kept because of a resource, by its type.
#[derive(Debug)]
pub(super) enum Follows {
    Nothing,
    /// Of an Encounter; `None`: nobody is there, or coming.
    Stay(Option<Stay>),
    /// Of a Location; `None`: it is gone.
    Place(Option<Place>),
    Ties(Vec<Tie>),
    /// Of a Consent; none: it is not in force.
    Provisions(Vec<Provision>),
}

/// The name of a resource and what was known when it was sealed.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
    pub(super) patient: Option<&'a str>,
    pub(super) at: Time,
}

impl Content {
    /// Of a resource as it is to be written.
    pub(super) fn of(about: About<'_>, names: Names, value: &Value, labels: &Labels) -> Content {
        Content::with(about, names, (value, bytes(value)), labels)
    }

    /// Of a resource whose bytes are there already.
    pub(super) fn with(
        about: About<'_>,
        names: Names,
        (value, json): (&Value, Vec<u8>),
        labels: &Labels,
    ) -> Content {
        Content {
            json,
            found: index::of(about.kind, value, (about.patient, names)),
            labels: labels.of(value),
            follows: Follows::of((about.kind, about.id), Some(value), about.at),
        }
    }
}

impl Follows {
    /// Whether anything follows from resources of this type.
    pub(super) fn some(kind: &str) -> bool {
        matches!(kind, "Encounter" | "Location" | "Consent") || tie::ties(kind)
    }

    /// `None`: the resource is gone.
    pub(super) fn of((kind, id): (&str, &str), value: Option<&Value>, at: Time) -> Follows {
        match kind {
            "Encounter" => Follows::Stay(value.and_then(Stay::of)),
            "Location" => Follows::Place(value.map(|value| Place::of(id, value))),
            "Consent" => Follows::Provisions(value.map_or_else(Vec::new, tie::provisions)),
            _ if tie::ties(kind) => {
                Follows::Ties(value.map_or_else(Vec::new, |value| tie::of(kind, value, at)))
            }
            _ => Follows::Nothing,
        }
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(JSON_BYTES);
    if serde_json::to_writer(&mut bytes, value).is_err() {
        bytes.clear();
    }
    bytes
}
