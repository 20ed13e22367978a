//! Downtime: what was written down while systems were away, and what of it is left to decide?

pub(crate) mod against;
pub(crate) mod decide;
pub(crate) mod openings;
pub(crate) mod print;
pub(crate) mod queue;
pub(crate) mod sheet;
pub(crate) mod typed;
pub(crate) mod view;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Body, Downtime, Event, Subject};
use guard::{Standing, admit};
use lifeline::Sum;

use crate::error::{Problem, broken};
use crate::pages::lifeline::settled;
use crate::pages::shell::{Here, Tone};
use crate::pages::visit::{Posted, Visit, page, reason};
use crate::pages::words;
use view::{AwayNote, DowntimePage, SumRow};

/// `GET /downtime`
pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    page(StatusCode::OK, &overview(&visit, None).await?)
}

pub(super) async fn overview(
    visit: &Visit,
    wrong: Option<String>,
) -> Result<DowntimePage, Problem> {
    let sums = visit
        .app
        .lifeline
        .sums()
        .await
        .map_err(|why| broken(&why))?;
    let own = |ward: &str| visit.identity.wards.iter().any(|own| own == ward);
    let all = Sum::of_all(&sums);
    let (tone, answer) = answer(&all);
    let mut shell = visit.shell("Downtime", Here::Lifeline);
    shell.live = None;
    Ok(DowntimePage {
        shell,
        tone,
        answer,
        declared: visit.app.lifeline.away().is_some(),
        away: away(visit),
        may_declare: visit.identity.role() == event::Role::Administrator,
        rows: sums.iter().map(|sum| row(sum, own(&sum.ward))).collect(),
        total: row(&all, false),
        wards: visit
            .identity
            .wards
            .iter()
            .map(|ward| (words::in_path(ward), ward.clone()))
            .collect(),
        wrong,
    })
}

/// What *Patients* and *Downtime* say while the systems that charts come from are away.
pub(crate) fn away(visit: &Visit) -> Option<AwayNote> {
    if let Some(away) = visit.app.lifeline.away() {
        return Some(AwayNote {
            since: visit.stamp(away.at),
            reason: away.reason,
            name: away.name,
            index: Some(away.index),
        });
    }
    let (since, why) = visit.app.upstream.silent()?;
    Some(AwayNote {
        since: visit.stamp(since),
        reason: words::quoted(&why),
        name: "Salus, which asks it".to_owned(),
        index: None,
    })
}

fn answer(all: &Sum) -> (Tone, String) {
    if *all == Sum::default() {
        return (
            Tone::Unknown,
            "No evidence: nothing was typed in, and no sheet was printed.".to_owned(),
        );
    }
    if all.is_done() {
        let typed = words::count(all.typed, "entry is", "entries are");
        let answer = format!("Nothing is left: {typed} decided and every sheet is back.");
        return (Tone::Good, answer);
    }
    let waiting = words::count(all.waiting, "entry waits", "entries wait");
    let out = words::count(all.sheets_out, "sheet is", "sheets are");
    (
        Tone::Warn,
        words::sentence(&format!("{waiting} for somebody, {out} not back yet")),
    )
}

fn row(sum: &Sum, own: bool) -> SumRow {
    let number = words::thousands;
    SumRow {
        path: words::in_path(&sum.ward),
        ward: sum.ward.clone(),
        own,
        tone: if sum.is_done() {
            Tone::Good
        } else {
            Tone::Warn
        },
        sheets: number(sum.sheets),
        out: number(sum.sheets_out),
        rows: number(sum.rows),
        blank: number(sum.blank),
        typed: number(sum.typed),
        accepted: number(sum.accepted),
        refused: number(sum.refused),
        waiting: number(sum.waiting),
    }
}

/// `POST /downtime/away`: an administrator says that systems are away, or back.
pub(crate) async fn declare(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let why = match reason(&fields) {
        Ok(why) => why,
        Err(wrong) => {
            let view = overview(&visit, Some(wrong)).await?;
            return page(StatusCode::BAD_REQUEST, &view);
        }
    };
    let away = match fields.get("state") {
        "away" => true,
        "back" => false,
        _ => {
            let why = "the form says neither away nor back".to_owned();
            return Err(Problem::Malformed(why));
        }
    };
    let mut ask = visit.ask(Act::Manage, Subject::Record);
    ask.purpose = "HOPERAT".to_owned();
    ask.reason = Some(why.clone());
    let decision = visit.leave("saying that systems are away", ask).await?;
    let body = Body::Downtime(Downtime { away, reason: why });
    let event = Event::new(
        visit.identity.actor.clone(),
        Act::Manage,
        Subject::Record,
        body,
    );
    let admitted = admit(event.into(), Standing::Decided(&decision), "")?;
    visit.app.record.admit(vec![admitted]).await?;
    settled(&visit).await;
    Ok(Redirect::to("/downtime").into_response())
}
