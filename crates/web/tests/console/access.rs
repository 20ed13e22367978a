//! The page Access, and what goes with it, over a real record.

use axum::http::StatusCode;
use event::{Body, Role};

use crate::house::House;
use crate::wards;

const HOSTILE: &str = "<script>alert(1)</script>\"'=cmd|'/C calc'!A0";

/// A nurse who looked at her patient, and the overseers.
async fn looked(house: &House) {
    wards(house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    house.person("rita", Role::PrivacyOfficer, &[]).await;
    house.person("tomas", Role::Administrator, &[]).await;
    let mut anna = house.browser("anna").await;
    assert_eq!(anna.get("/patients/p-icu").await.status, StatusCode::OK);
    assert_eq!(
        anna.get("/patients/p-med").await.status,
        StatusCode::FORBIDDEN
    );
    house.settle().await;
}

#[tokio::test]
async fn a_privacy_officer_sees_who_looked_and_never_the_chart() {
    let house = House::open().await;
    looked(&house).await;
    let mut rita = house.browser("rita").await;
    let page = rita.get("/access?patient=p-icu").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.html);
    assert!(page.html.contains("anna of nurse"), "{}", page.html);
    assert!(
        page.html
            .contains("the patient was on a ward where they work")
    );
    assert!(page.html.contains("1 person or system; each is explained"));
    assert!(!page.html.contains("Müller"), "no name of a patient");
    house.settle().await;
    let sealed = house.sealed().await;
    let last = sealed.last().unwrap().event();
    let Body::Decision(decided) = &last.body else {
        panic!("the look at who looked is not sealed");
    };
    assert_eq!(decided.act, event::Act::Audit);
    let refused = rita.get("/access?patient=p-med").await;
    assert!(
        refused
            .html
            .contains("nothing connected them with the patient")
    );
    let start = rita.get("/access").await;
    assert!(start.html.contains("1 look was refused"), "{}", start.html);
    assert_eq!(
        rita.get("/patients/p-icu").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_patients_number_goes_into_no_address() {
    let house = House::open().await;
    looked(&house).await;
    let mut rita = house.browser("rita").await;
    let typed = [("patient", " 77p-icu "), ("from", "2026-11-01")];
    let found = rita.submit("/access", "/access", &typed).await;
    assert_eq!(found.status, StatusCode::SEE_OTHER, "{}", found.html);
    let place = found.location().to_owned();
    assert!(place.starts_with("/access?search="), "{place}");
    let page = rita.get(&place).await;
    assert!(page.html.contains("anna of nurse"), "{}", page.html);
    assert!(page.html.contains("value=\"77p-icu\"") && page.html.contains("value=\"2026-11-01\""));
    let links = page.html.split("href=\"").skip(1);
    let mut links = links.map(|rest| rest.split('"').next().unwrap());
    assert!(!links.any(|link| link.contains("77p-icu")));
    // The letter is about the same patient, by the number that the patient knows.
    let letter = place.replace("/access?", "/access/letter?");
    assert!(page.html.contains(&letter), "{}", page.html);
    let letter = rita.get(&letter).await;
    assert!(letter.html.contains("with the number <b>77p-icu</b>"));
    // A number in an address opens nothing, and says where it belongs.
    for path in [
        "/access?patient=77p-icu",
        "/access?search=guess&patient=77p-icu",
        "/access/letter?patient=77p-icu",
    ] {
        let page = rita.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.html.contains("typed into the form"), "{}", page.html);
    }
    // What one session typed is nobody else's.
    let mut tomas = house.browser("tomas").await;
    let page = tomas.get(&place).await;
    assert!(!page.html.contains("77p-icu"), "{}", page.html);
    // Who may not ask learns nothing, by the form neither.
    let mut anna = house.browser("anna").await;
    let csrf = anna.get("/now").await.csrf();
    for number in ["77p-icu", "nobody"] {
        let fields = [("csrf", csrf.as_str()), ("patient", number)];
        let refused = anna.post("/access", &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{number}");
    }
    let nobody = rita
        .submit("/access", "/access", &[("patient", "nobody")])
        .await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let account = rita
        .submit("/access", "/access", &[("account", "anna")])
        .await;
    assert_eq!(account.location(), "/access?account=anna");
}

#[tokio::test]
async fn an_account_shows_its_patients_and_what_does_not_explain_itself() {
    let house = House::open().await;
    looked(&house).await;
    let mut rita = house.browser("rita").await;
    let page = rita.get("/access?account=anna").await;
    assert!(
        page.html.contains("p-icu") && page.html.contains("of 40"),
        "{}",
        page.html
    );
    assert!(!page.html.contains("relationship ended"));
    house.person("anna", Role::Nurse, &["SURG"]).await;
    let page = rita.get("/access?account=anna").await;
    assert!(page.html.contains("relationship ended"), "{}", page.html);
    assert!(page.html.contains("<svg viewBox=\"0 0 740"), "a picture");
}

#[tokio::test]
async fn nobody_else_sees_who_looked() {
    let house = House::open().await;
    looked(&house).await;
    let mut anna = house.browser("anna").await;
    for path in [
        "/access",
        "/access?patient=p-icu",
        "/access?patient=nobody",
        "/access?account=anna",
        "/access/letter?patient=p-icu",
        "/access/print",
        "/access/print?mark=7-28",
        "/access/exports",
    ] {
        let page = anna.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        assert!(!page.html.contains("77p-icu"), "{path}");
    }
    assert!(!anna.get("/now").await.html.contains("href=\"/access\""));
    let mut stranger = crate::house::Browser::new(&house);
    for path in ["/access", "/access/letter?patient=p-icu", "/access/exports"] {
        assert_eq!(
            stranger.get(path).await.status,
            StatusCode::SEE_OTHER,
            "{path}"
        );
    }
}

#[tokio::test]
async fn nonsense_is_answered_in_words() {
    let house = House::open().await;
    looked(&house).await;
    let mut rita = house.browser("rita").await;
    for (path, status) in [
        ("/access?patient=nobody", StatusCode::NOT_FOUND),
        ("/access?patient=%3Cscript%3E", StatusCode::NOT_FOUND),
        ("/access?patient=..%2F..%2Fetc", StatusCode::NOT_FOUND),
        (
            "/access?patient=p-icu&from=yesterday",
            StatusCode::BAD_REQUEST,
        ),
        ("/access?patient=p-icu&after=-1", StatusCode::BAD_REQUEST),
        ("/access/letter", StatusCode::BAD_REQUEST),
        ("/access/print?mark=4711-00", StatusCode::BAD_REQUEST),
    ] {
        let page = rita.get(path).await;
        assert_eq!(page.status, status, "{path}: {}", page.html);
        assert!(!page.html.contains("<script>"), "{path}");
    }
}

#[tokio::test]
async fn the_letter_accounts_for_six_years() {
    let house = House::open().await;
    looked(&house).await;
    house.wait(5 * 365 * 86_400_000);
    let mut rita = house.browser("rita").await;
    let page = rita.get("/access/letter?patient=p-icu").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.html);
    assert!(
        page.html
            .contains("Nothing was disclosed for another purpose")
    );
    assert!(page.html.contains("anna of nurse") && page.html.contains("p-icu"));
    house.wait(2 * 365 * 86_400_000);
    let page = rita.get("/access/letter?patient=p-icu").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "the session has ended");
    let mut rita = house.browser("rita").await;
    let page = rita.get("/access/letter?patient=p-icu").await;
    assert!(
        page.html.contains("Nobody looked at it in this time"),
        "{}",
        page.html
    );
}

#[tokio::test]
async fn the_mark_of_a_printed_chart_says_who_printed_it() {
    let house = House::open().await;
    looked(&house).await;
    let mut anna = house.browser("anna").await;
    let chart = anna.get("/patients/p-icu").await;
    let mark = chart.html.split("\u{b7} mark ").nth(1).unwrap();
    let mark = mark.split([' ', '<']).next().unwrap();
    assert!(chart.html.contains("printed by anna of nurse"));
    house.settle().await;
    let mut rita = house.browser("rita").await;
    let page = rita.get(&format!("/access/print?mark={mark}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.html);
    assert!(
        page.html.contains("anna of nurse made this sheet"),
        "{}",
        page.html
    );
    assert!(page.html.contains("/access?patient=p-icu"));
}

#[tokio::test]
async fn an_export_takes_two_people() {
    let house = House::open().await;
    looked(&house).await;
    let mut rita = house.browser("rita").await;
    let mut good = vec![
        ("what", HOSTILE),
        ("recipient", HOSTILE),
        ("reason", HOSTILE),
    ];
    for more in [("what", "x"), ("leaves", ""), ("leaves", "everything")] {
        let mut short = good.clone();
        short.push(more);
        let page = rita
            .submit("/access/exports", "/access/exports", &short)
            .await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{more:?}");
    }
    good.extend([("leaves", "study"), ("which", "1.2.840.1")]);
    let page = rita
        .submit("/access/exports", "/access/exports", &good)
        .await;
    assert_eq!(page.location(), "/access/exports", "{}", page.html);
    let list = rita.get("/access/exports").await;
    assert!(list.html.contains("waits for another person") && !list.html.contains("<script>alert"));
    let export = house.app.access.exports(10).await.unwrap().remove(0);
    let path = format!("/access/exports/{}", export.index);
    let agree = [("verdict", "agree"), ("reason", "agreed in the meeting")];
    let own = rita.submit("/access/exports", &path, &agree).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN);
    assert!(own.html.contains("another person has to answer"));
    rita.site = "cross-site";
    let forged = rita.submit("/access/exports", &path, &agree).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    agreed_by_tomas(&house, (&export, &path), &agree).await;
    let mut anna = house.browser("anna").await;
    let csrf = anna.get("/now").await.csrf();
    let mut fields = vec![("csrf", csrf.as_str())];
    fields.extend_from_slice(&good);
    assert_eq!(
        anna.post("/access/exports", &fields).await.status,
        StatusCode::FORBIDDEN
    );
}

/// The other person sees what leaves, and the command that is shown then is the one for it.
async fn agreed_by_tomas(
    house: &House,
    (export, path): (&access::Export, &str),
    agree: &[(&str, &str)],
) {
    let study = event::Leaves::Study {
        study: "1.2.840.1".into(),
    };
    assert_eq!(export.leaves, Some(study));
    let mut tomas = house.browser("tomas").await;
    let asked = tomas.get("/access/exports").await.html;
    assert!(
        asked.contains("the images of the study 1.2.840.1"),
        "{asked}"
    );
    let agreed = tomas.submit("/access/exports", path, agree).await;
    assert_eq!(agreed.location(), "/access/exports", "{}", agreed.html);
    let list = tomas.get("/access/exports").await.html;
    let command = format!(
        "salus deidentify --study 1.2.840.1 --agreed {}",
        export.index
    );
    assert!(list.contains(&command), "{list}");
    assert!(!list.contains("salus export --deidentify"));
    let again = tomas.submit("/access/exports", path, agree).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    let now = event::Clock::now(house.clock.as_ref());
    let leave = house.app.access.leave(export.index, now).await.unwrap();
    assert_eq!(leave.unwrap().export.answer.unwrap().answerer.0, "tomas");
    assert_eq!(
        tomas.get("/access/exports/x").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_mass_reader_at_one_patient_a_second_is_stopped() {
    let house = House::open().await;
    house
        .resource(None, serde_json::json!({
            "resourceType": "Location", "id": "icu", "identifier": [{"value": "ICU"}],
            "physicalType": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "wa"}]}
        }))
        .await;
    for number in 0..60 {
        let id = format!("m{number}");
        house
            .resource(
                Some(&id),
                serde_json::json!({"resourceType": "Patient", "id": id}),
            )
            .await;
        house
            .resource(Some(&id), serde_json::json!({
                "resourceType": "Encounter", "id": format!("e{number}"), "status": "in-progress",
                "class": {"code": "IMP"}, "subject": {"reference": format!("Patient/{id}")},
                "location": [{"location": {"reference": "Location/icu"}, "status": "active"}]
            }))
            .await;
    }
    house.person("mallory", Role::Nurse, &["ICU"]).await;
    let mut mallory = house.browser("mallory").await;
    let mut opened = 0;
    for second in 0..3_600 {
        let page = mallory.get(&format!("/patients/m{}", second % 60)).await;
        house.wait(1_000);
        if page.status == StatusCode::OK {
            opened += 1;
        } else {
            assert!(
                page.html.contains("confirm with your second factor"),
                "{}",
                page.html
            );
            assert!(page.html.contains("/account/step-up?next="), "a way on");
            break;
        }
    }
    assert_eq!(opened, 40);
    assert_eq!(mallory.get("/patients/m0").await.status, StatusCode::OK);
    // The view tells it through the record's door a moment after it folded the refusal.
    let mut growth = house.app.record.growth();
    let told = async {
        loop {
            let sealed = house.sealed().await;
            let mut bodies = sealed.iter().map(|sealed| &sealed.event().body);
            let is = |body: &Body| matches!(body, Body::Ceiling(one) if one.account == "mallory");
            if bodies.any(is) {
                return;
            }
            growth.changed().await.unwrap();
        }
    };
    let told = tokio::time::timeout(std::time::Duration::from_secs(60), told).await;
    assert!(told.is_ok(), "detection has something to read");
}

#[tokio::test]
async fn what_other_systems_tell_stands_on_the_page_of_the_patient_as_their_word() {
    let house = House::open().await;
    looked(&house).await;
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/audit");
    let line = std::fs::read(demo.join("instances-accessed.txt")).unwrap();
    let blind = house.app.record.blind();
    let patient = blind.id("Patient", "urn:oid:2.16.756.5.30.1.123", "100723");
    let person = serde_json::json!({"resourceType": "Patient", "id": patient});
    house.resource(Some(&patient), person).await;
    let mut raw = Vec::new();
    let line = wire::signals::Line {
        at: house.app.clock.now().millis(),
        source: "10.0.0.7",
        bytes: &line,
    };
    wire::signals::push(&mut raw, line);
    let body = Body::Signals(event::Signals {
        feed: "pacs".into(),
        format: "audit".into(),
        lines: 1,
        authority: "MAIN".into(),
        ..event::Signals::default()
    });
    let subject = event::Subject::Patient(patient.clone());
    let told = event::Event::new(event::Actor::feed("pacs"), event::Act::Send, subject, body);
    let index = house.seal(told.with_raw(raw)).await;
    let mut rita = house.browser("rita").await;
    let page = rita
        .get(&format!("/access?patient={patient}&from=2020-01-01"))
        .await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.html);
    for part in [
        "What other systems tell",
        "Keller, Maria",
        "DICOM Instances Accessed",
        "pacs.hospital.example",
        "10.20.4.17",
        &format!("/record/{index}"),
    ] {
        assert!(page.html.contains(part), "{part}: {}", page.html);
    }
    assert!(!page.html.contains("Meier"), "no name of a patient");
    let none = page.html.contains("people and systems in this time.");
    assert!(
        none,
        "it is their word, no look that Salus saw: {}",
        page.html
    );
    let other = rita.get("/access?patient=p-icu&from=2020-01-01").await;
    assert!(!other.html.contains("What other systems tell"));
}
