//! From a refusal through broken glass to its review.

use axum::http::StatusCode;
use event::{Act, Body, Glass, GlassVerdict, Role};
use serde_json::json;

use crate::house::{Browser, House, Page};
use crate::{decisions, wards};

const CHART: &str = "/patients/p-med";
const REASON: &str = "found unconscious in the lift";

/// A nurse of the ICU, privacy officers, and a patient elsewhere.
async fn hospital() -> House {
    let house = House::open().await;
    wards(&house).await;
    house.person("nora", Role::Nurse, &["ICU"]).await;
    house.person("pia", Role::PrivacyOfficer, &[]).await;
    house.person("max", Role::PrivacyOfficer, &[]).await;
    house
}

async fn breaks(browser: &mut Browser) -> Page {
    let fields = [("purpose", "ETREAT"), ("reason", REASON)];
    browser
        .submit(CHART, "/patients/p-med/glass", &fields)
        .await
}

async fn closes(browser: &mut Browser, page: &str, verdict: &str) -> Page {
    let fields = [("verdict", verdict), ("reason", "the ward confirms it")];
    browser.submit(page, page, &fields).await
}

/// What was sealed of glass: (event, step).
async fn glass(house: &House) -> Vec<(u64, Glass)> {
    let sealed = house.sealed().await;
    let glass = sealed
        .iter()
        .filter_map(|sealed| match &sealed.event().body {
            Body::Glass(glass) => Some((sealed.index(), glass.clone())),
            _ => None,
        });
    glass.collect()
}

async fn review_path(house: &House) -> String {
    format!("/access/reviews/{}", glass(house).await[0].0)
}

#[tokio::test]
async fn a_refused_nurse_breaks_the_glass_and_sees_the_chart_under_a_banner() {
    let house = hospital().await;
    let mut nora = house.browser("nora").await;
    let refused = nora.get(CHART).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.html.contains("Is it an emergency?"),
        "{}",
        refused.html
    );

    let broken = breaks(&mut nora).await;
    assert_eq!(broken.location(), CHART, "{}", broken.html);
    let chart = nora.get(CHART).await;
    assert_eq!(chart.status, StatusCode::OK, "{}", chart.html);
    assert!(chart.html.contains("You broke the glass"));
    let now = nora.get("/now").await;
    assert!(now.html.contains("You broke the glass"));
    let last = decisions(&house).await.pop().unwrap();
    assert!(last.allowed && last.obligations.contains(&"notify glass".to_owned()));
    assert_eq!(nora.get("/patients/p-icu").await.status, StatusCode::OK);
}

#[tokio::test]
async fn it_is_for_this_patient_and_this_person_only() {
    let house = hospital().await;
    house.person("nils", Role::Nurse, &[]).await;
    let mut nora = house.browser("nora").await;
    breaks(&mut nora).await;
    let mut nils = house.browser("nils").await;
    assert_eq!(nils.get(CHART).await.status, StatusCode::FORBIDDEN);
    let other = nils.get("/patients/p-icu").await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
    assert!(!nils.get("/now").await.html.contains("You broke the glass"));
}

#[tokio::test]
async fn it_ends_after_its_time_and_when_it_is_ended() {
    let house = hospital().await;
    let mut nora = house.browser("nora").await;
    breaks(&mut nora).await;
    for _ in 0..7 {
        house.wait(2 * 60_000);
        assert_eq!(nora.get(CHART).await.status, StatusCode::OK);
    }
    house.wait(60_001);
    let refused = nora.get(CHART).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!refused.html.contains("You broke the glass"));

    breaks(&mut nora).await;
    let (second, _) = glass(&house).await.pop().unwrap();
    let ended = nora
        .submit("/now", &format!("/glass/{second}/end"), &[])
        .await;
    assert_eq!(ended.location(), "/patients");
    assert_eq!(nora.get(CHART).await.status, StatusCode::FORBIDDEN);
    let (_, last) = glass(&house).await.pop().unwrap();
    assert_eq!(last, Glass::Ended { glass: second });
}

#[tokio::test]
async fn without_a_reason_or_a_form_of_the_session_nothing_breaks() {
    let house = hospital().await;
    let mut nora = house.browser("nora").await;
    let short = [("purpose", "ETREAT"), ("reason", "now")];
    let asked = nora.submit(CHART, "/patients/p-med/glass", &short).await;
    assert_eq!(asked.status, StatusCode::BAD_REQUEST);
    assert!(asked.html.contains("Type why"));
    let research = [("purpose", "HRESCH"), ("reason", REASON)];
    let refused = nora.submit(CHART, "/patients/p-med/glass", &research).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let forged = [("csrf", "guess"), ("purpose", "ETREAT"), ("reason", REASON)];
    let forged = nora.post("/patients/p-med/glass", &forged).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let unknown = nora
        .submit(
            CHART,
            "/patients/nobody/glass",
            &[("purpose", "ETREAT"), ("reason", REASON)],
        )
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(glass(&house).await.is_empty());
}

#[tokio::test]
async fn overseers_and_the_patient_themselves_break_nothing() {
    let house = hospital().await;
    house.person("adam", Role::Administrator, &[]).await;
    house.person("jurgen", Role::Nurse, &["MED1"]).await;
    let mut adam = house.browser("adam").await;
    let refused = adam.get(CHART).await;
    assert!(!refused.html.contains("Is it an emergency?"));
    let mut jurgen = house.browser("jurgen").await;
    let own = jurgen.get(CHART).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN);
    assert!(own.html.contains("your own chart"), "{}", own.html);
    assert!(!own.html.contains("Is it an emergency?"));
}

#[tokio::test]
async fn a_privacy_officer_sees_what_was_opened_and_closes_it() {
    let house = hospital().await;
    let mut nora = house.browser("nora").await;
    breaks(&mut nora).await;
    nora.get(CHART).await;
    house.settle().await;
    house.wait(3 * 60 * 60_000);

    let mut pia = house.browser("pia").await;
    let now = pia.get("/now").await;
    assert!(
        now.html.contains("Broken glass") && now.html.contains("3 h"),
        "{}",
        now.html
    );
    let path = review_path(&house).await;
    let queue = pia.get("/access/reviews").await;
    assert!(queue.html.contains(REASON) && queue.html.contains(&path));
    let one = pia.get(&path).await;
    assert!(
        one.html.contains("nora of nurse") && one.html.contains(">read "),
        "{}",
        one.html
    );

    let closed = closes(&mut pia, &path, "justified").await;
    assert_eq!(closed.location(), "/access/reviews", "{}", closed.html);
    let queue = pia.get("/access/reviews").await;
    assert!(queue.html.contains("No broken glass waits") && queue.html.contains("Justified"));
    let (_, last) = glass(&house).await.pop().unwrap();
    assert!(matches!(
        last,
        Glass::Reviewed {
            verdict: GlassVerdict::Justified,
            ..
        }
    ));
}

#[tokio::test]
async fn only_overseers_see_the_reviews_and_only_privacy_officers_close_them() {
    let house = hospital().await;
    house.person("adam", Role::Administrator, &[]).await;
    let mut nora = house.browser("nora").await;
    breaks(&mut nora).await;
    let path = review_path(&house).await;
    for page in ["/access/reviews", path.as_str()] {
        assert_eq!(nora.get(page).await.status, StatusCode::FORBIDDEN);
    }
    let mut adam = house.browser("adam").await;
    assert!(
        adam.get(&path)
            .await
            .html
            .contains("A privacy officer closes it")
    );
    let tried = [("verdict", "justified"), ("reason", "the ward confirms it")];
    let tried = adam.submit("/now", &path, &tried).await;
    assert_eq!(tried.status, StatusCode::FORBIDDEN);
    let refusal = decisions(&house).await.pop().unwrap();
    assert!(!refusal.allowed && refusal.act == Act::Review);
}

#[tokio::test]
async fn nobody_approves_their_own_glass_but_may_say_that_it_was_wrong() {
    let house = hospital().await;
    let mut nora = house.browser("nora").await;
    breaks(&mut nora).await;
    let path = review_path(&house).await;
    house.person("nora", Role::PrivacyOfficer, &[]).await;
    for verdict in ["justified", "follow-up"] {
        let own = closes(&mut nora, &path, verdict).await;
        assert_eq!(own.status, StatusCode::FORBIDDEN);
        assert!(own.html.contains("You did this yourself"), "{}", own.html);
    }
    let refused = closes(&mut nora, &path, "not-justified").await;
    assert_eq!(refused.location(), "/access/reviews", "{}", refused.html);
}

#[tokio::test]
async fn of_two_reviewers_the_first_counts_and_the_second_is_told() {
    let house = hospital().await;
    let mut nora = house.browser("nora").await;
    breaks(&mut nora).await;
    let path = review_path(&house).await;
    let (mut pia, mut max) = (house.browser("pia").await, house.browser("max").await);
    let (one, other) = tokio::join!(
        closes(&mut pia, &path, "justified"),
        closes(&mut max, &path, "not-justified")
    );
    let mut states = [one.status, other.status];
    states.sort();
    assert_eq!(states, [StatusCode::SEE_OTHER, StatusCode::CONFLICT]);
    let late = if one.status == StatusCode::CONFLICT {
        one
    } else {
        other
    };
    assert!(late.html.contains("closed this first"), "{}", late.html);
    let reviews = glass(&house).await.into_iter();
    let reviews = reviews.filter(|(_, step)| matches!(step, Glass::Reviewed { .. }));
    assert_eq!(reviews.count(), 1);
}

#[tokio::test]
async fn a_review_ends_what_still_lasts() {
    let house = hospital().await;
    let mut nora = house.browser("nora").await;
    breaks(&mut nora).await;
    let path = review_path(&house).await;
    let mut pia = house.browser("pia").await;
    closes(&mut pia, &path, "not-justified").await;
    assert_eq!(nora.get(CHART).await.status, StatusCode::FORBIDDEN);
}

/// A patient who lies on MED1, of whom only an appointment tells the physician.
async fn with_appointment(house: &House) {
    let coded = |code: &str| json!({"coding": [{"system": "http://loinc.org", "code": code}]});
    house
        .resource(
            None,
            json!({
                "resourceType": "Practitioner", "id": "dr", "identifier": [{"value": "D1"}]
            }),
        )
        .await;
    house
        .resource(
            Some("p-med"),
            json!({
                "resourceType": "Appointment", "id": "a1", "status": "booked",
                "start": "2026-11-21T15:00:00Z",
                "participant": [
                    {"actor": {"reference": "Patient/p-med"}, "status": "accepted"},
                    {"actor": {"reference": "Practitioner/dr"}, "status": "accepted"}
                ]
            }),
        )
        .await;
    for (id, code, text) in [
        ("o-hiv", "20447-9", "Viral load"),
        ("o-na", "2951-2", "Sodium"),
    ] {
        let mut code = coded(code);
        code["text"] = text.into();
        house
            .resource(
                Some("p-med"),
                json!({
                    "resourceType": "Observation", "id": id, "status": "final", "code": code,
                    "subject": {"reference": "Patient/p-med"}, "valueString": format!("value-{id}")
                }),
            )
            .await;
    }
}

#[tokio::test]
async fn an_appointment_shows_the_chart_without_what_is_sensitive() {
    let house = hospital().await;
    with_appointment(&house).await;
    house.physician("phil", "D1").await;
    let mut phil = house.browser("phil").await;
    let chart = phil.get(CHART).await;
    assert_eq!(chart.status, StatusCode::OK, "{}", chart.html);
    assert!(chart.html.contains("value-o-na") && !chart.html.contains("value-o-hiv"));
    assert!(chart.html.contains("1 entry is left out"), "{}", chart.html);
    house.person("mia", Role::Nurse, &["MED1"]).await;
    let mut mia = house.browser("mia").await;
    let chart = mia.get(CHART).await;
    assert!(chart.html.contains("value-o-hiv") && !chart.html.contains("left out"));
    house.wait(3 * 24 * 60 * 60_000);
    let mut phil = house.browser("phil").await;
    assert_eq!(phil.get(CHART).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_guarded_chart_asks_those_who_are_not_near_for_a_second_factor() {
    let house = hospital().await;
    with_appointment(&house).await;
    house
        .resource(
            Some("p-med"),
            json!({
                "resourceType": "Flag", "id": "f1", "status": "active", "code": {"text": "known"},
                "subject": {"reference": "Patient/p-med"}, "meta": {"security": [{"code": "CEL"}]}
            }),
        )
        .await;
    house.physician("phil", "D1").await;
    let mut phil = house.browser("phil").await;
    let refused = phil.get(CHART).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused
            .html
            .contains("/account/step-up?next=/patients/p-med"),
        "{}",
        refused.html
    );
}

#[tokio::test]
async fn a_patient_who_said_no_is_refused_to_the_ward_and_not_to_an_emergency() {
    let house = hospital().await;
    house
        .resource(
            None,
            json!({
                "resourceType": "Practitioner", "id": "dr", "identifier": [{"value": "D1"}]
            }),
        )
        .await;
    house
        .resource(
            Some("p-med"),
            json!({
                "resourceType": "Consent", "id": "c1", "status": "active",
                "scope": {"coding": [{"code": "patient-privacy"}]},
                "category": [{"text": "privacy"}], "patient": {"reference": "Patient/p-med"},
                "provision": {"type": "permit", "provision": [
                    {"type": "deny", "actor": [{"role": {"text": "any"},
                     "reference": {"reference": "Practitioner/dr"}}]}
                ]}
            }),
        )
        .await;
    house.physician("phil", "D1").await;
    house.on_wards("phil", &["MED1"]).await;
    let mut phil = house.browser("phil").await;
    let refused = phil.get(CHART).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.html.contains("does not consent"),
        "{}",
        refused.html
    );
    breaks(&mut phil).await;
    assert_eq!(phil.get(CHART).await.status, StatusCode::OK);
}
