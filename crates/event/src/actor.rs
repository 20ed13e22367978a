use serde::{Deserialize, Serialize};

/// Who did it: a person, a device, a program or an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What kind of thing acts.
    pub kind: ActorKind,
    /// Its name in the house: an account id, a client id, a feed's name.
    pub id: String,
    /// How a person would say it.
    pub name: String,
    /// What it is here for.
    pub role: Role,
}

impl Actor {
    /// Salus acting by itself.
    pub fn salus() -> Actor {
        Actor {
            kind: ActorKind::Software,
            id: "salus".into(),
            name: "Salus".into(),
            role: Role::Salus,
        }
    }

    /// A feed: the system at the other end of a wire, by its configured name.
    pub fn feed(name: &str) -> Actor {
        Actor {
            kind: ActorKind::Software,
            id: name.into(),
            name: name.into(),
            role: Role::Feed,
        }
    }
}

/// What kind of thing acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActorKind {
    /// Equipment with a patient at one end.
    Device,
    /// A hospital, a laboratory, an authority.
    Organization,
    /// A human being with an account.
    Person,
    /// A program.
    Software,
}

/// What an actor is here for. Policies speak of roles, never of single accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the installation; sees no chart.
    Administrator,
    /// A system that speaks FHIR with a bearer token.
    Client,
    /// A system that sends messages over MLLP.
    Feed,
    /// Nurse.
    Nurse,
    /// Whoever is signed in to the machine and runs `salus` there.
    Operator,
    /// Physician.
    Physician,
    /// Privacy officer: sees who saw what.
    PrivacyOfficer,
    /// Salus itself.
    Salus,
}

impl Role {
    /// Every role a person's account can have, in the order a form shows them.
    pub const PEOPLE: [Role; 4] = [
        Role::Nurse,
        Role::Physician,
        Role::PrivacyOfficer,
        Role::Administrator,
    ];

    /// Every role.
    pub const ALL: [Role; 8] = [
        Role::Administrator,
        Role::Client,
        Role::Feed,
        Role::Nurse,
        Role::Operator,
        Role::Physician,
        Role::PrivacyOfficer,
        Role::Salus,
    ];

    /// The role's one word, as policies, the command line and the record spell it.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Administrator => "administrator",
            Role::Client => "client",
            Role::Feed => "feed",
            Role::Nurse => "nurse",
            Role::Operator => "operator",
            Role::Physician => "physician",
            Role::PrivacyOfficer => "privacy-officer",
            Role::Salus => "salus",
        }
    }

    /// The role of a person's account by its word.
    pub fn person(word: &str) -> Option<Role> {
        Role::PEOPLE.into_iter().find(|role| role.word() == word)
    }
}
