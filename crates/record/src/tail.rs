//! What a standby is given: rows, the wrapped keys that they are under, and a signed head that they
//! lead to. A standby asks; nothing is ever sent to it.

use std::collections::BTreeSet;

use seal::{Edge, Hash};

use crate::Error;
use crate::door::Record;
use crate::journal::Row;
use crate::keycopy::StreamKey;
use crate::proving::consistency;
use crate::publisher::leaf;
use crate::sealed::Outcome;

/// Rows that follow each other, and what shows that they are of this log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// The wrapped keys of their streams; those of erased ones are gone.
    pub keys: Vec<StreamKey>,
    /// A head that the log signed.
    pub checkpoint: String,
    /// The consistency proof from the tree that ends with the last row to that head.
    pub proof: Vec<Hash>,
}

impl Record {
    /// Up to `max` rows from `from` on with a signed head that they lead to; `None` if there are
    /// none yet.
    ///
    /// # Errors
    /// [`Error::NoSuchIndex`] if the record has fewer than `from` rows, [`Error::Broken`].
    pub async fn tail(&self, from: u64, max: usize) -> Outcome<Option<Tail>> {
        let size = self.size();
        if from >= size {
            return if from == size {
                Ok(None)
            } else {
                Err(Error::NoSuchIndex(from))
            };
        }
        if size - self.checkpoint().0.max(from).min(size) > max as u64 {
            self.publish().await?;
        }
        let (published, note, _) = self.checkpoint();
        if self.is_standby() && from >= published {
            // Only a primary signs.
            return Ok(None);
        }
        let (rows, checkpoint, proof) = if from < published {
            let until = published.min(from.saturating_add(max as u64));
            let rows = self.inner.rows(from, until).await?;
            let proof = consistency(self.inner.vault.as_ref(), until, published).await?;
            (rows, note, proof)
        } else {
            let (rows, note) = self.inner.unpublished(published, from).await?;
            (rows, note, Vec::new())
        };
        let streams: BTreeSet<[u8; 16]> = rows.iter().map(|row| row.stream).collect();
        Ok(Some(Tail {
            keys: self.inner.keyring.wrapped(&streams).await?,
            rows,
            checkpoint,
            proof,
        }))
    }

    /// A file of the vault: `checkpoint`, `tile/...`, `pack/...`.
    ///
    /// # Errors
    /// [`Error::Broken`] if the vault cannot be read.
    pub async fn file(&self, path: &str) -> Outcome<Option<bytes::Bytes>> {
        if !sound(path) {
            return Ok(None);
        }
        self.inner.vault.get(path).await.map_err(broken)
    }
}

/// Whether a path can be one of the vault's.
pub(crate) fn sound(path: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let sound = |part: &str| !part.is_empty() && part != ".." && part.bytes().all(letter);
    path.split('/').all(sound)
}

impl crate::door::Inner {
    async fn rows(&self, from: u64, until: u64) -> Outcome<Vec<Row>> {
        let count = usize::try_from(until - from).unwrap_or(usize::MAX);
        let rows = self.journal.rows(from, count).await.map_err(broken)?;
        let dense = rows.iter().zip(from..).all(|(row, seq)| row.seq == seq);
        match dense && rows.len() == count {
            true => Ok(rows),
            false => Err(broken(format!(
                "rows between {from} and {until} are missing"
            ))),
        }
    }

    /// The rows from `from` on that no checkpoint covers yet, under a head that is signed for them.
    ///
    /// INVARIANT: as when it is published, what is signed was read back and hashed, row by row.
    async fn unpublished(&self, published: u64, from: u64) -> Outcome<(Vec<Row>, String)> {
        let frontier = self.journal.frontier().await.map_err(broken)?;
        let mut kept = self.publisher.tail.lock().await;
        let mut edge = match kept.take().filter(|edge| edge.size() <= from) {
            Some(edge) => edge,
            None => self.published_edge(published).await?,
        };
        let mut rows = self.rows(edge.size(), frontier.size()).await?;
        for row in &rows {
            edge.push(leaf(row)?, &mut Vec::new());
        }
        if edge.root() != frontier.root() {
            return Err(broken(
                "the committed rows do not hash to the committed tree",
            ));
        }
        let key = self.publisher.key();
        let note = key.sign(edge.size(), &edge.root()).map_err(broken)?;
        // So that a standby that keeps up costs each row once.
        *kept = Some(edge);
        rows.retain(|row| row.seq >= from);
        Ok((rows, note))
    }

    async fn published_edge(&self, published: u64) -> Outcome<Edge> {
        let last = self.publisher.last.lock().await;
        match last.as_ref().filter(|last| last.size == published) {
            Some(last) => Edge::from_bytes(&last.edge)
                .ok_or_else(|| broken("the published edge cannot be read")),
            None if published == 0 => Ok(Edge::default()),
            None => Err(broken("a checkpoint was published meanwhile; ask again")),
        }
    }
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "show its tail",
        why: why.to_string(),
    }
}
