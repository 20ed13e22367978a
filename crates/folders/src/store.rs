//! An opened repository: its key, and where each blob lies. Only pinned objects are looked at, and
//! each is held against its pin: a garbage file in `index/`, or a snapshot that somebody added,
//! changes nothing.

use std::collections::{HashMap, VecDeque};
use std::io::Read as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use record::Pins;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::crypt::Key;
use crate::error::Error;
use crate::format::{ConfigFile, IndexFile, Tree, VERSION};
use crate::made;
use crate::packer::Kind;

/// The folder at a place that restic opens.
pub(crate) const FOLDER: &str = "repository";
/// The largest JSON document that is unpacked, in bytes.
const JSON_BYTES_MAX: u64 = 1 << 30;
/// What a packed JSON document begins with.
const PACKED: u8 = 2;

/// SHA-256 of a blob's plaintext.
pub(crate) type Id = [u8; 32];

/// Where a blob lies.
#[derive(Debug, Clone)]
pub(crate) struct At {
    /// The pack, in hex.
    pub(crate) pack: Arc<str>,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    /// Bytes of its plaintext; 0: it is not packed.
    pub(crate) plain: u32,
}

/// Reads and adds on a thread that serves nobody else.
pub(crate) struct Shelf {
    pub(crate) pins: Arc<Pins>,
    pub(crate) handle: Handle,
    /// Closed when nobody waits any more for what is done here.
    pub(crate) waits: watch::Receiver<()>,
}

impl Shelf {
    /// Whether nobody waits any more for what is done here.
    pub(crate) fn is_left(&self) -> bool {
        self.waits.has_changed().is_err()
    }

    pub(crate) fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, record::Error>>,
    ) -> Result<T, Error> {
        if self.is_left() {
            return Err(Error::of("nobody waits for it any more"));
        }
        self.handle.block_on(work).map_err(Error::of)
    }

    /// The names of what is pinned in a folder, in the order in which it was pinned.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let under = format!("{FOLDER}/{folder}/");
        let found = self.pins.list(&under).into_iter();
        let names = found.filter_map(|(path, _)| Some(path.rsplit('/').next()?.to_owned()));
        names.collect()
    }

    /// Whether a repository is pinned here.
    pub(crate) fn is_made(&self) -> bool {
        !self.pins.list(&format!("{FOLDER}/config")).is_empty()
    }

    /// An object, held against its pin.
    pub(crate) fn read(&self, path: &str) -> Result<Bytes, Error> {
        self.wait(self.pins.read(&format!("{FOLDER}/{path}")))
    }

    /// Adds a file.
    pub(crate) fn add(&self, path: &str, bytes: Vec<u8>) -> Result<(), Error> {
        self.wait(self.pins.add(&format!("{FOLDER}/{path}"), bytes.into()))
    }

    /// Adds a file that is named by its SHA-256, and says how.
    pub(crate) fn add_named(&self, folder: &str, bytes: Vec<u8>) -> Result<String, Error> {
        let path = |sha256: &str| format!("{FOLDER}/{folder}/{sha256}");
        self.wait(self.pins.add_named(path, bytes.into()))
    }

    /// Adds a pack, and says how it is called.
    pub(crate) fn add_pack(&self, bytes: Vec<u8>) -> Result<String, Error> {
        self.wait(self.pins.add_named(pack_path, bytes.into()))
    }

    /// A whole pack, held against its pin.
    pub(crate) fn pack(&self, name: &str) -> Result<Bytes, Error> {
        self.wait(self.pins.read(&pack_path(name)))
    }
}

fn pack_path(name: &str) -> String {
    let folder = name.get(..2).unwrap_or_default();
    format!("{FOLDER}/data/{folder}/{name}")
}

/// What opens a repository, and the key that it opened: finding that takes a tenth of a second.
pub(crate) struct Password {
    pub(crate) text: Zeroizing<String>,
    key: OnceLock<Arc<Key>>,
}

impl Password {
    /// This text.
    pub(crate) fn of(text: &str) -> Password {
        Password {
            text: Zeroizing::new(text.to_owned()),
            key: OnceLock::new(),
        }
    }

    fn key(&self, shelf: &Shelf) -> Result<Arc<Key>, Error> {
        if let Some(key) = self.key.get() {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(made::key(shelf, &self.text)?);
        Ok(Arc::clone(self.key.get_or_init(|| key)))
    }
}

/// The opened repository.
pub(crate) struct Store {
    pub(crate) shelf: Shelf,
    pub(crate) key: Arc<Key>,
    pub(crate) index: HashMap<(Kind, Id), At>,
    /// The packs that trees were read from last.
    near: Mutex<VecDeque<(Arc<str>, Bytes)>>,
}

/// Packs with trees that are kept in memory; each has about 16 MiB.
const NEAR_MAX: usize = 4;

impl Store {
    /// Opens it.
    pub(crate) fn open(shelf: Shelf, password: &Password) -> Result<Store, Error> {
        if !shelf.is_made() {
            return Err(Error(format!(
                "no repository is pinned at `{}`",
                shelf.pins.place()
            )));
        }
        let key = password.key(&shelf)?;
        let config: ConfigFile = json(&key.open(&shelf.read("config")?)?, "config")?;
        if config.version != VERSION {
            let why = format!(
                "the repository has version {}, not {VERSION}",
                config.version
            );
            return Err(Error(why));
        }
        let mut store = Store {
            shelf,
            key,
            index: HashMap::new(),
            near: Mutex::default(),
        };
        store.read_index()?;
        Ok(store)
    }

    fn read_index(&mut self) -> Result<(), Error> {
        for name in self.shelf.names("index") {
            let file: IndexFile = self.document("index", &name)?;
            for pack in file.packs {
                let name: Arc<str> = pack.id.into();
                for blob in pack.blobs {
                    let at = At {
                        pack: Arc::clone(&name),
                        offset: blob.offset,
                        length: blob.length,
                        plain: blob.uncompressed_length,
                    };
                    self.index
                        .insert((Kind::of(&blob.kind)?, id(&blob.id)?), at);
                }
            }
        }
        Ok(())
    }

    /// A JSON document of one of the folders.
    pub(crate) fn document<T: DeserializeOwned>(
        &self,
        folder: &str,
        name: &str,
    ) -> Result<T, Error> {
        let plain = self
            .key
            .open(&self.shelf.read(&format!("{folder}/{name}"))?)?;
        match plain.split_first() {
            Some((&PACKED, packed)) => {
                let mut plain = Vec::new();
                let unpacked = zstd::Decoder::new(packed).map_err(Error::of)?;
                let mut unpacked = unpacked.take(JSON_BYTES_MAX);
                unpacked.read_to_end(&mut plain).map_err(Error::of)?;
                json(&plain, folder)
            }
            _ => json(&plain, folder),
        }
    }

    /// Adds a JSON document, and says how it is called.
    pub(crate) fn add(&self, folder: &str, document: &impl Serialize) -> Result<String, Error> {
        let plain = serde_json::to_vec(document).map_err(Error::of)?;
        let mut packed = vec![PACKED];
        packed.extend(zstd::bulk::compress(&plain, 0).map_err(Error::of)?);
        self.shelf.add_named(folder, self.key.seal(&packed)?)
    }

    /// A folder.
    pub(crate) fn tree(&self, id: &Id) -> Result<Tree, Error> {
        let missing = || Error(format!("tree {} is in no index", hex(id)));
        let tree = self.index.get(&(Kind::Tree, *id));
        // Snapshots of before 2026-11-27 may lean on a piece of a file with the same bytes.
        let at = tree.or_else(|| self.index.get(&(Kind::Data, *id)));
        let at = at.ok_or_else(missing)?;
        json(&self.blob(id, at, &self.near(&at.pack)?)?, "tree")
    }

    fn near(&self, name: &Arc<str>) -> Result<Bytes, Error> {
        let mut near = self.near.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pack)) = near.iter().find(|(known, _)| known == name) {
            return Ok(pack.clone());
        }
        let pack = self.shelf.pack(name)?;
        near.push_back((Arc::clone(name), pack.clone()));
        if near.len() > NEAR_MAX {
            near.pop_front();
        }
        Ok(pack)
    }

    /// The plaintext of a blob that lies in a pack, held against its id.
    pub(crate) fn blob(&self, id: &Id, at: &At, pack: &[u8]) -> Result<Vec<u8>, Error> {
        let wrong = || Error(format!("blob {} is not what its id says", hex(id)));
        let (from, length) = (at.offset as usize, at.length as usize);
        let sealed = pack
            .get(from..from.saturating_add(length))
            .ok_or_else(wrong)?;
        let mut plain = self.key.open(sealed)?;
        if at.plain > 0 {
            let unpacked = zstd::bulk::decompress(&plain, at.plain as usize);
            plain = unpacked.map_err(|_| wrong())?;
        }
        match blob_id(&plain) == *id {
            true => Ok(plain),
            false => Err(wrong()),
        }
    }
}

pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|why| Error(format!("`{what}` cannot be read: {why}")))
}

/// The id of a blob.
pub(crate) fn blob_id(plain: &[u8]) -> Id {
    let hash = digest(&SHA256, plain);
    hash.as_ref().first_chunk().copied().unwrap_or_default()
}

/// In hex, as the format writes ids.
pub(crate) fn hex(id: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS.get(usize::from(half)).copied().unwrap_or(b'0'));
    let pairs = id
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    pairs.collect()
}

/// An id from hex.
pub(crate) fn id(text: &str) -> Result<Id, Error> {
    let wrong = || Error(format!("`{text}` is no id"));
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let read = |pair: &[u8; 2]| {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        u8::from_str_radix(pair, 16).map_err(|_| wrong())
    };
    let bytes = pairs.iter().map(read).collect::<Result<Vec<u8>, Error>>()?;
    match rest.is_empty() {
        true => bytes.try_into().map_err(|_| wrong()),
        false => Err(wrong()),
    }
}

/// Now, as the format writes times.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// What this machine is called.
pub(crate) fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
