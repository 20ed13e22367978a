//! DICOM objects of the studies that a permit shows.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};
use wire::dicom::Header;

use crate::ChartError;
use crate::chart::Chart;
use crate::error::Outcome;
use crate::read::Reading;
use crate::scope::Scope;
use crate::search::as_read;
use crate::store::{self, Asked, list};

const STUDY: &str = "ImagingStudy";
const PATIENT: &str = "Patient";
/// Values of one IN list.
const IN_MAX: usize = 64;

/// A DICOM object on a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The index of the event that brought it: by this the record gives the object.
    pub index: u64,
    /// The logical id of its study's `ImagingStudy`.
    pub study: String,
    /// The patient whose chart it is on: the survivor's id.
    pub patient: Option<String>,
    /// UID of the transfer syntax in which it is kept.
    pub syntax: String,
    /// What it says of itself.
    pub header: Header,
}

/// A series, as its first instance says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Its first instance.
    pub first: Instance,
    /// How many instances it has.
    pub instances: u64,
}

/// Which instances of a study are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstancesOf {
    /// Of these series alone, by Series Instance UID; empty: of all.
    pub series: Vec<String>,
    /// These alone, by SOP Instance UID; empty: all.
    pub instances: Vec<String>,
    /// Those alone that came after this event.
    pub after: u64,
    /// So many at most, the first that came.
    pub count: usize,
}

/// A study that is shown.
struct Shown {
    id: String,
    /// Whose it is: the survivor's id.
    patient: Option<String>,
    /// Something of it is hidden.
    touched: bool,
}

/// A patient who is shown.
struct Owner {
    json: Value,
    /// Something of them is hidden.
    touched: bool,
}

/// The series of studies, by study and then in the order in which they came first; without studies of
/// which something is hidden: what their objects say cannot be taken out.
pub(crate) async fn series(
    chart: &Chart,
    scope: &Scope,
    studies: &[String],
) -> Outcome<Vec<Series>> {
    let mut reading = Reading::begin(chart).await?;
    let mut shown = shown(&mut reading, scope, studies).await?;
    shown.retain(|study| !study.touched);
    let mut all: Vec<Series> = Vec::new();
    for some in shown.chunks(IN_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT i.seq, i.study, i.syntax, i.header, f.many, p.id FROM image i JOIN
             (SELECT MIN(seq) AS seq, COUNT(*) AS many FROM image WHERE study IN (",
        );
        list(&mut query, some.iter().map(|shown| shown.id.clone()));
        query.push(
            " GROUP BY study, series, patient) f ON f.seq = i.seq
             JOIN patient p ON p.pid = i.patient ORDER BY i.seq",
        );
        let before = all.len();
        for row in fetch(&mut reading.from, query).await? {
            let many: i64 = row.try_get(4).map_err(broken())?;
            let named: &str = row.try_get(5).map_err(broken())?;
            let first = instance(&row, some)?;
            // What names another patient than its study is not its study's.
            if first.patient.as_deref() != Some(reading.known.aliases.survivor(named)) {
                continue;
            }
            let is_same = |one: &&mut Series| {
                one.first.study == first.study && one.first.header.series == first.header.series
            };
            let theirs = all.get_mut(before..).unwrap_or_default();
            match theirs.iter_mut().find(is_same) {
                // Of somebody who was merged since.
                Some(series) => series.instances += many.unsigned_abs(),
                None => all.push(Series {
                    first,
                    instances: many.unsigned_abs(),
                }),
            }
        }
    }
    Ok(all)
}

/// Instances of one study, in the order in which they came; none if something of it is hidden.
pub(crate) async fn instances(
    chart: &Chart,
    scope: &Scope,
    (study, of): (&str, &InstancesOf),
) -> Outcome<Vec<Instance>> {
    let mut reading = Reading::begin(chart).await?;
    let shown = shown(&mut reading, scope, &[study.to_owned()]).await?;
    let whole = shown.first().filter(|shown| !shown.touched);
    let Some((id, patient)) = whole.and_then(|shown| Some((&shown.id, shown.patient.as_ref()?)))
    else {
        return Ok(Vec::new());
    };
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT i.seq, i.study, i.syntax, i.header FROM image i WHERE i.study = ",
    );
    query.push_bind(id.clone());
    // What names another patient than its study is not its study's.
    query.push(" AND i.patient IN (SELECT pid FROM patient WHERE id IN (");
    list(
        &mut query,
        reading.known.aliases.family(patient).into_iter(),
    );
    query.push(")");
    for (column, values) in [("series", &of.series), ("instance", &of.instances)] {
        if !values.is_empty() {
            query.push(" AND i.").push(column).push(" IN (");
            list(&mut query, values.iter().cloned());
        }
    }
    if of.after > 0 {
        let after = i64::try_from(of.after).unwrap_or(i64::MAX);
        query.push(" AND i.seq > ").push_bind(after);
    }
    query.push(" ORDER BY i.seq");
    store::limit(&mut query, i64::try_from(of.count).unwrap_or(i64::MAX));
    let rows = fetch(&mut reading.from, query).await?;
    rows.iter().map(|row| instance(row, &shown)).collect()
}

/// Whose the studies are: their `Patient`s as a client reads them, by the survivor's id, as far as the
/// permit is for that type too.
pub(crate) async fn owners(
    chart: &Chart,
    scope: &Scope,
    studies: &[String],
) -> Outcome<HashMap<String, Value>> {
    let mut reading = Reading::begin(chart).await?;
    let shown = shown(&mut reading, scope, studies).await?;
    let people = people(&mut reading, scope, &shown).await?;
    let read = people.into_iter().map(|(id, owner)| (id, owner.json));
    Ok(read.collect())
}

/// Those of the studies whose objects may leave, with their `Patient`s as a client reads them: the permit
/// shows both, and hides nothing of either.
pub(crate) async fn whole(
    chart: &Chart,
    scope: &Scope,
    studies: &[String],
) -> Outcome<HashMap<String, Value>> {
    let mut reading = Reading::begin(chart).await?;
    let shown = shown(&mut reading, scope, studies).await?;
    let people = people(&mut reading, scope, &shown).await?;
    let whole = shown.into_iter().filter_map(|study| {
        let owner = people.get(study.patient.as_deref()?)?;
        let touched = study.touched || owner.touched;
        (!touched).then(|| (study.id, owner.json.clone()))
    });
    Ok(whole.collect())
}

/// The patients of studies, by the survivor's id, as far as the permit is for that type too.
async fn people(
    reading: &mut Reading,
    scope: &Scope,
    studies: &[Shown],
) -> Outcome<HashMap<String, Owner>> {
    let ids: BTreeSet<String> = studies
        .iter()
        .filter_map(|study| study.patient.clone())
        .collect();
    let names: Vec<(String, String)> = ids.into_iter().map(|id| (PATIENT.to_owned(), id)).collect();
    let rows = reading.current(&names).await?.into_values();
    let rows: Vec<_> = rows.filter(|row| scope.includes(PATIENT, row)).collect();
    let pages = store::pages(&mut reading.from, &rows).await?;
    let view = scope.view(PATIENT);
    let both = rows.into_iter().zip(pages);
    let seen = both.filter(|(row, json)| view.shows_row(row, || as_read(row, json)));
    let read = seen.filter_map(|(row, json)| {
        let touched = scope.hides().touches(PATIENT, &row);
        let json = scope.hides().clean(&row, json);
        let json = as_read(&row, &json)?;
        Some((row.id, Owner { json, touched }))
    });
    Ok(read.collect())
}

/// Those of the studies that the scope shows.
async fn shown(reading: &mut Reading, scope: &Scope, studies: &[String]) -> Outcome<Vec<Shown>> {
    scope.asks_for(STUDY)?;
    let asked: Vec<Asked> = studies
        .iter()
        .filter_map(|id| reading.asked(STUDY, id))
        .collect();
    let rows = store::by_heads(&mut reading.from, &asked).await?;
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|row| !row.deleted() && scope.shows(row))
        .collect();
    let pages = store::pages(&mut reading.from, &rows).await?;
    let view = scope.view(STUDY);
    let known = &reading.known;
    let both = rows.into_iter().zip(pages);
    let seen = both.filter(|(row, json)| view.shows_row(row, || as_read(row, json)));
    let named = seen.map(|(row, _)| {
        let patient = row.patient.as_deref();
        Shown {
            patient: patient.map(|id| known.aliases.survivor(id).to_owned()),
            touched: scope.hides().touches(STUDY, &row),
            id: row.id,
        }
    });
    Ok(named.collect())
}

fn instance(row: &sqlx::sqlite::SqliteRow, shown: &[Shown]) -> Outcome<Instance> {
    let broken = broken();
    let index: i64 = row.try_get(0).map_err(&broken)?;
    let study: String = row.try_get(1).map_err(&broken)?;
    let header: &str = row.try_get(3).map_err(&broken)?;
    let patient = shown.iter().find(|shown| shown.id == study);
    Ok(Instance {
        index: index.unsigned_abs(),
        patient: patient.and_then(|shown| shown.patient.clone()),
        syntax: row.try_get(2).map_err(&broken)?,
        header: serde_json::from_str(header).map_err(|why| ChartError::Broken {
            doing: "read a DICOM object",
            why: why.to_string(),
        })?,
        study,
    })
}

async fn fetch(
    from: &mut SqliteConnection,
    mut query: QueryBuilder<Sqlite>,
) -> Outcome<Vec<sqlx::sqlite::SqliteRow>> {
    query.build().fetch_all(from).await.map_err(broken())
}

fn broken() -> impl Fn(sqlx::Error) -> ChartError {
    ChartError::broken("read DICOM objects")
}
