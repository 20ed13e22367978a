//! Room in memory for what an answer brings from the vault. It is held until the answer was sent, or was read
//! too slowly.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use chart::{Open, Page, Stored};

use super::binary;
use super::door::Door;
use super::fault::Fault;
use crate::imaging::Room;
use crate::{Rate, paced};

/// The room that one request has so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Arc<Mutex<Rooms>>);

#[derive(Debug, Default)]
struct Rooms {
    taken: Vec<Room>,
    /// There was none for something: what else a batch asks for does not wait, as it holds what others wait for.
    refused: bool,
}

impl Held {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A body of these bytes that holds what was held so far, to be read at that rate if it is anything.
    pub(crate) fn body(&self, bytes: Bytes, rate: Rate) -> Body {
        let rooms = std::mem::take(&mut self.rooms().taken);
        match rooms.is_empty() {
            true => Body::from(bytes),
            false => paced::whole(with(bytes, rooms), rate),
        }
    }
}

/// Bytes that hold something, such as room, as long as they are there.
pub(crate) fn with<T: Send + 'static>(bytes: Bytes, held: T) -> Bytes {
    Bytes::from_owner(Holding { bytes, _held: held })
}

struct Holding<T> {
    bytes: Bytes,
    _held: T,
}

impl<T> AsRef<[u8]> for Holding<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Door {
    /// Makes room for so many bytes until the answer was sent.
    ///
    /// # Errors
    /// 503 if there is none within `binary_wait_ms`.
    pub(crate) async fn make_room(&self, bytes: usize) -> Result<(), Fault> {
        if bytes == 0 {
            return Ok(());
        }
        if self.held.rooms().refused {
            return Err(binary::no_room());
        }
        let room = binary::room(self, bytes).await;
        let mut rooms = self.held.rooms();
        rooms.refused = room.is_err();
        rooms.taken.push(room?);
        Ok(())
    }

    /// A bare resource with its contents, once there is room for them.
    ///
    /// # Errors
    /// 503, and 500 if one of them is missing or altered.
    pub(crate) async fn whole(&self, open: &Open, bare: Stored) -> Result<Stored, Fault> {
        self.make_room(open.brings(&bare)).await?;
        Ok(open.whole(bare).await?)
    }

    /// A bare page with the contents of its resources, once there is room for them.
    ///
    /// # Errors
    /// 503, and what keeps the chart from reading.
    pub(crate) async fn filled(&self, open: &Open, bare: Page) -> Result<Page, Fault> {
        self.make_room(open.page_brings(&bare)).await?;
        Ok(open.filled(bare).await?)
    }
}
