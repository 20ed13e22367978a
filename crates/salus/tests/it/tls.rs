//! Which TLS is spoken, and a new certificate without a restart.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::process::Server;

type Line = StreamOwned<ClientConnection, TcpStream>;

/// A connection that trusts what is in `certificate`.
fn connect(
    server: &Server,
    certificate: &Path,
    version: &'static rustls::SupportedProtocolVersion,
) -> std::io::Result<Line> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    let known = rustls::pki_types::CertificateDer::from_pem_file(certificate).unwrap();
    roots.add(known).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let url = server.text("url");
    let stream = TcpStream::connect(url.trim_start_matches("https://"))?;
    let mut line = StreamOwned::new(client, stream);
    line.conn.complete_io(&mut line.sock)?;
    Ok(line)
}

fn alive(line: &mut Line) -> bool {
    let asked = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    line.write_all(asked).unwrap();
    let mut answer = String::new();
    let mut part = [0; 512];
    while !answer.contains("alive") {
        let read = line.read(&mut part).unwrap();
        if read == 0 {
            return false;
        }
        answer.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    true
}

fn hang_up(server: &Server) {
    server.signal(rustix::process::Signal::HUP);
}

fn replace(server: &Server) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let made = params.self_signed(&key).unwrap();
    fs::write(server.data.join("tls/key.pem"), key.serialize_pem()).unwrap();
    fs::write(server.certificate(), made.pem()).unwrap();
}

#[test]
fn the_newest_tls_is_taken_and_1_2_can_be_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(&folder.path().join("data"));
    let certificate = server.certificate();
    assert!(connect(&server, &certificate, &rustls::version::TLS12).is_ok());
    assert!(connect(&server, &certificate, &rustls::version::TLS13).is_ok());
    drop(server);
    let file = folder.path().join("salus.toml");
    fs::write(&file, "[https]\ntls_min = \"1.3\"\n").unwrap();
    let args = ["--config", file.to_str().unwrap(), "serve"];
    let server = Server::start(&folder.path().join("data"), &args);
    assert!(connect(&server, &certificate, &rustls::version::TLS12).is_err());
    assert!(connect(&server, &certificate, &rustls::version::TLS13).is_ok());
}

#[test]
fn a_new_certificate_is_taken_up_and_old_connections_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::serve(&folder.path().join("data"));
    let (certificate, old) = (server.certificate(), folder.path().join("old.pem"));
    fs::copy(&certificate, &old).unwrap();
    let mut line = connect(&server, &old, &rustls::version::TLS13).unwrap();
    assert!(alive(&mut line));

    // Half of a new pair cannot be used: the old one goes on, and it says so.
    let good = fs::read(&certificate).unwrap();
    fs::write(&certificate, "no certificate").unwrap();
    hang_up(&server);
    assert!(server.until("the old one goes on").contains("HTTPS"));
    assert!(connect(&server, &old, &rustls::version::TLS13).is_ok());
    fs::write(&certificate, good).unwrap();

    replace(&server);
    hang_up(&server);
    server.until("the certificate was read again");
    assert!(alive(&mut line), "the old connection goes on");
    assert!(connect(&server, &old, &rustls::version::TLS13).is_err());
    assert!(connect(&server, &certificate, &rustls::version::TLS13).is_ok());
    assert!(server.stop().success());
}

#[test]
fn a_new_certificate_is_noticed_without_being_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("salus.toml");
    fs::write(&file, "[https]\ncertificate_look_ms = 20\n").unwrap();
    let args = ["--config", file.to_str().unwrap(), "serve"];
    let mut server = Server::start(&folder.path().join("data"), &args);
    replace(&server);
    server.until("the certificate was read again");
    let certificate = server.certificate();
    assert!(connect(&server, &certificate, &rustls::version::TLS13).is_ok());
    assert!(server.stop().success());
}
