use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::Clock;
use record::Record;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::desk::Desk;
use super::feeds::{Candidates, Feeds};
use super::{Answers, Config, Error};
use crate::Inlet;
use crate::places::{Handshakes, Tally};
use crate::tls::{Peer, Reload};

/// The pause after a connection could not be accepted, for instance for want of descriptors.
const ACCEPT_PAUSE_MS: u64 = 50;

/// The MLLP inlet, listening.
pub struct Mllp {
    config: Config,
    clock: Arc<dyn Clock>,
    feeds: Feeds,
    listeners: Vec<Listener>,
    addresses: Vec<SocketAddr>,
    reload: Option<Reload>,
    answers: Option<Arc<dyn Answers>>,
}

struct Listener {
    socket: TcpListener,
    /// What connections that come now are met with.
    tls: Option<watch::Receiver<TlsAcceptor>>,
}

impl Mllp {
    /// Listens on the configured addresses; connections are taken once it runs.
    ///
    /// # Errors
    /// [`Error`] if an address cannot be had or a setting makes no sense.
    pub async fn bind(config: Config, clock: Arc<dyn Clock>) -> Result<Mllp, Error> {
        let feeds = Feeds::new(&config)?;
        let mut listeners = Vec::new();
        for &address in &config.listen {
            if !address.ip().is_loopback() {
                return Err(Error::NotLoopback(address));
            }
            listeners.push(Listener {
                socket: listen(address).await?,
                tls: None,
            });
        }
        let mut reload = None;
        if let Some(config) = &config.tls {
            let (reads, taken) = Reload::new(config)?;
            reload = Some(reads);
            for &address in &config.listen {
                let tls = Some(taken.clone());
                listeners.push(Listener {
                    socket: listen(address).await?,
                    tls,
                });
            }
        }
        let addresses = listeners
            .iter()
            .filter_map(|one| one.socket.local_addr().ok())
            .collect();
        Ok(Mllp {
            config,
            clock,
            feeds,
            listeners,
            addresses,
            reload,
            answers: None,
        })
    }

    /// What reads its certificate again; `None`: there is no TLS.
    pub fn reload(&self) -> Option<Reload> {
        self.reload.clone()
    }

    /// Has queries answered by that.
    #[must_use]
    pub fn answering(mut self, answers: Arc<dyn Answers>) -> Mllp {
        self.answers = Some(answers);
        self
    }

    /// Where it listens: the plain addresses first, each with its real port.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

#[async_trait]
impl Inlet for Mllp {
    fn name(&self) -> &'static str {
        "mllp"
    }

    async fn run(self: Box<Self>, door: Record, stop: CancellationToken) {
        let reception = Arc::new(Reception {
            room: Semaphore::new(self.config.connections_max),
            by_sender: Tally::default(),
            handshakes: Handshakes::new(
                self.config.handshakes_max,
                self.config.handshakes_per_address_max,
                self.config.handshake_ms,
            ),
            desk: Arc::new(Desk::new(self.config, door, (self.clock, self.answers))),
            feeds: self.feeds,
            stop,
        });
        let tasks = TaskTracker::new();
        for listener in self.listeners {
            tasks.spawn(accept(listener, Arc::clone(&reception), tasks.clone()));
        }
        tasks.close();
        tasks.wait().await;
    }
}

/// What a new connection needs.
struct Reception {
    desk: Arc<Desk>,
    feeds: Feeds,
    room: Semaphore,
    /// Connections by certificate.
    by_sender: Tally,
    handshakes: Handshakes,
    stop: CancellationToken,
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|why| Error::Bind { address, why })
}

async fn accept(listener: Listener, reception: Arc<Reception>, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.socket.accept() => accepted,
            () = reception.stop.cancelled() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                tracing::warn!(%why, "a connection could not be accepted");
                sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        let tls = listener.tls.as_ref().map(|tls| tls.borrow().clone());
        let reception = Arc::clone(&reception);
        tasks.spawn(async move {
            if let Err(why) = serve((stream, address), tls, &reception).await {
                tracing::info!(%address, %why, "a connection ended early");
            }
        });
    }
}

async fn serve(
    (stream, address): (TcpStream, SocketAddr),
    tls: Option<TlsAcceptor>,
    reception: &Reception,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return talk(stream, (address, reception.feeds.of_plain()), reception).await;
    };
    let stream = tokio::select! {
        made = reception.handshakes.make((stream, address), &tls) => made?,
        () = reception.stop.cancelled() => return Ok(()),
    };
    let (_, connection) = stream.get_ref();
    let peer = Peer::of(connection).ok_or(io::ErrorKind::PermissionDenied)?;
    let max = reception.desk.config.connections_per_sender_max;
    let Some(_own) = reception.by_sender.take(&peer.fingerprint, max) else {
        let sender = peer.names.first().map_or("", String::as_str);
        tracing::warn!(%address, sender, "closed: there are `connections_per_sender_max` with this certificate already");
        return Ok(());
    };
    let senders = reception.feeds.of_peer(&peer);
    talk(stream, (address, senders), reception).await
}

/// INVARIANT: nobody takes a place before the handshake that says who it is.
async fn talk<S>(
    stream: S,
    (address, senders): (SocketAddr, Candidates),
    reception: &Reception,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Ok(_place) = reception.room.try_acquire() else {
        tracing::warn!(%address, "closed: there are `connections_max` connections already");
        return Ok(());
    };
    let connection = Connection::new(stream, Arc::clone(&reception.desk), senders);
    connection.run(reception.stop.clone()).await
}
