//! All of one patient: `$everything`, page by page, and what a summary is made of.
//!
//! Both go through the scope row by row, as a search does: what is masked is not there, what is
//! hidden is taken out, and of what may come along nothing belongs to anybody else.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};
use wire::fhir::TermValue;
use wire::fhir::search::terms_of;

use crate::ChartError;
use crate::chart::Chart;
use crate::error::Outcome;
use crate::page::{EverythingOf, Excerpt, Page, PageOf, Stored};
use crate::read::Reading;
use crate::scope::Scope;
use crate::search::{as_read, belongs_to_patients, patients, snapshot};
use crate::store::{self, Row, SELECT, list};
use crate::token::Token;

/// Rows whose contents are read at once.
const CHUNK: usize = 256;

/// The search parameters that say when something about a patient was so, one of them for each type
/// that has a time of care.
const CARE_DATES: [&str; 19] = [
    "authored",
    "authored-on",
    "authoredon",
    "collected",
    "created",
    "date",
    "datetime",
    "effective",
    "effective-time",
    "event-date",
    "occurrence",
    "onset-date",
    "period",
    "performed",
    "recorded-date",
    "sent",
    "start-date",
    "started",
    "whenhandedover",
];

/// One page of everything about the scope's patient.
pub(crate) async fn everything(
    chart: &Chart,
    scope: &Scope,
    (what, of): (&EverythingOf, &PageOf),
) -> Outcome<Page> {
    let family = scope.family();
    let family = family.ok_or_else(|| scope.outside("everything about a patient"))?;
    let mut reading = Reading::begin(chart).await?;
    let token = match &of.token {
        Some(text) => Token::read(text)?,
        None => Token {
            snapshot: snapshot(&mut reading.from).await?,
            after: 0,
        },
    };
    let whole = Whole {
        scope,
        what,
        family,
    };
    let (found, next) = whole.page(&mut reading, token, of.count).await?;
    let include_max = chart.config.include_max;
    let along = along(&mut reading, scope, (&found, &what.kinds, include_max)).await?;
    if !along.whole {
        return Err(ChartError::TooCostly {
            what: "what these resources refer to".into(),
            limit: "include_max",
            max: include_max,
            hint: "ask for smaller pages with `_count`",
        });
    }
    let is_all = next.is_none() && of.token.is_none();
    let found = found.into_iter();
    let matches: Vec<Stored> = found
        .map(|(row, json, _)| reading.one(row, &json))
        .collect();
    Ok(Page {
        patients: patients(&matches),
        total: u64::try_from(matches.len()).ok().filter(|_| is_all),
        included: along.stored,
        matches,
        next: next.map(Token::text),
        ..Page::default()
    })
}

/// A resource with its row, as bytes and read.
pub(crate) type Found = (Row, Vec<u8>, Value);

struct Whole<'a> {
    scope: &'a Scope,
    what: &'a EverythingOf,
    family: &'a [String],
}

impl Whole<'_> {
    /// Up to `count` resources after the token's row, and where the rest begins.
    async fn page(
        &self,
        reading: &mut Reading,
        token: Token,
        count: usize,
    ) -> Outcome<(Vec<Found>, Option<Token>)> {
        let (mut found, mut after) = (Vec::new(), token.after);
        loop {
            let rows = self.rows(reading, Token { after, ..token }).await?;
            let Some(last) = rows.last() else {
                return Ok((found, None));
            };
            after = last.rid;
            for one in self.shown(reading, rows).await? {
                if found.len() == count {
                    let last = found
                        .last()
                        .map_or(token.after, |(row, ..): &Found| row.rid);
                    let next = Token {
                        after: last,
                        ..token
                    };
                    return Ok((found, Some(next)));
                }
                found.push(one);
            }
        }
    }

    async fn rows(&self, reading: &mut Reading, token: Token) -> Outcome<Vec<Row>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        of_patients(&mut query, self.family);
        query
            .push(" AND v.rid > ")
            .push_bind(token.after)
            .push(" AND v.rid <= ")
            .push_bind(token.snapshot)
            .push(" AND (v.next = 0 OR v.next > ")
            .push_bind(token.snapshot)
            .push(") ORDER BY v.rid LIMIT ")
            .push_bind(i64::try_from(CHUNK).unwrap_or(i64::MAX));
        store::fetch(&mut reading.from, query).await
    }

    async fn shown(&self, reading: &mut Reading, rows: Vec<Row>) -> Outcome<Vec<Found>> {
        let words = reading.known.words.clone();
        let wanted = |row: &Row| {
            let kind = words.text(row.kind);
            let named = self.what.kinds.is_empty() || self.what.kinds.iter().any(|one| one == kind);
            let late = self.what.since.is_none_or(|since| row.at >= since);
            named && late && self.scope.shows(row) && self.scope.asks_for(kind).is_ok()
        };
        let rows: Vec<Row> = rows.into_iter().filter(wanted).collect();
        let found = contents(reading, self.scope, rows).await?;
        Ok(found
            .into_iter()
            .filter(|(_, _, value)| self.in_time(value))
            .collect())
    }

    /// Whether it was so in the time that is asked for; what has no time always is.
    fn in_time(&self, value: &Value) -> bool {
        let (from, until) = (self.what.from_ms, self.what.until_ms);
        if from.is_none() && until.is_none() {
            return true;
        }
        let terms = terms_of(value, &CARE_DATES).into_iter();
        let mut spans = terms.filter_map(|term| match term.value {
            TermValue::Span { lo_ms, hi_ms } => Some((lo_ms, hi_ms)),
            _ => None,
        });
        let within = |(lo, hi): (i64, i64)| {
            from.is_none_or(|from| hi > from) && until.is_none_or(|until| lo < until)
        };
        match spans.next() {
            None => true,
            Some(first) => within(first) || spans.any(within),
        }
    }
}

/// What a summary of the scope's patient is made of: of each type the newest current resources, at
/// most so many, and what they refer to that is nobody's.
pub(crate) async fn excerpt(
    chart: &Chart,
    scope: &Scope,
    kinds: &[(&str, usize)],
) -> Outcome<Excerpt> {
    let family = scope.family();
    let family = family.ok_or_else(|| scope.outside("a summary of a patient"))?;
    let mut reading = Reading::begin(chart).await?;
    let mut excerpt = Excerpt {
        patient: family.first().cloned().unwrap_or_default(),
        folded: *chart.folder.folded().borrow(),
        ..Excerpt::default()
    };
    let mut chosen = Vec::new();
    for (kind, max) in kinds {
        scope.asks_for(kind)?;
        let Some(number) = reading.known.words.number(kind) else {
            continue;
        };
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        of_patients(&mut query, family);
        query
            .push(" AND v.next = 0 AND v.kind = ")
            .push_bind(number)
            .push(" ORDER BY v.rid DESC");
        let mut rows = store::fetch(&mut reading.from, query).await?;
        let there = rows.len();
        rows.retain(|row| scope.shows(row));
        if rows.len() < there {
            excerpt.withheld.push((*kind).to_owned());
        }
        rows.truncate(*max);
        chosen.extend(rows);
    }
    // All at once: what one event wrote stands on one page, whatever its types.
    let all = contents(&mut reading, scope, chosen).await?;
    // A summary that lacks the name of a house is better than none.
    let along = along(&mut reading, scope, (&all, &[], chart.config.include_max)).await?;
    excerpt.referred = along.stored;
    let all = all.into_iter();
    excerpt.resources = all.map(|(row, json, _)| reading.one(row, &json)).collect();
    Ok(excerpt)
}

/// The rows of some patients that are no deletions.
fn of_patients(query: &mut QueryBuilder<Sqlite>, family: &[String]) {
    query.push("WHERE v.patient > 0 AND v.flags IN (0, 2)");
    query.push(" AND v.patient IN (SELECT pid FROM patient WHERE id IN (");
    list(query, family.iter().map(String::as_str));
    query.push(")");
}

/// The contents of rows that the scope shows, without what it hides.
pub(crate) async fn contents(
    reading: &mut Reading,
    scope: &Scope,
    rows: Vec<Row>,
) -> Outcome<Vec<Found>> {
    let mut found = Vec::with_capacity(rows.len());
    let words = reading.known.words.clone();
    for rows in rows.chunks(CHUNK) {
        let pages = store::pages(&mut reading.from, rows).await?;
        found.extend(rows.iter().zip(pages).filter_map(|(row, json)| {
            let mut value = as_read(row, &json)?;
            let view = scope.view(words.text(row.kind));
            if !view.shows(row.patient.as_deref(), &value) {
                return None;
            }
            let json = scope.hides().clean(row, json);
            scope.hides().strip(row, &mut value);
            Some((row.clone(), json, value))
        }));
    }
    Ok(found)
}

/// What the resources refer to that belongs to no patient: staff, houses, drugs. What is of a type
/// that belongs to patients comes by itself, if it may.
async fn along(
    reading: &mut Reading,
    scope: &Scope,
    (found, kinds, max): (&[Found], &[String], usize),
) -> Outcome<Along> {
    let mut names = BTreeSet::new();
    for (_, _, value) in found {
        for (_, reference) in wire::fhir::references(value) {
            let Some((kind, id)) = reference.split_once('/') else {
                continue;
            };
            let wanted = kinds.is_empty() || kinds.iter().any(|one| one == kind);
            let theirs = belongs_to_patients(kind) || id.contains('/');
            if wanted && !theirs && scope.asks_for(kind).is_ok() {
                names.insert((kind.to_owned(), id.to_owned()));
            }
        }
    }
    let whole = names.len() <= max;
    let names: Vec<(String, String)> = names.into_iter().take(max).collect();
    let rows = reading.current(&names).await?.into_iter();
    let rows = rows.filter(|((kind, _), row)| row.patient.is_none() && scope.includes(kind, row));
    let mut rows: Vec<Row> = rows.map(|(_, row)| row).collect();
    rows.sort_unstable_by_key(|row| row.rid);
    let found = contents(reading, scope, rows).await?.into_iter();
    let stored = found.map(|(row, json, _)| reading.one(row, &json));
    Ok(Along {
        stored: stored.collect(),
        whole,
    })
}

/// What came along.
struct Along {
    stored: Vec<Stored>,
    /// All of it did.
    whole: bool,
}
