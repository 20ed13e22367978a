use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use record::Record;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::association::{Association, Caller};
use super::desk::Desk;
use super::feeds::Feeds;
use super::prompt::Prompt;
use super::{Answers, Config, Error, Intake};
use crate::Inlet;
use crate::places::{Counted, Handshakes, Tally};
use crate::tls::{Peer, Reload};

/// The pause after a connection could not be accepted, for instance for want of descriptors.
const ACCEPT_PAUSE_MS: u64 = 50;
/// Connections beyond `associations_max` that are told so; more are closed without a word.
const TOLD_MAX: usize = 64;

/// The DICOM inlet, listening.
pub struct Dicom {
    config: Config,
    feeds: Feeds,
    listeners: Vec<Listener>,
    addresses: Vec<SocketAddr>,
    reload: Option<Reload>,
    answers: Option<Arc<dyn Answers>>,
    intake: Option<Arc<Intake>>,
}

struct Listener {
    socket: TcpListener,
    /// What connections that come now are met with.
    tls: Option<watch::Receiver<TlsAcceptor>>,
}

impl Dicom {
    /// Listens on the configured addresses; associations are taken once it runs.
    ///
    /// # Errors
    /// [`Error`] if an address cannot be had or a setting makes no sense.
    pub async fn bind(config: Config) -> Result<Dicom, Error> {
        let feeds = Feeds::new(&config)?;
        let mut listeners = Vec::new();
        for &address in &config.listen {
            if !address.ip().is_loopback() {
                return Err(Error::NotLoopback(address));
            }
            let socket = listen(address).await?;
            listeners.push(Listener { socket, tls: None });
        }
        let mut reload = None;
        if let Some(tls) = &config.tls {
            let (reads, taken) = Reload::new(tls)?;
            reload = Some(reads);
            for &address in &tls.listen {
                let socket = listen(address).await?;
                let tls = Some(taken.clone());
                listeners.push(Listener { socket, tls });
            }
        }
        let addresses = listeners
            .iter()
            .filter_map(|one| one.socket.local_addr().ok());
        Ok(Dicom {
            addresses: addresses.collect(),
            config,
            feeds,
            listeners,
            reload,
            answers: None,
            intake: None,
        })
    }

    /// Has queries and retrievals answered by that.
    #[must_use]
    pub fn answering(mut self, answers: Arc<dyn Answers>) -> Dicom {
        self.answers = Some(answers);
        self
    }

    /// Has objects taken in by that, as other doors do.
    #[must_use]
    pub fn taking(mut self, intake: Arc<Intake>) -> Dicom {
        self.intake = Some(intake);
        self
    }

    /// What reads its certificate again; `None`: there is no TLS.
    pub fn reload(&self) -> Option<Reload> {
        self.reload.clone()
    }

    /// Where it listens: the plain addresses first, each with its real port.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

#[async_trait]
impl Inlet for Dicom {
    fn name(&self) -> &'static str {
        "dicom"
    }

    async fn run(self: Box<Self>, door: Record, stop: CancellationToken) {
        let intake = self.intake;
        let intake = intake.unwrap_or_else(|| Arc::new(Intake::new(&self.config, door)));
        intake.opens(!self.listeners.is_empty());
        let reception = Arc::new(Reception {
            places: Arc::new(Semaphore::new(self.config.associations_max)),
            told: Semaphore::new(TOLD_MAX),
            handshakes: Handshakes::new(
                self.config.handshakes_max,
                self.config.handshakes_per_address_max,
                self.config.handshake_ms,
            ),
            begun: Tally::default(),
            desk: Arc::new(Desk {
                by_feed: Tally::default(),
                config: self.config,
                answers: self.answers,
                intake: Arc::clone(&intake),
            }),
            feeds: self.feeds,
            stop,
        });
        let tasks = TaskTracker::new();
        for listener in self.listeners {
            tasks.spawn(accept(listener, Arc::clone(&reception), tasks.clone()));
        }
        tasks.close();
        tasks.wait().await;
        intake.opens(false);
    }
}

/// What a new connection needs.
struct Reception {
    desk: Arc<Desk>,
    feeds: Feeds,
    places: Arc<Semaphore>,
    told: Semaphore,
    handshakes: Handshakes,
    /// Connections that have not asked for their association, by certificate.
    begun: Tally,
    stop: CancellationToken,
}

impl Reception {
    /// A place among those who have not said which feed they are, of whom a certificate is known.
    ///
    /// # Errors
    /// There is none.
    fn begins(
        &self,
        (address, peer): (SocketAddr, Option<&Peer>),
    ) -> Result<Option<Counted>, Refused> {
        let Some(peer) = peer else {
            return Ok(None);
        };
        let max = self.desk.config.associations_begun_per_certificate_max;
        let place = self.begun.take(&peer.fingerprint, max);
        if place.is_none() {
            let sender = peer.names.first().map_or("", String::as_str);
            tracing::warn!(
                %address,
                sender,
                "closed: `associations_begun_per_certificate_max` with this certificate ask for nothing yet"
            );
        }
        place.map(Some).ok_or(Refused)
    }
}

/// There is no place.
struct Refused;

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let socket = TcpListener::bind(address).await;
    socket.map_err(|why| Error::Bind { address, why })
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
                tracing::info!(%address, %why, "an association ended early");
            }
        });
    }
}

async fn serve(
    (stream, address): (TcpStream, SocketAddr),
    tls: Option<TlsAcceptor>,
    reception: &Reception,
) -> io::Result<()> {
    let stream = Prompt::new(stream)?;
    let Some(tls) = tls else {
        return talk(stream, (address, None), reception).await;
    };
    let stream = tokio::select! {
        made = reception.handshakes.make((stream, address), &tls) => made?,
        () = reception.stop.cancelled() => return Ok(()),
    };
    let (_, connection) = stream.get_ref();
    let peer = Peer::of(connection).ok_or(io::ErrorKind::PermissionDenied)?;
    talk(stream, (address, Some(peer)), reception).await
}

/// INVARIANT: nobody takes a place before the handshake that says who it is.
async fn talk<S>(
    stream: S,
    (address, peer): (SocketAddr, Option<Peer>),
    reception: &Reception,
) -> io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
{
    let Ok(begun) = reception.begins((address, peer.as_ref())) else {
        return Ok(());
    };
    let place = reception.places.try_acquire().ok();
    let told = reception.told.try_acquire().ok();
    if place.is_none() && told.is_none() {
        tracing::warn!(%address, "closed: there are `associations_max` associations already");
        return Ok(());
    }
    // Whoever has a place needs none among those who are turned away.
    let _told = told.filter(|_| place.is_none());
    let caller = Caller {
        address: address.ip().to_canonical().to_string(),
        peer,
        has_place: place.is_some(),
        begun,
    };
    let association = Association::new(stream, Arc::clone(&reception.desk));
    association
        .run((&reception.feeds, caller), &reception.stop)
        .await
}
