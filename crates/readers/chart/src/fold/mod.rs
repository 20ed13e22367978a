//! Folding sealed events into the tables, one transaction a batch.
//!
//! What is written depends on the events alone, never on how they were cut into batches: that is
//! what makes a refold give the same tables, byte for byte.

mod ahead;
mod answers;
mod apply;
mod aside;
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
mod stray;
mod work;
mod written;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::Arrival;
use record::{Blind, Pace, Reader, ReaderError, Sealed};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use answers::Answers;
use aside::Aside;
pub(crate) use memory::Known;
use memory::Memory;
use stray::Stray;
use work::Work;
pub(crate) use written::{Written, written};

use crate::error::Outcome;
use crate::store::Store;
use crate::{ChartError, Config};

/// How far behind a chart may be while nobody waits for it.
const PACE: Duration = Duration::from_millis(50);

/// What folds.
pub(crate) struct Folder {
    store: Store,
    config: Arc<Config>,
    blind: Blind,
    /// `None`: to be read from the tables first.
    memory: Mutex<Option<Memory>>,
    pub(crate) pace: Pace,
    /// What the answers go by.
    pub(crate) answers: Arc<Answers>,
}

impl Folder {
    pub(crate) async fn open(store: Store, config: Config, blind: Blind) -> Outcome<Folder> {
        let folder = Folder {
            answers: Arc::new(Answers::new(&config)),
            store,
            config: Arc::new(config),
            blind,
            memory: Mutex::new(None),
            pace: Pace::of(PACE),
        };
        let memory = folder.load().await?;
        *folder.memory.lock().await = Some(memory);
        Ok(folder)
    }

    /// Drops what is known by heart of the tables: they were put right by other hands.
    pub(crate) async fn relearn(&self) -> Outcome<()> {
        let mut memory = self.memory.lock().await;
        *memory = None;
        self.load().await.map(drop)
    }

    /// Empties the tables. The next [`Reader::cursor`] is 0.
    pub(crate) async fn refold(&self) -> Outcome<()> {
        let mut memory = self.memory.lock().await;
        *memory = None;
        self.store.clear().await?;
        // Left out of `memory`: a batch that was read before the refold is not folded, see `take`.
        self.load().await.map(drop)
    }

    /// Folds events that begin at the cursor; `next` is the cursor after them. What was begun goes on though
    /// nobody waits for it; then the memory is read from the tables again before anything else is folded.
    /// Gives the images that are on no chart.
    async fn fold_entries(&self, entries: &[Sealed], next: u64) -> Outcome<Vec<Stray>> {
        let mut place = self.memory.lock().await;
        let mut memory = take(&mut place, entries, next)?;
        let concerned = entries.iter().any(|entry| step::concerns(entry.event()));
        if !concerned && !record::save_is_due(memory.cursor, next) {
            memory.cursor = next;
            self.answers.passed(next);
            *place = Some(memory);
            return Ok(Vec::new());
        }
        let work = Work {
            entries: entries.to_vec(),
            next,
            memory,
            config: Arc::clone(&self.config),
            blind: self.blind.clone(),
            aside: Aside::of(entries.len(), Handle::current()),
            answers: Arc::clone(&self.answers),
            strays: Vec::new(),
        };
        let (memory, strays) = self.store.writer.run(|to| work.done(to)).await?;
        *place = Some(memory);
        Ok(strays)
    }

    /// Reads the memory from the tables, when what was handed over before is done.
    async fn load(&self) -> Outcome<Memory> {
        let (config, answers) = (Arc::clone(&self.config), Arc::clone(&self.answers));
        let load = self.store.writer.run(move |from| {
            let memory = Memory::load(from, &config)?;
            answers.begin_anew(&memory);
            Ok(memory)
        });
        load.await
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
        let strays = self.fold_entries(batch, next).await.map_err(failed)?;
        Ok(strays.into_iter().map(Stray::told).collect())
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        // Nothing is folded meanwhile; what is sealed waits in the record.
        let _folding = self.memory.lock().await;
        self.store.rewrite_if_due().await.map_err(failed)
    }
}

fn failed(error: ChartError) -> ReaderError {
    ReaderError {
        reader: "chart",
        why: error.to_string(),
    }
}
