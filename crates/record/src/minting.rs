//! Makes the keys of new streams: those that are wanted while others are being made, in one commit.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use seal::wrap;
use tokio::sync::oneshot;

use crate::keyring::{Stream, Wrapping, broken};
use crate::sealed::Outcome;
use crate::{Writer, WriterFault};

const FIND: &str = "SELECT stream, generation, wrapped FROM stream WHERE tag = $1";
const INSERT: &str = "INSERT INTO stream (stream, tag, generation, wrapped, subject) \
     VALUES ($1, $2, $3, $4, $5)";

/// The name of a stream, the generation of what wraps its key, and the wrapped key.
pub(crate) type Kept = ([u8; 16], i64, Vec<u8>);

/// A stream that is made if its tag has none.
pub(crate) struct Wanted {
    pub(crate) tag: [u8; 16],
    pub(crate) made: Stream,
    /// For wrapping the key.
    pub(crate) nonce: [u8; 12],
    /// Whose it is, readable with its key alone.
    pub(crate) subject: Vec<u8>,
}

/// Who waits hears which stream was there before, or that there was none.
type Waiting = (Wanted, oneshot::Sender<Outcome<Option<Kept>>>);

/// Makes streams with the keyring's writer.
pub(crate) struct Mint {
    writer: Writer,
    wrapping: Arc<RwLock<Wrapping>>,
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

impl Mint {
    pub(crate) fn new(writer: Writer, wrapping: Arc<RwLock<Wrapping>>) -> Mint {
        Mint {
            writer,
            wrapping,
            waiting: Arc::default(),
        }
    }

    /// Makes a stream durably, unless its tag has one: then that one is given. It goes on when nobody waits for it
    /// any more.
    ///
    /// # Errors
    /// What kept those that were wanted together from being made: none of them was.
    pub(crate) async fn make(&self, wanted: Wanted) -> Outcome<Option<Kept>> {
        let (told, answer) = oneshot::channel();
        lock(&self.waiting).push((wanted, told));
        if let Err(why) = self.settled().await {
            // Nothing took them: who was told so does not have them made later.
            drop(answer);
            lock(&self.waiting).retain(|(_, told)| !told.is_closed());
            return Err(why);
        }
        answer
            .await
            .map_err(|_| broken("the keys were not made; send it again"))?
    }

    /// Waits until all that was wanted before is made, or could not be, though who wanted it may have gone away since.
    pub(crate) async fn settled(&self) -> Outcome<()> {
        let (waiting, wrapping) = (Arc::clone(&self.waiting), Arc::clone(&self.wrapping));
        // Who comes first takes all that wait; those after it find nothing left to do.
        let made = self.writer.run(move |with| {
            make_all(with, &wrapping, std::mem::take(&mut *lock(&waiting)));
            Ok::<_, WriterFault>(())
        });
        made.await.map_err(broken)
    }
}

fn lock(waiting: &Mutex<Vec<Waiting>>) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes all of them in one transaction, and tells those who wait what came of it.
fn make_all(with: &mut Connection, wrapping: &RwLock<Wrapping>, waiting: Vec<Waiting>) {
    if waiting.is_empty() {
        return;
    }
    let (wanted, tell): (Vec<Wanted>, Vec<_>) = waiting.into_iter().unzip();
    match committed(with, wrapping, &wanted) {
        Ok(there) => {
            for (tell, there) in tell.into_iter().zip(there) {
                // Who asked may have gone away.
                let _ = tell.send(Ok(there));
            }
        }
        Err(why) => {
            let why = why.to_string();
            for tell in tell {
                let _ = tell.send(Err(broken(&why)));
            }
        }
    }
}

fn committed(
    with: &mut Connection,
    wrapping: &RwLock<Wrapping>,
    wanted: &[Wanted],
) -> Outcome<Vec<Option<Kept>>> {
    let change = with.transaction_with_behavior(TransactionBehavior::Immediate);
    let change = change.map_err(broken)?;
    // INVARIANT: what wraps is asked for within the transaction: before it, a rotation could still take the older
    // one away.
    let wrapping = wrapping
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let there = wanted
        .iter()
        .map(|one| find_or_put(&change, &wrapping, one));
    let there = there.collect::<Outcome<_>>()?;
    change.commit().map_err(broken)?;
    Ok(there)
}

fn find_or_put(to: &Connection, wrapping: &Wrapping, wanted: &Wanted) -> Outcome<Option<Kept>> {
    if let Some(there) = find(to, &wanted.tag).map_err(broken)? {
        return Ok(Some(there));
    }
    let Stream { name, key } = &wanted.made;
    let (generation, outer) = wrapping.current()?;
    let wrapped = wrap(outer, key, name, wanted.nonce).map_err(broken)?;
    let mut insert = to.prepare_cached(INSERT).map_err(broken)?;
    let row = (name, wanted.tag, generation, wrapped, &wanted.subject);
    insert.execute(row).map_err(broken)?;
    Ok(None)
}

fn find(from: &Connection, tag: &[u8; 16]) -> rusqlite::Result<Option<Kept>> {
    let mut found = from.prepare_cached(FIND)?;
    found
        .query_row([tag], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use futures_util::future::join_all;
    use seal::Key;

    use super::*;
    use crate::WriterFile;

    const TABLE: &str = "CREATE TABLE stream (stream BLOB PRIMARY KEY, tag BLOB UNIQUE, \
         generation INTEGER, wrapped BLOB, subject BLOB CHECK (subject <> x'00'))";

    async fn mint(folder: &tempfile::TempDir) -> Mint {
        let file = WriterFile {
            path: folder.path().join("keys.db"),
            synchronous: "FULL",
            busy_timeout: Duration::from_secs(1),
            gives_way: false,
            pragmas: &[],
        };
        let writer = Writer::open(file).await.unwrap();
        let made = writer.run(|with| Ok::<_, WriterFault>(with.execute_batch(TABLE)?));
        made.await.unwrap();
        let wrapping = Wrapping(BTreeMap::from([(1, Key::new([7; 32]))]));
        Mint::new(writer, Arc::new(RwLock::new(wrapping)))
    }

    fn wanted(tag: u8, name: u8) -> Wanted {
        Wanted {
            tag: [tag; 16],
            made: Stream {
                name: [name; 16],
                key: Key::new([name; 32]),
            },
            nonce: [name; 12],
            subject: vec![name],
        }
    }

    async fn names(mint: &Mint) -> Vec<u8> {
        let read = mint.writer.run(|with| {
            let mut all = with.prepare("SELECT stream FROM stream ORDER BY stream")?;
            let rows = all.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
            Ok::<_, WriterFault>(rows.collect::<Result<Vec<_>, _>>()?)
        });
        read.await.unwrap().iter().map(|name| name[0]).collect()
    }

    /// Keeps the writer busy until the sender is dropped.
    fn busy(mint: &Mint) -> std::sync::mpsc::Sender<()> {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let writer = mint.writer.clone();
        let hold = async move {
            let held = writer.run(move |_| {
                let _ = wait.recv();
                Ok::<_, WriterFault>(())
            });
            held.await
        };
        tokio::spawn(hold);
        done
    }

    #[tokio::test]
    async fn a_tag_has_one_stream_however_many_want_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mint = mint(&folder).await;
        let first = mint.make(wanted(1, 1)).await.unwrap();
        assert_eq!(first, None);
        let busy = busy(&mint);
        let all = [(1, 2), (2, 3), (2, 4), (3, 5)].map(|(tag, name)| mint.make(wanted(tag, name)));
        let (made, ()) = tokio::join!(join_all(all), async { drop(busy) });
        let there: Vec<Option<u8>> = made
            .into_iter()
            .map(|made| made.unwrap().map(|(name, ..)| name[0]))
            .collect();
        assert_eq!(there, [Some(1), None, Some(3), None]);
        assert_eq!(names(&mint).await, [1, 3, 5]);
    }

    #[tokio::test]
    async fn of_those_that_are_wanted_together_none_is_made_if_one_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let mint = mint(&folder).await;
        let busy = busy(&mint);
        let all = [(1, 1), (2, 0), (3, 3)].map(|(tag, name)| mint.make(wanted(tag, name)));
        let (made, ()) = tokio::join!(join_all(all), async { drop(busy) });
        assert!(made.iter().all(Result::is_err), "{made:?}");
        assert!(names(&mint).await.is_empty());
        // The next is not kept back by it.
        assert_eq!(mint.make(wanted(1, 1)).await.unwrap(), None);
        assert_eq!(names(&mint).await, [1]);
    }

    #[tokio::test]
    async fn what_could_not_be_handed_over_does_not_wait_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let mint = mint(&folder).await;
        mint.writer.close().await;
        assert!(mint.make(wanted(1, 1)).await.is_err());
        assert!(lock(&mint.waiting).is_empty());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_made_with_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let mint = mint(&folder).await;
        let busy = busy(&mint);
        let mut gone = Box::pin(mint.make(wanted(1, 1)));
        assert!(futures_util::poll!(&mut gone).is_pending());
        drop(gone);
        drop(busy);
        assert_eq!(mint.make(wanted(2, 2)).await.unwrap(), None);
        assert_eq!(names(&mint).await, [1, 2]);
    }
}
