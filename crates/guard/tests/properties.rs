//! What must hold for every question, not only for those somebody thought of.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use event::{Act, Actor, ActorKind, Role, Subject};
use guard::{Ask, Consent, Context, Facts, Identity, Policies, Relation, Scope};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

const ROLES: [Role; 8] = [
    Role::Administrator,
    Role::Client,
    Role::Feed,
    Role::Nurse,
    Role::Operator,
    Role::Physician,
    Role::PrivacyOfficer,
    Role::Salus,
];

fn words(from: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    subsequence(from, 0..=from.len())
        .prop_map(|words| words.into_iter().map(ToOwned::to_owned).collect())
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        "[a-c\"\\\\é]{0,4}".prop_map(Subject::Patient),
        select(&["W1", "W2"][..]).prop_map(|code| Subject::Ward(code.into())),
        select(&["Patient", "Observation", "Location"][..])
            .prop_map(|kind| Subject::Kind(kind.into())),
        select(&["u", "v"][..]).prop_map(|id| Subject::Account(id.into())),
        Just(Subject::Feed("lab".into())),
        Just(Subject::Record),
    ]
}

fn identity() -> impl Strategy<Value = Identity> {
    let scopes = words(&[
        "system/*.cruds",
        "system/Patient.rs",
        "system/Observation.c",
        "junk",
    ]);
    (select(&ROLES[..]), words(&["W1", "W2"]), scopes).prop_map(|(role, wards, scopes)| Identity {
        wards,
        practitioner: Some("D1".into()),
        scopes,
        ..Identity::of(Actor {
            kind: ActorKind::Person,
            id: "u".into(),
            name: "U".into(),
            role,
        })
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let kinds = words(&["Patient", "Observation", "Location"]);
    let purpose = select(&["TREAT", "HRESCH", ""][..]);
    let reason = prop::option::of(select(&["", "  ", "complaint"][..]));
    (
        identity(),
        select(&Act::ALL[..]),
        subject(),
        kinds,
        purpose,
        reason,
    )
        .prop_map(|(identity, act, subject, kinds, purpose, reason)| Ask {
            identity,
            act,
            subject,
            kinds,
            purpose: purpose.into(),
            reason: reason.map(ToOwned::to_owned),
            detail: String::new(),
        })
}

/// Somebody at the bedside looks at a chart: of all questions one in a hundred is that, and most of
/// what is forbidden is about it.
fn look() -> impl Strategy<Value = Ask> {
    let roles = select(&[Role::Nurse, Role::Physician][..]);
    let acts = select(&[Act::Read, Act::History, Act::Search][..]);
    (ask(), roles, acts).prop_map(|(mut ask, role, act)| {
        ask.identity.actor.role = role;
        ask.act = act;
        ask.subject = Subject::Patient("a".into());
        ask
    })
}

/// Any question, most of them of those that policies say most about.
fn asked() -> impl Strategy<Value = Ask> {
    prop_oneof![1 => ask(), 3 => look()]
}

fn consent() -> impl Strategy<Value = Consent> {
    let purposes = words(&["TREAT", "HRESCH"]);
    let kinds = words(&["Patient", "Observation"]);
    (any::<bool>(), purposes, kinds).prop_map(|(permits, purposes, kinds)| Consent {
        permits,
        purposes,
        kinds,
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let relation = prop_oneof![
        select(&["W1", "W2", "W9"][..]).prop_map(|code| Relation::Ward(code.into())),
        Just(Relation::CareTeam("attending".into())),
        Just(Relation::Appointment("a".into())),
        Just(Relation::Order("ServiceRequest".into())),
        Just(Relation::Referral("ServiceRequest".into())),
    ];
    (
        prop::collection::vec(relation, 0..4),
        prop::collection::vec(consent(), 0..3),
        words(&["HIV", "V", "VIP"]),
        (any::<bool>(), any::<bool>()),
        prop::option::of(0_u64..9),
    )
        .prop_map(
            |(relations, consents, labels, (own, own_act), glass)| Facts {
                relations,
                consents,
                labels,
                own,
                own_act,
                glass,
                ..Facts::default()
            },
        )
}

/// Whether a consent of the patient can have opened what was asked.
fn consented(ask: &Ask, facts: &Facts) -> bool {
    facts
        .consents
        .iter()
        .any(|one| one.permits && (one.purposes.is_empty() || one.purposes.contains(&ask.purpose)))
}

/// Whether the patient said no to what is asked, or to a part of it.
fn said_no(ask: &Ask, facts: &Facts) -> bool {
    facts.consents.iter().any(|one| {
        let purpose = one.purposes.is_empty() || one.purposes.contains(&ask.purpose);
        let kinds = one.kinds.is_empty() || ask.kinds.is_empty();
        let kinds = kinds || ask.kinds.iter().any(|kind| one.kinds.contains(kind));
        !one.permits && purpose && kinds
    })
}

fn with_forbid(forbid: &str) -> Policies {
    let sources = [
        (
            "all.cedar".to_owned(),
            "@id(\"all\") @words(\"all\") permit (principal, action, resource);".to_owned(),
        ),
        (
            "no.cedar".to_owned(),
            format!("@id(\"no\") @words(\"no\") {forbid}"),
        ),
    ];
    Policies::load(&sources, Policies::SCHEMA).unwrap()
}

/// What of the schema applies to what; the test below compares it with the file.
fn means_something(act: Act, subject: &Subject) -> bool {
    match act {
        Act::Read | Act::History | Act::Search => true,
        Act::Audit => matches!(
            subject,
            Subject::Patient(_) | Subject::Account(_) | Subject::Record
        ),
        Act::Create | Act::Update | Act::Delete | Act::Export => matches!(
            subject,
            Subject::Patient(_) | Subject::Kind(_) | Subject::Record
        ),
        Act::ReadMessage | Act::Send => {
            matches!(subject, Subject::Feed(_) | Subject::Patient(_))
        }
        Act::Manage => matches!(
            subject,
            Subject::Account(_) | Subject::Feed(_) | Subject::Record
        ),
        Act::BreakGlass | Act::Erase | Act::Fetch | Act::Review | Act::Unmerge => {
            matches!(subject, Subject::Patient(_))
        }
        Act::SignIn | Act::SignOut => matches!(subject, Subject::Account(_)),
        Act::Capture => matches!(subject, Subject::Patient(_) | Subject::Ward(_)),
        Act::Reconcile => matches!(
            subject,
            Subject::Patient(_) | Subject::Ward(_) | Subject::Kind(_)
        ),
        Act::Carry | Act::Unlock => matches!(subject, Subject::Ward(_)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_forbid_beats_any_permit(ask in ask(), facts in facts()) {
        let meaningful = means_something(ask.act, &ask.subject);
        let policies = with_forbid("forbid (principal, action, resource);");
        let decision = policies.decide(ask, &facts);
        prop_assert!(!decision.allowed());
        let because = if meaningful { "no" } else { "no-policy-allows" };
        prop_assert_eq!(decision.because(), [because]);
    }

    /// Every shipped `forbid`, whatever else is permitted.
    #[test]
    fn a_shipped_forbid_beats_any_permit(ask in asked(), facts in facts()) {
        thread_local! { static BOTH: Policies = {
            let mut files = Policies::built_in().unwrap().texts().0;
            files.push((
                "all.cedar".to_owned(),
                "@id(\"all\") @words(\"all\") permit (principal, action, resource);".to_owned(),
            ));
            Policies::load(&files, Policies::SCHEMA).unwrap()
        } }
        let looks = matches!(ask.act, Act::Read | Act::History | Act::Search);
        let chart = matches!(ask.subject, Subject::Patient(_));
        let no = said_no(&ask, &facts) && facts.glass.is_none();
        let forbidden = chart && looks && (facts.own || no);
        let bedside = matches!(ask.identity.role(), Role::Nurse | Role::Physician);
        let guarded = bedside && chart && looks && facts.labels.contains(&"VIP".to_owned())
            && facts.relations.is_empty() && facts.glass.is_none();
        let decision = BOTH.with(|policies| policies.decide(ask, &facts));
        prop_assert_eq!(decision.allowed() && forbidden, false);
        prop_assert_eq!(decision.allowed() && guarded, false);
    }

    #[test]
    fn an_error_beats_any_permit(ask in ask(), facts in facts()) {
        let meaningful = means_something(ask.act, &ask.subject);
        let policies = with_forbid(
            "permit (principal, action, resource) when { 9223372036854775807 + 1 == 0 };",
        );
        let decision = policies.decide(ask, &facts);
        prop_assert!(!decision.allowed());
        let because = if meaningful { "policy-error" } else { "no-policy-allows" };
        prop_assert_eq!(decision.because(), [because]);
    }

    #[test]
    fn an_app_never_gets_more_than_its_scopes_whatever_policies_say(
        ask in ask(),
        scope in select(&["patient/Observation.rs", "patient/*.cruds", "user/Patient.r", "system/*.cruds", "junk"][..]),
    ) {
        let mut ask = ask;
        ask.identity.scopes = vec![scope.to_owned()];
        ask.identity.through = Some(guard::Through { app: "app".into(), patient: Some("a".into()) });
        let sources = [(
            "all.cedar".to_owned(),
            "@id(\"all\") @words(\"all\") permit (principal, action, resource);".to_owned(),
        )];
        let policies = Policies::load(&sources, Policies::SCHEMA).unwrap();
        let decision = policies.decide(ask, &Facts::default());
        let ask = decision.ask();
        let read = Scope::parse(scope).ok();
        let letter = match ask.act {
            Act::Create => "c",
            Act::Update => "u",
            Act::Delete => "d",
            Act::Read => "r",
            Act::History if ask.subject.patient().is_some() => "r",
            // Who read a chart is itself a search, of AuditEvents.
            Act::Audit | Act::History | Act::Search => "s",
            _ => "nothing else",
        };
        let reaches = match (&read, &ask.subject) {
            (Some(scope), subject) if scope.context() == Context::Patient => {
                let directory = matches!(subject, Subject::Kind(_))
                    && !ask.kinds.is_empty()
                    && ask.kinds.iter().all(|kind| guard::is_directory(kind));
                subject.patient() == Some("a") || directory
            }
            (Some(scope), _) => scope.context() == Context::User,
            (None, _) => false,
        };
        let typed = read.as_ref().is_some_and(|scope| {
            let all = scope.kind() == "*";
            scope.letters().contains(letter)
                && (all || (!ask.kinds.is_empty() && ask.kinds.iter().all(|kind| kind == scope.kind())))
        });
        prop_assert!(!decision.allowed() || (reaches && typed), "{ask:?}");
    }

    #[test]
    fn whatever_means_something_reaches_the_policies(ask in ask(), facts in facts()) {
        let meaningful = means_something(ask.act, &ask.subject);
        let sources = [(
            "all.cedar".to_owned(),
            "@id(\"all\") @words(\"all\") permit (principal, action, resource);".to_owned(),
        )];
        let policies = Policies::load(&sources, Policies::SCHEMA).unwrap();
        prop_assert_eq!(policies.decide(ask, &facts).allowed(), meaningful);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_bedside_sees_no_chart_without_a_relation_a_consent_or_broken_glass(ask in asked(), facts in facts()) {
        thread_local! { static POLICIES: Policies = Policies::built_in().unwrap(); }
        let related = facts.relations.iter().any(|relation| match relation {
            Relation::Ward(code) => ask.identity.wards.contains(code),
            _ => true,
        });
        let opened = related || consented(&ask, &facts) || facts.glass.is_some();
        let (own, glass) = (facts.own, ask.act == Act::BreakGlass);
        let bedside = matches!(ask.identity.role(), Role::Nurse | Role::Physician);
        let chart = matches!(ask.subject, Subject::Patient(_));
        let decision = POLICIES.with(|policies| policies.decide(ask, &facts));
        prop_assert!(!decision.because().is_empty() && !decision.words().is_empty());
        prop_assert_ne!(decision.because(), ["policy-error"]);
        if decision.ask().act == Act::Export {
            let operator = decision.ask().identity.role() == Role::Operator;
            let asks = matches!(decision.ask().subject, Subject::Record);
            prop_assert!(!decision.allowed() || operator || asks);
        }
        if bedside && chart {
            prop_assert_eq!(decision.allowed() && !opened && !glass, false);
            prop_assert_eq!(decision.allowed() && own, false);
            let reason = decision.ask().reason.as_deref();
            prop_assert_eq!(decision.allowed() && glass && reason != Some("complaint"), false);
        }
        if decision.allowed() && chart && !bedside {
            let role = decision.ask().identity.role();
            let overseer = matches!(role, Role::Administrator | Role::PrivacyOfficer);
            let act = decision.ask().act;
            let reasoned = matches!(
                act,
                Act::Erase | Act::ReadMessage | Act::Review | Act::Unmerge
            );
            let harmless = reasoned || act == Act::Audit;
            prop_assert!(!overseer || harmless);
            prop_assert!(!reasoned || decision.ask().reason.as_deref() == Some("complaint"));
        }
    }
}

/// What the properties above speak of must come up, or they would say nothing: each kind of question
/// often enough, answered both ways where both can be.
#[test]
fn the_properties_meet_what_they_speak_of() {
    let policies = Policies::built_in().unwrap();
    let mut runner = TestRunner::deterministic();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..8_000 {
        let drawn = (asked(), facts()).new_tree(&mut runner).unwrap().current();
        for name in names_of(&policies, drawn) {
            *met.entry(name).or_default() += 1;
        }
    }
    for name in NAMES {
        let times = met.get(name).copied().unwrap_or_default();
        assert!(times >= 5, "`{name}` came up {times} times");
    }
}

const NAMES: [&str; 8] = [
    "a look at one's own chart",
    "a look after a no",
    "a look with nothing that opens",
    "a guarded chart from afar",
    "allowed by a relation",
    "allowed by a consent alone",
    "allowed by broken glass alone",
    "an app or program that is allowed",
];

/// Which of these a question at the bedside, or of a system, is.
fn names_of(policies: &Policies, (ask, facts): (Ask, Facts)) -> Vec<&'static str> {
    let bedside = matches!(ask.identity.role(), Role::Nurse | Role::Physician);
    let looks = matches!(ask.act, Act::Read | Act::History | Act::Search);
    let chart = matches!(ask.subject, Subject::Patient(_));
    let related = facts.relations.iter().any(|relation| match relation {
        Relation::Ward(code) => ask.identity.wards.contains(code),
        _ => true,
    });
    let (yes, no) = (consented(&ask, &facts), said_no(&ask, &facts));
    let glass = facts.glass.is_some();
    let vip = facts.labels.contains(&"VIP".to_owned());
    let client = ask.identity.role() == Role::Client;
    let allowed = policies.decide(ask, &facts).allowed();
    let bed = bedside && looks && chart;
    let all = [
        bed && facts.own,
        bed && no && !glass && related,
        bed && !related && !yes && !glass,
        bed && vip && facts.relations.is_empty() && !glass && yes,
        bed && allowed && related,
        bed && allowed && yes && !related && !glass,
        bed && allowed && glass && !yes && !related,
        client && allowed,
    ];
    let named = NAMES.into_iter().zip(all);
    named.filter(|(_, is)| *is).map(|(name, _)| name).collect()
}
