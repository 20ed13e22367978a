//! Rotation: a new key-encryption key and everything wrapped again under it; a new root.
//!
//! Each step is one transaction, and after each every key can be read: both generations are there
//! until nothing needs the older one. What was broken off goes on when it is asked for again.

use std::collections::BTreeMap;

use event::Time;
use seal::wrap;
use sqlx::SqlitePool;

use crate::config::Config;
use crate::door::{Inner, Record};
use crate::keyring::{self, Keyring, Wrapping, broken, kek_context, note};
use crate::root;
use crate::sealed::Outcome;

/// Keys that are wrapped again in one transaction.
const KEYS_AT_ONCE: i64 = 500;

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// The generation of the key-encryption key that wraps now.
    pub generation: i64,
    /// Keys that were wrapped again.
    pub keys: u64,
    /// A rotation that was broken off was brought to its end; no new one was begun.
    pub resumed: bool,
}

/// What there is of keys, without any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysReport {
    /// The key-encryption keys.
    pub generations: Vec<Generation>,
    /// Patients' and days' keys.
    pub keys: u64,
    /// When the root key was made or last rotated, if that is known.
    pub root_at: Option<Time>,
    /// When shares of the present root key were last written, if they were.
    pub escrow_at: Option<Time>,
    /// Shares that were written, and how many of them are needed.
    pub escrow: Option<(u8, u8)>,
    /// The name of that set of shares.
    pub escrow_set: Option<String>,
    /// Orders to erase that were carried out.
    pub erasures: u64,
    /// Erasures that were broken off; the next start finishes or drops them.
    pub erasing: u64,
    /// The root key is in a PKCS#11 token.
    pub in_token: bool,
    /// When the key that signs checkpoints was made, if that is known.
    pub log_at: Option<Time>,
    /// When the key that signs id tokens was made, if that is known.
    pub id_at: Option<Time>,
}

/// A key that signs. It lies in a file of its own; the keyring knows when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningKey {
    /// The log's.
    Checkpoints,
    /// That of apps' sign-ins.
    IdTokens,
}

impl SigningKey {
    const fn note(self) -> &'static str {
        match self {
            SigningKey::Checkpoints => keyring::LOG_MADE,
            SigningKey::IdTokens => "id",
        }
    }
}

/// One generation of the key-encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Its number.
    pub number: i64,
    /// When it was made, if that is known.
    pub at: Option<Time>,
    /// Keys that it wraps.
    pub keys: u64,
}

impl Record {
    /// Makes a new generation of the key-encryption key and wraps every key again under it, while
    /// the record goes on; or finishes a rotation that was broken off.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken); every key stays readable, and the next call goes on.
    pub async fn rotate_keys(&self) -> Outcome<Rotated> {
        let _alone = self.inner.maintenance.lock().await;
        let now = self.inner.clock.now();
        self.inner.keyring.rotate(&self.inner.config, now).await
    }

    /// Makes a new root key (a new file, or a new key in the token) and wraps the key-encryption
    /// keys under it. Moves the root when `[keys]` names another place than the one it is in.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken); the root that was stays the root.
    pub async fn rotate_root(&self) -> Outcome<String> {
        let _alone = self.inner.maintenance.lock().await;
        let now = self.inner.clock.now();
        self.inner
            .keyring
            .rotate_root(&self.inner.config, now)
            .await
    }

    /// What there is of keys.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if the keyring cannot be read.
    pub async fn keys(&self) -> Outcome<KeysReport> {
        report(&self.inner.keyring.pool).await
    }

    /// Notes that a key that signs was made just now. It is in force already, and what follows (it is
    /// sealed that it was made) must not fail for this: a note that cannot be written is logged, and the
    /// key counts as old as the one before, or as its file if nothing was noted of that.
    pub async fn signing_key_made(&self, which: SigningKey) {
        if let Err(why) = self.note_made(which).await {
            tracing::error!(%why, ?which, "it could not be noted when the key that signs was made");
        }
    }

    async fn note_made(&self, which: SigningKey) -> Outcome<()> {
        let (inner, name) = (&self.inner, which.note());
        let mut keyring = inner.keyring.pool.acquire().await.map_err(broken)?;
        note(&mut keyring, name, inner.clock.now().millis()).await
    }
}

/// What there is of keys in a data folder, beside a running server or without one.
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if there is no keyring or it cannot be read.
pub async fn keys(config: &Config) -> Outcome<KeysReport> {
    if !config.keyring().exists() {
        return Err(broken("`keyring.db` is not there"));
    }
    let pool = keyring::pool(&config.keyring()).await?;
    let read = report(&pool).await;
    pool.close().await;
    read
}

impl Keyring {
    async fn rotate(&self, config: &Config, now: Time) -> Outcome<Rotated> {
        let (current, older) = self.older().await?;
        let resumed = older > 0;
        let generation = if resumed {
            current
        } else {
            self.next_generation(config, (current + 1, now)).await?
        };
        let mut keys = 0;
        loop {
            let some = self.rewrap_some(generation).await?;
            keys += some;
            if some == 0 {
                break;
            }
        }
        // INVARIANT: a generation goes only after nothing is wrapped by it any more.
        let gone = sqlx::query(
            "DELETE FROM wrapping WHERE generation < $1 \
             AND NOT EXISTS (SELECT 1 FROM stream WHERE stream.generation = wrapping.generation)",
        );
        let gone = gone.bind(generation).execute(&self.pool).await;
        gone.map_err(broken)?;
        self.scrub().await?;
        Ok(Rotated {
            generation,
            keys,
            resumed,
        })
    }

    /// The newest generation, and how many keys are still wrapped by older ones.
    async fn older(&self) -> Outcome<(i64, i64)> {
        let row = sqlx::query_as(
            "SELECT (SELECT MAX(generation) FROM wrapping), (SELECT COUNT(*) FROM stream \
             WHERE generation < (SELECT MAX(generation) FROM wrapping))",
        );
        row.fetch_one(&self.pool).await.map_err(broken)
    }

    async fn next_generation(&self, config: &Config, (number, now): (i64, Time)) -> Outcome<i64> {
        let sample = keyring::sample(&self.pool).await?;
        let root = root::open(config, sample.as_ref())?;
        let mut tx = self.pool.begin().await.map_err(broken)?;
        let key = keyring::add_kek(&mut tx, root.as_ref(), number).await?;
        note(&mut tx, &format!("kek/{number}"), now.millis()).await?;
        tx.commit().await.map_err(broken)?;
        let mut wrapping = self
            .wrapping
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        wrapping.0.insert(number, key);
        Ok(number)
    }

    /// Wraps some keys of older generations again; returns how many.
    async fn rewrap_some(&self, generation: i64) -> Outcome<u64> {
        let wrapping: Wrapping = self.wrapping();
        let (current, outer) = wrapping.current()?;
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(broken)?;
        let rows: Vec<(Vec<u8>, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT stream, generation, wrapped FROM stream WHERE generation < $1 LIMIT $2",
        )
        .bind(generation)
        .bind(KEYS_AT_ONCE)
        .fetch_all(&mut *tx)
        .await
        .map_err(broken)?;
        for (name, older, wrapped) in &rows {
            let key = wrapping.unwrap(*older, wrapped, name)?;
            let mut nonce = [0; 12];
            self.random(&mut nonce)?;
            let again = wrap(outer, &key, name, nonce).map_err(broken)?;
            sqlx::query("UPDATE stream SET generation = $1, wrapped = $2 WHERE stream = $3")
                .bind(current)
                .bind(again)
                .bind(name)
                .execute(&mut *tx)
                .await
                .map_err(broken)?;
        }
        tx.commit().await.map_err(broken)?;
        Ok(rows.len() as u64)
    }

    async fn rotate_root(&self, config: &Config, now: Time) -> Outcome<String> {
        let sample = keyring::sample(&self.pool).await?;
        let sample = sample.ok_or_else(|| broken("there is no key-encryption key"))?;
        // What an earlier rotation left half done is brought to an end first.
        root::settle(config, &sample)?;
        let (old, new) = (root::open(config, Some(&sample))?, root::make_next(config)?);
        let mut tx = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(broken)?;
        let keks: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT generation, wrapped FROM wrapping")
            .fetch_all(&mut *tx)
            .await
            .map_err(broken)?;
        for (generation, wrapped) in keks {
            let context = kek_context(generation);
            let key = old.unwrap(&wrapped, context.as_bytes())?;
            sqlx::query("UPDATE wrapping SET wrapped = $1 WHERE generation = $2")
                .bind(new.wrap(&key, context.as_bytes())?)
                .bind(generation)
                .execute(&mut *tx)
                .await
                .map_err(broken)?;
        }
        let fixed: Vec<(String, Vec<u8>)> = sqlx::query_as("SELECT name, wrapped FROM fixed")
            .fetch_all(&mut *tx)
            .await
            .map_err(broken)?;
        for (name, wrapped) in fixed {
            let key = old.unwrap(&wrapped, name.as_bytes())?;
            sqlx::query("UPDATE fixed SET wrapped = $1 WHERE name = $2")
                .bind(new.wrap(&key, name.as_bytes())?)
                .bind(&name)
                .execute(&mut *tx)
                .await
                .map_err(broken)?;
        }
        note(&mut tx, "root", now.millis()).await?;
        sqlx::query("DELETE FROM note WHERE name LIKE 'escrow%'")
            .execute(&mut *tx)
            .await
            .map_err(broken)?;
        tx.commit().await.map_err(broken)?;
        self.scrub().await?;
        self.settle(config).await?;
        Ok(new.place())
    }

    /// Makes the root that opens this keyring the only one in the folder.
    pub(crate) async fn settle(&self, config: &Config) -> Outcome<()> {
        match keyring::sample(&self.pool).await? {
            Some(sample) => root::settle(config, &sample),
            None => Ok(()),
        }
    }
}

impl Inner {
    /// Finishes what a killed process left half done.
    pub(crate) async fn settle_keys(&self) -> Outcome<()> {
        self.keyring.settle(&self.config).await
    }
}

async fn report(pool: &SqlitePool) -> Outcome<KeysReport> {
    let notes: Vec<(String, i64)> = sqlx::query_as("SELECT name, value FROM note")
        .fetch_all(pool)
        .await
        .map_err(broken)?;
    let notes: BTreeMap<String, i64> = notes.into_iter().collect();
    let time = |name: &str| notes.get(name).map(|millis| Time::from_millis(*millis));
    let generations: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT generation, (SELECT COUNT(*) FROM stream s WHERE s.generation = w.generation) \
         FROM wrapping w ORDER BY generation",
    )
    .fetch_all(pool)
    .await
    .map_err(broken)?;
    let generations: Vec<Generation> = generations
        .into_iter()
        .map(|(number, keys)| Generation {
            number,
            at: time(&format!("kek/{number}")),
            keys: keys.unsigned_abs(),
        })
        .collect();
    let (erasures, erasing): (i64, i64) =
        sqlx::query_as("SELECT (SELECT COUNT(*) FROM erased), (SELECT COUNT(*) FROM erasing)")
            .fetch_one(pool)
            .await
            .map_err(broken)?;
    let small = |name: &str| notes.get(name).and_then(|value| u8::try_from(*value).ok());
    Ok(KeysReport {
        keys: generations.iter().map(|one| one.keys).sum(),
        generations,
        root_at: time("root"),
        escrow_at: time("escrow"),
        escrow_set: notes.get("escrow/set").map(|set| format!("{set:08x}")),
        escrow: small("escrow/shares").zip(small("escrow/needed")),
        erasures: erasures.unsigned_abs(),
        erasing: erasing.unsigned_abs(),
        in_token: keyring::sample(pool)
            .await?
            .is_some_and(|sample| sample.in_token()),
        log_at: time(SigningKey::Checkpoints.note()),
        id_at: time(SigningKey::IdTokens.note()),
    })
}
