//! Passkeys: what a browser sends, checked as WebAuthn Level 3 sections 7.1 and 7.2 ask.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::Passkey;
use thiserror::Error as ThisError;
use wire::webauthn::{self, AuthenticatorData, Key};

/// What must be true of the page on which a passkey was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The challenge that the page carried.
    pub challenge: Vec<u8>,
    /// The page's origin, for instance `https://salus.hospital.example`.
    pub origin: String,
    /// The host in it: what the passkey is bound to.
    pub rp_id: String,
}

/// A new passkey, as the browser sends it. All parts are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `attestationObject`.
    pub attestation: Vec<u8>,
}

/// A passkey that was used, as the browser sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The credential's id.
    pub credential: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// The signature over both.
    pub signature: Vec<u8>,
}

/// Why a passkey was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
pub enum BadPasskey {
    /// Its counter went back.
    #[error(
        "this passkey has signed less often than before, so it may have been copied; tell whoever runs Salus and use another"
    )]
    Cloned,
    /// What was sent is none.
    #[error("what the browser sent is no passkey; try again")]
    Malformed,
    /// It was made for another page, or for this one long ago.
    #[error("the passkey was not used on this page just now; open the page again and repeat it")]
    Elsewhere,
    /// The signature does not fit.
    #[error("this passkey is not known here; sign in another way")]
    Unknown,
    /// The authenticator did not ask for PIN, finger or face.
    #[error("the device did not check who uses the passkey; set up a PIN, finger or face on it")]
    Unverified,
}

/// The passkey that a registration makes, called `name` by its owner.
///
/// # Errors
/// [`BadPasskey`] says which rule it breaks.
pub fn register(
    said: &Registration,
    expected: &Expected,
    name: &str,
) -> Result<Passkey, BadPasskey> {
    on_this_page(&said.client_data, expected, "webauthn.create")?;
    let data = webauthn::attestation(&said.attestation).map_err(|_| BadPasskey::Malformed)?;
    by_its_owner(&data, expected)?;
    let attested = data.attested.ok_or(BadPasskey::Malformed)?;
    webauthn::key(&attested.key).map_err(|_| BadPasskey::Malformed)?;
    Ok(Passkey {
        id: URL_SAFE_NO_PAD.encode(&attested.id),
        name: name.to_owned(),
        key: URL_SAFE_NO_PAD.encode(&attested.key),
        counter: data.counter,
    })
}

/// The counter of a passkey after it was used, if it was used as `expected`.
pub(crate) fn counter_after(
    said: &Assertion,
    expected: &Expected,
    passkey: &Passkey,
) -> Result<u32, BadPasskey> {
    on_this_page(&said.client_data, expected, "webauthn.get")?;
    let data = webauthn::authenticator_data(&said.authenticator_data)
        .map_err(|_| BadPasskey::Malformed)?;
    by_its_owner(&data, expected)?;
    let key = URL_SAFE_NO_PAD.decode(&passkey.key).unwrap_or_default();
    let key = webauthn::key(&key).map_err(|_| BadPasskey::Malformed)?;
    if !signed(&key, said) {
        return Err(BadPasskey::Unknown);
    }
    let counts = data.counter != 0 || passkey.counter != 0;
    if counts && data.counter <= passkey.counter {
        return Err(BadPasskey::Cloned);
    }
    Ok(data.counter)
}

fn on_this_page(client_data: &[u8], expected: &Expected, kind: &str) -> Result<(), BadPasskey> {
    let client = webauthn::client_data(client_data).map_err(|_| BadPasskey::Malformed)?;
    let here = client.kind == kind
        && client.challenge == expected.challenge
        && client.origin == expected.origin
        && !client.cross_origin;
    if here {
        Ok(())
    } else {
        Err(BadPasskey::Elsewhere)
    }
}

fn by_its_owner(data: &AuthenticatorData, expected: &Expected) -> Result<(), BadPasskey> {
    if digest(&SHA256, expected.rp_id.as_bytes()).as_ref() != data.rp_id_hash {
        return Err(BadPasskey::Elsewhere);
    }
    if !data.present || !data.verified {
        return Err(BadPasskey::Unverified);
    }
    Ok(())
}

fn signed(key: &Key, said: &Assertion) -> bool {
    let client_hash = digest(&SHA256, &said.client_data);
    let message = [said.authenticator_data.as_slice(), client_hash.as_ref()].concat();
    let verified = match key {
        Key::Es256(point) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(&message, &said.signature)
        }
        Key::Ed25519(point) => {
            UnparsedPublicKey::new(&ED25519, point).verify(&message, &said.signature)
        }
        Key::Rs256 { modulus, exponent } => RsaPublicKeyComponents {
            n: modulus,
            e: exponent,
        }
        .verify(&RSA_PKCS1_2048_8192_SHA256, &message, &said.signature),
    };
    verified.is_ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;

    /// An authenticator of our own: it makes what a browser would send.
    pub(crate) struct Authenticator {
        key: EcdsaKeyPair,
        pub(crate) counter: u32,
        pub(crate) flags: u8,
    }

    pub(crate) fn expected() -> Expected {
        Expected {
            challenge: b"a challenge".to_vec(),
            origin: "https://salus.test".into(),
            rp_id: "salus.test".into(),
        }
    }

    fn client_data(kind: &str, expected: &Expected) -> Vec<u8> {
        let challenge = URL_SAFE_NO_PAD.encode(&expected.challenge);
        format!(
            r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{}","crossOrigin":false}}"#,
            expected.origin
        )
        .into_bytes()
    }

    impl Authenticator {
        pub(crate) fn new() -> Authenticator {
            Authenticator {
                key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
                counter: 1,
                flags: 0x05,
            }
        }

        fn data(&self, rp_id: &str, more: u8) -> Vec<u8> {
            let hash = digest(&SHA256, rp_id.as_bytes());
            let mut data = hash.as_ref().to_vec();
            data.push(self.flags | more);
            data.extend(self.counter.to_be_bytes());
            data
        }

        pub(crate) fn create(&self, expected: &Expected) -> Registration {
            let mut data = self.data(&expected.rp_id, 0x40);
            data.extend([0; 16]);
            data.extend([0, 2, b'i', b'd']);
            // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
            let point = self.key.public_key().as_ref();
            data.extend([0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32]);
            data.extend(&point[1..33]);
            data.extend([0x22, 0x58, 32]);
            data.extend(&point[33..]);
            let length = u8::try_from(data.len()).unwrap();
            let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
            object.push(length);
            object.extend(data);
            Registration {
                client_data: client_data("webauthn.create", expected),
                attestation: object,
            }
        }

        pub(crate) fn get(&mut self, expected: &Expected) -> Assertion {
            let client_data = client_data("webauthn.get", expected);
            let authenticator_data = self.data(&expected.rp_id, 0);
            let hash = digest(&SHA256, &client_data);
            let message = [authenticator_data.as_slice(), hash.as_ref()].concat();
            let signature = self.key.sign(&SystemRandom::new(), &message).unwrap();
            self.counter += 1;
            Assertion {
                credential: b"id".to_vec(),
                client_data,
                authenticator_data,
                signature: signature.as_ref().to_vec(),
            }
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    /// WebAuthn Level 3, section 16.2, "ES256 Credential with No Attestation".
    #[test]
    fn the_published_signature_fits_the_published_key() {
        let key = Key::Es256(hex(
            "04afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61\
             930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
        ));
        let mut said = Assertion {
            credential: Vec::new(),
            client_data: hex(
                "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224f63446e\
                 55685158756c5455506f334a5558543049393770767a7a59425039745a6368587961763031416722\
                 2c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f72\
                 6967696e223a66616c73657d",
            ),
            authenticator_data: hex(
                "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000",
            ),
            signature: hex(
                "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd38022100\
                 8480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87",
            ),
        };
        assert!(signed(&key, &said));
        said.client_data[3] ^= 1;
        assert!(!signed(&key, &said));
    }

    #[test]
    fn a_passkey_is_made_and_used() {
        let mut device = Authenticator::new();
        let mut passkey = register(&device.create(&expected()), &expected(), "phone").unwrap();
        assert_eq!((passkey.id.as_str(), passkey.counter), ("aWQ", 1));
        device.counter = 2;
        let said = device.get(&expected());
        passkey.counter = counter_after(&said, &expected(), &passkey).unwrap();
        assert_eq!(
            counter_after(&said, &expected(), &passkey),
            Err(BadPasskey::Cloned)
        );
    }

    #[test]
    fn a_passkey_that_does_not_count_is_taken_again_and_again() {
        let mut device = Authenticator::new();
        device.counter = 0;
        let passkey = register(&device.create(&expected()), &expected(), "cloud").unwrap();
        for _ in 0..2 {
            device.counter = 0;
            let said = device.get(&expected());
            assert_eq!(counter_after(&said, &expected(), &passkey), Ok(0));
        }
    }

    #[test]
    fn another_page_challenge_host_or_key_is_refused() {
        let mut device = Authenticator::new();
        let passkey = register(&device.create(&expected()), &expected(), "phone").unwrap();
        device.counter = 2;
        let said = device.get(&expected());
        let change = |change: fn(&mut Expected)| {
            let mut other = expected();
            change(&mut other);
            counter_after(&said, &other, &passkey)
        };
        let elsewhere = Err(BadPasskey::Elsewhere);
        assert_eq!(change(|one| one.challenge = b"another".to_vec()), elsewhere);
        assert_eq!(
            change(|one| one.origin = "https://evil.test".into()),
            elsewhere
        );
        assert_eq!(change(|one| one.rp_id = "evil.test".into()), elsewhere);
        let made_elsewhere = device.create(&expected());
        assert_eq!(
            counter_after(
                &Assertion {
                    client_data: made_elsewhere.client_data,
                    ..said.clone()
                },
                &expected(),
                &passkey
            ),
            elsewhere
        );
        let stranger = Authenticator::new().get(&expected());
        assert_eq!(
            counter_after(&stranger, &expected(), &passkey),
            Err(BadPasskey::Unknown)
        );
    }

    #[test]
    fn a_device_that_does_not_check_its_user_is_refused() {
        let mut device = Authenticator::new();
        device.flags = 0x01;
        let refused = register(&device.create(&expected()), &expected(), "key");
        assert_eq!(refused, Err(BadPasskey::Unverified));
    }
}
