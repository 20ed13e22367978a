use serde::{Deserialize, Serialize};

/// What somebody did, or asks to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Look into a chart in an emergency, without being connected with the patient.
    BreakGlass,
    /// Look at who looked: at a patient's chart, or what an account did.
    Audit,
    /// Type in what was written down while systems were away.
    Capture,
    /// Take a ward's charts along in a pack, for when Salus is away.
    Carry,
    /// Make a resource that was not there.
    Create,
    /// Mark a resource as no longer current.
    Delete,
    /// Take charts out of the house as a file; ask for that, or agree to it.
    Export,
    /// Erase a patient: shred the key that reads what was sealed of them.
    Erase,
    /// Have studies of a patient fetched from a PACS.
    Fetch,
    /// Read what a resource, a patient or a type has been.
    History,
    /// Add, change or disable an account, a client or a setting.
    Manage,
    /// Look at one chart or resource.
    Read,
    /// Look at the body of a message on the Flow page.
    ReadMessage,
    /// Decide what becomes of an entry that was typed in.
    Reconcile,
    /// Close what somebody did in an emergency, with a verdict.
    Review,
    /// Ask which patients or resources there are.
    Search,
    /// Deliver a message.
    Send,
    /// Begin a session.
    SignIn,
    /// End a session.
    SignOut,
    /// Learn the code that opens a ward's packs.
    Unlock,
    /// Take a merge of two patients back.
    Unmerge,
    /// Replace a resource by a newer version.
    Update,
}

impl Act {
    /// Every act.
    pub const ALL: [Act; 22] = [
        Act::BreakGlass,
        Act::Audit,
        Act::Capture,
        Act::Carry,
        Act::Create,
        Act::Delete,
        Act::Export,
        Act::Erase,
        Act::Fetch,
        Act::History,
        Act::Manage,
        Act::Read,
        Act::ReadMessage,
        Act::Reconcile,
        Act::Review,
        Act::Search,
        Act::Send,
        Act::SignIn,
        Act::SignOut,
        Act::Unlock,
        Act::Unmerge,
        Act::Update,
    ];

    /// The act's one word, as policies and the record spell it.
    pub const fn word(self) -> &'static str {
        match self {
            Act::BreakGlass => "break-glass",
            Act::Audit => "audit",
            Act::Capture => "capture",
            Act::Carry => "carry",
            Act::Create => "create",
            Act::Delete => "delete",
            Act::Export => "export",
            Act::Erase => "erase",
            Act::Fetch => "fetch",
            Act::History => "history",
            Act::Manage => "manage",
            Act::Read => "read",
            Act::ReadMessage => "read-message",
            Act::Reconcile => "reconcile",
            Act::Review => "review",
            Act::Search => "search",
            Act::Send => "send",
            Act::SignIn => "sign-in",
            Act::SignOut => "sign-out",
            Act::Unlock => "unlock",
            Act::Unmerge => "unmerge",
            Act::Update => "update",
        }
    }
}

/// To whom or what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of", content = "id")]
pub enum Subject {
    /// An account of a person or a client, by id.
    Account(String),
    /// A feed, by name.
    Feed(String),
    /// All resources of one FHIR type, by type name: what a search without a patient asks for.
    Kind(String),
    /// One patient, by the id of the Patient resource.
    Patient(String),
    /// The record itself.
    Record,
    /// A ward, by code.
    Ward(String),
}

impl Subject {
    /// The patient's id, if the subject is one patient.
    pub fn patient(&self) -> Option<&str> {
        match self {
            Subject::Patient(id) => Some(id),
            Subject::Account(_)
            | Subject::Feed(_)
            | Subject::Kind(_)
            | Subject::Record
            | Subject::Ward(_) => None,
        }
    }
}
