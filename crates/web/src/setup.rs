//! The one-time link for the first administrator.

use std::sync::{Mutex, PoisonError};

use event::Time;

use crate::session::{hash, secret};

/// The link, if there is one: its token's hash and when it stops working.
#[derive(Default)]
pub(crate) struct Setup {
    offer: Mutex<Option<([u8; 32], Time)>>,
}

impl Setup {
    /// Makes a link that works until `until`; an older one stops working.
    pub(crate) fn offer(&self, until: Time) -> Option<String> {
        let token = secret()?;
        *self.lock() = Some((hash(&token), until));
        Some(token)
    }

    /// Whether `token` is the one offered and still works.
    pub(crate) fn knows(&self, token: &str, now: Time) -> bool {
        self.lock()
            .is_some_and(|(kept, until)| kept == hash(token) && now < until)
    }

    /// Uses the link up: true once, for the right token in time.
    pub(crate) fn take(&self, token: &str, now: Time) -> bool {
        let mut offer = self.lock();
        let known = offer.is_some_and(|(kept, until)| kept == hash(token) && now < until);
        if known {
            *offer = None;
        }
        known
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<([u8; 32], Time)>> {
        self.offer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once_and_in_time() {
        let setup = Setup::default();
        let end = Time::from_millis(1_000);
        let token = setup.offer(end).unwrap();
        assert!(!setup.take("other", Time::from_millis(1)));
        assert!(!setup.knows(&token, end));
        assert!(setup.knows(&token, Time::from_millis(999)));
        assert!(setup.take(&token, Time::from_millis(999)));
        assert!(!setup.take(&token, Time::from_millis(999)));
    }

    #[test]
    fn a_new_link_ends_the_old_one() {
        let setup = Setup::default();
        let old = setup.offer(Time::from_millis(1_000)).unwrap();
        let new = setup.offer(Time::from_millis(1_000)).unwrap();
        assert!(!setup.knows(&old, Time::from_millis(0)));
        assert!(setup.knows(&new, Time::from_millis(0)));
    }
}
