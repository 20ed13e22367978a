//! Keys: root key -> key-encryption key -> one key a patient, kept apart from the record's backups.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use event::{Body, Event, Time};
use lru::LruCache;
use seal::{Key, derive, unwrap, wrap};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Row as _, SqliteConnection};

use crate::minting::{Mint, Wanted};
use crate::rewrite::rewrite;
use crate::root::{self, RootKey, Sample};
use crate::sealed::Outcome;
use crate::steady::steady;
use crate::{Config, Error, Writer, WriterFault, WriterFile};

/// How long a new key waits for something else that writes the file, such as its rewriting after an erasure.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection keeps no page that nobody needs.
const SHRINK: &str = "PRAGMA shrink_memory";
const MIGRATION: &str = include_str!("../migrations/keyring-sqlite.sql");
/// The name under which tags of patients, resources and messages are made.
pub(crate) const TAGGING: &str = "salus/tag/v1";
/// The name under which stable ids are made from identifiers.
pub(crate) const BLIND: &str = "salus/blind/v1";

/// The name and the key of one stream.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) name: [u8; 16],
    pub(crate) key: Key,
}

/// The ring of keys.
pub(crate) struct Keyring {
    pub(crate) pool: SqlitePool,
    /// Rewrites the file.
    writer: Writer,
    /// Makes keys, of which many may be wanted at once.
    mint: Mint,
    pub(crate) wrapping: Arc<RwLock<Wrapping>>,
    tagging: hmac::Key,
    pub(crate) tagging_key: Key,
    blind: Key,
    by_tag: Mutex<LruCache<[u8; 16], Stream>>,
    by_name: Mutex<LruCache<[u8; 16], Key>>,
    /// What was shredded since it was opened: a key that a reader held at that moment must not
    /// come back into the caches.
    gone: RwLock<HashSet<[u8; 16]>>,
    random: SystemRandom,
}

/// The key-encryption keys by generation; the last one wraps.
#[derive(Clone, Default)]
pub(crate) struct Wrapping(pub(crate) BTreeMap<i64, Key>);

impl Wrapping {
    /// The generation that wraps, and its key.
    pub(crate) fn current(&self) -> Outcome<(i64, &Key)> {
        let last = self.0.last_key_value();
        let (generation, key) = last.ok_or_else(|| broken("there is no key-encryption key"))?;
        Ok((*generation, key))
    }

    pub(crate) fn unwrap(&self, generation: i64, wrapped: &[u8], name: &[u8]) -> Outcome<Key> {
        let outer = self.0.get(&generation).ok_or_else(|| {
            broken(format!(
                "key-encryption key {generation} is missing; put your copy back"
            ))
        })?;
        unwrap(outer, wrapped, name).map_err(broken)
    }
}

impl Keyring {
    /// Opens (or makes) the keyring of a record under its root key. `now` dates what is made.
    ///
    /// INVARIANT: an empty keyring is never made beside a record that has events.
    pub(crate) async fn open(config: &Config, cached: NonZeroUsize, now: Time) -> Outcome<Keyring> {
        let pool = pool(&config.keyring()).await?;
        let writer = Writer::open(WriterFile {
            path: config.keyring(),
            synchronous: "FULL",
            busy_timeout: BUSY_TIMEOUT,
            gives_way: false,
            pragmas: &[("secure_delete", "on"), ("temp_store", "memory")],
        });
        let writer = writer.await?;
        let root = root::open(config, sample(&pool).await?.as_ref())?;
        let random = SystemRandom::new();
        let wrapping = wrapping_keys(&pool, root.as_ref(), now).await?;
        let tagging = fixed(&pool, root.as_ref(), TAGGING).await?;
        let wrapping = Arc::new(RwLock::new(wrapping));
        Ok(Keyring {
            mint: Mint::new(writer.clone(), Arc::clone(&wrapping)),
            wrapping,
            tagging: hmac::Key::new(hmac::HMAC_SHA256, tagging.bytes()),
            tagging_key: tagging,
            blind: fixed(&pool, root.as_ref(), BLIND).await?,
            by_tag: Mutex::new(LruCache::new(cached)),
            by_name: Mutex::new(LruCache::new(cached)),
            gone: RwLock::new(HashSet::new()),
            random,
            pool,
            writer,
        })
    }

    /// The key under which stable ids are made from identifiers.
    pub(crate) fn blind(&self) -> &Key {
        &self.blind
    }

    pub(crate) fn wrapping(&self) -> Wrapping {
        read(&self.wrapping)
    }

    /// Forgets what is cached of streams that were shredded, for good.
    pub(crate) fn forget(&self, names: &[[u8; 16]]) {
        let mut gone = self.gone.write().unwrap_or_else(PoisonError::into_inner);
        gone.extend(names);
        if let Ok(mut by_name) = self.by_name.lock() {
            names.iter().for_each(|name| drop(by_name.pop(name)));
        }
        if let Ok(mut by_tag) = self.by_tag.lock() {
            by_tag.clear();
        }
    }

    /// Closes the file.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.pool.close().await;
    }

    /// The stream of an event on a day, made durably if it is new. What machines say goes under a
    /// key of that day of its own, everything else that is not of one patient under the house's.
    pub(crate) async fn stream(&self, event: &Event, day: &str) -> Outcome<Stream> {
        let label = match (event.subject.patient(), &event.body) {
            (Some(id), _) => format!("patient/{id}"),
            (None, Body::Signals(_)) => format!("signals/{day}"),
            (None, _) => format!("house/{day}"),
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
        let row = sqlx::query("SELECT generation, wrapped FROM stream WHERE stream = $1");
        let row = row.bind(name.to_vec()).fetch_optional(&self.pool).await;
        let Some(row) = row.map_err(broken)? else {
            return Ok(None);
        };
        let generation: i64 = row.try_get(0).map_err(broken)?;
        let wrapped: Vec<u8> = row.try_get(1).map_err(broken)?;
        let key = self.wrapping().unwrap(generation, &wrapped, name)?;
        // Held until the key is kept, so that it cannot be shredded in between.
        let gone = self.gone.read().unwrap_or_else(PoisonError::into_inner);
        if gone.contains(name) {
            return Ok(None);
        }
        keep(&self.by_name, *name, key.clone());
        Ok(Some(key))
    }

    /// The key of a stream as the file has it now, whatever is remembered.
    pub(crate) async fn on_disk(&self, name: &[u8; 16]) -> Outcome<Option<Key>> {
        let row = sqlx::query_as("SELECT generation, wrapped FROM stream WHERE stream = $1");
        let row = row.bind(name.to_vec()).fetch_optional(&self.pool).await;
        let row: Option<(i64, Vec<u8>)> = row.map_err(broken)?;
        let unwrap = |(generation, wrapped): (i64, Vec<u8>)| {
            self.wrapping().unwrap(generation, &wrapped, name)
        };
        row.map(unwrap).transpose()
    }

    /// The key of a stream, if it is in memory.
    pub(crate) fn remembered(&self, name: &[u8; 16]) -> Option<Key> {
        cached(&self.by_name, name)
    }

    /// Wraps a key again that the file lost to another one; whether the file has its stream at all.
    pub(crate) async fn put_back(&self, name: &[u8; 16], key: &Key) -> Outcome<bool> {
        let mut nonce = [0; 12];
        self.random(&mut nonce)?;
        let wrapping = self.wrapping();
        let (generation, outer) = wrapping.current()?;
        let wrapped = wrap(outer, key, name, nonce).map_err(broken)?;
        let query =
            sqlx::query("UPDATE stream SET generation = $1, wrapped = $2 WHERE stream = $3");
        let query = query.bind(generation).bind(wrapped).bind(name.to_vec());
        let done = query.execute(&self.pool).await.map_err(broken)?;
        Ok(done.rows_affected() == 1)
    }

    /// Whose stream it is: `patient/<id>`, `house/<day>` or `signals/<day>`; `None` if it was erased.
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

    /// Leaves no trace of what was deleted: not in the file, nor beside it, nor in what the connections keep of it. New keys
    /// wait behind it.
    pub(crate) async fn scrub(&self) -> Outcome<()> {
        let busy = self.writer.run(|with| {
            let busy = rewrite(with)?;
            with.execute_batch(SHRINK)?;
            Ok::<_, WriterFault>(busy)
        });
        if busy.await.map_err(broken)? {
            return Err(broken("something else reads the keyring; try again"));
        }
        let shrunk = sqlx::query(SHRINK).execute(&self.pool).await;
        shrunk.map(drop).map_err(broken)
    }

    /// Waits until every key is made that somebody asked for before, though they may have gone away since.
    pub(crate) async fn settled(&self) -> Outcome<()> {
        self.mint.settled().await
    }

    async fn find_or_make(&self, tag: &[u8; 16], label: &str) -> Outcome<Stream> {
        let (mut name, mut key, mut nonce) = ([0; 16], [0; 32], [0; 12]);
        self.random(&mut name)?;
        self.random(&mut key)?;
        self.random(&mut nonce)?;
        let made = Stream {
            name,
            key: Key::new(key),
        };
        let wanted = Wanted {
            tag: *tag,
            made: made.clone(),
            nonce,
            subject: mask(&made.key, label.as_bytes()),
        };
        let there = self.mint.make(wanted);
        let Some((name, generation, wrapped)) = there.await? else {
            return Ok(made);
        };
        let key = self.wrapping().unwrap(generation, &wrapped, &name)?;
        Ok(Stream { name, key })
    }
}

fn read(wrapping: &RwLock<Wrapping>) -> Wrapping {
    wrapping
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

impl From<WriterFault> for Error {
    fn from(why: WriterFault) -> Error {
        Error::Broken {
            doing: "write a file of its own",
            why: why.to_string(),
        }
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

/// The file, opened with everything that is deleted from it overwritten.
pub(crate) async fn pool(path: &Path) -> Outcome<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "memory");
    let pool = steady(SqlitePoolOptions::new())
        .test_before_acquire(false)
        .max_connections(1)
        // Opened again by a thread that folds, it would give way to others for ever.
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await;
    let pool = pool.map_err(broken)?;
    let made = sqlx::raw_sql(MIGRATION).execute(&pool).await;
    made.map_err(broken)?;
    Ok(pool)
}

/// The oldest wrapped key-encryption key, if there is one: it tells which root made it.
pub(crate) async fn sample(pool: &SqlitePool) -> Outcome<Option<Sample>> {
    let row =
        sqlx::query_as("SELECT generation, wrapped FROM wrapping ORDER BY generation LIMIT 1");
    let row: Option<(i64, Vec<u8>)> = row.fetch_optional(pool).await.map_err(broken)?;
    Ok(row.map(|(generation, wrapped)| Sample {
        context: kek_context(generation),
        wrapped,
    }))
}

/// What a generation of the key-encryption key is bound to.
pub(crate) fn kek_context(generation: i64) -> String {
    format!("salus/wrapping/{generation}")
}

/// The note of when the log's key was made: with the first keys of a record, or when it was rotated.
pub(crate) const LOG_MADE: &str = "log";

async fn wrapping_keys(pool: &SqlitePool, root: &dyn RootKey, now: Time) -> Outcome<Wrapping> {
    let mut keys = BTreeMap::new();
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT generation, wrapped FROM wrapping ORDER BY generation")
            .fetch_all(pool)
            .await
            .map_err(broken)?;
    for (generation, wrapped) in rows {
        let key = root.unwrap(&wrapped, kek_context(generation).as_bytes())?;
        keys.insert(generation, key);
    }
    if keys.is_empty() {
        let mut tx = pool.begin().await.map_err(broken)?;
        let key = add_kek(&mut tx, root, 1).await?;
        note(&mut tx, "kek/1", now.millis()).await?;
        note(&mut tx, "root", now.millis()).await?;
        note(&mut tx, LOG_MADE, now.millis()).await?;
        tx.commit().await.map_err(broken)?;
        keys.insert(1, key);
    }
    Ok(Wrapping(keys))
}

/// Adds a new key-encryption key.
pub(crate) async fn add_kek(
    tx: &mut SqliteConnection,
    root: &dyn RootKey,
    generation: i64,
) -> Outcome<Key> {
    let key = crate::keyfile::new_key()?;
    let wrapped = root.wrap(&key, kek_context(generation).as_bytes())?;
    sqlx::query("INSERT INTO wrapping (generation, wrapped) VALUES ($1, $2)")
        .bind(generation)
        .bind(wrapped)
        .execute(tx)
        .await
        .map_err(broken)?;
    Ok(key)
}

/// Notes a number under a name: times in milliseconds, counts.
pub(crate) async fn note(tx: &mut SqliteConnection, name: &str, value: i64) -> Outcome<()> {
    let query = sqlx::query(
        "INSERT INTO note (name, value) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    );
    let done = query.bind(name).bind(value).execute(tx).await;
    done.map(drop).map_err(broken)
}

/// A key that never changes, whatever is rotated: what is made with it must be found again. Older
/// keyrings derived it from the root; from now on it is wrapped like the others.
async fn fixed(pool: &SqlitePool, root: &dyn RootKey, name: &str) -> Outcome<Key> {
    let row = sqlx::query_scalar("SELECT wrapped FROM fixed WHERE name = $1").bind(name);
    let wrapped: Option<Vec<u8>> = row.fetch_optional(pool).await.map_err(broken)?;
    if let Some(wrapped) = wrapped {
        return root.unwrap(&wrapped, name.as_bytes());
    }
    let key = match root.derived(name) {
        Some(key) => key,
        None => crate::keyfile::new_key()?,
    };
    let wrapped = root.wrap(&key, name.as_bytes())?;
    let insert = sqlx::query("INSERT INTO fixed (name, wrapped) VALUES ($1, $2)");
    let done = insert.bind(name).bind(wrapped).execute(pool).await;
    done.map_err(broken)?;
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

pub(crate) fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "use the keyring",
        why: why.to_string(),
    }
}
