//! Objects on their way out, by whatever door: they share one limit of memory, and the guard is asked
//! again while there are more to go.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chart::Instance;
use event::Body;
use guard::Identity;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio::time::{Instant, timeout};
use wire::dicom::Query;

use super::{ImageQuery, NoImages};
use crate::App;

/// How often an object lies in memory while it is sent: as it was kept, rewritten, and as it goes.
const COPIES: u64 = 3;
/// What is counted, in bytes: a semaphore has no more places than fit into 32 bits.
const UNIT: u64 = 1 << 10;

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
            NotOut::Lost(why) => out.write_str(why),
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

    /// Room for so many bytes: an object, and what is unpacked of it. One that is larger than all of it goes alone.
    async fn room(&self, bytes: u64) -> Result<Room, NotOut> {
        let units = bytes.saturating_mul(COPIES).div_ceil(UNIT).max(1);
        let units = u32::try_from(units).unwrap_or(u32::MAX).min(self.units);
        let waiting = Arc::clone(&self.room).acquire_many_owned(units);
        match timeout(self.wait, waiting).await {
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
        let one = self.objects.get(place).map(|one| one.index);
        let one = one.ok_or_else(|| NotOut::Lost("there is no such object".to_owned()))?;
        let permit = Duration::from_millis(app.settings.images_permit_ms);
        if self.asked.elapsed() >= permit {
            self.ask_again(app).await;
        }
        match self.shown.contains(&one) {
            true => app.image_out(one, more).await,
            false => Err(NotOut::Hidden),
        }
    }

    async fn ask_again(&mut self, app: &App) {
        let found = app.retrieve_images(&self.wanted.query()).await;
        self.asked = Instant::now();
        self.shown = match found {
            Ok(found) => found.iter().map(|one| one.index).collect(),
            Err(why) => {
                tracing::info!(?why, "a retrieval may not go on");
                HashSet::new()
            }
        };
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
            objects,
            wanted,
            asked: Instant::now(),
        })
    }

    /// The object of an event, once there is room for it and for `more` bytes beside it.
    ///
    /// # Errors
    /// [`NotOut`].
    pub(crate) async fn image_out(&self, index: u64, more: u64) -> Result<OnItsWay, NotOut> {
        let lost = |why: record::Error| NotOut::Lost(why.to_string());
        let sealed = self.record.get(index).await.map_err(lost)?;
        let Body::Image(image) = &sealed.event().body else {
            return Err(NotOut::Lost(format!("event {index} is no image")));
        };
        let bytes = image.whole.bytes.saturating_add(more);
        let room = self.outgoing.room(bytes).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_held_until_the_work_ends_though_nobody_waits_for_it() {
        let outgoing = Outgoing::new(4 * UNIT, 0);
        let room = outgoing.room(UNIT).await.unwrap();
        let (go_on, waiting) = std::sync::mpsc::channel::<()>();
        let (begins, begun) = tokio::sync::oneshot::channel();
        let work = tokio::spawn(held_while(room, move || {
            let _ = begins.send(());
            let _ = waiting.recv();
        }));
        begun.await.unwrap();
        work.abort();
        assert!(work.await.unwrap_err().is_cancelled());
        assert_eq!(outgoing.room(UNIT).await.unwrap_err(), NotOut::Busy);
        drop(go_on);
        let all = Arc::clone(&outgoing.room).acquire_many_owned(4).await;
        assert!(all.is_ok(), "it is free again");
    }

    #[tokio::test]
    async fn what_is_unpacked_of_an_object_takes_room_too() {
        let outgoing = Outgoing::new(12 * UNIT, 0);
        let small = outgoing.room(UNIT).await.unwrap();
        assert!(outgoing.room(UNIT).await.is_ok());
        assert_eq!(
            outgoing.room(UNIT + 3 * UNIT).await.unwrap_err(),
            NotOut::Busy
        );
        drop(small);
        assert!(outgoing.room(UNIT + 3 * UNIT).await.is_ok());
    }
}
