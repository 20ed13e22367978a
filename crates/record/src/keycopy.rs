//! A copy of the keyring for a standby: it opens charts when the primary is gone, so it must hold
//! the keys. The keys of streams travel wrapped with the rows; what unwraps them travels once, and
//! whoever asks for it seals it for the standby alone.

use std::collections::BTreeSet;

use seal::{Key, LogKey};
use sqlx::Row as _;

use crate::config::Config;
use crate::door::Record;
use crate::keyfile;
use crate::keyring::{self, BLIND, Keyring, TAGGING, broken, kek_context, note};
use crate::root;
use crate::sealed::Outcome;

/// A stream's key as the keyring keeps it: wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamKey {
    /// The stream's random name.
    pub stream: [u8; 16],
    /// The blind tag of whose it is.
    pub tag: [u8; 16],
    /// The generation of the key-encryption key that wraps it.
    pub generation: i64,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// Whose it is, under the key itself.
    pub subject: Vec<u8>,
}

/// What a standby needs to open what it follows, and to go on with the same log. Secret.
pub struct KeyCopy {
    /// The key-encryption keys by generation.
    pub wrapping: Vec<(i64, Key)>,
    /// The keys that never change, by name.
    pub fixed: Vec<(String, Key)>,
    /// The log's private key.
    pub log: String,
}

impl Record {
    /// The keys for a standby. The caller seals them for it before they leave the machine.
    pub fn key_copy(&self) -> KeyCopy {
        let keyring = &self.inner.keyring;
        KeyCopy {
            wrapping: keyring.wrapping().0.into_iter().collect(),
            fixed: vec![
                (TAGGING.to_owned(), keyring.tagging_key.clone()),
                (BLIND.to_owned(), keyring.blind().clone()),
            ],
            log: self.inner.publisher.key().secret().to_owned(),
        }
    }
}

impl Record {
    /// Knows the keys of a copy that was put into the folder while it was open.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if the log's key in it is none.
    pub fn learn_keys(&self, copy: &KeyCopy) -> Outcome<()> {
        let log = LogKey::from_secret(&copy.log).map_err(broken)?;
        self.inner.publisher.set_key(log);
        let wrapping = self.inner.keyring.wrapping.write();
        let mut wrapping = wrapping.unwrap_or_else(std::sync::PoisonError::into_inner);
        wrapping.0.extend(copy.wrapping.iter().cloned());
        Ok(())
    }
}

/// Puts a copy of the keys into a standby's data folder, under a root key of its own. May be done
/// again: keys that it has stay.
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if the folder is of another log, or cannot be written.
pub async fn install_keys(config: &Config, copy: &KeyCopy) -> Outcome<()> {
    let log = LogKey::from_secret(&copy.log).map_err(broken)?;
    keyfile::make_folder(&config.data)?;
    keyfile::make_folder(&config.keys())?;
    keyfile::make_folder(&config.vault())?;
    keyfile::install_log(config, &log)?;
    let pool = keyring::pool(&config.keyring()).await?;
    let sample = keyring::sample(&pool).await?;
    if sample.is_none() && !config.root_key().exists() && config.root == crate::RootConfig::File {
        keyfile::write_root(&config.root_key(), &keyfile::new_key()?)?;
    }
    let root = root::open(config, sample.as_ref())?;
    let mut tx = pool.begin().await.map_err(broken)?;
    for (generation, key) in &copy.wrapping {
        let wrapped = root.wrap(key, kek_context(*generation).as_bytes())?;
        let insert = "INSERT INTO wrapping (generation, wrapped) VALUES ($1, $2) \
                      ON CONFLICT (generation) DO NOTHING";
        let query = sqlx::query(insert).bind(generation).bind(wrapped);
        query.execute(&mut *tx).await.map_err(broken)?;
        note(&mut tx, &format!("kek/{generation}"), 0).await?;
    }
    for (name, key) in &copy.fixed {
        let wrapped = root.wrap(key, name.as_bytes())?;
        let insert = "INSERT INTO fixed (name, wrapped) VALUES ($1, $2) \
                      ON CONFLICT (name) DO NOTHING";
        let query = sqlx::query(insert).bind(name).bind(wrapped);
        query.execute(&mut *tx).await.map_err(broken)?;
    }
    tx.commit().await.map_err(broken)?;
    pool.close().await;
    Ok(())
}

impl Keyring {
    /// The wrapped keys of these streams, as far as they have one.
    pub(crate) async fn wrapped(&self, names: &BTreeSet<[u8; 16]>) -> Outcome<Vec<StreamKey>> {
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            let row = sqlx::query(
                "SELECT tag, generation, wrapped, subject FROM stream WHERE stream = $1",
            );
            let row = row.bind(name.to_vec()).fetch_optional(&self.pool).await;
            let Some(row) = row.map_err(broken)? else {
                continue;
            };
            let tag: Vec<u8> = row.try_get(0).map_err(broken)?;
            keys.push(StreamKey {
                stream: *name,
                tag: tag.try_into().map_err(|_| broken("a tag is too short"))?,
                generation: row.try_get(1).map_err(broken)?,
                wrapped: row.try_get(2).map_err(broken)?,
                subject: row.try_get(3).map_err(broken)?,
            });
        }
        Ok(keys)
    }

    /// Takes keys over, if the key that wraps them is known; says whether all of them could be.
    pub(crate) async fn take_over(&self, keys: &[StreamKey]) -> Outcome<bool> {
        let known = self.wrapping();
        let mut tx = self.pool.begin().await.map_err(broken)?;
        for key in keys {
            if !known.0.contains_key(&key.generation) {
                return Ok(false);
            }
            // INVARIANT: a stream's key never changes; what arrives again was wrapped anew at most.
            let insert = "INSERT INTO stream (stream, tag, generation, wrapped, subject) \
                          VALUES ($1, $2, $3, $4, $5) ON CONFLICT (stream) DO NOTHING";
            let query = sqlx::query(insert)
                .bind(key.stream.to_vec())
                .bind(key.tag.to_vec())
                .bind(key.generation)
                .bind(&key.wrapped)
                .bind(&key.subject);
            query.execute(&mut *tx).await.map_err(broken)?;
        }
        tx.commit().await.map_err(broken)?;
        Ok(true)
    }
}
