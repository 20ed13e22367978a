//! The current versions of resources that were read lately, in memory: what is asked for again and again
//! need not be fetched and unpacked each time.
//!
//! Nothing is shown from here without the permit that every read needs. What is kept goes as soon as a fold
//! gives the resource another version, and whole when tables were emptied, put right or purged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::kept::Touched;
use crate::store::{Asked, Row};

/// What a version takes beside its content, roughly, in bytes.
const OVERHEAD_BYTES: usize = 400;

/// The versions that are kept, by the slots of their names.
#[derive(Debug)]
pub(crate) struct Heads {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Counts the folds that changed something.
    changes: u64,
    kept: LruCache<i64, Head>,
    bytes: usize,
}

/// The current version of a resource; its content is empty if that says that it is gone.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// What it is, but for `told` and `stood`, which may be said again.
    pub(crate) row: Row,
    pub(crate) json: Arc<[u8]>,
}

impl Head {
    fn bytes(&self) -> usize {
        self.json.len() + self.row.id.len() + OVERHEAD_BYTES
    }
}

impl Heads {
    pub(crate) fn new(bytes_max: usize) -> Heads {
        Heads {
            bytes_max,
            state: Mutex::new(State {
                changes: 0,
                kept: LruCache::unbounded(),
                bytes: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be asked before a version is read that is to be kept.
    pub(crate) fn changes(&self) -> u64 {
        self.state().changes
    }

    /// The current version, if it is here.
    pub(crate) fn get(&self, asked: &Asked) -> Option<Head> {
        let mut state = self.state();
        let head = state.kept.get(&asked.slot)?;
        let same = head.row.kind == asked.kind && head.row.id == asked.id;
        same.then(|| head.clone())
    }

    /// Keeps what was read after `changes` were counted, unless something changed since: then it may be
    /// the version before. What was asked for longest ago goes for it.
    pub(crate) fn put(&self, slot: i64, head: Head, changes: u64) {
        let size = head.bytes();
        let mut state = self.state();
        if size > self.bytes_max / 8 || state.changes != changes {
            return;
        }
        state.remove(slot);
        state.kept.put(slot, head);
        state.bytes += size;
        while state.bytes > self.bytes_max {
            let Some((_, head)) = state.kept.pop_lru() else {
                break;
            };
            state.bytes = state.bytes.saturating_sub(head.bytes());
        }
    }

    /// INVARIANT: called after the commit and before anybody is told how many events are folded, so that
    /// whoever waits for their own write is not shown what was before it.
    pub(crate) fn touch(&self, touched: &Touched) {
        if touched.everything {
            return self.clear();
        }
        if touched.heads.is_empty() {
            return;
        }
        let mut state = self.state();
        state.changes += 1;
        for slot in &touched.heads {
            state.remove(*slot);
        }
    }

    /// Forgets everything: the tables were emptied, put right by other hands, or purged.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.changes += 1;
        state.kept.clear();
        state.bytes = 0;
    }
}

impl State {
    fn remove(&mut self, slot: i64) {
        if let Some(head) = self.kept.pop(&slot) {
            self.bytes = self.bytes.saturating_sub(head.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use event::Time;

    use super::*;

    fn head(id: &str, seq: i64, length: usize) -> Head {
        let row = Row {
            rid: seq,
            kind: 1,
            id: id.into(),
            pid: 0,
            patient: None,
            seq,
            item: 0,
            at: Time::from_millis(0),
            flags: 0,
            source: 0,
            prev: 0,
            next: 0,
            labels: 0,
            told: 0,
            stood: 0,
        };
        Head {
            row,
            json: vec![b' '; length].into(),
        }
    }

    fn asked(id: &str, slot: i64) -> Asked {
        Asked {
            kind: 1,
            id: id.into(),
            slot,
        }
    }

    fn seq(heads: &Heads, id: &str, slot: i64) -> Option<i64> {
        heads.get(&asked(id, slot)).map(|head| head.row.seq)
    }

    #[test]
    fn a_version_is_kept_until_there_is_another() {
        let heads = Heads::new(100_000);
        heads.put(7, head("a", 1, 10), heads.changes());
        heads.put(8, head("b", 2, 10), heads.changes());
        assert_eq!(seq(&heads, "a", 7), Some(1));
        // Two names may have one slot.
        assert_eq!(seq(&heads, "c", 7), None);
        heads.touch(&Touched {
            heads: vec![7],
            ..Touched::default()
        });
        assert_eq!(seq(&heads, "a", 7), None);
        assert_eq!(seq(&heads, "b", 8), Some(2));
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let heads = Heads::new(100_000);
        let before = heads.changes();
        heads.touch(&Touched {
            heads: vec![7],
            ..Touched::default()
        });
        heads.put(7, head("a", 1, 10), before);
        assert_eq!(seq(&heads, "a", 7), None);
        let before = heads.changes();
        heads.clear();
        heads.put(7, head("a", 1, 10), before);
        assert_eq!(seq(&heads, "a", 7), None);
        // A fold that changed nothing here is none.
        let before = heads.changes();
        heads.touch(&Touched::default());
        heads.put(7, head("a", 1, 10), before);
        assert_eq!(seq(&heads, "a", 7), Some(1));
    }

    #[test]
    fn everything_goes_when_more_changed_than_can_be_named() {
        let heads = Heads::new(100_000);
        heads.put(7, head("a", 1, 10), heads.changes());
        heads.touch(&Touched {
            everything: true,
            ..Touched::default()
        });
        assert_eq!(seq(&heads, "a", 7), None);
    }

    #[test]
    fn no_more_bytes_are_kept_than_may_be() {
        let heads = Heads::new(10 * (1_000 + OVERHEAD_BYTES));
        for one in 0..20 {
            heads.put(one, head("a", one, 900), heads.changes());
            // The first one is asked for all the time.
            assert_eq!(seq(&heads, "a", 0), Some(0));
        }
        let there = (0..20).filter(|slot| seq(&heads, "a", *slot).is_some());
        assert_eq!(there.count(), 10);
        assert_eq!(seq(&heads, "a", 1), None);
        assert_eq!(seq(&heads, "a", 19), Some(19));
        heads.put(30, head("a", 30, 5_000), heads.changes());
        assert_eq!(seq(&heads, "a", 30), None);
        let none = Heads::new(0);
        none.put(1, head("a", 1, 0), none.changes());
        assert_eq!(seq(&none, "a", 1), None);
    }
}
