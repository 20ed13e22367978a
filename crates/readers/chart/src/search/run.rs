use serde_json::Value;
use wire::fhir::Query;
use wire::fhir::search::{Order, Total};

use super::candidates::{self, Candidates, Slice};
use super::sort::{self, Key};
use crate::ChartError;
use crate::contents::Room;
use crate::error::Outcome;
use crate::read::Reading;
use crate::scope::Scope;
use crate::store::{self, Row};
use crate::token::Token;

/// Candidates whose contents are read at once.
const CHUNK: usize = 256;
/// Contents of matches that are kept until they are sorted, in bytes; more are read again.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Candidates that are read for a total nobody asked for, at most.
const TOTAL_CANDIDATES_MAX: usize = CHUNK;

/// One search under way.
pub(super) struct Run<'q> {
    pub(super) query: &'q Query,
    pub(super) scope: &'q Scope,
    pub(super) token: Token,
    pub(super) scan_max: usize,
    pub(super) include_max: usize,
    /// How much of the vault a page brings.
    pub(super) room: Room<'q>,
}

/// The matches of one page.
#[derive(Debug, Default)]
pub(super) struct Hits {
    pub(super) found: Vec<(Row, Vec<u8>)>,
    pub(super) total: Option<u64>,
    pub(super) next: Option<Token>,
}

impl Hits {
    /// There is nothing of the type.
    fn nothing() -> Hits {
        Hits {
            total: Some(0),
            ..Hits::default()
        }
    }
}

/// A match that waits for its place in the order.
struct Match {
    keys: Vec<Key>,
    row: Row,
    json: Option<Vec<u8>>,
    /// Bytes of the vault that belong to it.
    brings: usize,
}

impl Run<'_> {
    pub(super) async fn hits(&self, reading: &mut Reading, count: usize) -> Outcome<Hits> {
        let candidates = candidates::of(self.query, self.scope);
        match self.streams(&candidates) {
            Some(_) if count == 0 && self.countable() => self.counted(reading).await,
            Some(order) if count > 0 => self.stream(reading, order, count).await,
            _ => self.collect(reading, &candidates, count).await,
        }
    }

    /// Whether the answer can be given row by row, without knowing all of it; in which order then.
    fn streams(&self, candidates: &Candidates) -> Option<Order> {
        if !matches!(candidates, Candidates::Kind) {
            return None;
        }
        match self.query.sort.as_slice() {
            [] => Some(Order::Ascending),
            [one] if one.param.code == "_lastUpdated" => Some(one.order),
            _ => None,
        }
    }

    /// Whether all resources of the type match, so that they need only be counted.
    fn countable(&self) -> bool {
        self.query.filters.is_empty()
            && !self.scope.is_masking()
            && self.scope.view(&self.query.kind).whole()
    }

    /// How many resources of the type there are.
    async fn counted(&self, reading: &mut Reading) -> Outcome<Hits> {
        let mut total = None;
        if let Some(slice) = self.slice(reading) {
            let count = store::count(&mut reading.from, slice.count()).await?;
            total = u64::try_from(count).ok();
        }
        Ok(Hits {
            total: total.or(Some(0)),
            ..Hits::default()
        })
    }

    /// Reads row by row until the page is full.
    async fn stream(&self, reading: &mut Reading, order: Order, count: usize) -> Outcome<Hits> {
        let mut hits = Hits::default();
        if self.countable() && self.query.total == Total::Accurate {
            hits.total = self.counted(reading).await?.total;
        }
        let Some(slice) = self.slice(reading) else {
            return Ok(Hits::nothing());
        };
        let (mut at, mut scanned, mut room) = (self.token.after, 0, self.room);
        loop {
            let wanted = CHUNK.min(count.saturating_add(1).max(16));
            let rows = store::fetch(&mut reading.from, slice.page(order, at, wanted)).await?;
            let Some(last) = rows.last() else { break };
            at = last.rid;
            scanned += rows.len();
            for (row, json, _) in self.matching(reading, rows).await? {
                if hits.found.len() == count || room.is_full() {
                    hits.next = self.after_row(hits.found.last().map(|(row, _)| row.rid));
                    return Ok(hits);
                }
                room.take(&json);
                hits.found.push((row, json));
            }
            if scanned > self.scan_max {
                return Err(self.too_costly());
            }
        }
        if self.token.after == 0 {
            hits.total = u64::try_from(hits.found.len()).ok();
        }
        Ok(hits)
    }

    /// Looks at all candidates: sorts what matches and cuts out the page, or, if nobody wants an
    /// order or a total, stops when the page is full.
    async fn collect(
        &self,
        reading: &mut Reading,
        candidates: &Candidates,
        count: usize,
    ) -> Outcome<Hits> {
        let Some(slice) = self.slice(reading) else {
            return Ok(Hits::nothing());
        };
        let slice = self.within_days(reading, slice, candidates).await?;
        let mut most = self.scan_max.saturating_add(1);
        if self.may_stop(count) {
            most = most.min(TOTAL_CANDIDATES_MAX.saturating_add(1));
        }
        let rows = store::fetch(&mut reading.from, slice.of(candidates, (0, most))).await?;
        let many = rows.len() >= most;
        if self.may_stop(count) && (many || self.query.total == Total::Not) {
            return self
                .first(reading, (slice, candidates), (rows, count))
                .await;
        }
        if many {
            return Err(self.too_costly());
        }
        let matches = self.all(reading, rows).await?;
        let (page, total, next) = self.cut(matches, count);
        Ok(Hits {
            found: self.contents(reading, page).await?,
            total: u64::try_from(total).ok(),
            next,
        })
    }

    /// Leaves out candidates by their day, if there are not too many to ask each for its day.
    async fn within_days(
        &self,
        reading: &mut Reading,
        slice: Slice,
        candidates: &Candidates,
    ) -> Outcome<Slice> {
        let days = candidates::days(self.query);
        let most = self.scan_max.saturating_add(1);
        let Some(few) = days.and_then(|_| slice.few(candidates, most)) else {
            return Ok(slice);
        };
        let count = store::count(&mut reading.from, few).await?;
        let few = usize::try_from(count).is_ok_and(|count| count < most);
        Ok(Slice {
            days: days.filter(|_| few),
            ..slice
        })
    }

    /// Whether a page may be given without looking at every candidate: nobody wants an order, nor a total
    /// of that many.
    fn may_stop(&self, count: usize) -> bool {
        count > 0 && self.query.sort.is_empty() && self.query.total != Total::Accurate
    }

    /// The first matches in the order of their rows, from the first candidates on: the more were looked at
    /// in vain, the more are looked at at once.
    async fn first(
        &self,
        reading: &mut Reading,
        (slice, candidates): (Slice, &Candidates),
        (first, count): (Vec<Row>, usize),
    ) -> Outcome<Hits> {
        let (mut hits, mut room) = (Hits::default(), self.room);
        let (mut rows, mut at, mut scanned) = (first, 0, 0_usize);
        let mut wanted = count.saturating_add(1);
        loop {
            rows.retain(|row| row.rid > self.token.after);
            while !rows.is_empty() {
                let chunk: Vec<Row> = rows.drain(..wanted.min(rows.len()).min(CHUNK)).collect();
                (at, scanned) = (
                    chunk.last().map_or(at, |row| row.rid),
                    scanned + chunk.len(),
                );
                for (row, json, _) in self.matching(reading, chunk).await? {
                    if hits.found.len() == count || room.is_full() {
                        hits.next = self.after_row(hits.found.last().map(|(row, _)| row.rid));
                        return Ok(hits);
                    }
                    room.take(&json);
                    hits.found.push((row, json));
                }
                wanted = wanted.saturating_mul(2);
            }
            if scanned > self.scan_max {
                return Err(self.too_costly());
            }
            let query = slice.of(candidates, (at.max(self.token.after), CHUNK));
            rows = store::fetch(&mut reading.from, query).await?;
            if rows.is_empty() {
                return Ok(hits);
            }
        }
    }

    /// Every match, in order: the page, how many there are, where the next page begins. Without
    /// an order of its own a page begins after a row, else after a number of matches.
    fn cut(&self, mut matches: Vec<Match>, count: usize) -> (Vec<Match>, usize, Option<Token>) {
        let sort = &self.query.sort;
        matches
            .sort_by(|a, b| sort::compare(sort, &a.keys, &b.keys).then(a.row.rid.cmp(&b.row.rid)));
        let total = matches.len();
        let skip = if sort.is_empty() {
            matches.partition_point(|one| one.row.rid <= self.token.after)
        } else {
            usize::try_from(self.token.after).unwrap_or(usize::MAX)
        };
        let mut room = self.room;
        let fits = |one: &Match| {
            let full = room.is_full();
            room.take_bytes(one.brings);
            !full
        };
        let rest = matches.into_iter().skip(skip).take(count);
        let page: Vec<Match> = rest.take_while(fits).collect();
        let reached = skip.saturating_add(page.len());
        let more = count > 0 && reached < total;
        let last = page.last().map(|one| one.row.rid);
        let after = if sort.is_empty() {
            last
        } else {
            i64::try_from(reached).ok()
        };
        let next = self.after_row(after).filter(|_| more);
        (page, total, next)
    }

    async fn all(&self, reading: &mut Reading, rows: Vec<Row>) -> Outcome<Vec<Match>> {
        let (mut matches, mut kept) = (Vec::new(), 0);
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let chunk: Vec<Row> = rows.by_ref().take(CHUNK).collect();
            for (row, json, value) in self.matching(reading, chunk).await? {
                kept += json.len();
                matches.push(Match {
                    keys: sort::keys(&self.query.sort, &row, &value),
                    row,
                    brings: self.room.brings(&json),
                    json: (kept <= KEPT_BYTES_MAX).then_some(json),
                });
            }
        }
        Ok(matches)
    }

    /// Those rows that match every filter and that the scope shows, with their contents.
    async fn matching(
        &self,
        reading: &mut Reading,
        rows: Vec<Row>,
    ) -> Outcome<Vec<(Row, Vec<u8>, Value)>> {
        let shown = rows.into_iter().filter(|row| self.scope.shows(row));
        let shown: Vec<Row> = shown.collect();
        let pages = store::pages(&mut reading.from, &shown).await?;
        let both = shown.into_iter().zip(pages);
        let view = self.scope.view(&self.query.kind);
        Ok(both
            .filter_map(|(row, json)| {
                let mut value = as_read(&row, &json)?;
                if !view.shows(row.patient.as_deref(), &value) {
                    return None;
                }
                // What is hidden is taken out first: nobody finds a resource by it, nor its place.
                let json = self.scope.hides().clean(&row, json);
                self.scope.hides().strip(&row, &mut value);
                let mut all = self.query.filters.iter();
                let fits = all.all(|filter| wire::fhir::matches(&value, filter));
                fits.then_some((row, json, value))
            })
            .collect())
    }

    /// The matches with their contents; what was not kept is read again.
    async fn contents(
        &self,
        reading: &mut Reading,
        page: Vec<Match>,
    ) -> Outcome<Vec<(Row, Vec<u8>)>> {
        let missing = page.iter().filter(|one| one.json.is_none());
        let missing: Vec<Row> = missing.map(|one| one.row.clone()).collect();
        let mut read = store::pages(&mut reading.from, &missing).await?.into_iter();
        let found = page.into_iter().map(|one| {
            let again = || {
                self.scope
                    .hides()
                    .clean(&one.row, read.next().unwrap_or_default())
            };
            let json = one.json.unwrap_or_else(again);
            (one.row, json)
        });
        Ok(found.collect())
    }

    /// `None`: there is nothing of the type.
    fn slice(&self, reading: &Reading) -> Option<Slice> {
        let kind = reading.known.words.number(&self.query.kind)?;
        Some(Slice {
            kind,
            snapshot: self.token.snapshot,
            days: None,
        })
    }

    fn after_row(&self, after: Option<i64>) -> Option<Token> {
        Some(Token {
            snapshot: self.token.snapshot,
            after: after?,
        })
    }

    fn too_costly(&self) -> ChartError {
        ChartError::TooCostly {
            what: format!("this search of `{}`", self.query.kind),
            limit: "search_scan_max",
            max: self.scan_max,
            hint: "ask for one patient, an identifier or a code",
        }
    }
}

/// The resource as a client reads it: with its `id`, `meta.versionId` and `meta.lastUpdated`.
pub(crate) fn as_read(row: &Row, json: &[u8]) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(json).ok()?;
    let map = value.as_object_mut()?;
    map.insert("id".into(), row.id.as_str().into());
    let meta = map
        .entry("meta")
        .or_insert_with(|| Value::Object(serde_json::Map::new()));
    if let Some(meta) = meta.as_object_mut() {
        meta.insert("versionId".into(), row.seq.to_string().into());
        meta.insert("lastUpdated".into(), row.at.to_string().into());
    }
    Some(value)
}
