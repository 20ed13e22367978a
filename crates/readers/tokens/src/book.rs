//! Every app, and every code and token that could still be shown. Folding is a pure function of
//! the events.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use event::{Account, Agreed, App, Body, Event, Issued, Leave, Role, Time, Token};
use serde::{Deserialize, Serialize};

use crate::secret::{Hash, unhex};

/// How often what is too old is forgotten, in milliseconds.
const SWEEP_MS: i64 = 60_000;

/// What is known of one code or token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Mark {
    /// An access token.
    Access {
        /// What it covers.
        scopes: Vec<String>,
        /// When it was issued.
        issued: Time,
        /// Until when it is good.
        until: Time,
    },
    /// A code that nobody has exchanged yet.
    Code(Box<Agreed>),
    /// The newest refresh token of its family.
    Refresh {
        /// Until when it is good.
        until: Time,
    },
    /// Used up; to show it once more is what a thief does.
    Spent {
        /// Until when it is remembered.
        until: Time,
    },
}

/// A code or token that is known, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What it is.
    pub mark: Mark,
    /// Whose; `None` for an assertion that was used up.
    pub leave: Option<Arc<Leave>>,
}

/// An app's leave that has not ended, and how long it has been there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lasting {
    /// Whose leave it is and how far it goes.
    pub leave: Arc<Leave>,
    /// When the person agreed.
    pub began: Time,
    /// When the app last got tokens.
    pub used: Option<Time>,
    /// Until when any of its tokens could be shown.
    pub until: Time,
}

/// One row of the view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Marked {
    pub(crate) family: String,
    pub(crate) mark: Mark,
}

/// One family: whose leave, since when, and until when any of its tokens could be shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Family {
    pub(crate) leave: Arc<Leave>,
    pub(crate) began: Time,
    pub(crate) used: Option<Time>,
    pub(crate) until: Time,
}

/// What the record says.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) apps: BTreeMap<String, Arc<App>>,
    pub(crate) families: HashMap<String, Family>,
    pub(crate) marks: HashMap<Hash, Marked>,
    /// When the last event was sealed.
    pub(crate) latest: Time,
    /// What was changed since it was last saved.
    pub(crate) touched: Touched,
}

/// What folding changed: the rows to be written, or removed if they are not in the book.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) apps: BTreeSet<String>,
    pub(crate) families: BTreeSet<String>,
    pub(crate) marks: HashSet<Hash>,
}

impl Mark {
    /// Until when it means anything.
    pub fn until(&self) -> Time {
        match self {
            Mark::Access { until, .. } | Mark::Refresh { until } | Mark::Spent { until } => *until,
            Mark::Code(agreed) => agreed.until,
        }
    }
}

impl Book {
    /// Folds one event.
    pub(crate) fn fold(&mut self, at: Time, event: &Event) {
        self.sweep(at);
        self.latest = self.latest.max(at);
        match &event.body {
            Body::Account(change) if ends(change.account.as_ref()) => {
                self.end_all_of(&change.id);
            }
            Body::App(change) => {
                self.end_all_of(&change.id);
                self.touched.apps.insert(change.id.clone());
                match &change.app {
                    Some(app) => self.apps.insert(change.id.clone(), Arc::new(app.clone())),
                    None => self.apps.remove(&change.id),
                };
            }
            Body::Token(Token::Agreed(agreed)) => self.agreed(at, agreed),
            Body::Token(Token::Asserted(asserted)) => {
                if let Some(hash) = unhex(&asserted.hash) {
                    let until = asserted.until;
                    self.mark(hash, "", Mark::Spent { until });
                }
            }
            Body::Token(Token::Issued(issued)) => self.issued(at, issued),
            Body::Token(Token::Ended(ended)) => self.end(&ended.family),
            _ => {}
        }
    }

    /// Forgets what could no longer be shown anyway, with the first event of each minute: what is
    /// there then depends on the events alone, not on how they were cut into batches.
    fn sweep(&mut self, at: Time) {
        let minute = |time: Time| time.millis().div_euclid(SWEEP_MS);
        if minute(at) <= minute(self.latest) {
            return;
        }
        let begun = Time::from_millis(minute(at).saturating_mul(SWEEP_MS));
        let old = |until: Time| until < begun;
        let gone = self
            .marks
            .iter()
            .filter(|(_, marked)| old(marked.mark.until()));
        let gone: Vec<Hash> = gone.map(|(hash, _)| *hash).collect();
        for hash in gone {
            self.marks.remove(&hash);
            self.touched.marks.insert(hash);
        }
        let gone = self.families.iter().filter(|(_, family)| old(family.until));
        let gone: Vec<String> = gone.map(|(id, _)| id.clone()).collect();
        for id in gone {
            self.end(&id);
        }
    }

    pub(crate) fn find(&self, hash: &Hash, now: Time) -> Option<Found> {
        let marked = self.marks.get(hash)?;
        let family = self.families.get(&marked.family);
        (marked.mark.until() > now).then(|| Found {
            mark: marked.mark.clone(),
            leave: family.map(|family| Arc::clone(&family.leave)),
        })
    }

    /// A family that has not ended.
    pub(crate) fn lasting(&self, family: &str, now: Time) -> Option<Lasting> {
        let family = self.families.get(family)?;
        (family.until > now).then(|| Lasting {
            leave: Arc::clone(&family.leave),
            began: family.began,
            used: family.used,
            until: family.until,
        })
    }

    fn agreed(&mut self, at: Time, agreed: &Agreed) {
        let Some(hash) = unhex(&agreed.code) else {
            return;
        };
        self.keep(&agreed.leave, at, agreed.until);
        let mark = Mark::Code(Box::new(agreed.clone()));
        self.mark(hash, &agreed.leave.family, mark);
    }

    fn issued(&mut self, at: Time, issued: &Issued) {
        let family = &issued.leave.family;
        let refresh = issued.refresh.as_ref();
        let last = refresh.map_or(issued.access_until, |refresh| refresh.until);
        let last = last.max(issued.access_until);
        self.keep(&issued.leave, at, last);
        if let Some(family) = self.families.get_mut(family) {
            family.used = Some(at);
        }
        if let Some(hash) = unhex(&issued.spent) {
            // What was used up is remembered for as long as its family lives.
            let until = issued.spent_until.max(last);
            self.mark(hash, family, Mark::Spent { until });
        }
        if let Some(hash) = unhex(&issued.access) {
            let mark = Mark::Access {
                scopes: issued.access_scopes.clone(),
                issued: at,
                until: issued.access_until,
            };
            self.mark(hash, family, mark);
        }
        if let Some((refresh, hash)) = refresh.and_then(|one| Some((one, unhex(&one.hash)?))) {
            let until = refresh.until;
            self.mark(hash, family, Mark::Refresh { until });
        }
    }

    /// A family goes on until `until`; one that is new begins `at` that moment.
    fn keep(&mut self, leave: &Leave, at: Time, until: Time) {
        let old = self.families.get(&leave.family);
        let family = Family {
            leave: Arc::new(leave.clone()),
            began: old.map_or(at, |old| old.began),
            used: old.and_then(|old| old.used),
            until: old.map_or(until, |old| old.until.max(until)),
        };
        self.families.insert(leave.family.clone(), family);
        self.touched.families.insert(leave.family.clone());
    }

    fn mark(&mut self, hash: Hash, family: &str, mark: Mark) {
        let family = family.to_owned();
        self.marks.insert(hash, Marked { family, mark });
        self.touched.marks.insert(hash);
    }

    /// Ends a family. What was used up stays known until it means nothing to anybody: an
    /// assertion must not become new because its tokens were revoked.
    fn end(&mut self, family: &str) {
        if self.families.remove(family).is_none() {
            return;
        }
        self.touched.families.insert(family.to_owned());
        let spent = |marked: &Marked| matches!(marked.mark, Mark::Spent { .. });
        let gone = self.marks.iter();
        let gone = gone.filter(|(_, marked)| marked.family == family && !spent(marked));
        let gone: Vec<Hash> = gone.map(|(hash, _)| *hash).collect();
        for hash in gone {
            self.marks.remove(&hash);
            self.touched.marks.insert(hash);
        }
    }

    /// Ends what a person or a client has.
    fn end_all_of(&mut self, id: &str) {
        let theirs = self.families.iter().filter(|(_, family)| {
            family.leave.client == id || family.leave.account.as_deref() == Some(id)
        });
        let theirs: Vec<String> = theirs.map(|(family, _)| family.clone()).collect();
        for family in theirs {
            self.end(&family);
        }
    }
}

/// Whether a change of an account ends what was issued under it: it is disabled, or a client is
/// registered anew. What a person's change means for what they may do is looked up at every use.
fn ends(account: Option<&Account>) -> bool {
    account.is_none_or(|account| account.role == Role::Client)
}
