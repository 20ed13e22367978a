//! The DICOM audit message (PS3.15 A.5.1), as XML on one line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::told::{Audited, Code, Did, Object, Outcome, dcm};
use super::xml::Element;

/// What syslog calls such a message (PS3.15 A.6).
pub const MESSAGE_KIND: &str = "DICOM+RFC3881";

const PROLOGUE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// The message.
#[must_use]
pub fn audit_message(audited: &Audited) -> String {
    let mut message = Element::new("AuditMessage").holding(event(audited));
    for participant in participants(audited) {
        message = message.holding(participant);
    }
    message = message.holding(source(audited));
    if let Some(patient) = &audited.patient {
        message = message.holding(person(patient));
    }
    let mut out = PROLOGUE.to_owned();
    message.holding(object(audited)).write(&mut out);
    out
}

fn event(audited: &Audited) -> Element {
    let outcome = match audited.outcome {
        Outcome::Done => "0",
        Outcome::Refused(_) => "8",
    };
    let mut event = Element::new("EventIdentification")
        .with("EventActionCode", audited.did.action())
        .with("EventDateTime", &audited.at)
        .with("EventOutcomeIndicator", outcome)
        .holding(coded("EventID", audited.did.dicom()));
    if let Some(kind) = audited.did.dicom_type() {
        event = event.holding(coded("EventTypeCode", kind));
    }
    if let Outcome::Refused(words) = &audited.outcome {
        event = event.holding(Element::new("EventOutcomeDescription").saying(words));
    }
    if !audited.purpose.is_empty() {
        let purpose = Element::new("PurposeOfUse")
            .with("csd-code", &audited.purpose)
            .with("codeSystemName", "HL7 ActReason")
            .with("originalText", &audited.purpose);
        event = event.holding(purpose);
    }
    event
}

/// Who took part: the person, the program, and the server itself.
fn participants(audited: &Audited) -> Vec<Element> {
    let mut all = Vec::new();
    if let Some(user) = &audited.user {
        let role = Element::new("RoleIDCode")
            .with("csd-code", &user.role)
            .with("codeSystemName", "Salus")
            .with("originalText", &user.role);
        let person = Element::new("ActiveParticipant")
            .with("UserID", &user.id)
            .with_some("UserName", &user.name)
            .with("UserIsRequestor", "true");
        all.push(person.holding(role));
    }
    let (here, there) = roles(audited.did);
    let client = &audited.client;
    let asks = match audited.user {
        Some(_) => "false",
        None => "true",
    };
    let mut program = Element::new("ActiveParticipant")
        .with("UserID", &client.id)
        .with_some("UserName", &client.name)
        .with("UserIsRequestor", asks);
    if !client.address.is_empty() {
        program = program
            .with("NetworkAccessPointID", &client.address)
            .with("NetworkAccessPointTypeCode", "2");
    }
    all.push(program.holding(coded("RoleIDCode", there)));
    let server = Element::new("ActiveParticipant")
        .with("UserID", &audited.site.id)
        .with("UserIsRequestor", "false")
        .with_some("NetworkAccessPointID", &audited.site.url)
        .with("NetworkAccessPointTypeCode", "5");
    all.push(server.holding(coded("RoleIDCode", here)));
    all
}

/// The roles of server and client: which way the data or the question went.
pub(super) const fn roles(did: Did) -> (Code, Code) {
    let (source, destination) = (
        dcm("110153", "Source Role ID"),
        dcm("110152", "Destination Role ID"),
    );
    match did {
        Did::Create | Did::Import | Did::Search | Did::Update => (destination, source),
        Did::Alert
        | Did::AuditUsed
        | Did::Export
        | Did::History
        | Did::OverrideStarted
        | Did::OverrideStopped
        | Did::Print
        | Did::Read
        | Did::RightsChanged
        | Did::Vread => (source, destination),
        Did::Delete | Did::Login | Did::Logout | Did::Started | Did::Stopped => {
            (dcm("110150", "Application"), dcm("110150", "Application"))
        }
    }
}

fn source(audited: &Audited) -> Element {
    let kind = Element::new("AuditSourceTypeCode").with("csd-code", "4");
    Element::new("AuditSourceIdentification")
        .with("AuditSourceID", &audited.site.id)
        .holding(kind)
}

fn person(patient: &str) -> Element {
    let kind = Element::new("ParticipantObjectIDTypeCode")
        .with("csd-code", "2")
        .with("codeSystemName", "RFC-3881")
        .with("originalText", "Patient Number");
    Element::new("ParticipantObjectIdentification")
        .with("ParticipantObjectID", patient)
        .with("ParticipantObjectTypeCode", "1")
        .with("ParticipantObjectTypeCodeRole", "1")
        .holding(kind)
}

fn object(audited: &Audited) -> Element {
    let (id, role, name, query) = match &audited.object {
        Object::Named(kind, name) => (name.as_str(), "3", kind.as_str(), ""),
        Object::Query(query) => ("query", "24", "", query.as_str()),
        Object::Resource(place) => (place.as_str(), "4", "", ""),
    };
    let kind = Element::new("ParticipantObjectIDTypeCode")
        .with("csd-code", "12")
        .with("codeSystemName", "RFC-3881")
        .with("originalText", "URI");
    let mut object = Element::new("ParticipantObjectIdentification")
        .with("ParticipantObjectID", id)
        .with("ParticipantObjectTypeCode", "2")
        .with("ParticipantObjectTypeCodeRole", role)
        .holding(kind);
    object = match query {
        "" => object.holding(Element::new("ParticipantObjectName").saying(name)),
        query => {
            object.holding(Element::new("ParticipantObjectQuery").saying(&STANDARD.encode(query)))
        }
    };
    object = object.holding(detail("event", &audited.id));
    let policies = audited.policies.iter();
    policies.fold(object, |object, policy| {
        object.holding(detail("policy", policy))
    })
}

fn detail(kind: &str, value: &str) -> Element {
    Element::new("ParticipantObjectDetail")
        .with("type", kind)
        .with("value", &STANDARD.encode(value))
}

fn coded(name: &'static str, code: Code) -> Element {
    let system = match code.system {
        super::told::DCM => "DCM",
        other => other,
    };
    Element::new(name)
        .with("csd-code", code.code)
        .with("codeSystemName", system)
        .with("originalText", code.display)
}
