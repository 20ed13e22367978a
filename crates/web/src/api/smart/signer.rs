//! Signs id tokens (OpenID Connect Core 1.0) with a key of this installation.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use serde_json::{Value, json};

/// Bytes of one coordinate of a point on P-384.
const COORDINATE_BYTES: usize = 48;

/// A key on P-384, its public half as a JWK, and that of the key before it: what that one signed is
/// verified until it expires.
#[derive(Debug)]
pub struct Signer {
    now: RwLock<Arc<Held>>,
}

#[derive(Debug)]
struct Held {
    key: EncodingKey,
    kid: String,
    jwk: Value,
    before: Option<Value>,
}

impl Signer {
    /// A new private key (PKCS #8), to be kept in the data folder.
    ///
    /// # Errors
    /// In words, if the machine has no randomness.
    pub fn make() -> Result<Vec<u8>, String> {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random);
        let made = made.map_err(|_| "no key could be made: the system has no randomness")?;
        Ok(made.as_ref().to_vec())
    }

    /// Takes a private key (PKCS #8) that [`Signer::make`] made. `before`: the JWK of the key that
    /// signed before, as JSON.
    ///
    /// # Errors
    /// In words, if one of them is none.
    pub fn of(pkcs8: &[u8], before: Option<&str>) -> Result<Signer, String> {
        let before = before.map(serde_json::from_str::<Value>).transpose();
        let before =
            before.map_err(|why| format!("the JWK of the key before is damaged: {why}"))?;
        let held = Held::of(pkcs8, before)?;
        Ok(Signer {
            now: RwLock::new(Arc::new(held)),
        })
    }

    /// From now on another private key signs; what this one signed is still verified.
    ///
    /// # Errors
    /// In words, if it is none.
    pub fn follow(&self, pkcs8: &[u8]) -> Result<(), String> {
        let next = Held::of(pkcs8, Some(self.held().jwk.clone()))?;
        let now = self.now.write();
        *now.unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    /// The public half of the key that signs, as a JWK (RFC 7517) in JSON.
    pub fn jwk(&self) -> String {
        self.held().jwk.to_string()
    }

    fn held(&self) -> Arc<Held> {
        let now = self.now.read();
        Arc::clone(&now.unwrap_or_else(PoisonError::into_inner))
    }

    /// The JWK set that verifies what it signs, and what the key before it signed.
    pub(crate) fn jwks(&self) -> Value {
        let held = self.held();
        let keys = std::iter::once(&held.jwk).chain(&held.before);
        json!({ "keys": keys.collect::<Vec<_>>() })
    }

    /// The claims as a signed JWT.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<String, String> {
        let held = self.held();
        let mut header = Header::new(Algorithm::ES384);
        header.kid = Some(held.kid.clone());
        encode(&header, claims, &held.key).map_err(|why| why.to_string())
    }
}

impl Held {
    fn of(pkcs8: &[u8], before: Option<Value>) -> Result<Held, String> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8).map_err(
            |_| "the key that signs id tokens is damaged; remove it and a new one is made",
        )?;
        // An uncompressed point: 4, then both coordinates.
        let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(COORDINATE_BYTES.min(point.len()));
        let kid = URL_SAFE_NO_PAD.encode(&tokens::hash(&URL_SAFE_NO_PAD.encode(point))[..12]);
        let jwk = json!({
            "kty": "EC", "crv": "P-384", "use": "sig", "alg": "ES384", "kid": kid,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        });
        Ok(Held {
            key: EncodingKey::from_ec_der(pkcs8),
            kid,
            jwk,
            before,
        })
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use super::*;

    #[test]
    fn what_is_signed_is_verified_by_the_published_key() {
        let signer = Signer::of(&Signer::make().unwrap(), None).unwrap();
        let token = signer.sign(&json!({ "sub": "anna", "exp": 1 })).unwrap();
        let set: JwkSet = serde_json::from_value(signer.jwks()).unwrap();
        let key = DecodingKey::from_jwk(&set.keys[0]).unwrap();
        let mut validation = Validation::new(Algorithm::ES384);
        validation.validate_exp = false;
        let read = decode::<Value>(&token, &key, &validation).unwrap();
        assert_eq!(read.claims["sub"], "anna");
        assert_eq!(read.header.kid, set.keys[0].common.key_id);
    }

    #[test]
    fn a_damaged_key_is_refused() {
        assert!(Signer::of(b"no key", None).is_err());
        assert!(Signer::of(&Signer::make().unwrap(), Some("no JWK")).is_err());
    }

    #[test]
    fn what_the_key_before_signed_is_verified_until_the_next_but_one() {
        let keys = [(); 3].map(|()| Signer::make().unwrap());
        let signer = Signer::of(&keys[0], None).unwrap();
        let token = signer.sign(&json!({ "sub": "anna", "exp": 1 })).unwrap();
        let verified = |signer: &Signer| {
            let set: JwkSet = serde_json::from_value(signer.jwks()).unwrap();
            let mut validation = Validation::new(Algorithm::ES384);
            validation.validate_exp = false;
            let mut keys = set
                .keys
                .iter()
                .map(|jwk| DecodingKey::from_jwk(jwk).unwrap());
            keys.any(|key| decode::<Value>(&token, &key, &validation).is_ok())
        };
        let before = signer.jwk();
        signer.follow(&keys[1]).unwrap();
        assert!(verified(&signer));
        assert_ne!(signer.jwk(), before);
        assert!(
            verified(&Signer::of(&keys[1], Some(&before)).unwrap()),
            "after a restart too"
        );
        signer.follow(&keys[2]).unwrap();
        assert!(!verified(&signer));
    }
}
