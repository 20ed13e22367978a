//! Back to a session that pauses: the same person, the same browser, one short step, the same page.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use event::{SessionStep, Used};
use staff::{Attempt, SignInRefused};

use super::view::AgainPage;
use super::{Wanted, own_path, proof, seals, with_next};
use crate::App;
use crate::caller::{Caller, begin_cookie};
use crate::error::Problem;
use crate::pages::shell::Shell;
use crate::pages::visit::{Fields, Stranger, page};
use crate::session::{Found, Session, Touch, same};

/// `GET /sign-in/again`
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Response, Problem> {
    let next = own_path(&wanted.next);
    let caller = Caller::of(request.headers(), request.extensions());
    match app.sessions.find(&caller, app.clock.now(), Touch::Page) {
        Found::Paused(session) => page(StatusCode::OK, &again_page(&app, &session, next)?),
        Found::Live(_) => Ok(Redirect::to(next).into_response()),
        Found::Nobody => Err(Problem::SignIn {
            next: next.to_owned(),
        }),
        Found::Misused(session) => {
            app.seal(seals::misused(&session.account, &caller)).await?;
            Err(Problem::Misused)
        }
    }
}

fn again_page(app: &App, session: &Session, next: &str) -> Result<AgainPage, Problem> {
    let mut passkey = proof::passkey_form(app, "/sign-in/again/passkey", &purpose(session))?;
    passkey.next = next.to_owned();
    passkey.csrf.clone_from(&session.csrf);
    let factors = app.staff.factors(&session.account);
    passkey.known = factors.passkeys.into_iter().map(|(id, _)| id).collect();
    let name = app.staff.identity(&session.account);
    Ok(AgainPage {
        shell: Shell::bare("Go on"),
        name: name.map_or_else(|| session.account.clone(), |identity| identity.actor.name),
        account: session.account.clone(),
        csrf: session.csrf.clone(),
        next: next.to_owned(),
        notices: session.notices.clone(),
        sso: super::sign_in::sso(app, next),
        elsewhere: with_next("/sign-in", next),
        passkey,
        wrong: None,
    })
}

fn purpose(session: &Session) -> String {
    format!("again {}", session.csrf)
}

/// The session that pauses and the form's own token belong together.
fn paused(app: &App, form: &Stranger) -> Result<Session, Problem> {
    let next = own_path(form.fields.get("next")).to_owned();
    let now = app.clock.now();
    let Found::Paused(session) = app.sessions.find(&form.caller, now, Touch::Page) else {
        return Err(Problem::SignIn { next });
    };
    if !same(form.fields.exact("csrf"), &session.csrf) {
        return Err(Problem::Forged);
    }
    Ok(session)
}

/// `POST /sign-in/again`
pub(crate) async fn go_on(
    State(app): State<Arc<App>>,
    form: Stranger,
) -> Result<Response, Problem> {
    let session = paused(&app, &form)?;
    match typed(&app, &form.fields, (&session.account, &form.caller)).await {
        Ok(used) => resume(&app, &form, &session, used).await,
        Err(refused) => wrong(&app, &form, &session, refused).await,
    }
}

/// `POST /sign-in/again/passkey`
pub(crate) async fn passkey(
    State(app): State<Arc<App>>,
    form: Stranger,
) -> Result<Response, Problem> {
    let session = paused(&app, &form)?;
    match proof::passkey(&app, &form.fields, &purpose(&session), &form.caller) {
        Ok(one) if one.identity.actor.id == session.account => {
            resume(&app, &form, &session, one.used).await
        }
        Ok(_) => wrong(&app, &form, &session, SignInRefused::Wrong).await,
        Err(refused) => wrong(&app, &form, &session, refused.why).await,
    }
}

/// A password, or a code of somebody who has an app: either will do where more was shown before.
pub(crate) async fn typed(
    app: &App,
    fields: &Fields,
    (account, caller): (&str, &Caller),
) -> Result<Used, SignInRefused> {
    let secret = fields.exact("secret");
    let attempt = Attempt {
        account,
        password: secret,
        code: secret,
        source: &caller.source,
    };
    let digits = secret.chars().filter(|letter| !letter.is_whitespace());
    let code = digits.clone().count() == 6 && digits.clone().all(|one| one.is_ascii_digit());
    if code && app.staff.factors(account).totp {
        return app.staff.code(attempt, app.clock.now());
    }
    app.staff.password(attempt, app.clock.now()).await
}

async fn resume(
    app: &App,
    form: &Stranger,
    session: &Session,
    used: Used,
) -> Result<Response, Problem> {
    let strong = used.strong();
    let proved = (SessionStep::Resumed, used);
    app.seal(seals::proved(&session.account, &form.caller, proved))
        .await?;
    if strong {
        app.sessions.proved(&form.caller, app.clock.now());
    }
    let id = app.sessions.resume(&form.caller, app.clock.now());
    let next = own_path(form.fields.get("next"));
    let id = id.ok_or_else(|| Problem::SignIn {
        next: next.to_owned(),
    })?;
    Ok(([(SET_COOKIE, begin_cookie(&id))], Redirect::to(next)).into_response())
}

async fn wrong(
    app: &App,
    form: &Stranger,
    session: &Session,
    refused: SignInRefused,
) -> Result<Response, Problem> {
    let why = (SessionStep::Resumed, &refused);
    let wrong = proof::refuse(app, &session.account, &form.caller, why).await?;
    let mut shown = again_page(app, session, own_path(form.fields.get("next")))?;
    shown.wrong = Some(wrong);
    page(StatusCode::UNAUTHORIZED, &shown)
}
