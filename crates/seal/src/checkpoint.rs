//! Signed tree heads: C2SP tlog-checkpoint in C2SP signed-note, with Ed25519.

use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use thiserror::Error;
use tlog_tiles::{Checkpoint, Hash as TlogHash};

use crate::tree::Hash;

/// What is wrong with a key or a note.
#[derive(Debug, Error)]
pub enum NoteFault {
    /// A key that does not follow C2SP signed-note.
    #[error("the log key is not in signed-note form")]
    Key,
    /// A note that does not follow C2SP signed-note or tlog-checkpoint.
    #[error("the checkpoint is not in C2SP form")]
    Form,
    /// No valid signature by the key.
    #[error("the checkpoint is not signed by this log")]
    Signature,
    /// Signed, but by a log of another name.
    #[error("the checkpoint belongs to the log `{0}`")]
    Origin(String),
}

/// The log's private key.
pub struct LogKey {
    origin: String,
    signer: StandardSigner,
    secret: String,
    public: String,
}

impl LogKey {
    /// A new key for the log `origin`, from 32 random bytes.
    ///
    /// # Errors
    /// [`NoteFault::Key`] if `origin` has a space or a plus sign.
    pub fn new(origin: &str, seed: &[u8; 32]) -> Result<LogKey, NoteFault> {
        let secret = secret_key(origin, seed);
        LogKey::from_secret(&secret)
    }

    /// The key from its file: `PRIVATE+KEY+<origin>+<id>+<base64>`.
    ///
    /// # Errors
    /// [`NoteFault::Key`] if the text is not such a key.
    pub fn from_secret(secret: &str) -> Result<LogKey, NoteFault> {
        let signer = StandardSigner::new(secret).map_err(|_| NoteFault::Key)?;
        let origin = signed_note::Signer::name(&signer).to_owned();
        let seed = seed_of(secret).ok_or(NoteFault::Key)?;
        let public = signed_note::new_ed25519_verifier_key(
            &origin,
            &ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key(),
        );
        Ok(LogKey {
            origin,
            signer,
            secret: secret.to_owned(),
            public,
        })
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The private key's text, for a file of mode 0600.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The public key's text (`vkey`): what anyone needs to verify.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Signs the head of a tree: the text of the note.
    ///
    /// # Errors
    /// [`NoteFault::Form`] if the note cannot be written.
    pub fn sign(&self, size: u64, root: &Hash) -> Result<String, NoteFault> {
        let text = Checkpoint::new(&self.origin, size, TlogHash(*root), "")
            .map_err(|_| NoteFault::Form)?
            .to_bytes();
        let mut note = Note::new(&text, &[]).map_err(|_| NoteFault::Form)?;
        note.add_sigs(&[&self.signer])
            .map_err(|_| NoteFault::Form)?;
        String::from_utf8(note.to_bytes()).map_err(|_| NoteFault::Form)
    }
}

fn secret_key(origin: &str, seed: &[u8; 32]) -> String {
    use base64::Engine as _;
    let public = ed25519_dalek::SigningKey::from_bytes(seed).verifying_key();
    let id = signed_note::key_id(origin, &[&[1], public.to_bytes().as_slice()].concat());
    let body = base64::engine::general_purpose::STANDARD.encode([&[1], seed.as_slice()].concat());
    format!("PRIVATE+KEY+{origin}+{id:08x}+{body}")
}

fn seed_of(secret: &str) -> Option<[u8; 32]> {
    use base64::Engine as _;
    // Standard base64 may itself contain a plus sign, so the body is what follows the fifth part.
    let body = secret.splitn(5, '+').nth(4)?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(body)
        .ok()?;
    bytes.get(1..)?.try_into().ok()
}

/// What anyone needs to verify a checkpoint: the log's public key.
#[derive(Clone)]
pub struct LogVerifier {
    origin: String,
    public: String,
}

impl LogVerifier {
    /// From a `vkey` text: `<origin>+<id>+<base64>`.
    ///
    /// # Errors
    /// [`NoteFault::Key`] if the text is not such a key.
    pub fn new(public: &str) -> Result<LogVerifier, NoteFault> {
        let public = public.trim();
        StandardVerifier::new(public).map_err(|_| NoteFault::Key)?;
        let (origin, _) = public.split_once('+').ok_or(NoteFault::Key)?;
        Ok(LogVerifier {
            origin: origin.to_owned(),
            public: public.to_owned(),
        })
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Size and root that `note` signs, if this log signed it.
    ///
    /// # Errors
    /// [`NoteFault`] says what is wrong with the note.
    pub fn verify(&self, note: &str) -> Result<(u64, Hash), NoteFault> {
        let verifier = StandardVerifier::new(&self.public).map_err(|_| NoteFault::Key)?;
        let note = Note::from_bytes(note.as_bytes()).map_err(|_| NoteFault::Form)?;
        let (signed, _) = note
            .verify(&VerifierList::new(vec![Box::new(verifier)]))
            .map_err(|_| NoteFault::Signature)?;
        if signed.is_empty() {
            return Err(NoteFault::Signature);
        }
        let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|_| NoteFault::Form)?;
        if checkpoint.origin() != self.origin {
            return Err(NoteFault::Origin(checkpoint.origin().to_owned()));
        }
        Ok((checkpoint.size(), checkpoint.hash().0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_what_its_public_key_verifies() {
        for byte in 0..64 {
            let key = LogKey::new("salus.example/log", &[byte; 32]).unwrap();
            let again = LogKey::from_secret(key.secret()).unwrap();
            assert_eq!(again.public(), key.public());
            let note = again.sign(7, &[byte; 32]).unwrap();
            let verifier = LogVerifier::new(key.public()).unwrap();
            assert_eq!(verifier.verify(&note).unwrap(), (7, [byte; 32]));
        }
    }

    #[test]
    fn refuses_another_log_and_a_changed_size() {
        let one = LogKey::new("one.example", &[1; 32]).unwrap();
        let two = LogKey::new("two.example", &[2; 32]).unwrap();
        let note = one.sign(7, &[0; 32]).unwrap();
        let verifier = LogVerifier::new(two.public()).unwrap();
        assert!(matches!(verifier.verify(&note), Err(NoteFault::Signature)));
        let verifier = LogVerifier::new(one.public()).unwrap();
        let changed = note.replacen("\n7\n", "\n8\n", 1);
        assert!(verifier.verify(&changed).is_err());
        assert!(verifier.verify("").is_err());
    }
}
