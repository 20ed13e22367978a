use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::pin;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use seal::{Edge, Hash, LogVerifier, TILE_WIDTH};

use super::bundle::checked;
use super::chain::{chain, read};
use super::manifest::{self, Manifest, Object};
use super::place::{Place, Shelf};
use super::{WIDTH, broken, tail_paths};
use crate::config::Config;
use crate::engines::Objects;
use crate::keyfile;
use crate::object::OBJECTS;
use crate::sealed::Outcome;
use crate::vault::{CHECKPOINT, LocalVault, Vault};

/// Bundles that are fetched at the same time: a bucket answers each after a while, but many at once.
const BUNDLES_AHEAD: usize = 16;

/// A backup that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Events in it.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Hash,
    /// SHA-256 of its manifest, in hex.
    pub manifest: String,
}

/// Which backup is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The furthest one that is whole.
    Furthest,
    /// The furthest one with at most so many events that is whole.
    AtMost(u64),
    /// The one with this manifest, by its SHA-256 in hex.
    Manifest(String),
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What was restored.
    pub point: Point,
    /// Objects that were fetched; the others were there from a restore that was broken off.
    pub fetched: u64,
    /// What at the place was passed over, with the reason: damaged, added or replaced by others.
    pub passed_over: Vec<String>,
}

/// Every backup at a place that this log signed, the furthest first, and what else claims to be
/// one.
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if the place cannot be read.
pub async fn points(place: &Place, public_key: &str) -> Outcome<(Vec<Point>, Vec<String>)> {
    let shelf = place.open().map_err(broken)?;
    let log = LogVerifier::new(public_key.trim()).map_err(broken)?;
    let (found, foreign) = all(shelf.as_ref(), &log).await?;
    Ok((found.into_iter().map(|(point, _)| point).collect(), foreign))
}

pub(super) async fn all(
    shelf: &dyn Shelf,
    log: &LogVerifier,
) -> Outcome<(Vec<(Point, Manifest)>, Vec<String>)> {
    let (mut found, mut foreign) = (BTreeMap::new(), Vec::new());
    for one in shelf.versions(manifest::FOLDER).await.map_err(broken)? {
        let manifest = read(shelf, &one).await?;
        let ours = manifest.and_then(|manifest| {
            let (size, root) = manifest.head(log)?;
            let (claimed, sha256) = manifest::named(&one.path)?;
            let point = Point {
                size,
                root,
                manifest: sha256.to_owned(),
            };
            (claimed == size).then_some((point, manifest))
        });
        match ours {
            Some((point, manifest)) => {
                found.insert((point.size, point.manifest.clone()), (point, manifest));
            }
            None => foreign.push(format!("`{}`: no manifest of this log", one.path)),
        }
    }
    Ok((found.into_values().rev().collect(), foreign))
}

/// Fetches a backup into the vault of an empty data folder that has its keys; the record opened
/// there afterwards rolls forward from it. `progress` is told (events done, in all).
///
/// What was added, replaced or deleted at the place since counts for nothing: objects are fetched
/// in the version that the manifest pins, held against its hashes and against the checkpoint that
/// the log signed; a backup that is not whole is passed over for the one before.
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if no backup is whole, if two histories were signed with
/// the same key, or if the folder cannot be written.
pub async fn restore(
    place: &Place,
    to: &Config,
    wanted: &Wanted,
    progress: impl Fn(u64, u64),
) -> Outcome<Restored> {
    let log = LogVerifier::new(&keyfile::public(to)?).map_err(broken)?;
    if to.objects != Objects::File {
        return Err(broken(
            "a backup is restored into the data folder: leave `objects` empty, then `salus move`",
        ));
    }
    keyfile::folders(to)?;
    let vault = LocalVault::open(&to.vault()).map_err(broken)?;
    if vault.get(CHECKPOINT).await.map_err(broken)?.is_some() || to.journal().exists() {
        return Err(broken(format!(
            "there is a record in `{}` already: give an empty folder",
            to.data.display()
        )));
    }
    let shelf = place.open().map_err(broken)?;
    let (all, mut passed_over) = all(shelf.as_ref(), &log).await?;
    let mut roots: HashMap<u64, Vec<Hash>> = HashMap::new();
    for (point, _) in &all {
        roots.entry(point.size).or_default().push(point.root);
    }
    let fits = |point: &Point| match wanted {
        Wanted::Furthest => true,
        Wanted::AtMost(size) => point.size <= *size,
        Wanted::Manifest(sha256) => point.manifest == *sha256,
    };
    for (point, manifest) in all.into_iter().filter(|(point, _)| fits(point)) {
        let fetching = Fetching {
            shelf: shelf.as_ref(),
            vault: &vault,
            objects: HashMap::new(),
        };
        match fetching.run((&point, manifest), &roots, &progress).await {
            Ok(fetched) => {
                return Ok(Restored {
                    point,
                    fetched,
                    passed_over,
                });
            }
            Err(Stop::Forked(other)) if !matches!(wanted, Wanted::Manifest(_)) => {
                return Err(broken(format!(
                    "two histories are signed with this log's key: the backups with {} and {other} \
                     events do not go on from each other; somebody else has the key. Name the \
                     right one by its manifest, as a receipt or another copy has it",
                    point.size
                )));
            }
            Err(Stop::Forked(_)) => {}
            Err(Stop::NotWhole(why)) => {
                passed_over.push(format!("the backup with {} events: {why}", point.size));
            }
        }
    }
    Err(broken(format!(
        "no backup at `{}` is whole{}",
        place.words(),
        passed_over
            .iter()
            .map(|why| format!("\n  {why}"))
            .collect::<String>()
    )))
}

/// Why a backup is not restored.
enum Stop {
    /// Something of it is missing or not what was pinned.
    NotWhole(String),
    /// A signed backup of so many events is of another history.
    Forked(u64),
}

struct Fetching<'f> {
    shelf: &'f dyn Shelf,
    vault: &'f LocalVault,
    objects: HashMap<String, Object>,
}

/// One bundle with its pack, durable in the vault.
struct Fetched {
    leaves: Vec<Hash>,
    paths: [String; 2],
    /// Objects that were not there yet.
    fetched: u64,
}

impl Fetching<'_> {
    async fn run(
        mut self,
        (point, manifest): (&Point, Manifest),
        roots: &HashMap<u64, Vec<Hash>>,
        progress: &impl Fn(u64, u64),
    ) -> Result<u64, Stop> {
        let note = manifest.note.clone();
        for part in chain(self.shelf, (manifest::FOLDER, manifest))
            .await
            .map_err(not_whole)?
        {
            let objects = part.objects.into_iter();
            self.objects
                .extend(objects.map(|one| (one.path.clone(), one)));
        }
        let (mut edge, mut forked) = (Edge::default(), None);
        let (mut kept, mut fetched) = (HashSet::new(), self.beside().await?);
        let bundles = stream::iter(0..point.size.div_ceil(WIDTH));
        let bundles = bundles.map(|number| self.bundle(number, point.size));
        let mut bundles = pin!(bundles.buffered(BUNDLES_AHEAD));
        while let Some(bundle) = bundles.next().await {
            let bundle = bundle?;
            kept.extend(bundle.paths);
            fetched += bundle.fetched;
            for leaf in bundle.leaves {
                edge.push(leaf, &mut Vec::new());
                let others = roots.get(&edge.size()).map_or(&[][..], Vec::as_slice);
                if others.iter().any(|root| *root != edge.root()) {
                    forked = Some(edge.size());
                }
            }
            progress(edge.size(), point.size);
        }
        if edge.root() != point.root {
            return Err(Stop::NotWhole(
                "its events are not those that were signed".into(),
            ));
        }
        if let Some(other) = forked {
            return Err(Stop::Forked(other));
        }
        self.clear(&kept).await?;
        // The checkpoint goes last: it promises everything under it.
        self.vault
            .put(CHECKPOINT, note.into())
            .await
            .map_err(not_whole)?;
        Ok(fetched)
    }

    /// The objects that lie beside the log; how many were fetched.
    async fn beside(&self) -> Result<u64, Stop> {
        let mut fetched = 0;
        for path in self.objects.keys() {
            if path
                .strip_prefix(OBJECTS)
                .is_some_and(|rest| rest.starts_with('/'))
            {
                fetched += self.object(path, path).await?.1;
            }
        }
        Ok(fetched)
    }

    /// One bundle and its pack into the vault.
    async fn bundle(&self, number: u64, size: u64) -> Result<Fetched, Stop> {
        let width = (size - number * WIDTH).min(WIDTH);
        let width = usize::try_from(width).unwrap_or(TILE_WIDTH);
        let to = [
            seal::bundle_path(number, width),
            seal::pack_path(number, width),
        ];
        let at = match width {
            TILE_WIDTH => to.clone(),
            _ => tail_paths(size).into(),
        };
        let (mut parts, mut fetched) = (Vec::new(), 0);
        for (at, to) in at.iter().zip(&to) {
            let (bytes, new) = self.object(at, to).await?;
            fetched += new;
            parts.push(bytes);
        }
        let found = match parts.as_slice() {
            [bundle, pack] => checked(bundle, pack, width),
            _ => None,
        };
        let found = found.ok_or_else(|| Stop::NotWhole(format!("bundle {number} is damaged")))?;
        Ok(Fetched {
            leaves: found.leaves,
            paths: to,
            fetched,
        })
    }

    /// One object as it was pinned, durable in the vault; and how many were fetched for it.
    async fn object(&self, at: &str, to: &str) -> Result<(Bytes, u64), Stop> {
        let wrong = |why: &str| Stop::NotWhole(format!("`{at}` {why}"));
        let pinned = self.objects.get(at).ok_or_else(|| wrong("is not in it"))?;
        let right = |bytes: &Bytes| {
            bytes.len() as u64 == pinned.bytes && manifest::sha256(bytes) == pinned.sha256
        };
        if let Some(bytes) = self.vault.get(to).await.map_err(not_whole)?.filter(right) {
            return Ok((bytes, 0));
        }
        let found = self.shelf.get(at, pinned.version.as_deref()).await;
        let bytes = found.map_err(not_whole)?.ok_or_else(|| wrong("is gone"))?;
        if !right(&bytes) {
            return Err(wrong("is not what was pinned"));
        }
        self.vault.put(to, bytes.clone()).await.map_err(not_whole)?;
        Ok((bytes, 1))
    }

    /// Takes away what backups that were not whole have left. Until here it is kept: most of it
    /// belongs to this one, too.
    async fn clear(&self, kept: &HashSet<String>) -> Result<(), Stop> {
        for prefix in ["pack", "tile"] {
            let there = self.vault.list(prefix).await.map_err(not_whole)?;
            for path in there.iter().filter(|path| !kept.contains(*path)) {
                self.vault.discard(path).await.map_err(not_whole)?;
            }
        }
        Ok(())
    }
}

fn not_whole(why: impl ToString) -> Stop {
    Stop::NotWhole(why.to_string())
}
