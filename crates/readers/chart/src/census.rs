//! Lists of patients: of a ward, or of a search.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use crate::ChartError;
use crate::chart::Chart;
use crate::error::Outcome;
use crate::fold::index::words;
use crate::hash;
use crate::read::{Reading, source};
use crate::scope::{Reach, Scope};
use crate::stay::{self, Stay};
use crate::store::{self, Row, SELECT};
use crate::view::{CensusRow, FindPatient, Mark};
use crate::words_of;

/// Who lies on the scope's ward, or is expected there; by room and bed.
pub(crate) async fn of_ward(chart: &Chart, scope: &Scope) -> Outcome<Vec<CensusRow>> {
    let ward = scope
        .ward()
        .ok_or_else(|| scope.outside("the census of a ward"))?;
    let mut reading = Reading::begin(chart).await?;
    let ids = on_ward(&mut reading, ward).await?;
    let mut rows = rows(&mut reading, scope, (ids.into_iter().collect(), Some(ward))).await?;
    rows.sort_by(|a, b| {
        let key = |row: &CensusRow| (row.expected, row.room.clone(), row.bed.clone());
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(rows)
}

/// Patients by name, number, birth date or ward; by name.
pub(crate) async fn find(
    chart: &Chart,
    scope: &Scope,
    find: &FindPatient,
) -> Outcome<Vec<CensusRow>> {
    let ward = match scope.reach() {
        Reach::Kind(kind) if kind == "Patient" => find.ward.as_deref(),
        Reach::Ward(ward) if find.ward.as_ref().is_none_or(|asked| asked == ward) => Some(&**ward),
        _ => return Err(scope.outside("a search of patients")),
    };
    let mut reading = Reading::begin(chart).await?;
    let on_ward = match ward {
        Some(ward) => Some(on_ward(&mut reading, ward).await?),
        None => None,
    };
    let found = match candidates(&mut reading, find, chart.config.search_scan_max).await? {
        Some(rows) => Some(fitting(&mut reading, (find, scope), rows).await?),
        None => None,
    };
    let ids: Vec<String> = match (found, on_ward) {
        (Some(found), Some(on_ward)) => found.intersection(&on_ward).cloned().collect(),
        (Some(ids), None) | (None, Some(ids)) => ids.into_iter().collect(),
        (None, None) => return Ok(Vec::new()),
    };
    let mut rows = rows(&mut reading, scope, (ids, ward)).await?;
    rows.sort_by(|a, b| (&a.name, &a.patient).cmp(&(&b.name, &b.patient)));
    rows.truncate(find.limit);
    Ok(rows)
}

/// Survivors' ids of everybody with a stay on a ward.
pub(crate) async fn on_ward(reading: &mut Reading, ward: &str) -> Outcome<BTreeSet<String>> {
    let known = reading.known.clone();
    let stays = stay::all(&mut reading.from, &known).await?;
    let there = stays
        .iter()
        .filter(|stay| stay.spot.ward.as_deref() == Some(ward));
    Ok(there
        .map(|stay| known.aliases.survivor(&stay.patient).to_owned())
        .collect())
}

/// Patient resources that may fit; `None`: nothing but perhaps a ward was asked for.
async fn candidates(
    reading: &mut Reading,
    find: &FindPatient,
    max: usize,
) -> Outcome<Option<Vec<Row>>> {
    let Some(kind) = reading.known.words.number("Patient") else {
        return Ok(Some(Vec::new()));
    };
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push("WHERE v.next = 0 AND v.flags IN (0, 2) AND v.kind = ");
    query.push_bind(kind);
    let name = find
        .name
        .as_deref()
        .map(|name| wire::fhir::fold(&name.replace(',', " ")));
    let longest = name
        .iter()
        .flat_map(|name| words(name))
        .max_by_key(|word| word.chars().count());
    if let Some(number) = find.identifier.as_deref() {
        query.push(" AND v.rid IN (SELECT rid FROM term WHERE key = ");
        query.push_bind(hash::key("Patient", "identifier", number.trim()));
        query.push(")");
    } else if let Some(word) = longest {
        query.push(" AND v.rid IN (");
        crate::search::prefix(&mut query, &word);
        query.push(")");
    } else if let Some(born) = find.birth_date.as_deref() {
        by_birth(&mut query, born);
    } else {
        return Ok(None);
    }
    let most = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
    store::limit(&mut query, most);
    let rows = store::fetch(&mut reading.from, query).await?;
    if rows.len() > max {
        return Err(ChartError::TooCostly {
            what: "this search of patients".into(),
            limit: "search_scan_max",
            max,
            hint: "give more of the name, or an identifier",
        });
    }
    Ok(Some(rows))
}

/// A day is in the index; a month or a year is looked for among all.
fn by_birth(query: &mut QueryBuilder<Sqlite>, born: &str) {
    let day = wire::fhir::search::span_of(born.trim()).filter(|_| born.trim().len() == 10);
    if let Some(day) = day {
        query.push(" AND v.rid IN (SELECT rid FROM term WHERE key = ");
        query.push_bind(hash::key("Patient", "birthdate", &day.lo_ms.to_string()));
        query.push(")");
    }
}

/// Survivors' ids of those who fit everything that was asked for.
async fn fitting(
    reading: &mut Reading,
    (find, scope): (&FindPatient, &Scope),
    rows: Vec<Row>,
) -> Outcome<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for rows in rows.chunks(256) {
        let mut values = reading.values(rows).await?;
        scope.clean(rows, &mut values);
        let fits = rows
            .iter()
            .zip(values)
            .filter(|(_, value)| value.as_ref().is_some_and(|value| fits(find, value)));
        let aliases = &reading.known.aliases;
        ids.extend(fits.map(|(row, _)| aliases.survivor(&row.id).to_owned()));
    }
    Ok(ids)
}

fn fits(find: &FindPatient, patient: &Value) -> bool {
    let number = find.identifier.as_deref().is_none_or(|wanted| {
        let mut all = words_of::list(patient, "/identifier").iter();
        all.any(|one| one.get("value").and_then(Value::as_str) == Some(wanted.trim()))
    });
    let born = find.birth_date.as_deref().is_none_or(|wanted| {
        let born = patient.get("birthDate").and_then(Value::as_str);
        born.is_some_and(|born| born.starts_with(wanted.trim()))
    });
    number
        && born
        && find
            .name
            .as_deref()
            .is_none_or(|name| has_words(patient, name))
}

/// Whether each word that was typed begins a word of one of the names.
fn has_words(patient: &Value, typed: &str) -> bool {
    let of_names: Vec<String> = wire::fhir::search::terms_of(patient, &["name"])
        .into_iter()
        .filter_map(|term| match term.value {
            wire::fhir::TermValue::Text(text) => Some(text),
            _ => None,
        })
        .flat_map(|text| words(&text).collect::<Vec<_>>())
        .collect();
    let folded = wire::fhir::fold(typed);
    let mut typed = folded.split([' ', ',']).filter(|word| !word.is_empty());
    typed.all(|word| of_names.iter().any(|name| name.starts_with(word)))
}

/// The rows of some patients, in no order. `ward`: of their stays, those on that ward count first.
async fn rows(
    reading: &mut Reading,
    scope: &Scope,
    (ids, ward): (Vec<String>, Option<&str>),
) -> Outcome<Vec<CensusRow>> {
    let known = reading.known.clone();
    let families: Vec<String> = ids.iter().flat_map(|id| known.aliases.family(id)).collect();
    let mut stays: BTreeMap<String, Vec<Stay>> = BTreeMap::new();
    for stay in stay::of_patients(&mut reading.from, &known, &families).await? {
        let patient = known.aliases.survivor(&stay.patient).to_owned();
        stays.entry(patient).or_default().push(stay);
    }
    let people = stays.values().flatten().filter_map(Stay::attending);
    let names = stay::names_of(reading, people).await?;
    let asked: Vec<(String, String)> = ids
        .iter()
        .map(|id| ("Patient".to_owned(), id.clone()))
        .collect();
    let found = reading.current(&asked).await?;
    let (keys, patients): (Vec<_>, Vec<Row>) = found.into_iter().unzip();
    let mut values = reading.values(&patients).await?;
    scope.clean(&patients, &mut values);
    let mut identities: BTreeMap<String, (Row, Option<Value>)> = keys
        .into_iter()
        .zip(patients.into_iter().zip(values))
        .map(|((_, id), both)| (id, both))
        .collect();
    let placing = !scope.hides().conceals("Encounter", "location");
    let naming = !scope.hides().conceals("Encounter", "participant");
    let rows = ids.into_iter().map(|id| {
        let stay = stays.get(&id).and_then(|all| {
            let there = |stay: &&Stay| ward.is_some() && stay.spot.ward.as_deref() == ward;
            all.iter().find(there).or_else(|| all.first())
        });
        let attending = stay.and_then(Stay::attending).and_then(|person| {
            let name = person.name.as_ref();
            name.or_else(|| names.get(&person.reference)).cloned()
        });
        let row = row(reading, id.clone(), identities.remove(&id));
        placed(row, stay.filter(|_| placing), attending.filter(|_| naming))
    });
    Ok(rows.collect())
}

fn row(reading: &Reading, id: String, identity: Option<(Row, Option<Value>)>) -> CensusRow {
    let (mark, value) = match identity {
        Some((row, value)) => (Some(mark(reading, &row)), value),
        None => (None, None),
    };
    let value = value.unwrap_or_default();
    CensusRow {
        patient: id,
        mark,
        name: words_of::name(&value),
        birth_date: words_of::text(&value, "/birthDate"),
        sex: words_of::text(&value, "/gender"),
        identifiers: words_of::identifiers(&value),
        ward: None,
        room: None,
        bed: None,
        attending: None,
        since: None,
        expected: false,
    }
}

fn placed(row: CensusRow, stay: Option<&Stay>, attending: Option<String>) -> CensusRow {
    let Some(stay) = stay else { return row };
    CensusRow {
        ward: stay.spot.ward.clone(),
        room: stay.spot.room.clone(),
        bed: stay.spot.bed.clone(),
        attending,
        since: stay.since.clone(),
        expected: stay.expected,
        ..row
    }
}

/// Where a line comes from.
pub(crate) fn mark(reading: &Reading, row: &Row) -> Mark {
    Mark {
        kind: reading.known.words.text(row.kind).to_owned(),
        id: row.id.clone(),
        version: row.version(),
        at: row.at,
        late: row.late(),
        source: source(&reading.known, row.source),
    }
}
