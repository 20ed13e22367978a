use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::mllp::TlsConfig;

/// The section `[signals]`: what machines say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Lines in one batch, which is one entry of the record.
    pub batch_lines_max: usize,
    /// Bytes of lines in one batch; one line may be larger.
    pub batch_bytes_max: usize,
    /// Milliseconds that the first line of a batch waits for others.
    pub batch_wait_ms: u64,
    /// Bytes in one line; a longer one is kept in pieces.
    pub line_bytes_max: usize,
    /// Bytes in one audit message (DICOM PS3.15 A.6 asks for 32,768 at least); a longer one is kept in
    /// pieces.
    pub audit_bytes_max: usize,
    /// Bytes of lines of all feeds that are read but not yet sealed. Beside them a connection holds one
    /// line and what it read at once, at most 64 KiB.
    pub waiting_bytes_max: usize,
    /// Syslog connections at a time; one more is closed at once.
    pub connections_max: usize,
    /// Milliseconds between two entries that count what came from nobody's feed.
    pub unknown_apart_ms: u64,
    /// Milliseconds without a byte before a syslog connection is closed.
    pub idle_ms: u64,
    /// Milliseconds a TLS handshake may take.
    pub handshake_ms: u64,
    /// Bytes that the system may hold of datagrams that were not read yet.
    pub udp_buffer_bytes: usize,
    /// Milliseconds between looks at a file.
    pub file_look_ms: u64,
    /// Milliseconds that a file that was rotated away must be still before it counts as finished.
    pub file_settle_ms: u64,
    /// Syslog.
    pub syslog: SyslogConfig,
    /// Lines over HTTPS.
    pub https: HttpsConfig,
    /// Files that are read as they grow.
    #[serde(rename = "file", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileConfig>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            batch_lines_max: 10_000,
            batch_bytes_max: 1 << 20,
            batch_wait_ms: 1_000,
            line_bytes_max: 64 << 10,
            audit_bytes_max: 1 << 20,
            waiting_bytes_max: 64 << 20,
            connections_max: 1_024,
            unknown_apart_ms: 60_000,
            idle_ms: 3_600_000,
            handshake_ms: 30_000,
            udp_buffer_bytes: 4 << 20,
            file_look_ms: 500,
            file_settle_ms: 5_000,
            syslog: SyslogConfig::default(),
            https: HttpsConfig::default(),
            files: Vec::new(),
        }
    }
}

/// The section `[signals.https]`: lines that clients post to `/signals/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpsConfig {
    /// Bytes of one request, as they come.
    pub body_bytes_max: usize,
    /// Bytes of one request once it is unpacked.
    pub unpacked_bytes_max: usize,
    /// Requests that are read at the same time; one more is asked to try again.
    pub posts_max: usize,
    /// Idempotency keys of requests whose answers are remembered, the newest.
    pub keys_max: usize,
    /// Who may send.
    #[serde(rename = "feed", skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<HttpsFeed>,
}

impl Default for HttpsConfig {
    fn default() -> HttpsConfig {
        HttpsConfig {
            body_bytes_max: 16 << 20,
            unpacked_bytes_max: 32 << 20,
            posts_max: 8,
            keys_max: 10_000,
            feeds: Vec::new(),
        }
    }
}

/// One `[[signals.https.feed]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpsFeed {
    /// Its name, in the address, in the record and on the Flow page.
    pub name: String,
    /// How its lines are read.
    pub format: String,
    /// The client that may send in its name.
    pub client: String,
    /// The IANA zone of its times without an offset.
    #[serde(default = "utc")]
    pub zone: String,
}

/// The section `[signals.syslog]`: RFC 5424 and RFC 3164 over UDP, TCP and TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyslogConfig {
    /// Where datagrams are taken (RFC 5426).
    pub udp: Vec<SocketAddr>,
    /// Where plain connections are taken (RFC 6587).
    pub tcp: Vec<SocketAddr>,
    /// Syslog over TLS with client certificates (RFC 5425).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Who may send. The first that fits the sender counts.
    #[serde(rename = "feed", skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<SyslogFeed>,
}

/// One `[[signals.syslog.feed]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyslogFeed {
    /// Its name, in the record and on the Flow page.
    pub name: String,
    /// How its lines are read.
    pub format: String,
    /// Addresses it sends from without TLS; empty: any on this machine, and none of another.
    pub sources: Vec<IpAddr>,
    /// SHA-256 fingerprints of its TLS certificates, in hex.
    pub certificates: Vec<String>,
    /// Common names or DNS names in its TLS certificates.
    pub subjects: Vec<String>,
    /// The IANA zone of its times without an offset.
    pub zone: String,
    /// Audit messages: the assigning authority of patients' identifiers that name none.
    pub authority: String,
}

impl Default for SyslogFeed {
    fn default() -> SyslogFeed {
        SyslogFeed {
            name: String::new(),
            format: "syslog".into(),
            sources: Vec::new(),
            certificates: Vec::new(),
            subjects: Vec::new(),
            zone: "UTC".into(),
            authority: "hospital".into(),
        }
    }
}

/// One `[[signals.file]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// Its name, in the record and on the Flow page.
    pub name: String,
    /// The file. What a rotation made of it is looked for beside it.
    pub path: PathBuf,
    /// How its lines are read.
    pub format: String,
    /// The IANA zone of its times without an offset.
    #[serde(default = "utc")]
    pub zone: String,
}

fn utc() -> String {
    "UTC".into()
}
