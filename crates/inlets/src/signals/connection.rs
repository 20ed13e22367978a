//! One syslog connection over TCP or TLS. It has no acknowledgement (RFC 5425, RFC 6587): what a
//! sender wrote and we did not read when either side breaks off is lost, and nobody can tell.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wire::signals::Cut;
use wire::syslog::{Piece, Stream};

use super::Config;
use super::gather::{Heard, Inbox};

/// Bytes asked of a socket at a time.
const READ_BYTES: usize = 64 << 10;
/// When we stop: how often a socket is read once more, and how long each time may take.
const REST_READS_MAX: usize = 64;
const REST_WAIT: Duration = Duration::from_millis(50);

/// Reads until either side is done. While lines wait to be sealed, nothing is read, and the sender
/// waits.
///
/// # Errors
/// When the connection breaks, or is still for too long.
pub(crate) async fn run<S: AsyncRead + Unpin>(
    mut stream: S,
    (inbox, source): (Inbox, Arc<str>),
    config: &Config,
    stop: CancellationToken,
) -> io::Result<()> {
    let idle = Duration::from_millis(config.idle_ms.max(1));
    let mut frames = Stream::new(inbox.line_bytes_max());
    let mut buffer = Vec::with_capacity(READ_BYTES);
    let ended = loop {
        buffer.clear();
        let read = tokio::select! {
            read = timeout(idle, stream.read_buf(&mut buffer)) => read,
            () = stop.cancelled() => {
                rest(&mut stream, &mut frames, (&inbox, &source)).await;
                break Ok(());
            }
        };
        match read {
            Ok(Ok(0)) => break Ok(()),
            Ok(Ok(_)) => {}
            Ok(Err(why)) => break Err(why),
            Err(_) => break Err(io::ErrorKind::TimedOut.into()),
        }
        // One after the other: a buffer of short lines would take many times its room as pieces.
        frames.push(&buffer);
        while let Some(piece) = frames.piece() {
            inbox.take(heard(piece, &source)).await;
        }
    };
    if let Some(piece) = frames.end() {
        inbox.take(heard(piece, &source)).await;
    }
    ended
}

/// What has come already when we stop: nobody would send it again.
async fn rest<S: AsyncRead + Unpin>(
    stream: &mut S,
    frames: &mut Stream,
    (inbox, source): (&Inbox, &Arc<str>),
) {
    let mut buffer = Vec::with_capacity(READ_BYTES);
    for _ in 0..REST_READS_MAX {
        buffer.clear();
        let read = timeout(REST_WAIT, stream.read_buf(&mut buffer)).await;
        if !matches!(read, Ok(Ok(1..))) {
            return;
        }
        frames.push(&buffer);
        while let Some(piece) = frames.piece() {
            inbox.take(heard(piece, source)).await;
        }
    }
}

fn heard(piece: Piece, source: &Arc<str>) -> Heard {
    Heard {
        source: Arc::clone(source),
        bytes: piece.bytes,
        cut: match piece.cut {
            true => Cut::Piece,
            false => Cut::Whole,
        },
    }
}
