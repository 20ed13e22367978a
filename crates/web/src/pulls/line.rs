//! The line in which orders wait: whoever carries them out takes the first; one that is taken back leaves it at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::PullOrder;

const FULL: &str = "Too many orders wait (`pulls_waiting_max`): try again when some have ended.";
const CLOSED: &str =
    "Nobody carries orders out any more: Salus is stopping, or must be started again.";

/// The line, with so many places.
#[derive(Debug)]
pub(super) struct Line {
    places: usize,
    waits: Mutex<Waits>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waits {
    /// The next one first.
    orders: VecDeque<PullOrder>,
    closed: bool,
}

/// The end of the line, for whoever carries orders out; without it the line is closed.
#[derive(Debug)]
pub struct Next(Arc<Line>);

impl Line {
    /// A line with so many places, and its end.
    pub(super) fn new(places: usize) -> (Arc<Line>, Next) {
        let line = Arc::new(Line {
            places,
            waits: Mutex::default(),
            news: Notify::new(),
        });
        (Arc::clone(&line), Next(line))
    }

    /// Puts an order at the end.
    ///
    /// # Errors
    /// In words: no place is free, or nobody takes orders any more.
    pub(super) fn join(&self, order: PullOrder) -> Result<(), &'static str> {
        let mut waits = self.waits();
        if waits.closed {
            return Err(CLOSED);
        }
        if waits.orders.len() >= self.places {
            return Err(FULL);
        }
        waits.orders.push_back(order);
        drop(waits);
        self.news.notify_one();
        Ok(())
    }

    /// Takes an order out, wherever it stands; its place is free.
    pub(super) fn leave(&self, id: u64) {
        self.waits().orders.retain(|order| order.id != id);
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Next {
    /// The next order, as soon as there is one. To give up waiting loses none.
    pub async fn wait(&mut self) -> PullOrder {
        loop {
            if let Some(order) = self.take() {
                return order;
            }
            // An order that came meanwhile left word.
            self.0.news.notified().await;
        }
    }

    /// The next order, if one waits.
    pub fn take(&mut self) -> Option<PullOrder> {
        self.0.waits().orders.pop_front()
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        let mut waits = self.0.waits();
        waits.closed = true;
        waits.orders.clear();
    }
}
