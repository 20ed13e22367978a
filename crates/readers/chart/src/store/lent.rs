//! Connections that read, lent to one reader at a time and taken back as they are.
//!
//! A pool asks each connection that comes back whether it is well, in a task of its own: two more
//! changes between threads for every read, which is as much again as the read itself takes. Here the reader
//! says that it read everything, and then there is nothing to ask. Where it does not, it may have gone away
//! while its statement runs: its place is free only once the connection answers.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex as Held, MutexGuard, PoisonError};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::ChartError;
use crate::error::Outcome;

type One = Arc<Mutex<SqliteConnection>>;

/// Lends connections that read.
#[derive(Clone)]
pub(crate) struct Lender(Arc<Inner>);

struct Inner {
    options: SqliteConnectOptions,
    turns: Arc<Semaphore>,
    idle: Held<Vec<One>>,
}

/// A connection that somebody has until it is let go.
pub(crate) struct Lent {
    connection: OwnedMutexGuard<SqliteConnection>,
    one: One,
    lender: Lender,
    turn: Option<OwnedSemaphorePermit>,
    done: bool,
}

impl Lender {
    /// Lends up to `most` connections at a time; each is opened when it is first wanted.
    pub(crate) fn new(options: SqliteConnectOptions, most: u32) -> Lender {
        let turns = usize::try_from(most.max(1)).unwrap_or(1);
        Lender(Arc::new(Inner {
            options,
            turns: Arc::new(Semaphore::new(turns)),
            idle: Held::default(),
        }))
    }

    /// A connection, the one that has rested longest; waits until there is one.
    ///
    /// # Errors
    /// [`ChartError::Broken`] if none can be opened, or all were closed for good.
    pub(crate) async fn lend(&self) -> Outcome<Lent> {
        let broken = ChartError::broken("open its database");
        let turns = Arc::clone(&self.0.turns);
        let turn = turns.acquire_owned().await;
        let turn = turn.map_err(|_| broken(sqlx::Error::PoolClosed))?;
        let idle = self.longest_idle();
        let one = match idle {
            Some(one) => one,
            None => Arc::new(Mutex::new(self.0.options.connect().await.map_err(&broken)?)),
        };
        Ok(Lent {
            connection: Arc::clone(&one).lock_owned().await,
            one,
            lender: self.clone(),
            turn: Some(turn),
            done: true,
        })
    }

    /// Closes those that rest: what they read stays in memory no longer.
    pub(crate) fn forget(&self) {
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }

    /// Closes all of them; those that are lent, when they come back.
    pub(crate) async fn close(&self) {
        self.0.turns.close();
        let idle = std::mem::take(&mut *self.idle());
        for one in idle {
            if let Ok(connection) = Arc::try_unwrap(one) {
                // INVARIANT: a connection that only reads has nothing to lose by not being closed in order.
                let _ = connection.into_inner().close().await;
            }
        }
    }

    fn longest_idle(&self) -> Option<One> {
        let mut idle = self.idle();
        (!idle.is_empty()).then(|| idle.remove(0))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<One>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    /// What was asked was read to its end.
    pub(crate) fn done(&mut self) {
        self.done = true;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.lender.0.turns.is_closed() {
            return;
        }
        let one = Arc::clone(&self.one);
        let runtime = tokio::runtime::Handle::try_current();
        match runtime {
            Ok(runtime) if !self.done => {
                runtime.spawn(take_back(self.lender.clone(), one, self.turn.take()));
            }
            // Outside of a runtime it is closed, as is one that may be busy at its end.
            Err(_) if !self.done => {}
            Ok(_) | Err(_) => self.lender.idle().push(one),
        }
    }
}

/// Waits until the connection is through with what it was asked; one that does not answer is closed.
async fn take_back(lender: Lender, one: One, _turn: Option<OwnedSemaphorePermit>) {
    let well = one.lock().await.ping().await;
    match well {
        Ok(()) if !lender.0.turns.is_closed() => lender.idle().push(one),
        Ok(()) => {}
        Err(why) => tracing::warn!(%why, "a connection that reads is closed"),
    }
}

impl Deref for Lent {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.done = false;
        &mut self.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(folder: &tempfile::TempDir) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(folder.path().join("a.db"))
            .create_if_missing(true)
    }

    async fn number(from: &mut SqliteConnection) -> i64 {
        sqlx::query_scalar("SELECT 7")
            .fetch_one(from)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_connection_is_lent_again_even_if_its_reader_went_away_in_the_midst() {
        let folder = tempfile::tempdir().unwrap();
        let lender = Lender::new(options(&folder), 1);
        for _ in 0..20 {
            let mut lent = lender.lend().await.unwrap();
            let mut many = Box::pin(
                sqlx::query(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
                     SELECT i FROM n",
                )
                .fetch_all(&mut *lent),
            );
            // Begun, and given up.
            let begun = futures_util::poll!(&mut many);
            assert!(begun.is_pending());
            drop(many);
            drop(lent);
            assert_eq!(number(&mut lender.lend().await.unwrap()).await, 7);
        }
        drop(lender.lend().await.unwrap());
        assert_eq!(lender.idle().len(), 1);
    }

    #[tokio::test]
    async fn who_comes_later_waits_and_after_the_end_nobody_reads() {
        let folder = tempfile::tempdir().unwrap();
        let lender = Lender::new(options(&folder), 1);
        let first = lender.lend().await.unwrap();
        let mut second = Box::pin(lender.lend());
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        drop(second.await.unwrap());
        lender.close().await;
        assert!(lender.lend().await.is_err());
    }
}
