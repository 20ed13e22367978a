//! The options of `salus send`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Where to: `host:port` or `tls://host:port` for HL7 v2 over MLLP, `https://...` for the base
    /// of a FHIR server.
    #[arg(required_unless_present = "list")]
    pub(crate) target: Option<String>,
    /// The kinds to send, such as `ADT^A01`; for a FHIR server: `Patient`, `Observation`
    /// [default: ORU^R01; Patient].
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    pub(crate) kinds: Vec<String>,
    /// One message of every kind, one after the other.
    #[arg(long, conflicts_with_all = ["kinds", "files"])]
    pub(crate) all: bool,
    /// Say which kinds there are, and send nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Send this file as it is instead: an HL7 v2 message, or a FHIR resource.
    #[arg(long = "file", value_name = "FILE", conflicts_with = "kinds")]
    pub(crate) files: Vec<PathBuf>,
    /// The sending application (MSH-3): what the feed of the receiver is bound to.
    #[arg(long, default_value = "SALUSTEST")]
    pub(crate) application: String,
    /// The sending facility (MSH-4).
    #[arg(long, default_value = "SALUSTEST")]
    pub(crate) facility: String,
    /// A file with the bearer token for a FHIR server.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// PEM file with the authorities that the receiver's certificate is checked against
    /// [default: those the machine trusts].
    #[arg(long, value_name = "FILE")]
    pub(crate) authorities: Option<PathBuf>,
    /// PEM file with our own certificate chain, for a receiver that asks for one.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// PEM file with its private key.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// How long an answer may take, in milliseconds.
    #[arg(long, default_value_t = 10_000, value_name = "MILLISECONDS")]
    pub(crate) wait_ms: u64,
}
