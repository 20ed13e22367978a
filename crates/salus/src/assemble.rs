//! Opens the rooms in their order and joins them.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{Access, Outlet};
use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use chart::Chart;
use event::{Act, Actor, Body, Clock, Event, Service, ServiceState, Subject, Time};
use flow::Flow;
use guard::{Policies, Rota, Standing, admit};
use inlets::dicom::Intake;
use lifeline::{Lifeline, PackKey};
use oversight::Oversight;
use record::{Guarded, Reader, Record, SigningKey, WitnessBook, follow};
use routes::Routes;
use staff::{Staff, ViewKey};
use tokens::Tokens;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::{App, Compared, Following, Rooms, Signer};
use wire::audit::Site;

use crate::bringing::{self, Bringer};
use crate::certificate;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::expecting::doors;
use crate::fence;
use crate::folding::Folding;
use crate::following::{self, Follower};
use crate::images::Taking;
use crate::lost;
use crate::promoting::Promote;
use crate::pulling;
use crate::signals;
use crate::witnessing::Rounds;

/// How long one wait for the policies in force takes before it says so.
const FOLD_WAIT: Duration = Duration::from_secs(2);

/// Everything but the ways in.
pub(crate) struct House {
    pub(crate) config: Config,
    pub(crate) app: Arc<App>,
    /// Takes objects in, by whatever door they come.
    pub(crate) intake: Arc<Intake>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What is folded from the record.
    pub(crate) readers: Vec<Arc<dyn Reader>>,
    /// Those of them whose files are held against a fresh fold, table by table.
    pub(crate) views: Vec<Arc<Guarded>>,
    /// Held while policies are put in force, so that they follow each other as they are sealed.
    pub(crate) changing: Mutex<()>,
    /// When the views were last found to be what the record says; held while they are compared.
    pub(crate) compared: Mutex<Option<Time>>,
    /// A human's order to become the primary.
    pub(crate) promotion: watch::Sender<Option<Promote>>,
    /// The witnesses that are asked, until somebody asks them.
    witnesses: Mutex<Option<Rounds>>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Goes last: the record may have made connections on its threads.
    folding: Folding,
}

impl House {
    /// Opens the record and the views and starts folding.
    pub(crate) async fn open(config: Config) -> Result<House> {
        if following::is_standby(&config.data) {
            bail!(
                "`{}` is a standby's folder: start `salus standby`, or make it the primary with \
                 `salus promote`",
                config.data.display()
            );
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let record = Box::pin(Record::open(config.record(), Arc::clone(&clock))).await?;
        Box::pin(House::around(config, record, clock)).await
    }

    /// The same over a record that only follows a primary.
    pub(crate) async fn open_standby(config: Config) -> Result<House> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let record = Box::pin(Record::open_standby(config.record(), Arc::clone(&clock))).await?;
        Box::pin(House::around(config, record, clock)).await
    }

    async fn around(config: Config, record: Record, clock: Arc<dyn Clock>) -> Result<House> {
        let policies = Arc::new(policies(&config.policies)?);
        let rota = rota(&config.rota)?;
        make_folder(&config.data.join("views"))?;
        crate::scrub::forget(&config)?;
        name_lost(&config, &record).await?;
        let chart = Chart::open(config.chart()?, &record).await?;
        let key = ViewKey::of(record.blind().key("staff"));
        let staff = Staff::open_with(&config.view("staff"), key, config.staff.clone()).await?;
        let (flow, routes) = ways(&config).await?;
        let oversight = Oversight::open(&config.view("oversight")).await?;
        let access = Access::open_with(&config.view("access"), config.access.clone()).await?;
        let tokens = Tokens::open(&config.view("tokens")).await?;
        let lifeline = lifeline(&config, &record).await?;
        let views: Vec<Arc<Guarded>> = [
            oversight.reader(),
            staff.reader(),
            tokens.reader(),
            flow.reader(),
            routes.reader(),
            access.reader(record.blind()),
            lifeline.reader(),
        ]
        .map(|reader| Arc::new(Guarded::new(reader)))
        .into();
        let guarded = views.iter().map(|view| Arc::clone(view) as Arc<dyn Reader>);
        let readers: Vec<Arc<dyn Reader>> = guarded.chain([chart.reader()]).collect();
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let folding = keep_folding(&record, &readers, (&tasks, &stop))?;
        in_force(&policies, &oversight, record.size()).await?;
        let signer = signer(&config, &record).await?;
        let rooms = Rooms {
            record,
            chart,
            staff,
            flow,
            routes,
            tokens,
            signer,
            oversight,
            access,
            lifeline,
            policies,
            rota,
            clock: Arc::clone(&clock),
        };
        let rounds = Rounds::of(&config, &rooms.record)?;
        let board = rounds.board(&rooms.record);
        let app = keeping_sessions(App::new(rooms, web::Settings::clone(&config.web)), &config)?;
        let app = app.witnessed(witness(&config).await?, board);
        let intake = Arc::new(Intake::new(&config.dicom, app.record.clone()));
        let app = Arc::new(entered(app, (&config, &intake))?);
        Ok(House {
            config,
            app,
            intake,
            clock,
            readers,
            views,
            changing: Mutex::default(),
            compared: Mutex::default(),
            promotion: watch::Sender::new(None),
            witnesses: Mutex::new(Some(rounds)),
            stop,
            tasks,
            folding,
        })
    }

    /// Starts sending the audit trail on, if it has somewhere to go.
    ///
    /// # Errors
    /// What is wrong with `[audit.export]` or the files it names.
    pub(crate) fn send_audit(&self) -> Result<()> {
        let key = self.app.record.public_key();
        let site = Site {
            id: key.split('+').next().unwrap_or_default().to_owned(),
            url: self.config.web.fhir_base.clone(),
        };
        let cursor = self.config.data.join("audit-export.json");
        let with = (&self.app.access, site, Arc::clone(&self.clock));
        let outlet = Outlet::open(self.config.audit.export.clone(), cursor, with);
        if let Some(outlet) = outlet.map_err(|why| anyhow!(why))? {
            let record = self.app.record.clone();
            self.tasks.spawn(outlet.run(record, self.stop.clone()));
        }
        Ok(())
    }

    /// Starts passing messages on.
    ///
    /// # Errors
    /// A route leads to one of our own doors; notifications may go to what is no address.
    pub(crate) fn pass_on(&self, own: &[SocketAddr]) -> Result<()> {
        for route in &self.config.routes.routes {
            crate::routing::leads_away(route, own).map_err(|why| anyhow!(why))?;
        }
        let subscriptions = &self.config.web.subscriptions;
        subscriptions.check().map_err(|why| anyhow!(why))?;
        let imports = &self.config.web.imports;
        imports.check().map_err(|why| anyhow!(why))?;
        let app = Arc::clone(&self.app);
        self.tasks
            .spawn(web::imports(Arc::clone(&app), self.stop.clone()));
        self.tasks
            .spawn(web::notify(Arc::clone(&app), self.stop.clone()));
        self.tasks
            .spawn(web::ready_summaries(Arc::clone(&app), self.stop.clone()));
        self.tasks.spawn(web::pass_on(app, self.stop.clone()));
        Ok(())
    }

    /// Starts following the primary.
    ///
    /// # Errors
    /// What is wrong with `[standby]`.
    pub(crate) fn follow(&self) -> Result<()> {
        let follower = Follower {
            primary: following::primary(&self.config)?,
            config: self.config.clone(),
            app: Arc::clone(&self.app),
        };
        self.tasks.spawn(follower.run(self.stop.clone()));
        let bringer = Bringer {
            primary: following::primary(&self.config)?,
            missing_max: self.config.record.objects_names_max,
            place: bringing::place(&self.config.data),
            record: self.app.record.clone(),
            following: Arc::clone(&self.app.following),
        };
        self.tasks.spawn(bringer.run(self.stop.clone()));
        Ok(())
    }

    /// Starts asking whether another machine took over.
    pub(crate) fn watch_fence(&self) {
        let (config, app) = (self.config.clone(), Arc::clone(&self.app));
        self.tasks
            .spawn(fence::watch(config, app, self.stop.clone()));
    }

    /// Starts asking the witnesses for their cosignatures.
    pub(crate) async fn ask_witnesses(&self) {
        if let Some(rounds) = self.witnesses.lock().await.take() {
            let app = Arc::clone(&self.app);
            self.tasks.spawn(rounds.run(app, self.stop.clone()));
        }
    }

    /// Starts sealing the counts of what is turned away.
    pub(crate) fn count_rejected(&self) {
        let counting = web::keep_counting(Arc::clone(&self.app), self.stop.clone());
        self.tasks.spawn(counting);
    }

    /// Starts forgetting pictures that were kept in memory long enough.
    pub(crate) fn sweep_pictures(&self) {
        let sweeping = web::sweep_pictures(Arc::clone(&self.app), self.stop.clone());
        self.tasks.spawn(sweeping);
    }

    /// Starts making the wards' packs, sending accepted entries on, and comparing the other system.
    pub(crate) fn pack_wards(&self) {
        let packing = web::keep_packing(Arc::clone(&self.app), self.stop.clone());
        self.tasks.spawn(packing);
        let upstream = self.config.upstream.clone();
        let sending = web::send_on(Arc::clone(&self.app), upstream, self.stop.clone());
        self.tasks.spawn(sending);
        let noting = web::note_standbys(Arc::clone(&self.app), self.stop.clone());
        self.tasks.spawn(noting);
        let upstream = self.config.upstream.clone();
        let comparing = web::keep_comparing(Arc::clone(&self.app), upstream, self.stop.clone());
        self.tasks.spawn(comparing);
    }

    /// Compares what the other FHIR server has with what was sealed, now.
    ///
    /// # Errors
    /// What keeps it from being compared, in words.
    pub(crate) async fn compare_upstream(&self) -> Result<Compared> {
        let compared = web::compare_upstream(&self.app, &self.config.upstream).await;
        compared.map_err(|why| anyhow!(why))
    }

    /// Seals that the server began or ended.
    ///
    /// # Errors
    /// What keeps the record from sealing.
    pub(crate) async fn note(&self, state: ServiceState) -> Result<()> {
        let body = Body::Service(Service { state });
        let event = Event::new(Actor::salus(), Act::Manage, Subject::Record, body);
        let admitted = admit(event.into(), Standing::Salus, "");
        let admitted = admitted.map_err(|refused| anyhow!(refused.words))?;
        self.app.record.admit(vec![admitted]).await?;
        Ok(())
    }

    /// Stops the readers, seals what was accepted and publishes.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.app.record.stop().await;
        drop(self.folding);
    }
}

/// Keeps the views up to date on threads of their own.
fn keep_folding(
    record: &Record,
    readers: &[Arc<dyn Reader>],
    (tasks, stop): (&TaskTracker, &CancellationToken),
) -> Result<Folding> {
    let folding = Folding::start()?;
    for reader in readers {
        let follow = follow(record.clone(), Arc::clone(reader), stop.clone());
        tasks.spawn_on(follow, folding.handle());
    }
    Ok(folding)
}

/// The witness of other records, if this is one.
async fn witness(config: &Config) -> Result<Option<WitnessBook>> {
    let own = &config.witness;
    if own.name.is_empty() {
        return Ok(None);
    }
    let book = WitnessBook::open(&config.data, &own.name, &own.logs).await?;
    Ok(Some(book))
}

/// What comes in, and what is passed on.
async fn ways(config: &Config) -> Result<(Flow, Routes)> {
    let flow = Flow::open(&config.view("flow")).await?;
    let routes = Routes::open(&config.view("routes"), config.routes.clone()).await?;
    Ok((flow, routes))
}

/// Packs, paper, copies and drills; the key of all packs' codes is made at the first start.
async fn lifeline(config: &Config, record: &Record) -> Result<Lifeline> {
    let path = config.data.join("keys/packs.key");
    if !path.exists() {
        let mut key = [0; 32];
        SystemRandom::new()
            .fill(&mut key)
            .ok()
            .context("the system has no randomness")?;
        certificate::write(&path, &key)
            .with_context(|| format!("cannot write the key `{}`", path.display()))?;
    }
    let key =
        fs::read(&path).with_context(|| format!("cannot read the key `{}`", path.display()))?;
    let key: [u8; 32] = key.try_into().ok().with_context(|| {
        format!(
            "`{}` is no key of 32 bytes; put your copy back",
            path.display()
        )
    })?;
    let with = (PackKey::of(key), record.blind());
    let view = config.view("lifeline");
    let lifeline = Lifeline::open(&view, with, config.lifeline.clone(), config.packs.clone());
    Ok(lifeline.await?)
}

/// The key that signs checkpoints, in the data folder.
pub(crate) const LOG_KEY: &str = "keys/log.key";
/// The key that signs id tokens, and the JWK of the one before it, in the data folder.
pub(crate) const ID_KEY: &str = "keys/id.key";
const ID_BEFORE: &str = "keys/id.before.json";

/// Makes a new key that signs id tokens; what the one before signed is verified until it expires.
pub(crate) fn follow_signer(config: &Config, signer: &Signer) -> Result<()> {
    let key = Signer::make().map_err(anyhow::Error::msg)?;
    let before = signer.jwk();
    // The public half of the one before comes first: without it nobody could verify what it signed.
    for (name, content) in [(ID_BEFORE, before.as_bytes()), (ID_KEY, key.as_slice())] {
        let path = config.data.join(name);
        let next = path.with_extension("next");
        let _ = fs::remove_file(&next);
        certificate::write(&next, content)
            .with_context(|| format!("cannot write `{}`", next.display()))?;
        fs::rename(&next, &path).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    signer.follow(&key).map_err(anyhow::Error::msg)
}

/// The key that signs id tokens, made at the first start.
async fn signer(config: &Config, record: &Record) -> Result<Signer> {
    let path = config.data.join(ID_KEY);
    if !path.exists() {
        let key = Signer::make().map_err(anyhow::Error::msg)?;
        certificate::write(&path, &key)
            .with_context(|| format!("cannot write the key `{}`", path.display()))?;
        // A standby's keyring is its primary's, and knows of the primary's key.
        if !record.is_standby() {
            record.signing_key_made(SigningKey::IdTokens).await;
        }
    }
    let key =
        fs::read(&path).with_context(|| format!("cannot read the key `{}`", path.display()))?;
    let before = fs::read_to_string(config.data.join(ID_BEFORE)).ok();
    Signer::of(&key, before.as_deref()).map_err(anyhow::Error::msg)
}

/// Puts the policies that were sealed last in force. Nobody is served before they are known.
async fn in_force(policies: &Policies, oversight: &Oversight, size: u64) -> Result<()> {
    while !oversight.caught_up(size, FOLD_WAIT).await {
        tracing::info!(
            folded = oversight.folded(),
            size,
            "reading which policies are in force"
        );
    }
    let Some(sealed) = oversight.policies() else {
        return Ok(());
    };
    let change = &sealed.change;
    let last = Policies::load(&change.files, &change.schema).with_context(|| {
        format!(
            "the policies sealed as event {} cannot be used by this version of Salus; \
             start the version before, and apply policies that this one can use",
            sealed.index
        )
    })?;
    policies.replace(&last);
    Ok(())
}

/// The rota, if there is one.
pub(crate) fn rota(path: &Path) -> Result<Rota> {
    if path.as_os_str().is_empty() {
        return Ok(Rota::default());
    }
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the rota `{}`", path.display()))?;
    Ok(Rota::parse(&text)?)
}

/// The policies of a folder, or the built-in ones; anything wrong with them is fatal.
pub(crate) fn policies(folder: &Path) -> Result<Policies> {
    if folder.as_os_str().is_empty() {
        return Policies::built_in().context("the built-in policies are wrong");
    }
    let (sources, schema) = texts(folder)?;
    Policies::load(&sources, &schema).context("the policies are wrong, so nobody is let in")
}

/// Every policy file of a folder by name and text, and the schema.
pub(crate) fn texts(folder: &Path) -> Result<(Vec<(String, String)>, String)> {
    let (mut sources, mut schema) = (Vec::new(), None);
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the policies in `{}`", folder.display()))?;
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("cedar") => sources.push((name, fs::read_to_string(&path)?)),
            Some("cedarschema") => schema = Some(fs::read_to_string(&path)?),
            Some(_) | None => {}
        }
    }
    sources.sort();
    let Some(schema) = schema else {
        bail!(
            "there is no `*.cedarschema` in `{}`; copy the one of Salus",
            folder.display()
        );
    };
    Ok((sources, schema))
}

fn make_folder(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.with_context(|| format!("cannot make the folder `{}`", path.display()))
}

/// The app with whom it hears, by which doors, who takes objects in, and whom it follows.
fn entered(app: App, (config, intake): (&Config, &Arc<Intake>)) -> Result<App> {
    let following = Following::of(&config.standby.from);
    let heard = signals::feeds(&config.signals)?;
    let app = app.behind(following).hearing(heard);
    let app = app.storing(Arc::new(Taking(Arc::clone(intake))));
    let app = app.fetching_from(pulling::sources(&config.dicom)?);
    Ok(app.entered_by(doors(config)))
}

/// Seals what a view had seen and the record has no more. A standby takes it again from its primary.
async fn name_lost(config: &Config, record: &Record) -> Result<()> {
    let Some(lost) = lost::look(config, record.size()).await else {
        return Ok(());
    };
    if !record.is_standby() {
        lost::seal(record, &lost).await?;
    }
    lost::forget(config, &lost)
}

fn keeping_sessions(app: App, config: &Config) -> Result<App> {
    let key = app.record.blind().key("sessions");
    let file = config.data.join("sessions");
    let app = app.keeping_sessions(&file, key);
    app.with_context(|| format!("cannot use `{}`", file.display()))
}
