use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The system that charts come from: where accepted entries are sent on to, and what is compared with
/// what was sealed. The section `[upstream]` of `salus.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Base of a FHIR R4 server, such as `https://ehr.hospital/fhir`; empty: none.
    pub fhir: String,
    /// A file with the bearer token it wants; empty: none.
    pub token_file: PathBuf,
    /// PEM file with the authorities that may vouch for it; empty: the machine's.
    pub authorities: PathBuf,
    /// `tls://host:port` of an MLLP receiver that takes ORU^R01, or `host:port` without TLS; empty:
    /// none. FHIR goes first.
    pub mllp: String,
    /// PEM file with our own certificate chain, for an MLLP receiver that asks for one; empty: none.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// How long it may take to answer.
    pub wait_ms: u64,
    /// How long after a failure the first new try waits; each further one waits twice as long, up
    /// to a hundred times.
    pub retry_ms: u64,
    /// Hours between comparisons of what it has with what was sealed; 0: none.
    pub compare_every_hours: u16,
    /// FHIR types that are compared; empty: each that came by the FHIR door.
    pub compare_types: Vec<String>,
    /// Clients whose resources it must have; empty: every client's.
    pub compare_clients: Vec<String>,
    /// What was sealed or changed there more recently than this waits for the next comparison.
    pub compare_grace_ms: i64,
    /// Resources that are asked for at once.
    pub compare_page: usize,
    /// Pages of one type that are read, at most.
    pub compare_pages_max: u32,
    /// The largest page, in bytes.
    pub compare_page_bytes_max: usize,
    /// Differences that one comparison names, at most.
    pub compare_named_max: u64,
}

impl Default for UpstreamConfig {
    fn default() -> UpstreamConfig {
        UpstreamConfig {
            fhir: String::new(),
            token_file: PathBuf::new(),
            authorities: PathBuf::new(),
            mllp: String::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            wait_ms: 10_000,
            retry_ms: 1_000,
            compare_every_hours: 0,
            compare_types: Vec::new(),
            compare_clients: Vec::new(),
            compare_grace_ms: 600_000,
            compare_page: 50,
            compare_pages_max: 100_000,
            compare_page_bytes_max: 16 << 20,
            compare_named_max: 1_000,
        }
    }
}
