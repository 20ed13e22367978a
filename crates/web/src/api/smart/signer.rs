//! Signs id tokens (OpenID Connect Core 1.0) with a key of this installation.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use serde_json::{Value, json};

/// Bytes of one coordinate of a point on P-384.
const COORDINATE_BYTES: usize = 48;

/// A key on P-384 and its public half as a JWK.
#[derive(Debug)]
pub struct Signer {
    key: EncodingKey,
    kid: String,
    jwk: Value,
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

    /// Takes a private key (PKCS #8) that [`Signer::make`] made.
    ///
    /// # Errors
    /// In words, if it is none.
    pub fn of(pkcs8: &[u8]) -> Result<Signer, String> {
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
        Ok(Signer {
            key: EncodingKey::from_ec_der(pkcs8),
            kid,
            jwk,
        })
    }

    /// The JWK set that verifies what it signs.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk] })
    }

    /// The claims as a signed JWT.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<String, String> {
        let mut header = Header::new(Algorithm::ES384);
        header.kid = Some(self.kid.clone());
        encode(&header, claims, &self.key).map_err(|why| why.to_string())
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use super::*;

    #[test]
    fn what_is_signed_is_verified_by_the_published_key() {
        let signer = Signer::of(&Signer::make().unwrap()).unwrap();
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
        assert!(Signer::of(b"no key").is_err());
    }
}
