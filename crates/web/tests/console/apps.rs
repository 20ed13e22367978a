//! What somebody agreed to: how long it lasts, that they see it, and that they end it.

use axum::http::StatusCode;
use event::{Body, Role, Token};

use crate::house::{Browser, House};
use crate::smart::{get, hospital, refresh, text, tokens_for};

const DAY: i64 = 24 * 3_600_000;
const CHART: &str = "Observation/p-icu-laboratory";

#[tokio::test]
async fn what_was_agreed_to_ends_for_good_however_much_it_is_used() {
    let house = hospital().await;
    let mut told = tokens_for(&house, "p-icu", "patient/Observation.rs offline_access").await;
    for days in [60, 60, 59] {
        house.wait(days * DAY);
        let next = refresh(&house, &text(&told, "refresh_token"), &[]).await;
        assert_eq!(next.status, StatusCode::OK, "{}", next.json);
        told = next.json;
    }
    // Half a minute before the end, a token that would be good for five minutes ends with it.
    house.wait(DAY - 30_000);
    let last = refresh(&house, &text(&told, "refresh_token"), &[]).await;
    assert_eq!(last.json["expires_in"], 30, "{}", last.json);
    let token = text(&last.json, "access_token");
    assert_eq!(get(&house, &token, CHART).await.status, StatusCode::OK);
    house.wait(30_000);
    let ended = get(&house, &token, CHART).await.status;
    assert_eq!(ended, StatusCode::UNAUTHORIZED);
    let refused = refresh(&house, &text(&last.json, "refresh_token"), &[]).await;
    assert_eq!(text(&refused.json, "error"), "invalid_grant");
}

async fn ended_by(house: &House) -> Vec<String> {
    let sealed = house.sealed().await;
    let ended = sealed.iter().filter_map(|one| match &one.event().body {
        Body::Token(Token::Ended(_)) => Some(one.event().actor.id.clone()),
        _ => None,
    });
    ended.collect()
}

/// The name of the only thing that the page lists.
fn family(html: &str) -> String {
    let after = html.split("name=\"family\" value=\"").nth(1).unwrap();
    after.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn people_see_the_apps_they_agreed_to_and_end_one() {
    let house = hospital().await;
    let told = tokens_for(&house, "p-icu", "patient/Observation.rs offline_access").await;
    let (token, renew) = (text(&told, "access_token"), text(&told, "refresh_token"));
    let mut nora = house.browser("nora").await;
    let page = nora.get("/account/apps").await;
    for said in [
        "One app may act in your name.",
        "The app growth",
        "Read and search observations of this patient",
        "/patients/p-icu",
    ] {
        assert!(page.html.contains(said), "{said}: {}", page.html);
    }
    let family = family(&page.html);

    // Somebody else neither sees nor ends it.
    house.person("mara", Role::Nurse, &["ICU"]).await;
    let mut mara: Browser = house.browser("mara").await;
    let other = mara.get("/account/apps").await;
    assert!(other.html.contains("No app acts in your name."));
    let fields = [("family", family.as_str())];
    let wrong = mara.submit("/account/apps", "/account/apps/end", &fields);
    assert_eq!(wrong.await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&house, &token, CHART).await.status, StatusCode::OK);

    let ended = nora.submit("/account/apps", "/account/apps/end", &fields);
    assert_eq!(ended.await.location(), "/account/apps?done=ended");
    let status = get(&house, &token, CHART).await.status;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let refused = refresh(&house, &renew, &[]).await;
    assert_eq!(text(&refused.json, "error"), "invalid_grant");
    assert_eq!(ended_by(&house).await, ["nora"]);
    let page = nora.get("/account/apps").await;
    assert!(page.html.contains("You agreed to none"), "{}", page.html);
}
