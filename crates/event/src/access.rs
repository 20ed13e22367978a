//! What is sealed of looking itself: whom a list showed, who took too much, what may leave.

use serde::{Deserialize, Serialize};

/// Whom an answer about several patients showed. Sealed before the answer leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The index of the sealed decision that allowed the question.
    pub decision: u64,
    /// What was asked, as in that decision.
    pub asked: String,
    /// What for, as in that decision.
    pub purpose: String,
    /// The policies that allowed it.
    pub because: Vec<String>,
    /// The patients, by id of the Patient resource.
    pub patients: Vec<String>,
    /// Only who they are was shown (names, numbers, places), nothing clinical.
    pub identity_only: bool,
}

/// An account came to the most different patients it may see in a window of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceiling {
    /// The account.
    pub account: String,
    /// The policy that asked for more or refused.
    pub policy: String,
    /// Index of the first such decision in the hour.
    pub decision: u64,
}

/// The server began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Which of both.
    pub state: ServiceState,
}

/// Whether the server began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// It takes requests from now on.
    Started,
    /// It takes none any more.
    Stopped,
}

/// Somebody asks to take out data of many patients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportAsked {
    /// What is to leave, in words.
    pub what: String,
    /// To whom, in words.
    pub recipient: String,
    /// Why, in words.
    pub reason: String,
    /// The same as `what`, as a command checks it; `None`: asked before requests said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<Leaves>,
}

/// What of the record may leave, without whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Leaves {
    /// All charts.
    Charts,
    /// The charts of who lies on a ward, or is expected there, when they leave.
    Ward {
        /// Code of the ward.
        ward: String,
    },
    /// The charts of these patients.
    Patients {
        /// Ids of Patient resources.
        patients: Vec<String>,
    },
    /// The images of a study.
    Study {
        /// Study Instance UID.
        study: String,
    },
}

/// What another person said to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportAnswered {
    /// Index of the [`ExportAsked`].
    pub request: u64,
    /// Yes or no.
    pub approved: bool,
    /// Why, in words.
    pub reason: String,
}
