//! Somebody left: their account, sessions and everything they are signed in with end at once.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use event::{AccountChange, Act, Actor, Body, Event, PersonStep, Subject, Time};
use guard::{Standing, admit};

use crate::App;
use crate::error::Problem;
use crate::pages::account::seals::person;

/// Somebody whose access has to end.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Leaver {
    /// The sign-in name.
    pub account: String,
    /// When they should have had no access any more.
    pub due: Time,
}

/// The lists of leavers that are watched, for the page on which access is managed.
#[derive(Debug, Default)]
pub struct Leaving(Mutex<Option<Watched>>);

/// When the lists were last looked at, and what was wrong with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) place: String,
    pub(crate) at: Time,
    pub(crate) trouble: Option<String>,
}

impl Leaving {
    /// The lists at `place` were looked at, and all that is due was done but for `trouble`.
    pub fn looked(&self, place: &Path, at: Time, trouble: Option<String>) {
        let place = place.display().to_string();
        let watched = Watched { place, at, trouble };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(watched);
    }

    /// As it was when they were last looked at; `None`: no list is watched.
    pub(crate) fn last(&self) -> Option<Watched> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}

/// What became of a leaver's access.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It ended just now, with so many sessions.
    Now {
        /// Sessions that were open.
        sessions: usize,
    },
    /// It had ended before.
    Before,
    /// There is no such person.
    Nobody,
}

impl App {
    /// Ends somebody's access, on the word of `source` (`list:FILE`, `scim:CLIENT`), by `actor`.
    ///
    /// # Errors
    /// In words, if it cannot be sealed; then nothing has changed.
    pub async fn end_access(
        &self,
        leaver: &Leaver,
        source: &str,
        actor: &Actor,
    ) -> Result<Ended, String> {
        match self.staff.account(&leaver.account) {
            None => return Ok(Ended::Nobody),
            Some((_, true)) => return Ok(Ended::Before),
            Some((_, false)) => {}
        }
        let sealed = self.seal_leaver(leaver, source, actor).await;
        sealed.map_err(|problem| problem.to_string())?;
        let sessions = self.sessions.end_all_of(&leaver.account);
        Ok(Ended::Now { sessions })
    }

    /// Both events in one commit: disabled, and why.
    async fn seal_leaver(
        &self,
        leaver: &Leaver,
        source: &str,
        actor: &Actor,
    ) -> Result<(), Problem> {
        let id = leaver.account.clone();
        let subject = Subject::Account(id.clone());
        let body = Body::Account(AccountChange {
            id: id.clone(),
            account: None,
        });
        let disabled = Event::new(actor.clone(), Act::Manage, subject, body);
        let left = PersonStep::Left {
            due: leaver.due,
            source: source.to_owned(),
        };
        let events = [disabled, person(actor.clone(), &id, left)];
        let admitted: Result<Vec<_>, _> = events
            .into_iter()
            .map(|event| admit(event.into(), Standing::Salus, ""))
            .collect();
        let receipts = self.record.admit(admitted?).await?;
        if let Some(last) = receipts.last() {
            self.account_in_force(last.index).await;
        }
        Ok(())
    }
}
