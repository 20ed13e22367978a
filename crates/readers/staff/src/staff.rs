use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use event::{Account, Arrival, Event, Role, Time};
use guard::Identity;
use record::{Alike, Reader, ReaderError, Sealed};
use sqlx::SqlitePool;
use tokio::sync::{Semaphore, watch};

use crate::attempts::Attempts;
use crate::book::Book;
use crate::breached;
use crate::secret::{hash, token_hash};
use crate::sign_in::Spent;
use crate::{BadPassword, Error, Factors, Limits, Listed, ViewKey, view};

/// People and clients: who they are, and whether they are who they say.
///
/// Cheap to clone: every clone is the same view.
#[derive(Clone)]
pub struct Staff {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pool: SqlitePool,
    key: ViewKey,
    /// What was folded, and all accounts as they were then. Published after the commit.
    state: watch::Sender<(u64, Arc<Book>)>,
    limits: Limits,
    pub(crate) attempts: Mutex<Attempts>,
    pub(crate) spent: Mutex<Spent>,
    pub(crate) checks: Semaphore,
    pub(crate) waiting: Semaphore,
    /// Checked when there is no such account, so that both cases take the same time.
    pub(crate) decoy: String,
}

impl Staff {
    /// Opens the view, or makes an empty one, with the default limits. Secrets that have to be
    /// read again are kept under `key`.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be read or written, or was kept under another key.
    pub async fn open(path: &Path, key: ViewKey) -> Result<Staff, Error> {
        Staff::open_with(path, key, Limits::default()).await
    }

    /// Opens the view with the caller's limits.
    ///
    /// # Errors
    /// As [`Staff::open`].
    pub async fn open_with(path: &Path, key: ViewKey, limits: Limits) -> Result<Staff, Error> {
        let pool = view::open(path).await?;
        let book = view::book(&pool, &key).await?;
        let state = (view::next(&pool).await?, Arc::new(book));
        let limits = limits.bounded();
        let inner = Inner {
            pool,
            key,
            state: watch::Sender::new(state),
            attempts: Mutex::default(),
            spent: Mutex::default(),
            checks: Semaphore::new(limits.checks_max),
            waiting: Semaphore::new(limits.waiting_max),
            decoy: hash("the password of nobody", *b"salus/decoy/salt"),
            limits,
        };
        let inner = Arc::new(inner);
        Ok(Staff { inner })
    }

    /// What `record::follow` keeps up to date.
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }

    /// The number of events folded.
    pub fn folded(&self) -> u64 {
        self.inner.state.borrow().0
    }

    /// Waits until `size` events are folded; false if that takes longer than `wait`.
    pub async fn caught_up(&self, size: u64, wait: Duration) -> bool {
        let mut state = self.inner.state.subscribe();
        let reached = state.wait_for(|(folded, _)| *folded >= size);
        tokio::time::timeout(wait, reached)
            .await
            .is_ok_and(|reached| reached.is_ok())
    }

    /// The client that a bearer token belongs to. Answered from memory.
    pub fn client(&self, token: &str) -> Option<Identity> {
        let hash = token_hash(token);
        let state = self.inner.state.borrow();
        state
            .1
            .client(&hash)
            .map(|identity| Identity::clone(&identity))
    }

    /// The argon2id PHC string of a password, as [`hash_password`](crate::hash_password), that is
    /// on no list of stolen ones, if there is one. It reads a file and takes some tens of
    /// milliseconds: not for a thread that serves requests.
    ///
    /// # Errors
    /// [`BadPassword`] says which rule it breaks.
    pub fn hash_password(&self, password: &str, salt: [u8; 16]) -> Result<String, BadPassword> {
        let hashed = crate::hash_password(password, salt)?;
        if !self.asks_a_list() {
            return Ok(hashed);
        }
        match breached::holds(&self.limits().breached, password) {
            Ok(false) => Ok(hashed),
            Ok(true) => Err(BadPassword::Breached),
            Err(_) => Err(BadPassword::Unchecked),
        }
    }

    /// Whether passwords are held against a list of stolen ones.
    pub fn asks_a_list(&self) -> bool {
        !self.limits().breached.as_os_str().is_empty()
    }

    /// Who somebody is now, if the account is there and not disabled.
    pub fn identity(&self, account: &str) -> Option<Identity> {
        self.book().active(account).map(|entry| entry.identity())
    }

    /// What a person can prove themselves with; nothing for who is not there.
    pub fn factors(&self, account: &str) -> Factors {
        self.book()
            .entry(account)
            .map(|entry| entry.factors())
            .unwrap_or_default()
    }

    /// A person's account as it is, disabled or not, and whether it is disabled: to seal a changed
    /// one. Its secret is a hash, and goes nowhere but into the record.
    pub fn account(&self, id: &str) -> Option<(Account, bool)> {
        let book = self.book();
        let entry = book.entry(id).filter(|entry| !entry.is_client())?;
        Some((entry.account.clone(), entry.disabled))
    }

    /// The sign-in name that is tied to a person of an OpenID provider, disabled or not.
    pub fn linked(&self, issuer: &str, subject: &str) -> Option<String> {
        let book = self.book();
        book.linked(issuer, subject).map(|entry| entry.id.clone())
    }

    /// Whether somebody who is active has this passkey (credential id, base64url).
    pub fn knows_passkey(&self, id: &str) -> bool {
        self.book().passkey(id).is_some()
    }

    /// The time of the newest event that was folded.
    pub fn latest(&self) -> Time {
        self.book().latest()
    }

    /// Every person's account, disabled ones too, by sign-in name.
    pub fn people(&self) -> Vec<Listed> {
        self.list(|role| role != Role::Client)
    }

    /// Every client's account, disabled ones too, by id.
    pub fn clients(&self) -> Vec<Listed> {
        self.list(|role| role == Role::Client)
    }

    /// Whether anybody can run this installation; if not, it is not set up yet.
    pub fn any_administrator(&self) -> bool {
        self.book().any_administrator()
    }

    /// Closes the file; for a refold.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    fn list(&self, wanted: impl Fn(Role) -> bool) -> Vec<Listed> {
        self.book()
            .listed()
            .filter(|listed| wanted(listed.role))
            .collect()
    }

    pub(crate) fn book(&self) -> Arc<Book> {
        Arc::clone(&self.inner.state.borrow().1)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Reads the accounts from the file again.
    async fn learn_again(&self) -> Result<(), Error> {
        let pool = &self.inner.pool;
        let book = view::book(pool, &self.inner.key).await?;
        let state = (view::next(pool).await?, Arc::new(book));
        self.inner.state.send_replace(state);
        Ok(())
    }

    /// Folds events (index, time, event), saves what they changed, then shows it.
    pub(crate) async fn take(
        &self,
        events: &[(u64, Time, &Event)],
        next: u64,
    ) -> Result<(), sqlx::Error> {
        let (folded, book) = self.inner.state.borrow().clone();
        if next <= folded {
            return Ok(());
        }
        let new = events.iter().filter(|(index, ..)| *index >= folded);
        let mut book = Book::clone(&book);
        let new = new.map(|&(_, at, event)| (at, event));
        let touched = book.fold(new);
        if !touched.is_empty() || record::save_is_due(folded, next) {
            let place = (&self.inner.pool, &self.inner.key);
            view::save(place, &book, &touched, next).await?;
        }
        self.inner.state.send_replace((next, Arc::new(book)));
        Ok(())
    }
}

#[async_trait]
impl Reader for Staff {
    fn name(&self) -> &'static str {
        "staff"
    }

    async fn cursor(&self) -> Result<u64, ReaderError> {
        Ok(self.folded())
    }

    fn alike(&self) -> &'static [Alike] {
        &view::ALIKE
    }

    async fn relearn(&self) -> Result<(), ReaderError> {
        let learned = self.learn_again().await;
        learned.map_err(|why| ReaderError {
            reader: "staff",
            why: why.to_string(),
        })
    }

    async fn fold(&self, batch: &[Sealed], next: u64) -> Result<Vec<Arrival>, ReaderError> {
        let events: Vec<(u64, Time, &Event)> = batch
            .iter()
            .map(|sealed| (sealed.index(), sealed.at(), sealed.event()))
            .collect();
        self.take(&events, next)
            .await
            .map_err(|error| ReaderError {
                reader: "staff",
                why: error.to_string(),
            })?;
        Ok(Vec::new())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use event::{AccountChange, Act, Actor, Body, Subject};

    use super::*;
    use crate::{Attempt, hash_password, new_client};

    pub(crate) const PASSWORD: &str = "seven lamps of night";

    pub(crate) fn key() -> ViewKey {
        ViewKey::of([7; 32])
    }

    pub(crate) fn limits() -> Limits {
        Limits {
            failures_max: 3,
            lockout_ms: 60_000,
            ..Limits::default()
        }
    }

    pub(crate) fn changed(id: &str, role: Option<Role>, secret: &str) -> Event {
        let account = role.map(|role| Account {
            name: id.to_uppercase(),
            role,
            wards: vec!["W3".into()],
            practitioner: None,
            secret: secret.into(),
            scopes: Vec::new(),
        });
        let change = AccountChange {
            id: id.into(),
            account,
        };
        let subject = Subject::Account(id.into());
        Event::new(Actor::salus(), Act::Manage, subject, Body::Account(change))
    }

    pub(crate) async fn take(staff: &Staff, events: &[Event]) {
        let first = staff.folded();
        let sealed: Vec<(u64, Time, &Event)> = (first..)
            .zip(events)
            .map(|(index, event)| (index, at(0), event))
            .collect();
        let next = first + events.len() as u64;
        staff.take(&sealed, next).await.unwrap();
    }

    pub(crate) fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    pub(crate) fn attempt<'a>(account: &'a str, password: &'a str) -> Attempt<'a> {
        Attempt {
            account,
            password,
            code: "",
            source: "10.0.0.1",
        }
    }

    pub(crate) async fn with_nora(folder: &Path) -> Staff {
        let staff = Staff::open_with(&folder.join("views/staff.db"), key(), limits())
            .await
            .unwrap();
        let secret = hash_password(PASSWORD, [1; 16]).unwrap();
        take(&staff, &[changed("nora", Some(Role::Nurse), &secret)]).await;
        staff
    }

    #[tokio::test]
    async fn what_was_folded_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let staff = with_nora(folder.path()).await;
        let client = new_client([3; 32]);
        take(
            &staff,
            &[changed("lis", Some(Role::Client), &client.secret)],
        )
        .await;
        let (people, clients) = (staff.people(), staff.clients());
        staff.close().await;
        let again = Staff::open(&folder.path().join("views/staff.db"), key())
            .await
            .unwrap();
        assert_eq!(again.folded(), 2);
        assert_eq!((again.people(), again.clients()), (people, clients));
        assert_eq!(again.client(&client.token).unwrap().actor.id, "lis");
        assert!(again.client("salus_guess").is_none() && again.client("").is_none());
        assert!(
            again
                .sign_in(attempt("nora", PASSWORD), at(0))
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn an_apps_secret_is_not_in_the_file_and_opens_with_its_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("views/staff.db");
        let staff = with_nora(folder.path()).await;
        let secret = crate::new_totp([9; 20]);
        let change = event::PersonStep::Totp {
            secret: Some(secret.clone()),
        };
        let change = event::PersonChange {
            account: "nora".into(),
            change,
        };
        let subject = Subject::Account("nora".into());
        let event = Event::new(Actor::salus(), Act::Manage, subject, Body::Person(change));
        take(&staff, &[event]).await;
        staff.close().await;
        for file in std::fs::read_dir(folder.path().join("views")).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "the secret stands in the file");
        }
        assert!(Staff::open(&path, ViewKey::of([8; 32])).await.is_err());
        let again = Staff::open(&path, key()).await.unwrap();
        let entry = again.book().active("nora").unwrap().clone();
        assert_eq!(entry.person.totp.as_deref(), Some(secret.as_str()));
    }

    #[tokio::test]
    async fn a_stolen_password_is_refused_and_so_is_any_if_the_list_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("stolen.txt");
        // SHA-1 of `seven lamps of night`, as `sha1sum` has it.
        std::fs::write(&list, "8B4569B7ED528929BE8247CDEE8A257D26CFDCA8:7\n").unwrap();
        let with_list = Limits {
            breached: list.clone(),
            ..limits()
        };
        let path = folder.path().join("staff.db");
        let staff = Staff::open_with(&path, key(), with_list).await.unwrap();
        let said = |password: &str| staff.hash_password(password, [1; 16]);
        assert_eq!(said(PASSWORD).unwrap_err(), BadPassword::Breached);
        assert!(said("eight lamps of night").is_ok());
        std::fs::remove_file(list).unwrap();
        let gone = said("eight lamps of night").unwrap_err();
        assert_eq!(gone, BadPassword::Unchecked);
    }

    #[tokio::test]
    async fn an_event_folded_twice_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let staff = with_nora(folder.path()).await;
        let event = changed("nora", None, "");
        staff.take(&[(0, at(9), &event)], 1).await.unwrap();
        assert_eq!(staff.folded(), 1);
        assert!(staff.identity("nora").is_some());
    }

    #[tokio::test]
    async fn a_file_of_another_layout_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("views/staff.db");
        let staff = with_nora(folder.path()).await;
        let later = sqlx::raw_sql("DROP TABLE account; PRAGMA user_version = 99");
        later.execute(&staff.inner.pool).await.unwrap();
        staff.close().await;
        let again = Staff::open(&path, key()).await.unwrap();
        assert_eq!((again.folded(), again.people().len()), (0, 0));
    }

    #[tokio::test]
    async fn waits_for_what_is_still_to_be_folded() {
        let folder = tempfile::tempdir().unwrap();
        let staff = with_nora(folder.path()).await;
        assert!(staff.caught_up(1, Duration::ZERO).await);
        assert!(!staff.caught_up(2, Duration::ZERO).await);
    }
}
