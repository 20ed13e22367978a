//! The view as it is folded: a batch of events is one piece of work for the connection that writes.

use std::sync::Arc;

use async_trait::async_trait;
use event::Arrival;
use record::{Alike, Blind, Pace, Reader, ReaderError, Sealed, WriterFault, save_is_due};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::OwnedMutexGuard;

use crate::access::{Access, recalled};
use crate::batch::Batch;
use crate::known::{Fresh, Known};
use crate::save::{self, Done};
use crate::view;

/// Folds the view.
pub(crate) struct Folding {
    access: Access,
    blind: Blind,
}

impl Folding {
    pub(crate) const fn of(access: Access, blind: Blind) -> Folding {
        Folding { access, blind }
    }

    /// Folds events in one transaction; gives those who came to a ceiling.
    async fn take(&self, entries: &[Sealed], next: u64) -> Result<Vec<Arrival>, WriterFault> {
        let known = self.known().await;
        let folded = self.access.folded();
        if next <= folded {
            return Ok(Vec::new());
        }
        let new = entries.iter().filter(|one| one.index() >= folded);
        let mut batch = Batch::of(new, &known);
        if batch.is_empty() && !save_is_due(folded, next) {
            self.access.inner.folded.send_replace(next);
            return Ok(Vec::new());
        }
        batch.count(&mut self.access.meter());
        let ceilings = batch.ceilings();
        let blind = self.blind.clone();
        let save = move |to: &Connection| batch.save(to, &blind);
        self.commit(known, next, save).await?;
        Ok(ceilings)
    }

    /// Commits what `save` writes and the cursor; then takes over what it gave a number. What was handed over goes
    /// on though nobody waits for it, and nothing else is folded meanwhile.
    async fn commit(
        &self,
        mut known: OwnedMutexGuard<Known>,
        next: u64,
        save: impl FnOnce(&Connection) -> Result<Fresh, WriterFault> + Send + 'static,
    ) -> Done {
        let folded = self.access.inner.folded.clone();
        let work = move |to: &mut Connection| {
            let change = to.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let fresh = save(&change)?;
            save::cursor(&change, next)?;
            change.commit()?;
            known.learn(fresh);
            folded.send_replace(next);
            Ok(())
        };
        self.access.inner.writer.run(work).await
    }

    /// Reads who acts and what was taken from the file again.
    async fn learn_again(&self) -> Result<(), sqlx::Error> {
        let inner = &self.access.inner;
        let mut known = self.known().await;
        let next: i64 = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 1")
            .fetch_one(&inner.pool)
            .await?;
        *known = Known::read(&inner.pool).await?;
        let file = recalled(&inner.pool).await?;
        // INVARIANT: a ceiling holds while this view is held up: what was opened and is not folded stays.
        self.access.meter().mend(file);
        inner.folded.send_replace(next.unsigned_abs());
        Ok(())
    }

    /// What has a number, when what was handed over before is done.
    async fn known(&self) -> OwnedMutexGuard<Known> {
        Arc::clone(&self.access.inner.known).lock_owned().await
    }
}

#[async_trait]
impl Reader for Folding {
    fn name(&self) -> &'static str {
        "access"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(self.access.folded())
    }

    fn pace(&self) -> Option<&Pace> {
        Some(&self.access.inner.pace)
    }

    fn alike(&self) -> &'static [Alike] {
        &view::ALIKE
    }

    async fn relearn(&self) -> Result<(), ReaderError> {
        self.learn_again().await.map_err(failed)
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        self.take(batch, next).await.map_err(failed)
    }

    async fn tidy(&self) -> Result<(), ReaderError> {
        // Nothing is folded meanwhile.
        let _known = self.known().await;
        let done = self.access.inner.writer.rewrite_if_due().await;
        done.map_err(failed)
    }
}

fn failed(why: impl ToString) -> ReaderError {
    ReaderError {
        reader: "access",
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use event::{Act, Actor, Body, Clock, Event, Service, ServiceState, Subject, Time};
    use guard::{Standing, admit};
    use record::{Config, Record};

    use super::*;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Time {
            Time::from_millis(1_795_219_200_000)
        }
    }

    #[tokio::test]
    async fn a_panic_while_it_writes_is_told_without_its_words_and_the_next_batch_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::new(folder.path().join("data"));
        let record = Record::open(config, Arc::new(Noon)).await.unwrap();
        let started = Service {
            state: ServiceState::Started,
        };
        let event = Event::new(
            Actor::salus(),
            Act::Manage,
            Subject::Record,
            Body::Service(started),
        );
        let admitted = admit(event.into(), Standing::Salus, "").unwrap();
        record.admit(vec![admitted]).await.unwrap();
        let access = Access::open(&folder.path().join("access.db"))
            .await
            .unwrap();
        let folding = Folding::of(access.clone(), record.blind());
        let panics = |to: &Connection| {
            to.execute("INSERT INTO reasons (id, policies) VALUES (1, 'left')", [])?;
            to.execute(
                "DELETE FROM reasons WHERE id = ?1",
                ["Weiss".parse::<i64>().unwrap()],
            )?;
            Ok(Fresh::default())
        };
        let fault = folding.commit(folding.known().await, 1, panics).await;
        let fault = failed(fault.unwrap_err()).to_string();
        assert!(
            fault.contains("it panicked") && !fault.contains("Weiss"),
            "{fault}"
        );
        assert_eq!(access.folded(), 0);
        let (events, next) = record.read_until(0, 10).await.unwrap();
        folding.fold(&events, next).await.unwrap();
        assert_eq!(access.folded(), next);
        let reasons: Vec<String> = sqlx::query_scalar("SELECT policies FROM reasons")
            .fetch_all(access.pool())
            .await
            .unwrap();
        assert_eq!(reasons, ["salus-itself"]);
        access.close().await;
        record.stop().await;
    }
}
