use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use inlets::mllp::{Config, FeedConfig, TlsConfig, TlsMin};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::house::{House, Line, config, feed, framed, message, oru, reasons};

struct Authority(CertifiedIssuer<'static, KeyPair>);

struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "hospital authority");
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn identity(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate, key }
    }
}

impl Identity {
    fn fingerprint(&self) -> String {
        let hash = digest(&SHA256, self.certificate.der());
        hash.as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}:"))
            .collect()
    }
}

fn tls_config(folder: &Path, authority: &Authority, feeds: Vec<FeedConfig>) -> Config {
    let server = authority.identity("salus");
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let tls = TlsConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        certificate: write("server.pem", server.certificate.pem()),
        key: write("server.key", server.key.serialize_pem()),
        client_authorities: write("ca.pem", authority.0.pem()),
        tls_min: TlsMin::default(),
    };
    Config {
        listen: Vec::new(),
        tls: Some(tls),
        feeds,
        ..config()
    }
}

async fn connect(
    house: &House,
    authority: &Authority,
    identity: Option<&Identity>,
) -> Line<TlsStream<TcpStream>> {
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
    let stream = TcpStream::connect(house.addresses[0]).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    Line::new(
        TlsConnector::from(Arc::new(client))
            .connect(name, stream)
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn a_certificate_is_bound_to_what_it_may_send() {
    let authority = Authority::new();
    let (lab, adt, eve) = (
        authority.identity("lab"),
        authority.identity("adt"),
        authority.identity("eve"),
    );
    let folder = tempfile::TempDir::new().unwrap();
    let feeds = vec![
        FeedConfig {
            certificates: vec![lab.fingerprint().trim_end_matches(':').into()],
            ..feed("lab", &["ORU^*"])
        },
        FeedConfig {
            subjects: vec!["adt".into()],
            ..feed("adt", &["ADT^*"])
        },
        feed("anyone", &["*"]),
    ];
    let house = House::open(tls_config(folder.path(), &authority, feeds)).await;
    let stream = [framed(oru("1")), framed(message("ADT^A01", "2"))].concat();
    for (identity, expected) in [
        (&lab, ["AA 1", "AR 2"]),
        (&adt, ["AR 1", "AA 2"]),
        (&eve, ["AR 1", "AR 2"]),
    ] {
        let mut line = connect(&house, &authority, Some(identity)).await;
        line.send(&stream).await;
        assert_eq!(line.codes(2).await, expected);
    }
    assert_eq!(
        reasons(&house.sealed().await),
        [
            "feed `lab` may not send `ADT^A01`",
            "feed `adt` may not send `ORU^R01`",
            "feed `unknown` may not send `ORU^R01`",
            "feed `unknown` may not send `ADT^A01`",
        ]
    );
    house.close().await;
}

#[tokio::test]
async fn nobody_talks_without_a_certificate_of_the_authority() {
    let authority = Authority::new();
    let folder = tempfile::TempDir::new().unwrap();
    let house = House::open(tls_config(
        folder.path(),
        &authority,
        vec![feed("lab", &["*"])],
    ))
    .await;
    let mut line = connect(&house, &authority, None).await;
    assert_eq!(line.answer().await, None);
    let forged = Authority::new().identity("lab");
    let mut line = connect(&house, &authority, Some(&forged)).await;
    assert_eq!(line.answer().await, None);
    assert!(house.sealed().await.is_empty());
    house.close().await;
}
