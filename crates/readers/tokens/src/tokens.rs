use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use event::{App, Arrival, Event, Time};
use record::{Alike, Reader, ReaderError, Sealed};
use sqlx::SqlitePool;
use tokio::sync::watch;

use crate::Error;
use crate::book::{Book, Found, Lasting, Touched};
use crate::secret::{Hash, hash};
use crate::view::{self, Saved};

/// Which apps there are, and what each code and token stands for. Answered from memory.
///
/// Cheap to clone: every clone is the same view.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    pool: SqlitePool,
    book: RwLock<Book>,
    /// The number of events folded and saved.
    folded: watch::Sender<u64>,
    /// What is being used up at this moment.
    claimed: Mutex<HashSet<Hash>>,
}

/// The right to use up one code, refresh token or assertion, held until the use is folded.
pub struct Claim {
    inner: Arc<Inner>,
    hash: Hash,
}

impl Tokens {
    /// Opens the view, or makes an empty one.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be read or written.
    pub async fn open(path: &Path) -> Result<Tokens, Error> {
        let pool = view::open(path).await?;
        let (next, book) = view::read(&pool).await?;
        let inner = Inner {
            pool,
            book: RwLock::new(book),
            folded: watch::Sender::new(next),
            claimed: Mutex::default(),
        };
        let inner = Arc::new(inner);
        Ok(Tokens { inner })
    }

    /// What `record::follow` keeps up to date.
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }

    /// The number of events folded.
    pub fn folded(&self) -> u64 {
        *self.inner.folded.borrow()
    }

    /// Waits until `size` events are folded; false if that takes longer than `wait`.
    pub async fn caught_up(&self, size: u64, wait: Duration) -> bool {
        let mut folded = self.inner.folded.subscribe();
        let reached = folded.wait_for(|folded| *folded >= size);
        tokio::time::timeout(wait, reached)
            .await
            .is_ok_and(|reached| reached.is_ok())
    }

    /// The moment by which tokens are judged: the clock's, but never before what was sealed, so
    /// that a clock that is set back revives nothing.
    pub fn now(&self, clock: Time) -> Time {
        clock.max(self.book().latest)
    }

    /// How a client is registered as an app.
    pub fn app(&self, client: &str) -> Option<Arc<App>> {
        self.book().apps.get(client).cloned()
    }

    /// Every app by its client id.
    pub fn apps(&self) -> Vec<(String, Arc<App>)> {
        let book = self.book();
        book.apps
            .iter()
            .map(|(id, app)| (id.clone(), Arc::clone(app)))
            .collect()
    }

    /// What a code or token stands for; `None`: unknown, too old or ended.
    pub fn find(&self, text: &str, now: Time) -> Option<Found> {
        self.find_hash(&hash(text), now)
    }

    /// As [`Tokens::find`], by the hash.
    pub fn find_hash(&self, hash: &Hash, now: Time) -> Option<Found> {
        // Never two locks at once: a fold that waits between them would stop both.
        let now = self.now(now);
        self.book().find(hash, now)
    }

    /// The leave of a family; `None`: it never began, or it ended.
    pub fn lasting(&self, family: &str, now: Time) -> Option<Lasting> {
        let now = self.now(now);
        self.book().lasting(family, now)
    }

    /// What a person gave leave for and has not ended, the newest first.
    pub fn of_account(&self, account: &str, now: Time) -> Vec<Lasting> {
        let now = self.now(now);
        let book = self.book();
        let theirs = book
            .families
            .iter()
            .filter(|(_, one)| one.leave.account.as_deref() == Some(account));
        let mut theirs: Vec<Lasting> = theirs
            .filter_map(|(family, _)| book.lasting(family, now))
            .collect();
        theirs.sort_by_key(|one| std::cmp::Reverse(one.began));
        theirs
    }

    /// The right to use something up; `None`: somebody is using it up at this moment.
    pub fn claim(&self, hash: Hash) -> Option<Claim> {
        let inner = Arc::clone(&self.inner);
        let new = inner.claimed().insert(hash);
        new.then_some(Claim { inner, hash })
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    fn book(&self) -> RwLockReadGuard<'_, Book> {
        // A panic while it was held cannot have left half a change that a new fold would not make.
        self.inner
            .book
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> RwLockWriteGuard<'_, Book> {
        self.inner
            .book
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is known by heart from the file again.
    async fn learn_again(&self) -> Result<(), Error> {
        let (next, book) = view::read(&self.inner.pool).await?;
        *self.writing() = book;
        self.inner.folded.send_replace(next);
        Ok(())
    }

    /// Folds events (index, time, event), saves what they changed, then says so.
    async fn take(&self, events: &[(u64, Time, &Event)], next: u64) -> Result<(), sqlx::Error> {
        let folded = self.folded();
        if next <= folded {
            return Ok(());
        }
        let saved = self.fold(events.iter().filter(|(index, ..)| *index >= folded))?;
        if !saved.is_empty() || record::save_is_due(folded, next) {
            view::save(&self.inner.pool, &saved, next).await?;
        }
        // Kept until now, so that a save that failed is made up for by the next.
        self.writing().touched = Touched::default();
        self.inner.folded.send_replace(next);
        Ok(())
    }

    fn fold<'a>(
        &self,
        events: impl Iterator<Item = &'a (u64, Time, &'a Event)>,
    ) -> Result<Saved, sqlx::Error> {
        let mut book = self.writing();
        for (_, at, event) in events {
            book.fold(*at, event);
        }
        Saved::of(&book)
    }
}

impl Inner {
    fn claimed(&self) -> MutexGuard<'_, HashSet<Hash>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inner.claimed().remove(&self.hash);
    }
}

#[async_trait]
impl Reader for Tokens {
    fn name(&self) -> &'static str {
        "tokens"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(self.folded())
    }

    fn alike(&self) -> &'static [Alike] {
        &view::ALIKE
    }

    async fn relearn(&self) -> Result<(), ReaderError> {
        let learned = self.learn_again().await;
        learned.map_err(|why| ReaderError {
            reader: "tokens",
            why: why.to_string(),
        })
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        let events: Vec<(u64, Time, &Event)> = batch
            .iter()
            .map(|sealed| (sealed.index(), sealed.at(), sealed.event()))
            .collect();
        let taken = self.take(&events, next).await;
        taken.map_err(|error| ReaderError {
            reader: "tokens",
            why: error.to_string(),
        })?;
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests;
