//! Who is signed in: opaque ids in a cookie, their hashes here and, encrypted, in a file.

mod open;
mod store;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::{Role, Time, Used};
use serde::{Deserialize, Serialize};

use crate::app::Settings;
use crate::caller::{Caller, near};
use crate::people::Binding;
use crate::searches::Typed;
use open::Open;
use store::Store;

/// Everyone who is signed in.
pub(crate) struct Sessions {
    open: Mutex<Open>,
    settings: Settings,
    /// The latest moment seen: a clock that is set back revives nothing.
    latest: AtomicI64,
}

/// One person, signed in at one browser.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The account's id.
    pub account: String,
    /// What every form of this session carries.
    pub csrf: String,
    /// Its name on the account page: no secret.
    pub name: String,
    pub device: String,
    pub agent: String,
    pub source: String,
    pub began: Time,
    pub seen: Time,
    pub level: Level,
    /// It was idle for too long, moved to another network, or its cookie was misused: its owner has
    /// to show again that they are there.
    pub paused: bool,
    /// What its owner should be told on the next pages.
    pub notices: Vec<String>,
    agent_hash: [u8; 32],
    /// The thumbprint of the TLS client certificate it began with, which has to be shown ever after.
    certificate: Option<String>,
    idle_ms: i64,
    /// When its owner last proved themselves.
    proven: Time,
    /// When they last did so by more than the password of the sign-in.
    stepped: Option<Time>,
    /// When they last did so by all that they sign in with.
    whole: Time,
    /// What its owner looked for: gone with the session, and in no file.
    #[serde(skip)]
    pub typed: Arc<Typed>,
}

/// What a session is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Level {
    /// For setting up a second factor, and nothing else.
    Enrol,
    /// For everything that policies allow.
    Full,
}

/// Who begins a session, and how far they are trusted.
pub(crate) struct Start<'a> {
    pub account: &'a str,
    pub role: Role,
    pub level: Level,
    pub used: &'a Used,
    pub notices: Vec<String>,
}

/// The two secrets of a new session, for the browser's cookies.
pub(crate) struct Begun {
    pub session: String,
    pub device: String,
}

/// What the session that a request names is.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// There is none, or it has ended.
    Nobody,
    Live(Session),
    /// Its owner has to show that they are there.
    Paused(Session),
    /// The request comes from another device; told once, and the session is paused now.
    Misused(Session),
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
            settings: settings.clone(),
            latest: AtomicI64::new(i64::MIN),
        }
    }

    /// Those that a file holds, kept in it from now on. None is older than it was: `sealed` is the
    /// moment of the newest event, whatever the clock says. `stands` tells whether an account may
    /// still have a session that began at a moment.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn kept(
        settings: &Settings,
        (path, key): (&Path, [u8; 32]),
        (sealed, stands): (Time, impl Fn(&str, Time) -> bool),
    ) -> io::Result<Sessions> {
        let (store, sessions) = Store::open(path, key)?;
        let seen = sessions.values().map(|one| one.seen).max();
        let latest = seen.unwrap_or(sealed).max(sealed);
        let mut open = Open::of(store, sessions);
        open.keep_only(|one| stands(&one.account, one.began));
        Ok(Sessions {
            open: Mutex::new(open),
            settings: settings.clone(),
            latest: AtomicI64::new(latest.millis()),
        })
    }

    /// Begins a session; what it returns goes into cookies and is kept nowhere. A browser that is
    /// known already keeps its device cookie; the session's id is always new.
    pub(crate) fn begin(&self, start: Start<'_>, caller: &Caller, now: Time) -> Option<Begun> {
        let now = self.steady(now);
        let begun = Begun {
            session: secret()?,
            device: match &caller.device {
                Some(known) => known.clone(),
                None => secret()?,
            },
        };
        let key = hash(&begun.session);
        let session = Session {
            account: start.account.to_owned(),
            csrf: secret()?,
            name: key
                .iter()
                .take(6)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            device: crate::caller::device_id(&begun.device),
            agent: caller.agent.clone(),
            source: caller.source.clone(),
            began: now,
            seen: now,
            level: start.level,
            paused: false,
            notices: start.notices,
            agent_hash: caller.agent_hash,
            certificate: caller.certificate.clone(),
            idle_ms: self.settings.session_idle_ms.of(start.role),
            proven: now,
            stepped: start.used.strong().then_some(now),
            whole: now,
            typed: Arc::default(),
        };
        let mut open = self.lock();
        open.keep_only(|session| self.lives(session, now));
        if open.len() >= self.settings.sessions_max.max(1) {
            let idlest = open.iter().min_by_key(|(_, s)| s.seen).map(|(key, _)| *key);
            idlest.and_then(|key| open.cut(&key));
        }
        open.put(key, session);
        Some(begun)
    }

    /// What the session is that a request's cookie names.
    pub(crate) fn find(&self, caller: &Caller, now: Time, touch: Touch) -> Found {
        let now = self.steady(now);
        let Some(key) = caller.session.as_deref().map(hash) else {
            return Found::Nobody;
        };
        let mut open = self.lock();
        if open.get(&key).is_some_and(|one| !self.lives(one, now)) {
            open.cut(&key);
        }
        let found = open.change(&key, |session| self.judge(session, caller, (now, touch)));
        found.unwrap_or(Found::Nobody)
    }

    /// What a session that lives is to whoever shows its cookie.
    fn judge(&self, session: &mut Session, caller: &Caller, (now, touch): (Time, Touch)) -> Found {
        if !session.is_of(caller) {
            return misused(session, caller);
        }
        let moved = self.settings.session_binding == Binding::Network
            && !near(&session.source, &caller.source);
        if moved || now.since(session.seen) >= session.idle_ms {
            session.paused = true;
        }
        if session.paused {
            return Found::Paused(session.clone());
        }
        if touch == Touch::Person {
            session.seen = session.seen.max(now);
        }
        Found::Live(session.clone())
    }

    /// The session that a request names, if it lives; asking changes nothing.
    pub(crate) fn peek(&self, caller: &Caller, now: Time) -> Option<Session> {
        let now = self.steady(now);
        let open = self.lock();
        let session = open.get(&hash(caller.session.as_deref()?))?;
        let idle = now.since(session.seen) >= session.idle_ms;
        let good = session.is_of(caller) && !idle && !session.paused && self.lives(session, now);
        good.then(|| session.clone())
    }

    /// The session goes on after a pause or a proof, under a new id; the old one is worth nothing.
    pub(crate) fn resume(&self, caller: &Caller, now: Time) -> Option<String> {
        let now = self.steady(now);
        let (old, new) = (hash(caller.session.as_deref()?), secret()?);
        let mut open = self.lock();
        let mut session = open.cut(&old)?;
        session.paused = false;
        session.seen = now;
        session.source.clone_from(&caller.source);
        open.put(hash(&new), session);
        Some(new)
    }

    /// Its owner proved themselves just now; whoever set up a second factor may do everything.
    pub(crate) fn proved(&self, caller: &Caller, now: Time) {
        let now = self.steady(now);
        self.change(caller, |session| {
            session.proven = now;
            session.stepped = Some(now);
            session.level = Level::Full;
        });
    }

    /// Its owner proved themselves just now.
    pub(crate) fn stepped(&self, caller: &Caller, now: Time) {
        let now = self.steady(now);
        self.change(caller, |session| {
            session.proven = now;
            session.stepped = Some(now);
        });
    }

    /// Its owner showed just now all that they sign in with.
    pub(crate) fn proved_whole(&self, caller: &Caller, now: Time) {
        let now = self.steady(now);
        self.change(caller, |session| {
            session.proven = now;
            session.stepped = Some(now);
            session.whole = now;
        });
    }

    /// Whether its owner showed all that they sign in with within the last minutes.
    pub(crate) fn whole(&self, session: &Session, now: Time) -> bool {
        self.steady(now).since(session.whole) < self.settings.step_up_ms
    }

    /// Whether its owner proved themselves within the last minutes, by whatever they sign in with.
    pub(crate) fn fresh(&self, session: &Session, now: Time) -> bool {
        self.steady(now).since(session.proven) < self.settings.step_up_ms
    }

    /// Whether they did so by a second factor, or by a step of its own.
    pub(crate) fn stepped_up(&self, session: &Session, now: Time) -> bool {
        let now = self.steady(now);
        let stepped = session.stepped;
        stepped.is_some_and(|at| now.since(at) < self.settings.step_up_ms)
    }

    /// What was told is not told again.
    pub(crate) fn told(&self, caller: &Caller) {
        self.change(caller, |session| session.notices.clear());
    }

    /// Tells every session of an account something.
    pub(crate) fn tell(&self, account: &str, notice: &str) {
        let mut open = self.lock();
        let theirs = open.iter().filter(|(_, one)| one.account == account);
        let theirs: Vec<[u8; 32]> = theirs.map(|(key, _)| *key).collect();
        for key in theirs {
            open.change(&key, |session| session.notices.push(notice.to_owned()));
        }
    }

    /// Whether the session of that name still lives; a paused one does. The name stays when the
    /// session goes on after a pause, under another id.
    pub(crate) fn lives_by(&self, name: &str, now: Time) -> bool {
        let now = self.steady(now);
        let open = self.lock();
        let mut named = open.values().filter(|session| session.name == name);
        named.any(|session| self.lives(session, now))
    }

    /// Ends the session that a request's cookie names.
    pub(crate) fn end(&self, caller: &Caller) {
        if let Some(id) = &caller.session {
            self.lock().cut(&hash(id));
        }
    }

    /// Ends one session of an account, by its name on the account page.
    pub(crate) fn end_one(&self, account: &str, name: &str) -> Option<Session> {
        let mut open = self.lock();
        let found = open
            .iter()
            .find(|(_, one)| one.account == account && one.name == name);
        let key = found.map(|(key, _)| *key)?;
        open.cut(&key)
    }

    /// Ends every session of an account; returns how many there were.
    pub(crate) fn end_all_of(&self, account: &str) -> usize {
        let mut open = self.lock();
        let before = open.len();
        open.keep_only(|session| session.account != account);
        before - open.len()
    }

    /// Ends every session of an account but one.
    pub(crate) fn end_others(&self, account: &str, name: &str) {
        self.lock()
            .keep_only(|session| session.account != account || session.name == name);
    }

    /// An account's sessions, the one used last first.
    pub(crate) fn of_account(&self, account: &str, now: Time) -> Vec<Session> {
        let now = self.steady(now);
        let open = self.lock();
        let own = open.values().filter(|one| one.account == account);
        let mut own: Vec<Session> = own.filter(|one| self.lives(one, now)).cloned().collect();
        own.sort_by_key(|session| std::cmp::Reverse(session.seen));
        own
    }

    fn change(&self, caller: &Caller, change: impl FnOnce(&mut Session)) {
        if let Some(id) = &caller.session {
            self.lock().change(&hash(id), change);
        }
    }

    fn lives(&self, session: &Session, now: Time) -> bool {
        now.since(session.began) < self.settings.session_total_ms
    }

    fn steady(&self, now: Time) -> Time {
        let before = self.latest.fetch_max(now.millis(), Ordering::SeqCst);
        now.max(Time::from_millis(before))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // A panic while the lock was held cannot have left half a session: the map is still good.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether a request comes from where it began: the same browser and, if it showed one then,
    /// the same client certificate.
    fn is_of(&self, caller: &Caller) -> bool {
        let certificate = self.certificate.as_ref();
        self.device == caller.device_id()
            && self.agent_hash == caller.agent_hash
            && certificate.is_none_or(|one| Some(one) == caller.certificate.as_ref())
    }
}

/// A cookie that another device sends was stolen. The thief is refused, and so is the session's
/// owner until they show who they are; then the stolen cookie is worth nothing any more.
fn misused(session: &mut Session, caller: &Caller) -> Found {
    if session.paused {
        return Found::Nobody;
    }
    session.paused = true;
    session.notices.push(format!(
        "This session's cookie was used from another device: {} at {}. It was refused and sealed. \
         If that was not you, tell whoever is responsible for security.",
        caller.agent, caller.source
    ));
    Found::Misused(session.clone())
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

#[cfg(test)]
mod tests;
