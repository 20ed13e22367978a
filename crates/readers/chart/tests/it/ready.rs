//! Summaries that are made before anybody asks: of whom, by whose view, and when not.

use std::sync::Arc;

use chart::Stamp;
use event::{Act, Role, Subject};
use guard::{Identity, Through};
use wire::fhir::ips::SOURCES;

use crate::house::{House, admission, client, person};

const WHAT: &str = "summary";

fn stamp(at: &str) -> Stamp {
    Stamp {
        base: "https://localhost/fhir".into(),
        at: at.into(),
        uuids: ["a", "b", "c"].map(str::to_owned),
    }
}

/// Somebody asks for a summary; what was kept of it.
async fn kept(house: &House, who: Identity, patient: &str) -> Option<Arc<[u8]>> {
    let kinds: Vec<&str> = SOURCES.iter().map(|(kind, _)| *kind).collect();
    let subject = Subject::Patient(patient.into());
    let open = house.open_for(who, Act::Read, (subject, &kinds)).await;
    let kept = open.kept(WHAT);
    if kept.is_none() {
        let excerpt = open.excerpt(&SOURCES, |_| true).await.unwrap();
        open.keep(WHAT, &excerpt, b"asked for");
    }
    kept
}

/// Makes all that is due; how many that were.
async fn make(house: &House) -> usize {
    house.fold(&house.chart).await;
    let due = house.chart.due().await.unwrap();
    for one in &due {
        let at = stamp("2026-01-01T00:00:00Z");
        house.chart.make_ready(one, at).await.unwrap();
    }
    due.len()
}

/// Somebody comes into the house.
async fn comes(house: &House, number: &str, name: &str) -> String {
    let bed = format!("3W^30{number}^A");
    let message = admission(&format!("a{number}"), number, name, &bed);
    house.message(&message).await;
    house.patient(number)
}

#[tokio::test]
async fn those_in_house_are_made_ready_for_the_like_of_whoever_may_ask_about_anybody() {
    let house = House::new().await;
    let first = comes(&house, "1", "Doe^Jane").await;
    let second = comes(&house, "2", "Roe^Rita").await;
    assert_eq!(make(&house).await, 0, "nobody asked about anybody yet");
    assert!(kept(&house, client(), &first).await.is_none());
    assert_eq!(make(&house).await, 1);
    assert_eq!(make(&house).await, 0);
    assert!(kept(&house, client(), &second).await.is_some());
    // An app that was opened for one patient sees nothing of others.
    let mut through = person(Role::Physician, Some("3W"), None);
    through.scopes = vec!["patient/*.rs".into()];
    through.through = Some(Through {
        app: "app".into(),
        patient: Some(first.clone()),
    });
    assert!(kept(&house, through, &first).await.is_none());
    let third = comes(&house, "3", "Moe^Mia").await;
    assert_eq!(make(&house).await, 1);
    assert!(kept(&house, client(), &third).await.is_some());
}

#[tokio::test]
async fn of_whom_nothing_could_be_made_is_tried_again_for_others() {
    let house = House::new().await;
    let first = comes(&house, "1", "Doe^Jane").await;
    let second = comes(&house, "2", "Roe^Rita").await;
    let mut narrow = client();
    narrow.scopes = SOURCES
        .iter()
        .map(|(kind, _)| match *kind {
            "Patient" => "system/Patient.rs?family=Doe".to_owned(),
            kind => format!("system/{kind}.rs"),
        })
        .collect();
    kept(&house, narrow, &first).await;
    assert_eq!(make(&house).await, 1);
    assert_eq!(make(&house).await, 0, "of Roe there is nothing to be seen");
    kept(&house, client(), &first).await;
    assert_eq!(make(&house).await, 1);
    assert!(kept(&house, client(), &second).await.is_some());
}

#[tokio::test]
async fn what_was_made_meanwhile_is_not_made_again() {
    let house = House::new().await;
    let first = comes(&house, "1", "Doe^Jane").await;
    let second = comes(&house, "2", "Roe^Rita").await;
    kept(&house, client(), &first).await;
    let due = house.chart.due().await.unwrap();
    assert_eq!(due.len(), 1);
    kept(&house, client(), &second).await;
    let at = stamp("2026-01-01T00:00:00Z");
    house.chart.make_ready(&due[0], at).await.unwrap();
    let kept = kept(&house, client(), &second).await.unwrap();
    assert_eq!(&kept[..], b"asked for");
}
