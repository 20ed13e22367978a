//! Renewing the locks of what a backup consists of, before they end. A lock in compliance mode can
//! be made longer and not shorter, so nobody can age a backup out by this.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;

use event::Time;
use futures_util::{StreamExt as _, stream};

use super::chain::{chain, fetched};
use super::manifest;
use super::place::{Lock, Place, Shelf, Stored};
use super::{broken, make, turn};
use crate::config::Config;
use crate::sealed::Outcome;

/// Locks that are renewed at the same time.
const AT_ONCE: usize = 16;
const DAY_MS: i64 = 86_400_000;

/// Renews the locks of everything that the manifests lead to which this machine remembers for a
/// place, if `percent` of the place's retention has passed since the last time. Returns how many;
/// `None`: it is not due, or nothing there is locked.
///
/// # Errors
/// [`Error::Broken`](crate::Error::Broken) if the place cannot be asked, or refuses.
pub async fn renew(
    config: &Config,
    place: &Place,
    (now, percent): (Time, u8),
) -> Outcome<Option<u64>> {
    let shelf = place.open().map_err(broken)?;
    let Lock::Days(days) = shelf.lock().await else {
        return Ok(None);
    };
    let note = make::note(config, &place.words()).with_extension("renewed");
    let kept = i64::from(days) * DAY_MS;
    let due = kept / 100 * i64::from(percent.min(100));
    // A clock that went back renews once too often, never once too late.
    if last(&note).is_some_and(|last| (0..due).contains(&now.since(last))) {
        return Ok(None);
    }
    let mut objects = Vec::new();
    let words = place.words();
    for (folder, remembered) in [
        (manifest::FOLDER, make::note(config, &words)),
        (manifest::PINS, turn::note(config, &words)),
    ] {
        if let Ok(sha256) = fs::read_to_string(remembered) {
            objects.extend(under(shelf.as_ref(), (folder, sha256.trim())).await?);
        }
    }
    let until = Time::from_millis(now.millis().saturating_add(kept)).to_string();
    let renewed = stream::iter(&objects).map(|one| shelf.keep_until(one, &until));
    let mut renewed = pin!(renewed.buffer_unordered(AT_ONCE));
    while let Some(done) = renewed.next().await {
        done.map_err(broken)?;
    }
    let written = fs::write(&note, now.millis().to_string());
    written.map_err(|why| broken(format!("`{}`: {why}", note.display())))?;
    Ok(Some(objects.len() as u64))
}

fn last(note: &Path) -> Option<Time> {
    let text = fs::read_to_string(note).ok()?;
    text.trim().parse().ok().map(Time::from_millis)
}

/// Every object that a manifest leads to, and the manifests on the way.
async fn under(shelf: &dyn Shelf, (folder, sha256): (&str, &str)) -> Outcome<Vec<Stored>> {
    let gone = || broken(format!("the last manifest {sha256} is gone from its place"));
    let last = fetched(shelf, (folder, sha256)).await?.ok_or_else(gone)?;
    let chain = chain(shelf, (folder, last)).await?;
    let mut hashes: Vec<String> = chain
        .iter()
        .filter_map(|one| one.previous.clone())
        .collect();
    hashes.push(sha256.to_owned());
    let listed = shelf.versions(folder).await.map_err(broken)?;
    let ours = listed.into_iter().filter(|one| {
        let named = manifest::named(&one.path);
        named.is_some_and(|(_, hash)| hashes.iter().any(|known| known == hash))
    });
    let mut all: Vec<Stored> = ours.collect();
    for manifest in chain {
        all.extend(manifest.objects.into_iter().map(|object| Stored {
            path: object.path,
            version: object.version,
        }));
    }
    Ok(all)
}

/// Where it is remembered which manifest was ours.
pub(super) fn notes(config: &Config, name: &str) -> PathBuf {
    let name = manifest::sha256(name.as_bytes());
    config
        .data
        .join("backups")
        .join(name.get(..16).unwrap_or_default())
}
