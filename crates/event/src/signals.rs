//! What machines say: log lines and messages of devices, gathered into batches.

use serde::{Deserialize, Serialize};

use crate::Time;

/// A batch of lines of one feed. The raw bytes are the batch: each line with when and from where it
/// came, as `wire::signals` writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signals {
    /// The feed they came in by.
    pub feed: String,
    /// How its lines are read, for instance `syslog` or `suricata`.
    pub format: String,
    /// Lines in the batch; one that was longer than a line may be counts once a piece.
    pub lines: u64,
    /// When the first of them came.
    pub first: Time,
    /// When the last of them came.
    pub last: Time,
    /// Of them, those that could not be read as the format; they are in the batch all the same.
    #[serde(skip_serializing_if = "none")]
    pub unread: u64,
    /// Of them, pieces of lines that were longer than a line may be.
    #[serde(skip_serializing_if = "none")]
    pub cut: u64,
    /// Lines that came before these and were not kept, because a limit was reached.
    #[serde(skip_serializing_if = "none")]
    pub dropped: u64,
    /// Why the first of them could not be read, or was not kept, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The kinds of lines, as the format names them, and how many of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<(String, u64)>,
    /// Audit messages: the IANA zone of their times without an offset.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// Audit messages: the assigning authority of patients' identifiers that name none. Of AuditEvents that came by
    /// FHIR: the address of this server then, by which it knows its own patients.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub authority: String,
    /// They were read from a file: up to where. Sealed with the lines, so that neither is without
    /// the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// Up to where a file was read, and how that file is known again under another name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Position {
    /// Bytes read.
    pub offset: u64,
    /// SHA-256, in hex, of the first and the last bytes of what was read (1,024 of each, fewer if
    /// there are fewer); then device and inode, in hex; then when it was last written to, in
    /// nanoseconds since 1970.
    pub mark: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn none(count: &u64) -> bool {
    *count == 0
}
