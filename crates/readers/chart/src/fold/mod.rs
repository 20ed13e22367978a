//! Folding sealed events into the tables, one transaction a batch.
//!
//! What is written depends on the events alone, never on how they were cut into batches: that is
//! what makes a refold give the same tables, byte for byte.

mod ahead;
mod apply;
mod batch;
mod content;
pub(crate) mod index;
mod join;
mod look;
mod memory;
mod order;
mod purge;
mod save;
mod several;
mod stay;
mod step;

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use event::{Arrival, Body};
use futures_util::{StreamExt as _, stream};
use record::{Blind, Pace, Reader, ReaderError, Sealed};
use sqlx::SqliteConnection;
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use batch::Batch;
pub(crate) use memory::Known;
use memory::Memory;
use step::{Step, With};

use crate::error::Outcome;
use crate::heads::Heads;
use crate::kept::{Kept, Touched};
use crate::ready::Ready;
use crate::store::Store;
use crate::{ChartError, Config};

/// Events that are read, applied and written before the next ones are looked at: enough for full
/// statements, of which each waits for a thread, few enough to be held at once.
const EVENTS_AT_ONCE: usize = 256;

/// Chunks of events that are understood while an earlier one is written.
const CHUNKS_AHEAD: usize = 3;

/// How far behind a chart may be while nobody waits for it.
const PACE: Duration = Duration::from_millis(20);

/// What folds.
pub(crate) struct Folder {
    store: Store,
    config: Config,
    blind: Blind,
    /// `None`: to be read from the tables first.
    memory: Mutex<Option<Memory>>,
    known: RwLock<Known>,
    folded: watch::Sender<u64>,
    pub(crate) pace: Pace,
    /// What was read of charts lately.
    pub(crate) heads: Heads,
    /// What was made of charts and can be shown again.
    pub(crate) kept: Kept,
    /// Of whom it is made before anybody asks.
    pub(crate) ready: Ready,
}

impl Folder {
    pub(crate) async fn open(store: Store, config: Config, blind: Blind) -> Outcome<Folder> {
        let folder = Folder {
            heads: Heads::new(config.resources_bytes_max),
            kept: Kept::new(config.summaries_bytes_max),
            ready: Ready::new(config.summaries_ready_max),
            store,
            config,
            blind,
            memory: Mutex::new(None),
            known: RwLock::new(Known::default()),
            folded: watch::Sender::new(0),
            pace: Pace::of(PACE),
        };
        let memory = folder.load().await?;
        folder.publish(&memory);
        *folder.memory.lock().await = Some(memory);
        Ok(folder)
    }

    /// What is known by heart, as of the last commit.
    pub(crate) fn known(&self) -> Known {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Drops what is known by heart of the tables: they were put right by other hands.
    pub(crate) async fn relearn(&self) -> Outcome<()> {
        let mut memory = self.memory.lock().await;
        *memory = None;
        let fresh = self.load().await?;
        self.heads.clear();
        self.kept.clear();
        self.ready.clear();
        self.publish(&fresh);
        Ok(())
    }

    pub(crate) fn folded(&self) -> watch::Receiver<u64> {
        self.folded.subscribe()
    }

    /// Empties the tables. The next [`Reader::cursor`] is 0.
    pub(crate) async fn refold(&self) -> Outcome<()> {
        let mut memory = self.memory.lock().await;
        *memory = None;
        self.store.clear().await?;
        self.heads.clear();
        self.kept.clear();
        self.ready.clear();
        let fresh = self.load().await?;
        self.publish(&fresh);
        // Left out of `memory`: a batch that was read before the refold is not folded, see `take`.
        Ok(())
    }

    /// Folds events that begin at the cursor; `next` is the cursor after them.
    pub(crate) async fn fold_entries(&self, entries: &[Sealed], next: u64) -> Outcome<()> {
        let mut place = self.memory.lock().await;
        let mut memory = take(&mut place, entries, next)?;
        let concerned = entries.iter().any(|entry| step::concerns(entry.event()));
        if !concerned && !record::save_is_due(memory.cursor, next) {
            memory.cursor = next;
            self.folded.send_replace(next);
            *place = Some(memory);
            return Ok(());
        }
        // On an error the memory is dropped with what it half learned, and read again.
        let touched = self.fold_into(&mut memory, entries, next).await?;
        memory.cursor = next;
        self.heads.touch(&touched);
        self.kept.touch(&touched, next);
        self.publish(&memory);
        if touched.everything || !touched.some.is_empty() {
            self.ready.stir();
        }
        *place = Some(memory);
        Ok(())
    }

    async fn fold_into(
        &self,
        memory: &mut Memory,
        entries: &[Sealed],
        next: u64,
    ) -> Outcome<Touched> {
        let mut touched = Touched::default();
        let broken = ChartError::broken("write a batch");
        let mut change = self.store.writer.begin().await.map_err(&broken)?;
        let erases = |entry: &Sealed| matches!(entry.event().body, Body::Erased(_));
        for some in entries.split_inclusive(erases) {
            self.fold_run((memory, &mut touched), some, &mut change)
                .await?;
            if let Some(Body::Erased(order)) = some.last().map(|entry| &entry.event().body)
                && purge::purge(&mut change, order, &self.blind).await?
            {
                memory.forget(&mut change, &self.config).await?;
                touched.everything = true;
            }
        }
        save::cursor(&mut change, next).await?;
        change.commit().await.map_err(&broken)?;
        Ok(touched)
    }

    /// Folds events among which no order to erase stands before the last.
    async fn fold_run(
        &self,
        (memory, touched): (&mut Memory, &mut Touched),
        entries: &[Sealed],
        change: &mut SqliteConnection,
    ) -> Outcome<()> {
        let chunks: Vec<Vec<Sealed>> = entries.chunks(EVENTS_AT_ONCE).map(<[_]>::to_vec).collect();
        let with = With {
            blind: self.blind.clone(),
            marks: record::Marks::of(self.blind.clone()),
            labels: memory.labels.clone(),
        };
        let mut understood = stream::iter(chunks)
            .map(move |some| understand(some, with.clone()))
            .buffered(CHUNKS_AHEAD);
        while let Some(steps) = understood.next().await {
            let steps = steps.map_err(|error| broken_off(&error))?;
            let mut batch = Batch::prepare(memory, &steps, change).await?;
            for step in steps {
                batch.apply(step);
            }
            batch.save(change).await?;
            touched.some.append(&mut batch.pending.touched);
            touched.heads.extend(batch.moved());
            touched.everything |= !batch.pending.aliases.is_empty();
            batch.remember();
        }
        Ok(())
    }

    async fn load(&self) -> Outcome<Memory> {
        let mut from = self
            .store
            .writer
            .acquire()
            .await
            .map_err(ChartError::broken("open its database"))?;
        Memory::load(&mut from, &self.config).await
    }

    /// Lets the answers know what was committed.
    fn publish(&self, memory: &Memory) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = memory.known.clone();
        self.folded.send_replace(memory.cursor);
    }
}

/// The memory, if the entries are what it wants next. Without memory the caller has to ask for the
/// cursor again: after a refold that is another one.
fn take(place: &mut Option<Memory>, entries: &[Sealed], next: u64) -> Outcome<Memory> {
    let first = entries.first().map_or(next, Sealed::index);
    match place.take() {
        Some(memory) if first >= memory.cursor => Ok(memory),
        Some(memory) => {
            let why = format!(
                "event {first} was folded before; it wants {}",
                memory.cursor
            );
            *place = Some(memory);
            Err(ChartError::Broken {
                doing: "fold a batch",
                why,
            })
        }
        None => Err(ChartError::Broken {
            doing: "fold a batch",
            why: "its cursor moved; ask for it again".into(),
        }),
    }
}

#[async_trait]
impl Reader for Folder {
    fn name(&self) -> &'static str {
        "chart"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        let mut place = self.memory.lock().await;
        if place.is_none() {
            *place = Some(self.load().await.map_err(failed)?);
        }
        Ok(place.as_ref().map_or(0, |memory| memory.cursor))
    }

    fn pace(&self) -> Option<&Pace> {
        Some(&self.pace)
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        self.fold_entries(batch, next).await.map_err(failed)?;
        Ok(Vec::new())
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        // Nothing is folded meanwhile; what is sealed waits in the record.
        let _folding = self.memory.lock().await;
        self.store.rewrite_if_due().await.map_err(failed)
    }
}

/// What some events mean, found out on another thread while others are being written.
fn understand(events: Vec<Sealed>, with: With) -> JoinHandle<Vec<Step>> {
    spawn_blocking(move || {
        let steps = events.iter();
        steps.filter_map(|event| step::step(event, &with)).collect()
    })
}

fn broken_off(error: &JoinError) -> ChartError {
    // The words of a panic may quote a patient.
    let why = match error.is_panic() {
        true => "it panicked, see its log",
        false => "it was cut off",
    };
    ChartError::Broken {
        doing: "understand a batch",
        why: why.to_owned(),
    }
}

fn failed(error: ChartError) -> ReaderError {
    ReaderError {
        reader: "chart",
        why: error.to_string(),
    }
}
