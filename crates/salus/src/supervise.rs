//! Serves until a signal, then drains: no new work, what was accepted is sealed and answered.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use event::ServiceState;
use hyper_util::rt::TokioTimer;
use inlets::dicom::Dicom;
use inlets::mllp::Mllp;
use inlets::signals::{Address, Files, Positions, Syslog};
use inlets::{Inlet, Reload};
use record::Record;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::assemble::House;
use crate::config::Config;
use crate::images::Images;
use crate::output;
use crate::patience::Patience;
use crate::peer::{self, PeerAcceptor};
use crate::promoting::Promote;
use crate::queries::Asking;
use crate::signals::Known;
use crate::tls::{Https, Renewal};
use crate::{
    backups, certificate, drill, fence, framing, leaving, local, patience, pulling, scrub,
};

/// A running server.
pub(crate) struct Server {
    pub(crate) house: Arc<House>,
    /// Where console and FHIR are, for instance `https://127.0.0.1:8443`.
    pub(crate) url: String,
    /// Where MLLP listens.
    pub(crate) mllp: Vec<SocketAddr>,
    /// Where syslog is listened for.
    pub(crate) syslog: Vec<Address>,
    /// Where DICOM is listened for.
    pub(crate) dicom: Vec<SocketAddr>,
    /// SHA-256 fingerprint of the certificate.
    pub(crate) fingerprint: String,
    stop: CancellationToken,
    https: Handle<SocketAddr>,
    tasks: TaskTracker,
}

/// SIGTERM and SIGINT. Taken once in a process, before anything listens: one that comes while a
/// server starts, or while a standby becomes the primary, waits until somebody asks.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// # Errors
    /// If the system gives none.
    pub(crate) fn take() -> Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// What a start comes to; nothing if the process is to stop before. Whatever was begun is then
    /// left as a power cut would leave it.
    pub(crate) async fn or_stop<T>(
        &mut self,
        starting: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        tokio::select! {
            started = starting => started.map(Some),
            () = self.told() => Ok(None),
        }
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What a server is here for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It takes events.
    Primary,
    /// It follows a primary.
    Standby,
}

/// The ways in beside HTTPS; none on a standby.
#[derive(Default)]
struct WaysIn {
    mllp: Option<Mllp>,
    dicom: Option<Dicom>,
    syslog: Option<Syslog>,
    files: Option<Files>,
}

impl WaysIn {
    /// Binds what the configuration names.
    async fn open(house: &Arc<House>) -> Result<WaysIn> {
        let (config, clock) = (&house.config, || Arc::clone(&house.clock));
        let mllp = Mllp::bind(config.mllp.clone(), clock()).await?;
        let dicom = Dicom::bind((*config.dicom).clone()).await?;
        let dicom = dicom.taking(Arc::clone(&house.intake));
        let known: Arc<dyn Positions> = Arc::new(Known(Arc::clone(&house.app)));
        Ok(WaysIn {
            mllp: Some(mllp.answering(Arc::new(Asking(Arc::clone(&house.app))))),
            dicom: Some(dicom.answering(Arc::new(Images(Arc::clone(&house.app))))),
            syslog: Syslog::bind(&config.signals, clock()).await?,
            files: Some(Files::open(&config.signals, (known, clock()))?),
        })
    }

    /// Where MLLP and where syslog is listened for.
    fn addresses(&self) -> (Vec<SocketAddr>, Vec<Address>) {
        let mllp = self.mllp.as_ref().map(|mllp| mllp.addresses().to_vec());
        let syslog = self.syslog.as_ref().map(Syslog::addresses);
        (mllp.unwrap_or_default(), syslog.unwrap_or_default())
    }

    /// What reads their certificates again: of MLLP, syslog, DICOM.
    fn reloads(&self) -> [Option<Reload>; 3] {
        [
            self.mllp.as_ref().and_then(Mllp::reload),
            self.syslog.as_ref().and_then(Syslog::reload),
            self.dicom.as_ref().and_then(Dicom::reload),
        ]
    }

    fn run(self, record: &Record, (tasks, stop): (&TaskTracker, &CancellationToken)) {
        let inlets = [
            self.mllp.map(|one| Box::new(one) as Box<dyn Inlet>),
            self.dicom.map(|one| Box::new(one) as Box<dyn Inlet>),
            self.syslog.map(|one| Box::new(one) as Box<dyn Inlet>),
            self.files.map(|one| Box::new(one) as Box<dyn Inlet>),
        ];
        for inlet in inlets.into_iter().flatten() {
            tasks.spawn(inlet.run(record.clone(), stop.clone()));
        }
    }
}

/// What a server was told.
pub(crate) enum Told {
    /// To stop.
    Stop,
    /// To become the primary.
    Promoted(Promote),
    /// By what is no longer there: it stands on nothing.
    Uprooted(String),
}

impl Server {
    /// Binds every way in, opens the house and starts serving.
    pub(crate) async fn start(config: Config) -> Result<Server> {
        Box::pin(fence::may_begin(&config)).await?;
        Box::pin(Server::begin(config, Part::Primary)).await
    }

    /// The same for a standby: it is looked at, and nothing comes in.
    pub(crate) async fn start_standby(config: Config) -> Result<Server> {
        Box::pin(Server::begin(config, Part::Standby)).await
    }

    async fn begin(mut config: Config, part: Part) -> Result<Server> {
        let listener = TcpListener::bind(config.https.listen).with_context(|| {
            format!(
                "cannot listen on {}; set `listen` in `[https]`",
                config.https.listen
            )
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let url = match config.https.url.trim_end_matches('/') {
            "" => format!("https://{address}"),
            url => url.to_owned(),
        };
        config.web.fhir_base = format!("{url}/fhir");
        config
            .web
            .image_authority
            .clone_from(&config.dicom.authority);
        config.web.image_limits = config.dicom.limits();
        let house = Arc::new(match part {
            Part::Primary => House::open(config).await?,
            Part::Standby => House::open_standby(config).await?,
        });
        let config = &house.config;
        let ways = match part {
            Part::Primary => WaysIn::open(&house).await?,
            Part::Standby => WaysIn::default(),
        };
        let (mllp, syslog) = ways.addresses();
        let dicom = ways.dicom.as_ref().map(|dicom| dicom.addresses().to_vec());
        let files = certificate::ensure(config, house.clock.now())?;
        let fingerprint = certificate::fingerprint(&files.certificate)?;
        let wanted = Https::new(files, &config.https);
        let served = wanted
            .read()
            .context("the server's certificate or its key cannot be used")?;
        let tls = RustlsConfig::from_config(served);
        let (stop, tasks, https) = (CancellationToken::new(), TaskTracker::new(), Handle::new());
        let record = house.app.record.clone();
        let taken = (ways.reloads(), signal(SignalKind::hangup())?);
        let renewal = Renewal::new(config, (tls.clone(), wanted), taken);
        tasks.spawn(renewal.run(stop.clone()));
        ways.run(&record, (&tasks, &stop));
        serve_https(&house, (listener, tls), &https, &tasks)?;
        let socket = local::listen(&config.socket())?;
        let operating = axum::serve(socket, local::router(Arc::clone(&house)));
        tasks.spawn(
            operating
                .with_graceful_shutdown(stop.clone().cancelled_owned())
                .into_future(),
        );
        if part == Part::Primary {
            let doors = mllp.iter().chain(dicom.iter().flatten());
            let own: Vec<SocketAddr> = doors.copied().chain([address]).collect();
            house.pass_on(&own)?;
        }
        set_going(&house, part, (&tasks, &stop)).await?;
        house.note(ServiceState::Started).await?;
        Ok(Server {
            house,
            url,
            mllp,
            syslog,
            dicom: dicom.unwrap_or_default(),
            fingerprint,
            stop,
            https,
            tasks,
        })
    }

    /// Waits for SIGTERM or SIGINT, or for the order to become the primary.
    pub(crate) async fn until_told(&self, signals: &mut Signals) -> Told {
        let mut promotion = self.house.promotion.subscribe();
        let promoted = promotion.wait_for(Option::is_some);
        let mut uprooted = self.house.app.record.uprooted();
        tokio::select! {
            () = signals.told() => Told::Stop,
            order = promoted => match order.ok().and_then(|order| order.clone()) {
                Some(order) => Told::Promoted(order),
                None => Told::Stop,
            },
            Ok(gone) = uprooted.wait_for(Option::is_some) => {
                let gone = gone.as_ref().map(|path| path.display().to_string());
                Told::Uprooted(gone.unwrap_or_default())
            }
        }
    }

    /// Whether it still has its data folder. Without it people and systems are told for a while why nothing is taken
    /// (`uprooted_ms`), then it ends and leaves alone whatever lies at its paths.
    pub(crate) async fn drain_or_leave(self, told: &Told, signals: &mut Signals) -> u8 {
        let Told::Uprooted(gone) = told else {
            self.drain().await;
            return output::WELL;
        };
        output::note(&format!(
            "`{gone}` was removed or replaced while the server ran. What was acknowledged before is in the files that were \
             removed, and nothing is taken any more. Put the data folder back, or restore a backup (`salus restore`), and \
             start again"
        ));
        let says = Duration::from_millis(self.house.config.https.uprooted_ms);
        let _ = tokio::time::timeout(says, signals.told()).await;
        self.stop.cancel();
        let wait = Duration::from_millis(self.house.config.https.drain_ms);
        self.https.graceful_shutdown(Some(wait));
        self.tasks.close();
        let _ = tokio::time::timeout(wait, self.tasks.wait()).await;
        output::UPROOTED
    }

    /// Takes nothing new, answers what was taken, publishes a checkpoint.
    pub(crate) async fn drain(self) {
        let socket = self.house.config.socket();
        let wait = Duration::from_millis(self.house.config.https.drain_ms);
        self.stop.cancel();
        self.https.graceful_shutdown(Some(wait));
        self.tasks.close();
        if tokio::time::timeout(wait, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time (`drain_ms`)");
        }
        let _ = std::fs::remove_file(socket);
        if let Err(why) = self.house.note(ServiceState::Stopped).await {
            tracing::warn!(%why, "the stop was not sealed");
        }
        match Arc::into_inner(self.house) {
            Some(house) => house.close().await,
            None => tracing::warn!("something still holds the record"),
        }
    }
}

/// Starts what a server does by itself.
async fn set_going(
    house: &Arc<House>,
    part: Part,
    (tasks, stop): (&TaskTracker, &CancellationToken),
) -> Result<()> {
    house.count_rejected();
    house.sweep_pictures();
    if part == Part::Standby {
        return house.follow();
    }
    tasks.spawn(scrub::now_and_then(Arc::clone(house), stop.clone()));
    tasks.spawn(leaving::watch(Arc::clone(house), stop.clone()));
    tasks.spawn(drill::on_order(Arc::clone(house), stop.clone()));
    tasks.spawn(pulling::on_order(Arc::clone(house), stop.clone()));
    tasks.spawn(backups::keep_going(Arc::clone(house), stop.clone()));
    house.send_audit()?;
    house.pack_wards();
    house.ask_witnesses().await;
    house.watch_fence();
    Ok(())
}

fn serve_https(
    house: &Arc<House>,
    (listener, tls): (TcpListener, RustlsConfig),
    handle: &Handle<SocketAddr>,
    tasks: &TaskTracker,
) -> Result<()> {
    let config = &house.config.https;
    let acceptor = PeerAcceptor::new(tls, Arc::clone(&house.app), config);
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(acceptor)
        .handle(handle.clone());
    // A client that does not finish its request's head must not hold a connection.
    let header = Duration::from_millis(config.header_ms);
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header);
    server
        .http_builder()
        .http2()
        .max_concurrent_streams(config.streams_per_connection_max);
    let patience = Patience {
        any: Duration::from_millis(config.body_ms),
        images: Duration::from_millis(config.images_body_ms),
        rate: house.app.settings.images_rate(),
    };
    let router =
        web::router(Arc::clone(&house.app)).layer(middleware::from_fn_with_state(patience, around));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tasks.spawn(async move {
        if let Err(why) = server.serve(service).await {
            tracing::error!(%why, "the HTTPS server stopped");
        }
    });
    Ok(())
}

/// What a request goes through before it is looked at.
async fn around(State(patience): State<Patience>, request: Request, next: Next) -> Response {
    let within = async move |request| {
        let request = patience::for_body(patience, peer::told(request));
        next.run(request).await
    };
    framing::one_at_a_time(request, within).await
}
