//! What people look for, kept for a while under an id, so that no name or number stands in an address:
//! addresses are kept by browsers, shown to who looks over a shoulder, and written down by proxies.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::session::secret;

/// The most searches that are kept of one session; its oldest makes room. A restart forgets them.
const KEPT_MAX: usize = 20;

/// What everybody who is signed in typed into one form, by the name of the session that it belongs to.
pub(crate) struct Searches<T>(Mutex<All<T>>);

struct All<T> {
    by: HashMap<String, Own<T>>,
    /// Counts what was kept, so that it is known whose last search is the oldest.
    kept: u64,
}

/// What one session looked for, the oldest first.
struct Own<T> {
    last: u64,
    kept: VecDeque<(String, T)>,
}

impl<T> Default for Searches<T> {
    fn default() -> Searches<T> {
        let (by, kept) = (HashMap::new(), 0);
        Searches(Mutex::new(All { by, kept }))
    }
}

impl<T: Clone> Searches<T> {
    /// Keeps what somebody looks for; `None` if the machine has no randomness to give. There are no
    /// more sessions than `sessions_max`: of those that ended, the one without a search for longest
    /// makes room.
    pub(crate) fn keep(&self, session: &str, typed: T, sessions_max: usize) -> Option<String> {
        let id = secret()?;
        let mut all = self.lock();
        if all.by.len() >= sessions_max.max(1) && !all.by.contains_key(session) {
            let stale = all.by.iter().min_by_key(|(_, own)| own.last);
            let stale = stale.map(|(name, _)| name.clone());
            stale.and_then(|name| all.by.remove(&name));
        }
        all.kept += 1;
        let last = all.kept;
        let own = all.by.entry(session.to_owned()).or_insert_with(|| Own {
            last,
            kept: VecDeque::new(),
        });
        own.last = last;
        if own.kept.len() >= KEPT_MAX {
            own.kept.pop_front();
        }
        own.kept.push_back((id.clone(), typed));
        Some(id)
    }

    /// What a session looked for under this id.
    pub(crate) fn find(&self, session: &str, id: &str) -> Option<T> {
        let all = self.lock();
        let own = all.by.get(session)?;
        let kept = own.kept.iter().rev().find(|(known, _)| known == id);
        kept.map(|(_, typed)| typed.clone())
    }

    fn lock(&self) -> MutexGuard<'_, All<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_its_sessions_alone_and_another_makes_it_forget_none() {
        let searches = Searches::default();
        let keep = |session: &str| searches.keep(session, "mull", 2).unwrap();
        let first = keep("anna");
        assert_eq!(searches.find("anna", &first).unwrap(), "mull");
        assert!(searches.find("ben", &first).is_none());
        assert!(searches.find("anna", "guess").is_none());
        for _ in 0..10_000 {
            keep("ben");
        }
        assert!(searches.find("anna", &first).is_some());
        for _ in 0..KEPT_MAX {
            keep("anna");
        }
        assert!(
            searches.find("anna", &first).is_none(),
            "her oldest made room"
        );
    }

    #[test]
    fn sessions_that_ended_make_room() {
        let searches = Searches::default();
        let keep = |session: &str| searches.keep(session, (), 2).unwrap();
        let (ended, lives) = (keep("ended"), keep("lives"));
        let new = keep("new");
        assert!(searches.find("ended", &ended).is_none());
        assert!(searches.find("lives", &lives).is_some());
        assert!(searches.find("new", &new).is_some());
    }
}
