//! SMART Backend Services: a system proves itself with a JWT that it signed, and whoever forges,
//! replays or points elsewhere does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA384, RsaKeyPair,
};
use aws_lc_rs::{hmac, rsa};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::App;
use serde_json::{Value, json};

use crate::house::House;
use crate::smart::{Reply, get, post, register};
use crate::wards;

const AUDIENCE: &str = "https://127.0.0.1:8443/oauth/token";

/// A system's keys, one of each kind.
struct Keys {
    curve: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

impl Keys {
    fn new() -> Keys {
        let random = SystemRandom::new();
        let curve =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
        Keys {
            curve: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, curve.as_ref())
                .unwrap(),
            rsa: rsa::KeyPair::generate(KeySize::Rsa3072).unwrap(),
        }
    }

    fn set(&self) -> Value {
        let point = self.curve.public_key().as_ref();
        let public = self.rsa.public_key();
        let n = public.modulus().big_endian_without_leading_zero();
        let e = public.exponent().big_endian_without_leading_zero();
        json!({"keys": [
            {"kty": "EC", "crv": "P-384", "kid": "curve", "use": "sig", "alg": "ES384",
             "x": encoded(&point[1..49]), "y": encoded(&point[49..])},
            {"kty": "RSA", "kid": "rsa", "n": encoded(n), "e": encoded(e)},
            {"kty": "RSA", "kid": "encryption", "use": "enc", "n": encoded(n), "e": encoded(e)}
        ]})
    }

    fn sign(&self, alg: &str, text: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match alg {
            "ES384" => self
                .curve
                .sign(&random, text.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            "RS384" => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa
                    .sign(&RSA_PKCS1_SHA384, &random, text.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            // The public key taken for a secret.
            "HS384" => {
                let secret = self.set()["keys"][1]["n"].as_str().unwrap().to_owned();
                let key = hmac::Key::new(hmac::HMAC_SHA384, secret.as_bytes());
                hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// A JWT with this header and these claims, signed as the header says.
    fn jwt(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| encoded(value.to_string().as_bytes());
        let text = format!("{}.{}", part(header), part(claims));
        let signature = self.sign(header["alg"].as_str().unwrap(), &text);
        format!("{text}.{}", encoded(&signature))
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn claims(house: &House, jti: &str) -> Value {
    use event::Clock as _;
    let now = house.clock.now().millis() / 1_000;
    json!({"iss": "bulk", "sub": "bulk", "aud": AUDIENCE, "exp": now + 240, "jti": jti})
}

async fn ask(house: &House, assertion: &str, scope: &str) -> Reply {
    let pairs = [
        ("grant_type", "client_credentials"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion),
        ("scope", scope),
    ];
    post(house, "/oauth/token", &pairs).await
}

async fn registered(house: &House, keys: &Keys) {
    let app = App {
        jwks: Some(keys.set().to_string()),
        ..App::default()
    };
    register(
        house,
        "bulk",
        &["system/Observation.rs", "system/Patient.r"],
        app,
    )
    .await;
}

fn error(reply: &Reply) -> &str {
    reply.json["error"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_system_signs_and_gets_what_it_is_registered_for() {
    let house = House::open().await;
    wards(&house).await;
    let keys = Keys::new();
    registered(&house, &keys).await;
    for (alg, kid) in [("ES384", "curve"), ("RS384", "rsa")] {
        let header = json!({"alg": alg, "kid": kid, "typ": "JWT"});
        let assertion = keys.jwt(&header, &claims(&house, alg));
        let told = ask(&house, &assertion, "system/Patient.r system/Condition.rs").await;
        assert_eq!(told.status, StatusCode::OK, "{}", told.json);
        assert_eq!(told.json["scope"], "system/Patient.r");
        assert_eq!(told.json["expires_in"], 300);
        assert!(told.json.get("refresh_token").is_none());
        let token = told.json["access_token"].as_str().unwrap();
        assert_eq!(
            get(&house, token, "Patient/p-icu").await.status,
            StatusCode::OK
        );
        assert_eq!(
            get(&house, token, "Patient").await.status,
            StatusCode::FORBIDDEN
        );
        assert_eq!(
            get(&house, token, "Encounter/e-p-icu").await.status,
            StatusCode::FORBIDDEN
        );
    }
    let header = json!({"alg": "ES384", "kid": "curve"});
    let assertion = keys.jwt(&header, &claims(&house, "wide"));
    assert_eq!(
        error(&ask(&house, &assertion, "system/*.cruds patient/*.rs openid").await),
        "invalid_scope"
    );
}

#[tokio::test]
async fn an_assertion_is_good_once() {
    let house = House::open().await;
    let keys = Keys::new();
    registered(&house, &keys).await;
    let header = json!({"alg": "ES384", "kid": "curve"});
    let assertion = keys.jwt(&header, &claims(&house, "once"));
    let (one, other) = tokio::join!(
        ask(&house, &assertion, "system/Patient.r"),
        ask(&house, &assertion, "system/Patient.r")
    );
    let well = [&one, &other]
        .iter()
        .filter(|reply| reply.status == StatusCode::OK)
        .count();
    assert_eq!(well, 1, "of two at the same moment one gets in");
    let again = ask(&house, &assertion, "system/Patient.r").await;
    assert_eq!(error(&again), "invalid_grant");
    // As long as it could be good, whatever else happens: its tokens ended, the clock was set back.
    let token = if one.status == StatusCode::OK {
        &one
    } else {
        &other
    };
    let pairs = [
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        (
            "client_assertion",
            &keys.jwt(&header, &claims(&house, "revoke")),
        ),
        ("token", token.json["access_token"].as_str().unwrap()),
    ];
    assert_eq!(
        post(&house, "/oauth/revoke", &pairs).await.status,
        StatusCode::OK
    );
    assert_eq!(
        error(&post(&house, "/oauth/revoke", &pairs).await),
        "invalid_client"
    );
    assert_eq!(
        error(&ask(&house, &assertion, "system/Patient.r").await),
        "invalid_grant"
    );
    house.wait(-60_000);
    assert_eq!(
        error(&ask(&house, &assertion, "system/Patient.r").await),
        "invalid_grant"
    );
}

#[expect(clippy::too_many_lines, reason = "one case after the other")]
#[tokio::test]
async fn forged_assertions_are_refused() {
    let house = House::open().await;
    let (keys, strange) = (Keys::new(), Keys::new());
    registered(&house, &keys).await;
    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid});
    let with = |name: &str, value: Value| {
        let mut header = header("ES384", "curve");
        header[name] = value;
        header
    };
    let mut none = keys.jwt(&header("none", "curve"), &claims(&house, "none"));
    let strange_key = strange.set()["keys"][0].clone();
    let headers = [
        header("HS384", "rsa"),
        header("HS384", "curve"),
        header("RS384", "curve"),
        header("ES384", "rsa"),
        header("RS384", "encryption"),
        header("RS256", "rsa"),
        header("ES384", "unknown"),
        header("ES384", ""),
        header("ES384", "../../keys/id.key"),
        header("ES384", "curve' OR 1=1 --"),
        json!({"alg": "ES384"}),
        with("jku", json!("https://evil.example/jwks")),
        with("jwk", strange_key),
        with("x5u", json!("https://evil.example/x")),
        with("x5c", json!(["AAAA"])),
        with("crit", json!(["exp"])),
    ];
    for header in headers {
        let assertion = keys.jwt(&header, &claims(&house, "x"));
        let reply = ask(&house, &assertion, "system/Patient.r").await;
        assert_eq!(
            (reply.status, error(&reply)),
            (StatusCode::UNAUTHORIZED, "invalid_client"),
            "{header}"
        );
    }
    for _ in 0..2 {
        assert_eq!(
            error(&ask(&house, &none, "system/Patient.r").await),
            "invalid_client"
        );
        none.push_str("AAAA");
    }
    // Of a key that is not registered, under a name that is.
    let assertion = strange.jwt(&header("ES384", "curve"), &claims(&house, "x"));
    assert_eq!(
        error(&ask(&house, &assertion, "system/Patient.r").await),
        "invalid_client"
    );
    let now = claims(&house, "x")["exp"].as_i64().unwrap() - 240;
    for (name, value) in [
        ("iss", json!("other")),
        ("sub", json!("other")),
        ("aud", json!("https://127.0.0.1:8443/fhir")),
        ("aud", json!(["https://evil.example"])),
        ("exp", json!(now - 1)),
        ("exp", json!(now + 301)),
        ("exp", json!(i64::MAX)),
        ("jti", json!("")),
        ("jti", Value::Null),
        ("nbf", json!(now + 120)),
        ("iat", json!(now + 120)),
    ] {
        let mut claims = claims(&house, "x");
        claims[name] = value.clone();
        let assertion = keys.jwt(&header("ES384", "curve"), &claims);
        let reply = ask(&house, &assertion, "system/Patient.r").await;
        assert_eq!(error(&reply), "invalid_client", "{name} {value}");
    }
    let good = keys.jwt(&header("ES384", "curve"), &claims(&house, "good"));
    let mut parts: Vec<&str> = good.split('.').collect();
    parts.swap(0, 1);
    for bad in [parts.join("."), good.replace('.', ""), String::new()] {
        assert!(
            ask(&house, &bad, "system/Patient.r")
                .await
                .status
                .is_client_error(),
            "{bad}"
        );
    }
    assert_eq!(
        ask(&house, &good, "system/Patient.r").await.status,
        StatusCode::OK
    );
}

/// Serves key sets and counts how often it is asked.
async fn serve(body: Arc<std::sync::Mutex<String>>) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let keys = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let body = body.lock().unwrap().clone();
        async move { body }
    };
    let router = axum::Router::new()
        .route("/jwks", axum::routing::get(keys))
        .route(
            "/away",
            axum::routing::get(async || axum::response::Redirect::to("/jwks")),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), asked)
}

#[tokio::test]
async fn keys_by_address_are_kept_and_rotate() {
    let house = House::open().await;
    let (old, new) = (Keys::new(), Keys::new());
    let body = Arc::new(std::sync::Mutex::new(old.set().to_string()));
    let (place, asked) = serve(Arc::clone(&body)).await;
    let app = |path: &str| App {
        jwks_url: Some(format!("{place}{path}")),
        ..App::default()
    };
    register(&house, "bulk", &["system/Patient.r"], app("/jwks")).await;
    let try_with = async |keys: &Keys, kid: &str, jti: &str| {
        let mut header = json!({"alg": "ES384", "kid": kid});
        header["jku"] = json!(format!("{place}/jwks"));
        ask(
            &house,
            &keys.jwt(&header, &claims(&house, jti)),
            "system/Patient.r",
        )
        .await
        .status
    };
    assert_eq!(try_with(&old, "curve", "1").await, StatusCode::OK);
    assert_eq!(try_with(&old, "curve", "2").await, StatusCode::OK);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "they are kept for a while");
    // A key with a new name is looked for again, but not more often than every ten seconds.
    let rotated = new.set().to_string().replace("\"curve\"", "\"next\"");
    *body.lock().unwrap() = rotated;
    assert_eq!(try_with(&new, "next", "3").await, StatusCode::UNAUTHORIZED);
    house.wait(11_000);
    assert_eq!(try_with(&new, "next", "4").await, StatusCode::OK);
    assert_eq!(
        try_with(&old, "curve", "5").await,
        StatusCode::UNAUTHORIZED,
        "withdrawn"
    );
    // What is too large, or leads elsewhere, is no set of keys.
    house.wait(301_000);
    *body.lock().unwrap() = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(try_with(&new, "next", "6").await, StatusCode::UNAUTHORIZED);
    *body.lock().unwrap() = new.set().to_string();
    register(&house, "bulk", &["system/Patient.r"], app("/away")).await;
    let header = json!({"alg": "ES384", "kid": "curve"});
    let assertion = new.jwt(&header, &claims(&house, "7"));
    assert_eq!(
        error(&ask(&house, &assertion, "system/Patient.r").await),
        "invalid_client"
    );
}

#[tokio::test]
async fn what_programs_read_first_names_real_places() {
    let house = House::open().await;
    let found = get(&house, "", ".well-known/smart-configuration").await;
    assert_eq!(found.status, StatusCode::OK);
    assert_eq!(found.json["token_endpoint"], AUDIENCE);
    assert_eq!(
        found.json["code_challenge_methods_supported"],
        json!(["S256"])
    );
    let statement = get(&house, "", "metadata").await.json;
    let uris = &statement["rest"][0]["security"]["extension"][0]["extension"];
    assert_eq!(uris[1], json!({"url": "token", "valueUri": AUDIENCE}));
}

#[tokio::test]
async fn a_short_rsa_key_proves_nothing() {
    let house = House::open().await;
    let keys = Keys {
        rsa: rsa::KeyPair::generate(KeySize::Rsa2048).unwrap(),
        ..Keys::new()
    };
    registered(&house, &keys).await;
    let header = json!({"alg": "RS384", "kid": "rsa", "typ": "JWT"});
    let short = keys.jwt(&header, &claims(&house, "short"));
    let refused = ask(&house, &short, "system/Patient.r").await;
    assert_eq!(error(&refused), "invalid_client");
    let why = refused.json["error_description"].as_str().unwrap();
    assert!(why.contains("3072"), "{why}");
    let header = json!({"alg": "ES384", "kid": "curve", "typ": "JWT"});
    let curve = keys.jwt(&header, &claims(&house, "curve"));
    let taken = ask(&house, &curve, "system/Patient.r").await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.json);
}
