//! What was altered in another system: which resources, in what they differ from what was sealed,
//! and a person's verdict whether what was sealed is put back.

pub(crate) mod view;

use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Body, Event, PutBack, PutBackStep, Role, Subject};
use guard::{Ask, Standing, admit};
use oversight::{Alteration, Fate};
use record::Permit;

use crate::error::{Problem, broken};
use crate::outside::subject;
use crate::pages::altered::Altered;
use crate::pages::shell::{Here, Tone};
use crate::pages::visit::{Fields, Posted, Visit, page, reason};
use crate::pages::words;
use view::{OutsidePage, OutsideRow, PutBackPage};

/// Rows of each part of the list, at most.
const SHOWN: u32 = 200;

/// `GET /record/outside`
pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let ask = visit.ask(Act::Read, Subject::Record);
    visit.leave("the record", ask).await?;
    let waiting = all(&visit, &[Fate::Waiting]).await?;
    let going = all(&visit, &[Fate::Ordered, Fate::Refused]).await?;
    let mut done = all(&visit, &[Fate::Sent, Fate::Left, Fate::Settled]).await?;
    done.sort_by_key(|one| std::cmp::Reverse(one.index));
    let rows = |all: &[Alteration]| -> Vec<OutsideRow> {
        let rows = all.iter().map(|one| view::row(&visit, one));
        rows.collect()
    };
    let (tone, answer) = answer(&visit, &waiting, going.len());
    let view = OutsidePage {
        shell: visit.shell("Other systems", Here::Record),
        tone,
        answer,
        parts: view::parts([rows(&waiting), rows(&going), rows(&done)]),
    };
    page(StatusCode::OK, &view)
}

async fn all(visit: &Visit, fates: &[Fate]) -> Result<Vec<Alteration>, Problem> {
    let mut all = Vec::new();
    for fate in fates {
        let some = visit.app.oversight.outside(*fate, SHOWN).await;
        all.extend(some.map_err(|why| broken(&why))?);
    }
    Ok(all)
}

fn answer(visit: &Visit, waiting: &[Alteration], going: usize) -> (Tone, String) {
    if let Some(said) = words_of(waiting.len(), going) {
        return (Tone::Bad, said);
    }
    match visit.app.outside.whole_at() {
        Some(at) => {
            let ago = words::span(visit.eye.now.since(at));
            let said = format!("The other system was as sealed when it was compared {ago} ago.");
            (Tone::Good, said)
        }
        None => {
            let said = "No evidence. No comparison has ended since Salus was started.";
            (Tone::Unknown, said.to_owned())
        }
    }
}

/// What waits for somebody in another system, in one sentence.
pub(crate) async fn news(visit: &Visit) -> Result<Option<String>, Problem> {
    let waiting = all(visit, &[Fate::Waiting]).await?.len();
    let going = all(visit, &[Fate::Ordered, Fate::Refused]).await?.len();
    Ok(words_of(waiting, going))
}

fn words_of(waiting: usize, going: usize) -> Option<String> {
    let things = |count: usize| {
        let one = "resource of another system is not what was sealed";
        words::count(
            count as u64,
            one,
            "resources of another system are not what was sealed",
        )
    };
    match (waiting, going) {
        (0, 0) => None,
        (0, going) => Some(format!("{}; somebody decided.", things(going))),
        (waiting, _) => Some(format!("{}: decide.", things(waiting))),
    }
    .map(|words| words::sentence(&words))
}

/// `GET /record/outside/{index}`
pub(crate) async fn one(visit: Visit, Path(index): Path<u64>) -> Result<Response, Problem> {
    let found = found(&visit, index).await?;
    // Who sees its values has looked at the patient: that is sealed.
    let permit = visit
        .permit("what was altered", ask(&visit, &found))
        .await?;
    let mut shown = put_back_page(&visit, &found, &Fields::default(), None);
    shown.altered = seen(&visit, &found, permit).await?;
    page(StatusCode::OK, &shown)
}

/// The alteration with its values, but for those that are kept from whoever looks.
async fn seen(visit: &Visit, found: &Alteration, permit: Permit) -> Result<Vec<Altered>, Problem> {
    let hides = permit.hides().to_vec();
    let open = visit.app.chart.open_with(permit);
    let seen = Altered::seen(found, &visit.eye, (&open, &hides)).await?;
    Ok(vec![seen])
}

async fn found(visit: &Visit, index: u64) -> Result<Alteration, Problem> {
    let found = visit.app.oversight.outside_one(index).await;
    let missing = || Problem::Missing(format!("alteration `{index}` in another system"));
    found.map_err(|why| broken(&why))?.ok_or_else(missing)
}

/// Whoever cares for the patient decides; of what is no patient's, an administrator.
fn ask(visit: &Visit, found: &Alteration) -> Ask {
    let mut ask = visit.ask(Act::Reconcile, subject(found));
    ask.detail = format!("altered in another system, event {}", found.index);
    if visit.identity.role() == Role::Administrator {
        ask.purpose = "HOPERAT".to_owned();
    }
    ask
}

fn put_back_page(
    visit: &Visit,
    found: &Alteration,
    typed: &Fields,
    wrong: Option<String>,
) -> PutBackPage {
    let settling = found.settling.as_ref();
    PutBackPage {
        shell: visit.shell("Altered elsewhere", Here::Record),
        row: view::row(visit, found),
        altered: Vec::new(),
        waits: settling.is_some_and(|settling| settling.fate == Fate::Waiting),
        can_go_back: found.altered.index.is_some(),
        typed: typed.get("reason").to_owned(),
        wrong,
    }
}

/// `POST /record/outside/{index}`
pub(crate) async fn decide(Path(index): Path<u64>, posted: Posted) -> Result<Response, Problem> {
    let (visit, fields) = (posted.visit, posted.fields);
    let found = found(&visit, index).await?;
    let step = match step(&fields, &found) {
        Ok(step) => step,
        Err(wrong) => {
            let permit = visit
                .permit("what was altered", ask(&visit, &found))
                .await?;
            let mut shown = put_back_page(&visit, &found, &fields, Some(wrong));
            shown.altered = seen(&visit, &found, permit).await?;
            return page(StatusCode::BAD_REQUEST, &shown);
        }
    };
    let mut ask = ask(&visit, &found);
    ask.reason = Some(fields.get("reason").to_owned());
    let decision = visit.leave("deciding about this", ask).await?;
    visit.needs_step_up(&format!("/record/outside/{index}"))?;
    let body = Body::PutBack(PutBack {
        alteration: index,
        step,
    });
    let actor = visit.identity.actor.clone();
    let event = Event::new(actor, Act::Reconcile, subject(&found), body);
    let admitted = admit(event.into(), Standing::Decided(&decision), "")?;
    match visit.app.record.admit(vec![admitted]).await {
        Ok(_) => {
            settled(&visit).await;
            Ok(Redirect::to("/record/outside").into_response())
        }
        Err(record::Error::Conflict { .. }) => late(&visit, index).await,
        Err(why) => Err(why.into()),
    }
}

fn step(fields: &Fields, found: &Alteration) -> Result<PutBackStep, String> {
    let reason = reason(fields)?;
    match fields.get("verdict") {
        "put-back" if found.altered.index.is_some() => Ok(PutBackStep::Ordered { reason }),
        "leave" => Ok(PutBackStep::Left { reason }),
        _ => Err("Choose what becomes of it.".to_owned()),
    }
}

async fn settled(visit: &Visit) {
    let wait = Duration::from_millis(visit.app.settings.chart_wait_ms);
    let size = visit.app.record.size();
    visit.app.oversight.caught_up(size, wait).await;
}

/// Somebody else was first: what they decided stands.
async fn late(visit: &Visit, index: u64) -> Result<Response, Problem> {
    settled(visit).await;
    let found = found(visit, index).await?;
    let wrong = "Somebody else decided first. Their verdict stands; yours was not sealed.";
    let shown = put_back_page(visit, &found, &Fields::default(), Some(wrong.to_owned()));
    page(StatusCode::CONFLICT, &shown)
}
