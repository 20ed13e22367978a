//! One patient's chart in plain words, every line with the version that proves it.

mod around;
mod clinical;
mod doings;
mod identity;
mod results;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use crate::census::mark;
use crate::chart::Chart;
use crate::error::Outcome;
use crate::read::Reading;
use crate::scope::Scope;
use crate::stay::{self, Stay};
use crate::store::{self, Row, SELECT, list};
use crate::view::{Mark, PatientView};
use crate::{Config, words_of};

/// Types that are read whole.
const KINDS: [&str; 14] = [
    "AllergyIntolerance",
    "Communication",
    "Condition",
    "Consent",
    "Coverage",
    "DiagnosticReport",
    "Encounter",
    "Flag",
    "ImagingStudy",
    "MedicationAdministration",
    "MedicationRequest",
    "MedicationStatement",
    "Patient",
    "RelatedPerson",
];

/// Resources of one type that a chart page reads, at most; the newest.
const OF_KIND_MAX: usize = 2_000;

/// One resource of the patient.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) mark: Mark,
    pub(crate) value: Value,
}

/// Everything a chart page is made of.
#[derive(Debug, Default)]
pub(crate) struct Chartful {
    items: BTreeMap<&'static str, Vec<Item>>,
    /// Observations, the newest row first.
    observations: Vec<Item>,
    /// Names of what others refer to: `Practitioner/1`, `Medication/2` ...
    names: HashMap<String, String>,
    left_out: u64,
    masked: u64,
    hidden: BTreeSet<String>,
}

impl Chartful {
    /// The resources of one type, the newest row first.
    pub(crate) fn of(&self, kind: &str) -> &[Item] {
        self.items.get(kind).map(Vec::as_slice).unwrap_or_default()
    }

    /// The name of what a Reference at a JSON pointer means.
    pub(crate) fn named(&self, value: &Value, path: &str) -> Option<String> {
        let reference = value.pointer(path)?;
        words_of::text(reference, "/display")
            .or_else(|| {
                let to = words_of::text(reference, "/reference")?;
                self.names.get(&to).cloned()
            })
            .or_else(|| words_of::text(reference, "/identifier/value"))
    }
}

/// The chart page of the scope's patient.
pub(crate) async fn of(chart: &Chart, scope: &Scope) -> Outcome<Option<PatientView>> {
    let family = scope
        .family()
        .ok_or_else(|| scope.outside("a chart page"))?;
    scope.asks_for("Patient")?;
    let mut reading = Reading::begin(chart).await?;
    let folded = *chart.folder.answers.folded().borrow();
    let known = reading.known.clone();
    let stays = stay::of_patients(&mut reading.from, &known, family).await?;
    let chartful = gather(&mut reading, &chart.config, scope).await?;
    let nothing = chartful.items.values().all(Vec::is_empty) && chartful.observations.is_empty();
    let Some(id) = family.first().filter(|_| !nothing) else {
        return Ok(None);
    };
    let mut identity = identity::of(&chartful, id, &known.aliases);
    place(&mut identity, &mut reading, (scope, stays.first())).await?;
    Ok(Some(PatientView {
        id: id.clone(),
        identity,
        code_status: clinical::code_status(&chartful),
        allergies: clinical::allergies(&chartful),
        medications: clinical::medications(&chartful),
        given: doings::given(&chartful),
        notes: doings::notes(&chartful),
        imaging: doings::imaging(&chartful),
        problems: clinical::problems(&chartful),
        precautions: around::precautions(&chartful),
        vitals: results::vitals(&chartful, chart.config.trend_max),
        reports: results::reports(&chartful),
        encounters: around::encounters(&chartful, &known.places),
        contacts: around::contacts(&chartful),
        coverage: around::coverage(&chartful),
        folded,
        left_out: chartful.left_out,
        masked: chartful.masked,
        hidden: chartful.hidden.into_iter().collect(),
    }))
}

/// Where they lie, by the first of their stays.
async fn place(
    identity: &mut crate::view::Identity,
    reading: &mut Reading,
    (scope, stay): (&Scope, Option<&Stay>),
) -> Outcome<()> {
    let Some(stay) = stay else { return Ok(()) };
    if !scope.hides().conceals("Encounter", "location") {
        identity.ward = stay.spot.ward.clone();
        identity.room = stay.spot.room.clone();
        identity.bed = stay.spot.bed.clone();
    }
    let told = !scope.hides().conceals("Encounter", "participant");
    if let Some(person) = stay.attending().filter(|_| told) {
        let names = stay::names_of(reading, std::iter::once(person)).await?;
        let name = person.name.as_ref();
        identity.attending = name.or_else(|| names.get(&person.reference)).cloned();
    }
    Ok(())
}

async fn gather(reading: &mut Reading, config: &Config, scope: &Scope) -> Outcome<Chartful> {
    let mut chartful = Chartful::default();
    for kind in KINDS {
        if scope.asks_for(kind).is_ok() {
            let found = newest(reading, scope, kind, OF_KIND_MAX).await?;
            chartful.items.insert(kind, found.items);
            chartful.masked += found.masked;
            chartful.hidden.extend(found.hidden);
        }
    }
    if scope.asks_for("Observation").is_ok() {
        let found = newest(reading, scope, "Observation", config.summary_scan_max).await?;
        chartful.observations = found.items;
        chartful.left_out = found.left_out;
        chartful.masked += found.masked;
        chartful.hidden.extend(found.hidden);
    }
    chartful.names = names(reading, &chartful).await?;
    Ok(chartful)
}

/// Some resources of one type.
#[derive(Debug, Default)]
struct Newest {
    items: Vec<Item>,
    /// How many older ones there are.
    left_out: u64,
    /// How many are left out for their labels.
    masked: u64,
    /// What was taken out of those that are shown.
    hidden: BTreeSet<String>,
}

/// The newest resources of one type.
async fn newest(reading: &mut Reading, scope: &Scope, kind: &str, max: usize) -> Outcome<Newest> {
    let (Some(number), Some(family)) = (reading.known.words.number(kind), scope.family()) else {
        return Ok(Newest::default());
    };
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query
        .push("WHERE v.patient > 0 AND v.next = 0 AND v.flags IN (0, 2) AND v.kind = ")
        .push_bind(number)
        .push(" AND v.patient IN (SELECT pid FROM patient WHERE id IN (");
    list(&mut query, family.iter().map(String::as_str));
    query.push(")");
    let mut rows = store::fetch(&mut reading.from, query).await?;
    let all = rows.len();
    // Who the patient is stays: a name above the page keeps it from being taken for another's.
    rows.retain(|row| kind == "Patient" || !scope.masks(row));
    let masked = all.saturating_sub(rows.len()) as u64;
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.rid));
    let left_out = rows.len().saturating_sub(max) as u64;
    rows.truncate(max);
    let mut items = Vec::with_capacity(rows.len());
    let mut hidden = BTreeSet::new();
    for rows in rows.chunks(256) {
        let mut values = reading.values(rows).await?;
        for (row, value) in rows.iter().zip(&mut values) {
            hidden.extend(
                value
                    .iter_mut()
                    .flat_map(|value| scope.hides().strip(row, value)),
            );
        }
        items.extend(rows.iter().zip(values).filter_map(|(row, value)| {
            let mark = mark(reading, row);
            value.map(|value| Item { mark, value })
        }));
    }
    Ok(Newest {
        items,
        left_out,
        masked,
        hidden,
    })
}

/// Names of what the resources refer to without saying its name.
async fn names(reading: &mut Reading, chartful: &Chartful) -> Outcome<HashMap<String, String>> {
    let paths: [(&str, &[&str]); 6] = [
        ("MedicationAdministration", &["/medicationReference"]),
        ("MedicationRequest", &["/medicationReference"]),
        ("MedicationStatement", &["/medicationReference"]),
        ("Coverage", &["/payor/0"]),
        (
            "Encounter",
            &[
                "/participant/0/individual",
                "/participant/1/individual",
                "/participant/2/individual",
                "/participant/3/individual",
                "/participant/4/individual",
            ],
        ),
        ("DiagnosticReport", &["/performer/0"]),
    ];
    let mut asked = Vec::new();
    for (kind, paths) in paths {
        for item in chartful.of(kind) {
            let references = paths.iter().filter_map(|path| item.value.pointer(path));
            let unnamed = references.filter(|reference| reference.get("display").is_none());
            asked.extend(unnamed.filter_map(|reference| {
                let to = reference.get("reference")?.as_str()?;
                let (kind, id) = to.split_once('/')?;
                Some((kind.to_owned(), id.to_owned()))
            }));
        }
    }
    asked.sort_unstable();
    asked.dedup();
    let found = reading.current(&asked).await?;
    // Names of staff, drugs and houses; nothing that belongs to another patient.
    let house = found.into_iter().filter(|(_, row)| row.pid == 0);
    let (keys, rows): (Vec<_>, Vec<Row>) = house.unzip();
    let values = reading.values(&rows).await?;
    let both = keys.into_iter().zip(values);
    Ok(both
        .filter_map(|((kind, id), value)| {
            let value = value?;
            let name = words_of::name(&value).or_else(|| words_of::concept_at(&value, "/code"))?;
            Some((format!("{kind}/{id}"), name))
        })
        .collect())
}

/// Milliseconds to sort by: when it was so, else when it was sealed.
pub(crate) fn moment(when: Option<&str>, mark: &Mark) -> i64 {
    when.and_then(wire::fhir::search::span_of)
        .map_or(mark.at.millis(), |span| span.lo_ms)
}

/// Whether a resource says that it should never have been.
pub(crate) fn is_error(resource: &Value) -> bool {
    let status = resource.get("status").and_then(Value::as_str);
    let verified = resource.get("verificationStatus");
    status == Some("entered-in-error")
        || verified.is_some_and(|status| words_of::has_code(status, &["entered-in-error"]))
}
