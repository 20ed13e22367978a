//! Reading events back, and proving where they stand.

use std::collections::HashMap;
use std::sync::Arc;

use event::Time;
use seal::{Decompressor, Entry, Key, LogVerifier};

use crate::config::Config;
use crate::door::{Inner, Record};
use crate::journal::Row;
use crate::proving::inclusion;
use crate::sealed::Outcome;
use crate::vault::{CHECKPOINT, COSIGNED};
use crate::{Error, Sealed, engines, keyfile};

/// Rows that are decrypted on a thread of their own at a time.
const SPAWN_ROWS: usize = 16;

impl Record {
    /// Up to `limit` events from `from` on, in order; those that were erased or altered are left
    /// out.
    /// May return fewer than there are; returns none only at the end (or if all were erased:
    /// then use [`Record::read_until`]).
    ///
    /// # Errors
    /// [`Error::Broken`] if the journal cannot be read.
    pub async fn read(&self, from: u64, limit: usize) -> Outcome<Vec<Sealed>> {
        Ok(self.read_until(from, limit).await?.0)
    }

    /// As [`Record::read`], with the index after the last row that was looked at.
    ///
    /// # Errors
    /// As [`Record::read`].
    pub async fn read_until(&self, from: u64, limit: usize) -> Outcome<(Vec<Sealed>, u64)> {
        if let Some(sealed) = self.inner.newest.from(from, limit) {
            let next = sealed.last().map_or(from, |last| last.index + 1);
            return Ok((sealed, next));
        }
        let rows = self.inner.journal.rows(from, limit).await.map_err(broken)?;
        let next = rows.last().map_or(from, |row| row.seq + 1);
        let keys = self.inner.keys_of(&rows).await?;
        let opened = if rows.len() < SPAWN_ROWS {
            open_all(&rows, &keys)?
        } else {
            let work = tokio::task::spawn_blocking(move || open_all(&rows, &keys));
            work.await.map_err(broken)??
        };
        Ok((opened, next))
    }

    /// An event that was sealed a moment ago, if it is still in memory; what was erased is not.
    pub fn at_hand(&self, index: u64) -> Option<Sealed> {
        self.inner.newest.from(index, 1)?.pop()
    }

    /// One event.
    ///
    /// # Errors
    /// [`Error::NoSuchIndex`], [`Error::Erased`], [`Error::Broken`] if it was altered.
    pub async fn get(&self, index: u64) -> Outcome<Sealed> {
        let row = self.inner.row(index).await?;
        self.inner.open_row(&row).await
    }

    /// A C2SP tlog-proof of one event against a published checkpoint. Its `extra` line
    /// carries the entry that it is about (93 bytes, no patient data).
    ///
    /// # Errors
    /// [`Error::NoSuchIndex`] if the event is not published yet, [`Error::Broken`] if tiles are
    /// missing.
    pub async fn proof(&self, index: u64) -> Outcome<String> {
        let head = self.head_over(index);
        let mut proof = inclusion(self.inner.vault.as_ref(), index, head).await?;
        proof.extra = self.inner.row(index).await?.entry;
        Ok(proof.to_text())
    }

    /// The head under which an event is proved: the newest one that enough witnesses cosigned, or
    /// the newest of all if that one does not cover the event yet.
    fn head_over(&self, index: u64) -> (u64, String) {
        match self.cosigned() {
            Some(head) if index < head.size => (head.size, head.note),
            _ => {
                let (size, note, _) = self.checkpoint();
                (size, note)
            }
        }
    }

    /// The entry (93 bytes, no patient data) whose leaf a proof is about.
    ///
    /// # Errors
    /// [`Error::NoSuchIndex`], [`Error::Broken`].
    pub async fn entry(&self, index: u64) -> Outcome<Vec<u8>> {
        self.inner.row(index).await.map(|row| row.entry)
    }

    /// Re-reads one event from disk: row against entry, entry against tiles, tiles against the
    /// signed checkpoint. `None`: all agree; `Some`: what is wrong, in words.
    ///
    /// # Errors
    /// [`Error::NoSuchIndex`] if it is not there or not published yet.
    pub async fn check(&self, index: u64) -> Outcome<Option<String>> {
        let row = self.inner.row(index).await?;
        let (size, note, _) = self.checkpoint();
        if index >= size {
            return Err(Error::NoSuchIndex(index));
        }
        let Some(entry) = Entry::from_bytes(&row.entry) else {
            return Ok(Some("the entry cannot be read".into()));
        };
        if entry.stream != row.stream {
            return Ok(Some(
                "the patient's stream in SQL is not the one that was sealed".into(),
            ));
        }
        if entry.at != row.at {
            let (found, sealed) = (Time::from_millis(row.at), Time::from_millis(entry.at));
            return Ok(Some(format!(
                "the time in SQL is {found}, sealed was {sealed}"
            )));
        }
        if seal::sha256(&[&row.ciphertext]) != entry.ciphertext {
            return Ok(Some(
                "the content in SQL is not the one that was sealed".into(),
            ));
        }
        let log = LogVerifier::new(&self.public_keys()).map_err(broken)?;
        let proof = match inclusion(self.inner.vault.as_ref(), index, (size, note)).await {
            Ok(proof) => proof,
            Err(why) => return Ok(Some(why.to_string())),
        };
        Ok(proof
            .verify(&entry.leaf(), &log)
            .err()
            .map(|why| why.to_string()))
    }
}

impl Inner {
    pub(crate) async fn row(&self, index: u64) -> Outcome<Row> {
        let rows = self.journal.rows(index, 1).await.map_err(broken)?;
        rows.into_iter()
            .find(|row| row.seq == index)
            .ok_or(Error::NoSuchIndex(index))
    }

    pub(crate) async fn open_row(&self, row: &Row) -> Outcome<Sealed> {
        let key = self
            .keyring
            .key(&row.stream)
            .await?
            .ok_or(Error::Erased(row.seq))?;
        open_row(&mut decompressor()?, row, &key)
    }

    async fn keys_of(&self, rows: &[Row]) -> Outcome<HashMap<[u8; 16], Key>> {
        let mut keys = HashMap::new();
        for row in rows {
            if !keys.contains_key(&row.stream)
                && let Some(key) = self.keyring.key(&row.stream).await?
            {
                keys.insert(row.stream, key);
            }
        }
        Ok(keys)
    }
}

/// One event's proof and what it is about, for people who have the data folder but no server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The C2SP tlog-proof.
    pub proof: String,
    /// The entry whose leaf is proved (93 bytes, no patient data).
    pub entry: Vec<u8>,
    /// The log's public key.
    pub public_key: String,
}

/// Proves one event from the data folder, beside a running server or without one.
///
/// # Errors
/// [`Error::NoSuchIndex`] if it is not there or not published, [`Error::Broken`] if files are
/// missing.
pub async fn prove(config: &Config, index: u64) -> Outcome<Proved> {
    let journal = engines::journal_read_only(config).await?;
    let vault = engines::vault(config)?;
    let public_keys = keyfile::public(config)?;
    let note = vault
        .get(CHECKPOINT)
        .await
        .map_err(broken)?
        .ok_or(Error::NoSuchIndex(index))?;
    let note = String::from_utf8(note.to_vec()).map_err(broken)?;
    let log = LogVerifier::new(&public_keys).map_err(broken)?;
    let mut head = (log.verify(&note).map_err(broken)?.0, note);
    if let Some(note) = vault.get(COSIGNED).await.map_err(broken)? {
        let note = String::from_utf8_lossy(&note).into_owned();
        let covers = log.verify(&note).ok().filter(|(size, _)| index < *size);
        head = covers.map_or(head, |(size, _)| (size, note));
    }
    let mut proof = inclusion(vault.as_ref(), index, head).await?;
    let rows = journal.rows(index, 1).await.map_err(broken)?;
    let row = rows
        .into_iter()
        .find(|row| row.seq == index)
        .ok_or(Error::NoSuchIndex(index))?;
    proof.extra.clone_from(&row.entry);
    Ok(Proved {
        proof: proof.to_text(),
        entry: row.entry,
        public_key: log.vkey().to_owned(),
    })
}

/// How a record in a data folder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Committed events.
    pub size: u64,
    /// Events under the last checkpoint.
    pub published: u64,
    /// When the last event was sealed.
    pub last_at: Time,
}

/// How the record in a data folder stands, beside a running server or without one.
///
/// # Errors
/// [`Error::Broken`] if the journal cannot be read.
pub async fn head(config: &Config) -> Outcome<Head> {
    let journal = engines::journal_read_only(config).await?;
    let size = journal.frontier().await.map_err(broken)?.size();
    let published = journal
        .published()
        .await
        .map_err(broken)?
        .map_or(0, |last| last.size);
    let last = journal
        .rows(size.saturating_sub(1), 1)
        .await
        .map_err(broken)?;
    let last_at = last
        .first()
        .map_or(Time::default(), |row| Time::from_millis(row.at));
    Ok(Head {
        size,
        published,
        last_at,
    })
}

/// One event, by a key that the caller has.
pub(crate) fn open_with(row: &Row, key: &Key) -> Outcome<Sealed> {
    open_row(&mut decompressor()?, row, key)
}

fn open_all(rows: &[Row], keys: &HashMap<[u8; 16], Key>) -> Outcome<Vec<Sealed>> {
    let with_key = rows
        .iter()
        .filter_map(|row| Some((row, keys.get(&row.stream)?)));
    let mut decompressor = decompressor()?;
    // One altered event must not keep every view from all that came after it: it is left out, and
    // `verify` names it.
    let opened = with_key.filter_map(|(row, key)| {
        let opened = open_row(&mut decompressor, row, key);
        opened
            .inspect_err(|why| tracing::error!(%why, "an event is left out of the views"))
            .ok()
    });
    Ok(opened.collect())
}

pub(crate) fn decompressor() -> Outcome<Decompressor> {
    Decompressor::new().ok_or_else(|| broken("there is no memory to decompress"))
}

/// The plaintext of one row, held against its entry.
pub(crate) fn plain(decompressor: &mut Decompressor, row: &Row, key: &Key) -> Outcome<Vec<u8>> {
    let altered = |why: &str| broken(format!("event {} was altered: {why}", row.seq));
    let entry = Entry::from_bytes(&row.entry).ok_or_else(|| altered("its entry"))?;
    if entry.stream != row.stream || entry.at != row.at {
        return Err(altered("its stream or its time"));
    }
    let opened = seal::open(decompressor, key, (row.seq, &entry), &row.ciphertext);
    let (_, plaintext) = opened.map_err(|why| altered(&why.to_string()))?;
    Ok(plaintext)
}

fn open_row(decompressor: &mut Decompressor, row: &Row, key: &Key) -> Outcome<Sealed> {
    let plaintext = plain(decompressor, row, key)?;
    let event = event::decode(&plaintext).map_err(broken)?;
    let at = Time::from_millis(row.at);
    Ok(Sealed {
        index: row.seq,
        at,
        stream: row.stream,
        event: Arc::new(event),
    })
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "read",
        why: why.to_string(),
    }
}
