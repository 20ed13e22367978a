//! The options of `salus capture`.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

#[derive(Debug, Args)]
pub(crate) struct Capture {
    /// The feed, as it is called on the page Flow.
    #[arg(long)]
    pub(crate) feed: String,
    /// Why; it is sealed with each message that is shown.
    #[arg(long)]
    pub(crate) reason: String,
    /// How many of the newest to show first.
    #[arg(long, default_value_t = 10, value_name = "NUMBER")]
    pub(crate) last: u32,
    /// Go on with what comes, until Ctrl-C; beside a running server.
    #[arg(long)]
    pub(crate) follow: bool,
    /// How to show them.
    #[arg(long, value_enum, default_value_t = Show::Fields)]
    pub(crate) show: Show,
}

/// How a message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Show {
    /// As it came, in its own character set.
    Raw,
    /// Field by field with their names; lines of machines with time, host and kind.
    Fields,
    /// The FHIR resources that it means.
    Fhir,
}
