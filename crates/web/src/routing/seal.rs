//! Seals what became of messages: many at once, while the next ones are being sent.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event::{Act, Actor, Body, Event, Routed, Subject};
use guard::{Standing, admit};
use record::Error;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::App;

/// How long a failure to seal waits.
const AGAIN: Duration = Duration::from_secs(1);
/// How long one wait for the view takes before it is looked whether anybody sends still.
const FOLD_WAIT: Duration = Duration::from_millis(500);
/// How long it is tried to seal what was sent once nobody sends any more.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// What was sent and is in the queue still: (turn, message).
#[derive(Debug, Clone, Default)]
pub(super) struct Sent(Arc<Going>);

#[derive(Debug, Default)]
struct Going {
    all: Mutex<HashSet<(u64, u64)>>,
    fewer: Notify,
}

impl Sent {
    /// All of it, as it is now.
    pub(super) fn all(&self) -> HashSet<(u64, u64)> {
        self.lock().clone()
    }

    pub(super) fn add(&self, one: (u64, u64)) {
        self.lock().insert(one);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Waits until there is less.
    pub(super) async fn fewer(&self) {
        self.0.fewer.notified().await;
    }

    fn remove(&self, all: impl Iterator<Item = (u64, u64)>) {
        let mut sent = self.lock();
        for one in all {
            sent.remove(&one);
        }
        drop(sent);
        self.0.fewer.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<(u64, u64)>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of one message.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) turn: u64,
    pub(super) subject: Subject,
    pub(super) routed: Routed,
}

/// Seals until nobody sends any more and all of it is sealed.
pub(super) async fn keep_sealing(app: Arc<App>, mut queue: mpsc::Receiver<Done>, sent: Sent) {
    let mut some = Vec::new();
    let many = app.routes.config().unsealed_max.max(1);
    while queue.recv_many(&mut some, many).await > 0 {
        if !is_sealed(&app, &some, &queue).await {
            return;
        }
        let size = app.record.size();
        // INVARIANT: once nobody sends, nobody looks at the queue, and the view is not waited for: it
        // follows the record no more while the server stops, and what is left is to be sealed.
        while !queue.is_closed() && !app.routes.caught_up(size, FOLD_WAIT).await {}
        sent.remove(some.drain(..).map(|done| (done.turn, done.routed.message)));
    }
}

/// Seals, however often it has to be tried; for a while only once nobody sends any more. What is not
/// sealed then goes a second time.
async fn is_sealed(app: &App, some: &[Done], queue: &mpsc::Receiver<Done>) -> bool {
    let mut last: Option<Instant> = None;
    while let Err(why) = seal(app, some).await {
        if matches!(
            why,
            Error::Stopped | Error::Fenced { .. } | Error::Uprooted { .. }
        ) {
            return false;
        }
        tracing::error!(%why, "what became of messages was not sealed; trying again");
        if queue.is_closed() {
            let last = *last.get_or_insert_with(|| Instant::now() + LAST_WAIT);
            if Instant::now() >= last {
                return false;
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
    true
}

async fn seal(app: &App, some: &[Done]) -> Result<(), Error> {
    let mut admitted = Vec::with_capacity(some.len());
    for done in some {
        let body = Body::Routed(done.routed.clone());
        let event = Event::new(Actor::salus(), Act::Send, done.subject.clone(), body);
        // Salus vouches for itself; nothing of its own is refused.
        admitted.extend(admit(event.into(), Standing::Salus, ""));
    }
    app.record.admit(admitted).await.map(drop)
}
