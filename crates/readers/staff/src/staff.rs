use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use event::{Arrival, Event, Role, Time};
use guard::Identity;
use record::{Reader, ReaderError, Sealed};
use sqlx::SqlitePool;
use tokio::sync::{Semaphore, watch};

use crate::attempts::Attempts;
use crate::book::{Book, Entry};
use crate::secret::{hash, token_hash, verifies};
use crate::{Error, Limits, Listed, SignInRefused, view};

/// People and clients: who they are, and whether they are who they say.
///
/// Cheap to clone: every clone is the same view.
#[derive(Clone)]
pub struct Staff {
    inner: Arc<Inner>,
}

struct Inner {
    pool: SqlitePool,
    /// What was folded, and all accounts as they were then. Published after the commit.
    state: watch::Sender<(u64, Arc<Book>)>,
    limits: Limits,
    attempts: Mutex<Attempts>,
    checks: Semaphore,
    waiting: Semaphore,
    /// Checked when there is no such account, so that both cases take the same time.
    decoy: String,
}

impl Staff {
    /// Opens the view, or makes an empty one, with the default limits.
    ///
    /// # Errors
    /// [`Error`] if the file cannot be read or written.
    pub async fn open(path: &Path) -> Result<Staff, Error> {
        Staff::open_with(path, Limits::default()).await
    }

    /// Opens the view with the caller's limits.
    ///
    /// # Errors
    /// As [`Staff::open`].
    pub async fn open_with(path: &Path, limits: Limits) -> Result<Staff, Error> {
        let pool = view::open(path).await?;
        let state = (view::next(&pool).await?, Arc::new(view::book(&pool).await?));
        let inner = Inner {
            pool,
            state: watch::Sender::new(state),
            attempts: Mutex::default(),
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

    /// Checks a person's password, on a thread of its own.
    ///
    /// # Errors
    /// [`SignInRefused`], which is the same and takes as long whether or not the account exists.
    pub async fn sign_in(
        &self,
        account: &str,
        password: &str,
        now: Time,
    ) -> Result<Identity, SignInRefused> {
        let busy = |_| SignInRefused::Busy;
        let _waiting = self.inner.waiting.try_acquire().map_err(busy)?;
        self.attempts().begin(account, now, &self.inner.limits)?;
        let _checking = self
            .inner
            .checks
            .acquire()
            .await
            .map_err(|_| SignInRefused::Busy)?;
        let entry = self.book().active(account).cloned();
        let person = entry.filter(|entry| !entry.is_client());
        if !self.password_is(password, person.as_deref()).await {
            return Err(SignInRefused::Wrong);
        }
        // Asked again: the account may have been disabled while the password was being checked.
        let identity = self.person(account).ok_or(SignInRefused::Wrong)?;
        self.attempts().succeeded(account);
        Ok(identity)
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

    /// Who somebody is now, if the account is there and not disabled.
    pub fn identity(&self, account: &str) -> Option<Identity> {
        self.book().active(account).map(|entry| entry.identity())
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

    fn person(&self, account: &str) -> Option<Identity> {
        let book = self.book();
        let entry = book.active(account).filter(|entry| !entry.is_client())?;
        Some(entry.identity())
    }

    async fn password_is(&self, password: &str, entry: Option<&Entry>) -> bool {
        let secret = entry.map_or(&self.inner.decoy, |entry| &entry.account.secret);
        let (password, secret) = (password.to_owned(), secret.clone());
        let right = tokio::task::spawn_blocking(move || verifies(&password, &secret)).await;
        entry.is_some() && right.unwrap_or(false)
    }

    fn book(&self) -> Arc<Book> {
        Arc::clone(&self.inner.state.borrow().1)
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        let attempts = self.inner.attempts.lock();
        attempts.unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds events (index, time, event), saves what they changed, then shows it.
    async fn take(&self, events: &[(u64, Time, &Event)], next: u64) -> Result<(), sqlx::Error> {
        let (folded, book) = self.inner.state.borrow().clone();
        if next <= folded {
            return Ok(());
        }
        let new = events.iter().filter(|(index, ..)| *index >= folded);
        let mut book = Book::clone(&book);
        let touched = book.fold(new.map(|&(_, at, event)| (at, event)));
        let changed = touched.iter().filter_map(|id| book.entry(id));
        let entries: Vec<&Entry> = changed.map(AsRef::as_ref).collect();
        view::save(&self.inner.pool, &entries, next).await?;
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
mod tests {
    use event::{Account, AccountChange, Act, Actor, Body, Subject};

    use super::*;
    use crate::{hash_password, new_client};

    const PASSWORD: &str = "seven lamps of night";

    fn limits() -> Limits {
        Limits {
            failures_max: 3,
            lockout_ms: 60_000,
            ..Limits::default()
        }
    }

    fn changed(id: &str, role: Option<Role>, secret: &str) -> Event {
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

    async fn take(staff: &Staff, events: &[Event]) {
        let first = staff.folded();
        let sealed: Vec<(u64, Time, &Event)> = (first..)
            .zip(events)
            .map(|(index, event)| (index, at(0), event))
            .collect();
        let next = first + events.len() as u64;
        staff.take(&sealed, next).await.unwrap();
    }

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    async fn with_nora(folder: &Path) -> Staff {
        let staff = Staff::open_with(&folder.join("views/staff.db"), limits())
            .await
            .unwrap();
        let secret = hash_password(PASSWORD, [1; 16]).unwrap();
        take(&staff, &[changed("nora", Some(Role::Nurse), &secret)]).await;
        staff
    }

    #[tokio::test]
    async fn the_right_password_gives_the_identity() {
        let folder = tempfile::tempdir().unwrap();
        let staff = with_nora(folder.path()).await;
        let identity = staff.sign_in("nora", PASSWORD, at(0)).await.unwrap();
        assert_eq!(
            (identity.role(), identity.actor.name.as_str()),
            (Role::Nurse, "NORA")
        );
        assert_eq!(identity.wards, ["W3"]);
        for (name, password) in [
            ("nora", "wrong"),
            ("nobody", PASSWORD),
            ("", ""),
            ("nora", ""),
        ] {
            let refused = staff.sign_in(name, password, at(0)).await.unwrap_err();
            assert_eq!(refused, SignInRefused::Wrong);
        }
    }

    #[tokio::test]
    async fn failures_lock_the_name_even_for_the_right_password() {
        let folder = tempfile::tempdir().unwrap();
        let staff = with_nora(folder.path()).await;
        for name in ["nora", "nobody"] {
            for _ in 0..3 {
                let refused = staff.sign_in(name, "wrong", at(0)).await.unwrap_err();
                assert_eq!(refused, SignInRefused::Wrong);
            }
            let refused = staff.sign_in(name, PASSWORD, at(1)).await.unwrap_err();
            assert_eq!(refused, SignInRefused::Locked { wait_ms: 59_999 });
            assert!(refused.to_string().contains("try again in a minute"));
        }
        assert!(staff.sign_in("nora", PASSWORD, at(60_000)).await.is_ok());
    }

    #[tokio::test]
    async fn a_disabled_person_and_a_client_cannot_sign_in() {
        let folder = tempfile::tempdir().unwrap();
        let staff = with_nora(folder.path()).await;
        let secret = hash_password(PASSWORD, [2; 16]).unwrap();
        let events = [
            changed("nora", None, ""),
            changed("lis", Some(Role::Client), &secret),
        ];
        take(&staff, &events).await;
        for name in ["nora", "lis"] {
            let refused = staff.sign_in(name, PASSWORD, at(0)).await.unwrap_err();
            assert_eq!(refused, SignInRefused::Wrong);
        }
        assert!(staff.identity("nora").is_none());
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
        let again = Staff::open(&folder.path().join("views/staff.db"))
            .await
            .unwrap();
        assert_eq!(again.folded(), 2);
        assert_eq!((again.people(), again.clients()), (people, clients));
        assert_eq!(again.client(&client.token).unwrap().actor.id, "lis");
        assert!(again.client("salus_guess").is_none() && again.client("").is_none());
        assert!(again.sign_in("nora", PASSWORD, at(0)).await.is_ok());
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
    async fn more_than_can_wait_are_turned_away() {
        let folder = tempfile::tempdir().unwrap();
        let none = Limits {
            waiting_max: 0,
            ..limits()
        };
        let staff = Staff::open_with(&folder.path().join("staff.db"), none)
            .await
            .unwrap();
        let refused = staff.sign_in("nora", PASSWORD, at(0)).await.unwrap_err();
        assert_eq!(refused, SignInRefused::Busy);
    }

    #[tokio::test]
    async fn a_file_of_another_layout_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("views/staff.db");
        let staff = with_nora(folder.path()).await;
        let later = sqlx::raw_sql("DROP TABLE account; PRAGMA user_version = 99");
        later.execute(&staff.inner.pool).await.unwrap();
        staff.close().await;
        let again = Staff::open(&path).await.unwrap();
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
