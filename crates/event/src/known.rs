//! What was known when the guard decided: sealed with the decision, so that it can be decided again
//! under other policies.

use serde::{Deserialize, Serialize};

/// Why somebody is connected with a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// An appointment of the patient within a day names the person: its id.
    Appointment(String),
    /// The person is named on a current encounter of the patient, as what: a code of HL7 v3
    /// ParticipationType (`ATND`, `REF` ...) or a word.
    CareTeam(String),
    /// The person ordered something for the patient, or answered an order: the FHIR type.
    Order(String),
    /// The patient is referred to the person, or by them: the FHIR type.
    Referral(String),
    /// The patient lies on, or is expected on, a ward the person works on (the ward's code).
    Ward(String),
}

/// What the patient decided about whoever asks: a provision of a FHIR R4 Consent that is active,
/// within its period and about them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Consent {
    /// `permit`; else `deny`.
    pub permits: bool,
    /// For these purposes (HL7 v3 PurposeOfUse); empty: for any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub purposes: Vec<String>,
    /// About these FHIR types; empty: the whole chart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
}

/// How many different patients an account has opened, and how many it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Taking {
    /// Different patients in the last hour.
    pub patients_hour: u32,
    /// Different patients in the last 24 hours.
    pub patients_day: u32,
    /// Most different patients an hour; above it the account must step up.
    pub ceiling_hour: u32,
    /// Most different patients in 24 hours.
    pub ceiling_day: u32,
    /// Whether the patient that is asked for is not among them yet.
    pub new_patient: bool,
}

/// What the hospital knows that bears on a question to the guard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Facts {
    /// Every connection of the asker with the patient; empty: none, or the subject is no patient.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
    /// What the patient decided about the asker.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<Consent>,
    /// The security labels in the patient's chart (`HIV`, `PSY`, `R`, `VIP` ...), sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The patient is the asker.
    #[serde(skip_serializing_if = "is_false")]
    pub own: bool,
    /// The asker broke the glass for this patient, and it is still broken: the index of its event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glass: Option<u64>,
    /// What is to be reviewed was the asker's own act.
    #[serde(skip_serializing_if = "is_false")]
    pub own_act: bool,
    /// How much this account has taken already; `None`: nobody counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taking: Option<Taking>,
}

/// Everything beside the question itself that a decision was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Considered {
    /// The FHIR types that were asked for; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// The wards the asker works on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wards: Vec<String>,
    /// A client's scopes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// A second factor had been shown.
    #[serde(skip_serializing_if = "is_false")]
    pub stepped_up: bool,
    /// Whether the asker was on duty; `None`: no rota is kept for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_shift: Option<bool>,
    /// The one patient that the app was opened for through which the person asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launched_for: Option<String>,
    /// What the hospital knew.
    #[serde(flatten)]
    pub facts: Facts,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
