//! Proofs from the vault's tiles: that an event is in the tree, that a tree grew out of another.

use std::collections::HashMap;
use std::sync::Mutex;

use seal::{Hash, LogVerifier, Proof, TILE_WIDTH};
use tlog_tiles::{Error as TlogError, Hash as TlogHash, HashReader, prove_record, prove_tree};

use crate::Error;
use crate::sealed::Outcome;
use crate::vault::{CHECKPOINT, Vault, get_grown};

/// The inclusion proof of `index` under a checkpoint, from the vault's tiles.
pub(crate) async fn inclusion(
    vault: &dyn Vault,
    index: u64,
    head: (u64, String),
) -> Outcome<Proof> {
    let (size, checkpoint) = head;
    if index >= size {
        return Err(Error::NoSuchIndex(index));
    }
    // The library asks for all hashes in one call: the first run tells which ones.
    let wanted = Wanted::default();
    let _ = prove_record(size, index, &wanted);
    let known = look_up(vault, wanted, size).await?;
    let proof = prove_record(size, index, &known).map_err(broken)?;
    let hashes = proof.iter().map(|hash| hash.0).collect();
    Ok(Proof {
        extra: Vec::new(),
        index,
        hashes,
        checkpoint,
    })
}

/// The consistency proof from the tree of `old` entries to that of `size` (RFC 6962 section 2.1.2),
/// from the vault's tiles; none is needed from nothing.
pub(crate) async fn consistency(vault: &dyn Vault, old: u64, size: u64) -> Outcome<Vec<Hash>> {
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    if old > size {
        return Err(Error::NoSuchIndex(old));
    }
    let wanted = Wanted::default();
    let _ = prove_tree(size, old, &wanted);
    let known = look_up(vault, wanted, size).await?;
    let proof = prove_tree(size, old, &known).map_err(broken)?;
    Ok(proof.iter().map(|hash| hash.0).collect())
}

/// How a head that somebody kept stands to the record of today. Each says how many events that has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The record ends at this very head.
    Same(u64),
    /// It grew since, and holds unchanged what was under the head.
    Grown(u64),
    /// It has fewer events than were under the head: it was rolled back.
    Shorter(u64),
    /// What was under the head was changed.
    Forked(u64),
}

impl Held {
    /// Events in the record of today.
    pub const fn size(self) -> u64 {
        match self {
            Held::Same(size) | Held::Grown(size) | Held::Shorter(size) | Held::Forked(size) => size,
        }
    }
}

/// Holds a head (size and root) that was kept elsewhere against the tiles of `vault`, by a
/// consistency proof to its checkpoint, which `log` must have signed.
///
/// # Errors
/// [`Error::Broken`] if there is no checkpoint of this log, or tiles are missing.
pub async fn hold(vault: &dyn Vault, log: &LogVerifier, head: (u64, Hash)) -> Outcome<Held> {
    let note = vault.get(CHECKPOINT).await.map_err(broken)?;
    let note = note.ok_or_else(|| broken("there is no checkpoint"))?;
    let (size, root) = log
        .verify(&String::from_utf8_lossy(&note))
        .map_err(broken)?;
    if head.0 > size {
        return Ok(Held::Shorter(size));
    }
    if head.0 == size {
        let same = head.1 == root;
        return Ok(if same {
            Held::Same(size)
        } else {
            Held::Forked(size)
        });
    }
    let proof = consistency(vault, head.0, size).await?;
    // Every tree grew out of the empty one.
    let grown = match head.0 {
        0 => head.1 == seal::sha256(&[]),
        _ => seal::consistent(head, (size, root), &proof),
    };
    Ok(if grown {
        Held::Grown(size)
    } else {
        Held::Forked(size)
    })
}

async fn look_up(vault: &dyn Vault, wanted: Wanted, size: u64) -> Outcome<Known> {
    let mut known = HashMap::new();
    for stored in wanted.0.into_inner().unwrap_or_default() {
        known.insert(stored, stored_hash(vault, stored, size).await?);
    }
    Ok(Known(known))
}

async fn stored_hash(vault: &dyn Vault, stored: u64, size: u64) -> Outcome<Hash> {
    let (level, number) = tlog_tiles::split_stored_hash_index(stored);
    let (tile_level, inside) = (level / 8, level % 8);
    let first = number << inside;
    let (tile, offset) = (
        first / TILE_WIDTH as u64,
        (first % TILE_WIDTH as u64) as usize,
    );
    let there = size >> (8 * u32::from(tile_level));
    let width = (there - tile * TILE_WIDTH as u64).min(TILE_WIDTH as u64) as usize;
    let path = seal::tile_path(tile_level, tile, width);
    let missing = || broken(format!("`vault/{path}` is missing or damaged"));
    // A checkpoint may be published between the look at the head and this one.
    let bytes = get_grown(vault, &path)
        .await
        .map_err(broken)?
        .ok_or_else(missing)?;
    let hashes = seal::read_tile(&bytes).ok_or_else(missing)?;
    hashes
        .get(offset..offset + (1 << inside))
        .map(seal::subtree)
        .ok_or_else(missing)
}

/// Notes which stored hashes are asked for and gives none.
#[derive(Default)]
struct Wanted(Mutex<Vec<u64>>);

impl HashReader for Wanted {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<TlogHash>, TlogError> {
        if let Ok(mut wanted) = self.0.lock() {
            wanted.extend_from_slice(indexes);
        }
        Err(TlogError::IndexesNotInTree)
    }
}

struct Known(HashMap<u64, Hash>);

impl HashReader for Known {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<TlogHash>, TlogError> {
        let hash = |index| self.0.get(index).map(|hash| TlogHash(*hash));
        indexes
            .iter()
            .map(hash)
            .collect::<Option<_>>()
            .ok_or(TlogError::IndexesNotInTree)
    }
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "prove",
        why: why.to_string(),
    }
}
