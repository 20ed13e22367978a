//! Every account as the record left it. Folding is a pure function of the events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use event::{Account, AccountChange, Act, Actor, ActorKind, Body, Event, PersonChange, PersonStep};
use event::{Role, Session, SessionStep, Time};
use guard::Identity;

use crate::attempts::Tried;
use crate::failed::Failed;
use crate::person::{Factors, Left, Person};
use crate::secret::{TokenHash, kept_hash};

/// One account.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) account: Account,
    pub(crate) disabled: bool,
    pub(crate) changed: Time,
    pub(crate) signed_in: Option<Time>,
    pub(crate) person: Person,
}

/// An account as a list shows it, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Sign-in name or client id.
    pub id: String,
    /// How a person would say it.
    pub name: String,
    /// What it is here for.
    pub role: Role,
    /// The wards a person works on, by code.
    pub wards: Vec<String>,
    /// The identifier under which messages name this person.
    pub practitioner: Option<String>,
    /// A client's scopes.
    pub scopes: Vec<String>,
    /// May not sign in any more.
    pub disabled: bool,
    /// When it was last changed.
    pub changed: Time,
    /// When a person last signed in.
    pub signed_in: Option<Time>,
    /// Whether a person has a second factor here.
    pub strong: bool,
    /// That a person left, and how long it took until their access ended.
    pub left: Option<Left>,
}

/// All accounts. Cheap to copy: entries are shared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    entries: BTreeMap<String, Arc<Entry>>,
    tokens: HashMap<TokenHash, Arc<Identity>>,
    failures: Arc<Failed>,
    /// The time of the newest event folded.
    latest: Time,
}

/// What a fold changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) accounts: BTreeSet<String>,
    pub(crate) failures: BTreeSet<Tried>,
}

impl Touched {
    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.failures.is_empty()
    }
}

impl Book {
    pub(crate) fn of(entries: Vec<Entry>, failures: Failed, latest: Time) -> Book {
        let mut book = Book {
            entries: entries
                .into_iter()
                .map(|entry| (entry.id.clone(), Arc::new(entry)))
                .collect(),
            tokens: HashMap::new(),
            failures: Arc::new(failures),
            latest,
        };
        book.index_tokens();
        book
    }

    /// Folds events; returns what they changed.
    pub(crate) fn fold<'a>(&mut self, events: impl Iterator<Item = (Time, &'a Event)>) -> Touched {
        let mut touched = Touched::default();
        let mut clients = false;
        for (at, event) in events {
            self.latest = self.latest.max(at);
            match &event.body {
                Body::Account(change) => {
                    self.change(at, &event.actor, change);
                    clients |= self.is_client(&change.id);
                    touched.accounts.insert(change.id.clone());
                }
                Body::Person(change) => {
                    touched.accounts.extend(self.person_changed(at, change));
                }
                Body::Session(session) if event.act == Act::SignIn => {
                    self.session(at, session, &mut touched);
                }
                _ => {}
            }
        }
        if clients {
            self.index_tokens();
        }
        touched
    }

    pub(crate) const fn latest(&self) -> Time {
        self.latest
    }

    pub(crate) fn failures(&self) -> &Failed {
        &self.failures
    }

    /// The account, still active, that a passkey belongs to.
    pub(crate) fn passkey(&self, id: &str) -> Option<&Arc<Entry>> {
        let entries = self.entries.values().filter(|entry| !entry.disabled);
        entries
            .filter(|entry| !entry.is_client())
            .find(|entry| entry.person.passkey(id).is_some())
    }

    /// The account that is tied to a person of an OpenID provider.
    pub(crate) fn linked(&self, issuer: &str, subject: &str) -> Option<&Arc<Entry>> {
        self.entries.values().find(|entry| {
            let link = entry.person.link.as_ref();
            link.is_some_and(|link| link.issuer == issuer && link.subject == subject)
        })
    }

    pub(crate) fn entry(&self, id: &str) -> Option<&Arc<Entry>> {
        self.entries.get(id)
    }

    /// The account if it may still do anything.
    pub(crate) fn active(&self, id: &str) -> Option<&Arc<Entry>> {
        self.entry(id).filter(|entry| !entry.disabled)
    }

    pub(crate) fn client(&self, token: &TokenHash) -> Option<Arc<Identity>> {
        self.tokens.get(token).cloned()
    }

    pub(crate) fn listed(&self) -> impl Iterator<Item = Listed> {
        self.entries.values().map(|entry| entry.listed())
    }

    pub(crate) fn any_administrator(&self) -> bool {
        self.entries
            .values()
            .any(|entry| !entry.disabled && entry.account.role == Role::Administrator)
    }

    fn change(&mut self, at: Time, by: &Actor, change: &AccountChange) {
        let old = self.entries.get(&change.id);
        let account = change.account.clone();
        let Some(known) = account.or_else(|| old.map(|old| old.account.clone())) else {
            return;
        };
        let mut person = old.map(|old| old.person.clone()).unwrap_or_default();
        if let Some(account) = &change.account {
            person.left = None;
            if old.is_none_or(|old| old.account.secret != account.secret) {
                // Whoever sets somebody else's password knows it.
                let others = by.role == Role::Administrator && by.id != change.id;
                person.temporary = others && account.secret.starts_with("$argon2id$");
            }
        }
        let entry = Entry {
            id: change.id.clone(),
            account: known,
            disabled: change.account.is_none(),
            changed: at,
            signed_in: old.and_then(|old| old.signed_in),
            person,
        };
        self.entries.insert(change.id.clone(), Arc::new(entry));
    }

    fn person_changed(&mut self, at: Time, change: &PersonChange) -> Option<String> {
        let entry = Arc::make_mut(self.entries.get_mut(&change.account)?);
        if let PersonStep::Password { secret } = &change.change {
            entry.account.secret.clone_from(secret);
            entry.changed = at;
        }
        entry.person.change(at, &change.change);
        Some(change.account.clone())
    }

    fn session(&mut self, at: Time, session: &Session, touched: &mut Touched) {
        let tried = matches!(
            session.step,
            SessionStep::Began | SessionStep::Resumed | SessionStep::SteppedUp
        );
        match (tried, session.ok) {
            (true, true) => {
                touched.accounts.extend(self.signed_in(at, session));
                let name = Tried::Name(session.account.clone());
                Arc::make_mut(&mut self.failures).forgiven(&name);
                touched.failures.insert(name);
            }
            (true, false) => {
                for tried in Tried::both(&session.account, &session.source) {
                    let failures = Arc::make_mut(&mut self.failures);
                    touched.failures.extend(failures.failed(&tried, at));
                    touched.failures.insert(tried);
                }
            }
            (false, _) => {}
        }
    }

    fn signed_in(&mut self, at: Time, session: &Session) -> Option<String> {
        let entry = Arc::make_mut(self.entries.get_mut(&session.account)?);
        entry.signed_in = Some(at);
        entry.person.proved(at, session);
        Some(session.account.clone())
    }

    fn is_client(&self, id: &str) -> bool {
        // An account that turns from a client into a person takes its token along.
        self.entry(id).is_none_or(|entry| entry.is_client())
            || self.tokens.values().any(|identity| identity.actor.id == id)
    }

    fn index_tokens(&mut self) {
        self.tokens = self
            .entries
            .values()
            .filter(|entry| entry.is_client() && !entry.disabled)
            .filter_map(|entry| {
                let hash = kept_hash(&entry.account.secret)?;
                Some((hash, Arc::new(entry.identity())))
            })
            .collect();
    }
}

impl Entry {
    pub(crate) fn is_client(&self) -> bool {
        self.account.role == Role::Client
    }

    pub(crate) fn identity(&self) -> Identity {
        let kind = match self.is_client() {
            true => ActorKind::Software,
            false => ActorKind::Person,
        };
        let account = self.account.clone();
        Identity {
            wards: account.wards,
            practitioner: account.practitioner,
            scopes: account.scopes,
            ..Identity::of(Actor {
                kind,
                id: self.id.clone(),
                name: account.name,
                role: account.role,
            })
        }
    }

    fn listed(&self) -> Listed {
        let account = self.account.clone();
        Listed {
            id: self.id.clone(),
            name: account.name,
            role: account.role,
            wards: account.wards,
            practitioner: account.practitioner,
            scopes: account.scopes,
            disabled: self.disabled,
            changed: self.changed,
            signed_in: self.signed_in,
            strong: self.person.strong(),
            left: self.person.left.clone(),
        }
    }

    pub(crate) fn factors(&self) -> Factors {
        let person = self.person.clone();
        let named = |passkey: event::Passkey| (passkey.id, passkey.name);
        Factors {
            passkeys: person.passkeys.into_iter().map(named).collect(),
            totp: person.totp.is_some(),
            recovery: person.recovery.len(),
            password: !self.account.secret.is_empty(),
            temporary: person.temporary,
            provider: person.link.map(|link| link.issuer),
            devices: person.devices,
        }
    }
}

#[cfg(test)]
mod tests;
