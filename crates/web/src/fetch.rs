//! Asks another server, over HTTPS (plain HTTP only on this machine): no redirects, bounded in
//! size and time. Only addresses that an operator registered, that stand in the configuration, or
//! that the provider named there gives, are asked.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Uri;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, IF_MATCH, IF_NONE_MATCH};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::trust::{Keys, Trust};

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
    /// A FHIR transaction: POST.
    Bundle,
}

struct Place {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

/// Connections that are kept open for the next question, at most.
const IDLE_MAX: usize = 16;

/// How long a connection is kept without a question. One that something between here and there has dropped
/// without a word costs a question all its time: longer than this, nobody knows.
const IDLE: Duration = Duration::from_secs(15);

/// Asks other servers. Whom they are checked against is read once; what only reads goes over one
/// connection again and again.
#[derive(Debug, Default)]
pub(crate) struct Fetch {
    trust: Trust,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that waits for the next question.
#[derive(Debug)]
struct Idle {
    lane: Lane,
    sender: Sender,
    since: Instant,
}

impl Idle {
    fn is_good(&self, now: Instant) -> bool {
        !self.sender.is_closed() && now.saturating_duration_since(self.since) < IDLE
    }
}

pub(crate) type Sender = SendRequest<Full<Bytes>>;

/// Where a connection leads to, and how that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lane {
    tls: bool,
    host: String,
    port: u16,
    authorities: PathBuf,
}

impl Fetch {
    /// What stands at `url`, or what is answered to `form`: the status and the body.
    ///
    /// # Errors
    /// In words, for the log.
    pub(crate) async fn ask(
        &self,
        url: &str,
        form: Option<Form>,
        terms: Terms<'_>,
    ) -> Result<(u16, Bytes), String> {
        let place = place(url)?;
        let wait = Duration::from_millis(terms.wait_ms);
        let asked = tokio::time::timeout(wait, self.ask_now(&place, form.as_ref(), terms)).await;
        let asked = asked.map_err(|_| format!("no answer within {} ms", terms.wait_ms))?;
        asked.map_err(|why| format!("`{}`: {why}", place.host))
    }

    /// INVARIANT: what changes something over there is sent once, over a connection of its own: of one
    /// that was kept nobody knows whether the other side has closed it meanwhile.
    async fn ask_now(
        &self,
        place: &Place,
        form: Option<&Form>,
        terms: Terms<'_>,
    ) -> Result<(u16, Bytes), String> {
        let lane = place.lane(terms.authorities);
        let reads = form.is_none_or(|form| form.sent == Sent::Nothing);
        let kept = match reads {
            true => self.kept(&lane, Instant::now()),
            false => None,
        };
        if let Some(mut sender) = kept
            && sender.ready().await.is_ok()
            && let Ok(answer) = send(&mut sender, request(place, form)?, terms.bytes_max).await
        {
            self.keep(lane, sender);
            return Ok(answer);
        }
        let mut sender = self.connect(place, terms).await?;
        let answer = send(&mut sender, request(place, form)?, terms.bytes_max).await?;
        self.keep(lane, sender);
        Ok(answer)
    }

    async fn connect(&self, place: &Place, terms: Terms<'_>) -> Result<Sender, String> {
        let stream = TcpStream::connect((place.host.as_str(), place.port)).await;
        let stream = stream.map_err(|why| why.to_string())?;
        if !place.tls {
            return shaken(stream).await;
        }
        let keys = Keys::of(terms.authorities);
        shaken(self.secured(stream, &place.host, keys).await?).await
    }

    /// TLS with a server whose certificate must name `host`.
    ///
    /// # Errors
    /// In words, for the log.
    pub(crate) async fn secured(
        &self,
        stream: TcpStream,
        host: &str,
        keys: Keys<'_>,
    ) -> Result<TlsStream<TcpStream>, String> {
        let connector = TlsConnector::from(self.trust.of(keys).await?);
        let name = ServerName::try_from(host.to_owned()).map_err(|why| why.to_string())?;
        let secured = connector.connect(name, stream).await;
        secured.map_err(|why| why.to_string())
    }

    fn kept(&self, lane: &Lane, now: Instant) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|one| one.is_good(now));
        let at = idle.iter().position(|one| one.lane == *lane)?;
        Some(idle.swap_remove(at).sender)
    }

    fn keep(&self, lane: Lane, sender: Sender) {
        let since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|one| one.is_good(since));
        if idle.len() < IDLE_MAX {
            idle.push(Idle {
                lane,
                sender,
                since,
            });
        }
    }
}

impl Place {
    fn lane(&self, authorities: &Path) -> Lane {
        Lane {
            tls: self.tls,
            host: self.host.clone(),
            port: self.port,
            authorities: authorities.to_owned(),
        }
    }
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

/// HTTP over a connection.
///
/// # Errors
/// In words, for the log.
pub(crate) async fn shaken(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Sender, String> {
    let shaken = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|why| why.to_string())?;
    // It ends when its sender is dropped, or when the other side closes it.
    tokio::spawn(connection);
    Ok(sender)
}

/// The status and the body of the answer to a request.
///
/// # Errors
/// In words, for the log.
pub(crate) async fn send(
    sender: &mut Sender,
    request: hyper::Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<(u16, Bytes), String> {
    let response = sender.send_request(request).await;
    let response = response.map_err(|why| why.to_string())?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), bytes_max)
        .collect()
        .await;
    let body = body.map_err(|_| format!("its answer broke off or is over {bytes_max} bytes"))?;
    Ok((status, body.to_bytes()))
}

fn request(place: &Place, form: Option<&Form>) -> Result<hyper::Request<Full<Bytes>>, String> {
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
                Sent::Bundle => request
                    .method("POST")
                    .header(CONTENT_TYPE, "application/fhir+json"),
                Sent::Resource => request
                    .method("PUT")
                    .header(CONTENT_TYPE, "application/fhir+json"),
            };
            if let Some(authorization) = &form.authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            request = match &form.condition {
                None => request,
                Some(Condition::Absent) => request.header(IF_NONE_MATCH, "*"),
                Some(Condition::Tag(tag)) => request.header(IF_MATCH, tag),
            };
            request.body(Full::from(form.body.clone()))
        }
    };
    request.map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

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

    fn terms() -> Terms<'static> {
        Terms {
            authorities: Path::new(""),
            wait_ms: 30_000,
            bytes_max: 100,
        }
    }

    /// A server that answers so many requests on each connection, then closes it; and how many
    /// connections there were.
    async fn server(answers: usize) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                'answers: for _ in 0..answers {
                    let mut asked = Vec::new();
                    while !asked.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else {
                            break 'answers;
                        };
                        asked.push(byte);
                    }
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    stream.write_all(answer).await.unwrap();
                }
            }
        });
        (url, count)
    }

    #[tokio::test]
    async fn reading_goes_over_one_connection_until_the_other_side_closes_it() {
        let fetch = Fetch::default();
        let (url, count) = server(3).await;
        for asked in 1_usize..=7 {
            let answer = fetch.ask(&url, None, terms()).await.unwrap();
            assert_eq!(answer, (200, Bytes::from("ok")));
            assert_eq!(count.load(Ordering::SeqCst), asked.div_ceil(3), "{asked}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_nobody_used_for_a_while_is_not_used_again() {
        let fetch = Fetch::default();
        let (url, count) = server(9).await;
        fetch.ask(&url, None, terms()).await.unwrap();
        // Nothing tells that it is dead: the server has it open still.
        let lane = place(&url).unwrap().lane(Path::new(""));
        assert!(fetch.kept(&lane, Instant::now() + IDLE).is_none());
        fetch.ask(&url, None, terms()).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn what_changes_something_has_a_connection_of_its_own() {
        let fetch = Fetch::default();
        let (url, count) = server(1).await;
        for sent in 1..=3 {
            let form = Form {
                sent: Sent::Resource,
                body: String::new(),
                authorization: None,
                condition: None,
            };
            fetch.ask(&url, Some(form), terms()).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), sent);
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_is_none() {
        let (url, _) = server(9).await;
        let terms = Terms {
            bytes_max: 1,
            ..terms()
        };
        let why = Fetch::default().ask(&url, None, terms).await.unwrap_err();
        assert!(why.contains("over 1 bytes"), "{why}");
    }
}
