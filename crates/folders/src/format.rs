//! The JSON of the repository format, version 2 (restic, "Repository Format"). Only what is read or
//! written here; what else a file says is passed over.

use serde::{Deserialize, Serialize};

/// The version with compression.
pub(crate) const VERSION: u32 = 2;
/// An irreducible polynomial of degree 53, for restic when it writes here; we cut by another way.
pub(crate) const POLYNOMIAL: &str = "3da3358b4dc173";

/// `config`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConfigFile {
    pub(crate) version: u32,
    pub(crate) id: String,
    pub(crate) chunker_polynomial: String,
}

/// A file in `keys/`: the repository's key under a password. The only one in the clear.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyFile {
    pub(crate) created: String,
    pub(crate) username: String,
    pub(crate) hostname: String,
    pub(crate) kdf: String,
    #[serde(rename = "N")]
    pub(crate) n: u32,
    pub(crate) r: u32,
    pub(crate) p: u32,
    /// Base64.
    pub(crate) salt: String,
    /// Base64, sealed: a [`KeyData`].
    pub(crate) data: String,
}

/// The repository's key; each part in Base64.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeyData {
    pub(crate) mac: MacData,
    pub(crate) encrypt: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct MacData {
    pub(crate) k: String,
    pub(crate) r: String,
}

/// A file in `snapshots/`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    pub(crate) tree: String,
    pub(crate) paths: Vec<String>,
    pub(crate) hostname: String,
    #[serde(default)]
    pub(crate) username: String,
    /// The name is the first of them.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// What restic 0.17 and later show; read back here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<Summary>,
    /// Ours alone: restic passes over it.
    #[serde(
        default,
        rename = "salus_unread",
        skip_serializing_if = "Unread::is_empty"
    )]
    pub(crate) unread: Unread,
}

/// Files that could not be read and are not in a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// How many.
    pub files: u64,
    /// The first of them, each with the reason.
    pub named: Vec<String>,
}

/// Files that are named of those that could not be read, at most.
const UNREAD_NAMED_MAX: usize = 100;

impl Unread {
    /// Whether every file was read.
    pub fn is_empty(&self) -> bool {
        self.files == 0
    }

    pub(crate) fn note(&mut self, words: String) {
        self.files += 1;
        if self.named.len() < UNREAD_NAMED_MAX {
            self.named.push(words);
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    pub(crate) total_files_processed: u64,
    pub(crate) total_bytes_processed: u64,
    pub(crate) data_added_packed: u64,
}

/// A file in `index/`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct IndexFile {
    #[serde(default)]
    pub(crate) packs: Vec<IndexPack>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IndexPack {
    pub(crate) id: String,
    pub(crate) blobs: Vec<IndexBlob>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IndexBlob {
    pub(crate) id: String,
    /// `data` or `tree`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) uncompressed_length: u32,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// A folder: a blob.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

/// What stands in a folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Node {
    /// Quoted, see [`crate::name`].
    pub(crate) name: String,
    /// `file`, `dir`, `symlink`; others are passed over.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// As Go's `os.FileMode`: see [`go_mode`].
    pub(crate) mode: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) mtime: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) atime: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) ctime: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) inode: u64,
    pub(crate) device_id: u64,
    #[serde(skip_serializing_if = "no_bytes")]
    pub(crate) size: u64,
    pub(crate) links: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) linktarget: String,
    /// Blobs of a file, in order.
    pub(crate) content: Option<Vec<String>>,
    /// The blob of a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subtree: Option<String>,
}

fn no_bytes(value: &u64) -> bool {
    *value == 0
}

const BITS: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
const KINDS: [(u32, u32); 2] = [(0o040_000, 1 << 31), (0o120_000, 1 << 27)];

/// A mode of Unix as Go's `os.FileMode` has it.
pub(crate) fn go_mode(mode: u32) -> u32 {
    let bits = BITS.iter().filter(|(unix, _)| mode & unix != 0);
    let kinds = KINDS.iter().filter(|(unix, _)| mode & 0o170_000 == *unix);
    bits.chain(kinds)
        .fold(mode & 0o777, |sum, (_, go)| sum | go)
}

/// The permissions of Unix in Go's `os.FileMode`.
pub(crate) fn permissions(mode: u32) -> u32 {
    let bits = BITS.iter().filter(|(_, go)| mode & go != 0);
    bits.fold(mode & 0o777, |sum, (unix, _)| sum | unix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_go() {
        assert_eq!(go_mode(0o040_755), 0x8000_01ed);
        assert_eq!(go_mode(0o120_777), 0x0800_01ff);
        assert_eq!(go_mode(0o104_755), 0x0080_01ed);
        assert_eq!(permissions(go_mode(0o101_644)), 0o1644);
    }
}
