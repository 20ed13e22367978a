//! Looks through what was written that subscriptions share: those that ask the same look once, and each is decided for
//! by itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use chart::{Change, Changes};
use tokio::sync::Mutex;
use tokio::time::Instant;
use wire::fhir::subscription::Subscribed;

use crate::App;

/// How long what was found is given to others: what belongs to whom may be another by then.
const GOOD: Duration = Duration::from_secs(10);
/// Events of the past that one look keeps for those who ask the same a little later.
const KEPT_MAX: usize = 1_000;

/// What is shared by those that ask the same.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    by_asked: std::sync::Mutex<HashMap<String, Weak<Look>>>,
    judged: AtomicU64,
}

/// The last look of those that ask the same.
#[derive(Debug, Default)]
pub(super) struct Look(Mutex<Last>);

/// Where things stand, from one index of the record to another; no content.
#[derive(Debug, Default)]
struct Last {
    from: u64,
    through: u64,
    found: Vec<Change>,
    /// When the first of them was looked for; `None`: nothing was yet.
    since: Option<Instant>,
}

impl Looks {
    /// The look of those that ask this; it goes with the last of them.
    pub(super) fn of(&self, wanted: &Subscribed) -> Arc<Look> {
        let mut all = self.by_asked.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = wanted.asks();
        if let Some(known) = all.get(&asked).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, look| look.strong_count() > 0);
        let new = Arc::new(Look::default());
        all.insert(asked, Arc::downgrade(&new));
        new
    }
}

impl App {
    /// How many versions were held against what subscriptions ask, of all of them together.
    pub fn judged_for_subscriptions(&self) -> u64 {
        self.looks.judged.load(Ordering::Relaxed)
    }
}

impl Look {
    /// As [`chart::Chart::changes`]. Whoever asks while another looks waits for what that one finds.
    ///
    /// # Errors
    /// The chart's.
    pub(super) async fn changes(
        &self,
        app: &App,
        (wanted, after): (&Subscribed, u64),
    ) -> Result<Changes, chart::ChartError> {
        let mut last = self.0.lock().await;
        last.forget(Instant::now());
        let folded = *app.chart.folded().borrow();
        if let Some(known) = last.since(after, folded) {
            return Ok(known);
        }
        let until = last.behind(after, folded).unwrap_or(u64::MAX);
        let mut looked = app.chart.changes(wanted, (after, until)).await?;
        app.looks.judged.fetch_add(looked.judged, Ordering::Relaxed);
        if looked.through == until {
            last.precede(after, &looked);
            looked.more = true;
        } else {
            last.take(after, &looked);
        }
        Ok(looked)
    }
}

impl Last {
    /// Forgets what was found too long ago.
    fn forget(&mut self, now: Instant) {
        match self.since {
            Some(since) if now.saturating_duration_since(since) < GOOD => {}
            _ => {
                *self = Last {
                    since: Some(now),
                    ..Last::default()
                }
            }
        }
    }

    /// What is known from an index on; `None`: somebody has to look.
    fn since(&self, after: u64, folded: u64) -> Option<Changes> {
        // INVARIANT: while the chart is folded again, what was found before says nothing.
        let known = self.from <= after && self.through <= folded;
        let news = after < self.through || (after == self.through && folded == self.through);
        (known && news).then(|| Changes {
            found: self
                .found
                .iter()
                .filter(|one| one.version >= after)
                .cloned()
                .collect(),
            through: self.through,
            more: folded > self.through,
            judged: 0,
        })
    }

    /// Up to where whoever comes from further back has to look: what is known begins there.
    fn behind(&self, after: u64, folded: u64) -> Option<u64> {
        let known = self.from < self.through && self.through <= folded;
        (known && after < self.from).then_some(self.from)
    }

    /// A look that ends where what is known begins.
    fn precede(&mut self, after: u64, looked: &Changes) {
        self.found.splice(..0, looked.found.iter().cloned());
        self.from = after;
        self.trim();
    }

    /// One look more: behind the last one, or instead of it.
    fn take(&mut self, after: u64, looked: &Changes) {
        if after != self.through || looked.through < after {
            self.found.clear();
            self.from = after;
        }
        self.through = looked.through.max(after);
        self.found.extend(looked.found.iter().cloned());
        self.trim();
    }

    /// The oldest of too many go.
    fn trim(&mut self) {
        if let Some(excess) = self
            .found
            .len()
            .checked_sub(KEPT_MAX)
            .filter(|some| *some > 0)
        {
            let gone = self.found.drain(..excess).next_back();
            // Of one event of the record all is kept or nothing.
            self.from = gone.map_or(self.from, |one| one.version.saturating_add(1));
            let from = self.from;
            self.found.retain(|one| one.version >= from);
        }
    }
}

#[cfg(test)]
mod tests {
    use event::Time;

    use super::*;

    fn change(version: u64) -> Change {
        Change {
            kind: "Patient".into(),
            id: version.to_string(),
            version,
            place: 0,
            at: Time::from_millis(0),
            patient: None,
            deleted: false,
            before: None,
        }
    }

    fn looked(found: &[u64], through: u64) -> Changes {
        Changes {
            found: found.iter().map(|one| change(*one)).collect(),
            through,
            ..Changes::default()
        }
    }

    fn versions(changes: Option<Changes>) -> Option<(Vec<u64>, u64, bool)> {
        changes.map(|one| {
            let found = one.found.iter().map(|one| one.version).collect();
            (found, one.through, one.more)
        })
    }

    #[test]
    fn whoever_comes_from_further_back_looks_up_to_what_is_known() {
        let mut last = Last::default();
        assert_eq!(last.behind(0, 9), None);
        last.take(5, &looked(&[6, 8], 9));
        assert_eq!(last.behind(5, 9), None);
        assert_eq!(last.behind(2, 9), Some(5));
        assert_eq!(last.behind(2, 8), None, "it is folded again");
        last.precede(2, &looked(&[3], 5));
        assert_eq!(versions(last.since(2, 9)), Some((vec![3, 6, 8], 9, false)));
        assert_eq!(versions(last.since(5, 9)), Some((vec![6, 8], 9, false)));
        let many: Vec<u64> = (0..KEPT_MAX as u64).collect();
        let mut last = Last::default();
        last.take(2_000, &looked(&[2_001], 2_002));
        last.precede(0, &looked(&many, 2_000));
        assert_eq!(versions(last.since(0, 2_002)), None);
        assert_eq!(
            versions(last.since(2_000, 2_002)),
            Some((vec![2_001], 2_002, false))
        );
    }

    #[test]
    fn what_one_found_the_others_are_given() {
        let mut last = Last::default();
        assert_eq!(versions(last.since(5, 9)), None);
        last.take(5, &looked(&[6, 8], 9));
        assert_eq!(versions(last.since(5, 9)), Some((vec![6, 8], 9, false)));
        assert_eq!(versions(last.since(7, 12)), Some((vec![8], 9, true)));
        assert_eq!(versions(last.since(9, 9)), Some((vec![], 9, false)));
        for (after, folded) in [(4, 9), (9, 10), (10, 12), (5, 8)] {
            assert_eq!(
                versions(last.since(after, folded)),
                None,
                "{after} {folded}"
            );
        }
        // What comes behind it is added to it, and what does not is instead of it.
        last.take(9, &looked(&[9], 12));
        assert_eq!(
            versions(last.since(5, 12)),
            Some((vec![6, 8, 9], 12, false))
        );
        last.take(2, &looked(&[3], 12));
        assert_eq!(versions(last.since(2, 12)), Some((vec![3], 12, false)));
    }

    #[test]
    fn what_was_found_long_ago_is_looked_for_again() {
        let (mut last, now) = (Last::default(), Instant::now());
        last.forget(now);
        last.take(5, &looked(&[6], 9));
        last.forget(now + GOOD / 2);
        assert_eq!(versions(last.since(5, 9)), Some((vec![6], 9, false)));
        last.forget(now + GOOD);
        assert_eq!(versions(last.since(5, 9)), None);
    }

    #[test]
    fn it_keeps_no_more_than_its_limit() {
        let mut last = Last::default();
        let many: Vec<u64> = (0..=KEPT_MAX as u64).collect();
        last.take(0, &looked(&many, 5_000));
        assert_eq!(versions(last.since(0, 5_000)), None);
        let kept = last.since(1, 5_000).unwrap();
        assert_eq!(kept.found.len(), KEPT_MAX);
    }
}
