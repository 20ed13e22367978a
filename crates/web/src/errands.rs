//! Long work that somebody orders from a page: it goes on by itself, one of each kind at a time, and
//! the page says how far it is.

use std::sync::{Mutex, PoisonError};

use event::Time;
use tokio::sync::{mpsc, watch};

/// How one kind of work stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Errand {
    /// None was ordered since the start.
    #[default]
    None,
    /// It goes on.
    Runs(Run),
    /// It ended.
    Ended {
        /// What it was.
        run: Run,
        /// When.
        at: Time,
        /// What came of it, in words; or why nothing did.
        outcome: Result<String, String>,
    },
}

/// Work that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    /// What, in words.
    pub what: String,
    /// Who ordered it.
    pub by: String,
    /// Since when.
    pub since: Time,
    /// Steps done.
    pub done: u64,
    /// Steps in all; 0: nobody knows.
    pub all: u64,
}

/// A drill that somebody ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillOrder {
    /// Which.
    pub name: String,
    /// Decides moments and places.
    pub seed: u64,
}

/// What is going on.
#[derive(Debug)]
pub struct Errands {
    pub(crate) rewind: Board,
    /// The drill that is carried out.
    pub drill: Board,
    orders: mpsc::Sender<DrillOrder>,
    taken: Mutex<Option<mpsc::Receiver<DrillOrder>>>,
}

impl Default for Errands {
    fn default() -> Errands {
        let (orders, taken) = mpsc::channel(1);
        Errands {
            rewind: Board::default(),
            drill: Board::default(),
            orders,
            taken: Mutex::new(Some(taken)),
        }
    }
}

impl Errands {
    /// The drills that are ordered, for whoever carries them out; `None`: somebody does.
    pub fn drills(&self) -> Option<mpsc::Receiver<DrillOrder>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.take()
    }

    /// Orders a drill. False: one goes on, or nobody carries drills out here.
    pub(crate) fn order(&self, order: DrillOrder, run: Run) -> bool {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.is_some() || !self.drill.begin(run) {
            return false;
        }
        self.orders.try_send(order).is_ok()
    }
}

/// How one kind of work stands, for several readers.
#[derive(Debug, Default)]
pub struct Board(watch::Sender<Errand>);

impl Board {
    /// How it stands.
    pub fn now(&self) -> Errand {
        self.0.borrow().clone()
    }

    /// Begins, unless one goes on.
    pub(crate) fn begin(&self, run: Run) -> bool {
        self.0.send_if_modified(|errand| {
            let free = !matches!(errand, Errand::Runs(_));
            if free {
                *errand = Errand::Runs(run);
            }
            free
        })
    }

    /// How many steps are done, of how many.
    pub(crate) fn step(&self, (done, all): (u64, u64)) {
        self.0.send_modify(|errand| {
            if let Errand::Runs(run) = errand {
                (run.done, run.all) = (done, all);
            }
        });
    }

    /// It ended.
    pub fn end(&self, at: Time, outcome: Result<String, String>) {
        self.0.send_modify(|errand| {
            if let Errand::Runs(run) = errand {
                let run = run.clone();
                *errand = Errand::Ended { run, at, outcome };
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_end_is_told() {
        let board = Board::default();
        let run = |what: &str| Run {
            what: what.into(),
            ..Run::default()
        };
        assert!(board.begin(run("first")));
        assert!(!board.begin(run("second")));
        board.step((2, 5));
        board.end(Time::from_millis(7), Ok("well".into()));
        let Errand::Ended {
            run: ended,
            at,
            outcome,
        } = board.now()
        else {
            panic!("it goes on");
        };
        assert_eq!((ended.what.as_str(), ended.done), ("first", 2));
        assert_eq!((at.millis(), outcome), (7, Ok("well".to_owned())));
        assert!(board.begin(run("second")));
    }

    #[test]
    fn nobody_orders_a_drill_that_nobody_carries_out() {
        let errands = Errands::default();
        let order = || DrillOrder {
            name: "outage".into(),
            seed: 1,
        };
        assert!(!errands.order(order(), Run::default()));
        let mut orders = errands.drills().unwrap();
        assert!(errands.order(order(), Run::default()));
        assert!(!errands.order(order(), Run::default()), "one goes on");
        assert_eq!(orders.try_recv().unwrap(), order());
        assert!(errands.drills().is_none());
    }
}
