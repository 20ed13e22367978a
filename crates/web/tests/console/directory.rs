//! The staff directory (SCIM) and lists of leavers: whose access ends, and how soon.

use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};
use event::{Account, AccountChange, Act, Actor, Body, Event, Role, Subject};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use web::{Ended, Leaver};

use crate::house::House;

/// A client with a scope; returns its token.
async fn client(house: &House, id: &str, scope: &str) -> String {
    let made = staff::new_client(
        <[u8; 32]>::try_from(scope.repeat(32).as_bytes()[..32].to_vec()).unwrap(),
    );
    let account = Account {
        name: id.to_uppercase(),
        role: Role::Client,
        wards: Vec::new(),
        practitioner: None,
        secret: made.secret,
        scopes: vec![scope.to_owned()],
    };
    let body = Body::Account(AccountChange {
        id: id.to_owned(),
        account: Some(account),
    });
    let subject = Subject::Account(id.to_owned());
    house
        .seal(Event::new(Actor::salus(), Act::Manage, subject, body))
        .await;
    made.token
}

async fn scim(
    house: &House,
    token: &str,
    (method, path): (&str, &str),
    body: Value,
) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("/scim/v2{path}"))
        .header("authorization", format!("Bearer {token}"))
        .body(HttpBody::from(body.to_string()))
        .unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

fn nora() -> Value {
    json!({"userName": "nora", "displayName": "Nora N.", "roles": [{"value": "nurse"}],
        "urn:salus:scim:schemas:Person": {"wards": ["ICU"]}})
}

#[tokio::test]
async fn a_directory_adds_changes_and_ends_people() {
    let house = House::open().await;
    let token = client(&house, "hr", "system/scim").await;
    let (status, made) = scim(&house, &token, ("POST", "/Users"), nora()).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(
        (made["id"].as_str(), made["active"].as_bool()),
        (Some("nora"), Some(true))
    );
    let (status, _) = scim(&house, &token, ("POST", "/Users"), nora()).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let filter = "/Users?filter=userName%20eq%20%22NORA%22";
    let (_, found) = scim(&house, &token, ("GET", filter), Value::Null).await;
    assert_eq!(
        (&found["totalResults"], &found["Resources"][0]["id"]),
        (&json!(1), &json!("nora"))
    );
    let mut physician = nora();
    physician["roles"] = json!([{"value": "physician"}]);
    let (_, changed) = scim(&house, &token, ("PUT", "/Users/nora"), physician).await;
    assert_eq!(changed["roles"][0]["value"], "physician");
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    let (_, ended) = scim(&house, &token, ("PATCH", "/Users/nora"), off).await;
    assert_eq!(ended["active"], false);
    let (status, _) = scim(&house, &token, ("DELETE", "/Users/paul"), Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_deleted_person_is_gone_from_the_directory_and_their_name_is_never_given_anew() {
    let house = House::open().await;
    let token = client(&house, "hr", "system/scim").await;
    scim(&house, &token, ("POST", "/Users"), nora()).await;
    let (status, _) = scim(&house, &token, ("DELETE", "/Users/nora"), Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = scim(&house, &token, ("GET", "/Users/nora"), Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, list) = scim(&house, &token, ("GET", "/Users"), Value::Null).await;
    assert_eq!(list["totalResults"], 0);
    let (status, _) = scim(&house, &token, ("POST", "/Users"), nora()).await;
    assert_eq!(status, StatusCode::CONFLICT);
    // An administrator cannot do it either.
    house.person("tomas", Role::Administrator, &[]).await;
    let mut tomas = house.browser("tomas").await;
    let fields = [
        ("name", "Nora the second"),
        ("account", "nora"),
        ("role", "nurse"),
        ("password", crate::house::PASSWORD),
    ];
    let page = "/settings/people";
    let refused = tomas.submit(page, page, &fields).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.html.contains("who was deleted"), "{}", refused.html);
}

#[tokio::test]
async fn whoever_was_disabled_before_is_deleted_all_the_same() {
    let house = House::open().await;
    let token = client(&house, "hr", "system/scim").await;
    scim(&house, &token, ("POST", "/Users"), nora()).await;
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    scim(&house, &token, ("PATCH", "/Users/nora"), off).await;
    let (status, _) = scim(&house, &token, ("DELETE", "/Users/nora"), Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = scim(&house, &token, ("GET", "/Users/nora"), Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn access_ends_with_the_request_that_says_so_and_the_page_shows_the_lag() {
    let house = House::open().await;
    let token = client(&house, "hr", "system/scim").await;
    house.person("tomas", Role::Administrator, &[]).await;
    house.person("anna", Role::Nurse, &["ICU"]).await;
    house.person("paul", Role::Nurse, &["ICU"]).await;
    let (mut anna, mut paul) = (house.browser("anna").await, house.browser("paul").await);
    let off = json!({"Operations": [{"op": "replace", "value": {"active": "False"}}]});
    let (status, _) = scim(&house, &token, ("PATCH", "/Users/anna"), off).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(anna.get("/now").await.location(), "/sign-in");
    assert_eq!(
        anna.sign_in("anna", crate::house::PASSWORD).await.status,
        StatusCode::UNAUTHORIZED
    );
    let leaver = Leaver {
        account: "paul".into(),
        due: house.now().plus_millis(-90_000),
    };
    let ended = house
        .app
        .end_access(&leaver, "list:left.csv", &Actor::salus())
        .await;
    assert_eq!(ended, Ok(Ended::Now { sessions: 1 }));
    assert_eq!(paul.get("/now").await.location(), "/sign-in");
    let again = house
        .app
        .end_access(&leaver, "list:left.csv", &Actor::salus())
        .await;
    assert_eq!(again, Ok(Ended::Before));
    let mut tomas = house.browser("tomas").await;
    let people = tomas.get("/settings/people").await.html;
    assert!(people.contains("Access ended 1 min later."), "{people}");
    assert!(people.contains("list:left.csv") && people.contains("scim:hr"));
}

#[tokio::test]
async fn only_a_client_with_the_scope_gets_in_and_no_administrator_is_made_or_changed() {
    let house = House::open().await;
    house.person("tomas", Role::Administrator, &[]).await;
    let other = client(&house, "lis", "system/*.cruds").await;
    for (token, wanted) in [
        ("guess", StatusCode::UNAUTHORIZED),
        (other.as_str(), StatusCode::FORBIDDEN),
    ] {
        let (status, _) = scim(&house, token, ("GET", "/Users"), Value::Null).await;
        assert_eq!(status, wanted);
        let (status, _) = scim(&house, token, ("DELETE", "/Users/tomas"), Value::Null).await;
        assert_eq!(status, wanted);
    }
    let token = client(&house, "hr", "system/scim").await;
    let mut wanted = nora();
    wanted["roles"] = json!([{"value": "administrator"}]);
    let (status, _) = scim(&house, &token, ("POST", "/Users"), wanted).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let lowered = json!({"userName": "tomas", "roles": [{"value": "nurse"}]});
    let (status, _) = scim(&house, &token, ("PUT", "/Users/tomas"), lowered).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    for bad in [
        "{",
        "[]",
        r#"{"userName":"Big Name","roles":[{"value":"nurse"}]}"#,
        r#"{"userName":"lis","roles":[{"value":"nurse"}]}"#,
    ] {
        let request = Request::post("/scim/v2/Users")
            .header("authorization", format!("Bearer {token}"))
            .body(HttpBody::from(bad))
            .unwrap();
        let answer = house.router.clone().oneshot(request).await.unwrap();
        assert!(answer.status().is_client_error(), "{bad}");
    }
    let (status, _) = scim(
        &house,
        &token,
        ("GET", "/Users?filter=name%20pr"),
        Value::Null,
    )
    .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
