//! Which versions are events of a subscription. Where they stand is told, no content leaves: what a
//! subscriber sees of them is looked up with a permit.

use std::collections::HashMap;

use event::Time;
use sqlx::{QueryBuilder, Sqlite};
use wire::fhir::subscription::Subscribed;

use crate::ChartError;
use crate::chart::Chart;
use crate::error::Outcome;
use crate::read::Reading;
use crate::search::as_read;
use crate::store::{self, Row, SELECT};

/// Events of the record that are looked at at once, of those that wrote something.
const EVENTS_AT_ONCE: i64 = 256;
/// Bytes of what they wrote, as it is kept, that are looked at at once; one event more always is.
const BYTES_AT_ONCE: i64 = 4 << 20;
/// Resources that are unpacked at once.
const UNPACKED_AT_ONCE: usize = 16;

/// A version that is an event of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The FHIR type.
    pub kind: String,
    /// The logical id.
    pub id: String,
    /// The index of the event that wrote it.
    pub version: u64,
    /// Its place among what that event wrote, from 0.
    pub place: u32,
    /// When that was sealed.
    pub at: Time,
    /// The patient it belongs to now: the survivor's id.
    pub patient: Option<String>,
    /// It says that the resource is gone.
    pub deleted: bool,
    /// The index of the event that wrote the version before it.
    pub before: Option<u64>,
}

/// What a look through the record found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The events, in the order of the record.
    pub found: Vec<Change>,
    /// Everything before this index was looked at.
    pub through: u64,
    /// There is more behind it already.
    pub more: bool,
    /// Versions whose content was held against what is asked.
    pub judged: u64,
}

impl Chart {
    /// The versions from index `after` on, and before `until`, that are events of a subscription; some hundred events of
    /// the record at once.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn changes(
        &self,
        wanted: &Subscribed,
        (after, until): (u64, u64),
    ) -> Outcome<Changes> {
        // INVARIANT: what is folded is read before the rows, so that none of it is missed.
        let folded = *self.folded().borrow();
        let end = folded.min(until);
        let mut reading = Reading::begin(self).await?;
        let Some(window) = window(&mut reading, (after, end)).await? else {
            // While everything is folded again the tables are empty, and nothing was looked through.
            let again = *self.folded().borrow() < folded;
            return Ok(Changes {
                through: if again { after } else { end.max(after) },
                ..Changes::default()
            });
        };
        let kinds = wanted.kinds.iter();
        let kinds: Vec<i64> = kinds
            .filter_map(|kind| reading.known.words.number(kind))
            .collect();
        let rows = rows(&mut reading, (&window, &kinds)).await?;
        Ok(Changes {
            judged: rows.len() as u64,
            found: happened(&mut reading, wanted, rows).await?,
            through: window.until,
            more: window.more,
        })
    }

    /// The version at a place among what an event wrote; `None`: there is none, or no longer.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn change(&self, version: u64, place: u32) -> Outcome<Option<Change>> {
        let mut reading = Reading::begin(self).await?;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query
            .push("JOIN page g ON g.seq = v.seq AND v.rid = g.first + ")
            .push_bind(i64::from(place))
            .push(" WHERE v.item = ")
            .push_bind(i64::from(place))
            .push(" AND g.seq = ")
            .push_bind(i64::try_from(version).unwrap_or(i64::MAX));
        let rows = store::fetch(&mut reading.from, query).await?;
        let earlier = earlier(&mut reading, &rows).await?;
        let before = earlier.first().map(Row::version);
        Ok(rows
            .into_iter()
            .next()
            .map(|row| change(&reading, (row, before))))
    }
}

/// The types of which something was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The types.
    pub kinds: Vec<String>,
    /// Everything before this index was looked at.
    pub through: u64,
}

impl Chart {
    /// The types of which something was written by events from index `after` on: whom that may concern.
    ///
    /// # Errors
    /// [`ChartError::Broken`].
    pub async fn written(&self, after: u64) -> Outcome<Written> {
        let folded = *self.folded().borrow();
        let mut reading = Reading::begin(self).await?;
        let numbers: Vec<(i64,)> = sqlx::query_as(
            "SELECT DISTINCT kind FROM version WHERE rid >= \
             (SELECT first FROM page WHERE seq >= $1 ORDER BY seq LIMIT 1)",
        )
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .fetch_all(&mut *reading.from)
        .await
        .map_err(ChartError::broken("look for what was written"))?;
        let words = &reading.known.words;
        let kinds = numbers.iter().map(|(kind,)| words.text(*kind).to_owned());
        Ok(Written {
            kinds: kinds.collect(),
            through: folded.max(after),
        })
    }
}

/// Rows of some events.
struct Window {
    first: i64,
    /// The rows end before this one; `None`: with the last.
    end: Option<i64>,
    /// The events end before this index.
    until: u64,
    more: bool,
}

/// `None`: nothing was written from `after` on.
async fn window(reading: &mut Reading, (after, end): (u64, u64)) -> Outcome<Option<Window>> {
    let broken = ChartError::broken("look for what changed");
    let index = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    // The length of what is kept is known without reading it.
    let pages: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT seq, first, length(body) FROM page WHERE seq >= $1 AND seq < $2 ORDER BY seq \
         LIMIT 1 + $3",
    )
    .bind(index(after))
    .bind(index(end))
    .bind(EVENTS_AT_ONCE)
    .fetch_all(&mut *reading.from)
    .await
    .map_err(&broken)?;
    let Some((_, first, _)) = pages.first() else {
        return Ok(None);
    };
    let mut bytes = 0_i64;
    let fits = |(at, (_, _, length)): &(usize, &(i64, i64, i64))| {
        let before = bytes;
        bytes = bytes.saturating_add(*length);
        *at == 0 || (before < BYTES_AT_ONCE && index(*at as u64) < EVENTS_AT_ONCE)
    };
    let taken = pages.iter().enumerate().take_while(fits).count();
    let behind = pages.get(taken);
    Ok(Some(Window {
        first: *first,
        end: behind.map(|(_, first, _)| *first),
        until: behind.map_or(end, |(seq, _, _)| seq.unsigned_abs()),
        more: behind.is_some(),
    }))
}

async fn rows(reading: &mut Reading, (window, kinds): (&Window, &[i64])) -> Outcome<Vec<Row>> {
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query
        .push("WHERE v.rid >= ")
        .push_bind(window.first)
        .push(" AND v.seq < ")
        .push_bind(i64::try_from(window.until).unwrap_or(i64::MAX));
    if let Some(end) = window.end {
        query.push(" AND v.rid < ").push_bind(end);
    }
    // The new rows are few: no index of a type's rows is wanted.
    query.push(" AND +v.kind IN (");
    let mut list = query.separated(", ");
    for kind in kinds {
        list.push_bind(*kind);
    }
    query.push(") ORDER BY v.rid");
    store::fetch(&mut reading.from, query).await
}

async fn happened(
    reading: &mut Reading,
    wanted: &Subscribed,
    rows: Vec<Row>,
) -> Outcome<Vec<Change>> {
    let mut found = Vec::new();
    let mut rows = rows.into_iter();
    loop {
        let some: Vec<Row> = rows.by_ref().take(UNPACKED_AT_ONCE).collect();
        if some.is_empty() {
            return Ok(found);
        }
        found.extend(among(reading, wanted, some).await?);
    }
}

/// Those of some versions that are events.
async fn among(reading: &mut Reading, wanted: &Subscribed, rows: Vec<Row>) -> Outcome<Vec<Change>> {
    let mut before = HashMap::new();
    let rows_before = earlier(reading, &rows).await?;
    let versions: HashMap<i64, u64> = rows_before
        .iter()
        .map(|row| (row.rid, row.version()))
        .collect();
    if wanted.looks_back() {
        let contents = store::pages(&mut reading.from, &rows_before).await?;
        for (row, json) in rows_before.into_iter().zip(contents) {
            if !row.deleted()
                && let Some(value) = as_read(&row, &json)
            {
                before.insert(row.rid, value);
            }
        }
    }
    let contents = store::pages(&mut reading.from, &rows).await?;
    let mut found = Vec::new();
    for (row, json) in rows.into_iter().zip(contents) {
        let now = match row.deleted() {
            true => None,
            false => as_read(&row, &json),
        };
        let kind = reading.known.words.text(row.kind);
        let is_event = (row.deleted() || now.is_some())
            && wanted.happened(kind, before.get(&row.prev), now.as_ref());
        if is_event {
            let version_before = versions.get(&row.prev).copied();
            found.push(change(reading, (row, version_before)));
        }
    }
    Ok(found)
}

/// The versions before some.
async fn earlier(reading: &mut Reading, rows: &[Row]) -> Outcome<Vec<Row>> {
    /// Values of one IN list.
    const IN_MAX: usize = 64;
    let prev: Vec<i64> = rows
        .iter()
        .map(|row| row.prev)
        .filter(|prev| *prev > 0)
        .collect();
    let mut found = Vec::new();
    for some in prev.chunks(IN_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("WHERE v.rid IN (");
        let mut list = query.separated(", ");
        for rid in some {
            list.push_bind(*rid);
        }
        query.push(")");
        found.extend(store::fetch(&mut reading.from, query).await?);
    }
    Ok(found)
}

fn change(reading: &Reading, (row, before): (Row, Option<u64>)) -> Change {
    let known = &reading.known;
    Change {
        kind: known.words.text(row.kind).to_owned(),
        version: row.version(),
        place: u32::try_from(row.item).unwrap_or(u32::MAX),
        at: row.at,
        deleted: row.deleted(),
        before,
        patient: row.patient.map(|id| known.aliases.survivor(&id).to_owned()),
        id: row.id,
    }
}
