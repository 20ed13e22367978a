//! What was: every version, the newest first.

use sqlx::{QueryBuilder, Sqlite};

use crate::ChartError;
use crate::chart::Chart;
use crate::contents::Room;
use crate::error::Outcome;
use crate::page::{HistoryOf, Page, PageOf, Stored};
use crate::read::Reading;
use crate::scope::{Reach, Scope};
use crate::search::{as_read, patients, snapshot};
use crate::store::{self, Row, SELECT};
use crate::token::Token;

/// One page of a history.
pub(crate) async fn page(
    chart: &Chart,
    scope: &Scope,
    what: &HistoryOf,
    page: &PageOf,
) -> Outcome<Page> {
    allowed(scope, what)?;
    let mut reading = Reading::begin(chart).await?;
    let token = match &page.token {
        Some(text) => Token::read(text)?,
        None => {
            let snapshot = snapshot(&mut reading.from).await?;
            let after = snapshot.saturating_add(1);
            Token { snapshot, after }
        }
    };
    let Some(past) = past(&mut reading, scope, what).await? else {
        return Ok(Page::default());
    };
    let walk = Walk {
        past,
        scope,
        scan_max: chart.config.search_scan_max,
        room: chart.room(),
    };
    let (found, more) = walk.page(&mut reading, token, page.count).await?;
    let next = found.last().filter(|_| more).map(|(last, _)| Token {
        snapshot: token.snapshot,
        after: last.rid,
    });
    let found = found.into_iter();
    let matches: Vec<Stored> = found.map(|(row, json)| reading.one(row, &json)).collect();
    Ok(Page {
        patients: patients(matches.iter()),
        matches,
        next: next.map(Token::text),
        ..Page::default()
    })
}

fn allowed(scope: &Scope, what: &HistoryOf) -> Outcome<()> {
    match what {
        HistoryOf::Instance { kind, .. } => scope.asks_for(kind),
        // Without an id the whole type is asked for, and one patient's permit is not for that.
        HistoryOf::Type { kind } if scope.family().is_none() => scope.asks_for(kind),
        HistoryOf::System if *scope.reach() == Reach::Record => Ok(()),
        HistoryOf::Type { kind } => Err(scope.outside(&format!("the history of `{kind}`"))),
        HistoryOf::System => Err(scope.outside("the history of everything")),
    }
}

/// Versions that are read at once when those before were not to be shown.
const CHUNK: usize = 256;

/// Which versions a history is of.
enum Past {
    /// The chain that ends with this row.
    Chain(i64),
    /// Those of one type, by its number; `None`: all.
    All(Option<i64>),
}

/// Where a history begins; `None`: there is nothing.
async fn past(reading: &mut Reading, scope: &Scope, what: &HistoryOf) -> Outcome<Option<Past>> {
    match what {
        HistoryOf::Instance { kind, id } => {
            let Some(head) = reading.head(kind, id).await? else {
                return Ok(None);
            };
            if !scope.reaches(&head) {
                return Err(scope.outside("a resource that is not theirs"));
            }
            Ok(Some(Past::Chain(head.rid)))
        }
        HistoryOf::Type { kind } => {
            let number = reading.known.words.number(kind);
            Ok(number.map(|number| Past::All(Some(number))))
        }
        HistoryOf::System => Ok(Some(Past::All(None))),
    }
}

/// A walk from the newest version back.
struct Walk<'s> {
    past: Past,
    scope: &'s Scope,
    scan_max: usize,
    /// How much of the vault a page brings.
    room: Room<'s>,
}

impl Walk<'_> {
    /// The next `count` versions that the scope shows, and whether there are more.
    async fn page(
        &self,
        reading: &mut Reading,
        token: Token,
        count: usize,
    ) -> Outcome<(Vec<(Row, Vec<u8>)>, bool)> {
        let (mut found, mut scanned, mut after) = (Vec::new(), 0, token.after);
        let (mut wanted, mut room) = (count.saturating_add(1), self.room);
        loop {
            let rows = store::fetch(&mut reading.from, self.rows(after, wanted)).await?;
            let (end, last) = (rows.len() < wanted, rows.last().map(|row| row.rid));
            scanned += rows.len();
            for one in self.seen(reading, rows).await? {
                if found.len() == count || room.is_full() {
                    return Ok((found, true));
                }
                room.take(&one.1);
                found.push(one);
            }
            match last {
                Some(last) if !end => (after, wanted) = (last, wanted.max(CHUNK)),
                Some(_) | None => return Ok((found, false)),
            }
            if scanned > self.scan_max {
                return Err(self.too_costly());
            }
        }
    }

    /// A version may have belonged to somebody else, carry labels that are left out, or lie outside
    /// what scopes let be seen.
    async fn seen(&self, reading: &mut Reading, rows: Vec<Row>) -> Outcome<Vec<(Row, Vec<u8>)>> {
        let rows: Vec<Row> = rows
            .into_iter()
            .filter(|row| self.scope.shows(row))
            .collect();
        let pages = store::pages(&mut reading.from, &rows).await?;
        let words = &reading.known.words;
        let both = rows.into_iter().zip(pages);
        let shown = both.filter(|(row, json)| {
            let view = self.scope.view(words.text(row.kind));
            view.shows_row(row, || as_read(row, json))
        });
        let hides = self.scope.hides();
        Ok(shown
            .map(|(row, json)| {
                let json = hides.clean(&row, json);
                (row, json)
            })
            .collect())
    }

    fn rows(&self, after: i64, wanted: usize) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::<Sqlite>::new("");
        match self.past {
            Past::Chain(head) => {
                query
                    .push("WITH RECURSIVE chain (rid, prev) AS (SELECT rid, prev FROM version")
                    .push(" WHERE rid = ")
                    .push_bind(head)
                    .push(" UNION ALL SELECT b.rid, b.prev FROM version b")
                    .push(" JOIN chain c ON b.rid = c.prev) ")
                    .push(SELECT)
                    .push("JOIN chain c ON c.rid = v.rid WHERE v.rid < ")
                    .push_bind(after);
            }
            Past::All(kind) => {
                query.push(SELECT).push("WHERE v.rid < ").push_bind(after);
                if let Some(kind) = kind {
                    query.push(" AND v.kind = ").push_bind(kind);
                }
            }
        }
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        query.push(" ORDER BY v.rid DESC");
        store::limit(&mut query, wanted);
        query
    }

    fn too_costly(&self) -> ChartError {
        ChartError::TooCostly {
            what: "this history".into(),
            limit: "search_scan_max",
            max: self.scan_max,
            hint: "ask for smaller pages with `_count`, or for one resource",
        }
    }
}
