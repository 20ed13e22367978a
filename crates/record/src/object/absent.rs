//! Objects that events name and that are not here yet: what a standby brings from the primary.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use super::{OBJECTS, broken, naming};
use crate::door::Record;
use crate::sealed::Outcome;
use crate::vault::{Pieces, VaultFault, checked};

/// Bytes that an object has beside those that were encrypted.
const AROUND_BYTES: u64 = 48;

/// An object that an event names and that is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The event.
    pub index: u64,
    /// Where it lies in the vault.
    pub path: String,
    /// How many bytes lie there.
    pub bytes: u64,
}

impl Record {
    /// The objects that up to `max` events from `from` on name and that are not here, with the index
    /// after the last event that was looked at. Of whom the key is gone, nothing is missed.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if journal or vault cannot be read, or one of the events:
    /// then nobody knows what it names.
    pub async fn absent(&self, from: u64, max: usize) -> Outcome<(Vec<Absent>, u64)> {
        let inner = &self.inner;
        let rows = inner.journal.rows(from, max).await.map_err(broken)?;
        let next = rows.last().map_or(from, |last| last.seq + 1);
        let mut absent = Vec::new();
        let naming = naming(&inner.keyring, rows).await?;
        if naming.doubt {
            let words = format!("one of the events from {from} on cannot be read");
            return Err(broken(words));
        }
        for one in naming.named {
            let path = one.whole.path;
            let found = inner.vault.read(&path).await.map_err(broken)?;
            if found.is_none() && path.starts_with(&format!("{OBJECTS}/")) {
                absent.push(Absent {
                    index: one.index,
                    path,
                    bytes: one.whole.bytes.saturating_add(AROUND_BYTES),
                });
            }
        }
        Ok((absent, next))
    }

    /// Keeps an object that comes from elsewhere, piece by piece: whole and only if it is what the
    /// event names; durable on return.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) with what is wrong with it; nothing of it is kept.
    pub async fn take_object(
        &self,
        absent: &Absent,
        pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Outcome<()> {
        let path = absent.path.clone();
        let told = pieces.map(move |piece| {
            piece.map_err(|why| VaultFault {
                doing: "bring",
                path: path.clone(),
                why: why.to_string(),
            })
        });
        let pieces = checked(&absent.path, no_more(told.boxed(), absent));
        let brought = self.inner.vault.bring(&absent.path, pieces).await;
        brought.map_err(broken)
    }

    /// An object piece by piece, by its path in the vault, for a machine that follows.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if the vault cannot be read.
    pub async fn object_file(&self, path: &str) -> Outcome<Option<Pieces>> {
        if !crate::tail::sound(path) {
            return Ok(None);
        }
        self.inner.vault.read(path).await.map_err(broken)
    }
}

/// Breaks off what goes on beyond its length.
fn no_more(pieces: Pieces, absent: &Absent) -> Pieces {
    let (max, path) = (absent.bytes, absent.path.clone());
    let counted = pieces.scan(0_u64, move |sum, piece| {
        let piece = piece.and_then(|piece| {
            *sum = sum.saturating_add(piece.len() as u64);
            match *sum <= max {
                true => Ok(piece),
                false => Err(VaultFault {
                    doing: "believe",
                    path: path.clone(),
                    why: format!("it goes on beyond its {max} bytes"),
                }),
            }
        });
        std::future::ready(Some(piece))
    });
    counted.boxed()
}
