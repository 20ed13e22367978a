use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Objects under the UID of another that were sealed as such: a sender that tries again makes no second
/// alarm.
#[derive(Default)]
pub(super) struct Odd(Mutex<HashSet<(String, String)>>);

/// Of so many it is known that they were sealed.
const ODD_MAX: usize = 10_000;

impl Odd {
    pub(super) fn knows(&self, uid: &str, data: &str) -> bool {
        self.lock().contains(&(uid.to_owned(), data.to_owned()))
    }

    pub(super) fn add(&self, uid: &str, data: &str) {
        let mut known = self.lock();
        if known.len() >= ODD_MAX {
            known.clear();
        }
        known.insert((uid.to_owned(), data.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
