//! One event handed out: a file that anyone can check, and a sheet of paper that says the same.

use axum::extract::Path;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use event::{Act, Body, Subject};
use guard::Ask;
use record::{Sealed, disclosing};

use super::sheet::Sheet;
use super::{index_of, may_read};
use crate::error::{Problem, broken};
use crate::pages::visit::{Posted, Visit, reason};

/// `POST /record/{index}/disclose`: the file, or (`as` = `sheet`) the paper.
pub(crate) async fn hand_out(
    Path(index): Path<String>,
    posted: Posted,
) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    may_read(&visit).await?;
    let index = index_of(&index)?;
    visit.needs_step_up(&format!("/record/{index}"))?;
    let why = reason(&fields).map_err(Problem::Malformed)?;
    let record = &visit.app.record;
    let sealed = record.get(index).await?;
    let ask = ask(&visit, &sealed, why).await?;
    let permit = visit.permit("this event", ask).await?;
    let decision = permit.index();
    let disclosure = record.disclose(permit, index).await?;
    if fields.get("as") != "sheet" {
        let name = format!("salus-{index}.disclosure.json");
        return Ok(attached((&name, "application/json"), disclosure.to_text()));
    }
    let sheet = Sheet::of(&disclosure, &record.public_key(), &visit.eye);
    let sheet = sheet.map_err(|why| broken(&why))?;
    let html = sheet.told(visit.identity.actor.name.as_str(), decision)?;
    let name = format!("salus-{index}.html");
    Ok(attached((&name, "text/html; charset=utf-8"), html))
}

/// What the guard is asked. Of a patient's event: to read the whole chart that it is on, for those
/// who treat the patient, or to read its body for a reason, for those who oversee. Of any other: to
/// read of the account that did it, which those who oversee may. Masked parts cannot be cut out.
async fn ask(visit: &Visit, sealed: &Sealed, why: String) -> Result<Ask, Problem> {
    let event = sealed.event();
    let clinical = matches!(
        event.body,
        Body::Message(_) | Body::Resource(_) | Body::Unmerge(_)
    );
    let mut ask = match &event.subject {
        Subject::Patient(id) if clinical && !visit.oversees().await => {
            let survivor = visit.app.chart.survivor(id).await?;
            let id = survivor.unwrap_or_else(|| id.to_owned());
            visit.ask(Act::Read, Subject::Patient(id))
        }
        Subject::Patient(_) | Subject::Feed(_) => {
            let mut ask = visit.ask(Act::ReadMessage, event.subject.clone());
            ask.purpose = "HOPERAT".to_owned();
            ask
        }
        Subject::Account(_) | Subject::Kind(_) | Subject::Record | Subject::Ward(_) => {
            let mut ask = visit.ask(Act::Read, Subject::Account(event.actor.id.clone()));
            ask.purpose = "HOPERAT".to_owned();
            ask
        }
    };
    ask.reason = Some(why);
    ask.detail = disclosing(sealed.index());
    Ok(ask)
}

fn attached((name, kind): (&str, &'static str), text: String) -> Response {
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, text).into_response()
}
