//! The Merkle tree of RFC 6962, section 2.1, kept as its right edge.

use aws_lc_rs::digest;

use crate::tile::TILE_WIDTH;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// SHA-256 over the parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    // INVARIANT: a SHA-256 digest has 32 bytes.
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The hash of a leaf: SHA-256(0x00 || entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

/// The hash of an inner node: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The root over `hashes`, which are all of one level. Empty: SHA-256 of nothing.
pub fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => sha256(&[]),
        [one] => *one,
        many => {
            let half = many.len().next_power_of_two() / 2;
            let (left, right) = many.split_at(half.min(many.len()));
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// The hash of a full tile: the root of its 256 hashes.
pub fn subtree(tile: &[Hash]) -> Hash {
    root_of(tile)
}

/// The peaks of a growing tree, largest first: enough to add leaves and know the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; amortized one hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut carry = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                carry = node_hash(&left, &carry);
            }
        }
        self.peaks.push(carry);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return sha256(&[]);
        };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Size (8 bytes, big-endian) and peaks, for storage.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.size.to_be_bytes().to_vec();
        self.peaks
            .iter()
            .for_each(|peak| out.extend_from_slice(peak));
        out
    }

    /// What [`Frontier::to_bytes`] wrote; `None` if it did not.
    pub fn from_bytes(bytes: &[u8]) -> Option<Frontier> {
        let (size, peaks) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        let (peaks, rest) = peaks.as_chunks::<32>();
        let whole = rest.is_empty() && peaks.len() == size.count_ones() as usize;
        whole.then(|| Frontier {
            size,
            peaks: peaks.to_vec(),
        })
    }
}

/// The right edge of the tiles: the unfinished tile of each level (C2SP tlog-tiles).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// A tile that became full: level, number, its 256 hashes.
type FullTile = (u8, u64, Vec<Hash>);

impl Edge {
    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The unfinished tile of each level, lowest first; some may be empty.
    pub fn levels(&self) -> &[Vec<Hash>] {
        &self.levels
    }

    /// Adds a leaf and reports the tiles that it completed.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<FullTile>) {
        self.size += 1;
        let mut hash = leaf;
        let mut number = self.size;
        for level in 0_u8.. {
            number /= TILE_WIDTH as u64;
            let at = usize::from(level);
            if self.levels.len() <= at {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            let Some(tile) = self.levels.get_mut(at) else {
                return;
            };
            tile.push(hash);
            if tile.len() < TILE_WIDTH {
                return;
            }
            hash = subtree(tile);
            full.push((level, number - 1, std::mem::take(tile)));
        }
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut right: Option<Hash> = None;
        for tile in &self.levels {
            let mut rest = tile.as_slice();
            let mut peaks = Vec::new();
            while !rest.is_empty() {
                let width = 1_usize << rest.len().ilog2();
                let (peak, after) = rest.split_at(width);
                peaks.push(root_of(peak));
                rest = after;
            }
            for peak in peaks.iter().rev() {
                right = Some(right.map_or(*peak, |right| node_hash(peak, &right)));
            }
        }
        right.unwrap_or_else(|| sha256(&[]))
    }

    /// Size and tiles, for storage.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.size.to_be_bytes().to_vec();
        for tile in &self.levels {
            tile.iter().for_each(|hash| out.extend_from_slice(hash));
        }
        out
    }

    /// What [`Edge::to_bytes`] wrote; `None` if it did not.
    pub fn from_bytes(bytes: &[u8]) -> Option<Edge> {
        let (size, hashes) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        let (mut hashes, rest) = hashes.as_chunks::<32>();
        let mut levels = Vec::new();
        let mut left = size;
        while left > 0 {
            let (tile, after) = hashes.split_at_checked((left % TILE_WIDTH as u64) as usize)?;
            levels.push(tile.to_vec());
            hashes = after;
            left /= TILE_WIDTH as u64;
        }
        (rest.is_empty() && hashes.is_empty()).then_some(Edge { size, levels })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn frontier_and_edge_agree_with_the_naive_tree(count in 0_u64..1_500) {
            let leaves = leaves(count);
            let (mut frontier, mut edge, mut full) = (Frontier::default(), Edge::default(), vec![]);
            for leaf in &leaves {
                frontier.push(*leaf);
                edge.push(*leaf, &mut full);
            }
            prop_assert_eq!(frontier.root(), root_of(&leaves));
            prop_assert_eq!(edge.root(), root_of(&leaves));
            prop_assert_eq!(full.len() as u64, count / 256);
            prop_assert_eq!(Frontier::from_bytes(&frontier.to_bytes()), Some(frontier));
            prop_assert_eq!(Edge::from_bytes(&edge.to_bytes()), Some(edge));
        }

        #[test]
        fn stored_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Frontier::from_bytes(&bytes), Edge::from_bytes(&bytes));
        }
    }

    #[test]
    fn a_second_level_begins_after_256_tiles() {
        let (mut edge, mut full) = (Edge::default(), vec![]);
        for leaf in leaves(256 * 256 + 3) {
            edge.push(leaf, &mut full);
        }
        assert_eq!(full.iter().filter(|tile| tile.0 == 1).count(), 1);
        assert_eq!(
            edge.levels().iter().map(Vec::len).collect::<Vec<_>>(),
            [3, 0, 1]
        );
        assert_eq!(Edge::from_bytes(&edge.to_bytes()), Some(edge));
    }
}
