//! One resource, one version, and how a row becomes what a client reads.

use std::collections::HashMap;

use event::Altered;
use record::Sealed;

use crate::alias::Aliases;
use crate::chart::Chart;
use crate::chart::Located;
use crate::error::Outcome;
use crate::fold::{Known, Written, written};
use crate::hash;
use crate::heads::Head;
use crate::hide;
use crate::label;
use crate::page::{Source, Stored};
use crate::scope::Scope;
use crate::search::as_read;
use crate::store::{self, Asked, FROM_FHIR, FROM_SALUS, Lent, Row};

/// What the chart answers from: the words and merges of one moment, and one connection.
pub(crate) struct Reading {
    pub(crate) known: Known,
    pub(crate) from: Lent,
}

impl Reading {
    pub(crate) async fn begin(chart: &Chart) -> Outcome<Reading> {
        Ok(Reading {
            known: chart.folder.answers.known(),
            from: chart.reading().await?,
        })
    }

    /// The number and slot of a resource's name; `None`: there is nothing of that type.
    pub(crate) fn asked(&self, kind: &str, id: &str) -> Option<Asked> {
        asked(&self.known, kind, id)
    }

    /// The current version of a resource.
    pub(crate) async fn head(&mut self, kind: &str, id: &str) -> Outcome<Option<Row>> {
        let Some(asked) = self.asked(kind, id) else {
            return Ok(None);
        };
        let rows = store::by_heads(&mut self.from, &[asked]).await?;
        Ok(rows.into_iter().next())
    }

    /// The current version of a resource, with its content.
    async fn newest(&mut self, kind: &str, id: &str) -> Outcome<Option<(Row, Vec<u8>)>> {
        let Some(asked) = self.asked(kind, id) else {
            return Ok(None);
        };
        let found = store::by_head(&mut self.from, &asked).await?;
        self.from.done();
        Ok(found)
    }

    /// One version of a resource, with its content.
    async fn version(
        &mut self,
        kind: &str,
        id: &str,
        version: u64,
    ) -> Outcome<Option<(Row, Vec<u8>)>> {
        let (Some(asked), Ok(seq)) = (self.asked(kind, id), i64::try_from(version)) else {
            return Ok(None);
        };
        let Some(row) = store::of_event(&mut self.from, &asked, seq).await? else {
            return Ok(None);
        };
        let mut pages = store::pages(&mut self.from, std::slice::from_ref(&row)).await?;
        Ok(Some((row, pages.pop().unwrap_or_default())))
    }

    /// One row with its content.
    pub(crate) fn one(&self, row: Row, json: &[u8]) -> Stored {
        stored(&self.known, row, json)
    }

    /// The content of rows, read as JSON; what is not JSON is left out.
    pub(crate) async fn values(&mut self, rows: &[Row]) -> Outcome<Vec<Option<serde_json::Value>>> {
        let pages = store::pages(&mut self.from, rows).await?;
        let values = pages.iter().map(|json| serde_json::from_slice(json).ok());
        Ok(values.collect())
    }

    /// The current, undeleted versions of resources by type and id.
    pub(crate) async fn current(
        &mut self,
        names: &[(String, String)],
    ) -> Outcome<HashMap<(String, String), Row>> {
        let asked: Vec<Asked> = names
            .iter()
            .filter_map(|(kind, id)| self.asked(kind, id))
            .collect();
        let rows = store::by_heads(&mut self.from, &asked).await?;
        let rows = rows.into_iter().filter(|row| !row.deleted());
        let words = self.known.words.clone();
        Ok(rows
            .map(|row| ((words.text(row.kind).to_owned(), row.id.clone()), row))
            .collect())
    }
}

fn stored(known: &Known, row: Row, json: &[u8]) -> Stored {
    let (version, at, deleted, late) = (row.version(), row.at, row.deleted(), row.late());
    let json = if deleted {
        Vec::new()
    } else {
        wire::fhir::stamp(json, &row.id, version, &at.to_string())
    };
    Stored {
        kind: known.words.text(row.kind).to_owned(),
        version,
        at,
        deleted,
        patient: row.patient.map(|id| known.aliases.survivor(&id).to_owned()),
        json,
        source: source(known, row.source),
        late,
        id: row.id,
    }
}

/// Which door a version came in by.
pub(crate) fn source(known: &Known, number: i64) -> Source {
    match number {
        FROM_FHIR => Source::Fhir,
        FROM_SALUS => Source::Salus,
        feed => Source::Message(known.words.text(feed).to_owned()),
    }
}

/// What stands for a resource that is left out for its labels: that it is there, and no more.
fn redacted(kind: &str, id: &str) -> Vec<u8> {
    let security = serde_json::json!([hide::redacted()]);
    serde_json::json!({"resourceType": kind, "id": id, "meta": {"security": security}})
        .to_string()
        .into_bytes()
}

/// The current version of a resource, read before it is known whether whoever asks may see it. Of its
/// content nothing is told but by what a permit opened: [`crate::Open::shown`].
pub struct Found {
    /// Its type and id: what it was looked for as.
    name: (String, String),
    patient: Option<String>,
    row: Row,
    json: Vec<u8>,
    /// How often everything had been forgotten.
    epoch: u64,
    /// It is not in the tables yet.
    unfolded: bool,
}

impl Found {
    /// The patient it belongs to now: the survivor's id.
    pub fn patient(&self) -> Option<&str> {
        self.patient.as_deref()
    }
}

/// What to show of a resource once it is known who may see it; `None`: there never was one.
pub(crate) async fn find(chart: &Chart, kind: &str, id: &str) -> Outcome<Option<Found>> {
    let epoch = chart.folder.answers.kept.epoch();
    let Some(Head { row, json }) = head(chart, kind, id).await? else {
        return Ok(None);
    };
    let aliases = chart.folder.answers.known().aliases;
    Ok(Some(Found {
        name: (kind.to_owned(), id.to_owned()),
        patient: survivor(&aliases, &row),
        row,
        json: json.to_vec(),
        epoch,
        unfolded: false,
    }))
}

/// The version that an event wrote, to be shown once it is known who may see it; `None`: see [`written`].
pub(crate) fn find_written(chart: &Chart, name: (&str, &str), sealed: &Sealed) -> Option<Found> {
    let epoch = chart.folder.answers.kept.epoch();
    let known = chart.folder.answers.known();
    let Written { row, json, .. } = written(name, sealed, &known)?;
    Some(Found {
        name: (name.0.to_owned(), name.1.to_owned()),
        patient: survivor(&known.aliases, &row),
        row,
        json,
        epoch,
        unfolded: true,
    })
}

/// Where a resource stands that an event wrote; `None`: see [`written`].
///
/// Its `as_of` is right of the resource, since events are folded in their order: after this one it is the version that
/// is current. Of its patient it is right as far as the record looks: it let the event in as an update, which it does not
/// if a message of that patient came since the chart that the update knew. Of what it lets in as new that is not known.
pub(crate) fn locate_written(
    chart: &Chart,
    name: (&str, &str),
    sealed: &Sealed,
) -> Option<Located> {
    let known = chart.folder.answers.known();
    let Written { row, replaces, .. } = written(name, sealed, &known)?;
    (replaces != 0).then(|| Located {
        patient: survivor(&known.aliases, &row),
        version: row.version(),
        deleted: false,
        as_of: row.version() + 1,
    })
}

/// The patient whose a version is now.
fn survivor(aliases: &Aliases, row: &Row) -> Option<String> {
    let owner = row.patient.as_deref();
    owner.map(|id| aliases.survivor(id).to_owned())
}

/// Where a resource stands; `None`: there never was one.
pub(crate) async fn locate(chart: &Chart, kind: &str, id: &str) -> Outcome<Option<Located>> {
    // Before it is read: what was folded until now, it knows of.
    let folded = *chart.folder.answers.folded().borrow();
    let Some(Head { row, .. }) = head(chart, kind, id).await? else {
        return Ok(None);
    };
    let aliases = chart.folder.answers.known().aliases;
    Ok(Some(Located {
        patient: survivor(&aliases, &row),
        version: row.version(),
        deleted: row.deleted(),
        as_of: folded.max(row.version() + 1),
    }))
}

/// The current version of a resource, from memory if it is there.
async fn head(chart: &Chart, kind: &str, id: &str) -> Outcome<Option<Head>> {
    let heads = &chart.folder.answers.heads;
    let changes = heads.changes();
    let Some(asked) = asked(&chart.folder.answers.known(), kind, id) else {
        return Ok(None);
    };
    if let Some(head) = heads.get(&asked) {
        return Ok(Some(head));
    }
    // Nothing here waits; whoever looks many up lets others run, and can be broken off.
    tokio::task::coop::consume_budget().await;
    let found = match chart.store.points.by_head(&asked) {
        Some(found) => found?,
        None => by_head(chart, &asked).await?,
    };
    let head = found.map(|(row, json)| Head {
        row,
        json: json.into(),
    });
    if let Some(head) = &head {
        heads.put(asked.slot, head.clone(), changes);
    }
    Ok(head)
}

/// The same, after waiting for a connection.
async fn by_head(chart: &Chart, asked: &Asked) -> Outcome<Option<(Row, Vec<u8>)>> {
    let mut from = chart.reading().await?;
    let found = store::by_head(&mut from, asked).await?;
    from.done();
    Ok(found)
}

fn asked(known: &Known, kind: &str, id: &str) -> Option<Asked> {
    Some(Asked {
        kind: known.words.number(kind)?,
        id: id.to_owned(),
        slot: hash::slot(kind, id),
    })
}

/// What was found, if the scope shows it. What was forgotten since is looked for again.
pub(crate) async fn shown(chart: &Chart, scope: &Scope, found: Found) -> Outcome<Option<Stored>> {
    let (kind, id) = (found.name.0.as_str(), found.name.1.as_str());
    scope.asks_for(kind)?;
    if found.epoch != chart.folder.answers.kept.epoch() {
        let known = chart.folder.answers.known();
        if !found.unfolded || *chart.folder.answers.folded().borrow() > found.row.version() {
            return one(chart, scope, (kind, id, None)).await;
        }
        // It is not in the tables yet, and may be another patient's by now.
        if survivor(&known.aliases, &found.row) != found.patient {
            return Err(scope.outside("a resource that is not theirs any more"));
        }
    }
    if !scope.reaches(&found.row) {
        return Err(scope.outside("a resource that is not theirs"));
    }
    let known = chart.folder.answers.known();
    Ok(seen(&known, scope, ((kind, id), found.row, found.json)))
}

/// One resource or one version, if the scope shows it.
pub(crate) async fn one(
    chart: &Chart,
    scope: &Scope,
    (kind, id, version): (&str, &str, Option<u64>),
) -> Outcome<Option<Stored>> {
    scope.asks_for(kind)?;
    let mut reading = Reading::begin(chart).await?;
    let found = match version {
        None => reading.newest(kind, id).await?,
        Some(version) => reading.version(kind, id, version).await?,
    };
    let Some((row, json)) = found else {
        return Ok(None);
    };
    match (scope.reaches(&row), version) {
        // A version of when it was somebody else's looks as if it had never been.
        (false, Some(_)) => return Ok(None),
        (false, None) => return Err(scope.outside("a resource that is not theirs")),
        (true, _) => {}
    }
    Ok(seen(&reading.known, scope, ((kind, id), row, json)))
}

/// One row that the scope reaches, as it is shown.
fn seen(
    known: &Known,
    scope: &Scope,
    ((kind, id), row, json): ((&str, &str), Row, Vec<u8>),
) -> Option<Stored> {
    if !scope.view(kind).shows_row(&row, || as_read(&row, &json)) {
        return None;
    }
    if scope.masks(&row) {
        return Some(stored(known, row, &redacted(kind, id)));
    }
    let json = scope.hides().clean(&row, json);
    Some(stored(known, row, &json))
}

/// Whether a view shows the current version of a resource; true if there is none.
pub(crate) async fn current(
    chart: &Chart,
    (kind, id): (&str, &str),
    view: &crate::parts::View,
) -> Outcome<bool> {
    let mut reading = Reading::begin(chart).await?;
    Ok(match reading.newest(kind, id).await? {
        Some((row, json)) if !row.deleted() => view.shows_row(&row, || as_read(&row, &json)),
        Some(_) | None => true,
    })
}

/// Whether values of what an event wrote are left out for their labels: those it wrote then, and those
/// that the same resources have by now. Of what the chart does not know, nobody knows the labels: as
/// long as anything is left out, so is that.
pub(crate) async fn withheld(chart: &Chart, scope: &Scope, event: Option<u64>) -> Outcome<bool> {
    if !scope.is_masking() {
        return Ok(false);
    }
    let Some(seq) = event.and_then(|event| i64::try_from(event).ok()) else {
        return Ok(true);
    };
    let mut reading = Reading::begin(chart).await?;
    let rows = store::all_of_event(&mut reading.from, seq).await?;
    let words = reading.known.words.clone();
    let asked: Vec<Asked> = rows
        .iter()
        .filter_map(|row| reading.asked(words.text(row.kind), &row.id))
        .collect();
    let now = store::by_heads(&mut reading.from, &asked).await?;
    Ok(rows.is_empty() || rows.iter().chain(&now).any(|row| scope.masks(row)))
}

/// Whether what was found in another system in the place of what was sealed is left out: it may carry
/// labels that what was sealed does not, and nobody read them.
pub(crate) fn found_withheld(scope: &Scope, altered: &Altered) -> bool {
    let parts = &altered.parts;
    let told = parts.len() < record::FIELDS_MAX;
    let alike = told && !parts.iter().any(|part| label::turns_on(&part.part));
    scope.is_masking() && altered.outside.is_some() && !alike
}
