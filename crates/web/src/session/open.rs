//! The sessions that are open: in memory, and in a file if there is one.

use std::collections::HashMap;

use event::Time;

use super::store::{Key, Store};
use super::{Level, Session};

/// How often it is written that a session is still used, in milliseconds. After a restart it counts
/// as idle for that much longer at most.
const SEEN_EACH_MS: i64 = 30_000;

/// Every open session by the hash of its id.
#[derive(Default)]
pub(super) struct Open {
    sessions: HashMap<Key, Session>,
    store: Option<Store>,
}

/// What of a session is worth a line in the file when it changes.
#[derive(PartialEq)]
struct Worth {
    paused: bool,
    level: Level,
    proven: Time,
    stepped: Option<Time>,
    notices: usize,
    seen: i64,
}

impl Open {
    pub(super) const fn of(store: Store, sessions: HashMap<Key, Session>) -> Open {
        Open {
            sessions,
            store: Some(store),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Session> {
        self.sessions.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Session)> {
        self.sessions.iter()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    pub(super) fn put(&mut self, key: Key, session: Session) {
        self.sessions.insert(key, session);
        self.note(key);
    }

    pub(super) fn cut(&mut self, key: &Key) -> Option<Session> {
        let session = self.sessions.remove(key)?;
        self.note(*key);
        Some(session)
    }

    /// Changes a session; `None`: it is not open.
    pub(super) fn change<T>(
        &mut self,
        key: &Key,
        change: impl FnOnce(&mut Session) -> T,
    ) -> Option<T> {
        let session = self.sessions.get_mut(key)?;
        let before = Worth::of(session);
        let out = change(session);
        if Worth::of(session) != before {
            self.note(*key);
        }
        Some(out)
    }

    /// Ends every session for which `keeps` is false.
    pub(super) fn keep_only(&mut self, keeps: impl Fn(&Session) -> bool) {
        let gone = self.sessions.iter().filter(|(_, one)| !keeps(one));
        let gone: Vec<Key> = gone.map(|(key, _)| *key).collect();
        self.sessions.retain(|_, session| keeps(session));
        self.note_all(&gone);
    }

    fn note(&mut self, key: Key) {
        self.note_all(&[key]);
    }

    fn note_all(&mut self, keys: &[Key]) {
        if let Some(store) = &mut self.store
            && !keys.is_empty()
        {
            store.note(keys, &self.sessions);
        }
    }
}

impl Worth {
    fn of(session: &Session) -> Worth {
        Worth {
            paused: session.paused,
            level: session.level,
            proven: session.proven,
            stepped: session.stepped,
            notices: session.notices.len(),
            seen: session.seen.millis().div_euclid(SEEN_EACH_MS),
        }
    }
}
