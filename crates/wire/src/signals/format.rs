use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::{json, text};
use crate::{audit, syslog};

/// How the lines of a feed are read: where time, host and kind stand in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 5424 and RFC 3164. Kind: the program.
    Syslog,
    /// A JSON object a line.
    Json,
    /// Windows events as JSON (Winlogbeat, NXLog, Elastic). Kind: `Channel/EventID`.
    Windows,
    /// Sysmon's events, in the same shapes. Kind: `Sysmon/EventID`.
    Sysmon,
    /// The audit log of Linux: `type=SYSCALL msg=audit(...): ...`. Kind: the type.
    Auditd,
    /// Zeek's logs, as JSON or with tabs. Kind: `_path` of JSON.
    Zeek,
    /// Suricata's EVE JSON. Kind: `event_type`.
    Suricata,
    /// Audit messages of IHE ATNA in syslog (DICOM PS3.15 A.5). Kind: the `EventID`.
    Audit,
}

/// What a line says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// When, in milliseconds since 1970.
    pub at: Option<i64>,
    /// Which host.
    pub host: Option<String>,
    /// What kind of line, in the words of its format.
    pub kind: Option<String>,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 8] = [
        Format::Syslog,
        Format::Json,
        Format::Windows,
        Format::Sysmon,
        Format::Auditd,
        Format::Zeek,
        Format::Suricata,
        Format::Audit,
    ];

    /// Its one word, as the configuration and the record spell it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Format::Syslog => "syslog",
            Format::Json => "json",
            Format::Windows => "windows",
            Format::Sysmon => "sysmon",
            Format::Auditd => "auditd",
            Format::Zeek => "zeek",
            Format::Suricata => "suricata",
            Format::Audit => "audit",
        }
    }

    /// The format with this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.word() == word)
    }
}

/// What a line says of itself. `near`: when it came, in milliseconds since 1970, and the zone of
/// times without an offset.
///
/// # Errors
/// In words, if it is no line of this format.
pub fn read(
    format: Format,
    bytes: &[u8],
    near: (i64, &TimeZone),
) -> Result<Said, Cow<'static, str>> {
    let read = match format {
        Format::Audit => return audit(bytes, near),
        Format::Syslog => syslog::read(bytes, near).map(|entry| Said {
            at: entry.at,
            host: entry.host,
            kind: entry.app,
        }),
        Format::Auditd => text::auditd(bytes),
        Format::Zeek if !bytes.starts_with(b"{") => text::zeek(bytes),
        Format::Json | Format::Windows | Format::Sysmon | Format::Zeek | Format::Suricata => {
            json::read(format, bytes, near.1)
        }
    };
    read.map_err(Cow::Borrowed)
}

fn audit(bytes: &[u8], near: (i64, &TimeZone)) -> Result<Said, Cow<'static, str>> {
    let heard = audit::heard(bytes, near).map_err(Cow::Owned)?;
    let id = &heard.message.id;
    let kind = match id.display.is_empty() {
        true => &id.code,
        false => &id.display,
    };
    Ok(Said {
        at: heard.message.moment(near.1),
        host: heard.host,
        kind: Some(kind.clone()),
    })
}

#[cfg(test)]
#[path = "format/tests.rs"]
mod tests;
