//! FHIR R4 resources, element by element.

mod collect;
mod instead;
mod rules;
mod time;
mod walk;

use jiff::civil::Date;
use serde_json::Value;

use super::find::Finder;
use super::keyed::Secret;
use super::known::Known;
use super::span::Span;
use super::write::{Counts, Dates};

/// The types that stay here by their nature, each with why.
pub fn left_out() -> &'static [(&'static str, &'static str)] {
    &rules::LEFT_OUT
}

/// Everything that decides how one patient's resources are masked.
#[derive(Debug, Clone, Copy)]
pub struct Masking<'a> {
    /// The rules and the house.
    pub finder: &'a Finder,
    /// The patient and everybody around them.
    pub known: &'a Known,
    /// The secret of the project: pseudonyms and ids depend on it.
    pub secret: &'a Secret,
    /// What becomes of dates.
    pub dates: Dates,
    /// The day on which the age is told.
    pub today: Date,
}

/// A resource that may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// The resource as one line of JSON.
    pub json: String,
    /// How much of each kind was masked in it.
    pub counts: Counts,
}

/// Why a resource does not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// It has no type, or one that may not leave.
    #[error("resources of type `{0}` are not de-identified yet and do not leave")]
    Kind(String),
    /// It is of a type that stays here by its nature.
    #[error("{why}")]
    LeftOut {
        /// The FHIR type.
        kind: &'static str,
        /// Why, in words.
        why: &'static str,
    },
    /// An extension changes the meaning of what stays.
    #[error("its modifier extension `{0}` changes what the rest means and cannot be checked")]
    Modifier(String),
    /// The second look found something.
    #[error("the second look still found {0} known identifiers in it")]
    Leak(usize),
}

impl Masking<'_> {
    /// Masks a resource and looks at what would leave a second time.
    ///
    /// # Errors
    /// [`Withheld`] says why the resource must not leave; nothing of it does then.
    pub fn resource(&self, resource: &Value) -> Result<Masked, Withheld> {
        let mut walk = walk::Walk::new(self);
        let masked = walk.resource(resource)?;
        let json = masked.to_string();
        match self.leaks(&masked, &json).len() {
            0 => Ok(Masked {
                json,
                counts: walk.counts,
            }),
            count => Err(Withheld::Leak(count)),
        }
    }

    /// What the record knows and outgoing bytes still tell: in the JSON as it is written, and in
    /// its texts as they are read.
    fn leaks(&self, masked: &Value, json: &str) -> Vec<Span> {
        let mut spans = self.finder.leaks(json, self.known);
        let mut texts = String::new();
        gather(masked, &mut texts);
        spans.extend(self.finder.leaks(&texts, self.known));
        spans
    }

    /// The id that stands for a resource's id wherever it is named.
    pub fn id(&self, kind: &str, id: &str) -> String {
        self.secret.pseudonym(kind, id)
    }
}

/// Every text of a value, one a line. Names of elements are FHIR's own.
fn gather(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => {
            out.push_str(text);
            out.push('\n');
        }
        Value::Array(list) => list.iter().for_each(|inner| gather(inner, out)),
        Value::Object(object) => object.values().for_each(|inner| gather(inner, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The HMAC'd identity of a patient decides by how many days their dates move.
impl Secret {
    /// The dates of a patient, by the id of the Patient resource.
    pub fn dates(&self, patient: &str) -> Dates {
        Dates::Shift(self.days(patient))
    }
}
