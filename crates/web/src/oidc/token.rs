//! An ID token, verified: OpenID Connect Core 1.0, section 3.1.3.7.

use event::Time;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

/// How far the provider's clock may be from ours, in seconds.
const SKEW_SECONDS: i64 = 60;
/// How long ago somebody may have signed in there for a fresh proof, in seconds.
const FRESH_SECONDS: i64 = 120;
/// The algorithms that are taken. `none` and everything with a shared secret are not.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];

/// The claims of a token that is good.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claims(pub Value);

/// What must be in a token.
pub(crate) struct Wanted<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: Time,
    /// Whether the person must have signed in there just now.
    pub fresh: bool,
}

/// Which key a token says it is signed with.
pub(crate) fn kid(token: &str) -> Result<String, String> {
    let header = decode_header(token).map_err(|_| "the token has no readable head".to_owned())?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err("the token is signed with another algorithm than RS256 or ES256".to_owned());
    }
    Ok(header.kid.unwrap_or_default())
}

/// The claims of a token, if it is signed by the provider, for us, for this trip, and now.
pub(crate) fn verified(token: &str, keys: &JwkSet, wanted: &Wanted<'_>) -> Result<Claims, String> {
    let kid = kid(token)?;
    let named = keys.find(&kid);
    // A provider with one key need not name it.
    let only = keys
        .keys
        .first()
        .filter(|_| kid.is_empty() && keys.keys.len() == 1);
    let jwk = named
        .or(only)
        .ok_or("the token's key is not among the provider's")?;
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "the provider's key cannot be used")?;
    // Of the library only the signature is asked: times are held against the house's own clock.
    let mut only_signed = Validation::new(Algorithm::RS256);
    only_signed.algorithms = match &jwk.algorithm {
        jsonwebtoken::jwk::AlgorithmParameters::RSA(_) => vec![Algorithm::RS256],
        jsonwebtoken::jwk::AlgorithmParameters::EllipticCurve(_) => vec![Algorithm::ES256],
        _ => return Err("the provider's key is of another kind".to_owned()),
    };
    only_signed.validate_exp = false;
    only_signed.validate_aud = false;
    only_signed.required_spec_claims.clear();
    let read = decode::<Value>(token, &key, &only_signed)
        .map_err(|_| "the token's signature does not fit".to_owned())?;
    let claims = Claims(read.claims);
    claims.hold(wanted).map(|()| claims)
}

impl Claims {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a claim is `value`, or a list that has it.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        match self.0.get(name) {
            Some(Value::Array(values)) => values.iter().any(|one| one.as_str() == Some(value)),
            Some(one) => one.as_str() == Some(value),
            None => false,
        }
    }

    /// Whether the token says that more than something known was shown (RFC 8176).
    pub(crate) fn strong(&self) -> bool {
        const METHODS: [&str; 7] = ["mfa", "hwk", "swk", "otp", "sc", "face", "fpt"];
        METHODS.iter().any(|method| self.has("amr", method))
    }

    fn seconds(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    fn hold(&self, wanted: &Wanted<'_>) -> Result<(), String> {
        let now = wanted.now.millis() / 1_000;
        let several = matches!(self.0.get("aud"), Some(Value::Array(all)) if all.len() > 1);
        let azp = self.text("azp");
        let subject = self.text("sub");
        let expired = |exp: i64| now >= exp + SKEW_SECONDS;
        let early = |iat: i64| iat > now + SKEW_SECONDS;
        let fresh = |at: i64| (now - at).abs() <= FRESH_SECONDS;
        let rules = [
            (self.text("iss") == wanted.issuer, "it is another issuer's"),
            (self.has("aud", wanted.client_id), "it is for somebody else"),
            (
                !several || azp == wanted.client_id,
                "it is for several, and not for us first",
            ),
            (
                azp.is_empty() || azp == wanted.client_id,
                "it was given to somebody else",
            ),
            (
                !self.seconds("exp").is_none_or(expired),
                "it has expired, or never does",
            ),
            (
                !self.seconds("iat").is_none_or(early),
                "it was issued in the future, or never",
            ),
            (
                self.text("nonce") == wanted.nonce,
                "it is of another sign-in",
            ),
            (
                !subject.is_empty() && subject.len() <= 255,
                "it names nobody",
            ),
            (
                !wanted.fresh || self.seconds("auth_time").is_some_and(fresh),
                "they did not sign in there just now",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(format!("the provider's token was refused: {why}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
