use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use seal::{Edge, Hash, LogVerifier, TILE_WIDTH};

use super::bundle::{Checked, checked};
use super::chain::{chain, fetched};
use super::manifest::{self, Manifest, Object};
use super::place::{Lock, Place, Shelf};
use super::renew::notes;
use super::turn::durably;
use super::{DEPTH_MAX, WIDTH, broken, first, tail_paths};
use crate::config::Config;
use crate::sealed::Outcome;
use crate::vault::{LocalVault, Vault, get_grown};
use crate::{engines, keyfile, object};

/// Bundles that are brought at the same time: a bucket answers each after a while, but many at once.
const BUNDLES_AT_ONCE: usize = 16;

/// What a backup did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Events in it.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Hash,
    /// SHA-256 of its manifest, in hex: who knows it can tell it from every other.
    pub manifest: String,
    /// Objects that were added.
    pub objects: u64,
    /// Bytes that were added.
    pub bytes: u64,
    /// What keeps it at its place.
    pub lock: Lock,
}

/// Backs up the record of a data folder, beside a running server or without one: everything under
/// the last checkpoint that is not at the place yet, and the files of the folders `first`, which
/// [`first`](super::first()) brings back before all else. `progress` is told (events done, in all).
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if the place cannot be used, or if what is to be backed
/// up is not what was sealed: then nothing is pinned.
pub async fn backup(
    config: &Config,
    to: &Place,
    first: &[PathBuf],
    progress: impl Fn(u64, u64),
) -> Outcome<Made> {
    keyfile::make_folder(&config.data.join("backups"))?;
    let way = Way {
        vault: engines::vault(config)?,
        first: first::files(first)?,
        log: LogVerifier::new(&keyfile::public(config)?).map_err(broken)?,
        shelf: to.open().map_err(broken)?,
        // Which manifest was ours is not asked of the place: somebody else may have added some.
        last: note(config, &to.words()),
    };
    way.run(&progress).await
}

/// Backs up a vault that is reached as a folder (a share, a fetched copy) into a folder of this
/// machine, which the server that is backed up has no way to. Nothing is taken that its log key did
/// not sign, nothing that is here is replaced.
///
/// # Errors
/// As [`backup`].
pub async fn pull(
    from: &Path,
    public_key: &str,
    to: &Path,
    progress: impl Fn(u64, u64),
) -> Outcome<Made> {
    keyfile::make_folder(to)?;
    let way = Way {
        vault: Arc::new(LocalVault::open(from).map_err(broken)?),
        first: Vec::new(),
        log: LogVerifier::new(public_key.trim()).map_err(broken)?,
        shelf: Place::Folder(to.to_owned()).open().map_err(broken)?,
        last: to.join("last"),
    };
    way.run(&progress).await
}

/// The file that notes which manifest at a place was ours.
pub(super) fn note(config: &Config, place: &str) -> PathBuf {
    notes(config, place)
}

struct Way {
    vault: Arc<dyn Vault>,
    log: LogVerifier,
    shelf: Arc<dyn Shelf>,
    /// What goes along, by name.
    first: Vec<(String, Vec<u8>)>,
    /// The file that notes which manifest was ours.
    last: PathBuf,
}

impl Way {
    async fn run(&self, progress: &impl Fn(u64, u64)) -> Outcome<Made> {
        let (size, root, note) = self.head().await?;
        let before = self.before().await?;
        let mut growing = match before {
            Some((sha256, before)) => self.going_on(sha256, before, size).await?,
            None => Growing::default(),
        };
        let first = growing.edge.size() / WIDTH;
        let seen = self.seen(&growing.edge, (size, root)).await?;
        let bundles = stream::iter((first..size / WIDTH).zip(&seen));
        let bundles = bundles.map(|(number, seen)| self.bundle(number, *seen));
        let mut bundles = pin!(bundles.buffered(BUNDLES_AT_ONCE));
        while let Some(added) = bundles.next().await {
            growing.take(added?);
            progress(growing.edge.size(), size);
        }
        let edge = growing.edge.clone();
        let width = usize::try_from(size % WIDTH).unwrap_or_default();
        if width > 0 {
            let found = self.read(size / WIDTH, width).await?;
            if seen.last() != Some(&digest(&found.leaves)) {
                return Err(broken("the end of the log changes while it is read"));
            }
            growing.take(self.add(found, tail_paths(size)).await?);
        }
        for path in self.beside(&growing).await? {
            if let Some(object) = self.beside_one(path).await? {
                growing.count(object);
            }
        }
        for (name, bytes) in &self.first {
            let path = first::path(name, &manifest::sha256(bytes));
            let object = self.put(path, bytes.clone()).await?;
            growing.count(object);
        }
        let manifest = Manifest {
            previous: growing.previous,
            depth: growing.depth,
            edge,
            objects: growing.objects,
            note,
        };
        let text = manifest.to_text();
        let sha256 = manifest::sha256(text.as_bytes());
        let path = manifest::path(manifest::FOLDER, size, &sha256);
        self.shelf
            .add(&path, Bytes::from(text))
            .await
            .map_err(broken)?;
        durably(&self.last, &sha256)?;
        progress(size, size);
        Ok(Made {
            size,
            root,
            manifest: sha256,
            objects: growing.added,
            bytes: growing.bytes,
            lock: self.shelf.lock().await,
        })
    }

    /// The furthest checkpoint of the vault that its log signed.
    async fn head(&self) -> Outcome<(u64, Hash, String)> {
        let mut furthest = None::<(u64, Hash, String)>;
        for bytes in self.vault.heads().await.map_err(broken)? {
            let note = String::from_utf8_lossy(&bytes).into_owned();
            if let Ok((size, root)) = self.log.verify(&note)
                && furthest.as_ref().is_none_or(|last| last.0 < size)
            {
                furthest = Some((size, root, note));
            }
        }
        furthest.ok_or_else(|| broken("no checkpoint is published yet, or another log signed it"))
    }

    /// The manifest that this machine pinned last, if the place still has it.
    async fn before(&self) -> Outcome<Option<(String, Manifest)>> {
        let Ok(sha256) = fs::read_to_string(&self.last) else {
            return Ok(None);
        };
        let sha256 = sha256.trim().to_owned();
        let found = fetched(self.shelf.as_ref(), (manifest::FOLDER, &sha256)).await?;
        if found.is_none() {
            tracing::error!(
                "the last backup is gone from its place: everything is backed up again"
            );
        }
        Ok(found.map(|manifest| (sha256, manifest)))
    }

    async fn going_on(&self, sha256: String, before: Manifest, size: u64) -> Outcome<Growing> {
        if before.edge.size() > size {
            return Err(broken(format!(
                "the backup has {} events and this record {size}: it is an older copy; start the \
                 server once, so that it rolls forward, or restore",
                before.edge.size()
            )));
        }
        let mut growing = Growing {
            edge: before.edge.clone(),
            depth: before.depth + 1,
            ..Growing::default()
        };
        if growing.depth < DEPTH_MAX {
            growing.previous = Some(sha256);
            return Ok(growing);
        }
        growing.depth = 0;
        for manifest in chain(self.shelf.as_ref(), (manifest::FOLDER, before)).await? {
            let lasting = manifest.objects.into_iter();
            let lasting = lasting.filter(|one| !one.path.starts_with("tail/") && !first::is(one));
            growing.objects.extend(lasting);
        }
        Ok(growing)
    }

    async fn read(&self, number: u64, width: usize) -> Outcome<Checked> {
        let path = seal::pack_path(number, width);
        let wrong = || {
            broken(format!(
                "`vault/{path}` is missing or was altered: run `salus verify`"
            ))
        };
        let bundle = get_grown(self.vault.as_ref(), &seal::bundle_path(number, width)).await;
        let bundle = bundle.map_err(broken)?.ok_or_else(wrong)?;
        let pack = get_grown(self.vault.as_ref(), &path).await;
        let pack = pack.map_err(broken)?.ok_or_else(wrong)?;
        checked(&bundle, &pack, width).ok_or_else(wrong)
    }

    /// Reads everything that is to be added, before any of it is: what the checkpoint does not
    /// promise must not lie at the place under a name that the true one will need. Returns what
    /// each full bundle came to.
    async fn seen(&self, from: &Edge, (size, root): (u64, Hash)) -> Outcome<Vec<Hash>> {
        let (mut edge, mut seen) = (from.clone(), Vec::new());
        let bundles = stream::iter(edge.size() / WIDTH..size.div_ceil(WIDTH)).map(|number| {
            let width = (size - number * WIDTH).min(WIDTH);
            self.read(number, usize::try_from(width).unwrap_or(TILE_WIDTH))
        });
        let mut bundles = pin!(bundles.buffered(BUNDLES_AT_ONCE));
        while let Some(found) = bundles.next().await {
            let leaves = found?.leaves;
            seen.push(digest(&leaves));
            for leaf in leaves {
                edge.push(leaf, &mut Vec::new());
            }
        }
        match edge.root() == root {
            true => Ok(seen),
            false => Err(broken(
                "the vault is not what its checkpoint says: run `salus verify`; nothing was added",
            )),
        }
    }

    /// One full bundle with its pack, at the place, if it is still what was seen.
    async fn bundle(&self, number: u64, seen: Hash) -> Outcome<Added> {
        let found = self.read(number, TILE_WIDTH).await?;
        if digest(&found.leaves) != seen {
            return Err(broken(format!("bundle {number} changes while it is read")));
        }
        let paths = (
            seal::bundle_path(number, TILE_WIDTH),
            seal::pack_path(number, TILE_WIDTH),
        );
        self.add(found, paths).await
    }

    async fn add(&self, found: Checked, (bundle, pack): (String, String)) -> Outcome<Added> {
        let objects = [
            self.put(bundle, found.bundle).await?,
            self.put(pack, found.pack).await?,
        ];
        Ok(Added {
            leaves: found.leaves,
            objects,
        })
    }

    /// The objects beside the log that no manifest has yet. Those of an event were stored before it,
    /// so all that the checkpoint covers are listed.
    async fn beside(&self, growing: &Growing) -> Outcome<Vec<String>> {
        let mut paths = object::paths(&self.vault).await?;
        if paths.is_empty() {
            return Ok(paths);
        }
        let mut pinned: HashSet<String> = HashSet::new();
        if let Some(before) = &growing.previous {
            let gone = || broken("the last backup is gone from its place: back up again");
            let found = fetched(self.shelf.as_ref(), (manifest::FOLDER, before)).await?;
            let found = found.ok_or_else(gone)?;
            for manifest in chain(self.shelf.as_ref(), (manifest::FOLDER, found)).await? {
                pinned.extend(manifest.objects.into_iter().map(|one| one.path));
            }
        }
        pinned.extend(growing.objects.iter().map(|one| one.path.clone()));
        paths.retain(|path| !pinned.contains(path));
        Ok(paths)
    }

    /// `None`: it was removed since it was listed, as what no event names is.
    async fn beside_one(&self, path: String) -> Outcome<Option<Object>> {
        let found = self.vault.get(&path).await.map_err(broken)?;
        let gone = found.is_none();
        if let Some(bytes) = found.filter(|bytes| object::is_named(&path, bytes)) {
            return self.put(path, bytes.into()).await.map(Some);
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if gone
            && !self
                .vault
                .list(folder)
                .await
                .map_err(broken)?
                .contains(&path)
        {
            return Ok(None);
        }
        Err(broken(format!(
            "`vault/{path}` is missing or was altered: run `salus verify`"
        )))
    }

    async fn put(&self, path: String, bytes: Vec<u8>) -> Outcome<Object> {
        let (length, sha256) = (bytes.len() as u64, manifest::sha256(&bytes));
        let version = self.shelf.add(&path, bytes.into()).await.map_err(broken)?;
        Ok(Object {
            path,
            bytes: length,
            sha256,
            version,
        })
    }
}

/// A manifest as it takes shape.
#[derive(Default)]
struct Growing {
    edge: Edge,
    previous: Option<String>,
    depth: u32,
    objects: Vec<Object>,
    added: u64,
    bytes: u64,
}

/// What a bundle came to.
fn digest(leaves: &[Hash]) -> Hash {
    seal::sha256(&[&leaves.concat()])
}

/// What one bundle added.
struct Added {
    leaves: Vec<Hash>,
    objects: [Object; 2],
}

impl Growing {
    fn take(&mut self, added: Added) {
        for leaf in added.leaves {
            self.edge.push(leaf, &mut Vec::new());
        }
        added.objects.into_iter().for_each(|one| self.count(one));
    }

    fn count(&mut self, object: Object) {
        self.added += 1;
        self.bytes += object.bytes;
        self.objects.push(object);
    }
}
