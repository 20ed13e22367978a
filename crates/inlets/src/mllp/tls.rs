//! TLS with client certificates: who is at the other end.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{Error, TlsConfig};

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
pub(crate) fn server(config: &TlsConfig) -> Result<Arc<ServerConfig>, Error> {
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
        .map_err(|why| Error::Tls(why.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|why| Error::Tls(why.to_string()))?;
    Ok(Arc::new(server))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_file_iter(path).map_err(|why| unusable(path, &why))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|why| unusable(path, &why))?;
    if found.is_empty() {
        return Err(unusable(path, &"there is no certificate in it"));
    }
    Ok(found)
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Certificate {
        path: path.to_owned(),
        why: why.to_string(),
    }
}
