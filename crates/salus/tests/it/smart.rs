//! The real server's edge: client certificates, bound tokens, and requests that want to be two.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::process::{Server, json};

/// A certificate and its key.
pub(crate) type Pair = (CertificateDer<'static>, Vec<u8>);

fn config(certificate: &Path, own: Option<&Pair>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::try_from(key.clone()).unwrap();
            builder
                .with_client_auth_cert(vec![certificate.clone()], key)
                .unwrap()
        }
    }
}

/// A connection over TLS that is ready to be written to.
pub(crate) fn line(
    server: &Server,
    own: Option<&Pair>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let url = server.text("url");
    let address = url.trim_start_matches("https://");
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(30)))
        .unwrap();
    let config = Arc::new(config(&server.certificate(), own));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut line = StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream);
    // One that is refused is closed before it has begun.
    let _ = line.conn.complete_io(&mut line.sock);
    line
}

/// Sends bytes over TLS and reads until the server closes.
pub(crate) fn send(server: &Server, own: Option<&Pair>, bytes: &[u8]) -> String {
    let mut stream = line(server, own);
    // A server that refuses may close before everything is written.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(server: &Server, own: Option<&Pair>, form: &str) -> String {
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: salus\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    send(server, own, request.as_bytes())
}

fn read(server: &Server, own: Option<&Pair>, token: &str) -> String {
    let request = format!(
        "GET /fhir/Patient/nobody HTTP/1.1\r\nHost: salus\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    let answer = send(server, own, request.as_bytes());
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn of(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.der().clone(), key.serialize_der())
}

#[test]
fn a_client_certificate_is_asked_for_and_binds_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let (known, strange) = (authority(), authority());
    let authorities = folder.path().join("authorities.pem");
    std::fs::write(&authorities, known.pem()).unwrap();
    let file = folder.path().join("salus.toml");
    std::fs::write(
        &file,
        format!("[https]\nclient_authorities = {authorities:?}\n"),
    )
    .unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &["--config", file.to_str().unwrap(), "serve"]);
    let add = [
        "client",
        "add",
        "pacs",
        "--certificate",
        "pacs.example",
        "--scope",
        "system/*.rs",
    ];
    let made = json(&data, &add);
    assert_eq!(made, serde_json::json!({"id": "pacs", "token": null}));
    let form = "grant_type=client_credentials&client_id=pacs&scope=system%2F*.rs";
    let (own, other) = (of(&known, "pacs.example"), of(&known, "other.example"));
    let told = post(&server, Some(&own), form);
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    let body = told.split("\r\n\r\n").nth(1).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(read(&server, Some(&own), token), "404");
    for wrong in [None, Some(&other), Some(&of(&known, "pacs.example"))] {
        assert_eq!(read(&server, wrong, token), "401");
    }
    for wrong in [None, Some(&other)] {
        assert!(post(&server, wrong, form).starts_with("HTTP/1.1 401"));
    }
    // Of an authority that nobody trusts: not even a connection.
    assert!(!post(&server, Some(&of(&strange, "pacs.example")), form).contains("HTTP/1.1 200"));
    assert!(server.stop().success());
}

#[test]
fn a_request_that_wants_to_be_two_is_one_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(&folder.path().join("data"));
    let smuggled = "GET /fhir/metadata HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    let chunks = format!("0\r\n\r\n{smuggled}");
    let (length, all) = (smuggled.len() + 5, chunks.len());
    for (name, head) in [
        (
            "CL.TE",
            format!("Content-Length: {all}\r\nTransfer-Encoding: chunked\r\n"),
        ),
        (
            "TE.CL",
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        ),
        (
            "two lengths",
            format!("Content-Length: 5\r\nContent-Length: {all}\r\n"),
        ),
        (
            "two encodings",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
        ),
        ("a space", "Transfer-Encoding : chunked\r\n".to_owned()),
        ("another word", "Transfer-Encoding: xchunked\r\n".to_owned()),
        ("a sign", format!("Content-Length: +{all}\r\n")),
        (
            "a bare line feed",
            "Content-Length: 5\nX: y\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        ),
        (
            "a folded line",
            "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n".to_owned(),
        ),
    ] {
        let request = format!(
            "POST /fhir/Patient HTTP/1.1\r\nHost: salus\r\nContent-Type: application/fhir+json\r\n{head}\r\n{chunks}"
        );
        let answer = send(&server, None, request.as_bytes());
        assert!(!answer.contains("CapabilityStatement"), "{name}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{name}: {answer}");
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{name}: {answer}"
        );
    }
    assert!(server.stop().success());
}
