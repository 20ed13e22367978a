//! Syslog over UDP (RFC 5426): a datagram is a message. What does not fit is counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use wire::signals::Cut;

use super::Error;
use super::gather::{Heard, Inbox};
use super::listener::Reception;

/// Datagrams that are still read when it ends.
const REST_DATAGRAMS_MAX: usize = 10_000;
/// The largest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;
/// Between looks at what the system dropped.
const LOOK_MS: u64 = 1_000;
/// The pause after a datagram could not be read.
const PAUSE_MS: u64 = 50;
/// Where Linux counts what it dropped, a line a socket.
const COUNTS: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// Binds a socket with room for bursts.
pub(crate) async fn bind(address: SocketAddr, buffer_bytes: usize) -> Result<UdpSocket, Error> {
    let socket = UdpSocket::bind(address).await;
    let socket = socket.map_err(|why| Error::Bind { address, why })?;
    let sized = socket2::SockRef::from(&socket);
    if let Err(why) = sized.set_recv_buffer_size(buffer_bytes) {
        tracing::warn!(%address, %why, "`udp_buffer_bytes` cannot be had");
    }
    // Linux gives twice what it grants, and grants `net.core.rmem_max` at most.
    let granted = sized.recv_buffer_size().unwrap_or_default() / 2;
    if granted < buffer_bytes {
        tracing::warn!(
            %address, granted, wanted = buffer_bytes,
            "the system holds fewer datagrams than `udp_buffer_bytes`: raise `net.core.rmem_max`"
        );
    }
    Ok(socket)
}

/// Takes datagrams until `stop`.
pub(crate) async fn run(socket: UdpSocket, reception: Arc<Reception>, stop: CancellationToken) {
    let mut dropped = Dropped::of(&socket);
    let mut look = ticking();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = look.tick() => count(&mut dropped, &reception),
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, from)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    take(bytes, from, &reception);
                }
                Err(why) => {
                    tracing::warn!(%why, "a datagram could not be read");
                    sleep(Duration::from_millis(PAUSE_MS)).await;
                }
            },
        }
    }
    // What the system holds already was sent to us; what goes on coming is not waited for.
    for _ in 0..REST_DATAGRAMS_MAX {
        let Ok((length, from)) = socket.try_recv_from(&mut buffer) else {
            break;
        };
        take(buffer.get(..length).unwrap_or_default(), from, &reception);
    }
    count(&mut dropped, &reception);
}

fn ticking() -> Interval {
    let mut look = interval(Duration::from_millis(LOOK_MS));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look
}

fn take(bytes: &[u8], from: SocketAddr, reception: &Reception) {
    let address = from.ip().to_canonical();
    let Some(inbox) = reception.of_address(address) else {
        let why = format!("a datagram from {address}, which is no feed's `sources`");
        return reception.unknown().lose(1, &why);
    };
    let line_bytes_max = inbox.line_bytes_max();
    let source: Arc<str> = address.to_string().into();
    let cut = match bytes.len() <= line_bytes_max {
        true => Cut::Whole,
        false => Cut::Piece,
    };
    for piece in bytes.chunks(line_bytes_max) {
        inbox.take_now(Heard {
            source: Arc::clone(&source),
            bytes: piece.to_vec(),
            cut,
        });
    }
}

fn count(dropped: &mut Dropped, reception: &Reception) {
    let lines = dropped.more();
    if lines > 0 {
        let why = "the system dropped datagrams of this port: `udp_buffer_bytes` was full";
        let of: &Inbox = reception.only().unwrap_or_else(|| reception.unknown());
        of.lose(lines, why);
    }
}

/// What the system dropped of a socket's datagrams.
struct Dropped {
    inode: Option<u64>,
    before: u64,
}

impl Dropped {
    fn of(socket: &UdpSocket) -> Dropped {
        use std::os::fd::AsFd as _;
        let inode = socket.as_fd().try_clone_to_owned().ok();
        let inode = inode.and_then(|file| std::fs::File::from(file).metadata().ok());
        let mut dropped = Dropped {
            inode: inode.map(|told| std::os::unix::fs::MetadataExt::ino(&told)),
            before: 0,
        };
        dropped.more();
        dropped
    }

    /// How many more there are than when it was last asked.
    fn more(&mut self) -> u64 {
        let Some(inode) = self.inode else { return 0 };
        let counted = COUNTS.iter().find_map(|path| {
            let table = std::fs::read_to_string(path).ok()?;
            dropped_in(&table, inode)
        });
        let now = counted.unwrap_or(self.before);
        let more = now.saturating_sub(self.before);
        self.before = now;
        more
    }
}

/// The last column of the line whose tenth is the inode.
fn dropped_in(table: &str, inode: u64) -> Option<u64> {
    let inode = inode.to_string();
    table.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let this = columns.get(9) == Some(&inode.as_str());
        this.then(|| columns.last()?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  513: 00000000:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 21764 2 0000000000000000 7
  514: 0100007F:0203 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 21765 2 0000000000000000 0
";

    #[test]
    fn the_count_of_a_socket_is_its_own() {
        assert_eq!(dropped_in(TABLE, 21_764), Some(7));
        assert_eq!(dropped_in(TABLE, 21_765), Some(0));
        assert_eq!(dropped_in(TABLE, 2), None);
    }
}
