//! One resource by its name, read on the thread that asks.
//!
//! That spares the change to a thread of SQLite and back. What is on no page of the system's cache is waited for, as
//! memory that is mapped to a file is: so one processor at least is left to those who serve, and large pages are read
//! elsewhere.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::lookup::{HEAD_AND_PAGE, SMALL_PAGE_BYTES, content_of};
use super::{Asked, Row};
use crate::error::Outcome;

/// A version with its content, if there is one.
type Looked = Outcome<Option<(Row, Vec<u8>)>>;

/// With NULL for a page that is larger.
static HEAD_AND_SMALL_PAGE: LazyLock<String> = LazyLock::new(|| {
    let small = format!("CASE WHEN length(g.body) <= {SMALL_PAGE_BYTES} THEN g.body END");
    HEAD_AND_PAGE.replace("g.body", &small)
});

/// Connections that look single resources up. Clones share them.
#[derive(Clone)]
pub(crate) struct Points(Arc<Inner>);

struct Inner {
    path: PathBuf,
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// Those that are being used.
    away: usize,
    /// How often what they remember was to be forgotten.
    forgotten: u64,
    closed: bool,
}

impl Points {
    /// Looks up in the file at `path`, `most` at a time and fewer than there are processors; each connection is opened
    /// when it is first wanted.
    pub(crate) fn new(path: PathBuf, most: u32) -> Points {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let most = usize::try_from(most).unwrap_or(1);
        Points(Arc::new(Inner {
            path,
            most: most.min(threads.saturating_sub(1)).max(1),
            state: Mutex::default(),
        }))
    }

    /// The current version of a resource by name, with its content. `None`: it was not looked up, since others are
    /// looking, its page is large, or the file is busy, broken or closed; whoever waits for a connection
    /// ([`super::Lender`]) hears which.
    pub(crate) fn by_head(&self, asked: &Asked) -> Option<Looked> {
        let mut turn = self.turn()?;
        match by_head(turn.connection.as_ref()?, asked) {
            Ok(looked) => looked,
            Err(why) => {
                tracing::debug!(%why, "a connection that looks resources up is closed");
                // Not lent again: the next one is opened anew.
                turn.connection = None;
                None
            }
        }
    }

    /// Nothing stays in memory of what was read until now.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.forgotten += 1;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }

    /// Closes all of them; those that are used, when they are done.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }

    fn turn(&self) -> Option<Turn<'_>> {
        let mut state = self.state();
        if state.closed || state.away >= self.0.most {
            return None;
        }
        state.away += 1;
        let mut turn = Turn {
            of: self,
            connection: state.idle.pop(),
            forgotten: state.forgotten,
        };
        drop(state);
        if turn.connection.is_none() {
            let opened = self.connect();
            let why = opened.as_ref().err();
            why.inspect(|why| tracing::debug!(%why, "resources cannot be looked up"));
            turn.connection = Some(opened.ok()?);
        }
        Some(turn)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.0.path, flags)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", -4000)?;
        Ok(connection)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is being used. It goes back unless it was taken out, or is to forget what it read.
struct Turn<'a> {
    of: &'a Points,
    connection: Option<Connection>,
    forgotten: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut connection = self.connection.take();
        let mut state = self.of.state();
        state.away = state.away.saturating_sub(1);
        if !state.closed && state.forgotten == self.forgotten {
            state.idle.extend(connection.take());
        }
        // Closed while nobody waits.
        drop(state);
        drop(connection);
    }
}

/// `None`: its page is large.
fn by_head(from: &Connection, asked: &Asked) -> rusqlite::Result<Option<Looked>> {
    let mut found = from.prepare_cached(&HEAD_AND_SMALL_PAGE)?;
    let mut rows = found.query([asked.slot])?;
    while let Some(found) = rows.next()? {
        let row = Row::of(found)?;
        // Two names may share a slot.
        if row.kind == asked.kind && row.id == asked.id {
            let page = found.get_ref(14)?.as_blob_or_null()?;
            let content = page.map(|page| content_of(page, &row));
            return Ok(content.map(|content| content.map(|content| Some((row, content)))));
        }
    }
    Ok(Some(Ok(None)))
}

#[cfg(test)]
mod tests {
    use super::super::{Store, pack};
    use super::*;
    use crate::Config;

    const NAMED: i64 = 7;

    fn asked(id: &str) -> Asked {
        Asked {
            kind: 3,
            id: id.into(),
            slot: NAMED,
        }
    }

    /// A store with one resource, `3/a`, and where it is.
    async fn store(folder: &tempfile::TempDir) -> (Store, PathBuf) {
        let path = folder.path().join("chart.db");
        let store = Store::open(&Config::at(path.clone())).await.unwrap();
        let page = pack(&[b"{\"a\":1}".to_vec()]).unwrap();
        let put = store.writer.transact(move |to| {
            to.execute(
                "INSERT INTO version (rid, kind, id, patient, seq, item, at, flags, source, prev, next, labels, told,
                 day) VALUES (1, 3, 'a', 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
                [],
            )?;
            to.execute("INSERT INTO head (slot, rid) VALUES (?1, 1)", [NAMED])?;
            to.execute("INSERT INTO page (seq, first, items, body) VALUES (5, 1, 1, ?1)", [page])?;
            Ok::<_, record::WriterFault>(())
        });
        put.await.unwrap();
        (store, path)
    }

    async fn run(store: &Store, sql: &'static str) {
        let run = store.writer.run(move |to| {
            to.execute_batch(sql)?;
            Ok::<_, record::WriterFault>(())
        });
        run.await.unwrap();
    }

    #[tokio::test]
    async fn a_resource_is_found_by_its_name_and_no_other_with_that_number() {
        let folder = tempfile::tempdir().unwrap();
        let (store, path) = store(&folder).await;
        let points = Points::new(path, 1);
        let (row, content) = points.by_head(&asked("a")).unwrap().unwrap().unwrap();
        assert_eq!((row.id.as_str(), row.seq), ("a", 5));
        assert_eq!(content, b"{\"a\":1}");
        assert_eq!(points.by_head(&asked("b")).unwrap().unwrap(), None);
        // What the connection that writes does next is seen.
        run(&store, "DELETE FROM head").await;
        assert_eq!(points.by_head(&asked("a")).unwrap().unwrap(), None);
    }

    #[tokio::test]
    async fn whoever_finds_all_in_use_or_the_file_closed_is_told_so_and_so_is_who_finds_none() {
        let folder = tempfile::tempdir().unwrap();
        let (_store, path) = store(&folder).await;
        let points = Points::new(path, 1);
        let turn = points.turn().unwrap();
        assert!(points.by_head(&asked("a")).is_none());
        drop(turn);
        assert!(points.by_head(&asked("a")).is_some());
        points.close();
        assert!(points.by_head(&asked("a")).is_none());
        assert!(points.state().idle.is_empty());
        let nowhere = Points::new(folder.path().join("none.db"), 1);
        assert!(nowhere.by_head(&asked("a")).is_none());
        assert_eq!(nowhere.state().away, 0);
    }

    #[tokio::test]
    async fn a_connection_that_failed_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let (store, path) = store(&folder).await;
        let points = Points::new(path, 1);
        points.by_head(&asked("a")).unwrap().unwrap();
        run(&store, "ALTER TABLE head RENAME TO elsewhere").await;
        assert!(points.by_head(&asked("a")).is_none());
        assert!(points.state().idle.is_empty());
        run(&store, "ALTER TABLE elsewhere RENAME TO head").await;
        assert!(points.by_head(&asked("a")).unwrap().unwrap().is_some());
    }

    #[tokio::test]
    async fn a_large_page_is_left_to_those_that_wait() {
        let folder = tempfile::tempdir().unwrap();
        let (store, path) = store(&folder).await;
        let points = Points::new(path, 1);
        run(&store, "UPDATE page SET body = zeroblob(65537)").await;
        assert!(points.by_head(&asked("a")).is_none());
        assert_eq!(points.state().idle.len(), 1);
        run(&store, "UPDATE page SET body = zeroblob(65536)").await;
        assert!(points.by_head(&asked("a")).unwrap().is_err());
    }

    #[tokio::test]
    async fn who_reads_keeps_nobody_from_rewriting_the_file_and_nothing_of_it_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let (store, path) = store(&folder).await;
        let points = &store.points;
        points.by_head(&asked("a")).unwrap().unwrap();
        let before = Points::new(path, 1);
        let turn = before.turn().unwrap();
        let note = store
            .writer
            .transact(|to| Ok::<_, record::WriterFault>(record::note_rewriting(to)?));
        note.await.unwrap();
        store.rewrite_if_due().await.unwrap();
        assert!(points.state().idle.is_empty());
        before.forget();
        drop(turn);
        assert!(before.state().idle.is_empty());
        assert!(points.by_head(&asked("a")).unwrap().unwrap().is_some());
    }
}
