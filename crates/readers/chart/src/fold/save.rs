//! Writing what some events changed.

use std::mem;

use sqlx::SqliteConnection;
use tokio::task::{JoinHandle, spawn_blocking};

use super::batch::{Batch, NewPage, Pending};
use super::broken_off;
use crate::ChartError;
use crate::error::Outcome;
use crate::hash;
use crate::store::{self, Table};
use crate::tie::Tie;

const fn table(before: &'static str) -> Table {
    Table { before, after: "" }
}

const PATIENTS: Table = table("INSERT INTO patient (pid, id) ");
const PAGES: Table = table("INSERT INTO page (seq, first, items, body) ");
const ROWS: Table = table(
    "INSERT INTO version (rid, kind, id, patient, seq, item, at, flags, source, prev, next, labels,
     told, day, beside) ",
);
const HEADS: Table = table("INSERT INTO head (slot, rid) ");
const TERMS: Table = Table {
    before: "INSERT INTO term (key, rid) ",
    after: " ON CONFLICT (key, rid) DO NOTHING",
};
const NAMES: Table = table("INSERT INTO name (word, rid) ");
const TIES: Table = Table {
    before: "INSERT INTO tie (slot, what, who, patient, since, until) ",
    after: " ON CONFLICT (slot, what, who) DO UPDATE SET since = excluded.since,
             until = excluded.until, patient = excluded.patient",
};
const CONSENTS: Table = table("INSERT INTO consent (slot, patient, body) ");
const IMAGES: Table =
    table("INSERT INTO image (seq, study, patient, series, instance, syntax, header) ");
// Of a number that many orders have not all are looked at: one may be told again.
const FILLERS: Table = Table {
    before: "INSERT INTO filler (id, patient, known_as, seq) ",
    after: " ON CONFLICT (id, patient, known_as) DO NOTHING",
};
const WORDS: Table = table("INSERT INTO word (wid, text) ");

impl Batch<'_> {
    /// Writes everything but the cursor and the commit.
    pub(super) async fn save(&mut self, to: &mut SqliteConnection) -> Outcome<()> {
        let pages = packed(mem::take(&mut self.pending.pages));
        let pending = &self.pending;
        names(pending, to).await?;
        versions(pending, to).await?;
        said_again(pending, to).await?;
        self.heads(to).await?;
        found_by(pending, to).await?;
        aliases(pending, to).await?;
        places(pending, to).await?;
        stays(pending, to).await?;
        ties(pending, to).await?;
        consents(pending, to).await?;
        images(pending, to).await?;
        fillers(pending, to).await?;
        let pages = pages.await.map_err(|error| broken_off(&error))??;
        store::insert(to, PAGES, &pages, |values, (page, body)| {
            values
                .push_bind(page.seq)
                .push_bind(page.first)
                .push_bind(i64::try_from(page.items.len()).unwrap_or(i64::MAX))
                .push_bind(body.clone());
        })
        .await
    }

    /// The slots of everything that got a new version.
    pub(super) fn moved(&self) -> impl Iterator<Item = i64> {
        let words = &self.memory.known.words;
        let moved = self.seen.iter().filter(|(_, seen)| {
            let now = seen.current.as_ref().map_or(0, |current| current.rid);
            now != seen.stored
        });
        moved.map(move |((kind, id), _)| hash::slot(words.text(*kind), id))
    }

    /// The heads of everything that got a new version.
    async fn heads(&self, to: &mut SqliteConnection) -> Outcome<()> {
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
        store::repoint(to, &moved).await?;
        store::insert(to, HEADS, &fresh, |values, row| {
            values.push_bind(row.0).push_bind(row.1);
        })
        .await
    }
}

/// A page, and what it is when it is compressed.
type Packed = (NewPage, Vec<u8>);

/// Compresses pages on another thread while the rest is written.
fn packed(pages: Vec<NewPage>) -> JoinHandle<Outcome<Vec<Packed>>> {
    spawn_blocking(move || {
        let packed = pages.into_iter().map(|page| {
            let body = store::pack(&page.items)?;
            Ok((page, body))
        });
        packed.collect()
    })
}

/// Writes the index of the next event.
pub(super) async fn cursor(to: &mut SqliteConnection, next: u64) -> Outcome<()> {
    let next = i64::try_from(next).unwrap_or(i64::MAX);
    let query = sqlx::query("UPDATE cursor SET next = $1 WHERE id = 1");
    run(to, query.bind(next)).await
}

async fn names(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    store::insert(to, WORDS, &pending.words, |values, row| {
        values.push_bind(row.0).push_bind(row.1.clone());
    })
    .await?;
    store::insert(to, PATIENTS, &pending.patients, |values, row| {
        values.push_bind(row.0).push_bind(row.1.clone());
    })
    .await
}

async fn images(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    for study in &pending.anew {
        let query = sqlx::query("DELETE FROM image WHERE study = $1");
        run(to, query.bind(study.clone())).await?;
    }
    store::insert(to, IMAGES, &pending.images, |values, row| {
        values
            .push_bind(row.seq)
            .push_bind(row.study.clone())
            .push_bind(row.pid)
            .push_bind(row.series.clone())
            .push_bind(row.instance.clone())
            .push_bind(row.syntax.clone())
            .push_bind(row.header.clone());
    })
    .await
}

/// Which orders go by which numbers of their fillers.
async fn fillers(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    store::insert(to, FILLERS, &pending.fillers, |values, row| {
        values
            .push_bind(row.id.clone())
            .push_bind(row.pid)
            .push_bind(row.known_as.clone())
            .push_bind(row.seq);
    })
    .await
}

async fn versions(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    store::insert(to, ROWS, &pending.rows, |values, row| {
        let beside = (!row.beside.is_empty()).then(|| row.beside.to_vec());
        values
            .push_bind(row.rid)
            .push_bind(row.kind)
            .push_bind(row.id.clone())
            .push_bind(row.pid)
            .push_bind(row.seq)
            .push_bind(row.item)
            .push_bind(row.at.millis())
            .push_bind(row.flags)
            .push_bind(row.source)
            .push_bind(row.prev)
            .push_bind(row.next)
            .push_bind(row.labels)
            .push_bind(row.told)
            .push_bind(row.day)
            .push_bind(beside);
    })
    .await?;
    store::supersede(to, &pending.superseded).await
}

/// What was said again, and when.
async fn said_again(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    for (rid, (told, beside)) in &pending.told {
        let beside = (!beside.is_empty()).then(|| beside.to_vec());
        let query = sqlx::query("UPDATE version SET told = $1, beside = $2 WHERE rid = $3");
        run(to, query.bind(told).bind(beside).bind(rid)).await?;
    }
    Ok(())
}

async fn found_by(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    let mut terms = pending.terms.clone();
    terms.sort_unstable();
    store::insert(to, TERMS, &terms, |values, row| {
        values.push_bind(row.0).push_bind(row.1);
    })
    .await?;
    store::insert(to, NAMES, &pending.names, |values, row| {
        values.push_bind(row.0.clone()).push_bind(row.1);
    })
    .await
}

async fn aliases(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    for (retired, link) in &pending.aliases {
        let query = match link {
            None => sqlx::query("DELETE FROM alias WHERE retired = $1").bind(retired),
            Some((survivor, seq)) => sqlx::query(
                "INSERT INTO alias (retired, survivor, seq) VALUES ($1, $2, $3)
                 ON CONFLICT (retired)
                 DO UPDATE SET survivor = excluded.survivor, seq = excluded.seq",
            )
            .bind(retired)
            .bind(survivor)
            .bind(seq),
        };
        run(to, query).await?;
    }
    Ok(())
}

async fn places(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    for (id, place) in &pending.places {
        let query = match place {
            None => sqlx::query("DELETE FROM place WHERE id = $1").bind(id),
            Some(place) => sqlx::query(
                "INSERT INTO place (id, parent, code, name, level) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, code = excluded.code,
                 name = excluded.name, level = excluded.level",
            )
            .bind(id)
            .bind(&place.parent)
            .bind(&place.code)
            .bind(&place.name)
            .bind(place.level.number()),
        };
        run(to, query).await?;
    }
    Ok(())
}

/// What ties a resource had goes before what it has now is written.
async fn ties(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    let slots: Vec<i64> = pending.ties.keys().copied().collect();
    store::forget(to, "DELETE FROM tie WHERE slot IN (", &slots).await?;
    let all = pending.ties.iter();
    let rows: Vec<(i64, i64, &Tie)> = all
        .flat_map(|(slot, (pid, ties))| ties.iter().map(move |tie| (*slot, *pid, tie)))
        .collect();
    store::insert(to, TIES, &rows, |values, (slot, pid, tie)| {
        values
            .push_bind(*slot)
            .push_bind(tie.what)
            .push_bind(tie.who.clone())
            .push_bind(*pid)
            .push_bind(tie.since)
            .push_bind(tie.until);
    })
    .await
}

async fn consents(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    let slots: Vec<i64> = pending.consents.keys().copied().collect();
    store::forget(to, "DELETE FROM consent WHERE slot IN (", &slots).await?;
    let all = pending.consents.iter();
    let rows: Vec<(i64, i64, String)> = all
        .filter_map(|(slot, kept)| kept.clone().map(|(pid, body)| (*slot, pid, body)))
        .collect();
    store::insert(to, CONSENTS, &rows, |values, (slot, pid, body)| {
        values
            .push_bind(*slot)
            .push_bind(*pid)
            .push_bind(body.clone());
    })
    .await
}

async fn stays(pending: &Pending, to: &mut SqliteConnection) -> Outcome<()> {
    for (encounter, stay) in &pending.stays {
        let query = match stay {
            None => sqlx::query("DELETE FROM stay WHERE encounter = $1").bind(encounter),
            Some((patient, stay)) => sqlx::query(
                "INSERT INTO stay (encounter, patient, expected, place, since, people)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (encounter) DO UPDATE SET patient = excluded.patient,
                 expected = excluded.expected, place = excluded.place, since = excluded.since,
                 people = excluded.people",
            )
            .bind(encounter)
            .bind(patient)
            .bind(i64::from(stay.expected))
            .bind(&stay.place)
            .bind(&stay.since)
            .bind(&stay.people),
        };
        run(to, query).await?;
    }
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

async fn run(to: &mut SqliteConnection, query: Query<'_>) -> Outcome<()> {
    query
        .execute(to)
        .await
        .map(drop)
        .map_err(ChartError::broken("write its tables"))
}
