//! The server's certificate: the configured one, or a self-signed one made at the first start.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use event::Time;
use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use crate::config::Config;

/// A self-signed certificate lasts this long: 825 days.
const LIFE_MS: i64 = 825 * 24 * 3_600_000;
/// And is valid from a day before it was made, for clocks that are behind.
const BEFORE_MS: i64 = 24 * 3_600_000;

/// Where the certificate and its key are.
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The configured files, or those in the data folder.
pub(crate) fn files(config: &Config) -> Files {
    if config.https.certificate.as_os_str().is_empty() {
        let folder = config.data.join("tls");
        Files {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        }
    } else {
        Files {
            certificate: config.https.certificate.clone(),
            key: config.https.key.clone(),
        }
    }
}

/// The files, with a self-signed certificate made if none is configured and none is there.
pub(crate) fn ensure(config: &Config, now: Time) -> Result<Files> {
    let files = files(config);
    if config.https.certificate.as_os_str().is_empty() && !files.certificate.exists() {
        make(&files, now).context("cannot make a self-signed certificate")?;
    }
    Ok(files)
}

fn make(files: &Files, now: Time) -> Result<()> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Salus, self-signed");
    for address in ["127.0.0.1", "::1"] {
        params
            .subject_alt_names
            .push(SanType::IpAddress(address.parse()?));
    }
    params.not_before = moment(now.plus_millis(-BEFORE_MS));
    params.not_after = moment(now.plus_millis(LIFE_MS));
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    write(&files.key, key.serialize_pem().as_bytes())?;
    write(&files.certificate, certificate.pem().as_bytes())
}

fn moment(at: Time) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.millis() / 1_000)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

/// Writes a new file that only its owner can read.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(())
}

/// The SHA-256 fingerprint of the first certificate in a PEM file, as browsers show it.
pub(crate) fn fingerprint(path: &Path) -> Result<String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let certificate = CertificateDer::from_pem_file(path)
        .with_context(|| format!("cannot read the certificate `{}`", path.display()))?;
    let hash = seal::sha256(&[certificate.as_ref()]);
    Ok(hash
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":"))
}

/// When the first certificate in a PEM file stops being valid.
pub(crate) fn expiry(path: &Path) -> Result<Time> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let der = CertificateDer::from_pem_file(path)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der)?;
    Ok(Time::from_millis(
        parsed
            .validity()
            .not_after
            .timestamp()
            .saturating_mul(1_000),
    ))
}
