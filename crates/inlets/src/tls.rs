//! TLS with client certificates: who is at the other end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::mllp::TlsConfig;

/// Why TLS cannot be spoken: a file, or all of them together.
#[derive(Debug)]
pub(crate) struct Unusable {
    pub(crate) path: Option<PathBuf>,
    pub(crate) why: String,
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.path {
            Some(path) => write!(f, "cannot use `{}` for TLS: {}", path.display(), self.why),
            None => write!(f, "the settings of TLS do not fit together: {}", self.why),
        }
    }
}

/// Reads certificate, key and authorities again while an inlet runs. Connections that are there
/// go on as they are.
#[derive(Clone)]
pub struct Reload {
    config: TlsConfig,
    served: watch::Sender<TlsAcceptor>,
}

impl Reload {
    /// What reads these files again, and what connections that come are met with.
    pub(crate) fn new(
        config: &TlsConfig,
    ) -> Result<(Reload, watch::Receiver<TlsAcceptor>), Unusable> {
        let (served, taken) = watch::channel(TlsAcceptor::from(server(config)?));
        let config = config.clone();
        Ok((Reload { config, served }, taken))
    }

    /// Takes up what the files hold now.
    ///
    /// # Errors
    /// In words, if they cannot be used; what was served before goes on.
    pub fn now(&self) -> Result<(), String> {
        let server = server(&self.config).map_err(|why| why.to_string())?;
        self.served.send_replace(TlsAcceptor::from(server));
        Ok(())
    }
}

/// What a sender's certificate says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// SHA-256 of the certificate, in hex.
    pub(crate) fingerprint: String,
    /// Common names and DNS names.
    pub(crate) names: Vec<String>,
}

impl Peer {
    /// Who made this connection; `None` only if it was made without a certificate.
    pub(crate) fn of(connection: &ServerConnection) -> Option<Peer> {
        let certificate = connection.peer_certificates()?.first()?;
        let hash = digest::digest(&digest::SHA256, certificate);
        Some(Peer {
            fingerprint: hash
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            names: names(certificate),
        })
    }
}

fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let common = parsed.subject().iter_common_name();
    let mut names: Vec<String> = common
        .filter_map(|name| name.as_str().ok().map(str::to_owned))
        .collect();
    if let Ok(Some(alternative)) = parsed.subject_alternative_name() {
        names.extend(
            alternative
                .value
                .general_names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some((*name).to_owned()),
                    _ => None,
                }),
        );
    }
    names
}

/// A server that talks to nobody without a certificate of a known authority.
pub(crate) fn server(config: &TlsConfig) -> Result<Arc<ServerConfig>, Unusable> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in certificates(&config.client_authorities)? {
        let add = roots.add(authority);
        add.map_err(|why| unusable(&config.client_authorities, &why))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|why| unusable(&config.client_authorities, &why))?;
    let chain = certificates(&config.certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(&config.key).map_err(|why| unusable(&config.key, &why))?;
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(config.tls_min.versions())
        .map_err(|why| together(&why))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|why| together(&why))?;
    Ok(Arc::new(server))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let found = CertificateDer::pem_file_iter(path).map_err(|why| unusable(path, &why))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|why| unusable(path, &why))?;
    if found.is_empty() {
        return Err(unusable(path, &"there is no certificate in it"));
    }
    Ok(found)
}

/// SHA-256 fingerprints as they are written: hex in lower case without colons, as [`Peer`] has it.
///
/// # Errors
/// In words, what is none.
pub(crate) fn fingerprints(written: &[String]) -> Result<Vec<String>, String> {
    let read = |written: &String| {
        let hex = written.replace([':', ' '], "").to_ascii_lowercase();
        if hex.len() == 64 && hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Ok(hex);
        }
        Err(format!(
            "`{written}` is no SHA-256 fingerprint: it takes 64 hex digits"
        ))
    };
    written.iter().map(read).collect()
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Unusable {
    Unusable {
        path: Some(path.to_owned()),
        why: why.to_string(),
    }
}

fn together(why: &dyn std::fmt::Display) -> Unusable {
    Unusable {
        path: None,
        why: why.to_string(),
    }
}
