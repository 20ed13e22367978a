//! An authority, certificates of it, and a client that shows one.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use inlets::mllp::{TlsConfig, TlsMin};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

pub(crate) struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "hospital authority");
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate, key }
    }
}

impl Identity {
    pub(crate) fn fingerprint(&self) -> String {
        let hash = digest(&SHA256, self.certificate.der());
        hash.as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}:"))
            .collect()
    }
}

/// A server's certificate and the authority of its senders, in files.
pub(crate) fn server(folder: &Path, authority: &Authority) -> TlsConfig {
    let server = authority.identity("salus");
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    TlsConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        certificate: write("server.pem", server.certificate.pem()),
        key: write("server.key", server.key.serialize_pem()),
        client_authorities: write("ca.pem", authority.0.pem()),
        tls_min: TlsMin::default(),
    }
}

/// A connection with a certificate, or without one.
pub(crate) async fn dial(
    address: SocketAddr,
    authority: &Authority,
    identity: Option<&Identity>,
) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let client = match identity {
        Some(identity) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
            client
                .with_client_auth_cert(vec![identity.certificate.der().clone()], key)
                .unwrap()
        }
        None => client.with_no_client_auth(),
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    connector.connect(name, stream).await.unwrap()
}
