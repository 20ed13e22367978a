use event::{Act, Actor, Decided, Role, Subject};

/// Who asks, with what the hospital knows of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub actor: Actor,
    /// The wards a person works on, by code.
    pub wards: Vec<String>,
    /// The identifier under which messages name this person.
    pub practitioner: Option<String>,
    /// A client's SMART v2 scopes, for instance `system/Observation.rs`.
    pub scopes: Vec<String>,
    /// Whether a second factor was shown within the last minutes.
    pub stepped_up: bool,
    /// Whether the person's rota has them on duty now; `None`: no rota is kept for them.
    pub on_shift: Option<bool>,
}

impl Identity {
    /// Somebody who has only a name and a role.
    pub fn of(actor: Actor) -> Identity {
        Identity {
            actor,
            wards: Vec::new(),
            practitioner: None,
            scopes: Vec::new(),
            stepped_up: false,
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

/// Why somebody is connected with a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// The patient lies on, or is expected on, a ward the person works on (the ward's code).
    Ward(String),
    /// The person is named on a current encounter of the patient, as what: a code of HL7 v3
    /// ParticipationType (`ATND`, `REF` ...) or a word.
    CareTeam(String),
}

/// What the hospital knows that bears on an [`Ask`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Every connection of the asker with the patient; empty: none, or the subject is no patient.
    pub relations: Vec<Relation>,
    /// How much this account has taken already; `None`: nobody counted.
    pub taking: Option<Taking>,
}

/// How many different patients an account has opened, and how many it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// What goes with a decision: it holds only if this is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obligation {
    /// Leave out what carries any of these security labels (codes, for instance `HIV`).
    Mask(Vec<String>),
    /// A second factor must have been shown within the last minutes.
    StepUp,
    /// Leave a word for whoever oversees access: why, in one word or sentence.
    Notify(String),
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
            allowed: self.allowed,
        }
    }
}
