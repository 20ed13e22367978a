//! Proof of one entry: C2SP tlog-proof, a text file that anyone can check offline.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use tlog_tiles::{Hash as TlogHash, check_tree};

use crate::checkpoint::{LogVerifier, NoteFault};
use crate::tree::{Hash, node_hash};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Deeper trees than this do not exist (2^63 leaves).
const HASHES_MAX: usize = 63;

/// That an entry stands at an index of the tree under a signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Opaque data for the application; ours is the entry itself.
    pub extra: Vec<u8>,
    /// The entry's index.
    pub index: u64,
    /// The inclusion proof, RFC 6962 section 2.1.1, leaf side first.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Why a proof proves nothing.
#[derive(Debug, Error)]
pub enum ProofFault {
    /// The text is not a tlog-proof.
    #[error("line {0} of the proof is not as C2SP tlog-proof wants it")]
    Form(usize),
    /// The checkpoint is not the log's.
    #[error(transparent)]
    Checkpoint(#[from] NoteFault),
    /// The hashes do not lead from the entry to the root.
    #[error("the entry is not at index {0} of the tree that was signed")]
    NotIncluded(u64),
}

impl Proof {
    /// The proof's text.
    pub fn to_text(&self) -> String {
        let mut out = format!("{HEADER}\n");
        if !self.extra.is_empty() {
            out.push_str(&format!("extra {}\n", STANDARD.encode(&self.extra)));
        }
        out.push_str(&format!("index {}\n", self.index));
        for hash in &self.hashes {
            out.push_str(&STANDARD.encode(hash));
            out.push('\n');
        }
        out.push('\n');
        out.push_str(&self.checkpoint);
        out
    }

    /// The proof in `text`.
    ///
    /// # Errors
    /// [`ProofFault::Form`] names the line that is wrong.
    pub fn from_text(text: &str) -> Result<Proof, ProofFault> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofFault::Form(1))?;
        let mut lines = head
            .lines()
            .enumerate()
            .map(|(n, line)| (n + 1, line))
            .peekable();
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(ProofFault::Form(1));
        }
        let extra = match lines.next_if(|(_, line)| line.starts_with("extra ")) {
            Some((n, line)) => decoded(line.get(6..).unwrap_or_default(), n)?,
            None => Vec::new(),
        };
        let (n, line) = lines.next().ok_or(ProofFault::Form(2))?;
        let index = line
            .strip_prefix("index ")
            .and_then(|text| text.parse().ok());
        let index = index.ok_or(ProofFault::Form(n))?;
        let hashes = lines
            .map(|(n, line)| {
                decoded(line, n)?
                    .try_into()
                    .map_err(|_| ProofFault::Form(n))
            })
            .collect::<Result<Vec<Hash>, _>>()?;
        if hashes.len() > HASHES_MAX {
            return Err(ProofFault::Form(n + HASHES_MAX));
        }
        Ok(Proof {
            extra,
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Checks that `leaf` is what stands at the index, under a checkpoint that `log` signed;
    /// returns the size of that tree.
    ///
    /// # Errors
    /// [`ProofFault`] says what does not hold.
    pub fn verify(&self, leaf: &Hash, log: &LogVerifier) -> Result<u64, ProofFault> {
        let (size, root) = log.verify(&self.checkpoint)?;
        let computed = climb(leaf, self.index, size, &self.hashes);
        if computed != Some(root) {
            return Err(ProofFault::NotIncluded(self.index));
        }
        Ok(size)
    }
}

fn decoded(text: &str, line: usize) -> Result<Vec<u8>, ProofFault> {
    STANDARD.decode(text).map_err(|_| ProofFault::Form(line))
}

/// The root that `hashes` lead to (RFC 9162 section 2.1.3.2); `None` if their number is wrong.
pub fn climb(leaf: &Hash, index: u64, size: u64, hashes: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in hashes {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// Whether the tree (`size`, `root`) grew into the tree (`later_size`, `later_root`) without
/// changing what it held (RFC 6962 section 2.1.2).
pub fn consistent(earlier: (u64, Hash), later: (u64, Hash), hashes: &[Hash]) -> bool {
    let proof = hashes.iter().map(|hash| TlogHash(*hash)).collect();
    let (size, root) = earlier;
    let (later_size, later_root) = later;
    if size == 0 || size > later_size {
        return false;
    }
    check_tree(
        &proof,
        later_size,
        TlogHash(later_root),
        size,
        TlogHash(root),
    )
    .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::LogKey;
    use crate::tree::{leaf_hash, root_of};

    fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
        if leaves.len() < 2 {
            return Vec::new();
        }
        let half = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(half);
        let (inside, other, at) = if index < half {
            (left, right, index)
        } else {
            (right, left, index - half)
        };
        let mut hashes = path(inside, at);
        hashes.push(root_of(other));
        hashes
    }

    #[test]
    fn every_entry_of_small_trees_is_proved_and_no_other() {
        let key = LogKey::new("salus.example", &[3; 32]).unwrap();
        let log = LogVerifier::new(key.public()).unwrap();
        for size in 1..40_usize {
            let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&[n as u8])).collect();
            let checkpoint = key.sign(size as u64, &root_of(&leaves)).unwrap();
            for (index, leaf) in leaves.iter().enumerate() {
                let proof = Proof {
                    extra: Vec::new(),
                    index: index as u64,
                    hashes: path(&leaves, index),
                    checkpoint: checkpoint.clone(),
                };
                let read = Proof::from_text(&proof.to_text()).unwrap();
                assert_eq!(read, proof);
                assert_eq!(read.verify(leaf, &log).unwrap(), size as u64);
                assert!(read.verify(&leaf_hash(b"other"), &log).is_err());
            }
        }
    }

    #[test]
    fn a_proof_that_is_none_names_its_line() {
        assert!(matches!(
            Proof::from_text("x\n\n"),
            Err(ProofFault::Form(1))
        ));
        let text = format!("{HEADER}\nindex x\n\nnote");
        assert!(matches!(Proof::from_text(&text), Err(ProofFault::Form(2))));
    }

    #[test]
    fn the_extra_line_comes_back() {
        let proof = Proof {
            extra: b"abc".to_vec(),
            index: 1,
            hashes: vec![[1; 32]],
            checkpoint: "c".into(),
        };
        assert_eq!(Proof::from_text(&proof.to_text()).unwrap(), proof);
    }
}
