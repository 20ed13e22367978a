//! Objects that somebody asked a PACS to send here (C-MOVE): they come through the door of all, and are counted for
//! whoever asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use wire::dicom::Origin;

use super::intake::{Came, Told};

/// What is to come.
#[derive(Debug, Clone, Copy)]
pub struct Awaited<'a> {
    /// The feed as which it comes.
    pub feed: &'a str,
    /// The AE title by which it is asked for.
    pub calling: &'a str,
    /// The AE title of whom is asked.
    pub called: &'a str,
    /// Study Instance UID that it must have.
    pub study: &'a str,
    /// The patients of whom it may be (one person); `None`: anybody.
    pub only: Option<&'a [String]>,
    /// SOP Instance UIDs.
    pub instances: &'a [&'a str],
}

/// What is to come, of all who wait for something: by feed and SOP Instance UID.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    shelves: Mutex<HashMap<Key, Vec<Arc<Shelf>>>>,
    /// Message ID of the C-MOVE that was begun last.
    message: AtomicU16,
}

/// Name of a feed, and a SOP Instance UID.
type Key = (String, String);

/// What came of it, for one who waits.
#[derive(Debug)]
struct Shelf {
    /// AE title and Message ID of the C-MOVE.
    asked: (String, u16),
    /// AE title of whom was asked.
    called: String,
    study: String,
    only: Option<Vec<String>>,
    /// By SOP Instance UID: no more than are awaited.
    told: Mutex<BTreeMap<String, Told>>,
    /// How many those are.
    count: watch::Sender<usize>,
}

/// Counts what comes until it is dropped.
#[derive(Debug)]
pub struct Arrivals {
    waiting: Arc<Waiting>,
    keys: Vec<Key>,
    shelf: Arc<Shelf>,
    count: watch::Receiver<usize>,
}

/// Those who wait for an object that came.
pub(super) struct Waiters {
    instance: String,
    shelves: Vec<Arc<Shelf>>,
}

impl Waiting {
    /// Waits for objects from now on.
    pub(super) fn begin(self: Arc<Waiting>, awaited: &Awaited<'_>) -> Arrivals {
        let (sender, count) = watch::channel(0);
        let shelf = Arc::new(Shelf {
            asked: (awaited.calling.to_owned(), self.next()),
            called: awaited.called.to_owned(),
            study: awaited.study.to_owned(),
            only: awaited.only.map(<[String]>::to_vec),
            told: Mutex::default(),
            count: sender,
        });
        let key = |uid: &&str| (awaited.feed.to_owned(), (*uid).to_owned());
        let keys: Vec<_> = awaited.instances.iter().map(key).collect();
        let mut all = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &keys {
            let shelves = all.entry(key.clone()).or_default();
            shelves.push(Arc::clone(&shelf));
        }
        drop(all);
        Arrivals {
            waiting: self,
            keys,
            shelf,
            count,
        }
    }

    /// A Message ID that nothing else that is under way has: two C-MOVEs are told apart by it.
    fn next(&self) -> u16 {
        let after = |last: u16| last.checked_add(1).unwrap_or(1);
        let last = self
            .message
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(after(last))
            });
        // INVARIANT: it is never left as it is, so that this is no error.
        last.map_or(1, after)
    }

    /// Who waits for an object; what they said of it holds for it. One that says for which C-MOVE it is sent is of
    /// that one alone; if it is of another's, nobody waits for it.
    pub(super) fn of(&self, (came, origin): (&mut Came, &Origin)) -> Option<Waiters> {
        let instance = came.said.1.clone();
        let key = (came.sender.feed.name().to_owned(), instance.clone());
        let all = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shelves = all.get(&key)?.clone();
        drop(all);
        shelves.retain(|one| one.may_have(origin, &came.sender.calling));
        if shelves.is_empty() {
            let (title, message) = (&origin.title, origin.message);
            tracing::info!(
                instance,
                title,
                message,
                "an object that is awaited came for another C-MOVE: it is taken as the feed's own"
            );
            return None;
        }
        came.study = shelves.first().map(|one| one.study.clone());
        Some(Waiters { instance, shelves })
    }
}

impl Shelf {
    /// Whether an object may be what was asked for: what its sender leaves out may be anything. Some senders name
    /// themselves in the place of who asked, by the title that they send with or by that which was asked: that says nothing,
    /// nor does a Message ID of 0.
    fn may_have(&self, origin: &Origin, sender: &str) -> bool {
        let (title, message) = &self.asked;
        let says_nothing = ["", title, sender, &self.called];
        says_nothing.contains(&origin.title.as_str())
            && origin
                .message
                .is_none_or(|said| [0, *message].contains(&said))
    }
}

impl Waiters {
    /// The patients of whom it may be: whom one of them may have is taken. `None`: anybody.
    pub(super) fn only(&self) -> Option<Vec<String>> {
        let all: Option<Vec<_>> = self.shelves.iter().map(|one| one.only.clone()).collect();
        all.map(|all| all.concat())
    }

    /// What became of it.
    pub(super) fn tell(self, told: &Told) {
        for shelf in self.shelves {
            let mut all = shelf.told.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(self.instance.clone(), told.clone());
            let came = all.len();
            drop(all);
            // What comes again is no news: it does not begin the stillness anew.
            shelf.count.send_if_modified(|count| {
                let is_more = came > *count;
                *count = came.max(*count);
                is_more
            });
        }
    }
}

impl Arrivals {
    /// Message ID of the C-MOVE that is to ask for them.
    pub fn message(&self) -> u16 {
        self.shelf.asked.1
    }

    /// Waits until more of them came, whatever became of it.
    pub async fn more(&mut self) {
        if self.count.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether all came.
    pub fn are_all(&self) -> bool {
        *self.count.borrow() >= self.keys.len()
    }

    /// What became of each that came, by SOP Instance UID.
    pub fn told(&self) -> BTreeMap<String, Told> {
        let told = self.shelf.told.lock();
        told.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        let mut all = self
            .waiting
            .shelves
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            if let Some(shelves) = all.get_mut(key) {
                shelves.retain(|one| !Arc::ptr_eq(one, &self.shelf));
                if shelves.is_empty() {
                    all.remove(key);
                }
            }
        }
    }
}
