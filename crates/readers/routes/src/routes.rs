use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex as StdMutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use event::{Arrival, Body, Time};
use record::{Alike, Reader, ReaderError, Sealed};
use sqlx::SqlitePool;
use tokio::sync::{Mutex, Notify, watch};

use crate::ask::{Aside, Lane, RouteState, Status, Waiting};
use crate::fold::{self, Entry, concerns};
use crate::known::Known;
use crate::lane::lane;
use crate::subscribers::{self, Happened, Subscriber};
use crate::{Config, Error, page, view};

/// Marks that are remembered until they are folded.
const MARKS_MAX: usize = 100_000;

/// What is passed on, and where to. Cheap to clone: every clone is the same view.
#[derive(Clone)]
pub struct Routes {
    inner: Arc<Inner>,
}

/// What may have changed which message is next on a route, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stir {
    /// Foldings of anything that concerns routes.
    pub folds: u64,
    /// Orders, changed rules and erasures.
    pub orders: u64,
    /// Subscriptions that were written or deleted, and erasures.
    pub subscriptions: u64,
}

struct Inner {
    pool: SqlitePool,
    config: Config,
    known: Mutex<Known>,
    folded: watch::Sender<u64>,
    stirred: watch::Sender<Stir>,
    status: StdMutex<BTreeMap<String, Status>>,
    /// Whoever waits for something of a subscription, by its id.
    waiting: StdMutex<HashMap<String, Vec<Weak<Notify>>>>,
    /// What a receiver took, by route and mark, with the message it is: it may come back before it is
    /// folded that it went.
    going: StdMutex<HashMap<(String, String), u64>>,
}

impl Routes {
    /// Opens the view, or makes an empty one.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be read or written.
    pub async fn open(path: &Path, config: Config) -> Result<Routes, Error> {
        let pool = view::open(path).await?;
        let known = Known::read(&pool)
            .await
            .map_err(Error::new("read its rules"))?;
        let inner = Inner {
            pool,
            config,
            folded: watch::Sender::new(known.next),
            stirred: watch::Sender::new(Stir::default()),
            known: Mutex::new(known),
            status: StdMutex::default(),
            waiting: StdMutex::default(),
            going: StdMutex::default(),
        };
        let inner = Arc::new(inner);
        Ok(Routes { inner })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
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

    /// Changes whenever the queue of a route may have changed.
    pub fn stirred(&self) -> watch::Receiver<Stir> {
        self.inner.stirred.subscribe()
    }

    /// From now on `waiter` is woken when something of this subscription was folded: that it was written or
    /// deleted, or a step of it; as long as somebody holds it.
    pub fn wake(&self, subscription: &str, waiter: &Arc<Notify>) {
        let mut waiting = self.waiters();
        let all = waiting.entry(subscription.to_owned()).or_default();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(waiter));
    }

    /// Wakes whoever waits for what was folded.
    fn wake_those(&self, entries: &[Entry<'_>]) {
        let mut waiting = self.waiters();
        for entry in entries {
            let id = match &entry.event.body {
                Body::Notified(notified) => &notified.subscription,
                Body::Resource(resource) if subscribers::is_one(entry.event) => &resource.id,
                Body::Erased(_) => {
                    let all = waiting.values().flatten().filter_map(Weak::upgrade);
                    all.for_each(|waiter| waiter.notify_one());
                    continue;
                }
                _ => continue,
            };
            if let Some(all) = waiting.get_mut(id) {
                all.retain(|one| one.strong_count() > 0);
                let alive = all.iter().filter_map(Weak::upgrade);
                alive.for_each(|waiter| waiter.notify_one());
            }
        }
        waiting.retain(|_, all| all.iter().any(|one| one.strong_count() > 0));
    }

    fn waiters(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Weak<Notify>>>> {
        self.inner
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules in force as they were sealed, of each route that was ever there: name, rules,
    /// whether it takes up what arrives.
    pub async fn in_force(&self) -> Vec<(String, String, bool)> {
        let known = self.inner.known.lock().await;
        let all = known.routes.iter();
        all.map(|(name, one)| (name.clone(), one.written.clone(), one.rules.is_some()))
            .collect()
    }

    /// How each route does, by name.
    ///
    /// # Errors
    /// [`Error`] if the view cannot be read.
    pub async fn list(&self, now: Time) -> Result<Vec<RouteState>, Error> {
        let states = page::routes(&self.inner.pool, now).await;
        let mut states = states.map_err(Error::new("say how routes do"))?;
        let status = self.lock();
        for state in &mut states {
            let said = status.get(&state.name);
            state.trouble = said.and_then(|said| said.trouble.clone());
        }
        Ok(states)
    }

    /// Why a route is paused, if it is.
    ///
    /// # Errors
    /// As [`Routes::list`].
    pub async fn paused(&self, route: &str) -> Result<bool, Error> {
        let sql = "SELECT COUNT(*) FROM route WHERE name = $1 AND paused IS NOT NULL";
        let paused = sqlx::query_scalar::<_, i64>(sql)
            .bind(route)
            .fetch_one(&self.inner.pool)
            .await;
        Ok(paused.map_err(Error::new("say what is paused"))? > 0)
    }

    /// The next messages of a route in their order, without those of some lanes.
    ///
    /// # Errors
    /// As [`Routes::list`].
    pub async fn waiting(
        &self,
        (route, rows): (&str, usize),
        but: &[Lane],
    ) -> Result<Vec<Waiting>, Error> {
        let found = page::waiting(&self.inner.pool, (route, rows), but).await;
        found.map_err(Error::new("list what waits"))
    }

    /// Why a message waits on a route: the orders by which it goes, 0 for the rules; the next one first.
    ///
    /// # Errors
    /// As [`Routes::list`].
    pub async fn waits(&self, route: &str, message: u64) -> Result<Vec<u64>, Error> {
        let sql = "SELECT turn FROM queue WHERE route = $1 AND message = $2 ORDER BY turn";
        let turns: Result<Vec<i64>, _> = sqlx::query_scalar(sql)
            .bind(route)
            .bind(message.cast_signed())
            .fetch_all(&self.inner.pool)
            .await;
        let turns = turns.map_err(Error::new("say why a message waits"))?;
        let waits = turns.into_iter().map(|turn| Waiting {
            turn: turn.unsigned_abs(),
            message,
            lane: None,
        });
        Ok(waits.map(|one| one.decision()).collect())
    }

    /// Notes whose a message is that an order named.
    ///
    /// # Errors
    /// As [`Routes::list`].
    pub async fn belongs(&self, route: &str, one: &Waiting, lane: Lane) -> Result<(), Error> {
        let sql = "UPDATE queue SET lane = $1 WHERE route = $2 AND turn = $3 AND message = $4";
        let done = sqlx::query(sql)
            .bind(lane.to_vec())
            .bind(route)
            .bind(one.turn.cast_signed())
            .bind(one.message.cast_signed())
            .execute(&self.inner.pool)
            .await;
        done.map(drop)
            .map_err(Error::new("note whose a message is"))
    }

    /// Refused and looped messages of a route, the newest first.
    ///
    /// # Errors
    /// As [`Routes::list`].
    pub async fn aside(&self, route: &str) -> Result<Vec<Aside>, Error> {
        let found = page::aside(&self.inner.pool, route).await;
        found.map_err(Error::new("list what was set aside"))
    }

    /// Every subscription, by id.
    ///
    /// # Errors
    /// As [`Routes::list`].
    pub async fn subscribers(&self) -> Result<Vec<Subscriber>, Error> {
        let found = subscribers::all(&self.inner.pool, None).await;
        found.map_err(Error::new("list subscriptions"))
    }

    /// One subscription.
    ///
    /// # Errors
    /// As [`Routes::list`].
    pub async fn subscriber(&self, id: &str) -> Result<Option<Subscriber>, Error> {
        let found = subscribers::all(&self.inner.pool, Some(id)).await;
        let found = found.map_err(Error::new("say how a subscription does"))?;
        Ok(found.into_iter().next())
    }

    /// Events of a subscription, from the number `first` to `last`, at most `rows`; those that are no
    /// longer kept are left out.
    ///
    /// # Errors
    /// As [`Routes::list`].
    pub async fn happened(
        &self,
        (id, first, last): (&str, u64, u64),
        rows: usize,
    ) -> Result<Vec<Happened>, Error> {
        let found = subscribers::happened(&self.inner.pool, (id, first, last), rows).await;
        found.map_err(Error::new("list events of a subscription"))
    }

    /// What the telling of a subscription says of itself.
    pub fn said(&self, name: &str) -> Option<Status> {
        self.lock().get(name).cloned()
    }

    /// The earlier message as which something with this mark was taken by the receiver of this route,
    /// if `message` is not the first. What another receiver took is no loop.
    ///
    /// # Errors
    /// As [`Routes::list`].
    pub async fn went_out_as(
        &self,
        (route, mark): (&str, &str),
        message: u64,
    ) -> Result<Option<u64>, Error> {
        let key = (route.to_owned(), mark.to_owned());
        let going = self.marks().get(&key).copied();
        if let Some(first) = going.filter(|first| *first < message) {
            return Ok(Some(first));
        }
        let found = page::sent_as(&self.inner.pool, (route, mark), message).await;
        found.map_err(Error::new("say what went out"))
    }

    /// Notes under which mark a receiver took a message, before that is sealed.
    pub fn went_out(&self, (route, mark): (&str, &str), message: u64) {
        let mut marks = self.marks();
        if marks.len() >= MARKS_MAX {
            marks.clear();
        }
        let key = (route.to_owned(), mark.to_owned());
        let first = marks.entry(key).or_insert(message);
        *first = message.min(*first);
    }

    /// What a route's sending says of itself.
    pub fn note(&self, route: &str, status: Status) {
        self.lock().insert(route.to_owned(), status);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Status>> {
        self.inner
            .status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What is folded is known from the view.
    fn forget_marks(&self, entries: &[Entry<'_>]) {
        let mut marks = self.marks();
        for entry in entries {
            if let Body::Routed(routed) = &entry.event.body {
                marks.remove(&(routed.route.clone(), routed.mark.clone()));
            }
        }
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), u64>> {
        self.inner
            .going
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds events in one transaction.
    pub(crate) async fn take(&self, entries: &[Entry<'_>], next: u64) -> Result<(), sqlx::Error> {
        let mut kept = self.inner.known.lock().await;
        if next <= kept.next {
            return Ok(());
        }
        let from = kept.next;
        let new = entries.iter().filter(|entry| entry.index >= from);
        let own = entries.iter().any(|entry| concerns(&kept, entry.event));
        if !own && !record::save_is_due(kept.next, next) {
            kept.next = next;
            self.inner.folded.send_replace(next);
            return Ok(());
        }
        let new: Vec<Entry<'_>> = new.copied().collect();
        // A copy, so that a transaction that fails leaves what is known as it was.
        let mut known = kept.clone();
        known.next = next;
        let mut transaction = self.inner.pool.begin().await?;
        fold::all(&mut transaction, &mut known, (&new, &self.inner.config)).await?;
        sqlx::query("UPDATE cursor SET next = $1 WHERE id = 1")
            .bind(next.cast_signed())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        *kept = known;
        self.forget_marks(&new);
        self.inner.folded.send_replace(next);
        let changes = |entry: &&Entry<'_>| {
            subscribers::is_one(entry.event) || matches!(entry.event.body, Body::Erased(_))
        };
        let written = new.iter().filter(changes).count();
        let orders = new.iter().filter(|entry| fold::orders(entry.event)).count();
        self.inner.stirred.send_modify(|stir| {
            stir.folds += 1;
            stir.orders += orders as u64;
            stir.subscriptions += written as u64;
        });
        self.wake_those(&new);
        Ok(())
    }
}

#[async_trait]
impl Reader for Routes {
    fn name(&self) -> &'static str {
        "routes"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(self.folded())
    }

    fn alike(&self) -> &'static [Alike] {
        &view::ALIKE
    }

    async fn relearn(&self) -> Result<(), ReaderError> {
        let mut kept = self.inner.known.lock().await;
        let known = Known::read(&self.inner.pool).await;
        *kept = known.map_err(|why| failed(&why))?;
        self.inner.folded.send_replace(kept.next);
        Ok(())
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        let entries: Vec<Entry<'_>> = batch
            .iter()
            .map(|sealed| Entry {
                index: sealed.index(),
                at: sealed.at(),
                lane: lane(sealed.event(), sealed.stream()),
                event: sealed.event(),
            })
            .collect();
        let done = self.take(&entries, next).await;
        done.map(|()| Vec::new()).map_err(|why| failed(&why))
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        let done = record::rewrite_if_due(&self.inner.pool).await;
        done.map_err(|why| failed(&why))
    }
}

fn failed(why: &dyn std::fmt::Display) -> ReaderError {
    ReaderError {
        reader: "routes",
        why: why.to_string(),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
