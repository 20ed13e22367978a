//! The audit codecs against what the field demands: BALP's constraints as a table, FHIR's own
//! rules, XML that any parser reads back, and names that try to break out of their place.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;
use wire::audit::{
    Audited, Client, Did, Object, Outcome, PROFILES, Site, User, audit_event, audit_message,
};

const EVERY: [Did; 19] = [
    Did::AuditUsed,
    Did::Create,
    Did::Delete,
    Did::RightsChanged,
    Did::Export,
    Did::History,
    Did::Import,
    Did::Login,
    Did::Logout,
    Did::OverrideStarted,
    Did::OverrideStopped,
    Did::Print,
    Did::Read,
    Did::Search,
    Did::Started,
    Did::Stopped,
    Did::Alert,
    Did::Update,
    Did::Vread,
];

const HOSTILE: &str =
    "\"><script>alert('x')</script>&amp;]]>\u{0}\u{b}\u{1f}\u{fffe}\r\n\t=1+1 \u{202e}ü";

fn audited(did: Did, text: &str) -> Audited {
    Audited {
        id: "4711-2".into(),
        at: "2026-11-26T12:00:00.000Z".into(),
        did,
        outcome: Outcome::Done,
        user: Some(User {
            id: text.into(),
            name: text.into(),
            role: "nurse".into(),
        }),
        client: Client {
            id: text.into(),
            name: text.into(),
            address: "10.0.0.7".into(),
        },
        site: Site {
            id: "salus.example/record".into(),
            url: "https://salus.example/fhir".into(),
        },
        patient: Some("p1".into()),
        object: match did {
            Did::Search => Object::Query(format!("Observation?code={text}")),
            _ => Object::Resource("Observation/o1".into()),
        },
        purpose: "TREAT".into(),
        policies: vec!["ward-reads-its-patients".into(), text.into()],
    }
}

/// One row for each profile: what BALP 1.1 fixes in it.
struct Profile {
    did: Did,
    word: &'static str,
    action: &'static str,
    subtype: &'static str,
    client: &'static str,
    server: &'static str,
    user: &'static [&'static str],
    object_role: &'static str,
}

const TABLE: [Profile; 5] = [
    Profile {
        did: Did::Create,
        word: "Create",
        action: "C",
        subtype: "create",
        client: "110153",
        server: "110152",
        user: &["AUT", "INF", "CST"],
        object_role: "4",
    },
    Profile {
        did: Did::Read,
        word: "Read",
        action: "R",
        subtype: "read",
        client: "110152",
        server: "110153",
        user: &["IRCP"],
        object_role: "4",
    },
    Profile {
        did: Did::Update,
        word: "Update",
        action: "U",
        subtype: "update",
        client: "110153",
        server: "110152",
        user: &["AUT", "INF", "CST"],
        object_role: "4",
    },
    Profile {
        did: Did::Delete,
        word: "Delete",
        action: "D",
        subtype: "delete",
        client: "110150",
        server: "custodian",
        user: &["AUT", "INF", "CST"],
        object_role: "4",
    },
    Profile {
        did: Did::Search,
        word: "Query",
        action: "E",
        subtype: "search",
        client: "110153",
        server: "110152",
        user: &["IRCP"],
        object_role: "24",
    },
];

fn code<'a>(value: &'a Value, path: &str) -> &'a str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn agents<'a>(event: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = event["agent"].as_array().unwrap();
    all.iter()
        .filter(|agent| code(agent, "/type/coding/0/code") == kind)
        .collect()
}

fn entities<'a>(event: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = event["entity"].as_array().unwrap();
    all.iter()
        .filter(|entity| code(entity, "/type/code") == kind)
        .collect()
}

fn holds(event: &Value, profile: &Profile, (whose, user): (&str, bool)) {
    let name = format!("{whose}{}", profile.word);
    assert!(PROFILES.contains(&name.as_str()));
    let claimed = code(event, "/meta/profile/0");
    assert_eq!(
        claimed,
        format!("https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.{name}")
    );
    assert_eq!(code(event, "/type/code"), "rest");
    assert_eq!(
        code(event, "/type/system"),
        "http://terminology.hl7.org/CodeSystem/audit-event-type"
    );
    assert_eq!(code(event, "/subtype/0/code"), profile.subtype);
    assert_eq!(
        code(event, "/subtype/0/system"),
        "http://hl7.org/fhir/restful-interaction"
    );
    assert_eq!(event["subtype"].as_array().unwrap().len(), 1);
    assert_eq!(event["action"], profile.action);
    assert_eq!(event["outcome"], "0");
    for kind in [profile.client, profile.server] {
        let found = agents(event, kind);
        assert_eq!(found.len(), 1, "{name}: one agent `{kind}`");
        assert!(found[0]["who"].is_object() && found[0]["network"].is_object());
        assert!(found[0]["media"].is_null());
        if profile.did == Did::Delete {
            for not in [
                "role",
                "altId",
                "name",
                "location",
                "policy",
                "purposeOfUse",
            ] {
                assert!(
                    found[0][not].is_null(),
                    "{name}: agent[{kind}].{not} is 0..0"
                );
            }
        }
    }
    let people: Vec<&Value> = profile
        .user
        .iter()
        .flat_map(|kind| agents(event, kind))
        .collect();
    assert_eq!(people.len(), usize::from(user), "{name}");
    for person in people {
        assert!(person["who"].is_object() && person["requestor"] == true);
        assert!(person["network"].is_null() && person["media"].is_null());
        if profile.did == Did::Delete {
            for not in ["altId", "location", "policy"] {
                assert!(person[not].is_null(), "{name}: agent[user].{not} is 0..0");
            }
        }
    }
    objects_hold(event, profile, &name);
    let patients = entities(event, "1");
    assert_eq!(patients.len(), usize::from(!whose.is_empty()), "{name}");
    for patient in patients {
        assert_eq!(code(patient, "/role/code"), "1");
        assert!(code(patient, "/what/reference").starts_with("Patient/"));
    }
}

fn objects_hold(event: &Value, profile: &Profile, name: &str) {
    let objects = entities(event, "2");
    assert_eq!(objects.len(), 1, "{name}: one object");
    assert_eq!(code(objects[0], "/role/code"), profile.object_role);
    match profile.did {
        Did::Search => {
            assert!(objects[0]["query"].is_string());
            for not in ["what", "lifecycle", "detail", "name"] {
                assert!(
                    objects[0][not].is_null(),
                    "{name}: entity[query].{not} is 0..0"
                );
            }
        }
        _ => assert!(objects[0]["what"].is_object()),
    }
}

#[test]
fn every_profile_of_balp_holds() {
    for profile in &TABLE {
        for whose in ["Patient", ""] {
            for user in [true, false] {
                let mut told = audited(profile.did, "Anna");
                if whose.is_empty() {
                    told.patient = None;
                }
                if !user {
                    told.user = None;
                }
                holds(&audit_event(&told), profile, (whose, user));
            }
        }
    }
}

#[test]
fn what_was_refused_claims_no_profile_of_success() {
    let mut told = audited(Did::Read, "Anna");
    told.outcome = Outcome::Refused("no care relationship".into());
    let event = audit_event(&told);
    assert!(event["meta"].is_null());
    assert_eq!(event["outcome"], "8");
    assert_eq!(event["outcomeDesc"], "no care relationship");
}

#[test]
fn fhir_finds_nothing_wrong_whatever_the_names() {
    for did in EVERY {
        for text in ["Anna", "", " ", HOSTILE] {
            let mut told = audited(did, text);
            if let Object::Query(query) = &mut told.object
                && text.is_empty()
            {
                query.clear();
            }
            let event = audit_event(&told);
            let issues = wire::fhir::check(&event);
            assert!(issues.is_empty(), "{did:?} `{text}`: {issues:?}\n{event}");
        }
    }
}

#[test]
fn a_named_thing_is_an_identifier_and_not_a_dead_link() {
    let mut told = audited(Did::Read, "Anna");
    told.object = Object::Named("ward".into(), "ICU".into());
    told.patient = None;
    let event = audit_event(&told);
    assert_eq!(code(&event, "/entity/0/what/identifier/value"), "ICU");
    assert!(wire::fhir::check(&event).is_empty());
}

/// Every element with its attributes, in order; fails on XML that is not well formed.
fn read(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut out = Vec::new();
    let mut depth = 0_i32;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                depth += 1;
                out.push(element(&start));
            }
            Event::Empty(start) => out.push(element(&start)),
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    out
}

fn element(start: &quick_xml::events::BytesStart<'_>) -> (String, Vec<(String, String)>) {
    let name = String::from_utf8(start.name().as_ref().to_vec()).unwrap();
    let attributes = start.attributes().map(|one| {
        let one = one.unwrap();
        let key = String::from_utf8(one.key.as_ref().to_vec()).unwrap();
        let raw = std::str::from_utf8(&one.value).unwrap();
        (key, quick_xml::escape::unescape(raw).unwrap().into_owned())
    });
    (name, attributes.collect())
}

fn value(element: &(String, Vec<(String, String)>), name: &str) -> Option<String> {
    let found = element.1.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.clone())
}

#[test]
fn the_dicom_message_reads_back_whatever_the_names() {
    for did in EVERY {
        for text in ["Anna", "", HOSTILE] {
            let mut told = audited(did, text);
            told.outcome = Outcome::Refused(text.into());
            told.purpose = text.into();
            told.object = Object::Named(text.into(), text.into());
            let xml = audit_message(&told);
            assert!(
                !xml.contains(['\n', '\r', '\u{0}']),
                "one line, no control characters"
            );
            let elements = read(&xml);
            let names: Vec<&str> = elements.iter().map(|(name, _)| name.as_str()).collect();
            assert!(!names.contains(&"script"), "{xml}");
            let user = elements
                .iter()
                .find(|(name, _)| name == "ActiveParticipant");
            let shown = value(user.unwrap(), "UserID").unwrap();
            let wanted: String = text
                .chars()
                .map(|letter| match letter {
                    '\u{0}' | '\u{b}' | '\u{1f}' | '\u{fffe}' => '\u{fffd}',
                    other => other,
                })
                .collect();
            assert_eq!(shown, wanted);
        }
    }
}

#[test]
fn each_event_has_its_dicom_codes() {
    for (did, id, kind, action) in [
        (Did::Read, "110110", "read", "R"),
        (Did::Search, "110112", "search", "E"),
        (Did::Export, "110106", "", "R"),
        (Did::Login, "110114", "110122", "E"),
        (Did::Logout, "110114", "110123", "E"),
        (Did::OverrideStarted, "110113", "110127", "E"),
        (Did::OverrideStopped, "110113", "110138", "E"),
        (Did::Started, "110100", "110120", "E"),
        (Did::Stopped, "110100", "110121", "E"),
        (Did::AuditUsed, "110101", "", "R"),
    ] {
        let elements = read(&audit_message(&audited(did, "Anna")));
        let find = |name: &str| elements.iter().find(|(found, _)| found == name);
        let event = find("EventID").unwrap();
        assert_eq!(value(event, "csd-code").unwrap(), id, "{did:?}");
        assert_eq!(value(event, "codeSystemName").unwrap(), "DCM");
        let found = find("EventTypeCode").and_then(|one| value(one, "csd-code"));
        assert_eq!(found.unwrap_or_default(), kind, "{did:?}");
        let whole = find("EventIdentification").unwrap();
        assert_eq!(value(whole, "EventActionCode").unwrap(), action);
        assert_eq!(value(whole, "EventOutcomeIndicator").unwrap(), "0");
    }
}
