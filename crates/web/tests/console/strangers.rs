//! What somebody gets who names what is not theirs: ids of another patient on every page, and line
//! feeds in whatever ends up in a header.

use axum::http::StatusCode;
use event::Role;
use serde_json::json;

use crate::house::{Browser, House, Page};
use crate::wards;

/// Every page that takes an id of a patient, or an event of theirs; `{}` stands for it.
const OF_A_PATIENT: [&str; 8] = [
    "/patients/{}",
    "/patients/{}/fetch",
    "/patients/{}/unmerge",
    "/patients/{}/glass",
    "/access?patient={}",
    "/access/letter?patient={}",
    "/access/print?mark={}",
    "/downtime/sheet?patient={}",
];
/// Every page that takes the index of an event.
const OF_AN_EVENT: [&str; 6] = [
    "/record/{}",
    "/record/{}/proof",
    "/record/check?index={}",
    "/flow/{}",
    "/access/reviews/{}",
    "/access/print?mark={}",
];

/// What says who somebody is: the family name and number of the patient on the other ward.
fn tells(page: &Page, of: &[&str]) -> bool {
    of.iter().any(|secret| page.html.contains(secret))
}

#[tokio::test]
async fn no_page_tells_a_nurse_of_another_wards_patient() {
    let house = House::open().await;
    wards(&house).await;
    house.person("nora", Role::Nurse, &["ICU"]).await;
    let secrets = ["Secretus", "ZZ-4711", "Hidden Street"];
    let stranger = house
        .resource(
            Some("p-other"),
            json!({"resourceType": "Patient", "id": "p-other",
                "identifier": [{"system": "urn:x", "value": "ZZ-4711"}],
                "name": [{"family": "Secretus"}], "address": [{"line": ["Hidden Street"]}]}),
        )
        .await;
    house
        .resource(
            Some("p-other"),
            json!({"resourceType": "Encounter", "id": "e-other", "status": "in-progress",
                "class": {"code": "IMP"}, "subject": {"reference": "Patient/p-other"},
                "location": [{"location": {"reference": "Location/med1"}, "status": "active"}]}),
        )
        .await;
    let mut nora = house.browser("nora").await;
    let pages = OF_A_PATIENT
        .iter()
        .map(|path| path.replace("{}", "p-other"));
    let index = stranger.to_string();
    let events = OF_AN_EVENT.iter().map(|path| path.replace("{}", &index));
    for path in pages.chain(events) {
        let page = nora.get(&path).await;
        assert!(!tells(&page, &secrets), "{path}: {}", page.html);
        assert!(!page.status.is_server_error(), "{path}: {}", page.status);
    }
    for (path, fields) in [
        (
            "/record/{}/disclose",
            [("reason", "I want to know"), ("as", "file")],
        ),
        ("/flow/{}", [("reason", "I want to know"), ("as", "file")]),
    ] {
        let path = path.replace("{}", &index);
        let page = nora.submit("/now", &path, &fields).await;
        assert!(!tells(&page, &secrets), "{path}: {}", page.html);
    }
    // The same words are on the page of whoever may see them: the test looks for the right ones.
    house.person("mia", Role::Nurse, &["MED1"]).await;
    let theirs = house.browser("mia").await.get("/patients/p-other").await;
    assert_eq!(theirs.status, StatusCode::OK, "{}", theirs.html);
    assert!(
        secrets.iter().all(|secret| theirs.html.contains(secret)),
        "{}",
        theirs.html
    );
}

/// Line feeds, however they are written, in each part of a request that can come back in a header.
#[tokio::test]
async fn nothing_that_is_asked_adds_a_header() {
    const INJECTED: [&str; 4] = [
        "%0d%0aX-Injected:%201",
        "%0aX-Injected:%201",
        "%E5%98%8A%E5%98%8DX-Injected:%201",
        "%c2%85X-Injected:%201",
    ];
    let house = House::open().await;
    wards(&house).await;
    house.person("pia", Role::PrivacyOfficer, &[]).await;
    let mut nobody = Browser::new(&house);
    let mut pia = house.browser("pia").await;
    for text in INJECTED {
        for path in [
            format!("/sign-in?next=/now{text}"),
            format!("/patients?ward={text}"),
            format!("/access?patient={text}"),
            format!("/access?after={text}"),
            format!("/record/{text}"),
            format!("/record/1{text}/proof"),
            format!("/packs/{text}"),
            format!("/packs/ICU/card?x={text}"),
            format!("/fhir/Patient/{text}"),
            format!("/fhir/Patient?_format={text}"),
            format!("/static/{text}"),
            format!("/oauth/authorize?redirect_uri=https://a.example/{text}"),
        ] {
            for browser in [&mut nobody, &mut pia] {
                let page = browser.get(&path).await;
                let values = page.headers.values();
                let split = |value: &[u8]| value.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
                assert!(!page.headers.contains_key("x-injected"), "{path}");
                assert!(!values.map(|one| one.as_bytes()).any(split), "{path}");
                assert!(!page.status.is_server_error(), "{path}: {}", page.status);
            }
        }
    }
    // What is asked does come back in a header where it may, so that the test could have failed.
    let back = nobody.get("/patients?ward=ICU").await;
    assert!(back.location().contains("ICU"), "{}", back.location());
}
