//! One connection's worth of events: written, closed, and taken as delivered when the receiver
//! closes, too.

use std::time::Duration;

use record::{Record, Sealed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::audit::{MESSAGE_KIND, Site, audit_message};
use wire::syslog::{Facility, Header, Severity, framed, message};

use super::way::{Stream, Way};
use super::{OutletConfig, READ_EVENTS};
use crate::audited::audited;
use crate::fold::traces;
use crate::heard::messages;
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
        let frames = frames(config, site, &events);
        if !frames.is_empty() {
            if stream.is_none() {
                stream = Some(within(wait, "to connect", way.connect()).await?);
            }
            if let Some(stream) = &mut stream {
                for frame in &frames {
                    within(wait, "to read", stream.write_all(frame)).await?;
                }
                messages += frames.len() as u64;
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

fn frames(config: &OutletConfig, site: &Site, events: &[Sealed]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for sealed in events {
        let traces = traces(sealed.index(), sealed.at(), sealed.event());
        frames.extend(traces.iter().map(|trace| frame(config, site, trace)));
        if config.others {
            frames.extend(
                messages(sealed.event())
                    .iter()
                    .map(|message| framed(message)),
            );
        }
    }
    frames
}

fn frame(config: &OutletConfig, site: &Site, trace: &Trace) -> Vec<u8> {
    let severity = match trace.allowed {
        true => Severity::Notice,
        false => Severity::Warning,
    };
    let host = match config.host.as_str() {
        "" => "salus",
        host => host,
    };
    let at = trace.at.to_string();
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
    framed(&message(&header, &audit_message(&audited(trace, site, ""))))
}
