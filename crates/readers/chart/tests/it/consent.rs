//! Consents that name houses and teams are about those who belong to them.

use event::{Role, Time};
use guard::{Ask, Decision, Identity, Policies};
use serde_json::{Value, json};

use crate::house::{House, NOW, person};

/// Dr. One works for the clinic of a hospital, Dr. Two for another house; ward W3 is the clinic's.
async fn house() -> House {
    let house = House::new().await;
    for (id, number) in [("one", "D1"), ("two", "D2")] {
        house
            .put(&json!({"resourceType": "Practitioner", "id": id, "identifier": [{"value": number}]}))
            .await;
    }
    for (id, around) in [
        ("hospital", "trust"),
        ("clinic", "hospital"),
        ("other", "trust"),
    ] {
        house
            .put(
                &json!({"resourceType": "Organization", "id": id, "name": id,
                "identifier": [{"value": format!("NO-{id}")}],
                "partOf": {"reference": format!("Organization/{around}")}}),
            )
            .await;
    }
    for (id, who, of) in [("r1", "one", "clinic"), ("r2", "two", "other")] {
        house
            .put(&json!({"resourceType": "PractitionerRole", "id": id,
                "practitioner": {"reference": format!("Practitioner/{who}")},
                "organization": {"reference": format!("Organization/{of}")}}))
            .await;
    }
    house
        .put(
            &json!({"resourceType": "Location", "id": "w3", "identifier": [{"value": "W3"}],
            "physicalType": {"coding": [{"code": "wa"}]},
            "managingOrganization": {"reference": "Organization/clinic"}}),
        )
        .await;
    house
        .put(
            &json!({"resourceType": "CareTeam", "id": "team", "status": "active",
            "identifier": [{"value": "T7"}], "subject": {"reference": "Patient/p"},
            "participant": [{"member": {"reference": "Practitioner/two"},
                "period": {"end": "2027-01-01"}}]}),
        )
        .await;
    house
        .put(&json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Case"}]}))
        .await;
    house
}

async fn says(house: &House, kind: &str, actor: Value) {
    house
        .put(
            &json!({"resourceType": "Consent", "id": "c", "status": "active",
            "scope": {"coding": [{"code": "patient-privacy"}]}, "category": [{"text": "x"}],
            "patient": {"reference": "Patient/p"},
            "provision": {"type": kind, "actor": [
                {"role": {"coding": [{"code": "PRCP"}]}, "reference": actor}]}}),
        )
        .await;
    house.fold(&house.chart).await;
}

async fn heard(house: &House, who: &Identity, now: Time) -> Option<bool> {
    let facts = house.chart.facts(who, "p", now).await.unwrap();
    facts.consents.first().map(|consent| consent.permits)
}

fn doctor(number: &str) -> Identity {
    person(Role::Physician, None, Some(number))
}

#[tokio::test]
async fn a_no_to_a_house_binds_all_who_work_for_it_or_for_a_part_of_it() {
    let house = house().await;
    let nurse = person(Role::Nurse, Some("W3"), None);
    let elsewhere = person(Role::Nurse, Some("W4"), None);
    for to in [
        json!({"reference": "Organization/hospital"}),
        json!({"type": "Organization", "identifier": {"value": "NO-hospital"}}),
        json!({"reference": "Organization/clinic"}),
    ] {
        says(&house, "deny", to.clone()).await;
        assert_eq!(heard(&house, &doctor("D1"), NOW).await, Some(false), "{to}");
        assert_eq!(heard(&house, &nurse, NOW).await, Some(false), "{to}");
        assert_eq!(heard(&house, &doctor("D2"), NOW).await, None, "{to}");
        assert_eq!(heard(&house, &elsewhere, NOW).await, None, "{to}");
    }
    says(&house, "deny", json!({"reference": "Organization/trust"})).await;
    assert_eq!(heard(&house, &doctor("D2"), NOW).await, Some(false));
}

#[tokio::test]
async fn a_role_that_ended_belongs_to_nothing() {
    let house = house().await;
    says(&house, "deny", json!({"reference": "PractitionerRole/r1"})).await;
    assert_eq!(heard(&house, &doctor("D1"), NOW).await, Some(false));
    assert_eq!(heard(&house, &doctor("D2"), NOW).await, None);
    house
        .put(
            &json!({"resourceType": "PractitionerRole", "id": "r1", "active": false,
            "practitioner": {"reference": "Practitioner/one"},
            "organization": {"reference": "Organization/clinic"}}),
        )
        .await;
    house.fold(&house.chart).await;
    assert_eq!(heard(&house, &doctor("D1"), NOW).await, None);
    says(&house, "deny", json!({"reference": "Organization/clinic"})).await;
    assert_eq!(heard(&house, &doctor("D1"), NOW).await, None);
}

#[tokio::test]
async fn a_team_is_who_is_in_it_now() {
    let house = house().await;
    for to in [
        json!({"reference": "CareTeam/team"}),
        json!({"type": "CareTeam", "identifier": {"value": "T7"}}),
    ] {
        says(&house, "permit", to).await;
        assert_eq!(heard(&house, &doctor("D2"), NOW).await, Some(true));
        assert_eq!(heard(&house, &doctor("D1"), NOW).await, None);
        let year = NOW.plus_millis(366 * 24 * 60 * 60 * 1_000);
        assert_eq!(heard(&house, &doctor("D2"), year).await, None);
    }
}

async fn decided(house: &House, who: Identity) -> Decision {
    let facts = house.chart.facts(&who, "p", NOW).await.unwrap();
    let ask = Ask {
        identity: who,
        act: event::Act::Read,
        subject: event::Subject::Patient("p".into()),
        kinds: Vec::new(),
        purpose: "TREAT".into(),
        reason: None,
        detail: String::new(),
    };
    Policies::built_in().unwrap().decide(ask, &facts)
}

#[tokio::test]
async fn the_guard_hears_it() {
    let house = house().await;
    assert!(!decided(&house, doctor("D2")).await.allowed());
    says(&house, "permit", json!({"reference": "CareTeam/team"})).await;
    let yes = decided(&house, doctor("D2")).await;
    assert_eq!(
        (yes.allowed(), yes.because()),
        (true, &["patient-said-yes".to_owned()][..])
    );
    says(&house, "deny", json!({"reference": "Organization/other"})).await;
    let no = decided(&house, doctor("D2")).await;
    assert_eq!(
        (no.allowed(), no.because()),
        (false, &["patient-said-no".to_owned()][..])
    );
}
