//! Who is signed in: opaque ids in a cookie, their hashes here, nothing on disk.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::{digest, rand};
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::Time;

use crate::app::Settings;

/// The cookie's name: `__Host-` binds it to this host, this path and TLS.
pub(crate) const COOKIE_NAME: &str = "__Host-salus";

/// Everyone who is signed in.
pub(crate) struct Sessions {
    open: Mutex<HashMap<[u8; 32], Session>>,
    idle_ms: i64,
    total_ms: i64,
    most: usize,
}

/// One person, signed in at one browser.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The account's id.
    pub account: String,
    /// What every form of this session carries.
    pub csrf: String,
    began: Time,
    seen: Time,
}

/// Whether a request is a person's doing, or a page's that fetches itself again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    /// Keeps the session alive.
    Person,
    /// Does not.
    Page,
}

impl Sessions {
    pub(crate) fn new(settings: &Settings) -> Sessions {
        Sessions {
            open: Mutex::default(),
            idle_ms: settings.session_idle_ms,
            total_ms: settings.session_total_ms,
            most: settings.sessions_max.max(1),
        }
    }

    /// Begins a session; what it returns goes into the cookie and is kept nowhere.
    pub(crate) fn begin(&self, account: &str, now: Time) -> Option<String> {
        let (id, csrf) = (secret()?, secret()?);
        let session = Session {
            account: account.to_owned(),
            csrf,
            began: now,
            seen: now,
        };
        let mut open = self.lock();
        open.retain(|_, session| self.lives(session, now));
        if open.len() >= self.most {
            let idlest = open.iter().min_by_key(|(_, s)| s.seen).map(|(key, _)| *key);
            idlest.and_then(|key| open.remove(&key));
        }
        open.insert(hash(&id), session);
        Some(id)
    }

    /// The session that a request's cookie names, if it still lives.
    pub(crate) fn of(&self, headers: &HeaderMap, now: Time, touch: Touch) -> Option<Session> {
        let key = hash(cookie(headers)?);
        let mut open = self.lock();
        let session = open.get_mut(&key)?;
        if !self.lives(session, now) {
            open.remove(&key);
            return None;
        }
        if touch == Touch::Person {
            session.seen = session.seen.max(now);
        }
        Some(session.clone())
    }

    /// The name, in hex, under which the session of a request can be asked about later.
    pub(crate) fn key(&self, headers: &HeaderMap) -> Option<String> {
        Some(tokens::hex(&hash(cookie(headers)?)))
    }

    /// Whether the session of that name still lives.
    pub(crate) fn lives_by(&self, key: &str, now: Time) -> bool {
        let named = tokens::unhex(key);
        let open = self.lock();
        let session = named.and_then(|key| open.get(&key));
        session.is_some_and(|session| self.lives(session, now))
    }

    /// Ends the session that a request's cookie names.
    pub(crate) fn end(&self, headers: &HeaderMap) {
        if let Some(id) = cookie(headers) {
            self.lock().remove(&hash(id));
        }
    }

    /// Ends every session of an account.
    pub(crate) fn end_all_of(&self, account: &str) {
        self.lock().retain(|_, session| session.account != account);
    }

    fn lives(&self, session: &Session, now: Time) -> bool {
        now.since(session.seen) < self.idle_ms && now.since(session.began) < self.total_ms
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        // A panic while the lock was held cannot have left half a session: the map is still good.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The `Set-Cookie` that begins a session.
pub(crate) fn begin_cookie(id: &str) -> String {
    format!("{COOKIE_NAME}={id}; Path=/; Secure; HttpOnly; SameSite=Lax")
}

/// The `Set-Cookie` that ends one.
pub(crate) fn end_cookie() -> String {
    format!("{COOKIE_NAME}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
}

/// 256 random bits as 43 letters; `None` if the machine has no randomness to give.
pub(crate) fn secret() -> Option<String> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 of a secret: what the server keeps of it.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    let mut out = [0_u8; 32];
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}

/// Whether two secrets are the same, in time that does not depend on where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(&hash(one), &hash(other)).is_ok()
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE_NAME && !value.is_empty()).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(most: usize) -> Sessions {
        Sessions::new(&Settings {
            session_idle_ms: 1_000,
            session_total_ms: 5_000,
            sessions_max: most,
            ..Settings::default()
        })
    }

    fn with(id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let line = format!("theme=dark; {COOKIE_NAME}={id}");
        headers.insert(COOKIE, line.parse().unwrap());
        headers
    }

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn a_session_lives_while_it_is_used_and_not_beyond_its_total() {
        let sessions = sessions(10);
        let cookie = with(&sessions.begin("anna", at(0)).unwrap());
        for moment in [900, 1_800, 2_700, 3_600, 4_500] {
            assert!(sessions.of(&cookie, at(moment), Touch::Person).is_some());
        }
        assert!(sessions.of(&cookie, at(5_000), Touch::Person).is_none());
    }

    #[test]
    fn a_page_that_fetches_itself_does_not_keep_a_session_alive() {
        let sessions = sessions(10);
        let cookie = with(&sessions.begin("anna", at(0)).unwrap());
        assert!(sessions.of(&cookie, at(900), Touch::Page).is_some());
        assert!(sessions.of(&cookie, at(1_000), Touch::Page).is_none());
    }

    #[test]
    fn the_longest_idle_makes_room() {
        let sessions = sessions(2);
        let first = with(&sessions.begin("a", at(0)).unwrap());
        let second = with(&sessions.begin("b", at(1)).unwrap());
        let third = with(&sessions.begin("c", at(2)).unwrap());
        let alive = |headers| sessions.of(headers, at(3), Touch::Page).is_some();
        assert_eq!(
            [alive(&first), alive(&second), alive(&third)],
            [false, true, true]
        );
    }

    #[test]
    fn a_forged_or_ended_session_is_nobody() {
        let sessions = sessions(10);
        let cookie = with(&sessions.begin("anna", at(0)).unwrap());
        assert!(sessions.of(&with("guess"), at(1), Touch::Person).is_none());
        sessions.end(&cookie);
        assert!(sessions.of(&cookie, at(1), Touch::Person).is_none());
    }
}
