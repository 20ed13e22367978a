//! What people look for, kept for a while under an id, so that no name or number stands in an address:
//! addresses are kept by browsers, shown to who looks over a shoulder, and written down by proxies.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::pages::patients::census::Typed;
use crate::session::secret;

/// The most searches that are kept at a time; the oldest makes room. A restart forgets them.
const KEPT_MAX: usize = 10_000;

/// Searches of everybody who is signed in.
#[derive(Default)]
pub(crate) struct Searches(Mutex<VecDeque<Kept>>);

struct Kept {
    id: String,
    /// The name of the session it belongs to.
    session: String,
    typed: Typed,
}

impl Searches {
    /// Keeps what somebody looks for; `None` if the machine has no randomness to give.
    pub(crate) fn keep(&self, session: &str, typed: Typed) -> Option<String> {
        let id = secret()?;
        let kept = Kept {
            id: id.clone(),
            session: session.to_owned(),
            typed,
        };
        let mut all = self.lock();
        if all.len() >= KEPT_MAX {
            all.pop_front();
        }
        all.push_back(kept);
        Some(id)
    }

    /// What a session looked for under this id.
    pub(crate) fn find(&self, session: &str, id: &str) -> Option<Typed> {
        let all = self.lock();
        let mut newest = all.iter().rev();
        let kept = newest.find(|kept| kept.id == id && kept.session == session);
        kept.map(|kept| kept.typed.clone())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_its_sessions_alone_and_the_oldest_makes_room() {
        let searches = Searches::default();
        let first = searches.keep("anna", Typed::name("mull")).unwrap();
        assert_eq!(searches.find("anna", &first).unwrap().name, "mull");
        assert!(searches.find("ben", &first).is_none());
        assert!(searches.find("anna", "guess").is_none());
        for _ in 0..KEPT_MAX {
            searches.keep("ben", Typed::name("x")).unwrap();
        }
        assert!(searches.find("anna", &first).is_none());
    }
}
