//! The review queue: every broken glass is closed by an overseer, with a verdict.

pub(crate) mod view;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{Act, Body, Event, Glass, GlassVerdict, Role, Subject};
use guard::{Ask, Decision, Standing, admit};
use oversight::Broken;
use record::Witnessed;

use crate::error::{Problem, broken};
use crate::pages::glass::known;
use crate::pages::shell::{Here, Tone};
use crate::pages::visit::{Fields, Posted, Visit, page, reason};
use crate::pages::words;
use view::{ReviewPage, ReviewsPage};

/// `GET /access/reviews`
pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    overseer(&visit).await?;
    let waiting = visit.app.oversight.waiting();
    let most = visit.app.settings.reviewed_shown_max;
    let closed = visit.app.oversight.reviewed(most).await;
    let closed = closed.map_err(|why| broken(&why))?;
    let (tone, answer) = answer(&visit, &waiting);
    let view = ReviewsPage {
        shell: visit.shell("Reviews", Here::Access),
        tone,
        answer,
        waiting: waiting.iter().map(|one| view::row(&visit, one)).collect(),
        closed: closed
            .iter()
            .filter_map(|one| view::closed_row(&visit, one))
            .collect(),
    };
    page(StatusCode::OK, &view)
}

/// How many wait and how old the oldest is, in one sentence.
pub(crate) fn answer(visit: &Visit, waiting: &[Broken]) -> (Tone, String) {
    let Some(oldest) = waiting.first() else {
        return (Tone::Good, "No broken glass waits for a review.".to_owned());
    };
    let age = visit.eye.now.since(oldest.at);
    let tone = match age > visit.app.settings.review_late_ms {
        true => Tone::Bad,
        false => Tone::Warn,
    };
    let many = words::count(waiting.len() as u64, "waits", "wait");
    let words = format!("{many} for a review, the oldest for {}", words::span(age));
    (tone, words::sentence(&words))
}

/// Only those who oversee accounts see who broke what.
async fn overseer(visit: &Visit) -> Result<(), Problem> {
    let mut ask = visit.ask(Act::Read, Subject::Account(String::new()));
    ask.purpose = "HOPERAT".to_owned();
    visit.leave("the reviews", ask).await.map(drop)
}

/// `GET /access/reviews/{index}`
pub(crate) async fn one(visit: Visit, Path(index): Path<u64>) -> Result<Response, Problem> {
    overseer(&visit).await?;
    let glass = glass(&visit, index).await?;
    let shown = review_page(&visit, &glass, &Fields::default(), None).await?;
    page(StatusCode::OK, &shown)
}

async fn glass(visit: &Visit, index: u64) -> Result<Broken, Problem> {
    let found = visit.app.oversight.glass(index).await;
    let found = found.map_err(|why| broken(&why))?;
    found.ok_or_else(|| Problem::Missing(format!("broken glass `{index}`")))
}

async fn review_page(
    visit: &Visit,
    glass: &Broken,
    typed: &Fields,
    wrong: Option<String>,
) -> Result<ReviewPage, Problem> {
    let opened = visit.app.oversight.opened(glass.index).await;
    let opened = opened.map_err(|why| broken(&why))?;
    Ok(ReviewPage {
        shell: visit.shell("Review", Here::Access),
        glass: view::row(visit, glass),
        opened: opened.iter().map(|one| view::opened(visit, one)).collect(),
        closed: glass.review.as_ref().map(|one| view::closed(visit, one)),
        may_close: visit.identity.role() == Role::PrivacyOfficer,
        verdicts: view::verdicts(typed.get("verdict")),
        typed: typed.get("reason").to_owned(),
        wrong,
    })
}

/// `POST /access/reviews/{index}`
pub(crate) async fn close(Path(index): Path<u64>, posted: Posted) -> Result<Response, Problem> {
    let (visit, fields) = (posted.visit, posted.fields);
    let glass = glass(&visit, index).await?;
    let (verdict, said) = match (verdict(&fields), reason(&fields)) {
        (Ok(verdict), Ok(said)) => (verdict, said),
        (Err(wrong), _) | (_, Err(wrong)) => {
            overseer(&visit).await?;
            let shown = review_page(&visit, &glass, &fields, Some(wrong)).await?;
            return page(StatusCode::BAD_REQUEST, &shown);
        }
    };
    let decision = may_close(&visit, &glass, (verdict, &said)).await?;
    let body = Body::Glass(Glass::Reviewed {
        glass: index,
        verdict,
        words: said,
    });
    let subject = Subject::Patient(glass.patient.clone());
    let actor = visit.identity.actor.clone();
    let event = Event::new(actor, Act::Review, subject, body);
    let admitted = admit(event.into(), Standing::Decided(&decision), "")?;
    match visit.app.record.admit(vec![admitted]).await {
        Ok(receipts) => {
            let receipt = receipts.first().ok_or_else(|| broken(&"no receipt"))?;
            known(&visit, receipt.index).await;
            Ok(Redirect::to("/access/reviews").into_response())
        }
        Err(record::Error::Conflict { .. }) => late(&visit, index).await,
        Err(why) => Err(why.into()),
    }
}

fn verdict(fields: &Fields) -> Result<GlassVerdict, String> {
    let word = fields.get("verdict");
    let mut all = GlassVerdict::ALL.into_iter();
    all.find(|one| one.word() == word)
        .ok_or_else(|| "Choose a verdict.".to_owned())
}

/// Leave to close it, or the sealed refusal: nobody approves what they did themselves.
async fn may_close(
    visit: &Visit,
    glass: &Broken,
    (verdict, said): (GlassVerdict, &str),
) -> Result<Decision, Problem> {
    let mut ask = Ask {
        purpose: "HOPERAT".to_owned(),
        reason: Some(said.to_owned()),
        detail: verdict.word().to_owned(),
        ..visit.ask(Act::Review, Subject::Patient(glass.patient.clone()))
    };
    visit.app.complete(&mut ask.identity);
    let mut facts = visit.app.facts(&ask).await?;
    facts.own_act = glass.account == visit.identity.actor.id;
    let decision = visit.app.policies.decide(ask, &facts);
    if decision.allowed() {
        return Ok(decision);
    }
    match visit.app.record.witness(decision).await? {
        Witnessed::Refused(index, decision) => {
            Err(Problem::refused("this review", index, &decision))
        }
        Witnessed::Allowed(_) => Err(Problem::Malformed("the decision changed".to_owned())),
    }
}

/// Somebody else was first: what they found stands.
async fn late(visit: &Visit, index: u64) -> Result<Response, Problem> {
    known(visit, visit.app.record.size().saturating_sub(1)).await;
    let glass = glass(visit, index).await?;
    let by = glass
        .review
        .as_ref()
        .map_or("somebody else", |one| one.name.as_str());
    let wrong = format!("{by} closed this first. What they found stands; yours was not sealed.");
    let shown = review_page(
        visit,
        &glass,
        &Fields::default(),
        Some(words::capital(&wrong)),
    )
    .await?;
    page(StatusCode::CONFLICT, &shown)
}
