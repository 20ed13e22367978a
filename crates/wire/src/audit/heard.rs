//! The audit message of another system, read: the schema of DICOM PS3.15 A.5.1 (`csd-code`,
//! `originalText`) and the older one of RFC 3881 (`code`, `displayName`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::heard_fhir;
use super::tree::{self, Node};
use crate::syslog;
use crate::v2::cx_identifier;

/// How rsyslog writes a line end, a carriage return and a tab within a message.
const ESCAPED: [(&str, &str); 3] = [("#012", "\n"), ("#015", "\r"), ("#011", "\t")];

/// An audit message. What it does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditMessage {
    /// `EventID`: what happened.
    pub id: Coded,
    /// `EventTypeCode`: more exactly.
    pub kinds: Vec<Coded>,
    /// `EventActionCode`: `C`, `R`, `U`, `D` or `E`.
    pub action: String,
    /// `EventDateTime`, as it was written.
    pub at: String,
    /// `EventOutcomeIndicator`: `0` success, `4`, `8` and `12` failures of growing weight.
    pub outcome: String,
    /// `EventOutcomeDescription`.
    pub description: String,
    /// `PurposeOfUse`.
    pub purposes: Vec<Coded>,
    /// `ActiveParticipant`: who took part.
    pub participants: Vec<Participant>,
    /// `AuditSourceIdentification`: who tells of it.
    pub sources: Vec<AuditSource>,
    /// `ParticipantObjectIdentification`: what it was done to.
    pub objects: Vec<AuditObject>,
    /// What was odd about it, in words.
    pub complaints: Vec<String>,
}

/// A code with its system and what it is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coded {
    /// `csd-code` or `code`.
    pub code: String,
    /// `codeSystemName` or `codeSystem`.
    pub system: String,
    /// `originalText` or `displayName`.
    pub display: String,
}

/// A person or a program that took part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Participant {
    /// `UserID`.
    pub id: String,
    /// `AlternativeUserID`.
    pub other_id: String,
    /// `UserName`.
    pub name: String,
    /// `UserIsRequestor`.
    pub is_requestor: bool,
    /// `NetworkAccessPointID`.
    pub address: String,
    /// `NetworkAccessPointTypeCode`: `1` name, `2` address, `3` telephone, `4` mail, `5` URI.
    pub address_kind: String,
    /// `RoleIDCode`.
    pub roles: Vec<Coded>,
    /// `MediaType`.
    pub media: Option<Coded>,
}

/// Who tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditSource {
    /// `AuditEnterpriseSiteID`.
    pub site: String,
    /// `AuditSourceID`.
    pub id: String,
    /// `AuditSourceTypeCode`.
    pub kinds: Vec<Coded>,
}

/// What it was done to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditObject {
    /// `ParticipantObjectID`.
    pub id: String,
    /// `ParticipantObjectIDTypeCode`: what kind of id that is.
    pub id_kind: Coded,
    /// `ParticipantObjectTypeCode`: `1` person, `2` system object, `3` organization, `4` other.
    pub kind: String,
    /// `ParticipantObjectTypeCodeRole`: `1` patient, `24` query ...
    pub role: String,
    /// `ParticipantObjectDataLifeCycle`.
    pub life_cycle: String,
    /// `ParticipantObjectSensitivity`.
    pub sensitivity: String,
    /// `ParticipantObjectName`.
    pub name: String,
    /// `ParticipantObjectQuery`, as it was written: base64 if the sender keeps to the standard.
    pub query: String,
    /// `ParticipantObjectDetail`: type and value, as it was written: base64 if the sender keeps to the
    /// standard. With them, in base64, what DICOM has elements for: `Accession`, `MPPS`, `SOPClass`.
    pub details: Vec<(String, String)>,
    /// The patient that it is, if that is told in another form than `id` is.
    pub whose: Option<Named>,
}

/// How FHIR names a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// One of this server.
    Whose(Whose),
    /// By an absolute address: of this server, if it begins with the server's; if not, as is said beside it.
    At(String, Option<Whose>),
    /// In a way by which nobody is found here.
    Otherwise,
}

impl Named {
    /// Whom it means; `base`: the address of this server.
    #[must_use]
    pub fn whose(&self, base: &str) -> Option<Whose> {
        match self {
            Named::Whose(whose) => Some(whose.clone()),
            Named::At(address, otherwise) => {
                let rest = address.strip_prefix(base.trim_end_matches('/'));
                let own = rest.and_then(|rest| heard_fhir::patient_id(rest.strip_prefix('/')?));
                own.map(Whose::Here).or_else(|| otherwise.clone())
            }
            Named::Otherwise => None,
        }
    }
}

/// By what a patient is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// By the id of a Patient resource here.
    Here(String),
    /// By an identifier: system and value.
    Numbered(String, String),
}

impl Whose {
    /// The id of the Patient resource; `id` makes it of system and value.
    #[must_use]
    pub fn id(&self, id: impl Fn(&str, &str) -> String) -> String {
        match self {
            Whose::Here(here) => here.clone(),
            Whose::Numbered(system, value) => id(system, value),
        }
    }
}

impl AuditObject {
    /// Whether it is a patient.
    #[must_use]
    pub fn is_patient(&self) -> bool {
        self.whose.is_some() || (self.kind == "1" && self.role == "1")
    }
}

/// A line of an audit feed, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// The sender's name, as syslog has it.
    pub host: Option<String>,
    /// The message.
    pub message: AuditMessage,
}

impl AuditMessage {
    /// When it happened, in milliseconds since 1970; a time without an offset is in `zone`.
    #[must_use]
    pub fn moment(&self, zone: &TimeZone) -> Option<i64> {
        if let Some(at) = syslog::moment(&self.at) {
            return Some(at);
        }
        let civil: DateTime = self.at.parse().ok()?;
        let there = zone.to_ambiguous_zoned(civil).compatible().ok()?;
        Some(there.timestamp().as_millisecond())
    }

    /// The patients that it names, with the place among its objects. An identifier without an assigning
    /// authority is of `authority`; of an AuditEvent that is the address of this server.
    #[must_use]
    pub fn patients(&self, authority: &str) -> Vec<(usize, Whose)> {
        let places = self.objects.iter().enumerate();
        let patients = places.filter(|(_, object)| object.is_patient());
        let named = patients.filter_map(|(place, object)| {
            if let Some(named) = &object.whose {
                return Some((place, named.whose(authority)?));
            }
            let (system, value) = cx_identifier(&object.id, authority)?;
            Some((place, Whose::Numbered(system, value)))
        });
        named.collect()
    }

    /// Whether it is about several patients, known here or not.
    #[must_use]
    pub fn is_of_several(&self) -> bool {
        let patients = self.objects.iter().filter(|one| one.is_patient());
        let mut named = patients.map(|one| match &one.whose {
            Some(Named::Otherwise) | None => (None, one.id.as_str()),
            whose => (whose.as_ref(), ""),
        });
        let first = named.next();
        named.any(|other| Some(other) != first)
    }

    /// What it tells of the patient at that place among its objects, the only one then: nothing in which another
    /// patient may be meant.
    #[must_use]
    pub fn of_one(&self, place: usize) -> AuditMessage {
        let mut one = AuditMessage {
            objects: self.objects.get(place).cloned().into_iter().collect(),
            description: String::new(),
            ..self.clone()
        };
        let participants = one.participants.iter_mut();
        let roles = participants.flat_map(|one| one.roles.iter_mut().chain(&mut one.media));
        let sources = one.sources.iter_mut().flat_map(|one| &mut one.kinds);
        let codes = std::iter::once(&mut one.id).chain(&mut one.kinds);
        let codes = codes.chain(&mut one.purposes).chain(roles).chain(sources);
        codes.for_each(|code| code.display.clear());
        one
    }

    /// The person or program that asked for it: the requestor, one with a role of a person first.
    #[must_use]
    pub fn requestor(&self) -> Option<&Participant> {
        let is_program = |one: &Participant| {
            let mut roles = one.roles.iter();
            roles.any(|role| matches!(role.code.as_str(), "110150" | "110152" | "110153"))
        };
        let asked = || self.participants.iter().filter(|one| one.is_requestor);
        let person = asked().find(|one| !is_program(one));
        let person = person.or_else(|| asked().next());
        person.or_else(|| self.participants.first())
    }
}

/// Reads a line: an audit message in syslog (RFC 5424 or RFC 3164), or alone, or a FHIR `AuditEvent`. `near`: when it came, in
/// milliseconds since 1970, and the zone of times without an offset.
///
/// # Errors
/// In words, why it is no audit message.
pub fn heard(line: &[u8], near: (i64, &TimeZone)) -> Result<Heard, String> {
    if heard_fhir::is_fhir(line) {
        return Ok(Heard {
            host: None,
            message: heard_fhir::message_of(line)?,
        });
    }
    let (host, start) = match syslog::read(line, near) {
        Ok(entry) => (entry.host, entry.text),
        Err(_) if line.trim_ascii_start().starts_with(b"<") => (None, 0),
        Err(why) => return Err(why.to_owned()),
    };
    let message = audit_message_of(line.get(start..).unwrap_or_default())?;
    Ok(Heard { host, message })
}

/// Reads an audit message.
///
/// # Errors
/// In words, why it is none: no XML, a document type, another root, or no `EventID`.
pub fn audit_message_of(bytes: &[u8]) -> Result<AuditMessage, String> {
    let (text, odd) = tree::decoded(bytes);
    let text = text.trim_start();
    let mut complaints: Vec<String> = odd.into_iter().collect();
    let (root, follows) = match tree::parse(text) {
        Ok(read) => read,
        Err(why) if text.contains("#0") => {
            complaints.push("its line ends were written as `#012`".to_owned());
            tree::parse(&unescaped(text)).map_err(|_| why)?
        }
        Err(why) => return Err(why),
    };
    if root.name != "AuditMessage" {
        return Err("its root is no `AuditMessage`".to_owned());
    }
    if follows {
        complaints.push("something follows the message".to_owned());
    }
    let event = root.first("EventIdentification");
    let event = event.ok_or("it has no `EventIdentification`")?;
    let id = event.first("EventID").map(coded).unwrap_or_default();
    if id.code.is_empty() {
        return Err("it has no `EventID` with a code".to_owned());
    }
    let message = AuditMessage {
        id,
        kinds: event.all("EventTypeCode").map(coded).collect(),
        action: event.attribute("EventActionCode").to_owned(),
        at: event.attribute("EventDateTime").to_owned(),
        outcome: event.attribute("EventOutcomeIndicator").to_owned(),
        description: words(event, "EventOutcomeDescription"),
        purposes: event.all("PurposeOfUse").map(coded).collect(),
        participants: root.all("ActiveParticipant").map(participant).collect(),
        sources: root.all("AuditSourceIdentification").map(source).collect(),
        objects: root
            .all("ParticipantObjectIdentification")
            .map(object)
            .collect(),
        complaints,
    };
    Ok(complained(message))
}

/// With what a message must have and this one has not.
pub(super) fn complained(mut message: AuditMessage) -> AuditMessage {
    let odd = [
        (message.at.is_empty(), "it does not say when it happened"),
        (
            message.participants.is_empty(),
            "it does not say who took part",
        ),
        (
            message.sources.is_empty(),
            "it does not say who tells of it",
        ),
        (
            message.sources.len() > 1,
            "several tell of it: the first counts",
        ),
    ];
    let odd = odd.into_iter().filter(|(holds, _)| *holds);
    let odd = odd.map(|(_, words)| words.to_owned());
    message.complaints.extend(odd);
    message
}

fn unescaped(text: &str) -> String {
    let all = ESCAPED.iter();
    all.fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn coded(node: &Node) -> Coded {
    let one = |names: [&str; 2]| {
        let found = names.map(|name| node.attribute(name));
        found
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default()
            .to_owned()
    };
    Coded {
        code: one(["csd-code", "code"]),
        system: one(["codeSystemName", "codeSystem"]),
        display: one(["originalText", "displayName"]),
    }
}

fn words(node: &Node, name: &str) -> String {
    let text = node.first(name).map_or("", |child| child.text.trim());
    text.to_owned()
}

fn participant(node: &Node) -> Participant {
    let media = node.first("MediaIdentifier");
    Participant {
        id: node.attribute("UserID").to_owned(),
        other_id: node.attribute("AlternativeUserID").to_owned(),
        name: node.attribute("UserName").to_owned(),
        // RFC 3881 section 5.2.4: a requestor unless it says otherwise.
        is_requestor: !matches!(node.attribute("UserIsRequestor"), "false" | "0"),
        address: node.attribute("NetworkAccessPointID").to_owned(),
        address_kind: node.attribute("NetworkAccessPointTypeCode").to_owned(),
        roles: node.all("RoleIDCode").map(coded).collect(),
        media: media.and_then(|media| media.first("MediaType")).map(coded),
    }
}

fn source(node: &Node) -> AuditSource {
    let mut kinds: Vec<Coded> = node.all("AuditSourceTypeCode").map(coded).collect();
    // Older versions of PS3.15 have the code as attributes of the source itself.
    let own = coded(node);
    if kinds.is_empty() && !own.code.is_empty() {
        kinds.push(own);
    }
    AuditSource {
        site: node.attribute("AuditEnterpriseSiteID").to_owned(),
        id: node.attribute("AuditSourceID").to_owned(),
        kinds,
    }
}

fn object(node: &Node) -> AuditObject {
    let id_kind = node.first("ParticipantObjectIDTypeCode");
    let mut query = words(node, "ParticipantObjectQuery");
    for (escaped, _) in ESCAPED {
        query = query.replace(escaped, "");
    }
    AuditObject {
        id: node.attribute("ParticipantObjectID").to_owned(),
        id_kind: id_kind.map(coded).unwrap_or_default(),
        kind: node.attribute("ParticipantObjectTypeCode").to_owned(),
        role: node.attribute("ParticipantObjectTypeCodeRole").to_owned(),
        life_cycle: node.attribute("ParticipantObjectDataLifeCycle").to_owned(),
        sensitivity: node.attribute("ParticipantObjectSensitivity").to_owned(),
        name: words(node, "ParticipantObjectName"),
        query,
        details: details(node),
        whose: None,
    }
}

fn details(node: &Node) -> Vec<(String, String)> {
    let own = node.all("ParticipantObjectDetail").map(|detail| {
        let (kind, value) = (detail.attribute("type"), detail.attribute("value"));
        (kind.to_owned(), value.to_owned())
    });
    // PS3.15 A.5.1: within the object itself, or within its description.
    let described = node.all("ParticipantObjectDescription");
    let within = std::iter::once(node).chain(described);
    let images = within.flat_map(|outer| {
        let named = ["Accession", "MPPS", "SOPClass"].into_iter();
        named.flat_map(move |name| {
            outer.all(name).map(move |one| {
                let number = [one.attribute("Number"), one.attribute("UID")];
                let number = number.into_iter().find(|text| !text.is_empty());
                let number = number.unwrap_or_default();
                (name.to_owned(), STANDARD.encode(number))
            })
        })
    });
    own.chain(images).collect()
}
