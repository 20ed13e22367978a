//! Keys: root key -> wrapping key -> one key a patient, kept apart from the record's backups.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Mutex;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use event::Subject;
use lru::LruCache;
use seal::{Key, derive, unwrap, wrap};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Row as _, Sqlite, Transaction};

use crate::Error;
use crate::sealed::Outcome;

const MIGRATION: &str = include_str!("../migrations/keyring-sqlite.sql");
const GENERATION: i64 = 1;

/// The name and the key of one stream.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) name: [u8; 16],
    pub(crate) key: Key,
}

/// The ring of keys.
pub(crate) struct Keyring {
    pool: SqlitePool,
    wrapping: Key,
    tagging: hmac::Key,
    by_tag: Mutex<LruCache<[u8; 16], Stream>>,
    by_name: Mutex<LruCache<[u8; 16], Key>>,
    random: SystemRandom,
}

impl Keyring {
    /// Opens (or makes) the keyring in `path` under the root key.
    ///
    /// INVARIANT: an empty keyring is never made beside a record that has events.
    pub(crate) async fn open(path: &Path, root: &Key, cached: NonZeroUsize) -> Outcome<Keyring> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "ON");
        let pool = SqlitePoolOptions::new()
            .test_before_acquire(false)
            .max_connections(1)
            .connect_with(options)
            .await;
        let pool = pool.map_err(broken)?;
        sqlx::raw_sql(MIGRATION)
            .execute(&pool)
            .await
            .map_err(broken)?;
        let random = SystemRandom::new();
        let wrapping = wrapping_key(&pool, root, &random).await?;
        Ok(Keyring {
            pool,
            wrapping,
            tagging: hmac::Key::new(hmac::HMAC_SHA256, derive(root, "salus/tag/v1").bytes()),
            by_tag: Mutex::new(LruCache::new(cached)),
            by_name: Mutex::new(LruCache::new(cached)),
            random,
        })
    }

    /// Closes the file.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// The stream of a subject on a day, made durably if it is new. Everything that is not of
    /// one patient goes under the house's key of that day.
    pub(crate) async fn stream(&self, subject: &Subject, day: &str) -> Outcome<Stream> {
        let label = match subject.patient() {
            Some(id) => format!("patient/{id}"),
            None => format!("house/{day}"),
        };
        let tag = self.tag(&[label.as_bytes()]);
        if let Some(stream) = cached(&self.by_tag, &tag) {
            return Ok(stream);
        }
        let stream = self.find_or_make(&tag, &label).await?;
        keep(&self.by_tag, tag, stream.clone());
        keep(&self.by_name, stream.name, stream.key.clone());
        Ok(stream)
    }

    /// The key of a stream; `None` if it was erased.
    pub(crate) async fn key(&self, name: &[u8; 16]) -> Outcome<Option<Key>> {
        if let Some(key) = cached(&self.by_name, name) {
            return Ok(Some(key));
        }
        let row = sqlx::query("SELECT wrapped FROM stream WHERE stream = $1").bind(name.to_vec());
        let Some(row) = row.fetch_optional(&self.pool).await.map_err(broken)? else {
            return Ok(None);
        };
        let wrapped: Vec<u8> = row.try_get(0).map_err(broken)?;
        let key = unwrap(&self.wrapping, &wrapped, name).map_err(broken)?;
        keep(&self.by_name, *name, key.clone());
        Ok(Some(key))
    }

    /// Whose stream it is: `patient/<id>` or `house/<day>`; `None` if it was erased.
    pub(crate) async fn owner(&self, name: &[u8; 16]) -> Outcome<Option<String>> {
        let row = sqlx::query("SELECT subject FROM stream WHERE stream = $1").bind(name.to_vec());
        let Some(row) = row.fetch_optional(&self.pool).await.map_err(broken)? else {
            return Ok(None);
        };
        let Some(key) = self.key(name).await? else {
            return Ok(None);
        };
        let hidden: Vec<u8> = row.try_get(0).map_err(broken)?;
        Ok(String::from_utf8(mask(&key, &hidden)).ok())
    }

    /// A blind tag: the same parts give the same tag, and nobody without the root key can tell.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.tagging);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut tag = [0; 16];
        let signed = context.sign();
        tag.iter_mut()
            .zip(signed.as_ref())
            .for_each(|(to, from)| *to = *from);
        tag
    }

    /// Fills `out` with random bytes.
    pub(crate) fn random(&self, out: &mut [u8]) -> Outcome<()> {
        self.random
            .fill(out)
            .map_err(|_| broken("the system has no randomness"))
    }

    async fn find_or_make(&self, tag: &[u8; 16], label: &str) -> Outcome<Stream> {
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(broken)?;
        if let Some(stream) = self.find(&mut tx, tag).await? {
            return Ok(stream);
        }
        let (mut name, mut key, mut nonce) = ([0; 16], [0; 32], [0; 12]);
        self.random(&mut name)?;
        self.random(&mut key)?;
        self.random(&mut nonce)?;
        let key = Key::new(key);
        let wrapped = wrap(&self.wrapping, &key, &name, nonce).map_err(broken)?;
        sqlx::query(
            "INSERT INTO stream (stream, tag, generation, wrapped, subject) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(name.to_vec())
        .bind(tag.to_vec())
        .bind(GENERATION)
        .bind(wrapped)
        .bind(mask(&key, label.as_bytes()))
        .execute(&mut *tx)
        .await
        .map_err(broken)?;
        tx.commit().await.map_err(broken)?;
        Ok(Stream { name, key })
    }

    async fn find(
        &self,
        tx: &mut Transaction<'_, Sqlite>,
        tag: &[u8; 16],
    ) -> Outcome<Option<Stream>> {
        let row = sqlx::query("SELECT stream, wrapped FROM stream WHERE tag = $1");
        let row = row
            .bind(tag.to_vec())
            .fetch_optional(&mut **tx)
            .await
            .map_err(broken)?;
        let Some(row) = row else { return Ok(None) };
        let name: Vec<u8> = row.try_get(0).map_err(broken)?;
        let name: [u8; 16] = name
            .try_into()
            .map_err(|_| broken("a stream name is too short"))?;
        let wrapped: Vec<u8> = row.try_get(1).map_err(broken)?;
        let key = unwrap(&self.wrapping, &wrapped, &name).map_err(broken)?;
        Ok(Some(Stream { name, key }))
    }
}

/// The label xor a pad that only the stream's key gives: gone with the key.
fn mask(key: &Key, label: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(label.len());
    for (number, chunk) in label.chunks(32).enumerate() {
        let pad = derive(key, &format!("salus/owner/v1/{number}"));
        out.extend(chunk.iter().zip(pad.bytes()).map(|(byte, pad)| byte ^ pad));
    }
    out
}

async fn wrapping_key(pool: &SqlitePool, root: &Key, random: &SystemRandom) -> Outcome<Key> {
    const CONTEXT: &[u8] = b"salus/wrapping/1";
    let row = sqlx::query("SELECT wrapped FROM wrapping WHERE generation = $1").bind(GENERATION);
    if let Some(row) = row.fetch_optional(pool).await.map_err(broken)? {
        let wrapped: Vec<u8> = row.try_get(0).map_err(broken)?;
        return unwrap(root, &wrapped, CONTEXT)
            .map_err(|_| broken("the root key is not the one this keyring was made with"));
    }
    let (mut key, mut nonce) = ([0; 32], [0; 12]);
    random
        .fill(&mut key)
        .map_err(|_| broken("the system has no randomness"))?;
    random
        .fill(&mut nonce)
        .map_err(|_| broken("the system has no randomness"))?;
    let key = Key::new(key);
    let wrapped = wrap(root, &key, CONTEXT, nonce).map_err(broken)?;
    sqlx::query("INSERT INTO wrapping (generation, wrapped) VALUES ($1, $2)")
        .bind(GENERATION)
        .bind(wrapped)
        .execute(pool)
        .await
        .map_err(broken)?;
    Ok(key)
}

fn cached<V: Clone>(cache: &Mutex<LruCache<[u8; 16], V>>, at: &[u8; 16]) -> Option<V> {
    cache.lock().ok()?.get(at).cloned()
}

fn keep<V>(cache: &Mutex<LruCache<[u8; 16], V>>, at: [u8; 16], value: V) {
    if let Ok(mut cache) = cache.lock() {
        cache.put(at, value);
    }
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "use the keyring",
        why: why.to_string(),
    }
}
