//! The newest events as they were sealed, in memory: readers that keep up need not fetch, decrypt
//! and decode each of them once more.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use crate::Sealed;

/// What an event takes beside its bytes, roughly.
const OVERHEAD_BYTES: usize = 1_024;
/// Events that are copied while nothing can be added.
const AT_ONCE: usize = 64;

/// Consecutive events up to the newest; the oldest leave when there are too many bytes.
pub(crate) struct Newest {
    kept: RwLock<Kept>,
    bytes_max: usize,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<(Sealed, usize)>,
    bytes: usize,
}

impl Newest {
    pub(crate) fn new(bytes_max: usize) -> Newest {
        Newest {
            kept: RwLock::default(),
            bytes_max,
        }
    }

    /// Adds what a commit made durable: events with the bytes of their plaintext, in order.
    pub(crate) fn push(&self, events: Vec<(Sealed, usize)>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        for (sealed, bytes) in events {
            // INVARIANT: indexes follow each other. A commit that nobody heard of is a gap.
            if kept.next().is_some_and(|next| next != sealed.index()) {
                *kept = Kept::default();
            }
            kept.bytes += bytes + OVERHEAD_BYTES;
            kept.events.push_back((sealed, bytes + OVERHEAD_BYTES));
        }
        while kept.bytes > self.bytes_max
            && let Some((_, bytes)) = kept.events.pop_front()
        {
            kept.bytes -= bytes;
        }
    }

    /// Up to `limit` events from `from` on; `None` if that one is not here.
    pub(crate) fn from(&self, from: u64, limit: usize) -> Option<Vec<Sealed>> {
        let mut found = Vec::new();
        while found.len() < limit {
            let next = from + found.len() as u64;
            // A few at a time: who folds may be made to wait by others, and then whoever commits waits for this lock.
            match self.some(next, (limit - found.len()).min(AT_ONCE)) {
                Some(some) => found.extend(some),
                None => break,
            }
        }
        (!found.is_empty()).then_some(found)
    }

    fn some(&self, from: u64, limit: usize) -> Option<Vec<Sealed>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let first = kept.events.front()?.0.index();
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        let some = kept.events.iter().skip(skip).take(limit);
        let some: Vec<Sealed> = some.map(|(sealed, _)| sealed.clone()).collect();
        (!some.is_empty()).then_some(some)
    }

    /// Forgets everything, because some of it must not be read any more.
    pub(crate) fn forget(&self) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}

impl Kept {
    fn next(&self) -> Option<u64> {
        self.events.back().map(|(last, _)| last.index() + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event::{Act, Actor, Body, Event, Opened, Subject, Time};

    use super::*;

    fn sealed(index: u64) -> (Sealed, usize) {
        let origin = index.to_string();
        let body = Body::Opened(Opened { origin });
        let event = Event::new(Actor::salus(), Act::Manage, Subject::Record, body);
        let sealed = Sealed {
            index,
            at: Time::from_millis(0),
            stream: [0; 16],
            event: Arc::new(event),
        };
        (sealed, 1_000)
    }

    fn indexes(tail: &Newest, from: u64, limit: usize) -> Option<Vec<u64>> {
        let some = tail.from(from, limit)?;
        Some(some.iter().map(Sealed::index).collect())
    }

    #[test]
    fn it_gives_what_follows_and_nothing_it_does_not_have() {
        let tail = Newest::new(1 << 20);
        assert_eq!(indexes(&tail, 0, 10), None);
        tail.push((7..12).map(sealed).collect());
        assert_eq!(indexes(&tail, 6, 10), None);
        assert_eq!(indexes(&tail, 9, 2), Some(vec![9, 10]));
        assert_eq!(indexes(&tail, 9, 10), Some(vec![9, 10, 11]));
        assert_eq!(indexes(&tail, 12, 10), None);
    }

    #[test]
    fn it_keeps_no_more_bytes_than_it_may() {
        let tail = Newest::new(3 * (1_000 + OVERHEAD_BYTES));
        tail.push((0..9).map(sealed).collect());
        assert_eq!(indexes(&tail, 5, 10), None);
        assert_eq!(indexes(&tail, 6, 10), Some(vec![6, 7, 8]));
        let none = Newest::new(0);
        none.push(vec![sealed(0)]);
        assert_eq!(indexes(&none, 0, 1), None);
    }

    #[test]
    fn after_a_gap_it_begins_anew_and_forgetting_is_whole() {
        let tail = Newest::new(1 << 20);
        tail.push(vec![sealed(3), sealed(4)]);
        tail.push(vec![sealed(9)]);
        assert_eq!(indexes(&tail, 3, 10), None);
        assert_eq!(indexes(&tail, 9, 10), Some(vec![9]));
        tail.forget();
        assert_eq!(indexes(&tail, 9, 10), None);
    }
}
