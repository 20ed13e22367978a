//! Objects on their way out, by whatever door: they share one limit of memory, and the guard is asked
//! again while there are more to go.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use chart::Instance;
use event::{Body, Image};
use guard::Identity;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio::time::{Instant, timeout};
use wire::dicom::{Level, Limits, Query, Syntax, VR, tags};

use super::{Bearer, ImageQuery, NoImages, broken};
use crate::App;

/// How often an object lies in memory while it is sent: as it was kept, rewritten, and as it goes.
const COPIES: u64 = 3;
/// What is counted, in bytes: a semaphore has no more places than fit into 32 bits.
const UNIT: u64 = 1 << 10;
/// Objects that the guard is asked about at once, if there are more by now than it may be asked about: as
/// many UIDs as a query may name.
const STILL_MAX: usize = 1_000;

/// The room for objects on their way out.
pub(crate) struct Outgoing {
    room: Arc<Semaphore>,
    units: u32,
    wait: Duration,
}

/// Room that is held; it is free again when this goes.
#[derive(Debug)]
pub struct Room {
    _permit: OwnedSemaphorePermit,
}

/// An object that may go.
#[derive(Debug)]
pub struct OnItsWay {
    /// The file, as it is kept.
    pub file: Vec<u8>,
    /// To be held until it is sent.
    pub room: Room,
}

/// Why an object does not go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotOut {
    /// There was no room for it.
    Busy,
    /// The guard hides it by now.
    Hidden,
    /// It cannot be read.
    Lost(String),
}

impl std::fmt::Display for NotOut {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotOut::Busy => out.write_str("too many objects are on their way out; ask again later"),
            NotOut::Hidden => out.write_str("it may not be shown any more"),
            // What is wrong with it is nobody's business outside.
            NotOut::Lost(_) => out.write_str("it cannot be read; the program's log says why"),
        }
    }
}

impl Outgoing {
    /// Room for so many bytes, waited for so long.
    pub(crate) fn new(bytes_max: u64, wait_ms: u64) -> Outgoing {
        let units = u32::try_from((bytes_max / UNIT).max(1)).unwrap_or(u32::MAX >> 1);
        Outgoing {
            room: Arc::new(Semaphore::new(units as usize)),
            units,
            wait: Duration::from_millis(wait_ms),
        }
    }

    /// Room for so many bytes, waited for as long as may be.
    ///
    /// # Errors
    /// [`NotOut::Busy`].
    pub(crate) async fn room_for(&self, bytes: u64) -> Result<Room, NotOut> {
        self.room(bytes, self.wait).await
    }

    /// Room for so many bytes: an object, and what is unpacked of it. One that is larger than all of it goes alone.
    async fn room(&self, bytes: u64, wait: Duration) -> Result<Room, NotOut> {
        let units = bytes.saturating_mul(COPIES).div_ceil(UNIT).max(1);
        let units = u32::try_from(units).unwrap_or(u32::MAX).min(self.units);
        let waiting = Arc::clone(&self.room).acquire_many_owned(units);
        match timeout(wait, waiting).await {
            Ok(Ok(permit)) => Ok(Room { _permit: permit }),
            Ok(Err(_)) | Err(_) => Err(NotOut::Busy),
        }
    }
}

/// What is to be retrieved, and for whom.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Who asks.
    pub who: Identity,
    /// What is named.
    pub query: Query,
    /// The operation and what it asks, in one line, for the record.
    pub said: String,
    /// The assigning authority of patient ids without an issuer.
    pub authority: String,
    /// Objects, at most.
    pub max: usize,
    /// By what they proved who they are; `None`: that stays.
    pub bearer: Option<Bearer>,
}

impl Wanted {
    const fn query(&self) -> ImageQuery<'_> {
        ImageQuery {
            who: &self.who,
            query: &self.query,
            said: self.said.as_str(),
            authority: self.authority.as_str(),
            max: self.max,
        }
    }
}

/// Objects that may go, one after the other.
#[derive(Debug)]
pub struct Retrieval {
    wanted: Wanted,
    objects: Vec<Instance>,
    /// The events of those that the guard showed when it was asked last.
    shown: HashSet<u64>,
    /// The places about which it was asked then.
    about: Range<usize>,
    asked: Instant,
}

impl Retrieval {
    /// What was named and shown at first.
    pub fn objects(&self) -> &[Instance] {
        &self.objects
    }

    /// The object at a place. If the guard's word is older than `images_permit_ms`, it is asked again.
    ///
    /// # Errors
    /// [`NotOut`].
    pub async fn out(&mut self, app: &App, place: usize) -> Result<OnItsWay, NotOut> {
        self.out_with(app, place, 0).await
    }

    /// The same, with room for `more` bytes: what is unpacked of it.
    ///
    /// # Errors
    /// [`NotOut`].
    pub(crate) async fn out_with(
        &mut self,
        app: &App,
        place: usize,
        more: u64,
    ) -> Result<OnItsWay, NotOut> {
        let one = self.may(app, place).await?;
        app.image_out(one, more).await
    }

    /// The object at a place, if there is room at this moment.
    ///
    /// # Errors
    /// [`NotOut`].
    pub(crate) async fn out_at_once(
        &mut self,
        app: &App,
        place: usize,
    ) -> Result<OnItsWay, NotOut> {
        let one = self.may(app, place).await?;
        app.image_within(one, (Duration::ZERO, 0)).await
    }

    /// The event of the object at a place, if it may be shown.
    ///
    /// # Errors
    /// [`NotOut`].
    pub(crate) async fn may(&mut self, app: &App, place: usize) -> Result<u64, NotOut> {
        let one = self.objects.get(place).map(|one| one.index);
        let one = one.ok_or_else(|| NotOut::Lost("there is no such object".to_owned()))?;
        let permit = Duration::from_millis(app.settings.images_permit_ms);
        if self.asked.elapsed() >= permit || !self.about.contains(&place) {
            self.ask_again(app, place).await?;
        }
        match self.shown.contains(&one) {
            true => Ok(one),
            false => Err(NotOut::Hidden),
        }
    }

    /// What could not be asked says nothing: the next object asks again.
    async fn ask_again(&mut self, app: &App, place: usize) -> Result<(), NotOut> {
        let all = 0..self.objects.len();
        let (shown, about) = match self.still(app, place).await {
            Ok(still) => still,
            Err(NoImages::Refused(why)) => {
                tracing::info!(?why, "a retrieval may not go on");
                (HashSet::new(), all)
            }
            Err(why) => {
                tracing::warn!(?why, "the guard could not be asked again");
                return Err(NotOut::Busy);
            }
        };
        (self.shown, self.about, self.asked) = (shown, about, Instant::now());
        Ok(())
    }

    /// What is shown by now, and of which places that says something.
    async fn still(
        &mut self,
        app: &App,
        place: usize,
    ) -> Result<(HashSet<u64>, Range<usize>), NoImages> {
        self.is_still_known(app).await?;
        let mut about = 0..self.objects.len();
        let mut found = app.retrieve_images(&self.wanted.query()).await;
        if matches!(found, Err(NoImages::Broken(_))) {
            found = app.retrieve_images(&self.wanted.query()).await;
        }
        // More came meanwhile than may be asked for: those that are still to go were not too many.
        if matches!(found, Err(NoImages::TooMuch(_))) {
            let most = STILL_MAX.min(self.wanted.max).max(1);
            about = place..about.end.min(place.saturating_add(most));
            let query = self.narrowed(about.clone())?;
            let of = ImageQuery {
                query: &query,
                ..self.wanted.query()
            };
            found = app.retrieve_images(&of).await;
        }
        Ok((found?.iter().map(|one| one.index).collect(), about))
    }

    /// Who asks, as they are by now: their scopes, wards and role may be others, their token withdrawn.
    async fn is_still_known(&mut self, app: &App) -> Result<(), NoImages> {
        let Some(bearer) = &self.wanted.bearer else {
            return Ok(());
        };
        let known = bearer.again(app).await;
        let known = known.map_err(|fault| broken(fault.words()))?;
        let Some(who) = known else {
            return Err(NoImages::Refused(vec![
                "the token is not good any more".into(),
            ]));
        };
        let from = self.wanted.who.from.take();
        self.wanted.who = Identity { from, ..who };
        Ok(())
    }

    /// The same question about the objects at these places alone.
    fn narrowed(&self, places: Range<usize>) -> Result<Query, NoImages> {
        let objects = self.objects.get(places).unwrap_or_default();
        let headers = objects.iter().map(|one| &one.header);
        let studies: BTreeSet<&str> = headers.clone().map(|one| one.study.as_str()).collect();
        let studies: Vec<&str> = studies.into_iter().collect();
        let instances: Vec<&str> = headers.map(|one| one.instance.as_str()).collect();
        let single = |tag| self.wanted.query.single(tag).unwrap_or_default();
        let (studies, instances) = (studies.join("\\"), instances.join("\\"));
        let mut query = Query::new(Level::Image);
        for (key, text) in [
            ((tags::PATIENT_ID, VR::LO), single(tags::PATIENT_ID)),
            (
                (tags::ISSUER_OF_PATIENT_ID, VR::LO),
                single(tags::ISSUER_OF_PATIENT_ID),
            ),
            ((tags::STUDY_INSTANCE_UID, VR::UI), studies.as_str()),
            ((tags::SOP_INSTANCE_UID, VR::UI), instances.as_str()),
        ] {
            query.ask(key, text).map_err(broken)?;
        }
        Ok(query)
    }
}

impl App {
    /// The objects that a query names by its unique keys, as far as they may be shown.
    ///
    /// # Errors
    /// [`NoImages`] says why there are none.
    pub async fn retrieval(&self, wanted: Wanted) -> Result<Retrieval, NoImages> {
        let objects = self.retrieve_images(&wanted.query()).await?;
        Ok(Retrieval {
            shown: objects.iter().map(|one| one.index).collect(),
            about: 0..objects.len(),
            objects,
            wanted,
            asked: Instant::now(),
        })
    }

    /// The object of an event, once there is room for it and for `more` bytes beside it.
    ///
    /// # Errors
    /// [`NotOut`].
    pub async fn image_out(&self, index: u64, more: u64) -> Result<OnItsWay, NotOut> {
        self.image_within(index, (self.outgoing.wait, more)).await
    }

    async fn image_within(
        &self,
        index: u64,
        (wait, more): (Duration, u64),
    ) -> Result<OnItsWay, NotOut> {
        let lost = |why: record::Error| {
            tracing::error!(index, %why, "an object cannot be read");
            NotOut::Lost(why.to_string())
        };
        let sealed = self.record.get(index).await.map_err(lost)?;
        let Body::Image(image) = &sealed.event().body else {
            return Err(NotOut::Lost(format!("event {index} is no image")));
        };
        let bytes = largest(image, &self.settings.image_limits).saturating_add(more);
        let room = self.outgoing.room(bytes, wait).await?;
        let file = self.record.object(&sealed).await.map_err(lost)?;
        Ok(OnItsWay { file, room })
    }
}

/// Works on what takes room (or a turn) on a thread of its own, and gives it back with what came of it.
///
/// INVARIANT: the thread goes on when nobody waits for it any more, so it holds what it takes itself.
pub(crate) async fn held_while<H: Send + 'static, T: Send + 'static>(
    held: H,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<(T, H), JoinError> {
    tokio::task::spawn_blocking(move || (work(), held)).await
}

/// The bytes of an object in whatever transfer syntax it may be given: one that is deflated grows.
fn largest(image: &Image, limits: &Limits) -> u64 {
    let bytes = image.whole.bytes;
    if !Syntax::named(&image.syntax).is_some_and(|syntax| syntax.deflated) {
        return bytes;
    }
    let unpacked = limits.unpacked(usize::try_from(bytes).unwrap_or(usize::MAX));
    u64::try_from(unpacked).unwrap_or(u64::MAX).max(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_held_until_the_work_ends_though_nobody_waits_for_it() {
        let outgoing = Outgoing::new(4 * UNIT, 0);
        let room = outgoing.room(UNIT, Duration::ZERO).await.unwrap();
        let (go_on, waiting) = std::sync::mpsc::channel::<()>();
        let (begins, begun) = tokio::sync::oneshot::channel();
        let work = tokio::spawn(held_while(room, move || {
            let _ = begins.send(());
            let _ = waiting.recv();
        }));
        begun.await.unwrap();
        work.abort();
        assert!(work.await.unwrap_err().is_cancelled());
        assert_eq!(
            outgoing.room(UNIT, Duration::ZERO).await.unwrap_err(),
            NotOut::Busy
        );
        drop(go_on);
        let all = Arc::clone(&outgoing.room).acquire_many_owned(4).await;
        assert!(all.is_ok(), "it is free again");
    }

    #[tokio::test]
    async fn what_is_unpacked_of_an_object_takes_room_too() {
        let outgoing = Outgoing::new(12 * UNIT, 0);
        let small = outgoing.room(UNIT, Duration::ZERO).await.unwrap();
        assert!(outgoing.room(UNIT, Duration::ZERO).await.is_ok());
        assert_eq!(
            outgoing
                .room(UNIT + 3 * UNIT, Duration::ZERO)
                .await
                .unwrap_err(),
            NotOut::Busy
        );
        drop(small);
        assert!(outgoing.room(UNIT + 3 * UNIT, Duration::ZERO).await.is_ok());
    }

    #[test]
    fn what_is_deflated_takes_the_room_of_what_it_may_become() {
        let of = |syntax: &str, bytes| {
            let mut image = Image {
                syntax: syntax.to_owned(),
                ..Image::default()
            };
            image.whole.bytes = bytes;
            largest(&image, &Limits::default())
        };
        let deflated = "1.2.840.10008.1.2.1.99";
        assert_eq!(of(Syntax::EXPLICIT_UID, 5_000), 5_000);
        assert_eq!(of(deflated, 5), 1 << 20);
        assert_eq!(of(deflated, 1 << 20), 200 << 20);
        assert_eq!(of(deflated, 100 << 20), 256 << 20);
        assert_eq!(of(deflated, 300 << 20), 300 << 20);
    }

    #[test]
    fn what_is_wrong_with_an_object_is_not_told_outside() {
        let lost = NotOut::Lost("/var/lib/salus/vault/object/ab: no such file".into());
        assert_eq!(
            lost.to_string(),
            "it cannot be read; the program's log says why"
        );
    }
}
