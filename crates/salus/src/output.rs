//! How a command speaks: results on standard output, everything else on standard error.

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::Format;

/// Nothing to complain of.
pub(crate) const WELL: u8 = 0;
/// Something was found or refused.
pub(crate) const FOUND: u8 = 1;
/// The command could not run.
pub(crate) const CANNOT: u8 = 2;

/// It was done, and something of what was asked for is not in it.
pub(crate) const LACKING: u8 = 3;

/// The data folder was removed or replaced under a running server.
pub(crate) const UPROOTED: u8 = 4;

/// Prints a result: JSON, or what `human` makes of it.
pub(crate) fn result<T: Serialize>(format: Format, value: &T, human: impl Fn(&T) -> String) {
    let text = match format {
        Format::Human => human(value),
        Format::Json => serde_json::to_string_pretty(value).unwrap_or_default(),
    };
    line(&text);
}

/// A line on standard output. A closed pipe is the reader's business.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The message of a command that could not run, with its causes.
pub(crate) fn fail(why: &anyhow::Error) -> ExitCode {
    note(&format!("salus: {why:#}"));
    ExitCode::from(CANNOT)
}
