//! Where data sets become sealed events and statuses: everything about an object but the socket.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event::{Body, Event};
use guard::{Standing, admit};
use record::{Blind, Record};
use tokio::sync::Semaphore;
use wire::dicom::Status;

use super::answers::Answers;
use super::image::{Looked, claim, look, unread};
use super::twice::{Twice, twice};
use super::{Config, Feed};
use crate::mllp::UNKNOWN_FEED;

/// Bytes of the Identifier of a query.
const IDENTIFIER_BYTES_MAX: usize = 64 << 10;

/// What all associations share.
pub(crate) struct Desk {
    pub(crate) config: Config,
    pub(crate) record: Record,
    /// Who answers queries; `None`: nobody does.
    pub(crate) answers: Option<Arc<dyn Answers>>,
    blind: Blind,
    /// Bytes of unfinished objects that all associations hold.
    unfinished: Arc<AtomicUsize>,
    odd: Odd,
    /// For objects that are looked through and stored.
    places: Semaphore,
}

/// Objects under the UID of another that were sealed as such: a sender that tries again makes no second
/// alarm.
#[derive(Default)]
struct Odd(Mutex<HashSet<(String, String)>>);

/// Of so many it is known that they were sealed.
const ODD_MAX: usize = 10_000;

impl Odd {
    fn knows(&self, uid: &str, data: &str) -> bool {
        self.lock().contains(&(uid.to_owned(), data.to_owned()))
    }

    fn add(&self, uid: &str, data: &str) {
        let mut known = self.lock();
        if known.len() >= ODD_MAX {
            known.clear();
        }
        known.insert((uid.to_owned(), data.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An object that came, beside its bytes.
pub(crate) struct Came {
    pub(crate) feed: Arc<Feed>,
    pub(crate) calling: String,
    pub(crate) address: String,
    /// SOP class of the presentation context.
    pub(crate) class: String,
    /// Its transfer syntax.
    pub(crate) syntax: String,
    /// SOP class and instance as the command says them.
    pub(crate) said: (String, String),
}

/// The bytes of an object that is coming: the head of a file, and behind it the data set.
pub(crate) struct Held {
    bytes: Vec<u8>,
    data_at: usize,
    /// Why the rest is not kept.
    over: Option<&'static str>,
    max: usize,
    all_max: usize,
    all: Arc<AtomicUsize>,
    counted: usize,
}

impl Held {
    pub(crate) fn new(desk: &Desk, head: Vec<u8>) -> Held {
        Held {
            data_at: head.len(),
            bytes: head,
            over: None,
            max: desk.config.object_bytes_max,
            all_max: desk.config.unfinished_bytes_max,
            all: Arc::clone(&desk.unfinished),
            counted: 0,
        }
    }

    /// The Identifier of a query, which is small.
    pub(crate) fn identifier(desk: &Desk) -> Held {
        let mut held = Held::new(desk, Vec::new());
        held.max = IDENTIFIER_BYTES_MAX;
        held
    }

    /// All of it, if it was not too much.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        self.over.is_none().then_some(&self.bytes)
    }

    /// Takes more of the data set, unless it is too much.
    pub(crate) fn add(&mut self, more: &[u8]) {
        if self.over.is_some() {
            return;
        }
        let length = self.bytes.len().saturating_add(more.len());
        let all = self.all.fetch_add(more.len(), Ordering::Relaxed);
        self.counted += more.len();
        if length.saturating_sub(self.data_at) > self.max {
            self.over = Some("it has more bytes than are taken (`object_bytes_max`)");
        } else if all.saturating_add(more.len()) > self.all_max {
            self.over = Some("too many objects are coming (`unfinished_bytes_max`); try again");
        }
        match self.over {
            Some(_) => self.let_go(),
            None => self.bytes.extend_from_slice(more),
        }
    }

    /// Gives the memory back.
    fn let_go(&mut self) {
        (self.bytes, self.data_at) = (Vec::new(), 0);
        self.all.fetch_sub(self.counted, Ordering::Relaxed);
        self.counted = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Desk {
    pub(crate) fn new(config: Config, record: Record, answers: Option<Arc<dyn Answers>>) -> Desk {
        Desk {
            answers,
            places: Semaphore::new(config.looks_max.max(1)),
            config,
            blind: record.blind(),
            record,
            unfinished: Arc::new(AtomicUsize::new(0)),
            odd: Odd::default(),
        }
    }

    /// An association was refused: who called, and why.
    pub(crate) async fn rejected(&self, (address, why): (&str, &str), request: Vec<u8>) {
        tracing::warn!(address, why, "an association was rejected");
        let why = format!("an association was rejected: {why}");
        let event = unread(UNKNOWN_FEED, &why, self.kept(&request));
        self.seal(event.from_address(Some(address.to_owned())))
            .await;
    }

    /// Looks an object through, keeps it and seals it; what the sender is told, and why.
    pub(crate) async fn store(&self, came: Came, mut held: Held) -> (Status, String) {
        if let Some(why) = held.over {
            return self
                .refuse(&came, &[], (Status::OutOfResources, why.into()))
                .await;
        }
        // Never closed: whoever waits gets a place.
        let _place = self.places.acquire().await;
        let file = std::mem::take(&mut held.bytes);
        let (feed, syntax) = (Arc::clone(&came.feed), came.syntax.clone());
        let (limits, header_max) = (self.config.limits(), self.config.header_bytes_max);
        let data_at = held.data_at;
        let work = tokio::task::spawn_blocking(move || {
            let data = file.get(data_at..).unwrap_or_default();
            let looked = look(data, (&syntax, &feed), (&limits, header_max));
            (file, looked)
        });
        let Ok((file, looked)) = work.await else {
            return (
                Status::ProcessingFailure,
                "it could not be looked through".into(),
            );
        };
        let looked = looked.and_then(|looked| as_said(&came, looked));
        match looked {
            Ok(looked) => self.keep(&came, looked, (file, data_at)).await,
            Err(why) => {
                self.refuse(&came, file.get(data_at..).unwrap_or_default(), why)
                    .await
            }
        }
    }

    async fn keep(
        &self,
        came: &Came,
        looked: Looked,
        (file, data_at): (Vec<u8>, usize),
    ) -> (Status, String) {
        let uid = looked.header.instance.clone();
        let mut event = claim(
            &looked,
            (&came.feed, &came.calling, &came.syntax),
            &self.blind,
        );
        let standing = Standing::Feed(&came.feed.grant);
        if let Err(refused) = admit(event.clone().into(), standing, "") {
            let data = file.get(data_at..).unwrap_or_default();
            return self
                .refuse(came, data, (Status::NotAuthorized, refused.words))
                .await;
        }
        match self.record.instance(&uid).await {
            Ok(Some(first)) => return self.again(came, &looked, &first).await,
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
            .from_address(Some(came.address.clone()));
        let Ok(admitted) = admit(event.into(), standing, "") else {
            return (Status::NotAuthorized, String::new());
        };
        match self.record.admit(vec![admitted]).await {
            Ok(_) => (Status::Success, String::new()),
            // The same instance came by another association at this moment.
            Err(record::Error::Conflict { .. }) => match self.record.instance(&uid).await {
                Ok(Some(first)) => self.again(came, &looked, &first).await,
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
        match twice(first, looked, (came.feed.name(), &came.syntax)) {
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
                self.refuse(came, &looked.raw, (Status::DuplicateInstance, why))
                    .await
            }
            Twice::Other(event) => {
                let index = first.index();
                tracing::error!(index, "another object came under the UID of a first one");
                let event = event.from_address(Some(came.address.clone()));
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
    async fn refuse(
        &self,
        came: &Came,
        data: &[u8],
        (status, why): (Status, String),
    ) -> (Status, String) {
        let uid = &came.said.1;
        let reason = format!("the object `{uid}` was refused: {why}");
        let event = unread(came.feed.name(), &reason, self.kept(data));
        match self
            .seal(event.from_address(Some(came.address.clone())))
            .await
        {
            true => (status, why),
            false => (Status::ProcessingFailure, "send it again".into()),
        }
    }

    fn kept(&self, bytes: &[u8]) -> Vec<u8> {
        let max = self.config.unread_bytes_kept_max;
        bytes.get(..max).unwrap_or(bytes).to_vec()
    }

    /// Seals what Salus itself says of it; whether that was done.
    async fn seal(&self, event: Event) -> bool {
        let Ok(admitted) = admit(event.into(), Standing::Salus, "") else {
            return false;
        };
        let sealed = self.record.admit(vec![admitted]).await;
        sealed
            .inspect_err(|why| tracing::error!(%why, "what was refused could not be sealed"))
            .is_ok()
    }
}

/// A data set must be what its command says.
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
    Ok(looked)
}

fn broken(why: &record::Error) -> (Status, String) {
    tracing::error!(%why, "an object was not sealed");
    (
        Status::ProcessingFailure,
        "it could not be sealed; send it again".into(),
    )
}
