//! What both forms say, and the codes by which they say it.

/// DICOM's own codes (PS3.16 annex D).
pub(super) const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
/// RESTful interactions of FHIR R4.
pub(super) const REST: &str = "http://hl7.org/fhir/restful-interaction";

/// One auditable event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// Its stable id: what FHIR calls it, and a detail of the DICOM form.
    pub id: String,
    /// When, as RFC 3339 with milliseconds and an offset.
    pub at: String,
    /// What was done.
    pub did: Did,
    /// How it ended.
    pub outcome: Outcome,
    /// The person, if it was one.
    pub user: Option<User>,
    /// The program or device at the other end.
    pub client: Client,
    /// Who tells of it: the server.
    pub site: Site,
    /// Id of the Patient resource that it is about.
    pub patient: Option<String>,
    /// What was touched.
    pub object: Object,
    /// HL7 v3 ActReason (`TREAT`, `HOPERAT` ...); empty: not said.
    pub purpose: String,
    /// The policies that decided, by id.
    pub policies: Vec<String>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub id: String,
    /// How people say it.
    pub name: String,
    /// What they are here for, in one word.
    pub role: String,
}

/// A program or device at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name in the house.
    pub id: String,
    /// How people say it.
    pub name: String,
    /// Its network address, if it is known.
    pub address: String,
}

/// The server that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The name of the record, for instance `salus.hospital.example/record`.
    pub id: String,
    /// Where FHIR is served.
    pub url: String,
}

/// What was touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// Something that is no resource: its kind and its name (`ward`, `ICU`).
    Named(String, String),
    /// A question: what was asked, as it was asked.
    Query(String),
    /// A resource, as `Type/id` or `Type/id/_history/version`.
    Resource(String),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused or failed, with why in words.
    Refused(String),
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// Somebody looked into the audit record itself.
    AuditUsed,
    /// A resource was made.
    Create,
    /// A resource was deleted.
    Delete,
    /// Rights of an account were changed.
    RightsChanged,
    /// Data left as a whole.
    Export,
    /// What was, was read: of one resource.
    History,
    /// Data came in as a whole: a message of a feed.
    Import,
    /// Somebody signed in, or tried.
    Login,
    /// Somebody signed out.
    Logout,
    /// Emergency access began.
    OverrideStarted,
    /// Emergency access ended.
    OverrideStopped,
    /// A chart was printed.
    Print,
    /// A resource or a chart was read.
    Read,
    /// It was asked which resources there are.
    Search,
    /// The server started.
    Started,
    /// The server stopped.
    Stopped,
    /// Somebody took more than they usually do.
    Alert,
    /// A resource was replaced.
    Update,
    /// An earlier version of a resource was read.
    Vread,
}

/// A code with its system and what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code.
    pub code: &'static str,
    /// The system as FHIR names it.
    pub system: &'static str,
    /// What it is called.
    pub display: &'static str,
}

pub(super) const fn dcm(code: &'static str, display: &'static str) -> Code {
    Code {
        code,
        system: DCM,
        display,
    }
}

const fn rest(code: &'static str) -> Code {
    Code {
        code,
        system: REST,
        display: code,
    }
}

impl Did {
    /// `C`, `R`, `U`, `D` or `E` (PS3.15 A.5.1, FHIR audit-event-action).
    pub const fn action(self) -> &'static str {
        match self {
            Did::Create | Did::Import => "C",
            Did::Delete => "D",
            Did::AuditUsed | Did::Export | Did::History | Did::Print | Did::Read | Did::Vread => {
                "R"
            }
            Did::RightsChanged | Did::Update => "U",
            Did::Alert
            | Did::Login
            | Did::Logout
            | Did::OverrideStarted
            | Did::OverrideStopped
            | Did::Search
            | Did::Started
            | Did::Stopped => "E",
        }
    }

    /// The event's DICOM id (PS3.15 A.5.3, PS3.16 CID 400).
    pub const fn dicom(self) -> Code {
        match self {
            Did::Started | Did::Stopped => dcm("110100", "Application Activity"),
            Did::AuditUsed => dcm("110101", "Audit Log Used"),
            Did::Export | Did::Print => dcm("110106", "Export"),
            Did::Import => dcm("110107", "Import"),
            Did::Create | Did::Delete | Did::History | Did::Read | Did::Update | Did::Vread => {
                dcm("110110", "Patient Record")
            }
            Did::Search => dcm("110112", "Query"),
            Did::Alert | Did::OverrideStarted | Did::OverrideStopped | Did::RightsChanged => {
                dcm("110113", "Security Alert")
            }
            Did::Login | Did::Logout => dcm("110114", "User Authentication"),
        }
    }

    /// What kind of such an event, where DICOM or FHIR has a code for it.
    pub const fn dicom_type(self) -> Option<Code> {
        Some(match self {
            Did::Started => dcm("110120", "Application Start"),
            Did::Stopped => dcm("110121", "Application Stop"),
            Did::Login => dcm("110122", "Login"),
            Did::Logout => dcm("110123", "Logout"),
            Did::OverrideStarted => dcm("110127", "Emergency Override Started"),
            Did::OverrideStopped => dcm("110138", "Emergency Override Stopped"),
            Did::Alert => dcm("110132", "Use of Restricted Function"),
            Did::RightsChanged => dcm("110137", "User Security Attributes Changed"),
            _ => return self.rest(),
        })
    }

    /// The RESTful interaction, if it was one.
    pub const fn rest(self) -> Option<Code> {
        Some(match self {
            Did::Create => rest("create"),
            Did::Delete => rest("delete"),
            Did::History => rest("history"),
            Did::Read => rest("read"),
            Did::Search => rest("search"),
            Did::Update => rest("update"),
            Did::Vread => rest("vread"),
            _ => return None,
        })
    }
}
