use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::{Arrival, Body, Event, Position, Time};
use record::{Alike, Reader, ReaderError, Sealed};
use serde::Deserialize;
use sqlx::SqlitePool;
use tokio::sync::{Mutex, watch};

use crate::ask::{Feed, Filter, KeptKind, Listing, MessageRow, Page, Quarantined};
use crate::batch::{Came, Sums, WIDTHS_MS, bucket};
use crate::known::Known;
use crate::{Error, Import, imports, learned, page, purge, save, silence, view};

/// How much of the past the view shows. The record keeps everything, and a refold with larger
/// limits shows more of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Messages on the list.
    pub messages_kept_max: u64,
    /// Quarantined frames on the list.
    pub unread_kept_max: u64,
    /// Message ids of each feed that are remembered to find one used twice, at least; at most
    /// twice as many.
    pub controls_kept_min: u64,
    /// Minutes and hours with their counts.
    pub buckets_kept_max: u64,
    /// Rows on one page of a list.
    pub page_rows_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            messages_kept_max: 1_000_000,
            unread_kept_max: 100_000,
            controls_kept_min: 1_000_000,
            buckets_kept_max: 14 * 24,
            page_rows_max: 500,
        }
    }
}

/// Which bulk imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imports {
    /// Those that go on, the oldest first.
    Going,
    /// So many, the newest first.
    Newest(u32),
}

/// What the feeds send, and what became of it. Cheap to clone: every clone is the same view.
#[derive(Clone)]
pub struct Flow {
    inner: Arc<Inner>,
}

struct Inner {
    pool: SqlitePool,
    known: Mutex<Known>,
    folded: watch::Sender<u64>,
    /// Changes when something happened with an import.
    imports: watch::Sender<()>,
    limits: Limits,
}

impl Flow {
    /// Opens the view, or makes an empty one, with the default limits.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be read or written.
    pub async fn open(path: &Path) -> Result<Flow, Error> {
        Flow::open_with(path, Limits::default()).await
    }

    /// Opens the view with the caller's limits.
    ///
    /// # Errors
    /// As [`Flow::open`].
    pub async fn open_with(path: &Path, limits: Limits) -> Result<Flow, Error> {
        let pool = view::open(path).await?;
        let known = Known::read(&pool)
            .await
            .map_err(Error::new("read its feeds"))?;
        let inner = Inner {
            pool,
            folded: watch::Sender::new(known.next),
            imports: watch::Sender::new(()),
            known: Mutex::new(known),
            limits,
        };
        let inner = Arc::new(inner);
        Ok(Flow { inner })
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

    /// Every feed that was ever heard, by name, with its last 60 minutes and 24 hours.
    ///
    /// # Errors
    /// [`Error`] if the view cannot be read.
    pub async fn feeds(&self, now: Time) -> Result<Vec<Feed>, Error> {
        let broken = || Error::new("count what came");
        let known = self.inner.known.lock().await.clone();
        let [minute, hour] = WIDTHS_MS;
        let from = |width, many: i64| bucket(now, width) - many * width;
        let pool = &self.inner.pool;
        let minutes = page::counts(pool, minute, from(minute, 60))
            .await
            .map_err(broken())?;
        let hours = page::counts(pool, hour, from(hour, 24))
            .await
            .map_err(broken())?;
        let silences = page::silences(pool, &silence::hours(now)).await;
        let silences = silences.map_err(broken())?;
        let kinds = page::kinds(pool).await.map_err(broken())?;
        let feed = |(name, state): (&String, &crate::known::FeedState)| Feed {
            name: name.clone(),
            last: state.last,
            age_ms: now.since(state.last),
            usual: silence::usual(now, |hour| silences.get(&(state.id, hour)).copied()),
            format: state.format.clone(),
            position: state.position.clone(),
            kinds: kinds.get(&state.id).cloned().unwrap_or_default(),
            total: state.total,
            minutes: page::series(&minutes, state.id, (minute, 60, now)),
            hours: page::series(&hours, state.id, (hour, 24, now)),
        };
        Ok(known.feeds.iter().map(feed).collect())
    }

    /// Up to where a feed's file was read; `None`: it never was, or is no file.
    pub async fn position(&self, feed: &str) -> Option<Position> {
        let known = self.inner.known.lock().await;
        known.feeds.get(feed)?.position.clone()
    }

    /// A part of the list of messages.
    ///
    /// # Errors
    /// As [`Flow::feeds`].
    pub async fn messages(
        &self,
        filter: &Filter,
        page: Page,
    ) -> Result<Listing<MessageRow>, Error> {
        let listing = page::messages(&self.inner.pool, filter, self.bounded(page)).await;
        listing.map_err(Error::new("list messages"))
    }

    /// One message, by its index in the record.
    ///
    /// # Errors
    /// As [`Flow::feeds`].
    pub async fn message(&self, index: u64) -> Result<Option<MessageRow>, Error> {
        let row = page::one_message(&self.inner.pool, index).await;
        row.map_err(Error::new("find a message"))
    }

    /// Kinds of messages that are kept but not mapped, the most frequent first.
    ///
    /// # Errors
    /// As [`Flow::feeds`].
    pub async fn kept(&self) -> Result<Vec<KeptKind>, Error> {
        let kinds = page::kept(&self.inner.pool).await;
        kinds.map_err(Error::new("list what is not mapped"))
    }

    /// A part of the list of what could not be read.
    ///
    /// # Errors
    /// As [`Flow::feeds`].
    pub async fn quarantined(
        &self,
        feed: Option<&str>,
        page: Page,
    ) -> Result<Listing<Quarantined>, Error> {
        let listing = page::quarantined(&self.inner.pool, feed, self.bounded(page)).await;
        listing.map_err(Error::new("list what could not be read"))
    }

    /// Bulk imports.
    ///
    /// # Errors
    /// As [`Flow::feeds`].
    pub async fn imports(&self, which: Imports) -> Result<Vec<Import>, Error> {
        let all = imports::some(&self.inner.pool, which).await;
        all.map_err(Error::new("list imports"))
    }

    /// One bulk import.
    ///
    /// # Errors
    /// As [`Flow::feeds`].
    pub async fn import(&self, id: &str) -> Result<Option<Import>, Error> {
        let one = imports::one(&self.inner.pool, id).await;
        one.map_err(Error::new("find an import"))
    }

    /// The indices of the events that say what was refused of one file of an import.
    ///
    /// # Errors
    /// As [`Flow::feeds`].
    pub async fn refusals(&self, import: &str, place: u32) -> Result<Vec<u64>, Error> {
        let all = imports::refusals(&self.inner.pool, (import, place)).await;
        all.map_err(Error::new("find what was refused"))
    }

    /// Changes when something happened with an import.
    pub fn imports_stirred(&self) -> watch::Receiver<()> {
        self.inner.imports.subscribe()
    }

    /// Closes the file; for a refold.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    fn bounded(&self, page: Page) -> Page {
        let rows = page.rows.clamp(1, self.inner.limits.page_rows_max.max(1));
        Page { rows, ..page }
    }

    /// Reads what is known of the feeds from the file again.
    async fn learn_again(&self) -> Result<(), sqlx::Error> {
        let mut kept = self.inner.known.lock().await;
        *kept = Known::read(&self.inner.pool).await?;
        self.inner.folded.send_replace(kept.next);
        Ok(())
    }

    /// Folds events (index, time, event) in one transaction.
    pub(crate) async fn take(
        &self,
        events: &[(u64, Time, &Event)],
        next: u64,
    ) -> Result<(), sqlx::Error> {
        let mut kept = self.inner.known.lock().await;
        if next <= kept.next {
            return Ok(());
        }
        let mut came: Vec<Came<'_>> = events
            .iter()
            .filter(|(index, ..)| *index >= kept.next)
            .filter_map(|&(index, at, event)| Came::of(index, at, event))
            .collect();
        let erased = |event: &Event| matches!(event.body, Body::Erased(_));
        let imported = events.iter().any(|(_, _, event)| imports::concerns(event));
        let concerned =
            !came.is_empty() || imported || events.iter().any(|(_, _, event)| erased(event));
        if !concerned && !record::save_is_due(kept.next, next) {
            kept.next = next;
            self.inner.folded.send_replace(next);
            return Ok(());
        }
        // A copy, so that a transaction that fails leaves what is known as it was.
        let mut known = kept.clone();
        known.next = next;
        let mut transaction = self.inner.pool.begin().await?;
        if !came.is_empty() {
            self.write(&mut transaction, &mut known, &mut came).await?;
        }
        for &(index, at, event) in events.iter().filter(|(index, ..)| *index >= kept.next) {
            imports::fold(&mut transaction, (index, at, event)).await?;
        }
        for (_, _, event) in events {
            if let Body::Erased(order) = &event.body {
                let gone = purge::purge(&mut transaction, order).await?;
                known.message_rows = known.message_rows.saturating_sub(gone);
            }
        }
        sqlx::query("UPDATE cursor SET next = $1 WHERE id = 1")
            .bind(next.cast_signed())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        *kept = known;
        self.inner.folded.send_replace(next);
        if imported {
            self.inner.imports.send_replace(());
        }
        Ok(())
    }

    async fn write(
        &self,
        connection: &mut sqlx::SqliteConnection,
        known: &mut Known,
        came: &mut [Came<'_>],
    ) -> Result<(), sqlx::Error> {
        let limits = &self.inner.limits;
        known.meet(came.iter().map(|came| came.feed));
        save::mark_reused(connection, known, (came, limits)).await?;
        let silences = silence::longest(came, |feed| known.last(feed));
        let sums = Sums::of(came);
        known.add(&sums);
        known.learn(came);
        let messages = came.iter().filter(|came| came.heard().is_some()).count();
        known.message_rows += messages as u64;
        let troubles = came.iter().filter(|came| came.trouble().is_some());
        known.unread_rows += troubles.count() as u64;
        save::sums(connection, known, &sums).await?;
        save::rows(connection, known, came).await?;
        learned::silences(connection, known, &silences).await?;
        let newest = came.last().map_or(0, |came| came.at.millis());
        save::sweep(connection, known, (limits, newest)).await
    }
}

#[async_trait]
impl Reader for Flow {
    fn name(&self) -> &'static str {
        "flow"
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
            reader: "flow",
            why: why.to_string(),
        })
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        let events: Vec<(u64, Time, &Event)> = batch
            .iter()
            .map(|sealed| (sealed.index(), sealed.at(), sealed.event()))
            .collect();
        self.take(&events, next)
            .await
            .map_err(|error| ReaderError {
                reader: "flow",
                why: error.to_string(),
            })?;
        Ok(Vec::new())
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        let done = record::rewrite_if_due(&self.inner.pool).await;
        done.map_err(|why| ReaderError {
            reader: "flow",
            why,
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
pub(crate) mod tests;
