//! Makes the keys of new streams: some beforehand, so that a new patient's is there at once, and those that are wanted while
//! others are being made in one commit.
//!
//! A key that was made beforehand has a name and is nobody's. Whoever wants one for a patient without a stream is given it in
//! memory, and whose it is is written down a moment later, for many at once: when more are made, and before anything is
//! published. Until then the journal says it, since what was sealed under it has its name: after a crash that is read
//! there (`crate::spare`).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use seal::{Key, wrap};
use tokio::sync::oneshot;

use crate::keyring::{Stream, Wrapping, broken};
use crate::sealed::Outcome;
use crate::{Writer, WriterFault};

const FIND: &str = "SELECT stream, generation, wrapped FROM stream WHERE tag = $1";
const INSERT: &str = "INSERT INTO stream (stream, tag, generation, wrapped, subject) \
     VALUES ($1, $2, $3, $4, $5)";
const KEEP: &str = "INSERT INTO spare (stream, generation, wrapped) VALUES ($1, $2, $3)";
const DROP: &str = "DELETE FROM spare WHERE stream = $1";

/// The name of a stream, the generation of what wraps its key, and the wrapped key.
pub(crate) type Kept = ([u8; 16], i64, Vec<u8>);
pub(crate) type Tag = [u8; 16];

/// A stream that is made if its tag has none.
pub(crate) struct Wanted {
    pub(crate) tag: Tag,
    pub(crate) made: Stream,
    /// Whose it is, readable with its key alone.
    pub(crate) subject: Vec<u8>,
}

/// A stream that was made beforehand, and whose it is.
#[derive(Clone)]
struct Given {
    stream: Stream,
    subject: Vec<u8>,
}

/// What may be had without waiting.
pub(crate) enum Spare {
    /// It was given before, or just now.
    Given(Stream),
    /// One is there if the file says that this tag has none: to be looked for, and asked for with this number.
    Perhaps(u64),
    /// Nothing: it has to be made, or is being made.
    Nothing,
}

/// Who waits hears which stream was there before, or that there was none.
type Waiting = (Wanted, oneshot::Sender<Outcome<Option<Kept>>>);

/// Makes streams with the keyring's writer.
#[derive(Clone)]
pub(crate) struct Mint {
    writer: Writer,
    wrapping: Arc<RwLock<Wrapping>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// How many are made beforehand, at most.
    spare_max: usize,
    waiting: Vec<Waiting>,
    /// The tags of those that are being made.
    making: HashSet<Tag>,
    /// Made beforehand, and durable.
    ready: Vec<Stream>,
    /// Whose they are is not written down yet.
    given: HashMap<Tag, Given>,
    /// Counts what was written down: a look into the file from before that may have missed it.
    turn: u64,
    /// More are to be made with what is written next.
    low: bool,
}

/// What is written in one transaction.
struct Turn {
    given: HashMap<Tag, Given>,
    wanted: Vec<Wanted>,
    fresh: Vec<Stream>,
}

impl State {
    /// Whether somebody waits for the stream of this tag.
    fn is_wanted(&self, tag: &Tag) -> bool {
        self.making.contains(tag) || self.waiting.iter().any(|(wanted, _)| wanted.tag == *tag)
    }

    fn few(&self) -> bool {
        self.ready.len() <= self.spare_max / 2
    }

    /// How many are to be made beforehand now: with what has to be written anyway, or because there are few.
    fn missing(&self) -> usize {
        match self.few() && (self.low || !self.waiting.is_empty()) {
            true => self.spare_max.saturating_sub(self.ready.len()),
            false => 0,
        }
    }
}

impl Mint {
    pub(crate) fn new(writer: Writer, wrapping: Arc<RwLock<Wrapping>>, spare_max: usize) -> Mint {
        let state = State {
            spare_max,
            ..State::default()
        };
        Mint {
            writer,
            wrapping,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// What there is for a tag without waiting.
    pub(crate) fn spare(&self, tag: &Tag) -> Spare {
        let state = lock(&self.state);
        if let Some(given) = state.given.get(tag) {
            return Spare::Given(given.stream.clone());
        }
        match state.ready.is_empty() || state.is_wanted(tag) {
            true => Spare::Nothing,
            false => Spare::Perhaps(state.turn),
        }
    }

    /// Gives a stream that was made beforehand to a tag that has none, as a look into the file after `turn` was counted
    /// says; `subject` says with its key whose it is.
    pub(crate) fn give(
        &self,
        tag: &Tag,
        turn: u64,
        subject: impl FnOnce(&Key) -> Vec<u8>,
    ) -> Spare {
        let mut state = lock(&self.state);
        if let Some(given) = state.given.get(tag) {
            return Spare::Given(given.stream.clone());
        }
        // INVARIANT: for what was written down since that look it is looked again, or one tag would have two streams.
        if state.turn != turn {
            return Spare::Perhaps(state.turn);
        }
        if state.is_wanted(tag) {
            return Spare::Nothing;
        }
        let Some(stream) = state.ready.pop() else {
            return Spare::Nothing;
        };
        let given = Given {
            subject: subject(&stream.key),
            stream: stream.clone(),
        };
        state.given.insert(*tag, given);
        if state.few() && !state.low {
            state.low = true;
            let mint = self.clone();
            // What keeps it from being written is told to whoever needs it written.
            tokio::spawn(async move { mint.settled().await });
        }
        Spare::Given(stream)
    }

    /// The key of a stream that was given, if whose it is is not written down yet.
    pub(crate) fn given(&self, name: &[u8; 16]) -> Option<Key> {
        let state = lock(&self.state);
        let mut given = state.given.values();
        let found = given.find(|given| given.stream.name == *name)?;
        Some(found.stream.key.clone())
    }

    /// Makes a stream durably, unless its tag has one: then that one is given. It goes on when nobody waits for it
    /// any more.
    ///
    /// # Errors
    /// What kept those that were wanted together from being made: none of them was.
    pub(crate) async fn make(&self, wanted: Wanted) -> Outcome<Option<Kept>> {
        let (told, answer) = oneshot::channel();
        lock(&self.state).waiting.push((wanted, told));
        if let Err(why) = self.settled().await {
            // Nothing took them: who was told so does not have them made later.
            drop(answer);
            lock(&self.state)
                .waiting
                .retain(|(_, told)| !told.is_closed());
            return Err(why);
        }
        answer
            .await
            .map_err(|_| broken("the keys were not made; send it again"))?
    }

    /// Waits until all that was wanted before is made, though who wanted it may have gone away since, and until it is
    /// written down whose the streams are that were given before.
    ///
    /// # Errors
    /// What kept it from being written.
    pub(crate) async fn settled(&self) -> Outcome<()> {
        let (state, wrapping) = (Arc::clone(&self.state), Arc::clone(&self.wrapping));
        // Who comes first takes all that wait; those after it find nothing left to do.
        let made = self
            .writer
            .run(move |with| Ok::<_, WriterFault>(make_all(with, &wrapping, &state)));
        made.await.map_err(broken)?
    }

    /// As [`Mint::settled`]; what was made beforehand and given to nobody goes, and nothing more is made beforehand.
    ///
    /// # Errors
    /// What kept it from being written.
    pub(crate) async fn end(&self) -> Outcome<()> {
        let ready = {
            let mut state = lock(&self.state);
            state.spare_max = 0;
            std::mem::take(&mut state.ready)
        };
        self.settled().await?;
        if ready.is_empty() {
            return Ok(());
        }
        let gone = self.writer.transact(move |to| {
            let mut gone = to.prepare_cached(DROP)?;
            for stream in &ready {
                gone.execute((stream.name,))?;
            }
            Ok::<_, WriterFault>(())
        });
        gone.await.map_err(broken)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does all that waits in one transaction, and tells those who wait what came of it.
fn make_all(
    with: &mut Connection,
    wrapping: &RwLock<Wrapping>,
    state: &Mutex<State>,
) -> Outcome<()> {
    let (waiting, given, missing) = {
        let mut state = lock(state);
        let missing = state.missing();
        state.low = false;
        let waiting = std::mem::take(&mut state.waiting);
        state.making = waiting.iter().map(|(wanted, _)| wanted.tag).collect();
        (waiting, state.given.clone(), missing)
    };
    if waiting.is_empty() && given.is_empty() && missing == 0 {
        return Ok(());
    }
    let (wanted, tell): (Vec<Wanted>, Vec<_>) = waiting.into_iter().unzip();
    let done = fresh(missing).and_then(|fresh| {
        let turn = Turn {
            given,
            wanted,
            fresh,
        };
        let there = committed(with, wrapping, &turn)?;
        Ok((turn, there))
    });
    let mut state = lock(state);
    state.making.clear();
    let (turn, there) = match done {
        Ok(done) => done,
        Err(why) => {
            drop(state);
            for tell in tell {
                // Who asked may have gone away.
                let _ = tell.send(Err(broken(&why)));
            }
            return Err(why);
        }
    };
    state.turn += 1;
    state.given.retain(|tag, _| !turn.given.contains_key(tag));
    state.ready.extend(turn.fresh);
    drop(state);
    for (tell, there) in tell.into_iter().zip(there) {
        // Who asked may have gone away.
        let _ = tell.send(Ok(there));
    }
    Ok(())
}

/// New streams that are nobody's.
fn fresh(count: usize) -> Outcome<Vec<Stream>> {
    let random = SystemRandom::new();
    let one = || {
        let (mut name, mut key) = ([0; 16], [0; 32]);
        random.fill(&mut name).ok()?;
        random.fill(&mut key).ok()?;
        let key = Key::new(key);
        Some(Stream { name, key })
    };
    let all: Option<Vec<Stream>> = std::iter::repeat_with(one).take(count).collect();
    all.ok_or_else(|| broken(NO_RANDOMNESS))
}

const NO_RANDOMNESS: &str = "the system has no randomness";

fn committed(
    with: &mut Connection,
    wrapping: &RwLock<Wrapping>,
    turn: &Turn,
) -> Outcome<Vec<Option<Kept>>> {
    let change = with.transaction_with_behavior(TransactionBehavior::Immediate);
    let change = change.map_err(broken)?;
    // INVARIANT: what wraps is asked for within the transaction: before it, a rotation could still take the older
    // one away.
    let wraps = Wraps {
        wrapping: wrapping
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone(),
        random: SystemRandom::new(),
    };
    for (tag, given) in &turn.given {
        wraps.put(&change, (&given.stream, tag, &given.subject))?;
        let mut gone = change.prepare_cached(DROP).map_err(broken)?;
        gone.execute((given.stream.name,)).map_err(broken)?;
    }
    for stream in &turn.fresh {
        let (generation, wrapped) = wraps.wrapped(stream)?;
        let mut keep = change.prepare_cached(KEEP).map_err(broken)?;
        let row = (stream.name, generation, wrapped);
        keep.execute(row).map_err(broken)?;
    }
    let wanted = turn.wanted.iter();
    let there = wanted.map(|one| wraps.find_or_put(&change, one));
    let there = there.collect::<Outcome<_>>()?;
    change.commit().map_err(broken)?;
    Ok(there)
}

/// What wraps keys.
struct Wraps {
    wrapping: Wrapping,
    random: SystemRandom,
}

impl Wraps {
    /// The generation that wraps, and the wrapped key.
    fn wrapped(&self, stream: &Stream) -> Outcome<(i64, Vec<u8>)> {
        let mut nonce = [0; 12];
        let filled = self.random.fill(&mut nonce);
        filled.map_err(|_| broken(NO_RANDOMNESS))?;
        let (generation, outer) = self.wrapping.current()?;
        let wrapped = wrap(outer, &stream.key, &stream.name, nonce).map_err(broken)?;
        Ok((generation, wrapped))
    }

    fn put(&self, to: &Connection, (stream, tag, subject): (&Stream, &Tag, &[u8])) -> Outcome<()> {
        let (generation, wrapped) = self.wrapped(stream)?;
        let mut insert = to.prepare_cached(INSERT).map_err(broken)?;
        let row = (stream.name, tag, generation, wrapped, subject);
        insert.execute(row).map(drop).map_err(broken)
    }

    fn find_or_put(&self, to: &Connection, wanted: &Wanted) -> Outcome<Option<Kept>> {
        if let Some(there) = find(to, &wanted.tag).map_err(broken)? {
            return Ok(Some(there));
        }
        self.put(to, (&wanted.made, &wanted.tag, &wanted.subject))?;
        Ok(None)
    }
}

/// The stream of a tag.
pub(crate) fn find(from: &Connection, tag: &Tag) -> rusqlite::Result<Option<Kept>> {
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
         generation INTEGER, wrapped BLOB, subject BLOB CHECK (subject <> x'00')); \
         CREATE TABLE spare (stream BLOB PRIMARY KEY, generation INTEGER, wrapped BLOB)";

    async fn mint(folder: &tempfile::TempDir) -> Mint {
        mint_with(folder, 0).await
    }

    async fn mint_with(folder: &tempfile::TempDir, spare_max: usize) -> Mint {
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
        Mint::new(writer, Arc::new(RwLock::new(wrapping)), spare_max)
    }

    fn wanted(tag: u8, name: u8) -> Wanted {
        Wanted {
            tag: [tag; 16],
            made: Stream {
                name: [name; 16],
                key: Key::new([name; 32]),
            },
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
        assert!(lock(&mint.state).waiting.is_empty());
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

    fn rows(mint: &Mint, table: &'static str) -> i64 {
        let count = format!("SELECT COUNT(*) FROM {table}");
        let counted = mint
            .writer
            .run_here(|with| Ok::<_, WriterFault>(with.query_row(&count, [], |row| row.get(0))?));
        counted.unwrap()
    }

    /// What is given to a tag that the file does not have.
    fn taken(mint: &Mint, tag: u8) -> Option<Stream> {
        let Spare::Perhaps(turn) = mint.spare(&[tag; 16]) else {
            return None;
        };
        match mint.give(&[tag; 16], turn, |_| vec![tag]) {
            Spare::Given(stream) => Some(stream),
            Spare::Perhaps(_) | Spare::Nothing => None,
        }
    }

    #[tokio::test]
    async fn what_was_made_beforehand_is_given_at_once_and_written_down_later() {
        let folder = tempfile::tempdir().unwrap();
        let mint = mint_with(&folder, 8).await;
        assert!(matches!(mint.spare(&[2; 16]), Spare::Nothing));
        mint.make(wanted(1, 1)).await.unwrap();
        assert_eq!((rows(&mint, "stream"), rows(&mint, "spare")), (1, 8));
        let one = taken(&mint, 2).unwrap();
        let Spare::Given(again) = mint.spare(&[2; 16]) else {
            panic!("a tag has one stream");
        };
        assert_eq!(one.name, again.name);
        assert_eq!(mint.given(&one.name).unwrap().bytes(), one.key.bytes());
        assert_eq!((rows(&mint, "stream"), rows(&mint, "spare")), (1, 8));
        mint.settled().await.unwrap();
        assert_eq!((rows(&mint, "stream"), rows(&mint, "spare")), (2, 7));
        assert!(mint.given(&one.name).is_none());
        let (name, generation, wrapped) = mint
            .writer
            .run_here(|with| Ok::<_, WriterFault>(find(with, &[2; 16])?.unwrap()))
            .unwrap();
        let wrapping = lock_of(&mint).unwrap(generation, &wrapped, &name).unwrap();
        assert_eq!((name, wrapping.bytes()), (one.name, one.key.bytes()));
    }

    fn lock_of(mint: &Mint) -> Wrapping {
        mint.wrapping.read().unwrap().clone()
    }

    #[tokio::test]
    async fn a_look_from_before_something_was_written_down_gives_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mint = mint_with(&folder, 8).await;
        mint.make(wanted(1, 1)).await.unwrap();
        let Spare::Perhaps(turn) = mint.spare(&[2; 16]) else {
            panic!("there are some");
        };
        mint.make(wanted(2, 2)).await.unwrap();
        assert!(matches!(
            mint.give(&[2; 16], turn, |_| Vec::new()),
            Spare::Perhaps(_)
        ));
    }

    #[tokio::test]
    async fn what_somebody_waits_for_is_not_given_to_another() {
        let folder = tempfile::tempdir().unwrap();
        let mint = mint_with(&folder, 8).await;
        mint.make(wanted(1, 1)).await.unwrap();
        let busy = busy(&mint);
        let mut waits = Box::pin(mint.make(wanted(2, 2)));
        assert!(futures_util::poll!(&mut waits).is_pending());
        assert!(taken(&mint, 2).is_none());
        assert!(taken(&mint, 3).is_some());
        drop(busy);
        assert_eq!(waits.await.unwrap(), None);
    }

    #[tokio::test]
    async fn when_few_are_left_more_are_made_and_when_none_is_left_nothing_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let mint = mint_with(&folder, 4).await;
        mint.make(wanted(1, 1)).await.unwrap();
        let busy = busy(&mint);
        let names: HashSet<[u8; 16]> = (2..6).map(|tag| taken(&mint, tag).unwrap().name).collect();
        assert_eq!(names.len(), 4);
        assert!(taken(&mint, 6).is_none());
        drop(busy);
        // Those that were made because there were few are there after whatever is written next.
        mint.settled().await.unwrap();
        tokio::task::yield_now().await;
        mint.settled().await.unwrap();
        assert_eq!((rows(&mint, "stream"), rows(&mint, "spare")), (5, 4));
        assert!(taken(&mint, 6).is_some());
    }

    #[tokio::test]
    async fn at_the_end_none_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let mint = mint_with(&folder, 8).await;
        mint.make(wanted(1, 1)).await.unwrap();
        taken(&mint, 2).unwrap();
        mint.end().await.unwrap();
        assert_eq!((rows(&mint, "stream"), rows(&mint, "spare")), (2, 0));
        assert!(taken(&mint, 3).is_none());
        mint.make(wanted(4, 4)).await.unwrap();
        assert_eq!((rows(&mint, "stream"), rows(&mint, "spare")), (3, 0));
    }

    #[tokio::test]
    async fn what_cannot_be_written_down_is_said_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mint = mint_with(&folder, 8).await;
        mint.make(wanted(1, 1)).await.unwrap();
        let one = taken(&mint, 0).unwrap();
        assert!(mint.settled().await.is_err());
        assert_eq!(mint.given(&one.name).unwrap().bytes(), one.key.bytes());
        assert!(mint.make(wanted(2, 2)).await.is_err());
        assert_eq!((rows(&mint, "stream"), rows(&mint, "spare")), (1, 8));
    }
}
