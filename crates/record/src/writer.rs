//! The connection that writes one SQLite file, on a thread of its own: what it is given to do it
//! does whole, so that a transaction of many statements costs two changes of threads and not two
//! for each of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

/// Statements that the connection keeps prepared.
const STATEMENTS_KEPT: usize = 256;
/// Pieces of work that wait for the thread; who has more waits before handing it over.
const WAITING_MAX: usize = 64;

/// What a file is opened with.
#[derive(Debug, Clone)]
pub struct WriterFile {
    /// Where it is; made if it is not there.
    pub path: PathBuf,
    /// `FULL`: a commit is on the disk. `NORMAL`: once the log is copied back, which is enough for what can
    /// be made again.
    pub synchronous: &'static str,
    /// How long it waits for another connection that writes.
    pub busy_timeout: Duration,
    /// Whether its thread gives way to what is acknowledged ([`crate::give_way`]).
    pub gives_way: bool,
    /// Further settings: `PRAGMA name = value`.
    pub pragmas: &'static [(&'static str, &'static str)],
}

/// Why work was not done.
#[derive(Debug, thiserror::Error)]
pub enum WriterFault {
    /// What SQLite said.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// It panicked, and what it had begun was taken back. Its words may quote a patient and are not told on.
    #[error("a fault of the program: it panicked, see its log")]
    Panicked,
    /// The file is closed.
    #[error("the file is closed")]
    Closed,
}

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

enum Job {
    Work(Work),
    Close(oneshot::Sender<()>),
}

/// Writes one SQLite file. Clones share the connection; it is closed with the last of them.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    own: Arc<Own>,
}

impl Writer {
    /// Opens the file, with a write-ahead log.
    ///
    /// # Errors
    /// What SQLite said; [`WriterFault::Closed`] if the system gives no thread.
    pub async fn open(file: WriterFile) -> Result<Writer, WriterFault> {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let (opened, answer) = oneshot::channel();
        let name = file.path.file_stem().unwrap_or_default();
        let thread = thread::Builder::new().name(format!("w-{}", name.to_string_lossy()));
        let run = move || {
            if file.gives_way {
                crate::give_way();
            }
            match open(&file, OpenFlags::default()) {
                Ok(connection) => {
                    let held = Mutex::new(Held::Open(connection));
                    let own = Arc::new(Own { file, held });
                    // Who asked may have gone away; then there are no jobs either.
                    let _ = opened.send(Ok(Arc::clone(&own)));
                    serve(&own, waiting);
                }
                Err(why) => drop(opened.send(Err(why))),
            }
        };
        thread.spawn(run).map_err(|_| WriterFault::Closed)?;
        let own = answer.await.map_err(|_| WriterFault::Closed)??;
        Ok(Writer { jobs, own })
    }

    /// Does `work` with the connection. It goes on when nobody waits for it any more.
    ///
    /// # Errors
    /// What `work` said; [`WriterFault`] if it could not be done.
    pub async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<WriterFault> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        let work = move |connection: &mut Connection| {
            // Who asked may have gone away.
            let _ = done.send(caught(work, connection));
        };
        let job = Job::Work(Box::new(work));
        let closed = |_| E::from(WriterFault::Closed);
        self.jobs.send(job).await.map_err(closed)?;
        answer.await.map_err(|_| E::from(WriterFault::Closed))?
    }

    /// Does `work` in one transaction that nobody else writes meanwhile: all of it, or nothing if it fails.
    ///
    /// # Errors
    /// What `work` said; [`WriterFault`] if it could not be done or committed.
    pub async fn transact<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<WriterFault> + Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        self.run(transaction(work)).await
    }

    /// As [`Writer::run`], on the thread that asks, which waits until it is done: for a thread that does nothing
    /// else, and is spared two changes of threads.
    ///
    /// # Errors
    /// As [`Writer::run`].
    pub fn run_here<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<WriterFault>,
        F: FnOnce(&mut Connection) -> Result<T, E>,
    {
        let done = self.own.with(|connection| caught(work, connection));
        done.unwrap_or_else(|| Err(WriterFault::Closed.into()))
    }

    /// As [`Writer::transact`], on the thread that asks.
    ///
    /// # Errors
    /// As [`Writer::transact`].
    pub fn transact_here<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<WriterFault>,
        F: FnOnce(&Transaction<'_>) -> Result<T, E>,
    {
        self.run_here(transaction(work))
    }

    /// Closes the file, when what was handed over is done; nothing is done afterwards.
    pub async fn close(&self) {
        let (closed, answer) = oneshot::channel();
        if self.jobs.send(Job::Close(closed)).await.is_ok() {
            // An error means that the thread has ended, which is what was asked.
            let _ = answer.await;
        }
    }
}

/// The connection, for one thread at a time.
struct Own {
    file: WriterFile,
    held: Mutex<Held>,
}

enum Held {
    Open(Connection),
    /// It could not be used any more, or is being used by who panicked.
    Lost,
    Closed,
}

impl Own {
    /// Does `work`; `None` if there is no connection.
    fn with<R>(&self, work: impl FnOnce(&mut Connection) -> R) -> Option<R> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = match std::mem::replace(&mut *held, Held::Lost) {
            Held::Open(connection) => connection,
            Held::Lost => reopened(&self.file)?,
            Held::Closed => {
                *held = Held::Closed;
                return None;
            }
        };
        let done = work(&mut connection);
        if is_whole(&connection) {
            *held = Held::Open(connection);
        }
        Some(done)
    }

    fn close(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Held::Closed;
    }
}

fn caught<T, E: From<WriterFault>>(
    work: impl FnOnce(&mut Connection) -> Result<T, E>,
    connection: &mut Connection,
) -> Result<T, E> {
    let result = catch_unwind(AssertUnwindSafe(|| work(connection)));
    result.unwrap_or_else(|_| Err(WriterFault::Panicked.into()))
}

/// `work` in a transaction.
fn transaction<T, E: From<WriterFault>>(
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> impl FnOnce(&mut Connection) -> Result<T, E> {
    move |connection| {
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(WriterFault::from)?;
        let done = work(&transaction)?;
        transaction.commit().map_err(WriterFault::from)?;
        Ok(done)
    }
}

fn open(file: &WriterFile, flags: OpenFlags) -> Result<Connection, WriterFault> {
    let connection = Connection::open_with_flags(&file.path, flags)?;
    connection.busy_timeout(file.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", file.synchronous)?;
    connection.pragma_update(None, "foreign_keys", "on")?;
    for (name, value) in file.pragmas {
        connection.pragma_update(None, name, value)?;
    }
    Ok(connection)
}

fn serve(own: &Own, mut waiting: mpsc::Receiver<Job>) {
    while let Some(job) = waiting.blocking_recv() {
        match job {
            // Without a connection who asked hears that it is closed.
            Job::Work(work) => drop(own.with(work)),
            Job::Close(closed) => {
                own.close();
                // Who asked may have gone away. What waits behind it is not done: its answer's sender is dropped.
                let _ = closed.send(());
                return;
            }
        }
    }
}

/// Whether the connection is outside of a transaction. If the disk failed while one was committed, SQLite may
/// have taken it back by itself, and a rollback then fails; one that cannot be ended is closed.
fn is_whole(connection: &Connection) -> bool {
    connection.is_autocommit() || {
        let _ = connection.execute_batch("ROLLBACK");
        connection.is_autocommit()
    }
}

/// A file that is not there any more is not made anew.
fn reopened(file: &WriterFile) -> Option<Connection> {
    let flags = OpenFlags::default().difference(OpenFlags::SQLITE_OPEN_CREATE);
    open(file, flags)
        .inspect_err(|why| tracing::error!(%why, "a file cannot be opened again"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn writer(folder: &tempfile::TempDir) -> Writer {
        let file = WriterFile {
            path: folder.path().join("a.db"),
            synchronous: "NORMAL",
            busy_timeout: Duration::from_secs(1),
            gives_way: false,
            pragmas: &[("cache_size", "-16000")],
        };
        let writer = Writer::open(file).await.unwrap();
        let made = writer.run(|connection| {
            connection.execute_batch("CREATE TABLE IF NOT EXISTS a (n INTEGER PRIMARY KEY)")?;
            Ok::<_, WriterFault>(())
        });
        made.await.unwrap();
        writer
    }

    fn put(into: &Connection, n: i64) -> Result<usize, WriterFault> {
        Ok(into.execute("INSERT INTO a (n) VALUES (?1)", [n])?)
    }

    async fn numbers(writer: &Writer) -> Vec<i64> {
        let read = writer.run(|connection| {
            let mut all = connection.prepare_cached("SELECT n FROM a ORDER BY n")?;
            let rows = all.query_map([], |row| row.get(0))?;
            Ok::<_, WriterFault>(rows.collect::<Result<Vec<i64>, _>>()?)
        });
        read.await.unwrap()
    }

    /// What `.cargo/config.toml` says (decision 0178); that commits sync with `fdatasync` SQLite does not tell.
    #[tokio::test]
    async fn sqlite_is_built_as_it_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder).await;
        let read = writer.run(|connection| {
            let mut all = connection.prepare("PRAGMA compile_options")?;
            let rows = all.query_map([], |row| row.get(0))?;
            Ok::<_, WriterFault>(rows.collect::<Result<Vec<String>, _>>()?)
        });
        let options = read.await.unwrap();
        let has = |name: &str| options.iter().any(|option| option == name);
        assert!(has("DEFAULT_MEMSTATUS=0"), "{options:?}");
        assert!(!has("ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
    }

    #[tokio::test]
    async fn what_fails_or_panics_leaves_nothing_and_the_next_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder).await;
        writer.transact(|to| put(to, 1)).await.unwrap();
        let twice = writer.transact(|to| {
            put(to, 2)?;
            put(to, 1)
        });
        assert!(matches!(twice.await, Err(WriterFault::Sqlite(_))));
        let panics = writer.transact(|to| {
            put(to, 3)?;
            put(to, "Weiss".parse().unwrap())
        });
        assert!(matches!(panics.await, Err(WriterFault::Panicked)));
        // Left open by who began it.
        let left = writer.run(|connection| {
            connection.execute_batch("BEGIN")?;
            put(connection, 4)
        });
        assert_eq!(left.await.unwrap(), 1);
        writer.transact(|to| put(to, 5)).await.unwrap();
        assert_eq!(numbers(&writer).await, [1, 5]);
    }

    #[tokio::test]
    async fn what_is_done_here_is_done_with_the_same_connection_and_fails_as_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder).await;
        writer.transact_here(|to| put(to, 1)).unwrap();
        let twice = writer.transact_here(|to| {
            put(to, 2)?;
            put(to, 1)
        });
        assert!(matches!(twice, Err(WriterFault::Sqlite(_))));
        let panics = writer.transact_here(|to| {
            put(to, 3)?;
            put(to, "Weiss".parse().unwrap())
        });
        assert!(matches!(panics, Err(WriterFault::Panicked)));
        // Left open by who began it.
        let left = writer.run_here(|connection| {
            connection.execute_batch("BEGIN")?;
            put(connection, 4)
        });
        assert_eq!(left.unwrap(), 1);
        writer.transact(|to| put(to, 5)).await.unwrap();
        assert_eq!(numbers(&writer).await, [1, 5]);
        writer.close().await;
        let late = writer.transact_here(|to| put(to, 6));
        assert!(matches!(late, Err(WriterFault::Closed)));
    }

    #[tokio::test]
    async fn what_was_handed_over_is_done_though_nobody_waits_and_after_the_end_nothing_is() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder).await;
        let mut handed = Box::pin(writer.transact(|to| put(to, 1)));
        assert!(futures_util::poll!(&mut handed).is_pending());
        drop(handed);
        writer.close().await;
        let late = writer.transact(|to| put(to, 2)).await;
        assert!(matches!(late, Err(WriterFault::Closed)));
        writer.close().await;
        let writer = self::writer(&folder).await;
        // Handed over before it is closed, and not begun yet.
        let (closing, behind) = (writer.clone(), writer.clone());
        let mut close = Box::pin(closing.close());
        assert!(futures_util::poll!(&mut close).is_pending());
        let behind = behind.transact(|to| put(to, 3));
        let (behind, ()) = tokio::join!(behind, close);
        assert!(matches!(behind, Err(WriterFault::Closed)));
        let writer = self::writer(&folder).await;
        assert_eq!(numbers(&writer).await, [1]);
    }
}
