//! Objects that somebody asked a PACS to send here (C-MOVE): they come through the door of all, and are counted for
//! whoever asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::intake::{Came, Told};

/// What is to come.
#[derive(Debug, Clone, Copy)]
pub struct Awaited<'a> {
    /// The feed as which it comes.
    pub feed: &'a str,
    /// Study Instance UID that it must have.
    pub study: &'a str,
    /// The patients of whom it may be (one person); `None`: anybody.
    pub only: Option<&'a [String]>,
    /// SOP Instance UIDs.
    pub instances: &'a [&'a str],
}

/// What is to come, of all who wait for something: by feed and SOP Instance UID.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<HashMap<Key, Vec<Arc<Shelf>>>>);

/// Name of a feed, and a SOP Instance UID.
type Key = (String, String);

/// What came of it, for one who waits.
#[derive(Debug)]
struct Shelf {
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
            study: awaited.study.to_owned(),
            only: awaited.only.map(<[String]>::to_vec),
            told: Mutex::default(),
            count: sender,
        });
        let key = |uid: &&str| (awaited.feed.to_owned(), (*uid).to_owned());
        let keys: Vec<_> = awaited.instances.iter().map(key).collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Who waits for an object; what they said of it holds for it.
    pub(super) fn of(&self, came: &mut Came) -> Option<Waiters> {
        let instance = came.said.1.clone();
        let key = (came.sender.feed.name().to_owned(), instance.clone());
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shelves = all.get(&key)?.clone();
        drop(all);
        came.study = shelves.first().map(|one| one.study.clone());
        Some(Waiters { instance, shelves })
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
            .0
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
