//! All resources of a type, page by page of one moment: what an export is made of. Each row goes
//! through the scope as in a search; nothing is sorted and nothing is looked for by an index.

use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use crate::chart::Chart;
use crate::error::Outcome;
use crate::page::{ListOf, Page, PageOf, Stored};
use crate::read::Reading;
use crate::scope::Scope;
use crate::search::{patients, snapshot};
use crate::store::{self, Row, SELECT};
use crate::token::Token;
use crate::whole::contents;

/// Rows that are read at once.
const CHUNK: i64 = 256;

/// One page of a type.
pub(crate) async fn page(
    chart: &Chart,
    scope: &Scope,
    (what, of): (&ListOf, &PageOf),
) -> Outcome<Page> {
    scope.asks_for(&what.kind)?;
    let mut reading = Reading::begin(chart).await?;
    let token = match &of.token {
        Some(text) => Token::read(text)?,
        None => Token {
            snapshot: snapshot(&mut reading.from).await?,
            after: 0,
        },
    };
    let until = what.until.as_deref().map(Token::read).transpose()?;
    let listing = Listing { scope, what, token };
    let until = until.map_or(token.snapshot, |until| until.after);
    let (found, next) = listing.page(&mut reading, (until, of.count)).await?;
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

struct Listing<'a> {
    scope: &'a Scope,
    what: &'a ListOf,
    token: Token,
}

impl Listing<'_> {
    async fn page(
        &self,
        reading: &mut Reading,
        (until, count): (i64, usize),
    ) -> Outcome<(Vec<(Row, Vec<u8>)>, Option<Token>)> {
        let mut found: Vec<(Row, Vec<u8>)> = Vec::new();
        let Some(kind) = reading.known.words.number(&self.what.kind) else {
            return Ok((found, None));
        };
        let mut after = self.token.after;
        loop {
            let query = self.query((kind, after, until));
            let rows = store::fetch(&mut reading.from, query).await?;
            let Some(last) = rows.last() else {
                return Ok((found, None));
            };
            after = last.rid;
            for one in self.shown(reading, rows).await? {
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

    fn query(&self, (kind, after, until): (i64, i64, i64)) -> QueryBuilder<Sqlite> {
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
        query.push(" ORDER BY v.rid LIMIT ").push_bind(CHUNK);
        query
    }

    async fn shown(&self, reading: &mut Reading, rows: Vec<Row>) -> Outcome<Vec<(Row, Vec<u8>)>> {
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
