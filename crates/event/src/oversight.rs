//! What overseers answer for: glass that was broken, and the policies themselves.

use serde::{Deserialize, Serialize};

/// Somebody was let into a chart in an emergency, for one patient and a few minutes.
///
/// In an audit message these are DICOM 110127 (Emergency Override Started) and 110138 (stopped).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Glass {
    /// It was broken. The actor of the event did it, its subject is the patient, its index names it.
    Started {
        /// What for: HL7 v3 PurposeOfUse.
        purpose: String,
        /// The reason that was typed.
        reason: String,
        /// How long it lasts, in milliseconds from the moment it is sealed.
        lasts_ms: i64,
    },
    /// Whoever broke it ended it early.
    Ended {
        /// The index of the event that started it.
        glass: u64,
    },
    /// An overseer closed it. Of several reviews the first that is sealed counts; the record takes
    /// no second.
    Reviewed {
        /// The index of the event that started it.
        glass: u64,
        /// What they found.
        verdict: GlassVerdict,
        /// Why, as they typed it.
        words: String,
    },
}

/// What an overseer found about broken glass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GlassVerdict {
    /// There was need.
    Justified,
    /// There was none.
    NotJustified,
    /// Somebody has to go on with it.
    FollowUp,
}

impl GlassVerdict {
    /// Every verdict, in the order a form shows them.
    pub const ALL: [GlassVerdict; 3] = [
        GlassVerdict::Justified,
        GlassVerdict::NotJustified,
        GlassVerdict::FollowUp,
    ];

    /// The verdict's one word, as forms and policies spell it.
    pub const fn word(self) -> &'static str {
        match self {
            GlassVerdict::Justified => "justified",
            GlassVerdict::NotJustified => "not-justified",
            GlassVerdict::FollowUp => "follow-up",
        }
    }
}

/// The policies were changed: from this event on these are in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// Why, as it was typed.
    pub reason: String,
    /// SHA-256 over the names and texts, in hex: what people compare.
    pub hash: String,
    /// The Cedar schema.
    pub schema: String,
    /// Every file: name and text.
    pub files: Vec<(String, String)>,
}
