//! A trace in the words of the field's audit forms.

use event::ActorKind;
use wire::audit::{Audited, Client, Did, Object, Outcome, Site, User};

use crate::trace::{Trace, What};

/// The console, as the program through which people look.
const CONSOLE: &str = "salus-console";

/// The trace as an auditable event of this site; `words` says why in sentences, if it was refused.
pub fn audited(trace: &Trace, site: &Site, words: &str) -> Audited {
    let person = trace.actor.kind == ActorKind::Person || is_sign_in(trace.what);
    let user = person.then(|| User {
        id: trace.actor.id.clone(),
        name: trace.actor.name.clone(),
        role: trace.actor.role.word().to_owned(),
    });
    let client = match person {
        true => Client {
            id: CONSOLE.to_owned(),
            name: "Salus console".to_owned(),
            address: trace.from.clone(),
        },
        false => Client {
            id: trace.actor.id.clone(),
            name: trace.actor.name.clone(),
            address: trace.from.clone(),
        },
    };
    Audited {
        id: trace.id.to_string(),
        at: trace.at.to_string(),
        did: did(trace.what),
        outcome: outcome(trace, words),
        user,
        client,
        site: site.clone(),
        patient: trace.patient.clone(),
        object: object(trace),
        purpose: trace.purpose.clone(),
        policies: trace.because.clone(),
    }
}

impl What {
    /// What the audit forms call it.
    pub const fn did(self) -> Did {
        did(self)
    }
}

const fn is_sign_in(what: What) -> bool {
    matches!(what, What::SignIn | What::SignOut)
}

const fn did(what: What) -> Did {
    match what {
        What::Audit | What::Review => Did::AuditUsed,
        What::BreakGlass => Did::OverrideStarted,
        What::Ceiling => Did::Alert,
        What::Capture | What::Create | What::Fetch => Did::Create,
        What::Delete => Did::Delete,
        What::EndGlass => Did::OverrideStopped,
        What::Carry | What::Export => Did::Export,
        What::History => Did::History,
        What::Manage => Did::RightsChanged,
        What::Read | What::ReadMessage | What::Unlock => Did::Read,
        What::Search | What::Shown | What::Listed => Did::Search,
        What::SignIn => Did::Login,
        What::SignOut => Did::Logout,
        What::Started => Did::Started,
        What::Stopped => Did::Stopped,
        What::Reconcile | What::Unmerge | What::Update => Did::Update,
        What::Vread => Did::Vread,
    }
}

fn outcome(trace: &Trace, words: &str) -> Outcome {
    match (trace.allowed, words.trim()) {
        (true, _) => Outcome::Done,
        (false, "") => Outcome::Refused(format!("refused: {}", trace.because.join(", "))),
        (false, words) => Outcome::Refused(words.to_owned()),
    }
}

fn object(trace: &Trace) -> Object {
    if did(trace.what) == Did::Search {
        return Object::Query(trace.detail.clone());
    }
    let whole = trace.patient.as_deref().unwrap_or("unknown");
    match trace.detail.split_once('/') {
        // `Observation/o1`: FHIR's own types begin with a capital.
        Some((kind, id)) if is_type(kind) && is_place(id) => Object::Resource(trace.detail.clone()),
        Some((kind, name)) => Object::Named(plain(kind), name.to_owned()),
        None if trace.detail.is_empty() => Object::Resource(format!("Patient/{whole}")),
        None => Object::Named("object".to_owned(), trace.detail.clone()),
    }
}

fn is_type(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_uppercase())
        && word.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// `id` or `id/_history/version`.
fn is_place(rest: &str) -> bool {
    let id = |part: &str| {
        (1..=64).contains(&part.len())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
    };
    match rest.split_once("/_history/") {
        Some((one, version)) => id(one) && id(version),
        None => id(rest),
    }
}

/// A word as it may stand in a uri.
fn plain(word: &str) -> String {
    let kept = word.chars().filter(char::is_ascii_alphanumeric);
    let kept: String = kept.take(32).collect();
    match kept.is_empty() {
        true => "object".to_owned(),
        false => kept,
    }
}

#[cfg(test)]
mod tests {
    use event::{Actor, Role, Time};

    use super::*;
    use crate::TraceId;

    fn trace(what: What, patient: Option<&str>, detail: &str) -> Trace {
        Trace {
            id: TraceId { index: 9, part: 0 },
            at: Time::from_millis(0),
            actor: Actor {
                kind: ActorKind::Person,
                id: "anna".into(),
                name: "Anna".into(),
                role: Role::Nurse,
            },
            what,
            patient: patient.map(str::to_owned),
            allowed: true,
            because: vec!["ward-reads-its-patients".into()],
            purpose: "TREAT".into(),
            reason: String::new(),
            from: "192.0.2.7".into(),
            detail: detail.into(),
        }
    }

    #[test]
    fn each_trace_names_what_was_touched_and_is_sound_fhir() {
        let site = Site {
            id: "salus.example/record".into(),
            url: "https://salus.example/fhir".into(),
        };
        for what in What::ALL {
            for (patient, detail) in [
                (Some("p1"), ""),
                (None, ""),
                (Some("p1"), "Observation/o1"),
                (Some("p1"), "Observation/o1/_history/7"),
                (None, "ward/<b>ICU</b>"),
                (None, "Patient/../../etc/passwd"),
                (None, "Patient?name=\u{0}=cmd|' /C calc'!A0"),
                (None, "/"),
            ] {
                let told = audited(&trace(*what, patient, detail), &site, "");
                let event = wire::audit::audit_event(&told);
                let issues = wire::fhir::check(&event);
                assert!(issues.is_empty(), "{what:?} `{detail}`: {issues:?}");
            }
        }
        let told = audited(&trace(What::Read, Some("p1"), ""), &site, "");
        assert_eq!(told.object, Object::Resource("Patient/p1".into()));
        let told = audited(&trace(What::Read, None, "ward/ICU"), &site, "");
        assert_eq!(told.object, Object::Named("ward".into(), "ICU".into()));
    }

    #[test]
    fn where_it_was_done_from_stands_in_both_forms() {
        let site = Site {
            id: "salus.example/record".into(),
            url: "https://salus.example/fhir".into(),
        };
        let told = audited(&trace(What::Read, Some("p1"), ""), &site, "");
        let event = wire::audit::audit_event(&told);
        let agents = event["agent"].as_array().unwrap();
        let at = |address: &str| {
            agents
                .iter()
                .any(|one| one["network"]["address"] == address)
        };
        assert!(at("192.0.2.7"), "{event}");
        let message = wire::audit::audit_message(&told);
        assert!(
            message.contains("NetworkAccessPointID=\"192.0.2.7\""),
            "{message}"
        );
    }
}
