//! The console over a real record and real readers.

#[cfg(test)]
mod access;
#[cfg(test)]
mod altered;
#[cfg(test)]
mod apps;
#[cfg(test)]
mod backend;
#[cfg(test)]
mod browser_apps;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod disclose;
#[cfg(test)]
mod downtime;
#[cfg(test)]
mod fetching;
#[cfg(test)]
mod forwarding;
#[cfg(test)]
mod glass;
#[cfg(test)]
mod house;
#[cfg(test)]
mod images;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod packs;
#[cfg(test)]
mod people;
#[cfg(test)]
mod rewind;
mod routes;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod smart;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod turned_away;

use axum::http::StatusCode;
use event::{Body, Role};
use house::{Browser, House, PASSWORD};
use serde_json::json;

/// Two wards with a patient each.
async fn wards(house: &House) {
    for (ward, patient, name) in [("ICU", "p-icu", "Müller"), ("MED1", "p-med", "Ødegård")] {
        house
            .resource(None, json!({
                "resourceType": "Location", "id": ward.to_lowercase(), "name": format!("Ward {ward}"),
                "identifier": [{"value": ward}],
                "physicalType": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "wa"}]}
            }))
            .await;
        house
            .resource(Some(patient), json!({
                "resourceType": "Patient", "id": patient, "birthDate": "1950-04-12", "gender": "male",
                "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": format!("77{patient}")}],
                "name": [{"family": name, "given": ["Jürgen"]}]
            }))
            .await;
        house
            .resource(Some(patient), json!({
                "resourceType": "Encounter", "id": format!("e-{patient}"), "status": "in-progress",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
                "subject": {"reference": format!("Patient/{patient}")},
                "period": {"start": "2026-11-19T08:12:00Z"},
                "location": [{"location": {"reference": format!("Location/{}", ward.to_lowercase())}, "status": "active"}]
            }))
            .await;
    }
}

async fn decisions(house: &House) -> Vec<event::Decided> {
    let sealed = house.sealed().await;
    let decided = sealed
        .iter()
        .filter_map(|sealed| match &sealed.event().body {
            Body::Decision(decided) => Some(decided.clone()),
            _ => None,
        });
    decided.collect()
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let house = House::open().await;
    let token = house.app.offer_setup().await.unwrap();
    let path = format!("/setup/{token}");
    let mut browser = Browser::new(&house);
    assert_eq!(
        browser.get("/setup/wrong").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(browser.get(&path).await.location(), "/setup");
    let page = browser.get("/setup").await;
    assert!(page.html.contains("Who is the first administrator?"));
    // What stood in the address is worth nothing any more, and nobody has it who was not there.
    for (mut other, path) in [
        (Browser::new(&house), path.as_str()),
        (Browser::new(&house), "/setup"),
    ] {
        assert_eq!(other.get(path).await.status, StatusCode::NOT_FOUND);
    }
    let path = "/setup";
    assert!(
        browser
            .get("/sign-in")
            .await
            .html
            .contains("Nobody can sign in yet")
    );

    let short = [
        ("name", "Tomás"),
        ("account", "tomas"),
        ("password", "short"),
        ("again", "short"),
    ];
    assert_eq!(
        browser.post(path, &short).await.status,
        StatusCode::BAD_REQUEST
    );
    let good = [
        ("name", "Tomás"),
        ("account", "tomas"),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    let made = browser.post(path, &good).await;
    assert_eq!(made.location(), "/settings/people", "{}", made.html);
    assert_eq!(
        browser.post(path, &good).await.status,
        StatusCode::NOT_FOUND
    );
    assert!(house.app.offer_setup().await.is_none());
}

#[tokio::test]
async fn an_administrator_adds_people_and_disables_them() {
    let house = House::open().await;
    house.person("tomas", Role::Administrator, &[]).await;
    let mut browser = house.browser("tomas").await;
    let nurse = [
        ("name", "Anna"),
        ("account", "anna"),
        ("role", "nurse"),
        ("wards", "ICU, MED1"),
        ("password", PASSWORD),
    ];
    let saved = browser
        .submit("/settings/people", "/settings/people", &nurse)
        .await;
    assert_eq!(
        saved.location(),
        "/settings/people?done=saved",
        "{}",
        saved.html
    );
    let mut anna = house.browser("anna").await;
    let new = "another horse entirely";
    let own = [("current", PASSWORD), ("password", new), ("again", new)];
    anna.submit("/account", "/account/password", &own).await;
    assert_eq!(anna.get("/now").await.status, StatusCode::OK);
    assert_eq!(
        anna.get("/settings/people").await.status,
        StatusCode::FORBIDDEN
    );

    let gone = browser
        .submit(
            "/settings/people",
            "/settings/people/disable",
            &[("account", "anna")],
        )
        .await;
    assert_eq!(gone.location(), "/settings/people?done=disabled");
    assert_eq!(anna.get("/now").await.location(), "/sign-in");
}

#[tokio::test]
async fn a_setup_link_grows_old() {
    let house = House::open().await;
    let token = house.app.offer_setup().await.unwrap();
    house.wait(30 * 60_000);
    let page = Browser::new(&house).get(&format!("/setup/{token}")).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.html.contains("This set-up link does not work."));
}

#[tokio::test]
async fn sign_in_is_sealed_locked_after_failures_and_ends_when_idle() {
    let house = House::open().await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut browser = Browser::new(&house);
    assert_eq!(
        browser.get("/patients?ward=ICU").await.location(),
        "/sign-in?next=/patients%3Fward%3DICU"
    );
    for _ in 0..5 {
        let refused = browser.sign_in("anna", "wrong wrong wrong").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(refused.headers.get("set-cookie").is_none());
    }
    let locked = browser.sign_in("anna", PASSWORD).await;
    assert!(
        locked.html.contains("Too many failed sign-ins"),
        "{}",
        locked.html
    );
    house.wait(15 * 60_000 + 1);
    let signed_in = browser.sign_in("anna", PASSWORD).await;
    let cookie = signed_in
        .headers
        .get("set-cookie")
        .unwrap()
        .to_str()
        .unwrap();
    for part in [
        "__Host-salus=",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    house.settle().await;
    let outcomes: Vec<bool> = house
        .sealed()
        .await
        .iter()
        .filter_map(|sealed| match &sealed.event().body {
            Body::Session(session) => Some(session.ok),
            // While the name was locked, nobody looked at what was typed.
            Body::Rejected(away) => Some(away.sort != event::Attempted::SignIn),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes, [false, false, false, false, false, false, true]);
    assert_eq!(browser.get("/now").await.status, StatusCode::OK);
    house.wait(5 * 60_000);
    assert_eq!(browser.get("/now").await.location(), "/sign-in/again");
}

#[tokio::test]
async fn a_form_without_the_sessions_token_or_from_another_site_changes_nothing() {
    let house = House::open().await;
    house.person("tomas", Role::Administrator, &[]).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut browser = house.browser("tomas").await;
    let before = house.app.record.size();
    let fields = [("account", "anna")];
    assert_eq!(
        browser
            .post("/settings/people/disable", &fields)
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let forged = [("account", "anna"), ("csrf", "guess")];
    assert_eq!(
        browser
            .post("/settings/people/disable", &forged)
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    browser.site = "cross-site";
    let page = browser
        .submit("/settings/people", "/settings/people/disable", &fields)
        .await;
    assert!(
        page.html.contains("This form is not from your session."),
        "{}",
        page.html
    );
    assert_eq!(
        browser.sign_in("tomas", PASSWORD).await.status,
        StatusCode::FORBIDDEN
    );
    let (since, _) = house.app.record.read_until(before, 100).await.unwrap();
    let mut bodies = since.iter().map(|sealed| &sealed.event().body);
    assert!(
        bodies.all(|body| matches!(body, Body::Rejected(_))),
        "only that it was turned away is sealed"
    );
}

#[tokio::test]
async fn a_nurse_sees_her_wards_patient_and_is_refused_anothers_and_both_are_sealed() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let allergy = house
        .resource(Some("p-icu"), json!({
            "resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p-icu"},
            "code": {"text": "Penicillin <G>"}, "criticality": "high"
        }))
        .await;
    house.app.record.publish().await.unwrap();
    let mut browser = house.browser("anna").await;

    let census = browser.get("/patients").await;
    assert!(
        census.html.contains("1 patient is on your ward."),
        "{}",
        census.html
    );
    assert!(census.html.contains("Müller") && !census.html.contains("Ødegård"));

    let chart = browser.get("/patients/p-icu").await;
    assert_eq!(chart.status, StatusCode::OK, "{}", chart.html);
    assert!(
        chart.html.contains("Penicillin &#60;G&#62;"),
        "{}",
        chart.html
    );
    assert!(chart.html.contains(&format!("href=\"/record/{allergy}\"")));
    assert!(chart.html.contains("verified") && chart.html.contains("No evidence"));

    let refused = browser.get("/patients/p-med").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.html.contains("No: you may not open this chart.")
            && !refused.html.contains("Ødegård")
    );
    assert_eq!(
        browser
            .get("/patients?ward=MED1")
            .await
            .html
            .matches("Ødegård")
            .count(),
        0
    );

    let charts: Vec<bool> = decisions(&house)
        .await
        .iter()
        .filter(|one| one.act == event::Act::Read && one.subject.patient().is_some())
        .map(|one| one.allowed)
        .collect();
    assert_eq!(charts, [true, false]);
}

#[tokio::test]
async fn a_search_finds_without_accents_and_is_sealed_with_what_was_typed() {
    let house = House::open().await;
    wards(&house).await;
    house.person("li", Role::Physician, &["ICU"]).await;
    let mut browser = house.browser("li").await;
    let looked = [("name", "mull jur"), ("born", "1950")];
    let sent = browser.submit("/patients", "/patients", &looked).await;
    assert!(!sent.location().contains("mull"), "{}", sent.location());
    let found = browser.get(sent.location()).await;
    assert!(
        found.html.contains("1 patient fits.") && found.html.contains("/patients/p-icu"),
        "{}",
        found.html
    );
    // Somebody else's session does not see what this one looked for.
    house.person("mo", Role::Physician, &["ICU"]).await;
    let other = house.browser("mo").await.get(sent.location()).await;
    assert!(!other.html.contains("value=\"mull jur\""), "{}", other.html);
    let nobody = [("name", "nobody")];
    let sent = browser.submit("/patients", "/patients", &nobody).await;
    let found = browser.get(sent.location()).await;
    assert!(found.html.contains("Nobody fits."), "{}", found.html);
    let soon = [("born", "soon")];
    let sent = browser.submit("/patients", "/patients", &soon).await;
    assert_eq!(sent.status, StatusCode::BAD_REQUEST);
    let details: Vec<String> = decisions(&house)
        .await
        .into_iter()
        .map(|one| one.detail)
        .collect();
    assert!(
        details.contains(&"name=mull jur&born=1950".to_owned()),
        "{details:?}"
    );
}

#[tokio::test]
async fn administrators_see_no_chart_and_nobody_without_a_session_sees_anything() {
    let house = House::open().await;
    wards(&house).await;
    house.person("tomas", Role::Administrator, &[]).await;
    let mut browser = house.browser("tomas").await;
    assert_eq!(
        browser.get("/patients/p-icu").await.status,
        StatusCode::FORBIDDEN
    );
    assert!(
        browser
            .get("/patients?ward=ICU")
            .await
            .html
            .contains("You may not see this list.")
    );
    let mut stranger = Browser::new(&house);
    for path in [
        "/",
        "/now",
        "/patients",
        "/patients/p-icu",
        "/record",
        "/record/1",
        "/record/1/proof",
        "/record/checkpoint",
        "/flow",
        "/flow/1",
        "/settings/people",
    ] {
        let page = stranger.get(path).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
    }
    assert_eq!(stranger.get("/nowhere").await.status, StatusCode::NOT_FOUND);
}

const ADMIT: &str = "MSH|^~\\&|ADT|HOSP|SALUS|HOSP|20261121130000||ADT^A01^ADT_A01|M1|P|2.5\r\
EVN|A01|20261121130000\rPID|1||4711^^^HOSP^MR||Secretname^Rosa||19500412|F\r\
PV1|1|I|ICU^4^A^HOSP||||1234^Li^Wei|||||||||||V1|||||||||||||||||||||||||20261121120000\r";

#[tokio::test]
async fn a_messages_body_is_masked_until_a_reason_is_typed() {
    let house = House::open().await;
    let index = house.message("ADT^A01", "4711", ADMIT).await;
    house.person("pia", Role::PrivacyOfficer, &[]).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let path = format!("/flow/{index}");
    let mut pia = house.browser("pia").await;
    let masked = pia.get(&path).await;
    assert!(masked.html.contains("The body is masked") && !masked.html.contains("Secretname"));
    let empty = pia.submit(&path, &path, &[("reason", "no")]).await;
    assert!(empty.status == StatusCode::BAD_REQUEST && !empty.html.contains("Secretname"));
    let opened = pia
        .submit(
            &path,
            &path,
            &[("reason", "the ward asks who was admitted")],
        )
        .await;
    assert!(opened.html.contains("Secretname^Rosa"), "{}", opened.html);
    let read = decisions(&house)
        .await
        .into_iter()
        .find(|one| one.act == event::Act::ReadMessage)
        .unwrap();
    assert_eq!(
        read.reason.as_deref(),
        Some("the ward asks who was admitted")
    );

    let mut anna = house.browser("anna").await;
    let refused = anna.get(&path).await;
    assert!(refused.status == StatusCode::FORBIDDEN && !refused.html.contains("Secretname"));
    let flow = anna.get("/flow").await;
    assert!(
        flow.html.contains("The feed is flowing.") && !flow.html.contains(&path),
        "{}",
        flow.html
    );
}

#[tokio::test]
async fn a_merge_redirects_to_the_survivor_and_an_administrator_takes_it_back() {
    let house = House::open().await;
    house.message("ADT^A01", "4711", ADMIT).await;
    let other = ADMIT
        .replace("4711", "4712")
        .replace("|V1|", "|V2|")
        .replace("Rosa", "Rosalie");
    house.message("ADT^A01", "4712", &other).await;
    let merge = "MSH|^~\\&|ADT|HOSP|SALUS|HOSP|20261121130500||ADT^A40^ADT_A39|M3|P|2.5\rEVN|A40|20261121130500\r\
PID|1||4711^^^HOSP^MR||Secretname^Rosa||19500412|F\rMRG|4712^^^HOSP^MR\r";
    house.message("ADT^A40", "4711", merge).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    house.person("tomas", Role::Administrator, &[]).await;
    let id = |number: &str| {
        let parsed = wire::hl7::parse(ADMIT.as_bytes(), "");
        let (system, _) = wire::v2::patient_identifier(&parsed.message, "HOSP").unwrap();
        house.app.record.blind().id("Patient", &system, number)
    };
    let (survivor, retired) = (id("4711"), id("4712"));
    let mut anna = house.browser("anna").await;
    let moved = anna.get(&format!("/patients/{retired}")).await;
    assert_eq!(
        moved.location(),
        format!("/patients/{survivor}"),
        "{}",
        moved.html
    );
    let chart = anna.get(&format!("/patients/{survivor}")).await;
    assert!(
        chart.html.contains("Another file was merged into this one"),
        "{}",
        chart.html
    );

    let path = format!("/patients/{retired}/unmerge");
    let denied = anna
        .submit(&path, &path, &[("reason", "they are two people")])
        .await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    let mut tomas = house.browser("tomas").await;
    assert_eq!(
        tomas.submit(&path, &path, &[("reason", "x")]).await.status,
        StatusCode::BAD_REQUEST
    );
    let back = tomas
        .submit(&path, &path, &[("reason", "they are two people")])
        .await;
    assert_eq!(back.location(), "/now?done=unmerged", "{}", back.html);
    assert_eq!(
        anna.get(&format!("/patients/{retired}")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_record_page_checks_an_event_and_gives_its_proof() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut browser = house.browser("anna").await;
    house.app.record.publish().await.unwrap();
    let record = browser.get("/record").await;
    assert!(record.html.contains("events are sealed"), "{}", record.html);
    assert_eq!(
        browser.get("/record/check?index=1").await.location(),
        "/record/1"
    );
    assert_eq!(
        browser.get("/record/check?index=1,000,000").await.status,
        StatusCode::NOT_FOUND
    );
    let event = browser.get("/record/2").await;
    assert!(
        event.html.contains("Event 2 is unaltered."),
        "{}",
        event.html
    );
    assert!(!event.html.contains("Müller"));
    let proof = browser.get("/record/2/proof").await;
    assert!(
        proof.html.starts_with("c2sp.org/tlog-proof@v1"),
        "{}",
        proof.html
    );
    assert!(
        proof.headers["content-disposition"]
            .to_str()
            .unwrap()
            .contains("salus-2.tlog-proof")
    );
    assert_eq!(
        browser.get("/record/999999").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(browser.get("/record/x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_open_chart_learns_of_news_without_sealing_a_read_for_nothing() {
    let house = House::open().await;
    wards(&house).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    let mut browser = house.browser("anna").await;
    let chart = browser.get("/patients/p-icu").await;
    house.settle().await;
    browser.live = Some(chart.headers["salus-version"].to_str().unwrap().to_owned());
    let reads = decisions(&house).await.len();
    let still = browser.get("/patients/p-icu").await;
    assert_eq!(still.status, StatusCode::NO_CONTENT);
    assert_eq!(decisions(&house).await.len(), reads);
    house
        .resource(
            Some("p-icu"),
            json!({
                "resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p-icu"},
                "code": {"text": "Heart failure"}
            }),
        )
        .await;
    let news = browser.get("/patients/p-icu").await;
    assert!(news.html.contains("Heart failure"), "{}", news.html);
    house.settle().await;
    browser.live = Some(news.headers["salus-version"].to_str().unwrap().to_owned());
    house.image("p-icu").await;
    let news = browser.get("/patients/p-icu").await;
    assert_eq!(news.status, StatusCode::OK, "an image is news");
}

#[tokio::test]
async fn every_page_is_locked_down_and_every_link_on_it_leads_somewhere() {
    let house = House::open().await;
    wards(&house).await;
    house.message("ADT^A01", "4711", ADMIT).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    house.person("tomas", Role::Administrator, &[]).await;
    house.app.record.publish().await.unwrap();
    for who in ["anna", "tomas"] {
        let mut browser = house.browser(who).await;
        let mut seen = std::collections::BTreeSet::new();
        let mut left = vec!["/now".to_owned()];
        while let Some(path) = left.pop() {
            if !seen.insert(path.clone()) || seen.len() > 120 {
                continue;
            }
            let page = browser.get(&path).await;
            assert!(
                page.status.is_success()
                    || page.status.is_redirection()
                    || page.status == StatusCode::FORBIDDEN,
                "{path}: {}",
                page.status
            );
            if !page
                .headers
                .get("content-type")
                .is_some_and(|kind| kind.to_str().unwrap().starts_with("text/html"))
            {
                continue;
            }
            assert!(
                page.headers["content-security-policy"]
                    .to_str()
                    .unwrap()
                    .starts_with("default-src 'self'")
            );
            assert_eq!(page.headers["cache-control"], "no-store");
            assert_eq!(page.headers["referrer-policy"], "no-referrer");
            assert_eq!(page.headers["x-content-type-options"], "nosniff");
            let links = page
                .html
                .split("href=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            left.extend(
                links
                    .filter(|link| link.starts_with('/'))
                    .map(|link| link.replace("&#38;", "&")),
            );
        }
        assert!(seen.len() > 10, "{seen:?}");
    }
}

#[tokio::test]
async fn machines_learn_whether_salus_lives_and_styles_are_kept_by_browsers() {
    let house = House::open().await;
    let mut browser = Browser::new(&house);
    assert_eq!(browser.get("/healthz").await.html, "alive\n");
    assert!(browser.get("/readyz").await.html.starts_with("ready\n"));
    let css = browser.get("/static/salus.css").await;
    assert!(css.headers.get("etag").is_some() && css.headers["cache-control"] == "no-cache");
}

#[tokio::test]
async fn an_answer_that_is_no_page_is_locked_down_too() {
    let house = House::open().await;
    let mut browser = Browser::new(&house);
    for path in [
        "/healthz",
        "/readyz",
        "/static/salus.js",
        "/static/mark.svg",
        "/fhir/metadata",
        "/fhir/nothing/here",
        "/scim/v2/Users",
        "/oauth/jwks",
        "/now",
    ] {
        let headers = browser.get(path).await.headers;
        let policy = headers["content-security-policy"].to_str().unwrap();
        for part in [
            "default-src",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        let tls = headers["strict-transport-security"].to_str().unwrap();
        assert_eq!(tls, "max-age=31536000; includeSubDomains", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert!(
            headers.get("access-control-allow-origin").is_none(),
            "{path}"
        );
        let kind = headers
            .get("content-type")
            .map(|kind| kind.to_str().unwrap());
        let said = kind.is_none_or(|kind| kind.contains("charset=utf-8") || kind.contains("json"));
        assert!(said, "{path}: {kind:?}");
    }
}
