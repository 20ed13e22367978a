//! Packs under construction: blobs one behind the other, then a sealed header that says which
//! (restic, "Pack Format").

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::crypt::Key;
use crate::error::Error;
use crate::format::{IndexBlob, IndexFile, IndexPack};
use crate::store::{Id, Shelf, Store, blob_id, hex};

/// A pack is finished when it has so many bytes: restic's own size.
const PACK_BYTES: usize = 16 << 20;
/// How hard blobs are packed: zstd's default, as restic's.
const LEVEL: i32 = 3;

/// What a blob holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    Tree,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Kind::Data => "data",
            Kind::Tree => "tree",
        }
    }

    /// The type in a pack's header; packed ones have the second bit.
    const fn byte(self, packed: u32) -> u8 {
        let kind = match self {
            Kind::Data => 0,
            Kind::Tree => 1,
        };
        if packed > 0 { kind | 2 } else { kind }
    }
}

/// A pack that grows.
#[derive(Default)]
struct Growing {
    bytes: Vec<u8>,
    blobs: Vec<(Id, IndexBlob)>,
}

/// Takes blobs from several threads, each once.
pub(crate) struct Packer<'s> {
    store: &'s Store,
    known: Mutex<HashSet<Id>>,
    data: Mutex<Growing>,
    trees: Mutex<Growing>,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    index: IndexFile,
    bytes: u64,
}

impl<'s> Packer<'s> {
    /// One that knows what the repository has.
    pub(crate) fn of(store: &'s Store) -> Packer<'s> {
        Packer {
            store,
            known: Mutex::new(store.index.keys().copied().collect()),
            data: Mutex::default(),
            trees: Mutex::default(),
            done: Mutex::default(),
        }
    }

    /// Takes a blob, if it is not there yet.
    pub(crate) fn take(&self, kind: Kind, plain: &[u8]) -> Result<Id, Error> {
        let id = blob_id(plain);
        if !held(&self.known).insert(id) {
            return Ok(id);
        }
        let packed = zstd::bulk::compress(plain, LEVEL).map_err(Error::of)?;
        let (bytes, plain_length) = match packed.len() < plain.len() {
            true => (self.store.key.seal(&packed)?, plain.len()),
            false => (self.store.key.seal(plain)?, 0),
        };
        let growing = match kind {
            Kind::Data => &self.data,
            Kind::Tree => &self.trees,
        };
        let full = {
            let mut growing = held(growing);
            let blob = IndexBlob {
                id: hex(&id),
                kind: kind.word().to_owned(),
                offset: number(growing.bytes.len())?,
                length: number(bytes.len())?,
                uncompressed_length: number(plain_length)?,
            };
            growing.bytes.extend_from_slice(&bytes);
            growing.blobs.push((id, blob));
            let full = growing.bytes.len() >= PACK_BYTES;
            full.then(|| std::mem::take(&mut *growing))
        };
        if let Some(full) = full {
            self.finish(kind, full)?;
        }
        Ok(id)
    }

    /// Whether the repository, or what was taken, has a blob.
    pub(crate) fn has(&self, id: &Id) -> bool {
        held(&self.known).contains(id)
    }

    /// Finishes what has begun and writes the index; returns the bytes that were added.
    pub(crate) fn end(self) -> Result<u64, Error> {
        for (kind, growing) in [(Kind::Data, &self.data), (Kind::Tree, &self.trees)] {
            let last = std::mem::take(&mut *held(growing));
            if !last.blobs.is_empty() {
                self.finish(kind, last)?;
            }
        }
        let done = std::mem::take(&mut *held(&self.done));
        if !done.index.packs.is_empty() {
            self.store.add("index", &done.index)?;
        }
        Ok(done.bytes)
    }

    fn finish(&self, kind: Kind, full: Growing) -> Result<(), Error> {
        let (bytes, blobs) = sealed(&self.store.key, kind, full)?;
        let length = bytes.len() as u64;
        let id = put(&self.store.shelf, bytes)?;
        let mut done = held(&self.done);
        done.bytes += length;
        done.index.packs.push(IndexPack { id, blobs });
        Ok(())
    }
}

fn put(shelf: &Shelf, bytes: Vec<u8>) -> Result<String, Error> {
    shelf.add_pack(bytes)
}

/// A pack with its header, and what the index says of it.
fn sealed(key: &Key, kind: Kind, full: Growing) -> Result<(Vec<u8>, Vec<IndexBlob>), Error> {
    let Growing { mut bytes, blobs } = full;
    let mut header = Vec::new();
    for (id, blob) in &blobs {
        header.push(kind.byte(blob.uncompressed_length));
        header.extend(blob.length.to_le_bytes());
        if blob.uncompressed_length > 0 {
            header.extend(blob.uncompressed_length.to_le_bytes());
        }
        header.extend(id);
    }
    let header = key.seal(&header)?;
    bytes.extend_from_slice(&header);
    bytes.extend(number(header.len())?.to_le_bytes());
    Ok((bytes, blobs.into_iter().map(|(_, blob)| blob).collect()))
}

fn number(length: usize) -> Result<u32, Error> {
    u32::try_from(length).map_err(|_| Error::of("a blob is larger than the format allows"))
}

fn held<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
