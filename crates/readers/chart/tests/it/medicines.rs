//! Orders of medicines, their doses, and tasks, by either number of an order.

use serde_json::Value;

use crate::house::House;
use crate::permuted::{all, same_in_any_order};

fn at(hour: u8) -> String {
    format!("20230306{hour:02}0000")
}

fn head(kind: &str, hour: u8) -> String {
    let told = at(hour);
    format!("MSH|^~\\&|PHARM|S|||{told}||{kind}|{kind}{told}|P|2.5\rPID|||77^^^MRN^MR\r")
}

/// What a pharmacy encoded: order control, placer's number, filler's number, status.
fn encoded(hour: u8, (control, placer, filler): (&str, &str, &str), status: &str) -> String {
    format!(
        "{}ORC|{control}|{placer}|{filler}||{status}||||{}|||7001^House^Greg\r\
         RXE|^BID|1^Warfarin^L|5||mg||^with water\rRXR|PO^Oral\r",
        head("RDE^O11", hour),
        at(hour)
    )
}

fn given(hour: u8, placer: &str, filler: &str, amount: u8) -> String {
    format!(
        "{}ORC|RE|{placer}|{filler}\r\
         RXA|1|1|20230306080000||1^Warfarin^L|{amount}|mg|||||||||||||CP\r",
        head("RAS^O17", hour)
    )
}

fn dispensed(hour: u8, filler: &str) -> String {
    format!(
        "{}ORC|RE||{filler}\rRXD|1|1^Warfarin^L|20230306093000|10|mg||R1\r",
        head("RDS^O13", hour)
    )
}

fn to_give(hour: u8, filler: &str) -> String {
    format!(
        "{}ORC|RE||{filler}\rRXG|1|1|^^^20230306180000|1^Warfarin^L|5||mg\r",
        head("RGV^O15", hour)
    )
}

fn order(hour: u8, (control, placer, filler): (&str, &str, &str)) -> String {
    let kind = match control {
        "CR" | "OK" => "ORR^O02",
        _ => "ORM^O01",
    };
    format!(
        "{}ORC|{control}|{placer}|{filler}||||||{}|||7001^House^Greg||||WHY^{control}^L\r\
         OBR|1|{placer}|{filler}|CHEM^Chemistry^L\r",
        head(kind, hour),
        at(hour)
    )
}

const KINDS: [&str; 4] = [
    "MedicationRequest",
    "MedicationDispense",
    "MedicationAdministration",
    "Task",
];

fn only<'s>(state: &'s [Value], kind: &str) -> &'s Value {
    let found: Vec<&Value> = state
        .iter()
        .filter(|one| one["resourceType"] == kind)
        .collect();
    assert_eq!(found.len(), 1, "{kind}: {state:#?}");
    found[0]
}

#[tokio::test]
async fn doses_by_the_fillers_number_alone_find_their_order_in_any_order() {
    let messages = [
        encoded(7, ("NW", "P6^HIS", "F6^PH"), ""),
        given(9, "", "F6^PH", 5),
        dispensed(10, "F6^PH"),
        encoded(12, ("DC", "", "F6^PH"), ""),
    ];
    let state = same_in_any_order(&messages, &KINDS).await;
    let order = only(&state, "MedicationRequest");
    assert_eq!(order["status"], "stopped");
    assert_eq!(order["identifier"].as_array().unwrap().len(), 2);
    only(&state, "MedicationDispense");
    only(&state, "MedicationAdministration");
    only(&state, "Task");
}

/// The same dose, told by each number of its order, is one dose: nobody shall read that it was given twice.
#[tokio::test]
async fn a_dose_that_is_told_by_each_number_was_given_once() {
    let messages = [
        given(9, "", "F6^PH", 5),
        given(10, "P6^HIS", "", 4),
        encoded(7, ("NW", "P6^HIS", "F6^PH"), ""),
    ];
    let state = same_in_any_order(&messages, &KINDS).await;
    let dose = only(&state, "MedicationAdministration");
    assert_eq!(dose["dosage"]["dose"]["value"].to_string(), "4");
    assert_eq!(dose["request"]["reference"], "MedicationRequest");
    only(&state, "MedicationRequest");
}

#[tokio::test]
async fn a_dose_to_give_is_based_on_the_order_whichever_number_it_names() {
    let messages = [
        to_give(8, "F6^PH"),
        encoded(7, ("NW", "P6^HIS", ""), ""),
        encoded(9, ("RE", "P6^HIS", "F6^PH"), "IP"),
        given(18, "", "F6^PH", 5),
    ];
    let state = same_in_any_order(&messages, &KINDS).await;
    let orders: Vec<&Value> = state
        .iter()
        .filter(|one| one["resourceType"] == "MedicationRequest")
        .collect();
    assert_eq!(orders.len(), 2, "{state:#?}");
    let [dose, order] = ["instance-order", "order"].map(|intent| {
        let mut found = orders.iter().filter(|one| one["intent"] == intent);
        found.next().unwrap()
    });
    assert_eq!(dose["basedOn"][0]["reference"], "MedicationRequest");
    assert_eq!(order["identifier"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_dose_to_give_refers_to_the_order_that_is_there() {
    let house = House::new().await;
    for message in [
        to_give(8, "F6^PH"),
        given(8, "", "F6^PH", 5),
        encoded(9, ("NW", "P6^HIS", "F6^PH"), ""),
    ] {
        house.message(&message).await;
    }
    let orders = all(&house, "MedicationRequest").await;
    let whole = orders.iter().find(|one| one["intent"] == "order").unwrap();
    let name = format!("MedicationRequest/{}", whole["id"].as_str().unwrap());
    let dose = orders.iter().find(|one| one["intent"] != "order").unwrap();
    assert_eq!(dose["basedOn"][0]["reference"], name.as_str());
    let given = all(&house, "MedicationAdministration").await;
    assert_eq!(given[0]["request"]["reference"], name.as_str());
    // A client may have asked for the part by its id, which ends: that it did is told.
    assert_eq!((orders.len(), given.len()), (2, 1));
}

/// Where a request has one number and its answer the other, it is one task that was asked and answered.
#[tokio::test]
async fn a_request_and_its_answer_are_one_task_whichever_number_they_name() {
    let messages = [
        order(6, ("NW", "P9^HIS", "F9^LIS")),
        order(7, ("CA", "", "F9^LIS")),
        order(8, ("CR", "P9^HIS", "")),
    ];
    let state = same_in_any_order(&messages, &["ServiceRequest", "Task"]).await;
    let task = only(&state, "Task");
    assert_eq!(task["status"], "completed");
    assert!(task["authoredOn"].as_str().unwrap().contains("T07"));
    assert!(task["lastModified"].as_str().unwrap().contains("T08"));
    assert_eq!(task["focus"]["reference"], "ServiceRequest");
    assert_eq!(only(&state, "ServiceRequest")["status"], "revoked");
}

#[tokio::test]
async fn a_task_of_a_medicine_is_one_too() {
    let messages = [
        encoded(6, ("NW", "P9^HIS", "F9^PH"), ""),
        encoded(7, ("CA", "P9^HIS", ""), ""),
        encoded(8, ("CR", "", "F9^PH"), ""),
    ];
    let state = same_in_any_order(&messages, &KINDS).await;
    assert_eq!(only(&state, "Task")["status"], "completed");
    assert_eq!(only(&state, "MedicationRequest")["status"], "cancelled");
}

#[tokio::test]
async fn one_number_that_two_patients_have_joins_nothing_of_theirs() {
    let house = House::new().await;
    let other = |message: String| message.replace("77^^^MRN", "88^^^MRN");
    for message in [
        given(8, "", "F6^PH", 5),
        other(given(8, "", "F6^PH", 6)),
        encoded(9, ("NW", "P6^HIS", "F6^PH"), ""),
        other(given(10, "", "F6^PH", 7)),
    ] {
        house.message(&message).await;
    }
    let mine = format!("Patient/{}", house.patient("77"));
    for dose in all(&house, "MedicationAdministration").await {
        let amount = dose["dosage"]["dose"]["value"].to_string();
        assert_eq!(dose["subject"]["reference"] == mine.as_str(), amount == "5");
    }
    let orders = all(&house, "MedicationRequest").await;
    let joined = orders
        .iter()
        .find(|one| one["identifier"].as_array().unwrap().len() == 2);
    assert_eq!(joined.unwrap()["subject"]["reference"], mine.as_str());
}
