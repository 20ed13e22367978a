//! The witness of other logs: C2SP tlog-witness. It keeps the newest head that it cosigned of each,
//! and never cosigns one that does not follow from it.

use std::path::{Path, PathBuf};

use seal::{AddCheckpoint, Hash, LogVerifier, Refusal, WitnessKey, sha256};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Row as _, SqliteConnection};
use tokio::sync::Mutex;

use crate::sealed::Outcome;
use crate::steady::steady;
use crate::{Error, keyfile};

const TABLES: &str = "CREATE TABLE IF NOT EXISTS seen (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS belongs (one INTEGER PRIMARY KEY, key TEXT NOT NULL) STRICT;";

/// Largest request in bytes: 63 hashes, and a checkpoint with some signatures.
pub(crate) const REQUEST_BYTES_MAX: usize = 16 << 10;

/// What is kept of the logs that are witnessed here.
pub struct WitnessBook {
    key: WitnessKey,
    logs: Vec<LogVerifier>,
    pool: SqlitePool,
    /// INVARIANT: looking up, judging and keeping are one step, so that no head is rolled back.
    one_at_a_time: Mutex<()>,
}

/// What is answered to a request for a cosignature, as HTTP has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The media type.
    pub kind: &'static str,
    /// The body.
    pub body: String,
}

impl WitnessBook {
    /// Opens the book in a data folder and the key `keys/witness.key`; makes both if neither is
    /// there. `logs` are the public keys (`vkey`) of the logs that are witnessed.
    ///
    /// # Errors
    /// [`Error::Broken`] if a key cannot be used, or if the book is missing beside its key: a
    /// witness that forgot what it saw must not go on under the same name.
    pub async fn open(data: &Path, name: &str, logs: &[String]) -> Outcome<WitnessBook> {
        let (book, path) = (data.join("witness.db"), data.join("keys/witness.key"));
        if path.exists() && !book.exists() {
            return Err(broken(format!(
                "`{}` is there but `{}` is not: a witness that forgot what it saw must not go on. \
                 Put the book back, or move the key away to begin as another witness",
                path.display(),
                book.display()
            )));
        }
        let keys = logs.iter().map(|key| {
            let log = LogVerifier::new(key);
            log.map_err(|_| broken(format!("`{key}` in `logs` of `[witness]` is no log's key")))
        });
        let logs = keys.collect::<Outcome<Vec<_>>>()?;
        let pool = pool(book).await?;
        let key = open_key(&path, name)?;
        belongs(&pool, &key.public()).await?;
        Ok(WitnessBook {
            key,
            logs,
            pool,
            one_at_a_time: Mutex::default(),
        })
    }

    /// The public key (`vkey`, type 4), for the logs that are witnessed.
    pub fn public_key(&self) -> String {
        self.key.public()
    }

    /// Judges a request for a cosignature (the body of `add-checkpoint`) at `seconds` since 1970.
    ///
    /// # Errors
    /// [`Error::Broken`] if the book cannot be read or written; nothing is cosigned then.
    pub async fn add_checkpoint(&self, body: &[u8], seconds: u64) -> Outcome<Answer> {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let asked = match AddCheckpoint::from_text(text) {
            Ok(asked) if body.len() <= REQUEST_BYTES_MAX => asked,
            Ok(_) => return Ok(refused(&Refusal::Malformed("it is too long"))),
            Err(why) => return Ok(refused(&why)),
        };
        let of = |log: &&LogVerifier| log.origin() == asked.origin();
        let log: Vec<LogVerifier> = self.logs.iter().filter(of).cloned().collect();
        let _alone = self.one_at_a_time.lock().await;
        let known = self.seen(asked.origin()).await?;
        let (size, root) = match asked.judge(&log, known) {
            Ok(head) => head,
            Err(why) => {
                if why == Refusal::Inconsistent {
                    tracing::error!(
                        log = asked.origin(),
                        request = text,
                        "a log showed a head that does not follow from what it showed before"
                    );
                }
                return Ok(refused(&why));
            }
        };
        let line = self
            .key
            .cosign(&asked.checkpoint, seconds)
            .map_err(broken)?;
        self.keep(&asked, (size, root), &line).await?;
        Ok(Answer {
            status: 200,
            kind: "text/plain; charset=utf-8",
            body: line,
        })
    }

    /// Size and root of the newest head that was cosigned of a log.
    ///
    /// # Errors
    /// [`Error::Broken`] if the book cannot be read.
    pub async fn seen(&self, origin: &str) -> Outcome<Option<(u64, Hash)>> {
        let row = sqlx::query("SELECT size, root FROM seen WHERE origin = $1").bind(origin);
        let Some(row) = row.fetch_optional(&self.pool).await.map_err(broken)? else {
            return Ok(None);
        };
        let size: i64 = row.try_get(0).map_err(broken)?;
        let root: Vec<u8> = row.try_get(1).map_err(broken)?;
        let root = root.try_into().map_err(|_| broken("a root is damaged"))?;
        Ok(Some((u64::try_from(size).map_err(broken)?, root)))
    }

    /// The checkpoint that was cosigned last of the log whose origin has this SHA-256 in hex, with the
    /// cosignature.
    ///
    /// # Errors
    /// [`Error::Broken`] if the book cannot be read.
    pub async fn latest(&self, origin: &str) -> Outcome<Option<String>> {
        let hex = |name: &str| {
            let hash = sha256(&[name.as_bytes()]);
            hash.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let log = self.logs.iter().find(|log| hex(log.origin()) == origin);
        let Some(log) = log else { return Ok(None) };
        let note = sqlx::query_scalar("SELECT note FROM seen WHERE origin = $1");
        let note = note.bind(log.origin()).fetch_optional(&self.pool).await;
        note.map_err(broken)
    }

    async fn keep(
        &self,
        asked: &AddCheckpoint,
        (size, root): (u64, Hash),
        line: &str,
    ) -> Outcome<()> {
        let query = sqlx::query(
            "INSERT INTO seen (origin, size, root, note) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (origin) DO UPDATE SET size = $2, root = $3, note = $4 \
             WHERE seen.size <= $2",
        );
        let done = query
            .bind(asked.origin())
            .bind(i64::try_from(size).map_err(broken)?)
            .bind(root.to_vec())
            .bind(format!("{}{line}", asked.checkpoint))
            .execute(&self.pool)
            .await
            .map_err(broken)?;
        match done.rows_affected() {
            1 => Ok(()),
            _ => Err(broken("somebody else uses the witness's book")),
        }
    }
}

fn refused(why: &Refusal) -> Answer {
    let (kind, body) = match why {
        Refusal::Stale(size) => ("text/x.tlog.size", format!("{size}\n")),
        _ => ("text/plain; charset=utf-8", format!("{why}\n")),
    };
    Answer {
        status: why.status(),
        kind,
        body,
    }
}

async fn pool(path: PathBuf) -> Outcome<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = steady(SqlitePoolOptions::new())
        .test_before_acquire(false)
        .max_connections(1)
        .connect_with(options)
        .await
        .map_err(broken)?;
    sqlx::raw_sql(TABLES).execute(&pool).await.map_err(broken)?;
    Ok(pool)
}

/// INVARIANT: one book is of one witness.
async fn belongs(pool: &SqlitePool, key: &str) -> Outcome<()> {
    let mut one = pool.acquire().await.map_err(broken)?;
    let connection: &mut SqliteConnection = &mut one;
    sqlx::query("INSERT INTO belongs (one, key) VALUES (1, $1) ON CONFLICT (one) DO NOTHING")
        .bind(key)
        .execute(&mut *connection)
        .await
        .map_err(broken)?;
    let owner: String = sqlx::query_scalar("SELECT key FROM belongs WHERE one = 1")
        .fetch_one(connection)
        .await
        .map_err(broken)?;
    if owner == key {
        return Ok(());
    }
    Err(broken(format!(
        "`witness.db` is of the witness `{owner}`: set its `name` in `[witness]`, or put its key back"
    )))
}

fn open_key(path: &Path, name: &str) -> Outcome<WitnessKey> {
    if !path.exists() {
        let seed = keyfile::new_key()?;
        let key = WitnessKey::new(name, seed.bytes()).map_err(|_| {
            broken(format!(
                "`{name}` cannot be the `name` of `[witness]`: no blanks, no `+`"
            ))
        })?;
        let folder = path.parent().unwrap_or(path);
        keyfile::make_folder(folder)?;
        keyfile::write_text(path, &key.secret())?;
        keyfile::write_text(&path.with_extension("pub"), &key.public())?;
        keyfile::sync_folder(folder)?;
    }
    WitnessKey::from_secret(&keyfile::read(path)?)
        .map_err(|_| broken(format!("`{}` is no witness's key", path.display())))
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "witness",
        why: why.to_string(),
    }
}
