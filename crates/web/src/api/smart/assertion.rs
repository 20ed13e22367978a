//! `private_key_jwt` (RFC 7523, SMART App Launch 2.2 section 5): a JWT that a client signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::{App as Registered, Time};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;

use super::keys::Keys;
use super::refusal::Refusal;
use crate::App;

/// The longest life of an assertion, in milliseconds.
const LIFE_MS: i64 = 5 * 60_000;
/// How far a client's clock may be ahead for `nbf` and `iat`, in milliseconds.
const AHEAD_MS: i64 = 60_000;
/// The longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 255;

/// What an assertion says, once it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asserted {
    /// SHA-256 that stands for this one assertion.
    pub(crate) hash: tokens::Hash,
    /// Until when it could be shown again.
    pub(crate) until: Time,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    jti: String,
    nbf: Option<i64>,
    iat: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The client an assertion claims to be of; nothing is believed yet.
pub(crate) fn claimed(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Sub {
        sub: String,
    }
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Sub>(assertion).ok()?;
    Some(claims.sub)
}

/// Believes an assertion of `client`, or says why not. Whether it was used before is not asked.
///
/// # Errors
/// `invalid_client`.
pub(crate) async fn believe(
    app: &App,
    (client, registered): (&str, &Registered),
    assertion: &str,
) -> Result<Asserted, Refusal> {
    let header = decode_header(assertion)
        .map_err(|_| Refusal::client("the assertion is no JWT signed with RS384 or ES384"))?;
    let kid = sound(&header, registered)?;
    let set = Keys::of(app, registered, &kid)
        .await
        .map_err(Refusal::client)?;
    let fitting = set.keys.iter().filter(|key| fits(key, &kid, header.alg));
    let least = app.settings.rsa_bits_min;
    if fitting.clone().any(|key| short(key, least)) {
        return Err(Refusal::client(format!(
            "the registered RSA key has fewer than {least} bits (`rsa_bits_min`): register another"
        )));
    }
    let mut verified = fitting.filter_map(|key| verify(assertion, key, header.alg));
    let claims = verified.next().ok_or_else(|| {
        Refusal::client("no registered key with this `kid` and `alg` verifies the assertion")
    })?;
    check(app, client, claims)
}

/// Checks the header and returns the key's name. Keys that a header brings along or points to are
/// nobody's: only registered ones count.
fn sound(header: &Header, registered: &Registered) -> Result<String, Refusal> {
    if !matches!(header.alg, Algorithm::RS384 | Algorithm::ES384) {
        return Err(Refusal::client(
            "an assertion is signed with RS384 or ES384",
        ));
    }
    let foreign = header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some();
    if foreign || header.crit.is_some() {
        return Err(Refusal::client(
            "an assertion brings no key along and nothing `crit`: register the key",
        ));
    }
    if header.jku.is_some() && header.jku != registered.jwks_url {
        return Err(Refusal::client(
            "`jku` is not the client's registered `jwks_url`",
        ));
    }
    match &header.kid {
        Some(kid) if !kid.is_empty() => Ok(kid.clone()),
        Some(_) | None => Err(Refusal::client(
            "an assertion names its key: `kid` is missing",
        )),
    }
}

/// Whether a key is of that name and made for that algorithm: a key of another type would let a
/// public key be taken for a secret.
fn fits(key: &Jwk, kid: &str, alg: Algorithm) -> bool {
    let common = &key.common;
    let named = common.key_id.as_deref() == Some(kid);
    let signs = !matches!(common.public_key_use, Some(PublicKeyUse::Encryption));
    let said = common.key_algorithm.as_ref();
    let agrees = said.is_none_or(|said| said.to_string() == format!("{alg:?}"));
    let typed = match (&key.algorithm, alg) {
        (AlgorithmParameters::RSA(_), Algorithm::RS384) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES384) => {
            curve.curve == EllipticCurve::P384
        }
        _ => false,
    };
    named && signs && agrees && typed
}

/// Whether it is an RSA key of fewer bits than that, by the length of its modulus.
fn short(key: &Jwk, least: usize) -> bool {
    let AlgorithmParameters::RSA(rsa) = &key.algorithm else {
        return false;
    };
    let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).unwrap_or_default();
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    (modulus.len() - zeros) * 8 < least
}

fn verify(assertion: &str, key: &Jwk, alg: Algorithm) -> Option<Claims> {
    let mut validation = Validation::new(alg);
    // Moments are judged by the record's time, which never goes back, and not by the library's.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(key).ok()?;
    decode::<Claims>(assertion, &key, &validation)
        .ok()
        .map(|read| read.claims)
}

fn check(app: &App, client: &str, claims: Claims) -> Result<Asserted, Refusal> {
    if claims.iss != client || claims.sub != client {
        return Err(Refusal::client(
            "`iss` and `sub` must both be the client's id",
        ));
    }
    let url = app.token_url();
    let meant = match &claims.aud {
        Audience::One(one) => *one == url,
        Audience::Many(many) => many.contains(&url),
    };
    if !meant {
        return Err(Refusal::client(format!("`aud` must be `{url}`")));
    }
    let now = app.tokens.now(app.clock.now());
    let moment = |seconds: i64| Time::from_millis(seconds.saturating_mul(1_000));
    let until = moment(claims.exp);
    if until <= now || until.since(now) > LIFE_MS {
        return Err(Refusal::client("`exp` must be within the next 5 minutes"));
    }
    let ahead = |at: Option<i64>| at.is_some_and(|at| moment(at).since(now) > AHEAD_MS);
    if ahead(claims.nbf) || ahead(claims.iat) {
        return Err(Refusal::client(
            "`nbf` or `iat` lies in the future: set the clock",
        ));
    }
    if !(1..=JTI_BYTES_MAX).contains(&claims.jti.len()) {
        return Err(Refusal::client("`jti` must have 1 to 255 bytes"));
    }
    Ok(Asserted {
        hash: tokens::hash(&format!("jti\0{client}\0{}", claims.jti)),
        until,
    })
}
