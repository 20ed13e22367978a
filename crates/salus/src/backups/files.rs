//! Folders and dumps: snapshots in a repository that restic opens, pinned in the log.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use folders::{Brought, Kept, Progress, Repository, Source};
use record::{Pins, PinsMade, Place, last_pins};

use super::FilesBackup;
use crate::backing::Pinned;
use crate::certificate;
use crate::config::Config;
use crate::local::Operator;

/// What became of the names that go to one place.
pub(crate) struct Done {
    pub(crate) place: String,
    pub(crate) made: PinsMade,
    pub(crate) kept: Vec<Kept>,
    /// Names of which no snapshot was taken, or files that are not in one, and why.
    pub(crate) failed: Vec<(String, String)>,
    /// The event that pins it.
    pub(crate) sealed: u64,
}

/// The names by their places.
pub(crate) fn by_place<'f>(
    sets: impl Iterator<Item = &'f FilesBackup>,
) -> BTreeMap<&'f str, Vec<&'f FilesBackup>> {
    let mut places: BTreeMap<&str, Vec<&FilesBackup>> = BTreeMap::new();
    for one in sets {
        places.entry(&one.to).or_default().push(one);
    }
    places
}

/// Takes a snapshot of each name, pins them together and seals that. One that fails keeps none of
/// the others from being taken.
///
/// # Errors
/// If none could be taken, or the place cannot be used.
pub(crate) async fn back_up(
    (config, operator): (&Config, &Operator),
    to: &str,
    sets: &[&FilesBackup],
    told: impl Fn(&str) -> Progress,
) -> Result<Done> {
    let place = Place::parse(to).map_err(|why| anyhow!(why))?;
    let own = config.record();
    let before = match last_pins(&own, &place) {
        Some(manifest) => Some(manifest),
        // This machine's note is gone; the log has it.
        None => operator.pinned(&place.words()).await?.into_iter().next(),
    };
    let pins = Arc::new(Pins::open(&place, before.as_deref()).await?);
    let repository = Repository::new(Arc::clone(&pins), &password(config)?);
    let (mut kept, mut failed) = (Vec::new(), Vec::new());
    for one in sets {
        let taken = repository.keep(&one.name, source(one), told(&one.name));
        match taken.await {
            Ok(snapshot) => {
                // What could not be read is not in it: that must not look like a whole backup.
                for why in &snapshot.unread {
                    failed.push((one.name.clone(), format!("not in it: {why}")));
                }
                kept.push(snapshot);
            }
            Err(why) => failed.push((one.name.clone(), why.to_string())),
        }
    }
    if kept.is_empty() {
        let words = failed.iter().map(|(name, why)| format!("`{name}`: {why}"));
        bail!("{}", words.collect::<Vec<_>>().join("; "));
    }
    let made = pins.pin(&own).await?;
    let pinned = Pinned {
        place: place.words(),
        size: made.size,
        manifest: made.manifest.clone(),
        files: Some(kept.iter().map(|one| one.files).sum()),
    };
    let sealed = operator.backed_up(&pinned).await?;
    Ok(Done {
        place: place.words(),
        made,
        kept,
        failed,
        sealed,
    })
}

fn source(one: &FilesBackup) -> Source {
    match one.dump.is_empty() {
        true => Source::Paths(one.paths.clone()),
        false => Source::Dump(one.dump.clone()),
    }
}

/// The password of the repositories: made once, and copied with the other keys. In a line of its
/// own, so that `restic --password-file` takes it as it is.
pub(crate) fn password(config: &Config) -> Result<String> {
    let path = config.data.join("keys/files.key");
    if !path.exists() {
        let mut random = [0; 32];
        SystemRandom::new()
            .fill(&mut random)
            .ok()
            .context("the system has no randomness")?;
        let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        certificate::write(&path, format!("{text}\n").as_bytes())
            .with_context(|| format!("cannot write the key `{}`", path.display()))?;
    }
    read(&path)
}

/// A password from a file.
pub(crate) fn read(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read the key `{}`", path.display()))?;
    Ok(text.trim().to_owned())
}

/// What was brought back from a place.
pub(crate) struct Back {
    pub(crate) manifest: String,
    pub(crate) brought: Vec<Brought>,
    /// Manifests and names that were passed over, and why.
    pub(crate) passed_over: Vec<String>,
}

/// What is to be brought back.
pub(crate) struct Wanted<'w> {
    pub(crate) place: &'w Place,
    /// Manifests, the one that is wanted most first.
    pub(crate) manifests: &'w [String],
    /// Names; none: all.
    pub(crate) names: &'w [String],
    pub(crate) password: &'w str,
}

/// Brings names back into folders of their own under `to`, from the first manifest that is whole.
///
/// # Errors
/// If none is.
pub(crate) async fn bring_back(
    wanted: &Wanted<'_>,
    to: &Path,
    told: impl Fn(&str) -> Progress,
) -> Result<Back> {
    let mut passed_over = Vec::new();
    for manifest in wanted.manifests {
        match from(wanted, manifest, to, &told).await {
            Ok(brought) => {
                return Ok(Back {
                    manifest: manifest.clone(),
                    brought,
                    passed_over,
                });
            }
            Err(why) => passed_over.push(format!("manifest {manifest}: {why:#}")),
        }
    }
    bail!(
        "nothing at `{}` is whole that was pinned{}",
        wanted.place.words(),
        passed_over
            .iter()
            .map(|why| format!("\n  {why}"))
            .collect::<String>()
    )
}

async fn from(
    wanted: &Wanted<'_>,
    manifest: &str,
    to: &Path,
    told: impl Fn(&str) -> Progress,
) -> Result<Vec<Brought>> {
    let pins = Arc::new(Pins::open(wanted.place, Some(manifest)).await?);
    let repository = Repository::new(pins, wanted.password);
    let mut names = wanted.names.to_vec();
    if names.is_empty() {
        names = repository
            .kept()
            .await?
            .into_iter()
            .map(|one| one.name)
            .collect();
        names.sort();
        names.dedup();
    }
    let mut brought = Vec::new();
    for name in &names {
        let one = repository.bring(name, &to.join(name), told(name)).await;
        brought.push(one.with_context(|| format!("`{name}`"))?);
    }
    Ok(brought)
}
