//! Orders that a message names by the filler's number alone.
//!
//! An order is its placer's number. Who says both numbers tells that it goes by the filler's too:
//! from then on who says that one alone means the same order, if it is the same patient's. What came
//! before stands under an order of its own, the stand-in; it becomes a part of the order, and what
//! refers to it refers to the order. Where a filler gave two orders of a patient one number, that
//! number alone says nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};
use sqlx::SqliteConnection;
use wire::v2::{Draft, Newer};

use super::apply::{Now, Said, object};
use super::batch::{Batch, NewFiller, Seen, contents_of};
use super::index::OF_ORDER;
use super::memory::{Current, Name};
use super::step::{Change, Origin};
use crate::error::Outcome;
use crate::hash;
use crate::store;

/// The type of an order.
pub(super) const ORDER: &str = "ServiceRequest";

/// What a batch knows of the numbers of orders.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// By the id that a filler's number alone makes.
    known: HashMap<String, Vec<Known>>,
    /// Those ids of which somebody says, or said, which order they mean.
    claimed: BTreeSet<String>,
    /// By the same id: what refers to it in the tables.
    referring: HashMap<String, Vec<Name>>,
    /// What the event that is being applied changed and has not written yet.
    pub(super) moved: BTreeSet<Name>,
    /// Stand-ins that go with that event.
    gone: Vec<String>,
}

/// An order that goes by a filler's number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    patient: String,
    id: String,
}

impl Batch<'_> {
    /// Reads which orders go by the fillers' numbers that the changes name; the ids of all orders,
    /// stand-ins too, that the changes may be about because of that.
    pub(super) async fn fillers<'s>(
        &mut self,
        changes: impl Iterator<Item = &'s Change>,
        from: &mut SqliteConnection,
    ) -> Outcome<BTreeSet<String>> {
        let mut also = BTreeSet::new();
        for draft in changes.filter_map(draft_of) {
            for filler in &draft.fillers {
                also.insert(filler.clone());
                if *filler != draft.id {
                    self.orders.claimed.insert(filler.clone());
                }
            }
        }
        let ids: Vec<String> = also.iter().cloned().collect();
        for (filler, patient, id) in store::fillers(from, &ids).await? {
            also.insert(id.clone());
            self.orders.claimed.insert(filler.clone());
            let known = self.orders.known.entry(filler).or_default();
            known.push(Known { patient, id });
        }
        Ok(also)
    }

    /// Reads what refers to stand-ins in the tables that may become a part of an order.
    pub(super) async fn referring(&mut self, from: &mut SqliteConnection) -> Outcome<()> {
        let claimed = std::mem::take(&mut self.orders.claimed);
        // Those that are not there too: an event before may bring one back.
        let of_keys: HashMap<i64, &String> = claimed
            .iter()
            .flat_map(|filler| keys(filler).map(move |key| (key, filler)))
            .collect();
        let mut all: Vec<i64> = of_keys.keys().copied().collect();
        all.sort_unstable();
        let mut rows = store::by_keys(from, &all).await?;
        rows.retain(|(_, row)| !row.deleted());
        for (key, row) in &rows {
            if let Some(filler) = of_keys.get(key) {
                let names = self.orders.referring.entry((*filler).clone()).or_default();
                names.push((row.kind, row.id.clone()));
            }
        }
        let names = rows.iter().map(|(_, row)| (row.kind, row.id.clone()));
        let names: HashSet<Name> = names.collect();
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        for (name, current) in contents_of(rows, &names, from).await? {
            self.meet(name, current);
        }
        Ok(())
    }

    /// Takes a current version with its content.
    fn meet(&mut self, name: Name, current: Current) {
        let seen = self.seen.entry(name).or_insert(Seen {
            current: None,
            stored: current.rid,
            hot: false,
        });
        if seen
            .current
            .as_ref()
            .is_none_or(|there| there.json.is_none())
        {
            seen.stored = current.rid;
            seen.current = Some(current);
        }
    }

    /// Learns which numbers go together, joins what was apart, and lets the changes of one event name
    /// each order by its own id.
    pub(super) fn find_orders(&mut self, seq: i64, changes: &mut Vec<Change>) {
        let named: Vec<(String, String, Vec<String>)> = changes
            .iter()
            .filter_map(draft_of)
            .filter(|draft| !draft.fillers.is_empty())
            .filter_map(|draft| {
                let patient = draft.patient.clone()?;
                Some((patient, draft.id.clone(), draft.fillers.clone()))
            })
            .collect();
        for (patient, id, fillers) in &named {
            for filler in fillers.iter().filter(|filler| *filler != id) {
                self.learn(seq, filler, (patient, id));
            }
        }
        let mut known = BTreeMap::new();
        for (patient, id, fillers) in &named {
            for filler in fillers {
                let Some(order) = self.order_of(filler, patient) else {
                    continue;
                };
                self.take_over(filler, (patient, &order));
                if filler == id {
                    known.insert(filler.clone(), order);
                }
            }
        }
        if !known.is_empty() {
            rename(changes, &known);
        }
    }

    fn learn(&mut self, seq: i64, filler: &str, (patient, id): (&str, &str)) {
        let known = self.orders.known.entry(filler.to_owned()).or_default();
        let new = Known {
            patient: patient.to_owned(),
            id: id.to_owned(),
        };
        if known.contains(&new) {
            return;
        }
        known.push(new);
        let pid = self.pid(patient);
        self.pending.fillers.push(NewFiller {
            id: filler.to_owned(),
            pid,
            known_as: id.to_owned(),
            seq,
        });
    }

    /// The one order of a patient that goes by a filler's number. One that is another patient's by
    /// now is none of theirs.
    fn order_of(&self, filler: &str, patient: &str) -> Option<String> {
        let known = self.orders.known.get(filler)?;
        let mut theirs = known
            .iter()
            .filter(|one| !self.are_two(Some(&one.patient), Some(patient)));
        let first = theirs.next()?;
        let only = theirs.all(|other| other.id == first.id);
        let whose = self
            .current(&first.id)
            .and_then(|one| one.patient.as_deref());
        (only && !self.are_two(whose, Some(patient))).then(|| first.id.clone())
    }

    /// The current version of an order, unless there is none or it is deleted.
    fn current(&self, order: &str) -> Option<&Current> {
        let seen = self.seen.get(&self.name(ORDER, order)?)?;
        seen.current.as_ref().filter(|current| !current.deleted)
    }

    /// What was written of an order under the filler's number alone becomes a part of it, if both are this
    /// patient's own: of patients who were merged each keeps what is theirs, since a merge may be taken back.
    fn take_over(&mut self, filler: &str, (patient, order): (&str, &str)) {
        let Some(stand_in) = self.current(filler).cloned() else {
            return;
        };
        let theirs = |one: &Current| one.patient.as_deref() == Some(patient);
        if filler == order
            || !theirs(&stand_in)
            || self.current(order).is_some_and(|one| !theirs(one))
        {
            return;
        }
        let Some(said) = stand_in.json.as_deref().and_then(object) else {
            return;
        };
        let there = self.current(order).cloned();
        let whole = whole(order, (&said, stand_in.stood), there.as_ref());
        let name = (self.word(ORDER), order.to_owned());
        let seen = self.seen.entry(name.clone()).or_insert(Seen {
            current: None,
            stored: 0,
            hot: true,
        });
        let before = seen.current.take();
        let (rid, told, stood) = before
            .map(|before| (before.rid, before.told, before.stood))
            .unwrap_or_default();
        let whose = there.unwrap_or_else(|| stand_in.clone());
        seen.current = Some(Current {
            rid,
            pid: whose.pid,
            patient: whose.patient,
            deleted: false,
            told: told.max(stand_in.told),
            stood: stood.max(stand_in.stood),
            json: serde_json::to_vec(&whole).ok().map(Into::into),
            idle: Vec::new(),
        });
        self.orders.moved.insert(name);
        self.orders.gone.push(filler.to_owned());
        self.repoint(patient, (filler, order));
    }

    /// What of the patient refers to a stand-in refers to the order.
    fn repoint(&mut self, patient: &str, (filler, order): (&str, &str)) {
        let keys: HashSet<i64> = keys(filler).collect();
        let terms = self.pending.terms.iter();
        let rids = terms
            .filter(|(key, _)| keys.contains(key))
            .map(|term| term.1);
        let rows = rids.filter_map(|rid| {
            let place = usize::try_from(rid - self.first_rid).ok()?;
            self.pending.rows.get(place)
        });
        let mut names: BTreeSet<Name> = rows
            .filter(|row| row.next == 0)
            .map(|row| (row.kind, row.id.clone()))
            .collect();
        names.extend(self.orders.referring.remove(filler).unwrap_or_default());
        let (from, to) = (format!("{ORDER}/{filler}"), format!("{ORDER}/{order}"));
        for name in names {
            let seen = self.seen.get_mut(&name);
            let current = seen.and_then(|seen| seen.current.as_mut());
            let theirs =
                |one: &&mut Current| !one.deleted && one.patient.as_deref() == Some(patient);
            let Some(current) = current.filter(theirs) else {
                continue;
            };
            let mut value =
                Value::Object(current.json.as_deref().and_then(object).unwrap_or_default());
            if wire::v2::repoint(&mut value, &from, &to) {
                current.json = serde_json::to_vec(&value).ok().map(Into::into);
                current.idle.clear();
                self.orders.moved.insert(name);
            }
        }
    }

    /// Writes what an event moved and did not write otherwise.
    pub(super) fn write_moved(&mut self, now: &mut Now, from: &Origin) {
        while let Some(name) = self.orders.moved.pop_first() {
            let current = self.seen.get(&name).and_then(|seen| seen.current.as_ref());
            let Some(current) = current else { continue };
            let patient = current.patient.clone();
            let Some(json) = current.json.as_deref().and_then(object) else {
                continue;
            };
            let words = self.memory.known.words.clone();
            let of = (words.text(name.0), name.1, patient);
            self.map(now, from, (of, Said::default()), json);
        }
        for filler in std::mem::take(&mut self.orders.gone) {
            self.delete(now, from, ORDER, filler);
        }
    }
}

fn draft_of(change: &Change) -> Option<&Draft> {
    match change {
        Change::Draft(draft) => Some(draft),
        _ => None,
    }
}

/// The numbers under which what refers to an order is indexed.
fn keys(order: &str) -> impl Iterator<Item = i64> {
    OF_ORDER
        .iter()
        .map(move |(kind, param)| hash::key(kind, param, order))
}

/// The order with what stood under the filler's number alone.
fn whole(
    order: &str,
    (said, stood): (&Map<String, Value>, i64),
    there: Option<&Current>,
) -> Map<String, Value> {
    let before = there.and_then(|there| there.json.as_deref().and_then(object));
    let Some(before) = before else {
        let mut alone = said.clone();
        alone.insert("id".into(), order.into());
        return alone;
    };
    let newer = match there.is_some_and(|there| there.stood < stood) {
        true => Newer::StandIn,
        false => Newer::Order,
    };
    wire::v2::joined(&before, said, newer)
}

/// The changes of an event name orders by their own ids. Two that are about one order are one.
fn rename(changes: &mut Vec<Change>, known: &BTreeMap<String, String>) {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Change> = Vec::with_capacity(changes.len());
    for mut change in std::mem::take(changes) {
        if let Change::Draft(draft) = &mut change {
            for (from, to) in known {
                draft.know(from, to);
            }
            if draft.kind == ORDER {
                let there = first.get(&draft.id).and_then(|at| kept.get_mut(*at));
                if let Some(Change::Draft(there)) = there {
                    there.also((**draft).clone());
                    continue;
                }
                first.insert(draft.id.clone(), kept.len());
            }
        }
        kept.push(change);
    }
    *changes = kept;
}
