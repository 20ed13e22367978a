//! What the answers go by, beside the tables: what is known by heart, and what is kept of what was read.

use std::sync::{PoisonError, RwLock};

use tokio::sync::watch;

use super::memory::{Known, Memory};
use crate::Config;
use crate::heads::Heads;
use crate::kept::{Kept, Touched};
use crate::ready::Ready;

/// As of the last commit.
pub(crate) struct Answers {
    known: RwLock<Known>,
    folded: watch::Sender<u64>,
    /// What was read of charts lately.
    pub(crate) heads: Heads,
    /// What was made of charts and can be shown again.
    pub(crate) kept: Kept,
    /// Of whom it is made before anybody asks.
    pub(crate) ready: Ready,
}

impl Answers {
    pub(super) fn new(config: &Config) -> Answers {
        Answers {
            heads: Heads::new(config.resources_bytes_max),
            kept: Kept::new(config.summaries_bytes_max),
            ready: Ready::new(config.summaries_ready_max),
            known: RwLock::new(Known::default()),
            folded: watch::Sender::new(0),
        }
    }

    /// What is known by heart.
    pub(crate) fn known(&self) -> Known {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many events are folded.
    pub(crate) fn folded(&self) -> watch::Receiver<u64> {
        self.folded.subscribe()
    }

    /// Some events are folded that changed nothing.
    pub(super) fn passed(&self, next: u64) {
        self.folded.send_replace(next);
    }

    /// INVARIANT: called after the commit, on the thread that committed: though whoever asked for the fold has
    /// gone away, nothing is answered from before it.
    pub(super) fn committed(&self, touched: &Touched, memory: &Memory) {
        self.heads.touch(touched);
        self.kept.touch(touched, memory.cursor);
        self.publish(memory);
        if touched.everything || !touched.some.is_empty() {
            self.ready.stir();
        }
    }

    /// The memory was read from the tables anew: anything may be another thing than before.
    pub(super) fn begin_anew(&self, memory: &Memory) {
        self.heads.clear();
        self.kept.clear();
        self.ready.clear();
        self.publish(memory);
    }

    /// Lets the answers know what was committed.
    fn publish(&self, memory: &Memory) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = memory.known.clone();
        self.folded.send_replace(memory.cursor);
    }
}
