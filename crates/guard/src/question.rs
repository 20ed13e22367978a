//! A question with what is known, as people write it down: in `policies/cases` and for
//! `salus policy explain`.

use event::{Act, Actor, ActorKind, Consent, Facts, Relation, Role, Subject, Taking};
use serde::Deserialize;

use crate::{Ask, Identity};

/// Who asks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The account.
    pub id: String,
    /// What they are here for.
    pub role: Role,
    /// The wards they work on.
    #[serde(default)]
    pub wards: Vec<String>,
    /// The identifier under which messages name them.
    pub practitioner: Option<String>,
    /// A client's scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// A second factor was shown.
    #[serde(default)]
    pub stepped_up: bool,
    /// Whether their rota has them on duty.
    pub on_shift: Option<bool>,
}

/// A question and what is known.
#[derive(Debug, Clone, Deserialize)]
pub struct Question {
    /// Who asks.
    pub who: Who,
    /// What they want to do.
    pub act: Act,
    /// To whom or what.
    pub of: Subject,
    /// The FHIR types; empty: all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// What for; `TREAT` if it is not said.
    #[serde(default = "treat")]
    pub purpose: String,
    /// What was typed.
    pub reason: Option<String>,
    /// What exactly; of a review, its verdict.
    #[serde(default)]
    pub detail: String,
    /// What connects them with the patient.
    #[serde(default)]
    pub relations: Vec<Relation>,
    /// What the patient decided about them.
    #[serde(default)]
    pub consents: Vec<Consent>,
    /// Security labels in the chart.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The patient is the asker.
    #[serde(default)]
    pub own: bool,
    /// The event by which they broke the glass.
    pub glass: Option<u64>,
    /// What is to be reviewed was their own act.
    #[serde(default)]
    pub own_act: bool,
    /// How much was taken already.
    pub taking: Option<Taking>,
}

fn treat() -> String {
    "TREAT".to_owned()
}

impl Question {
    /// The question as the guard takes it.
    pub fn parts(&self) -> (Ask, Facts) {
        let who = self.who.clone();
        let actor = Actor {
            kind: ActorKind::Person,
            id: who.id.clone(),
            name: who.id,
            role: who.role,
        };
        let ask = Ask {
            identity: Identity {
                wards: who.wards,
                practitioner: who.practitioner,
                scopes: who.scopes,
                stepped_up: who.stepped_up,
                on_shift: who.on_shift,
                ..Identity::of(actor)
            },
            act: self.act,
            subject: self.of.clone(),
            kinds: self.kinds.clone(),
            purpose: self.purpose.clone(),
            reason: self.reason.clone(),
            detail: self.detail.clone(),
        };
        let facts = Facts {
            relations: self.relations.clone(),
            consents: self.consents.clone(),
            labels: self.labels.clone(),
            own: self.own,
            glass: self.glass,
            own_act: self.own_act,
            taking: self.taking,
        };
        (ask, facts)
    }
}
