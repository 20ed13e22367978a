//! How far behind a view may be while nobody waits for it.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The least time from one fold of a view to the next, unless somebody waits for it. Folding more events at once costs
/// less: a transaction, and each page of a table that they share, is written once.
#[derive(Debug)]
pub struct Pace {
    every: Duration,
    wanted: Notify,
}

impl Pace {
    /// Folds this often, at most.
    pub const fn of(every: Duration) -> Pace {
        Pace {
            every,
            wanted: Notify::const_new(),
        }
    }

    /// Somebody waits for what was sealed: it is folded at once. Without effect on what is folded already.
    pub fn hurry(&self) {
        self.wanted.notify_one();
    }

    /// Waits until it is time for the next fold, the last one having begun at `begun`.
    pub(crate) async fn due(&self, begun: Instant) {
        tokio::select! {
            () = self.wanted.notified() => {}
            () = sleep_until(begun + self.every) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn it_waits_for_its_time_unless_somebody_waits_for_it() {
        let pace = Pace::of(Duration::from_secs(3_600));
        let mut due = pin!(pace.due(Instant::now()));
        assert!(poll!(&mut due).is_pending());
        pace.hurry();
        due.await;
        // Who came while it was folding is not forgotten, and counts once.
        pace.hurry();
        pace.due(Instant::now()).await;
        let mut due = pin!(pace.due(Instant::now()));
        assert!(poll!(&mut due).is_pending());
        pin!(Pace::of(Duration::ZERO).due(Instant::now())).await;
    }
}
