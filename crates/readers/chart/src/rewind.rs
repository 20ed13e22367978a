//! What some events wrote, and what stood there before them: for undoing what a captured account
//! or machine did. Content leaves only for a permit, and only to be written back.

use std::collections::{BTreeMap, HashSet};

use event::Act;
use record::Permit;
use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use crate::error::Outcome;
use crate::open::Open;
use crate::read::Reading;
use crate::store::{self, DELETED, Row, SELECT};
use crate::{Chart, ChartError};

/// Values of one IN list.
const IN_MAX: usize = 64;

/// One resource that was touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// FHIR type.
    pub kind: String,
    /// Logical id.
    pub id: String,
    /// Whose it is, if it is a patient's.
    pub patient: Option<String>,
    /// Versions that the events wrote, the oldest first.
    pub versions: Vec<u64>,
    /// Its current version.
    pub current: u64,
    /// Who wrote the current version was not among the events: somebody else went on from it.
    pub since: bool,
    /// The last version before the events; `None`: it was not there, or it was deleted.
    pub before: Option<u64>,
}

impl Chart {
    /// The resources that these events wrote, by type and id.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn touched(&self, events: &[u64]) -> Outcome<Vec<Touched>> {
        let ours: HashSet<i64> = events.iter().map(|seq| seq.cast_signed()).collect();
        let mut reading = Reading::begin(self).await?;
        let mut names: BTreeMap<(i64, String), Vec<Row>> = BTreeMap::new();
        for some in events.chunks(IN_MAX) {
            let mut query = QueryBuilder::<Sqlite>::new(SELECT);
            query.push(
                "JOIN page g ON v.rid >= g.first AND v.rid < g.first + g.items AND v.seq = g.seq
                 WHERE g.seq IN (",
            );
            store::list(&mut query, some.iter().map(|seq| seq.cast_signed()));
            for row in store::fetch(&mut reading.from, query).await? {
                names
                    .entry((row.kind, row.id.clone()))
                    .or_default()
                    .push(row);
            }
        }
        let mut touched = Vec::with_capacity(names.len());
        for ((kind, id), mut rows) in names {
            rows.sort_by_key(|row| row.seq);
            let kind = reading.known.words.text(kind).to_owned();
            let Some(head) = reading.head(&kind, &id).await? else {
                continue;
            };
            let before = before(&mut reading, &rows).await?;
            let patient = head.patient.clone();
            touched.push(Touched {
                patient: patient.map(|id| reading.known.aliases.survivor(&id).to_owned()),
                versions: rows.iter().map(Row::version).collect(),
                current: head.version(),
                since: !ours.contains(&head.seq),
                before,
                kind,
                id,
            });
        }
        Ok(touched)
    }

    /// A former content of a resource that `permit` allows to be written.
    ///
    /// # Errors
    /// [`ChartError::OutsidePermit`] if the permit is for something else, [`ChartError::Broken`].
    pub async fn former(
        &self,
        permit: Permit,
        (kind, id, version): (&str, &str, u64),
    ) -> Outcome<Option<Vec<u8>>> {
        let open = Open::to_write_back(self.clone(), permit, Act::Update);
        match open.version_bare(kind, id, version).await? {
            Some(bare) => open.whole(bare).await.map(|stored| Some(stored.json)),
            None => Ok(None),
        }
    }
}

impl Chart {
    /// A member of a former content of a resource that `permit` allows to be written.
    ///
    /// # Errors
    /// As [`Chart::former`].
    pub async fn former_member(
        &self,
        permit: Permit,
        (kind, id, version): (&str, &str, u64),
        name: &str,
    ) -> Outcome<Option<Value>> {
        let open = Open::to_write_back(self.clone(), permit, Act::Update);
        let found = open.version(kind, id, version).await?;
        let read = found.and_then(|stored| serde_json::from_slice::<Value>(&stored.json).ok());
        Ok(read.and_then(|resource| resource.get(name).cloned()))
    }
}

/// The version that the first of `rows` replaced.
async fn before(reading: &mut Reading, rows: &[Row]) -> Outcome<Option<u64>> {
    let Some(first) = rows.first().filter(|row| row.prev != 0) else {
        return Ok(None);
    };
    let row: Option<(i64, i64)> = sqlx::query_as("SELECT seq, flags FROM version WHERE rid = $1")
        .bind(first.prev)
        .fetch_optional(&mut *reading.from)
        .await
        .map_err(ChartError::broken("read what was before"))?;
    let there = row.filter(|(_, flags)| flags & DELETED == 0);
    Ok(there.map(|(seq, _)| seq.unsigned_abs()))
}
