//! Manifests by their hash: what has another name or another content is not looked at.

use super::broken;
use super::manifest::{self, Manifest};
use super::place::{Shelf, Stored};
use crate::sealed::Outcome;

/// Manifests that may go on from each other, at most.
const CHAIN_MAX: usize = 1_000;

/// The manifest with this SHA-256.
pub(super) async fn fetched(
    shelf: &dyn Shelf,
    (folder, sha256): (&str, &str),
) -> Outcome<Option<Manifest>> {
    let listed = shelf.versions(folder).await.map_err(broken)?;
    among(shelf, &listed, sha256).await
}

/// A manifest and all that it goes on from, the oldest first.
pub(super) async fn chain(
    shelf: &dyn Shelf,
    (folder, last): (&str, Manifest),
) -> Outcome<Vec<Manifest>> {
    let listed = shelf.versions(folder).await.map_err(broken)?;
    let mut chain = vec![last];
    while let Some(previous) = chain.last().and_then(|last| last.previous.clone()) {
        let found = among(shelf, &listed, &previous).await?;
        chain.push(found.ok_or_else(|| broken(format!("manifest {previous} is gone")))?);
        if chain.len() > CHAIN_MAX {
            return Err(broken("its manifests go on from each other without end"));
        }
    }
    chain.reverse();
    Ok(chain)
}

async fn among(shelf: &dyn Shelf, listed: &[Stored], sha256: &str) -> Outcome<Option<Manifest>> {
    let named = |one: &&Stored| manifest::named(&one.path).is_some_and(|name| name.1 == sha256);
    for one in listed.iter().filter(named) {
        if let Some(manifest) = read(shelf, one).await? {
            return Ok(Some(manifest));
        }
    }
    Ok(None)
}

/// What lies there, if it is the manifest that its name says.
pub(super) async fn read(shelf: &dyn Shelf, one: &Stored) -> Outcome<Option<Manifest>> {
    let bytes = shelf.get(&one.path, one.version.as_deref()).await;
    let Some(bytes) = bytes.map_err(broken)? else {
        return Ok(None);
    };
    let named = manifest::named(&one.path).is_some_and(|name| name.1 == manifest::sha256(&bytes));
    let text = std::str::from_utf8(&bytes).ok().filter(|_| named);
    Ok(text.and_then(Manifest::from_text))
}
