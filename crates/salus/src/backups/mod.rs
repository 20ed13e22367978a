//! The backups of an installation: which there are, what they take, and when the server makes them.

pub(crate) mod files;
mod schedule;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use schedule::keep_going;

/// The section `[backups]`: what the server backs up by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Backups {
    /// How long after a failure the first new try waits; each further one waits twice as long.
    pub(crate) retry_ms: u64,
    /// Locks of a bucket are renewed when this part of their time has passed, in percent; 0: never.
    pub(crate) renew_percent: u8,
    /// How long the program of a dump may take, in milliseconds; then it is ended, with everything
    /// that it started.
    pub(crate) dump_ms_max: u64,
    /// Places of the record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) record: Vec<RecordBackup>,
    /// Folders of the keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<KeysBackup>,
    /// Folders and dumps of other systems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<FilesBackup>,
}

impl Default for Backups {
    fn default() -> Backups {
        Backups {
            retry_ms: 60_000,
            renew_percent: 33,
            dump_ms_max: 14_400_000,
            record: Vec::new(),
            keys: Vec::new(),
            files: Vec::new(),
        }
    }
}

/// One place of the record's backups.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordBackup {
    /// A folder or a bucket.
    pub(crate) to: String,
    /// Minutes from the end of one to the beginning of the next.
    #[serde(default = "hour")]
    pub(crate) every_minutes: u32,
}

/// One folder of the keys' copies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysBackup {
    /// The folder.
    pub(crate) to: PathBuf,
    /// The newest copies that stay, at least 2.
    #[serde(default = "thirty")]
    pub(crate) keep: usize,
    /// Minutes from the end of one to the beginning of the next.
    #[serde(default = "day")]
    pub(crate) every_minutes: u32,
}

/// Folders or a dump under one name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilesBackup {
    /// The name under which they come back.
    pub(crate) name: String,
    /// A folder or a bucket; names may share one.
    pub(crate) to: String,
    /// Folders and files, with everything in them.
    #[serde(default)]
    pub(crate) paths: Vec<PathBuf>,
    /// Or a program with its arguments, whose output becomes one file called as this is.
    #[serde(default)]
    pub(crate) dump: Vec<String>,
    /// Minutes from the end of one to the beginning of the next; 0: only by command.
    #[serde(default = "day")]
    pub(crate) every_minutes: u32,
}

const fn hour() -> u32 {
    60
}

const fn day() -> u32 {
    24 * 60
}

const fn thirty() -> usize {
    30
}

impl Backups {
    /// What of it cannot be, in words.
    ///
    /// # Errors
    /// The words.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (place, one) in self.files.iter().enumerate() {
            let named = |why: &str| Err(format!("`[[backups.files]]` `{}` {why}", one.name));
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
            if one.name.is_empty() || one.name.starts_with('.') || !one.name.chars().all(plain) {
                return named("needs a name of letters, digits, `.`, `_` and `-`");
            }
            if self
                .files
                .iter()
                .skip(place + 1)
                .any(|other| other.name == one.name)
            {
                return named("is there twice: give each its own name");
            }
            if one.paths.is_empty() == one.dump.is_empty() {
                return named("needs either `paths` or `dump`");
            }
            record::Place::parse(&one.to)?;
        }
        let mut places = self.record.iter().map(|one| record::Place::parse(&one.to));
        places.try_for_each(|place| place.map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_name_of_its_own_or_nothing_to_take_is_refused() {
        let read = |text: &str| toml::from_str::<Backups>(text).unwrap().check();
        let one = "[[files]]\nname = 'lab'\nto = '/mnt'\n";
        assert_eq!(read(&format!("{one}paths = ['/srv']")), Ok(()));
        assert_eq!(read(&format!("{one}dump = ['pg_dumpall']")), Ok(()));
        for (text, word) in [
            (one.to_owned(), "either"),
            (format!("{one}paths = ['/srv']\ndump = ['x']"), "either"),
            (
                format!("{one}paths = ['/srv']\n{one}paths = ['/srv']"),
                "twice",
            ),
            (one.replace("lab", "../lab") + "paths = ['/srv']", "letters"),
            (one.replace("/mnt", "s3:x") + "paths = ['/srv']", "s3"),
        ] {
            let why = read(&text).unwrap_err();
            assert!(why.contains(word), "{text}: {why}");
        }
    }
}
