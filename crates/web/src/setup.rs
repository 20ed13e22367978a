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

    /// Another token in place of the one of the link, which works no more; `None` if it did not.
    pub(crate) fn exchange(&self, token: &str, now: Time) -> Option<String> {
        let mut offer = self.lock();
        let (_, until) = offer.filter(|(kept, until)| *kept == hash(token) && now < *until)?;
        let next = secret()?;
        *offer = Some((hash(&next), until));
        Some(next)
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
    fn what_stood_in_the_address_is_worth_nothing_once_it_was_opened() {
        let setup = Setup::default();
        let end = Time::from_millis(1_000);
        let link = setup.offer(end).unwrap();
        let now = Time::from_millis(1);
        assert!(setup.exchange("other", now).is_none());
        let cookie = setup.exchange(&link, now).unwrap();
        assert!(!setup.knows(&link, now) && setup.exchange(&link, now).is_none());
        assert!(!setup.knows(&cookie, end) && setup.take(&cookie, now));
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
