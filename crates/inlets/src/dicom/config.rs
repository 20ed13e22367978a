use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wire::dicom::Limits;

use crate::mllp::TlsConfig;

/// The section `[dicom]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where plain DICOM is listened for. Loopback only; an empty list: nowhere.
    pub listen: Vec<SocketAddr>,
    /// The AE titles by which Salus is called.
    pub titles: Vec<String>,
    /// The IANA zone of times without an offset, for feeds that name none.
    pub zone: String,
    /// The character set of data sets that name none, as (0008,0005) spells it, for feeds that name
    /// none; empty: ASCII.
    pub charset: String,
    /// The assigning authority of patient ids without an issuer, for feeds that name none.
    pub authority: String,
    /// Associations at a time; one more is rejected for now.
    pub associations_max: usize,
    /// Associations of one feed at a time; one more is rejected for now.
    pub associations_per_feed_max: usize,
    /// Connections with one certificate that have not asked for their association yet; one more is closed at once.
    pub associations_begun_per_certificate_max: usize,
    /// TLS handshakes at a time, by which nobody is known yet; one more is closed at once.
    pub handshakes_max: usize,
    /// Those of one address (of IPv6, of a /64).
    pub handshakes_per_address_max: usize,
    /// Milliseconds one may take.
    pub handshake_ms: u64,
    /// Bytes in one protocol data unit; a longer one ends the association.
    pub pdu_bytes_max: u32,
    /// Bytes in one object; a larger one is refused.
    pub object_bytes_max: usize,
    /// Bytes of unfinished objects of all associations together.
    pub unfinished_bytes_max: usize,
    /// Bytes of what an object says of itself that are sealed with its event.
    pub header_bytes_max: usize,
    /// Sequences within sequences.
    pub depth_max: usize,
    /// Elements of one object.
    pub elements_max: usize,
    /// Bytes that a deflated object may unpack to.
    pub inflated_bytes_max: usize,
    /// How many times its own size a deflated object may unpack to, beyond the first MiB.
    pub inflate_ratio_max: usize,
    /// Objects that are looked through and stored at the same time; others wait. Each takes up to three times
    /// its size, or `inflated_bytes_max`.
    pub looks_max: usize,
    /// Bytes kept of what is refused.
    pub unread_bytes_kept_max: usize,
    /// Milliseconds from the connection to the request for an association.
    pub associate_ms: u64,
    /// Milliseconds without a byte before an association is aborted.
    pub idle_ms: u64,
    /// Milliseconds a message may take from its first byte to its last.
    pub message_ms: u64,
    /// Milliseconds an answer may take to be written.
    pub write_ms: u64,
    /// Matches that one query is answered with; more are said to be there, and not told.
    pub matches_max: usize,
    /// Objects that one C-GET or C-MOVE sends; of more none is sent.
    pub retrieve_objects_max: usize,
    /// Milliseconds one C-GET or C-MOVE may take; what was not sent then has failed.
    pub retrieve_ms: u64,
    /// Milliseconds a destination may take to connect, and for one answer.
    pub answer_ms: u64,
    /// Milliseconds a PACS that sends by C-MOVE what is pulled may send nothing; then it is given up.
    pub move_still_ms: u64,
    /// DICOM over TLS with client certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Who may send what. The first that fits the caller counts.
    #[serde(rename = "feed", skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<FeedConfig>,
    /// Where objects may be moved to.
    #[serde(rename = "destination", skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<Destination>,
}

impl Default for Config {
    fn default() -> Config {
        let limits = Limits::default();
        Config {
            listen: Vec::new(),
            titles: vec!["SALUS".into()],
            zone: "UTC".into(),
            charset: String::new(),
            authority: "hospital".into(),
            associations_max: 256,
            associations_per_feed_max: 128,
            associations_begun_per_certificate_max: 32,
            handshakes_max: 4_096,
            handshakes_per_address_max: 32,
            handshake_ms: 10_000,
            pdu_bytes_max: 128 << 10,
            object_bytes_max: 512 << 20,
            unfinished_bytes_max: 1 << 30,
            header_bytes_max: 1 << 20,
            depth_max: limits.depth_max,
            elements_max: limits.elements_max,
            inflated_bytes_max: limits.inflated_bytes_max,
            inflate_ratio_max: limits.inflate_ratio_max,
            looks_max: 4,
            unread_bytes_kept_max: 64 << 10,
            associate_ms: 10_000,
            idle_ms: 600_000,
            message_ms: 600_000,
            write_ms: 30_000,
            matches_max: 1_000,
            retrieve_objects_max: 20_000,
            retrieve_ms: 3_600_000,
            answer_ms: 60_000,
            move_still_ms: 600_000,
            tls: None,
            feeds: Vec::new(),
            destinations: Vec::new(),
        }
    }
}

impl Config {
    /// What a data set may be at most.
    pub const fn limits(&self) -> Limits {
        Limits {
            depth_max: self.depth_max,
            elements_max: self.elements_max,
            inflated_bytes_max: self.inflated_bytes_max,
            inflate_ratio_max: self.inflate_ratio_max,
        }
    }
}

/// One `[[dicom.destination]]`: who takes objects that somebody has moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Destination {
    /// Its AE title.
    pub title: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Over TLS; without it only on this machine.
    pub tls: bool,
    /// PEM file with the authorities of its certificate; empty: those the machine trusts.
    #[serde(skip_serializing_if = "is_empty")]
    pub authorities: PathBuf,
    /// PEM file with the certificate chain that Salus shows; empty: none.
    #[serde(skip_serializing_if = "is_empty")]
    pub certificate: PathBuf,
    /// PEM file with its private key.
    #[serde(skip_serializing_if = "is_empty")]
    pub key: PathBuf,
    /// The feed as which what is pulled from it comes in; empty: nothing is pulled from it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub feed: String,
    /// By which operation.
    #[serde(skip_serializing_if = "Retrieve::is_auto")]
    pub retrieve: Retrieve,
}

/// How objects are pulled from a PACS (PS3.4 annex C).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retrieve {
    /// C-GET, and C-MOVE if that is refused.
    #[default]
    Auto,
    /// C-GET alone: it gives them on the association that asks.
    Get,
    /// C-MOVE alone: it opens an association of its own, to the first of `titles`.
    Move,
}

impl Retrieve {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
    fn is_auto(&self) -> bool {
        *self == Retrieve::Auto
    }
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

/// One `[[dicom.feed]]`: a modality, a PACS, and what it may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedConfig {
    /// Its name, in the record and on the Flow page.
    pub name: String,
    /// The AE titles by which it calls.
    pub calling: Vec<String>,
    /// SOP classes it may store, by UID; `1.2.840.10008.5.1.4.1.1.*` or `*` for more.
    pub classes: Vec<String>,
    /// What it may ask (C-FIND, C-GET, C-MOVE), as SMART scopes; empty: nothing.
    pub queries: Vec<String>,
    /// AE titles of destinations to which it may have objects moved.
    pub destinations: Vec<String>,
    /// SHA-256 fingerprints of its TLS certificates.
    pub certificates: Vec<String>,
    /// Common names or DNS names in its TLS certificates.
    pub subjects: Vec<String>,
    /// The IANA zone of its times without an offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The character set of its data sets that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// The assigning authority of its patient ids without an issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

impl Default for FeedConfig {
    fn default() -> FeedConfig {
        FeedConfig {
            name: String::new(),
            calling: Vec::new(),
            classes: vec!["*".into()],
            queries: Vec::new(),
            destinations: Vec::new(),
            certificates: Vec::new(),
            subjects: Vec::new(),
            zone: None,
            charset: None,
            authority: None,
        }
    }
}
