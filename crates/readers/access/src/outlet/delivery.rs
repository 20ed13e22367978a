//! One connection's worth of events: written, closed, and taken as delivered when the receiver
//! closes, too.

use std::borrow::Cow;
use std::time::Duration;

use event::Time;
use record::{Record, Sealed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::audit::{MESSAGE_KIND, Site, audit_message};
use wire::syslog::{Facility, Header, Severity, framed, message};

use super::way::{Stream, Way};
use super::{OutletConfig, READ_EVENTS};
use crate::audited::audited;
use crate::fold::traces;
use crate::heard::{messages, told};
use crate::trace::Trace;

/// Sends what comes from an index on; gives the next index and how many messages went.
pub(super) async fn deliver(
    way: &Way,
    config: &OutletConfig,
    (record, site, from): (&Record, &Site, u64),
) -> Result<(u64, u64), String> {
    let wait = Duration::from_millis(config.wait_ms.max(1));
    let mut stream: Option<Box<dyn Stream>> = None;
    let (mut next, mut messages) = (from, 0);
    while next - from < config.confirm_events.max(1) {
        let (events, after) = record
            .read_until(next, READ_EVENTS)
            .await
            .map_err(|why| why.to_string())?;
        if after == next {
            break;
        }
        // One event after the other: what others tell may be large.
        for sealed in &events {
            for frame in frames(config, site, sealed) {
                if stream.is_none() {
                    stream = Some(within(wait, "to connect", way.connect()).await?);
                }
                if let Some(stream) = &mut stream {
                    within(wait, "to read", stream.write_all(&frame)).await?;
                    messages += 1;
                }
            }
        }
        next = after;
    }
    if let Some(stream) = stream {
        within(wait, "to read to the end and close", closed(stream)).await?;
    }
    Ok((next, messages))
}

/// Closes our side and waits until the receiver has read everything and closes its own.
async fn closed(mut stream: Box<dyn Stream>) -> Result<(), std::io::Error> {
    stream.flush().await?;
    stream.shutdown().await?;
    let mut ignored = [0; 512];
    loop {
        match stream.read(&mut ignored).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // Syslog receivers close the connection without the farewell of TLS.
            Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(why) => return Err(why),
        }
    }
}

async fn within<T>(
    wait: Duration,
    doing: &str,
    work: impl Future<Output = Result<T, std::io::Error>>,
) -> Result<T, String> {
    match tokio::time::timeout(wait, work).await {
        Ok(done) => done.map_err(|why| format!("the receiver failed {doing}: {why}")),
        Err(_) => Err(format!(
            "the receiver took longer than {} ms (`wait_ms`) {doing}",
            wait.as_millis()
        )),
    }
}

fn frames(config: &OutletConfig, site: &Site, sealed: &Sealed) -> Vec<Vec<u8>> {
    let traces = traces(sealed.index(), sealed.at(), sealed.event());
    let mut frames: Vec<Vec<u8>> = traces
        .iter()
        .map(|trace| frame(config, site, trace))
        .collect();
    let told = told(sealed.at(), sealed.event()).filter(|_| config.others);
    if let Some((_, event)) = told {
        for (came, bytes) in messages(&event) {
            let message = passed_on(config, came, bytes);
            // A receiver that cannot take it would close, and stop everything behind it.
            if message.len() > config.others_bytes_max {
                tracing::warn!(
                    index = sealed.index(),
                    bytes = message.len(),
                    "an audit message of another system is longer than `others_bytes_max` and is not passed on"
                );
                continue;
            }
            frames.push(framed(&message));
        }
    }
    frames
}

/// As it came, if it came as RFC 5424 has it; else the audit message of it under a header of ours.
fn passed_on<'b>(config: &OutletConfig, came: Time, bytes: &'b [u8]) -> Cow<'b, [u8]> {
    let end = bytes.iter().take(5).position(|byte| *byte == b'>');
    let version = end.and_then(|end| bytes.get(end + 1..end + 3));
    let priority = end.and_then(|end| bytes.get(1..end)).unwrap_or_default();
    let is_priority = !priority.is_empty() && priority.iter().all(u8::is_ascii_digit);
    if bytes.first() == Some(&b'<') && is_priority && version == Some(b"1 ") {
        return Cow::Borrowed(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    let begins = ["<?xml", "<AuditMessage"].map(|begin| text.find(begin));
    let begin = begins.into_iter().flatten().min().unwrap_or_default();
    let text = text.get(begin..).unwrap_or_default();
    Cow::Owned(headed(config, (came, Severity::Notice), text))
}

fn frame(config: &OutletConfig, site: &Site, trace: &Trace) -> Vec<u8> {
    let severity = match trace.allowed {
        true => Severity::Notice,
        false => Severity::Warning,
    };
    let text = audit_message(&audited(trace, site, ""));
    framed(&headed(config, (trace.at, severity), &text))
}

fn headed(config: &OutletConfig, (at, severity): (Time, Severity), text: &str) -> Vec<u8> {
    let host = match config.host.as_str() {
        "" => "salus",
        host => host,
    };
    let at = at.to_string();
    let process = std::process::id().to_string();
    let header = Header {
        facility: Facility::AuthPriv,
        severity,
        at: &at,
        host,
        app: "salus",
        process: &process,
        kind: MESSAGE_KIND,
    };
    message(&header, text)
}
