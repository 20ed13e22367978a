//! The FHIR R4 `AuditEvent`, as the profiles of IHE BALP 1.1 want it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::dicom::roles;
use super::told::{Audited, Code, Did, Object, Outcome, dcm};

/// Where the profiles are.
const PROFILE: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
pub(super) const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
pub(super) const ENTITY_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
pub(super) const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const CUSTODIAN: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
pub(super) const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const ACCOUNTS: &str = "urn:salus:account";

/// Every profile that an event may claim, by the last word of its address.
pub const PROFILES: [&str; 10] = [
    "Create",
    "PatientCreate",
    "Read",
    "PatientRead",
    "Update",
    "PatientUpdate",
    "Delete",
    "PatientDelete",
    "Query",
    "PatientQuery",
];

/// The resource. What was refused claims no profile: those are for what succeeded.
#[must_use]
pub fn audit_event(audited: &Audited) -> Value {
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
    put("resourceType", "AuditEvent".into());
    put("id", audited.id.as_str().into());
    if let Some(profile) = profile(audited) {
        put(
            "meta",
            json!({ "profile": [format!("{PROFILE}{profile}")] }),
        );
    }
    let (kind, subtype) = codes(audited.did);
    put("type", kind);
    if let Some(subtype) = subtype {
        put("subtype", json!([coding(subtype)]));
    }
    put("action", audited.did.action().into());
    put("recorded", audited.at.as_str().into());
    put("outcome", outcome(audited).into());
    if let Outcome::Refused(words) = &audited.outcome {
        put("outcomeDesc", shown(words, "").into());
    }
    if !audited.purpose.is_empty() {
        put("purposeOfEvent", json!([purpose(audited)]));
    }
    put("agent", agents(audited).into());
    put("source", source(audited));
    put("entity", entities(audited).into());
    Value::Object(event)
}

fn outcome(audited: &Audited) -> &'static str {
    match audited.outcome {
        Outcome::Done => "0",
        Outcome::Refused(_) => "8",
    }
}

fn profile(audited: &Audited) -> Option<String> {
    let word = match audited.did {
        Did::Create => "Create",
        Did::Read | Did::Vread | Did::History => "Read",
        Did::Update => "Update",
        Did::Delete => "Delete",
        Did::Search => "Query",
        _ => return None,
    };
    let whose = audited.patient.as_ref().map_or("", |_| "Patient");
    (audited.outcome == Outcome::Done).then(|| format!("{whose}{word}"))
}

fn codes(did: Did) -> (Value, Option<Code>) {
    match did.rest() {
        Some(interaction) => {
            let kind =
                json!({ "system": EVENT_TYPE, "code": "rest", "display": "RESTful Operation" });
            (kind, Some(interaction))
        }
        None => (coding(did.dicom()), did.dicom_type()),
    }
}

fn coding(code: Code) -> Value {
    json!({ "system": code.system, "code": code.code, "display": code.display })
}

fn concept(code: Code) -> Value {
    json!({ "coding": [coding(code)] })
}

fn purpose(audited: &Audited) -> Value {
    json!({ "coding": [{ "system": ACT_REASON, "code": audited.purpose }] })
}

fn agents(audited: &Audited) -> Vec<Value> {
    let (server, client) = match audited.did {
        // BALP asks of a deletion alone for other roles.
        Did::Delete => (custodian(), concept(dcm("110150", "Application"))),
        did => {
            let (here, there) = roles(did);
            (concept(here), concept(there))
        }
    };
    let mut all = vec![
        json!({
            "type": client,
            "who": { "identifier": { "system": ACCOUNTS, "value": shown(&audited.client.id, "") },
                     "display": shown(&audited.client.name, &audited.client.id) },
            "requestor": audited.user.is_none(),
            "network": network(&audited.client.address),
        }),
        json!({
            "type": server,
            "who": { "identifier": { "value": audited.site.id }, "display": "Salus" },
            "requestor": false,
            "network": { "address": audited.site.url, "type": "5" },
        }),
    ];
    let decided_for = all
        .first_mut()
        .filter(|_| audited.user.is_none() && audited.did != Did::Delete);
    if let Some(client) = decided_for {
        with_policies(client, audited);
    }
    all.extend(user(audited));
    all
}

/// The person, with what decided for them.
fn user(audited: &Audited) -> Option<Value> {
    let user = audited.user.as_ref()?;
    let (part, display) = match audited.did {
        Did::Create | Did::Update | Did::Delete => ("AUT", "author"),
        _ => ("IRCP", "information recipient"),
    };
    let mut agent = json!({
        "type": { "coding": [{ "system": PARTICIPATION, "code": part, "display": display }] },
        "role": [{ "text": user.role }],
        "who": { "identifier": { "system": ACCOUNTS, "value": shown(&user.id, "") },
                 "display": shown(&user.name, &user.id) },
        "name": shown(&user.name, &user.id),
        "requestor": true,
    });
    if audited.did != Did::Delete {
        with_policies(&mut agent, audited);
    }
    if let Some(map) = agent
        .as_object_mut()
        .filter(|_| !audited.purpose.is_empty())
    {
        map.insert("purposeOfUse".to_owned(), json!([purpose(audited)]));
    }
    Some(agent)
}

fn with_policies(agent: &mut Value, audited: &Audited) {
    let policies = audited.policies.iter().map(|id| policy(id));
    let policies: Vec<Value> = policies.collect();
    if let Some(map) = agent.as_object_mut().filter(|_| !policies.is_empty()) {
        map.insert("policy".to_owned(), policies.into());
    }
}

/// A policy's id as the uri that FHIR wants: no letter in it that a uri has not.
fn policy(id: &str) -> Value {
    let plain = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | ':' => letter,
        _ => '_',
    };
    let id: String = id.chars().map(plain).collect();
    format!("urn:salus:policy:{id}").into()
}

fn network(address: &str) -> Value {
    match address {
        "" => json!({ "address": "unknown", "type": "1" }),
        address => json!({ "address": address, "type": "2" }),
    }
}

fn custodian() -> Value {
    json!({ "coding": [{ "system": CUSTODIAN, "code": "custodian", "display": "Custodian" }] })
}

fn source(audited: &Audited) -> Value {
    json!({
        "site": audited.site.id,
        "observer": { "identifier": { "value": audited.site.id }, "display": "Salus" },
        "type": [{ "system": SOURCE_TYPE, "code": "4", "display": "Application Server" }],
    })
}

fn entities(audited: &Audited) -> Vec<Value> {
    let mut all = vec![object(audited)];
    if let Some(patient) = &audited.patient {
        all.push(json!({
            "what": { "reference": format!("Patient/{patient}") },
            "type": { "system": ENTITY_TYPE, "code": "1", "display": "Person" },
            "role": { "system": ENTITY_ROLE, "code": "1", "display": "Patient" },
        }));
    }
    all
}

fn object(audited: &Audited) -> Value {
    let kind = json!({ "system": ENTITY_TYPE, "code": "2", "display": "System Object" });
    let role = |code, display| json!({ "system": ENTITY_ROLE, "code": code, "display": display });
    match &audited.object {
        Object::Query(query) => json!({
            "type": kind,
            "role": role("24", "Query"),
            "query": STANDARD.encode(match query.as_str() {
                "" => "?",
                query => query,
            }),
        }),
        Object::Resource(place) => json!({
            "what": { "reference": place },
            "type": kind,
            "role": role("4", "Domain Resource"),
        }),
        Object::Named(of, name) => json!({
            "what": { "identifier": { "system": format!("urn:salus:{of}"), "value": shown(name, of) } },
            "type": kind,
            "role": role("4", "Domain Resource"),
        }),
    }
}

/// FHIR has no empty strings, and no control characters in them.
pub(super) fn shown(text: &str, otherwise: &str) -> String {
    let text = match (text.trim().is_empty(), otherwise.trim().is_empty()) {
        (false, _) => text,
        (true, false) => otherwise,
        (true, true) => "unknown",
    };
    let plain = |letter: char| match letter {
        '\t' | '\n' | '\r' => letter,
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(plain).collect()
}
