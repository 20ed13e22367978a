//! Client certificates of HTTPS connections: asked for, never demanded, and passed on.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tower::Layer as _;
use web::ClientCertificate;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Asks for certificates of these authorities: browsers that have none go on without.
pub(crate) fn verifier(
    authorities: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>> {
    let roots = Arc::new(roots(authorities)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
    Ok(verifier.allow_unauthenticated().build()?)
}

fn roots(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        let added = roots.add(authority);
        added.with_context(|| format!("`{}` holds no authority", path.display()))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let said = || format!("cannot read the certificates in `{}`", path.display());
    let found = CertificateDer::pem_file_iter(path).with_context(said)?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.with_context(said)?;
    if found.is_empty() {
        bail!("there is no certificate in `{}`", path.display());
    }
    Ok(found)
}

/// Accepts TLS connections and says with each request which certificate its connection showed.
#[derive(Clone)]
pub(crate) struct PeerAcceptor(RustlsAcceptor);

impl PeerAcceptor {
    pub(crate) fn new(config: RustlsConfig) -> PeerAcceptor {
        PeerAcceptor(RustlsAcceptor::new(config))
    }
}

type Accepting<S> =
    Pin<Box<dyn Future<Output = io::Result<(TlsStream<TcpStream>, Shown<S>)>> + Send>>;

/// A service whose requests carry the certificate of their connection.
type Shown<S> = axum::middleware::AddExtension<S, Peer>;

/// The certificate of a connection, if it showed one.
#[derive(Debug, Clone)]
pub(crate) struct Peer(pub(crate) Option<ClientCertificate>);

impl<S: Send + 'static> Accept<TcpStream, S> for PeerAcceptor {
    type Stream = TlsStream<TcpStream>;
    type Service = Shown<S>;
    type Future = Accepting<S>;

    fn accept(&self, stream: TcpStream, service: S) -> Accepting<S> {
        let acceptor = self.0.clone();
        Box::pin(async move {
            let (stream, service) = acceptor.accept(stream, service).await?;
            let shown = stream.get_ref().1.peer_certificates();
            let peer = Peer(shown.and_then(|chain| chain.first()).map(read));
            Ok((stream, axum::Extension(peer).layer(service)))
        })
    }
}

/// Puts the certificate where the web looks for it. Nothing a request says about itself counts.
pub(crate) async fn pass_on(
    mut request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    let peer = request.extensions_mut().remove::<Peer>();
    if let Some(certificate) = peer.and_then(|Peer(certificate)| certificate) {
        request.extensions_mut().insert(certificate);
    }
    next.run(request).await
}

fn read(certificate: &CertificateDer<'_>) -> ClientCertificate {
    ClientCertificate {
        sha256: seal::sha256(&[certificate.as_ref()]),
        names: names(certificate),
    }
}

fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let common = parsed.subject().iter_common_name();
    let common = common.filter_map(|name| name.as_str().ok().map(str::to_owned));
    let mut names: Vec<String> = common.collect();
    if let Ok(Some(alternative)) = parsed.subject_alternative_name() {
        let all = alternative.value.general_names.iter();
        names.extend(all.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        }));
    }
    names
}
