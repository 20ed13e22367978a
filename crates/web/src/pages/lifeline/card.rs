//! The card with the code that opens a ward's packs. Whoever saw it is sealed.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use event::{Act, Body, Event, PackCode, Role, Subject};
use guard::{Standing, admit};
use lifeline::Which;

use super::view::{Card, CardPage};
use crate::error::Problem;
use crate::pages::shell::Here;
use crate::pages::visit::{Fields, Posted, Visit, page, reason};
use crate::pages::words;

/// `GET /packs/{ward}/card`: asks before it shows.
pub(crate) async fn ask(visit: Visit, Path(ward): Path<String>) -> Result<Response, Problem> {
    page(StatusCode::OK, &blank(&visit, &ward, None))
}

fn blank(visit: &Visit, ward: &str, wrong: Option<String>) -> CardPage {
    CardPage {
        shell: visit.shell(&format!("Card of ward {ward}"), Here::Lifeline),
        ward: ward.to_owned(),
        path: words::in_path(ward),
        card: None,
        reasons: visit.identity.role() == Role::Administrator,
        wrong,
    }
}

/// `POST /packs/{ward}/card`: the card.
pub(crate) async fn show(Path(ward): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let why = match why(&visit, &fields) {
        Ok(why) => why,
        Err(wrong) => {
            let view = blank(&visit, &ward, Some(wrong));
            return page(StatusCode::BAD_REQUEST, &view);
        }
    };
    visit.needs_step_up(&format!("/packs/{}/card", words::in_path(&ward)))?;
    let mut ask = visit.ask(Act::Unlock, Subject::Ward(ward.clone()));
    ask.reason = why;
    let permit = visit.permit("this card", ask).await?;
    let lifeline = &visit.app.lifeline;
    let now = lifeline.which(&ward, visit.eye.now);
    let before = Which {
        period: now.period - 1,
        ..now.clone()
    };
    let (from, until) = lifeline.period(&now);
    let mut view = blank(&visit, &ward, None);
    view.card = Some(Card {
        code: lifeline.code(&now).to_string(),
        from: visit.stamp(from).day,
        until: visit.stamp(until).day,
        before: lifeline.code(&before).to_string(),
        decision: permit.index(),
    });
    page(StatusCode::OK, &view)
}

/// `POST /packs/{ward}/renew`: from now on packs open with another code.
pub(crate) async fn renew(Path(ward): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let why = match reason(&fields) {
        Ok(why) => why,
        Err(wrong) => {
            let view = blank(&visit, &ward, Some(wrong));
            return page(StatusCode::BAD_REQUEST, &view);
        }
    };
    visit.needs_step_up(&format!("/packs/{}/card", words::in_path(&ward)))?;
    let mut ask = visit.ask(Act::Unlock, Subject::Ward(ward.clone()));
    ask.reason = Some(why.clone());
    let decision = visit.leave("a new code for this ward", ask).await?;
    let body = Body::PackCode(PackCode {
        ward: ward.clone(),
        generation: visit.app.lifeline.which(&ward, visit.eye.now).generation + 1,
        reason: why,
    });
    let actor = visit.identity.actor.clone();
    let event = Event::new(actor, Act::Unlock, Subject::Ward(ward.clone()), body);
    let admitted = admit(event.into(), Standing::Decided(&decision), "")?;
    visit.app.record.admit(vec![admitted]).await?;
    super::settled(&visit).await;
    let mut view = blank(&visit, &ward, None);
    view.shell.done =
        Some("Packs that are made from now on open with a new code. Print its card.".to_owned());
    page(StatusCode::OK, &view)
}

/// Administrators say why; whoever works on the ward need not.
fn why(visit: &Visit, fields: &Fields) -> Result<Option<String>, String> {
    match visit.identity.role() {
        Role::Administrator => reason(fields).map(Some),
        _ => Ok(None),
    }
}
