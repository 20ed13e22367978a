//! The server's TLS, and taking up a new certificate without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum_server::tls_rustls::RustlsConfig;
use inlets::Reload;
use inlets::mllp::TlsMin;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use crate::certificate::{self, Files};
use crate::config::{self, Config};
use crate::peer;

/// What HTTPS is served with: HTTP/2 first, then HTTP/1.1.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What HTTPS is to be served with.
pub(crate) struct Https {
    files: Files,
    min: TlsMin,
    /// PEM file with the authorities of client certificates; empty: none is asked for.
    authorities: PathBuf,
}

impl Https {
    pub(crate) fn new(files: Files, config: &config::Https) -> Https {
        Https {
            files,
            min: config.tls_min,
            authorities: config.client_authorities.clone(),
        }
    }

    /// As the files have it now.
    pub(crate) fn read(&self) -> Result<Arc<ServerConfig>> {
        https(&self.files, self.min, &self.authorities)
    }
}

fn https(files: &Files, min: TlsMin, authorities: &Path) -> Result<Arc<ServerConfig>> {
    let named = |path: &PathBuf| format!("`{}`", path.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .with_context(|| named(&files.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).with_context(|| named(&files.key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(min.versions())?;
    let builder = match authorities.as_os_str().is_empty() {
        true => builder.with_no_client_auth(),
        false => builder.with_client_cert_verifier(peer::verifier(authorities, provider)?),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .with_context(|| format!("{} with {}", named(&files.certificate), named(&files.key)))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

/// Takes up certificates that changed: on SIGHUP, and by itself.
pub(crate) struct Renewal {
    https: (RustlsConfig, Https),
    /// Of what, how it is read again, and from which files.
    others: Vec<(&'static str, Reload, Vec<PathBuf>)>,
    look: Duration,
    hangup: Signal,
}

impl Renewal {
    pub(crate) fn new(
        config: &Config,
        https: (RustlsConfig, Https),
        ([mllp, syslog, dicom], hangup): ([Option<Reload>; 3], Signal),
    ) -> Renewal {
        let of = |tls: &inlets::mllp::TlsConfig| {
            vec![
                tls.certificate.clone(),
                tls.key.clone(),
                tls.client_authorities.clone(),
            ]
        };
        let named = |name, reload: Option<Reload>, tls: Option<&inlets::mllp::TlsConfig>| {
            Some((name, reload?, of(tls?)))
        };
        let others = [
            named("MLLP", mllp, config.mllp.tls.as_ref()),
            named("syslog", syslog, config.signals.syslog.tls.as_ref()),
            named("DICOM", dicom, config.dicom.tls.as_ref()),
        ];
        Renewal {
            https,
            others: others.into_iter().flatten().collect(),
            look: Duration::from_millis(config.https.certificate_look_ms.max(1)),
            hangup,
        }
    }

    /// Runs until `stop`. A certificate that cannot be used leaves the one before in place.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut seen = (self.https_state(), self.other_states());
        loop {
            let told = tokio::select! {
                () = stop.cancelled() => return,
                _ = self.hangup.recv() => true,
                () = tokio::time::sleep(self.look) => false,
            };
            let now = (self.https_state(), self.other_states());
            if told || now.0 != seen.0 {
                self.renew_https();
            }
            for (other, (now, seen)) in self.others.iter().zip(now.1.iter().zip(&seen.1)) {
                if told || now != seen {
                    renew(other);
                }
            }
            // A certificate that cannot be used is tried again when its files change again.
            seen = now;
        }
    }

    fn renew_https(&self) {
        let (served, wanted) = &self.https;
        match wanted.read() {
            Ok(config) => {
                served.reload_from_config(config);
                let certificate = &wanted.files.certificate;
                let sha256 = certificate::fingerprint(certificate).unwrap_or_default();
                tracing::info!(sha256, "HTTPS: the certificate was read again");
            }
            Err(why) => {
                let why = format!("{why:#}");
                tracing::error!(
                    why,
                    "HTTPS: the new certificate cannot be used; the old one goes on"
                );
            }
        }
    }

    fn https_state(&self) -> Vec<Option<[u8; 32]>> {
        let (_, wanted) = &self.https;
        state(&[
            wanted.files.certificate.clone(),
            wanted.files.key.clone(),
            wanted.authorities.clone(),
        ])
    }

    fn other_states(&self) -> Vec<Vec<Option<[u8; 32]>>> {
        self.others
            .iter()
            .map(|(_, _, files)| state(files))
            .collect()
    }
}

fn renew((of, reload, _): &(&'static str, Reload, Vec<PathBuf>)) {
    match reload.now() {
        Ok(()) => tracing::info!("{of}: the certificate was read again"),
        Err(why) => {
            tracing::error!(%why, "{of}: the new certificate cannot be used; the old one goes on");
        }
    }
}

/// What is in the files: a hash of each.
fn state(files: &[PathBuf]) -> Vec<Option<[u8; 32]>> {
    let hash = |path: &PathBuf| {
        std::fs::read(path)
            .ok()
            .map(|bytes| seal::sha256(&[&bytes]))
    };
    files.iter().map(hash).collect()
}
