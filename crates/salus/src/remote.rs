//! Another server, asked again and again over one connection: HTTPS, or plain HTTP on this machine.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use axum::http::header::{AUTHORIZATION, CONTENT_LOCATION, CONTENT_TYPE, HOST};
use axum::http::{Request, Uri};
use futures_util::Stream;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

/// How long connecting and one answer may take, if nothing else is said.
const WAIT: Duration = Duration::from_secs(10);
/// The largest answer, in bytes: a bundle's pack may hold large documents.
const ANSWER_BYTES_MAX: usize = 512 << 20;

/// A server and how it is asked.
pub(crate) struct Remote {
    host: String,
    port: u16,
    path: String,
    tls: Option<Arc<ClientConfig>>,
    token: Option<String>,
    wait: Duration,
    kept: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The media type.
    pub(crate) kind: String,
    /// `Content-Location`: where it is said later.
    pub(crate) place: String,
    pub(crate) body: Bytes,
}

/// What is sent.
enum What<'a> {
    /// To be answered later.
    Begin,
    Get,
    Post(&'a str, Bytes),
}

impl Remote {
    /// The server at `url`; `authorities` is a PEM file with whom its certificate is checked
    /// against, empty: those the machine trusts.
    ///
    /// # Errors
    /// What is wrong with the address or the file.
    pub(crate) fn new(url: &str, authorities: &Path) -> Result<Remote> {
        let uri: Uri = url
            .parse()
            .with_context(|| format!("`{url}` is no address"))?;
        let host = uri
            .host()
            .with_context(|| format!("`{url}` names no host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let here = host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        let tls = match uri.scheme_str() {
            Some("https") => Some(Arc::new(
                web::trusting(authorities).map_err(anyhow::Error::msg)?,
            )),
            Some("http") if here => None,
            _ => bail!("`{url}`: only `https://` is asked, or `http://` on this machine"),
        };
        Ok(Remote {
            port: uri
                .port_u16()
                .unwrap_or(if tls.is_some() { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
            host,
            tls,
            token: None,
            wait: WAIT,
            kept: Mutex::default(),
        })
    }

    /// The same, showing a bearer token.
    pub(crate) fn with_token(mut self, token: &str) -> Remote {
        self.token = Some(token.trim().to_owned()).filter(|token| !token.is_empty());
        self
    }

    /// The same, waiting so long for an answer.
    pub(crate) const fn waiting(mut self, wait: Duration) -> Remote {
        self.wait = wait;
        self
    }

    /// Asks for what stands at `path` behind the server's address.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(path, What::Get).await
    }

    /// Asks for what is answered later (`Prefer: respond-async`).
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) async fn begin(&self, path: &str) -> Result<Answer> {
        self.ask(path, What::Begin).await
    }

    /// Sends a body of this media type.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) async fn post(&self, path: &str, kind: &str, body: Bytes) -> Result<Answer> {
        self.ask(path, What::Post(kind, body)).await
    }

    /// What stands at `path`, piece by piece, over a connection of its own; each piece may take as
    /// long as an answer. `None`: it is not there.
    ///
    /// # Errors
    /// If there is no answer, or another one than 200 or 404.
    pub(crate) async fn pieces(
        &self,
        path: &str,
    ) -> Result<Option<impl Stream<Item = io::Result<Bytes>> + Send + 'static + use<>>> {
        let wait = self.wait;
        let asked = async {
            let mut sender = self.connect().await?;
            let response = sender.send_request(self.request(path, &What::Get)?).await?;
            Ok::<_, anyhow::Error>((sender, response))
        };
        let late = || format!("`{}`: no answer within {} ms", self.host, wait.as_millis());
        let asked = tokio::time::timeout(wait, asked).await;
        let (sender, response) = asked.with_context(late)??;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            status => bail!("`{}` answered {status}", self.host),
        }
        // The connection lives as long as what asks over it.
        let state = (sender, response.into_body());
        Ok(Some(futures_util::stream::try_unfold(
            state,
            move |(sender, mut body)| async move {
                loop {
                    let frame = tokio::time::timeout(wait, body.frame()).await;
                    let Some(frame) = frame.map_err(io::Error::other)? else {
                        return Ok(None);
                    };
                    if let Ok(piece) = frame.map_err(io::Error::other)?.into_data() {
                        return Ok(Some((piece, (sender, body))));
                    }
                }
            },
        )))
    }

    async fn ask(&self, path: &str, what: What<'_>) -> Result<Answer> {
        let asked = tokio::time::timeout(self.wait, self.ask_now(path, &what)).await;
        let host = &self.host;
        match asked {
            Ok(answer) => answer.with_context(|| format!("`{host}`")),
            Err(_) => Err(anyhow!(
                "`{host}`: no answer within {} ms",
                self.wait.as_millis()
            )),
        }
    }

    async fn ask_now(&self, path: &str, what: &What<'_>) -> Result<Answer> {
        let mut kept = self.kept.lock().await;
        // A connection that was kept may have been closed by the other side meanwhile.
        if let Some(mut sender) = kept.take()
            && sender.ready().await.is_ok()
            && let Ok(answer) = send(&mut sender, self.request(path, what)?).await
        {
            *kept = Some(sender);
            return Ok(answer);
        }
        let mut sender = self.connect().await?;
        let answer = send(&mut sender, self.request(path, what)?).await?;
        *kept = Some(sender);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            return Ok(sender);
        };
        let name = ServerName::try_from(self.host.clone())?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(name, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn request(&self, path: &str, what: &What<'_>) -> Result<Request<Full<Bytes>>> {
        let host = match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        };
        let mut request = Request::builder()
            .uri(format!("{}{path}", self.path))
            .header(HOST, host);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        Ok(match what {
            What::Begin => request
                .header("prefer", "respond-async")
                .body(Full::default())?,
            What::Get => request.body(Full::default())?,
            What::Post(kind, body) => request
                .method("POST")
                .header(CONTENT_TYPE, *kind)
                .body(Full::from(body.clone()))?,
        })
    }
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer> {
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let header = |name| {
        let value = response.headers().get(name);
        let text = value.and_then(|value| value.to_str().ok());
        text.unwrap_or_default().to_owned()
    };
    let (kind, place) = (header(CONTENT_TYPE), header(CONTENT_LOCATION));
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|why| anyhow!("its answer broke off: {why}"))?;
    Ok(Answer {
        status,
        kind,
        place,
        body: body.to_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_asked_but_on_this_machine() {
        let none = Path::new("");
        assert!(Remote::new("http://127.0.0.1:8080/x", none).is_ok());
        assert!(Remote::new("http://[::1]:8080", none).is_ok());
        for bad in [
            "http://a.example",
            "ftp://127.0.0.1",
            "file:///etc/passwd",
            "",
        ] {
            assert!(Remote::new(bad, none).is_err(), "{bad}");
        }
    }
}
