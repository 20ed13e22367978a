//! What an authenticator says: WebAuthn Level 3 client data, authenticator data, attestation
//! objects, and the COSE keys in them (RFC 9052, RFC 9053). Nothing here checks a signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use serde::Deserialize;
use thiserror::Error;

/// What cannot be read, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is no {what}")]
pub struct Malformed {
    what: &'static str,
}

const fn no(what: &'static str) -> Malformed {
    Malformed { what }
}

/// `CollectedClientData`: what the browser saw (section 5.8.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientData {
    /// `webauthn.create` or `webauthn.get`.
    pub kind: String,
    /// The challenge that was answered.
    pub challenge: Vec<u8>,
    /// The origin of the page, for instance `https://salus.hospital.example`.
    pub origin: String,
    /// The page was in a frame of another origin.
    pub cross_origin: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientDataJson {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// Authenticator data (section 6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatorData {
    /// SHA-256 of the relying party's id.
    pub rp_id_hash: [u8; 32],
    /// Somebody was there (UP).
    pub present: bool,
    /// They proved to the authenticator who they are (UV).
    pub verified: bool,
    /// How often it has signed; 0: it does not count.
    pub counter: u32,
    /// A new credential, at a registration.
    pub attested: Option<Attested>,
}

/// A new credential (section 6.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// Its id.
    pub id: Vec<u8>,
    /// Its public key as it came: a COSE key.
    pub key: Vec<u8>,
}

/// A public key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// ES256 (-7): the point of P-256, uncompressed (65 bytes).
    Es256(Vec<u8>),
    /// EdDSA (-8) with Ed25519: 32 bytes.
    Ed25519(Vec<u8>),
    /// RS256 (-257).
    Rs256 {
        /// The modulus, big-endian.
        modulus: Vec<u8>,
        /// The exponent, big-endian.
        exponent: Vec<u8>,
    },
}

impl Key {
    /// The COSE algorithms that are taken, in the order a registration asks for them.
    pub const ALGORITHMS: [i64; 3] = [-7, -8, -257];
}

const FLAG_PRESENT: u8 = 0x01;
const FLAG_VERIFIED: u8 = 0x04;
const FLAG_ATTESTED: u8 = 0x40;

/// Reads `clientDataJSON`.
///
/// # Errors
/// [`Malformed`] if it is none.
pub fn client_data(json: &[u8]) -> Result<ClientData, Malformed> {
    let bad = no("client data of WebAuthn");
    let read: ClientDataJson = serde_json::from_slice(json).map_err(|_| bad)?;
    Ok(ClientData {
        challenge: URL_SAFE_NO_PAD.decode(&read.challenge).map_err(|_| bad)?,
        kind: read.kind,
        origin: read.origin,
        cross_origin: read.cross_origin,
    })
}

/// Reads `authenticatorData`.
///
/// # Errors
/// [`Malformed`] if it is none.
pub fn authenticator_data(bytes: &[u8]) -> Result<AuthenticatorData, Malformed> {
    let bad = || no("authenticator data of WebAuthn");
    let (hash, rest) = bytes.split_first_chunk::<32>().ok_or_else(bad)?;
    let (flags, rest) = rest.split_first().ok_or_else(bad)?;
    let (counter, rest) = rest.split_first_chunk::<4>().ok_or_else(bad)?;
    let attested = match flags & FLAG_ATTESTED {
        0 => None,
        _ => Some(attested(rest).ok_or_else(bad)?),
    };
    Ok(AuthenticatorData {
        rp_id_hash: *hash,
        present: flags & FLAG_PRESENT != 0,
        verified: flags & FLAG_VERIFIED != 0,
        counter: u32::from_be_bytes(*counter),
        attested,
    })
}

/// Model (16 bytes), length of the id (2), the id, the key; what follows are extensions.
fn attested(bytes: &[u8]) -> Option<Attested> {
    let (_model, rest) = bytes.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let mut after = rest;
    let _key: Value = ciborium::from_reader(&mut after).ok()?;
    let key = rest.get(..rest.len().checked_sub(after.len())?)?;
    Some(Attested {
        id: id.to_vec(),
        key: key.to_vec(),
    })
}

/// Reads the authenticator data out of an attestation object. Its attestation statement is not
/// looked at: Salus does not ask which maker's authenticator it is (section 8.7).
///
/// # Errors
/// [`Malformed`] if it is none.
pub fn attestation(object: &[u8]) -> Result<AuthenticatorData, Malformed> {
    let bad = || no("attestation object of WebAuthn");
    let read: Value = ciborium::from_reader(object).map_err(|_| bad())?;
    let map = read.as_map().ok_or_else(bad)?;
    let data = map
        .iter()
        .find(|(key, _)| key.as_text() == Some("authData"));
    let bytes = data.and_then(|(_, value)| value.as_bytes());
    authenticator_data(bytes.ok_or_else(bad)?)
}

/// Reads a COSE key of one of [`Key::ALGORITHMS`].
///
/// # Errors
/// [`Malformed`] if it is none, or of another algorithm or curve.
pub fn key(cose: &[u8]) -> Result<Key, Malformed> {
    let read: Option<Value> = ciborium::from_reader(cose).ok();
    let map = read.as_ref().and_then(Value::as_map);
    map.and_then(|map| key_of(map))
        .ok_or(no("COSE key of ES256, Ed25519 or RS256"))
}

/// Labels of RFC 9053: 1 type, 3 algorithm; then for each type its own.
fn key_of(map: &[(Value, Value)]) -> Option<Key> {
    let get = |label: i128| {
        let pair = map
            .iter()
            .find(|(key, _)| key.as_integer().map(i128::from) == Some(label));
        pair.map(|(_, value)| value)
    };
    let number = |label| get(label)?.as_integer().map(i128::from);
    let bytes = |label| get(label)?.as_bytes().cloned();
    match (number(1)?, number(3)?) {
        (2, -7) if number(-1)? == 1 => {
            let (x, y) = (bytes(-2)?, bytes(-3)?);
            let point = [[0x04].as_slice(), &x, &y].concat();
            (x.len() == 32 && y.len() == 32).then_some(Key::Es256(point))
        }
        (1, -8) if number(-1)? == 6 => {
            let point = bytes(-2)?;
            (point.len() == 32).then_some(Key::Ed25519(point))
        }
        (3, -257) => Some(Key::Rs256 {
            modulus: bytes(-1)?,
            exponent: bytes(-2)?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // WebAuthn Level 3, section 16.2, "ES256 Credential with No Attestation".
    const CREATED: &str = "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360\
        d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff\
        6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4a50102\
        03262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df6122\
        5820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220";
    const CLIENT: &str = "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224f63446e\
        55685158756c5455506f334a5558543049393770767a7a59425039745a6368587961763031416722\
        2c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f72\
        6967696e223a66616c73657d";
    const CHALLENGE: &str = "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408";
    const ASSERTED: &str =
        "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000";

    fn hex(text: &str) -> Vec<u8> {
        let pair = |place| u8::from_str_radix(&text[place..place + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(pair).collect()
    }

    #[test]
    fn the_published_registration_is_read() {
        let data = attestation(&hex(CREATED)).unwrap();
        assert!(data.present && !data.verified && data.counter == 0);
        let attested = data.attested.unwrap();
        assert!(attested.id.starts_with(&[0xf9, 0x1f]) && attested.id.len() == 32);
        let Key::Es256(point) = key(&attested.key).unwrap() else {
            panic!("another algorithm");
        };
        assert_eq!(point[..3], [0x04, 0xaf, 0xef]);
        assert_eq!(point.len(), 65);
    }

    #[test]
    fn the_published_assertion_is_read() {
        let data = authenticator_data(&hex(ASSERTED)).unwrap();
        assert!(data.present && data.attested.is_none());
        let client = client_data(&hex(CLIENT)).unwrap();
        assert_eq!(client.kind, "webauthn.get");
        assert_eq!(client.challenge, hex(CHALLENGE));
        assert_eq!(client.origin, "https://example.org");
        assert!(!client.cross_origin);
    }

    #[test]
    fn keys_of_other_algorithms_and_curves_are_refused() {
        let pair = |label: i64, value: Value| (Value::from(label), value);
        let es = |algorithm: i64, curve: i64, length: usize| {
            let map = Value::Map(vec![
                pair(1, 2.into()),
                pair(3, algorithm.into()),
                pair(-1, curve.into()),
                pair(-2, vec![1; length].into()),
                pair(-3, vec![2; 32].into()),
            ]);
            let mut bytes = Vec::new();
            ciborium::into_writer(&map, &mut bytes).unwrap();
            key(&bytes).is_ok()
        };
        assert!(es(-7, 1, 32));
        assert!(!es(-35, 1, 32) && !es(-7, 2, 32) && !es(-7, 1, 31));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (attestation(&bytes), authenticator_data(&bytes), client_data(&bytes), key(&bytes));
        }

        #[test]
        fn a_shortened_registration_is_refused(length in 0_usize..194) {
            let whole = hex(CREATED);
            prop_assume!(length < whole.len());
            prop_assert!(attestation(&whole[..length]).is_err());
        }
    }
}
