//! Room in memory for what an answer brings from the vault. It is held until the answer was sent, or was read
//! too slowly.

use std::sync::{Arc, Mutex, PoisonError};

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
pub(crate) struct Held(Arc<Mutex<Vec<Room>>>);

impl Held {
    fn keep(&self, room: Room) {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.push(room);
    }

    /// A body of these bytes that holds what was held so far, to be read at that rate if it is anything.
    pub(crate) fn body(&self, bytes: Bytes, rate: Rate) -> Body {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rooms = std::mem::take(&mut *rooms);
        match rooms.is_empty() {
            true => Body::from(bytes),
            false => paced::whole(with(bytes, rooms), rate),
        }
    }
}

/// Bytes that hold room as long as they are there.
pub(crate) fn with(bytes: Bytes, rooms: Vec<Room>) -> Bytes {
    Bytes::from_owner(Holding {
        bytes,
        _rooms: rooms,
    })
}

struct Holding {
    bytes: Bytes,
    _rooms: Vec<Room>,
}

impl AsRef<[u8]> for Holding {
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
        if bytes > 0 {
            self.held.keep(binary::room(self, bytes).await?);
        }
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
        self.make_room(open.page_brings(&bare)?).await?;
        Ok(open.filled(bare).await?)
    }
}
