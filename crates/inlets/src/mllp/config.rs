use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The section `[mllp]`: HL7 v2 over MLLP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where plain MLLP is listened for. Loopback only; an empty list: nowhere.
    pub listen: Vec<SocketAddr>,
    /// The IANA zone of times without an offset, for feeds that name none.
    pub zone: String,
    /// The character set of messages with an empty MSH-18 (HL7 table 0211), for feeds that name
    /// none.
    pub charset: String,
    /// The assigning authority of identifiers that name none, for feeds that name none.
    pub authority: String,
    /// Connections at a time; one more is closed at once.
    pub connections_max: usize,
    /// Connections with one certificate at a time; one more is closed at once.
    pub connections_per_sender_max: usize,
    /// TLS handshakes at a time, by which nobody is known yet; one more is closed at once.
    pub handshakes_max: usize,
    /// Those of one address (of IPv6, of a /64).
    pub handshakes_per_address_max: usize,
    /// Milliseconds one may take.
    pub handshake_ms: u64,
    /// Bytes in one message; a longer one is refused.
    pub frame_bytes_max: usize,
    /// Messages in one frame (FHS, BHS); a frame with more is refused as a whole.
    pub batch_messages_max: usize,
    /// Bytes kept of what cannot be a message.
    pub unread_bytes_kept_max: usize,
    /// Unreadable or refused messages in a row before a connection is closed.
    pub unread_in_a_row_max: usize,
    /// Messages of one connection that are read but not yet answered.
    pub in_flight_max: usize,
    /// Bytes of messages of one connection that are read but not yet answered; one message may be
    /// larger.
    pub in_flight_bytes_max: usize,
    /// Bytes of unfinished messages of all connections together.
    pub unfinished_bytes_max: usize,
    /// Patients that the answer to one query (QBP) names; more are refused.
    pub query_patients_max: usize,
    /// Milliseconds without a byte between messages before a connection is closed.
    pub idle_ms: u64,
    /// Milliseconds a message may take from its first byte to its last.
    pub frame_ms: u64,
    /// Milliseconds of silence after which a message without the last byte of its end block, or
    /// bytes that are no message, are answered.
    pub settle_ms: u64,
    /// Milliseconds an answer may take to be written.
    pub write_ms: u64,
    /// MLLP over TLS with client certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Who may send what. The first that fits the sender counts.
    #[serde(rename = "feed")]
    pub feeds: Vec<FeedConfig>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 2575))],
            zone: "UTC".into(),
            charset: "UNICODE UTF-8".into(),
            authority: "hospital".into(),
            connections_max: 4_096,
            connections_per_sender_max: 512,
            handshakes_max: 4_096,
            handshakes_per_address_max: 32,
            handshake_ms: 10_000,
            frame_bytes_max: 64 << 20,
            batch_messages_max: 10_000,
            unread_bytes_kept_max: 64 << 10,
            unread_in_a_row_max: 1_000,
            in_flight_max: 256,
            in_flight_bytes_max: 8 << 20,
            unfinished_bytes_max: 512 << 20,
            query_patients_max: 50,
            idle_ms: 3_600_000,
            frame_ms: 60_000,
            settle_ms: 250,
            write_ms: 30_000,
            tls: None,
            feeds: vec![FeedConfig {
                name: "loopback".into(),
                ..FeedConfig::default()
            }],
        }
    }
}

static TLS13_ALONE: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The oldest version of TLS that is spoken. The newest that both sides know is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsMin {
    /// TLS 1.2 (RFC 5246), for senders that know nothing newer.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsMin {
    /// The versions that are spoken.
    pub fn versions(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        match self {
            TlsMin::Tls12 => rustls::ALL_VERSIONS,
            TlsMin::Tls13 => TLS13_ALONE,
        }
    }
}

/// The section `[mllp.tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Where MLLP over TLS is listened for.
    pub listen: Vec<SocketAddr>,
    /// PEM file with the certificate chain shown to senders.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// PEM file with the authorities (or the certificates themselves) that senders' certificates
    /// are checked against.
    pub client_authorities: PathBuf,
    /// The oldest version of TLS that is spoken.
    #[serde(default)]
    pub tls_min: TlsMin,
}

/// One `[[mllp.feed]]`: a sender and what it may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedConfig {
    /// Its name, in the record and on the Flow page.
    pub name: String,
    /// Message kinds it may send: `ORU^R01`, `ADT^*` or `*`.
    pub messages: Vec<String>,
    /// Sending facilities (MSH-4) it may speak for; empty: any.
    pub facilities: Vec<String>,
    /// Sending applications (MSH-3) it may speak as; empty: any.
    pub applications: Vec<String>,
    /// SHA-256 fingerprints of its TLS certificates, in hex.
    pub certificates: Vec<String>,
    /// Common names or DNS names in its TLS certificates.
    pub subjects: Vec<String>,
    /// What it may ask (QBP), as SMART scopes, for instance `system/Patient.s`; empty: nothing.
    pub queries: Vec<String>,
    /// The IANA zone of its times without an offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The character set of its messages with an empty MSH-18 (HL7 table 0211).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// The assigning authority of its identifiers that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

impl Default for FeedConfig {
    fn default() -> FeedConfig {
        FeedConfig {
            name: String::new(),
            messages: vec!["*".into()],
            facilities: Vec::new(),
            applications: Vec::new(),
            certificates: Vec::new(),
            subjects: Vec::new(),
            queries: Vec::new(),
            zone: None,
            charset: None,
            authority: None,
        }
    }
}
