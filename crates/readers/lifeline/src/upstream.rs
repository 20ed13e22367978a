use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where accepted entries are sent on to: the section `[upstream]` of `salus.toml`.
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
        }
    }
}
