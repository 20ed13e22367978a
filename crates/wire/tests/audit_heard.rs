//! The audit messages of other systems: samples, the shared corpus, and what must hold of any line.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};
use wire::audit::{
    Audited, Client, Did, From, Heard, Object, Outcome, Site, User, Whose, audit_message,
    audit_message_of, heard, heard_event,
};
use wire::v2::cx_identifier;

const CAME: i64 = 1_790_000_000_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(root().join("demo/audit").join(name)).unwrap()
}

fn read(line: &[u8]) -> Heard {
    heard(line, (CAME, &TimeZone::UTC)).unwrap()
}

fn event(heard: &Heard, patient: Option<(usize, &str)>) -> Value {
    let from = From {
        id: "7-256",
        feed: "PACS ü",
        came: CAME,
        zone: &TimeZone::UTC,
        patient,
    };
    heard_event(&heard.message, &from)
}

#[test]
fn an_access_to_images_is_told_with_who_where_and_whose() {
    let heard = read(&sample("instances-accessed.txt"));
    assert_eq!(heard.host.as_deref(), Some("pacs.hospital.example"));
    assert_eq!(heard.message.complaints, Vec::<String>::new());
    let patients = heard.message.patients("MAIN");
    let number = (
        "urn:oid:2.16.756.5.30.1.123".to_owned(),
        "100723".to_owned(),
    );
    let wanted = (1, Whose::Numbered(number.0, number.1));
    assert_eq!(patients, [wanted]);
    assert_eq!(heard.message.requestor().unwrap().name, "Keller, Maria");
    let event = event(&heard, Some((1, "p1")));
    assert_eq!(wire::fhir::check(&event), []);
    assert_eq!(event["recorded"], "2026-11-26T08:14:03.498Z");
    assert_eq!(event["meta"]["source"], "urn:salus:feed:PACS%20%C3%BC");
    assert_eq!(event["type"]["code"], "110103");
    assert_eq!(event["purposeOfEvent"][0]["coding"][0]["code"], "TREAT");
    let agent = &event["agent"][0];
    assert_eq!(agent["who"]["identifier"]["value"], "mkeller");
    assert_eq!(
        agent["network"],
        json!({ "address": "10.20.4.17", "type": "2" })
    );
    let patient = &event["entity"][1];
    assert_eq!(patient["what"]["reference"], "Patient/p1");
    assert_eq!(patient["type"]["code"], "1");
    assert_eq!(patient["role"]["code"], "1");
    let details = event["entity"][0]["detail"].as_array().unwrap();
    let kinds: Vec<&str> = details
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["Accession", "SOPClass"]);
}

#[test]
fn of_two_patients_each_has_an_event_of_their_own() {
    let heard = read(&sample("export-two-patients.txt"));
    let patients = heard.message.patients("MAIN");
    assert_eq!(patients.len(), 2);
    for (place, whose) in &patients {
        let Whose::Numbered(system, value) = whose else {
            panic!("{whose:?}");
        };
        assert_eq!(system, "urn:salus:authority:MAIN");
        let event = event(&heard, Some((*place, "p1")));
        assert_eq!(wire::fhir::check(&event), []);
        let entities = event["entity"].as_array().unwrap();
        assert_eq!(entities.len(), 1);
        assert_eq!(entities[0]["what"]["identifier"]["value"], value.as_str());
        assert_eq!(event["outcome"], "4");
        assert_eq!(event["agent"][1]["media"]["code"], "110030");
    }
}

#[test]
fn what_rsyslog_escaped_is_read_and_the_older_schema_too() {
    let heard = read(&sample("pix-query.txt"));
    assert!(heard.message.complaints[0].contains("#012"));
    let event = event(&heard, None);
    assert_eq!(wire::fhir::check(&event), []);
    assert_eq!(event["subtype"][0]["system"], "urn:ihe:event-type-code");
    assert_eq!(event["subtype"][0]["display"], "PIX Query");
    let query = event["entity"][1]["query"].as_str().unwrap();
    assert_eq!(query, "TVNIfF5+XCZ8aGltfGhvc3BpdGFsfHBpeHxwaXg=");
    assert_eq!(
        event["entity"][1]["detail"][0]["valueBase64Binary"],
        "YmIwNzNiODU="
    );
}

#[test]
fn words_that_no_list_has_are_kept() {
    let heard = read(&sample("login.txt"));
    assert_eq!(heard.host.as_deref(), Some("ward7"));
    let event = event(&heard, None);
    assert_eq!(wire::fhir::check(&event), []);
    assert_eq!((event.get("action"), event.get("outcome")), (None, None));
    assert_eq!(event["_action"]["extension"][0]["valueString"], "Q");
    assert_eq!(event["_outcome"]["extension"][0]["valueString"], "minor");
    assert_eq!(event["subtype"][0]["code"], "LOGIN-2");
    assert_eq!(
        event["subtype"][0]["system"],
        "urn:salus:coding-system:99VIEWER"
    );
    assert_eq!(event["recorded"], "2026-11-26T10:07:00Z");
    assert_eq!(event["source"]["type"][0]["code"], "1");
    assert_eq!(event["agent"][0]["requestor"], true);
}

/// A message with many instances is longer than 32 KB (PS3.15 A.6 sets no bound).
#[test]
fn a_message_of_a_megabyte_is_read_to_its_end() {
    let line = String::from_utf8(sample("instances-accessed.txt")).unwrap();
    let more: String = (0..10_000)
        .map(|number| format!("<SOPClass UID=\"1.2.840.10008.5.1.4.1.1.2.{number}\" NumberOfInstances=\"1\">\u{20}</SOPClass>"))
        .collect();
    let line = line.replace(
        "</ParticipantObjectDescription>",
        &format!("{more}</ParticipantObjectDescription>"),
    );
    assert!(line.len() > 700 << 10);
    let heard = read(line.as_bytes());
    assert_eq!(heard.message.objects[0].details.len(), 10_002);
    assert_eq!(heard.message.patients("").len(), 1);
}

#[test]
fn what_is_no_audit_message_says_why_and_repeats_nothing_of_it() {
    for (bad, why) in [
        ("<85>1 - - - - - - <Meier/>", "root"),
        ("<85>1 - - - - - - <AuditMessage/>", "EventIdentification"),
        (
            "<85>1 - - - - - - <AuditMessage><EventIdentification/></AuditMessage>",
            "EventID",
        ),
        ("<85>1 - - - - - - Meier signed in", "XML"),
        ("<85>1 - - - - - - <Meier><Anna></Meier>", "XML"),
        (
            "<85>1 - - - - - - <!DOCTYPE a [<!ENTITY Meier SYSTEM \"file:///etc/passwd\">]><AuditMessage>&Meier;</AuditMessage>",
            "DTD",
        ),
        (
            "<85>1 - - - - - - <AuditMessage>&Meier;</AuditMessage>",
            "entity",
        ),
        ("Meier", "priority"),
        ("", "priority"),
    ] {
        let told = heard(bad.as_bytes(), (CAME, &TimeZone::UTC)).unwrap_err();
        assert!(told.contains(why), "{bad}: {told}");
        assert!(!told.contains("Meier"), "{bad}: {told}");
    }
}

#[test]
fn the_messages_of_the_shared_corpus_go_through() {
    let data = std::env::var_os("SALUS_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let Ok(folder) = fs::read_dir(data.join("hl7/openhim-atna")) else {
        return;
    };
    let mut all: Vec<PathBuf> = folder.map(|one| one.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|kind| kind == "txt"));
    assert_eq!(all.len(), 3);
    for path in all {
        let heard = read(&fs::read(&path).unwrap());
        assert_eq!(wire::fhir::check(&event(&heard, None)), [], "{path:?}");
        assert!(!heard.message.participants.is_empty(), "{path:?}");
    }
}

#[test]
fn an_identifier_as_cx_names_its_authority() {
    for (text, wanted) in [
        ("7", Some(("urn:salus:authority:MAIN", "7"))),
        ("7^^^LAB", Some(("urn:salus:authority:LAB", "7"))),
        ("7^^^LAB&1.2.3&ISO^PI", Some(("urn:oid:1.2.3", "7"))),
        (" 7 ^^^&1.2.3&ISO", Some(("urn:oid:1.2.3", "7"))),
        ("^^^LAB", None),
        ("", None),
        ("7\u{7}", None),
    ] {
        let wanted = wanted.map(|(system, value)| (system.to_owned(), value.to_owned()));
        assert_eq!(cx_identifier(text, "MAIN"), wanted, "{text}");
    }
}

const NAMES: [&str; 16] = [
    "EventIdentification",
    "EventID",
    "EventTypeCode",
    "PurposeOfUse",
    "ActiveParticipant",
    "RoleIDCode",
    "MediaIdentifier",
    "MediaType",
    "AuditSourceIdentification",
    "AuditSourceTypeCode",
    "ParticipantObjectIdentification",
    "ParticipantObjectIDTypeCode",
    "ParticipantObjectName",
    "ParticipantObjectQuery",
    "ParticipantObjectDetail",
    "EventOutcomeDescription",
];
const ATTRIBUTES: [&str; 22] = [
    "csd-code",
    "code",
    "codeSystemName",
    "originalText",
    "UserID",
    "UserName",
    "AlternativeUserID",
    "UserIsRequestor",
    "NetworkAccessPointID",
    "NetworkAccessPointTypeCode",
    "AuditSourceID",
    "AuditEnterpriseSiteID",
    "EventActionCode",
    "EventDateTime",
    "EventOutcomeIndicator",
    "ParticipantObjectID",
    "ParticipantObjectTypeCode",
    "ParticipantObjectTypeCodeRole",
    "ParticipantObjectDataLifeCycle",
    "ParticipantObjectSensitivity",
    "type",
    "value",
];

/// Elements, attributes and texts that audit messages are made of, in no order that makes sense.
fn almost() -> impl Strategy<Value = String> {
    let name = prop::sample::select(NAMES.to_vec());
    let attribute = prop::sample::select(ATTRIBUTES.to_vec());
    let value = prop_oneof![
        "[^<>\"&]{0,12}",
        Just("1".to_owned()),
        Just("2026-11-26T10:07:00Z".to_owned()),
        Just("-9999-01-01T00:00:00Z".to_owned()),
        Just("&#0;&#xb;".to_owned()),
        Just(" a  b ".to_owned()),
    ];
    let attributes = prop::collection::hash_map(attribute, value.clone(), 0..5);
    let leaf = (name, attributes, value).prop_map(|(name, attributes, text)| {
        let mut all: Vec<_> = attributes.into_iter().collect();
        all.sort();
        let all: String = all
            .iter()
            .map(|(key, value)| format!(" {key}=\"{value}\""))
            .collect();
        (name, all, text)
    });
    let inner = prop::collection::vec(leaf.clone(), 0..5);
    let outer = prop::collection::vec((leaf.clone(), inner.clone()), 0..6);
    (outer, (leaf, inner)).prop_map(|(all, (event, codes))| {
        let one = |(name, attributes, text): &(&str, String, String), within: &str| {
            format!("<{name}{attributes}>{within}{text}</{name}>")
        };
        let body: String = all
            .iter()
            .map(|(outer, inner)| {
                let within: String = inner.iter().map(|leaf| one(leaf, "")).collect();
                one(outer, &within)
            })
            .collect();
        let codes: String = codes.iter().map(|leaf| one(leaf, "")).collect();
        let codes = format!("<EventID code=\"1\"/>{codes}");
        let event = one(&("EventIdentification", event.1, event.2), &codes);
        format!("<AuditMessage>{event}{body}</AuditMessage>")
    })
}

proptest! {
    #[test]
    fn no_line_makes_the_reader_fail(line in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = heard(&line, (CAME, &TimeZone::UTC));
        let _ = audit_message_of(&line);
    }

    #[test]
    fn whatever_is_read_is_sound_fhir(text in almost()) {
        if let Ok(message) = audit_message_of(text.as_bytes()) {
            let heard = Heard { host: None, message };
            for patient in [None, Some((0, "p1"))] {
                let event = event(&heard, patient);
                prop_assert_eq!(wire::fhir::check(&event), [], "{}", event);
            }
        }
    }

    #[test]
    fn what_we_write_ourselves_is_read_back(id in "\\PC{1,20}", refused in any::<bool>()) {
        prop_assume!(id.trim() == id && !id.is_empty());
        let audited = Audited {
            id: "7".into(),
            at: "2026-11-26T12:00:00.000Z".into(),
            did: Did::Read,
            outcome: if refused { Outcome::Refused("no".into()) } else { Outcome::Done },
            user: Some(User { id: id.clone(), name: id.clone(), role: "nurse".into() }),
            client: Client { id: "console".into(), name: "c".into(), address: "10.0.0.7".into() },
            site: Site { id: "s".into(), url: "https://s.example/fhir".into() },
            patient: Some("p1".into()),
            object: Object::Resource("Observation/o1".into()),
            purpose: "TREAT".into(),
            policies: vec!["one".into()],
        };
        let read = audit_message_of(audit_message(&audited).as_bytes()).unwrap();
        prop_assert_eq!(&read.requestor().unwrap().id, &id);
        prop_assert_eq!(read.outcome.as_str(), if refused { "8" } else { "0" });
        let patients = read.patients("A");
        prop_assert_eq!(patients.len(), 1);
        let named = matches!(&patients[0].1, Whose::Numbered(_, value) if value == "p1");
        prop_assert!(named);
        prop_assert_eq!(read.moment(&TimeZone::UTC), Some(1_795_694_400_000));
    }
}
