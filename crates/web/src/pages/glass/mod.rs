//! Breaking the glass: into one chart in an emergency, for a few minutes.

pub(crate) mod view;

use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Body, Event, Glass, Subject};
use guard::{Standing, admit};

use crate::error::{Problem, broken};
use crate::pages::shell::Here;
use crate::pages::visit::{Posted, Visit, page, reason};
use view::{GlassForm, GlassPage};

/// `GET /patients/{id}/glass`
pub(crate) async fn ask(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    page(StatusCode::OK, &form(&visit, id, GlassForm::empty(), None))
}

fn form(visit: &Visit, patient: String, glass: GlassForm, wrong: Option<String>) -> GlassPage {
    GlassPage {
        shell: visit.shell("An emergency", Here::Patients),
        patient,
        glass,
        minutes: visit.app.settings.glass_ms / 60_000,
        wrong,
    }
}

/// `POST /patients/{id}/glass`
pub(crate) async fn break_it(Path(id): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let (visit, fields) = (posted.visit, posted.fields);
    let purpose = fields.get("purpose").to_owned();
    let why = match reason(&fields) {
        Ok(why) => why,
        Err(wrong) => {
            let typed = GlassForm::typed(&purpose, fields.get("reason"));
            let shown = form(&visit, id, typed, Some(wrong));
            return page(StatusCode::BAD_REQUEST, &shown);
        }
    };
    if visit.app.chart.locate("Patient", &id).await?.is_none() {
        return Err(Problem::Missing("patient at this address".to_owned()));
    }
    let mut ask = visit.ask(Act::BreakGlass, Subject::Patient(id.clone()));
    ask.purpose.clone_from(&purpose);
    ask.reason = Some(why.clone());
    let decision = visit.leave("this chart in an emergency", ask).await?;
    let glass = Glass::Started {
        purpose,
        reason: why,
        lasts_ms: visit.app.settings.glass_ms,
    };
    let event = of(&visit, Act::BreakGlass, id.clone(), glass);
    let admitted = admit(event.into(), Standing::Decided(&decision), "")?;
    let receipts = visit.app.record.admit(vec![admitted]).await?;
    let receipt = receipts.first().ok_or_else(|| broken(&"no receipt"))?;
    known(&visit, receipt.index).await;
    Ok(Redirect::to(&format!("/patients/{id}")).into_response())
}

/// `POST /glass/{index}/end`: whoever broke it ends it early.
pub(crate) async fn end(Path(index): Path<u64>, posted: Posted) -> Result<Response, Problem> {
    let visit = posted.visit;
    let own = visit
        .app
        .oversight
        .lasting(&visit.identity.actor.id, visit.eye.now);
    // What has ended by itself meanwhile needs no ending.
    if let Some(glass) = own.into_iter().find(|one| one.index == index) {
        let ended = Glass::Ended { glass: index };
        let event = of(&visit, Act::BreakGlass, glass.patient, ended);
        let receipt = visit.app.seal(event).await?;
        known(&visit, receipt.index).await;
    }
    Ok(Redirect::to("/patients").into_response())
}

fn of(visit: &Visit, act: Act, patient: String, glass: Glass) -> Event {
    let actor = visit.identity.actor.clone();
    Event::new(actor, act, Subject::Patient(patient), Body::Glass(glass))
}

/// Waits until what was sealed at `index` is known to those who decide.
pub(crate) async fn known(visit: &Visit, index: u64) {
    let wait = Duration::from_millis(visit.app.settings.chart_wait_ms);
    visit.app.oversight.caught_up(index + 1, wait).await;
}
