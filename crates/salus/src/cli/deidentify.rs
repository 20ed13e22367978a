//! The options of `salus deidentify`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

#[derive(Debug, Args)]
pub(crate) struct Deidentify {
    /// DICOM files, or folders of them.
    #[arg(required_unless_present = "study", value_name = "FILES")]
    pub(crate) paths: Vec<PathBuf>,
    /// A study of the record, by its UID, in place of files.
    #[arg(long, value_name = "UID", conflicts_with = "paths", requires_all = ["agreed", "reason"])]
    pub(crate) study: Option<String>,
    /// Of a study: the number of the request on the page Access, Exports, which another person agreed to. What was
    /// asked for must name the UID of the study.
    #[arg(long, value_name = "NUMBER", requires = "study")]
    pub(crate) agreed: Option<u64>,
    /// Of a study: why; it is sealed with the decision.
    #[arg(long, requires = "study")]
    pub(crate) reason: Option<String>,
    /// The folder they go to. A file in it is never overwritten.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: PathBuf,
    /// A file of 16 random bytes or more: runs under the same secret give the same pseudonyms and UIDs.
    /// Without it each run has a secret of its own, which nobody keeps.
    #[arg(long, visible_alias = "secret", value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// What becomes of dates.
    #[arg(long, value_enum, default_value_t = ImageDates::Remove)]
    pub(crate) dates: ImageDates,
    /// Keep UIDs (option Retain UIDs): whoever has the originals can find them again.
    #[arg(long)]
    pub(crate) keep_uids: bool,
    /// Keep names and numbers of devices (option Retain Device Identity).
    #[arg(long)]
    pub(crate) keep_device: bool,
    /// Say that a person looked at all of these pictures, and no text in them names anybody.
    #[arg(long)]
    pub(crate) pixels_looked_at: bool,
}

/// What becomes of the dates of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ImageDates {
    /// They go.
    Remove,
    /// They move by 1 to 365 days, one offset a patient: intervals hold, times of day stay.
    Shift,
}
