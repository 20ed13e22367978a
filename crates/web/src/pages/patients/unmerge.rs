//! `/patients/{retired}/unmerge`: an administrator takes a merge back, with a reason.

use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Body, Event, Subject, Unmerge};
use guard::{Standing, admit};

use super::view::UnmergePage;
use crate::error::Problem;
use crate::pages::shell::Here;
use crate::pages::visit::{Posted, Visit, page, reason};

/// `GET /patients/{retired}/unmerge`
pub(crate) async fn ask(visit: Visit, Path(retired): Path<String>) -> Result<Response, Problem> {
    let survivor = survivor(&visit, &retired).await?;
    page(
        StatusCode::OK,
        &form(&visit, (retired, survivor), String::new(), None),
    )
}

async fn survivor(visit: &Visit, retired: &str) -> Result<String, Problem> {
    let missing = || Problem::Missing("merge to take back at this address".to_owned());
    visit.app.chart.survivor(retired).await?.ok_or_else(missing)
}

fn form(
    visit: &Visit,
    (retired, survivor): (String, String),
    reason: String,
    wrong: Option<String>,
) -> UnmergePage {
    UnmergePage {
        shell: visit.shell("Take back a merge", Here::Patients),
        retired,
        survivor,
        reason,
        wrong,
    }
}

/// `POST /patients/{retired}/unmerge`
pub(crate) async fn take_back(
    Path(retired): Path<String>,
    posted: Posted,
) -> Result<Response, Problem> {
    let visit = posted.visit;
    let survivor = survivor(&visit, &retired).await?;
    let why = match reason(&posted.fields) {
        Ok(why) => why,
        Err(wrong) => {
            let typed = posted.fields.get("reason").to_owned();
            return page(
                StatusCode::BAD_REQUEST,
                &form(&visit, (retired, survivor), typed, Some(wrong)),
            );
        }
    };
    let mut ask = visit.ask(Act::Unmerge, Subject::Patient(retired.clone()));
    ask.purpose = "HOPERAT".to_owned();
    ask.reason = Some(why.clone());
    let decision = visit.leave("this merge", ask).await?;
    visit.needs_step_up(&format!("/patients/{retired}/unmerge"))?;
    let body = Body::Unmerge(Unmerge {
        retired: retired.clone(),
        survivor,
        reason: why,
    });
    let actor = visit.identity.actor.clone();
    let event = Event::new(actor, Act::Unmerge, Subject::Patient(retired), body);
    let admitted = admit(event.into(), Standing::Decided(&decision), "")?;
    let receipts = visit.app.record.admit(vec![admitted]).await?;
    if let Some(receipt) = receipts.first() {
        let wait = Duration::from_millis(visit.app.settings.chart_wait_ms);
        visit.app.chart.caught_up(receipt.index + 1, wait).await;
    }
    Ok(Redirect::to("/now?done=unmerged").into_response())
}
