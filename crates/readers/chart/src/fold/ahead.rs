//! What a batch will find out about the numbers of orders, before it is applied: what must be read for that.
//!
//! It errs on the side of reading more, and says the same however events are cut into batches. Where a
//! number says nothing, or was found out long ago, there is nothing to read, however much was told by it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::batch::Batch;
use super::order::{self, Named, ORDERS, named};
use super::step::{Change, Step, patient_of_draft};
use crate::alias::Aliases;

/// What is found out.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Ids of stand-ins that may become a part of an order.
    pub(super) joins: BTreeSet<String>,
    /// By the id that a filler's number alone makes, and the patient: the orders that it may mean.
    orders: HashMap<(String, String), BTreeSet<String>>,
}

impl Ahead {
    pub(super) fn of(steps: &[Step], batch: &Batch<'_>) -> Ahead {
        let mut ahead = Ahead::default();
        let mut numbers = batch.orders.known.clone();
        let mut aliases = batch.memory.known.aliases.clone();
        let mut stand_ins = StandIns::of(steps, batch);
        for step in steps {
            let named = named(&step.changes);
            for one in &named {
                for filler in one.fillers.iter().filter(|filler| **filler != one.id) {
                    numbers.learn(filler, (&one.patient, &one.id));
                }
            }
            for one in &named {
                for filler in &one.fillers {
                    let order = numbers.only(filler, &one.patient, &aliases);
                    ahead.meets((filler, one), order, &mut stand_ins);
                }
            }
            for change in &step.changes {
                stand_ins.written(change);
                relink(&mut aliases, change);
            }
        }
        ahead
    }

    fn meets(
        &mut self,
        (filler, named): (&str, &Named),
        order: Option<&str>,
        stand_ins: &mut StandIns,
    ) {
        let whose = named.patient.as_str();
        let writes = filler == named.id;
        let Some(order) = order else {
            if writes {
                stand_ins.add(filler, whose);
            }
            return;
        };
        let of = (filler.to_owned(), whose.to_owned());
        let orders = self.orders.entry(of).or_default();
        orders.insert(order.to_owned());
        if stand_ins.has(filler, whose) {
            self.joins.insert(filler.to_owned());
        }
        // It may have become another patient's meanwhile, and then what is told stands by itself.
        if writes && stand_ins.unsettled.contains(order) {
            stand_ins.add(filler, whose);
        }
    }

    /// What a part of the stand-in of a filler's number may be a part of, each as its own id there.
    pub(super) fn moved<'a>(
        &'a self,
        id: &'a str,
        (filler, patient): (&'a str, &str),
    ) -> impl Iterator<Item = String> + 'a {
        let of = (filler.to_owned(), patient.to_owned());
        let orders = self.orders.get(&of).into_iter().flatten();
        orders.filter_map(move |order| wire::v2::moved(id, filler, order))
    }
}

/// Which stand-ins may be there.
struct StandIns {
    /// By their ids: whose.
    there: HashMap<String, HashSet<String>>,
    /// Orders that are not one patient's all the time.
    unsettled: HashSet<String>,
}

impl StandIns {
    fn of(steps: &[Step], batch: &Batch<'_>) -> StandIns {
        let mut stand_ins = StandIns {
            there: HashMap::new(),
            unsettled: HashSet::new(),
        };
        let changes = || steps.iter().flat_map(|step| &step.changes);
        let named = steps.iter().flat_map(|step| named(&step.changes));
        for one in named {
            for filler in &one.fillers {
                let there = batch.current(one.kind, filler);
                if let Some(whose) = there.and_then(|there| there.patient.as_deref()) {
                    stand_ins.add(filler, whose);
                }
            }
        }
        let merges =
            changes().any(|change| matches!(change, Change::Merge { .. } | Change::Unmerge { .. }));
        let mut whose: HashMap<&str, &str> = HashMap::new();
        for change in changes() {
            let (Some((kind, id)), [Some(patient), _]) = (change.target(), change.patients())
            else {
                continue;
            };
            if !ORDERS.contains(&kind) {
                continue;
            }
            let there = batch.current(kind, id);
            let first = there.and_then(|there| there.patient.as_deref());
            let first = *whose.entry(id).or_insert(first.unwrap_or(patient));
            let other = match merges {
                true => first != patient,
                false => batch.are_two(Some(first), Some(patient)),
            };
            if other {
                stand_ins.unsettled.insert(id.to_owned());
            }
        }
        stand_ins.of_others(batch, merges);
        stand_ins
    }

    /// Orders that are known by a number and are another patient's than whose number it is.
    fn of_others(&mut self, batch: &Batch<'_>, merges: bool) {
        for (patient, id) in batch.orders.known.all() {
            let current = ORDERS.iter().find_map(|kind| batch.current(kind, id));
            let whose = current.and_then(|current| current.patient.as_deref());
            let other = match merges {
                true => whose.is_some_and(|whose| whose != patient),
                false => batch.are_two(whose, Some(patient)),
            };
            if other {
                self.unsettled.insert(id.to_owned());
            }
        }
    }

    fn add(&mut self, filler: &str, whose: &str) {
        let there = self.there.entry(filler.to_owned()).or_default();
        there.insert(whose.to_owned());
    }

    fn has(&self, filler: &str, whose: &str) -> bool {
        let there = self.there.get(filler);
        there.is_some_and(|there| there.contains(whose))
    }

    /// What a client writes, or a message moves, may be a stand-in that was away.
    fn written(&mut self, change: &Change) {
        let patient = match change {
            Change::Write(whole) => whole.patient.as_deref(),
            _ => order::draft_of(change).and_then(patient_of_draft),
        };
        if let (Some((kind, id)), Some(patient)) = (change.target(), patient)
            && ORDERS.contains(&kind)
            && let Some(there) = self.there.get_mut(id)
        {
            there.insert(patient.to_owned());
        } else if let (Change::Write(whole), Some(patient)) = (change, patient)
            && ORDERS.contains(&&*whole.kind)
        {
            self.add(&whole.id, patient);
        }
    }
}

fn relink(aliases: &mut Arc<Aliases>, change: &Change) {
    match change {
        Change::Merge { retired, survivor } => {
            drop(Arc::make_mut(aliases).merge(retired, survivor, 0));
        }
        Change::Unmerge { retired, survivor } => {
            drop(Arc::make_mut(aliases).unmerge(retired, survivor));
        }
        _ => {}
    }
}
