//! All of one patient: `$everything`, page by page.
//!
//! It goes through the scope row by row, as a search does: what is masked is not there, what is
//! hidden is taken out, and of what may come along nothing belongs to anybody else. A page ends when
//! it has enough resources, enough bytes, or has looked at enough rows.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};
use wire::fhir::TermValue;
use wire::fhir::search::terms_of;

use crate::ChartError;
use crate::chart::Chart;
use crate::contents::Room;
use crate::error::Outcome;
use crate::page::{EverythingOf, Page, PageOf, Stored};
use crate::read::Reading;
use crate::scope::Scope;
use crate::search::{as_read, belongs_to_patients, patients, snapshot};
use crate::store::{self, Row, SELECT, list};
use crate::token::Token;

/// Rows whose contents are read at once.
const CHUNK: usize = 256;
/// Contents that are read at once, in bytes; a single larger one is read too.
pub(crate) const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Contents of one page, in bytes; the page ends with the resource that goes over it.
pub(crate) const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

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
        scan_max: chart.config.search_scan_max,
        room: chart.room(),
    };
    let (found, next) = whole.page(&mut reading, token, of.count).await?;
    let include_max = chart.config.include_max;
    let values = found.iter().map(|(.., value)| value);
    let along = along(&mut reading, scope, (values, &what.kinds, include_max)).await?;
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
    let included = along.found.into_iter();
    let included = included.map(|(row, json, _)| reading.one(row, &json));
    let included = included.collect();
    Ok(Page {
        patients: patients(&matches),
        total: u64::try_from(matches.len()).ok().filter(|_| is_all),
        included,
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
    scan_max: usize,
    /// How much of the vault a page brings.
    room: Room<'a>,
}

impl Whole<'_> {
    /// Up to `count` resources after the token's row, and where the rest begins. There may be a rest
    /// and no resource: what was looked at did not fit.
    async fn page(
        &self,
        reading: &mut Reading,
        token: Token,
        count: usize,
    ) -> Outcome<(Vec<Found>, Option<Token>)> {
        let mut rids = self.rids(reading, token).await?;
        let more = rids.len() > self.scan_max;
        rids.truncate(self.scan_max);
        let next = |after: i64| Some(Token { after, ..token });
        let (mut found, mut bytes): (Vec<Found>, usize) = (Vec::new(), 0);
        let (mut full, mut room) = (false, self.room);
        for rids in rids.chunks(CHUNK.min(count.saturating_add(1).max(16))) {
            let mut rows = self.rows(reading, rids).await?;
            while !rows.is_empty() {
                let (some, read) = contents_within(reading, self.scope, &rows).await?;
                rows.drain(..read);
                for one in some.into_iter().filter(|(.., value)| self.in_time(value)) {
                    if full {
                        let last = found.last().map(|(row, ..)| row.rid);
                        return Ok((found, next(last.unwrap_or(token.after))));
                    }
                    let brings = room.brings(&one.1);
                    bytes = bytes.saturating_add(one.1.len()).saturating_add(brings);
                    room.take_bytes(brings);
                    found.push(one);
                    full = found.len() >= count || bytes >= KEPT_BYTES_MAX || room.is_full();
                }
            }
        }
        let last = rids.last().copied().filter(|_| more);
        Ok((found, last.and_then(next)))
    }

    /// The rows after the token's that are asked for, one more than may be looked at.
    async fn rids(&self, reading: &mut Reading, token: Token) -> Outcome<Vec<i64>> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT v.rid FROM version v ");
        of_patients(&mut query, self.family);
        query
            .push(" AND v.rid > ")
            .push_bind(token.after)
            .push(" AND v.rid <= ")
            .push_bind(token.snapshot)
            .push(" AND (v.next = 0 OR v.next > ")
            .push_bind(token.snapshot)
            .push(")");
        if let Some(since) = self.what.since {
            query.push(" AND v.at >= ").push_bind(since.millis());
        }
        if !self.what.kinds.is_empty() {
            let words = &reading.known.words;
            let kinds = self.what.kinds.iter();
            let kinds: Vec<i64> = kinds.filter_map(|kind| words.number(kind)).collect();
            query.push(" AND v.kind IN (");
            list(&mut query, kinds.into_iter());
        }
        query.push(" ORDER BY v.rid");
        let most = i64::try_from(self.scan_max).unwrap_or(i64::MAX);
        store::limit(&mut query, most.saturating_add(1));
        query
            .build_query_scalar()
            .fetch_all(&mut *reading.from)
            .await
            .map_err(ChartError::broken("read its rows"))
    }

    /// These rows, as far as the scope shows them.
    async fn rows(&self, reading: &mut Reading, rids: &[i64]) -> Outcome<Vec<Row>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("WHERE v.rid IN (");
        list(&mut query, rids.iter().copied());
        query.push(" ORDER BY v.rid");
        let mut rows = store::fetch(&mut reading.from, query).await?;
        let words = &reading.known.words;
        rows.retain(|row| {
            self.scope.shows(row) && self.scope.asks_for(words.text(row.kind)).is_ok()
        });
        Ok(rows)
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

/// The rows of some patients that are no deletions.
pub(crate) fn of_patients(query: &mut QueryBuilder<Sqlite>, family: &[String]) {
    query.push("WHERE v.patient > 0 AND v.flags IN (0, 2)");
    query.push(" AND v.patient IN (SELECT pid FROM patient WHERE id IN (");
    list(query, family.iter().map(String::as_str));
    query.push(")");
}

/// The contents of rows that the scope shows, without what it hides.
pub(crate) async fn contents(
    reading: &mut Reading,
    scope: &Scope,
    mut rows: Vec<Row>,
) -> Outcome<Vec<Found>> {
    let mut found = Vec::with_capacity(rows.len());
    while !rows.is_empty() {
        let (some, read) = contents_within(reading, scope, &rows).await?;
        rows.drain(..read);
        found.extend(some);
    }
    Ok(found)
}

/// The same of the first of these rows, as many as are read at once; and how many those are.
pub(crate) async fn contents_within(
    reading: &mut Reading,
    scope: &Scope,
    rows: &[Row],
) -> Outcome<(Vec<Found>, usize)> {
    let words = reading.known.words.clone();
    let rows = rows.get(..CHUNK).unwrap_or(rows);
    let pages = store::pages_within(&mut reading.from, rows, READ_BYTES_MAX).await?;
    let read = pages.len();
    let found = rows.iter().zip(pages).filter_map(|(row, json)| {
        let mut value = as_read(row, &json)?;
        let view = scope.view(words.text(row.kind));
        if !view.shows(row.patient.as_deref(), &value) {
            return None;
        }
        let json = scope.hides().clean(row, json);
        scope.hides().strip(row, &mut value);
        Some((row.clone(), json, value))
    });
    Ok((found.collect(), read))
}

/// What the resources refer to that belongs to no patient: staff, houses, drugs. What is of a type
/// that belongs to patients comes by itself, if it may.
pub(crate) async fn along(
    reading: &mut Reading,
    scope: &Scope,
    (found, kinds, max): (impl Iterator<Item = &Value>, &[String], usize),
) -> Outcome<Along> {
    let mut names = BTreeSet::new();
    for value in found {
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
    let (mut found, mut bytes): (Vec<Found>, usize) = (Vec::new(), 0);
    while !rows.is_empty() && bytes < KEPT_BYTES_MAX {
        let (some, read) = contents_within(reading, scope, &rows).await?;
        rows.drain(..read);
        bytes = some
            .iter()
            .map(|one| one.1.len())
            .fold(bytes, usize::saturating_add);
        found.extend(some);
    }
    Ok(Along {
        whole: whole && rows.is_empty(),
        found,
    })
}

/// What came along.
pub(crate) struct Along {
    pub(crate) found: Vec<Found>,
    /// All of it did.
    pub(crate) whole: bool,
}
