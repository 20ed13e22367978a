//! `salus send`: a test message to any receiver, and what it answers.

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use drills::sample::{AUTHORITY, PATIENT, SAMPLES, Sample};
use event::Clock as _;
use hyper::body::Bytes;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::cli::{Format, Send};
use crate::clock::SystemClock;
use crate::output;
use crate::remote::Remote;

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// What ends a message over MLLP.
const END: [u8; 2] = [wire::mllp::END, wire::mllp::CARRIAGE_RETURN];
/// What may be sent to a FHIR server.
const RESOURCES: [(&str, &str); 2] = [
    ("Patient", "a patient whom nobody can take for a real one"),
    ("Observation", "a potassium of that patient"),
];

/// What may be sent.
#[derive(Serialize)]
struct Kind {
    kind: &'static str,
    says: &'static str,
}

/// What was sent, and what came back.
#[derive(Serialize)]
struct Sent {
    what: String,
    to: String,
    /// Whether the receiver took it.
    taken: bool,
    /// What it said, in short.
    said: String,
    /// How long that took, in milliseconds.
    took_ms: u64,
    message: String,
    answer: String,
}

pub(crate) async fn run(args: &Send, format: Format) -> Result<u8> {
    if args.list {
        output::result(format, &kinds(), |kinds| listed(kinds));
        return Ok(output::WELL);
    }
    let target = args.target.as_deref().context("name the receiver")?;
    let fhir = target.starts_with("https://") || target.starts_with("http://");
    let sent = match fhir {
        true => to_fhir(target, args).await?,
        false => to_mllp(target, args).await?,
    };
    output::result(format, &sent, |sent| said(sent));
    Ok(match sent.iter().all(|one| one.taken) {
        true => output::WELL,
        false => output::FOUND,
    })
}

fn kinds() -> Vec<Kind> {
    let messages = SAMPLES.iter().map(|one| Kind {
        kind: one.name(),
        says: one.says,
    });
    let resources = RESOURCES.map(|(kind, says)| Kind { kind, says });
    messages.chain(resources).collect()
}

fn listed(kinds: &[Kind]) -> String {
    let lines = kinds
        .iter()
        .map(|one| format!("{:<12} {}", one.kind, one.says));
    lines.collect::<Vec<_>>().join("\n")
}

fn said(sent: &[Sent]) -> String {
    let lines = sent.iter().map(|one| {
        let word = if one.taken { "taken  " } else { "REFUSED" };
        format!("{word} {:<12} {} ({} ms)", one.what, one.said, one.took_ms)
    });
    lines.collect::<Vec<_>>().join("\n")
}

async fn to_mllp(target: &str, args: &Send) -> Result<Vec<Sent>> {
    let wait = Duration::from_millis(args.wait_ms);
    let connecting = tokio::time::timeout(wait, connect(target, args)).await;
    let mut stream = connecting.with_context(|| format!("`{target}` does not answer"))??;
    let mut sent = Vec::new();
    for (what, message) in messages(args)? {
        let begun = Instant::now();
        let asked = exchange(stream.as_mut(), &message);
        let answer = match tokio::time::timeout(wait, asked).await {
            Ok(answer) => answer.with_context(|| format!("`{target}`, {what}"))?,
            Err(_) => bail!(
                "`{target}` gave no answer to {what} within {} ms",
                args.wait_ms
            ),
        };
        let (taken, said) = verdict(&answer);
        sent.push(Sent {
            what,
            to: target.to_owned(),
            taken,
            said,
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            message: String::from_utf8_lossy(&message).into_owned(),
            answer: String::from_utf8_lossy(&answer).into_owned(),
        });
    }
    Ok(sent)
}

/// What is to be sent, by name.
fn messages(args: &Send) -> Result<Vec<(String, Vec<u8>)>> {
    if !args.files.is_empty() {
        let files = args.files.iter().map(|path| {
            let bytes = fs::read(path);
            let bytes = bytes.with_context(|| format!("cannot read `{}`", path.display()))?;
            Ok((named(path), bytes))
        });
        return files.collect();
    }
    let default = ["ORU^R01".to_owned()];
    let wanted: Vec<&Sample> = match (args.all, args.kinds.is_empty()) {
        (true, _) => SAMPLES.iter().collect(),
        (false, true) => default
            .iter()
            .map(|kind| kind_of(kind))
            .collect::<Result<_>>()?,
        (false, false) => args
            .kinds
            .iter()
            .map(|kind| kind_of(kind))
            .collect::<Result<_>>()?,
    };
    let now = SystemClock.now();
    let from = (args.application.as_str(), args.facility.as_str());
    let messages = wanted.iter().enumerate().map(|(at, one)| {
        let control = format!("TEST{}-{at}", now.millis());
        let message = one.message(from, &control, now);
        (one.name().to_owned(), message.into_bytes())
    });
    Ok(messages.collect())
}

fn kind_of(kind: &str) -> Result<&'static Sample> {
    Sample::of(kind).with_context(|| {
        format!("there is no test message `{kind}`; `salus send --list` says which")
    })
}

fn named(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// A connection: TLS, or plain.
trait Wire: AsyncRead + AsyncWrite + Unpin + core::marker::Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + core::marker::Send> Wire for T {}

async fn connect(target: &str, args: &Send) -> Result<Box<dyn Wire>> {
    let refused = || format!("cannot connect to `{target}`");
    let Some(place) = target.strip_prefix("tls://") else {
        let stream = TcpStream::connect(target).await.with_context(refused)?;
        return Ok(Box::new(stream));
    };
    let (host, _) = place
        .rsplit_once(':')
        .context("the address names no port")?;
    let file = |path: &Option<std::path::PathBuf>| path.clone().unwrap_or_default();
    let own = (file(&args.certificate), file(&args.key));
    let tls = web::presenting(&file(&args.authorities), (&own.0, &own.1));
    let tls = tls.map_err(anyhow::Error::msg)?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
    let stream = TcpStream::connect(place).await.with_context(refused)?;
    let secured = TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await;
    Ok(Box::new(secured.with_context(refused)?))
}

/// Sends one message, and reads what comes back; without its frame.
async fn exchange(stream: &mut dyn Wire, message: &[u8]) -> Result<Vec<u8>> {
    stream.write_all(&wire::mllp::wrap(message)).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(&END) {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            bail!("the receiver hung up without an answer");
        }
        answer.extend(part.iter().take(read));
        if answer.len() > ANSWER_BYTES_MAX {
            bail!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
        }
    }
    answer.truncate(answer.len() - END.len());
    let from = usize::from(answer.first() == Some(&wire::mllp::START));
    Ok(answer.split_off(from))
}

/// What an answer says: MSA-1 and what stands with it, and ERR-3 and 8 of each complaint.
fn verdict(answer: &[u8]) -> (bool, String) {
    let message = wire::hl7::parse(answer, "").message;
    let text = |segment: &str, field: usize| {
        let value = message.get(segment, field).text().text();
        value.map(Cow::into_owned).unwrap_or_default()
    };
    let code = text("MSA", 1);
    if code.is_empty() {
        return (
            false,
            "the answer has no MSA-1: it is no acknowledgement".to_owned(),
        );
    }
    let complaints = message.segments("ERR").map(|err| {
        let part = |field: usize| err.field(field).text().text().map(Cow::into_owned);
        let parts = [part(2), part(3), part(8)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    let all = [code.clone(), text("MSA", 3)].into_iter().chain(complaints);
    let all: Vec<String> = all.filter(|text| !text.is_empty()).collect();
    (matches!(code.as_str(), "AA" | "CA"), all.join("; "))
}

async fn to_fhir(target: &str, args: &Send) -> Result<Vec<Sent>> {
    let authorities = args.authorities.clone().unwrap_or_default();
    let mut remote = Remote::new(target, &authorities)?;
    remote = remote.waiting(Duration::from_millis(args.wait_ms));
    if let Some(path) = &args.token_file {
        let token = fs::read_to_string(path);
        let token = token.with_context(|| format!("cannot read `{}`", path.display()))?;
        remote = remote.with_token(&token);
    }
    let mut sent = Vec::new();
    for (what, body) in resources(args)? {
        let (path, begun) = (path_of(&body), Instant::now());
        let bytes = Bytes::from(body.clone());
        let answer = remote.post(&path, "application/fhir+json", bytes).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        sent.push(Sent {
            what,
            to: target.to_owned(),
            taken: (200..300).contains(&answer.status),
            said: outcome(answer.status, &text),
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            message: String::from_utf8_lossy(&body).into_owned(),
            answer: text,
        });
    }
    Ok(sent)
}

/// Where a resource is posted: a bundle to the base.
fn path_of(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    match value.get("resourceType").and_then(Value::as_str) {
        Some("Bundle") | None => String::new(),
        Some(kind) => format!("/{kind}"),
    }
}

fn outcome(status: u16, text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let issues = value
        .get("issue")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let words = issues.filter_map(|issue| {
        let details = issue
            .pointer("/details/text")
            .or(issue.get("diagnostics"))?;
        details.as_str().map(str::to_owned)
    });
    let all: Vec<String> = [format!("HTTP {status}")]
        .into_iter()
        .chain(words)
        .collect();
    all.join("; ")
}

fn resources(args: &Send) -> Result<Vec<(String, Vec<u8>)>> {
    if !args.files.is_empty() {
        return messages(args);
    }
    let default = ["Patient".to_owned()];
    let all = RESOURCES.map(|(kind, _)| kind.to_owned());
    let wanted: &[String] = match (args.all, args.kinds.is_empty()) {
        (true, _) => &all,
        (false, true) => &default,
        (false, false) => &args.kinds,
    };
    let resources = wanted
        .iter()
        .map(|kind| Ok((kind.clone(), resource(kind)?)));
    resources.collect()
}

fn resource(kind: &str) -> Result<Vec<u8>> {
    let identifier = json!([{"system": format!("urn:salus:{AUTHORITY}"), "value": PATIENT}]);
    let value = match kind {
        "Patient" => json!({
            "resourceType": "Patient", "identifier": identifier,
            "name": [{"family": "Zztest", "given": ["Salus"]}], "birthDate": "1970-01-01",
        }),
        "Observation" => json!({
            "resourceType": "Observation", "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"}]},
            "subject": {"identifier": {"system": format!("urn:salus:{AUTHORITY}"), "value": PATIENT}},
            "effectiveDateTime": SystemClock.now().to_string(),
            "valueQuantity": {"value": 4.1, "unit": "mmol/L",
                "system": "http://unitsofmeasure.org", "code": "mmol/L"},
        }),
        _ => bail!("there is no test resource `{kind}`; `salus send --list` says which"),
    };
    Ok(serde_json::to_vec(&value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_said_in_short() {
        let yes = b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5.1\rMSA|AA|1\r";
        assert_eq!(verdict(yes), (true, "AA".to_owned()));
        let no = b"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5.1\rMSA|AR|1\rERR||PID^1^5|207^wrong^HL70357|E||||it is wrong\r";
        let (taken, said) = verdict(no);
        assert!(
            !taken && said.starts_with("AR; ") && said.ends_with("it is wrong"),
            "{said}"
        );
        assert!(!verdict(b"HTTP/1.1 400").0);
        let refused = r#"{"issue":[{"details":{"text":"no"}},{"diagnostics":"never"}]}"#;
        assert_eq!(outcome(403, refused), "HTTP 403; no; never");
    }
}
