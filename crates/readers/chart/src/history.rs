//! What was: every version, the newest first.

use sqlx::{QueryBuilder, Sqlite};

use crate::chart::Chart;
use crate::error::Outcome;
use crate::page::{HistoryOf, Page, PageOf};
use crate::read::Reading;
use crate::scope::{Reach, Scope};
use crate::search::{patients, snapshot};
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
    let rows = match what {
        HistoryOf::Instance { kind, id } => {
            instance(&mut reading, scope, (kind, id), token, page.count).await?
        }
        HistoryOf::Type { kind } => all(&mut reading, Some(kind), token, page.count).await?,
        HistoryOf::System => all(&mut reading, None, token, page.count).await?,
    };
    let more = rows.len() > page.count;
    let rows: Vec<Row> = rows.into_iter().take(page.count).collect();
    let next = rows.last().filter(|_| more).map(|last| Token {
        snapshot: token.snapshot,
        after: last.rid,
    });
    let rows: Vec<Row> = rows.into_iter().filter(|row| !scope.masks(row)).collect();
    let matches = reading.stored(rows).await?;
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

/// One more version than `count` of one resource, along the chain from each to the one before.
async fn instance(
    reading: &mut Reading,
    scope: &Scope,
    (kind, id): (&str, &str),
    token: Token,
    count: usize,
) -> Outcome<Vec<Row>> {
    let Some(head) = reading.head(kind, id).await? else {
        return Ok(Vec::new());
    };
    if !scope.reaches(&head) {
        return Err(scope.outside("a resource that is not theirs"));
    }
    let mut query = QueryBuilder::<Sqlite>::new(
        "WITH RECURSIVE chain (rid, prev) AS (SELECT rid, prev FROM version WHERE rid = ",
    );
    query
        .push_bind(head.rid)
        .push(" UNION ALL SELECT b.rid, b.prev FROM version b JOIN chain c ON b.rid = c.prev) ")
        .push(SELECT)
        .push("JOIN chain c ON c.rid = v.rid WHERE v.rid < ")
        .push_bind(token.after)
        .push(" ORDER BY v.rid DESC LIMIT ")
        .push_bind(limit(count));
    let rows = store::fetch(&mut reading.from, query).await?;
    // A version may have belonged to somebody else.
    Ok(rows.into_iter().filter(|row| scope.reaches(row)).collect())
}

async fn all(
    reading: &mut Reading,
    kind: Option<&str>,
    token: Token,
    count: usize,
) -> Outcome<Vec<Row>> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push("WHERE v.rid < ").push_bind(token.after);
    if let Some(kind) = kind {
        let Some(number) = reading.known.words.number(kind) else {
            return Ok(Vec::new());
        };
        query.push(" AND v.kind = ").push_bind(number);
    }
    query
        .push(" ORDER BY v.rid DESC LIMIT ")
        .push_bind(limit(count));
    store::fetch(&mut reading.from, query).await
}

fn limit(count: usize) -> i64 {
    i64::try_from(count.saturating_add(1)).unwrap_or(i64::MAX)
}
