//! The log's key is followed by another: both sign for a time, and a note that both signed leads from
//! one to the other (NIST SP 800-57 part 1, 5.3.6: a signing key has an end).

use std::sync::{Arc, PoisonError};

use seal::LogKey;

use crate::Error;
use crate::door::{Inner, Record};
use crate::keyfile;
use crate::publisher::Publisher;
use crate::rotate::SigningKey;
use crate::sealed::Outcome;

/// What became of the log's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKeys {
    /// The public key that signs now (`vkey`).
    pub vkey: String,
    /// How many keys sign: 2 while the one before signs too.
    pub signing: usize,
    /// The notes of how each key led to the next; empty: this is the first.
    pub successions: String,
}

impl Record {
    /// The log's keys, without any secret.
    pub fn log_keys(&self) -> LogKeys {
        told(&self.inner.publisher.key())
    }

    /// Makes a new key for the log. The one before signs beside it until it is retired; alone it counts
    /// for nothing that is committed from now on. The caller seals the note.
    ///
    /// # Errors
    /// [`Error::Broken`] if the one before still signs too, if this is a standby, or if the files
    /// cannot be written; the key is what it was then.
    pub async fn rotate_log_key(&self) -> Outcome<LogKeys> {
        let inner = &self.inner;
        let _alone = inner.maintenance.lock().await;
        // INVARIANT: nothing is signed while the size is read up to which the earlier key signed alone.
        let (_last, _tail) = quiet(&inner.publisher).await;
        inner.has_its_key()?;
        let now = inner.publisher.key();
        if now.signing() > 1 {
            return Err(broken(
                "the key before this one still signs: retire it first (`salus keys rotate --retire-log`)",
            ));
        }
        let size = inner.journal.frontier().await.map_err(broken)?.size();
        let seed = keyfile::new_key()?;
        let next = now.succeeded(seed.bytes(), size).map_err(broken)?;
        let keys = inner.take_key(next)?;
        self.signing_key_made(SigningKey::Checkpoints).await;
        Ok(keys)
    }

    /// From now on the log's key signs alone. Whoever knows only the one before cannot check what is
    /// signed then, unless they have the notes.
    ///
    /// # Errors
    /// [`Error::Broken`] if it signs alone already, if this is a standby, or if the files cannot be
    /// written.
    pub async fn retire_log_key(&self) -> Outcome<LogKeys> {
        let inner = &self.inner;
        let _alone = inner.maintenance.lock().await;
        let (_last, _tail) = quiet(&inner.publisher).await;
        inner.has_its_key()?;
        let now = inner.publisher.key();
        if now.signing() < 2 {
            return Err(broken("no key before this one signs any more"));
        }
        inner.take_key(now.retired().map_err(broken)?)
    }
}

impl Inner {
    /// A standby's key is its primary's: it is not followed by another here.
    fn has_its_key(&self) -> Outcome<()> {
        match &self.standby {
            Some(_) => Err(broken("a standby's log key is rotated at its primary")),
            None => Ok(()),
        }
    }

    fn take_key(&self, key: LogKey) -> Outcome<LogKeys> {
        keyfile::replace_log(&self.config, &key)?;
        let told = told(&key);
        self.publisher.set_key(key);
        Ok(told)
    }
}

impl Publisher {
    /// The key that signs now, with those before it.
    pub(crate) fn key(&self) -> Arc<LogKey> {
        let key = self.key.read();
        Arc::clone(&key.unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on another key signs.
    pub(crate) fn set_key(&self, key: LogKey) {
        let now = self.key.write();
        *now.unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }
}

/// Holds whatever signs until the guards are dropped, in the order in which others take them.
async fn quiet(publisher: &Publisher) -> (impl Sized, impl Sized) {
    let tail = publisher.tail.lock().await;
    (publisher.last.lock().await, tail)
}

fn told(key: &LogKey) -> LogKeys {
    LogKeys {
        vkey: key.vkey().to_owned(),
        signing: key.signing(),
        successions: key.successions().to_owned(),
    }
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "rotate the log's key",
        why: why.to_string(),
    }
}
