//! What people look for, kept for a while under an id, so that no name or number stands in an address:
//! addresses are kept by browsers, shown to who looks over a shoulder, and written down by proxies. It
//! belongs to the session, and is gone when that ends.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::pages::access;
use crate::pages::patients::census;
use crate::session::secret;

/// The most searches that are kept of one form in one session; the oldest makes room. A restart forgets
/// them.
const KEPT_MAX: usize = 20;

/// What one session typed into the forms that look for patients.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    pub patients: Searches<census::Typed>,
    pub access: Searches<access::Typed>,
}

/// What one session typed into one form, the oldest first.
pub(crate) struct Searches<T>(Mutex<VecDeque<(String, T)>>);

impl<T> Default for Searches<T> {
    fn default() -> Searches<T> {
        Searches(Mutex::default())
    }
}

impl<T> fmt::Debug for Searches<T> {
    /// Whom somebody looks for goes into no log.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Searches")
    }
}

impl<T: Clone> Searches<T> {
    /// Keeps what somebody looks for; `None` if the machine has no randomness to give.
    pub(crate) fn keep(&self, typed: T) -> Option<String> {
        let id = secret()?;
        let mut kept = self.lock();
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((id.clone(), typed));
        Some(id)
    }

    /// What was looked for under this id.
    pub(crate) fn find(&self, id: &str) -> Option<T> {
        let kept = self.lock();
        let found = kept.iter().rev().find(|(known, _)| known == id);
        found.map(|(_, typed)| typed.clone())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_search_makes_room() {
        let searches = Searches::default();
        let first = searches.keep("mull").unwrap();
        assert_eq!(searches.find(&first).unwrap(), "mull");
        assert!(searches.find("guess").is_none());
        for _ in 1..KEPT_MAX {
            searches.keep("other").unwrap();
        }
        assert!(searches.find(&first).is_some());
        searches.keep("other").unwrap();
        assert!(searches.find(&first).is_none());
        assert_eq!(format!("{searches:?}"), "Searches");
    }
}
