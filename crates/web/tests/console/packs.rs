//! Ward packs over a real record: what is in them, who may open them, and what is sealed of it.

use std::path::Path;

use axum::http::StatusCode;
use event::{Act, Body, Role, Subject};
use lifeline::{Code, PackConfig, SheetId};
use serde_json::json;
use web::{SecondFactor, Settings};

use crate::house::{Browser, House};
use crate::wards;

const MINUTE: i64 = 60_000;

async fn house(folders: &[&Path]) -> House {
    let settings = Settings {
        second_factor: SecondFactor::Optional,
        ..Settings::default()
    };
    let packs = PackConfig {
        ward: "ICU".into(),
        folders: folders.iter().map(|folder| (*folder).into()).collect(),
        every_ms: 10_000,
    };
    let house = House::packing(settings, vec![packs]).await;
    wards(&house).await;
    house
        .resource(
            Some("p-icu"),
            json!({
                "resourceType": "AllergyIntolerance", "id": "al", "patient": {"reference": "Patient/p-icu"},
                "code": {"text": "Penicillin <b>G</b>"}, "criticality": "high"
            }),
        )
        .await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    house.person("mia", Role::Nurse, &["MED1"]).await;
    house.person("tomas", Role::Administrator, &[]).await;
    house
}

async fn refresh(house: &House) -> Vec<u8> {
    house.settle().await;
    web::refresh_pack(&house.app, "ICU").await.unwrap().to_vec()
}

fn code(house: &House) -> Code {
    let which = house.app.lifeline.which("ICU", house.now());
    house.app.lifeline.code(&which)
}

fn head(house: &House) -> lifeline::Head {
    lifeline::Head::of(&house.app.record.checkpoint().1)
}

/// The code that stands on a shown card.
fn on_card(html: &str) -> String {
    let after = html.split("class=\"code-card\"><code>").nth(1).unwrap();
    after.split('<').next().unwrap().to_owned()
}

/// Everything that was sealed about carrying.
async fn carried(house: &House) -> Vec<Body> {
    let sealed = house.sealed().await;
    let carried = sealed.iter().map(|one| one.event());
    let carried = carried.filter(|event| event.act == Act::Carry);
    carried
        .map(|event| {
            assert_eq!(event.subject, Subject::Ward("ICU".into()));
            event.body.clone()
        })
        .collect()
}

#[tokio::test]
async fn a_pack_holds_its_ward_with_its_head_and_no_other_wards_patients() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(&[folder.path()]).await;
    house.app.record.publish().await.unwrap();
    let before = head(&house);
    assert!(before.size > 0 && !before.root.is_empty());
    let made = refresh(&house).await;
    let there = std::fs::read(folder.path().join("ward-ICU.html")).unwrap();
    assert_eq!(there, made);
    let (html, stamp) = lifeline::open(&there, &code(&house)).unwrap();
    for said in [
        "Müller",
        "77p-icu",
        "Penicillin &#60;b&#62;G",
        "as of",
        "Downtime sheet 1",
    ] {
        assert!(html.contains(said), "no {said}: {html}");
    }
    assert!(!html.contains("Ødegård") && !html.contains("77p-med"));
    assert!(
        !html.contains("href=\"/") && !html.contains("<script"),
        "{html}"
    );
    let text = String::from_utf8(there).unwrap();
    assert!(!text.contains("Müller") && !text.contains("Penicillin"));
    // The publisher goes on by itself: the head is the one before, the one after or between.
    let after = head(&house);
    let between = before.size < stamp.head.size && stamp.head.size < after.size;
    assert!(
        between || [before, after].contains(&stamp.head),
        "{stamp:?}"
    );
    assert_eq!(stamp.made, house.now());
}

#[tokio::test]
async fn one_decision_stands_for_one_reading_and_nothing_is_sealed_when_nothing_changed() {
    let house = house(&[]).await;
    refresh(&house).await;
    let first = carried(&house).await;
    let [Body::Decision(decided), Body::Shown(shown)] = first.as_slice() else {
        panic!("{first:?}")
    };
    assert!(decided.allowed);
    assert_eq!(decided.obligations, ["mask PSYTHPN V"]);
    assert_eq!(
        (shown.patients.as_slice(), shown.identity_only),
        (&["p-icu".to_owned()][..], false)
    );

    house.wait(10_000);
    let again = refresh(&house).await;
    assert_eq!(carried(&house).await.len(), 2, "nothing changed");
    let (_, stamp) = lifeline::open(&again, &code(&house)).unwrap();
    assert_eq!(stamp.made, house.now(), "it is as fresh as if it were new");

    house
        .resource(
            Some("p-icu"),
            json!({"resourceType": "Condition", "id": "c", "code": {"text": "Heart failure"},
                "subject": {"reference": "Patient/p-icu"}}),
        )
        .await;
    let newer = refresh(&house).await;
    let (html, _) = lifeline::open(&newer, &code(&house)).unwrap();
    assert!(html.contains("Heart failure"));
    let all = carried(&house).await;
    assert_eq!(all.len(), 3, "the same patients are not listed twice");
    assert!(matches!(&all[2], Body::Decision(one) if one.detail.contains("as listed in event")));
}

#[tokio::test]
async fn a_patient_who_said_no_and_what_is_very_restricted_stay_out() {
    let house = house(&[]).await;
    house
        .resource(
            Some("p-icu"),
            json!({"resourceType": "Condition", "id": "v", "code": {"text": "Hidden matter"},
                "meta": {"security": [{"code": "V"}]}, "subject": {"reference": "Patient/p-icu"}}),
        )
        .await;
    let (html, _) = lifeline::open(&refresh(&house).await, &code(&house)).unwrap();
    assert!(
        !html.contains("Hidden matter") && html.contains("left out of packs"),
        "{html}"
    );
    house
        .resource(
            Some("p-icu"),
            json!({"resourceType": "Consent", "id": "no", "status": "active",
                "patient": {"reference": "Patient/p-icu"},
                "scope": {"coding": [{"code": "patient-privacy"}]},
                "provision": {"type": "permit", "provision": [
                    {"type": "deny", "purpose": [{"code": "TREAT"}]}]}}),
        )
        .await;
    let (html, _) = lifeline::open(&refresh(&house).await, &code(&house)).unwrap();
    assert!(
        html.contains("Müller") && html.contains("said no"),
        "{html}"
    );
    assert!(!html.contains("Penicillin"), "{html}");
}

#[tokio::test]
async fn sheets_name_the_patient_by_the_sealed_list() {
    let house = house(&[]).await;
    let (html, _) = lifeline::open(&refresh(&house).await, &code(&house)).unwrap();
    house.settle().await;
    let printed = html.split("aria-label=\"barcode ").nth(1).unwrap();
    let id = SheetId::parse(printed.split('"').next().unwrap()).unwrap();
    let list = house
        .app
        .lifeline
        .listing_at(id.list)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(list.ward, "ICU");
    assert_eq!(list.patients[usize::from(id.patient) - 1], "p-icu");
}

#[tokio::test]
async fn an_old_pack_is_an_alarm_before_anything_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(&[folder.path(), Path::new("/nowhere/packs")]).await;
    let mut anna = house.browser("anna").await;
    let now = anna.get("/now").await;
    assert!(now.html.contains("no ward pack was made"), "{}", now.html);
    refresh(&house).await;
    let now = anna.get("/now").await.html;
    assert!(
        now.contains("a copy of ward ICU is missing")
            || now.contains("A copy of ward ICU is missing"),
        "{now}"
    );
    let page = anna.get("/lifeline").await.html;
    assert!(page.contains("/nowhere/packs"), "{page}");
}

#[tokio::test]
async fn a_pack_that_nobody_refreshes_turns_into_an_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(&[folder.path()]).await;
    refresh(&house).await;
    let mut anna = house.browser("anna").await;
    assert!(
        anna.get("/lifeline")
            .await
            .html
            .contains("Every ward pack is fresh.")
    );
    house.wait(2 * MINUTE);
    let page = anna.get("/lifeline").await.html;
    assert!(page.contains("The copy of ward ICU is 2 min old"), "{page}");
    assert!(anna.get("/now").await.html.contains("1 of 1 old"));
}

#[tokio::test]
async fn the_card_is_for_the_ward_and_for_administrators_with_a_reason_and_is_sealed() {
    let house = house(&[]).await;
    let pack = refresh(&house).await;
    let mut anna = house.browser("anna").await;
    let shown = anna.submit("/packs/ICU/card", "/packs/ICU/card", &[]).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.html);
    assert!(lifeline::open(&pack, &Code::typed(&on_card(&shown.html))).is_ok());

    let mut mia = house.browser("mia").await;
    let refused = mia.submit("/packs/ICU/card", "/packs/ICU/card", &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!refused.html.contains(&on_card(&shown.html)));
    let own = mia
        .submit("/packs/MED1/card", "/packs/MED1/card", &[])
        .await;
    let other = Code::typed(&on_card(&own.html));
    assert!(
        lifeline::open(&pack, &other).is_err(),
        "another ward's code opens it"
    );

    let mut tomas = house.browser("tomas").await;
    let bare = tomas
        .submit("/packs/ICU/card", "/packs/ICU/card", &[])
        .await;
    assert_eq!(bare.status, StatusCode::BAD_REQUEST);
    let reason = [("reason", "cards for the emergency box")];
    let card = tomas
        .submit("/packs/ICU/card", "/packs/ICU/card", &reason)
        .await;
    assert_eq!(on_card(&card.html), on_card(&shown.html));
    assert_eq!(tomas.get("/packs/ICU").await.status, StatusCode::FORBIDDEN);

    let sealed = house.sealed().await;
    let looks: Vec<(String, bool)> = sealed
        .iter()
        .filter_map(|one| match &one.event().body {
            Body::Decision(decided) if decided.act == Act::Unlock => {
                Some((one.event().actor.id.clone(), decided.allowed))
            }
            _ => None,
        })
        .collect();
    let said = |who: &str, allowed| (who.to_owned(), allowed);
    assert_eq!(
        looks,
        [
            said("anna", true),
            said("mia", false),
            said("mia", true),
            said("tomas", true)
        ]
    );
    let text = format!(
        "{:?}",
        sealed.iter().map(|one| one.event()).collect::<Vec<_>>()
    );
    assert!(
        !text.contains(&on_card(&shown.html)),
        "the code itself is sealed"
    );
}

#[tokio::test]
async fn a_new_code_opens_new_packs_and_old_packs_keep_theirs() {
    let house = house(&[]).await;
    let old = refresh(&house).await;
    let before = code(&house);
    let mut anna = house.browser("anna").await;
    let renewed = anna
        .submit(
            "/packs/ICU/card",
            "/packs/ICU/renew",
            &[("reason", "the card was lost")],
        )
        .await;
    assert!(renewed.html.contains("Print its card"), "{}", renewed.html);
    let new = refresh(&house).await;
    assert!(lifeline::open(&new, &before).is_err());
    assert!(lifeline::open(&new, &code(&house)).is_ok());
    assert!(lifeline::open(&old, &before).is_ok());

    // A period later the code is another one without anybody asking.
    let second = code(&house);
    house.wait(31 * 24 * 60 * MINUTE);
    assert_ne!(code(&house), second);
}

#[tokio::test]
async fn a_pack_is_fetched_by_its_ward_and_by_a_client_with_the_scope() {
    let house = house(&[]).await;
    let mut anna = house.browser("anna").await;
    let fetched = anna.get("/packs/ICU").await;
    assert_eq!(fetched.status, StatusCode::OK);
    let name = fetched.headers["content-disposition"].to_str().unwrap();
    assert_eq!(name, "attachment; filename=\"ward-ICU.html\"");
    assert!(lifeline::open(fetched.html.as_bytes(), &code(&house)).is_ok());
    assert_eq!(anna.get("/packs/NONE").await.status, StatusCode::FORBIDDEN);
    let mut mia = house.browser("mia").await;
    assert_eq!(mia.get("/packs/ICU").await.status, StatusCode::FORBIDDEN);

    let mut computer = Browser::new(&house);
    let bare = computer.get("/packs/machine/ICU").await;
    assert_eq!(bare.status, StatusCode::UNAUTHORIZED);
    let made = staff::new_client([9; 32]);
    for (scope, status) in [
        ("system/*.cruds", StatusCode::UNAUTHORIZED),
        ("system/packs", StatusCode::OK),
    ] {
        let account = event::Account {
            name: "the ward's computer".into(),
            role: Role::Client,
            wards: Vec::new(),
            practitioner: None,
            secret: made.secret.clone(),
            scopes: vec![scope.into()],
        };
        let body = Body::Account(event::AccountChange {
            id: "computer".into(),
            account: Some(account),
        });
        let subject = Subject::Account("computer".into());
        let event = event::Event::new(event::Actor::salus(), Act::Manage, subject, body);
        house.seal(event).await;
        let bearer: &'static str = Box::leak(format!("Bearer {}", made.token).into_boxed_str());
        computer.headers = vec![("authorization", bearer)];
        let page = computer.get("/packs/machine/ICU").await;
        assert_eq!(page.status, status, "{scope}: {}", page.html);
    }
}
