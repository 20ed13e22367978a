use serde::{Deserialize, Serialize};

use crate::Time;

/// Something that was sealed was found altered outside the path. The bytes that were there instead
/// are the event's raw bytes: evidence, as they were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Altered {
    /// The event that was altered; `None`: a file or a view that is about no single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// What differed.
    pub parts: Vec<AlteredPart>,
    /// When it was last found whole; `None`: nobody had looked at it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_at: Option<Time>,
    /// What it was put right from: `pack`, `journal`, `memory`, `record`, `second`
    /// (the second place of objects); `first`: it came from outside,
    /// and what was there first stays; `None`: it could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed_from: Option<String>,
    /// Where it was found, if that is another system than Salus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
}

/// A resource of another system that is not what was sealed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// The system, as it is configured.
    pub system: String,
    /// FHIR type.
    pub kind: String,
    /// Logical id, here and there.
    pub id: String,
    /// In what it differs.
    pub unlike: Unlike,
    /// Its entity tag there (HTTP `ETag`), for `If-Match`; empty: it gave none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// SHA-256 of what was found there, in hex; empty: nothing was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mark: String,
}

/// In what a resource of another system differs from what was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unlike {
    /// It says something else.
    Changed,
    /// It is not there any more.
    Missing,
    /// It was never sealed, or it was sealed as deleted.
    Unknown,
}

/// What became of a resource that was altered in another system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBack {
    /// The index of the event that says it was altered.
    pub alteration: u64,
    /// What happened.
    pub step: PutBackStep,
}

/// One step: a person's verdict, of which the first that is sealed counts, or what followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "was")]
pub enum PutBackStep {
    /// A person: what was sealed is to be put back there.
    Ordered {
        /// Why, as it was typed.
        reason: String,
    },
    /// A person: it stays as it is there.
    Left {
        /// Why, as it was typed.
        reason: String,
    },
    /// What was sealed was sent there.
    Sent {
        /// What the other system answered, in words.
        answer: String,
        /// Whether it took it; false: it refused.
        taken: bool,
    },
    /// It was found to be again what was sealed.
    Settled,
}

impl PutBackStep {
    /// Whether this is a person's verdict.
    pub const fn decides(&self) -> bool {
        matches!(self, PutBackStep::Ordered { .. } | PutBackStep::Left { .. })
    }
}

/// What somebody did from a moment on was undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewound {
    /// Whose doing: an account, a client or a feed, by id.
    pub actor: String,
    /// Since when.
    pub since: Time,
    /// Resources that went back to the version before.
    pub restored: u64,
    /// Resources that were made, and are marked as deleted.
    pub deleted: u64,
    /// Resources that others had changed since, and that stay.
    pub left: u64,
}

/// Characters of a value that are kept in an [`AlteredPart`], at most; the evidence has the rest.
const VALUE_CHARS_MAX: usize = 2_000;

/// One part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlteredPart {
    /// Which: `row.at`, `row.ciphertext`, `vault/pack/000`, `Observation.valueQuantity.value` ...
    pub part: String,
    /// What was sealed.
    pub sealed: String,
    /// What was there.
    pub found: String,
}

impl AlteredPart {
    /// A part, with values cut to a length that fits into any event.
    pub fn new(part: impl ToString, sealed: impl ToString, found: impl ToString) -> AlteredPart {
        AlteredPart {
            part: part.to_string(),
            sealed: cut(sealed.to_string()),
            found: cut(found.to_string()),
        }
    }
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(VALUE_CHARS_MAX) {
        text.truncate(at);
        text.push('\u{2026}');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_and_a_short_one_is_not() {
        let part = AlteredPart::new("content", "\u{e4}".repeat(3_000), "short");
        assert_eq!(part.sealed.chars().count(), VALUE_CHARS_MAX + 1);
        assert_eq!(part.found, "short");
    }
}
