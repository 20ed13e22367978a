//! One event handed out through the console, and what the witnesses say of the record.

use axum::http::StatusCode;
use event::{Act, Body, Role};
use seal::{Disclosure, LogVerifier};
use web::{Trouble, WitnessState, Witnesses};

use crate::house::{Browser, House, Page};
use crate::{decisions, wards};

const REASON: &str = "the patient asked for it in writing";

async fn hospital() -> (House, u64) {
    let house = House::open().await;
    wards(&house).await;
    house.person("nora", Role::Nurse, &["ICU"]).await;
    house.person("mia", Role::Nurse, &["MED1"]).await;
    house.person("pia", Role::PrivacyOfficer, &[]).await;
    let sealed = house.sealed().await;
    let of_patient = |event: &event::Event| matches!(&event.body, Body::Resource(written) if written.kind == "Patient" && written.id == "p-icu");
    let found = sealed
        .iter()
        .find(|sealed| of_patient(sealed.event()))
        .unwrap();
    let index = found.index();
    house.app.record.publish().await.unwrap();
    (house, index)
}

async fn hands_out(browser: &mut Browser, index: u64, fields: &[(&str, &str)]) -> Page {
    let page = format!("/record/{index}");
    browser
        .submit(&page, &format!("{page}/disclose"), fields)
        .await
}

#[tokio::test]
async fn an_overseer_hands_out_an_event_of_a_patient_and_anyone_can_check_it() {
    let (house, index) = hospital().await;
    let mut pia = house.browser("pia").await;
    let file = hands_out(&mut pia, index, &[("reason", REASON), ("as", "file")]).await;
    assert_eq!(file.status, StatusCode::OK, "{}", file.html);
    let name = file.headers["content-disposition"].to_str().unwrap();
    assert!(
        name.contains(&format!("salus-{index}.disclosure.json")),
        "{name}"
    );
    let disclosure = Disclosure::from_text(&file.html).unwrap();
    let log = LogVerifier::new(&house.app.record.public_key()).unwrap();
    assert_eq!(disclosure.verify(&log).unwrap().index, index);
    assert!(
        String::from_utf8(disclosure.plaintext)
            .unwrap()
            .contains("Müller")
    );
    let decided = decisions(&house).await.pop().unwrap();
    assert!(decided.allowed && decided.act == Act::ReadMessage);
    assert_eq!(decided.reason.as_deref(), Some(REASON));
    assert_eq!(decided.detail, format!("disclosure of event {index}"));
    let sheet = hands_out(&mut pia, index, &[("reason", REASON), ("as", "sheet")]).await;
    assert!(
        sheet.html.contains("Müller") && sheet.html.contains("<svg"),
        "{}",
        sheet.html
    );
}

#[tokio::test]
async fn what_is_masked_for_somebody_is_not_handed_out_by_them() {
    let (house, index) = hospital().await;
    // She reads the chart, but for what is very restricted; a sealed text cannot be cut.
    let mut nora = house.browser("nora").await;
    let refused = hands_out(&mut nora, index, &[("reason", REASON)]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.html.contains("whole"), "{}", refused.html);
    assert!(!refused.html.contains("Müller"));
    let decided = decisions(&house).await.pop().unwrap();
    assert!(
        decided.allowed && decided.act == Act::Read,
        "the look itself is sealed"
    );
}

#[tokio::test]
async fn others_get_nothing_and_the_refusal_is_sealed() {
    let (house, index) = hospital().await;
    let mut mia = house.browser("mia").await;
    let refused = hands_out(&mut mia, index, &[("reason", REASON)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!refused.html.contains("Müller"));
    assert!(!decisions(&house).await.pop().unwrap().allowed);
    let mut nora = house.browser("nora").await;
    let before = house.app.record.size();
    let short = hands_out(&mut nora, index, &[("reason", "why")]).await;
    assert_eq!(short.status, StatusCode::BAD_REQUEST);
    let since = house.app.record.read(before, 100).await.unwrap();
    let mut bodies = since.iter().map(|sealed| &sealed.event().body);
    assert!(
        bodies.all(|body| matches!(body, Body::Rejected(_))),
        "nothing was asked of the guard: {since:?}"
    );
}

#[tokio::test]
async fn what_is_of_no_patient_is_for_those_who_oversee() {
    let (house, _) = hospital().await;
    let sealed = house.sealed().await;
    let account = sealed
        .iter()
        .find(|sealed| matches!(sealed.event().body, Body::Account(_)));
    let index = account.unwrap().index();
    let mut nora = house.browser("nora").await;
    let refused = hands_out(&mut nora, index, &[("reason", REASON)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let mut pia = house.browser("pia").await;
    let file = hands_out(&mut pia, index, &[("reason", REASON)]).await;
    assert_eq!(file.status, StatusCode::OK, "{}", file.html);
    assert_eq!(decisions(&house).await.pop().unwrap().act, Act::Read);
}

fn witness(name: &str) -> WitnessState {
    WitnessState {
        name: name.into(),
        last: None,
        trouble: None,
    }
}

#[tokio::test]
async fn the_pages_say_who_vouches_and_turn_red_when_somebody_does_not() {
    let both = vec![witness("north.test/w1"), witness("south.test/w1")];
    let house = House::witnessed(Witnesses::of(both, 1)).await;
    house.person("pia", Role::PrivacyOfficer, &[]).await;
    house.app.record.publish().await.unwrap();
    let mut pia = house.browser("pia").await;
    let page = pia.get("/record").await.html;
    assert!(page.contains("no witness has cosigned yet"), "{page}");
    let witnesses = &house.app.witnesses;
    witnesses.cosigned("north.test/w1", 2, house.now());
    witnesses.refused(
        "south.test/w1",
        Trouble::Silent("no answer within 5000 ms".into()),
    );
    house.wait(4_000);
    let page = pia.get("/record").await.html;
    for part in [
        "1 of 2 witnesses cosigned lately",
        "4 s ago",
        "No answer within 5000 ms",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(pia.get("/now").await.html.contains("of 2 cosigned"));
    // What was vouched for long ago is no evidence of now.
    house.wait(600_000);
    let page = pia.get("/record").await.html;
    assert!(page.contains("0 of 2 witnesses cosigned lately"), "{page}");
    witnesses.refused("south.test/w1", Trouble::RolledBack { seen: 4_000 });
    for path in ["/record", "/now"] {
        let page = pia.get(path).await.html;
        assert!(
            page.contains("A witness has seen 4,000 events"),
            "{path}: {page}"
        );
    }
}
