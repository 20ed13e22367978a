//! Objects in the vault: what is too large for a row, such as a DICOM file. They are encrypted under
//! the key of whom they are about, and lie under the hash of what lies there.

mod absent;
mod hold;
mod named;

use std::sync::Arc;

use event::{Body, Event, Image, Stored, Time};
use seal::Key;

use crate::door::{Inner, Record};
use crate::erase::hex;
use crate::journal::Version;
use crate::keyring::Stream;
use crate::sealed::Outcome;
use crate::vault::Vault;
use crate::{Error, Sealed};

pub use absent::Absent;
pub(crate) use hold::{Held, Holding, NOWHERE, hold};
pub(crate) use named::{Named, Naming, Unnamed, naming};

/// The folder of the vault that they are in.
pub(crate) const OBJECTS: &str = "object";
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// What an instance is called among the things that can be written once.
const INSTANCE: &str = "dicom-instance";

impl Record {
    /// Stores the object that an event is going to name, under the key of the event's subject;
    /// durable on return. An object that no event names afterwards is nobody's.
    ///
    /// # Errors
    /// [`Error::Broken`] if it cannot be encrypted or stored, or if this is a standby.
    pub async fn keep(
        &self,
        event: &Event,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Outcome<Stored> {
        let inner = &self.inner;
        if inner.standby.is_some() {
            return Err(broken("a standby takes no objects"));
        }
        inner.in_office()?;
        // INVARIANT: no key is fetched while it is shredded. It is not held on to while the bytes are stored, which
        // may take long: whoever seals the event looks whether its key is still the same ([`belongs`]).
        let within = inner.within_quiet(event).await?;
        let mut nonce = [0; 12];
        inner.keyring.random(&mut nonce)?;
        let work = tokio::task::spawn_blocking(move || encrypted(&within, nonce, bytes.as_ref()));
        let (stored, sealed) = work.await.map_err(broken)??;
        inner
            .vault
            .put(&stored.path, sealed.into())
            .await
            .map_err(broken)?;
        Ok(stored)
    }

    /// The object that a sealed event names: read again, and held against both of its hashes.
    ///
    /// # Errors
    /// [`Error::Erased`] if its key is gone, [`Error::Lost`] if it is not there or is not what was
    /// stored, [`Error::Broken`] if it cannot be read or the event names none.
    pub async fn object(&self, sealed: &Sealed) -> Outcome<Vec<u8>> {
        let Body::Image(Image { whole, .. }) = &sealed.event().body else {
            return Err(broken(format!("event {} names no object", sealed.index())));
        };
        let inner = &self.inner;
        let stream = sealed.stream();
        let key = inner.keyring.key(&stream).await?;
        let key = key.ok_or(Error::Erased(sealed.index()))?;
        inner.open_object(whole, (stream, key)).await
    }

    /// The event by which a DICOM instance came first.
    ///
    /// # Errors
    /// [`Error::Broken`] if the journal cannot be read, [`Error::Erased`].
    pub async fn instance(&self, uid: &str) -> Outcome<Option<Sealed>> {
        let tag = self.inner.instance_tag(uid);
        let known = self.inner.journal.written(tag).await.map_err(broken)?;
        match known.first() {
            Some(Version { seq, .. }) => self.get(*seq).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Under which key something is stored, and on which day.
#[derive(Clone)]
pub(crate) struct Within {
    pub(crate) stream: Stream,
    pub(crate) day: String,
}

impl Inner {
    /// Of an event that is sealed now.
    pub(crate) async fn within(&self, event: &Event) -> Outcome<Within> {
        let day = day(self.clock.now());
        let stream = self.keyring.stream(event, &day).await?;
        Ok(Within { stream, day })
    }

    /// The same, while nothing is erased.
    pub(crate) async fn within_quiet(&self, event: &Event) -> Outcome<Within> {
        let _loud = self.quiet.read().await;
        self.within(event).await
    }

    /// What is not there is lost only if the vault is there: a folder that is not mounted, or a bucket that is away for a
    /// moment, has nothing either.
    async fn has_vault(&self) -> Outcome<()> {
        match self.vault.heads().await.map_err(broken)?.is_empty() {
            true => Err(broken(
                "there is no vault at its place: see whether it is mounted",
            )),
            false => Ok(()),
        }
    }

    /// An object as an event names it, held against both of its hashes.
    pub(crate) async fn open_object(
        &self,
        whole: &Stored,
        (stream, key): ([u8; 16], Key),
    ) -> Outcome<Vec<u8>> {
        let found = self.vault.get(&whole.path).await.map_err(broken)?;
        let lost = |what| Error::Lost {
            path: whole.path.clone(),
            what,
        };
        let Some(found) = found.map(Vec::from) else {
            self.has_vault().await?;
            return Err(lost("is missing"));
        };
        let wanted = whole.clone();
        let work = tokio::task::spawn_blocking(move || {
            if !is_named(&wanted.path, &found) {
                return None;
            }
            let opened = seal::open_object(&key, &stream, found).ok()?;
            (hex(&seal::sha256(&[&opened])) == wanted.sha256).then_some(opened)
        });
        work.await
            .map_err(broken)?
            .ok_or_else(|| lost("was altered"))
    }

    /// The tag of the one event by which an instance can come.
    pub(crate) fn instance_tag(&self, uid: &str) -> [u8; 16] {
        self.resource_tag(INSTANCE, uid)
    }
}

/// What lies in the vault for some bytes, and how an event names it.
pub(crate) fn encrypted(
    Within { stream, day }: &Within,
    nonce: [u8; 12],
    bytes: &[u8],
) -> Outcome<(Stored, Vec<u8>)> {
    let sealed = seal::seal_object(&stream.key, &stream.name, nonce, bytes);
    let sealed = sealed.map_err(broken)?;
    let stored = Stored {
        path: path(day, &sealed),
        stream: hex(&stream.name),
        sha256: hex(&seal::sha256(&[bytes])),
        bytes: bytes.len() as u64,
    };
    Ok((stored, sealed))
}

/// Whether an object was stored just now, under the key that the event goes under. It was not if that
/// key was shredded or the day of the house ended between the two: then it has to be stored again.
///
/// INVARIANT: no event names an object of the day before yesterday: such a one may be removed.
pub(crate) fn belongs(stored: &Stored, stream: &[u8; 16], now: Time) -> Outcome<()> {
    let days = [now, Time::from_millis(now.millis() - DAY_MS)].map(day);
    let fresh = |day: &String| stored.path.starts_with(&format!("{OBJECTS}/{day}/"));
    match (stored.stream == hex(stream), days.iter().any(fresh)) {
        (true, true) => Ok(()),
        (false, _) => Err(broken("the object is not under the key of its event")),
        (true, false) => Err(broken("the object was stored too long ago: store it again")),
    }
}

pub(crate) fn day(at: Time) -> String {
    at.timestamp().strftime("%Y-%m-%d").to_string()
}

/// The paths of all objects of a vault.
pub(crate) async fn paths(vault: &Arc<dyn Vault>) -> Outcome<Vec<String>> {
    let mut paths = vault.list(OBJECTS).await.map_err(broken)?;
    paths.sort_unstable();
    Ok(paths)
}

/// Whether bytes are those that the path names.
pub(crate) fn is_named(path: &str, bytes: &[u8]) -> bool {
    path.rsplit('/').next() == Some(hex(&seal::sha256(&[bytes])).as_str())
}

fn path(day: &str, sealed: &[u8]) -> String {
    format!("{OBJECTS}/{day}/{}", hex(&seal::sha256(&[sealed])))
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "keep or read an object",
        why: why.to_string(),
    }
}
