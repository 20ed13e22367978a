//! How often a ward's pack was opened while nobody could see it: typed in from what the pack shows.

use axum::http::StatusCode;
use axum::response::Response;
use event::{Act, Body, Event, PackOpenings, Subject};
use guard::{Standing, admit};

use crate::error::Problem;
use crate::pages::visit::{Posted, page};
use crate::pages::words;

/// The most characters of a computer's name.
const LETTERS_MAX: usize = 120;

/// `POST /downtime/openings`
pub(crate) async fn note(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let (ward, computer) = (fields.get("ward"), fields.get("computer"));
    let ask = visit.ask(Act::Capture, Subject::Ward(ward.to_owned()));
    let decision = visit.leave("typing in for this ward", ask).await?;
    let times = visit
        .app
        .lifeline
        .openings(ward, fields.get("number"), visit.eye.now);
    let named = (1..=LETTERS_MAX).contains(&computer.chars().count());
    let (Some(times), true) = (times, named) else {
        let wrong = match named {
            true => format!(
                "This is no number of a pack of ward {ward}: type it as the opened pack shows it."
            ),
            false => "Say which computer it was.".to_owned(),
        };
        let view = super::overview(&visit, Some(wrong)).await?;
        return page(StatusCode::BAD_REQUEST, &view);
    };
    let body = Body::PackOpenings(PackOpenings {
        ward: ward.to_owned(),
        computer: computer.to_owned(),
        times,
    });
    let actor = visit.identity.actor.clone();
    let event = Event::new(actor, Act::Capture, Subject::Ward(ward.to_owned()), body);
    let admitted = admit(event.into(), Standing::Decided(&decision), "")?;
    let receipts = visit.app.record.admit(vec![admitted]).await?;
    let index = receipts.first().map_or(0, |receipt| receipt.index);
    let mut view = super::overview(&visit, None).await?;
    let times = words::count(u64::from(times), "opening", "openings");
    view.shell.done = Some(format!(
        "Sealed as event {index}: {times} of the pack of ward {ward}."
    ));
    page(StatusCode::OK, &view)
}
