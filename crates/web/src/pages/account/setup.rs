//! The first administrator, and what a name and a password must be like.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use axum::extract::{Path, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use event::{Account, AccountChange, Act, Actor, Body, Event, Role, Subject, Used};
use guard::{Standing, admit};
use staff::SignedIn;

use super::sign_in::begin;
use super::view::SetupPage;
use crate::App;
use crate::caller::{SETUP_COOKIE, cookie, setup_cookie};
use crate::error::{Problem, broken};
use crate::pages::settings::PASSWORD_LETTERS_MIN;
use crate::pages::shell::Shell;
use crate::pages::visit::{Fields, Stranger, page};
use crate::pages::words;

/// `GET /setup/{token}`: the link. What stands in the address is worth nothing from now on; a cookie
/// takes its place.
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    if app.staff.any_administrator() {
        return Err(Problem::NoSetup);
    }
    let next = app.setup.exchange(&token, app.clock.now());
    let cookie = [(SET_COOKIE, setup_cookie(&next.ok_or(Problem::NoSetup)?))];
    Ok((cookie, Redirect::to("/setup")).into_response())
}

/// `GET /setup`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let known = app.setup.knows(&token(&headers), app.clock.now());
    if !known || app.staff.any_administrator() {
        return Err(Problem::NoSetup);
    }
    page(StatusCode::OK, &setup_page(&Fields::default(), None))
}

/// What the browser got for the link.
fn token(headers: &HeaderMap) -> String {
    cookie(headers, SETUP_COOKIE).unwrap_or_default()
}

fn setup_page(fields: &Fields, wrong: Option<String>) -> SetupPage {
    SetupPage {
        shell: Shell::bare("First administrator"),
        account: fields.get("account").to_owned(),
        name: fields.get("name").to_owned(),
        password_letters_min: PASSWORD_LETTERS_MIN,
        wrong,
    }
}

/// `POST /setup`
pub(crate) async fn make_first(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    form: Stranger,
) -> Result<Response, Problem> {
    let token = token(&headers);
    if let Err(wrong) = first_is_sound(&form.fields) {
        let known = app.setup.knows(&token, app.clock.now());
        let shown = setup_page(&form.fields, Some(wrong));
        return if known {
            page(StatusCode::BAD_REQUEST, &shown)
        } else {
            Err(Problem::NoSetup)
        };
    }
    if !app.setup.knows(&token, app.clock.now()) || app.staff.any_administrator() {
        return Err(Problem::NoSetup);
    }
    let secret = match hashed(&app, form.fields.exact("password")).await? {
        Ok(secret) => secret,
        Err(wrong) => {
            return page(
                StatusCode::BAD_REQUEST,
                &setup_page(&form.fields, Some(wrong)),
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
    let identity = app.staff.identity(&account);
    let signed_in = SignedIn {
        identity: identity.ok_or_else(|| broken(&"the account is not in force yet"))?,
        used: Used::Password,
    };
    begin(&app, &form.caller, signed_in, "/settings/people").await
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
pub(crate) async fn hashed(app: &App, password: &str) -> Result<Result<String, String>, Problem> {
    let mut salt = [0_u8; 16];
    rand::fill(&mut salt).map_err(|_| broken(&"this machine gives no random numbers"))?;
    let (staff, password) = (app.staff.clone(), password.to_owned());
    let work = tokio::task::spawn_blocking(move || staff.hash_password(&password, salt));
    let hashed = work.await.map_err(|why| broken(&why))?;
    if let Err(why @ staff::BadPassword::Unchecked) = hashed {
        tracing::error!(%why, "no password can be set");
    }
    Ok(hashed.map_err(|wrong| words::sentence(&wrong.to_string())))
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
