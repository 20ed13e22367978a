//! Packs under construction: blobs one behind the other, then a sealed header that says which
//! (restic, "Pack Format"). What is full goes to threads that do nothing but put it at its place, so
//! that nobody who computes waits for a disk or a wire.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use crate::crypt::Key;
use crate::error::Error;
use crate::format::{IndexBlob, IndexFile, IndexPack};
use crate::keep::caught;
use crate::store::{Id, Store, blob_id, hex};

/// How hard blobs are packed: zstd's default, as restic's.
const LEVEL: i32 = 3;
/// Full packs that wait for their place, each of about 16 MiB.
const PACKS_WAITING: usize = 2;

/// When something is full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Bytes of a pack: restic's own size.
    pub(crate) pack_bytes: usize,
    /// Blobs in a pack. restic reads no header of more than 16 MiB, which is 400,000 of them.
    pub(crate) pack_blobs: usize,
    /// Blobs in a file of the index: restic's own size.
    pub(crate) index_blobs: usize,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes {
            pack_bytes: 16 << 20,
            pack_blobs: 50_000,
            index_blobs: 50_000,
        }
    }
}

/// What a blob holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Data,
    Tree,
}

impl Kind {
    /// From the word of an index.
    pub(crate) fn of(word: &str) -> Result<Kind, Error> {
        match word {
            "data" => Ok(Kind::Data),
            "tree" => Ok(Kind::Tree),
            other => Err(Error(format!("`{other}` is no kind of blob"))),
        }
    }

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

/// What a thread that packs has for itself: setting zstd up takes as long as packing a small file.
pub(crate) struct Press {
    zstd: Compressor<'static>,
    packed: Vec<u8>,
}

impl Press {
    /// A new one.
    pub(crate) fn new() -> Result<Press, Error> {
        Ok(Press {
            zstd: Compressor::new(LEVEL).map_err(Error::of)?,
            packed: Vec::new(),
        })
    }

    /// The packed bytes; `None`: they would not be fewer.
    fn press(&mut self, plain: &[u8]) -> Result<Option<&[u8]>, Error> {
        self.packed.clear();
        self.packed.reserve(compress_bound(plain.len()));
        let done = self.zstd.compress_to_buffer(plain, &mut self.packed);
        done.map_err(Error::of)?;
        Ok(Some(self.packed.as_slice()).filter(|packed| packed.len() < plain.len()))
    }
}

/// A pack that grows.
#[derive(Default)]
struct Growing {
    bytes: Vec<u8>,
    blobs: Vec<(Id, IndexBlob)>,
}

/// A pack that is full.
type Full = (Kind, Growing);

/// Takes blobs from several threads, each once.
pub(crate) struct Packer<'s> {
    store: &'s Store,
    sizes: Sizes,
    /// By kind, as restic keeps them: a file may have the bytes of a tree.
    known: Mutex<HashSet<(Kind, Id)>>,
    data: Mutex<Growing>,
    trees: Mutex<Growing>,
    to: SyncSender<Full>,
}

/// Puts full packs at their place, and says in the index what is in them.
pub(crate) struct Shipping<'s> {
    store: &'s Store,
    sizes: Sizes,
    waiting: Mutex<Receiver<Full>>,
    done: Mutex<Done>,
    /// A pack could not be put: there is no use in going on.
    failed: AtomicBool,
}

#[derive(Default)]
struct Done {
    index: IndexFile,
    /// Blobs in it.
    blobs: usize,
    bytes: u64,
}

/// Both ends, for what the repository does not have yet.
pub(crate) fn packing(store: &Store, sizes: Sizes) -> (Packer<'_>, Shipping<'_>) {
    let (to, waiting) = sync_channel(PACKS_WAITING);
    let packer = Packer {
        store,
        sizes,
        known: Mutex::new(store.index.keys().copied().collect()),
        data: Mutex::default(),
        trees: Mutex::default(),
        to,
    };
    let shipping = Shipping {
        store,
        sizes,
        waiting: Mutex::new(waiting),
        done: Mutex::default(),
        failed: AtomicBool::new(false),
    };
    (packer, shipping)
}

impl Packer<'_> {
    /// Takes a blob, if it is not there yet.
    pub(crate) fn take(&self, kind: Kind, plain: &[u8], press: &mut Press) -> Result<Id, Error> {
        let id = blob_id(plain);
        if !held(&self.known).insert((kind, id)) {
            return Ok(id);
        }
        let (bytes, plain_length) = match press.press(plain)? {
            Some(packed) => (self.store.key.seal(packed)?, plain.len()),
            None => (self.store.key.seal(plain)?, 0),
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
            let full = growing.bytes.len() >= self.sizes.pack_bytes
                || growing.blobs.len() >= self.sizes.pack_blobs;
            full.then(|| std::mem::take(&mut *growing))
        };
        full.map_or(Ok(()), |full| self.ship(kind, full))?;
        Ok(id)
    }

    /// Whether the repository, or what was taken, has a piece of a file.
    pub(crate) fn has(&self, id: &Id) -> bool {
        held(&self.known).contains(&(Kind::Data, *id))
    }

    /// Hands over what has begun.
    pub(crate) fn end(self) -> Result<(), Error> {
        for (kind, growing) in [(Kind::Data, &self.data), (Kind::Tree, &self.trees)] {
            let last = std::mem::take(&mut *held(growing));
            if !last.blobs.is_empty() {
                self.ship(kind, last)?;
            }
        }
        Ok(())
    }

    fn ship(&self, kind: Kind, full: Growing) -> Result<(), Error> {
        let sent = self.to.send((kind, full));
        sent.map_err(|_| Error::of("nobody puts away what is packed"))
    }
}

impl Shipping<'_> {
    /// One thread's work: puts packs away until no more can come.
    pub(crate) fn run(&self) -> Result<(), Error> {
        let ended = caught(|| {
            while let Some(full) = self.next() {
                self.put(full)?;
            }
            Ok(())
        });
        if ended.is_err() {
            self.failed.store(true, Ordering::Relaxed);
            // Those who pack must not wait for somebody who is gone.
            while self.next().is_some() {}
        }
        ended
    }

    /// Whether one could not be put away.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The repository.
    pub(crate) fn store(&self) -> &Store {
        self.store
    }

    /// Writes the rest of the index; returns the bytes that were added.
    pub(crate) fn end(self) -> Result<u64, Error> {
        let done = std::mem::take(&mut *held(&self.done));
        if done.blobs > 0 {
            self.store.add("index", &done.index)?;
        }
        Ok(done.bytes)
    }

    fn next(&self) -> Option<Full> {
        held(&self.waiting).recv().ok()
    }

    fn put(&self, (kind, full): Full) -> Result<(), Error> {
        let (bytes, blobs) = sealed(&self.store.key, kind, full)?;
        let length = bytes.len() as u64;
        let id = self.store.shelf.add_pack(bytes)?;
        let part = {
            let mut done = held(&self.done);
            done.bytes += length;
            done.blobs += blobs.len();
            done.index.packs.push(IndexPack { id, blobs });
            let full = done.blobs >= self.sizes.index_blobs;
            full.then(|| {
                done.blobs = 0;
                std::mem::take(&mut done.index)
            })
        };
        match part {
            Some(part) => self.store.add("index", &part).map(drop),
            None => Ok(()),
        }
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use record::{Pins, Place};
    use tokio::sync::watch;

    use super::*;
    use crate::made;
    use crate::store::{Password, Shelf};

    fn filled(shelf: impl Fn() -> Shelf) -> (Vec<Id>, Vec<usize>) {
        let password = Password::of("secret");
        let store = Store::open(shelf(), &password).unwrap();
        let sizes = Sizes {
            pack_bytes: 1 << 20,
            pack_blobs: 2,
            index_blobs: 4,
        };
        let (packer, shipping) = packing(&store, sizes);
        let ids = std::thread::scope(|scope| {
            let ship = scope.spawn(|| shipping.run());
            let mut press = Press::new().unwrap();
            let take = |number: u8| packer.take(Kind::Data, &[number; 9], &mut press).unwrap();
            let ids = (0..11).map(take).collect();
            packer.end().unwrap();
            ship.join().unwrap().unwrap();
            ids
        });
        shipping.end().unwrap();
        let again = Store::open(shelf(), &password).unwrap();
        let parts = again.shelf.names("index").into_iter().map(|name| {
            let part: IndexFile = again.document("index", &name).unwrap();
            part.packs.iter().map(|pack| pack.blobs.len()).sum()
        });
        let parts = parts.collect();
        let ids: Vec<Id> = ids;
        assert!(
            ids.iter()
                .all(|id| again.index.contains_key(&(Kind::Data, *id)))
        );
        (ids, parts)
    }

    /// What is found in a new repository.
    async fn in_new<T: Send + 'static>(
        work: impl FnOnce(&dyn Fn() -> Shelf) -> T + Send + 'static,
    ) -> T {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Folder(folder.path().to_owned());
        let pins = Arc::new(Pins::open(&place, None).await.unwrap());
        let handle = tokio::runtime::Handle::current();
        let begun = folder.path().join("begun");
        let done = move || {
            let (_waiting, waits) = watch::channel(());
            let shelf = || Shelf {
                pins: Arc::clone(&pins),
                handle: handle.clone(),
                waits: waits.clone(),
            };
            made::make(&shelf(), "secret", &begun).unwrap();
            work(&shelf)
        };
        tokio::task::spawn_blocking(done).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_with_the_bytes_of_a_tree_is_not_taken_for_it() {
        let (kinds, tree) = in_new(|shelf| {
            let password = Password::of("secret");
            let store = Store::open(shelf(), &password).unwrap();
            let empty = br#"{"nodes":[]}"#;
            let (packer, shipping) = packing(&store, Sizes::default());
            let id = std::thread::scope(|scope| {
                let ship = scope.spawn(|| shipping.run());
                let mut press = Press::new().unwrap();
                packer.take(Kind::Data, empty, &mut press).unwrap();
                let id = packer.take(Kind::Tree, empty, &mut press).unwrap();
                packer.end().unwrap();
                ship.join().unwrap().unwrap();
                id
            });
            shipping.end().unwrap();
            let again = Store::open(shelf(), &password).unwrap();
            let kinds = [Kind::Data, Kind::Tree];
            let kinds = kinds.map(|kind| again.index.contains_key(&(kind, id)));
            (kinds, again.tree(&id).unwrap().nodes.len())
        })
        .await;
        assert_eq!((kinds, tree), ([true, true], 0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_index_is_written_in_parts_that_hold_every_blob() {
        let (ids, parts) = in_new(|shelf| filled(shelf)).await;
        assert_eq!(ids.len(), 11);
        assert_eq!(parts, [4, 4, 3]);
    }
}
