//! What the chart does with an order to erase.

use event::{Act, Actor, Body, Erased, Event, Subject};
use serde_json::json;

use crate::house::{House, admission, merge, result};

const SODIUM: [&str; 6] = ["2951-2", "Sodium", "141", "mmol/L", "136-145", "N"];

impl House {
    pub(crate) async fn erase(&self, patients: &[&str], events: Vec<(u64, u64)>) {
        let body = Body::Erased(Erased {
            reason: "retention period is over".into(),
            streams: Vec::new(),
            patients: patients
                .iter()
                .map(|id| self.record.blind().mark(id))
                .collect(),
            events,
        });
        self.admit(Event::new(
            Actor::salus(),
            Act::Erase,
            Subject::Record,
            body,
        ))
        .await;
    }

    async fn two_patients(&self) -> (String, String) {
        self.message(&admission("1", "100", "Zyxwolff^Anna", "3W^301^A"))
            .await;
        self.message(&admission("2", "200", "Doe^Jane", "3W^302^A"))
            .await;
        for number in 0..4 {
            for patient in ["100", "200"] {
                let order = format!("{patient}-{number}");
                self.message(&result(&order, patient, &order, &[SODIUM]))
                    .await;
            }
        }
        (self.patient("100"), self.patient("200"))
    }
}

#[tokio::test]
async fn an_erased_patient_was_never_there_and_nobody_else_is_touched() {
    let house = House::new().await;
    let (theirs, other) = house.two_patients().await;
    let before = house
        .chart_of(&other)
        .await
        .summary()
        .await
        .unwrap()
        .unwrap();
    house.erase(&[&theirs], Vec::new()).await;
    // In one batch with what comes after it.
    house.message(&result("3", "200", "late", &[SODIUM])).await;
    house.fold_by(&house.chart, 3).await;
    house.chart.reader().tidy().await.unwrap();
    assert_eq!(house.chart.locate("Patient", &theirs).await.unwrap(), None);
    assert!(house.search("Patient?name=Zyxwolff", 10).await.is_empty());
    assert!(house.search("Patient?identifier=100", 10).await.is_empty());
    assert!(
        house
            .chart_of(&theirs)
            .await
            .summary()
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(house.search("Observation?code=2951-2", 3).await.len(), 5);
    let after = house
        .chart_of(&other)
        .await
        .summary()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(after.identity, before.identity);
    assert_eq!(after.reports.len(), 5);
    let census = house.chart.wards().await.unwrap();
    assert_eq!(census.iter().map(|ward| ward.patients).sum::<u64>(), 1);
}

#[tokio::test]
async fn what_connected_others_with_an_erased_patient_goes_too() {
    let house = House::new().await;
    let (theirs, other) = house.two_patients().await;
    for patient in [&theirs, &other] {
        let of = json!({"reference": format!("Patient/{patient}")});
        house
            .put(
                &json!({"resourceType": "ServiceRequest", "id": format!("s-{patient}"),
                "status": "active", "intent": "order", "subject": of, "code": {"text": "x"},
                "requester": {"identifier": {"value": "D2"}}}),
            )
            .await;
        house
            .put(
                &json!({"resourceType": "Consent", "id": format!("c-{patient}"),
                "status": "active", "patient": of, "scope": {"coding": [{"code": "patient-privacy"}]},
                "category": [{"coding": [{"code": "59284-0", "system": "http://loinc.org"}]}],
                "provision": {"type": "deny", "actor": [{"reference": {"reference": "Practitioner/x"}}]}}),
            )
            .await;
    }
    house.fold(&house.chart).await;
    let tables = async || (house.rows("tie").await, house.rows("consent").await);
    let (ties, consents) = tables().await;
    assert!(ties >= 2 && consents == 2, "{ties}, {consents}");
    house.erase(&[&theirs], Vec::new()).await;
    house.fold(&house.chart).await;
    assert_eq!(tables().await, (ties / 2, 1));
}

#[tokio::test]
async fn who_comes_again_has_a_new_chart() {
    let house = House::new().await;
    let (theirs, _) = house.two_patients().await;
    house.erase(&[&theirs], Vec::new()).await;
    let again = house
        .message(&admission("9", "100", "Zyxwolff^Anna", "3W^301^A"))
        .await;
    house.fold_by(&house.chart, 2).await;
    let located = house
        .chart
        .locate("Patient", &theirs)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(located.version, again);
    let view = house
        .chart_of(&theirs)
        .await
        .summary()
        .await
        .unwrap()
        .unwrap();
    assert!(view.reports.is_empty());
}

#[tokio::test]
async fn whoever_was_merged_goes_too_and_the_link_with_them() {
    let house = House::new().await;
    let (survivor, _) = house.two_patients().await;
    house
        .message(&admission("3", "101", "Zyxwolff^Anna", "3W^303^A"))
        .await;
    house.message(&merge("4", "100", "101")).await;
    house.fold(&house.chart).await;
    let retired = house.patient("101");
    let family = house.chart.family(&retired);
    assert_eq!(family, [survivor.clone(), retired.clone()]);
    let family: Vec<&str> = family.iter().map(String::as_str).collect();
    house.erase(&family, Vec::new()).await;
    house.fold(&house.chart).await;
    assert_eq!(house.chart.survivor(&retired).await.unwrap(), None);
    assert!(house.search("Patient?name=Zyxwolff", 10).await.is_empty());
}

#[tokio::test]
async fn a_resource_that_was_somebody_elses_before_keeps_its_other_versions() {
    let house = House::new().await;
    let (theirs, other) = house.two_patients().await;
    let of = |patient: &str| {
        json!({"resourceType": "Observation", "id": "o1", "status": "final",
            "code": {"text": "moved"}, "subject": {"reference": format!("Patient/{patient}")}})
    };
    let first = house.put(&of(&other)).await;
    house.put(&of(&theirs)).await;
    house.erase(&[&theirs], Vec::new()).await;
    house.fold(&house.chart).await;
    let located = house
        .chart
        .locate("Observation", "o1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!((located.version, located.patient), (first, Some(other)));
}

#[tokio::test]
async fn what_an_erased_event_wrote_goes_whoever_it_was_for() {
    let house = House::new().await;
    let (_, other) = house.two_patients().await;
    let event = house
        .message(&result("5", "200", "shared", &[SODIUM]))
        .await;
    house.erase(&[], vec![(event, event)]).await;
    house.fold(&house.chart).await;
    let view = house
        .chart_of(&other)
        .await
        .summary()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(view.reports.len(), 4);
}

#[tokio::test]
async fn a_text_that_names_the_patient_is_noticed() {
    let house = House::new().await;
    let (theirs, other) = house.two_patients().await;
    house.fold(&house.chart).await;
    let names = async |text: &str| {
        house
            .chart
            .names(std::slice::from_ref(&theirs), text)
            .await
            .unwrap()
    };
    assert!(names("Mrs. ZYXWOLFF asked for it").await);
    assert!(names("the record 100 is wrong").await);
    assert!(!names("retention period is over").await);
    assert!(!house.chart.names(&[other], "Zyxwolff").await.unwrap());
}
