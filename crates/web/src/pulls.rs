//! Studies that somebody at a page has fetched from a PACS: the orders wait in line, one is carried out at a time,
//! and the page says how far each is. What was ordered and why is sealed; how far it is, is known until the next start.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use event::Time;
use guard::Identity;
use tokio_util::sync::CancellationToken;

use line::Line;
pub use line::Next;

mod line;

/// Orders that are remembered, the newest.
const REMEMBERED_MAX: usize = 50;
/// Reasons for what lacks that are remembered of an order.
const REASONS_MAX: usize = 5;

/// Why an order is not taken back.
pub(crate) const GONE: &str =
    "Choose an order that goes on: this one has ended, or was taken back.";

/// A PACS from which studies can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullSource {
    /// Its AE title.
    pub title: String,
    /// The feed as which they come in.
    pub feed: String,
    /// The assigning authority by whose numbers it knows patients.
    pub authority: String,
}

/// What is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullWhat {
    /// A study, by UID.
    Study(String),
    /// All studies of a patient, by number.
    Patient(String),
    /// The studies of an accession number.
    Accession(String),
}

/// What somebody ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullOrder {
    /// Names it in [`Pulls`].
    pub id: u64,
    /// From which PACS, by AE title.
    pub from: String,
    /// What: of several numbers of one patient each.
    pub what: Vec<PullWhat>,
    /// Why.
    pub reason: String,
    /// Who ordered it.
    pub by: Identity,
    /// The patient, by id, to whom all of it must belong; `None`: whoever it names.
    pub patient: Option<String>,
}

/// How an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Names it.
    pub id: u64,
    /// From which PACS.
    pub from: String,
    /// What, in words.
    pub what: String,
    /// Who ordered it.
    pub by: String,
    /// Of which patient, by id, if of one.
    pub patient: Option<String>,
    /// When it was ordered.
    pub at: Time,
    /// How far it is.
    pub stage: Stage,
    /// What came of it until now.
    pub sum: PullSum,
    /// Who took it back, by name; `None`: nobody did.
    pub taken_back: Option<String>,
}

/// How far an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Others go first.
    Waits,
    /// It is carried out.
    Runs,
    /// It ended at that moment; `Err` says why before all was asked for.
    Ended(Time, Result<(), String>),
}

/// What came of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullSum {
    /// Series that the PACS has; `None`: it was not asked yet.
    pub series: Option<u64>,
    /// Series that were gone through.
    pub done: u64,
    /// Objects that came.
    pub came: u64,
    /// Objects that were here.
    pub there: u64,
    /// Objects that lack.
    pub lack: u64,
    /// Why, each reason once, some of them.
    pub why: Vec<String>,
}

/// What came of one series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PulledSeries {
    /// Objects that came.
    pub came: u64,
    /// Objects that were here.
    pub there: u64,
    /// Why each of those that lack does.
    pub lacking: Vec<String>,
}

/// All orders since the start, and the way to whoever carries them out.
#[derive(Debug)]
pub struct Pulls {
    all: Mutex<Orders>,
    line: Arc<Line>,
    taken: Mutex<Option<Next>>,
    sources: Vec<PullSource>,
}

#[derive(Debug, Default)]
struct Orders {
    next: u64,
    /// How often something changed.
    changes: u64,
    /// The newest last.
    pulls: VecDeque<Pull>,
    /// Of each that has not ended: told when nobody wants it any more.
    stops: HashMap<u64, CancellationToken>,
}

impl Pulls {
    /// Orders from these sources, of which so many wait at most.
    pub(crate) fn new(sources: Vec<PullSource>, waiting_max: usize) -> Pulls {
        let (line, next) = Line::new(waiting_max.max(1));
        Pulls {
            all: Mutex::default(),
            line,
            taken: Mutex::new(Some(next)),
            sources,
        }
    }

    /// From where studies can be fetched.
    pub fn sources(&self) -> &[PullSource] {
        &self.sources
    }

    /// The orders, for whoever carries them out; `None`: somebody does.
    pub fn taken(&self) -> Option<Next> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.take()
    }

    /// Puts an order in line.
    ///
    /// # Errors
    /// In words: too many wait, or nobody carries them out here.
    pub(crate) fn order(
        &self,
        mut order: PullOrder,
        (what, at): (String, Time),
    ) -> Result<(), String> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.is_some() {
            return Err("Images are not fetched on this machine.".to_owned());
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        // INVARIANT: no order has the name of one from before a restart, which a page may still show.
        order.id = all.next.max(at.millis().unsigned_abs());
        let pull = Pull {
            id: order.id,
            from: order.from.clone(),
            what,
            by: order.by.actor.name.clone(),
            patient: order.patient.clone(),
            at,
            stage: Stage::Waits,
            sum: PullSum::default(),
            taken_back: None,
        };
        self.line.join(order)?;
        (all.next, all.changes) = (pull.id + 1, all.changes + 1);
        all.stops.insert(pull.id, CancellationToken::new());
        all.pulls.push_back(pull);
        all.forget();
        Ok(())
    }

    /// The orders of a patient, the newest first; `None`: of everybody.
    pub fn of(&self, patients: Option<&[String]>) -> Vec<Pull> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |pull: &&Pull| match (patients, &pull.patient) {
            (Some(patients), Some(of)) => patients.contains(of),
            (Some(_), None) => false,
            (None, _) => true,
        };
        all.pulls.iter().rev().filter(wanted).cloned().collect()
    }

    /// How often something changed since the start, and one.
    pub(crate) fn changes(&self) -> u64 {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.changes + 1
    }

    /// It is carried out from now on; false: it was taken back.
    pub fn begin(&self, id: u64) -> bool {
        let mut waits = false;
        self.change(id, |pull| {
            waits = pull.stage == Stage::Waits;
            if waits {
                pull.stage = Stage::Runs;
            }
        });
        waits
    }

    /// Takes an order back: one that waits ends now and gives its place back; one that is carried out, once what is under way came.
    ///
    /// # Errors
    /// In words: it has ended, or was taken back before.
    pub(crate) fn take_back(&self, id: u64, (by, at): (&str, Time)) -> Result<(), String> {
        let mut taken = false;
        self.change(id, |pull| {
            taken = pull.goes_on();
            if !taken {
                return;
            }
            pull.taken_back = Some(by.to_owned());
            if pull.stage == Stage::Waits {
                pull.stage = Stage::Ended(at, Ok(()));
            }
        });
        if !taken {
            return Err(GONE.to_owned());
        }
        self.line.leave(id);
        self.stop_of(id).cancel();
        Ok(())
    }

    /// What is cancelled when an order is taken back.
    pub fn stop_of(&self, id: u64) -> CancellationToken {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.stops.get(&id).cloned().unwrap_or_default()
    }

    /// So many series are there.
    pub fn found(&self, id: u64, series: usize) {
        self.change(id, |pull| pull.sum.series = Some(series as u64));
    }

    /// One more series was gone through.
    pub fn step(&self, id: u64, pulled: &PulledSeries) {
        self.change(id, |pull| pull.sum.add(pulled));
    }

    /// It ended.
    pub fn end(&self, id: u64, (at, outcome): (Time, Result<(), String>)) {
        self.change(id, |pull| pull.stage = Stage::Ended(at, outcome));
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.stops.remove(&id);
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Pull)) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pull) = all.pulls.iter_mut().find(|pull| pull.id == id) {
            change(pull);
            all.changes += 1;
        }
    }
}

impl Pull {
    /// Whether it can be taken back.
    pub fn goes_on(&self) -> bool {
        self.taken_back.is_none() && !matches!(self.stage, Stage::Ended(..))
    }
}

impl Orders {
    /// The oldest that ended make room.
    fn forget(&mut self) {
        while self.pulls.len() > REMEMBERED_MAX {
            let ended = |pull: &Pull| matches!(pull.stage, Stage::Ended(..));
            let Some(place) = self.pulls.iter().position(ended) else {
                return;
            };
            let gone = self.pulls.remove(place);
            self.stops.remove(&gone.map_or(u64::MAX, |pull| pull.id));
        }
    }
}

impl PullSum {
    fn add(&mut self, pulled: &PulledSeries) {
        self.done += 1;
        self.came += pulled.came;
        self.there += pulled.there;
        self.lack += pulled.lacking.len() as u64;
        for why in &pulled.lacking {
            if self.why.len() < REASONS_MAX && !self.why.contains(why) {
                self.why.push(why.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use event::{Actor, ActorKind, Role};

    use super::*;

    fn order(patient: Option<&str>) -> PullOrder {
        PullOrder {
            id: 0,
            from: "PACS".into(),
            what: vec![PullWhat::Patient("4711".into())],
            reason: "prior images".into(),
            by: Identity::of(Actor {
                kind: ActorKind::Person,
                id: "nora".into(),
                name: "Nora".into(),
                role: Role::Nurse,
            }),
            patient: patient.map(str::to_owned),
        }
    }

    fn put(pulls: &Pulls, patient: Option<&str>) -> Result<(), String> {
        pulls.order(order(patient), ("all".into(), Time::from_millis(1)))
    }

    #[test]
    fn orders_wait_in_line_and_say_how_far_they_are() {
        let pulls = Pulls::new(Vec::new(), 2);
        assert!(put(&pulls, None).is_err(), "nobody carries them out");
        let mut orders = pulls.taken().unwrap();
        assert!(pulls.taken().is_none());
        put(&pulls, Some("a")).unwrap();
        put(&pulls, None).unwrap();
        let full = put(&pulls, Some("a")).unwrap_err();
        assert!(full.contains("pulls_waiting_max"), "{full}");
        let first = orders.take().unwrap();
        assert!(pulls.begin(first.id));
        pulls.found(first.id, 2);
        for why in ["broken", "broken", "erased"] {
            let series = PulledSeries {
                came: 2,
                there: 1,
                lacking: vec![why.into()],
            };
            pulls.step(first.id, &series);
        }
        let of = |patient: &str| pulls.of(Some(&[patient.to_owned()]));
        let [pull] = &of("a")[..] else {
            panic!("one of them");
        };
        assert_eq!(
            (pull.stage.clone(), pull.sum.came, pull.sum.lack),
            (Stage::Runs, 6, 3)
        );
        assert_eq!(pull.sum.why, ["broken", "erased"]);
        assert!(of("b").is_empty());
        assert_eq!(pulls.of(None).len(), 2);
        pulls.end(first.id, (Time::from_millis(2), Ok(())));
        assert!(matches!(of("a")[0].stage, Stage::Ended(_, Ok(()))));
        drop(orders);
        let closed = put(&pulls, None).unwrap_err();
        assert!(closed.contains("Nobody carries orders out"), "{closed}");
    }

    #[test]
    fn who_is_taken_back_while_waiting_gives_the_place_back_at_once() {
        let pulls = Pulls::new(Vec::new(), 2);
        let mut orders = pulls.taken().unwrap();
        put(&pulls, Some("a")).unwrap();
        put(&pulls, Some("b")).unwrap();
        assert!(put(&pulls, Some("c")).is_err());
        let of = |patient: &str| pulls.of(Some(&[patient.to_owned()]))[0].id;
        let at = Time::from_millis(2);
        pulls.take_back(of("a"), ("Nora", at)).unwrap();
        put(&pulls, Some("c")).unwrap();
        assert!(put(&pulls, Some("d")).is_err(), "one place, not two");
        // It leaves the line, and the others keep their turn.
        let left = [orders.take(), orders.take()].map(|order| order.unwrap().patient);
        assert_eq!(left, [Some("b".to_owned()), Some("c".to_owned())]);
        assert!(orders.take().is_none());
        // One that was begun has no place to give back.
        put(&pulls, Some("d")).unwrap();
        put(&pulls, Some("e")).unwrap();
        assert!(pulls.begin(of("b")));
        pulls.take_back(of("b"), ("Nora", at)).unwrap();
        assert!(put(&pulls, Some("f")).is_err());
    }

    #[tokio::test]
    async fn whoever_waits_for_an_order_gets_the_one_that_comes() {
        let pulls = Pulls::new(Vec::new(), 1);
        let mut orders = pulls.taken().unwrap();
        for patient in ["a", "b"] {
            let put = async { put(&pulls, Some(patient)).unwrap() };
            let (order, ()) = tokio::join!(orders.wait(), put);
            assert_eq!(order.patient.as_deref(), Some(patient));
        }
    }

    #[test]
    fn what_is_taken_back_is_not_begun_or_is_stopped() {
        let pulls = Pulls::new(Vec::new(), 4);
        let mut orders = pulls.taken().unwrap();
        let mut next = || {
            put(&pulls, None).unwrap();
            orders.take().unwrap().id
        };
        let (first, second) = (next(), next());
        let at = Time::from_millis(2);
        assert!(pulls.begin(first));
        let stop = pulls.stop_of(first);
        for id in [first, second] {
            assert_eq!(pulls.take_back(id, ("Nora", at)), Ok(()));
            assert!(pulls.take_back(id, ("Max", at)).is_err());
        }
        assert!(stop.is_cancelled() && !pulls.begin(second));
        let [of_second, of_first] = &pulls.of(None)[..] else {
            panic!("two of them");
        };
        assert_eq!(of_second.stage, Stage::Ended(at, Ok(())));
        assert_eq!(of_first.stage, Stage::Runs, "until what comes is here");
        pulls.end(first, (at, Ok(())));
        assert!(pulls.of(None).iter().all(|pull| !pull.goes_on()));
        assert_eq!(pulls.of(None)[0].taken_back.as_deref(), Some("Nora"));
        let third = next();
        assert!(pulls.begin(third) && !pulls.stop_of(third).is_cancelled());
        pulls.end(third, (at, Ok(())));
        assert!(pulls.take_back(third, ("Nora", at)).is_err(), "it ended");
    }

    #[test]
    fn what_ended_is_forgotten_and_what_waits_is_not() {
        let pulls = Pulls::new(Vec::new(), REMEMBERED_MAX * 2);
        let _orders = pulls.taken().unwrap();
        for _ in 0..=REMEMBERED_MAX {
            put(&pulls, None).unwrap();
        }
        assert_eq!(pulls.of(None).len(), REMEMBERED_MAX + 1);
        pulls.end(7, (Time::from_millis(2), Ok(())));
        put(&pulls, None).unwrap();
        let left = pulls.of(None);
        assert_eq!(left.len(), REMEMBERED_MAX + 1);
        assert!(left.iter().all(|pull| pull.id != 7));
    }
}
