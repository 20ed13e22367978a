//! An administrator orders a drill: it is carried out beside the installation, measured and sealed.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Subject};

use crate::errands::{DrillOrder, Run};
use crate::error::Problem;
use crate::pages::visit::{Posted, page, reason};

/// The drills, each with what is practised.
pub(super) const DRILLS: [(&str, &str); 5] = [
    (
        "restore",
        "tonight's backup is restored into an empty folder",
    ),
    ("outage", "the server is killed in mid-burst"),
    ("tamper", "what lies on disk is edited by its administrator"),
    (
        "ransomware",
        "data folder and reachable backup are encrypted",
    ),
    ("lost-site", "the primary is gone, a standby takes over"),
];

/// `POST /lifeline/drills`
pub(crate) async fn order(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let name = fields.get("name");
    let known = DRILLS.iter().any(|(known, _)| *known == name);
    let seed = fields.get("seed").parse().ok().filter(|_| known);
    let wrong = match (reason(&fields), seed) {
        (Ok(why), Some(seed)) => {
            visit.needs_step_up("/lifeline")?;
            let mut ask = visit.ask(Act::Manage, Subject::Record);
            ask.purpose = "HOPERAT".to_owned();
            ask.reason = Some(why);
            ask.detail = format!("drill {name}, seed {seed}");
            visit.permit("this drill", ask).await?;
            let order = DrillOrder {
                name: name.to_owned(),
                seed,
            };
            let run = Run {
                what: format!("drill {name}, seed {seed}"),
                by: visit.identity.actor.name.clone(),
                since: visit.eye.now,
                ..Run::default()
            };
            match visit.app.errands.order(order, run) {
                true => return Ok(Redirect::to("/lifeline#measured").into_response()),
                false => "Another drill goes on: wait until it has ended.".to_owned(),
            }
        }
        (Err(wrong), _) => wrong,
        (Ok(_), None) => "Choose one of the drills, and a number as its seed.".to_owned(),
    };
    let view = super::overview(&visit, (&super::Asked::default(), Some(wrong))).await?;
    page(StatusCode::BAD_REQUEST, &view)
}
