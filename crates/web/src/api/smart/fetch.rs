//! Fetches a registered JWK set: HTTPS (plain HTTP only from this machine), no redirects, bounded
//! in size and time. Only addresses an operator registered are ever asked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use axum::http::header::{ACCEPT, HOST};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::Settings;

/// Where a JWK set is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

/// The body at `url`.
///
/// # Errors
/// In words for the log: what went wrong.
pub(crate) async fn fetch(url: &str, settings: &Settings) -> Result<Bytes, String> {
    let place = place(url)?;
    let wait = Duration::from_millis(settings.jwks_timeout_ms);
    let fetched = tokio::time::timeout(wait, from(&place, settings)).await;
    fetched.map_err(|_| "it took longer than `jwks_timeout_ms`".to_owned())?
}

fn place(url: &str) -> Result<Place, String> {
    let uri: Uri = url.parse().map_err(|_| "it is no address".to_owned())?;
    let host = uri.host().ok_or("it names no host")?.to_owned();
    let bare = host.trim_matches(['[', ']']).to_owned();
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") if is_loopback(&bare) => false,
        _ => return Err("only `https://` is asked, or `http://` on this machine".to_owned()),
    };
    Ok(Place {
        tls,
        host: bare,
        port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        path: uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned(),
    })
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

async fn from(place: &Place, settings: &Settings) -> Result<Bytes, String> {
    let said = |why: &dyn std::fmt::Display| format!("`{}`: {why}", place.host);
    let stream = TcpStream::connect((place.host.as_str(), place.port))
        .await
        .map_err(|why| said(&why))?;
    if !place.tls {
        return get(stream, place, settings).await;
    }
    let config = trusting(&settings.jwks_authorities)?;
    let name = ServerName::try_from(place.host.clone()).map_err(|why| said(&why))?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|why| said(&why))?;
    get(stream, place, settings).await
}

/// Trusts the authorities of a PEM file; if none is named, those the machine trusts.
fn trusting(authorities: &Path) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if authorities.as_os_str().is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        let found = CertificateDer::pem_file_iter(authorities).map_err(|why| why.to_string())?;
        for certificate in found {
            let certificate = certificate.map_err(|why| why.to_string())?;
            roots.add(certificate).map_err(|why| why.to_string())?;
        }
    }
    let provider = Arc::new(default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

async fn get(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: &Place,
    settings: &Settings,
) -> Result<Bytes, String> {
    let request = hyper::Request::get(&place.path)
        .header(HOST, format!("{}:{}", place.host, place.port))
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|why| why.to_string())?;
    let shaken = handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|why| why.to_string())?;
    let driving = tokio::spawn(connection);
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|why| why.to_string())?;
        // A redirect would lead where nobody registered anything.
        if response.status() != hyper::StatusCode::OK {
            return Err(format!("it answered with {}", response.status()));
        }
        let body = Limited::new(response.into_body(), settings.jwks_bytes_max);
        let read = body.collect().await;
        read.map(|read| read.to_bytes())
            .map_err(|_| "it is longer than `jwks_bytes_max`, or broke off".to_owned())
    };
    let answer = answer.await;
    driving.abort();
    answer
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
