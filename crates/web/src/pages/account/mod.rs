//! Set-up, sign-in, sign-out.

pub(crate) mod view;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use axum::extract::{Path, Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use event::{Account, AccountChange, Act, Actor, ActorKind, Body, Event, Role, Session, Subject};
use guard::{Standing, admit};

use crate::App;
use crate::error::{Problem, broken};
use crate::pages::settings::PASSWORD_LETTERS_MIN;
use crate::pages::shell::Shell;
use crate::pages::visit::{Fields, Posted, Stranger, page};
use crate::pages::words;
use crate::session::{Touch, begin_cookie, end_cookie};
use view::{SetupPage, SignInPage};

/// Where somebody signs in who wanted to see `next`.
pub(crate) fn sign_in_path(next: &str) -> String {
    if next == "/now" || next == "/" {
        return "/sign-in".to_owned();
    }
    format!("/sign-in?next={}", words::in_query(next))
}

/// A path of this console, or the first page: never an address of another site.
fn own_path(next: &str) -> &str {
    let own = next.starts_with('/')
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if own { next } else { "/now" }
}

/// `GET /setup/{token}`
pub(crate) async fn setup(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let known = app.setup.knows(&token, app.clock.now());
    if !known || app.staff.any_administrator() {
        return Err(Problem::NoSetup);
    }
    page(StatusCode::OK, &setup_page(token, &Fields::default(), None))
}

fn setup_page(token: String, fields: &Fields, wrong: Option<String>) -> SetupPage {
    SetupPage {
        shell: Shell::bare("First administrator"),
        token,
        account: fields.get("account").to_owned(),
        name: fields.get("name").to_owned(),
        password_letters_min: PASSWORD_LETTERS_MIN,
        wrong,
    }
}

/// `POST /setup/{token}`
pub(crate) async fn make_first(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    form: Stranger,
) -> Result<Response, Problem> {
    if let Err(wrong) = first_is_sound(&form.fields) {
        let known = app.setup.knows(&token, app.clock.now());
        let shown = setup_page(token, &form.fields, Some(wrong));
        return if known {
            page(StatusCode::BAD_REQUEST, &shown)
        } else {
            Err(Problem::NoSetup)
        };
    }
    if !app.setup.knows(&token, app.clock.now()) || app.staff.any_administrator() {
        return Err(Problem::NoSetup);
    }
    let secret = match hashed(form.fields.exact("password")).await? {
        Ok(secret) => secret,
        Err(wrong) => {
            return page(
                StatusCode::BAD_REQUEST,
                &setup_page(token, &form.fields, Some(wrong)),
            );
        }
    };
    // Used up before anything is sealed, so that of two forms only one can win.
    if !app.setup.take(&token, app.clock.now()) {
        return Err(Problem::NoSetup);
    }
    let account = form.fields.get("account").to_owned();
    let made = Account {
        name: form.fields.get("name").to_owned(),
        role: Role::Administrator,
        wards: Vec::new(),
        practitioner: None,
        secret,
        scopes: Vec::new(),
    };
    let change = AccountChange {
        id: account.clone(),
        account: Some(made),
    };
    let subject = Subject::Account(account.clone());
    let event = Event::new(Actor::salus(), Act::Manage, subject, Body::Account(change));
    let receipt = app.seal(event).await?;
    app.account_in_force(receipt.index).await;
    begin(&app, &account, "/settings/people", &form.peer).await
}

fn first_is_sound(fields: &Fields) -> Result<(), String> {
    sound_name(fields.get("name"))?;
    sound_account(fields.get("account"))?;
    if fields.exact("password") != fields.exact("again") {
        return Err("The two passwords differ. Type the same one twice.".to_owned());
    }
    Ok(())
}

/// Whether a full name can be kept.
pub(crate) fn sound_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err("Type the full name, at most 100 characters.".to_owned());
    }
    Ok(())
}

/// Whether a sign-in name can be one.
pub(crate) fn sound_account(account: &str) -> Result<(), String> {
    let good =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let sound = account.len() <= 64
        && account.bytes().all(good)
        && account.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !sound {
        return Err("A sign-in name has lower-case letters, digits, dots and dashes only, at most 64, and begins with a letter or digit.".to_owned());
    }
    Ok(())
}

/// The argon2id PHC string of a password, made off the request's thread; or what is wrong with it.
pub(crate) async fn hashed(password: &str) -> Result<Result<String, String>, Problem> {
    let mut salt = [0_u8; 16];
    rand::fill(&mut salt).map_err(|_| broken(&"this machine gives no random numbers"))?;
    let password = password.to_owned();
    let work = tokio::task::spawn_blocking(move || staff::hash_password(&password, salt));
    let hashed = work.await.map_err(|why| broken(&why))?;
    Ok(hashed.map_err(|wrong| words::sentence(&wrong.to_string())))
}

/// What a sign-in page is asked with.
#[derive(serde::Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    next: String,
}

/// `GET /sign-in`
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let next = own_path(&wanted.next);
    if app
        .sessions
        .of(&headers, app.clock.now(), Touch::Page)
        .is_some()
    {
        return Ok(Redirect::to(next).into_response());
    }
    let empty = !app.staff.any_administrator();
    page(StatusCode::OK, &sign_in_page("", next, None, empty))
}

fn sign_in_page(account: &str, next: &str, wrong: Option<String>, empty: bool) -> SignInPage {
    SignInPage {
        shell: Shell::bare("Sign in"),
        account: account.to_owned(),
        next: next.to_owned(),
        wrong,
        empty,
    }
}

/// `POST /sign-in`
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    form: Stranger,
) -> Result<Response, Problem> {
    let account = form.fields.get("account");
    let next = own_path(form.fields.get("next"));
    let tried = app
        .staff
        .sign_in(account, form.fields.exact("password"), app.clock.now())
        .await;
    match tried {
        Ok(identity) => {
            app.sessions.end(&form.headers);
            begin(&app, &identity.actor.id, next, &form.peer).await
        }
        Err(refused) => {
            let note = format!("{refused}; from {}", form.peer);
            app.seal(attempt(account, false, note)).await?;
            let wrong = words::quoted(&words::sentence(&refused.to_string()));
            page(
                StatusCode::UNAUTHORIZED,
                &sign_in_page(account, next, Some(wrong), false),
            )
        }
    }
}

async fn begin(app: &App, account: &str, next: &str, peer: &str) -> Result<Response, Problem> {
    app.seal(attempt(account, true, format!("from {peer}")))
        .await?;
    let id = app
        .sessions
        .begin(account, app.clock.now())
        .ok_or_else(|| broken(&"this machine gives no random numbers"))?;
    Ok(([(SET_COOKIE, begin_cookie(&id))], Redirect::to(next)).into_response())
}

/// What is sealed of a sign-in. What was typed as the name is kept only if it could be one:
/// people type their password there.
fn attempt(account: &str, ok: bool, note: String) -> Event {
    let account = match sound_account(account) {
        Ok(()) => account.to_owned(),
        Err(_) => "(not a sign-in name)".to_owned(),
    };
    let actor = Actor {
        kind: ActorKind::Person,
        id: account.clone(),
        name: account.clone(),
        role: Role::Salus,
    };
    let body = Body::Session(Session {
        account: account.clone(),
        ok,
        note,
    });
    Event::new(actor, Act::SignIn, Subject::Account(account), body)
}

/// `POST /sign-out`
pub(crate) async fn sign_out(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    form: Posted,
) -> Result<Response, Problem> {
    let account = form.visit.identity.actor.id.clone();
    app.sessions.end(&headers);
    let body = Body::Session(Session {
        account: account.clone(),
        ok: true,
        note: "signed out".to_owned(),
    });
    let actor = form.visit.identity.actor;
    app.seal(Event::new(
        actor,
        Act::SignOut,
        Subject::Account(account),
        body,
    ))
    .await?;
    Ok(([(SET_COOKIE, end_cookie())], Redirect::to("/sign-in")).into_response())
}

impl App {
    /// Seals what Salus itself vouches for.
    pub(crate) async fn seal(&self, event: Event) -> Result<record::Receipt, Problem> {
        let admitted = admit(event.into(), Standing::Salus, "")?;
        let receipts = self.record.admit(vec![admitted]).await?;
        receipts
            .first()
            .copied()
            .ok_or_else(|| broken(&"the record gave no receipt"))
    }

    /// Waits until a change of an account that was sealed at `index` is in force.
    pub(crate) async fn account_in_force(&self, index: u64) {
        let wait = Duration::from_millis(self.settings.chart_wait_ms);
        self.staff.caught_up(index + 1, wait).await;
    }

    /// The one-time token of a link for the first administrator (`/setup/{token}`); none if there
    /// is an administrator. An older link stops working.
    pub async fn offer_setup(&self) -> Option<String> {
        if self.staff.any_administrator() {
            return None;
        }
        self.setup
            .offer(self.clock.now().plus_millis(self.settings.setup_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        assert_eq!(own_path("/patients?ward=ICU"), "/patients?ward=ICU");
        for other in [
            "https://evil.test",
            "//evil.test",
            "/\\evil.test",
            "/a\r\nb",
            "",
            "javascript:x",
        ] {
            assert_eq!(own_path(other), "/now", "{other}");
        }
        assert_eq!(
            sign_in_path("/patients?ward=a b&x"),
            "/sign-in?next=/patients%3Fward%3Da%20b%26x"
        );
    }

    #[test]
    fn a_password_typed_as_a_name_is_not_kept() {
        let Body::Session(session) = attempt("Hunter2 is mine!", false, String::new()).body else {
            panic!("no session");
        };
        assert_eq!(session.account, "(not a sign-in name)");
    }

    #[test]
    fn names_have_limits() {
        assert!(sound_account("anna.k-2").is_ok());
        for bad in ["", "Anna", "-a", "a b", "a/b", &"a".repeat(65)] {
            assert!(sound_account(bad).is_err(), "{bad}");
        }
        assert!(sound_name("Anna Keller").is_ok());
        for bad in ["", "a\u{0}b", &"a".repeat(101)] {
            assert!(sound_name(bad).is_err(), "{bad}");
        }
    }
}
