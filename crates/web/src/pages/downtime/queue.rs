//! What waits on a ward, patient by patient, with what speaks against each entry.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use chart::{Open, PageOf, PatientView};
use event::{Act, Subject};
use lifeline::Entry;
use record::Witnessed;
use serde::Deserialize;
use serde_json::Value;

use super::against::{Against, Known};
use super::typed::Typed;
use super::view::{EntryRow, PatientQueue, QueuePage, Queued, SheetRow};
use crate::error::{Problem, broken};
use crate::pages::shell::Here;
use crate::pages::visit::{Visit, page};
use crate::pages::words;
use crate::taking::Answering;

/// Resources of one type that are held against the entries, at most.
const HELD_MAX: usize = 200;

/// `GET /downtime/ward/{ward}`
pub(crate) async fn ward(visit: Visit, Path(ward): Path<String>) -> Result<Response, Problem> {
    let ask = visit.ask(Act::Read, Subject::Ward(ward.clone()));
    let permit = match visit.witness(ask).await? {
        Witnessed::Allowed(permit) => permit,
        Witnessed::Refused(index, decision) => {
            return Err(Problem::refused("this ward", index, &decision));
        }
    };
    let decision = permit.index();
    let answering = Answering::with(&permit);
    let census = visit.app.chart.open_with(permit).census().await?;
    let patients = census.iter().map(|row| row.patient.clone()).collect();
    answering.seal(&visit.app, patients).await?;
    let lifeline = &visit.app.lifeline;
    let waiting = lifeline.waiting(&ward).await.map_err(|why| broken(&why))?;
    let sheets = lifeline.sheets(&ward).await.map_err(|why| broken(&why))?;
    let mut rows: Vec<Queued> = census
        .into_iter()
        .map(|row| Queued {
            href: href(&ward, &row.patient, ""),
            type_in: format!(
                "/downtime/sheet?ward={}&patient={}",
                words::in_query(&ward),
                row.patient
            ),
            name: row.name.unwrap_or_else(|| "Name: no evidence".to_owned()),
            place: super::super::patients::told::place(row.room.as_deref(), row.bed.as_deref()),
            waiting: count(&waiting, |one| one.patient.as_deref() == Some(&row.patient)),
        })
        .collect();
    rows.extend(others(&ward, &waiting, &rows));
    let many = words::count(waiting.len() as u64, "entry waits", "entries wait");
    let view = QueuePage {
        shell: visit.shell(&format!("Downtime, ward {ward}"), Here::Lifeline),
        answer: words::sentence(&format!("{many} on ward {ward}")),
        path: words::in_path(&ward),
        rows,
        sheets: sheets
            .into_iter()
            .map(|sheet| SheetRow {
                href: format!("/downtime/sheet?number={}", words::in_query(&sheet.id)),
                back: sheet
                    .back
                    .map(|at| visit.stamp(at).short())
                    .unwrap_or_default(),
                printed: sheet
                    .printed
                    .map(|at| visit.stamp(at).short())
                    .unwrap_or_default(),
                typed: sheet.typed,
                blank: sheet.blank,
                id: sheet.id,
            })
            .collect(),
        decision,
    };
    page(StatusCode::OK, &view)
}

fn count(entries: &[Entry], fits: impl Fn(&&Entry) -> bool) -> usize {
    entries.iter().filter(fits).count()
}

/// Entries of patients who are not on the ward any more, and of those who never had a chart.
fn others(ward: &str, waiting: &[Entry], here: &[Queued]) -> Vec<Queued> {
    let mut rows: Vec<Queued> = Vec::new();
    for entry in waiting {
        let (href, name) = match &entry.patient {
            Some(patient) => (
                href(ward, patient, ""),
                "a patient who left the ward".to_owned(),
            ),
            None => (
                href(ward, "", &entry.temporary),
                format!("without a chart: {}", entry.temporary),
            ),
        };
        if here.iter().any(|row| row.href == href) {
            continue;
        }
        match rows.iter_mut().find(|row| row.href == href) {
            Some(row) => row.waiting += 1,
            None => rows.push(Queued {
                href,
                type_in: String::new(),
                name,
                place: String::new(),
                waiting: 1,
            }),
        }
    }
    rows
}

pub(super) fn href(ward: &str, patient: &str, temporary: &str) -> String {
    let ward = words::in_path(ward);
    match temporary {
        "" => format!("/downtime/ward/{ward}/entries?patient={patient}"),
        temporary => format!(
            "/downtime/ward/{ward}/entries?temporary={}",
            words::in_query(temporary)
        ),
    }
}

/// Whose entries.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Whose {
    patient: String,
    temporary: String,
}

/// `GET /downtime/ward/{ward}/entries`
pub(crate) async fn entries(
    visit: Visit,
    Path(ward): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Response, Problem> {
    let view = view(&visit, (&ward, &whose.patient, &whose.temporary), None).await?;
    page(StatusCode::OK, &view)
}

/// The page with everything that waits for one patient.
pub(super) async fn view(
    visit: &Visit,
    (ward, patient, temporary): (&str, &str, &str),
    wrong: Option<String>,
) -> Result<PatientQueue, Problem> {
    let waiting = visit.app.lifeline.waiting(ward).await;
    let decided = visit.app.lifeline.decided(ward).await;
    let (waiting, decided) = (
        waiting.map_err(|why| broken(&why))?,
        decided.map_err(|why| broken(&why))?,
    );
    let own = |one: &Entry| match &one.patient {
        Some(id) => id == patient,
        None => patient.is_empty() && one.temporary == temporary,
    };
    let waiting: Vec<Entry> = waiting.into_iter().filter(own).collect();
    let decided: Vec<Entry> = decided.into_iter().filter(own).collect();
    let mut name = format!("Without a chart: {temporary}");
    let mut found: Vec<Vec<Against>> = vec![Vec::new(); waiting.len()];
    if patient.is_empty() {
        let ask = visit.ask(Act::Reconcile, Subject::Ward(ward.to_owned()));
        visit.permit("the entries of this ward", ask).await?;
    } else {
        let open = opened(visit, patient).await?;
        if let Some(held) = Held::of(&open).await? {
            name = held.chart.identity.name.clone().unwrap_or(name);
            let all: Vec<Entry> = waiting.iter().chain(&decided).cloned().collect();
            let known = held.known(&all);
            found = waiting
                .iter()
                .map(|one| known.against(one, &visit.eye))
                .collect();
        }
    }
    let rows = waiting.iter().zip(found);
    Ok(PatientQueue {
        shell: visit.shell("Entries to decide", Here::Lifeline),
        ward: ward.to_owned(),
        path: words::in_path(ward),
        name,
        newcomer: patient.is_empty(),
        rows: rows
            .map(|(entry, against)| row(visit, entry, against))
            .collect(),
        decided: decided.iter().map(|entry| done(visit, entry)).collect(),
        wrong,
    })
}

/// The patient's chart, by a sealed look.
pub(super) async fn opened(visit: &Visit, patient: &str) -> Result<Open, Problem> {
    let ask = visit.ask(Act::Read, Subject::Patient(patient.to_owned()));
    let permit = visit.permit("this chart", ask).await?;
    Ok(visit.app.chart.open_with(permit))
}

/// What of a chart is held against entries.
pub(super) struct Held {
    pub chart: PatientView,
    given: Vec<Value>,
    orders: Vec<Value>,
}

impl Held {
    pub(super) async fn of(open: &Open) -> Result<Option<Held>, Problem> {
        let Some(chart) = open.summary().await? else {
            return Ok(None);
        };
        let given = listed(open, "MedicationAdministration", &chart.id).await?;
        let orders = listed(open, "ServiceRequest", &chart.id).await?;
        Ok(Some(Held {
            chart,
            given,
            orders,
        }))
    }

    pub(super) fn known<'a>(&'a self, entries: &'a [Entry]) -> Known<'a> {
        Known {
            chart: &self.chart,
            given: &self.given,
            orders: &self.orders,
            entries,
        }
    }
}

async fn listed(open: &Open, kind: &str, patient: &str) -> Result<Vec<Value>, Problem> {
    let pairs = [("patient".to_owned(), patient.to_owned())];
    let limits = wire::fhir::search::QueryLimits::default();
    let query = wire::fhir::query(kind, &pairs, &limits)
        .map_err(|issue| Problem::Broken(format!("{issue:?}")))?;
    let of = PageOf {
        count: HELD_MAX,
        token: None,
    };
    let found = open.search(&query, &of).await?;
    let values = found.matches.iter();
    Ok(values
        .filter_map(|stored| serde_json::from_slice(&stored.json).ok())
        .collect())
}

fn row(visit: &Visit, entry: &Entry, against: Vec<Against>) -> EntryRow {
    EntryRow {
        index: entry.index,
        typed: Typed::from(&entry.line, &visit.eye.zone, 0),
        happened: words::written(&entry.line.happened, &visit.eye),
        at: visit.stamp(entry.at),
        typist: entry.typist.1.clone(),
        sheet: entry.sheet.clone(),
        row: entry.row,
        against,
        state: String::new(),
    }
}

fn done(visit: &Visit, entry: &Entry) -> EntryRow {
    let mut row = row(visit, entry, Vec::new());
    if let Some(decided) = &entry.decided {
        let word = match &decided.outcome {
            event::Outcome::Accepted { .. } => "accepted",
            event::Outcome::Changed { .. } => "changed and accepted",
            event::Outcome::Refused => "refused",
        };
        row.state = format!("{word} by {}", decided.name);
        if let Some(sent) = &entry.sent {
            let taken = if sent.taken { "taken by" } else { "refused by" };
            row.state = format!("{}; {taken} {}", row.state, sent.to);
        }
    }
    row
}
