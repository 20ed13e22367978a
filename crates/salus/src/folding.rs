//! The threads on which the views are folded. They give way to those that take and answer: on a machine that is too
//! busy for both, a message is acknowledged first and shown a moment later.

use anyhow::{Context as _, Result};
use tokio::runtime::{Builder, Handle, Runtime};

/// Threads that fold; what events mean is found out on further ones.
const THREADS: usize = 2;

/// Threads of their own, until it is dropped.
pub(crate) struct Folding {
    handle: Handle,
    /// `None` while it is dropped.
    runtime: Option<Runtime>,
}

impl Folding {
    /// # Errors
    /// What the system said, if it gives no threads.
    pub(crate) fn start() -> Result<Folding> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("folding")
            .on_thread_start(record::give_way)
            .enable_all()
            .build()
            .context("start the threads that fold")?;
        Ok(Folding {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Where to spawn what folds.
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        // Whoever drops it may be on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
