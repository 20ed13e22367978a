//! Every account as the record left it. Folding is a pure function of the events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use event::{Account, AccountChange, Act, Actor, ActorKind, Body, Event, Role, Session, Time};
use guard::Identity;

use crate::secret::{TokenHash, kept_hash};

/// One account.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) account: Account,
    pub(crate) disabled: bool,
    pub(crate) changed: Time,
    pub(crate) signed_in: Option<Time>,
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
}

/// All accounts. Cheap to copy: entries are shared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    entries: BTreeMap<String, Arc<Entry>>,
    tokens: HashMap<TokenHash, Arc<Identity>>,
}

impl Book {
    pub(crate) fn of(entries: Vec<Entry>) -> Book {
        let mut book = Book {
            entries: entries
                .into_iter()
                .map(|entry| (entry.id.clone(), Arc::new(entry)))
                .collect(),
            tokens: HashMap::new(),
        };
        book.index_tokens();
        book
    }

    /// Folds events; returns the ids of the accounts that they changed.
    pub(crate) fn fold<'a>(
        &mut self,
        events: impl Iterator<Item = (Time, &'a Event)>,
    ) -> BTreeSet<String> {
        let mut touched = BTreeSet::new();
        let mut clients = false;
        for (at, event) in events {
            match &event.body {
                Body::Account(change) => {
                    self.change(at, change);
                    clients |= self.is_client(&change.id);
                    touched.insert(change.id.clone());
                }
                Body::Session(session) if event.act == Act::SignIn && session.ok => {
                    touched.extend(self.signed_in(at, session));
                }
                _ => {}
            }
        }
        if clients {
            self.index_tokens();
        }
        touched
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

    fn change(&mut self, at: Time, change: &AccountChange) {
        let old = self.entries.get(&change.id);
        let account = change.account.clone();
        let Some(known) = account.or_else(|| old.map(|old| old.account.clone())) else {
            return;
        };
        let entry = Entry {
            id: change.id.clone(),
            account: known,
            disabled: change.account.is_none(),
            changed: at,
            signed_in: old.and_then(|old| old.signed_in),
        };
        self.entries.insert(change.id.clone(), Arc::new(entry));
    }

    fn signed_in(&mut self, at: Time, session: &Session) -> Option<String> {
        let old = self.entries.get(&session.account)?;
        let entry = Entry {
            signed_in: Some(at),
            ..Entry::clone(old)
        };
        self.entries
            .insert(session.account.clone(), Arc::new(entry));
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
        }
    }
}

#[cfg(test)]
mod tests {
    use event::Subject;

    use super::*;
    use crate::new_client;
    use crate::secret::token_hash;

    fn account(role: Role, secret: &str) -> Account {
        Account {
            name: "Nora Nightingale".into(),
            role,
            wards: vec!["W3".into()],
            practitioner: Some("D1".into()),
            secret: secret.into(),
            scopes: vec!["system/*.rs".into()],
        }
    }

    fn changed(id: &str, account: Option<Account>) -> Event {
        let id = id.to_owned();
        let subject = Subject::Account(id.clone());
        let body = Body::Account(AccountChange { id, account });
        Event::new(Actor::salus(), Act::Manage, subject, body)
    }

    fn session(act: Act, account: &str, ok: bool) -> Event {
        let body = Body::Session(Session {
            account: account.into(),
            ok,
            note: String::new(),
        });
        Event::new(Actor::salus(), act, Subject::Account(account.into()), body)
    }

    fn fold(book: &mut Book, events: &[Event]) -> Vec<String> {
        let events = events.iter().zip(1..);
        let at = events.map(|(event, millis)| (Time::from_millis(millis), event));
        book.fold(at).into_iter().collect()
    }

    #[test]
    fn a_disabled_account_stays_in_the_list() {
        let mut book = Book::default();
        let events = [
            changed("nora", Some(account(Role::Nurse, "x"))),
            changed("nora", None),
            changed("nobody", None),
        ];
        fold(&mut book, &events);
        let listed: Vec<Listed> = book.listed().collect();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].disabled && listed[0].name == "Nora Nightingale");
        assert!(book.active("nora").is_none());
    }

    #[test]
    fn a_token_works_until_the_client_is_disabled() {
        let mut book = Book::default();
        let client = new_client([9; 32]);
        let hash = token_hash(&client.token);
        fold(
            &mut book,
            &[changed("lis", Some(account(Role::Client, &client.secret)))],
        );
        let identity = book.client(&hash).unwrap();
        assert_eq!(identity.scopes, ["system/*.rs"]);
        assert_eq!(identity.actor.kind, ActorKind::Software);
        fold(&mut book, &[changed("lis", None)]);
        assert!(book.client(&hash).is_none());
    }

    #[test]
    fn a_client_that_becomes_a_person_loses_its_token() {
        let mut book = Book::default();
        let client = new_client([9; 32]);
        let events = [
            changed("lis", Some(account(Role::Client, &client.secret))),
            changed("lis", Some(account(Role::Nurse, &client.secret))),
        ];
        for event in events {
            fold(&mut book, &[event]);
        }
        assert!(book.client(&token_hash(&client.token)).is_none());
    }

    #[test]
    fn a_person_whose_secret_looks_like_a_token_has_none() {
        let mut book = Book::default();
        let client = new_client([9; 32]);
        fold(
            &mut book,
            &[changed("nora", Some(account(Role::Nurse, &client.secret)))],
        );
        assert!(book.client(&token_hash(&client.token)).is_none());
    }

    #[test]
    fn only_a_sign_in_that_worked_is_remembered() {
        let mut book = Book::default();
        let events = [
            changed("nora", Some(account(Role::Nurse, "x"))),
            session(Act::SignIn, "nora", true),
            session(Act::SignIn, "nora", false),
            session(Act::SignOut, "nora", true),
            session(Act::SignIn, "nobody", true),
        ];
        assert_eq!(fold(&mut book, &events), ["nora"]);
        let entry = book.entry("nora").unwrap();
        assert_eq!(entry.signed_in, Some(Time::from_millis(2)));
        fold(
            &mut book,
            &[changed("nora", Some(account(Role::Physician, "y")))],
        );
        let entry = book.entry("nora").unwrap();
        assert_eq!(entry.signed_in, Some(Time::from_millis(2)));
    }

    #[test]
    fn knows_whether_anybody_can_run_it() {
        let mut book = Book::default();
        assert!(!book.any_administrator());
        fold(
            &mut book,
            &[changed("adam", Some(account(Role::Administrator, "x")))],
        );
        assert!(book.any_administrator());
        fold(&mut book, &[changed("adam", None)]);
        assert!(!book.any_administrator());
    }
}
