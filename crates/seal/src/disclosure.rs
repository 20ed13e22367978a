//! One event handed out: its text, its salt, and the proof that it was sealed. Whoever has the
//! log's public key can check it, and learns nothing of any other event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::checkpoint::LogVerifier;
use crate::entry::Entry;
use crate::envelope::{SALT_BYTES, commitment};
use crate::proof::{Proof, ProofFault};

/// What the first member of the file says.
const FORMAT: &str = "salus/disclosure/v1";

/// One event with everything that it takes to check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// The sealed plaintext: a line of JSON, a line feed, what was received.
    pub plaintext: Vec<u8>,
    /// The salt of its commitment.
    pub salt: [u8; SALT_BYTES],
    /// The entry, 93 bytes.
    pub entry: Vec<u8>,
    /// C2SP tlog-proof of the entry.
    pub proof: String,
}

/// What a disclosure proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disclosed {
    /// The event's index.
    pub index: u64,
    /// The number of events under the checkpoint.
    pub size: u64,
    /// When it was sealed, milliseconds since 1970.
    pub at: i64,
}

/// Why a disclosure proves nothing.
#[derive(Debug, Error)]
pub enum DisclosureFault {
    /// Not a disclosure; which member is wrong.
    #[error("the file is no disclosure of this form: `{0}` is missing or wrong")]
    Form(&'static str),
    /// The text is not the one that was sealed.
    #[error("the text is not the one that was sealed: it does not fit the commitment")]
    Text,
    /// The entry is not the log's.
    #[error(transparent)]
    Proof(#[from] ProofFault),
}

impl Disclosure {
    /// The file's text: JSON with the members `format`, `index`, `plaintext`, `salt`, `entry` (the
    /// last three in base64) and `proof`.
    pub fn to_text(&self) -> String {
        let mut file = Map::new();
        let index = Proof::from_text(&self.proof).map_or(0, |proof| proof.index);
        file.insert("format".into(), FORMAT.into());
        file.insert("index".into(), index.into());
        for (name, bytes) in [
            ("plaintext", self.plaintext.as_slice()),
            ("salt", &self.salt),
            ("entry", &self.entry),
        ] {
            file.insert(name.into(), STANDARD.encode(bytes).into());
        }
        file.insert("proof".into(), self.proof.clone().into());
        format!("{:#}\n", Value::Object(file))
    }

    /// The disclosure in a file's text.
    ///
    /// # Errors
    /// [`DisclosureFault::Form`] names the member that is wrong.
    pub fn from_text(text: &str) -> Result<Disclosure, DisclosureFault> {
        let file: Value =
            serde_json::from_str(text).map_err(|_| DisclosureFault::Form("format"))?;
        let text = |name: &'static str| file.get(name).and_then(Value::as_str);
        let bytes = |name: &'static str| {
            let decoded = text(name).and_then(|text| STANDARD.decode(text).ok());
            decoded.ok_or(DisclosureFault::Form(name))
        };
        if text("format") != Some(FORMAT) {
            return Err(DisclosureFault::Form("format"));
        }
        let disclosure = Disclosure {
            plaintext: bytes("plaintext")?,
            salt: bytes("salt")?
                .try_into()
                .map_err(|_| DisclosureFault::Form("salt"))?,
            entry: bytes("entry")?,
            proof: text("proof").ok_or(DisclosureFault::Form("proof"))?.into(),
        };
        // The index is there for people; a wrong one must not be believed.
        let proved = Proof::from_text(&disclosure.proof)?.index;
        match file.get("index").and_then(Value::as_u64) {
            Some(index) if index == proved => Ok(disclosure),
            _ => Err(DisclosureFault::Form("index")),
        }
    }

    /// Checks that this text was sealed at its index of the log.
    ///
    /// # Errors
    /// [`DisclosureFault`] says what does not hold.
    pub fn verify(&self, log: &LogVerifier) -> Result<Disclosed, DisclosureFault> {
        let entry = Entry::from_bytes(&self.entry).ok_or(DisclosureFault::Form("entry"))?;
        if commitment(&self.salt, &self.plaintext) != entry.commitment {
            return Err(DisclosureFault::Text);
        }
        let proof = Proof::from_text(&self.proof)?;
        let size = proof.verify(&entry.leaf(), log)?;
        Ok(Disclosed {
            index: proof.index,
            size,
            at: entry.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::LogKey;
    use crate::tree::root_of;

    fn sealed(plaintext: &[u8]) -> (Disclosure, LogVerifier) {
        let entry = Entry {
            stream: [1; 16],
            at: 1_700_000_000_000,
            length: plaintext.len() as u32,
            commitment: commitment(&[7; 32], plaintext),
            ciphertext: [9; 32],
        };
        let other = [4; 32];
        let key = LogKey::new("log.example", &[2; 32]).unwrap();
        let proof = Proof {
            extra: entry.to_bytes().to_vec(),
            index: 0,
            hashes: vec![other],
            checkpoint: key.sign(2, &root_of(&[entry.leaf(), other])).unwrap(),
        };
        let disclosure = Disclosure {
            plaintext: plaintext.to_vec(),
            salt: [7; 32],
            entry: entry.to_bytes().to_vec(),
            proof: proof.to_text(),
        };
        (disclosure, LogVerifier::new(key.public()).unwrap())
    }

    #[test]
    fn what_was_sealed_is_proved_after_a_walk_through_a_file() {
        let (disclosure, log) = sealed(b"{}\n\xff\x00 raw");
        let read = Disclosure::from_text(&disclosure.to_text()).unwrap();
        assert_eq!(read, disclosure);
        let proved = read.verify(&log).unwrap();
        assert_eq!((proved.index, proved.size), (0, 2));
        assert_eq!(proved.at, 1_700_000_000_000);
    }

    #[test]
    fn one_changed_byte_of_anything_is_noticed() {
        let (good, log) = sealed(b"DNR");
        let mut text = good.clone();
        text.plaintext = b"CPR".to_vec();
        assert!(matches!(text.verify(&log), Err(DisclosureFault::Text)));
        let mut salt = good.clone();
        salt.salt[0] ^= 1;
        assert!(matches!(salt.verify(&log), Err(DisclosureFault::Text)));
        let mut entry = good.clone();
        entry.entry[20] ^= 1;
        assert!(matches!(entry.verify(&log), Err(DisclosureFault::Proof(_))));
        let other = LogKey::new("log.example", &[5; 32]).unwrap();
        let other = LogVerifier::new(other.public()).unwrap();
        assert!(good.verify(&other).is_err());
    }

    #[test]
    fn what_is_no_disclosure_is_named() {
        let (good, _) = sealed(b"x");
        let text = good.to_text();
        for (from, to, named) in [
            ("salus/disclosure/v1", "other", "format"),
            ("\"salt\"", "\"pepper\"", "salt"),
            ("\"index\": 0", "\"index\": 1", "index"),
        ] {
            let why = Disclosure::from_text(&text.replacen(from, to, 1)).unwrap_err();
            assert!(why.to_string().contains(named), "{why}");
        }
        assert!(Disclosure::from_text("").is_err());
    }
}
