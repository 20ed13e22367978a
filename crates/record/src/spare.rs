//! Streams that were made before anybody wanted them: looking whether a patient has one, and finding out after a crash whose
//! those are that were given in the last moments.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use seal::Key;

use crate::journal::{Journal, Row};
use crate::keyring::{Keyring, broken, mask, of_patient};
use crate::minting::{Kept, Tag, find};
use crate::read::open_with;
use crate::sealed::Outcome;

/// Rows that are looked through at a time.
const ROWS_AT_ONCE: usize = 500;

/// Looks streams up on the thread that asks: that spares the change to the thread that writes and back.
pub(crate) struct Finder {
    path: PathBuf,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    connection: Option<Connection>,
    closed: bool,
}

impl Finder {
    pub(crate) fn new(path: PathBuf) -> Finder {
        Finder {
            path,
            held: Mutex::default(),
        }
    }

    /// The stream of a tag, if it has one; `None`: the file cannot be read just now, and whoever writes it says why.
    pub(crate) fn find(&self, tag: &Tag) -> Option<Option<Kept>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.closed {
            return None;
        }
        let opened = held.connection.take().map_or_else(|| self.connect(), Ok);
        let found = opened.and_then(|connection| {
            let found = find(&connection, tag)?;
            // One that failed is not used again.
            held.connection = Some(connection);
            Ok(found)
        });
        found
            .inspect_err(|why| tracing::debug!(%why, "streams cannot be looked up"))
            .ok()
    }

    /// Nothing stays in memory of what was read until now.
    pub(crate) fn forget(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.connection = None;
    }

    /// Looks nothing up from now on.
    pub(crate) fn close(&self) {
        self.forget();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.closed = true;
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }
}

/// Finds out whose the streams are that were given before the process was killed, or before a copy of the keys was made: the
/// first event under each of them tells. Those that none is under are nobody's for good.
///
/// INVARIANT: nothing is sealed meanwhile with this file. Of every event before `published` it is written down whose its stream
/// is: [`crate::publisher::Publisher::publish`] sees to that.
pub(crate) async fn find_given(
    journal: &dyn Journal,
    keyring: &Keyring,
    published: u64,
) -> Outcome<()> {
    let spares = keyring.spares().await?;
    if spares.is_empty() {
        return Ok(());
    }
    let first = first_of(journal, &spares, published).await?;
    let mut given = Vec::with_capacity(first.len());
    for row in first.values() {
        let key = keyring.key(&row.stream).await?;
        // An altered row is named by whoever looks the record over; its key stays where it is.
        if let Some(key) = key
            && let Ok(sealed) = open_with(row, &key)
            && let Some(patient) = sealed.event.subject.patient()
        {
            given.push((row.stream, key, of_patient(patient)));
        }
    }
    tracing::info!(
        given = given.len(),
        "keys that were made beforehand are sorted out"
    );
    let unused = spares.into_iter().filter(|name| !first.contains_key(name));
    keyring.sort_out(&given, unused.collect()).await
}

/// The first row of each of these streams, from an index on.
async fn first_of(
    journal: &dyn Journal,
    streams: &HashSet<[u8; 16]>,
    mut from: u64,
) -> Outcome<BTreeMap<[u8; 16], Row>> {
    let mut first = BTreeMap::new();
    loop {
        let block = journal.block(from, ROWS_AT_ONCE).await.map_err(broken)?;
        let Some(last) = block.iter().last() else {
            return Ok(first);
        };
        from = last.seq + 1;
        for row in block.iter().filter(|row| streams.contains(&row.stream)) {
            first.entry(row.stream).or_insert_with(|| row.to_row());
        }
    }
}

impl Keyring {
    /// The names of the streams that are nobody's, as the file has it.
    async fn spares(&self) -> Outcome<HashSet<[u8; 16]>> {
        let names: Vec<Vec<u8>> = sqlx::query_scalar("SELECT stream FROM spare")
            .fetch_all(&self.pool)
            .await
            .map_err(broken)?;
        let names = names.into_iter().filter_map(|name| name.try_into().ok());
        Ok(names.collect())
    }

    /// Writes down whose streams are, and takes away those that are nobody's.
    async fn sort_out(
        &self,
        given: &[([u8; 16], Key, String)],
        unused: Vec<[u8; 16]>,
    ) -> Outcome<()> {
        let mut tx = self.pool.begin().await.map_err(broken)?;
        let mut gone = unused;
        for (name, key, label) in given {
            let insert = "INSERT INTO stream (stream, tag, generation, wrapped, subject) \
                 SELECT stream, $2, generation, wrapped, $3 FROM spare WHERE stream = $1 \
                 ON CONFLICT DO NOTHING";
            let insert = sqlx::query(insert)
                .bind(name.to_vec())
                .bind(self.tag(&[label.as_bytes()]).to_vec())
                .bind(mask(key, label.as_bytes()));
            let done = insert.execute(&mut *tx).await.map_err(broken)?;
            if done.rows_affected() == 1 {
                gone.push(*name);
            }
        }
        for name in gone {
            let delete = sqlx::query("DELETE FROM spare WHERE stream = $1").bind(name.to_vec());
            delete.execute(&mut *tx).await.map_err(broken)?;
        }
        tx.commit().await.map_err(broken)
    }
}
