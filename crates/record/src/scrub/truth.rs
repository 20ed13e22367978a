//! What the leaves were: hashes that lead to the signed root, whoever edited the files.

use std::collections::HashMap;

use event::AlteredPart;
use seal::{Edge, Hash, LogVerifier, TILE_WIDTH};

use super::bundle::{Wrong, differs};
use crate::Error;
use crate::door::Inner;
use crate::journal::{Published, Row};
use crate::publisher::leaf;
use crate::sealed::Outcome;
use crate::vault::get_grown;

const WIDTH: u64 = TILE_WIDTH as u64;

/// The tree under one checkpoint, read from files that may lie.
pub(super) struct Truth<'i> {
    inner: &'i Inner,
    edge: Edge,
    /// Tiles above the leaves that were found good, by level and number.
    good: HashMap<(u8, u64), Vec<Hash>>,
}

/// What was found of one full tile.
struct Tried {
    hashes: Option<Vec<Hash>>,
}

impl<'i> Truth<'i> {
    /// The tree of a checkpoint that this log signed.
    ///
    /// # Errors
    /// [`Error::Broken`] if signature, root and edge do not agree.
    pub(super) fn of(inner: &'i Inner, published: &Published) -> Outcome<Truth<'i>> {
        let log = LogVerifier::new(inner.publisher.key().public()).map_err(broken)?;
        let (size, root) = log.verify(&published.note).map_err(broken)?;
        let edge = Edge::from_bytes(&published.edge).ok_or_else(|| broken("no edge"))?;
        if edge.size() != size || edge.root() != root {
            return Err(broken("the edge of the checkpoint is not what was signed"));
        }
        let good = HashMap::new();
        Ok(Truth { inner, edge, good })
    }

    /// Events under the checkpoint.
    pub(super) const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The leaf hashes of a bundle; `None` if nothing that is left leads to the signed root.
    ///
    /// # Errors
    /// [`Error::Broken`] if journal or vault cannot be read at all.
    pub(super) async fn leaves(&mut self, number: u64) -> Outcome<Option<Vec<Hash>>> {
        if let Some(partial) = self.partial(0, number) {
            return Ok(Some(partial));
        }
        let Some(wanted) = self.above(0, number).await? else {
            return Ok(None);
        };
        let sources = self.sources(number).await?;
        let whole = sources.iter().find(|hashes| leads(hashes, &wanted));
        Ok(whole.cloned().or_else(|| mixed(&sources, &wanted)))
    }

    /// The tile's own hashes, the bundle's and the rows': each as far as it is there.
    async fn sources(&self, number: u64) -> Outcome<Vec<Vec<Hash>>> {
        let tile = self.tile(0, number).await?;
        let path = seal::bundle_path(number, TILE_WIDTH);
        let bundle = get_grown(self.inner.vault.as_ref(), &path)
            .await
            .map_err(broken)?;
        let entries = bundle
            .as_deref()
            .and_then(seal::read_bundle)
            .unwrap_or_default();
        let entries: Vec<Hash> = entries.into_iter().map(seal::leaf_hash).collect();
        let rows = self.inner.journal.rows(number * WIDTH, TILE_WIDTH).await;
        let rows = by_place(rows.map_err(broken)?, number);
        Ok(vec![tile.unwrap_or_default(), entries, rows])
    }

    /// The hash of a full tile, as the tile above it says.
    async fn above(&mut self, level: u8, number: u64) -> Outcome<Option<Hash>> {
        let (up, at) = (number / WIDTH, (number % WIDTH) as usize);
        let parent = match self.partial(level + 1, up) {
            Some(hashes) => Some(hashes),
            None => self.upper(level + 1, up).await?,
        };
        Ok(parent.and_then(|hashes| hashes.get(at).copied()))
    }

    /// A full tile above the leaves.
    async fn upper(&mut self, level: u8, number: u64) -> Outcome<Option<Vec<Hash>>> {
        if let Some(known) = self.good.get(&(level, number)) {
            return Ok(Some(known.clone()));
        }
        let Some(wanted) = Box::pin(self.above(level, number)).await? else {
            return Ok(None);
        };
        let mut tried = Tried {
            hashes: self.tile(level, number).await?,
        };
        if !tried.leads(&wanted) {
            tried.hashes = self.below(level, number).await?;
        }
        let found = tried.leads(&wanted).then_some(tried.hashes).flatten();
        if let Some(hashes) = &found {
            self.good.insert((level, number), hashes.clone());
        }
        Ok(found)
    }

    /// Looks at the file of a tile above the leaves, and puts it right.
    pub(super) async fn upper_file(&mut self, level: u8, number: u64) -> Outcome<Option<Wrong>> {
        let hashes = match self.partial(level, number) {
            Some(hashes) if hashes.is_empty() => return Ok(None),
            // It grows; it is part of the edge, and nobody reads more of the file than that.
            Some(_) => return Ok(None),
            None => self.upper(level, number).await?,
        };
        let path = seal::tile_path(level, number, TILE_WIDTH);
        let found = self.inner.vault.get(&path).await.map_err(broken)?;
        let found = found.map(Vec::from).unwrap_or_default();
        let Some(hashes) = hashes else {
            let part = AlteredPart::new(
                format!("vault/{path}"),
                "hashes that lead to the signed root",
                "none",
            );
            return Ok(Some(Wrong::file(vec![part])));
        };
        if found == hashes.concat() {
            return Ok(None);
        }
        self.inner
            .publisher
            .put_tile(level, number, &hashes)
            .await?;
        Ok(Some(Wrong {
            healed_from: Some("journal"),
            evidence: found.clone(),
            ..Wrong::file(vec![differs(&path, &hashes.concat(), &found)])
        }))
    }

    /// A tile made again of the tiles below it.
    async fn below(&self, level: u8, number: u64) -> Outcome<Option<Vec<Hash>>> {
        let mut hashes = Vec::with_capacity(TILE_WIDTH);
        for child in number * WIDTH..(number + 1) * WIDTH {
            let Some(tile) = self.tile(level - 1, child).await? else {
                return Ok(None);
            };
            hashes.push(seal::subtree(&tile));
        }
        Ok(Some(hashes))
    }

    /// The hashes of an unfinished tile: they are part of the edge, which was signed.
    fn partial(&self, level: u8, number: u64) -> Option<Vec<Hash>> {
        let count = self.edge.size() >> (8 * u32::from(level)).min(63);
        let full = (number + 1) * WIDTH <= count;
        let hashes = || self.edge.levels().get(usize::from(level)).cloned();
        (!full).then(|| hashes().unwrap_or_default())
    }

    async fn tile(&self, level: u8, number: u64) -> Outcome<Option<Vec<Hash>>> {
        let path = seal::tile_path(level, number, TILE_WIDTH);
        let bytes = self.inner.vault.get(&path).await.map_err(broken)?;
        let hashes = bytes
            .as_deref()
            .and_then(seal::read_tile)
            .map(<[Hash]>::to_vec);
        Ok(hashes)
    }
}

impl Tried {
    fn leads(&self, wanted: &Hash) -> bool {
        self.hashes
            .as_ref()
            .is_some_and(|hashes| leads(hashes, wanted))
    }
}

fn leads(hashes: &[Hash], wanted: &Hash) -> bool {
    hashes.len() == TILE_WIDTH && seal::subtree(hashes) == *wanted
}

/// Leaves of which each was altered in one source at most: what two say of each.
fn mixed(sources: &[Vec<Hash>], wanted: &Hash) -> Option<Vec<Hash>> {
    let agreed = |at: usize| {
        let said: Vec<&Hash> = sources.iter().filter_map(|hashes| hashes.get(at)).collect();
        let twice = said
            .iter()
            .find(|one| said.iter().filter(|other| other == one).count() > 1);
        twice.map(|hash| **hash)
    };
    let hashes: Vec<Hash> = (0..TILE_WIDTH).map_while(agreed).collect();
    leads(&hashes, wanted).then_some(hashes)
}

/// The leaves of the rows of a bundle, each in its place; what is missing or altered is zeros.
fn by_place(rows: Vec<Row>, number: u64) -> Vec<Hash> {
    let mut hashes = vec![Hash::default(); TILE_WIDTH];
    for row in rows {
        let at = row.seq.checked_sub(number * WIDTH).map(|at| at as usize);
        let place = at.and_then(|at| hashes.get_mut(at));
        if let (Some(place), Ok(hash)) = (place, leaf(&row)) {
            *place = hash;
        }
    }
    hashes
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "look the record over",
        why: why.to_string(),
    }
}
