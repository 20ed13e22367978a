//! A person's own account: what they sign in with, their password, their sessions.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use event::{PersonStep, SessionStep};
use serde::Deserialize;
use staff::Attempt;

use super::sign_in::signed_out;
use super::view::{AccountPage, BrowserRow, SessionRow};
use super::{hashed, proof, seals};
use crate::error::Problem;
use crate::pages::settings::PASSWORD_LETTERS_MIN;
use crate::pages::shell::Here;
use crate::pages::visit::{Fields, Posted, Visit, page};
use crate::session::Level;

/// The page itself, for what leads back to it.
pub(crate) const PATH: &str = "/account";

/// What the page may be asked with.
#[derive(Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// `GET /account`
pub(crate) async fn show(visit: Visit, Query(done): Query<Done>) -> Result<Response, Problem> {
    let mut shown = account_page(&visit, None)?;
    shown.shell.done = said(&done.done).map(str::to_owned);
    visit.app.sessions.told(&visit.caller);
    page(StatusCode::OK, &shown)
}

fn said(done: &str) -> Option<&'static str> {
    match done {
        "app" => Some("The app is set up. From now on its code is asked for."),
        "app-removed" => Some("The app's codes no longer work."),
        "ended" => Some("That session has ended."),
        "passkey" => Some("The passkey is added. You may sign in with it alone."),
        "passkey-removed" => Some("The passkey no longer works."),
        "password" => Some("The password is changed. Your other sessions have ended."),
        _ => None,
    }
}

/// What a challenge for a new passkey is for.
pub(crate) fn purpose(visit: &Visit) -> String {
    format!("add {}", visit.csrf)
}

pub(crate) fn account_page(visit: &Visit, wrong: Option<String>) -> Result<AccountPage, Problem> {
    let account = visit.identity.actor.id.as_str();
    let factors = visit.app.staff.factors(account);
    let mut passkey = proof::passkey_form(&visit.app, "/account/passkeys", &purpose(visit))?;
    passkey.csrf.clone_from(&visit.csrf);
    passkey.known = factors.passkeys.iter().map(|(id, _)| id.clone()).collect();
    passkey.label = "Add a passkey";
    let answer = match (factors.passkeys.len(), factors.totp, visit.session.level) {
        _ if factors.temporary => "Choose a password of your own to go on.",
        (_, _, Level::Enrol) => "Set up a second factor to go on.",
        (0, false, Level::Full) => "You sign in with a password alone.",
        (0, true, _) => "You sign in with a password and an app's code.",
        (_, false, _) => "You sign in with a passkey.",
        (_, true, _) => "You sign in with a passkey, or a password and an app's code.",
    };
    let now = visit.app.clock.now();
    let sessions = visit.app.sessions.of_account(account, now);
    let row = |one: crate::session::Session| SessionRow {
        own: one.name == visit.session.name,
        began: visit.stamp(one.began),
        seen: visit.stamp(one.seen),
        name: one.name,
        agent: one.agent,
        source: one.source,
        paused: one.paused,
    };
    let browser = |one: staff::Device| BrowserRow {
        own: one.id == visit.session.device,
        first: visit.stamp(one.first),
        last: visit.stamp(one.last),
        agent: one.agent,
        source: one.source,
    };
    Ok(AccountPage {
        shell: visit.shell("Your account", Here::Nowhere),
        answer: answer.to_owned(),
        account: account.to_owned(),
        name: visit.identity.actor.name.clone(),
        enrol: visit.session.level == Level::Enrol,
        passkeys: factors.passkeys,
        totp: factors.totp,
        recovery: factors.recovery,
        password: factors.password,
        renew: factors.temporary,
        provider: factors.provider,
        passkey,
        sessions: sessions.into_iter().map(row).collect(),
        browsers: factors.devices.into_iter().map(browser).collect(),
        password_letters_min: PASSWORD_LETTERS_MIN,
        wrong,
    })
}

/// The page with what was wrong with a form of it.
pub(crate) fn wrong(visit: &Visit, wrong: String) -> Result<Response, Problem> {
    page(StatusCode::BAD_REQUEST, &account_page(visit, Some(wrong))?)
}

/// `POST /account/password`
pub(crate) async fn password(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    visit.needs_whole_proof(PATH)?;
    if fields.exact("password") != fields.exact("again") {
        let differ = "The two passwords differ. Type the same one twice.";
        return wrong(&visit, differ.to_owned());
    }
    if let Some(refused) = not_current(&visit, &fields).await? {
        return wrong(&visit, refused);
    }
    let secret = match hashed(&visit.app, fields.exact("password")).await? {
        Ok(secret) => secret,
        Err(bad) => return wrong(&visit, bad),
    };
    let app = &visit.app;
    app.change_own(&visit, PersonStep::Password { secret })
        .await?;
    app.sessions
        .end_others(&visit.identity.actor.id, &visit.session.name);
    Ok(Redirect::to("/account?done=password").into_response())
}

/// What is wrong with what was typed as the current password, of whoever has one. It is counted and
/// sealed as any other wrong proof.
async fn not_current(visit: &Visit, fields: &Fields) -> Result<Option<String>, Problem> {
    let (app, account) = (&visit.app, visit.identity.actor.id.as_str());
    if !app.staff.factors(account).password {
        return Ok(None);
    }
    let attempt = Attempt {
        account,
        password: fields.exact("current"),
        code: "",
        source: &visit.caller.source,
    };
    match app.staff.password(attempt, app.clock.now()).await {
        Ok(_) => Ok(None),
        Err(refused) => {
            let why = (SessionStep::SteppedUp, &refused);
            let said = proof::refuse(app, account, &visit.caller, why).await?;
            Ok(Some(said))
        }
    }
}

/// `POST /account/sessions/end`
pub(crate) async fn end_one(posted: Posted) -> Result<Response, Problem> {
    let Posted { visit, fields } = posted;
    visit.needs_step_up(PATH)?;
    let (account, name) = (&visit.identity.actor.id, fields.get("session"));
    let ended = visit.app.sessions.end_one(account, name);
    let ended = ended.ok_or_else(|| Problem::Missing("such session of yours".to_owned()))?;
    let note = format!("ended a session of {} at {}", ended.agent, ended.source);
    visit.app.seal(seals::ended(&visit, &note)).await?;
    Ok(Redirect::to("/account?done=ended").into_response())
}

/// `POST /account/sessions/end-all`
pub(crate) async fn end_all(posted: Posted) -> Result<Response, Problem> {
    let visit = posted.visit;
    visit.needs_step_up(PATH)?;
    let ended = visit.app.sessions.end_all_of(&visit.identity.actor.id);
    let note = format!("signed out everywhere: {ended} sessions ended");
    visit.app.seal(seals::ended(&visit, &note)).await?;
    Ok(signed_out())
}
