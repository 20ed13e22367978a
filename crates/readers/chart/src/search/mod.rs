//! Search: the index proposes, [`wire::fhir::matches`] decides.
//!
//! All pages of one answer are of one snapshot: a version counts if it was the current one when the
//! first page was read. What is written later changes nothing about them.

mod candidates;
mod include;
mod linked;
mod run;
mod sort;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;

use sqlx::SqliteConnection;
use wire::fhir::Query;
use wire::fhir::search::{Subset, Total};

use crate::ChartError;
use crate::chart::Chart;
use crate::error::Outcome;
use crate::page::{Page, PageOf, Stored};
use crate::read::Reading;
use crate::scope::Scope;
use crate::token::Token;
pub(crate) use candidates::{belongs_to_patients, prefix};
use linked::Links;
use run::Run;
pub(crate) use run::as_read;

/// One page of matches with what comes along.
pub(crate) async fn page(
    chart: &Chart,
    scope: &Scope,
    query: &Query,
    of: &PageOf,
) -> Outcome<Page> {
    scope.asks_for(&query.kind)?;
    sort::check(query)?;
    let mut reading = Reading::begin(chart).await?;
    let token = match &of.token {
        Some(text) => Token::read(text)?,
        None => Token {
            snapshot: snapshot(&mut reading.from).await?,
            after: 0,
        },
    };
    let left = AtomicUsize::new(chart.config.search_scan_max);
    let links = Links {
        left: &left,
        scope,
        snapshot: token.snapshot,
        scan_max: chart.config.search_scan_max,
        chain_max: chart.config.search_chain_max,
    };
    let beginning = Token {
        snapshot: token.snapshot,
        after: 0,
    };
    let Some(linked) = links.filters(&mut reading, query).await? else {
        return Ok(Page {
            total: Some(0),
            beginning: beginning.text(),
            ..Page::default()
        });
    };
    let mut query = query.clone();
    query.filters.extend(linked);
    let mut query = candidates::with_aliases(&query, &reading.known.aliases);
    // What every visible resource answers helps the index to find them.
    let common = scope.view(&query.kind).common();
    query.filters.extend(common.iter().cloned());
    let run = Run {
        query: &query,
        scope,
        token,
        scan_max: chart.config.search_scan_max,
        include_max: chart.config.include_max,
        room: chart.room(),
    };
    let hits = run.hits(&mut reading, of.count).await?;
    let included = include::all(&run, &mut reading, &hits.found).await?;
    let found = hits.found.into_iter();
    let matches: Vec<Stored> = found.map(|(row, json)| reading.one(row, &json)).collect();
    Ok(Page {
        patients: patients(matches.iter().chain(&included)),
        matches,
        included,
        total: hits.total,
        next: hits.next.map(Token::text),
        beginning: beginning.text(),
    })
}

/// Ids of at most `max` matches, for conditional writes.
pub(crate) async fn ids(
    chart: &Chart,
    scope: &Scope,
    query: &Query,
    max: usize,
) -> Outcome<Vec<String>> {
    let plain = Query {
        subset: Subset::Whole,
        includes: Vec::new(),
        revincludes: Vec::new(),
        sort: Vec::new(),
        total: Total::Not,
        ..query.clone()
    };
    let of = PageOf {
        count: max,
        token: None,
    };
    let page = page(chart, scope, &plain, &of).await?;
    Ok(page.matches.into_iter().map(|stored| stored.id).collect())
}

/// The newest row.
pub(crate) async fn snapshot(from: &mut SqliteConnection) -> Outcome<i64> {
    sqlx::query_scalar("SELECT COALESCE(MAX(rid), 0) FROM version")
        .fetch_one(from)
        .await
        .map_err(ChartError::broken("read its newest row"))
}

/// Every patient among the resources, once.
pub(crate) fn patients<'s>(of: impl IntoIterator<Item = &'s Stored>) -> Vec<String> {
    let ids: BTreeSet<&String> = of.into_iter().filter_map(|s| s.patient.as_ref()).collect();
    ids.into_iter().cloned().collect()
}
