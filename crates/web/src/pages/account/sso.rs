//! Sign-in through the hospital's own provider: out to it, and back.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use event::{AccountChange, Act, Actor, Body, Event, PersonStep, SessionStep, Subject, Used};
use serde::Deserialize;
use staff::SignedIn;

use super::{own_path, proof, seals, sign_in, with_next};
use crate::App;
use crate::caller::{Caller, begin_cookie, cookie};
use crate::error::{Problem, broken};
use crate::oidc::{self, Claims, Errand, Trip, Vouched};
use crate::people::SecondFactor;
use crate::session::{Found, Touch, secret};

/// What the browser keeps of a trip to the provider.
const TRIP_COOKIE: &str = "__Host-salus-sso";

/// What somebody leaves with.
#[derive(Deserialize)]
pub(crate) struct Leave {
    #[serde(default)]
    next: String,
    /// `step-up`: they are signed in and prove themselves again.
    #[serde(default)]
    why: String,
}

/// `GET /sign-in/sso`
pub(crate) async fn leave(
    State(app): State<Arc<App>>,
    Query(asked): Query<Leave>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if from_elsewhere(&headers) {
        // Nobody is signed in because they followed a link: they press the button themselves.
        let page = with_next("/sign-in", own_path(&asked.next));
        return Ok(Redirect::to(&page).into_response());
    }
    if !app.settings.oidc.on() {
        return Err(Problem::Missing("single sign-on here".to_owned()));
    }
    let errand = match asked.why.as_str() {
        "step-up" => Errand::StepUp,
        _ => Errand::SignIn,
    };
    let no_random = || broken(&"this machine gives no random numbers");
    let secret = secret().ok_or_else(no_random)?;
    let trip = Trip::new(&secret, errand, own_path(&asked.next));
    let state = app.challenges.make(&trip.purpose(), app.clock.now());
    let state = state.ok_or_else(no_random)?;
    match oidc::leave(&app, &trip, &state).await {
        Ok(url) => {
            let kept = trip_cookie(&trip.cookie, 300);
            Ok(([(SET_COOKIE, kept)], Redirect::to(&url)).into_response())
        }
        Err(why) => {
            tracing::warn!(why, "single sign-on does not work");
            let said =
                "The hospital's sign-on does not answer. Sign in another way, or try again later.";
            wrong(&app, &trip.next, said)
        }
    }
}

/// Whether a browser says that another site led here.
fn from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

fn trip_cookie(value: &str, seconds: u32) -> String {
    format!("{TRIP_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}

fn wrong(app: &App, next: &str, said: &str) -> Result<Response, Problem> {
    sign_in::wrong_page(app, "", next, said.to_owned())
}

/// What somebody comes back with (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Deserialize)]
pub(crate) struct Back {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    error: String,
    iss: Option<String>,
}

/// `GET /sign-in/sso/back`
pub(crate) async fn back(
    State(app): State<Arc<App>>,
    Query(said): Query<Back>,
    request: Request,
) -> Result<Response, Problem> {
    let caller = Caller::of(request.headers(), request.extensions());
    let broken_off = || {
        Problem::Malformed(
            "this sign-in was not begun in this browser a short while ago; begin it again"
                .to_owned(),
        )
    };
    let kept = cookie(request.headers(), TRIP_COOKIE).ok_or_else(broken_off)?;
    let trip = Trip::of(&kept).ok_or_else(broken_off)?;
    let now = app.clock.now();
    let known = app.challenges.take(&said.state, &trip.purpose(), now);
    known.ok_or_else(broken_off)?;
    let claims = match claims(&app, &trip, &said).await {
        Ok(claims) => claims,
        Err(why) => return refused(&app, &caller, &trip, ("", &why)).await,
    };
    let done = match trip.errand {
        Errand::SignIn => enter(&app, &caller, &trip, &claims).await?,
        Errand::StepUp => step_up(&app, &caller, &trip, &claims).await?,
    };
    let forget = AppendHeaders([(SET_COOKIE, trip_cookie("", 0))]);
    Ok((forget, done).into_response())
}

async fn claims(app: &App, trip: &Trip, said: &Back) -> Result<Claims, String> {
    let issuer = &app.settings.oidc.issuer;
    if said.iss.as_ref().is_some_and(|iss| iss != issuer) {
        return Err("the answer is another provider's".to_owned());
    }
    if !said.error.is_empty() || said.code.is_empty() {
        return Err("the provider did not let you in".to_owned());
    }
    oidc::arrive(app, trip, &said.code).await
}

/// The refusal is sealed with its reason, as whatever strangers try; the page says it in general.
async fn refused(
    app: &App,
    caller: &Caller,
    trip: &Trip,
    (account, why): (&str, &str),
) -> Result<Response, Problem> {
    let why = format!("single sign-on: {why}");
    proof::turn_away(app, caller, (account, &why)).await;
    wrong(
        app,
        &trip.next,
        "The hospital's sign-on did not let you in. Try again, or sign in another way.",
    )
}

async fn enter(
    app: &App,
    caller: &Caller,
    trip: &Trip,
    claims: &Claims,
) -> Result<Response, Problem> {
    let strong = app.settings.oidc.second_factor == Vouched::Provider || claims.strong();
    if !strong && app.settings.second_factor == SecondFactor::Required {
        let why = "the provider's token says nothing of a second factor (`amr`)";
        return refused(app, caller, trip, (&oidc::named(app, claims), why)).await;
    }
    let entry = match oidc::entry(app, claims) {
        Ok(entry) => entry,
        Err(why) => {
            let account = oidc::named(app, claims);
            return refused(app, caller, trip, (&account, &why)).await;
        }
    };
    let (issuer, subject) = (claims.text("iss").to_owned(), claims.text("sub").to_owned());
    if let Some(account) = entry.changed {
        let body = Body::Account(AccountChange {
            id: entry.account.clone(),
            account: Some(account),
        });
        let subject = Subject::Account(entry.account.clone());
        let event = Event::new(Actor::salus(), Act::Manage, subject, body);
        let receipt = app.seal(event).await?;
        app.account_in_force(receipt.index).await;
    }
    if entry.link {
        let issuer = issuer.clone();
        let linked = PersonStep::Linked { issuer, subject };
        let event = seals::person(Actor::salus(), &entry.account, linked);
        let receipt = app.seal(event).await?;
        app.account_in_force(receipt.index).await;
    }
    let identity = app.staff.identity(&entry.account);
    let signed_in = SignedIn {
        identity: identity.ok_or_else(|| broken(&"the account is not in force yet"))?,
        used: Used::Provider { issuer },
    };
    sign_in::begin(app, caller, signed_in, &trip.next).await
}

/// A fresh proof of somebody who is signed in, and who is the same person there.
async fn step_up(
    app: &App,
    caller: &Caller,
    trip: &Trip,
    claims: &Claims,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let Found::Live(session) = app.sessions.find(caller, now, Touch::Person) else {
        return Err(Problem::SignIn {
            next: trip.next.clone(),
        });
    };
    let issuer = claims.text("iss").to_owned();
    let linked = app.staff.linked(&issuer, claims.text("sub"));
    if linked.as_deref() != Some(&session.account) {
        let refused = staff::SignInRefused::Wrong;
        let why = (SessionStep::SteppedUp, &refused);
        let said = proof::refuse(app, &session.account, caller, why).await?;
        return Err(Problem::Malformed(said));
    }
    let used = Used::Provider { issuer };
    let proved = (SessionStep::SteppedUp, used);
    app.seal(seals::proved(&session.account, caller, proved))
        .await?;
    app.sessions.proved_whole(caller, now);
    let id = app.sessions.resume(caller, now);
    let id = id.ok_or_else(|| Problem::SignIn {
        next: trip.next.clone(),
    })?;
    let go_on = AppendHeaders([(SET_COOKIE, begin_cookie(&id))]);
    Ok((go_on, Redirect::to(&trip.next)).into_response())
}
