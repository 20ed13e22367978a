//! What somebody edits in the database is told on the patient's page, on Record and on Now.

use axum::http::StatusCode;
use event::{
    Act, Actor, Altered, AlteredPart, Body, Event, Outside, Resource, Role, Subject, Unlike,
};
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

/// An observation of a patient with a security label, and that its value was found altered: in the
/// journal, or in another system.
async fn valued(house: &House, named: (&str, &str), outside: Option<Outside>) -> u64 {
    altered(house, named, (outside, &["Observation.valueString"])).await
}

/// The same of any parts.
async fn altered(
    house: &House,
    (id, label): (&str, &str),
    (outside, parts): (Option<Outside>, &[&str]),
) -> u64 {
    let security = match label {
        "" => serde_json::json!([]),
        label => serde_json::json!([{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": label
        }]),
    };
    let index = house
        .resource(
            Some("p-icu"),
            serde_json::json!({"resourceType": "Observation", "id": id, "status": "final",
                "meta": {"security": security}, "code": {"text": "note"},
                "subject": {"reference": "Patient/p-icu"}, "valueString": "as sealed"}),
        )
        .await;
    let (sealed, found) = (format!("{id} was sealed"), format!("{id} was found"));
    let parts = parts
        .iter()
        .map(|part| AlteredPart::new(part, &sealed, &found));
    let column = AlteredPart::new("row.at", "2026-11-26T12:00:00Z", "2026-11-25T12:00:00Z");
    let parts = parts.chain([column]).collect();
    let altered = Altered {
        index: Some(index),
        parts,
        whole_at: None,
        healed_from: outside.is_none().then(|| "pack".to_owned()),
        outside,
    };
    let subject = Subject::Patient("p-icu".into());
    let body = Body::Alteration(altered);
    house
        .seal(Event::new(Actor::salus(), Act::Update, subject, body))
        .await
}

#[tokio::test]
async fn altered_values_of_what_is_masked_are_masked_on_the_patients_page() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    valued(&house, ("plain", ""), None).await;
    valued(&house, ("therapy", "PSYTHPN"), None).await;
    let mut anna = house.browser("anna").await;
    let chart = anna.get("/patients/p-icu").await;
    assert!(chart.html.contains("plain was found"), "{}", chart.html);
    assert!(!chart.html.contains("therapy was"), "{}", chart.html);
    assert!(chart.html.contains("kept from you"));
    assert_eq!(
        chart.html.matches("2026-11-25T12:00:00Z").count(),
        2,
        "when it was sealed is no part of what it says"
    );
    // Whoever has the patient's trust or breaks the glass sees it, and it is the same page.
    let fields = [
        ("purpose", "ETREAT"),
        ("reason", "cardiac arrest on the ward"),
    ];
    let broken = anna
        .submit("/patients/p-icu/glass", "/patients/p-icu/glass", &fields)
        .await;
    assert_eq!(broken.status, StatusCode::SEE_OTHER, "{}", broken.html);
    house.settle().await;
    let chart = anna.get("/patients/p-icu").await;
    assert!(chart.html.contains("therapy was found"), "{}", chart.html);
}

#[tokio::test]
async fn what_carries_a_label_by_now_is_masked_in_what_was_altered_before() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let told = valued(&house, ("later", ""), None).await;
    let mut anna = house.browser("anna").await;
    let chart = anna.get("/patients/p-icu").await;
    assert!(chart.html.contains("later was found"), "{}", chart.html);
    let marked = serde_json::json!({"resourceType": "Observation", "id": "later", "status": "final",
        "meta": {"security": [{"code": "V",
            "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"}]},
        "code": {"text": "note"}, "subject": {"reference": "Patient/p-icu"}});
    let body = Body::Resource(Resource {
        kind: "Observation".into(),
        id: "later".into(),
        // The event before the one that says it was altered.
        replaces: told - 1,
        as_of: told + 1,
        resolved: Vec::new(),
        contents: Vec::new(),
    });
    let subject = Subject::Patient("p-icu".into());
    let event = Event::new(Actor::salus(), Act::Update, subject, body);
    house
        .seal(event.with_raw(marked.to_string().into_bytes()))
        .await;
    let chart = anna.get("/patients/p-icu").await;
    assert!(!chart.html.contains("later was"), "{}", chart.html);
}

/// An observation that says something else in another system.
fn elsewhere(id: &str) -> Outside {
    Outside {
        system: "https://ehr.hospital/fhir".into(),
        kind: "Observation".into(),
        id: id.into(),
        unlike: Unlike::Changed,
        tag: String::new(),
        mark: "ab".into(),
    }
}

#[tokio::test]
async fn what_another_system_holds_may_be_sensitive_though_what_was_sealed_is_not() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let many: Vec<String> = (0..100)
        .map(|at| format!("Observation.note[{at}]"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (id, parts) in [
        (
            "coded",
            &["Observation.code.coding[0].code", "Observation.valueString"][..],
        ),
        ("marked", &["Observation.meta.security[0].code"]),
        ("many", &many),
    ] {
        let index = altered(&house, (id, ""), (Some(elsewhere(id)), parts)).await;
        let mut anna = house.browser("anna").await;
        for page in [
            format!("/record/outside/{index}"),
            "/patients/p-icu".to_owned(),
        ] {
            let page = anna.get(&page).await;
            assert!(
                page.html.contains(&format!("{id} was sealed")),
                "{}",
                page.html
            );
            assert!(
                !page.html.contains(&format!("{id} was found")),
                "{}",
                page.html
            );
            assert!(page.html.contains("2026-11-25T12:00:00Z"));
        }
    }
}

#[tokio::test]
async fn who_decides_about_another_systems_entry_sees_of_it_what_the_chart_shows_them() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    for (id, label, shown) in [("plain", "", true), ("therapy", "PSYTHPN", false)] {
        let index = valued(&house, (id, label), Some(elsewhere(id))).await;
        let mut anna = house.browser("anna").await;
        let page = anna.get(&format!("/record/outside/{index}")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.html);
        let found = format!("{id} was found");
        assert_eq!(page.html.contains(&found), shown, "{}", page.html);
    }
}

#[tokio::test]
async fn a_data_folder_that_is_gone_stands_on_now_and_nothing_is_taken() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut anna = house.browser("anna").await;
    let before = anna.get("/now").await.html;
    assert!(!before.contains("nothing is taken"), "{before}");
    let vault = house.folder.path().join("vault");
    std::fs::rename(&vault, house.folder.path().join("aside")).unwrap();
    std::fs::create_dir(&vault).unwrap();
    assert!(house.app.record.in_office().is_err());
    let now = anna.get("/now").await;
    assert_eq!(now.status, StatusCode::OK, "{}", now.html);
    for part in [
        "nothing is taken",
        "the data folder was removed or replaced",
    ] {
        assert!(now.html.contains(part), "{part}: {}", now.html);
    }
    // No chart without a sealed decision.
    let chart = anna.get("/patients/p-icu").await;
    assert_eq!(chart.status, StatusCode::SERVICE_UNAVAILABLE);
}
