//! The connection to the receiver: TLS with both sides' certificates, or TCP on this machine.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::OutletConfig;

/// Anything that bytes go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// How the receiver is reached.
pub(super) struct Way {
    address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Way {
    /// Reads the address and the files it needs.
    pub(super) fn open(config: &OutletConfig) -> Result<Way, String> {
        let wrong = || {
            format!(
                "`{}` is no receiver for `to` in `[audit.export]`; write `tls://host:6514`, or \
                 `tcp://127.0.0.1:514` on this machine",
                config.to
            )
        };
        let (scheme, address) = config.to.split_once("://").ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        port.parse::<u16>().map_err(|_| wrong())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let tls = match scheme {
            "tls" => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong())?;
                Some((TlsConnector::from(Arc::new(client(config)?)), name))
            }
            "tcp" if is_loopback(host) => None,
            "tcp" => {
                return Err(format!(
                    "`{}` would send the audit trail in the clear; use `tls://` for other machines",
                    config.to
                ));
            }
            _ => return Err(wrong()),
        };
        let address = address.to_owned();
        Ok(Way { address, tls })
    }

    /// A connection, ready to be written to.
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, std::io::Error> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                Ok(Box::new(stream))
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

fn client(config: &OutletConfig) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&config.authorities)? {
        let unfit = |why: rustls::Error| cannot(&config.authorities, &why);
        roots.add(certificate).map_err(unfit)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .with_root_certificates(roots);
    if config.certificate.as_os_str().is_empty() {
        return Ok(builder.with_no_client_auth());
    }
    let chain = certificates(&config.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|why| cannot(&config.key, &why))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|why| cannot(&config.certificate, &why))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).map_err(|why| cannot(path, &why))?;
    let all: Result<Vec<_>, _> = read.collect();
    let all = all.map_err(|why| cannot(path, &why))?;
    match all.is_empty() {
        true => Err(cannot(path, &"there is no certificate in it")),
        false => Ok(all),
    }
}

fn cannot(path: &Path, why: &dyn std::fmt::Display) -> String {
    let path = path.display();
    format!("`{path}`, named in `[audit.export]`, cannot be used: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(to: &str) -> String {
        let config = OutletConfig {
            to: to.into(),
            ..OutletConfig::default()
        };
        Way::open(&config).err().unwrap_or_default()
    }

    #[test]
    fn nothing_leaves_in_the_clear_but_to_this_machine() {
        for to in [
            "tcp://127.0.0.1:514",
            "tcp://[::1]:514",
            "tcp://localhost:514",
        ] {
            assert_eq!(refused(to), "", "{to}");
        }
        assert!(refused("tcp://10.0.0.7:514").contains("in the clear"));
        assert!(refused("tcp://127.0.0.1.evil.test:514").contains("in the clear"));
        for to in [
            "arr.example:6514",
            "udp://127.0.0.1:514",
            "tls://arr.example",
            "tls://a b:1",
        ] {
            assert!(refused(to).contains("is no receiver"), "{to}");
        }
        assert!(refused("tls://arr.example:6514").contains("[audit.export]"));
    }
}
