//! Asks another server, over HTTPS (plain HTTP only on this machine): no redirects, bounded in
//! size and time. Only addresses that an operator registered, that stand in the configuration, or
//! that the provider named there gives, are asked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, IF_MATCH, IF_NONE_MATCH};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How another server is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// PEM file with the authorities that are trusted; empty: those the machine trusts.
    pub authorities: &'a Path,
    pub wait_ms: u64,
    pub bytes_max: usize,
}

/// A body that is sent, with the `Authorization` that goes with it.
pub(crate) struct Form {
    pub sent: Sent,
    pub body: String,
    pub authorization: Option<String>,
    /// What must hold there; `None`: whatever stands there is replaced.
    pub condition: Option<Condition>,
}

/// What must hold where a body is sent to (RFC 9110 section 13.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing stands there (`If-None-Match: *`).
    Absent,
    /// This entity tag still stands there (`If-Match`).
    Tag(String),
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The fields of a form: POST.
    Form,
    /// Nothing: GET, with an `Authorization`.
    Nothing,
    /// A FHIR resource: PUT.
    Resource,
}

struct Place {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

/// What stands at `url`, or what is answered to `form`: the status and the body.
///
/// # Errors
/// In words, for the log.
pub(crate) async fn ask(
    url: &str,
    form: Option<Form>,
    terms: Terms<'_>,
) -> Result<(u16, Bytes), String> {
    let place = place(url)?;
    let wait = Duration::from_millis(terms.wait_ms);
    let asked = tokio::time::timeout(wait, connect(&place, form, terms)).await;
    let asked = asked.map_err(|_| format!("no answer within {} ms", terms.wait_ms))?;
    asked.map_err(|why| format!("`{}`: {why}", place.host))
}

fn place(url: &str) -> Result<Place, String> {
    let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no address"))?;
    let host = uri.host().ok_or("the address names no host")?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let here = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") if here => false,
        _ => return Err("only `https://` is asked, or `http://` on this machine".to_owned()),
    };
    Ok(Place {
        port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        path: uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned(),
        host,
        tls,
    })
}

async fn connect(
    place: &Place,
    form: Option<Form>,
    terms: Terms<'_>,
) -> Result<(u16, Bytes), String> {
    let said = |why: std::io::Error| why.to_string();
    let stream = TcpStream::connect((place.host.as_str(), place.port))
        .await
        .map_err(said)?;
    if !place.tls {
        return send(stream, place, form, terms.bytes_max).await;
    }
    let keys = Keys {
        authorities: terms.authorities,
        certificate: Path::new(""),
        key: Path::new(""),
    };
    let stream = secured(stream, &place.host, keys).await?;
    send(stream, place, form, terms.bytes_max).await
}

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

/// TLS with a server whose certificate must name `host`.
///
/// # Errors
/// In words, for the log.
pub(crate) async fn secured(
    stream: TcpStream,
    host: &str,
    keys: Keys<'_>,
) -> Result<TlsStream<TcpStream>, String> {
    let connector = TlsConnector::from(Arc::new(trusting(keys)?));
    let name = ServerName::try_from(host.to_owned()).map_err(|why| why.to_string())?;
    let secured = connector.connect(name, stream).await;
    secured.map_err(|why| why.to_string())
}

fn trusting(keys: Keys<'_>) -> Result<ClientConfig, String> {
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

fn certificates(authorities: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    if authorities.as_os_str().is_empty() {
        return Ok(rustls_native_certs::load_native_certs().certs);
    }
    let found = CertificateDer::pem_file_iter(authorities).and_then(Iterator::collect);
    found.map_err(|_| format!("`{}` holds no certificates", authorities.display()))
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: &Place,
    form: Option<Form>,
    bytes_max: usize,
) -> Result<(u16, Bytes), String> {
    let request = request(place, form)?;
    let shaken = handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|why| why.to_string())?;
    let driving = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await;
        let response = response.map_err(|why| why.to_string())?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), bytes_max)
            .collect()
            .await;
        let body =
            body.map_err(|_| format!("its answer broke off or is over {bytes_max} bytes"))?;
        Ok((status, body.to_bytes()))
    };
    let answer = answer.await;
    driving.abort();
    answer
}

fn request(place: &Place, form: Option<Form>) -> Result<hyper::Request<Full<Bytes>>, String> {
    let host = match place.port {
        443 | 80 => place.host.clone(),
        port => format!("{}:{port}", place.host),
    };
    let request = hyper::Request::builder()
        .uri(&place.path)
        .header(HOST, host)
        .header(ACCEPT, "application/json");
    let request = match form {
        None => request.body(Full::default()),
        Some(form) => {
            let mut request = match form.sent {
                Sent::Form => request
                    .method("POST")
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded"),
                Sent::Nothing => request,
                Sent::Resource => request
                    .method("PUT")
                    .header(CONTENT_TYPE, "application/fhir+json"),
            };
            if let Some(authorization) = form.authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            request = match form.condition {
                None => request,
                Some(Condition::Absent) => request.header(IF_NONE_MATCH, "*"),
                Some(Condition::Tag(tag)) => request.header(IF_MATCH, tag),
            };
            request.body(Full::from(form.body))
        }
    };
    request.map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_asked_but_on_this_machine() {
        for good in [
            "https://a.example/jwks",
            "http://127.0.0.1:8080/x",
            "http://[::1]/x",
        ] {
            assert!(place(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/jwks",
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "/jwks",
            "",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
        let place = place("https://a.example/keys?x=1").unwrap();
        assert_eq!((place.port, place.path.as_str()), (443, "/keys?x=1"));
    }
}
