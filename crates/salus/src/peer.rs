//! Client certificates of HTTPS connections: asked for, never demanded, and passed on.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use event::Attempted;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tower::Layer as _;
use web::{App, ClientCertificate};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::config::Https;
use crate::doors::{Doors, Held, Place};

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

/// Accepts TLS connections, as many as there are places for, and says with each request which
/// certificate its connection showed.
#[derive(Clone)]
pub(crate) struct PeerAcceptor {
    tls: RustlsAcceptor,
    doors: Doors,
    app: Arc<App>,
}

impl PeerAcceptor {
    pub(crate) fn new(tls: RustlsConfig, app: Arc<App>, config: &Https) -> PeerAcceptor {
        let wait = Duration::from_millis(config.handshake_ms);
        PeerAcceptor {
            tls: RustlsAcceptor::new(tls).handshake_timeout(wait),
            doors: Doors::new(config),
            app,
        }
    }

    /// A place for one more connection; that there is none is sealed.
    async fn place(&self, source: IpAddr) -> io::Result<Place> {
        match self.doors.enter(source) {
            Ok(place) => Ok(place),
            Err(why) => {
                let refused = (Attempted::Connection, why.to_owned());
                self.app.connection_refused(source, refused).await;
                Err(io::Error::other(why))
            }
        }
    }
}

/// Whether a handshake was broken off for no other reason than that the other side went away: what
/// looks whether a port is open does so all the time.
fn left(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

type Accepting<S> =
    Pin<Box<dyn Future<Output = io::Result<(TlsStream<Held<TcpStream>>, Shown<S>)>> + Send>>;

/// A service whose requests carry the certificate of their connection.
type Shown<S> = axum::middleware::AddExtension<S, Peer>;

/// The certificate of a connection, if it showed one.
#[derive(Debug, Clone)]
pub(crate) struct Peer(pub(crate) Option<ClientCertificate>);

impl<S: Send + 'static> Accept<TcpStream, S> for PeerAcceptor {
    type Stream = TlsStream<Held<TcpStream>>;
    type Service = Shown<S>;
    type Future = Accepting<S>;

    fn accept(&self, stream: TcpStream, service: S) -> Accepting<S> {
        let acceptor = self.clone();
        Box::pin(async move {
            let source = stream.peer_addr()?.ip();
            // Else the last piece of a longer answer waits until the client says that it has the others,
            // which clients put off for 40 ms (RFC 9293 section 3.7.4 and 3.8.6.3).
            stream.set_nodelay(true)?;
            let held = acceptor.place(source).await?.hold(stream);
            let (stream, service) = match acceptor.tls.accept(held, service).await {
                Ok(accepted) => accepted,
                Err(why) if left(&why) => return Err(why),
                Err(why) => {
                    let refused = (Attempted::Handshake, why.to_string());
                    acceptor.app.connection_refused(source, refused).await;
                    return Err(why);
                }
            };
            let shown = stream.get_ref().1.peer_certificates();
            let peer = Peer(shown.and_then(|chain| chain.first()).map(read));
            Ok((stream, axum::Extension(peer).layer(service)))
        })
    }
}

/// Puts the certificate where the web looks for it. Nothing a request says about itself counts.
pub(crate) fn told(mut request: axum::extract::Request) -> axum::extract::Request {
    let peer = request.extensions_mut().remove::<Peer>();
    if let Some(certificate) = peer.and_then(|Peer(certificate)| certificate) {
        request.extensions_mut().insert(certificate);
    }
    request
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
