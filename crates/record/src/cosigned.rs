//! Heads that witnesses cosigned, published with the checkpoint.
//!
//! Witnesses are asked by whoever runs the record, never by the record: a slow one must not hold up
//! a commit or a checkpoint.

use event::Time;
use seal::{Hash, LogVerifier, WitnessVerifier};
use tokio::sync::watch;

use crate::door::Inner;
use crate::journal::Published;
use crate::proving::consistency;
use crate::sealed::Outcome;
use crate::vault::{CHECKPOINT, COSIGNED, Vault};
use crate::{Error, Record};

/// A head that enough witnesses cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Events under it.
    pub size: u64,
    /// The signed note, with the cosignatures.
    pub note: String,
}

impl Record {
    /// The newest head that enough witnesses cosigned.
    pub fn cosigned(&self) -> Option<Cosigned> {
        self.inner.cosigned.borrow().clone()
    }

    /// Changes with each published checkpoint.
    pub fn heads(&self) -> watch::Receiver<Option<Published>> {
        self.inner.head_changes()
    }

    /// What shows that the published tree of `size` events grew out of that of `old`
    /// (RFC 6962 section 2.1.2).
    ///
    /// # Errors
    /// [`Error::NoSuchIndex`] if `old` is beyond `size`, [`Error::Broken`] if tiles are missing.
    pub async fn consistency(&self, old: u64, size: u64) -> Outcome<Vec<Hash>> {
        consistency(self.inner.vault.as_ref(), old, size).await
    }

    /// Publishes a checkpoint of ours with the cosignatures in it: in place of the same one without
    /// them, and, if `witnesses` are all that was asked for and they all are in it, as the head
    /// under which events are proved from now on.
    ///
    /// # Errors
    /// [`Error::Broken`] if the note is not ours or the vault fails.
    pub async fn add_cosignatures(&self, note: &str, enough: Enough) -> Outcome<()> {
        let inner = &self.inner;
        let log = LogVerifier::new(inner.publisher.key().public()).map_err(broken)?;
        let (size, _) = log.verify(note).map_err(broken)?;
        inner.join_cosignatures(size, note).await?;
        let newer = self.cosigned().is_none_or(|known| known.size <= size);
        if enough == Enough::Yes && newer {
            put(inner.vault.as_ref(), COSIGNED, note).await?;
            let note = note.to_owned();
            inner.cosigned.send_replace(Some(Cosigned { size, note }));
        }
        Ok(())
    }

    /// When each of these witnesses last cosigned, in the notes that are published.
    pub fn cosigned_at(&self, witness: &WitnessVerifier) -> Option<(u64, Time)> {
        let (size, note, _) = self.checkpoint();
        let known = self.cosigned().map(|head| (head.size, head.note));
        let heads = [Some((size, note)), known];
        let times = heads.into_iter().flatten().filter_map(|(size, note)| {
            let seconds = i64::try_from(witness.cosigned(&note)?).ok()?;
            Some((size, Time::from_millis(seconds.saturating_mul(1_000))))
        });
        times.max_by_key(|(size, _)| *size)
    }
}

/// Whether as many witnesses cosigned as are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enough {
    /// They did.
    Yes,
    /// Some are missing.
    No,
}

impl Inner {
    /// Puts the cosignatures on the published checkpoint, if it is still this one.
    async fn join_cosignatures(&self, size: u64, note: &str) -> Outcome<()> {
        let mut last = self.publisher.last.lock().await;
        let Some(published) = last.as_mut().filter(|last| last.size == size) else {
            return Ok(());
        };
        let mut next = published.clone();
        next.note = note.to_owned();
        let swapped = self.journal.publish(Some(size), &next).await;
        if !swapped.map_err(broken)? {
            return Err(broken("somebody else published a checkpoint"));
        }
        put(self.vault.as_ref(), CHECKPOINT, note).await?;
        *published = next.clone();
        self.tell_head(next);
        Ok(())
    }

    /// The cosigned head that was published before, if it is there and ours.
    pub(crate) async fn read_cosigned(&self) -> Outcome<()> {
        let Some(bytes) = self.vault.get(COSIGNED).await.map_err(broken)? else {
            return Ok(());
        };
        let log = LogVerifier::new(self.publisher.key().public()).map_err(broken)?;
        let note = String::from_utf8_lossy(&bytes).into_owned();
        match log.verify(&note) {
            Ok((size, _)) => drop(self.cosigned.send_replace(Some(Cosigned { size, note }))),
            // It is only a copy of what was published: the next cosignatures replace it.
            Err(why) => tracing::warn!(%why, "`vault/cosigned` cannot be used"),
        }
        Ok(())
    }
}

async fn put(vault: &dyn Vault, path: &str, note: &str) -> Outcome<()> {
    let put = vault.put(path, note.to_owned().into()).await;
    put.map_err(broken)
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "publish cosignatures",
        why: why.to_string(),
    }
}
