//! The FHIR R4 `AuditEvent` of another system (IHE RESTful ATNA, ITI-20), read as the audit message that it is,
//! and told again as it came.

use serde_json::{Map, Value};

use super::heard::{
    AuditMessage, AuditObject, AuditSource, Coded, Named, Participant, Whose, complained,
};

/// Whether a line of an audit feed is FHIR's.
pub(super) fn is_fhir(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{")
}

/// Reads an AuditEvent. Its entities are the objects, in the same order.
///
/// # Errors
/// In words, why it is none.
pub(super) fn message_of(line: &[u8]) -> Result<AuditMessage, String> {
    let event = resource(line)?;
    let id = coded(event.get("type"));
    if id.code.is_empty() {
        return Err("it has no `type` with a code".to_owned());
    }
    let message = AuditMessage {
        id,
        kinds: all(&event, "subtype").map(|one| coded(Some(one))).collect(),
        action: text(&event, "action"),
        at: text(&event, "recorded"),
        outcome: text(&event, "outcome"),
        description: text(&event, "outcomeDesc"),
        purposes: all(&event, "purposeOfEvent").map(concept).collect(),
        participants: all(&event, "agent").map(participant).collect(),
        sources: event.get("source").map(source).into_iter().collect(),
        objects: all(&event, "entity").map(object).collect(),
        complaints: Vec::new(),
    };
    Ok(complained(message))
}

fn resource(line: &[u8]) -> Result<Map<String, Value>, String> {
    let read = serde_json::from_slice(line);
    let event: Map<String, Value> = read.map_err(|why| format!("it is no JSON: {why}"))?;
    match event.get("resourceType") {
        Some(kind) if kind == "AuditEvent" => Ok(event),
        _ => Err("it is no `AuditEvent`".to_owned()),
    }
}

fn all<'v>(event: &'v Map<String, Value>, name: &str) -> impl Iterator<Item = &'v Value> {
    event
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text(event: &Map<String, Value>, name: &str) -> String {
    let text = event.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn said(value: &Value, path: &str) -> String {
    let text = value.pointer(path).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn coded(coding: Option<&Value>) -> Coded {
    let part = |path| coding.map(|one| said(one, path)).unwrap_or_default();
    Coded {
        code: part("/code"),
        system: part("/system"),
        display: part("/display"),
    }
}

/// The first coding of a concept, or its text.
fn concept(value: &Value) -> Coded {
    let mut coded = coded(value.pointer("/coding/0"));
    if coded.display.is_empty() {
        coded.display = said(value, "/text");
    }
    coded
}

/// What a reference names: the value of its identifier, or else where it leads.
fn named(reference: Option<&Value>) -> String {
    let part = |path| reference.map(|one| said(one, path)).unwrap_or_default();
    let all = [
        part("/identifier/value"),
        part("/reference"),
        part("/display"),
    ];
    all.into_iter()
        .find(|one| !one.is_empty())
        .unwrap_or_default()
}

fn participant(agent: &Value) -> Participant {
    let kind = agent.get("type").into_iter();
    let roles = agent.get("role").and_then(Value::as_array);
    let roles = kind.chain(roles.into_iter().flatten());
    Participant {
        id: named(agent.get("who")),
        other_id: said(agent, "/altId"),
        name: match said(agent, "/name") {
            name if name.is_empty() => said(agent, "/who/display"),
            name => name,
        },
        is_requestor: agent.get("requestor") == Some(&Value::Bool(true)),
        address: said(agent, "/network/address"),
        address_kind: said(agent, "/network/type"),
        roles: roles.map(concept).collect(),
        media: agent.get("media").map(|media| coded(Some(media))),
    }
}

fn source(source: &Value) -> AuditSource {
    let kinds = source.get("type").and_then(Value::as_array);
    AuditSource {
        site: said(source, "/site"),
        id: named(source.get("observer")),
        kinds: kinds
            .into_iter()
            .flatten()
            .map(|one| coded(Some(one)))
            .collect(),
    }
}

fn object(entity: &Value) -> AuditObject {
    let what = entity.get("what");
    let details = entity.get("detail").and_then(Value::as_array);
    let detail = |one: &Value| {
        let value = [said(one, "/valueString"), said(one, "/valueBase64Binary")];
        let value = value.into_iter().find(|value| !value.is_empty());
        (said(one, "/type"), value.unwrap_or_default())
    };
    let role = said(entity, "/role/code");
    let whose = patient(what, &role);
    AuditObject {
        id: named(what),
        id_kind: entity
            .pointer("/what/identifier/type")
            .map(concept)
            .unwrap_or_default(),
        // A person, whatever system its type is of: the role says that it is a patient.
        kind: match &whose {
            Some(_) => "1".to_owned(),
            None => said(entity, "/type/code"),
        },
        role,
        life_cycle: said(entity, "/lifecycle/code"),
        sensitivity: said(entity, "/securityLabel/0/code"),
        name: said(entity, "/name"),
        query: said(entity, "/query"),
        details: details.into_iter().flatten().map(detail).collect(),
        whose,
    }
}

/// The patient that an entity is, by its role or by what it refers to: by the identifier with its system, or
/// by a Patient.
fn patient(what: Option<&Value>, role: &str) -> Option<Named> {
    let part = |path| what.map(|one| said(one, path)).unwrap_or_default();
    let (reference, kind) = (part("/reference"), part("/type"));
    let bare = reference.split("/_history/").next().unwrap_or_default();
    let bare = bare.split('?').next().unwrap_or_default();
    let refers = bare == "Patient" || bare.rsplit('/').nth(1) == Some("Patient");
    let asks = bare.ends_with("/Patient") || kind == "Patient";
    if role != "1" && !refers && !asks {
        return None;
    }
    let (system, value) = (part("/identifier/system"), part("/identifier/value"));
    let is_numbered = !system.is_empty() && !value.is_empty();
    let numbered = is_numbered.then_some(Whose::Numbered(system, value));
    // R4 section 2.3.0: where there is a reference, it is what is meant, and the identifier goes with it.
    Some(match patient_id(&reference) {
        Some(id) => Named::Whose(Whose::Here(id)),
        None if reference.contains("://") => Named::At(reference, numbered),
        None => numbered.map_or(Named::Otherwise, Named::Whose),
    })
}

/// The id in `Patient/id`, whatever version it names.
pub(super) fn patient_id(reference: &str) -> Option<String> {
    let id = reference
        .strip_prefix("Patient/")?
        .split("/_history/")
        .next()?;
    let of_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let is_id = (1..=64).contains(&id.len()) && id.bytes().all(of_id);
    is_id.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "resourceType": "AuditEvent",
            "meta": {"profile": ["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"], "versionId": "3"},
            "id": "theirs",
            "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
            "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
            "action": "R", "outcome": "0", "recorded": "2026-11-27T10:00:00Z",
            "agent": [{"type": {"coding": [{"code": "IRCP"}]}, "who": {"display": "Dr. Ott", "identifier": {"value": "ott"}},
                "requestor": true, "network": {"address": "192.0.2.9", "type": "2"}}],
            "source": {"observer": {"identifier": {"value": "portal"}}, "site": "north"},
            "entity": [
                {"what": {"reference": "Observation/7"}, "type": {"code": "2"}, "role": {"code": "4"}},
                {"what": {"reference": "Patient/p1"}, "type": {"code": "1"}, "role": {"code": "1"}},
                {"what": {"identifier": {"system": "urn:mrn", "value": "77"}}, "role": {"code": "1"},
                 "detail": [{"type": "X-Request-Id", "valueString": "42"}]},
            ],
        })
    }

    #[test]
    fn what_it_says_is_read_as_of_an_audit_message() {
        let line = event().to_string();
        let message = message_of(line.as_bytes()).unwrap();
        assert_eq!(
            (message.id.code.as_str(), message.action.as_str()),
            ("rest", "R")
        );
        assert_eq!(message.kinds[0].code, "read");
        let user = message.requestor().unwrap();
        assert_eq!(
            (user.id.as_str(), user.name.as_str(), user.address.as_str()),
            ("ott", "Dr. Ott", "192.0.2.9")
        );
        assert_eq!(
            (message.sources[0].id.as_str(), message.objects.len()),
            ("portal", 3)
        );
        let patients = message.patients("house");
        let both = [
            (1, Whose::Here("p1".into())),
            (2, Whose::Numbered("urn:mrn".into(), "77".into())),
        ];
        assert_eq!(patients, both);
        assert_eq!(message.complaints, Vec::<String>::new());
        for bad in [
            "{",
            "{}",
            r#"{"resourceType":"Patient"}"#,
            r#"{"resourceType":"AuditEvent"}"#,
        ] {
            assert!(message_of(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_patient_is_known_by_this_server_s_address_too_and_never_by_another_s() {
        let base = "https://house.example/fhir";
        let whose = |what: Value, role: &str| {
            let entity = json!({"what": what, "role": {"code": role}});
            let object = object(&entity);
            (
                object.is_patient(),
                object.whose.and_then(|named| named.whose(base)),
            )
        };
        let here = |id: &str| (true, Some(Whose::Here(id.into())));
        for reference in [
            "Patient/p1",
            "Patient/p1/_history/3",
            "https://house.example/fhir/Patient/p1",
        ] {
            assert_eq!(
                whose(json!({"reference": reference}), "1"),
                here("p1"),
                "{reference}"
            );
            assert_eq!(
                whose(json!({"reference": reference}), "4"),
                here("p1"),
                "{reference}"
            );
        }
        let number = json!({"system": "urn:mrn", "value": "77"});
        let both =
            |reference: &str| whose(json!({"reference": reference, "identifier": number}), "1");
        assert_eq!(both("Patient/p1"), here("p1"));
        assert_eq!(both("https://house.example/fhir/Patient/p1"), here("p1"));
        let numbered = Whose::Numbered("urn:mrn".into(), "77".into());
        for elsewhere in ["https://other.example/fhir/Patient/p1", "#p"] {
            assert_eq!(
                both(elsewhere),
                (true, Some(numbered.clone())),
                "{elsewhere}"
            );
        }
        for reference in [
            "https://other.example/fhir/Patient/p1",
            "https://house.example/fhir.other/Patient/p1",
            "https://house.example/fhir/Patient?identifier=7",
            "Patient?identifier=7",
            "#p",
        ] {
            assert_eq!(
                whose(json!({"reference": reference}), "1"),
                (true, None),
                "{reference}"
            );
        }
        assert_eq!(
            whose(json!({"reference": "Observation/p1"}), "4"),
            (false, None)
        );
        assert_eq!(
            whose(json!({"type": "Patient", "display": "Ann"}), "4"),
            (true, None)
        );
    }

    #[test]
    fn of_one_of_several_patients_nothing_else_is_told() {
        let mut event = event();
        event["outcomeDesc"] = "Bo was looked at as well".into();
        event["subtype"][0]["display"] = "Bo, too".into();
        event["agent"][0]["type"] = json!({"text": "who looks after Bo"});
        let message = message_of(event.to_string().as_bytes()).unwrap();
        assert!(message.is_of_several());
        let one = message.of_one(2);
        assert_eq!((one.objects.len(), one.objects[0].id.as_str()), (1, "77"));
        assert_eq!(one.description, "");
        assert!(format!("{message:?}").contains("Bo") && !format!("{one:?}").contains("Bo"));
    }
}
