use event::{Actor, ActorKind, Relation, Role};
use guard::Identity;
use record::Witnessed;

use super::*;
use crate::config::Config;

fn nurse(id: &str) -> Ask {
    let mut identity = Identity::of(Actor {
        kind: ActorKind::Person,
        id: id.into(),
        name: id.into(),
        role: Role::Nurse,
    });
    identity.wards = vec!["W3".into()];
    Ask {
        identity,
        act: Act::Read,
        subject: Subject::Patient("anna".into()),
        kinds: Vec::new(),
        purpose: "TREAT".into(),
        reason: None,
        detail: String::new(),
    }
}

fn facts(relation: Relation) -> Facts {
    Facts {
        relations: vec![relation],
        ..Facts::default()
    }
}

/// The built-in policies with one text in place of another.
fn changed(from: &str, to: &str) -> NewPolicies {
    let (mut files, schema) = Policies::built_in().unwrap().texts();
    for (_, text) in &mut files {
        *text = text.replace(from, to);
    }
    NewPolicies {
        files,
        schema,
        reason: "appointments are enough for nobody".into(),
        days: 30,
        examples: 5,
    }
}

fn without_appointments() -> NewPolicies {
    changed(
        "    resource.appointment\n};",
        "    resource.appointment && context.stepped_up\n};",
    )
}

async fn house(folder: &std::path::Path) -> House {
    let config = Config {
        data: folder.join("data"),
        ..Config::default()
    };
    House::open(config).await.unwrap()
}

async fn seal(house: &House, ask: Ask, relation: Relation) -> Witnessed {
    let decision = house.app.policies.decide(ask, &facts(relation));
    house.app.record.witness(decision).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_shows_whose_access_would_change() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path()).await;
    for id in ["nora", "nora", "mia"] {
        seal(&house, nurse(id), Relation::Appointment("a".into())).await;
    }
    seal(&house, nurse("mia"), Relation::Ward("W3".into())).await;
    seal(&house, nurse("max"), Relation::Ward("W9".into())).await;

    let replayed = house.replay(&without_appointments()).await.unwrap();
    assert_eq!((replayed.decisions, replayed.unknown), (5, 0));
    assert_eq!(replayed.all.lost, 3);
    assert_eq!(replayed.people["nora"].lost, 2);
    assert_eq!(replayed.roles["nurse"].lost, 3);
    assert_eq!(replayed.policies["no-policy-allows"].lost, 3);
    assert_eq!(replayed.examples[0].then, ["appointment-reads-its-patient"]);

    let wider = changed(
        "    principal.wards.containsAny(resource.wards)\n};",
        "true };",
    );
    let replayed = house.replay(&wider).await.unwrap();
    assert_eq!((replayed.all.gained, replayed.people["max"].gained), (1, 1));
    let bound = changed("mask PSYTHPN V", "mask PSYTHPN R V");
    assert_eq!(house.replay(&bound).await.unwrap().all.bound, 4);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_is_in_force_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let first = house(folder.path()).await;
    let ask = || Relation::Appointment("a".into());
    let open = seal(&first, nurse("nora"), ask()).await;
    assert!(matches!(open, Witnessed::Allowed(_)));
    let applied = first.apply_policies(&without_appointments()).await.unwrap();
    let sealed = first.app.record.get(applied.index).await.unwrap();
    let Body::PolicyChange(change) = &sealed.event().body else {
        panic!("{sealed:?}")
    };
    assert_eq!(change.hash, applied.hash);
    assert_eq!(change.reason, "appointments are enough for nobody");
    let refused = seal(&first, nurse("nora"), ask()).await;
    assert!(matches!(refused, Witnessed::Refused(..)));
    first.close().await;

    let again = house(folder.path()).await;
    let refused = seal(&again, nurse("nora"), ask()).await;
    assert!(matches!(refused, Witnessed::Refused(..)));
    again.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_lock_the_operator_out_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path()).await;
    let size = house.app.record.size();
    let mut new = changed(
        "principal in Role::\"operator\",",
        "principal in Role::\"feed\",",
    );
    let why = house.apply_policies(&new).await.unwrap_err().to_string();
    assert!(why.contains("operators-manage"), "{why}");
    new.files[0]
        .1
        .push_str("permit (principal, action, resource);");
    let why = house.apply_policies(&new).await.unwrap_err().to_string();
    assert!(why.contains("no `@id"), "{why}");
    assert_eq!(house.app.record.size(), size);
    house.close().await;
}
