//! A database administrator who edits what lies on disk, in as many ways as there are files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use thiserror::Error;

use crate::dice::Dice;

/// Events in one bundle of the log.
const BUNDLE: u64 = 256;
/// Events a record must have so that no two edits meet.
pub const EVENTS_MIN: u64 = 2 * BUNDLE;

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What was done, in words.
    pub what: &'static str,
    /// Where.
    pub place: String,
}

/// Why an edit could not be made.
#[derive(Debug, Error)]
pub enum TamperError {
    /// A database could not be edited.
    #[error("cannot edit `{0}`: {1}")]
    Database(PathBuf, sqlx::Error),
    /// A file could not be edited.
    #[error("cannot edit `{0}`: {1}")]
    File(PathBuf, io::Error),
    /// There is too little to edit.
    #[error("the record has {0} published events; a tamper drill needs {EVENTS_MIN}")]
    TooSmall(u64),
}

/// What is done to one row of the journal; `$1` is the row, `$2` another one.
const ROWS: [(&str, &str); 6] = [
    (
        "a row's time was moved back a day",
        "UPDATE row SET at = at - 86400000 WHERE seq = $1",
    ),
    (
        "a row's content was overwritten",
        "UPDATE row SET ciphertext = randomblob(length(ciphertext)) WHERE seq = $1",
    ),
    (
        "a row was given to another patient",
        "UPDATE row SET stream = randomblob(16) WHERE seq = $1",
    ),
    (
        "a row's entry was edited",
        "UPDATE row SET entry = CAST(substr(entry, 1, 60) || randomblob(length(entry) - 60) AS BLOB) \
         WHERE seq = $1",
    ),
    ("a row was deleted", "DELETE FROM row WHERE seq = $1"),
    (
        "another row was put in a row's place",
        "UPDATE row SET (stream, at, entry, ciphertext) = \
         (SELECT stream, at, entry, ciphertext FROM row WHERE seq = $2) WHERE seq = $1",
    ),
];

const FORGED: &str = "INSERT INTO row SELECT (SELECT max(seq) FROM row) + 1000, stream, at, entry, \
     ciphertext FROM row WHERE seq = $1 + 0 * $2";

const SWAPPED: &str = "UPDATE stream SET wrapped = (SELECT wrapped FROM stream WHERE rowid = \
     (SELECT max(rowid) FROM stream) - 2 - 0 * $1) \
     WHERE rowid = (SELECT max(rowid) FROM stream) - 1 - 0 * $2";

/// A result, so that nothing else hangs on the row.
const CHART: &str = "UPDATE version SET at = at - 86400000 - 0 * $1 - 0 * $2 WHERE rid = \
     (SELECT v.rid FROM version v JOIN word w ON w.wid = v.kind \
      WHERE w.text = 'Observation' ORDER BY v.rid DESC LIMIT 1)";

/// Edits the record in `data`, whose first `published` events are under a checkpoint. The server
/// may be running. No two edits take the last copy of anything.
///
/// # Errors
/// See [`TamperError`].
pub async fn tamper(
    data: &Path,
    published: u64,
    dice: &mut Dice,
) -> Result<Vec<Edit>, TamperError> {
    if published < EVENTS_MIN {
        return Err(TamperError::TooSmall(published));
    }
    let mut edits = Vec::new();
    let journal = Database::open(data.join("journal.db")).await?;
    // Rows of the first bundle; files of the second.
    let slice = BUNDLE / (ROWS.len() as u64 + 1);
    for (number, (what, sql)) in (0_u64..).zip(ROWS) {
        let row = 1 + number * slice + dice.below(slice - 1);
        journal.run(sql, (row, BUNDLE - 1)).await?;
        edits.push(edit(what, format!("event {row}")));
    }
    journal.run(FORGED, (1, 0)).await?;
    edits.push(edit("a row was forged beyond the head", "journal".into()));
    journal.close().await;
    let keyring = Database::open(data.join("keyring.db")).await?;
    keyring.run(SWAPPED, (0, 0)).await?;
    keyring.close().await;
    edits.push(edit(
        "a patient's key was swapped for another's",
        "keyring".into(),
    ));
    let chart = Database::open(data.join("views/chart.db")).await?;
    chart.run(CHART, (0, 0)).await?;
    chart.close().await;
    edits.push(edit(
        "a result on a chart was given another time",
        "chart".into(),
    ));
    for (what, path) in [
        ("a pack was edited", "vault/pack/001"),
        ("an entry bundle was edited", "vault/tile/entries/001"),
        ("a tile was edited", "vault/tile/0/001"),
    ] {
        flip(&data.join(path), dice)?;
        edits.push(edit(what, path.into()));
    }
    Ok(edits)
}

fn edit(what: &'static str, place: String) -> Edit {
    Edit { what, place }
}

/// Flips one bit somewhere in a file.
fn flip(path: &Path, dice: &mut Dice) -> Result<(), TamperError> {
    let failed = |why| TamperError::File(path.to_owned(), why);
    let mut bytes = fs::read(path).map_err(failed)?;
    let at = usize::try_from(dice.below(bytes.len() as u64)).unwrap_or_default();
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
    fs::write(path, bytes).map_err(failed)
}

/// Somebody else's connection to one of the record's databases.
struct Database(SqlitePool, PathBuf);

impl Database {
    async fn open(path: PathBuf) -> Result<Database, TamperError> {
        let options = SqliteConnectOptions::new().filename(&path);
        match SqlitePool::connect_with(options).await {
            Ok(pool) => Ok(Database(pool, path)),
            Err(why) => Err(TamperError::Database(path, why)),
        }
    }

    async fn run(&self, sql: &'static str, (one, other): (u64, u64)) -> Result<(), TamperError> {
        let query = sqlx::query(sql)
            .bind(one.cast_signed())
            .bind(other.cast_signed());
        let done = query.execute(&self.0).await;
        done.map(drop)
            .map_err(|why| TamperError::Database(self.1.clone(), why))
    }

    async fn close(self) {
        self.0.close().await;
    }
}
