use std::sync::Arc;

use async_trait::async_trait;
use event::Arrival;
use tokio_util::sync::CancellationToken;

use crate::{Record, Sealed};

/// Folds sealed events into a view. Its tables can be dropped and folded again.
#[async_trait]
pub trait Reader: Send + Sync + 'static {
    /// The reader's one word: crate, page, database file.
    fn name(&self) -> &'static str;

    /// How many events it has folded: the index of the next one it wants.
    async fn cursor(&self) -> Result<u64, ReaderError>;

    /// Folds `batch` (consecutive, starting at the cursor) and saves the new cursor in the same
    /// transaction. What it returns goes back through the door.
    async fn fold(&self, batch: &[Sealed]) -> Result<Vec<Arrival>, ReaderError>;
}

/// Why a reader could not go on; `follow` tries again.
#[derive(Debug, thiserror::Error)]
#[error("reader `{reader}`: {why}")]
pub struct ReaderError {
    /// The reader's name.
    pub reader: &'static str,
    /// What went wrong, without patient data.
    pub why: String,
}

/// Keeps `reader` up to date until `stop`.
pub async fn follow(record: Record, reader: Arc<dyn Reader>, stop: CancellationToken) {
    let _ = (record, reader, stop);
}
