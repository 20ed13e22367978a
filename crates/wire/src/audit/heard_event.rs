//! The audit message of another system as a FHIR R4 `AuditEvent`, by the mapping of the resource's own
//! page (AuditEvent, mappings for DICOM), with the patient as the profiles of IHE BALP 1.1 want it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::balp::{ACT_REASON, ENTITY_ROLE, ENTITY_TYPE, SOURCE_TYPE, shown};
use super::heard::{AuditMessage, AuditObject, AuditSource, Coded, Participant};
use super::told::{DCM, REST};

const IHE_TRANSACTIONS: &str = "urn:ihe:event-type-code";
const LIFE_CYCLE: &str = "http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle";
/// The extension for what was written where FHIR has a closed list of codes.
const ORIGINAL: &str = "http://hl7.org/fhir/StructureDefinition/originalText";
/// The smallest and the largest moment of FHIR's `instant`, in milliseconds since 1970.
const INSTANTS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Where a message comes from, and what it is here.
#[derive(Debug, Clone, Copy)]
pub struct From<'a> {
    /// The id of the resource.
    pub id: &'a str,
    /// The feed it came by.
    pub feed: &'a str,
    /// When it came, in milliseconds since 1970.
    pub came: i64,
    /// The zone of times without an offset.
    pub zone: &'a TimeZone,
    /// The place of the patient among its objects, and the id of the Patient resource; other patients
    /// that it names are left out. `None`: all its objects are told.
    pub patient: Option<(usize, &'a str)>,
}

/// The resource. It claims no profile: those of BALP are for interactions of FHIR, by who carried them
/// out. `meta.source` names the feed that it came by.
#[must_use]
pub fn heard_event(message: &AuditMessage, from: &From<'_>) -> Value {
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
    put("resourceType", "AuditEvent".into());
    put("id", from.id.into());
    let feed = crate::v2::uri_part(from.feed);
    put(
        "meta",
        json!({ "source": format!("urn:salus:feed:{feed}") }),
    );
    put("type", coding(&message.id));
    let kinds: Vec<Value> = message
        .kinds
        .iter()
        .filter(|one| is_code(one))
        .map(coding)
        .collect();
    if !kinds.is_empty() {
        put("subtype", kinds.into());
    }
    closed(
        &mut put,
        "action",
        (&message.action, &["C", "R", "U", "D", "E"]),
    );
    put("recorded", recorded(message, from).into());
    closed(
        &mut put,
        "outcome",
        (&message.outcome, &["0", "4", "8", "12"]),
    );
    if !message.description.is_empty() {
        put("outcomeDesc", shown(&message.description, "").into());
    }
    let purposes: Vec<Value> = message.purposes.iter().map(concept).collect();
    if !purposes.is_empty() {
        put("purposeOfEvent", purposes.into());
    }
    put("agent", agents(message).into());
    put("source", source(message.sources.first()));
    let entities: Vec<Value> = entities(message, from).collect();
    if !entities.is_empty() {
        put("entity", entities.into());
    }
    Value::Object(event)
}

/// The system of a code by the name that audit messages have for it.
#[must_use]
pub fn code_system(name: &str) -> Option<String> {
    Some(match name {
        "" => return None,
        "DCM" => DCM.to_owned(),
        "IHE Transactions" => IHE_TRANSACTIONS.to_owned(),
        "HL7 ActReason" => ACT_REASON.to_owned(),
        REST => REST.to_owned(),
        name => crate::v2::coding_system(name).into_owned(),
    })
}

/// A code of a closed list; what is in none stands beside it as it was written.
fn closed(
    put: &mut impl FnMut(&str, Value) -> Option<Value>,
    name: &str,
    (code, known): (&str, &[&str]),
) {
    if known.contains(&code) {
        put(name, code.into());
    } else if !code.is_empty() {
        let original = json!([{ "url": ORIGINAL, "valueString": shown(code, "") }]);
        put(&format!("_{name}"), json!({ "extension": original }));
    }
}

fn recorded(message: &AuditMessage, from: &From<'_>) -> String {
    let told = message.moment(from.zone);
    let told = told.filter(|at| INSTANTS.contains(at));
    let at = Timestamp::from_millisecond(told.unwrap_or(from.came));
    at.unwrap_or_default().to_string()
}

/// FHIR's `code` has no white space at its ends and single blanks within.
fn plain(code: &str) -> String {
    let words: Vec<&str> = code.split_whitespace().collect();
    shown(&words.join(" "), "")
}

fn is_code(coded: &Coded) -> bool {
    !coded.code.is_empty()
}

fn coding(coded: &Coded) -> Value {
    let mut out = Map::new();
    if let Some(system) = code_system(&coded.system) {
        out.insert("system".to_owned(), system.into());
    }
    if is_code(coded) {
        out.insert("code".to_owned(), plain(&coded.code).into());
    }
    if !coded.display.is_empty() || out.is_empty() {
        out.insert("display".to_owned(), shown(&coded.display, "").into());
    }
    Value::Object(out)
}

fn concept(coded: &Coded) -> Value {
    json!({ "coding": [coding(coded)] })
}

fn agents(message: &AuditMessage) -> Vec<Value> {
    let all: Vec<Value> = message.participants.iter().map(agent).collect();
    match all.is_empty() {
        // FHIR wants one, and nobody was named.
        true => vec![json!({ "requestor": false, "name": "unknown" })],
        false => all,
    }
}

fn agent(one: &Participant) -> Value {
    let mut agent = Map::new();
    let mut put = |name: &str, value: Value| agent.insert(name.to_owned(), value);
    let mut roles = one.roles.iter();
    if let Some(role) = roles.next() {
        put("type", concept(role));
    }
    let others: Vec<Value> = roles.map(concept).collect();
    if !others.is_empty() {
        put("role", others.into());
    }
    if !one.id.is_empty() {
        put(
            "who",
            json!({ "identifier": { "value": shown(&one.id, "") } }),
        );
    }
    if !one.other_id.is_empty() {
        put("altId", shown(&one.other_id, "").into());
    }
    if !one.name.is_empty() {
        put("name", shown(&one.name, "").into());
    }
    put("requestor", one.is_requestor.into());
    if let Some(media) = &one.media {
        put("media", coding(media));
    }
    if !one.address.is_empty() {
        let mut network = json!({ "address": shown(&one.address, "") });
        let known = matches!(one.address_kind.as_str(), "1" | "2" | "3" | "4" | "5");
        if let Some(map) = network.as_object_mut().filter(|_| known) {
            map.insert("type".to_owned(), one.address_kind.as_str().into());
        }
        put("network", network);
    }
    Value::Object(agent)
}

fn source(source: Option<&AuditSource>) -> Value {
    let none = AuditSource::default();
    let source = source.unwrap_or(&none);
    let mut out = json!({ "observer": { "identifier": { "value": shown(&source.id, "") } } });
    let Some(map) = out.as_object_mut() else {
        return out;
    };
    if !source.site.is_empty() {
        map.insert("site".to_owned(), shown(&source.site, "").into());
    }
    let kinds: Vec<Value> = source.kinds.iter().map(source_kind).collect();
    if !kinds.is_empty() {
        map.insert("type".to_owned(), kinds.into());
    }
    out
}

/// Codes `1` to `9` of a source need no system in an audit message (PS3.15 A.5.1).
fn source_kind(kind: &Coded) -> Value {
    let is_own = kind.system.is_empty() && kind.code.len() == 1;
    match is_own {
        true => json!({ "system": SOURCE_TYPE, "code": plain(&kind.code) }),
        false => coding(kind),
    }
}

fn entities<'m>(
    message: &'m AuditMessage,
    from: &'m From<'m>,
) -> impl Iterator<Item = Value> + use<'m> {
    let objects = message.objects.iter().enumerate();
    objects.filter_map(move |(place, object)| match from.patient {
        Some((own, id)) if own == place => Some(entity(object, Some(id))),
        Some(_) if object.is_patient() => None,
        _ => Some(entity(object, None)),
    })
}

fn entity(object: &AuditObject, patient: Option<&str>) -> Value {
    let mut entity = Map::new();
    let mut put = |name: &str, value: Value| entity.insert(name.to_owned(), value);
    let mut what = Map::new();
    if let Some(id) = patient {
        what.insert("reference".to_owned(), format!("Patient/{id}").into());
    }
    if !object.id.is_empty() {
        let mut identifier = json!({ "value": shown(&object.id, "") });
        let kinded = is_code(&object.id_kind) || !object.id_kind.display.is_empty();
        if let Some(map) = identifier.as_object_mut().filter(|_| kinded) {
            map.insert("type".to_owned(), concept(&object.id_kind));
        }
        what.insert("identifier".to_owned(), identifier);
    }
    if !what.is_empty() {
        put("what", what.into());
    }
    for (name, system, code) in [
        ("type", ENTITY_TYPE, &object.kind),
        ("role", ENTITY_ROLE, &object.role),
        ("lifecycle", LIFE_CYCLE, &object.life_cycle),
    ] {
        if !code.is_empty() {
            put(name, json!({ "system": system, "code": plain(code) }));
        }
    }
    if !object.sensitivity.is_empty() {
        put(
            "securityLabel",
            json!([{ "display": shown(&object.sensitivity, "") }]),
        );
    }
    // sev-1: a name or a query, not both.
    if !object.query.is_empty() {
        put("query", binary(&object.query).into());
    } else if !object.name.is_empty() {
        put("name", shown(&object.name, "").into());
    }
    let details: Vec<Value> = object.details.iter().map(detail).collect();
    if !details.is_empty() {
        put("detail", details.into());
    }
    if entity.is_empty() {
        entity.insert("name".to_owned(), "unknown".into());
    }
    Value::Object(entity)
}

fn detail((kind, value): &(String, String)) -> Value {
    json!({ "type": shown(kind, ""), "valueBase64Binary": binary(value) })
}

/// Base64 as FHIR has it: what is none was written in the clear, and is encoded.
fn binary(text: &str) -> String {
    let bare: String = text.split_whitespace().collect();
    match STANDARD.decode(&bare) {
        Ok(bytes) if !bytes.is_empty() => bare,
        _ if text.is_empty() => STANDARD.encode("?"),
        _ => STANDARD.encode(text),
    }
}
