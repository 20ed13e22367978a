//! Orders that a message names by the filler's number alone.
//!
//! An order is its placer's number. Who says both numbers tells that it goes by the filler's too:
//! from then on who says that one alone means the same order, if it is the same patient's. What came
//! before stands under an order of its own, the stand-in; it becomes a part of the order ([`super::join`]),
//! and what refers to it refers to the order. Where a filler gave two orders of a patient one number, that
//! number alone says nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::Connection;
use wire::v2::Draft;

use super::ahead::Ahead;
use super::batch::{Batch, NewFiller, Seen};
use super::index::OF_ORDER;
use super::memory::{Current, Name};
use super::step::{Change, Step};
use crate::alias::Aliases;
use crate::error::Outcome;
use crate::hash;
use crate::store::{Asked, meet};

/// The types of orders.
pub(super) const ORDERS: [&str; 2] = ["MedicationRequest", "ServiceRequest"];

/// What a batch knows of the numbers of orders.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// What is known before the event that is being applied.
    pub(super) known: Numbers,
    /// By the id that a filler's number alone makes: what refers to it in the tables.
    pub(super) referring: HashMap<String, Vec<Name>>,
    /// What the event that is being applied changed and has not written yet.
    pub(super) moved: BTreeSet<Name>,
    /// Type and id of what goes with that event: stand-ins, and parts of them.
    pub(super) gone: Vec<(String, String)>,
    /// Rows of the tables that were looked at for all this.
    pub(super) looked_at: usize,
    /// How often something was looked up for the numbers of orders.
    pub(super) looked_up: usize,
}

/// Which orders go by which numbers of their fillers.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    /// By the id that the number alone makes and the patient: the orders. Of more than two that are in the
    /// tables two are here: that there are two is all that counts.
    known: HashMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Numbers {
    /// Whether it is news that the patient's order goes by that number.
    pub(super) fn learn(&mut self, filler: &str, (patient, id): (&str, &str)) -> bool {
        let of = self.known.entry(filler.to_owned()).or_default();
        let ids = of.entry(patient.to_owned()).or_default();
        ids.insert(id.to_owned())
    }

    /// The one order of a patient, and of those who were merged with them, that goes by a filler's number.
    pub(super) fn only(&self, filler: &str, patient: &str, aliases: &Aliases) -> Option<&str> {
        let survivor = aliases.survivor(patient);
        let of = self.known.get(filler)?.iter();
        let theirs = of.filter(|(whose, _)| aliases.survivor(whose) == survivor);
        let mut ids = theirs.flat_map(|(_, ids)| ids.iter().take(2));
        let first = ids.next()?;
        ids.all(|other| other == first).then_some(first)
    }
}

/// What a change says of an order's numbers.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) kind: &'static str,
    pub(super) patient: String,
    pub(super) id: String,
    pub(super) fillers: Vec<String>,
}

/// What the changes of an event say of the numbers of orders.
pub(super) fn named(changes: &[Change]) -> Vec<Named> {
    let drafts = changes.iter().filter_map(draft_of);
    let orders = drafts.filter(|draft| !draft.fillers.is_empty());
    let named = orders.filter_map(|draft| {
        Some(Named {
            kind: draft.kind,
            patient: draft.patient.clone()?,
            id: draft.id.clone(),
            fillers: draft.fillers.clone(),
        })
    });
    named.collect()
}

impl Numbers {
    /// Patients and the orders that are known by a number of theirs.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let of = self.known.values().flatten();
        of.flat_map(|(patient, ids)| ids.iter().map(|id| (patient.as_str(), id.as_str())))
    }
}

impl Batch<'_> {
    /// Reads which orders go by the fillers' numbers that the steps name; the type and id of all orders,
    /// stand-ins too, that they may be about because of that.
    pub(super) fn fillers(
        &mut self,
        steps: &[Step],
        from: &Connection,
    ) -> Outcome<BTreeSet<(&'static str, String)>> {
        let mut kinds: BTreeMap<String, &'static str> = BTreeMap::new();
        let mut asked: BTreeSet<(String, String)> = BTreeSet::new();
        for named in steps.iter().flat_map(|step| named(&step.changes)) {
            for filler in named.fillers {
                asked.insert((filler.clone(), named.patient.clone()));
                kinds.insert(filler, named.kind);
            }
        }
        let aliases = Arc::clone(&self.memory.known.aliases);
        let mut families = Families::of(steps, &aliases);
        let mut also = BTreeSet::new();
        let mut done = HashSet::new();
        for (filler, patient) in &asked {
            let family = self.numbers_of(patient, &mut families, from)?;
            // Several of a family may have told it.
            if !done.insert((filler, Arc::as_ptr(&family))) {
                continue;
            }
            let (looked_up, found) = meet::fillers(from, filler, &family)?;
            self.orders.looked_up += looked_up;
            let Some(kind) = kinds.get(filler) else {
                continue;
            };
            for (whose, first, last) in found {
                for id in [first, last] {
                    self.orders.looked_at += 1;
                    self.orders.known.learn(filler, (&whose, &id));
                    also.insert((*kind, id));
                }
            }
        }
        also.extend(kinds.into_iter().map(|(filler, kind)| (kind, filler)));
        Ok(also)
    }

    /// The numbers of all who may be one with a patient, of those who have one, with their ids.
    fn numbers_of(
        &mut self,
        patient: &str,
        families: &mut Families<'_>,
        from: &Connection,
    ) -> Outcome<Arc<Numbered>> {
        if let Some(known) = families.numbered.get(patient) {
            return Ok(Arc::clone(known));
        }
        let all = families.of_patient(patient);
        let pids = &self.memory.pids;
        let (known, others): (Vec<String>, Vec<String>) =
            all.iter().cloned().partition(|id| pids.contains(id));
        self.orders.looked_up += others.len();
        let read = meet::numbers(from, &others)?;
        let known = known.into_iter().filter_map(|id| {
            let pid = *pids.peek(&id)?;
            Some((pid, id))
        });
        let read = read.into_iter().map(|(id, pid)| (pid, id));
        let numbered: Arc<Numbered> = Arc::new(known.chain(read).collect());
        // Who is one with whom is so the other way round.
        let each = all.into_iter().map(|id| (id, Arc::clone(&numbered)));
        families.numbered.extend(each);
        Ok(numbered)
    }

    /// Reads what refers to stand-ins in the tables that the steps make a part of an order, and what their parts
    /// become.
    pub(super) fn referring(&mut self, steps: &[Step], from: &Connection) -> Outcome<()> {
        let ahead = Ahead::of(steps, self);
        let of_keys: HashMap<i64, &String> = ahead
            .joins
            .iter()
            .flat_map(|filler| keys(filler).map(move |key| (key, filler)))
            .collect();
        let mut all: Vec<i64> = of_keys.keys().copied().collect();
        all.sort_unstable();
        let (read, mut rows) = meet::by_keys(from, &all)?;
        self.orders.looked_at += read;
        rows.retain(|(_, row)| !row.deleted());
        let mut become_of = BTreeSet::new();
        for (key, row) in &rows {
            if let Some(filler) = of_keys.get(key) {
                let names = self.orders.referring.entry((*filler).clone()).or_default();
                names.push((row.kind, row.id.clone()));
                let patient = row.patient.as_deref().unwrap_or_default();
                let moved = ahead.moved(&row.id, (filler, patient));
                become_of.extend(moved.map(|id| (row.kind, id)));
            }
        }
        let names: HashSet<Name> = rows
            .iter()
            .map(|(_, row)| (row.kind, row.id.clone()))
            .collect();
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        for (name, current) in self.contents_of((rows, &names), from)? {
            self.meet(name, current);
        }
        become_of.extend(self.parts(steps, &ahead));
        self.meet_all(become_of, from)
    }

    /// What the steps say of parts of orders that are known by other ids may be about these.
    fn parts(&self, steps: &[Step], ahead: &Ahead) -> Vec<Name> {
        let drafts = steps
            .iter()
            .flat_map(|step| step.changes.iter().filter_map(draft_of));
        let parts = drafts.filter_map(|draft| {
            let of = (draft.part_of.as_deref()?, draft.patient.as_deref()?);
            let kind = self.memory.known.words.number(draft.kind)?;
            Some(ahead.moved(&draft.id, of).map(move |id| (kind, id)))
        });
        parts.flatten().collect()
    }

    fn meet_all(&mut self, mut names: BTreeSet<Name>, from: &Connection) -> Outcome<()> {
        // What a client writes anew is known here without what it says.
        names.retain(|name| {
            self.seen.get(name).is_none_or(|seen| {
                let current = seen.current.as_ref();
                current.is_some_and(|current| !current.deleted && current.json.is_none())
            })
        });
        let words = self.memory.known.words.clone();
        let mut asked = Vec::new();
        for (kind, id) in &names {
            let name = (*kind, id.clone());
            if let Some(current) = self.memory.hot.get(&name).cloned() {
                self.meet(name, current);
                continue;
            }
            asked.push(Asked {
                kind: *kind,
                id: id.clone(),
                slot: hash::slot(words.text(*kind), id),
            });
        }
        let rows = meet::by_heads(from, &asked)?;
        let names = names.into_iter().collect();
        for (name, current) in self.contents_of((rows, &names), from)? {
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
        let named = named(changes);
        for one in &named {
            for filler in one.fillers.iter().filter(|filler| **filler != one.id) {
                self.learn(seq, filler, one);
            }
        }
        let mut known = HashMap::new();
        for one in &named {
            for filler in &one.fillers {
                let Some(order) = self.order_of(filler, one) else {
                    continue;
                };
                self.take_over((one.kind, filler), (&one.patient, &order));
                if *filler == one.id {
                    known.insert(filler.clone(), order);
                }
            }
        }
        if !known.is_empty() {
            rename(changes, &known);
        }
    }

    fn learn(&mut self, seq: i64, filler: &str, named: &Named) {
        let of = (named.patient.as_str(), named.id.as_str());
        if !self.orders.known.learn(filler, of) {
            return;
        }
        let pid = self.pid(&named.patient);
        self.pending.fillers.push(NewFiller {
            id: filler.to_owned(),
            pid,
            known_as: named.id.clone(),
            seq,
        });
    }

    /// The one order of a patient that goes by a filler's number. One that is another patient's by
    /// now is none of theirs.
    fn order_of(&self, filler: &str, named: &Named) -> Option<String> {
        let aliases = &self.memory.known.aliases;
        let only = self.orders.known.only(filler, &named.patient, aliases)?;
        let whose = self.current(named.kind, only);
        let whose = whose.and_then(|one| one.patient.as_deref());
        (!self.are_two(whose, Some(&named.patient))).then(|| only.to_owned())
    }

    /// The current version of a resource, unless there is none or it is deleted.
    pub(super) fn current(&self, kind: &str, id: &str) -> Option<&Current> {
        let seen = self.seen.get(&self.name(kind, id)?)?;
        seen.current.as_ref().filter(|current| !current.deleted)
    }
}

/// Who may be one with whom, at some time while a batch is applied.
struct Families<'a> {
    aliases: &'a Aliases,
    /// Who is merged, or parted, by the batch.
    also: HashMap<&'a str, Vec<&'a str>>,
    /// By each of them: all of a family whose numbers were looked up.
    numbered: HashMap<String, Arc<Numbered>>,
}

/// Ids of patients by their numbers.
type Numbered = BTreeMap<i64, String>;

impl<'a> Families<'a> {
    fn of(steps: &'a [Step], aliases: &'a Aliases) -> Families<'a> {
        let mut also: HashMap<&str, Vec<&str>> = HashMap::new();
        for change in steps.iter().flat_map(|step| &step.changes) {
            if let Change::Merge { retired, survivor } | Change::Unmerge { retired, survivor } =
                change
            {
                also.entry(retired).or_default().push(survivor);
                also.entry(survivor).or_default().push(retired);
            }
        }
        Families {
            aliases,
            also,
            numbered: HashMap::new(),
        }
    }

    fn of_patient(&self, patient: &str) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = self.aliases.family(patient).into_iter().collect();
        found.insert(patient.to_owned());
        let mut open: Vec<String> = match self.also.is_empty() {
            true => Vec::new(),
            false => found.iter().cloned().collect(),
        };
        while let Some(one) = open.pop() {
            for other in self.also.get(one.as_str()).into_iter().flatten() {
                let family = self.aliases.family(other).into_iter();
                for id in family.chain([(*other).to_owned()]) {
                    if found.insert(id.clone()) {
                        open.push(id);
                    }
                }
            }
        }
        found
    }
}

pub(super) fn draft_of(change: &Change) -> Option<&Draft> {
    match change {
        Change::Draft(draft) => Some(draft),
        _ => None,
    }
}

/// The numbers under which what refers to an order is indexed.
pub(super) fn keys(order: &str) -> impl Iterator<Item = i64> {
    OF_ORDER
        .iter()
        .map(move |(kind, param)| hash::key(kind, param, order))
}

/// The changes of an event name orders by their own ids. Two that are about one order are one.
fn rename(changes: &mut Vec<Change>, known: &HashMap<String, String>) {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Change> = Vec::with_capacity(changes.len());
    for mut change in std::mem::take(changes) {
        if let Change::Draft(draft) = &mut change {
            draft.know(known);
            if ORDERS.contains(&draft.kind) || draft.part_of.is_some() {
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

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
