//! Sign-in and sign-out.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderName, SET_COOKIE};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use event::SessionStep;
use staff::{Attempt, SignedIn};

use super::view::SignInPage;
use super::{Wanted, own_path, proof, seals};
use crate::App;
use crate::caller::{Caller, begin_cookie, device_cookie, end_cookie};
use crate::error::{Problem, broken};
use crate::pages::shell::Shell;
use crate::pages::visit::{Posted, Stranger, of_session, page};
use crate::people::SecondFactor;
use crate::session::{Level, Start};

/// What a challenge of the sign-in page is for.
const PURPOSE: &str = "sign-in";

/// `GET /sign-in`
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Response, Problem> {
    let next = own_path(&wanted.next);
    let caller = Caller::of(request.headers(), request.extensions());
    if of_session(&app, &caller).is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    page(StatusCode::OK, &sign_in_page(&app, "", next)?)
}

fn sign_in_page(app: &App, account: &str, next: &str) -> Result<SignInPage, Problem> {
    let mut passkey = proof::passkey_form(app, "/sign-in/passkey", PURPOSE)?;
    passkey.next = next.to_owned();
    passkey.label = "Sign in with a passkey";
    Ok(SignInPage {
        shell: Shell::bare("Sign in"),
        account: account.to_owned(),
        next: next.to_owned(),
        passkey,
        sso: sso(app, next),
        wrong: None,
        empty: !app.staff.any_administrator(),
    })
}

/// The hospital's own sign-on, as (name, path), if there is one.
pub(crate) fn sso(app: &App, next: &str) -> Option<(String, String)> {
    let oidc = &app.settings.oidc;
    let path = super::with_next("/sign-in/sso", next);
    oidc.on().then(|| (oidc.name.clone(), path))
}

/// `POST /sign-in`
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    form: Stranger,
) -> Result<Response, Problem> {
    let (fields, caller) = (&form.fields, &form.caller);
    let (account, next) = (fields.get("account"), own_path(fields.get("next")));
    let attempt = Attempt {
        account,
        password: fields.exact("password"),
        code: fields.get("code"),
        source: &caller.source,
    };
    match app.staff.sign_in(attempt, app.clock.now()).await {
        Ok(signed_in) => begin(&app, caller, signed_in, next).await,
        Err(refused) => {
            let why = (SessionStep::Began, &refused);
            let wrong = proof::refuse(&app, account, caller, why).await?;
            wrong_page(&app, account, next, wrong)
        }
    }
}

/// `POST /sign-in/passkey`
pub(crate) async fn passkey(
    State(app): State<Arc<App>>,
    form: Stranger,
) -> Result<Response, Problem> {
    let next = own_path(form.fields.get("next"));
    match proof::passkey(&app, &form.fields, PURPOSE, &form.caller) {
        Ok(signed_in) => begin(&app, &form.caller, signed_in, next).await,
        Err(refused) => {
            let account = refused.account.unwrap_or_default();
            let why = (SessionStep::Began, &refused.why);
            let wrong = proof::refuse(&app, &account, &form.caller, why).await?;
            wrong_page(&app, "", next, wrong)
        }
    }
}

pub(crate) fn wrong_page(
    app: &App,
    account: &str,
    next: &str,
    wrong: String,
) -> Result<Response, Problem> {
    let mut shown = sign_in_page(app, account, next)?;
    shown.wrong = Some(wrong);
    page(StatusCode::UNAUTHORIZED, &shown)
}

/// Begins a session for somebody who is who they say: it is sealed before the browser has it.
pub(crate) async fn begin(
    app: &App,
    caller: &Caller,
    signed_in: SignedIn,
    next: &str,
) -> Result<Response, Problem> {
    let SignedIn { identity, used } = signed_in;
    let account = identity.actor.id.as_str();
    let optional = app.settings.second_factor == SecondFactor::Optional;
    app.sessions.end(caller);
    let known = Known::of(app, account, caller);
    if known.news {
        app.sessions.tell(account, &new_browser("", caller));
    }
    let start = Start {
        account,
        role: identity.role(),
        level: if used.strong() || optional {
            Level::Full
        } else {
            Level::Enrol
        },
        used: &used,
        notices: known.notices,
    };
    let begun = app.sessions.begin(start, caller, app.clock.now());
    let begun = begun.ok_or_else(|| broken(&"this machine gives no random numbers"))?;
    let caller = Caller {
        session: Some(begun.session.clone()),
        device: Some(begun.device.clone()),
        ..caller.clone()
    };
    let proved = seals::proved(account, &caller, (SessionStep::Began, used));
    if let Err(problem) = app.seal(proved).await {
        app.sessions.end(&caller);
        return Err(problem);
    }
    let cookies = AppendHeaders([
        (SET_COOKIE, begin_cookie(&begun.session)),
        (SET_COOKIE, device_cookie(&begun.device)),
    ]);
    Ok((cookies, Redirect::to(next)).into_response())
}

/// What a sign-in from this browser means to the one whose account it is.
struct Known {
    /// The account has been used, but never from this browser.
    news: bool,
    /// What to say in this session.
    notices: Vec<String>,
}

impl Known {
    fn of(app: &App, account: &str, caller: &Caller) -> Known {
        let devices = app.staff.factors(account).devices;
        let own = devices.iter().find(|one| one.id == caller.device_id());
        let notices = match own {
            Some(own) => devices
                .iter()
                .filter(|other| other.first > own.last)
                .map(|other| {
                    let other = Caller {
                        agent: other.agent.clone(),
                        source: other.source.clone(),
                        ..Caller::default()
                    };
                    new_browser("Since you were last here: ", &other)
                })
                .collect(),
            None if devices.is_empty() => Vec::new(),
            None => vec![
                "You have not signed in from this browser before. Your other sessions are told."
                    .to_owned(),
            ],
        };
        Known {
            news: own.is_none() && !devices.is_empty(),
            notices,
        }
    }
}

fn new_browser(when: &str, caller: &Caller) -> String {
    format!(
        "{when}Somebody signed in as you from a browser that is new: {} at {}. If that was not you, \
         end all your sessions and tell whoever is responsible for security.",
        caller.agent, caller.source
    )
}

/// The answer to whoever has signed out: the browser forgets the session and all that it showed,
/// but not the cookie by which it is known again.
pub(crate) fn signed_out() -> Response {
    let forget = HeaderName::from_static("clear-site-data");
    let headers = AppendHeaders([
        (SET_COOKIE, end_cookie()),
        (forget, "\"cache\", \"storage\"".to_owned()),
    ]);
    (headers, Redirect::to("/sign-in")).into_response()
}

/// `POST /sign-out`
pub(crate) async fn sign_out(
    State(app): State<Arc<App>>,
    form: Posted,
) -> Result<Response, Problem> {
    app.sessions.end(&form.visit.caller);
    app.seal(seals::ended(&form.visit, "signed out")).await?;
    Ok(signed_out())
}
