//! Gathers the lines of one feed into batches and seals them.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event::{Clock, Time};
use record::Record;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use wire::signals::{Cut, Line, Tally};

use super::Config;
use super::feed::{AUDIT_LINES_MAX, Feed, Lost, UNKNOWN_FEED};

/// The pause after a batch could not be sealed.
const AGAIN_MS: u64 = 1_000;
/// What a line takes in memory beside its bytes.
pub(crate) const LINE_BYTES: usize = 128;

/// One line on its way into a batch.
pub(crate) struct Heard {
    pub(crate) source: Arc<str>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) cut: Cut,
}

struct Waiting {
    at: Time,
    heard: Heard,
    /// The room it takes, given back when it is sealed.
    room: OwnedSemaphorePermit,
}

/// What one feed's lines go into. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Inbox {
    lines: mpsc::UnboundedSender<Waiting>,
    shared: Arc<Shared>,
}

struct Shared {
    line_bytes_max: usize,
    room: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    lost: Mutex<Lost>,
    /// Something was lost while no line came.
    told: Notify,
}

impl Inbox {
    /// Bytes in one line of this feed.
    pub(crate) fn line_bytes_max(&self) -> usize {
        self.shared.line_bytes_max
    }

    /// Takes a line as soon as there is room for it; whoever sends waits meanwhile.
    pub(crate) async fn take(&self, heard: Heard) {
        let at = self.shared.clock.now();
        let wanted = room_of(&heard);
        if let Ok(room) = Arc::clone(&self.shared.room)
            .acquire_many_owned(wanted)
            .await
        {
            let _ = self.lines.send(Waiting { at, heard, room });
        }
    }

    /// Takes a line if there is room for it now; else it is counted as lost.
    pub(crate) fn take_now(&self, heard: Heard) {
        let at = self.shared.clock.now();
        let wanted = room_of(&heard);
        match Arc::clone(&self.shared.room).try_acquire_many_owned(wanted) {
            Ok(room) => {
                let _ = self.lines.send(Waiting { at, heard, room });
            }
            Err(_) => self.lose(1, "more came at once than `waiting_bytes_max` holds"),
        }
    }

    /// Counts lines that are lost.
    pub(crate) fn lose(&self, lines: u64, why: &str) {
        let mut lost = self
            .shared
            .lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        lost.lines += lines;
        if lost.why.is_empty() {
            why.clone_into(&mut lost.why);
        }
        drop(lost);
        self.shared.told.notify_one();
    }
}

fn room_of(heard: &Heard) -> u32 {
    u32::try_from(heard.bytes.len().saturating_add(LINE_BYTES)).unwrap_or(u32::MAX)
}

/// The other end of an [`Inbox`].
pub(crate) struct Gatherer {
    feed: Arc<Feed>,
    lines: mpsc::UnboundedReceiver<Waiting>,
    shared: Arc<Shared>,
    limits: Limits,
    /// When a batch was sealed last.
    sealed: Option<Instant>,
}

/// When a batch is full.
#[derive(Debug, Clone, Copy)]
struct Limits {
    lines: usize,
    bytes: usize,
    wait: Duration,
    /// Between two batches; nothing but for those who are no feed.
    apart: Duration,
}

/// A batch that is not sealed yet, with the room its lines take.
struct Draft {
    tally: Tally,
    /// Of each line in it, whether it is whole.
    cuts: Vec<Cut>,
    room: Option<OwnedSemaphorePermit>,
}

impl Draft {
    fn of(feed: &Feed) -> Draft {
        Draft {
            tally: feed.tally(),
            cuts: Vec::new(),
            room: None,
        }
    }

    fn add(&mut self, waiting: Waiting) {
        let Waiting { at, heard, room } = waiting;
        let line = Line {
            at: at.millis(),
            source: &heard.source,
            bytes: &heard.bytes,
        };
        self.tally.add(line, heard.cut);
        self.cuts.push(heard.cut);
        match &mut self.room {
            Some(all) => all.merge(room),
            None => self.room = Some(room),
        }
    }
}

/// An inbox for a feed, and what seals what comes into it. `room`: bytes, shared by all feeds.
pub(crate) fn inbox(
    feed: Arc<Feed>,
    config: &Config,
    (room, clock): (Arc<Semaphore>, Arc<dyn Clock>),
) -> (Inbox, Gatherer) {
    let (sender, lines) = mpsc::unbounded_channel();
    let (line_bytes_max, lines_max) = match feed.is_audit() {
        true => (config.audit_bytes_max, AUDIT_LINES_MAX),
        false => (config.line_bytes_max, usize::MAX),
    };
    let shared = Arc::new(Shared {
        line_bytes_max: line_bytes_max.max(1),
        room,
        clock,
        lost: Mutex::default(),
        told: Notify::new(),
    });
    let is_unknown = feed.name() == UNKNOWN_FEED;
    let gatherer = Gatherer {
        feed,
        lines,
        shared: Arc::clone(&shared),
        limits: Limits {
            lines: config.batch_lines_max.clamp(1, lines_max),
            bytes: config.batch_bytes_max,
            wait: Duration::from_millis(config.batch_wait_ms),
            apart: Duration::from_millis(match is_unknown {
                true => config.unknown_apart_ms,
                false => 0,
            }),
        },
        sealed: None,
    };
    let lines = sender;
    (Inbox { lines, shared }, gatherer)
}

impl Gatherer {
    /// Seals what comes until nobody can send any more and all of it is sealed.
    pub(crate) async fn run(mut self, record: Record, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                biased;
                first = self.lines.recv() => match first {
                    Some(first) => Some(first),
                    None => return self.finish(&record, &stop).await,
                },
                () = self.shared.told.notified() => None,
            };
            let draft = self.gather(first).await;
            if self.seal(draft, &record, &stop).await {
                self.sealed = Some(Instant::now());
            }
        }
    }

    async fn finish(self, record: &Record, stop: &CancellationToken) {
        let draft = Draft::of(&self.feed);
        self.seal(draft, record, stop).await;
    }

    /// A batch that begins with `first`: full, or as much as came in time.
    async fn gather(&mut self, first: Option<Waiting>) -> Draft {
        let mut draft = Draft::of(&self.feed);
        first.into_iter().for_each(|first| draft.add(first));
        // Whoever is no feed can send as much as they like: they are counted, together.
        let next = self.sealed.map(|sealed| sealed + self.limits.apart);
        let until = (Instant::now() + self.limits.wait).max(next.unwrap_or_else(Instant::now));
        while draft.tally.lines < self.limits.lines as u64
            && draft.tally.batch.len() < self.limits.bytes
        {
            match timeout_at(until, self.lines.recv()).await {
                Ok(Some(next)) => draft.add(next),
                Ok(None) | Err(_) => break,
            }
        }
        draft
    }

    /// Seals a batch, however often it has to be tried; while it is tried, those who can wait do. False:
    /// nothing was sealed.
    async fn seal(&self, draft: Draft, record: &Record, stop: &CancellationToken) -> bool {
        let lost = {
            let mut lost = self
                .shared
                .lost
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            mem::take(&mut *lost)
        };
        if draft.tally.lines == 0 && lost.lines == 0 {
            return false;
        }
        let lines = draft.tally.lines;
        let blind = record.blind();
        loop {
            let now = self.shared.clock.now();
            let gathered = (&draft.tally, draft.cuts.as_slice());
            let batches = self.feed.batches(gathered, (lost.clone(), now), &blind);
            let why = match record.admit(batches).await {
                Ok(_) => return true,
                Err(why) => why,
            };
            let feed = self.feed.name();
            let for_good = matches!(why, record::Error::TooLarge { .. } | record::Error::Stopped);
            if for_good || stop.is_cancelled() {
                tracing::error!(%why, feed, lines, "lines were not sealed and are lost");
                self.put_back(lines, (lost, &why));
                return false;
            }
            tracing::error!(%why, feed, lines, "lines were not sealed; trying again");
            sleep(Duration::from_millis(AGAIN_MS)).await;
        }
    }
    /// What was lost is told with the next batch, with the first reason.
    fn put_back(&self, lines: u64, (lost, why): (Lost, &record::Error)) {
        let mut now = self
            .shared
            .lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        now.lines += lines + lost.lines;
        now.why = match lost.why.is_empty() {
            true => format!("a batch was not sealed: {why}"),
            false => lost.why,
        };
    }
}
