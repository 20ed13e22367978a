//! A stand-in becomes a part of the order that it stood for, with its parts and all that refers to it.

use std::collections::{BTreeSet, HashSet};

use wire::v2::{Shown, Stated};

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
        let there = self.current(kind, order).cloned();
        let Some(half) = stated(kind, &stand_in) else {
            return;
        };
        let whole = match there.as_ref().and_then(|there| stated(kind, there)) {
            Some(before) => before.joined(&half),
            None => half,
        };
        let name = (self.word(kind), order.to_owned());
        let whose = there.unwrap_or(stand_in);
        self.becomes(name, whose, whole.named(order).shown());
        self.orders.gone.push((kind.to_owned(), filler.to_owned()));
        self.repoint(patient, (kind, filler, order));
    }

    /// A resource is to be written with this content.
    fn becomes(&mut self, name: Name, whose: Current, shown: Shown) {
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
            told: shown.told,
            beside: shown.beside.into(),
            json: serde_json::to_vec(&shown.json).ok().map(Into::into),
            idle: Vec::new(),
            ..whose
        });
        self.orders.moved.insert(name);
    }

    /// What of the patient refers to a stand-in refers to the order.
    fn repoint(&mut self, patient: &str, (kind, filler, order): (&str, &str, &str)) {
        let (from, to) = (format!("{kind}/{filler}"), format!("{kind}/{order}"));
        let words = self.memory.known.words.clone();
        for name in self.referrers(filler) {
            let seen = self.seen.get_mut(&name);
            let current = seen.and_then(|seen| seen.current.as_mut());
            let theirs =
                |one: &&mut Current| !one.deleted && one.patient.as_deref() == Some(patient);
            let Some(current) = current.filter(theirs) else {
                continue;
            };
            let Some(shown) = repointed(words.text(name.0), current, (&from, &to)) else {
                continue;
            };
            current.json = serde_json::to_vec(&shown.json).ok().map(Into::into);
            current.beside = shown.beside.into();
            current.idle.clear();
            match wire::v2::moved(&name.1, filler, order) {
                Some(id) => self.move_part(name, id),
                None => drop(self.orders.moved.insert(name)),
            }
        }
    }

    /// What refers to a stand-in, as far as it was read or is being written.
    fn referrers(&self, filler: &str) -> BTreeSet<Name> {
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
        // It stays: what is of another patient there waits for an order of theirs.
        let referring = self.orders.referring.get(filler);
        names.extend(referring.cloned().unwrap_or_default());
        names
    }

    /// A part of a stand-in is a part of the order; if the order has that part, the two are one.
    fn move_part(&mut self, (kind, id): Name, to: String) {
        let words = self.memory.known.words.clone();
        let Some(part) = self.current(words.text(kind), &id).cloned() else {
            return;
        };
        let kind_of = words.text(kind).to_owned();
        let there = self.current(&kind_of, &to).cloned();
        if there
            .as_ref()
            .is_some_and(|there| there.patient != part.patient)
        {
            self.orders.moved.insert((kind, id));
            return;
        }
        let Some(whole) = part_of_both(&kind_of, &part, there.as_ref()) else {
            return;
        };
        self.becomes((kind, to.clone()), part, whole.named(&to).shown());
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
            let said = Said {
                told: current.told,
                beside: current.beside.clone(),
            };
            let words = self.memory.known.words.clone();
            let of = (words.text(name.0), name.1, patient);
            self.map(now, from, (of, said), json);
        }
        for (kind, id) in std::mem::take(&mut self.orders.gone) {
            self.delete(now, from, &kind, id);
        }
    }
}

/// What was stated of a resource.
pub(super) fn stated(kind: &str, current: &Current) -> Option<Stated> {
    let shown = Shown {
        json: current.json.as_deref().and_then(object)?,
        beside: current.beside.to_vec(),
        told: current.told,
    };
    Some(Stated::of(kind, &shown))
}

/// A resource that refers to another one; `None`: it does not.
fn repointed(kind: &str, current: &Current, (from, to): (&str, &str)) -> Option<Shown> {
    let stated = stated(kind, current)?;
    Some(stated.repointed(from, to)?.shown())
}

/// The one part of an order that was told twice, each time by another number of the order: a task is both; a
/// dose is what was said of it last, and as confidential as either.
fn part_of_both(kind: &str, part: &Current, there: Option<&Current>) -> Option<Stated> {
    let said = stated(kind, part)?;
    let Some((there, before)) = there.and_then(|there| Some((there, stated(kind, there)?))) else {
        return Some(said);
    };
    if wire::v2::is_told_by_several(kind) {
        return Some(before.joined(&said));
    }
    Some(match there.told < part.told {
        true => said.labelled_as(&before),
        false => before.labelled_as(&said),
    })
}
