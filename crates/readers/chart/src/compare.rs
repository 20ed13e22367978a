//! Holds the view against a fresh fold of the record, entry by entry: what somebody edited in the
//! view's file is named, also where an older version that was once right was put back.

use std::collections::HashMap;

use event::{AlteredPart, Erased};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use crate::error::Outcome;
use crate::store::{self, FROM_FHIR, FROM_SALUS};
use crate::{Chart, ChartError, hash};

/// Versions looked at in one go.
const ROWS: i64 = 500;
/// Differences that are named one by one, at most.
const NAMED_MAX: usize = 100;

/// One entry of the view that is not what the record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differs {
    /// The patient it is shown for, if it is one's.
    pub patient: Option<String>,
    /// The event that wrote it; `None`: it is about no single one.
    pub version: Option<u64>,
    /// What differs: what the record says, and what the view held.
    pub parts: Vec<AlteredPart>,
    /// The content that was there.
    pub found: Vec<u8>,
    /// Only its content differs, so that it can be put right by itself.
    content_only: bool,
}

/// A moment of the view that stays as it is while it is compared.
pub struct Still {
    from: sqlx::Transaction<'static, Sqlite>,
    /// Events that were folded at that moment.
    pub folded: u64,
}

/// One version as it means something outside its file: no row numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    rid: i64,
    seq: i64,
    item: i64,
    kind: String,
    id: String,
    patient: Option<String>,
    at: i64,
    flags: i64,
    source: String,
    labels: String,
    /// When what it says happened, as its sender says.
    told: i64,
    /// What is kept beside it for the messages that come after.
    beside: Option<Vec<u8>>,
    /// The event that wrote the version after this one; `None`: it is the current one.
    next: Option<i64>,
    content: Vec<u8>,
    /// Whether a read of the resource finds this version, if it is the current one.
    found: bool,
}

const VERSIONS: &str = "SELECT v.rid, v.seq, v.item, k.text, v.id, p.id, v.at, v.flags, v.source,
   COALESCE(s.text, ''), COALESCE(l.text, ''), CASE WHEN v.next = 0 THEN NULL
   ELSE COALESCE(n.seq, -1) END, v.told, v.beside
 FROM version v LEFT JOIN word k ON k.wid = v.kind LEFT JOIN patient p ON p.pid = v.patient
 LEFT JOIN word s ON s.wid = v.source LEFT JOIN word l ON l.wid = v.labels
 LEFT JOIN version n ON n.rid = v.next AND v.next <> 0
 WHERE v.rid > $1 ORDER BY v.rid LIMIT $2";

/// The small tables, without row numbers.
const TABLES: [(&str, &str); 9] = [
    (
        "alias",
        "SELECT r.id, s.id, a.seq FROM alias a LEFT JOIN patient r ON r.pid = a.retired
         LEFT JOIN patient s ON s.pid = a.survivor ORDER BY 1, 2",
    ),
    (
        "place",
        "SELECT id, COALESCE(parent, ''), code, COALESCE(name, ''), level FROM place ORDER BY 1",
    ),
    (
        "stay",
        "SELECT s.encounter, p.id, s.expected, COALESCE(s.place, ''), COALESCE(s.since, ''), s.people
         FROM stay s LEFT JOIN patient p ON p.pid = s.patient ORDER BY 1",
    ),
    (
        "tie",
        "SELECT t.slot, t.what, t.who, p.id, t.since, t.until
         FROM tie t LEFT JOIN patient p ON p.pid = t.patient ORDER BY 1, 2, 3",
    ),
    (
        "consent",
        "SELECT c.slot, p.id, c.body FROM consent c LEFT JOIN patient p ON p.pid = c.patient
         ORDER BY 1",
    ),
    (
        "image",
        "SELECT i.seq, i.study, p.id, i.series, i.instance, i.syntax, i.header
         FROM image i LEFT JOIN patient p ON p.pid = i.patient ORDER BY 1",
    ),
    (
        "filler",
        "SELECT f.id, p.id, f.known_as, f.seq FROM filler f LEFT JOIN patient p ON p.pid = f.patient
         ORDER BY 1, 2, 3",
    ),
    (
        "term",
        "SELECT t.key, v.seq, v.item FROM term t LEFT JOIN version v ON v.rid = t.rid ORDER BY 1, 2, 3",
    ),
    (
        "name",
        "SELECT t.word, v.seq, v.item FROM name t LEFT JOIN version v ON v.rid = t.rid ORDER BY 1, 2, 3",
    ),
];

impl Chart {
    /// The view as it is now, while it goes on.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn still(&self) -> Outcome<Still> {
        let broken = ChartError::broken("be held still");
        let mut from = self.store.readers.begin().await.map_err(&broken)?;
        // The first statement takes the snapshot.
        let folded: i64 = sqlx::query_scalar("SELECT next FROM cursor WHERE id = 1")
            .fetch_one(&mut *from)
            .await
            .map_err(&broken)?;
        let folded = folded.unsigned_abs();
        Ok(Still { from, folded })
    }

    /// What in `still` is not what `self`, folded afresh to the same event, says. `erased` are the
    /// orders by which patients were erased: what they cover is in no fresh fold.
    ///
    /// # Errors
    /// [`ChartError::Broken`] if one of the files cannot be read.
    pub async fn differences(&self, still: &mut Still, erased: &[Erased]) -> Outcome<Vec<Differs>> {
        let mut own = self.reading().await?;
        let mut all = versions((&mut own, &mut still.from), erased).await?;
        for (table, sql) in TABLES {
            // What erased messages said of staff and places stays, and no fresh fold can know it.
            if all.len() < NAMED_MAX && erased.is_empty() {
                all.extend(rows(table, (&mut own, &mut still.from), sql).await?);
            }
        }
        Ok(all)
    }

    /// Puts right what only differs in content, from `fresh`; everything else is folded again.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn put_right(&self, fresh: &Chart, differs: &[Differs]) -> Outcome<()> {
        if differs.iter().any(|one| !one.content_only) {
            return self.refold().await;
        }
        let broken = ChartError::broken("put pages right");
        let mut own = fresh.reading().await?;
        let mut pages = Vec::new();
        for seq in differs.iter().filter_map(|one| one.version) {
            let body: Option<Vec<u8>> = sqlx::query_scalar("SELECT body FROM page WHERE seq = $1")
                .bind(seq.cast_signed())
                .fetch_optional(&mut *own)
                .await
                .map_err(&broken)?;
            pages.push((body.unwrap_or_default(), seq.cast_signed()));
        }
        let right = "UPDATE page SET body = ?1 WHERE seq = ?2";
        let put = self
            .store
            .writer
            .transact(|to| store::each(to, right, pages));
        put.await?;
        self.folder.relearn().await
    }
}

/// Both files' versions side by side, in the order they were written.
async fn versions(
    (own, live): (&mut SqliteConnection, &mut SqliteConnection),
    erased: &[Erased],
) -> Outcome<Vec<Differs>> {
    let covered = |seq: i64| {
        let seq = u64::try_from(seq).unwrap_or_default();
        erased.iter().any(|order| order.covers(seq))
    };
    let (mut right, mut there) = (Pages::default(), Pages::default());
    let mut all = Vec::new();
    while all.len() < NAMED_MAX {
        let (a, b) = (right.peek(own).await?, there.peek(live).await?);
        let place = |one: &Version| (one.seq, one.item);
        match (a, b) {
            (None, None) => break,
            (Some(a), Some(b)) if place(a) == place(b) => {
                let next = [a.next, b.next].into_iter().flatten().any(covered);
                all.extend(between(a, b).filter(|_| !next));
                (right.at, there.at) = (right.at + 1, there.at + 1);
            }
            (Some(a), b) if b.is_none_or(|b| place(a) < place(b)) => {
                all.push(Differs::of(
                    a,
                    vec![part(a, "", "a version", "nothing: deleted")],
                ));
                right.at += 1;
            }
            (_, Some(b)) if covered(b.seq) => there.at += 1,
            (_, Some(b)) => {
                let mut forged = Differs::of(b, vec![part(b, "", "nothing", "a forged version")]);
                forged.found.clone_from(&b.content);
                all.push(forged);
                there.at += 1;
            }
            (Some(_), None) => break,
        }
    }
    Ok(all)
}

/// The versions of a file, a few hundred at a time.
#[derive(Default)]
struct Pages {
    rows: Vec<Version>,
    at: usize,
    last: i64,
    done: bool,
}

impl Pages {
    async fn peek(&mut self, from: &mut SqliteConnection) -> Outcome<Option<&Version>> {
        if self.at >= self.rows.len() && !self.done {
            self.rows = read(from, self.last).await?;
            self.at = 0;
            self.done = self.rows.is_empty();
            self.last = self.rows.last().map_or(self.last, |row| row.rid);
        }
        Ok(self.rows.get(self.at))
    }
}

async fn read(from: &mut SqliteConnection, after: i64) -> Outcome<Vec<Version>> {
    let broken = ChartError::broken("compare its versions");
    let found = sqlx::query::<Sqlite>(VERSIONS).bind(after).bind(ROWS);
    let found = found.fetch_all(&mut *from).await.map_err(&broken)?;
    let rows: Result<Vec<Version>, sqlx::Error> = found.iter().map(version).collect();
    let mut rows = rows.map_err(&broken)?;
    let mut pages = HashMap::new();
    let mut seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    seqs.dedup();
    for some in seqs.chunks(64) {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT seq, body FROM page WHERE seq IN (");
        store::list(&mut query, some.iter().copied());
        let found: Vec<(i64, Vec<u8>)> = query
            .build_query_as()
            .fetch_all(&mut *from)
            .await
            .map_err(&broken)?;
        // A page that cannot be unpacked was edited: its items are empty.
        let items = |body: Vec<u8>| store::unpack(&body).unwrap_or_default();
        pages.extend(found.into_iter().map(|(seq, body)| (seq, items(body))));
    }
    let heads = heads(from, &rows).await?;
    for row in &mut rows {
        let item = usize::try_from(row.item).ok();
        let content = item.and_then(|item| pages.get_mut(&row.seq)?.get_mut(item));
        row.content = content.map(std::mem::take).unwrap_or_default();
        row.found = row.next.is_some() || heads.contains(&row.rid);
    }
    Ok(rows)
}

/// Which of these rows a read by name finds.
async fn heads(from: &mut SqliteConnection, rows: &[Version]) -> Outcome<Vec<i64>> {
    let mut found = Vec::new();
    let slots: Vec<i64> = rows
        .iter()
        .filter(|row| row.next.is_none())
        .map(|row| hash::slot(&row.kind, &row.id))
        .collect();
    for some in slots.chunks(64) {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT rid FROM head WHERE slot IN (");
        store::list(&mut query, some.iter().copied());
        let rids: Vec<i64> = query
            .build_query_scalar()
            .fetch_all(&mut *from)
            .await
            .map_err(ChartError::broken("compare its heads"))?;
        found.extend(rids);
    }
    Ok(found)
}

fn version(row: &sqlx::sqlite::SqliteRow) -> Result<Version, sqlx::Error> {
    let source: i64 = row.try_get(8)?;
    Ok(Version {
        rid: row.try_get(0)?,
        seq: row.try_get(1)?,
        item: row.try_get(2)?,
        kind: row.try_get::<Option<String>, _>(3)?.unwrap_or_default(),
        id: row.try_get(4)?,
        patient: row.try_get(5)?,
        at: row.try_get(6)?,
        flags: row.try_get(7)?,
        source: match source {
            FROM_FHIR => "fhir".to_owned(),
            FROM_SALUS => "salus".to_owned(),
            _ => row.try_get(9)?,
        },
        labels: row.try_get(10)?,
        next: row.try_get(11)?,
        told: row.try_get(12)?,
        beside: row.try_get(13)?,
        content: Vec::new(),
        found: true,
    })
}

/// What differs between one version as it should be and as it is.
fn between(right: &Version, there: &Version) -> Option<Differs> {
    let mut parts = Vec::new();
    let mut say = |name: &str, was: &dyn ToString, is: &dyn ToString| {
        let (was, is) = (was.to_string(), is.to_string());
        if was != is {
            parts.push(part(right, name, was, is));
        }
    };
    say("type", &right.kind, &there.kind);
    say("id", &right.id, &there.id);
    let patient = |one: &Version| one.patient.clone().unwrap_or_default();
    say("patient", &patient(right), &patient(there));
    say("time", &right.at, &there.at);
    say("flags", &right.flags, &there.flags);
    say("source", &right.source, &there.source);
    say("labels", &right.labels, &there.labels);
    say("event time", &right.told, &there.told);
    let beside = |one: &Version| {
        let bytes = one.beside.as_deref().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    say(
        "when its elements were said",
        &beside(right),
        &beside(there),
    );
    let stands = |one: &Version| match one.next {
        None => "the current version".to_owned(),
        Some(next) => format!("replaced by event {next}"),
    };
    say("standing", &stands(right), &stands(there));
    let found = |one: &Version| if one.found { "found" } else { "not found" };
    say("by name", &found(right), &found(there));
    let content_only = parts.is_empty();
    if right.content != there.content {
        parts.extend(record::json_differences(&right.content, &there.content));
    }
    (!parts.is_empty()).then(|| Differs {
        found: there.content.clone(),
        content_only,
        ..Differs::of(right, parts)
    })
}

impl Differs {
    fn of(version: &Version, parts: Vec<AlteredPart>) -> Differs {
        Differs {
            patient: version.patient.clone(),
            version: u64::try_from(version.seq).ok(),
            parts,
            found: Vec::new(),
            content_only: false,
        }
    }
}

fn part(of: &Version, name: &str, sealed: impl ToString, found: impl ToString) -> AlteredPart {
    let dot = if name.is_empty() { "" } else { " " };
    let name = format!("chart: {}/{}{dot}{name}", of.kind, of.id);
    AlteredPart::new(name, sealed, found)
}

/// The first row in which a table differs.
async fn rows(
    table: &'static str,
    (own, live): (&mut SqliteConnection, &mut SqliteConnection),
    sql: &'static str,
) -> Outcome<Option<Differs>> {
    use futures_util::TryStreamExt as _;
    let broken = ChartError::broken("compare its tables");
    let mut right = sqlx::query::<Sqlite>(sql).fetch(own);
    let mut there = sqlx::query::<Sqlite>(sql).fetch(live);
    for number in 1_u64.. {
        let a = right
            .try_next()
            .await
            .map_err(&broken)?
            .map(|row| cells(&row));
        let b = there
            .try_next()
            .await
            .map_err(&broken)?
            .map(|row| cells(&row));
        if a.is_none() && b.is_none() {
            return Ok(None);
        }
        if a != b {
            // A row may name a patient, and this is sealed under nobody's key: it is not shown.
            let words = |row: Option<String>, is: &str| match row {
                Some(_) => format!("row {number}, {is}"),
                None => format!("no row {number}"),
            };
            let (a, b) = (words(a, "as folded"), words(b, "another"));
            return Ok(Some(Differs {
                patient: None,
                version: None,
                parts: vec![AlteredPart::new(format!("chart: table {table}"), a, b)],
                found: Vec::new(),
                content_only: false,
            }));
        }
    }
    Ok(None)
}

/// A row as text, its cells one after the other.
fn cells(row: &sqlx::sqlite::SqliteRow) -> String {
    let cell = |at: usize| {
        let text = row.try_get::<Option<String>, _>(at).ok().flatten();
        text.or_else(|| Some(row.try_get::<i64, _>(at).ok()?.to_string()))
    };
    let cells: Vec<String> = (0..row.len())
        .map(|at| cell(at).unwrap_or_default())
        .collect();
    cells.join(" | ")
}
