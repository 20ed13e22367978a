//! All resources of a type, page by page of one moment: what an export is made of. Each row goes
//! through the scope as in a search; nothing is sorted and nothing is looked for by an index.

use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use crate::chart::Chart;
use crate::error::Outcome;
use crate::page::{ListOf, Page, PageOf, Placed, Stored};
use crate::read::Reading;
use crate::scope::Scope;
use crate::search::{patients, snapshot};
use crate::store::{self, Row, SELECT};
use crate::token::Token;
use crate::whole::{READ_BYTES_MAX, contents};

/// Rows that are read at once, at least: what is left of a page may be one, and the next that is listed far off.
const CHUNK_MIN: i64 = 64;
/// Rows that are read at once, with what is in them, at most.
const CHUNK: i64 = 256;
/// Rows that are read at once if nobody looks into them, at most.
const BARE_CHUNK: i64 = 4_096;

/// One page of a type.
pub(crate) async fn page(
    chart: &Chart,
    scope: &Scope,
    (what, of): (&ListOf, &PageOf),
) -> Outcome<Page> {
    let (mut reading, listing) = Listing::begin(chart, scope, (what, of)).await?;
    let token = listing.token;
    let until = what.until.as_deref().map(Token::read).transpose()?;
    let until = until.map_or(token.snapshot, |until| until.after);
    let (found, next) = listing
        .page(&mut reading, (until, of.count), Depth::Whole)
        .await?;
    let found = found.into_iter();
    let matches: Vec<Stored> = found.map(|(row, json)| reading.one(row, &json)).collect();
    let beginning = Token { after: 0, ..token };
    Ok(Page {
        patients: patients(&matches),
        matches,
        next: next.map(Token::text),
        beginning: beginning.text(),
        ..Page::default()
    })
}

/// Where a page lies, and how much is on it; no content is read unless that decides what is.
pub(crate) async fn place(
    chart: &Chart,
    scope: &Scope,
    (what, of): (&ListOf, &PageOf),
) -> Outcome<Placed> {
    let (mut reading, listing) = Listing::begin(chart, scope, (what, of)).await?;
    let token = listing.token;
    let depth = match listing.looks_inside() {
        true => Depth::Whole,
        false => Depth::Rows,
    };
    let bounds = (token.snapshot, of.count);
    let (found, next) = listing.page(&mut reading, bounds, depth).await?;
    Ok(Placed {
        count: found.len(),
        next: next.map(Token::text),
        beginning: Token { after: 0, ..token }.text(),
    })
}

/// How deep a listing looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// At the rows alone.
    Rows,
    /// At what is in them.
    Whole,
}

/// How many rows are read at once: as many as are left of the page, and more the longer nothing of what was read
/// is listed.
struct Chunks {
    least: i64,
    most: i64,
}

impl Chunks {
    const fn of(depth: Depth) -> Chunks {
        Chunks {
            least: CHUNK_MIN,
            most: match depth {
                Depth::Rows => BARE_CHUNK,
                Depth::Whole => CHUNK,
            },
        }
    }

    /// Rows to read for so many that are left.
    fn next(&self, left: usize) -> i64 {
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        left.max(self.least).min(self.most)
    }

    /// Notes how many of the rows are listed.
    fn gave(&mut self, listed: usize) {
        self.least = match listed {
            0 => self.least.saturating_mul(2).min(self.most),
            _ => CHUNK_MIN,
        };
    }
}

struct Listing<'a> {
    scope: &'a Scope,
    what: &'a ListOf,
    token: Token,
}

impl<'a> Listing<'a> {
    /// A listing as of the moment that its page is of.
    async fn begin(
        chart: &Chart,
        scope: &'a Scope,
        (what, of): (&'a ListOf, &PageOf),
    ) -> Outcome<(Reading, Listing<'a>)> {
        scope.asks_for(&what.kind)?;
        let mut reading = Reading::begin(chart).await?;
        let token = match &of.token {
            Some(text) => Token::read(text)?,
            None => Token {
                snapshot: snapshot(&mut reading.from).await?,
                after: 0,
            },
        };
        Ok((reading, Listing { scope, what, token }))
    }

    async fn page(
        &self,
        reading: &mut Reading,
        (until, count): (i64, usize),
        depth: Depth,
    ) -> Outcome<(Vec<(Row, Vec<u8>)>, Option<Token>)> {
        let mut found: Vec<(Row, Vec<u8>)> = Vec::new();
        let Some(kind) = reading.known.words.number(&self.what.kind) else {
            return Ok((found, None));
        };
        let (mut after, mut chunks) = (self.token.after, Chunks::of(depth));
        loop {
            // One more than is wanted says whether there is another page.
            let left = count.saturating_sub(found.len()).saturating_add(1);
            let query = self.query((kind, after, until), chunks.next(left));
            let rows = store::fetch(&mut reading.from, query).await?;
            let Some(last) = rows.last() else {
                return Ok((found, None));
            };
            after = last.rid;
            let shown = self.shown(reading, rows, depth).await?;
            chunks.gave(shown.len());
            for one in shown {
                if found.len() >= count {
                    let after = found.last().map_or(0, |(row, _)| row.rid);
                    let next = Token {
                        after,
                        ..self.token
                    };
                    return Ok((found, Some(next)));
                }
                found.push(one);
            }
        }
    }

    fn query(&self, (kind, after, until): (i64, i64, i64), chunk: i64) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new(SELECT);
        query.push("WHERE v.kind = ").push_bind(kind);
        query.push(match self.what.deleted {
            true => " AND v.flags IN (1, 3)",
            false => " AND v.flags IN (0, 2)",
        });
        query.push(" AND v.rid > ").push_bind(after);
        query.push(" AND v.rid <= ").push_bind(until);
        query
            .push(" AND (v.next = 0 OR v.next > ")
            .push_bind(self.token.snapshot)
            .push(")");
        if let Some(since) = self.what.since {
            query.push(" AND v.at >= ").push_bind(since.millis());
        }
        query.push(" ORDER BY v.rid");
        store::limit(&mut query, chunk);
        query
    }

    /// Whether what is in a resource decides if it is listed.
    fn looks_inside(&self) -> bool {
        let whole = self.scope.view(&self.what.kind).whole();
        !(self.what.deleted || whole && self.what.filters.is_empty())
    }

    async fn shown(
        &self,
        reading: &mut Reading,
        rows: Vec<Row>,
        depth: Depth,
    ) -> Outcome<Vec<(Row, Vec<u8>)>> {
        let aliases = reading.known.aliases.clone();
        let wanted = |row: &Row| {
            let theirs = match (&self.what.patients, &row.patient) {
                (Some(some), Some(patient)) => some.contains(aliases.survivor(patient)),
                (Some(_), None) => false,
                (None, patient) => patient.is_some() || !self.what.of_patients,
            };
            theirs && self.scope.shows(row)
        };
        let rows: Vec<Row> = rows.into_iter().filter(wanted).collect();
        if self.what.deleted {
            // A narrowed scope looks at content, and there is none.
            let whole = self.scope.view(&self.what.kind).whole();
            let rows = rows.into_iter().filter(|_| whole);
            return Ok(rows.map(|row| (row, Vec::new())).collect());
        }
        if depth == Depth::Rows {
            return Ok(rows.into_iter().map(|row| (row, Vec::new())).collect());
        }
        if !self.looks_inside() {
            return as_they_are(reading, self.scope, rows).await;
        }
        let found = contents(reading, self.scope, rows).await?.into_iter();
        Ok(found
            .filter(|(_, _, value)| self.fits(value))
            .map(|(row, json, _)| (row, json))
            .collect())
    }

    /// Whether one of the lists of filters holds; true if there is none.
    fn fits(&self, value: &Value) -> bool {
        let mut lists = self.what.filters.iter();
        let holds = |list: &Vec<wire::fhir::Filter>| {
            let mut all = list.iter();
            all.all(|filter| wire::fhir::matches(value, filter))
        };
        self.what.filters.is_empty() || lists.any(holds)
    }
}

/// The contents of rows that are shown whatever is in them, without what is hidden: not read as JSON for
/// nothing.
async fn as_they_are(
    reading: &mut Reading,
    scope: &Scope,
    mut rows: Vec<Row>,
) -> Outcome<Vec<(Row, Vec<u8>)>> {
    let mut found = Vec::with_capacity(rows.len());
    while !rows.is_empty() {
        let pages = store::pages_within(&mut reading.from, &rows, READ_BYTES_MAX).await?;
        let read = pages.len();
        for (row, json) in rows.drain(..read).zip(pages) {
            let json = scope.hides().clean(&row, json);
            if !json.is_empty() {
                found.push((row, json));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The queries that it takes to read so many rows of which none is listed.
    fn queries(depth: Depth, rows: i64) -> usize {
        let (mut chunks, mut read, mut asked) = (Chunks::of(depth), 0, 0);
        while read < rows {
            // The page is full; only whether there is another is not known.
            read += chunks.next(1);
            asked += 1;
            chunks.gave(0);
        }
        asked
    }

    #[test]
    fn what_is_not_listed_is_passed_over_in_large_steps() {
        assert!(queries(Depth::Whole, 1_000_000) < 4_000);
        assert!(queries(Depth::Rows, 1_000_000) < 260);
    }

    #[test]
    fn no_more_is_read_at_once_than_may_be() {
        let mut chunks = Chunks::of(Depth::Whole);
        assert_eq!((chunks.next(1), chunks.next(101)), (CHUNK_MIN, 101));
        assert_eq!(chunks.next(usize::MAX), CHUNK);
        for _ in 0..100 {
            chunks.gave(0);
        }
        assert_eq!(chunks.next(1), CHUNK);
        chunks.gave(1);
        assert_eq!(chunks.next(1), CHUNK_MIN);
    }
}
