//! An HTTPS client with connections that stay open: each takes the next call as soon as it has
//! the answer to its last.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{Budget, Figures, LoadError, Tally, Until};

/// Where to call, as whom, and for how long.
#[derive(Debug, Clone)]
pub struct HttpLoad {
    /// `https://HOST:PORT/fhir`, without a slash at the end; `http:` for a peer without TLS.
    pub base: String,
    /// Whom to trust; see [`super::pinned`].
    pub tls: Arc<ClientConfig>,
    /// Bearer token; empty: none.
    pub token: String,
    /// Connections at the same time.
    pub connections: u16,
    /// When to stop; it also stops when there are no more calls.
    pub until: Until,
    /// How long an answer may take.
    pub answer_wait: Duration,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// What follows the base: `/Patient/1`, or empty for a transaction.
    pub path: String,
    /// The body, JSON; empty: none.
    pub body: Bytes,
    /// What it counts for, for instance the number of resources in a bundle.
    pub units: u64,
}

impl Call {
    /// A read or a search.
    pub fn get(path: impl Into<String>) -> Call {
        Call {
            method: Method::GET,
            path: path.into(),
            body: Bytes::new(),
            units: 1,
        }
    }

    /// A create (`/Patient`), or a transaction (an empty path) of `units` resources.
    pub fn post(path: impl Into<String>, body: impl Into<Bytes>, units: u64) -> Call {
        Call {
            method: Method::POST,
            path: path.into(),
            body: body.into(),
            units,
        }
    }
}

type Calls = Mutex<Box<dyn Iterator<Item = Call> + Send>>;

/// Makes the calls, and says how it went. Any status of 200 to 299 is right.
///
/// # Errors
/// [`LoadError::Address`] if the base cannot be called.
pub async fn http(
    load: &HttpLoad,
    calls: Box<dyn Iterator<Item = Call> + Send>,
) -> Result<Figures, LoadError> {
    let target = Arc::new(Target::new(load)?);
    let calls: Arc<Calls> = Arc::new(Mutex::new(calls));
    let began = Instant::now();
    let budget = Arc::new(Budget::new(load.until, began));
    let mut callers = JoinSet::new();
    for _ in 0..load.connections {
        let caller = Caller {
            target: Arc::clone(&target),
            calls: Arc::clone(&calls),
            budget: Arc::clone(&budget),
            tally: Tally::default(),
        };
        callers.spawn(caller.run());
    }
    let mut all = Tally::default();
    while let Some(done) = callers.join_next().await {
        match done {
            Ok(tally) => all.join(tally),
            Err(error) => all.failed(|| error.to_string()),
        }
    }
    Ok(all.figures(began))
}

struct Target {
    host: String,
    port: u16,
    prefix: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    bearer: Option<String>,
    answer_wait: Duration,
}

impl Target {
    fn new(load: &HttpLoad) -> Result<Target, LoadError> {
        let bad = || LoadError::Address(load.base.clone());
        let uri: Uri = load.base.parse().map_err(|_| bad())?;
        let host = uri
            .host()
            .ok_or_else(bad)?
            .trim_matches(['[', ']'])
            .to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => {
                let name = ServerName::try_from(host.clone()).map_err(|_| bad())?;
                Some((TlsConnector::from(Arc::clone(&load.tls)), name))
            }
            Some("http") => None,
            _ => return Err(bad()),
        };
        Ok(Target {
            port: uri
                .port_u16()
                .unwrap_or(if tls.is_some() { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            bearer: (!load.token.is_empty()).then(|| format!("Bearer {}", load.token)),
            answer_wait: load.answer_wait,
            host,
            tls,
        })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(words)?;
        stream.set_nodelay(true).map_err(words)?;
        match &self.tls {
            None => open(stream).await,
            Some((connector, name)) => {
                open(
                    connector
                        .connect(name.clone(), stream)
                        .await
                        .map_err(words)?,
                )
                .await
            }
        }
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, String> {
        // A server without a path of its own is called by `/`, never by nothing.
        let path = format!("{}{}", self.prefix, call.path);
        let path = if path.is_empty() { "/" } else { &path };
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(path)
            .header(HOST, format!("{}:{}", self.host, self.port))
            .header(ACCEPT, "application/fhir+json");
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        if !call.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/fhir+json");
        }
        request.body(Full::new(call.body.clone())).map_err(words)
    }
}

async fn open<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(words)?;
    // Ends by itself when the sender is dropped or the peer hangs up.
    tokio::spawn(connection);
    Ok(sender)
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

struct Caller {
    target: Arc<Target>,
    calls: Arc<Calls>,
    budget: Arc<Budget>,
    tally: Tally,
}

impl Caller {
    async fn run(mut self) -> Tally {
        let mut open: Option<SendRequest<Full<Bytes>>> = None;
        while let Some(call) = self.next_call() {
            let began = Instant::now();
            match self.answer(&mut open, &call).await {
                Ok(()) => self.tally.answered(began.elapsed(), call.units),
                Err(why) => {
                    self.tally
                        .failed(|| format!("{} {}: {why}", call.method, call.path));
                    open = None;
                    if self.tally.histogram.count() == 0 && self.tally.errors > 3 {
                        break;
                    }
                }
            }
        }
        self.tally
    }

    fn next_call(&self) -> Option<Call> {
        if !self.budget.take() {
            return None;
        }
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    }

    async fn answer(
        &self,
        open: &mut Option<SendRequest<Full<Bytes>>>,
        call: &Call,
    ) -> Result<(), String> {
        let sender = match open.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => open.insert(sender),
            None => open.insert(self.target.connect().await?),
        };
        let exchange = async {
            sender.ready().await.map_err(words)?;
            let response = sender
                .send_request(self.target.request(call)?)
                .await
                .map_err(words)?;
            let status = response.status();
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(words)?
                .to_bytes();
            right(status, &body)
        };
        tokio::time::timeout(self.target.answer_wait, exchange)
            .await
            .map_err(words)?
    }
}

fn right(status: StatusCode, body: &[u8]) -> Result<(), String> {
    if status.is_success() {
        return Ok(());
    }
    let start = body.get(..body.len().min(300)).unwrap_or_default();
    Err(format!("{status} {}", String::from_utf8_lossy(start)))
}
