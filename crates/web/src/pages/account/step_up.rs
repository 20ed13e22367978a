//! A fresh proof of who somebody is, before a dangerous act.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use event::{SessionStep, Used};
use staff::{Attempt, SignInRefused};

use super::view::StepUpPage;
use super::{Wanted, own_path, proof, seals, with_next};
use crate::caller::begin_cookie;
use crate::error::Problem;
use crate::pages::shell::Here;
use crate::pages::visit::{Posted, Visit, page};

/// `GET /account/step-up`
pub(crate) async fn ask(visit: Visit, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let next = own_path(&wanted.next);
    page(StatusCode::OK, &step_up_page(&visit, next, None)?)
}

fn purpose(visit: &Visit) -> String {
    format!("step-up {}", visit.csrf)
}

fn step_up_page(visit: &Visit, next: &str, wrong: Option<String>) -> Result<StepUpPage, Problem> {
    let action = "/account/step-up/passkey";
    let mut passkey = proof::passkey_form(&visit.app, action, &purpose(visit))?;
    let factors = visit.app.staff.factors(&visit.identity.actor.id);
    passkey.next = next.to_owned();
    passkey.csrf.clone_from(&visit.csrf);
    passkey.known = factors.passkeys.iter().map(|(id, _)| id.clone()).collect();
    let sso = super::sign_in::sso(&visit.app, next);
    let sso = sso.filter(|_| factors.provider.is_some());
    let again = with_next("/sign-in/sso", next);
    let joint = if again.contains('?') { '&' } else { '?' };
    Ok(StepUpPage {
        sso: sso.map(|(name, _)| (name, format!("{again}{joint}why=step-up"))),
        shell: visit.shell("Who is there?", Here::Nowhere),
        minutes: visit.app.settings.step_up_ms / 60_000,
        code: factors.totp || factors.recovery > 0,
        password: factors.password && !factors.strong(),
        passkeys: !factors.passkeys.is_empty(),
        next: next.to_owned(),
        passkey,
        wrong,
    })
}

/// `POST /account/step-up`
pub(crate) async fn typed(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let account = visit.identity.actor.id.clone();
    let attempt = Attempt {
        account: &account,
        password: fields.exact("password"),
        code: fields.get("code"),
        source: &visit.caller.source,
    };
    let (staff, now) = (&visit.app.staff, visit.app.clock.now());
    let checked = match staff.factors(&account).strong() {
        true => staff.code(attempt, now),
        false => staff.password(attempt, now).await,
    };
    done(&visit, own_path(fields.get("next")), checked).await
}

/// `POST /account/step-up/passkey`
pub(crate) async fn passkey(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let checked = match proof::passkey(&visit.app, &fields, &purpose(&visit), &visit.caller) {
        Ok(one) if one.identity.actor.id == visit.identity.actor.id => Ok(one.used),
        Ok(_) => Err(SignInRefused::Wrong),
        Err(refused) => Err(refused.why),
    };
    done(&visit, own_path(fields.get("next")), checked).await
}

async fn done(
    visit: &Visit,
    next: &str,
    checked: Result<Used, SignInRefused>,
) -> Result<Response, Problem> {
    let (app, account) = (&visit.app, &visit.identity.actor.id);
    match checked {
        Ok(used) => {
            let proved = (SessionStep::SteppedUp, used);
            app.seal(seals::proved(account, &visit.caller, proved))
                .await?;
            app.sessions.stepped(&visit.caller, app.clock.now());
            // Whoever proved themselves gets a new id; the one before is worth nothing.
            let id = app.sessions.resume(&visit.caller, app.clock.now());
            let id = id.ok_or_else(|| Problem::SignIn {
                next: next.to_owned(),
            })?;
            Ok(([(SET_COOKIE, begin_cookie(&id))], Redirect::to(next)).into_response())
        }
        Err(refused) => {
            let why = (SessionStep::SteppedUp, &refused);
            let wrong = proof::refuse(app, account, &visit.caller, why).await?;
            let shown = step_up_page(visit, next, Some(wrong))?;
            page(StatusCode::UNAUTHORIZED, &shown)
        }
    }
}
