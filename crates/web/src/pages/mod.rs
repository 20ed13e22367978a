//! Pages for people. Each answers one question in its heading, and says how old its answer is.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod altered;
pub(crate) mod downtime;
pub(crate) mod fetch;
pub(crate) mod flow;
pub(crate) mod glass;
pub(crate) mod lifeline;
pub(crate) mod now;
pub(crate) mod outside;
pub(crate) mod patients;
pub(crate) mod picture;
pub(crate) mod problem;
pub(crate) mod qr;
pub(crate) mod record;
#[cfg(test)]
mod rendering;
pub(crate) mod reviews;
pub(crate) mod settings;
pub(crate) mod shell;
pub(crate) mod visit;
pub(crate) mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use event::Attempted;

use crate::App;
use crate::caller::Caller;
use crate::error::Problem;
use crate::rejected::TurnedAway;
#[cfg(test)]
pub(crate) use rendering::Samples;

/// Every page.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/", get(async || Redirect::to("/now")))
        .route("/now", get(now::show))
        .merge(account::router())
        .route(
            "/patients",
            get(patients::census::show).post(patients::census::search),
        )
        .route("/patients/{id}", get(patients::show))
        .route(
            "/patients/{id}/unmerge",
            get(patients::unmerge::ask).post(patients::unmerge::take_back),
        )
        .merge(crate::api::smart::pages())
        .route(
            "/patients/{id}/glass",
            get(glass::ask).post(glass::break_it),
        )
        .route("/glass/{index}/end", post(glass::end))
        .route("/access/reviews", get(reviews::show))
        .route(
            "/access/reviews/{index}",
            get(reviews::one).post(reviews::close),
        )
        .route("/access", get(access::show).post(access::search))
        .route("/access/letter", get(access::letter::show))
        .route("/access/print", get(access::print::show))
        .route(
            "/access/exports",
            get(access::exports::show).post(access::exports::ask),
        )
        .route("/access/exports/{index}", post(access::exports::answer))
        .route("/record", get(record::show))
        .route("/record/check", get(record::check))
        .route("/record/checkpoint", get(record::checkpoint))
        .route("/record/outside", get(outside::show))
        .route(
            "/record/outside/{index}",
            get(outside::one).post(outside::decide),
        )
        .route("/record/{index}", get(record::event))
        .route("/record/{index}/proof", get(record::proof))
        .route("/record/{index}/disclose", post(record::disclose::hand_out))
        .route("/flow", get(flow::show))
        .route("/flow/connect", get(flow::connect::show))
        .route("/flow/{index}", get(flow::message).post(flow::open))
        .route(
            "/flow/routes/{name}",
            get(flow::routes::show).post(flow::routes::order),
        )
        .merge(worst_day())
        .merge(images())
        .route("/settings/people", get(settings::show).post(settings::save))
        .route("/settings/people/disable", post(settings::disable))
        .route("/settings/people/reset", post(settings::reset))
        .fallback(async || Problem::Missing("page at this address".to_owned()))
        .method_not_allowed_fallback(async || {
            Problem::Missing("such form at this address".to_owned())
        })
        .layer(DefaultBodyLimit::max(app.settings.form_bytes_max))
        .layer(middleware::from_fn_with_state(Arc::clone(app), dress))
}

/// Images: what is here, and what is to be fetched.
fn images() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/patients/{id}/fetch",
            get(fetch::of_patient).post(fetch::order_of_patient),
        )
        .route(
            "/patients/{id}/imaging/{study}",
            get(patients::imaging::study),
        )
        .route(
            "/patients/{id}/imaging/{study}/{event}",
            get(patients::imaging::picture),
        )
        .route(
            "/flow/fetch",
            get(fetch::of_house).post(fetch::order_of_house),
        )
}

/// The pages for a day without the systems.
fn worst_day() -> Router<Arc<App>> {
    Router::new()
        .route("/downtime", get(downtime::show))
        .route("/downtime/away", post(downtime::declare))
        .route("/downtime/entries/{index}", post(downtime::decide::decide))
        .route("/downtime/openings", post(downtime::openings::note))
        .route(
            "/downtime/sheet",
            get(downtime::sheet::ask).post(downtime::sheet::save),
        )
        .route("/downtime/ward/{ward}", get(downtime::queue::ward))
        .route(
            "/downtime/ward/{ward}/entries",
            get(downtime::queue::entries),
        )
        .route("/downtime/ward/{ward}/print", post(downtime::print::print))
        .route("/lifeline", get(lifeline::show))
        .route("/lifeline/drills", post(lifeline::order::order))
        .route(
            "/lifeline/rewind",
            get(lifeline::rewind::show).post(lifeline::rewind::undo),
        )
        .route("/packs/{ward}", get(crate::packs::download))
        .route(
            "/packs/{ward}/card",
            get(lifeline::card::ask).post(lifeline::card::show),
        )
        .route("/packs/{ward}/renew", post(lifeline::card::renew))
}

/// Turns a [`Problem`] into its page, in the bar of whoever is signed in.
async fn dress(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let caller = Caller::of(request.headers(), request.extensions());
    let method = request.method().clone();
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>().cloned() else {
        return response;
    };
    let known = visit::of_session(&app, &caller);
    let named = known
        .as_ref()
        .map(|(identity, _)| identity.actor.id.clone());
    let page = problem::page(&app, &problem, known);
    let mut page = page.unwrap_or_else(|_| problem.status().into_response());
    if let Some(away) = turned_away(&problem, &method, named) {
        page.extensions_mut().insert(away);
    }
    page
}

/// What is sealed of a form that was not taken.
fn turned_away(problem: &Problem, method: &Method, named: Option<String>) -> Option<TurnedAway> {
    let (sort, why) = match problem {
        Problem::Forged => (
            Attempted::Form,
            "it came from another site, or without the session's own token",
        ),
        Problem::Malformed(_) if method == Method::POST => {
            (Attempted::Body, "a form that makes no sense")
        }
        _ => return None,
    };
    let why = why.to_owned();
    Some(TurnedAway { sort, named, why })
}
