//! Whose turn it is at a place of pins: two that go on from one manifest would leave two, and the
//! record could only believe one of them.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::broken;
use super::place::Place;
use super::renew::notes;
use crate::config::Config;
use crate::keyfile;
use crate::sealed::Outcome;

/// How often it is asked for, and how long is waited between: a child that somebody is starting this
/// moment holds it for the blink of an eye.
const TRIES: u32 = 10;
const WAIT: Duration = Duration::from_millis(50);

/// The only one of this data folder that pins something at a place, for as long as it is held.
#[derive(Debug)]
pub struct Turn {
    note: PathBuf,
    place: String,
    /// Locked (flock) until it is closed.
    _held: File,
}

impl Turn {
    /// Takes the turn at a place.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::Error::Broken) if somebody else has it, or the data folder cannot be
    /// written.
    pub async fn take(config: &Config, place: &Place) -> Outcome<Turn> {
        let place = place.words();
        let note = note(config, &place);
        note.parent().map_or(Ok(()), keyfile::make_folder)?;
        let path = note.with_extension("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let held = file.map_err(|why| broken(format!("`{}`: {why}", path.display())))?;
        for _ in 0..TRIES {
            let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
            if rustix::fs::flock(&held, operation).is_ok() {
                return Ok(Turn {
                    note,
                    place,
                    _held: held,
                });
            }
            tokio::time::sleep(WAIT).await;
        }
        Err(broken(format!(
            "another backup is being made at `{place}`; try again when it is done"
        )))
    }

    /// The manifest that this machine pinned last at the place, by its SHA-256 in hex.
    pub fn last(&self) -> Option<String> {
        let text = fs::read_to_string(&self.note).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// A file of this machine for what is only begun at the place.
    pub fn begun(&self) -> PathBuf {
        self.note.with_extension("begun")
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Notes which manifest is ours from now on.
    pub(super) fn remember(&self, sha256: &str) -> Outcome<()> {
        durably(&self.note, sha256)
    }
}

/// The file that notes which manifest of pins was ours; the record's own backup has another.
pub(super) fn note(config: &Config, place: &str) -> PathBuf {
    notes(config, &format!("pins {place}"))
}

/// A note in the place of what is there, as a whole or not at all, durable on return.
pub(super) fn durably(path: &Path, text: &str) -> Outcome<()> {
    let next = path.with_extension("next");
    let write = || {
        let mut file = File::create(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, path)
    };
    write().map_err(|why| broken(format!("`{}`: {why}", path.display())))?;
    path.parent().map_or(Ok(()), keyfile::sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_has_the_turn_at_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::new(folder.path().join("data"));
        let [one, other] = ["one", "other"].map(|name| Place::Folder(folder.path().join(name)));
        let turn = Turn::take(&config, &one).await.unwrap();
        let why = Turn::take(&config, &one).await.unwrap_err().to_string();
        assert!(why.contains("another backup is being made"), "{why}");
        Turn::take(&config, &other).await.unwrap();
        turn.remember("0f").unwrap();
        drop(turn);
        let turn = Turn::take(&config, &one).await.unwrap();
        assert_eq!(turn.last().as_deref(), Some("0f"));
    }
}
