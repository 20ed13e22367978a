//! Some events being folded: what is there, and what is to be written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use event::Time;
use rusqlite::Connection;

use super::memory::{Current, Memory, Name, PIDS_MAX};
use super::order::Orders;
use super::stay::Stay;
use super::step::{Change, Step};
use super::stray::Stray;
use crate::error::Outcome;
use crate::hash;
use crate::heads::{Head, Heads, Moved};
use crate::place::Place;
use crate::store::{Asked, FROM_FHIR, Row, meet};
use crate::tie::Tie;

/// A version to be written.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) rid: i64,
    pub(super) kind: i64,
    pub(super) id: String,
    pub(super) pid: i64,
    pub(super) seq: i64,
    pub(super) item: i64,
    pub(super) at: Time,
    pub(super) flags: i64,
    pub(super) source: i64,
    pub(super) prev: i64,
    pub(super) next: i64,
    /// The number of its security labels' word; 0: none.
    pub(super) labels: i64,
    /// When what it says happened, in milliseconds since 1970; 0: nobody said.
    pub(super) told: i64,
    /// The day of the search parameter `date`, as [`super::index::Found`] has it.
    pub(super) day: i64,
    /// What is kept beside it while it is the current version; empty: nothing.
    pub(super) beside: Arc<[u8]>,
}

/// What one event wrote.
#[derive(Debug)]
pub(super) struct NewPage {
    pub(super) seq: i64,
    pub(super) first: i64,
    pub(super) items: Vec<Vec<u8>>,
}

/// A DICOM object on a chart.
#[derive(Debug)]
pub(super) struct NewImage {
    pub(super) seq: i64,
    /// The id of its study's resource.
    pub(super) study: String,
    /// Of the patient whom it names itself.
    pub(super) pid: i64,
    pub(super) series: String,
    pub(super) instance: String,
    pub(super) syntax: String,
    /// What it says of itself, as JSON.
    pub(super) header: String,
}

/// An order goes by a filler's number.
#[derive(Debug)]
pub(super) struct NewFiller {
    /// The id that the number alone makes.
    pub(super) id: String,
    pub(super) pid: i64,
    /// The id of the order.
    pub(super) known_as: String,
    pub(super) seq: i64,
}

/// Everything that goes into the tables.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) words: Vec<(i64, String)>,
    pub(super) patients: Vec<(i64, String)>,
    pub(super) pages: Vec<NewPage>,
    pub(super) rows: Vec<NewRow>,
    /// (rid, the version after it), of rows that are in the table already.
    pub(super) superseded: Vec<(i64, i64)>,
    /// Rows that are in the table already, when it was last said that they are so, and what is kept beside them.
    pub(super) told: BTreeMap<i64, (i64, Arc<[u8]>)>,
    pub(super) terms: Vec<(i64, i64)>,
    pub(super) names: Vec<(String, i64)>,
    /// Number of the retired patient; number of the survivor and event, or `None`: taken back.
    pub(super) aliases: BTreeMap<i64, Option<(i64, i64)>>,
    pub(super) places: BTreeMap<String, Option<Place>>,
    pub(super) stays: BTreeMap<String, Option<(i64, Stay)>>,
    /// Number of the resource; the patient's number and the ties. Those it had before go.
    pub(super) ties: BTreeMap<i64, (i64, Vec<Tie>)>,
    /// The same of consents; `None`: it is not in force.
    pub(super) consents: BTreeMap<i64, Option<(i64, String)>>,
    pub(super) images: Vec<NewImage>,
    pub(super) fillers: Vec<NewFiller>,
    /// Studies that were deleted and begin again: the objects that they have in the table go.
    pub(super) anew: BTreeSet<String>,
    /// Charts, and resources that are nobody's, that have another version.
    pub(super) touched: Vec<i64>,
}

impl Pending {
    /// A current version as whoever reads it finds it, if it is to be written and may be kept.
    pub(super) fn moved(&self, now: &Current, (slot, kept): (i64, &Heads)) -> Moved {
        let found = self.written(now).and_then(|(row, page)| {
            let alone = page.items.len() == 1 && row.source == FROM_FHIR && row.flags == 0;
            let wanted = kept.keeps(slot) || alone && kept.has_room();
            if !wanted {
                return None;
            }
            let json = page.items.get(usize::try_from(row.item).ok()?)?;
            let head = Head {
                row: row.read(now.patient.clone()),
                json: json.as_slice().into(),
            };
            Some(match alone {
                true => Moved::Alone(head),
                false => Moved::Newer(head),
            })
        });
        found.unwrap_or(Moved::Unkept)
    }

    fn written(&self, now: &Current) -> Option<(&NewRow, &NewPage)> {
        let at = self.rows.binary_search_by_key(&now.rid, |row| row.rid);
        let row = self.rows.get(at.ok()?)?;
        let at = self.pages.binary_search_by_key(&row.seq, |page| page.seq);
        Some((row, self.pages.get(at.ok()?)?))
    }
}

impl NewRow {
    /// As it is read from the table, of the patient with this id.
    fn read(&self, patient: Option<String>) -> Row {
        Row {
            rid: self.rid,
            kind: self.kind,
            id: self.id.clone(),
            pid: self.pid,
            patient,
            seq: self.seq,
            item: self.item,
            at: self.at,
            flags: self.flags,
            source: self.source,
            prev: self.prev,
            next: self.next,
            labels: self.labels,
            told: self.told,
        }
    }
}

/// What is known of one resource within the batch.
#[derive(Debug)]
pub(super) struct Seen {
    /// Its current version; `None`: there never was one.
    pub(super) current: Option<Current>,
    /// Its current version in the table; 0: none.
    pub(super) stored: i64,
    /// Keep it in memory.
    pub(super) hot: bool,
}

/// One batch.
pub(super) struct Batch<'m> {
    pub(super) memory: &'m mut Memory,
    pub(super) seen: HashMap<Name, Seen>,
    pub(super) pending: Pending,
    /// `next_rid` when the batch began: rows from here on are in `pending`.
    pub(super) first_rid: i64,
    pub(super) orders: Orders,
    pub(super) strays: Vec<Stray>,
}

impl<'m> Batch<'m> {
    /// Reads what the steps will meet.
    pub(super) fn prepare(
        memory: &'m mut Memory,
        steps: &[Step],
        from: &Connection,
    ) -> Outcome<Batch<'m>> {
        let mut batch = Batch {
            first_rid: memory.next_rid,
            memory,
            seen: HashMap::new(),
            pending: Pending::default(),
            orders: Orders::default(),
            strays: Vec::new(),
        };
        let changes = || steps.iter().flat_map(|step| &step.changes);
        let also = batch.fillers(steps, from)?;
        let wanted = changes().filter_map(|change| {
            let (kind, id) = change.target()?;
            Some((kind, id, change.needs_content()))
        });
        let orders = also.iter().map(|(kind, id)| (*kind, id.as_str(), true));
        let (asked, contents) = batch.remembered(wanted.chain(orders));
        batch.read_rest(&asked, &contents, from)?;
        batch.referring(steps, from)?;
        batch.patients(changes(), from)?;
        Ok(batch)
    }

    /// Takes what is in memory; returns what is not, and whose content is wanted.
    fn remembered<'s>(
        &mut self,
        wanted: impl Iterator<Item = (&'s str, &'s str, bool)>,
    ) -> (Vec<Asked>, HashSet<Name>) {
        let (mut asked, mut contents) = (Vec::new(), HashSet::new());
        let words = self.memory.known.words.clone();
        for (kind, id, with_content) in wanted {
            // A type without a number has no resources.
            let Some(number) = words.number(kind) else {
                continue;
            };
            let name = (number, id.to_owned());
            if with_content && !self.memory.hot.contains(&name) {
                contents.insert(name.clone());
            }
            if self.seen.contains_key(&name) {
                continue;
            }
            let current = self.memory.hot.get(&name).cloned();
            if current.is_none() {
                asked.push(Asked {
                    kind: number,
                    id: id.to_owned(),
                    slot: hash::slot(kind, id),
                });
            }
            let stored = current.as_ref().map_or(0, |current| current.rid);
            let hot = current.is_some();
            let seen = Seen {
                current,
                stored,
                hot,
            };
            self.seen.insert(name, seen);
        }
        (asked, contents)
    }

    fn read_rest(
        &mut self,
        asked: &[Asked],
        contents: &HashSet<Name>,
        from: &Connection,
    ) -> Outcome<()> {
        let rows = meet::by_heads(from, asked)?;
        for current in self.contents_of((rows, contents), from)? {
            if let Some(seen) = self.seen.get_mut(&current.0) {
                seen.stored = current.1.rid;
                seen.current = Some(current.1);
            }
        }
        Ok(())
    }

    /// Makes sure that every known patient's number is in memory.
    fn patients<'s>(
        &mut self,
        changes: impl Iterator<Item = &'s Change>,
        from: &Connection,
    ) -> Outcome<()> {
        let mut ids: Vec<String> = changes
            .flat_map(Change::patients)
            .flatten()
            .filter(|id| self.memory.pids.get(*id).is_none())
            .map(str::to_owned)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        // INVARIANT: the cache holds all of one batch, or a patient would get a second number: those
        // that the changes name, and those whose the resources are that may be written again.
        let theirs = ids.len().saturating_add(self.seen.len());
        self.memory.pids.resize(PIDS_MAX.saturating_add(theirs));
        let current = self.seen.values().filter_map(|seen| seen.current.as_ref());
        for current in current {
            if let Some(patient) = &current.patient {
                self.memory.pids.put(patient.clone(), current.pid);
            }
        }
        for (id, pid) in meet::numbers(from, &ids)? {
            self.memory.pids.put(id, pid);
        }
        Ok(())
    }

    /// After the writing: keeps what messages will ask for again, forgets what changed otherwise.
    pub(super) fn remember(self) {
        for (name, seen) in self.seen {
            match seen.current {
                Some(current) if seen.hot && current.json.is_some() => {
                    self.memory.hot.put(name, current);
                }
                _ => {
                    self.memory.hot.pop(&name);
                }
            }
        }
        self.memory.pids.resize(PIDS_MAX);
    }
}

impl Batch<'_> {
    /// Some rows as current versions, with the contents of those that are wanted.
    pub(super) fn contents_of(
        &self,
        (rows, wanted): (Vec<Row>, &HashSet<Name>),
        from: &Connection,
    ) -> Outcome<Vec<(Name, Current)>> {
        let words = &self.memory.known.words;
        let several = |row: &&Row| wire::v2::is_told_by_several(words.text(row.kind));
        let rids: Vec<i64> = rows.iter().filter(several).map(|row| row.rid).collect();
        let beside = meet::beside(from, &rids)?;
        contents_of((rows, beside), wanted, from)
    }
}

fn contents_of(
    (rows, mut beside): (Vec<Row>, HashMap<i64, Vec<u8>>),
    wanted: &HashSet<Name>,
    from: &Connection,
) -> Outcome<Vec<(Name, Current)>> {
    let (with, without): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|row| !row.deleted() && wanted.contains(&(row.kind, row.id.clone())));
    let pages = meet::contents(from, &with)?;
    let contents = pages.into_iter().map(|page| Some(page.into()));
    let with = with.into_iter().zip(contents);
    let all = with.chain(without.into_iter().map(|row| (row, None)));
    let current = all.map(|(row, json)| {
        let current = Current {
            rid: row.rid,
            pid: row.pid,
            deleted: row.deleted(),
            patient: row.patient,
            told: row.told,
            beside: beside.remove(&row.rid).unwrap_or_default().into(),
            json,
            idle: Vec::new(),
        };
        ((row.kind, row.id), current)
    });
    Ok(current.collect())
}
