use event::{Act, Actor, Considered, Decided, Facts, Role, Subject};

use crate::Obligation;

/// Who asks, with what the hospital knows of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub actor: Actor,
    /// The wards a person works on, by code.
    pub wards: Vec<String>,
    /// The identifier under which messages name this person.
    pub practitioner: Option<String>,
    /// SMART scopes of a client, or of the app a person asks through.
    pub scopes: Vec<String>,
    /// The app a person asks through; `None`: a person by themselves, or a program.
    pub through: Option<Through>,
    /// Whether a second factor was shown within the last minutes.
    pub stepped_up: bool,
    /// The network address they ask from, as the connection had it; `None`: this machine.
    pub from: Option<String>,
    /// Whether the person's rota has them on duty now; `None`: no rota is kept for them.
    pub on_shift: Option<bool>,
}

/// An app that somebody let ask in their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Through {
    /// The app's client id.
    pub app: String,
    /// The one patient it was opened for: what its `patient/` scopes are about.
    pub patient: Option<String>,
}

impl Identity {
    /// Somebody who has only a name and a role.
    pub fn of(actor: Actor) -> Identity {
        Identity {
            actor,
            wards: Vec::new(),
            practitioner: None,
            scopes: Vec::new(),
            through: None,
            stepped_up: false,
            from: None,
            on_shift: None,
        }
    }

    /// What they are here for.
    pub const fn role(&self) -> Role {
        self.actor.role
    }
}

/// A question to the guard: may this identity do this to that, and for what?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Who asks.
    pub identity: Identity,
    /// What they want to do.
    pub act: Act,
    /// To whom or what.
    pub subject: Subject,
    /// The FHIR types that are touched (`Patient`, `Observation` ...); empty: the whole chart.
    pub kinds: Vec<String>,
    /// What for: HL7 v3 PurposeOfUse, `TREAT` for people at the bedside.
    pub purpose: String,
    /// The reason they typed, where one is asked for.
    pub reason: Option<String>,
    /// What exactly was asked within the subject (a search's query), for the record.
    pub detail: String,
}

/// What the guard said, and because of which policies.
///
/// Refusal is an outcome with reasons, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub(crate) ask: Ask,
    pub(crate) allowed: bool,
    pub(crate) because: Vec<String>,
    pub(crate) words: Vec<String>,
    pub(crate) obligations: Vec<Obligation>,
    pub(crate) facts: Facts,
}

impl Decision {
    /// What was asked.
    pub const fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Whether it is allowed.
    pub const fn allowed(&self) -> bool {
        self.allowed
    }

    /// Ids of the policies that decided (`ward-reads-its-patients` ...). A refusal that no
    /// policy made is because of `no-policy-allows`.
    pub fn because(&self) -> &[String] {
        &self.because
    }

    /// The same reasons in plain language, one sentence each.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// What the hospital knew.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What must be done for the decision to hold.
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }

    /// The decision as the record keeps it.
    pub fn decided(&self) -> Decided {
        Decided {
            act: self.ask.act,
            subject: self.ask.subject.clone(),
            purpose: self.ask.purpose.clone(),
            reason: self.ask.reason.clone(),
            detail: self.ask.detail.clone(),
            through: self
                .ask
                .identity
                .through
                .as_ref()
                .map(|through| through.app.clone()),
            allowed: self.allowed,
            obligations: self.obligations.iter().map(ToString::to_string).collect(),
            considered: Some(Box::new(self.considered())),
        }
    }

    fn considered(&self) -> Considered {
        let identity = &self.ask.identity;
        Considered {
            kinds: self.ask.kinds.clone(),
            wards: identity.wards.clone(),
            scopes: identity.scopes.clone(),
            stepped_up: identity.stepped_up,
            on_shift: identity.on_shift,
            launched_for: identity
                .through
                .as_ref()
                .and_then(|through| through.patient.clone()),
            facts: self.facts.clone(),
        }
    }
}

/// The question behind a sealed decision, so that it can be decided again; `None`: it was sealed
/// before what it was made of was kept.
pub fn asked_again(actor: &Actor, decided: &Decided) -> Option<(Ask, Facts)> {
    let considered = decided.considered.as_deref()?.clone();
    let ask = Ask {
        identity: Identity {
            wards: considered.wards,
            scopes: considered.scopes,
            stepped_up: considered.stepped_up,
            on_shift: considered.on_shift,
            through: decided.through.clone().map(|app| Through {
                app,
                patient: considered.launched_for,
            }),
            ..Identity::of(actor.clone())
        },
        act: decided.act,
        subject: decided.subject.clone(),
        kinds: considered.kinds,
        purpose: decided.purpose.clone(),
        reason: decided.reason.clone(),
        detail: decided.detail.clone(),
    };
    Some((ask, considered.facts))
}
