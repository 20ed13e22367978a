//! Whether somebody is who they say: each way in, counted, and with the same work for every name.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::{Time, Used};
use guard::Identity;

use crate::attempts::{Attempts, Tried};
use crate::book::Entry;
use crate::passkey::{Assertion, BadPasskey, Expected, counter_after};
use crate::person::Person;
use crate::secret::verifies;
use crate::totp::{recovery_hash, step_of};
use crate::{SignInRefused, Staff};

/// What somebody typed, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The sign-in name.
    pub account: &'a str,
    /// The password; may be empty.
    pub password: &'a str,
    /// An app's code or a recovery code; may be empty.
    pub code: &'a str,
    /// The address it came from.
    pub source: &'a str,
}

/// Somebody who is who they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub identity: Identity,
    /// What proved it.
    pub used: Used,
}

/// Why a passkey was refused, and whose it is if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyRefused {
    /// The account, if the passkey is one of ours.
    pub account: Option<String>,
    /// Why.
    pub why: SignInRefused,
}

/// What was used up since it was last folded.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    steps: HashMap<String, i64>,
    recovery: HashSet<String>,
    counters: HashMap<String, u32>,
}

/// What a code was.
enum Code {
    /// There is no second factor that has codes, and none was needed.
    NotNeeded,
    Right(Used),
    Wrong,
}

impl Staff {
    /// Checks a password, and the code of whoever has a second factor.
    ///
    /// # Errors
    /// [`SignInRefused`], which is the same and takes as long whether or not the account exists.
    pub async fn sign_in(
        &self,
        attempt: Attempt<'_>,
        now: Time,
    ) -> Result<SignedIn, SignInRefused> {
        let busy = |_| SignInRefused::Busy;
        let _waiting = self.inner.waiting.try_acquire().map_err(busy)?;
        let now = self.steady(now);
        self.begin(attempt, now)?;
        let _checking = self.inner.checks.acquire().await.map_err(closed)?;
        let entry = self.person_entry(attempt.account);
        let right = self.password_is(attempt.password, entry.as_deref()).await;
        let code = self.code_is(attempt.code, entry.as_deref(), now);
        let used = match (right, code) {
            (true, Code::NotNeeded) => Used::Password,
            (true, Code::Right(used)) => used,
            (_, _) => return Err(SignInRefused::Wrong),
        };
        // Asked again: the account may have been disabled while the password was being checked.
        let identity = self.person(attempt.account).ok_or(SignInRefused::Wrong)?;
        self.spend(attempt.account, &used)?;
        self.succeeded(attempt);
        Ok(SignedIn { identity, used })
    }

    /// Checks the password of somebody who has proved more before, on the same device.
    ///
    /// # Errors
    /// As [`Staff::sign_in`].
    pub async fn password(&self, attempt: Attempt<'_>, now: Time) -> Result<Used, SignInRefused> {
        let _waiting = self
            .inner
            .waiting
            .try_acquire()
            .map_err(|_| SignInRefused::Busy)?;
        self.begin(attempt, self.steady(now))?;
        let _checking = self.inner.checks.acquire().await.map_err(closed)?;
        let entry = self.person_entry(attempt.account);
        if !self.password_is(attempt.password, entry.as_deref()).await {
            return Err(SignInRefused::Wrong);
        }
        self.succeeded(attempt);
        Ok(Used::Password)
    }

    /// Checks a code alone, of somebody who is signed in.
    ///
    /// # Errors
    /// As [`Staff::sign_in`].
    pub fn code(&self, attempt: Attempt<'_>, now: Time) -> Result<Used, SignInRefused> {
        let now = self.steady(now);
        self.begin(attempt, now)?;
        let entry = self.person_entry(attempt.account);
        let Code::Right(used) = self.code_is(attempt.code, entry.as_deref(), now) else {
            return Err(SignInRefused::Wrong);
        };
        self.spend(attempt.account, &used)?;
        self.succeeded(attempt);
        Ok(used)
    }

    /// Checks a passkey that was used on the page that `expected` describes.
    ///
    /// # Errors
    /// [`PasskeyRefused`]; a signature counter that went back is told apart, because it means
    /// that the passkey may have been copied.
    pub fn passkey(
        &self,
        said: &Assertion,
        expected: &Expected,
        (source, now): (&str, Time),
    ) -> Result<SignedIn, PasskeyRefused> {
        let refused = |account: Option<&Arc<Entry>>, why| PasskeyRefused {
            account: account.map(|entry| entry.id.clone()),
            why,
        };
        let now = self.steady(now);
        let tried = Tried::source(source);
        let begun = self
            .attempts()
            .begin(&tried, self.book().failures(), (now, self.limits()));
        begun.map_err(|why| refused(None, why))?;
        let id = URL_SAFE_NO_PAD.encode(&said.credential);
        let book = self.book();
        let bad = |entry, why| refused(entry, SignInRefused::Passkey(why));
        let entry = book.passkey(&id);
        let known = entry.and_then(|entry| Some((entry, entry.person.passkey(&id)?)));
        let (entry, passkey) = known.ok_or_else(|| bad(None, BadPasskey::Unknown))?;
        let mut spent = self.spent();
        let mut passkey = passkey.clone();
        let last = spent.counters.get(&id).copied().unwrap_or(0);
        passkey.counter = passkey.counter.max(last);
        let counter =
            counter_after(said, expected, &passkey).map_err(|why| bad(Some(entry), why))?;
        spent.counters.insert(id.clone(), counter);
        self.attempts().succeeded(&tried);
        Ok(SignedIn {
            identity: entry.identity(),
            used: Used::Passkey { id, counter },
        })
    }

    /// Now, but never before what was sealed last: a clock that is set back revives no code.
    fn steady(&self, now: Time) -> Time {
        now.max(self.book().latest())
    }

    fn begin(&self, attempt: Attempt<'_>, now: Time) -> Result<(), SignInRefused> {
        let book = self.book();
        let mut attempts = self.attempts();
        let [name, source] = Tried::both(attempt.account, attempt.source);
        attempts.begin(&name, book.failures(), (now, self.limits()))?;
        attempts.begin(&source, book.failures(), (now, self.limits()))
    }

    fn succeeded(&self, attempt: Attempt<'_>) {
        let mut attempts = self.attempts();
        for tried in Tried::both(attempt.account, attempt.source) {
            attempts.succeeded(&tried);
        }
    }

    fn person_entry(&self, account: &str) -> Option<Arc<Entry>> {
        let entry = self.book().active(account).cloned();
        entry.filter(|entry| !entry.is_client())
    }

    fn person(&self, account: &str) -> Option<Identity> {
        self.person_entry(account).map(|entry| entry.identity())
    }

    /// INVARIANT: one argon2 run with the same parameters, whoever was named.
    async fn password_is(&self, password: &str, entry: Option<&Entry>) -> bool {
        let (real, secret) = secret_or_decoy(entry, &self.inner.decoy);
        let (password, secret) = (password.to_owned(), secret.to_owned());
        let right = tokio::task::spawn_blocking(move || verifies(&password, &secret)).await;
        real && right.unwrap_or(false)
    }

    /// What a code is, of somebody or of nobody; nothing is used up yet.
    fn code_is(&self, typed: &str, entry: Option<&Entry>, now: Time) -> Code {
        let nobody = Person::default();
        let person = entry.map_or(&nobody, |entry| &entry.person);
        let typed: String = typed
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .collect();
        let hash = recovery_hash(&typed);
        let secret = person.totp.as_deref().unwrap_or(DECOY_TOTP);
        let step = step_of(secret, &typed, now, person.totp_step);
        if !person.strong() {
            return Code::NotNeeded;
        }
        if person.recovery.contains(&hash) {
            return Code::Right(Used::Recovery { hash });
        }
        match step.filter(|_| person.totp.is_some()) {
            Some(step) => Code::Right(Used::Totp { step }),
            None => Code::Wrong,
        }
    }

    /// Uses a code up at once; two who type the same code cannot both be in.
    fn spend(&self, account: &str, used: &Used) -> Result<(), SignInRefused> {
        let mut spent = self.spent();
        let fresh = match used {
            Used::Totp { step } => {
                let last = spent.steps.get(account).copied().unwrap_or(i64::MIN);
                spent.steps.insert(account.to_owned(), last.max(*step));
                *step > last
            }
            Used::Recovery { hash } => spent.recovery.insert(hash.clone()),
            Used::Passkey { .. } | Used::Password | Used::Provider { .. } => true,
        };
        if fresh {
            Ok(())
        } else {
            Err(SignInRefused::Wrong)
        }
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        let attempts = self.inner.attempts.lock();
        attempts.unwrap_or_else(PoisonError::into_inner)
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.inner
            .spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is checked for somebody who has no app, so that it takes as long.
const DECOY_TOTP: &str = "ONQWY5LTF5SGKY3PPEXXG5DFOAQCAIBA";

fn closed(_: tokio::sync::AcquireError) -> SignInRefused {
    SignInRefused::Busy
}

/// The hash to check a password against, and whether it is somebody's.
fn secret_or_decoy<'a>(entry: Option<&'a Entry>, decoy: &'a str) -> (bool, &'a str) {
    match entry {
        Some(entry) if entry.account.secret.starts_with("$argon2id$") => {
            (true, &entry.account.secret)
        }
        Some(_) | None => (false, decoy),
    }
}

#[cfg(test)]
mod tests;
