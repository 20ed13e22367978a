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
    /// What it was put right from: `pack`, `journal`, `memory`, `record`; `None`: it could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed_from: Option<String>,
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
