//! Messages that come in another order than what they tell of happened.

use crate::house::House;

fn adt(trigger: &str, told: &str, rest: &str) -> String {
    format!(
        "MSH|^~\\&|PAS|S|||{told}||ADT^{trigger}|{trigger}{told}|P|2.5\rEVN||{told}\r\
         PID|||77^^^HOSP^MR||{rest}"
    )
}

fn result(told: &str, code: &str, value: &str, status: &str) -> String {
    format!(
        "MSH|^~\\&|LIS|S|||{told}||ORU^R01|r{told}{code}{status}|P|2.5\rPID|||77^^^HOSP^MR\r\
         OBR|1|P9^HIS|F9^LIS|CHEM^Chemistry^L|||20230306080000|||||||||||||||{told}|||F\r\
         OBX|1|NM|{code}^{code}^L||{value}|mmol/L|||||{status}\r"
    )
}

async fn only(house: &House, kind: &str) -> serde_json::Value {
    let ids = house.search(kind, 10).await;
    assert_eq!(ids.len(), 1, "{kind}");
    let read = house
        .kind(kind)
        .await
        .read(kind, &ids[0])
        .await
        .unwrap()
        .unwrap();
    serde_json::from_slice(&read.json).unwrap()
}

#[tokio::test]
async fn an_older_message_that_comes_late_changes_nothing() {
    let house = House::new().await;
    let bed = "\rPV1||I|ICU^1^2||||||||||||||||V1|||||||||||||||||||||||||20230306080000";
    let before = "\rPV1||I|3W^1^1||||||||||||||||V1|||||||||||||||||||||||||20230306080000";
    house
        .message(&adt("A02", "20230306120000", &format!("New^Ada{bed}")))
        .await;
    house
        .message(&adt("A01", "20230306080000", &format!("Old^Ada{before}")))
        .await;
    let patient = only(&house, "Patient").await;
    assert_eq!(patient["name"][0]["family"], "New");
    let visit = only(&house, "Encounter").await;
    assert!(visit["location"].to_string().contains("ICU"));
    assert!(!visit["location"].to_string().contains("3W"));
    // Both are in the record all the same, and a newer one counts again.
    let sealed = house.record.read(0, 100).await.unwrap();
    let messages = sealed
        .iter()
        .filter(|one| matches!(one.event().body, event::Body::Message(_)));
    assert_eq!(messages.count(), 2);
    house
        .message(&adt("A08", "20230306130000", "Newer^Ada"))
        .await;
    assert_eq!(only(&house, "Patient").await["name"][0]["family"], "Newer");
}

#[tokio::test]
async fn what_is_said_again_is_as_new_as_the_last_who_said_it() {
    let house = House::new().await;
    house
        .message(&adt("A08", "20230306100000", "True^Ada"))
        .await;
    house
        .message(&adt("A08", "20230306120000", "True^Ada"))
        .await;
    house
        .message(&adt("A08", "20230306110000", "Wrong^Ada"))
        .await;
    assert_eq!(only(&house, "Patient").await["name"][0]["family"], "True");
    // Of two that may be of the same time the later to arrive counts.
    house.message(&adt("A08", "202303061200", "Same^Ada")).await;
    assert_eq!(only(&house, "Patient").await["name"][0]["family"], "Same");
}

#[tokio::test]
async fn a_correction_stands_against_the_result_it_corrects() {
    let house = House::new().await;
    house
        .message(&result("20230306110000", "NA", "139", "C"))
        .await;
    house
        .message(&result("20230306090000", "NA", "141", "F"))
        .await;
    let observation = only(&house, "Observation").await;
    assert_eq!(observation["valueQuantity"]["value"].to_string(), "139");
    assert_eq!(observation["status"], "corrected");
    // The other result of the older message is not lost from the report.
    house
        .message(&result("20230306090000", "K", "4.1", "F"))
        .await;
    let report = only(&house, "DiagnosticReport").await;
    assert_eq!(report["result"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_order_and_its_result_are_joined_in_whichever_order_they_come() {
    let order = "MSH|^~\\&|HIS|S|||20230306070000||ORM^O01|o1|P|2.5\rPID|||77^^^HOSP^MR\r\
        ORC|NW|P9^HIS|||||||20230306070000|||7001^House^Greg\r\
        OBR|1|P9^HIS||CHEM^Chemistry^L|R||||||||||||||||||||||||||R07^Chest pain^L\r";
    for result_first in [false, true] {
        let house = House::new().await;
        if result_first {
            house
                .message(&result("20230306090000", "NA", "141", "F"))
                .await;
            house.message(order).await;
        } else {
            house.message(order).await;
            house
                .message(&result("20230306090000", "NA", "141", "F"))
                .await;
        }
        let service = only(&house, "ServiceRequest").await;
        assert_eq!(service["status"], "completed", "{service}");
        assert_eq!(service["reasonCode"][0]["coding"][0]["code"], "R07");
        assert_eq!(service["requester"]["display"], "Greg House");
        let report = only(&house, "DiagnosticReport").await;
        let joined = format!("ServiceRequest/{}", service["id"].as_str().unwrap());
        assert_eq!(report["basedOn"][0]["reference"], joined.as_str());
        house.fold_by(&house.chart, 2).await;
    }
}

#[tokio::test]
async fn a_medicine_is_shown_once_with_its_dose() {
    let house = House::new().await;
    let head = |kind: &str, told: &str| {
        format!("MSH|^~\\&|PHARM|S|||{told}||{kind}|{kind}{told}|P|2.5\rPID|||77^^^MRN^MR\r")
    };
    let order = format!(
        "{}ORC|NW|P6^HIS|||||^BID||20230306080000\rRXE||1^Warfarin^L|5||mg||^with water\rRXR|PO^Oral\r",
        head("RDE^O11", "20230306080000")
    );
    let give = format!(
        "{}ORC|RE|P6^HIS\rRXG|1|1|^^^20230306180000|1^Warfarin^L|5||mg\r",
        head("RGV^O15", "20230306170000")
    );
    let given = format!(
        "{}ORC|RE|P6^HIS\rRXA|1|1|20230306180000||1^Warfarin^L|5|mg|||||||||||||CP\r",
        head("RAS^O17", "20230306181000")
    );
    for message in [&given, &give, &order] {
        house.message(message).await;
    }
    let id = house.patient("77");
    let view = house.chart_of(&id).await.summary().await.unwrap().unwrap();
    assert_eq!(view.medications.len(), 1);
    assert_eq!(
        view.medications[0].dosage.as_deref(),
        Some("5 mg; Oral; BID; with water")
    );
    assert!(view.medications[0].active);
    assert_eq!(view.given.len(), 1);
    assert_eq!(view.given[0].detail.as_deref(), Some("5 mg"));
}

/// The record's clock is of before 2062: a sender's clock that is wrong once is not believed for ever.
#[tokio::test]
async fn a_clock_that_ran_ahead_once_freezes_nothing() {
    let house = House::new().await;
    house
        .message(&adt("A08", "20620306100000", "Ahead^Ada"))
        .await;
    house
        .message(&adt("A08", "20610306100000", "Later^Ada"))
        .await;
    assert_eq!(only(&house, "Patient").await["name"][0]["family"], "Later");
}

#[tokio::test]
async fn a_number_that_another_patient_has_moves_nothing_into_a_chart() {
    let house = House::new().await;
    let order = "MSH|^~\\&|HIS|S|||20230306080000||ORM^O01|o1|P|2.5\rPID|||77^^^HOSP^MR\r\
         ORC|NW|P9^HIS\rRXO|M1^Insulin^L|4||IU";
    house.message(order).await;
    let before = only(&house, "MedicationRequest").await;
    let dose = "MSH|^~\\&|PHARM|S|||20230306090000||RAS^O17|d1|P|2.5\rPID|||88^^^HOSP^MR\r\
         ORC|RE|P9^HIS\rRXA|1|1|20230306090000||M1^Insulin^L|4|IU";
    house.message(dose).await;
    assert_eq!(only(&house, "MedicationRequest").await, before);
    let whose = before["subject"]["reference"].as_str().unwrap();
    let patients = house.search("Patient", 10).await;
    assert_eq!(patients.len(), 2);
    for patient in patients {
        let search = format!("MedicationRequest?patient={patient}");
        let orders = house.search(&search, 10).await;
        assert_eq!(orders.len(), usize::from(whose.ends_with(&patient)));
    }
}
