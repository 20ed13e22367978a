//! Blank sheets printed from here: known by number, so that it is known when one does not come back.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use event::{Act, Body, Event, Printed, Subject};
use guard::{Standing, admit};
use lifeline::SheetId;
use record::Witnessed;

use super::view::{BlankSheet, PrintPage};
use crate::error::{Problem, broken};
use crate::packs::view::PaperSheet;
use crate::pages::lifeline::settled;
use crate::pages::shell::Here;
use crate::pages::visit::{Posted, page};
use crate::pages::words;
use crate::taking::Answering;

/// Sheets of one patient that can be printed at once, at most.
const SHEETS_MAX: u16 = 8;
/// Numbers of sheets that were printed from a pack, at most, in one form.
const NUMBERS_MAX: usize = 500;

/// `POST /downtime/ward/{ward}/print`: a sheet for every patient, or the numbers of sheets that
/// were printed from a pack.
pub(crate) async fn print(Path(ward): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let ask = visit.ask(Act::Capture, Subject::Ward(ward.clone()));
    let decision = visit.leave("printing sheets for this ward", ask).await?;
    let numbers = fields.get("numbers");
    let sheets = match numbers.is_empty() {
        true => fresh(&visit, &ward, fields.get("sheet")).await?,
        false => match known(numbers) {
            Ok(ids) => ids.into_iter().map(|id| (id, String::new())).collect(),
            Err(wrong) => return Err(Problem::Malformed(wrong)),
        },
    };
    let printed = Printed {
        ward: ward.clone(),
        sheets: sheets.iter().map(|(id, _)| id.to_string()).collect(),
    };
    let actor = visit.identity.actor.clone();
    let subject = Subject::Ward(ward.clone());
    let event = Event::new(actor, Act::Capture, subject, Body::Printed(printed));
    let admitted = admit(event.into(), Standing::Decided(&decision), "")?;
    visit.app.record.admit(vec![admitted]).await?;
    settled(&visit).await;
    let told = words::count(sheets.len() as u64, "sheet is", "sheets are");
    let view = PrintPage {
        shell: visit.shell(&format!("Sheets of ward {ward}"), Here::Lifeline),
        answer: words::sentence(&format!("{told} expected back")),
        path: words::in_path(&ward),
        ward,
        rows: visit.app.lifeline.limits().sheet_rows,
        sheets: match numbers.is_empty() {
            true => sheets
                .into_iter()
                .map(|(id, who)| BlankSheet {
                    sheet: PaperSheet::of(id),
                    who,
                })
                .collect(),
            false => Vec::new(),
        },
    };
    page(StatusCode::OK, &view)
}

/// A sheet for everybody on the ward, by the newest list of its pack.
async fn fresh(
    visit: &crate::pages::visit::Visit,
    ward: &str,
    sheet: &str,
) -> Result<Vec<(SheetId, String)>, Problem> {
    let sheet: u16 = sheet.parse().unwrap_or(1).clamp(1, SHEETS_MAX);
    crate::packs::refresh(&visit.app, ward)
        .await
        .map_err(|why| broken(&why))?;
    settled(visit).await;
    let list = visit
        .app
        .lifeline
        .listing(ward)
        .await
        .map_err(|why| broken(&why))?;
    let list = list.ok_or_else(|| Problem::Missing("patient on this ward".to_owned()))?;
    let ask = visit.ask(Act::Read, Subject::Ward(ward.to_owned()));
    let permit = match visit.witness(ask).await? {
        Witnessed::Allowed(permit) => permit,
        Witnessed::Refused(index, decision) => {
            return Err(Problem::refused("this ward", index, &decision));
        }
    };
    let answering = Answering::with(&permit);
    let census = visit.app.chart.open_with(permit).census().await?;
    let patients = census.iter().map(|row| row.patient.clone()).collect();
    answering.seal(&visit.app, patients).await?;
    let mut sheets = Vec::new();
    for row in census {
        let Some(place) = list.patients.iter().position(|id| *id == row.patient) else {
            continue;
        };
        let id = SheetId {
            list: list.index,
            patient: u16::try_from(place + 1).unwrap_or_default(),
            sheet,
        };
        let born = row.birth_date.unwrap_or_default();
        let name = row.name.unwrap_or_else(|| "Name: no evidence".to_owned());
        sheets.push((id, format!("{name} · born {born}")));
    }
    Ok(sheets)
}

/// Numbers divided by blanks or lines.
fn known(text: &str) -> Result<Vec<SheetId>, String> {
    let mut ids = Vec::new();
    for one in text
        .split([' ', ',', '\n', '\r'])
        .filter(|one| !one.is_empty())
    {
        let id = SheetId::parse(one)
            .ok_or_else(|| format!("`{one}` is no number of a sheet: compare it with the paper"))?;
        ids.push(id);
    }
    match ids.len() {
        0..=NUMBERS_MAX => Ok(ids),
        many => Err(format!(
            "{many} numbers at once are too many: at most {NUMBERS_MAX}"
        )),
    }
}
