//! What a pack holds: the charts of one ward by one permit, and nothing of anybody else.

use chart::ChartError;
use event::{Act, Actor, Role, Subject};
use guard::Identity;
use serde_json::json;

use crate::house::{House, person};

fn salus() -> Identity {
    Identity::of(Actor::salus())
}

async fn two_wards(house: &House) {
    for (ward, patient) in [("ICU", "a"), ("MED", "b")] {
        house
            .put(
                &json!({"resourceType": "Location", "id": ward.to_lowercase(),
                "identifier": [{"value": ward}], "physicalType": {"coding": [{"code": "wa"}]}}),
            )
            .await;
        house
            .put(&json!({"resourceType": "Patient", "id": patient, "name": [{"family": patient}]}))
            .await;
        house
            .put(
                &json!({"resourceType": "Encounter", "id": format!("e{patient}"),
                "status": "in-progress", "class": {"code": "IMP"},
                "subject": {"reference": format!("Patient/{patient}")},
                "location": [{"location": {"reference": format!("Location/{}", ward.to_lowercase())},
                    "status": "active"}]}),
            )
            .await;
        house
            .put(
                &json!({"resourceType": "Flag", "id": format!("f{patient}"), "status": "active",
                "code": {"text": "Contact isolation"}, "category": [{"text": "Infection control"}],
                "subject": {"reference": format!("Patient/{patient}")}}),
            )
            .await;
    }
}

#[tokio::test]
async fn one_permit_opens_the_charts_of_its_ward_and_no_other() {
    let house = House::new().await;
    two_wards(&house).await;
    let open = house
        .open_for(salus(), Act::Carry, (Subject::Ward("ICU".into()), &[]))
        .await;
    let carried = open.carried(&[]).await.unwrap();
    assert_eq!(carried.len(), 1);
    let chart = carried[0].chart.as_ref().unwrap();
    assert_eq!(
        (carried[0].row.patient.as_str(), chart.id.as_str()),
        ("a", "a")
    );
    assert_eq!(chart.precautions[0].text, "Contact isolation");
    assert_eq!(
        chart.precautions[0].category.as_deref(),
        Some("Infection control")
    );
    let withheld = open.carried(&["a".to_owned()]).await.unwrap();
    assert_eq!((withheld.len(), &withheld[0].chart), (1, &None));
    // The same permit is no way to a single chart, nor to resources.
    assert!(matches!(
        open.summary().await,
        Err(ChartError::OutsidePermit { .. })
    ));
    assert!(matches!(
        open.read("Flag", "fa").await,
        Err(ChartError::OutsidePermit { .. }) | Ok(None)
    ));
}

#[tokio::test]
async fn a_permit_for_the_list_of_a_ward_carries_no_chart() {
    let house = House::new().await;
    two_wards(&house).await;
    for act in [Act::Read, Act::Search] {
        let nurse = person(Role::Nurse, Some("ICU"), None);
        let ward = Subject::Ward("ICU".into());
        let open = house.open_for(nurse, act, (ward, &[])).await;
        let refused = open.carried(&[]).await;
        assert!(
            matches!(refused, Err(ChartError::OutsidePermit { .. })),
            "{act:?}"
        );
    }
    let patient = house.open(Act::Read, Subject::Patient("a".into())).await;
    assert!(patient.carried(&[]).await.is_err());
}

#[tokio::test]
async fn a_wards_mark_changes_with_its_patients_and_not_with_others() {
    let house = House::new().await;
    two_wards(&house).await;
    house.fold(&house.chart).await;
    let before = house.chart.ward_state("ICU").await.unwrap();
    assert_eq!(before.patients, ["a"]);
    let observed = |patient: &str| {
        json!({"resourceType": "Observation", "id": format!("o{patient}"), "status": "final",
            "code": {"text": "x"}, "subject": {"reference": format!("Patient/{patient}")}})
    };
    house.put(&observed("b")).await;
    house.fold(&house.chart).await;
    let other = house.chart.ward_state("ICU").await.unwrap();
    assert_eq!(other.mark, before.mark);
    house.put(&observed("a")).await;
    house.fold(&house.chart).await;
    let own = house.chart.ward_state("ICU").await.unwrap();
    assert_ne!(own.mark, before.mark);
}
