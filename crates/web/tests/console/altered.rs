//! What somebody edits in the database is told on the patient's page, on Record and on Now.

use axum::http::StatusCode;
use event::{Body, Role};
use record::journal::{Journal as _, SqliteJournal};

use crate::house::House;
use crate::wards;

/// An administrator of the database moves the sealing of a patient's newest event by a day.
async fn back_dated(house: &House, patient: &str) -> u64 {
    house.app.record.publish().await.unwrap();
    let sealed = house.sealed().await;
    let about = |one: &&record::Sealed| {
        one.event().subject.patient() == Some(patient)
            && matches!(one.event().body, Body::Resource(_))
    };
    let index = sealed.iter().rev().find(about).unwrap().index();
    let path = house.folder.path().join("journal.db");
    let journal = SqliteJournal::open(&path).await.unwrap();
    let mut rows = journal.rows(index, 1).await.unwrap();
    rows[0].at -= 86_400_000;
    journal.mend(&rows).await.unwrap();
    journal.close().await;
    index
}

#[tokio::test]
async fn what_was_altered_is_told_to_whoever_cares_for_the_patient() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let index = back_dated(&house, "p-icu").await;
    let found = house.app.record.scrub().await.unwrap();
    assert_eq!((found.altered, found.healed), (1, 1));
    house.settle().await;
    let mut anna = house.browser("anna").await;
    let chart = anna.get("/patients/p-icu").await;
    assert_eq!(chart.status, StatusCode::OK);
    let words = format!("Event <a href=\"/record/{index}\">{index}</a> was altered");
    assert!(chart.html.contains(&words), "{}", chart.html);
    assert!(chart.html.contains("row.at"));
    assert!(chart.html.contains("put right"));
    let record = anna.get("/record").await;
    assert!(
        record
            .html
            .contains("1 thing was altered outside Salus in the last week"),
        "{}",
        record.html
    );
    assert!(record.html.contains("looked over"));
    let now = anna.get("/now").await;
    assert!(now.html.contains("altered outside Salus"), "{}", now.html);
    house.wait(32 * 24 * 60 * 60 * 1_000);
    let mut anna = house.browser("anna").await;
    let later = anna.get("/patients/p-icu").await;
    assert!(!later.html.contains("was altered"), "told for a month");
}

#[tokio::test]
async fn nobody_reads_on_record_what_a_patients_values_were() {
    let house = House::open().await;
    wards(&house).await;
    house.person("berta", Role::Nurse, &["MED"]).await;
    back_dated(&house, "p-icu").await;
    house.app.record.scrub().await.unwrap();
    house.settle().await;
    let mut berta = house.browser("berta").await;
    let record = berta.get("/record").await;
    assert!(record.html.contains("row.at"), "which part");
    assert!(!record.html.contains("What was there"), "not its values");
    assert_eq!(
        berta.get("/patients/p-icu").await.status,
        StatusCode::FORBIDDEN
    );
}
