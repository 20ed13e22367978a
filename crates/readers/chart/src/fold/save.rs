//! Writing what some events changed.

use std::mem;

use rusqlite::Connection;

use super::aside::{Aside, Found};
use super::batch::{Batch, NewPage, Pending};
use crate::error::Outcome;
use crate::hash;
use crate::heads::{Heads, Moved};
use crate::store::{each, pack};
use crate::tie::Tie;

const PATIENTS: &str = "INSERT INTO patient (pid, id) VALUES (?1, ?2)";
const PAGES: &str = "INSERT INTO page (seq, first, items, body) VALUES (?1, ?2, ?3, ?4)";
const ROWS: &str =
    "INSERT INTO version (rid, kind, id, patient, seq, item, at, flags, source, prev, next, labels,
     told, day, beside)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
const SUPERSEDED: &str = "UPDATE version SET next = ?2 WHERE rid = ?1";
const TOLD: &str = "UPDATE version SET told = ?1, beside = ?2 WHERE rid = ?3";
const HEADS: &str = "INSERT INTO head (slot, rid) VALUES (?1, ?2)";
/// Of a slot, the version before and the version now.
const MOVED: &str = "UPDATE head SET rid = ?3 WHERE slot = ?1 AND rid = ?2";
const TERMS: &str = "INSERT INTO term (key, rid) VALUES (?1, ?2) ON CONFLICT (key, rid) DO NOTHING";
const NAMES: &str = "INSERT INTO name (word, rid) VALUES (?1, ?2)";
const TIES: &str = "INSERT INTO tie (slot, what, who, patient, since, until)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (slot, what, who) DO UPDATE SET
     since = excluded.since, until = excluded.until, patient = excluded.patient";
const CONSENTS: &str = "INSERT INTO consent (slot, patient, body) VALUES (?1, ?2, ?3)";
const IMAGES: &str = "INSERT INTO image (seq, study, patient, series, instance, syntax, header)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
// Of a number that many orders have not all are looked at: one may be told again.
const FILLERS: &str = "INSERT INTO filler (id, patient, known_as, seq) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT (id, patient, known_as) DO NOTHING";
const WORDS: &str = "INSERT INTO word (wid, text) VALUES (?1, ?2)";
const ALIASES: &str = "INSERT INTO alias (retired, survivor, seq) VALUES (?1, ?2, ?3)
     ON CONFLICT (retired) DO UPDATE SET survivor = excluded.survivor, seq = excluded.seq";
const PLACES: &str = "INSERT INTO place (id, parent, code, name, level) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, code = excluded.code,
     name = excluded.name, level = excluded.level";
const STAYS: &str = "INSERT INTO stay (encounter, patient, expected, place, since, people)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (encounter) DO UPDATE SET
     patient = excluded.patient, expected = excluded.expected, place = excluded.place,
     since = excluded.since, people = excluded.people";

impl Batch<'_> {
    /// Writes everything but the cursor and the commit. Pages are compressed aside meanwhile, if that is worth it.
    pub(super) fn save(&mut self, to: &Connection, aside: &Aside) -> Outcome<()> {
        let pages = mem::take(&mut self.pending.pages);
        let pages = aside.find(move || packed(pages));
        let pending = &self.pending;
        names(pending, to)?;
        versions(pending, to)?;
        self.heads(to)?;
        found_by(pending, to)?;
        aliases(pending, to)?;
        places(pending, to)?;
        stays(pending, to)?;
        ties(pending, to)?;
        consents(pending, to)?;
        images(pending, to)?;
        fillers(pending, to)?;
        write_pages(pages, to)
    }

    /// The slots of everything that got a new version, and what of that is kept in memory. Called before it is
    /// written.
    pub(super) fn moved(&self, kept: &Heads) -> impl Iterator<Item = (i64, Moved)> {
        let words = &self.memory.known.words;
        let moved = self.seen.iter().filter_map(|((kind, id), seen)| {
            let now = seen.current.as_ref();
            let moved = now.map_or(0, |now| now.rid) != seen.stored;
            moved.then(|| (hash::slot(words.text(*kind), id), now))
        });
        moved.map(|(slot, now)| {
            let moved = now.map(|now| self.pending.moved(now, (slot, kept)));
            (slot, moved.unwrap_or(Moved::Unkept))
        })
    }

    /// The heads of everything that got a new version.
    fn heads(&self, to: &Connection) -> Outcome<()> {
        let words = &self.memory.known.words;
        let (mut fresh, mut moved) = (Vec::new(), Vec::new());
        for ((kind, id), seen) in &self.seen {
            let now = seen.current.as_ref().map_or(0, |current| current.rid);
            if now == seen.stored {
                continue;
            }
            let slot = hash::slot(words.text(*kind), id);
            if seen.stored == 0 {
                fresh.push((slot, now));
            } else {
                moved.push((slot, seen.stored, now));
            }
        }
        // In the order of the table: neighbors are written together.
        fresh.sort_unstable();
        moved.sort_unstable();
        each(to, MOVED, moved)?;
        each(to, HEADS, fresh)
    }
}

/// A page, and what it is when it is compressed.
type Packed = (NewPage, Vec<u8>);

fn packed(pages: Vec<NewPage>) -> Outcome<Vec<Packed>> {
    let packed = pages.into_iter().map(|page| {
        let body = pack(&page.items)?;
        Ok((page, body))
    });
    packed.collect()
}

fn write_pages(pages: Found<Outcome<Vec<Packed>>>, to: &Connection) -> Outcome<()> {
    let pages = pages.get()??;
    let rows = pages.iter().map(|(page, body)| {
        let items = i64::try_from(page.items.len()).unwrap_or(i64::MAX);
        (page.seq, page.first, items, body)
    });
    each(to, PAGES, rows)
}

/// Writes the index of the next event.
pub(super) fn cursor(to: &Connection, next: u64) -> Outcome<()> {
    let next = i64::try_from(next).unwrap_or(i64::MAX);
    each(to, "UPDATE cursor SET next = ?1 WHERE id = 1", [[next]])
}

fn names(pending: &Pending, to: &Connection) -> Outcome<()> {
    let words = pending.words.iter();
    each(to, WORDS, words.map(|(number, text)| (number, text)))?;
    let patients = pending.patients.iter();
    each(to, PATIENTS, patients.map(|(number, id)| (number, id)))
}

fn images(pending: &Pending, to: &Connection) -> Outcome<()> {
    let anew = pending.anew.iter().map(|study| [study]);
    each(to, "DELETE FROM image WHERE study = ?1", anew)?;
    let rows = pending.images.iter().map(|row| {
        (
            row.seq,
            &row.study,
            row.pid,
            &row.series,
            &row.instance,
            &row.syntax,
            &row.header,
        )
    });
    each(to, IMAGES, rows)
}

/// Which orders go by which numbers of their fillers.
fn fillers(pending: &Pending, to: &Connection) -> Outcome<()> {
    let rows = pending.fillers.iter();
    let rows = rows.map(|row| (&row.id, row.pid, &row.known_as, row.seq));
    each(to, FILLERS, rows)
}

fn versions(pending: &Pending, to: &Connection) -> Outcome<()> {
    let rows = pending.rows.iter().map(|row| {
        (
            row.rid,
            row.kind,
            &row.id,
            row.pid,
            row.seq,
            row.item,
            row.at.millis(),
            row.flags,
            row.source,
            row.prev,
            row.next,
            row.labels,
            row.told,
            row.day,
            kept(&row.beside),
        )
    });
    each(to, ROWS, rows)?;
    each(to, SUPERSEDED, pending.superseded.iter().copied())?;
    // What was said again, and when.
    let told = pending.told.iter();
    let told = told.map(|(rid, (told, beside))| (told, kept(beside), rid));
    each(to, TOLD, told)
}

/// What is kept beside a version; `None`: nothing.
fn kept(beside: &[u8]) -> Option<&[u8]> {
    (!beside.is_empty()).then_some(beside)
}

fn found_by(pending: &Pending, to: &Connection) -> Outcome<()> {
    let mut terms = pending.terms.clone();
    terms.sort_unstable();
    each(to, TERMS, terms)?;
    let names = pending.names.iter();
    each(to, NAMES, names.map(|(word, rid)| (word, rid)))
}

fn aliases(pending: &Pending, to: &Connection) -> Outcome<()> {
    let all = || pending.aliases.iter();
    let gone = all().filter(|(_, link)| link.is_none());
    let gone = gone.map(|(retired, _)| [retired]);
    each(to, "DELETE FROM alias WHERE retired = ?1", gone)?;
    let links = all().filter_map(|(retired, link)| {
        let (survivor, seq) = link.as_ref()?;
        Some((retired, survivor, seq))
    });
    each(to, ALIASES, links)
}

fn places(pending: &Pending, to: &Connection) -> Outcome<()> {
    let all = || pending.places.iter();
    let gone = all().filter(|(_, place)| place.is_none());
    let gone = gone.map(|(id, _)| [id]);
    each(to, "DELETE FROM place WHERE id = ?1", gone)?;
    let places = all().filter_map(|(id, place)| {
        let place = place.as_ref()?;
        let level = place.level.number();
        Some((id, &place.parent, &place.code, &place.name, level))
    });
    each(to, PLACES, places)
}

fn stays(pending: &Pending, to: &Connection) -> Outcome<()> {
    let all = || pending.stays.iter();
    let gone = all().filter(|(_, stay)| stay.is_none());
    let gone = gone.map(|(encounter, _)| [encounter]);
    each(to, "DELETE FROM stay WHERE encounter = ?1", gone)?;
    let stays = all().filter_map(|(encounter, stay)| {
        let (patient, stay) = stay.as_ref()?;
        let expected = i64::from(stay.expected);
        let (place, since, people) = (&stay.place, &stay.since, &stay.people);
        Some((encounter, patient, expected, place, since, people))
    });
    each(to, STAYS, stays)
}

/// What ties a resource had goes before what it has now is written.
fn ties(pending: &Pending, to: &Connection) -> Outcome<()> {
    let slots = pending.ties.keys().map(|slot| [slot]);
    each(to, "DELETE FROM tie WHERE slot = ?1", slots)?;
    let all = pending.ties.iter();
    let rows = all.flat_map(|(slot, (pid, ties))| {
        let row = move |tie| row_of_tie((slot, pid), tie);
        ties.iter().map(row)
    });
    each(to, TIES, rows)
}

type TieRow<'t> = (&'t i64, &'static str, &'t String, &'t i64, i64, i64);

fn row_of_tie<'t>((slot, pid): (&'t i64, &'t i64), tie: &'t Tie) -> TieRow<'t> {
    (slot, tie.what, &tie.who, pid, tie.since, tie.until)
}

fn consents(pending: &Pending, to: &Connection) -> Outcome<()> {
    let slots = pending.consents.keys().map(|slot| [slot]);
    each(to, "DELETE FROM consent WHERE slot = ?1", slots)?;
    let rows = pending.consents.iter().filter_map(|(slot, kept)| {
        let (pid, body) = kept.as_ref()?;
        Some((slot, pid, body))
    });
    each(to, CONSENTS, rows)
}
