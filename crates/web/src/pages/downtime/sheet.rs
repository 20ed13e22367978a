//! Typing in a sheet of paper by its number, or lines of a patient without one. Each line is
//! sealed as it was written; it is in no chart until somebody decided so.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Body, Captured, Event, SheetBack, Subject};
use guard::{Admitted, Standing, admit};
use lifeline::SheetId;
use serde::Deserialize;

use super::typed::Typed;
use super::view::SheetPage;
use crate::error::{Problem, broken};
use crate::pages::lifeline::settled;
use crate::pages::shell::Here;
use crate::pages::visit::{Posted, Visit, page};
use crate::pages::words;

/// What a sheet's page is asked with.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Asked {
    /// The number of a sheet, as it was scanned or typed.
    number: String,
    /// Or a patient of a ward, without a sheet.
    patient: String,
    ward: String,
}

/// Whose lines are typed in, and from where.
pub(super) struct Source {
    /// The sheet's number; empty: none.
    pub sheet: String,
    pub ward: String,
    /// The patient; `None`: they have no chart yet.
    pub patient: Option<String>,
}

impl Source {
    fn subject(&self) -> Subject {
        match &self.patient {
            Some(patient) => Subject::Patient(patient.clone()),
            None => Subject::Ward(self.ward.clone()),
        }
    }

    async fn of(visit: &Visit, asked: &Asked) -> Result<Source, Problem> {
        let typed = asked.number.trim();
        if typed.is_empty() {
            let patient = Some(asked.patient.trim().to_owned()).filter(|id| !id.is_empty());
            return Ok(Source {
                sheet: String::new(),
                ward: asked.ward.trim().to_owned(),
                patient,
            });
        }
        let Some(id) = SheetId::parse(typed) else {
            return Err(Problem::Malformed(format!(
                "`{typed}` is no number of a sheet: compare it with the paper"
            )));
        };
        let list = visit.app.lifeline.listing_at(id.list).await;
        let list = list.map_err(|why| broken(&why))?;
        let unknown =
            || Problem::Missing(format!("sheet {id}: it was not printed from this Salus"));
        let list = list.ok_or_else(unknown)?;
        let patient = match id.patient {
            0 => None,
            number => {
                let patient = list.patients.get(usize::from(number) - 1);
                Some(
                    patient
                        .filter(|id| !id.is_empty())
                        .ok_or_else(unknown)?
                        .clone(),
                )
            }
        };
        Ok(Source {
            sheet: id.to_string(),
            ward: list.ward,
            patient,
        })
    }
}

/// `GET /downtime/sheet`
pub(crate) async fn ask(visit: Visit, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let source = Source::of(&visit, &asked).await?;
    let decision = visit.ask(Act::Capture, source.subject());
    visit.permit("typing in for this patient", decision).await?;
    let rows = visit.app.lifeline.limits().sheet_rows;
    let mut view = blank(&visit, &source, (1..=rows).map(fresh(&visit)).collect());
    if !source.sheet.is_empty() {
        let before = visit.app.lifeline.of_sheet(&source.sheet).await;
        view.before = before.map_err(|why| broken(&why))?.len();
    }
    page(StatusCode::OK, &view)
}

/// A row as it is offered: of today.
fn fresh(visit: &Visit) -> impl Fn(u16) -> Typed {
    let today = visit.stamp(visit.eye.now).day;
    move |row| Typed {
        row,
        day: today.clone(),
        ..Typed::default()
    }
}

fn blank(visit: &Visit, source: &Source, rows: Vec<Typed>) -> SheetPage {
    SheetPage {
        shell: visit.shell("Type in a sheet", Here::Lifeline),
        sheet: source.sheet.clone(),
        ward: source.ward.clone(),
        patient: source.patient.clone().unwrap_or_default(),
        temporary: String::new(),
        rows,
        before: 0,
        wrong: None,
    }
}

/// `POST /downtime/sheet`
pub(crate) async fn save(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let asked = Asked {
        number: fields.get("number").to_owned(),
        patient: fields.get("patient").to_owned(),
        ward: fields.get("ward").to_owned(),
    };
    let source = Source::of(&visit, &asked).await?;
    let most = visit.app.lifeline.limits().sheet_rows;
    let temporary = fields.get("temporary").to_owned();
    let zone = visit.eye.zone.clone();
    let mut rows: Vec<Typed> = (1..=most).map(|row| Typed::of(&fields, row)).collect();
    let mut lines = Vec::new();
    for row in rows.iter_mut().filter(|row| !row.is_blank()) {
        match row.line(&zone) {
            Ok(line) => lines.push((row.row, line)),
            Err(wrong) => row.wrong = Some(words::sentence(&words::quoted(&wrong))),
        }
    }
    let mut wrong = None;
    if rows.iter().any(|row| row.wrong.is_some()) {
        wrong = Some("Nothing was saved yet: some lines cannot be read.".to_owned());
    } else if source.patient.is_none() && temporary.is_empty() && !lines.is_empty() {
        wrong = Some("Type the number on the wristband: the patient has no chart yet.".to_owned());
    } else if source.sheet.is_empty() && lines.is_empty() {
        wrong = Some("Nothing was typed in.".to_owned());
    }
    if wrong.is_some() {
        let mut view = blank(&visit, &source, rows);
        view.temporary = temporary;
        view.wrong = wrong;
        return page(StatusCode::BAD_REQUEST, &view);
    }
    let ask = visit.ask(Act::Capture, source.subject());
    let decision = visit.leave("typing in for this patient", ask).await?;
    let event = |subject: Subject, body: Body| -> Result<Admitted, Problem> {
        let event = Event::new(visit.identity.actor.clone(), Act::Capture, subject, body);
        Ok(admit(event.into(), Standing::Decided(&decision), "")?)
    };
    let blank = u16::try_from(rows.iter().filter(|row| row.is_blank()).count()).unwrap_or(most);
    let typed: Vec<u16> = lines.iter().map(|(row, _)| *row).collect();
    let mut events = Vec::with_capacity(lines.len() + 1);
    for (row, line) in lines {
        let captured = Captured {
            ward: source.ward.clone(),
            line,
            row: if source.sheet.is_empty() { 0 } else { row },
            sheet: source.sheet.clone(),
            temporary: temporary.clone(),
        };
        events.push(event(source.subject(), Body::Captured(captured))?);
    }
    if !source.sheet.is_empty() {
        let back = SheetBack {
            ward: source.ward.clone(),
            sheet: source.sheet.clone(),
            typed,
            blank,
        };
        events.push(event(source.subject(), Body::SheetBack(back))?);
    }
    visit.app.record.admit(events).await?;
    settled(&visit).await;
    let ward = words::in_path(&source.ward);
    Ok(Redirect::to(&format!("/downtime/ward/{ward}")).into_response())
}
