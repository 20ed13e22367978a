//! Images that are fetched from a PACS by order of somebody at a page: decided by the guard, sealed, told how far
//! it is.

use axum::http::StatusCode;
use event::{Act, Role, Time};
use serde_json::json;
use web::{Next, PullSource, PullWhat, PulledSeries};

use crate::house::House;
use crate::{decisions, wards};

const WHY: (&str, &str) = ("reason", "prior images for the tumour board");
const FROM: (&str, &str) = ("from", "PACS");

async fn house() -> (House, Next) {
    let source = PullSource {
        title: "PACS".into(),
        feed: "archive".into(),
        authority: "HOSP".into(),
    };
    let house = House::fetching(vec![source]).await;
    wards(&house).await;
    let system = wire::v2::authority_system("", "HOSP");
    let patient = json!({
        "resourceType": "Patient", "id": "p-img", "name": [{"family": "Müller", "given": ["Jörg"]}],
        "identifier": [{"system": system, "value": "4711"}, {"system": "urn:other", "value": "9"}]
    });
    house.resource(Some("p-img"), patient).await;
    let encounter = json!({
        "resourceType": "Encounter", "id": "e-img", "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/p-img"}, "period": {"start": "2026-11-19T08:12:00Z"},
        "location": [{"location": {"reference": "Location/icu"}, "status": "active"}]
    });
    house.resource(Some("p-img"), encounter).await;
    house.person("nora", Role::Nurse, &["ICU"]).await;
    house.person("max", Role::Nurse, &["MED1"]).await;
    house.person("tomas", Role::Administrator, &[]).await;
    let orders = house.app.pulls.taken().unwrap();
    (house, orders)
}

#[tokio::test]
async fn whoever_cares_for_a_patient_has_their_images_fetched_and_sees_how_far_it_is() {
    let (house, mut orders) = house().await;
    let mut nora = house.browser("nora").await;
    let chart = nora.get("/patients/p-img").await;
    assert!(
        chart.html.contains("/patients/p-img/fetch"),
        "{}",
        chart.html
    );
    let path = "/patients/p-img/fetch";
    let empty = nora.get(path).await;
    assert!(empty.html.contains("No evidence"), "{}", empty.html);
    let ordered = nora.submit(path, path, &[FROM, WHY]).await;
    assert_eq!(ordered.location(), path, "{}", ordered.html);
    let order = orders.take().unwrap();
    assert_eq!(order.what, [PullWhat::Patient("4711".into())]);
    assert_eq!(order.patient.as_deref(), Some("p-img"));
    assert_eq!(order.by.actor.id, "nora");
    let decided = decisions(&house).await;
    let last = decided.iter().rfind(|one| one.act == Act::Fetch).unwrap();
    assert!(
        last.allowed && last.detail.contains("fetch from PACS"),
        "{last:?}"
    );
    assert_eq!(last.reason.as_deref(), Some(WHY.1));

    let pulls = &house.app.pulls;
    let shown = nora.get(path).await;
    assert!(shown.html.contains("waits for others"), "{}", shown.html);
    assert!(pulls.begin(order.id));
    pulls.found(order.id, 2);
    let series = PulledSeries {
        came: 12,
        there: 1,
        lacking: vec!["it was erased here".into()],
    };
    pulls.step(order.id, &series);
    let shown = nora.get(path).await;
    let far = "1 of 2 series; 12 objects came, 1 here before, 1 lack";
    assert!(shown.html.contains(far), "{}", shown.html);
    assert!(shown.html.contains("It was erased here."), "{}", shown.html);
    pulls.end(
        order.id,
        (Time::from_millis(0), Err("`PACS` cannot be reached".into())),
    );
    let ended = nora.get(path).await;
    assert!(ended.html.contains("broke off"), "{}", ended.html);
    // Who only waits for news seals no look for nothing.
    let known = ended.headers["salus-version"].to_str().unwrap().to_owned();
    let before = house.sealed().await.len();
    nora.live = Some(known);
    assert_eq!(nora.get(path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.sealed().await.len(), before);
}

#[tokio::test]
async fn what_was_typed_must_name_one_thing_and_a_reason() {
    let (house, mut orders) = house().await;
    let mut nora = house.browser("nora").await;
    let path = "/patients/p-img/fetch";
    for (fields, wrong) in [
        (&[FROM][..], "Type why"),
        (&[WHY, ("from", "NOBODY")], "Choose from where"),
        (&[FROM, WHY, ("study", "1.2.x")], "digits and dots"),
        (&[FROM, WHY, ("accession", "A*")], "names no single one"),
        (
            &[FROM, WHY, ("accession", "A1"), ("study", "1.2")],
            "Name one",
        ),
    ] {
        let page = nora.submit(path, path, fields).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{fields:?}");
        assert!(page.html.contains(wrong), "{wrong}: {}", page.html);
    }
    assert!(orders.take().is_none());
    let ordered = nora
        .submit(path, path, &[FROM, WHY, ("study", "1.2.3")])
        .await;
    assert_eq!(ordered.location(), path);
    let order = orders.take().unwrap();
    assert_eq!(order.what, [PullWhat::Study("1.2.3".into())]);
}

#[tokio::test]
async fn nobody_orders_images_of_a_patient_whom_they_do_not_care_for() {
    let (house, mut orders) = house().await;
    let path = "/patients/p-img/fetch";
    for account in ["max", "tomas"] {
        let mut browser = house.browser(account).await;
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{account}");
        assert!(!page.html.contains("Müller"), "{account}");
        let posted = browser.submit("/account", path, &[FROM, WHY]).await;
        assert_eq!(posted.status, StatusCode::FORBIDDEN, "{account}");
    }
    assert!(orders.take().is_none());
}

#[tokio::test]
async fn who_may_not_read_a_patients_studies_sees_no_orders_of_them() {
    let (house, mut orders) = house().await;
    let path = "/patients/p-img/fetch";
    let mut nora = house.browser("nora").await;
    let study = ("study", "1.2.3.4.5");
    nora.submit(path, path, &[FROM, WHY, study]).await;
    orders.take().unwrap();
    let before = nora.get(path).await;
    assert!(before.html.contains("1.2.3.4.5"), "{}", before.html);
    let known = before.headers["salus-version"].to_str().unwrap().to_owned();
    let no = json!({
        "resourceType": "Consent", "id": "no", "status": "active",
        "patient": {"reference": "Patient/p-img"},
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "provision": {"type": "permit", "provision": [
            {"type": "deny", "class": [{"code": "ImagingStudy"}]}]}
    });
    house.resource(Some("p-img"), no).await;
    let page = nora.get(path).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.html);
    assert!(!page.html.contains("1.2.3.4.5"), "{}", page.html);
    assert!(!page.html.contains("not asked yet"), "{}", page.html);
    // Nor does a page that is open and looks for news.
    nora.live = Some(known);
    assert_eq!(nora.get(path).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn why_a_patients_images_lack_is_not_told_to_who_sees_no_patients() {
    let (house, mut orders) = house().await;
    let path = "/patients/p-img/fetch";
    let mut nora = house.browser("nora").await;
    nora.submit(path, path, &[FROM, WHY]).await;
    let order = orders.take().unwrap();
    let pulls = &house.app.pulls;
    let elsewhere = "stands on the page of that patient";
    let mut tomas = house.browser("tomas").await;
    let waits = tomas.get("/flow/fetch").await;
    assert!(!waits.html.contains(elsewhere), "{}", waits.html);
    let series = PulledSeries {
        came: 0,
        there: 0,
        lacking: vec!["it is of the study `1.9.8`".into()],
    };
    pulls.step(order.id, &series);
    let why = Err("the study `1.2.7` is of another patient there".to_owned());
    pulls.end(order.id, (Time::from_millis(0), why));
    let page = tomas.get("/flow/fetch").await;
    assert_eq!(page.html.matches(elsewhere).count(), 1, "{}", page.html);
    for uid in ["1.9.8", "1.2.7"] {
        assert!(!page.html.contains(uid), "{uid}: {}", page.html);
        assert!(nora.get(path).await.html.contains(uid), "{uid}");
    }
}

#[tokio::test]
async fn administrators_have_images_of_anybody_fetched_and_see_no_patients_orders() {
    let (house, mut orders) = house().await;
    let mut nora = house.browser("nora").await;
    let path = "/patients/p-img/fetch";
    let study = ("study", "1.2.3.4.5");
    nora.submit(path, path, &[FROM, WHY, study]).await;
    orders.take().unwrap();
    let mut tomas = house.browser("tomas").await;
    let flow = tomas.get("/flow").await;
    assert!(flow.html.contains("/flow/fetch"), "{}", flow.html);
    let page = tomas.get("/flow/fetch").await;
    assert!(
        page.html
            .contains("studies of a patient, ordered on the chart")
    );
    assert!(!page.html.contains("1.2.3.4.5"), "{}", page.html);
    let nothing = tomas
        .submit("/flow/fetch", "/flow/fetch", &[FROM, WHY])
        .await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
    let number = ("number", "4712");
    let ordered = tomas
        .submit("/flow/fetch", "/flow/fetch", &[FROM, WHY, number])
        .await;
    assert_eq!(ordered.location(), "/flow/fetch", "{}", ordered.html);
    let order = orders.take().unwrap();
    assert_eq!(order.what, [PullWhat::Patient("4712".into())]);
    assert_eq!(order.patient, None);
    assert!(tomas.get("/flow/fetch").await.html.contains("patient 4712"));
    let refused = nora
        .submit("/account", "/flow/fetch", &[FROM, WHY, number])
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(orders.take().is_none());
}

/// One that waits and one that is carried out: by whoever may order, with a reason, sealed.
#[tokio::test]
async fn an_order_is_taken_back_by_who_may_order_and_says_by_whom() {
    let (house, mut orders) = house().await;
    let path = "/patients/p-img/fetch";
    let mut nora = house.browser("nora").await;
    let mut tomas = house.browser("tomas").await;
    assert!(!nora.get(path).await.html.contains("Take an order back"));
    let study = ("study", "1.2.3.4.5");
    nora.submit(path, path, &[FROM, WHY, study]).await;
    let first = orders.take().unwrap().id;
    let number = ("number", "4712");
    tomas
        .submit("/flow/fetch", "/flow/fetch", &[FROM, WHY, number])
        .await;
    let second = orders.take().unwrap().id;
    let pulls = &house.app.pulls;
    assert!(pulls.begin(first));
    let stop = pulls.stop_of(first);
    let page = nora.get(path).await;
    assert!(page.html.contains("Take an order back"), "{}", page.html);
    let back = ("do", "back");
    let why = ("reason", "it was the wrong study");
    let (of_first, of_second) = (first.to_string(), second.to_string());
    let (of_first, of_second) = (("order", &*of_first), ("order", &*of_second));
    // Not without a reason, and not one of somebody else.
    for fields in [&[back, of_first][..], &[back, of_second, why], &[back, why]] {
        let page = nora.submit(path, path, fields).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{fields:?}");
    }
    let mut max = house.browser("max").await;
    let refused = max.submit("/account", path, &[back, of_first, why]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!stop.is_cancelled());
    let taken = nora.submit(path, path, &[back, of_first, why]).await;
    assert_eq!(taken.location(), path, "{}", taken.html);
    assert!(stop.is_cancelled());
    let decided = decisions(&house).await;
    let last = decided.iter().rfind(|one| one.act == Act::Fetch).unwrap();
    assert_eq!(last.detail, "take back: fetch from PACS: study 1.2.3.4.5");
    assert_eq!(last.reason.as_deref(), Some(why.1));
    let page = nora.get(path).await;
    assert!(page.html.contains("is taken back by"), "{}", page.html);
    let again = nora.submit(path, path, &[back, of_first, why]).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    pulls.end(first, (Time::from_millis(0), Ok(())));
    let page = nora.get(path).await;
    assert!(page.html.contains("> taken back by"), "{}", page.html);
    assert!(!page.html.contains("Take an order back"), "{}", page.html);
    // Administrators take back any, and are told nothing of a patient by that.
    nora.submit(path, path, &[FROM, WHY, study]).await;
    let third = orders.take().unwrap().id.to_string();
    let flow = tomas.get("/flow/fetch").await;
    assert!(flow.html.contains("Take an order back"), "{}", flow.html);
    assert!(!flow.html.contains("1.2.3.4.5"), "{}", flow.html);
    for order in [of_second, ("order", third.as_str())] {
        let taken = tomas
            .submit("/flow/fetch", "/flow/fetch", &[back, order, why])
            .await;
        assert_eq!(taken.location(), "/flow/fetch", "{}", taken.html);
        assert!(!pulls.begin(order.1.parse().unwrap()), "it is not begun");
    }
    let decided = decisions(&house).await;
    let last = decided.iter().rfind(|one| one.act == Act::Manage).unwrap();
    let masked = "take back: fetch from PACS: studies of a patient, ordered on the chart";
    assert_eq!(last.detail, masked);
}

#[tokio::test]
async fn where_nobody_carries_orders_out_none_is_taken() {
    let house = House::open().await;
    wards(&house).await;
    house.person("nora", Role::Nurse, &["ICU"]).await;
    let mut nora = house.browser("nora").await;
    let chart = nora.get("/patients/p-icu").await;
    assert!(!chart.html.contains("/fetch"), "{}", chart.html);
    let page = nora.get("/patients/p-icu/fetch").await;
    assert!(page.html.contains("nothing to fetch from"), "{}", page.html);
}
