//! Apps and systems over the whole HTTP surface: consent, codes, tokens, and what they reach.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::{Account, AccountChange, Act, Actor, App, AppChange, Body, Event, Role, Subject};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use web::ClientCertificate;

use crate::house::{Browser, House, escaped};
use crate::wards;

pub(crate) const BASE: &str = "https://127.0.0.1:8443/fhir";
pub(crate) const REDIRECT: &str = "https://growth.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// An answer of a program's door.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) json: Value,
}

/// Registers a client.
pub(crate) async fn register(house: &House, id: &str, scopes: &[&str], app: App) {
    let account = Account {
        name: format!("The app {id}"),
        role: Role::Client,
        wards: Vec::new(),
        practitioner: None,
        secret: staff::new_client([5; 32]).secret,
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
    };
    let change = AccountChange {
        id: id.into(),
        account: Some(account),
    };
    let app = AppChange {
        id: id.into(),
        app: Some(app),
    };
    for body in [Body::Account(change), Body::App(app)] {
        let subject = Subject::Account(id.into());
        house
            .seal(Event::new(Actor::salus(), Act::Manage, subject, body))
            .await;
    }
}

pub(crate) fn public() -> App {
    App {
        redirect_uris: vec![REDIRECT.into()],
        launch_url: Some("https://growth.example/launch".into()),
        ..App::default()
    }
}

const SCOPES: [&str; 9] = [
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "online_access",
    "offline_access",
    "patient/*.cruds",
    "user/*.rs",
];

/// A hospital with two patients, observations of both, a nurse of one ward and an app.
async fn hospital() -> House {
    let house = House::open().await;
    wards(&house).await;
    for patient in ["p-icu", "p-med"] {
        for category in ["laboratory", "vital-signs"] {
            let observation = json!({
                "resourceType": "Observation", "id": format!("{patient}-{category}"),
                "status": "final", "code": {"text": "x"},
                "category": [{"coding": [{"system": "http://c.example", "code": category}]}],
                "subject": {"reference": format!("Patient/{patient}")},
                "performer": [{"reference": "Practitioner/dr"}]
            });
            house.resource(Some(patient), observation).await;
        }
    }
    let doctor =
        json!({"resourceType": "Practitioner", "id": "dr", "identifier": [{"value": "P7"}]});
    house.resource(None, doctor).await;
    house.person("nora", Role::Nurse, &["ICU", "MED1"]).await;
    register(&house, "growth", &SCOPES, public()).await;
    house
}

fn form(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    pairs.join("&")
}

pub(crate) async fn send(house: &House, request: Request<HttpBody>) -> Reply {
    let response = house.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Reply { status, json }
}

pub(crate) async fn post(house: &House, path: &str, pairs: &[(&str, &str)]) -> Reply {
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    send(house, request.body(HttpBody::from(form(pairs))).unwrap()).await
}

/// A FHIR request with a token.
async fn fhir(house: &House, token: &str, (method, path): (&str, &str), body: Value) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(format!("/fhir/{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/fhir+json");
    let body = match body {
        Value::Null => HttpBody::empty(),
        body => HttpBody::from(body.to_string()),
    };
    send(house, request.body(body).unwrap()).await
}

pub(crate) async fn get(house: &House, token: &str, path: &str) -> Reply {
    fhir(house, token, ("GET", path), Value::Null).await
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))
}

/// What the app asks for, with some fields otherwise; an empty value leaves a field out.
fn asked(scope: &str, other: &[(&str, &str)]) -> Vec<(String, String)> {
    let challenge = challenge();
    let usual = [
        ("response_type", "code"),
        ("client_id", "growth"),
        ("redirect_uri", REDIRECT),
        ("scope", scope),
        ("state", "st&te"),
        ("aud", BASE),
        ("nonce", "n-1"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in usual.into_iter().chain(other.iter().copied()) {
        all.retain(|(known, _)| known != name);
        if !value.is_empty() {
            all.push((name.to_owned(), value.to_owned()));
        }
    }
    all
}

fn url(fields: &[(String, String)]) -> String {
    let pairs: Vec<(&str, &str)> = fields
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    format!("/oauth/authorize?{}", form(&pairs))
}

/// The person agrees to everything; where they are sent.
async fn agree(browser: &mut Browser, fields: &[(String, String)]) -> String {
    let page = browser.get(&url(fields)).await;
    assert_eq!(
        page.status,
        StatusCode::OK,
        "{} {}",
        page.location(),
        page.html
    );
    let csrf = page.csrf();
    let mut all: Vec<(String, String)> = fields.to_vec();
    all.push(("csrf".into(), csrf));
    all.push(("answer".into(), "yes".into()));
    let wishes = page.html.matches("name=\"scope-").count();
    all.extend((0..wishes).map(|at| (format!("scope-{at}"), "yes".to_owned())));
    let all: Vec<(&str, &str)> = all.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let answer = browser.post("/oauth/authorize", &all).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.html);
    answer.location().to_owned()
}

fn said(location: &str, name: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find_map(|(key, value)| (key == name).then_some(value))?;
    Some(value.replace("%26", "&").replace("%20", " "))
}

async fn exchange(house: &House, code: &str, other: &[(&str, &str)]) -> Reply {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("client_id", "growth"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in other {
        pairs.retain(|(known, _)| known != name);
        pairs.push((name, value));
    }
    post(house, "/oauth/token", &pairs).await
}

/// Tokens for one patient's chart.
async fn tokens_for(house: &House, patient: &str, scope: &str) -> Value {
    let mut browser = house.browser("nora").await;
    let fields = asked(scope, &[("patient", patient)]);
    let location = agree(&mut browser, &fields).await;
    let code = said(&location, "code").unwrap();
    let reply = exchange(house, &code, &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.json);
    reply.json
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn names(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let id = |entry: &Value| text(&entry["resource"], "id");
    entries.iter().map(id).collect()
}

#[tokio::test]
async fn an_app_gets_one_chart() {
    let house = hospital().await;
    let told = tokens_for(
        &house,
        "p-icu",
        "launch/patient openid fhirUser patient/*.rs",
    )
    .await;
    assert_eq!(
        (text(&told, "patient"), text(&told, "token_type")),
        ("p-icu".into(), "Bearer".into())
    );
    assert_eq!(told["expires_in"], 300);
    assert!(told.get("refresh_token").is_none(), "nobody asked for one");
    let token = text(&told, "access_token");
    let found = get(&house, &token, "Observation?_sort=_id").await;
    assert_eq!(
        names(&found.json),
        ["p-icu-laboratory", "p-icu-vital-signs"]
    );
    assert_eq!(
        get(&house, &token, "Patient/p-icu").await.status,
        StatusCode::OK
    );
    assert_eq!(
        get(&house, &token, "Practitioner/dr").await.status,
        StatusCode::OK
    );
    // The id token says who, to whom, and repeats the nonce.
    let claims = text(&told, "id_token");
    let claims = claims.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(
        (
            text(&claims, "sub"),
            text(&claims, "aud"),
            text(&claims, "nonce")
        ),
        ("nora".into(), "growth".into(), "n-1".into())
    );
    // What it did is sealed in the person's name, and through which app.
    let decided = crate::decisions(&house).await;
    assert!(
        decided
            .iter()
            .any(|one| one.through.as_deref() == Some("growth"))
    );
}

#[tokio::test]
async fn no_interaction_reaches_another_patient_or_tells_whether_there_is_one() {
    let house = hospital().await;
    let told = tokens_for(&house, "p-icu", "launch/patient patient/*.cruds").await;
    let token = text(&told, "access_token");
    let resource = |id: &str| {
        json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "y"},
            "subject": {"reference": "Patient/p-icu"}})
    };
    for path in [
        "Observation/{}",
        "Observation/{}/_history",
        "Observation/{}/_history/3",
    ] {
        let there = get(&house, &token, &path.replace("{}", "p-med-laboratory")).await;
        let absent = get(&house, &token, &path.replace("{}", "no-such-thing")).await;
        let same = there
            .json
            .to_string()
            .replace("p-med-laboratory", "no-such-thing");
        assert_eq!(there.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(
            (absent.status, absent.json.to_string()),
            (there.status, same),
            "{path}"
        );
    }
    for method in ["PUT", "DELETE"] {
        let mut replies = Vec::new();
        for id in ["p-med-laboratory", "no-such-thing"] {
            let body = if method == "PUT" {
                resource(id)
            } else {
                Value::Null
            };
            let path = format!("Observation/{id}");
            replies.push(fhir(&house, &token, (method, &path), body).await);
        }
        assert_eq!(replies[0].status, StatusCode::FORBIDDEN, "{method}");
        assert_eq!(replies[0], replies[1], "{method}");
    }
    for path in [
        "Observation?patient=p-med",
        "Observation?subject=Patient/p-med",
        "Observation?patient=no-such-patient",
        "Patient?_id=p-med",
        "_history",
        "Observation/_history",
    ] {
        assert_eq!(
            get(&house, &token, path).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    for path in [
        "Observation?patient=p-icu,p-med",
        "Observation?_id=p-med-laboratory",
        "Observation?subject=p-med",
        "Patient?_revinclude=Observation:subject",
        "Practitioner?_revinclude=Observation:performer",
        "Observation?_include=Observation:subject&_include=Observation:performer",
    ] {
        let found = get(&house, &token, path).await;
        let came = found.json["entry"].to_string();
        assert!(!came.contains("p-med"), "{path}: {came}");
    }
    // A chain tells nobody whether there is somebody of that name.
    for path in [
        "Observation?subject:Patient._id=p-med",
        "Observation?patient._has:Observation:subject:_id=p-med-laboratory",
        "Patient?_has:Observation:subject:_id=p-med-laboratory",
        "Patient?_has:Observation:subject:_id=no-such-thing",
    ] {
        let found = get(&house, &token, path).await;
        assert_eq!(found.status, StatusCode::OK, "{path}");
        assert_eq!(found.json["total"], 0, "{path}: {}", found.json);
    }
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Observation/p-med-laboratory"}},
        {"request": {"method": "GET", "url": "Observation?patient=p-med"}},
        {"request": {"method": "DELETE", "url": "Observation/p-med-laboratory"}},
        {"request": {"method": "DELETE", "url": "Observation?_id=p-med-laboratory"}},
        {"request": {"method": "GET", "url": "Observation/p-icu-laboratory"}}
    ]});
    let done = fhir(&house, &token, ("POST", ""), batch).await;
    let entries = done.json["entry"].as_array().unwrap();
    let statuses: Vec<&str> = entries
        .iter()
        .map(|one| one["response"]["status"].as_str().unwrap())
        .collect();
    let begins = |status: &str, code: &str| status.starts_with(code);
    assert!(
        begins(statuses[0], "404") && begins(statuses[1], "403"),
        "{statuses:?}"
    );
    assert!(
        begins(statuses[2], "403") && begins(statuses[4], "200"),
        "{statuses:?}"
    );
    assert!(!begins(statuses[3], "2"), "{statuses:?}");
    // Their own chart is not written either: people do not write through Salus.
    let body = resource("p-icu-laboratory");
    let path = "Observation/p-icu-laboratory";
    let reply = fhir(&house, &token, ("PUT", path), body).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_resource_that_changes_hands_leaves_the_app_behind() {
    let house = hospital().await;
    let told = tokens_for(&house, "p-icu", "launch/patient patient/*.rs").await;
    let token = text(&told, "access_token");
    assert_eq!(
        get(&house, &token, "Observation/p-icu-laboratory")
            .await
            .status,
        StatusCode::OK
    );
    let moved = json!({"resourceType": "Observation", "id": "p-icu-laboratory", "status": "final",
        "code": {"text": "x"}, "subject": {"reference": "Patient/p-med"}});
    let old = house
        .app
        .chart
        .locate("Observation", "p-icu-laboratory")
        .await
        .unwrap()
        .unwrap();
    let secret = staff::new_client([6; 32]);
    let account = Account {
        name: "Laboratory".into(),
        role: Role::Client,
        wards: Vec::new(),
        practitioner: None,
        secret: secret.secret,
        scopes: vec!["system/*.cruds".into()],
    };
    let change = AccountChange {
        id: "lis".into(),
        account: Some(account),
    };
    let subject = Subject::Account("lis".into());
    let body = Body::Account(change);
    house
        .seal(Event::new(Actor::salus(), Act::Manage, subject, body))
        .await;
    let path = "Observation/p-icu-laboratory";
    let written = fhir(&house, &secret.token, ("PUT", path), moved).await;
    assert_eq!(written.status, StatusCode::OK, "{}", written.json);
    for path in [
        "Observation/p-icu-laboratory",
        "Observation/p-icu-laboratory/_history",
    ] {
        assert_eq!(
            get(&house, &token, path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let before = format!("Observation/p-icu-laboratory/_history/{}", old.version);
    assert_eq!(
        get(&house, &token, &before).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_narrowed_scope_shows_a_part_and_policies_count_too() {
    let house = hospital().await;
    let scope = "launch/patient patient/Observation.rs?category=http://c.example|laboratory";
    let told = tokens_for(&house, "p-icu", scope).await;
    let token = text(&told, "access_token");
    let found = get(&house, &token, "Observation?_total=accurate").await;
    assert_eq!(
        (names(&found.json), &found.json["total"]),
        (vec!["p-icu-laboratory".to_owned()], &json!(1))
    );
    let hidden = get(&house, &token, "Observation/p-icu-vital-signs").await;
    let absent = get(&house, &token, "Observation/no-such").await;
    assert_eq!(
        (hidden.status, absent.status),
        (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
    );
    let past = get(&house, &token, "Observation/p-icu-vital-signs/_history").await;
    assert_eq!(past.status, StatusCode::NOT_FOUND, "{}", past.json);
    // Scope and policy: with `user/`, still only the charts of the nurse's own wards.
    house.person("nora", Role::Nurse, &["ICU"]).await;
    let told = tokens_for(&house, "p-icu", "user/*.rs").await;
    let token = text(&told, "access_token");
    assert_eq!(
        get(&house, &token, "Observation/p-icu-laboratory")
            .await
            .status,
        StatusCode::OK
    );
    assert_eq!(
        get(&house, &token, "Observation/p-med-laboratory")
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        get(&house, &token, "Observation").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn the_page_says_what_is_asked_and_the_person_decides() {
    let house = hospital().await;
    let mut browser = house.browser("nora").await;
    let fields = asked("launch/patient openid patient/Observation.rs", &[]);
    // Without a patient the person chooses, among charts they may open.
    let page = browser.get(&url(&fields)).await;
    assert!(
        page.html.contains("For which patient") && page.html.contains("p-icu"),
        "{}",
        page.html
    );
    house.person("mia", Role::Nurse, &["ICU"]).await;
    let mut mia = house.browser("mia").await;
    let page = mia.get(&url(&fields)).await;
    assert!(page.html.contains("p-icu") && !page.html.contains("p-med"));
    let forged = asked(
        "launch/patient patient/Observation.rs",
        &[("patient", "p-med")],
    );
    assert_eq!(mia.get(&url(&forged)).await.status, StatusCode::FORBIDDEN);
    let fields = asked(
        "launch/patient openid patient/Observation.rs",
        &[("patient", "p-icu")],
    );
    let page = browser.get(&url(&fields)).await;
    for words in [
        "read and search observations of this patient",
        "learn your sign-in name",
        "Müller",
        "https://growth.example",
        "Its access ends 5 min after it got it.",
    ] {
        assert!(page.html.contains(words), "{words}: {}", page.html);
    }
    let lasting = asked("patient/*.rs offline_access", &[("patient", "p-icu")]);
    let told = browser.get(&url(&lasting)).await.html;
    assert!(told.contains("has not used it for 90 days"), "{told}");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("form-action 'self' https://growth.example;"),
        "{policy}"
    );
    let csrf = page.csrf();
    let with = |more: &[(&str, &str)]| {
        let mut all = fields.clone();
        all.push(("csrf".into(), csrf.clone()));
        all.extend(more.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())));
        all
    };
    let no = with(&[("answer", "no")]);
    let no: Vec<(&str, &str)> = no.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let location = browser.post("/oauth/authorize", &no).await;
    let location = location.location();
    assert_eq!(said(location, "error").as_deref(), Some("access_denied"));
    assert_eq!(said(location, "state").as_deref(), Some("st&te"));
    // Only what is ticked is given.
    let some = with(&[("answer", "yes"), ("scope-2", "yes")]);
    let some: Vec<(&str, &str)> = some.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let location = browser.post("/oauth/authorize", &some).await;
    let code = said(location.location(), "code").unwrap();
    let told = exchange(&house, &code, &[]).await;
    assert_eq!(text(&told.json, "scope"), "patient/Observation.rs");
    // Nobody signed in is asked to sign in and comes back.
    let page = Browser::new(&house).get(&url(&fields)).await;
    assert!(
        page.location()
            .starts_with("/sign-in?next=/oauth/authorize"),
        "{}",
        page.location()
    );
    let forged = with(&[("answer", "yes"), ("csrf", "other")]);
    let forged: Vec<(&str, &str)> = forged
        .iter()
        .rev()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let mut other = house.browser("mia").await;
    assert_eq!(
        other.post("/oauth/authorize", &forged).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn nobody_is_sent_where_nothing_is_registered() {
    let house = hospital().await;
    let mut browser = house.browser("nora").await;
    for bad in [
        "https://growth.example/cb/",
        "https://growth.example/cb?x=1",
        "https://growth.example/CB",
        "https://growth.example/cb/../evil",
        "https://growth.example.evil.example/cb",
        "https://growth.example@evil.example/cb",
        "//evil.example",
        "http://growth.example/cb",
        "javascript:alert(1)",
        "",
    ] {
        let fields = asked("openid", &[("redirect_uri", bad)]);
        let page = browser.get(&url(&fields)).await;
        assert_eq!(
            (page.status, page.location()),
            (StatusCode::BAD_REQUEST, ""),
            "{bad}"
        );
    }
    let fields = asked("openid", &[("client_id", "nobody")]);
    let page = browser.get(&url(&fields)).await;
    assert_eq!(
        (page.status, page.location()),
        (StatusCode::BAD_REQUEST, "")
    );
    let twice = format!(
        "{}&redirect_uri=https://evil.example",
        url(&asked("openid", &[]))
    );
    assert_eq!(browser.get(&twice).await.status, StatusCode::BAD_REQUEST);
    // What is wrong beyond that, the app is told.
    for (field, value, error) in [
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("state", "", "invalid_request"),
        ("aud", "https://other.example/fhir", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "system/*.cruds", "invalid_scope"),
        ("launch", "forged", "invalid_request"),
    ] {
        let page = browser.get(&url(&asked("openid", &[(field, value)]))).await;
        assert!(
            page.location().starts_with(REDIRECT),
            "{field} {}",
            page.html
        );
        assert_eq!(
            said(page.location(), "error").as_deref(),
            Some(error),
            "{field}"
        );
    }
}

#[tokio::test]
async fn only_the_grants_that_are_offered_are_given() {
    let house = hospital().await;
    for (grant, error) in [
        ("password", "unsupported_grant_type"),
        ("implicit", "unsupported_grant_type"),
        (
            "urn:ietf:params:oauth:grant-type:device_code",
            "unsupported_grant_type",
        ),
        // An app that proves nothing about itself gets nothing in its own name.
        ("client_credentials", "unauthorized_client"),
    ] {
        let pairs = [
            ("grant_type", grant),
            ("client_id", "growth"),
            ("scope", "user/*.rs"),
        ];
        let reply = post(&house, "/oauth/token", &pairs).await;
        assert_eq!(text(&reply.json, "error"), error, "{grant}");
    }
}

#[tokio::test]
async fn a_code_is_good_once_for_whoever_asked() {
    let house = hospital().await;
    register(&house, "other", &SCOPES, public()).await;
    let mut browser = house.browser("nora").await;
    let fields = asked(
        "openid patient/*.rs offline_access",
        &[("patient", "p-icu")],
    );
    let location = agree(&mut browser, &fields).await;
    let code = said(&location, "code").unwrap();
    for (field, value) in [
        (
            "code_verifier",
            "a-verifier-that-is-long-enough-but-not-the-one",
        ),
        ("code_verifier", challenge().as_str()),
        ("redirect_uri", "https://growth.example/other"),
        ("client_id", "other"),
        ("code", "salus_ac_guess"),
    ] {
        let reply = exchange(&house, &code, &[(field, value)]).await;
        assert_eq!(text(&reply.json, "error"), "invalid_grant", "{field}");
    }
    let told = exchange(&house, &code, &[]).await;
    let token = text(&told.json, "access_token");
    assert_eq!(
        get(&house, &token, "Patient/p-icu").await.status,
        StatusCode::OK
    );
    let again = exchange(&house, &code, &[]).await;
    assert_eq!(text(&again.json, "error"), "invalid_grant");
    // Somebody else had the code: nobody keeps what came of it.
    assert_eq!(
        get(&house, &token, "Patient/p-icu").await.status,
        StatusCode::UNAUTHORIZED
    );
    let refreshed = refresh(&house, &text(&told.json, "refresh_token"), &[]).await;
    assert_eq!(text(&refreshed.json, "error"), "invalid_grant");
    let location = agree(&mut browser, &fields).await;
    house.wait(61_000);
    let late = exchange(&house, &said(&location, "code").unwrap(), &[]).await;
    assert_eq!(text(&late.json, "error"), "invalid_grant");
}

async fn refresh(house: &House, token: &str, other: &[(&str, &str)]) -> Reply {
    let mut pairs = vec![
        ("grant_type", "refresh_token"),
        ("client_id", "growth"),
        ("refresh_token", token),
    ];
    pairs.extend_from_slice(other);
    post(house, "/oauth/token", &pairs).await
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_its_family() {
    let house = hospital().await;
    let told = tokens_for(&house, "p-icu", "patient/Observation.rs offline_access").await;
    let first = text(&told, "refresh_token");
    for wider in [
        "patient/*.rs",
        "patient/Observation.cruds",
        "user/*.rs",
        "openid",
    ] {
        let reply = refresh(&house, &first, &[("scope", wider)]).await;
        assert_eq!(text(&reply.json, "error"), "invalid_scope", "{wider}");
    }
    let narrow = refresh(&house, &first, &[("scope", "patient/Observation.r")]).await;
    assert_eq!(text(&narrow.json, "scope"), "patient/Observation.r");
    let narrow_token = text(&narrow.json, "access_token");
    assert_eq!(
        get(&house, &narrow_token, "Observation").await.status,
        StatusCode::FORBIDDEN
    );
    let second = refresh(&house, &text(&narrow.json, "refresh_token"), &[]).await;
    assert_eq!(
        text(&second.json, "scope"),
        "patient/Observation.rs offline_access"
    );
    let token = text(&second.json, "access_token");
    assert_eq!(
        get(&house, &token, "Observation/p-icu-laboratory")
            .await
            .status,
        StatusCode::OK
    );
    let stolen = refresh(&house, &first, &[]).await;
    assert_eq!(text(&stolen.json, "error"), "invalid_grant");
    assert_eq!(
        get(&house, &token, "Observation/p-icu-laboratory")
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    let last = refresh(&house, &text(&second.json, "refresh_token"), &[]).await;
    assert_eq!(text(&last.json, "error"), "invalid_grant");
}

#[tokio::test]
async fn access_ends_with_time_the_session_or_the_account() {
    let house = hospital().await;
    let mut browser = house.browser("nora").await;
    let fields = asked("patient/*.rs online_access", &[("patient", "p-icu")]);
    let location = agree(&mut browser, &fields).await;
    let online = exchange(&house, &said(&location, "code").unwrap(), &[])
        .await
        .json;
    let offline = tokens_for(&house, "p-icu", "patient/*.rs offline_access").await;
    let status = async |told: &Value| {
        get(&house, &text(told, "access_token"), "Patient/p-icu")
            .await
            .status
    };
    assert_eq!(status(&online).await, StatusCode::OK);
    let signed_out = browser.submit("/now", "/sign-out", &[]).await;
    assert_eq!(signed_out.status, StatusCode::SEE_OTHER);
    assert_eq!(status(&online).await, StatusCode::UNAUTHORIZED);
    let ended = refresh(&house, &text(&online, "refresh_token"), &[]).await;
    assert_eq!(text(&ended.json, "error"), "invalid_grant");
    assert_eq!(status(&offline).await, StatusCode::OK);
    house.wait(301_000);
    assert_eq!(status(&offline).await, StatusCode::UNAUTHORIZED);
    // Something was sealed since, so a clock that is set back revives nothing.
    house.person("somebody", Role::Nurse, &[]).await;
    house.wait(-301_000);
    assert_eq!(status(&offline).await, StatusCode::UNAUTHORIZED);
    house.wait(301_000);
    let again = refresh(&house, &text(&offline, "refresh_token"), &[])
        .await
        .json;
    assert_eq!(status(&again).await, StatusCode::OK);
    let change = AccountChange {
        id: "nora".into(),
        account: None,
    };
    let subject = Subject::Account("nora".into());
    house
        .seal(Event::new(
            Actor::salus(),
            Act::Manage,
            subject,
            Body::Account(change),
        ))
        .await;
    assert_eq!(status(&again).await, StatusCode::UNAUTHORIZED);
    for token in ["", "salus_at_forged", "salus_rt_x", "a.b.c"] {
        assert_eq!(
            get(&house, token, "Patient/p-icu").await.status,
            StatusCode::UNAUTHORIZED
        );
    }
}

#[tokio::test]
async fn an_app_is_opened_from_a_patients_page() {
    let house = hospital().await;
    let mut browser = house.browser("nora").await;
    let page = browser.get("/oauth/launch?patient=p-icu").await;
    assert!(page.html.contains("The app growth"), "{}", page.html);
    let fields = [("client", "growth"), ("patient", "p-icu")];
    let sent = browser
        .submit("/oauth/launch?patient=p-icu", "/oauth/launch", &fields)
        .await;
    assert!(
        sent.location()
            .starts_with("https://growth.example/launch?iss=https"),
        "{}",
        sent.location()
    );
    let launch = said(sent.location(), "launch").unwrap();
    let fields = asked(
        "launch patient/*.rs",
        &[("launch", &launch), ("patient", "p-med")],
    );
    // Somebody else's launch is nobody's.
    house.person("mia", Role::Nurse, &["ICU"]).await;
    let refused = house.browser("mia").await.get(&url(&fields)).await;
    assert_eq!(
        said(refused.location(), "error").as_deref(),
        Some("invalid_request")
    );
    let location = agree(&mut browser, &fields).await;
    let told = exchange(&house, &said(&location, "code").unwrap(), &[]).await;
    assert_eq!(text(&told.json, "patient"), "p-icu");
    let again = browser.get(&url(&fields)).await;
    assert_eq!(
        said(again.location(), "error").as_deref(),
        Some("invalid_request")
    );
    house.person("mia", Role::Nurse, &["MED1"]).await;
    let refused = house
        .browser("mia")
        .await
        .get("/oauth/launch?patient=p-icu")
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_app_asks_about_its_tokens_and_gives_them_back() {
    let house = hospital().await;
    let secret = App {
        secret: true,
        ..public()
    };
    register(&house, "server", &SCOPES, secret).await;
    let secret = staff::new_client([5; 32]).token;
    let own = [("client_id", "server"), ("client_secret", secret.as_str())];
    let mut browser = house.browser("nora").await;
    let fields = asked(
        "patient/*.rs offline_access",
        &[("patient", "p-icu"), ("client_id", "server")],
    );
    let location = agree(&mut browser, &fields).await;
    let code = said(&location, "code").unwrap();
    let bare = exchange(&house, &code, &[("client_id", "server")]).await;
    assert_eq!(
        (bare.status, text(&bare.json, "error")),
        (StatusCode::UNAUTHORIZED, "invalid_client".into())
    );
    let told = exchange(&house, &code, &own).await.json;
    let token = text(&told, "access_token");
    let about = |token: &str| {
        [own.to_vec(), vec![("token", token)]]
            .concat()
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect::<Vec<_>>()
    };
    let ask = async |path: &str, token: &str| {
        let pairs = about(token);
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        post(&house, path, &pairs).await
    };
    let active = ask("/oauth/introspect", &token).await.json;
    assert_eq!(
        (
            &active["active"],
            text(&active, "sub"),
            text(&active, "patient")
        ),
        (&json!(true), "nora".into(), "p-icu".into())
    );
    let others = text(
        &tokens_for(&house, "p-icu", "patient/*.rs").await,
        "access_token",
    );
    for unknown in [
        others.as_str(),
        "salus_at_guess",
        &text(&told, "refresh_token"),
    ] {
        assert_eq!(
            ask("/oauth/introspect", unknown).await.json,
            json!({"active": false})
        );
    }
    // A secret is for the token endpoint: it opens no chart.
    assert_eq!(
        get(&house, &secret, "Patient/p-icu").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(ask("/oauth/revoke", &others).await.status, StatusCode::OK);
    assert_eq!(
        get(&house, &others, "Patient/p-icu").await.status,
        StatusCode::OK,
        "of another client"
    );
    assert_eq!(
        ask("/oauth/revoke", &text(&told, "refresh_token"))
            .await
            .status,
        StatusCode::OK
    );
    assert_eq!(
        get(&house, &token, "Patient/p-icu").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_bound_token_is_good_with_its_certificate_only() {
    let house = hospital().await;
    let app = App {
        certificates: vec!["bulk.example".into()],
        ..App::default()
    };
    register(&house, "bulk", &["system/*.rs"], app).await;
    let certificate = |byte: u8, name: &str| ClientCertificate {
        sha256: [byte; 32],
        names: vec![name.to_owned()],
    };
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", "bulk"),
        ("scope", "system/*.rs"),
    ];
    let ask = async |shown: Option<ClientCertificate>| {
        let mut request = Request::post("/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(HttpBody::from(form(&pairs)))
            .unwrap();
        request.extensions_mut().extend(
            shown
                .map(|shown| {
                    let mut all = axum::http::Extensions::new();
                    all.insert(shown);
                    all
                })
                .unwrap_or_default(),
        );
        send(&house, request).await
    };
    assert_eq!(ask(None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        ask(Some(certificate(1, "evil.example"))).await.status,
        StatusCode::UNAUTHORIZED
    );
    let told = ask(Some(certificate(1, "bulk.example"))).await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.json);
    let token = text(&told.json, "access_token");
    let read = async |shown: Option<ClientCertificate>| {
        let mut request = Request::get("/fhir/Patient/p-icu")
            .header("authorization", format!("Bearer {token}"))
            .body(HttpBody::empty())
            .unwrap();
        if let Some(shown) = shown {
            request.extensions_mut().insert(shown);
        }
        send(&house, request).await.status
    };
    assert_eq!(
        read(Some(certificate(1, "bulk.example"))).await,
        StatusCode::OK
    );
    assert_eq!(read(None).await, StatusCode::UNAUTHORIZED);
    // Even another certificate of the same name is another.
    assert_eq!(
        read(Some(certificate(2, "bulk.example"))).await,
        StatusCode::UNAUTHORIZED
    );
}
