//! Signed tree heads: C2SP tlog-checkpoint in C2SP signed-note, with Ed25519.

use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use thiserror::Error;
use tlog_tiles::{Checkpoint, Hash as TlogHash};

use crate::succession::{self, Succession};
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

/// The log's private key, with those before it: one before may sign beside it for a time, so that
/// whoever knows only that one can check what is signed now.
pub struct LogKey {
    origin: String,
    /// The key that signs, then those before it that still sign too.
    signers: Vec<StandardSigner>,
    secrets: Vec<String>,
    /// How each key led to the next, as notes one after another.
    successions: String,
    secret: String,
    vkey: String,
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

    /// The key from its file: `PRIVATE+KEY+<origin>+<id>+<base64>`; below it those before it that
    /// still sign, and after a blank line the notes of how one led to the next.
    ///
    /// # Errors
    /// [`NoteFault::Key`] if the text is not such a key, [`NoteFault`] if a note does not hold.
    pub fn from_secret(text: &str) -> Result<LogKey, NoteFault> {
        let (keys, notes) = text.trim().split_once("\n\n").unwrap_or((text, ""));
        let secrets = keys.lines().map(str::trim).filter(|line| !line.is_empty());
        let secrets: Vec<String> = secrets.map(str::to_owned).collect();
        LogKey::of(secrets, succession::notes(notes).concat())
    }

    fn of(secrets: Vec<String>, successions: String) -> Result<LogKey, NoteFault> {
        let signer = |secret: &String| StandardSigner::new(secret).map_err(|_| NoteFault::Key);
        let signers = secrets.iter().map(signer).collect::<Result<Vec<_>, _>>()?;
        let first = signers.first().zip(secrets.first());
        let (signer, secret) = first.ok_or(NoteFault::Key)?;
        let origin = signed_note::Signer::name(signer).to_owned();
        let seed = seed_of(secret).ok_or(NoteFault::Key)?;
        let vkey = signed_note::new_ed25519_verifier_key(
            &origin,
            &ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key(),
        );
        let with = |head: String| match successions.is_empty() {
            true => head,
            false => format!("{head}\n\n{successions}"),
        };
        let key = LogKey {
            secret: with(secrets.join("\n")),
            public: with(vkey.clone()),
            origin,
            signers,
            secrets,
            successions,
            vkey,
        };
        // What is signed must be what can be checked by the file that is handed out.
        LogVerifier::new(&key.public)?;
        Ok(key)
    }

    /// A new key that follows this one, from 32 random bytes. This one alone counts for nothing beyond
    /// `size`; both sign until [`LogKey::retired`].
    ///
    /// # Errors
    /// [`NoteFault`] if the note cannot be made.
    pub fn succeeded(&self, seed: &[u8; 32], size: u64) -> Result<LogKey, NoteFault> {
        let after = LogKey::new(&self.origin, seed)?;
        let succession = Succession {
            origin: self.origin.clone(),
            size,
            before: self.vkey.clone(),
            after: after.vkey.clone(),
        };
        let both = self.signers.first().zip(after.signers.first());
        let (before, new) = both.ok_or(NoteFault::Key)?;
        let note = succession.sign([before, new])?;
        let secrets = after
            .secrets
            .into_iter()
            .chain(self.secrets.first().cloned());
        LogKey::of(secrets.collect(), format!("{}{note}", self.successions))
    }

    /// The same key without those before it: from now on it signs alone.
    ///
    /// # Errors
    /// [`NoteFault::Key`]: none with a key that was made.
    pub fn retired(&self) -> Result<LogKey, NoteFault> {
        let first = self.secrets.first().cloned();
        LogKey::of(first.into_iter().collect(), self.successions.clone())
    }

    /// How many keys sign.
    pub fn signing(&self) -> usize {
        self.signers.len()
    }

    /// How each key led to the next: notes that both signed, one after another; empty: it is the first.
    pub fn successions(&self) -> &str {
        &self.successions
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The private key's text, for a file of mode 0600.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The public key's text: its `vkey`, and after a blank line the notes of how those before led to
    /// it. What anyone needs to verify whatever this log signed.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The public key alone (`vkey`), for other programs: it verifies what is signed from now on.
    pub fn vkey(&self) -> &str {
        &self.vkey
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
        let signers = self
            .signers
            .iter()
            .map(|one| one as &dyn signed_note::Signer);
        let signers: Vec<&dyn signed_note::Signer> = signers.collect();
        note.add_sigs(&signers).map_err(|_| NoteFault::Form)?;
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

/// What anyone needs to verify a checkpoint: the log's public keys.
#[derive(Clone)]
pub struct LogVerifier {
    origin: String,
    keys: Vec<Accepted>,
}

/// One key, and up to which size it counts alone; `None`: for ever.
#[derive(Clone)]
struct Accepted {
    vkey: String,
    until: Option<u64>,
}

impl LogVerifier {
    /// From a `vkey` text: `<origin>+<id>+<base64>`; after a blank line notes may follow that say
    /// which key led to it, or to which it led.
    ///
    /// # Errors
    /// [`NoteFault`] if the text is not such a key, or a note is not signed by the two it names.
    pub fn new(public: &str) -> Result<LogVerifier, NoteFault> {
        let (vkey, notes) = public.trim().split_once("\n\n").unwrap_or((public, ""));
        let vkey = vkey.trim();
        StandardVerifier::new(vkey).map_err(|_| NoteFault::Key)?;
        let (origin, _) = vkey.split_once('+').ok_or(NoteFault::Key)?;
        let notes = succession::notes(notes);
        let steps = notes.iter().map(|note| Succession::read(note));
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        if let Some(other) = steps.iter().find(|step| step.origin != origin) {
            return Err(NoteFault::Origin(other.origin.clone()));
        }
        let mut verifier = LogVerifier {
            origin: origin.to_owned(),
            keys: vec![Accepted {
                vkey: vkey.to_owned(),
                until: None,
            }],
        };
        // Each pass reaches one key more at least, or is the last.
        for _ in 0..=steps.len() {
            steps.iter().for_each(|step| verifier.learn(step));
        }
        Ok(verifier)
    }

    /// Of two keys of which one is known the other one counts too; the earlier one up to a size.
    fn learn(&mut self, step: &Succession) {
        let known = |vkey: &str| self.keys.iter().any(|key| key.vkey == vkey);
        let (before, after) = (known(&step.before), known(&step.after));
        if !before && !after {
            return;
        }
        for (vkey, there) in [(&step.before, before), (&step.after, after)] {
            if !there {
                self.keys.push(Accepted {
                    vkey: vkey.clone(),
                    until: None,
                });
            }
        }
        let earlier = self.keys.iter_mut().find(|key| key.vkey == step.before);
        if let Some(earlier) = earlier {
            earlier.until = Some(
                earlier
                    .until
                    .map_or(step.size, |until| until.min(step.size)),
            );
        }
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The key that signs now (`vkey`), as far as is known.
    pub fn vkey(&self) -> &str {
        let now = self.keys.iter().find(|key| key.until.is_none());
        now.map_or("", |key| &key.vkey)
    }

    /// Whether a key (`vkey`) is one of this log's, now or before.
    pub fn leads_from(&self, vkey: &str) -> bool {
        self.keys.iter().any(|key| key.vkey == vkey.trim())
    }

    /// Size and root that `note` signs, if this log signed it.
    ///
    /// # Errors
    /// [`NoteFault`] says what is wrong with the note.
    pub fn verify(&self, note: &str) -> Result<(u64, Hash), NoteFault> {
        let note = Note::from_bytes(note.as_bytes()).map_err(|_| NoteFault::Form)?;
        let checkpoint = Checkpoint::from_bytes(note.text());
        let size = checkpoint.as_ref().map_or(u64::MAX, Checkpoint::size);
        let counts = |key: &&Accepted| key.until.is_none_or(|until| size <= until);
        let keys = self.keys.iter().filter(counts);
        let (signed, _) = note
            .verify(&verifiers(keys)?)
            .map_err(|_| NoteFault::Signature)?;
        if signed.is_empty() {
            return Err(NoteFault::Signature);
        }
        let checkpoint = checkpoint.map_err(|_| NoteFault::Form)?;
        if checkpoint.origin() != self.origin {
            return Err(NoteFault::Origin(checkpoint.origin().to_owned()));
        }
        Ok((checkpoint.size(), checkpoint.hash().0))
    }

    /// Whether a note that this log signed is also signed in its name by a key that is not known here:
    /// that of a successor.
    pub fn misses_a_key(&self, note: &str) -> bool {
        let Ok(note) = Note::from_bytes(note.as_bytes()) else {
            return false;
        };
        let Ok(keys) = verifiers(self.keys.iter()) else {
            return false;
        };
        let of_log = |other: &signed_note::Signature| other.name() == self.origin;
        note.verify(&keys)
            .is_ok_and(|(_, others)| others.iter().any(of_log))
    }
}

fn verifiers<'k>(keys: impl Iterator<Item = &'k Accepted>) -> Result<VerifierList, NoteFault> {
    let mut all: Vec<Box<dyn signed_note::Verifier>> = Vec::new();
    for key in keys {
        let verifier = StandardVerifier::new(&key.vkey).map_err(|_| NoteFault::Key)?;
        all.push(Box::new(verifier));
    }
    Ok(VerifierList::new(all))
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
