//! Whom other servers are checked against: TLS configurations, read from their files once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// How long what was read is good, though none of its files was written to: the machine's own
/// authorities are many files.
const GOOD: Duration = Duration::from_secs(3_600);
/// The most configurations that are kept.
const KEPT_MAX: usize = 64;

/// By what both sides of a TLS connection know each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys<'a> {
    /// PEM file with the authorities that are trusted; empty: those the machine trusts.
    pub authorities: &'a Path,
    /// PEM file with our own certificate chain, for a server that asks for one; empty: none.
    pub certificate: &'a Path,
    /// PEM file with its private key.
    pub key: &'a Path,
}

impl<'a> Keys<'a> {
    /// No certificate of our own.
    pub(crate) fn of(authorities: &'a Path) -> Keys<'a> {
        Keys {
            authorities,
            certificate: Path::new(""),
            key: Path::new(""),
        }
    }

    fn paths(self) -> [PathBuf; 3] {
        [self.authorities, self.certificate, self.key].map(Path::to_owned)
    }
}

/// Configurations by the files that they were read from. One is read again when a file of it was
/// written to. Connections made with one and the same configuration resume each other's sessions.
#[derive(Debug, Default)]
pub(crate) struct Trust(Mutex<HashMap<[PathBuf; 3], Known>>);

#[derive(Debug, Clone)]
struct Known {
    read: Instant,
    files: [Option<(SystemTime, u64)>; 3],
    config: Arc<ClientConfig>,
}

impl Trust {
    /// The configuration for these files.
    ///
    /// # Errors
    /// In words: what is wrong with the files.
    pub(crate) async fn of(&self, keys: Keys<'_>) -> Result<Arc<ClientConfig>, String> {
        let paths = keys.paths();
        let files = stamps(&paths);
        let known = self.lock().get(&paths).cloned();
        let known = known.filter(|one| one.files == files && one.read.elapsed() < GOOD);
        if let Some(known) = known {
            return Ok(known.config);
        }
        // Reading the machine's authorities takes a while, and others are answered meanwhile.
        let from = paths.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let [authorities, certificate, key] = &from;
            read(Keys {
                authorities,
                certificate,
                key,
            })
        });
        let config = reading.await.map_err(|why| why.to_string())??;
        let known = Known {
            read: Instant::now(),
            files,
            config: Arc::new(config),
        };
        let config = Arc::clone(&known.config);
        let mut all = self.lock();
        if all.len() >= KEPT_MAX {
            all.clear();
        }
        all.insert(paths, known);
        Ok(config)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[PathBuf; 3], Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When each file was last written to, and how long it is; `None`: there is none.
fn stamps(paths: &[PathBuf; 3]) -> [Option<(SystemTime, u64)>; 3] {
    paths.each_ref().map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

/// TLS 1.3 and 1.2 with servers whose certificate one of these authorities signed: of a PEM file, or,
/// if the path is empty, those that the machine trusts.
///
/// # Errors
/// In words: what is wrong with the file.
pub fn trusting(authorities: &Path) -> Result<ClientConfig, String> {
    read(Keys::of(authorities))
}

/// The same, showing a certificate chain of our own (two PEM files: the chain, its private key) to a
/// server that asks for one.
///
/// # Errors
/// In words: what is wrong with the files.
pub fn presenting(
    authorities: &Path,
    (certificate, key): (&Path, &Path),
) -> Result<ClientConfig, String> {
    read(Keys {
        authorities,
        certificate,
        key,
    })
}

fn read(keys: Keys<'_>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(keys.authorities)?);
    if added == 0 {
        return Err("there is no certificate of an authority to trust".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .with_root_certificates(roots);
    if keys.certificate.as_os_str().is_empty() {
        return Ok(config.with_no_client_auth());
    }
    let key = PrivateKeyDer::from_pem_file(keys.key);
    let key = key.map_err(|_| format!("`{}` holds no private key", keys.key.display()))?;
    let own = config.with_client_auth_cert(certificates(keys.certificate)?, key);
    own.map_err(|why| format!("`{}`: {why}", keys.certificate.display()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    if file.as_os_str().is_empty() {
        return Ok(rustls_native_certs::load_native_certs().certs);
    }
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    found.map_err(|why| format!("cannot read certificates in `{}`: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(name: &str) -> String {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        made.cert.pem()
    }

    #[tokio::test]
    async fn files_are_read_once_and_again_when_they_were_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authorities.pem");
        std::fs::write(&path, authority("one.example")).unwrap();
        let trust = Trust::default();
        let first = trust.of(Keys::of(&path)).await.unwrap();
        let again = trust.of(Keys::of(&path)).await.unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let two = [authority("one.example"), authority("two.example")].concat();
        std::fs::write(&path, two).unwrap();
        let changed = trust.of(Keys::of(&path)).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &changed));
        std::fs::write(&path, "no certificate").unwrap();
        let why = trust.of(Keys::of(&path)).await.unwrap_err();
        assert!(why.contains("no certificate of an authority"), "{why}");
        std::fs::remove_file(&path).unwrap();
        let why = trust.of(Keys::of(&path)).await.unwrap_err();
        assert!(why.contains("authorities.pem"), "{why}");
    }
}
