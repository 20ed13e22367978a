use event::{Relation, Taking};
use proptest::prelude::*;

use super::*;
use crate::Policies;

/// Everybody asks for everything, with much known and with nothing.
#[test]
fn leaving_out_what_a_head_rules_out_changes_no_answer() {
    let (files, schema) = Policies::built_in().unwrap().texts();
    let rules = Rules::load(&files, &schema).unwrap();
    let known = Facts {
        relations: vec![
            Relation::Ward("W3".into()),
            Relation::CareTeam("ATND".into()),
        ],
        labels: vec!["HIV".into(), "VIP".into()],
        glass: Some(7),
        ..Facts::default()
    };
    let subjects = [
        Subject::Account("u".into()),
        Subject::Feed("lab".into()),
        Subject::Kind("Observation".into()),
        Subject::Patient("a".into()),
        Subject::Record,
        Subject::Ward("W3".into()),
    ];
    let mut compared = 0;
    for (role, act) in Role::ALL
        .into_iter()
        .flat_map(|role| Act::ALL.map(|act| (role, act)))
    {
        for (subject, facts) in subjects
            .iter()
            .zip([&known, &Facts::default()].into_iter().cycle())
        {
            compared += usize::from(same(&rules, (role, act, subject), facts));
        }
    }
    assert!(compared > 100);
}

/// Whether the question means anything; if so its answer is held against that of all policies.
fn same(rules: &Rules, (role, act, subject): (Role, Act, &Subject), facts: &Facts) -> bool {
    let actor = Actor {
        role,
        id: "u".into(),
        ..Actor::salus()
    };
    let mut identity = Identity::of(actor);
    identity.wards = vec!["W3".into()];
    let ask = Ask {
        identity,
        act,
        subject: subject.clone(),
        kinds: vec!["Observation".into()],
        purpose: "TREAT".into(),
        reason: Some("a reason".into()),
        detail: String::new(),
    };
    let posed = Posed::of(&ask, facts);
    let Ok(slice) = rules.slicer.slice(&posed) else {
        return false;
    };
    let all = rules.ask(&rules.set, &slice);
    let picked =
        [&rules.deciding, &rules.duties].map(|from| rules.ask(rules.picked(from, &posed), &slice));
    let mut both: Vec<&PolicyId> = picked.iter().flat_map(reasons).collect();
    both.sort();
    let effect = |id: &&PolicyId| rules.set.policy(id).map(Policy::effect);
    let forbids = both.iter().any(|id| effect(id) == Some(Effect::Forbid));
    // Of all policies Cedar names the forbids, if there are any, else the permits.
    both.retain(|id| (effect(id) == Some(Effect::Forbid)) == forbids);
    assert_eq!(reasons(&all), both, "{ask:?}");
    true
}

/// What somebody may write who makes policies of their own: about one patient, about counts in another way, and
/// one that cannot always be evaluated.
const OWN: &str = r#"
@id("one-patient")
@words("this patient asked for it")
forbid (principal, action == Action::"read", resource == Patient::"b");

@id("counts")
@words("too many")
forbid (principal in Role::"nurse", action == Action::"search", resource)
when { context.taking.hour + context.taking.day > 3 };

@id("overflows")
@words("whatever")
permit (principal in Role::"physician", action == Action::"read", resource)
when { context.taking.hour * 9223372036854775807 > 1 };
"#;

fn some<T: Clone + std::fmt::Debug + 'static>(of: &[T]) -> impl Strategy<Value = Vec<T>> + use<T> {
    proptest::sample::subsequence(of.to_vec(), 0..=of.len())
}

fn texts(of: &[&str]) -> impl Strategy<Value = Vec<String>> + use<> {
    let all: Vec<String> = of.iter().map(|&one| one.to_owned()).collect();
    some(&all)
}

fn one_of<T: Clone + std::fmt::Debug + 'static>(all: &[T]) -> impl Strategy<Value = T> + use<T> {
    proptest::sample::select(all.to_vec())
}

fn identities() -> impl Strategy<Value = Identity> {
    let scopes = texts(&["system/*.cruds", "system/Observation.rs", "user/*.rs"]);
    let who = (
        one_of(&Role::ALL),
        one_of(&["u", "v"]),
        texts(&["W3", "W4"]),
    );
    (who, scopes, any::<(bool, Option<bool>)>()).prop_map(|((role, id, wards), scopes, more)| {
        let actor = Actor {
            role,
            id: id.into(),
            ..Actor::salus()
        };
        Identity {
            wards,
            scopes,
            stepped_up: more.0,
            on_shift: more.1,
            ..Identity::of(actor)
        }
    })
}

fn asks() -> impl Strategy<Value = Ask> {
    let subjects = [
        Subject::Account("u".into()),
        Subject::Feed("lab".into()),
        Subject::Kind("Observation".into()),
        Subject::Patient("a".into()),
        Subject::Patient("b".into()),
        Subject::Patient("c".into()),
        Subject::Record,
        Subject::Ward("W3".into()),
    ];
    let acts = [
        &[Act::Read, Act::Search].repeat(Act::ALL.len()),
        &Act::ALL[..],
    ]
    .concat();
    let what = (one_of(&acts), one_of(&subjects));
    let why = (
        texts(&["Observation", "Patient"]),
        one_of(&["TREAT", "TREAT", "HOPERAT"]),
        one_of(&[None, None, Some(" "), Some("a reason")]),
        one_of(&["", "appropriate"]),
    );
    (identities(), what, why).prop_map(
        |(identity, (act, subject), (kinds, purpose, reason, detail))| Ask {
            identity,
            act,
            subject,
            kinds,
            purpose: purpose.into(),
            reason: reason.map(str::to_owned),
            detail: detail.into(),
        },
    )
}

fn facts() -> impl Strategy<Value = Facts> {
    let relations = [
        Relation::Ward("W3".into()),
        Relation::CareTeam("ATND".into()),
        Relation::Appointment("1".into()),
        Relation::Order("1".into()),
    ];
    let consents = [true, false].map(|permits| Consent {
        permits,
        ..Consent::default()
    });
    let taken = (0_u32..4, 0_u32..4, 0_u32..3, 0_u32..3, any::<bool>());
    let taking = taken.prop_map(
        |(hour, day, ceiling_hour, ceiling_day, new_patient)| Taking {
            patients_hour: hour,
            patients_day: day,
            ceiling_hour,
            ceiling_day,
            new_patient,
        },
    );
    let known = (some(&relations), some(&consents), texts(&["HIV", "VIP"]));
    let more = (any::<bool>(), any::<Option<u64>>(), any::<bool>());
    (known, more, proptest::option::of(taking)).prop_map(
        |((relations, consents, labels), (own, glass, own_act), taking)| Facts {
            relations,
            consents,
            labels,
            own,
            glass,
            own_act,
            taking,
        },
    )
}

/// A question, and one that differs from it in one thing at most.
fn neighbours() -> impl Strategy<Value = [(Ask, Facts); 2]> {
    (asks(), facts(), asks(), facts(), 0..16).prop_map(|(ask, facts, other, known, which)| {
        let (mut near, mut nearby) = (ask.clone(), facts.clone());
        match which {
            0 => near.identity.actor.role = other.identity.actor.role,
            1 => near.identity.actor.id = other.identity.actor.id,
            2 => near.identity.wards = other.identity.wards,
            3 => near.identity.scopes = other.identity.scopes,
            4 => near.identity.stepped_up = other.identity.stepped_up,
            5 => near.identity.on_shift = other.identity.on_shift,
            6 => near.act = other.act,
            7 => near.kinds = other.kinds,
            8 => near.purpose = other.purpose,
            9 => near.reason = other.reason,
            10 => near.detail = other.detail,
            11 => near.subject = other.subject,
            12 => nearby.relations = known.relations,
            13 => nearby.consents = known.consents,
            14 => nearby.labels = known.labels,
            _ => nearby.taking = known.taking,
        }
        let more = Facts {
            own: known.own,
            glass: known.glass,
            own_act: known.own_act,
            ..nearby.clone()
        };
        match which == 15 && known.own {
            true => [(ask, facts), (near, more)],
            false => [(ask, facts), (near, nearby)],
        }
    })
}

/// Each question is put once more to policies that remember nothing.
#[test]
fn what_is_remembered_is_what_would_be_said() {
    let (mut files, schema) = Policies::built_in().unwrap().texts();
    let built_in = Rules::load(&files, &schema).unwrap();
    files.push(("own.cedar".into(), OWN.into()));
    let own = Rules::load(&files, &schema).unwrap();
    let cases = ProptestConfig {
        cases: 6_000,
        ..ProptestConfig::default()
    };
    let found = std::cell::Cell::new(0_u32);
    proptest!(cases, |(pair in neighbours())| {
        for rules in [&built_in, &own] {
            for (ask, facts) in &pair {
                let posed = Posed::of(ask, facts);
                let key = rules.remembered.key(&posed);
                let known = key.is_some_and(|key| rules.remembered.get(&key).is_some());
                found.set(found.get() + u32::from(known));
                let (told, fresh) = (rules.verdict(&posed), rules.asked(&posed));
                prop_assert_eq!(told.as_deref(), fresh.as_ref(), "{:?} {:?}", ask, facts);
            }
        }
    });
    assert!(found.get() > 1_000, "{found:?}");
}

/// A client that reads one patient after the other, and more and more of them.
#[test]
fn patients_and_counts_that_make_no_difference_are_one_question() {
    let (mut files, schema) = Policies::built_in().unwrap().texts();
    let kept = |rules: &Rules| {
        for n in 0..100_u32 {
            let client = Actor {
                role: Role::Client,
                id: "u".into(),
                ..Actor::salus()
            };
            let mut identity = Identity::of(client);
            identity.scopes = vec!["system/*.cruds".into()];
            let ask = Ask {
                identity,
                act: Act::Read,
                subject: Subject::Patient(n.to_string()),
                kinds: vec!["Patient".into()],
                purpose: "HOPERAT".into(),
                reason: None,
                detail: format!("Patient/{n}"),
            };
            let facts = Facts {
                taking: Some(Taking {
                    patients_hour: n,
                    patients_day: n,
                    ceiling_hour: 50,
                    ceiling_day: 500,
                    new_patient: true,
                }),
                ..Facts::default()
            };
            assert_eq!(rules.decide(ask, &facts).allowed(), n < 50);
        }
        rules.remembered.len()
    };
    assert_eq!(kept(&Rules::load(&files, &schema).unwrap()), 2);
    files.push(("own.cedar".into(), OWN.into()));
    // Each patient by name; nothing is remembered once a count cannot be told.
    assert_eq!(kept(&Rules::load(&files, &schema).unwrap()), 2);
}
