//! Cosignatures of witnesses on checkpoints: C2SP tlog-cosignature. Ours are of Ed25519; those of others
//! may also be of ML-DSA-44, which a quantum computer cannot forge.

use aws_lc_rs::signature::{ML_DSA_44, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use signed_note::{Note, Signature as NoteSignature, Verifier, VerifierList, key_id};

use crate::checkpoint::NoteFault;

/// The type of a cosigner's key in a `vkey`.
const KIND: u8 = 4;
/// The type of a cosigner's key of ML-DSA-44, and its length in bytes.
const KIND_ML_DSA_44: u8 = 6;
const ML_DSA_44_KEY_BYTES: usize = 1_312;
/// What a message for ML-DSA-44 begins with.
const SUBTREE: &[u8; 12] = b"subtree/v1\n\0";
const TIME_BYTES: usize = 8;

/// A witness's private key.
pub struct WitnessKey {
    name: String,
    key: SigningKey,
}

impl WitnessKey {
    /// A new key for the witness `name`, from 32 random bytes.
    ///
    /// # Errors
    /// [`NoteFault::Key`] if `name` has a space or a plus sign.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<WitnessKey, NoteFault> {
        if !signed_note::is_key_name_valid(name) {
            return Err(NoteFault::Key);
        }
        Ok(WitnessKey {
            name: name.to_owned(),
            key: SigningKey::from_bytes(seed),
        })
    }

    /// The key from its file: `PRIVATE+KEY+<name>+<id>+<base64>`.
    ///
    /// # Errors
    /// [`NoteFault::Key`] if the text is not such a key.
    pub fn from_secret(secret: &str) -> Result<WitnessKey, NoteFault> {
        let rest = secret.trim().strip_prefix("PRIVATE+KEY+");
        let (name, rest) = rest
            .and_then(|rest| rest.split_once('+'))
            .ok_or(NoteFault::Key)?;
        let (_, body) = rest.split_once('+').ok_or(NoteFault::Key)?;
        let bytes = STANDARD.decode(body).map_err(|_| NoteFault::Key)?;
        let (kind, seed) = bytes.split_first().ok_or(NoteFault::Key)?;
        let seed: &[u8; 32] = seed.try_into().map_err(|_| NoteFault::Key)?;
        match *kind {
            KIND => WitnessKey::new(name, seed),
            _ => Err(NoteFault::Key),
        }
    }

    /// The private key's text, for a file of mode 0600.
    pub fn secret(&self) -> String {
        let body = STANDARD.encode([&[KIND], self.key.to_bytes().as_slice()].concat());
        format!("PRIVATE+KEY+{}+{:08x}+{body}", self.name, self.id())
    }

    /// The public key's text (`vkey`), for the logs that are witnessed.
    pub fn public(&self) -> String {
        let body = STANDARD.encode(ed25519(&self.key.verifying_key()));
        format!("{}+{:08x}+{body}", self.name, self.id())
    }

    /// A signature line (with its line feed) that says: at `seconds` since 1970, this checkpoint
    /// was the largest consistent head seen of its log.
    ///
    /// # Errors
    /// [`NoteFault::Form`] if `checkpoint` is no note.
    pub fn cosign(&self, checkpoint: &str, seconds: u64) -> Result<String, NoteFault> {
        let note = Note::from_bytes(checkpoint.as_bytes()).map_err(|_| NoteFault::Form)?;
        let signed = self.key.sign(&message(seconds, note.text()));
        let body = [seconds.to_be_bytes().as_slice(), &signed.to_bytes()].concat();
        let line = NoteSignature::new(self.name.clone(), self.id(), body)
            .map_err(|_| NoteFault::Key)?
            .to_bytes();
        String::from_utf8(line).map_err(|_| NoteFault::Form)
    }

    fn id(&self) -> u32 {
        key_id(&self.name, &ed25519(&self.key.verifying_key()))
    }
}

/// What it takes to verify a witness's cosignatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessVerifier {
    name: String,
    key: PublicKey,
}

/// A witness's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PublicKey {
    Ed25519(VerifyingKey),
    /// As FIPS 204 encodes it.
    MlDsa44(Vec<u8>),
}

impl PublicKey {
    /// From its type and its bytes; `None`: it is no such key, or one under which anybody can sign.
    fn of(kind: u8, bytes: &[u8]) -> Option<PublicKey> {
        match kind {
            KIND => {
                let key = VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
                (!key.is_weak()).then_some(PublicKey::Ed25519(key))
            }
            KIND_ML_DSA_44 if bytes.len() == ML_DSA_44_KEY_BYTES => {
                Some(PublicKey::MlDsa44(bytes.to_vec()))
            }
            _ => None,
        }
    }

    /// Type and bytes, as key ids are made of.
    fn material(&self) -> Vec<u8> {
        match self {
            PublicKey::Ed25519(key) => ed25519(key),
            PublicKey::MlDsa44(key) => [&[KIND_ML_DSA_44], key.as_slice()].concat(),
        }
    }
}

impl WitnessVerifier {
    /// From a `vkey` text: `<name>+<id>+<base64>`, of type 4 (Ed25519) or 6 (ML-DSA-44).
    ///
    /// # Errors
    /// [`NoteFault::Key`] if the text is not such a key, or one under which anybody can sign.
    pub fn new(public: &str) -> Result<WitnessVerifier, NoteFault> {
        let (name, rest) = public.trim().split_once('+').ok_or(NoteFault::Key)?;
        let (id, body) = rest.split_once('+').ok_or(NoteFault::Key)?;
        let bytes = STANDARD.decode(body).map_err(|_| NoteFault::Key)?;
        let (kind, key) = bytes.split_first().ok_or(NoteFault::Key)?;
        let key = PublicKey::of(*kind, key).ok_or(NoteFault::Key)?;
        let sound = signed_note::is_key_name_valid(name)
            && id == format!("{:08x}", key_id(name, &key.material()));
        let verifier = WitnessVerifier {
            name: name.to_owned(),
            key,
        };
        sound.then_some(verifier).ok_or(NoteFault::Key)
    }

    /// The witness's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When this witness cosigned the checkpoint, in seconds since 1970; `None`: it did not.
    pub fn cosigned(&self, checkpoint: &str) -> Option<u64> {
        let note = Note::from_bytes(checkpoint.as_bytes()).ok()?;
        let own = VerifierList::new(vec![Box::new(self.clone())]);
        let (signed, _) = note.verify(&own).ok()?;
        let (time, _) = signed.first()?.signature().split_first_chunk()?;
        Some(u64::from_be_bytes(*time))
    }

    /// The checkpoint with this witness's line out of `lines`, which is what a witness answered.
    /// Lines of unknown keys are left out; `None` if there is none of this witness that holds.
    pub fn join(&self, checkpoint: &str, lines: &str) -> Option<String> {
        let lines = lines.strip_suffix('\n')?.split('\n');
        let own = lines.filter_map(|line| NoteSignature::from_bytes(line.as_bytes()).ok());
        let mut own = own.filter(|line| line.name() == self.name && line.id() == self.key_id());
        let line = String::from_utf8(own.next()?.to_bytes()).ok()?;
        let joined = match self.cosigned(checkpoint) {
            Some(_) => self.without(checkpoint)? + &line,
            None => format!("{checkpoint}{line}"),
        };
        self.cosigned(&joined).map(|_| joined)
    }

    /// The checkpoint without this witness's line.
    fn without(&self, checkpoint: &str) -> Option<String> {
        let (text, lines) = checkpoint.rsplit_once("\n\n")?;
        let mut out = format!("{text}\n\n");
        for line in lines.lines() {
            let signature = NoteSignature::from_bytes(line.as_bytes()).ok()?;
            if signature.name() != self.name || signature.id() != self.key_id() {
                out.push_str(line);
                out.push('\n');
            }
        }
        Some(out)
    }
}

impl Verifier for WitnessVerifier {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        key_id(&self.name, &self.key.material())
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<TIME_BYTES>() else {
            return false;
        };
        let seconds = u64::from_be_bytes(*time);
        // The specification's largest time; larger ones are nonsense.
        if i64::try_from(seconds).is_err() {
            return false;
        }
        match &self.key {
            PublicKey::Ed25519(key) => {
                let signature = Signature::from_slice(signature);
                signature.is_ok_and(|signature| {
                    key.verify_strict(&message(seconds, text), &signature)
                        .is_ok()
                })
            }
            PublicKey::MlDsa44(key) => {
                // Without a moment it does not say that this was the largest head.
                let message = subtree(&self.name, seconds, text).filter(|_| seconds > 0);
                let key = UnparsedPublicKey::new(&ML_DSA_44, key);
                message.is_some_and(|message| key.verify(&message, signature).is_ok())
            }
        }
    }
}

fn ed25519(key: &VerifyingKey) -> Vec<u8> {
    [&[KIND], key.to_bytes().as_slice()].concat()
}

fn message(seconds: u64, text: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {seconds}\n").as_bytes(), text].concat()
}

/// What a cosigner of ML-DSA-44 signs of a checkpoint; `None`: the text is none.
fn subtree(name: &str, seconds: u64, text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = std::str::from_utf8(text).ok()?.split('\n');
    let (origin, size) = (lines.next()?, lines.next()?.parse::<u64>().ok()?);
    let root: [u8; 32] = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
    let (name, origin) = (name.as_bytes(), origin.as_bytes());
    let mut out = SUBTREE.to_vec();
    out.push(u8::try_from(name.len()).ok()?);
    out.extend_from_slice(name);
    out.extend_from_slice(&seconds.to_be_bytes());
    out.push(u8::try_from(origin.len()).ok()?);
    out.extend_from_slice(origin);
    out.extend_from_slice(&0_u64.to_be_bytes());
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&root);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{LogKey, LogVerifier};

    #[test]
    fn the_example_of_the_specification_has_the_form_of_ours() {
        let witness = WitnessKey::new("witness.example.com/w1", &[1; 32]).unwrap();
        let again = WitnessKey::from_secret(&witness.secret()).unwrap();
        assert_eq!(again.public(), witness.public());
        let verifier = WitnessVerifier::new(&witness.public()).unwrap();
        assert_eq!(verifier.name(), "witness.example.com/w1");
        assert!(WitnessVerifier::new("witness.example.com/w1+00000000+BAAA").is_err());
    }

    #[test]
    fn a_joined_cosignature_holds_for_its_checkpoint_only() {
        let log = LogKey::new("log.example", &[2; 32]).unwrap();
        let (one, two) = (
            log.sign(7, &[3; 32]).unwrap(),
            log.sign(8, &[3; 32]).unwrap(),
        );
        let witness = WitnessKey::new("w.example", &[1; 32]).unwrap();
        let verifier = WitnessVerifier::new(&witness.public()).unwrap();
        let line = witness.cosign(&one, 1_700_000_000).unwrap();
        let joined = verifier.join(&one, &line).unwrap();
        assert_eq!(verifier.cosigned(&joined), Some(1_700_000_000));
        assert_eq!(verifier.cosigned(&one), None);
        assert!(verifier.join(&two, &line).is_none());
        // The log's own signature still holds, and a later cosignature takes the place.
        let log = LogVerifier::new(log.public()).unwrap();
        assert_eq!(log.verify(&joined).unwrap(), (7, [3; 32]));
        let later = witness.cosign(&one, 1_700_000_009).unwrap();
        let joined = verifier.join(&joined, &later).unwrap();
        assert_eq!(verifier.cosigned(&joined), Some(1_700_000_009));
        assert_eq!(joined.matches("w.example").count(), 1);
    }

    #[test]
    fn a_changed_time_and_another_witness_are_refused() {
        let log = LogKey::new("log.example", &[2; 32]).unwrap();
        let note = log.sign(7, &[3; 32]).unwrap();
        let witness = WitnessKey::new("w.example", &[1; 32]).unwrap();
        let other = WitnessKey::new("w.example", &[9; 32]).unwrap();
        let verifier = WitnessVerifier::new(&witness.public()).unwrap();
        assert!(
            verifier
                .join(&note, &other.cosign(&note, 5).unwrap())
                .is_none()
        );
        let line = witness.cosign(&note, 5).unwrap();
        let mut bytes = STANDARD
            .decode(line.trim().rsplit(' ').next().unwrap())
            .unwrap();
        bytes[11] ^= 1;
        let forged = format!("— w.example {}\n", STANDARD.encode(bytes));
        assert!(verifier.join(&note, &forged).is_none());
        assert!(verifier.join(&note, "").is_none());
    }

    /// A witness elsewhere, of ML-DSA-44: its public key's text, and its line under a checkpoint.
    fn quantum(checkpoint: &str, (seconds, signed): (u64, u64)) -> (String, String) {
        use aws_lc_rs::signature::{KeyPair as _, ML_DSA_44_SIGNING, PqdsaKeyPair};
        let pair = PqdsaKeyPair::generate(&ML_DSA_44_SIGNING).unwrap();
        let material = [&[KIND_ML_DSA_44], pair.public_key().as_ref()].concat();
        let id = key_id("w.example/pq", &material);
        let note = Note::from_bytes(checkpoint.as_bytes()).unwrap();
        let message = subtree("w.example/pq", signed, note.text()).unwrap();
        let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
        pair.sign(&message, &mut signature).unwrap();
        let body = [seconds.to_be_bytes().as_slice(), &signature].concat();
        let line = NoteSignature::new("w.example/pq".into(), id, body).unwrap();
        let line = String::from_utf8(line.to_bytes()).unwrap();
        (
            format!("w.example/pq+{id:08x}+{}", STANDARD.encode(material)),
            line,
        )
    }

    #[test]
    fn a_cosignature_of_ml_dsa_holds_for_its_head_and_its_moment() {
        let log = LogKey::new("log.example", &[2; 32]).unwrap();
        let (one, two) = (
            log.sign(7, &[3; 32]).unwrap(),
            log.sign(8, &[3; 32]).unwrap(),
        );
        let (public, line) = quantum(&one, (1_700_000_000, 1_700_000_000));
        let verifier = WitnessVerifier::new(&public).unwrap();
        let joined = verifier.join(&one, &line).unwrap();
        assert_eq!(verifier.cosigned(&joined), Some(1_700_000_000));
        assert!(verifier.join(&two, &line).is_none(), "another head");
        let (public, line) = quantum(&one, (1_700_000_000, 1_600_000_000));
        let verifier = WitnessVerifier::new(&public).unwrap();
        assert!(verifier.join(&one, &line).is_none(), "another moment");
        let (public, line) = quantum(&one, (0, 0));
        let verifier = WitnessVerifier::new(&public).unwrap();
        assert!(verifier.join(&one, &line).is_none(), "no moment");
    }
}
