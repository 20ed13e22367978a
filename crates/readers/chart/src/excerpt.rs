//! What a summary of one patient is made of.
//!
//! Which resources count is the asker's to say; they are asked before anything is cut off, so that
//! an old order that still holds is not pushed out by new ones that do not.

use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use crate::chart::Chart;
use crate::contents;
use crate::error::Outcome;
use crate::page::Excerpt;
use crate::read::Reading;
use crate::scope::Scope;
use crate::store::{self, Row, SELECT};
use crate::whole::{Found, KEPT_BYTES_MAX, along, contents_within, of_patients};

/// What is wanted of these types of the scope's patient, without what of it lies in the vault, looking at so many of the newest of each
/// and at `search_scan_max` in all; and what that refers to that is nobody's.
pub(crate) async fn of(
    chart: &Chart,
    scope: &Scope,
    (kinds, mut wants): (&[(&str, usize)], impl FnMut(&Value) -> bool + Send),
) -> Outcome<Excerpt> {
    let family = scope.family();
    let family = family.ok_or_else(|| scope.outside("a summary of a patient"))?;
    let mut reading = Reading::begin(chart).await?;
    let mut excerpt = Excerpt {
        patient: family.first().cloned().unwrap_or_default(),
        family: family.to_vec(),
        folded: *chart.folder.answers.folded().borrow(),
        ..Excerpt::default()
    };
    let mut left = chart.config.search_scan_max;
    let mut rows = Vec::new();
    for (kind, max) in kinds {
        scope.asks_for(kind)?;
        let max = left.min(*max);
        let mut some = newest(&mut reading, family, (kind, max)).await?;
        if some.len() > max {
            some.truncate(max);
            excerpt.cut.push((*kind).to_owned());
        }
        left = left.saturating_sub(some.len());
        let there = some.len();
        some.retain(|row| scope.shows(row));
        if some.len() < there {
            excerpt.withheld.push((*kind).to_owned());
        }
        rows.extend(some);
    }
    // All at once: what one event wrote stands on one page, whatever its types.
    let mut bytes = 0_usize;
    while !rows.is_empty() && bytes < KEPT_BYTES_MAX {
        let (some, read) = contents_within(&mut reading, scope, &rows).await?;
        rows.drain(..read);
        for (_, json, value) in some.into_iter().filter(|(.., value)| wants(value)) {
            bytes = bytes.saturating_add(json.len());
            let value = contents::value_without(&chart.contents, (&json, value));
            excerpt.resources.push(value);
        }
    }
    let words = &reading.known.words;
    let unread = rows.iter().map(|row| words.text(row.kind).to_owned());
    excerpt.cut.extend(unread);
    excerpt.cut.sort_unstable();
    excerpt.cut.dedup();
    // A summary that lacks the name of a house is better than none.
    let values = excerpt.resources.iter();
    let along = along(&mut reading, scope, (values, &[], chart.config.include_max)).await?;
    let along = along.found.into_iter();
    let without =
        |(_, json, value): Found| contents::value_without(&chart.contents, (&json, value));
    excerpt.referred = along.map(without).collect();
    Ok(excerpt)
}

/// The newest current rows of a type, one more than `max` if there are more.
async fn newest(
    reading: &mut Reading,
    family: &[String],
    (kind, max): (&str, usize),
) -> Outcome<Vec<Row>> {
    let Some(number) = reading.known.words.number(kind) else {
        return Ok(Vec::new());
    };
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    of_patients(&mut query, family);
    query
        .push(" AND v.next = 0 AND v.kind = ")
        .push_bind(number)
        .push(" ORDER BY v.rid DESC");
    let most = i64::try_from(max).unwrap_or(i64::MAX);
    store::limit(&mut query, most.saturating_add(1));
    store::fetch(&mut reading.from, query).await
}
