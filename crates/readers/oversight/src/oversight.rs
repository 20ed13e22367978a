use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::{Arrival, Event, Time};
use record::{Alike, Reader, ReaderError, Sealed};
use sqlx::SqlitePool;
use tokio::sync::watch;

use crate::book::Book;
use crate::{Alteration, Broken, Error, Fate, InForce, Opened, outside, view};

/// What overseers answer for. Cheap to clone: every clone is the same view.
#[derive(Clone)]
pub struct Oversight {
    inner: Arc<Inner>,
}

struct Inner {
    pool: SqlitePool,
    /// What was folded, and what was known then. Published after the commit.
    state: watch::Sender<(u64, Arc<Book>)>,
}

impl Oversight {
    /// Opens the view, or makes an empty one.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be read or written.
    pub async fn open(path: &Path) -> Result<Oversight, Error> {
        let pool = view::open(path).await?;
        let (next, book) = view::book(&pool).await?;
        let inner = Inner {
            pool,
            state: watch::Sender::new((next, Arc::new(book))),
        };
        let inner = Arc::new(inner);
        Ok(Oversight { inner })
    }

    /// What `record::follow` keeps up to date.
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }

    /// The number of events folded.
    pub fn folded(&self) -> u64 {
        self.inner.state.borrow().0
    }

    /// Waits until `size` events are folded; false if that takes longer than `wait`.
    pub async fn caught_up(&self, size: u64, wait: Duration) -> bool {
        let mut state = self.inner.state.subscribe();
        let reached = state.wait_for(|(folded, _)| *folded >= size);
        tokio::time::timeout(wait, reached)
            .await
            .is_ok_and(|reached| reached.is_ok())
    }

    /// The glass that somebody has broken and that still lasts, the newest first.
    pub fn lasting(&self, account: &str, now: Time) -> Vec<Broken> {
        let book = self.book();
        let now = book.now(now);
        let own = book.waiting.values().rev();
        own.filter(|one| one.account == account && now < one.until)
            .cloned()
            .collect()
    }

    /// What nobody has reviewed yet, the oldest first.
    pub fn waiting(&self) -> Vec<Broken> {
        self.book().waiting.values().cloned().collect()
    }

    /// What was reviewed, the newest review first, at most `most`.
    ///
    /// # Errors
    /// [`Error`] if the view cannot be read.
    pub async fn reviewed(&self, most: u32) -> Result<Vec<Broken>, Error> {
        let sql = "SELECT * FROM glass WHERE review IS NOT NULL ORDER BY review DESC LIMIT $1";
        view::list(&self.inner.pool, sql, i64::from(most)).await
    }

    /// One glass by the index of the event that broke it.
    ///
    /// # Errors
    /// As [`Oversight::reviewed`].
    pub async fn glass(&self, index: u64) -> Result<Option<Broken>, Error> {
        if let Some(waits) = self.book().waiting.get(&index) {
            return Ok(Some(waits.clone()));
        }
        let sql = "SELECT * FROM glass WHERE idx = $1";
        let found = view::list(&self.inner.pool, sql, index.cast_signed()).await?;
        Ok(found.into_iter().next())
    }

    /// What was opened by one glass, in order.
    ///
    /// # Errors
    /// As [`Oversight::reviewed`].
    pub async fn opened(&self, glass: u64) -> Result<Vec<Opened>, Error> {
        view::opened(&self.inner.pool, glass).await
    }

    /// What was found altered, the newest first, at most `most`.
    ///
    /// # Errors
    /// As [`Oversight::reviewed`].
    pub async fn altered(&self, most: u32) -> Result<Vec<Alteration>, Error> {
        view::altered(&self.inner.pool, (None, most)).await
    }

    /// What was found altered of one patient, the newest first, at most `most`.
    ///
    /// # Errors
    /// As [`Oversight::reviewed`].
    pub async fn altered_of(&self, patient: &str, most: u32) -> Result<Vec<Alteration>, Error> {
        view::altered(&self.inner.pool, (Some(patient), most)).await
    }

    /// What was altered in another system and has come so far, the oldest first, at most `most`.
    ///
    /// # Errors
    /// As [`Oversight::reviewed`].
    pub async fn outside(&self, fate: Fate, most: u32) -> Result<Vec<Alteration>, Error> {
        outside::with_fate(&self.inner.pool, (fate, most)).await
    }

    /// One alteration in another system, by the index of the event that says so.
    ///
    /// # Errors
    /// As [`Oversight::reviewed`].
    pub async fn outside_one(&self, index: u64) -> Result<Option<Alteration>, Error> {
        outside::one(&self.inner.pool, index).await
    }

    /// The newest alteration of a resource (FHIR type and id) in another system.
    ///
    /// # Errors
    /// As [`Oversight::reviewed`].
    pub async fn outside_of(&self, kind: &str, id: &str) -> Result<Option<Alteration>, Error> {
        outside::newest(&self.inner.pool, (kind, id)).await
    }

    /// The policies that were sealed last; `None`: none ever were.
    pub fn policies(&self) -> Option<Arc<InForce>> {
        self.book().policies.clone()
    }

    fn book(&self) -> Arc<Book> {
        Arc::clone(&self.inner.state.borrow().1)
    }

    /// Reads what is known by heart from the file again.
    async fn learn_again(&self) -> Result<(), Error> {
        let (next, book) = view::book(&self.inner.pool).await?;
        self.inner.state.send_replace((next, Arc::new(book)));
        Ok(())
    }

    /// Folds events (index, time, event), saves what they changed, then shows it.
    async fn take(&self, events: &[(u64, Time, &Event)], next: u64) -> Result<(), sqlx::Error> {
        let (folded, book) = self.inner.state.borrow().clone();
        if next <= folded {
            return Ok(());
        }
        let mut book = Book::clone(&book);
        let new = events.iter().filter(|(index, ..)| *index >= folded);
        let changes: Vec<_> = new
            .filter_map(|&(index, at, event)| book.take(index, at, event))
            .collect();
        if !changes.is_empty() || record::save_is_due(folded, next) {
            view::save(&self.inner.pool, &changes, (next, book.latest)).await?;
        }
        self.inner.state.send_replace((next, Arc::new(book)));
        Ok(())
    }
}

#[async_trait]
impl Reader for Oversight {
    fn name(&self) -> &'static str {
        "oversight"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(self.folded())
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        let done = record::rewrite_if_due(&self.inner.pool).await;
        done.map_err(|why| ReaderError {
            reader: "oversight",
            why,
        })
    }

    fn alike(&self) -> &'static [Alike] {
        &view::ALIKE
    }

    async fn relearn(&self) -> Result<(), ReaderError> {
        let learned = self.learn_again().await;
        learned.map_err(|why| ReaderError {
            reader: "oversight",
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
                reader: "oversight",
                why: error.to_string(),
            })?;
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use event::{Act, Actor, Body, Glass, GlassVerdict, PolicyChange, Subject};

    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    fn glass(glass: Glass) -> Event {
        let subject = Subject::Patient("p".into());
        Event::new(Actor::salus(), Act::BreakGlass, subject, Body::Glass(glass))
    }

    fn started() -> Event {
        glass(Glass::Started {
            purpose: "ETREAT".into(),
            reason: "found on the stairs".into(),
            lasts_ms: 1_000,
        })
    }

    async fn take(view: &Oversight, events: &[Event]) {
        let first = view.folded();
        let sealed: Vec<(u64, Time, &Event)> = (first..)
            .zip(events)
            .map(|(index, event)| (index, at(i64::try_from(index).unwrap() * 10), event))
            .collect();
        view.take(&sealed, first + events.len() as u64)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn glass_lasts_its_time_and_what_was_folded_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("views/oversight.db");
        let view = Oversight::open(&path).await.unwrap();
        take(&view, &[started()]).await;
        assert_eq!(view.lasting("salus", at(999)).len(), 1);
        assert!(view.lasting("salus", at(1_000)).is_empty());
        assert!(view.lasting("nora", at(1)).is_empty());
        let again = Oversight::open(&path).await.unwrap();
        assert_eq!(again.folded(), 1);
        assert_eq!(again.waiting(), view.waiting());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_revives_no_glass() {
        let folder = tempfile::tempdir().unwrap();
        let view = Oversight::open(&folder.path().join("o.db")).await.unwrap();
        take(&view, &[started()]).await;
        let later: Vec<Event> = (0..200)
            .map(|_| glass(Glass::Ended { glass: 99 }))
            .collect();
        take(&view, &later).await;
        assert!(view.lasting("salus", at(1)).is_empty());
    }

    #[tokio::test]
    async fn a_review_takes_it_off_the_queue_and_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let view = Oversight::open(&folder.path().join("o.db")).await.unwrap();
        let review = Glass::Reviewed {
            glass: 0,
            verdict: GlassVerdict::FollowUp,
            words: "ask the ward".into(),
        };
        take(&view, &[started(), glass(review)]).await;
        assert!(view.waiting().is_empty());
        let kept = view.glass(0).await.unwrap().unwrap();
        assert_eq!(
            kept.review.as_ref().unwrap().verdict,
            GlassVerdict::FollowUp
        );
        assert_eq!(view.reviewed(5).await.unwrap(), [kept]);
        assert!(view.glass(1).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_policies_sealed_last_are_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o.db");
        let view = Oversight::open(&path).await.unwrap();
        let change = |reason: &str| {
            let body = Body::PolicyChange(PolicyChange {
                reason: reason.into(),
                hash: "00".into(),
                schema: String::new(),
                files: vec![("a.cedar".into(), "permit".into())],
            });
            Event::new(Actor::salus(), Act::Manage, Subject::Record, body)
        };
        assert!(view.policies().is_none());
        take(&view, &[change("one"), change("two")]).await;
        assert_eq!(view.policies().unwrap().change.reason, "two");
        let again = Oversight::open(&path).await.unwrap();
        assert_eq!(again.policies(), view.policies());
    }
}
