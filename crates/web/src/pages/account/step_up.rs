//! A fresh proof of who somebody is, before a dangerous act.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use event::{SessionStep, Used};
use staff::{Attempt, SignInRefused};

use super::view::StepUpPage;
use super::{own_path, proof, seals, with_next};
use crate::caller::begin_cookie;
use crate::error::Problem;
use crate::pages::shell::Here;
use crate::pages::visit::{Fields, Posted, Visit, page};

/// What the page is asked with, or its form carries on.
#[derive(serde::Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    next: String,
    /// `yes`: all that the person signs in with has to be shown.
    #[serde(default)]
    all: String,
}

impl Wanted {
    fn of(fields: &Fields) -> Wanted {
        Wanted {
            next: fields.get("next").to_owned(),
            all: fields.get("all").to_owned(),
        }
    }

    fn all(&self) -> bool {
        self.all == "yes"
    }

    fn next(&self) -> &str {
        own_path(&self.next)
    }
}

/// `GET /account/step-up`
pub(crate) async fn ask(visit: Visit, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    page(StatusCode::OK, &step_up_page(&visit, &wanted, None)?)
}

fn purpose(visit: &Visit) -> String {
    format!("step-up {}", visit.csrf)
}

fn step_up_page(
    visit: &Visit,
    wanted: &Wanted,
    wrong: Option<String>,
) -> Result<StepUpPage, Problem> {
    let next = wanted.next();
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
        all: wanted.all(),
        code: factors.totp || factors.recovery > 0,
        password: factors.password && (wanted.all() || !factors.strong()),
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
    let wanted = Wanted::of(&fields);
    let strong = staff.factors(&account).strong();
    let checked = match (wanted.all(), strong) {
        (true, _) => staff.sign_in(attempt, now).await.map(|one| one.used),
        (false, true) => staff.code(attempt, now),
        (false, false) => staff.password(attempt, now).await,
    };
    done(&visit, &wanted, checked).await
}

/// `POST /account/step-up/passkey`
pub(crate) async fn passkey(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    let checked = match proof::passkey(&visit.app, &fields, &purpose(&visit), &visit.caller) {
        Ok(one) if one.identity.actor.id == visit.identity.actor.id => Ok(one.used),
        Ok(_) => Err(SignInRefused::Wrong),
        Err(refused) => Err(refused.why),
    };
    done(&visit, &Wanted::of(&fields), checked).await
}

async fn done(
    visit: &Visit,
    wanted: &Wanted,
    checked: Result<Used, SignInRefused>,
) -> Result<Response, Problem> {
    let (app, account) = (&visit.app, &visit.identity.actor.id);
    let next = wanted.next();
    match checked {
        Ok(used) => {
            // A passkey is something that is had and, by its PIN or finger, whose it is.
            let whole = wanted.all() || matches!(used, Used::Passkey { .. });
            let proved = (SessionStep::SteppedUp, used);
            app.seal(seals::proved(account, &visit.caller, proved))
                .await?;
            match whole {
                true => app.sessions.proved_whole(&visit.caller, app.clock.now()),
                false => app.sessions.stepped(&visit.caller, app.clock.now()),
            }
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
            let shown = step_up_page(visit, wanted, Some(wrong))?;
            page(StatusCode::UNAUTHORIZED, &shown)
        }
    }
}
