//! The one way from the bytes of an object and a known sender to a sealed event: looked through, held
//! against what is there, kept in the vault, sealed. By whatever door it came, what is told of it is a
//! status of C-STORE (PS3.4 table B.2-1).

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use event::{Actor, Body, Event, Preamble as Taken};
use guard::{Standing, admit};
use record::{Blind, Record};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire::dicom::{PREAMBLE_BYTES, Preamble, Status, part10, tags};

use super::held::Held;
use super::image::{Looked, claim, look, sha256, unread};
use super::odd::Odd;
use super::twice::{Twice, twice};
use super::{Config, Error, Feed, FeedConfig};

/// The feed of objects that come over DICOMweb, in the record and on the Flow page.
pub const WEB_FEED: &str = "dicomweb";

/// Takes objects in, for every door.
pub struct Intake {
    config: Config,
    record: Record,
    blind: Blind,
    /// Bytes of unfinished objects of all doors together.
    unfinished: Arc<AtomicUsize>,
    odd: Odd,
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
    /// A client that comes over DICOMweb, with the defaults of the house.
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
            unfinished: Arc::new(AtomicUsize::new(0)),
            odd: Odd::default(),
        }
    }

    /// The settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// An object that begins to come: nothing yet but the head of a file, if it comes without one.
    pub fn begin(&self, head: Vec<u8>) -> Held {
        Held::new(&self.unfinished, &self.config, head)
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

    /// Looks through what came on an association of ours: SOP class, instance and transfer syntax as they
    /// were said beside it.
    ///
    /// # Errors
    /// What is told of it; that is sealed already.
    pub async fn look_at_set(
        &self,
        sender: Sender,
        (said, syntax): ((String, String), String),
        held: Held,
    ) -> Result<Claim, Told> {
        let came = Came {
            sender,
            class: said.0.clone(),
            syntax,
            said,
            study: None,
            preamble: None,
        };
        self.look(came, held).await
    }

    /// Looks an object through.
    ///
    /// # Errors
    /// What is told of it; that is sealed already.
    pub(crate) async fn look(&self, came: Came, mut held: Held) -> Result<Claim, Told> {
        if let Some(why) = held.over() {
            let why = (Status::OutOfResources, why.to_owned());
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

    async fn try_keep(&self, claim: Claim, standing: Standing<'_>) -> (Status, String) {
        let Claim {
            came,
            looked,
            mut event,
            file,
            data_at,
            _counted,
            _place,
        } = claim;
        let uid = looked.header.instance.clone();
        if let Err(refused) = admit(event.clone().into(), standing, "") {
            let kept = self.kept(file.get(data_at..).unwrap_or_default());
            let why = (Status::NotAuthorized, refused.words);
            return self.refuse(&came, kept, why).await.said();
        }
        match self.record.instance(&uid).await {
            Ok(Some(first)) => return self.again(&came, &looked, &first).await,
            Ok(None) => {}
            Err(why) => return broken(&why),
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
                Err(why) => broken(&why),
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
        match twice(first, looked, (&came.sender.actor, &came.syntax)) {
            // It is only there if it can be read: a standby that became the primary has no objects.
            Twice::Same => match self.record.object(first).await {
                Ok(_) => (Status::Success, String::new()),
                Err(why) => broken(&why),
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

    /// Keeps what is refused, as far as it is kept.
    async fn refuse(&self, came: &Came, kept: Vec<u8>, (status, why): (Status, String)) -> Told {
        let uid = &came.said.1;
        let reason = format!("the object `{uid}` was refused: {why}");
        let sender = &came.sender;
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

fn broken(why: &record::Error) -> (Status, String) {
    tracing::error!(%why, "an object was not sealed");
    (
        Status::ProcessingFailure,
        "it could not be sealed; send it again".into(),
    )
}
