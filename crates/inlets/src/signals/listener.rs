use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::Clock;
use record::Record;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::feed::{Feed, Senders};
use super::gather::{Gatherer, Inbox, LINE_BYTES, inbox};
use super::{Config, Error, connection, udp};
use crate::Inlet;
use crate::tls::{Peer, Reload};

/// The pause after a connection could not be accepted, for instance for want of descriptors.
const ACCEPT_PAUSE_MS: u64 = 50;
/// The least that may wait, in bytes, whatever the configuration says.
const WAITING_BYTES_MIN: usize = 1 << 20;

/// The doors for syslog, listening.
pub struct Syslog {
    reception: Reception,
    gatherers: Vec<Gatherer>,
    udp: Vec<UdpSocket>,
    tcp: Vec<(TcpListener, Option<watch::Receiver<TlsAcceptor>>)>,
    reload: Option<Reload>,
}

/// Where a door listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// Datagrams.
    Udp(SocketAddr),
    /// Plain connections.
    Tcp(SocketAddr),
    /// Connections over TLS.
    Tls(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Udp(address) => write!(f, "udp {address}"),
            Address::Tcp(address) => write!(f, "tcp {address}"),
            Address::Tls(address) => write!(f, "tls {address}"),
        }
    }
}

/// What a sender is met with.
pub(crate) struct Reception {
    pub(crate) config: Config,
    senders: Senders,
    /// In the order of the senders.
    inboxes: Vec<Inbox>,
    unknown: Inbox,
}

impl Reception {
    pub(crate) fn of_address(&self, address: IpAddr) -> Option<&Inbox> {
        self.inboxes.get(self.senders.from(address)?)
    }

    fn of_peer(&self, peer: &Peer) -> Option<&Inbox> {
        self.inboxes.get(self.senders.of(peer)?)
    }

    /// The inbox of those who are no feed.
    pub(crate) const fn unknown(&self) -> &Inbox {
        &self.unknown
    }

    /// The inbox of the only feed there is.
    pub(crate) fn only(&self) -> Option<&Inbox> {
        self.inboxes.first().filter(|_| self.inboxes.len() == 1)
    }
}

impl Syslog {
    /// Listens on the configured addresses; what comes is taken once it runs. `None`: there is
    /// nowhere to listen.
    ///
    /// # Errors
    /// [`Error`] if an address cannot be had or a setting makes no sense.
    pub async fn bind(config: &Config, clock: Arc<dyn Clock>) -> Result<Option<Syslog>, Error> {
        let (senders, feeds) = Senders::new(config)?;
        let own = &config.syslog;
        if own.udp.is_empty() && own.tcp.is_empty() && own.tls.is_none() {
            return Ok(None);
        }
        if feeds.is_empty() {
            return Err(Error::NoFeed);
        }
        let room = Arc::new(Semaphore::new(room(config, &feeds)?));
        let with = || (Arc::clone(&room), Arc::clone(&clock));
        let (mut inboxes, mut gatherers) = (Vec::new(), Vec::new());
        for feed in feeds.into_iter().chain([Arc::new(Feed::unknown())]) {
            let (inbox, gatherer) = inbox(feed, config, with());
            inboxes.push(inbox);
            gatherers.push(gatherer);
        }
        let Some(unknown) = inboxes.pop() else {
            return Ok(None);
        };
        let mut syslog = Syslog {
            reception: Reception {
                config: config.clone(),
                senders,
                inboxes,
                unknown,
            },
            gatherers,
            udp: Vec::new(),
            tcp: Vec::new(),
            reload: None,
        };
        syslog.listen().await?;
        Ok(Some(syslog))
    }

    async fn listen(&mut self) -> Result<(), Error> {
        let config = self.reception.config.clone();
        for &address in &config.syslog.udp {
            self.udp
                .push(udp::bind(address, config.udp_buffer_bytes).await?);
        }
        for &address in &config.syslog.tcp {
            self.tcp.push((tcp(address).await?, None));
        }
        if let Some(tls) = &config.syslog.tls {
            let (reload, taken) = Reload::new(tls)?;
            self.reload = Some(reload);
            for &address in &tls.listen {
                self.tcp.push((tcp(address).await?, Some(taken.clone())));
            }
        }
        Ok(())
    }

    /// What reads its certificate again; `None`: there is no TLS.
    pub fn reload(&self) -> Option<Reload> {
        self.reload.clone()
    }

    /// Where it listens, each with its real port.
    pub fn addresses(&self) -> Vec<Address> {
        let udp = self.udp.iter().filter_map(|one| one.local_addr().ok());
        let tcp = self.tcp.iter().filter_map(|(one, tls)| {
            let address = one.local_addr().ok()?;
            Some(match tls {
                Some(_) => Address::Tls(address),
                None => Address::Tcp(address),
            })
        });
        udp.map(Address::Udp).chain(tcp).collect()
    }
}

#[async_trait]
impl Inlet for Syslog {
    fn name(&self) -> &'static str {
        "signals"
    }

    async fn run(self: Box<Self>, door: Record, stop: CancellationToken) {
        let connections = Arc::new(Semaphore::new(self.reception.config.connections_max));
        let reception = Arc::new(self.reception);
        let (doors, sealing) = (TaskTracker::new(), TaskTracker::new());
        for gatherer in self.gatherers {
            sealing.spawn(gatherer.run(door.clone(), stop.clone()));
        }
        for socket in self.udp {
            doors.spawn(udp::run(socket, Arc::clone(&reception), stop.clone()));
        }
        for (socket, tls) in self.tcp {
            let met = (Arc::clone(&reception), stop.clone());
            doors.spawn(accept(
                (socket, tls),
                met,
                Arc::clone(&connections),
                doors.clone(),
            ));
        }
        doors.close();
        doors.wait().await;
        // Nobody can send any more: what waits is sealed, and the gatherers end.
        drop(reception);
        sealing.close();
        sealing.wait().await;
    }
}

/// The bytes that may wait; a line must fit, or it would wait for ever.
fn room(config: &Config, feeds: &[Arc<Feed>]) -> Result<usize, Error> {
    let all = config
        .waiting_bytes_max
        .clamp(WAITING_BYTES_MIN, Semaphore::MAX_PERMITS);
    let longest = match feeds.iter().any(|feed| feed.is_audit()) {
        true => config.line_bytes_max.max(config.audit_bytes_max),
        false => config.line_bytes_max,
    };
    let line = longest.saturating_add(LINE_BYTES);
    match line <= all && u32::try_from(line).is_ok() {
        true => Ok(all),
        false => Err(Error::Limits {
            line: longest,
            beside: LINE_BYTES,
            all,
        }),
    }
}

async fn tcp(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|why| Error::Bind { address, why })
}

async fn accept(
    (listener, tls): (TcpListener, Option<watch::Receiver<TlsAcceptor>>),
    (reception, stop): (Arc<Reception>, CancellationToken),
    room: Arc<Semaphore>,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                tracing::warn!(%why, "a connection could not be accepted");
                sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            let why = "closed: there are `connections_max` connections already";
            tracing::warn!(%address, why);
            reception.unknown().lose(1, why);
            continue;
        };
        let tls = tls.as_ref().map(|tls| tls.borrow().clone());
        let met = (Arc::clone(&reception), stop.clone());
        tasks.spawn(async move {
            if let Err(why) = serve((stream, address), tls, met, place).await {
                tracing::info!(%address, %why, "a syslog connection ended early");
            }
        });
    }
}

async fn serve(
    (stream, address): (TcpStream, SocketAddr),
    tls: Option<TlsAcceptor>,
    (reception, stop): (Arc<Reception>, CancellationToken),
    _place: OwnedSemaphorePermit,
) -> io::Result<()> {
    let address = address.ip().to_canonical();
    let source: Arc<str> = address.to_string().into();
    let Some(tls) = tls else {
        let inbox = reception.of_address(address).cloned();
        let inbox = inbox.ok_or_else(|| stranger(&reception, &source))?;
        return connection::run(stream, (inbox, source), &reception.config, stop).await;
    };
    let limit = Duration::from_millis(reception.config.handshake_ms);
    let stream = tokio::select! {
        made = timeout(limit, tls.accept(stream)) => made.map_err(io::Error::from)??,
        () = stop.cancelled() => return Ok(()),
    };
    let (_, connection) = stream.get_ref();
    let peer = Peer::of(connection).ok_or(io::ErrorKind::PermissionDenied)?;
    let inbox = reception.of_peer(&peer).cloned();
    let inbox = inbox.ok_or_else(|| stranger(&reception, &source))?;
    connection::run(stream, (inbox, source), &reception.config, stop).await
}

/// Somebody who is no feed is turned away, which is counted as one line.
fn stranger(reception: &Reception, source: &str) -> io::Error {
    let why = format!("a connection from {source}, which is no feed's");
    reception.unknown().lose(1, &why);
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}
