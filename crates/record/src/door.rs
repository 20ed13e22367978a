//! The door: what others may do with the record.

use std::cell::RefCell;
use std::fs::File;
use std::sync::Arc;
use std::sync::Mutex as StdMutex;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use event::{Actor, Body, Clock, Event, Opened, Subject, Time};
use guard::{Admitted, Decision, Standing, admit};
use seal::{Compressor, Frontier, Key};
use tokio::sync::{Mutex, RwLock, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::cosigned::Cosigned;
use crate::epoch::{self, Epoch};
use crate::ground::Ground;
use crate::journal::{Journal, Published};
use crate::keyring::Keyring;
use crate::mirror::Standby;
use crate::newest::Newest;
use crate::object::{self, Within};
use crate::publisher::{Publisher, moment};
use crate::scrub::{self, Scrub};
use crate::sealed::Outcome;
use crate::sequencer::{Group, Item, Recent, Sequencer};
use crate::staged::{STAGED_MAX, Staged, named};
use crate::vault::Vault;
use crate::{Blind, Error, HeldUp, Permit, Receipt, Witnessed, engines, keyfile, recover};

/// How often a data folder is tried that another process holds, and how long between the tries.
const LOCK_TRIES: u32 = 10;
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// The one sealed record. Cheap to clone: every clone is the same record.
#[derive(Clone)]
pub struct Record {
    pub(crate) inner: Arc<Inner>,
}

/// Where a record keeps what must be durable. Tests put faulty ones in.
pub struct Parts {
    /// Rows and checkpoint.
    pub journal: Arc<dyn Journal>,
    /// Tiles and packs.
    pub vault: Arc<dyn Vault>,
}

impl Parts {
    async fn of(config: &Config) -> Outcome<Parts> {
        Ok(Parts {
            journal: engines::journal(config).await?,
            vault: engines::vault(config)?,
        })
    }
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) publisher: Publisher,
    pub(crate) blind: Blind,
    pub(crate) newest: Arc<Newest>,
    pub(crate) scrub: Scrub,
    /// When the last event was committed that was here before this start.
    pub(crate) before_start: Time,
    /// Held for reading while something is sealed, for writing while a key is shredded.
    pub(crate) quiet: RwLock<()>,
    /// Held while keys are rotated or shredded.
    pub(crate) maintenance: Mutex<()>,
    groups: StdMutex<Option<mpsc::Sender<Group>>>,
    grown: watch::Receiver<u64>,
    head: watch::Sender<Option<Published>>,
    pub(crate) cosigned: watch::Sender<Option<Cosigned>>,
    pub(crate) epoch: watch::Sender<Epoch>,
    /// Until when something may be acknowledged; `None`: as long as it is the primary.
    pub(crate) lease: watch::Sender<Option<Instant>>,
    /// The views that do not go on.
    pub(crate) held_up: watch::Sender<Vec<HeldUp>>,
    /// What there is beside the record if it only follows another.
    pub(crate) standby: Option<Standby>,
    /// Whether the files are still there that were opened.
    pub(crate) ground: Arc<Ground>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Held while the record is open, so that no second process writes it.
    _lock: File,
}

impl Record {
    /// Opens (or makes) the record in the data folder, brings journal and vault together and
    /// starts taking events.
    ///
    /// # Errors
    /// [`Error::Broken`] if it cannot be read, is in use, or is not what was published.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Outcome<Record> {
        keyfile::folders(&config)?;
        let lock = lock(&config).await?;
        let parts = Parts::of(&config).await?;
        Record::start((config, lock), parts, None, clock).await
    }

    /// As [`Record::open`], for a standby with a record of its own.
    pub(crate) async fn open_beside(
        config: Config,
        clock: Arc<dyn Clock>,
        side: Record,
    ) -> Outcome<Record> {
        keyfile::folders(&config)?;
        let lock = lock(&config).await?;
        let parts = Parts::of(&config).await?;
        Record::start((config, lock), parts, Some(side), clock).await
    }

    /// Like [`Record::open`], with a journal and a vault of the caller's.
    ///
    /// # Errors
    /// As [`Record::open`].
    pub async fn open_with(config: Config, parts: Parts, clock: Arc<dyn Clock>) -> Outcome<Record> {
        keyfile::folders(&config)?;
        let lock = lock(&config).await?;
        Record::start((config, lock), parts, None, clock).await
    }

    async fn start(
        (config, lock): (Config, File),
        parts: Parts,
        side: Option<Record>,
        clock: Arc<dyn Clock>,
    ) -> Outcome<Record> {
        let Parts { journal, vault } = parts;
        if let Some(place) = journal.moved().await.map_err(broken)? {
            return Err(broken(format!(
                "this record was moved to `{place}`: set `storage` to that, or bring it back with \
                 `salus move`"
            )));
        }
        let frontier = journal.frontier().await.map_err(broken)?;
        let heads = vault.heads().await.map_err(broken)?;
        if (frontier.size() > 0 || !heads.is_empty()) && !config.keyring().exists() {
            return Err(broken(
                "`keyring.db` is missing: without it no event can be read; put your copy back with \
                 `salus restore keys`, and with the shares if `keys/root.key` is gone too \
                 (docs/lifeline/backup.md)",
            ));
        }
        let key = keyfile::open(&config, frontier.size().max(heads.len() as u64))?;
        let keyring = Keyring::open(&config, config.keys_cached_max, clock.now()).await?;
        let (grown_to, grown) = watch::channel(frontier.size());
        let turn = epoch::epoch(&config)?;
        let (standby, grown_to) = match side {
            Some(side) => (Some(Standby::new(side, grown_to)), None),
            None => (None, Some(grown_to)),
        };
        let (groups, queue) = mpsc::channel(config.queue_events_max);
        let publisher = Publisher {
            journal: Arc::clone(&journal),
            vault: Arc::clone(&vault),
            clock: Arc::clone(&clock),
            key: std::sync::RwLock::new(Arc::new(key)),
            last: Mutex::new(None),
            tail: Mutex::new(None),
        };
        let inner = Arc::new(Inner {
            newest: Arc::new(Newest::new(config.newest_bytes_max)),
            ground: Arc::new(Ground::of(&config)),
            scrub: Scrub::new(),
            before_start: last_at(journal.as_ref(), &frontier).await?,
            config,
            journal,
            vault,
            blind: blind(keyring.blind()),
            keyring,
            clock,
            publisher,
            quiet: RwLock::new(()),
            maintenance: Mutex::new(()),
            groups: StdMutex::new(Some(groups)),
            grown,
            head: watch::Sender::new(None),
            cosigned: watch::Sender::new(None),
            epoch: watch::Sender::new(turn),
            lease: watch::Sender::new(None),
            held_up: watch::Sender::default(),
            standby,
            tasks: Mutex::new(Vec::new()),
            _lock: lock,
        });
        inner.bring_together().await?;
        let last = inner.publisher.last.lock().await.clone();
        inner.head.send_replace(last);
        let record = Record { inner };
        match grown_to {
            Some(grown) => record.run(queue, grown).await?,
            None => record.inner.found().await?,
        }
        Ok(record)
    }

    async fn run(&self, queue: mpsc::Receiver<Group>, grown: watch::Sender<u64>) -> Outcome<()> {
        let inner = &self.inner;
        let frontier: Frontier = inner.journal.frontier().await.map_err(broken)?;
        grown.send_replace(frontier.size());
        let sequencer = Sequencer {
            journal: Arc::clone(&inner.journal),
            clock: Arc::clone(&inner.clock),
            batch_events_max: inner.config.batch_events_max,
            recent: Recent::new(frontier.size(), inner.config.recent_writes_max),
            last_at: last_at(inner.journal.as_ref(), &frontier).await?,
            frontier,
            grown,
            newest: Arc::clone(&inner.newest),
            ground: Arc::clone(&inner.ground),
        };
        let new = sequencer.frontier.size() == 0;
        inner.tasks.lock().await.push(sequencer.start(queue)?);
        if new {
            let origin = inner.publisher.key().origin().to_owned();
            let body = Body::Opened(Opened { origin });
            let opened = Event::new(Actor::salus(), event::Act::Manage, Subject::Record, body);
            self.admit(vec![own(opened)?]).await?;
        }
        let publishing = tokio::spawn(publish_now_and_then(Arc::downgrade(inner)));
        let scrubbing = tokio::spawn(scrub::now_and_then(Arc::downgrade(inner)));
        inner.tasks.lock().await.extend([publishing, scrubbing]);
        Ok(())
    }

    /// Seals events, all or none, and returns after the commit.
    ///
    /// # Errors
    /// [`Error::Conflict`] if a resource was written since it was read, [`Error::TooLarge`],
    /// [`Error::Stopped`], [`Error::Broken`]. On an error nothing of the group is sealed, except
    /// that a commit whose outcome the database could not tell may have happened.
    pub async fn admit(&self, events: Vec<Admitted>) -> Outcome<Vec<Receipt>> {
        self.inner.admit(events).await
    }

    /// Seals events while nobody else may.
    pub(crate) async fn admit_now(&self, events: Vec<Admitted>) -> Outcome<Vec<Receipt>> {
        self.inner.admit_now(events).await
    }

    /// Seals a decision, allowed or not. The only source of permits.
    ///
    /// # Errors
    /// As [`Record::admit`]; without a sealed decision there is no permit.
    pub async fn witness(&self, decision: Decision) -> Outcome<Witnessed> {
        let receipts = self.admit(vec![Admitted::from(&decision)]).await?;
        let index = receipts.first().map_or(0, |receipt| receipt.index);
        if decision.allowed() {
            Ok(Witnessed::Allowed(Permit::of(index, &decision)))
        } else {
            Ok(Witnessed::Refused(index, decision))
        }
    }

    /// Number of committed events.
    pub fn size(&self) -> u64 {
        *self.inner.grown.borrow()
    }

    /// Changes whenever something was committed: the number of committed events.
    pub fn growth(&self) -> watch::Receiver<u64> {
        self.inner.grown.clone()
    }

    /// The last published checkpoint: size, signed note, when. Size 0 and no note: none yet.
    pub fn checkpoint(&self) -> (u64, String, Time) {
        match &*self.inner.head.borrow() {
            Some(head) => (head.size, head.note.clone(), moment(head)),
            None => (0, String::new(), Time::default()),
        }
    }

    /// The log's public key (C2SP signed-note `vkey`): what anyone needs to verify.
    pub fn public_key(&self) -> String {
        self.inner.publisher.key().vkey().to_owned()
    }

    /// The log's public key with the notes of how those before it led to it: what verifies whatever
    /// this log ever signed.
    pub fn public_keys(&self) -> String {
        self.inner.publisher.key().public().to_owned()
    }

    /// Publishes what was committed, without waiting for the next second.
    ///
    /// # Errors
    /// [`Error::Broken`] if journal or vault fail.
    pub async fn publish(&self) -> Outcome<()> {
        self.inner.publish().await
    }

    /// Makes stable ids from identifiers.
    pub fn blind(&self) -> Blind {
        self.inner.blind.clone()
    }

    /// Stops taking events, seals what was accepted, publishes and returns.
    pub async fn stop(&self) {
        if let Ok(mut groups) = self.inner.groups.lock() {
            groups.take();
        }
        let mut tasks = std::mem::take(&mut *self.inner.tasks.lock().await).into_iter();
        if let Some(sequencer) = tasks.next() {
            let _ = sequencer.await;
        }
        // A publication that is under way ends first: broken off in the middle, the last
        // checkpoint would be in SQL and not in the vault until the next start.
        let under_way = self.inner.publisher.last.lock().await;
        tasks.for_each(|task| task.abort());
        drop(under_way);
        if let Err(why) = self.inner.publish().await {
            tracing::error!(%why, "the last checkpoint was not published");
        }
        if let Some(standby) = &self.inner.standby {
            Box::pin(standby.side.stop()).await;
        }
        if self.inner.grounded().is_ok()
            && let Err(why) = self.inner.vault.close().await
        {
            tracing::error!(%why, "the end of the record did not reach the vault");
        }
        self.inner.keyring.close().await;
        self.inner.journal.close().await;
    }
}

impl Inner {
    /// Brings together what is here, before anything is taken.
    async fn bring_together(&self) -> Outcome<()> {
        self.settle_keys().await?;
        recover::recover(self).await?;
        self.settle_erasures().await?;
        self.read_cosigned().await
    }

    /// As [`Record::admit`].
    pub(crate) async fn admit(&self, events: Vec<Admitted>) -> Outcome<Vec<Receipt>> {
        if let Some(standby) = &self.standby {
            return standby.admit(events).await;
        }
        let mut staged = Vec::with_capacity(events.len());
        for event in events {
            staged.push(self.staged(event).await?);
        }
        for _ in 0..STAGED_MAX {
            {
                let _loud = self.quiet.read().await;
                if self.fit(&staged).await? {
                    return self.seal(staged).await;
                }
            }
            for one in &mut staged {
                self.stage_again(one).await?;
            }
        }
        Err(broken("keys changed again and again while it was stored"))
    }

    /// Seals events while nobody else may.
    pub(crate) async fn admit_now(&self, events: Vec<Admitted>) -> Outcome<Vec<Receipt>> {
        let events = events.into_iter().map(Admitted::into_parts);
        let staged = events.map(|(event, resend)| Staged::plain(event, resend));
        self.seal(staged.collect()).await
    }

    async fn seal(&self, events: Vec<Staged>) -> Outcome<Vec<Receipt>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.in_turn()?;
        self.ground.is_known_to_hold()?;
        let groups = match self.groups.lock() {
            Ok(groups) => groups.clone(),
            Err(_) => None,
        };
        let groups = groups.ok_or(Error::Stopped)?;
        let mut items = Vec::with_capacity(events.len());
        for event in events {
            items.push(self.prepare(event).await?);
        }
        let (reply, answer) = oneshot::channel();
        groups
            .send(Group { items, reply })
            .await
            .map_err(|_| Error::Stopped)?;
        drop(groups);
        let receipts = answer.await.map_err(|_| Error::Stopped)??;
        // INVARIANT: nothing is acknowledged after the lease, though it is sealed: the sender
        // sends it again, to whoever is the primary then.
        self.in_turn()?;
        Ok(receipts)
    }

    async fn publish(&self) -> Outcome<()> {
        // INVARIANT: nothing of this record is written into a folder that was put in the place of its own.
        if matches!(self.grounded(), Err(Error::Uprooted { .. })) {
            return Ok(());
        }
        // A standby publishes what the primary signed, and a fenced machine nothing any more.
        if self.standby.is_some() || self.turn().fenced_by().is_some() {
            return Ok(());
        }
        if let Some(published) = self.publisher.publish().await? {
            self.tell_head(published);
        }
        Ok(())
    }

    /// Tells the readers of a standby how much there is.
    async fn found(&self) -> Outcome<()> {
        let frontier = self.journal.frontier().await.map_err(broken)?;
        if let Some(standby) = &self.standby {
            standby.grown.send_replace(frontier.size());
        }
        Ok(())
    }

    pub(crate) fn tell_head(&self, published: Published) {
        self.head.send_replace(Some(published));
    }

    pub(crate) fn head_changes(&self) -> watch::Receiver<Option<Published>> {
        self.head.subscribe()
    }

    /// Everything about an event that does not depend on its index; runs in the caller's task.
    async fn prepare(&self, staged: Staged) -> Outcome<Item> {
        let Staged { event, resend, .. } = staged;
        let Within { stream, .. } = self.within(&event).await?;
        let plaintext = event::encode(&event);
        let max = self.config.event_bytes_max;
        if plaintext.len() > max {
            return Err(Error::TooLarge {
                bytes: plaintext.len(),
                max,
            });
        }
        for whole in named(&event) {
            object::belongs(whole, &stream.name, self.clock.now())?;
        }
        let mut random = [0; 44];
        self.keyring.random(&mut random)?;
        let prepared = prepared(&plaintext, &random)?;
        let patient = event
            .subject
            .patient()
            .map(|id| self.resource_tag("Patient", id));
        let write = self.write_of(&event.body, patient);
        let delivery =
            resend.map(|resend| self.delivery_tags(&resend.sender, &resend.message, &event.raw));
        let message = matches!(event.body, Body::Message(_) | Body::Unmerge(_));
        Ok(Item {
            stream,
            prepared,
            event: Arc::new(event),
            bytes: plaintext.len(),
            delivery,
            write,
            touches: patient.filter(|_| message),
        })
    }
}

fn prepared(plaintext: &[u8], random: &[u8; 44]) -> Outcome<seal::Prepared> {
    thread_local! {
        static COMPRESSOR: RefCell<Option<Compressor>> = const { RefCell::new(None) };
    }
    COMPRESSOR.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = Compressor::new();
        }
        let compressor = kept
            .as_mut()
            .ok_or_else(|| broken("there is no memory to compress"))?;
        seal::prepare(compressor, plaintext, random).map_err(broken)
    })
}

fn own(event: Event) -> Outcome<Admitted> {
    admit(event.into(), Standing::Salus, "").map_err(|refused| broken(refused.words))
}

async fn publish_now_and_then(inner: std::sync::Weak<Inner>) {
    loop {
        let Some(millis) = inner
            .upgrade()
            .map(|inner| inner.config.checkpoint_interval_ms)
        else {
            return;
        };
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let Some(inner) = inner.upgrade() else { return };
        if let Err(why) = inner.publish().await {
            inner.scrub.stuck();
            tracing::error!(%why, "no checkpoint was published; trying again");
        }
        if inner.grounded().is_ok()
            && let Err(why) = inner.vault.look().await
        {
            tracing::error!(%why, "the end of the record did not reach the vault; trying again");
        }
    }
}

fn blind(key: &Key) -> Blind {
    Blind(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key.bytes())))
}

/// Keeps every other process from the data folder for as long as it is held. One that has just
/// ended, or a child that somebody is starting this moment, may hold it a little longer.
pub(crate) async fn lock(config: &Config) -> Outcome<File> {
    let path = config.data.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(|error| broken(format!("`{}`: {error}", path.display())))?;
    for _ in 0..LOCK_TRIES {
        let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        if rustix::fs::flock(&file, operation).is_ok() {
            return Ok(file);
        }
        tokio::time::sleep(LOCK_WAIT).await;
    }
    Err(broken(
        "another salus process uses this data folder; stop it, or talk to it instead",
    ))
}

async fn last_at(journal: &dyn Journal, frontier: &Frontier) -> Outcome<Time> {
    let Some(last) = frontier.size().checked_sub(1) else {
        return Ok(Time::default());
    };
    let rows = journal.rows(last, 1).await.map_err(broken)?;
    Ok(rows
        .first()
        .map_or(Time::default(), |row| Time::from_millis(row.at)))
}

fn broken(why: impl ToString) -> Error {
    Error::Broken {
        doing: "open",
        why: why.to_string(),
    }
}
