use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;

const NOW: i64 = 1_800_000_000;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn pair(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    EcdsaKeyPair::generate(algorithm).unwrap()
}

fn published(key: &EcdsaKeyPair, kid: &str) -> JwkSet {
    let point = key.public_key().as_ref();
    let key = json!({"kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
        "x": b64(&point[1..33]), "y": b64(&point[33..])});
    serde_json::from_value(json!({ "keys": [key] })).unwrap()
}

fn claims() -> Value {
    json!({"iss": "https://idp.test", "aud": "salus", "sub": "s1", "nonce": "n1",
        "exp": NOW + 300, "iat": NOW, "auth_time": NOW - 10})
}

fn token(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", b64(signature.as_ref()))
}

fn wanted() -> Wanted<'static> {
    Wanted {
        issuer: "https://idp.test",
        client_id: "salus",
        nonce: "n1",
        now: Time::from_millis(NOW * 1_000),
        fresh: true,
    }
}

fn head() -> Value {
    json!({"alg": "ES256", "kid": "k1", "typ": "JWT"})
}

#[test]
fn a_good_token_is_taken() {
    let key = pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let token = token(&key, &head(), &claims());
    let read = verified(&token, &published(&key, "k1"), &wanted()).unwrap();
    assert_eq!(read.text("sub"), "s1");
}

#[test]
fn one_wrong_claim_is_enough() {
    let key = pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let keys = published(&key, "k1");
    for (name, wrong) in [
        ("iss", json!("https://evil.test")),
        ("iss", json!("https://idp.test/")),
        ("aud", json!("another")),
        ("aud", json!(["another"])),
        ("aud", json!(["salus", "another"])),
        ("azp", json!("another")),
        ("nonce", json!("n2")),
        ("nonce", Value::Null),
        ("exp", json!(NOW - 61)),
        ("exp", Value::Null),
        ("exp", json!("tomorrow")),
        ("iat", json!(NOW + 120)),
        ("iat", Value::Null),
        ("sub", json!("")),
        ("sub", Value::Null),
        ("auth_time", json!(NOW - 600)),
        ("auth_time", Value::Null),
    ] {
        let mut claims = claims();
        claims[name] = wrong.clone();
        let token = token(&key, &head(), &claims);
        assert!(
            verified(&token, &keys, &wanted()).is_err(),
            "{name}: {wrong}"
        );
    }
}

#[test]
fn algorithms_and_keys_cannot_be_confused() {
    let key = pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let keys = published(&key, "k1");
    for head in [
        json!({"alg": "none", "kid": "k1"}),
        json!({"alg": "None", "kid": "k1"}),
        json!({"alg": "HS256", "kid": "k1"}),
        json!({"alg": "RS256", "kid": "k1"}),
        json!({"alg": "ES384", "kid": "k1"}),
        json!({"alg": "ES256", "kid": "../k1"}),
        json!({"alg": "ES256", "kid": "k2"}),
        json!({"kid": "k1"}),
    ] {
        let token = token(&key, &head, &claims());
        assert!(verified(&token, &keys, &wanted()).is_err(), "{head}");
    }
    // A key that comes along with the token is not the provider's.
    let stranger = pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let point = stranger.public_key().as_ref();
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])});
    let head = json!({"alg": "ES256", "kid": "k1", "jwk": jwk, "jku": "https://evil.test/jwks"});
    assert!(verified(&token(&stranger, &head, &claims()), &keys, &wanted()).is_err());
    // HS256 with the public key as the secret: the oldest trick.
    let signed = format!(
        "{}.{}",
        b64(r#"{"alg":"HS256","kid":"k1"}"#),
        b64(claims().to_string())
    );
    let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.public_key().as_ref());
    let tag = aws_lc_rs::hmac::sign(&secret, signed.as_bytes());
    assert!(verified(&format!("{signed}.{}", b64(tag.as_ref())), &keys, &wanted()).is_err());
    assert!(verified(&format!("{signed}."), &keys, &wanted()).is_err());
}

#[test]
fn a_key_of_another_curve_is_not_used() {
    let key = pair(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let other = pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let token = token(&key, &head(), &claims());
    assert!(verified(&token, &published(&other, "k1"), &wanted()).is_err());
}

#[test]
fn the_only_key_need_not_be_named() {
    let key = pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let unnamed = token(&key, &json!({"alg": "ES256"}), &claims());
    assert!(verified(&unnamed, &published(&key, "k1"), &wanted()).is_ok());
}

#[test]
fn a_second_factor_is_what_the_token_says() {
    assert!(Claims(json!({"amr": ["pwd", "mfa"]})).strong());
    assert!(!Claims(json!({"amr": ["pwd"]})).strong());
    assert!(!Claims(json!({})).strong());
}
