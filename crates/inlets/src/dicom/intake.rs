//! The one way from the bytes of an object and a known sender to a sealed event: looked through, held
//! against what is there, kept in the vault, sealed. By whatever door it came, what is told of it is a
//! status of C-STORE (PS3.4 table B.2-1).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use event::{Actor, Body, Event, Preamble as Taken};
use guard::{Standing, admit};
use record::{Blind, Record};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire::dicom::{Origin, PREAMBLE_BYTES, Preamble, Status, part10, tags};

use super::arrivals::{Arrivals, Awaited, Waiters, Waiting};
use super::held::{Held, Share};
use super::image::{Looked, claim, look, sha256, unread};
use super::odd::Odd;
use super::twice::{Twice, twice};
use super::{Config, Error, Feed, FeedConfig};

/// The feed of objects that come over DICOMweb, in the record and on the Flow page.
pub const WEB_FEED: &str = "dicomweb";
/// Characters of a UID (PS3.5 section 9.1).
const UID_LETTERS_MAX: usize = 64;

/// Takes objects in, for every door.
pub struct Intake {
    config: Config,
    record: Record,
    blind: Blind,
    /// Bytes of unfinished objects of all doors together.
    unfinished: Arc<AtomicUsize>,
    /// Those of DICOMweb among them.
    from_web: Arc<AtomicUsize>,
    odd: Odd,
    /// What somebody asked a PACS to send.
    waiting: Arc<Waiting>,
    /// Associations are taken.
    open: AtomicBool,
    /// For objects that are looked through and stored.
    places: Arc<Semaphore>,
}

/// Who gives an object.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Whose defaults count for it.
    pub feed: Arc<Feed>,
    /// Who it is, for the record.
    pub actor: Actor,
    /// How it names itself: its AE title, or the id of a client.
    pub calling: String,
    /// From which address.
    pub address: Option<String>,
    /// Somebody stands for it: a feed's section, or the guard. Else of what is refused no bytes are kept.
    pub vouched: bool,
}

/// An object that came, beside its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    pub(crate) sender: Sender,
    /// SOP class that was agreed on.
    pub(crate) class: String,
    /// Its transfer syntax.
    pub(crate) syntax: String,
    /// SOP class and instance as they were said beside it.
    pub(crate) said: (String, String),
    /// The study that it must be of.
    pub(crate) study: Option<String>,
    /// The patients whose records it may touch; `None`: any.
    pub(crate) only: Option<Vec<String>>,
    /// What stood before it and was taken out.
    pub(crate) preamble: Option<Taken>,
}

/// An object that was looked through: a claim, until somebody stands for it.
pub struct Claim {
    came: Came,
    looked: Looked,
    event: Event,
    file: Vec<u8>,
    data_at: usize,
    _counted: Held,
    _place: OwnedSemaphorePermit,
}

impl Claim {
    /// The event that it would be, without the whole and without its raw bytes.
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// The guard's word on it is of these patients: what is there of others is left alone.
    #[must_use]
    pub fn only_of(mut self, patients: &[String]) -> Claim {
        self.came.only = Some(patients.to_vec());
        self
    }

    /// It says nothing of its patient that is not known: who gives it may write no patients.
    pub fn leave_patient(&mut self) {
        if let Body::Image(image) = &mut self.event.body {
            image.patient_stays = true;
        }
    }
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// SOP Class UID and SOP Instance UID, as far as they are known.
    pub named: (String, String),
    /// What the sender is told.
    pub status: Status,
    /// Why, in words; empty if all is well.
    pub why: String,
}

impl Sender {
    /// A client that comes over DICOMweb, with the defaults of the house; nobody stands for it yet.
    ///
    /// # Errors
    /// [`Error::Feed`] if those make no sense.
    pub fn web(house: &Config, actor: Actor, address: Option<String>) -> Result<Sender, Error> {
        let settings = FeedConfig {
            name: WEB_FEED.into(),
            calling: vec!["DICOMWEB".into()],
            ..FeedConfig::default()
        };
        Ok(Sender {
            feed: Arc::new(Feed::new(&settings, house)?),
            calling: actor.id.clone(),
            actor,
            address,
            vouched: false,
        })
    }
}

impl Intake {
    /// Into that record, with the limits of `[dicom]`.
    pub fn new(config: &Config, record: Record) -> Intake {
        Intake {
            places: Arc::new(Semaphore::new(config.looks_max.max(1))),
            config: config.clone(),
            blind: record.blind(),
            record,
            unfinished: Arc::default(),
            from_web: Arc::default(),
            odd: Odd::default(),
            waiting: Arc::default(),
            open: AtomicBool::new(false),
        }
    }

    /// The settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// An object that begins to come: nothing yet but the head of a file, if it comes without one.
    pub fn begin(&self, head: Vec<u8>) -> Held {
        Held::new(vec![self.share()], &self.config, head)
    }

    /// A file that begins to come over DICOMweb. All of those have half of `unfinished_bytes_max`: who sends
    /// slowly there does not keep modalities out.
    pub fn begin_from_web(&self) -> Held {
        let half = (
            Arc::clone(&self.from_web),
            self.config.unfinished_bytes_max / 2,
        );
        Held::new(vec![self.share(), half], &self.config, Vec::new())
    }

    /// Counts objects that are to come on associations that others open, from now on.
    pub fn awaits(&self, awaited: &Awaited<'_>) -> Arrivals {
        Arc::clone(&self.waiting).begin(awaited)
    }

    /// Whether associations are taken that others open.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn opens(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    /// Who waits for an object; what they said of it holds for it.
    pub(super) fn waiters(&self, came: (&mut Came, &Origin)) -> Option<Waiters> {
        self.waiting.of(came)
    }

    fn share(&self) -> Share {
        (
            Arc::clone(&self.unfinished),
            self.config.unfinished_bytes_max,
        )
    }

    /// Looks a file (PS3.10) through, which must be of `study` if one is named.
    ///
    /// # Errors
    /// What is told of it; that is sealed already.
    pub async fn look_at_file(
        &self,
        (sender, study): (Sender, Option<String>),
        mut held: Held,
    ) -> Result<Claim, Told> {
        let mut came = Came {
            sender,
            class: String::new(),
            syntax: String::new(),
            said: (String::new(), String::new()),
            study,
            only: None,
            preamble: None,
        };
        let Some(file) = held.whole() else {
            return self.look(came, held).await;
        };
        let (head, kind) = match part10(file) {
            Ok(head) => {
                let uid = |tag| head.meta.ascii(tag).to_owned();
                came.said = (
                    uid(tags::MEDIA_STORAGE_SOP_CLASS_UID),
                    uid(tags::MEDIA_STORAGE_SOP_INSTANCE_UID),
                );
                came.class.clone_from(&came.said.0);
                head.syntax_uid.clone_into(&mut came.syntax);
                (head.data_at, head.preamble)
            }
            Err(why) => {
                let kept = self.kept(file);
                let why = (Status::CannotUnderstand, why.to_string());
                return Err(self.refuse(&came, kept, why).await);
            }
        };
        if let Preamble::Program(what) = kind {
            came.preamble = Some(Taken {
                what: what.to_owned(),
                sha256: sha256(file.get(..PREAMBLE_BYTES).unwrap_or_default()),
            });
            held.blank(PREAMBLE_BYTES);
        }
        held.data_begins(head);
        self.look(came, held).await
    }

    /// Looks through what came on an association of ours, which must be of `study` if one is named: SOP
    /// class, instance and transfer syntax as they were said beside it.
    ///
    /// # Errors
    /// What is told of it; that is sealed already.
    pub async fn look_at_set(
        &self,
        (sender, study): (Sender, Option<String>),
        (said, syntax): ((String, String), String),
        held: Held,
    ) -> Result<Claim, Told> {
        let came = Came {
            sender,
            class: said.0.clone(),
            syntax,
            said,
            study,
            only: None,
            preamble: None,
        };
        self.look(came, held).await
    }

    /// Looks an object through.
    ///
    /// # Errors
    /// What is told of it; that is sealed already.
    pub(crate) async fn look(&self, came: Came, mut held: Held) -> Result<Claim, Told> {
        if let Some((status, why)) = held.over() {
            let why = (status, why.to_owned());
            return Err(self.refuse(&came, Vec::new(), why).await);
        }
        let lost = |came: &Came| Told {
            named: came.said.clone(),
            status: Status::ProcessingFailure,
            why: "it could not be looked through".into(),
        };
        // Never closed: whoever waits gets a place.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            return Err(lost(&came));
        };
        let (file, data_at) = held.take();
        let (feed, syntax) = (Arc::clone(&came.sender.feed), came.syntax.clone());
        let (limits, header_max) = (self.config.limits(), self.config.header_bytes_max);
        let work = tokio::task::spawn_blocking(move || {
            let data = file.get(data_at..).unwrap_or_default();
            let looked = look(data, (&syntax, &feed), (&limits, header_max));
            (file, looked)
        });
        let Ok((file, looked)) = work.await else {
            return Err(lost(&came));
        };
        match looked.and_then(|looked| as_said(&came, looked)) {
            Ok(looked) => Ok(Claim {
                event: claim(&looked, &came, &self.blind),
                came,
                looked,
                file,
                data_at,
                _counted: held,
                _place: place,
            }),
            Err(why) => {
                let kept = self.kept(file.get(data_at..).unwrap_or_default());
                Err(self.refuse(&came, kept, why).await)
            }
        }
    }

    /// Keeps an object and seals it, on somebody's word; what is told of it.
    pub async fn keep(&self, claim: Claim, standing: Standing<'_>) -> Told {
        let header = &claim.looked.header;
        let named = (header.class.clone(), header.instance.clone());
        let (status, why) = self.try_keep(claim, standing).await;
        Told { named, status, why }
    }

    /// Keeps an object that somebody asked for, which must be of these patients (one person); `None`: of anybody.
    pub async fn keep_asked(
        &self,
        (claim, only): (Claim, Option<&[String]>),
        standing: Standing<'_>,
    ) -> Told {
        let Some(only) = only else {
            return self.keep(claim, standing).await;
        };
        let of = claim.event.subject.patient();
        if !of.is_some_and(|of| only.iter().any(|one| one == of)) {
            let why = "it is not of the patient for whom it was asked";
            return self.turn_away(claim, why).await;
        }
        self.keep(claim.only_of(only), standing).await
    }

    /// It is not let in, though its sender may store something; what is told of it. It is kept like all that is refused.
    pub async fn turn_away(&self, mut claim: Claim, why: &str) -> Told {
        claim.came.sender.vouched = true;
        let header = &claim.looked.header;
        let named = (header.class.clone(), header.instance.clone());
        let kept = self.kept(claim.file.get(claim.data_at..).unwrap_or_default());
        let why = (Status::NotAuthorized, why.to_owned());
        Told {
            named,
            ..self.refuse(&claim.came, kept, why).await
        }
    }

    async fn try_keep(&self, claim: Claim, standing: Standing<'_>) -> (Status, String) {
        let Claim {
            mut came,
            looked,
            mut event,
            file,
            data_at,
            _counted,
            _place,
        } = claim;
        let uid = looked.header.instance.clone();
        came.sender.vouched = true;
        if let Err(refused) = admit(event.clone().into(), standing, "") {
            let kept = self.kept(file.get(data_at..).unwrap_or_default());
            let why = (Status::NotAuthorized, refused.words);
            return self.refuse(&came, kept, why).await.said();
        }
        match self.record.instance(&uid).await {
            Ok(Some(first)) => return self.again(&came, &looked, &first).await,
            Ok(None) => {}
            Err(why) => return self.unsealed(&came, &why).await,
        }
        let whole = match self.record.keep(&event, file).await {
            Ok(whole) => whole,
            Err(why) => return broken(&why),
        };
        if let Body::Image(image) = &mut event.body {
            image.whole = whole;
        }
        let event = event
            .with_raw(looked.raw.clone())
            .from_address(came.sender.address.clone());
        let Ok(admitted) = admit(event.into(), standing, "") else {
            return (Status::NotAuthorized, String::new());
        };
        match self.record.admit(vec![admitted]).await {
            Ok(_) => (Status::Success, String::new()),
            // The same instance came by another way at this moment.
            Err(record::Error::Conflict { .. }) => match self.record.instance(&uid).await {
                Ok(Some(first)) => self.again(&came, &looked, &first).await,
                Ok(None) => (Status::ProcessingFailure, "send it again".into()),
                Err(why) => self.unsealed(&came, &why).await,
            },
            Err(why) => broken(&why),
        }
    }

    /// The instance is there already.
    async fn again(
        &self,
        came: &Came,
        looked: &Looked,
        first: &record::Sealed,
    ) -> (Status, String) {
        let uid = &looked.header.instance;
        let what = twice(first, looked, (&came.sender.actor, &came.syntax));
        if !matches!(what, Twice::Same) && is_anothers(came, first) {
            return self.anothers(came, looked).await;
        }
        match what {
            // It is only there if it can be read: a standby that became the primary has no objects.
            Twice::Same => match self.record.object(first).await {
                Ok(_) => (Status::Success, String::new()),
                Err(why) => self.unsealed(came, &why).await,
            },
            Twice::Untold => (
                Status::ProcessingFailure,
                "what came first under this UID is no image".into(),
            ),
            Twice::Other(_) if self.odd.knows(uid, &looked.data) => (
                Status::DuplicateInstance,
                "another object has this UID".into(),
            ),
            Twice::Rewritten => {
                let why = format!("`{uid}` is there in another transfer syntax; that one stays");
                let why = (Status::DuplicateInstance, why);
                self.refuse(came, self.kept(&looked.raw), why).await.said()
            }
            Twice::Other(event) => {
                let index = first.index();
                tracing::error!(index, "another object came under the UID of a first one");
                let event = event.from_address(came.sender.address.clone());
                if !self.seal(event).await {
                    return (Status::ProcessingFailure, "send it again".into());
                }
                self.odd.add(uid, &looked.data);
                (
                    Status::DuplicateInstance,
                    "another object has this UID".into(),
                )
            }
        }
    }

    /// Another object has its UID, of a patient for whom nobody let the sender store anything: nothing is
    /// sealed with that patient.
    async fn anothers(&self, came: &Came, looked: &Looked) -> (Status, String) {
        // Known apart from alterations: a sender that may not touch it silences no alarm.
        let uid = &format!("{} of somebody else", looked.header.instance);
        let why = "an object of somebody else has this UID".to_owned();
        let why = (Status::NotAuthorized, why);
        if self.odd.knows(uid, &looked.data) {
            return why;
        }
        let told = self.refuse(came, self.kept(&looked.raw), why).await;
        if told.status == Status::NotAuthorized {
            self.odd.add(uid, &looked.data);
        }
        told.said()
    }

    /// What is told of an object that was not sealed. What was erased does not come back, however often it
    /// is sent.
    async fn unsealed(&self, came: &Came, why: &record::Error) -> (Status, String) {
        if !matches!(why, record::Error::Erased(_)) {
            return broken(why);
        }
        let why = "what had this UID was erased here".to_owned();
        let why = (Status::NotAuthorized, why);
        self.refuse(came, Vec::new(), why).await.said()
    }

    /// Keeps what is refused, as far as it is kept.
    async fn refuse(&self, came: &Came, kept: Vec<u8>, (status, why): (Status, String)) -> Told {
        let uid: String = came.said.1.chars().take(UID_LETTERS_MAX).collect();
        let reason = format!("the object `{uid}` was refused: {why}");
        let sender = &came.sender;
        let kept = if sender.vouched { kept } else { Vec::new() };
        let event = unread((sender.feed.name(), &sender.actor), &reason, kept);
        let sealed = self.seal(event.from_address(sender.address.clone())).await;
        let (status, why) = match sealed {
            true => (status, why),
            false => (Status::ProcessingFailure, "send it again".into()),
        };
        Told {
            named: came.said.clone(),
            status,
            why,
        }
    }

    /// As much of what is refused as is kept.
    pub(crate) fn kept(&self, bytes: &[u8]) -> Vec<u8> {
        let max = self.config.unread_bytes_kept_max;
        bytes.get(..max).unwrap_or(bytes).to_vec()
    }

    /// Seals what Salus itself says of it; whether that was done.
    pub(crate) async fn seal(&self, event: Event) -> bool {
        let Ok(admitted) = admit(event.into(), Standing::Salus, "") else {
            return false;
        };
        let sealed = self.record.admit(vec![admitted]).await;
        sealed
            .inspect_err(|why| tracing::error!(%why, "what was refused could not be sealed"))
            .is_ok()
    }
}

impl Told {
    fn said(self) -> (Status, String) {
        (self.status, self.why)
    }
}

/// A data set must be what was said beside it.
fn as_said(came: &Came, looked: Looked) -> Result<Looked, (Status, String)> {
    let header = &looked.header;
    let (class, instance) = &came.said;
    if *class != came.class || *class != header.class {
        let why = format!("it is of the class `{}`, not `{class}`", header.class);
        return Err((Status::NotAsSaid, why));
    }
    if *instance != header.instance {
        let why = format!("it is the instance `{}`, not `{instance}`", header.instance);
        return Err((Status::NotAsSaid, why));
    }
    if let Some(study) = came.study.as_ref().filter(|study| **study != header.study) {
        let why = format!("it is of the study `{}`, not `{study}`", header.study);
        return Err((Status::NotAsSaid, why));
    }
    Ok(looked)
}

/// Whether what is there is of a patient whom the sender may not touch.
fn is_anothers(came: &Came, first: &record::Sealed) -> bool {
    match (&came.only, first.event().subject.patient()) {
        (Some(only), Some(of)) => !only.iter().any(|one| one == of),
        _ => false,
    }
}

fn broken(why: &record::Error) -> (Status, String) {
    tracing::error!(%why, "an object was not sealed");
    let words = match why {
        record::Error::Uprooted { .. } => crate::UPROOTED,
        _ => "it could not be sealed; send it again",
    };
    (Status::ProcessingFailure, words.into())
}
