//! What is known by heart: glass that nobody has reviewed, and the policies in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use event::{Actor, Altered, Body, Event, Glass, GlassVerdict, PolicyChange, Time};

use crate::outside::Settling;

/// Glass that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The index of the event by which it was: its name.
    pub index: u64,
    /// When.
    pub at: Time,
    /// When it ends, or ended: by time, or because whoever broke it said so.
    pub until: Time,
    /// Whoever broke it: account id.
    pub account: String,
    /// And how a person would say it.
    pub name: String,
    /// What they were here for, as one word.
    pub role: String,
    /// The patient's id.
    pub patient: String,
    /// HL7 v3 PurposeOfUse.
    pub purpose: String,
    /// The reason they typed.
    pub reason: String,
    /// What an overseer found; `None`: it waits.
    pub review: Option<Review>,
}

/// What an overseer found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The index of the event that closed it.
    pub index: u64,
    /// When.
    pub at: Time,
    /// The overseer's name.
    pub name: String,
    /// What they found.
    pub verdict: GlassVerdict,
    /// Why, as they typed it.
    pub words: String,
}

/// A decision that was made while glass was broken, for that patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The index of the decision.
    pub index: u64,
    /// When.
    pub at: Time,
    /// What was done, as one word (`read`, `search` ...).
    pub act: String,
    /// What exactly, as it was asked.
    pub detail: String,
}

/// Something that was sealed was found altered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    /// The index of the event that says so.
    pub index: u64,
    /// When it was found.
    pub at: Time,
    /// The patient's id, if it concerns one.
    pub patient: Option<String>,
    /// What was altered, from what to what, and whether it was put right.
    pub altered: Altered,
    /// What became of it, if it was found in another system.
    pub settling: Option<Settling>,
}

/// The policies that were sealed last.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// The index of the event that put them in force.
    pub index: u64,
    /// When.
    pub at: Time,
    /// Who did.
    pub who: Actor,
    /// What they are, and why.
    pub change: PolicyChange,
}

/// What changed, to be saved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Altered(Alteration),
    Broken(Broken),
    /// Events of erased patients: first and last index of each run.
    Erased(Vec<(u64, u64)>),
    Opened(u64, Opened),
    Policies(InForce),
    /// Of which alteration, and what became of it.
    PutBack(u64, Settling),
}

/// What is known by heart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    /// By index: what nobody has reviewed.
    pub(crate) waiting: BTreeMap<u64, Broken>,
    pub(crate) policies: Option<Arc<InForce>>,
    /// The moment of the last event: time does not run back behind it.
    pub(crate) latest: Time,
}

impl Book {
    /// The later of a clock's moment and the last event's.
    pub(crate) fn now(&self, clock: Time) -> Time {
        clock.max(self.latest)
    }

    /// Takes one event; what it changes is returned to be saved.
    pub(crate) fn take(&mut self, index: u64, at: Time, event: &Event) -> Option<Change> {
        self.latest = self.latest.max(at);
        match &event.body {
            Body::Alteration(altered) => Some(Change::Altered(Alteration {
                index,
                at,
                patient: event.subject.patient().map(str::to_owned),
                altered: altered.clone(),
                settling: None,
            })),
            Body::Glass(glass) => self.glass((index, at), event, glass),
            Body::Decision(decided) => {
                let glass = decided.considered.as_ref()?.facts.glass?;
                let opened = Opened {
                    index,
                    at,
                    act: decided.act.word().to_owned(),
                    detail: decided.detail.clone(),
                };
                decided.allowed.then_some(Change::Opened(glass, opened))
            }
            Body::Erased(order) => {
                self.waiting.retain(|index, _| !order.covers(*index));
                Some(Change::Erased(order.events.clone()))
            }
            Body::PolicyChange(change) => {
                let in_force = InForce {
                    index,
                    at,
                    who: event.actor.clone(),
                    change: change.clone(),
                };
                self.policies = Some(Arc::new(in_force.clone()));
                Some(Change::Policies(in_force))
            }
            Body::PutBack(put) => {
                let settling = Settling::of(&put.step, (index, at), &event.actor.name);
                Some(Change::PutBack(put.alteration, settling))
            }
            _ => None,
        }
    }

    fn glass(&mut self, (index, at): (u64, Time), event: &Event, glass: &Glass) -> Option<Change> {
        match glass {
            Glass::Started {
                purpose,
                reason,
                lasts_ms,
            } => {
                let broken = Broken {
                    index,
                    at,
                    until: at.plus_millis(*lasts_ms),
                    account: event.actor.id.clone(),
                    name: event.actor.name.clone(),
                    role: event.actor.role.word().to_owned(),
                    patient: event.subject.patient()?.to_owned(),
                    purpose: purpose.clone(),
                    reason: reason.clone(),
                    review: None,
                };
                self.waiting.insert(index, broken.clone());
                Some(Change::Broken(broken))
            }
            Glass::Ended { glass } => {
                let broken = self.waiting.get_mut(glass)?;
                broken.until = broken.until.min(at);
                Some(Change::Broken(broken.clone()))
            }
            // What is not waiting was reviewed before: the first counts.
            Glass::Reviewed {
                glass,
                verdict,
                words,
            } => {
                let mut broken = self.waiting.remove(glass)?;
                broken.until = broken.until.min(at);
                broken.review = Some(Review {
                    index,
                    at,
                    name: event.actor.name.clone(),
                    verdict: *verdict,
                    words: words.clone(),
                });
                Some(Change::Broken(broken))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use event::{Act, ActorKind, Erased, Role, Subject};

    use super::*;

    fn by(id: &str, glass: Glass) -> Event {
        let actor = Actor {
            kind: ActorKind::Person,
            id: id.into(),
            name: id.to_uppercase(),
            role: Role::Nurse,
        };
        let subject = Subject::Patient("p".into());
        Event::new(actor, Act::BreakGlass, subject, Body::Glass(glass))
    }

    fn started() -> Event {
        by(
            "nora",
            Glass::Started {
                purpose: "ETREAT".into(),
                reason: "found on the stairs".into(),
                lasts_ms: 1_000,
            },
        )
    }

    fn reviewed(id: &str, verdict: GlassVerdict) -> Event {
        by(
            id,
            Glass::Reviewed {
                glass: 7,
                verdict,
                words: "asked the ward".into(),
            },
        )
    }

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn ending_it_early_shortens_it_and_it_still_waits() {
        let mut book = Book::default();
        book.take(7, at(10), &started());
        assert_eq!(book.waiting[&7].until, at(1_010));
        book.take(8, at(50), &by("nora", Glass::Ended { glass: 7 }));
        assert_eq!(book.waiting[&7].until, at(50));
        book.take(9, at(90), &by("nora", Glass::Ended { glass: 7 }));
        assert_eq!(book.waiting[&7].until, at(50));
    }

    #[test]
    fn nothing_of_an_erased_patient_waits() {
        let mut book = Book::default();
        book.take(7, at(10), &started());
        let order = Erased {
            reason: "test patient".into(),
            streams: Vec::new(),
            patients: Vec::new(),
            events: vec![(3, 7)],
        };
        let event = Event::new(
            Actor::salus(),
            Act::Erase,
            Subject::Record,
            Body::Erased(order),
        );
        let change = book.take(8, at(20), &event);
        assert_eq!(change, Some(Change::Erased(vec![(3, 7)])));
        assert!(book.waiting.is_empty());
    }

    #[test]
    fn of_two_reviews_the_first_counts() {
        let mut book = Book::default();
        book.take(7, at(10), &started());
        let first = book.take(8, at(20), &reviewed("pia", GlassVerdict::Justified));
        let Some(Change::Broken(broken)) = first else {
            panic!("{first:?}")
        };
        assert_eq!(broken.review.unwrap().name, "PIA");
        assert_eq!(broken.until, at(20));
        let second = book.take(9, at(30), &reviewed("max", GlassVerdict::NotJustified));
        assert_eq!(second, None);
        assert!(book.waiting.is_empty());
    }

    #[test]
    fn time_does_not_run_back_behind_the_record() {
        let mut book = Book::default();
        book.take(7, at(5_000), &started());
        assert_eq!(book.now(at(1)), at(5_000));
        assert_eq!(book.now(at(6_000)), at(6_000));
    }
}
