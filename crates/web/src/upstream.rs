//! Sends accepted entries on to the system they were written down for: at least once, with the same
//! ids and message names, so that a repeat has no second effect. What is to be sent is known from
//! the record alone: a restart forgets nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use event::{Act, Actor, Body, Event, SentOn, Subject, Time};
use guard::{Standing, admit};
use lifeline::{Entry, UpstreamConfig, hl7};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::fetch::{Fetch, Form, Sent, Terms};
use crate::secrets::secret_in;
use crate::trust::Keys;
use crate::{App, outside};

/// Entries that are looked at in one round.
const ROUND: u32 = 100;
/// The largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The longest wait between two tries, as often as the first.
const WAITS_MAX: u32 = 100;
/// How long a round without work waits.
const IDLE: Duration = Duration::from_secs(1);

/// How often it is asked whether it is there, when there is nothing to send.
const LOOK: Duration = Duration::from_secs(30);

/// Since when the other system does not answer, and what it said instead.
#[derive(Debug, Default)]
pub(crate) struct Upstream(Mutex<Option<(Time, String)>>);

impl Upstream {
    /// `None`: it answers, or nobody asked.
    pub(crate) fn silent(&self) -> Option<(Time, String)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, now: Time, answer: &Result<(), String>) {
        let mut silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(()) => *silent = None,
            Err(why) => {
                let since = silent.as_ref().map_or(now, |(since, _)| *since);
                *silent = Some((since, why.clone()));
            }
        }
    }
}

/// What became of one sending.
enum Answer {
    /// It is there.
    Taken(String),
    /// It is not, and never will be.
    Refused(String),
    /// Nobody knows, or it is not there yet.
    Later(String),
}

/// Sends what is accepted, until `stop`.
pub async fn send_on(app: Arc<App>, config: UpstreamConfig, stop: CancellationToken) {
    if config.fhir.is_empty() && config.mllp.is_empty() {
        return;
    }
    let mut waits = 1;
    let mut looked: Option<Instant> = None;
    while !stop.is_cancelled() {
        let mut done = round(&app, &config).await;
        if done.is_ok() && looked.is_none_or(|at| at.elapsed() >= LOOK) {
            looked = Some(Instant::now());
            done = look(&app, &config).await;
        }
        let pause = match done {
            Ok(()) => {
                waits = 1;
                IDLE
            }
            Err(why) => {
                tracing::warn!(%why, "the other system does not take what is sent on; trying again");
                looked = None;
                let pause = Duration::from_millis(config.retry_ms.max(1)) * waits;
                waits = (waits * 2).min(WAITS_MAX);
                pause
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Asks whether the other system is there, for the pages.
///
/// # Errors
/// In words, how it is not.
pub async fn look(app: &App, config: &UpstreamConfig) -> Result<(), String> {
    let there = match config.fhir.is_empty() {
        false => {
            let url = format!("{}/metadata", config.fhir.trim_end_matches('/'));
            match app.fetch.ask(&url, None, terms(config)).await {
                Ok((500.., _)) => Err(format!("`{url}` answers with a fault of its own")),
                Ok(_) => Ok(()),
                Err(why) => Err(why),
            }
        }
        true => {
            let wait = Duration::from_millis(config.wait_ms);
            match tokio::time::timeout(wait, reach(&app.fetch, config)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(why)) => Err(format!("`{}`: {why}", config.mllp)),
                Err(_) => Err(format!("`{}`: no answer", config.mllp)),
            }
        }
    };
    app.upstream.note(app.clock.now(), &there);
    there
}

/// Sends what is not sent yet, the oldest first; stops at what has to wait.
///
/// # Errors
/// In words, what keeps the first from being sent.
pub async fn round(app: &App, config: &UpstreamConfig) -> Result<(), String> {
    let done = send(app, config).await;
    if done.is_err() {
        app.upstream.note(app.clock.now(), &done);
    }
    done
}

async fn send(app: &App, config: &UpstreamConfig) -> Result<(), String> {
    let unsent = app.lifeline.unsent(ROUND).await;
    for entry in unsent.map_err(|why| why.to_string())? {
        let resource = resource(app, &entry).await?;
        let (to, answer) = match config.fhir.is_empty() {
            false => (&config.fhir, put(&app.fetch, config, &resource).await),
            true => (
                &config.mllp,
                deliver(app, config, (&entry, &resource)).await,
            ),
        };
        let (taken, words) = match answer {
            Answer::Taken(words) => (true, words),
            Answer::Refused(words) => (false, words),
            Answer::Later(why) => return Err(why),
        };
        note(app, &entry, (to, taken, words)).await?;
    }
    outside::put_back(app, config).await
}

/// The resource as it was sealed with the verdict: in the same commit, just before it.
async fn resource(app: &App, entry: &Entry) -> Result<Value, String> {
    let verdict = entry.decided.as_ref().map_or(0, |decided| decided.index);
    let id = format!("captured-{}", entry.index);
    let near = app.record.read(verdict.saturating_sub(2), 3).await;
    for sealed in near.map_err(|why| why.to_string())? {
        let event = sealed.event();
        if matches!(&event.body, Body::Resource(written) if written.id == id) {
            let raw = app.record.raw(&sealed).await;
            let raw = raw.map_err(|why| why.to_string())?;
            return serde_json::from_slice(&raw).map_err(|why| why.to_string());
        }
    }
    Err(format!("the resource `{id}` is not where its verdict is"))
}

/// PUT with the id that the entry has for ever: sent twice, it is there once.
async fn put(fetch: &Fetch, config: &UpstreamConfig, resource: &Value) -> Answer {
    let text = |name: &str| {
        resource
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let base = config.fhir.trim_end_matches('/');
    let url = format!("{base}/{}/{}", text("resourceType"), text("id"));
    let authorization = match token(config) {
        Ok(authorization) => authorization,
        Err(why) => return Answer::Later(why),
    };
    let form = Form {
        sent: Sent::Resource,
        body: resource.to_string(),
        authorization,
        condition: None,
    };
    match fetch.ask(&url, Some(form), terms(config)).await {
        Ok((status @ 200..=299, _)) => Answer::Taken(format!("HTTP {status}")),
        // Who we are, how often we ask: that can be put right.
        Ok((status @ (401 | 403 | 408 | 425 | 429 | 500..), _)) => {
            Answer::Later(format!("`{url}` answers HTTP {status}"))
        }
        Ok((status, body)) => {
            let said: String = String::from_utf8_lossy(&body).chars().take(300).collect();
            Answer::Refused(format!("HTTP {status} {said}"))
        }
        Err(why) => Answer::Later(why),
    }
}

pub(crate) fn terms(config: &UpstreamConfig) -> Terms<'_> {
    Terms {
        authorities: &config.authorities,
        wait_ms: config.wait_ms,
        bytes_max: ANSWER_BYTES_MAX,
    }
}

pub(crate) fn token(config: &UpstreamConfig) -> Result<Option<String>, String> {
    if config.token_file.as_os_str().is_empty() {
        return Ok(None);
    }
    let token = secret_in(&config.token_file)?;
    Ok(Some(format!("Bearer {token}")))
}

/// One message over MLLP, and its answer.
async fn deliver(
    app: &App,
    config: &UpstreamConfig,
    (entry, resource): (&Entry, &Value),
) -> Answer {
    let message = hl7::message(entry, resource, app.clock.now());
    let wait = Duration::from_millis(config.wait_ms);
    let asked = tokio::time::timeout(wait, exchange(&app.fetch, config, &message)).await;
    let to = &config.mllp;
    let answer = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => return Answer::Later(format!("`{to}`: {why}")),
        Err(_) => return Answer::Later(format!("`{to}`: no answer within {} ms", config.wait_ms)),
    };
    match hl7::answer(&answer, &hl7::control(entry)) {
        Some((code, words)) if matches!(code.as_str(), "AA" | "CA") => Answer::Taken(words),
        Some((code, words)) if matches!(code.as_str(), "AR" | "CR") => Answer::Refused(words),
        Some((_, words)) => Answer::Later(format!("`{to}` answers {words}")),
        None => Answer::Later(format!("`{to}` answers something else")),
    }
}

/// A connection: TLS, or plain.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Connects to the receiver: over TLS if its address begins with `tls://`.
async fn reach(fetch: &Fetch, config: &UpstreamConfig) -> Result<Box<dyn Wire>, String> {
    let said = |why: std::io::Error| why.to_string();
    let Some(place) = config.mllp.strip_prefix("tls://") else {
        let stream = TcpStream::connect(&config.mllp).await.map_err(said)?;
        return Ok(Box::new(stream));
    };
    let (host, _) = place.rsplit_once(':').ok_or("the address names no port")?;
    let keys = Keys {
        authorities: &config.authorities,
        certificate: &config.certificate,
        key: &config.key,
    };
    let stream = TcpStream::connect(place).await.map_err(said)?;
    let stream = fetch
        .secured(stream, host.trim_matches(['[', ']']), keys)
        .await?;
    Ok(Box::new(stream))
}

async fn exchange(
    fetch: &Fetch,
    config: &UpstreamConfig,
    message: &[u8],
) -> Result<Vec<u8>, String> {
    let said = |why: std::io::Error| why.to_string();
    let mut stream = reach(fetch, config).await?;
    stream
        .write_all(&wire::mllp::wrap(message))
        .await
        .map_err(said)?;
    stream.flush().await.map_err(said)?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).await.map_err(said)?;
        answer.extend(part.iter().take(read));
        if read == 0 || answer.ends_with(b"\x1c\r") || answer.len() > ANSWER_BYTES_MAX {
            return Ok(answer);
        }
    }
}

async fn note(
    app: &App,
    entry: &Entry,
    (to, taken, answer): (&str, bool, String),
) -> Result<(), String> {
    let subject = match &entry.patient {
        Some(patient) => Subject::Patient(patient.clone()),
        None => Subject::Ward(entry.ward.clone()),
    };
    let sent = SentOn {
        captured: entry.index,
        to: to.to_owned(),
        answer,
        taken,
    };
    let event = Event::new(Actor::salus(), Act::Send, subject, Body::SentOn(sent));
    let admitted = admit(event.into(), Standing::Salus, "").map_err(|refused| refused.words)?;
    let sealed = app.record.admit(vec![admitted]).await;
    sealed.map_err(|why| why.to_string())?;
    // The next round must not send it again.
    let wait = Duration::from_millis(app.settings.chart_wait_ms);
    app.lifeline.caught_up(app.record.size(), wait).await;
    Ok(())
}
