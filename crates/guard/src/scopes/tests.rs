use event::{Actor, ActorKind};

use super::*;
use crate::{Identity, Through};

fn ask(scopes: &[&str], act: Act, kinds: &[&str]) -> Ask {
    let mut identity = Identity::of(Actor {
        kind: ActorKind::Software,
        id: "lis".into(),
        name: "Laboratory".into(),
        role: Role::Client,
    });
    identity.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
    Ask {
        identity,
        act,
        subject: Subject::Record,
        kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
        purpose: "TREAT".into(),
        reason: None,
        detail: String::new(),
    }
}

fn left_over(scopes: &[&str], act: Act, kinds: &[&str]) -> Vec<String> {
    uncovered(&ask(scopes, act, kinds))
}

fn launched(scopes: &[&str], act: Act, subject: Subject) -> Ask {
    let mut ask = ask(scopes, act, &["Observation"]);
    ask.identity.through = Some(Through {
        app: "growth".into(),
        patient: Some("anna".into()),
    });
    ask.subject = subject;
    ask
}

fn part(patient: Option<&str>, narrowed: &[(&str, &str)]) -> Part {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Part {
        patient: patient.map(str::to_owned),
        narrowed: narrowed.iter().map(pair).collect(),
    }
}

#[test]
fn each_act_needs_its_letter() {
    for (act, letter) in [
        (Act::Create, 'c'),
        (Act::Read, 'r'),
        (Act::Update, 'u'),
        (Act::Delete, 'd'),
        (Act::Search, 's'),
    ] {
        for granted in "cruds".chars() {
            let scope = format!("system/Observation.{granted}");
            let left = left_over(&[&scope], act, &["Observation"]);
            assert_eq!(left.is_empty(), granted == letter, "{act:?} with {scope}");
        }
    }
}

#[test]
fn every_type_asked_for_must_be_covered() {
    let scopes = ["system/Patient.rs", "system/Observation.r"];
    assert!(left_over(&scopes, Act::Read, &["Patient", "Observation"]).is_empty());
    assert_eq!(
        left_over(&scopes, Act::Search, &["Patient", "Observation"]),
        ["Observation"]
    );
}

#[test]
fn asking_for_everything_needs_the_star() {
    assert_eq!(left_over(&["system/Patient.cruds"], Act::Read, &[]), ["*"]);
    assert!(left_over(&["system/*.r"], Act::Read, &[]).is_empty());
}

#[test]
fn the_history_of_a_type_is_a_search() {
    let subject = Subject::Patient("p".into());
    assert_eq!(letter(Act::History, &subject), Some('r'));
    assert_eq!(letter(Act::History, &Subject::Record), Some('s'));
}

#[test]
fn the_words_of_version_1_are_read_as_letters() {
    for (old, new) in [("read", "rs"), ("write", "cud"), ("*", "cruds")] {
        let read = Scope::parse(&format!("patient/*.{old}")).unwrap();
        assert_eq!(read, Scope::parse(&format!("patient/*.{new}")).unwrap());
    }
}

#[test]
fn a_patient_scope_reaches_one_patient_and_the_directory() {
    let scopes = ["patient/Observation.rs", "patient/Practitioner.rs"];
    let uncovered = |subject| uncovered(&launched(&scopes, Act::Read, subject));
    assert!(uncovered(Subject::Patient("anna".into())).is_empty());
    assert_eq!(uncovered(Subject::Patient("ben".into())), ["Observation"]);
    assert_eq!(
        uncovered(Subject::Kind("Observation".into())),
        ["Observation"]
    );
    let mut directory = launched(&scopes, Act::Read, Subject::Kind("Practitioner".into()));
    directory.kinds = vec!["Practitioner".into()];
    assert!(super::uncovered(&directory).is_empty());
    let anna = launched(&scopes, Act::Read, Subject::Patient("anna".into()));
    let only = Seen::Parts(vec![part(Some("anna"), &[])]);
    assert_eq!(seen(&anna, "Observation"), only);
}

#[test]
fn a_patient_scope_without_a_patient_covers_nothing() {
    let mut ask = launched(
        &["patient/*.cruds"],
        Act::Read,
        Subject::Patient("anna".into()),
    );
    ask.identity.through = Some(Through {
        app: "growth".into(),
        patient: None,
    });
    assert_eq!(uncovered(&ask), ["Observation"]);
    assert_eq!(seen(&ask, "Observation"), Seen::Parts(Vec::new()));
}

#[test]
fn a_program_has_no_person_and_a_person_is_no_system() {
    let subject = Subject::Patient("anna".into());
    let person = launched(&["system/*.cruds"], Act::Read, subject);
    assert_eq!(uncovered(&person), ["Observation"]);
    for scope in ["user/*.cruds", "patient/*.cruds"] {
        assert_eq!(
            left_over(&[scope], Act::Read, &["Observation"]),
            ["Observation"]
        );
    }
}

#[test]
fn a_narrowed_scope_covers_the_type_and_shows_a_part() {
    let scopes = ["system/Observation.rs?category=http://x%7Claboratory"];
    let ask = ask(&scopes, Act::Search, &["Observation"]);
    assert!(uncovered(&ask).is_empty());
    let narrowed = part(None, &[("category", "http://x|laboratory")]);
    assert_eq!(seen(&ask, "Observation"), Seen::Parts(vec![narrowed]));
    assert_eq!(seen(&ask, "Condition"), Seen::Parts(Vec::new()));
    let mut wider = ask.clone();
    wider.identity.scopes.push("system/*.s".into());
    assert_eq!(seen(&wider, "Observation"), Seen::All);
}

#[test]
fn a_scope_lies_within_one_that_grants_as_much() {
    let within = |a: &str, b: &str| Scope::parse(a).unwrap().within(&Scope::parse(b).unwrap());
    assert!(within("patient/Observation.r", "patient/*.rs"));
    assert!(within(
        "patient/Observation.rs?category=a",
        "patient/Observation.read"
    ));
    assert!(!within(
        "patient/Observation.rs",
        "patient/Observation.rs?category=a"
    ));
    assert!(!within("user/Observation.r", "patient/*.rs"));
    assert!(!within("patient/*.r", "patient/Observation.rs"));
    assert!(!within("patient/Observation.cr", "patient/*.rs"));
}

#[test]
fn a_scope_that_cannot_be_read_covers_nothing() {
    for bad in [
        "system/Observation.sr",
        "system/Observation.rr",
        "system/Observation.",
        "system/Observation.reads",
        "system/observation.r",
        "clinic/Observation.r",
        "system/*.rs?category=laboratory",
        "system/Observation.rs?",
        "system/Observation.rs?category",
        "system/Observation.rs?category=",
        "system/Observation.rs?subject:Patient.name=x",
        "system/Observation.rs?_has:x=y",
        "system/Observation.rs?category=%zz",
        "system/Observation",
        "",
    ] {
        assert!(Scope::parse(bad).is_err(), "{bad}");
        assert_eq!(
            left_over(&[bad], Act::Read, &["Observation"]),
            ["Observation"]
        );
    }
    assert_eq!(
        Scope::parse("clinic/Patient.r").unwrap_err().to_string(),
        "`clinic/Patient.r` is not a scope: it does not begin with `system/`, `user/` or \
         `patient/`; write for instance `system/Observation.rs` or `system/*.cruds`"
    );
}
