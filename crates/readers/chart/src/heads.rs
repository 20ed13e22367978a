//! The current versions of resources that were read lately, in memory: what is asked for again and again
//! need not be fetched and unpacked each time.
//!
//! Nothing is shown from here without the permit that every read needs. As soon as a fold gives a resource another
//! version that is kept in the place of the one before; everything goes when tables were emptied, put right or purged.

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
    /// What it is, but for `told`, which may be said again.
    pub(crate) row: Row,
    pub(crate) json: Arc<[u8]>,
}

/// That a resource has another version.
#[derive(Debug, Clone)]
pub(crate) enum Moved {
    /// It is not kept.
    Unkept,
    /// It is kept if the one before was.
    Newer(Head),
    /// A client wrote it by itself and is likely to read it: it is kept as long as there is room, and goes before what was
    /// asked for.
    Alone(Head),
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
        let mut state = self.state();
        if state.changes == changes {
            state.keep(slot, head, self.bytes_max);
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
        for (slot, moved) in &touched.heads {
            let asked_for = state.remove(*slot);
            match moved {
                Moved::Newer(head) | Moved::Alone(head) if asked_for => {
                    state.keep(*slot, head.clone(), self.bytes_max);
                }
                Moved::Alone(head) => state.keep_last(*slot, head.clone(), self.bytes_max),
                // What nobody asked for, or what had to go meanwhile, is not kept for being written.
                Moved::Unkept | Moved::Newer(_) => {}
            }
        }
    }

    /// Whether more is kept without anything going for it.
    pub(crate) fn has_room(&self) -> bool {
        self.state().bytes.saturating_add(OVERHEAD_BYTES) < self.bytes_max
    }

    /// Whether a version of this resource is kept.
    pub(crate) fn keeps(&self, slot: i64) -> bool {
        self.state().kept.contains(&slot)
    }

    /// Forgets everything: the tables were emptied, put right by other hands, or purged.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.changes += 1;
        state.bytes = 0;
        let gone = std::mem::replace(&mut state.kept, LruCache::unbounded());
        // Nobody waits while it is thrown away.
        drop(state);
        drop(gone);
    }
}

impl State {
    /// Whether it was there.
    fn remove(&mut self, slot: i64) -> bool {
        let gone = self.kept.pop(&slot);
        let bytes = gone.as_ref().map_or(0, Head::bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        gone.is_some()
    }

    /// Keeps it if there is room; it goes first.
    fn keep_last(&mut self, slot: i64, head: Head, bytes_max: usize) {
        if self.bytes.saturating_add(head.bytes()) <= bytes_max {
            self.keep(slot, head, bytes_max);
            self.kept.demote(&slot);
        }
    }

    fn keep(&mut self, slot: i64, head: Head, bytes_max: usize) {
        let size = head.bytes();
        self.remove(slot);
        if size > bytes_max / 8 {
            return;
        }
        self.kept.put(slot, head);
        self.bytes += size;
        while self.bytes > bytes_max {
            let Some((_, head)) = self.kept.pop_lru() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(head.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

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

    fn touched(slot: i64, now: Option<Head>) -> Touched {
        moved(slot, now.map_or(Moved::Unkept, Moved::Newer))
    }

    fn moved(slot: i64, moved: Moved) -> Touched {
        Touched {
            heads: HashMap::from([(slot, moved)]),
            ..Touched::default()
        }
    }

    #[test]
    fn a_version_is_kept_until_there_is_another() {
        let heads = Heads::new(100_000);
        heads.put(7, head("a", 1, 10), heads.changes());
        heads.put(8, head("b", 2, 10), heads.changes());
        assert_eq!(seq(&heads, "a", 7), Some(1));
        // Two names may have one slot.
        assert_eq!(seq(&heads, "c", 7), None);
        heads.touch(&touched(7, None));
        assert_eq!(seq(&heads, "a", 7), None);
        assert_eq!(seq(&heads, "b", 8), Some(2));
    }

    #[test]
    fn what_was_asked_for_is_kept_as_it_is_now_and_nothing_is_for_being_written() {
        let heads = Heads::new(100_000);
        heads.put(7, head("a", 1, 10), heads.changes());
        heads.touch(&touched(7, Some(head("a", 3, 20))));
        assert_eq!(seq(&heads, "a", 7), Some(3));
        assert_eq!(heads.state().bytes, head("a", 3, 20).bytes());
        heads.touch(&touched(8, Some(head("b", 4, 10))));
        assert_eq!(seq(&heads, "b", 8), None);
        // Another name in the same slot has it from now on.
        heads.touch(&touched(7, Some(head("c", 5, 10))));
        assert_eq!((seq(&heads, "a", 7), seq(&heads, "c", 7)), (None, Some(5)));
        heads.touch(&touched(7, Some(head("c", 6, 50_000))));
        assert_eq!((seq(&heads, "c", 7), heads.state().bytes), (None, 0));
    }

    #[test]
    fn what_a_client_wrote_by_itself_is_kept_while_there_is_room_and_goes_first() {
        let heads = Heads::new(10 * (1_000 + OVERHEAD_BYTES));
        let alone = |slot: i64| heads.touch(&moved(slot, Moved::Alone(head("a", slot, 900))));
        let kept = |slot: i64| heads.keeps(slot);
        for asked_for in 0..8 {
            heads.put(asked_for, head("a", asked_for, 900), heads.changes());
        }
        alone(8);
        alone(9);
        assert_eq!(seq(&heads, "a", 8), Some(8));
        // There is no room for another one.
        alone(10);
        assert!(kept(0) && kept(8) && kept(9) && !kept(10));
        assert!(heads.has_room() && !Heads::new(0).has_room());
        // What is asked for takes the place of what nobody asked for yet, and 8 was.
        heads.put(11, head("a", 11, 900), heads.changes());
        assert!(kept(0) && kept(8) && !kept(9) && kept(11));
        heads.touch(&moved(8, Moved::Alone(head("a", 20, 900))));
        assert_eq!(seq(&heads, "a", 8), Some(20));
        assert_eq!(heads.state().bytes, 10 * head("a", 0, 900).bytes());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let heads = Heads::new(100_000);
        let before = heads.changes();
        heads.touch(&touched(7, None));
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
