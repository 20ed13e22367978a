//! Turns committed rows into static files and a signed checkpoint. Every step can be repeated.

use std::sync::{Arc, RwLock};

use bytes::Bytes;
use event::{Clock, Time};
use seal::{Edge, Entry, Hash, LogKey, TILE_WIDTH};
use tokio::sync::Mutex;

use crate::Error;
use crate::journal::{Journal, Published, Row};
use crate::sealed::Outcome;
use crate::vault::{CHECKPOINT, Vault};

/// Rows read at a time: a whole number of bundles.
const CHUNK: u64 = 4 * TILE_WIDTH as u64;

pub(crate) struct Publisher {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) key: RwLock<Arc<LogKey>>,
    pub(crate) last: Mutex<Option<Published>>,
    /// The edge of what was last signed for a standby, beyond what is published.
    pub(crate) tail: Mutex<Option<Edge>>,
}

impl Publisher {
    /// Publishes what was committed since the last time; `None` if nothing was.
    pub(crate) async fn publish(&self) -> Outcome<Option<Published>> {
        let mut last = self.last.lock().await;
        let frontier = self.journal.frontier().await.map_err(broken)?;
        let from = last.as_ref().map_or(0, |published| published.size);
        if frontier.size() <= from {
            return Ok(None);
        }
        let edge = self.advance(last.as_ref(), frontier.size()).await?;
        // INVARIANT: what is signed was read back from the journal, not remembered.
        if edge.root() != frontier.root() {
            return Err(broken(
                "the committed rows do not hash to the committed tree",
            ));
        }
        let note = self.key().sign(edge.size(), &edge.root());
        let note = note.map_err(broken)?;
        self.swap(&mut last, &edge, note).await.map(Some)
    }

    /// Publishes a checkpoint that the primary signed, over rows that were taken from it; `None` if
    /// one with as many events is published already.
    pub(crate) async fn adopt(
        &self,
        note: &str,
        (size, root): (u64, Hash),
    ) -> Outcome<Option<Published>> {
        let mut last = self.last.lock().await;
        if last.as_ref().is_some_and(|last| last.size >= size) {
            return Ok(None);
        }
        let edge = self.advance(last.as_ref(), size).await?;
        if edge.root() != root {
            return Err(broken(
                "the rows that were taken do not hash to what was signed",
            ));
        }
        self.swap(&mut last, &edge, note.to_owned()).await.map(Some)
    }

    /// Makes a checkpoint the published one, in SQL first.
    async fn swap(
        &self,
        last: &mut Option<Published>,
        edge: &Edge,
        note: String,
    ) -> Outcome<Published> {
        let from = last.as_ref().map_or(0, |published| published.size);
        let at = last.as_ref().map_or(i64::MIN, |published| published.at);
        let next = Published {
            size: edge.size(),
            note,
            edge: edge.to_bytes(),
            at: self.clock.now().millis().max(at),
        };
        let expected = last.as_ref().map(|published| published.size);
        if !self
            .journal
            .publish(expected, &next)
            .await
            .map_err(broken)?
        {
            return Err(broken("somebody else published a checkpoint"));
        }
        self.put_checkpoint(&next.note).await?;
        self.discard_partials(from, next.size).await;
        *last = Some(next.clone());
        Ok(next)
    }

    /// Puts tiles, bundles and packs for the rows up to `size`; returns the new edge.
    async fn advance(&self, last: Option<&Published>, size: u64) -> Outcome<Edge> {
        let mut edge = match last {
            Some(published) => Edge::from_bytes(&published.edge)
                .ok_or_else(|| broken("the published edge cannot be read"))?,
            None => Edge::default(),
        };
        let mut from = edge.size() - edge.size() % TILE_WIDTH as u64;
        while from < size {
            let until = (from + CHUNK).min(size);
            let rows = self.rows(from, until).await?;
            // All leaves before the first file: an altered row must not replace a good one.
            let leaves = rows.iter().map(leaf).collect::<Outcome<Vec<_>>>()?;
            for bundle in rows.chunks(TILE_WIDTH) {
                self.put_bundle(bundle).await?;
            }
            let known = usize::try_from(edge.size() - from).unwrap_or_default();
            let mut full = Vec::new();
            for leaf in leaves.into_iter().skip(known) {
                edge.push(leaf, &mut full);
            }
            for (level, number, hashes) in full {
                self.put_tile(level, number, &hashes).await?;
            }
            from = until;
        }
        for (level, number, hashes) in partial_tiles(&edge) {
            self.put_tile(level, number, hashes).await?;
        }
        Ok(edge)
    }

    async fn rows(&self, from: u64, until: u64) -> Outcome<Vec<Row>> {
        let count = usize::try_from(until - from).unwrap_or(usize::MAX);
        let rows = self.journal.rows(from, count).await.map_err(broken)?;
        let dense = rows.iter().zip(from..).all(|(row, seq)| row.seq == seq);
        if rows.len() != count || !dense {
            return Err(broken(format!(
                "rows between {from} and {until} are missing"
            )));
        }
        Ok(rows)
    }

    /// Puts bundle and pack of up to 256 rows.
    pub(crate) async fn put_bundle(&self, rows: &[Row]) -> Outcome<()> {
        let Some(first) = rows.first() else {
            return Ok(());
        };
        let number = first.seq / TILE_WIDTH as u64;
        let entries = seal::bundle(rows.iter().map(|row| row.entry.as_slice()));
        let pack = seal::pack(rows.iter().map(|row| row.ciphertext.as_slice()));
        self.put(seal::pack_path(number, rows.len()), pack).await?;
        self.put(seal::bundle_path(number, rows.len()), entries)
            .await
    }

    pub(crate) async fn put_checkpoint(&self, note: &str) -> Outcome<()> {
        self.put(CHECKPOINT.into(), note.as_bytes().to_vec()).await
    }

    pub(crate) async fn put_tile(&self, level: u8, number: u64, hashes: &[Hash]) -> Outcome<()> {
        self.put(
            seal::tile_path(level, number, hashes.len()),
            hashes.concat(),
        )
        .await
    }

    async fn put(&self, path: String, bytes: Vec<u8>) -> Outcome<()> {
        self.vault
            .put(&path, Bytes::from(bytes))
            .await
            .map_err(broken)
    }

    /// Partial files of the checkpoint before are superseded (C2SP tlog-tiles, partial tiles).
    async fn discard_partials(&self, before: u64, now: u64) {
        let width = TILE_WIDTH as u64;
        let mut paths = Vec::new();
        if !before.is_multiple_of(width) {
            let partial = (before % width) as usize;
            paths.push(seal::bundle_path(before / width, partial));
            paths.push(seal::pack_path(before / width, partial));
        }
        let (mut old, mut new, mut level) = (before, now, 0_u8);
        while old > 0 {
            if !old.is_multiple_of(width) && old != new {
                paths.push(seal::tile_path(level, old / width, (old % width) as usize));
            }
            (old, new, level) = (old / width, new / width, level + 1);
        }
        for path in paths {
            if let Err(why) = self.vault.discard(&path).await {
                tracing::warn!(%why, "a superseded file stays");
            }
        }
    }
}

/// The unfinished tiles of an edge: level, number, hashes.
pub(crate) fn partial_tiles(edge: &Edge) -> Vec<(u8, u64, &[Hash])> {
    let mut number = edge.size();
    let mut tiles = Vec::new();
    for (level, hashes) in (0_u8..).zip(edge.levels()) {
        number /= TILE_WIDTH as u64;
        if !hashes.is_empty() {
            tiles.push((level, number, hashes.as_slice()));
        }
    }
    tiles
}

/// The leaf of a row whose columns agree with its entry: a row that was altered in SQL is neither
/// signed nor copied over the good one in the vault.
pub(crate) fn leaf(row: &Row) -> Outcome<Hash> {
    let altered = || broken(format!("row {} was altered; see `salus verify`", row.seq));
    let entry = Entry::from_bytes(&row.entry).ok_or_else(altered)?;
    let whole = entry.stream == row.stream
        && entry.at == row.at
        && seal::sha256(&[&row.ciphertext]) == entry.ciphertext;
    if whole {
        Ok(entry.leaf())
    } else {
        Err(altered())
    }
}

/// When a checkpoint was made, as a moment.
pub(crate) fn moment(published: &Published) -> Time {
    Time::from_millis(published.at)
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "publish",
        why: why.to_string(),
    }
}
