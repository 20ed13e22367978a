//! An order that goes by two numbers, and messages that know one of them.

use serde_json::Value;

use crate::house::{House, merge};
use crate::permuted::{all, same_in_any_order};

fn head(kind: &str, told: &str, patient: &str) -> String {
    format!(
        "MSH|^~\\&|X|S|||{told}||{kind}|{kind}{told}{patient}|P|2.5\rPID|||{patient}^^^MRN^MR\r"
    )
}

/// Day 6, at that hour.
fn at(hour: u8) -> String {
    format!("202303{:02}{hour:02}0000", 6)
}

/// An order message: order control, placer's number, filler's number.
fn order(hour: u8, patient: &str, (control, placer, filler): (&str, &str, &str)) -> String {
    let (told, kind) = (
        at(hour),
        if control == "OK" {
            "ORR^O02"
        } else {
            "ORM^O01"
        },
    );
    format!(
        "{}ORC|{control}|{placer}|{filler}||||||{told}|||7001^House^Greg\r\
         OBR|1|{placer}|{filler}|CHEM^Chemistry^L|||||||||||||||||||||||||||R07^Chest pain^L\r",
        head(kind, &told, patient)
    )
}

/// A result: filler's number alone unless a placer's is given, value, status.
fn result(
    hour: u8,
    patient: &str,
    (placer, filler): (&str, &str),
    (value, status): (&str, &str),
) -> String {
    let told = at(hour);
    format!(
        "{}OBR|1|{placer}|{filler}|CHEM^Chemistry^L|||{told}|||||||||||||||{told}|||{status}\r\
         OBX|1|NM|NA^Sodium^L||{value}|mmol/L|||||{status}\r",
        head("ORU^R01", &told, patient)
    )
}

async fn only(house: &House, kind: &str) -> Value {
    let mut all = all(house, kind).await;
    assert_eq!(all.len(), 1, "{kind}: {all:?}");
    all.remove(0)
}

/// Which order each report is for, by their values.
async fn based_on(house: &House) -> Vec<String> {
    let reports = all(house, "DiagnosticReport").await.into_iter();
    let of = |report: Value| {
        let list = report["basedOn"].as_array().unwrap().clone();
        assert_eq!(list.len(), 1, "{report}");
        list[0]["reference"].as_str().unwrap().to_owned()
    };
    reports.map(of).collect()
}

fn name(order: &Value) -> String {
    format!("ServiceRequest/{}", order["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_result_by_the_fillers_number_finds_the_order_that_has_both() {
    for batch in [1, 2, 100] {
        for result_first in [false, true] {
            let house = House::new().await;
            let mut messages = [
                order(7, "77", ("NW", "P9^HIS", "F9^LIS")),
                result(9, "77", ("", "F9^LIS"), ("141", "F")),
            ];
            if result_first {
                messages.reverse();
            }
            for message in &messages {
                house.message(message).await;
            }
            house.fold_by(&house.chart, batch).await;
            let order = only(&house, "ServiceRequest").await;
            assert_eq!(order["status"], "completed");
            assert_eq!(order["reasonCode"][0]["coding"][0]["code"], "R07");
            assert_eq!(order["requester"]["display"], "Greg House");
            assert_eq!(order["identifier"].as_array().unwrap().len(), 2);
            assert_eq!(based_on(&house).await, [name(&order)]);
        }
    }
}

#[tokio::test]
async fn a_fillers_number_may_be_given_later() {
    let house = House::new().await;
    house.message(&order(7, "77", ("NW", "P9^HIS", ""))).await;
    house
        .message(&result(9, "77", ("", "F9^LIS"), ("141", "P")))
        .await;
    assert_eq!(all(&house, "ServiceRequest").await.len(), 2);
    house
        .message(&order(8, "77", ("OK", "P9^HIS", "F9^LIS")))
        .await;
    let joined = only(&house, "ServiceRequest").await;
    assert_eq!(based_on(&house).await, [name(&joined)]);
    // What comes by either number is about the one order.
    house.message(&order(10, "77", ("CR", "", "F9^LIS"))).await;
    assert_eq!(only(&house, "ServiceRequest").await["status"], "revoked");
    let task = only(&house, "Task").await;
    assert_eq!(task["focus"]["reference"], name(&joined).as_str());
}

#[tokio::test]
async fn one_number_of_two_fillers_is_two() {
    let house = House::new().await;
    house
        .message(&order(7, "77", ("NW", "P9^HIS", "F9^LIS")))
        .await;
    house
        .message(&result(9, "77", ("", "F9^RIS"), ("141", "F")))
        .await;
    assert_eq!(all(&house, "ServiceRequest").await.len(), 2);
    let id = based_on(&house).await;
    let other = all(&house, "ServiceRequest").await;
    let other = other.iter().find(|one| name(one) == id[0]).unwrap();
    assert_eq!(other["status"], "completed");
    assert_eq!(other["identifier"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_number_that_two_orders_have_says_nothing_by_itself() {
    let house = House::new().await;
    for placer in ["P1^HIS", "P2^HIS"] {
        house
            .message(&order(7, "77", ("NW", placer, "F9^LIS")))
            .await;
    }
    house
        .message(&result(9, "77", ("", "F9^LIS"), ("141", "F")))
        .await;
    let orders = all(&house, "ServiceRequest").await;
    assert_eq!(orders.len(), 3);
    let done = orders.iter().filter(|one| one["status"] == "completed");
    assert_eq!(done.count(), 1);
    assert_eq!(based_on(&house).await.len(), 1);
}

#[tokio::test]
async fn what_was_another_patients_stays_apart_after_a_merge() {
    let house = House::new().await;
    house
        .message(&order(7, "77", ("NW", "P9^HIS", "F9^LIS")))
        .await;
    house
        .message(&result(9, "88", ("", "F9^LIS"), ("141", "F")))
        .await;
    let orders = all(&house, "ServiceRequest").await;
    assert_eq!(orders.len(), 2);
    let [first, second] = ["77", "88"].map(|number| format!("Patient/{}", house.patient(number)));
    let of = |whose: &str| {
        let mut found = orders
            .iter()
            .filter(|one| one["subject"]["reference"] == whose);
        found.next().unwrap().clone()
    };
    assert_eq!(of(&first)["status"], "active");
    assert_eq!(based_on(&house).await, [name(&of(&second))]);

    house.message(&merge("m", "77", "88")).await;
    house
        .message(&result(10, "77", ("", "F9^LIS"), ("142", "C")))
        .await;
    // What comes now is about the order of the patient who is there; the merge may be taken back, so
    // that what was the other's is not made a part of it.
    let (mine, other) = (of(&first), of(&second));
    let orders = all(&house, "ServiceRequest").await;
    let by_id = |id: &Value| orders.iter().find(|one| one["id"] == *id).unwrap();
    assert_eq!(by_id(&mine["id"])["status"], "completed");
    assert_eq!(by_id(&other["id"])["identifier"], other["identifier"]);
    let report = only(&house, "DiagnosticReport").await;
    let based = report["basedOn"].as_array().unwrap().iter();
    let based: Vec<&str> = based
        .map(|one| one["reference"].as_str().unwrap())
        .collect();
    assert_eq!(based, [name(&other), name(&mine)], "{report}");
}

/// The stand-in of a filler's number is one patient's; a report of another patient's who has the same
/// number is not pointed to the order that it becomes a part of.
#[tokio::test]
async fn a_report_of_another_patient_is_not_pointed_to_an_order() {
    for batch in [1, 2, 100] {
        let house = House::new().await;
        for message in [
            result(7, "77", ("", "F9^LIS"), ("141", "F")),
            result(8, "88", ("", "F9^LIS"), ("150", "F")),
            order(9, "77", ("OK", "P9^HIS", "F9^LIS")),
        ] {
            house.message(&message).await;
        }
        house.fold_by(&house.chart, batch).await;
        let theirs = format!("Patient/{}", house.patient("88"));
        let orders = all(&house, "ServiceRequest").await;
        for report in all(&house, "DiagnosticReport").await {
            let of = &report["basedOn"][0]["reference"];
            let order = orders
                .iter()
                .find(|one| name(one) == of.as_str().unwrap_or_default());
            let whose = order.map(|order| order["subject"]["reference"].clone());
            match report["subject"]["reference"] == theirs.as_str() {
                true => assert_ne!(whose, Some(house.patient("77").into()), "{report}"),
                false => assert_eq!(
                    whose,
                    Some(report["subject"]["reference"].clone()),
                    "{report}"
                ),
            }
            assert!(whose.is_none_or(|whose| whose == report["subject"]["reference"]));
        }
    }
}

/// An order that is told in confidence by one of its numbers stays so when they are found to be one's.
#[tokio::test]
async fn an_order_is_as_confidential_as_its_halves() {
    let house = House::new().await;
    let secret = result(8, "77", ("", "F9^LIS"), ("141", "F")).replace(
        "OBR|1|",
        "ORC|RE||F9^LIS|||||||||||||||||||||||||V^Very restricted^HL70177\rOBR|1|",
    );
    for message in [
        order(7, "77", ("NW", "P9^HIS", "")),
        secret,
        order(9, "77", ("OK", "P9^HIS", "F9^LIS")),
    ] {
        house.message(&message).await;
    }
    let order = only(&house, "ServiceRequest").await;
    let labels = order["meta"]["security"].as_array().unwrap();
    assert!(labels.iter().any(|one| one["code"] == "V"), "{order}");
}

#[tokio::test]
async fn an_order_that_became_another_patients_takes_no_results() {
    let house = House::new().await;
    house
        .message(&order(7, "77", ("NW", "P9^HIS", "F9^LIS")))
        .await;
    house.message(&order(8, "88", ("NW", "P9^HIS", ""))).await;
    house
        .message(&result(9, "77", ("", "F9^LIS"), ("141", "F")))
        .await;
    let orders = all(&house, "ServiceRequest").await;
    assert_eq!(orders.len(), 2);
    let based = based_on(&house).await;
    let of = orders.iter().find(|one| name(one) == based[0]).unwrap();
    assert_eq!(
        of["subject"]["reference"],
        format!("Patient/{}", house.patient("77")).as_str()
    );
}

#[tokio::test]
async fn numbers_that_go_together_are_erased_with_the_patient() {
    let house = House::new().await;
    house
        .message(&order(7, "77", ("NW", "P9^HIS", "F9^LIS")))
        .await;
    house.fold(&house.chart).await;
    assert_eq!(house.rows("filler").await, 1);
    house.erase(&[&house.patient("77")], Vec::new()).await;
    house.fold(&house.chart).await;
    assert_eq!(house.rows("filler").await, 0);
}

/// Whatever order they come in, however they are cut into batches, and after a refold.
async fn arrives_in_any_order(control: &str, stands: &str) {
    let messages = [
        order(7, "77", ("NW", "P9^HIS", "F9^LIS")),
        result(9, "77", ("", "F9^LIS"), ("141", "F")),
        result(10, "77", ("", "F9^LIS"), ("139", "C")),
        order(11, "77", (control, "P9^HIS", "")),
    ];
    let kinds = ["DiagnosticReport", "Observation", "ServiceRequest", "Task"];
    let state = same_in_any_order(&messages, &kinds).await;
    assert_eq!(state.len(), 4, "{state:#?}");
    let order = state
        .iter()
        .find(|one| one["resourceType"] == "ServiceRequest");
    assert_eq!(order.unwrap()["status"], stands);
}

#[tokio::test]
async fn a_cancellation_ends_an_order_whichever_message_comes_first() {
    arrives_in_any_order("CR", "revoked").await;
}

/// A request to change an order does not say how it stands: of that the result has the last word,
/// also where the request, which is newer, came before it.
#[tokio::test]
async fn a_change_leaves_an_order_as_its_result_said() {
    arrives_in_any_order("XO", "completed").await;
}
