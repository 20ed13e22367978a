//! A stand-in becomes a part of the order that it stood for, with its parts and all that refers to it.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};
use wire::v2::Newer;

use super::apply::{Now, Said, object};
use super::batch::{Batch, Seen};
use super::memory::{Current, Name};
use super::order::keys;
use super::step::Origin;

impl Batch<'_> {
    /// What was written of an order under the filler's number alone becomes a part of it, if both are this
    /// patient's own: of patients who were merged each keeps what is theirs, since a merge may be taken back.
    pub(super) fn take_over(
        &mut self,
        (kind, filler): (&'static str, &str),
        (patient, order): (&str, &str),
    ) {
        let Some(stand_in) = self.current(kind, filler).cloned() else {
            return;
        };
        let theirs = |one: &Current| one.patient.as_deref() == Some(patient);
        if filler == order
            || !theirs(&stand_in)
            || self.current(kind, order).is_some_and(|one| !theirs(one))
        {
            return;
        }
        let Some(said) = stand_in.json.as_deref().and_then(object) else {
            return;
        };
        let there = self.current(kind, order).cloned();
        let whole = whole(order, (&said, stand_in.stood), there.as_ref());
        let name = (self.word(kind), order.to_owned());
        let whose = there.unwrap_or_else(|| stand_in.clone());
        let now = Current {
            told: whose.told.max(stand_in.told),
            stood: whose.stood.max(stand_in.stood),
            ..whose
        };
        self.becomes(name, now, &whole);
        self.orders.gone.push((kind.to_owned(), filler.to_owned()));
        self.repoint(patient, (kind, filler, order));
    }

    /// A resource is to be written with this content.
    fn becomes(&mut self, name: Name, now: Current, whole: &Map<String, Value>) {
        let seen = self.seen.entry(name.clone()).or_insert(Seen {
            current: None,
            stored: 0,
            hot: true,
        });
        let before = seen.current.take();
        let rid = before.map_or(0, |before| before.rid);
        seen.current = Some(Current {
            rid,
            deleted: false,
            json: serde_json::to_vec(whole).ok().map(Into::into),
            idle: Vec::new(),
            ..now
        });
        self.orders.moved.insert(name);
    }

    /// What of the patient refers to a stand-in refers to the order.
    fn repoint(&mut self, patient: &str, (kind, filler, order): (&str, &str, &str)) {
        let (from, to) = (format!("{kind}/{filler}"), format!("{kind}/{order}"));
        for name in self.referrers(filler) {
            let seen = self.seen.get_mut(&name);
            let current = seen.and_then(|seen| seen.current.as_mut());
            let theirs =
                |one: &&mut Current| !one.deleted && one.patient.as_deref() == Some(patient);
            let Some(current) = current.filter(theirs) else {
                continue;
            };
            let mut value =
                Value::Object(current.json.as_deref().and_then(object).unwrap_or_default());
            if !wire::v2::repoint(&mut value, &from, &to) {
                continue;
            }
            current.json = serde_json::to_vec(&value).ok().map(Into::into);
            current.idle.clear();
            match wire::v2::moved(&name.1, filler, order) {
                Some(id) => self.move_part(name, id),
                None => drop(self.orders.moved.insert(name)),
            }
        }
    }

    /// What refers to a stand-in, as far as it was read or is being written.
    fn referrers(&mut self, filler: &str) -> BTreeSet<Name> {
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
        names
    }

    /// A part of a stand-in is a part of the order; if the order has that part, the two are one.
    fn move_part(&mut self, (kind, id): Name, to: String) {
        let words = self.memory.known.words.clone();
        let Some(part) = self.current(words.text(kind), &id).cloned() else {
            return;
        };
        let Some(said) = part.json.as_deref().and_then(object) else {
            return;
        };
        let there = self.current(words.text(kind), &to).cloned();
        if there.as_ref().is_some_and(|there| there.patient != part.patient) {
            self.orders.moved.insert((kind, id));
            return;
        }
        let (told, mut whole) = match &there {
            Some(there) => {
                let before = there.json.as_deref().and_then(object).unwrap_or_default();
                let newer = match there.told <= part.told {
                    true => (&said, &before),
                    false => (&before, &said),
                };
                let whole = wire::v2::part_of_both(words.text(kind), newer);
                (there.told.max(part.told), whole)
            }
            None => (part.told, said),
        };
        whole.insert("id".into(), to.as_str().into());
        let kind_of = words.text(kind).to_owned();
        self.becomes((kind, to), Current { told, ..part }, &whole);
        self.orders.moved.remove(&(kind, id.clone()));
        self.orders.gone.push((kind_of, id));
    }

    /// Writes what an event moved and did not write otherwise.
    pub(super) fn write_moved(&mut self, now: &mut Now, from: &Origin) {
        while let Some(name) = self.orders.moved.pop_first() {
            let current = self.seen.get(&name).and_then(|seen| seen.current.as_ref());
            let Some(current) = current.filter(|current| !current.deleted) else {
                continue;
            };
            let patient = current.patient.clone();
            let Some(json) = current.json.as_deref().and_then(object) else {
                continue;
            };
            let words = self.memory.known.words.clone();
            let of = (words.text(name.0), name.1, patient);
            self.map(now, from, (of, Said::default()), json);
        }
        for (kind, id) in std::mem::take(&mut self.orders.gone) {
            self.delete(now, from, &kind, id);
        }
    }
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
