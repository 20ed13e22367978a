//! Patients: the wards' lists, the search, the chart page, a merge taken back.

pub(crate) mod census;
mod checks;
pub(crate) mod imaging;
mod measured;
pub(crate) mod told;
pub(crate) mod unmerge;
pub(crate) mod view;
pub(crate) mod vitals;

use axum::extract::{Path, Query};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Subject};
use guard::Element;
use serde::Deserialize;

use crate::error::{Problem, broken};
use crate::pages::altered::Altered;
use crate::pages::record;
use crate::pages::shell::Here;
use crate::pages::visit::{Visit, page};
pub(crate) use checks::Checks;
pub(crate) use checks::check;

/// How often an open chart page looks for news, in seconds.
const LOOK_SECONDS: u32 = 5;
/// Reports that a chart page shows unless all are asked for.
const REPORTS_SHOWN: usize = 8;
/// Results of one report that it shows unless all are asked for.
const RESULTS_SHOWN: usize = 40;
/// Events that one look for news reads, at most.
const NEWS_EVENTS_MAX: usize = 500;
/// Unseen events beyond which a page is made anew without looking whose they are.
const NEWS_BEHIND_MAX: u64 = 5_000;

/// Alterations that a chart page shows.
const ALTERED_SHOWN: u32 = 10;
/// What was altered is on the chart page for a month.
const ALTERED_NEWS_MS: i64 = 31 * 24 * 60 * 60 * 1_000;

/// What a chart page may be asked with.
#[derive(Deserialize)]
pub(crate) struct Shown {
    /// `yes`: every report, not the newest only.
    #[serde(default)]
    all: String,
}

/// `GET /patients/{id}`
pub(crate) async fn show(
    visit: Visit,
    Path(id): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Response, Problem> {
    if let Some(survivor) = visit.app.chart.survivor(&id).await? {
        return Ok(Redirect::to(&format!("/patients/{survivor}")).into_response());
    }
    let ask = visit.ask(Act::Read, Subject::Patient(id.clone()));
    // An open page that looks for news, by somebody who still may see it, seals no read for nothing.
    if let Some(known) = visit.live.filter(|known| *known > 0)
        && visit.decide(ask.clone()).await?.allowed()
        && let (false, seen) = news(&visit, &id, known).await?
    {
        return Ok((StatusCode::NO_CONTENT, [version(seen)]).into_response());
    }
    let permit = visit.permit("this chart", ask).await?;
    let hides = permit.hides().to_vec();
    let open = visit.app.chart.open_with(permit);
    let Some(patient) = open.summary().await? else {
        return Err(Problem::Missing("patient at this address".to_owned()));
    };
    let checks = Checks::of(&visit.app, &patient).await;
    let (reports, rows) = match shown.all.as_str() {
        "yes" => (usize::MAX, usize::MAX),
        _ => (REPORTS_SHOWN, RESULTS_SHOWN),
    };
    let teller = told::Teller {
        eye: &visit.eye,
        checks: &checks,
        rows,
    };
    let mut view = teller.chart(&patient, reports);
    imaging::with_pictures(&open, &mut view.imaging).await?;
    view.altered = altered(&visit, &patient.id, (&open, &hides)).await?;
    view.decision = open.index();
    view.head = record::head_line(&visit);
    view.fetches = !visit.app.pulls.sources().is_empty();
    let known = patient.folded.max(1);
    view.shell = visit.shell(&view.identity.name, Here::Patients);
    view.shell.live = Some(LOOK_SECONDS);
    view.shell.version = known;
    let shown = page(StatusCode::OK, &view)?;
    Ok(([version(known)], shown).into_response())
}

/// What of a patient was found altered in the last month, in whatever way it was put right.
async fn altered(
    visit: &Visit,
    id: &str,
    opened: (&chart::Open, &[Element]),
) -> Result<Vec<Altered>, Problem> {
    let all = visit.app.oversight.altered_of(id, ALTERED_SHOWN).await;
    let all = all.map_err(|why| broken(&why))?;
    let late = all
        .iter()
        .filter(|one| visit.eye.now.since(one.at) < ALTERED_NEWS_MS);
    let mut told = Vec::new();
    for one in late {
        told.push(Altered::seen(one, &visit.eye, opened).await?);
    }
    Ok(told)
}

fn version(known: u64) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static("salus-version"),
        HeaderValue::from(known),
    )
}

/// Whether something was sealed about this patient since `known` events, and how many events are
/// known now. Looks at whom events are about, never at what they say.
async fn news(visit: &Visit, id: &str, known: u64) -> Result<(bool, u64), Problem> {
    let folded = visit.folded();
    if folded <= known {
        return Ok((false, known));
    }
    if folded - known > NEWS_BEHIND_MAX {
        return Ok((true, folded));
    }
    let (events, next) = visit.app.record.read_until(known, NEWS_EVENTS_MAX).await?;
    for sealed in events.iter().filter(|sealed| changes_charts(sealed)) {
        let Some(about) = sealed.event().subject.patient() else {
            return Ok((true, folded));
        };
        if about == id || visit.app.chart.survivor(about).await?.as_deref() == Some(id) {
            return Ok((true, folded));
        }
    }
    Ok((false, next.min(folded)))
}

fn changes_charts(sealed: &::record::Sealed) -> bool {
    use event::Body;
    matches!(
        sealed.event().body,
        Body::Alteration(_)
            | Body::Image(_)
            | Body::Message(_)
            | Body::Resource(_)
            | Body::Unmerge(_)
    )
}
