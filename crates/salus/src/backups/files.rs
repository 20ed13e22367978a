//! Folders and dumps: snapshots in a repository that restic opens, pinned in the log.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use event::Copy;
use folders::{Brought, Kept, Progress, Repository, Source};
use record::{Pins, PinsMade, Place, Turn};

use super::FilesBackup;
use super::schedule::copy_of;
use crate::backing::Pinned;
use crate::certificate;
use crate::config::Config;
use crate::local::Operator;

/// What became of the names that go to one place.
pub(crate) struct Done {
    pub(crate) place: String,
    pub(crate) made: PinsMade,
    pub(crate) kept: Vec<Kept>,
    /// Names of which no snapshot was taken, and why.
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

/// What goes to one place.
pub(crate) struct Wanted<'w> {
    pub(crate) to: &'w str,
    pub(crate) sets: &'w [&'w FilesBackup],
    /// What is known to be lacking of names that are not among them, in words.
    pub(crate) lacking: &'w [String],
    /// Whether nothing is known of others that go there.
    pub(crate) in_part: bool,
}

/// Takes a snapshot of each name, pins them together and seals that, with what is not in it. One that
/// fails keeps none of the others from being taken.
///
/// # Errors
/// If none could be taken, or the place cannot be used, or another backup is being made there.
pub(crate) async fn back_up(
    (config, operator): (&Config, &Operator),
    wanted: &Wanted<'_>,
    told: impl Fn(&str) -> Progress,
) -> Result<Done> {
    let place = Place::parse(wanted.to).map_err(|why| anyhow!(why))?;
    let own = config.record();
    let turn = Turn::take(&own, &place).await?;
    let before = match turn.last() {
        Some(manifest) => Some(manifest),
        // This machine's note is gone; the log has it.
        None => operator.pinned(&place.words()).await?.into_iter().next(),
    };
    let pins = Arc::new(Pins::open(&place, before.as_deref()).await?);
    let repository = Repository::new(Arc::clone(&pins), &password(config)?);
    repository.make(&turn.begun()).await?;
    let (mut kept, mut failed) = (Vec::new(), Vec::new());
    for one in wanted.sets {
        let taken = repository.keep(&one.name, source(config, one), told(&one.name));
        match taken.await {
            Ok(snapshot) => kept.push(snapshot),
            Err(why) => failed.push((one.name.clone(), why.to_string())),
        }
    }
    if kept.is_empty() {
        bail!("{}", failures(&failed).join("; "));
    }
    let made = pins.pin(&own, &turn).await?;
    // The repository is pinned: what it was made of need not be made again.
    let _ = fs::remove_file(turn.begun());
    let pinned = Pinned {
        place: place.words(),
        size: made.size,
        manifest: made.manifest.clone(),
        files: Some(kept.iter().map(|one| one.files).sum()),
        in_part: wanted.in_part,
        lacks: lacks(
            &place.words(),
            (&kept, &failed),
            (made.size, wanted.lacking),
        ),
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

fn failures(failed: &[(String, String)]) -> Vec<String> {
    let words = failed.iter().map(|(name, why)| format!("`{name}`: {why}"));
    words.collect()
}

/// What is not in a snapshot, in words.
pub(crate) fn unread(kept: &Kept) -> Option<String> {
    let first = kept.unread.named.first()?;
    Some(match kept.unread.files {
        1 => format!("`{}`: a file could not be read: {first}", kept.name),
        files => format!(
            "`{}`: {files} files could not be read, the first: {first}",
            kept.name
        ),
    })
}

/// How a backup stands of which something is lacking. One that lacks a whole name holds nothing that
/// counts (0 events), so it is due again at once; one that lacks files is due when its time comes.
fn lacks(
    place: &str,
    (kept, failed): (&[Kept], &[(String, String)]),
    (size, lacking): (u64, &[String]),
) -> Option<Copy> {
    let mut words = failures(failed);
    words.extend(kept.iter().filter_map(unread));
    words.extend_from_slice(lacking);
    let events = if failed.is_empty() { size } else { 0 };
    let lacks = !words.is_empty();
    lacks.then(|| copy_of("files", place, (events, &words.join("; "))))
}

fn source(config: &Config, one: &FilesBackup) -> Source {
    match one.dump.is_empty() {
        true => Source::Paths(one.paths.clone()),
        false => Source::Dump {
            command: one.dump.clone(),
            most: Duration::from_millis(config.backups.dump_ms_max.max(1)),
        },
    }
}

/// Digits of the password of the repositories, in hex.
const KEY_DIGITS: usize = 64;

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
    let text = read(&path)?;
    if text.len() != KEY_DIGITS || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        bail!(
            "`{}` is no key of {KEY_DIGITS} hex digits: its writing was broken off; take it from a backup of \
             the keys, or remove it if nothing was backed up with it",
            path.display()
        );
    }
    Ok(text)
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
pub(crate) struct Asked<'w> {
    pub(crate) place: &'w Place,
    /// Manifests, the one that is wanted most first.
    pub(crate) manifests: &'w [String],
    /// Names; none: all.
    pub(crate) names: &'w [String],
    pub(crate) password: &'w str,
}

/// Brings names back into folders of their own under `to`, from the first manifest that is whole:
/// all of them from one.
///
/// # Errors
/// If none is.
pub(crate) async fn bring_back(asked: &Asked<'_>, to: &Path, told: Progress) -> Result<Back> {
    let mut passed_over = Vec::new();
    for manifest in asked.manifests {
        match from(asked, manifest, to, Arc::clone(&told)).await {
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
        asked.place.words(),
        passed_over
            .iter()
            .map(|why| format!("\n  {why}"))
            .collect::<String>()
    )
}

async fn from(
    asked: &Asked<'_>,
    manifest: &str,
    to: &Path,
    told: Progress,
) -> Result<Vec<Brought>> {
    let pins = Arc::new(Pins::open(asked.place, Some(manifest)).await?);
    let repository = Repository::new(pins, asked.password);
    Ok(repository.bring(asked.names, to, told).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_whose_writing_was_broken_off_is_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data: folder.path().to_owned(),
            ..Config::default()
        };
        let made = password(&config).unwrap();
        assert_eq!(password(&config).unwrap(), made);
        let path = folder.path().join("keys/files.key");
        for broken in ["", "\n", &made[..60]] {
            fs::write(&path, broken).unwrap();
            let why = password(&config).unwrap_err().to_string();
            assert!(why.contains("no key of 64 hex digits"), "{why}");
        }
    }
}
